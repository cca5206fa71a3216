//! How many products may be added in 16 bits before the sums are widened to 32.
//!
//! Weights are known when they are packed, so it is known how far a sum can get whatever the
//! activations are: up by the largest activation times the weights above zero, down by as much
//! times those below. A sum that starts at the right value has room for both together.

use super::parameters::MAX_ACTIVATION;

/// Neighbouring steps of one kernel row. A run of steps whose sums fit 16 bits may go on from one
/// kernel row to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// At least one.
    pub(super) steps: u32,
    /// The kernel row, where the segment is its first.
    pub(super) new_row: Option<u8>,
    /// A run starts here.
    pub(super) starts: bool,
    /// A run ends here: its sums are widened.
    pub(super) ends: bool,
}

/// Where the sums of a run start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At zero: each sign has half of the room.
    Zero,
    /// Where both signs together have all of it.
    Shifted,
}

/// Steps cut into runs.
#[derive(Debug)]
pub(super) struct Runs<const LANES: usize> {
    pub(super) segments: Vec<Segment>,
    /// What each run's sums start with.
    pub(super) first_values: Vec<[i16; LANES]>,
}

impl<const LANES: usize> Runs<LANES> {
    /// What the runs have added to each sum beside the products.
    pub(super) fn added(&self) -> [i32; LANES] {
        std::array::from_fn(|lane| {
            let values = self
                .first_values
                .iter()
                .map(|values| i32::from(values[lane]));
            values.sum()
        })
    }

    /// Cuts the steps of kernel rows of `row_steps` each.
    ///
    /// `step_sums` gives, for each step in turn, what it adds to each of `LANES` sums of 16 bits:
    /// the weights above zero and the magnitudes of those below. One step alone always fits.
    pub(super) fn new(
        row_steps: usize,
        start: Start,
        step_sums: impl Iterator<Item = [[i32; 2]; LANES]>,
    ) -> Self {
        let is_full = |[above, below]: &[i32; 2]| match start {
            Start::Zero => above.max(below) * MAX_ACTIVATION > i32::from(i16::MAX),
            Start::Shifted => (above + below) * MAX_ACTIVATION > i32::from(u16::MAX),
        };
        let first_values = |run: &[[i32; 2]; LANES]| {
            run.map(|[_, below]| match start {
                Start::Zero => 0,
                // The lowest that the sum can get is then the lowest value there is.
                Start::Shifted => (i32::from(i16::MIN) + below * MAX_ACTIVATION) as i16,
            })
        };
        let mut runs = Self {
            segments: Vec::new(),
            first_values: Vec::new(),
        };
        let mut run = [[0; 2]; LANES];
        for (index, added) in step_sums.enumerate() {
            let mut together = run;
            for (sum, added) in together.iter_mut().flatten().zip(added.iter().flatten()) {
                *sum += added;
            }
            let row = (index / row_steps) as u8;
            let new_row = index.is_multiple_of(row_steps).then_some(row);
            let starts = index == 0 || together.iter().any(is_full);
            if starts && let Some(last) = runs.segments.last_mut() {
                last.ends = true;
                runs.first_values.push(first_values(&run));
            }
            run = if starts { added } else { together };
            match runs.segments.last_mut() {
                Some(segment) if !starts && new_row.is_none() => segment.steps += 1,
                _ => runs.segments.push(Segment {
                    steps: 1,
                    new_row,
                    starts,
                    ends: false,
                }),
            }
        }
        if let Some(last) = runs.segments.last_mut() {
            last.ends = true;
            runs.first_values.push(first_values(&run));
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(runs: &Runs<1>) -> String {
        let segments = runs.segments.iter().map(|segment| {
            let row = segment
                .new_row
                .map_or(String::new(), |row| format!("row {row}: "));
            let start = if segment.starts { "(" } else { "" };
            let end = if segment.ends { ")" } else { "" };
            format!("{row}{start}{}{end}", segment.steps)
        });
        segments.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn runs_fill_sixteen_bits_and_never_more() {
        use Start::{Shifted, Zero};
        let cases = [
            (
                "every step by itself",
                1,
                Zero,
                vec![[254, 0], [254, 0]],
                "row 0: (1) row 1: (1)",
            ),
            (
                "258 is the most from zero",
                4,
                Zero,
                vec![[129, 0], [129, 0], [1, 0], [200, 0]],
                "row 0: (2) (2)",
            ),
            (
                "from zero the signs count by themselves",
                3,
                Zero,
                vec![[100, 100], [100, 100], [58, 58]],
                "row 0: (3)",
            ),
            (
                "516 is the most where the start is shifted",
                4,
                Shifted,
                vec![[200, 0], [0, 200], [116, 0], [1, 0]],
                "row 0: (3) (1)",
            ),
            (
                "a run goes on in the next row",
                2,
                Zero,
                vec![[200, 0], [50, 0], [8, 0], [1, 0]],
                "row 0: (2 row 1: 1) (1)",
            ),
        ];
        for (name, row_steps, start, sums, expected) in cases {
            let runs = Runs::new(row_steps, start, sums.into_iter().map(|sum| [sum]));
            assert_eq!(describe(&runs), expected, "{name}");
        }
    }

    #[test]
    fn shifted_sums_stay_within_sixteen_bits() {
        let sums = [[[254, 0], [0, 254]], [[100, 8], [254, 0]], [[0, 0], [3, 5]]];
        let runs = Runs::new(3, Start::Shifted, sums.into_iter());
        assert_eq!(runs.first_values.len(), 1);
        for (lane, &first) in runs.first_values[0].iter().enumerate() {
            let total = |sign: usize| sums.iter().map(|sum| sum[lane][sign]).sum::<i32>();
            let highest = i32::from(first) + total(0) * MAX_ACTIVATION;
            let lowest = i32::from(first) - total(1) * MAX_ACTIVATION;
            assert!(highest <= i32::from(i16::MAX) && lowest >= i32::from(i16::MIN));
        }
        assert_eq!(runs.added()[0], i32::from(runs.first_values[0][0]));
    }
}
