//! Finds by trial the value of a control at which something measured lies within a band. What is
//! measured grows with the value; how, differs from camera to camera, and is not known.

use super::controls::ControlRange;
use std::ops::RangeInclusive;

/// Values that are tried at most.
const MAX_STEPS: u32 = 12;
/// The largest factor between two values that are tried.
const MAX_FACTOR: u64 = 4;
/// Parts of a range of differences that one guess moves.
const RANGE_PARTS: i32 = 4;

/// How a control's values are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Twice as much is one step, as for an exposure.
    Ratios,
    /// A hundred more is one step, as for a colour temperature.
    Differences,
}

/// What is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Goal {
    pub spacing: Spacing,
    /// Where what is measured should lie.
    pub band: RangeInclusive<u32>,
    /// Measured from here on, it may be any amount too much.
    pub saturated_from: u32,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeekEnd {
    /// Within the band.
    Reached,
    /// As near to the band as the control's steps come.
    Nearest,
    /// Below the band even at the largest value.
    TooLow,
    /// Above the band even at the smallest value.
    TooHigh,
    /// What was measured did not follow the value.
    Unsteady,
}

/// A search: measure, [`Seek::step`], set, and again.
#[derive(Debug, Clone)]
pub(super) struct Seek {
    goal: Goal,
    min: i32,
    max: i32,
    increment: i32,
    start: i32,
    value: i32,
    /// The largest value that was too low, and the smallest that was too high.
    too_low: Option<i32>,
    too_high: Option<i32>,
    /// The nearest so far: how far from the band, and its value.
    nearest: (u32, i32),
    steps: u32,
    end: Option<SeekEnd>,
}

impl Seek {
    /// From where the control stands now, up to `max` of its range.
    pub(super) fn new(goal: Goal, range: &ControlRange, max: i32) -> Self {
        let max = range.max.min(max).max(range.min);
        let increment = range.step.max(1);
        Self {
            goal,
            min: range.min,
            max: max - (max - range.min) % increment,
            increment,
            start: range.value,
            value: range.value,
            too_low: None,
            too_high: None,
            nearest: (u32::MAX, range.value),
            steps: 0,
            end: None,
        }
    }

    /// How it ended; `None` while it goes on.
    pub(super) fn end(&self) -> Option<SeekEnd> {
        self.end
    }

    /// The value that stands now or, once the search has ended, that is to be held.
    pub(super) fn value(&self) -> i32 {
        self.value
    }

    /// Ends the search where it began.
    pub(super) fn give_up(&mut self, end: SeekEnd) {
        self.value = self.start;
        self.end = Some(end);
    }

    /// Ends the search at the nearest value so far.
    pub(super) fn stop(&mut self) {
        self.hold_nearest(SeekEnd::Unsteady);
    }

    /// Takes what was measured at the value that stands; the next value to set, or `None` once the
    /// search has ended.
    pub(super) fn step(&mut self, measured: u32) -> Option<i32> {
        if self.end.is_some() {
            return None;
        }
        self.steps += 1;
        let (low, high) = (*self.goal.band.start(), *self.goal.band.end());
        if (low..=high).contains(&measured) {
            self.end = Some(SeekEnd::Reached);
            return None;
        }
        let is_low = measured < low;
        let distance = match measured {
            measured if measured >= self.goal.saturated_from => u32::MAX - 1,
            measured if is_low => low - measured,
            measured => measured - high,
        };
        // Of equal ones that are too high the later one is the lower.
        if distance < self.nearest.0 || !is_low && distance == self.nearest.0 {
            self.nearest = (distance, self.value);
        }
        let bound = if is_low {
            &mut self.too_low
        } else {
            &mut self.too_high
        };
        let is_again = bound.replace(self.value).is_some();
        match self.next(measured, is_again) {
            Ok(value) if self.steps < MAX_STEPS => {
                self.value = value;
                Some(value)
            }
            Ok(_) => {
                self.hold_nearest(SeekEnd::Unsteady);
                None
            }
            Err(SeekEnd::Unsteady) => {
                self.give_up(SeekEnd::Unsteady);
                None
            }
            Err(end) => {
                self.hold_nearest(end);
                None
            }
        }
    }

