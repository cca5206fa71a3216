//! Our own resampler, so that training, desk and board see the same bytes.
//!
//! Triangle filter with half-pixel centres: when it reduces, the triangle widens to two output
//! pixels (every input pixel counts, nothing aliases); when it enlarges, it is bilinear.
//! Integers only: weights in 1/16384, computed once for a pair of sizes.

use super::kernels::{
    AccumulatedPixel, CHANNELS, ColumnTaps, HALVING, Kernel, MOST_PADDED_TAPS, ROW_SLACK_BYTES,
    WEIGHT_BITS,
};
use crate::image::frame::{Frame, FrameError};
use std::ops::Range;
use thiserror::Error;

/// Bytes of one pixel of the network's input: red, green, blue and a zero.
pub const INPUT_PIXEL_BYTES: usize = 4;

const ONE: i64 = 1 << WEIGHT_BITS;

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
        /// Which buffer it is, in words.
        buffer: &'static str,
        /// Bytes that the planned size takes.
        expected_bytes: usize,
        /// Bytes in the buffer.
        actual_bytes: usize,
    },
}

/// Resizes RGB images of one size to another; keeps its tables and its rows of scratch.
#[derive(Debug, Clone)]
pub struct Resizer {
    kernel: Kernel,
    columns: AxisTaps,
    rows: AxisTaps,
    /// Target pixels that are made by [`HALVING`], a part of all.
    halved: Range<usize>,
    source_bytes: usize,
    target_px: (usize, usize),
    scratch: Scratch,
}

#[derive(Debug, Clone)]
struct Scratch {
    /// One source row, already filtered, and bytes of no pixel that are read with its last ones.
    row: Vec<u8>,
    /// Every column of a halved row, those between the target's pixels too.
    columns: Vec<u8>,
    /// Sums of many rows.
    sums: Vec<i32>,
    /// One target row.
    pixels: Vec<AccumulatedPixel>,
}

impl Resizer {
    /// Prepares tables for images of `source` (width, height) pixels shown at `target` pixels.
    ///
    /// # Errors
    /// A size outside [`Frame::check_size`].
    pub fn new(source: (u32, u32), target: (u32, u32)) -> Result<Self, ResizeError> {
        Frame::check_size(source.0, source.1)?;
        Frame::check_size(target.0, target.1)?;
        let row_bytes = source.0 as usize * CHANNELS;
        let columns = AxisTaps::new(source.0, target.0);
        Ok(Self {
            kernel: Kernel::default(),
            halved: columns.halved(),
            columns,
            rows: AxisTaps::new(source.1, target.1),
            source_bytes: row_bytes * source.1 as usize,
            target_px: (target.0 as usize, target.1 as usize),
            scratch: Scratch {
                row: vec![0; row_bytes + ROW_SLACK_BYTES],
                columns: vec![0; row_bytes + 1],
                sums: vec![0; row_bytes],
                pixels: vec![[0; 4]; target.0 as usize],
            },
        })
    }

    /// Resizes `rgb` into `out`; allocates nothing.
    ///
    /// # Errors
    /// A buffer of another length than the sizes given to [`Resizer::new`].
    pub fn run(&mut self, rgb: &[u8], out: &mut [u8]) -> Result<(), ResizeError> {
        let row_bytes = self.target_px.0 * CHANNELS;
        check_length("the target", row_bytes * self.target_px.1, out.len())?;
        self.run_with(rgb, out, row_bytes, |[red, green, blue, _]| {
            [red, green, blue]
        })
    }

    /// Resizes `rgb` and packs it as the network takes it: red, green and blue halved to seven
    /// bits, and a zero. The rows of `rgbx` are `width_px` pixels wide, at least as wide as the
    /// target; what lies at the right of the target and below it is left as it is.
    ///
    /// # Errors
    /// A source of another length than the size given to [`Resizer::new`], or a target too small.
    pub fn run_packed(
        &mut self,
        rgb: &[u8],
        rgbx: &mut [u8],
        width_px: usize,
    ) -> Result<(), ResizeError> {
        let row_bytes = width_px.max(self.target_px.0) * INPUT_PIXEL_BYTES;
        let least_bytes = row_bytes * self.target_px.1;
        let actual_bytes = rgbx.len();
        let Some(target) = rgbx.get_mut(..least_bytes) else {
            return Err(ResizeError::WrongLength {
                buffer: "the packed target",
                expected_bytes: least_bytes,
                actual_bytes,
            });
        };
        self.run_with(rgb, target, row_bytes, to_input_pixel)
    }

