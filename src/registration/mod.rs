//! Which part of a field was counted before.
//!
//! **No cell may be counted twice.** The stage is moved by hand, and a camera does not know where
//! it is. So every field is laid over all fields of its smear that were accepted before it, under
//! every shift: edges of cells vote for shifts (`votes`), and where many agree the images are
//! compared (`agreement`). What an older field shows is left out of the new one; a field of
//! which more than half was counted before is not counted at all. Where two places are possible,
//! it is taken to lie at both.
//!
//! Everything is integer arithmetic, and all memory is taken when a [`Registry`] is made.
//!
//! What it cannot see: an overlap below a twentieth of the field (below a fiftieth with one of the
//! last three fields), an overlap without a cell, and a slide or camera that was turned.

mod agreement;
mod placement;
mod reduced;
mod votes;

pub use placement::{MAX_OVERLAPS, Overlap, Overlaps, Placement};
pub use reduced::FrameReduced;

use reduced::{DIRECTIONS, EdgePoint, MAX_BLOCKS, MAX_POINTS, ReducedView, Shape};
use votes::{Guess, Votes};

/// Accepted fields that a new one is compared with: when there are more, the oldest go.
pub const MAX_ACCEPTED: usize = 2000;
/// Shifts looked at for each accepted field.
const GUESSES: usize = 4;
/// Shifts looked at for each new field, so that its cost has a bound.
const MAX_LOOKS: usize = 400;
/// The last fields are looked at whatever others promise: a stage is moved from one to the next.
const RECENT: usize = 8;
/// The correlation, in thousandths, from which two fields overlap, by the part of the field in
/// common, in thousandths. A narrow overlap of one cell agrees by chance with many others.
///
/// On the simulated smear, at 30 red cells a field, true shifts reach 926 and more, and 948 at 50;
/// `docs/registration.md` says what these limits miss and what they take by chance.
const LEAST_AGREEMENT: [(usize, i32); 4] = [(200, 800), (100, 900), (75, 945), (50, 965)];
/// Accepted fields from which a narrow strip has to agree better: with hundreds of fields, each new
/// one agrees with some of them by chance.
const MANY_FIELDS: usize = 60;
/// The correlation that takes then.
const LEAST_AGREEMENT_OF_MANY: [(usize, i32); 4] = [(200, 800), (100, 920), (75, 960), (50, 975)];
/// The last fields, of which a new one shows a strip more often than by chance.
const LAST: usize = 3;
/// The correlation that is enough for those.
const LEAST_AGREEMENT_LAST: [(usize, i32); 6] = [
    (200, 750),
    (100, 850),
    (75, 900),
    (50, 930),
    (35, 960),
    (20, 980),
];

/// The accepted fields of one smear.
#[derive(Debug, Clone)]
pub struct Registry {
    fields: Vec<Accepted>,
    levels: Vec<u8>,
    points: Vec<EdgePoint>,
    room: usize,
    /// The place of the next field to be accepted, and its number.
    next: usize,
    next_number: u64,
    votes: Votes,
    looks: Vec<Look>,
}

/// Names an accepted field, to take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    place: usize,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
struct Accepted {
    number: u64,
    shape: Shape,
    starts: [u16; DIRECTIONS + 1],
    variance: u32,
}

impl Accepted {
    /// The field at a place of the registry, whose levels and points these are.
    fn view<'a>(
        &'a self,
        place: usize,
        levels: &'a [u8],
        points: &'a [EdgePoint],
    ) -> ReducedView<'a> {
        let blocks = self.shape.columns * self.shape.rows;
        let point_count = usize::from(self.starts[DIRECTIONS]);
        ReducedView {
            shape: self.shape,
            levels: &levels[place * MAX_BLOCKS..][..blocks],
            points: &points[place * MAX_POINTS..][..point_count],
            starts: &self.starts,
            variance: self.variance,
        }
    }
}

/// A shift against an accepted field, to be looked at.
#[derive(Debug, Clone, Copy)]
struct Look {
    place: usize,
    guess: Guess,
    /// Accepted fields that are newer than this one.
    newer: usize,
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_room(MAX_ACCEPTED)
    }
}

impl Registry {
    /// A registry of so many fields, 23 kB each; at least one.
    pub fn with_room(fields: usize) -> Self {
        let room = fields.max(1);
        Self {
            fields: Vec::with_capacity(room),
            levels: vec![0; room * MAX_BLOCKS],
            points: vec![0; room * MAX_POINTS],
            room,
            next: 0,
            next_number: 0,
            votes: Votes::default(),
            looks: Vec::with_capacity(MAX_LOOKS),
        }
    }

