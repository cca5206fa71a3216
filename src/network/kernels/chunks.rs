//! How many products may be added in 16 bits before the sums are widened to 32.
//!
//! Weights are known when they are packed, so it is known how far a sum can get whatever the
//! activations are: up by the largest activation times the weights above zero, down by as much
//! times those below.

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

/// Steps cut into runs.
#[derive(Debug)]
pub(super) struct Runs<const LANES: usize> {
    pub(super) segments: Vec<Segment>,
    /// What each run's sums start with.
    pub(super) first_values: Vec<[i16; LANES]>,
}

impl<const LANES: usize> Runs<LANES> {
    /// Cuts steps into runs.
    ///
    /// `steps` gives, for each step in turn, its kernel row and what it adds to each of `LANES`
    /// sums of 16 bits: the weights above zero and the magnitudes of those below. `overflows` says
    /// whether so much is too much, which no step alone is; `first_value` what such a sum starts
    /// with.
    pub(super) fn new(
        steps: impl Iterator<Item = (usize, [[i32; 2]; LANES])>,
        overflows: impl Fn([i32; 2]) -> bool,
        first_value: impl Fn([i32; 2]) -> i16,
    ) -> Self {
        let mut runs = Self {
            segments: Vec::new(),
            first_values: Vec::new(),
        };
        let mut run = [[0; 2]; LANES];
        let mut last_row = None;
        for (row, added) in steps {
            let mut together = run;
            for (sum, added) in together.iter_mut().flatten().zip(added.iter().flatten()) {
                *sum += added;
            }
            let new_row = (last_row != Some(row)).then_some(row as u8);
            let starts = last_row.is_none() || together.into_iter().any(&overflows);
            last_row = Some(row);
            if starts && let Some(last) = runs.segments.last_mut() {
                last.ends = true;
                runs.first_values.push(run.map(&first_value));
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
            runs.first_values.push(run.map(&first_value));
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
        let cases = [
            (
                "every step by itself",
                1,
                vec![[254, 0], [254, 0]],
                "row 0: (1) row 1: (1)",
            ),
            (
                "258 is the most",
                4,
                vec![[129, 0], [129, 0], [1, 0], [200, 0]],
                "row 0: (2) (2)",
            ),
            (
                "the signs count by themselves",
                3,
                vec![[100, 100], [100, 100], [58, 58]],
                "row 0: (3)",
            ),
            (
                "a run goes on in the next row",
                2,
                vec![[200, 0], [50, 0], [8, 0], [1, 0]],
                "row 0: (2 row 1: 1) (1)",
            ),
        ];
        for (name, row_steps, sums, expected) in cases {
            let steps = sums.into_iter().enumerate();
            let steps = steps.map(|(index, sum)| (index / row_steps, [sum]));
            let overflows = |[above, below]: [i32; 2]| above.max(below) > 258;
            let runs = Runs::new(steps, overflows, |sum| sum[0] as i16);
            assert_eq!(describe(&runs), expected, "{name}");
            assert_eq!(
                runs.first_values.len(),
                expected.matches('(').count(),
                "{name}"
            );
        }
    }
}
