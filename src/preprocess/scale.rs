//! How large to show a frame to the network, so that a red cell always has the size that the
//! network was trained on, and the way back from the network's pixels to the frame's.

use crate::cell::BoundingBox;
use thiserror::Error;

/// The usual textbook value for the diameter of a normal red cell on a stained smear, in
/// micrometres.
pub const RBC_DIAMETER_UM: f64 = 7.5;
/// The network takes sides that its stages can halve without a rest.
pub const SIDE_MULTIPLE_PX: u32 = 16;
/// The shortest side that the network is shown: little more than one red cell.
pub const MIN_SCALED_SIDE_PX: u32 = 64;
/// The longest side that the network is shown.
pub const MAX_SCALED_SIDE_PX: u32 = 4096;
/// A side this near a multiple is stretched to it rather than padded.
const SNAP_PX: u32 = 4;
/// A stretch changes a side by no more than one part in this many.
const SNAP_PART: u32 = 50;

/// Why a frame cannot be scaled for the network.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum ScaleError {
    /// Not a length.
    #[error("{quantity} is {value}, which is no length; give a number above zero")]
    NotALength {
        /// The name of the setting.
        quantity: &'static str,
        /// The refused value.
        value: f64,
    },
    /// A red cell would come out absurdly small or large.
    #[error(
        "um_per_px {um_per_px} would show this {width_px}x{height_px} frame to the network at \
         {scaled_width_px:.0}x{scaled_height_px:.0} pixels, outside \
         {MIN_SCALED_SIDE_PX} to {MAX_SCALED_SIDE_PX} a side; check um_per_px"
    )]
    OutOfRange {
        /// Width of a pixel on the slide, in micrometres.
        um_per_px: f64,
        /// Width of the frame, in pixels.
        width_px: u32,
        /// Height of the frame, in pixels.
        height_px: u32,
        /// Width that the frame would be scaled to, in pixels.
        scaled_width_px: f64,
        /// Height that the frame would be scaled to, in pixels.
        scaled_height_px: f64,
    },
}

/// The size at which one kind of frame is shown to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalePlan {
    frame_px: (u32, u32),
    scaled_px: (u32, u32),
    padded_px: (u32, u32),
}

impl ScalePlan {
    /// Plans for frames of `frame_px` (width, height) whose pixels are `um_per_px` micrometres
    /// wide, so that a red cell of `rbc_diameter_um` is `rbc_diameter_px` wide in the network.
    ///
    /// # Errors
    /// A scale that is no length, or that takes a side outside [`MIN_SCALED_SIDE_PX`] to
    /// [`MAX_SCALED_SIDE_PX`].
    pub fn new(
        frame_px: (u32, u32),
        um_per_px: f64,
        rbc_diameter_um: f64,
        rbc_diameter_px: f64,
    ) -> Result<Self, ScaleError> {
        check_length("um_per_px", um_per_px)?;
        check_length("rbc_diameter_um", rbc_diameter_um)?;
        check_length("the network's rbc_diameter_px", rbc_diameter_px)?;
        let factor = um_per_px * rbc_diameter_px / rbc_diameter_um;
        let exact = [frame_px.0, frame_px.1].map(|side| f64::from(side) * factor);
        let range = f64::from(MIN_SCALED_SIDE_PX)..=f64::from(MAX_SCALED_SIDE_PX);
        if !exact.iter().all(|side| range.contains(side)) {
            return Err(ScaleError::OutOfRange {
                um_per_px,
                width_px: frame_px.0,
                height_px: frame_px.1,
                scaled_width_px: exact[0],
                scaled_height_px: exact[1],
            });
        }
        let [width, height] = exact.map(|side| fit_side(side.round() as u32));
        Ok(Self {
            frame_px,
            scaled_px: (width.scaled_px, height.scaled_px),
            padded_px: (width.padded_px, height.padded_px),
        })
    }

    /// Width and height of the frames planned for, in pixels.
    pub fn frame_px(&self) -> (u32, u32) {
        self.frame_px
    }

    /// Width and height of the resized frame, in the network's pixels.
    pub fn scaled_px(&self) -> (u32, u32) {
        self.scaled_px
    }

    /// Width and height of the network's input: the resized frame, padded at the right and the
    /// bottom; both are multiples of [`SIDE_MULTIPLE_PX`].
    pub fn padded_px(&self) -> (u32, u32) {
        self.padded_px
    }

    /// A horizontal place in sixteenths of a network pixel, in sixteenths of a frame pixel,
    /// rounded to the nearest. Places in the padding land outside the frame.
    pub fn to_frame_x_q4(&self, network_x_q4: i32) -> i32 {
        rescale(network_x_q4, self.frame_px.0, self.scaled_px.0)
    }

    /// As [`ScalePlan::to_frame_x_q4`], vertically.
    pub fn to_frame_y_q4(&self, network_y_q4: i32) -> i32 {
        rescale(network_y_q4, self.frame_px.1, self.scaled_px.1)
    }

    /// A box in sixteenths of a network pixel, in sixteenths of a frame pixel; not clipped.
    pub fn to_frame_box(&self, network_box: &BoundingBox) -> BoundingBox {
        BoundingBox {
            x0_q4: self.to_frame_x_q4(network_box.x0_q4),
            y0_q4: self.to_frame_y_q4(network_box.y0_q4),
            x1_q4: self.to_frame_x_q4(network_box.x1_q4),
            y1_q4: self.to_frame_y_q4(network_box.y1_q4),
        }
    }
}