    fn hold_nearest(&mut self, end: SeekEnd) {
        self.value = self.nearest.1;
        self.end = Some(end);
    }

    /// The next value to try. The second guess into one direction goes twice as far.
    fn next(&self, measured: u32, is_again: bool) -> Result<i32, SeekEnd> {
        match (self.too_low, self.too_high) {
            (Some(low), Some(high)) if low >= high => Err(SeekEnd::Unsteady),
            (Some(low), Some(high)) => {
                let middle = self
                    .on_grid(self.middle(low, high))
                    .max(low + self.increment);
                if middle < high {
                    Ok(middle)
                } else {
                    Err(SeekEnd::Nearest)
                }
            }
            (Some(low), None) if low >= self.max => Err(SeekEnd::TooLow),
            (None, Some(high)) if high <= self.min => Err(SeekEnd::TooHigh),
            (_, None) => {
                let guess = self.on_grid(self.guess(measured, is_again));
                Ok(guess.max(self.value + self.increment).min(self.max))
            }
            (None, _) => {
                let guess = self.on_grid(self.guess(measured, is_again));
                Ok(guess.min(self.value - self.increment).max(self.min))
            }
        }
    }

    fn middle(&self, low: i32, high: i32) -> i32 {
        let (low, high) = (i64::from(low), i64::from(high));
        let middle = match self.goal.spacing {
            Spacing::Ratios if low > 0 => (low * high).isqrt(),
            _ => low + (high - low) / 2,
        };
        i32::try_from(middle).unwrap_or(i32::MAX)
    }

    /// Where the band would be, were what is measured proportional to the value.
    fn guess(&self, measured: u32, is_again: bool) -> i32 {
        let is_low = measured < *self.goal.band.start();
        let times = if is_again { 2 } else { 1 };
        match self.goal.spacing {
            Spacing::Differences => {
                let move_by = (self.max / RANGE_PARTS - self.min / RANGE_PARTS).max(1);
                self.value
                    .saturating_add(if is_low { move_by } else { -move_by })
            }
            Spacing::Ratios => {
                let middle = u64::from(self.goal.band.start() / 2 + self.goal.band.end() / 2);
                let measured = u64::from(measured.max(1));
                let value = u64::try_from(self.value.max(1)).unwrap_or(1);
                let limits = (value / MAX_FACTOR, value * MAX_FACTOR);
                let mut guess = value;
                for _ in 0..times {
                    guess = guess * middle / measured;
                }
                if measured >= u64::from(self.goal.saturated_from) {
                    guess = limits.0;
                }
                i32::try_from(guess.clamp(limits.0, limits.1)).unwrap_or(i32::MAX)
            }
        }
    }

    /// The value that the control takes for this one.
    fn on_grid(&self, value: i32) -> i32 {
        let value = value.clamp(self.min, self.max);
        value - (value - self.min) % self.increment
    }
}

#[cfg(test)]
mod tests {
    use super::super::controls::Control;
    use super::*;
    use proptest::prelude::*;

    const GOAL: Goal = Goal {
        spacing: Spacing::Ratios,
        band: 200..=220,
        saturated_from: 250,
    };

    fn range(min: i32, max: i32, step: i32, value: i32) -> ControlRange {
        ControlRange {
            control: Control::Exposure,
            min,
            max,
            step,
            value,
        }
    }

    /// Lets a search run; the values that it tried.
    fn run(seek: &mut Seek, measure: impl Fn(i32) -> u32) -> Vec<i32> {
        let mut tried = vec![seek.value()];
        while let Some(value) = seek.step(measure(seek.value())) {
            tried.push(value);
        }
        tried
    }