    /// The vertical filter comes first: it runs in vector units, and when it
    /// reduces it leaves fewer rows to the horizontal one. `finish` gets each pixel with a
    /// fourth byte that means nothing.
    fn run_with<const PIXEL_BYTES: usize>(
        &mut self,
        rgb: &[u8],
        out: &mut [u8],
        out_row_bytes: usize,
        finish: impl Fn([u8; 4]) -> [u8; PIXEL_BYTES],
    ) -> Result<(), ResizeError> {
        check_length("the source", self.source_bytes, rgb.len())?;
        let kernel = self.kernel;
        let Scratch {
            row,
            columns,
            sums,
            pixels,
        } = &mut self.scratch;
        let source_row_bytes = sums.len();
        let target_rows = out.chunks_exact_mut(out_row_bytes);
        for ((first, weights), target_row) in self.rows.iter().zip(target_rows) {
            let source_rows = &rgb[first * source_row_bytes..];
            kernel.filter_vertical(source_rows, weights, sums, &mut row[..source_row_bytes]);
            let Range { start, end } = self.halved;
            self.columns.filter(kernel, row, 0, &mut pixels[..start]);
            self.columns.filter(kernel, row, end, &mut pixels[end..]);
            kernel.filter_horizontal_halved(row, columns, start, &mut pixels[start..end]);
            let (target_pixels, _) = target_row.as_chunks_mut::<PIXEL_BYTES>();
            for (target, pixel) in target_pixels.iter_mut().zip(&*pixels) {
                *target = finish(*pixel);
            }
        }
        Ok(())
    }
}

