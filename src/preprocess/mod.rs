//! From a frame to the network's input: the red cell at its canonical size, the steps that were
//! switched on, seven bits a channel.
//!
//! Every step is a pure function on integers (the flat field fits its surface in `f64` with
//! nothing but basic arithmetic), so the same frame gives the same input on every processor.

pub mod denoise;
pub mod illumination;
pub mod scale;
pub mod tone;

use crate::image::frame::{Frame, FrameError};
use crate::image::histogram::{BACKGROUND_PERMILLE, Histogram};
use crate::image::resize::{ResizeError, Resizer};
use illumination::Illumination;
use scale::ScalePlan;
use thiserror::Error;
use tone::{Contrast, WhiteBalance};

pub use crate::image::resize::INPUT_PIXEL_BYTES;

/// Why a frame was not prepared.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PrepareError {
    /// The plan belongs to frames of another size.
    #[error(
        "the frame is {width_px}x{height_px} pixels, but the scale was planned for \
         {planned_width_px}x{planned_height_px}; plan again for this size"
    )]
    OtherSize {
        /// Width of the frame, in pixels.
        width_px: u32,
        /// Height of the frame, in pixels.
        height_px: u32,
        /// Width of the frames planned for, in pixels.
        planned_width_px: u32,
        /// Height of the frames planned for, in pixels.
        planned_height_px: u32,
    },
    /// The planned size is outside the limits.
    #[error(transparent)]
    Resize(#[from] ResizeError),
    /// The planned size is outside the limits.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Which optional steps are on, and how. None is, unless it has been shown to help.
///
/// They run in the order of the fields, on the frame already scaled: there are fewer pixels then,
/// and structures have the same size for every microscope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreprocessOptions {
    /// 3x3 median.
    pub denoise: bool,
    /// Flat field.
    pub illumination: Option<Illumination>,
    /// Neutral background.
    pub white_balance: Option<WhiteBalance>,
    /// Brightness range.
    pub contrast: Option<Contrast>,
}

impl PreprocessOptions {
    fn apply(&self, frame: &mut Frame) {
        if self.denoise {
            denoise::apply(frame);
        }
        if let Some(illumination) = &self.illumination {
            illumination::apply(frame, illumination);
        }
        if let Some(white_balance) = &self.white_balance {
            white_balance.apply(frame);
        }
        if let Some(contrast) = &self.contrast {
            contrast.apply(frame);
        }
    }
}

/// The network's input: rows from the top, no padding between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreparedInput {
    /// A multiple of 16.
    pub width_px: u32,
    /// A multiple of 16.
    pub height_px: u32,
    /// Red, green, blue (each 0..=127) and 0 for every pixel.
    pub rgbx: Vec<u8>,
}

/// Prepares frames one after another; keeps its buffers and tables, so that frames of one size
/// and without optional steps cost no allocation.
#[derive(Debug, Default)]
pub struct Preprocessor {
    for_plan: Option<PlanBuffers>,
    input: PreparedInput,
}

#[derive(Debug)]
struct PlanBuffers {
    plan: ScalePlan,
    resizer: Resizer,
    scaled: Frame,
}

impl PlanBuffers {
    fn new(plan: &ScalePlan) -> Result<Self, PrepareError> {
        let (width_px, height_px) = plan.scaled_px();
        Ok(Self {
            plan: *plan,
            resizer: Resizer::new(plan.frame_px(), plan.scaled_px())?,
            scaled: Frame::filled(width_px, height_px, [0; 3])?,
        })
    }
}

impl Preprocessor {
    /// The frame prepared last; empty before the first.
    pub fn input(&self) -> &PreparedInput {
        &self.input
    }

    /// Scales, applies the steps, pads at the right and the bottom with the background's colour,
    /// and halves every value to seven bits.
    ///
    /// # Errors
    /// A frame of another size than the plan's, or a plan outside the limits of a frame.
    pub fn prepare(
        &mut self,
        frame: &Frame,
        plan: &ScalePlan,
        options: &PreprocessOptions,
    ) -> Result<&PreparedInput, PrepareError> {
        let (planned_width_px, planned_height_px) = plan.frame_px();
        if (frame.width_px(), frame.height_px()) != plan.frame_px() {
            return Err(PrepareError::OtherSize {
                width_px: frame.width_px(),
                height_px: frame.height_px(),
                planned_width_px,
                planned_height_px,
            });
        }
        let buffers = match self.for_plan.take() {
            Some(buffers) if buffers.plan == *plan => buffers,
            _ => PlanBuffers::new(plan)?,
        };
        let PlanBuffers {
            resizer, scaled, ..
        } = self.for_plan.insert(buffers);
        let input = &mut self.input;
        let (padded_width_px, padded_height_px) = plan.padded_px();
        input.width_px = padded_width_px;
        input.height_px = padded_height_px;
        let row_bytes = padded_width_px as usize * INPUT_PIXEL_BYTES;
        input.rgbx.resize(row_bytes * padded_height_px as usize, 0);
        if *options == PreprocessOptions::default() {
            resizer.run_packed(frame.rgb(), &mut input.rgbx, padded_width_px as usize)?;
        } else {
            resizer.run(frame.rgb(), scaled.rgb_mut())?;
            options.apply(scaled);
            pack(scaled, &mut input.rgbx, row_bytes);
        }
        if plan.padded_px() != plan.scaled_px() {
            pad(&mut input.rgbx, row_bytes, plan.scaled_px());
        }
        Ok(input)
    }
}