    #[test]
    fn a_search_ends_with_its_state() {
        type Case = (&'static str, ControlRange, fn(i32) -> u32, SeekEnd, i32);
        let cases: [Case; 7] = [
            (
                "at once",
                range(1, 5000, 1, 157),
                |_| 210,
                SeekEnd::Reached,
                157,
            ),
            (
                "linear",
                range(1, 5000, 1, 50),
                |at| at as u32,
                SeekEnd::Reached,
                200,
            ),
            (
                "too dark",
                range(1, 5000, 1, 157),
                |at| at as u32 / 10,
                SeekEnd::TooLow,
                1000,
            ),
            (
                "too bright",
                range(3, 5000, 1, 157),
                |_| 255,
                SeekEnd::TooHigh,
                3,
            ),
            (
                "no finer",
                range(1, 5000, 1, 157),
                |at| (at as u32 * 75).min(255),
                SeekEnd::Nearest,
                3,
            ),
            (
                "without answer",
                range(1, 5000, 1, 157),
                |_| 90,
                SeekEnd::TooLow,
                157,
            ),
            (
                "the wrong way",
                range(1, 5000, 1, 500),
                |at| 100 - at as u32 / 10,
                SeekEnd::TooLow,
                500,
            ),
        ];
        for (name, range, measure, end, value) in cases {
            let mut seek = Seek::new(GOAL, &range, 1000);
            run(&mut seek, measure);
            let found = (seek.end(), seek.value());
            assert!(
                found.0 == Some(end) && (found.1 - value).abs() <= 20,
                "{name}: {found:?}"
            );
            assert_eq!(seek.step(0), None);
        }
    }

    #[test]
    fn what_contradicts_itself_ends_where_it_began() {
        let mut seek = Seek::new(GOAL, &range(1, 5000, 1, 100), 1000);
        // Somebody moves the lamp.
        for measured in [190, 230, 190, 240, 190, 240, 180, 240, 190, 240, 190] {
            seek.step(measured);
        }
        assert!(seek.end().is_some());
        assert!(seek.value() >= 100 && seek.value() < 200);
    }

    #[test]
    fn a_colour_temperature_is_found_by_differences() {
        let goal = Goal {
            spacing: Spacing::Differences,
            band: 1000..=1150,
            saturated_from: u32::MAX,
        };
        for start in (2800..=6500).step_by(100) {
            for neutral in (3000..=6000).step_by(500) {
                let mut seek = Seek::new(goal.clone(), &range(2800, 6500, 10, start), 10_000);
                run(&mut seek, |kelvin| (kelvin * 1075 / neutral) as u32);
                assert_eq!(seek.end(), Some(SeekEnd::Reached), "{start} to {neutral}");
            }
        }
    }

    proptest! {
        /// Sensors: linear, with a gamma, with a shoulder; each with a black level, saturating.
        #[test]
        fn every_kind_of_sensor_is_brought_into_the_band(
            kind in 0..3, black in 0_u32..30, full in 2.0_f64..3000.0, start in 1_i32..=1000, step in 1_i32..4
        ) {
            let measure = |value: i32| {
                let share = f64::from(value) / full;
                let level = match kind {
                    0 => share,
                    1 => share.powf(1.0 / 2.2),
                    _ => 1.5 * share / (0.5 + share),
                };
                black + (level * f64::from(255 - black)).min(f64::from(255 - black)) as u32
            };
            let range = range(1, 5000, step, start - (start - 1) % step);
            let mut seek = Seek::new(GOAL, &range, 1000);
            let tried = run(&mut seek, measure);
            prop_assert!(tried.len() <= MAX_STEPS as usize, "{tried:?}");
            prop_assert!(tried.iter().all(|value| (1..=1000).contains(value) && (value - 1) % step == 0));
            let possible = (1..=1000).step_by(step as usize).any(|value| GOAL.band.contains(&measure(value)));
            let end = seek.end();
            if possible {
                prop_assert_eq!(end, Some(SeekEnd::Reached), "{:?}", tried);
                prop_assert!(GOAL.band.contains(&measure(seek.value())));
            } else {
                let named = [SeekEnd::Nearest, SeekEnd::TooLow, SeekEnd::TooHigh];
                prop_assert!(end.is_some_and(|end| named.contains(&end)), "{end:?} {tried:?}");
            }
        }
    }
}
