//! How many products may be added in 16 bits before the sums are widened to 32.
//!
//! Weights are known when they are packed, so it is known how far a sum can get whatever the
//! activations are: no further than the largest activation times the weights of one sign.

use super::parameters::MAX_ACTIVATION;

/// With this sum of weights of one sign, times the largest activation, 16 bits are full.
const MOST: i32 = i16::MAX as i32 / MAX_ACTIVATION;

/// Neighbouring steps of one kernel row. A run of steps whose sums fit 16 bits may go on from one
/// kernel row to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// At least one.
    pub(super) steps: usize,
    /// A run starts here: its first products are not added to any before them.
    pub(super) starts: bool,
    /// A run ends here: its sums are widened.
    pub(super) ends: bool,
}

/// Cuts the steps of some kernel rows into segments, one list a row.
///
/// `step_sums` gives, for each step in turn, what it adds to each of `LANES` sums of 16 bits: the
/// weights above zero and the magnitudes of those below. One step alone always fits.
pub(super) fn segments<const LANES: usize>(
    row_steps: usize,
    step_sums: impl Iterator<Item = [[i32; 2]; LANES]>,
) -> Vec<Vec<Segment>> {
    let mut rows: Vec<Vec<Segment>> = Vec::new();
    let mut run = [[0; 2]; LANES];
    for (index, added) in step_sums.enumerate() {
        if index.is_multiple_of(row_steps) {
            rows.push(Vec::new());
        }
        let mut together = run;
        for (sum, added) in together.iter_mut().flatten().zip(added.iter().flatten()) {
            *sum += added;
        }
        let is_full = together.iter().flatten().any(|&sum| sum > MOST);
        if is_full && let Some(last) = rows.iter_mut().flatten().last() {
            last.ends = true;
        }
        let starts = index == 0 || is_full;
        run = if starts { added } else { together };
        match rows.last_mut() {
            Some(row) => match row.last_mut() {
                Some(segment) if !starts => segment.steps += 1,
                _ => row.push(Segment {
                    steps: 1,
                    starts,
                    ends: false,
                }),
            },
            None => unreachable!("the first step opens a row"),
        }
    }
    if let Some(last) = rows.iter_mut().flatten().last() {
        last.ends = true;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_fill_sixteen_bits_and_never_more() {
        let segment = |steps, starts, ends| Segment {
            steps,
            starts,
            ends,
        };
        let cases = [
            (
                "every step by itself",
                1,
                vec![[254, 0], [254, 0]],
                vec![vec![segment(1, true, true)], vec![segment(1, true, true)]],
            ),
            (
                "258 is the most",
                4,
                vec![[129, 0], [129, 0], [1, 0], [200, 0]],
                vec![vec![segment(2, true, true), segment(2, true, true)]],
            ),
            (
                "the signs count by themselves",
                3,
                vec![[100, 100], [100, 100], [58, 58]],
                vec![vec![segment(3, true, true)]],
            ),
            (
                "a run goes on in the next row",
                2,
                vec![[200, 0], [50, 0], [8, 0], [1, 0]],
                vec![
                    vec![segment(2, true, false)],
                    vec![segment(1, false, true), segment(1, true, true)],
                ],
            ),
        ];
        for (name, row_steps, sums, expected) in cases {
            let found = segments(row_steps, sums.into_iter().map(|sum| [sum]));
            assert_eq!(found, expected, "{name}");
        }
    }
}
