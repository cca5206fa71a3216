//! Where a hand moves the slide: one place after the other.

use crate::random::Random;

/// Room between fields of a careful hand, as a part of the field.
const CAREFUL_GAP: f64 = 0.08;
/// Fields in a row of a careful hand, before it goes one row down and back.
const ROW_FIELDS: u64 = 24;
/// Where a careful hand starts, in micrometres from the smear's tail and upper side.
const START_UM: (f64, f64) = (3000.0, 1000.0);
/// The area that a hasty hand moves about in.
const HASTY_UM: (f64, f64) = (580.0, 430.0);
/// Fields that a retracing hand goes on, before it goes back over them.
const RETRACED_FIELDS: u64 = 8;
/// The farthest that a shaky hand moves between two frames, in pixels.
const MAX_JITTER_PX: f64 = 8.0;
/// How far a slide drifts between two frames, in pixels.
const DRIFT_PX: f64 = 0.4;

/// How a slide is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// From field to field, row after row, without overlap.
    Careful,
    /// To places at random in a small area: many overlap, and many fields apart.
    Hasty,
    /// As a careful one, but the slide trembles at rest.
    Shaky,
    /// As a careful one, but the slide creeps at rest.
    Drifting,
    /// Some fields on, back over the same places, and on again.
    Retracing,
}

impl Hand {
    /// Every hand.
    pub const ALL: [Self; 5] = [
        Self::Careful,
        Self::Hasty,
        Self::Shaky,
        Self::Drifting,
        Self::Retracing,
    ];

    /// Its name, as it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Careful => "careful",
            Self::Hasty => "hasty",
            Self::Shaky => "shaky",
            Self::Drifting => "drifting",
            Self::Retracing => "retracing",
        }
    }

    /// The hand of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hand| hand.name() == name)
    }

    /// The place of a stop, as its left upper corner in micrometres, for fields of this size.
    pub(super) fn stop_um(
        self,
        stop: u64,
        field_um: (f64, f64),
        random: &mut Random,
    ) -> (f64, f64) {
        match self {
            Self::Careful | Self::Shaky | Self::Drifting => in_rows(stop, field_um),
            Self::Hasty => (
                START_UM.0 + random.between(0.0, HASTY_UM.0),
                START_UM.1 + random.between(0.0, HASTY_UM.1),
            ),
            Self::Retracing => in_rows(retraced(stop), field_um),
        }
    }

    /// How far the slide moves from one frame to the next while it should rest, in pixels.
    pub(super) fn unrest_px(self, random: &mut Random) -> (f64, f64) {
        match self {
            Self::Careful | Self::Hasty | Self::Retracing => (0.0, 0.0),
            Self::Shaky => {
                let reach_px = random.between(0.0, MAX_JITTER_PX);
                (
                    random.between(-reach_px, reach_px),
                    random.between(-reach_px, reach_px),
                )
            }
            Self::Drifting => (DRIFT_PX, 0.5 * DRIFT_PX),
        }
    }

    /// Whether unrest adds up from frame to frame: a slide that creeps does not come back.
    pub(super) fn creeps(self) -> bool {
        self == Self::Drifting
    }
}

/// Row after row, every other one backwards.
fn in_rows(stop: u64, (width_um, height_um): (f64, f64)) -> (f64, f64) {
    let (row, along) = (stop / ROW_FIELDS, stop % ROW_FIELDS);
    let column = match row.is_multiple_of(2) {
        true => along,
        false => ROW_FIELDS - 1 - along,
    };
    let apart = 1.0 + CAREFUL_GAP;
    (
        START_UM.0 + column as f64 * width_um * apart,
        START_UM.1 + row as f64 * height_um * apart,
    )
}

/// The field of a stop that goes on, back, and on again over the same ones.
fn retraced(stop: u64) -> u64 {
    let (lap, at) = (stop / (3 * RETRACED_FIELDS), stop % (3 * RETRACED_FIELDS));
    let first = lap * RETRACED_FIELDS;
    let (leg, along) = (at / RETRACED_FIELDS, at % RETRACED_FIELDS);
    match leg {
        1 => first + RETRACED_FIELDS - 1 - along,
        _ => first + along,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD_UM: (f64, f64) = (76.8, 57.6);

    fn stops(hand: Hand, count: u64) -> Vec<(f64, f64)> {
        let mut random = Random::new(1);
        (0..count)
            .map(|stop| hand.stop_um(stop, FIELD_UM, &mut random))
            .collect()
    }

    fn overlap((ax, ay): (f64, f64), (bx, by): (f64, f64)) -> f64 {
        let part = |apart: f64, side: f64| (1.0 - apart.abs() / side).max(0.0);
        part(ax - bx, FIELD_UM.0) * part(ay - by, FIELD_UM.1)
    }

    #[test]
    fn a_careful_hand_overlaps_nothing_and_a_hasty_one_much() {
        let pairs = |stops: &[(f64, f64)]| {
            let later = |at: usize| stops[at + 1..].iter().map(move |other| (at, *other));
            let pairs = (0..stops.len()).flat_map(later);
            pairs
                .filter(|(at, other)| overlap(stops[*at], *other) >= 0.1)
                .count()
        };
        assert_eq!(pairs(&stops(Hand::Careful, 200)), 0);
        assert!(pairs(&stops(Hand::Hasty, 42)) >= 25);
    }

    #[test]
    fn a_retracing_hand_comes_back_to_every_field() {
        let stops = stops(Hand::Retracing, 48);
        assert_eq!(stops[0], stops[15]);
        assert_eq!(stops[7], stops[8]);
        assert_eq!(stops[0..8], stops[16..24]);
        assert_ne!(stops[0..8], stops[24..32]);
    }

    #[test]
    fn hands_are_found_by_their_names() {
        for hand in Hand::ALL {
            assert_eq!(Hand::named(hand.name()), Some(hand));
        }
        assert_eq!(Hand::named("left"), None);
    }
}
