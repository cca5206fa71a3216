//! What a continuous smear is asked to look like, and the limits on it.

use crate::camera::simulated::settings::{SimulatedSlideSettings, SlideSettingsError, in_range};
use crate::cell::PerClass;

/// Red cells on a square millimetre of a monolayer: 200 in a field of 0.2 by 0.15 mm.
const RED_CELLS_PER_MM2: f64 = 6667.0;
/// Red cells to one white cell in normal blood: 5 million to 7 thousand in a microlitre.
const RED_CELLS_PER_WHITE: f64 = 714.0;
/// Platelets to one white cell in normal blood: 250 to 7 thousand in a microlitre.
const PLATELETS_PER_WHITE: f64 = 36.0;
/// Square micrometres in a square millimetre.
const UM2_PER_MM2: f64 = 1e6;
/// The largest index of dispersion.
const MAX_DISPERSION: f64 = 4.0;
/// The fewest and the most platelets of a clump.
const CLUMP_SIZES: (u32, u32) = (2, 40);
/// The steepest tilt of the slide under the objective.
const MAX_TILT_UM_PER_MM: f64 = 20.0;

/// What a continuous smear looks like.
///
/// By default as [`SimulatedSlideSettings`], cells at random, as dense everywhere, and level.
#[derive(Debug, Clone, PartialEq)]
pub struct SmearSettings {
    /// The camera and its frames, the dyes, the light, and the means of cells in one of its frames.
    pub slide: SimulatedSlideSettings,
    /// Variance over mean of the cells in a frame of the slide's size, 1 to 4: 1 for cells that lie
    /// at random.
    pub index_of_dispersion: PerClass<f64>,
    /// How much thinner the smear is at its tail (left) and thicker at its other end: 0 for even,
    /// 1 for 0.2 to 1.8 times the means.
    pub wedge: f64,
    /// The fewest and the most platelets of a clump, within 2 to 40.
    pub clump_sizes: (u32, u32),
    /// How much the smear comes out of focus for each millimetre to the right and down, within
    /// ±20 µm.
    pub tilt_um_per_mm: [f64; 2],
}

impl Default for SmearSettings {
    fn default() -> Self {
        Self {
            slide: SimulatedSlideSettings::default(),
            index_of_dispersion: PerClass::from_fn(|_| 1.0),
            wedge: 0.0,
            clump_sizes: (2, 8),
            tilt_um_per_mm: [0.0; 2],
        }
    }
}

impl SmearSettings {
    /// Normal blood in a monolayer, 714 red cells to one white cell and 36 platelets, under a
    /// camera with frames of `frame_px` whose pixels are `um_per_px` wide.
    pub fn normal(frame_px: (u32, u32), um_per_px: f64) -> Self {
        let (width_px, height_px) = frame_px;
        let frame_um2 = f64::from(width_px) * f64::from(height_px) * um_per_px * um_per_px;
        let red_cells = RED_CELLS_PER_MM2 * frame_um2 / UM2_PER_MM2;
        let white_cells = red_cells / RED_CELLS_PER_WHITE;
        Self {
            slide: SimulatedSlideSettings {
                width_px,
                height_px,
                um_per_px,
                red_cells_per_field: red_cells,
                white_cells_per_field: white_cells,
                platelets_per_field: white_cells * PLATELETS_PER_WHITE,
                platelet_clumping: 0.0,
                ..SimulatedSlideSettings::default()
            },
            ..Self::default()
        }
    }

    /// Checks every limit.
    pub(super) fn check(&self) -> Result<(), SlideSettingsError> {
        self.slide.check()?;
        for index in self.index_of_dispersion.values() {
            in_range("index_of_dispersion", *index, 1.0, MAX_DISPERSION)?;
        }
        in_range("wedge", self.wedge, 0.0, 1.0)?;
        let (fewest, most) = self.clump_sizes;
        let (lowest, highest) = CLUMP_SIZES;
        for size in [fewest, most] {
            let limits = (f64::from(lowest), f64::from(highest));
            in_range("clump_sizes", f64::from(size), limits.0, limits.1)?;
        }
        in_range(
            "clump_sizes",
            f64::from(most),
            f64::from(fewest),
            f64::from(highest),
        )?;
        for tilt in self.tilt_um_per_mm {
            in_range(
                "tilt_um_per_mm",
                tilt,
                -MAX_TILT_UM_PER_MM,
                MAX_TILT_UM_PER_MM,
            )?;
        }
        Ok(())
    }
}