    /// Accepted fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether no field was accepted.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Another smear begins.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.next = 0;
    }

    /// The field is counted: later ones are compared with it.
    pub fn accept(&mut self, frame: &FrameReduced) -> Ticket {
        let view = frame.view();
        let number = self.next_number;
        let accepted = Accepted {
            number,
            shape: view.shape,
            starts: *view.starts,
            variance: view.variance,
        };
        let place = self.next;
        self.levels[place * MAX_BLOCKS..][..view.levels.len()].copy_from_slice(view.levels);
        self.points[place * MAX_POINTS..][..view.points.len()].copy_from_slice(view.points);
        match self.fields.get_mut(place) {
            Some(oldest) => *oldest = accepted,
            None => self.fields.push(accepted),
        }
        self.next = (place + 1) % self.room;
        self.next_number += 1;
        Ticket { place, number }
    }

    /// A field that was accepted is not counted after all: it is compared with no longer.
    pub fn withdraw(&mut self, ticket: Ticket) {
        let is_it = |field: &&mut Accepted| field.number == ticket.number;
        if let Some(field) = self.fields.get_mut(ticket.place).filter(is_it) {
            field.shape = Shape::default();
        }
    }

    /// How much of what a frame shows was counted before. Fields in frames of another size cannot
    /// be compared, and are passed over.
    pub fn assess(&mut self, frame: &FrameReduced) -> Placement {
        let view = frame.view();
        self.collect_looks(view);
        let mut overlaps = Overlaps::new(view.shape.frame_px);
        for look in &self.looks {
            if let Some(overlap) = self.look(view, look) {
                overlaps.add(overlap);
            }
        }
        Placement::of(overlaps)
    }

    fn accepted(&self, place: usize) -> ReducedView<'_> {
        self.fields[place].view(place, &self.levels, &self.points)
    }

    /// The shifts that promise most, of all accepted fields.
    fn collect_looks(&mut self, view: ReducedView<'_>) {
        let Self { votes, looks, .. } = self;
        looks.clear();
        votes.prepare(view);
        let (next, room) = (self.next, self.room);
        // From the newest back.
        let places = (1..=self.fields.len()).map(|back| (next + room - back) % room);
        for (newer, place) in places.enumerate() {
            let older = self.fields[place].view(place, &self.levels, &self.points);
            if older.shape != view.shape {
                continue;
            }
            let guesses: [Option<Guess>; GUESSES] = votes.guesses(older);
            for guess in guesses.into_iter().flatten() {
                let look = Look {
                    place,
                    guess,
                    newer,
                };
                if newer < RECENT {
                    looks.push(look);
                } else {
                    keep_best(looks, look);
                }
            }
        }
    }

    /// Whether an accepted field overlaps the frame under a shift.
    fn look(&self, view: ReducedView<'_>, look: &Look) -> Option<Overlap> {
        let found = agreement::near(view, self.accepted(look.place), look.guess.shift)?;
        let part_permille = found.blocks * 1000 / view.levels.len().max(1);
        let limits: &[(usize, i32)] = if look.newer < LAST {
            &LEAST_AGREEMENT_LAST
        } else if self.fields.len() > MANY_FIELDS {
            &LEAST_AGREEMENT_OF_MANY
        } else {
            &LEAST_AGREEMENT
        };
        let (_, least) = limits.iter().find(|(part, _)| part_permille >= *part)?;
        if found.correlation_permille < *least {
            return None;
        }
        let [dx_px, dy_px] = found
            .shift_q4
            .map(|shift| to_px(shift, view.shape.step_px as i32));
        Some(Overlap {
            dx_px,
            dy_px,
            // At most a thousand.
            agreement_permille: found.correlation_permille as u16,
        })
    }
}

/// Sixteenths of a block to the nearest pixel.
fn to_px(blocks_q4: i32, step_px: i32) -> i32 {
    (blocks_q4 * step_px + 8).div_euclid(16)
}

/// Adds a look; where there is no room, the one that promises least makes way for a better one.
fn keep_best(looks: &mut Vec<Look>, look: Look) {
    if looks.len() < MAX_LOOKS {
        looks.push(look);
        return;
    }
    let promise = |look: &&mut Look| look.guess.evidence_q4;
    let older = looks.iter_mut().filter(|look| look.newer >= RECENT);
    if let Some(least) = older.min_by_key(promise)
        && least.guess.evidence_q4 < look.guess.evidence_q4
    {
        *least = look;
    }
}

#[cfg(test)]
mod tests;