fn check_length(quantity: &'static str, value: f64) -> Result<(), ScaleError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(ScaleError::NotALength { quantity, value })
}

struct FittedSide {
    scaled_px: u32,
    padded_px: u32,
}

/// Stretches a side to a near multiple, or else pads it to the next one.
fn fit_side(side_px: u32) -> FittedSide {
    let nearest = (side_px + SIDE_MULTIPLE_PX / 2) / SIDE_MULTIPLE_PX * SIDE_MULTIPLE_PX;
    let allowed_px = SNAP_PX.min(side_px / SNAP_PART);
    if nearest.abs_diff(side_px) <= allowed_px {
        return FittedSide {
            scaled_px: nearest,
            padded_px: nearest,
        };
    }
    FittedSide {
        scaled_px: side_px,
        padded_px: side_px.next_multiple_of(SIDE_MULTIPLE_PX),
    }
}

/// `value * numerator / denominator`, rounded to the nearest, halves up; saturates.
fn rescale(value: i32, numerator: u32, denominator: u32) -> i32 {
    let denominator = i64::from(denominator);
    let doubled = 2 * i64::from(value) * i64::from(numerator) + denominator;
    let rounded = doubled.div_euclid(2 * denominator);
    rounded.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NETWORK_RBC_PX: f64 = 52.0;

    fn plan(frame_px: (u32, u32), rbc_px: f64) -> Result<ScalePlan, ScaleError> {
        ScalePlan::new(
            frame_px,
            RBC_DIAMETER_UM / rbc_px,
            RBC_DIAMETER_UM,
            NETWORK_RBC_PX,
        )
    }

    #[test]
    fn frames_of_known_microscopes_get_their_sizes() {
        let cases = [
            (
                "stretched to multiples",
                (640, 480),
                103.5,
                (320, 240),
                (320, 240),
            ),
            ("padded both ways", (416, 416), 81.2, (266, 266), (272, 272)),
            ("stretched up", (360, 363), 79.0, (240, 240), (240, 240)),
            (
                "one pixel too far to stretch",
                (575, 575),
                136.5,
                (219, 219),
                (224, 224),
            ),
            ("already there", (320, 240), 52.0, (320, 240), (320, 240)),
            (
                "small sides stretch less",
                (100, 67),
                52.0,
                (100, 67),
                (112, 80),
            ),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(name, frame_px, rbc_px, scaled, padded)| {
                (name, plan(*frame_px, *rbc_px).unwrap(), scaled, padded)
            })
            .filter(|(_, plan, scaled, padded)| {
                plan.scaled_px() != **scaled || plan.padded_px() != **padded
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn absurd_scales_are_refused_with_the_size_they_would_give() {
        let error = ScalePlan::new((640, 480), 0.001, RBC_DIAMETER_UM, NETWORK_RBC_PX).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("um_per_px 0.001"), "{message}");
        assert!(message.contains("640x480"), "{message}");
        assert!(message.contains("4x3 pixels"), "{message}");
        let cases = [
            0.0,
            -0.1,
            RBC_DIAMETER_UM,
            f64::NAN,
            f64::INFINITY,
            1.0e300,
            2.0,
            0.0,
        ];
        let accepted: Vec<_> = cases
            .into_iter()
            .filter(|&um_per_px| {
                ScalePlan::new((640, 480), um_per_px, RBC_DIAMETER_UM, NETWORK_RBC_PX).is_ok()
            })
            .collect();
        assert!(accepted.is_empty(), "{accepted:?}");
        assert!(ScalePlan::new((640, 480), 0.1, RBC_DIAMETER_UM, f64::NAN).is_err());
    }

    #[test]
    fn boxes_go_back_to_the_frame() {
        let plan = plan((640, 480), 103.5).unwrap();
        let network_box = BoundingBox {
            x0_q4: -16,
            y0_q4: 0,
            x1_q4: 320 * 16,
            y1_q4: 121,
        };
        let expected = BoundingBox {
            x0_q4: -32,
            y0_q4: 0,
            x1_q4: 640 * 16,
            y1_q4: 242,
        };
        assert_eq!(plan.to_frame_box(&network_box), expected);
        assert_eq!(rescale(i32::MAX, 8192, 64), i32::MAX);
        assert_eq!(
            (rescale(1, 1, 2), rescale(-1, 1, 2), rescale(-3, 1, 2)),
            (1, 0, -1)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn every_plan_is_sound(width in 1_u32..5000, height in 1_u32..5000, rbc_px in 5.0..400.0_f64) {
            let Ok(plan) = plan((width, height), rbc_px) else { return Ok(()) };
            let factor = NETWORK_RBC_PX / rbc_px;
            let sides = [
                (width, plan.scaled_px().0, plan.padded_px().0),
                (height, plan.scaled_px().1, plan.padded_px().1),
            ];
            for (frame, scaled, padded) in sides {
                prop_assert_eq!(padded % SIDE_MULTIPLE_PX, 0);
                prop_assert!(padded >= scaled && padded - scaled < SIDE_MULTIPLE_PX);
                let exact = f64::from(frame) * factor;
                prop_assert!((f64::from(scaled) - exact).abs() <= 4.5);
                prop_assert!((f64::from(scaled) / exact - 1.0).abs() <= 0.03);
            }
            prop_assert_eq!(plan.to_frame_x_q4(0), 0);
            let right_q4 = i32::try_from(plan.scaled_px().0 * 16).unwrap();
            prop_assert_eq!(plan.to_frame_x_q4(right_q4), i32::try_from(width * 16).unwrap());
        }
    }
}
