//! Our own resampler, so that training, desk and board see the same bytes.
//!
//! Triangle filter with half-pixel centres: when it reduces, the triangle widens to two output
//! pixels (every input pixel counts, nothing aliases); when it enlarges, it is bilinear.
//! Integers only: weights in 1/16384, computed once for a pair of sizes.

use crate::frame::{Frame, FrameError};
use thiserror::Error;

const CHANNELS: usize = 3;
/// Weights are in 1/2^14: an `i16` holds them, and a 32-bit sum of weighted bytes cannot overflow.
const WEIGHT_BITS: u32 = 14;
const ONE: i64 = 1 << WEIGHT_BITS;
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// Why nothing was resized.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ResizeError {
    /// The source or target size is outside the limits.
    #[error(transparent)]
    Size(#[from] FrameError),
    /// A buffer does not fit the sizes that the resizer was made for.
    #[error(
        "the resizer was made for {expected_bytes} bytes of {buffer} and got {actual_bytes}; \
         make a new one for the new size"
    )]
    WrongLength {
        buffer: &'static str,
        expected_bytes: usize,
        actual_bytes: usize,
    },
}

/// Resizes RGB pictures of one size to another; keeps its tables and its row of scratch.
#[derive(Debug, Clone)]
pub struct Resizer {
    columns: AxisTaps,
    rows: AxisTaps,
    source_bytes: usize,
    target_bytes: usize,
    sums: Vec<i32>,
    row: Vec<u8>,
}

impl Resizer {
    /// Prepares tables for pictures of `source` (width, height) pixels shown at `target` pixels.
    ///
    /// # Errors
    /// A size outside [`Frame::check_size`].
    pub fn new(source: (u32, u32), target: (u32, u32)) -> Result<Self, ResizeError> {
        Frame::check_size(source.0, source.1)?;
        Frame::check_size(target.0, target.1)?;
        let row_bytes = source.0 as usize * CHANNELS;
        Ok(Self {
            columns: AxisTaps::new(source.0, target.0),
            rows: AxisTaps::new(source.1, target.1),
            source_bytes: row_bytes * source.1 as usize,
            target_bytes: target.0 as usize * target.1 as usize * CHANNELS,
            sums: vec![0; row_bytes],
            row: vec![0; row_bytes],
        })
    }

    /// Resizes `rgb` into `out`; allocates nothing.
    ///
    /// Rows are mixed before columns: the mixing of rows runs in vector units, and when it
    /// reduces it leaves fewer rows to the slower mixing of columns.
    ///
    /// # Errors
    /// A buffer of another length than the sizes given to [`Resizer::new`].
    pub fn run(&mut self, rgb: &[u8], out: &mut [u8]) -> Result<(), ResizeError> {
        check_length("the source", self.source_bytes, rgb.len())?;
        check_length("the target", self.target_bytes, out.len())?;
        let source_row_bytes = self.row.len();
        let target_row_bytes = self.columns.spans.len() * CHANNELS;
        let target_rows = out.chunks_exact_mut(target_row_bytes);
        for ((first, weights), target_row) in self.rows.iter().zip(target_rows) {
            let source_rows = rgb[first * source_row_bytes..].chunks_exact(source_row_bytes);
            mix_rows(source_rows, weights, &mut self.sums, &mut self.row);
            mix_columns(&self.row, &self.columns, target_row);
        }
        Ok(())
    }
}

fn check_length(
    buffer: &'static str,
    expected_bytes: usize,
    actual_bytes: usize,
) -> Result<(), ResizeError> {
    if expected_bytes == actual_bytes {
        return Ok(());
    }
    Err(ResizeError::WrongLength {
        buffer,
        expected_bytes,
        actual_bytes,
    })
}

/// The weighted sum of whole rows.
fn mix_rows<'a>(
    rows: impl Iterator<Item = &'a [u8]>,
    weights: &[i16],
    sums: &mut [i32],
    mixed: &mut [u8],
) {
    sums.fill(HALF);
    for (row, &weight) in rows.zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += i32::from(weight) * i32::from(value);
        }
    }
    for (byte, &sum) in mixed.iter_mut().zip(&*sums) {
        *byte = to_byte(sum);
    }
}