/// A pixel as the network takes it: seven bits of each colour and a zero.
#[inline(always)]
pub(crate) fn to_input_pixel(rgb: [u8; 4]) -> [u8; INPUT_PIXEL_BYTES] {
    ((u32::from_le_bytes(rgb) >> 1) & 0x007F_7F7F).to_le_bytes()
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

/// For every output place along one axis, which input places it takes and how much of each.
#[derive(Debug, Clone)]
struct AxisTaps {
    first_inputs: Vec<usize>,
    taps: Vec<usize>,
    /// Those of each output, zeros after them up to `padded_taps`.
    weights: Vec<i16>,
    /// Of any output.
    most_taps: usize,
    /// [`MOST_PADDED_TAPS`], or as many as any output has.
    padded_taps: usize,
}

impl AxisTaps {
    fn new(source: u32, target: u32) -> Self {
        let (source, target) = (i64::from(source), i64::from(target));
        let outputs: Vec<_> = (0..target)
            .map(|output| Self::output(source, target, output))
            .collect();
        let most_taps = outputs.iter().map(|(_, weights)| weights.len()).max();
        let most_taps = most_taps.unwrap_or(0);
        let padded_taps = most_taps.max(MOST_PADDED_TAPS);
        let mut taps = Self {
            first_inputs: Vec::with_capacity(outputs.len()),
            taps: Vec::with_capacity(outputs.len()),
            weights: Vec::with_capacity(outputs.len() * padded_taps),
            most_taps,
            padded_taps,
        };
        for (first_input, weights) in outputs {
            taps.first_inputs.push(first_input);
            taps.taps.push(weights.len());
            taps.weights.extend(weights);
            taps.weights
                .resize(taps.first_inputs.len() * padded_taps, 0);
        }
        taps
    }

    /// The outputs from `first` on, of a row of inputs with [`ROW_SLACK_BYTES`] behind it.
    fn filter(&self, kernel: Kernel, row: &[u8], first: usize, out: &mut [AccumulatedPixel]) {
        if self.most_taps > MOST_PADDED_TAPS {
            return kernel.filter_horizontal_many(row, self.iter().skip(first), out);
        }
        let (weights, _) = self.weights.as_chunks();
        let taps = ColumnTaps {
            first_inputs: &self.first_inputs[first..][..out.len()],
            weights: &weights[first..][..out.len()],
            most_taps: self.most_taps,
        };
        kernel.filter_horizontal(row, taps, out);
    }

    /// The first input of an output, and the weights.
    ///
    /// Distances are exact in units of 1/(2 x target) of an input pixel: input `i` lies at
    /// `(2i + 1) target`, output `o` at `(2o + 1) source`, and the triangle reaches zero at
    /// `2 max(source, target)`.
    fn output(source: i64, target: i64, output: i64) -> (usize, Vec<i16>) {
        let centre = (2 * output + 1) * source;
        let reach = 2 * source.max(target);
        let height = |input: i64| (reach - ((2 * input + 1) * target - centre).abs()).max(0);
        let first = ((centre - reach) / (2 * target) - 1).clamp(0, source - 1);
        let last = ((centre + reach) / (2 * target) + 1).clamp(0, source - 1);
        let touched: Vec<i64> = (first..=last).filter(|&input| height(input) > 0).collect();
        let heights: Vec<i64> = touched.iter().map(|&input| height(input)).collect();
        let first_input = touched.first().map_or(0, |&input| input as usize);
        (first_input, normalized(&heights).collect())
    }

    /// The outputs in the middle, if any, that weight their inputs by [`HALVING`].
    fn halved(&self) -> Range<usize> {
        let mut outputs = self.iter().enumerate();
        let is_halving = |(output, (first, weights)): &(usize, (usize, &[i16]))| {
            first + 1 == 2 * output && *weights == HALVING
        };
        let first = outputs.position(|output| is_halving(&output)).unwrap_or(0);
        let count = self.iter().enumerate().skip(first).take_while(is_halving);
        first..first + count.count()
    }

    /// For each output the first input and the weights.
    fn iter(&self) -> impl Iterator<Item = (usize, &[i16])> {
        let padded = self.weights.chunks(self.padded_taps);
        let outputs = self.first_inputs.iter().zip(&self.taps).zip(padded);
        outputs.map(|((&first_input, &taps), weights)| (first_input, &weights[..taps]))
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
    use crate::image::kernels::taps::HALF;
    use crate::random::Random;
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
        assert!(resizer.run_packed(&[0; 48], &mut [0; 15], 2).is_err());
        assert!(Resizer::new((0, 4), (2, 2)).is_err());
        assert!(Resizer::new((4, 4), (2, 9000)).is_err());
    }

    /// The straightforward way, which every short way must equal: all sums in 32 bits, row after
    /// row, then pixel after pixel.
    fn resized_plainly(rgb: &[u8], source: (u32, u32), target: (u32, u32)) -> Vec<u8> {
        let row_bytes = source.0 as usize * CHANNELS;
        let (columns, rows) = (
            AxisTaps::new(source.0, target.0),
            AxisTaps::new(source.1, target.1),
        );
        let mut out = Vec::new();
        for (first_row, row_weights) in rows.iter() {
            let mut sums = vec![HALF; row_bytes];
            for (row, &weight) in rgb[first_row * row_bytes..]
                .chunks_exact(row_bytes)
                .zip(row_weights)
            {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(weight) * i32::from(value);
                }
            }
            let byte = |sum: i32| (sum >> WEIGHT_BITS) as u8;
            let row: Vec<u8> = sums.into_iter().map(byte).collect();
            for (first, weights) in columns.iter() {
                let mut sums = [HALF; CHANNELS];
                for (pixel, &weight) in row[first * CHANNELS..].chunks_exact(CHANNELS).zip(weights)
                {
                    for (sum, &value) in sums.iter_mut().zip(pixel) {
                        *sum += i32::from(weight) * i32::from(value);
                    }
                }
                out.extend(sums.map(byte));
            }
        }
        out
    }

    /// Sizes of any ratio, and halves of even and odd sides.
    fn sizes() -> impl Strategy<Value = ((u32, u32), (u32, u32))> {
        let side = || {
            prop_oneof![
                (1_u32..70, 1_u32..70),
                (1_u32..60).prop_map(|half| (2 * half, half)),
                (1_u32..60).prop_map(|half| (2 * half + 1, half)),
                (1_u32..12, 40_u32..50).prop_map(|(target, source)| (source, target)),
            ]
        };
        (side(), side()).prop_map(|(across, down)| ((across.0, down.0), (across.1, down.1)))
    }

    #[test]
    fn halves_take_the_short_way() {
        assert_eq!(Resizer::new((640, 480), (320, 240)).unwrap().halved, 1..319);
        assert!(
            Resizer::new((640, 480), (319, 240))
                .unwrap()
                .halved
                .is_empty()
        );
        assert!(Resizer::new((2, 2), (1, 1)).unwrap().halved.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn every_way_gives_the_same_bytes((source, target) in sizes(), seed: u64, padding in 0_u32..3) {
            let mut random = Random::new(seed);
            let rgb: Vec<u8> =
                (0..source.0 * source.1 * 3).map(|_| random.extreme_byte()).collect();
            let expected = resized_plainly(&rgb, source, target);
            prop_assert_eq!(&resized(&rgb, source, target), &expected);
            let row_px = (target.0 + padding) as usize;
            let mut packed = vec![9; row_px * target.1 as usize * 4];
            Resizer::new(source, target).unwrap().run_packed(&rgb, &mut packed, row_px).unwrap();
            let rows = packed.chunks_exact(row_px * 4).zip(expected.chunks_exact(target.0 as usize * 3));
            for (row, expected) in rows {
                let (pixels, rest) = row.split_at(target.0 as usize * 4);
                for (pixel, rgb) in pixels.chunks_exact(4).zip(expected.chunks_exact(3)) {
                    prop_assert_eq!(pixel, [rgb[0] / 2, rgb[1] / 2, rgb[2] / 2, 0]);
                }
                prop_assert!(rest.iter().all(|&byte| byte == 9));
            }
        }
    }

    fn image() -> impl Strategy<Value = (Vec<u8>, (u32, u32))> {
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
        fn the_same_size_changes_nothing((rgb, size) in image()) {
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
        fn no_value_leaves_the_range_of_its_source((rgb, size) in image(), target in (1_u32..40, 1_u32..40)) {
            let out = resized(&rgb, size, target);
            for channel in 0..CHANNELS {
                let values = || rgb.iter().skip(channel).step_by(CHANNELS);
                let (low, high) = (values().min().unwrap(), values().max().unwrap());
                prop_assert!(out.iter().skip(channel).step_by(CHANNELS).all(|v| low <= v && v <= high));
            }
        }
    }
}