fn pack(scaled: &Frame, rgbx: &mut [u8], row_bytes: usize) {
    let scaled_rows = scaled.rgb().chunks_exact(scaled.width_px() as usize * 3);
    for (scaled_row, row) in scaled_rows.zip(rgbx.chunks_exact_mut(row_bytes)) {
        let (pixels, _) = row.as_chunks_mut();
        let (scaled_pixels, _) = scaled_row.as_chunks();
        for (pixel, &[red, green, blue]) in pixels.iter_mut().zip(scaled_pixels) {
            *pixel = crate::image::resize::to_input_pixel([red, green, blue, 0]);
        }
    }
}

/// Rows, evenly spread, that are enough to find the background's colour; up to twice as many are
/// looked at.
const BACKGROUND_ROWS: usize = 64;

/// Fills what lies at the right of the image and below it with the background's colour. Halving
/// keeps the order of values, so the percentile of halves is the half of the percentile.
fn pad(rgbx: &mut [u8], row_bytes: usize, (width_px, height_px): (u32, u32)) {
    let image_bytes = width_px as usize * INPUT_PIXEL_BYTES;
    let mut channels = [const { Histogram::EMPTY }; 3];
    let step = (height_px as usize / BACKGROUND_ROWS).max(1);
    let rows = rgbx.chunks_exact(row_bytes).take(height_px as usize);
    for row in rows.step_by(step) {
        for pixel in row[..image_bytes].chunks_exact(INPUT_PIXEL_BYTES) {
            for (channel, &value) in channels.iter_mut().zip(pixel) {
                channel.add(value);
            }
        }
    }
    let [red, green, blue] = channels.map(|channel| channel.percentile(BACKGROUND_PERMILLE));
    for (y_px, row) in rgbx.chunks_exact_mut(row_bytes).enumerate() {
        let image_end = if y_px < height_px as usize {
            image_bytes
        } else {
            0
        };
        row[image_end..]
            .as_chunks_mut()
            .0
            .fill([red, green, blue, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::scale::RBC_DIAMETER_UM;
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;

    fn plan(frame_px: (u32, u32), rbc_px: f64) -> ScalePlan {
        ScalePlan::new(frame_px, RBC_DIAMETER_UM / rbc_px, RBC_DIAMETER_UM, 52.0).unwrap()
    }

    #[test]
    fn the_input_is_the_frame_at_seven_bits_padded_with_background() {
        let mut frame = Frame::filled(70, 72, [241, 200, 101]).unwrap();
        frame.rgb_mut()[..3].copy_from_slice(&[255, 1, 0]);
        let mut preprocessor = Preprocessor::default();
        let plan = plan((70, 72), 52.0);
        assert_eq!((plan.scaled_px(), plan.padded_px()), ((70, 72), (80, 80)));
        let input = preprocessor
            .prepare(&frame, &plan, &PreprocessOptions::default())
            .unwrap();
        assert_eq!((input.width_px, input.height_px), (80, 80));
        let pixel = |x: usize, y: usize| &input.rgbx[(y * 80 + x) * 4..][..4];
        assert_eq!(input.rgbx.len(), 80 * 80 * 4);
        assert_eq!(pixel(0, 0), [127, 0, 0, 0]);
        for (x, y) in [(1, 0), (69, 71), (70, 0), (79, 79), (0, 72)] {
            assert_eq!(pixel(x, y), [120, 100, 50, 0], "at {x},{y}");
        }
    }

    /// The straightforward way: the scaled frame, then its background, then seven bits.
    fn prepared_plainly(
        frame: &Frame,
        plan: &ScalePlan,
        options: &PreprocessOptions,
    ) -> PreparedInput {
        let (width_px, height_px) = plan.scaled_px();
        let mut scaled = Frame::filled(width_px, height_px, [0; 3]).unwrap();
        let mut resizer = Resizer::new(plan.frame_px(), plan.scaled_px()).unwrap();
        resizer.run(frame.rgb(), scaled.rgb_mut()).unwrap();
        options.apply(&mut scaled);
        let rows = scaled.rgb().chunks_exact(width_px as usize * 3);
        let rows: Vec<_> = rows
            .step_by((height_px as usize / BACKGROUND_ROWS).max(1))
            .collect();
        let sample = Frame::new(width_px, rows.len() as u32, rows.concat()).unwrap();
        let background = crate::image::histogram::background_colour(&sample);
        let (padded_width_px, padded_height_px) = plan.padded_px();
        let places = (0..padded_height_px).flat_map(|y| (0..padded_width_px).map(move |x| (x, y)));
        let rgbx = places.flat_map(|(x, y)| {
            let inside = x < width_px && y < height_px;
            let colour = if inside {
                scaled.pixel(x, y)
            } else {
                background
            };
            [colour[0] / 2, colour[1] / 2, colour[2] / 2, 0]
        });
        PreparedInput {
            width_px: padded_width_px,
            height_px: padded_height_px,
            rgbx: rgbx.collect(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_short_way_gives_the_same_bytes(
            size in (64_u32..200, 64_u32..200), rbc_px in 30.0..52.0_f64, seed: u64, denoise: bool
        ) {
            let mut random = Random::new(seed);
            let rgb = (0..size.0 * size.1 * 3).map(|_| random.byte());
            let frame = Frame::new(size.0, size.1, rgb.collect()).unwrap();
            let plan = plan(size, rbc_px);
            let options = PreprocessOptions { denoise, ..PreprocessOptions::default() };
            let mut preprocessor = Preprocessor::default();
            let input = preprocessor.prepare(&frame, &plan, &options).unwrap();
            prop_assert!(*input == prepared_plainly(&frame, &plan, &options));
        }
    }

    #[test]
    fn buffers_are_kept_and_leave_no_trace_of_the_frame_before() {
        let small = Frame::filled(100, 90, [250, 240, 230]).unwrap();
        let large = Frame::filled(416, 416, [10, 20, 30]).unwrap();
        let small_plan = plan((100, 90), 60.0);
        let large_plan = plan((416, 416), 81.2);
        let options = PreprocessOptions::default();
        let mut fresh = Preprocessor::default();
        let expected = fresh
            .prepare(&small, &small_plan, &options)
            .unwrap()
            .clone();
        let mut reused = Preprocessor::default();
        reused.prepare(&large, &large_plan, &options).unwrap();
        let first = reused.prepare(&small, &small_plan, &options).unwrap();
        assert!(*first == expected, "the buffers of another size show");
        let place = first.rgbx.as_ptr();
        let second = reused.prepare(&small, &small_plan, &options).unwrap();
        assert!(*second == expected);
        assert_eq!(second.rgbx.as_ptr(), place);
    }

    #[test]
    fn a_frame_of_another_size_is_refused() {
        let frame = Frame::filled(100, 100, [1; 3]).unwrap();
        let error = Preprocessor::default()
            .prepare(
                &frame,
                &plan((100, 101), 52.0),
                &PreprocessOptions::default(),
            )
            .unwrap_err();
        assert!(error.to_string().contains("100x101"), "{error}");
    }

    #[test]
    fn each_step_changes_an_uneven_yellow_noisy_field() {
        let mut frame = Frame::filled(128, 128, [0; 3]).unwrap();
        for (number, pixel) in frame.rgb_mut().chunks_exact_mut(3).enumerate() {
            let light = 150 + (number % 128) / 4;
            let grain = number * 7919 % 23;
            pixel.copy_from_slice(&[light + grain, light, light / 2].map(|value| value as u8));
        }
        let plan = plan((128, 128), 52.0);
        let input = |options: &PreprocessOptions| {
            let mut preprocessor = Preprocessor::default();
            preprocessor
                .prepare(&frame, &plan, options)
                .unwrap()
                .clone()
        };
        let plain = input(&PreprocessOptions::default());
        let cases = [
            (
                "denoise",
                PreprocessOptions {
                    denoise: true,
                    ..PreprocessOptions::default()
                },
            ),
            (
                "illumination",
                PreprocessOptions {
                    illumination: Some(Illumination::default()),
                    ..PreprocessOptions::default()
                },
            ),
            (
                "white balance",
                PreprocessOptions {
                    white_balance: Some(WhiteBalance::default()),
                    ..PreprocessOptions::default()
                },
            ),
            (
                "contrast",
                PreprocessOptions {
                    contrast: Some(Contrast::default()),
                    ..PreprocessOptions::default()
                },
            ),
        ];
        let idle: Vec<_> = cases
            .iter()
            .filter(|(_, options)| input(options) == plain)
            .map(|case| case.0)
            .collect();
        assert!(idle.is_empty(), "{idle:?}");
    }
}