/// The weighted sums of neighbouring pixels of one row.
fn mix_columns(row: &[u8], taps: &AxisTaps, out: &mut [u8]) {
    for ((first, weights), out_pixel) in taps.iter().zip(out.chunks_exact_mut(CHANNELS)) {
        let mut sums = [HALF; CHANNELS];
        let pixels = row[first * CHANNELS..].chunks_exact(CHANNELS);
        for (pixel, &weight) in pixels.zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(weight) * i32::from(value);
            }
        }
        for (byte, sum) in out_pixel.iter_mut().zip(sums) {
            *byte = to_byte(sum);
        }
    }
}

/// Weights are at least zero and add up to one, so the sum never leaves a byte's range.
fn to_byte(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS) as u8
}

/// For every output place along one axis, which input places it mixes and how much of each.
#[derive(Debug, Clone)]
struct AxisTaps {
    spans: Vec<Span>,
    weights: Vec<i16>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    first_input: usize,
    first_weight: usize,
    taps: usize,
}

impl AxisTaps {
    fn new(source: u32, target: u32) -> Self {
        let mut taps = Self {
            spans: Vec::with_capacity(target as usize),
            weights: Vec::new(),
        };
        for output in 0..target {
            taps.push_output(i64::from(source), i64::from(target), i64::from(output));
        }
        taps
    }

    /// Distances are exact in units of 1/(2 x target) of an input pixel: input `i` lies at
    /// `(2i + 1) target`, output `o` at `(2o + 1) source`, and the triangle reaches zero at
    /// `2 max(source, target)`.
    fn push_output(&mut self, source: i64, target: i64, output: i64) {
        let centre = (2 * output + 1) * source;
        let reach = 2 * source.max(target);
        let height = |input: i64| (reach - ((2 * input + 1) * target - centre).abs()).max(0);
        let first = ((centre - reach) / (2 * target) - 1).clamp(0, source - 1);
        let last = ((centre + reach) / (2 * target) + 1).clamp(0, source - 1);
        let touched: Vec<i64> = (first..=last).filter(|&input| height(input) > 0).collect();
        let heights: Vec<i64> = touched.iter().map(|&input| height(input)).collect();
        self.spans.push(Span {
            first_input: touched.first().map_or(0, |&input| input as usize),
            first_weight: self.weights.len(),
            taps: touched.len(),
        });
        self.weights.extend(normalized(&heights));
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i16])> {
        self.spans.iter().map(|span| {
            let weights = &self.weights[span.first_weight..][..span.taps];
            (span.first_input, weights)
        })
    }
}

/// Weights proportional to `heights` that add up to exactly one: each is the difference of two
/// rounded running sums, so no rounding error is left over and none is negative.
fn normalized(heights: &[i64]) -> impl Iterator<Item = i16> {
    let total: i64 = heights.iter().sum();
    let mut running = 0;
    let mut given = 0;
    heights.iter().map(move |height| {
        running += height;
        let due = (2 * running * ONE + total) / (2 * total);
        let weight = due - given;
        given = due;
        weight as i16
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resized(rgb: &[u8], source: (u32, u32), target: (u32, u32)) -> Vec<u8> {
        let mut out = vec![0; target.0 as usize * target.1 as usize * CHANNELS];
        let mut resizer = Resizer::new(source, target).unwrap();
        resizer.run(rgb, &mut out).unwrap();
        out
    }

    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|&value| [value; 3]).collect()
    }

    #[test]
    fn known_rows_come_out_as_computed_by_hand() {
        let cases: [(&str, &[u8], u32, &[u8]); 6] = [
            (
                "enlarging interpolates between centres",
                &[0, 100],
                4,
                &[0, 25, 75, 100],
            ),
            ("one pixel fills every size", &[77], 3, &[77, 77, 77]),
            (
                "a half keeps the mean of an edge",
                &[0, 0, 255, 255],
                2,
                &[36, 219],
            ),
            ("to one pixel", &[10, 20, 30], 1, &[20]),
            ("same size", &[3, 200, 9], 3, &[3, 200, 9]),
            (
                "a thin line survives a reduction",
                &[0, 0, 0, 0, 240, 0, 0, 0, 0],
                3,
                &[0, 80, 0],
            ),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(name, row, target, expected)| {
                let wide = resized(&grey(row), (row.len() as u32, 1), (*target, 1));
                let tall = resized(&grey(row), (1, row.len() as u32), (1, *target));
                (name, wide, tall, grey(expected))
            })
            .filter(|(_, wide, tall, expected)| wide != expected || tall != expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn buffers_of_another_size_are_refused() {
        let mut resizer = Resizer::new((4, 4), (2, 2)).unwrap();
        let mut out = vec![0; 12];
        assert!(resizer.run(&[0; 47], &mut out).is_err());
        assert!(resizer.run(&[0; 48], &mut out[..11]).is_err());
        assert!(Resizer::new((0, 4), (2, 2)).is_err());
        assert!(Resizer::new((4, 4), (2, 9000)).is_err());
    }

    fn picture() -> impl Strategy<Value = (Vec<u8>, (u32, u32))> {
        (1_u32..24, 1_u32..24).prop_flat_map(|(width, height)| {
            let bytes = (width * height) as usize * CHANNELS;
            (
                prop::collection::vec(any::<u8>(), bytes),
                Just((width, height)),
            )
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn weights_add_up_to_one(source in 1_u32..400, target in 1_u32..400) {
            let taps = AxisTaps::new(source, target);
            for (first, weights) in taps.iter() {
                prop_assert_eq!(weights.iter().map(|&weight| i64::from(weight)).sum::<i64>(), ONE);
                prop_assert!(weights.iter().all(|&weight| weight >= 0));
                prop_assert!(first + weights.len() <= source as usize);
            }
        }

        #[test]
        fn one_colour_stays_that_colour(
            colour in any::<[u8; 3]>(), source in (1_u32..50, 1_u32..50), target in (1_u32..50, 1_u32..50)
        ) {
            let rgb = colour.repeat((source.0 * source.1) as usize);
            prop_assert_eq!(
                resized(&rgb, source, target),
                colour.repeat((target.0 * target.1) as usize)
            );
        }

        #[test]
        fn the_same_size_changes_nothing((rgb, size) in picture()) {
            prop_assert_eq!(resized(&rgb, size, size), rgb);
        }

        #[test]
        fn a_whole_reduction_keeps_the_mean_inside(
            values in prop::collection::vec(any::<u8>(), 6), factor in 2_usize..6
        ) {
            let mut row = vec![values[0]; factor * 2];
            row.extend(values.iter().flat_map(|&value| vec![value; factor]));
            row.extend(vec![values[5]; factor * 2]);
            let target = row.len() / factor;
            let out = resized(&grey(&row), (row.len() as u32, 1), (target as u32, 1));
            let mean = |bytes: &[u8]| bytes.iter().map(|&b| f64::from(b)).sum::<f64>() / bytes.len() as f64;
            prop_assert!((mean(&grey(&row)) - mean(&out)).abs() <= 1.0);
        }

        #[test]
        fn a_rising_row_stays_rising(
            mut values in prop::collection::vec(any::<u8>(), 1..40), target in 1_u32..60
        ) {
            values.sort_unstable();
            let out = resized(&grey(&values), (values.len() as u32, 1), (target, 1));
            prop_assert!(out.chunks_exact(3).is_sorted_by_key(|pixel| pixel[0]));
        }

        #[test]
        fn no_value_leaves_the_range_of_its_source((rgb, size) in picture(), target in (1_u32..40, 1_u32..40)) {
            let out = resized(&rgb, size, target);
            for channel in 0..CHANNELS {
                let values = || rgb.iter().skip(channel).step_by(CHANNELS);
                let (low, high) = (values().min().unwrap(), values().max().unwrap());
                prop_assert!(out.iter().skip(channel).step_by(CHANNELS).all(|v| low <= v && v <= high));
            }
        }
    }
}
