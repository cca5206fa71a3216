//! What a simulated slide is asked to look like, and the limits on it.

use crate::image::frame::{Frame, FrameError};
use thiserror::Error;

/// Mean area of a red cell on the slide: a disc of 7.5 µm.
const RED_CELL_UM2: f64 = 44.2;
/// Mean area of a white cell: a disc of 13 µm.
const WHITE_CELL_UM2: f64 = 133.0;
/// Room that one platelet needs so that it lies apart.
const PLATELET_ROOM_UM2: f64 = 25.0;
/// Share of the field that red cells may cover on average; beyond, they pile up and no longer
/// make a monolayer.
const MAX_RED_COVER: f64 = 0.6;
/// Share of the field that white cells may cover on average.
const MAX_WHITE_COVER: f64 = 0.3;
/// Share of the field that the platelets' room may take on average.
const MAX_PLATELET_COVER: f64 = 0.2;

/// What a simulated slide looks like. Every mean counts the cells whose centre lies inside the
/// frame; cells that the border cuts come on top.
///
/// The defaults show a x100 oil field through a small camera: about 30 red cells, and, so that a
/// short demonstration meets every class, many more white cells and platelets than in normal
/// blood (which has about 714 red cells to one white cell and 36 platelets).
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSlideSettings {
    /// Width of a frame, within [`Frame::check_size`].
    pub width_px: u32,
    /// Height of a frame, within [`Frame::check_size`].
    pub height_px: u32,
    /// Size of a pixel on the slide, 0.03 to 0.5; a red cell is about 7.5 µm wide.
    pub um_per_px: f64,
    /// Mean red cells in a field.
    pub red_cells_per_field: f64,
    /// Mean white cells in a field.
    pub white_cells_per_field: f64,
    /// Mean platelets in a field, the ones in clumps included.
    pub platelets_per_field: f64,
    /// Share of the red cells that lie on or against another one, 0 to 1.
    pub red_cell_clumping: f64,
    /// Share of the platelets that lie in clumps, 0 to 1.
    pub platelet_clumping: f64,
    /// Mean pieces of debris (precipitate, fibres, bubbles, smudges) in a field, 0 to 50.
    pub debris_per_field: f64,
    /// Dye relative to the usual, 0.2 to 3.
    pub stain_strength: f64,
    /// How much slides differ in colour: 0 not within one laboratory, 1 as usual, at most 3.
    pub stain_variation: f64,
    /// Loss of light at the corners, 0 to 0.8.
    pub vignetting: f64,
    /// Difference of light between two opposite sides, 0 to 0.5.
    pub uneven_light: f64,
    /// Numerical aperture of the objective, 0.2 to 1.4; above 0.95 it is an oil objective.
    pub numerical_aperture: f64,
    /// Distance of the smear from the focal plane in micrometres, 0 to 20.
    pub focus_error_um: f64,
    /// How far the focus wanders from field to field and from frame to frame, 0 to 5.
    pub focus_drift_um: f64,
    /// Electrons that a white pixel collects, 100 to 1,000,000: fewer give more photon noise.
    pub full_well_electrons: f64,
    /// Noise of the camera's electronics, in levels of 255, 0 to 50.
    pub read_noise_levels: f64,
}

impl Default for SimulatedSlideSettings {
    fn default() -> Self {
        Self {
            width_px: 640,
            height_px: 480,
            um_per_px: 0.12,
            red_cells_per_field: 30.0,
            white_cells_per_field: 1.0,
            platelets_per_field: 3.0,
            red_cell_clumping: 0.25,
            platelet_clumping: 0.10,
            debris_per_field: 0.7,
            stain_strength: 1.0,
            stain_variation: 1.0,
            vignetting: 0.10,
            uneven_light: 0.04,
            numerical_aperture: 1.25,
            focus_error_um: 0.1,
            focus_drift_um: 0.05,
            full_well_electrons: 10_000.0,
            read_noise_levels: 0.8,
        }
    }
}

/// Why a slide with these settings cannot be made.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum SlideSettingsError {
    /// The frame's size is outside the limits.
    #[error("simulated slide: {0}")]
    Size(FrameError),
    /// A number is outside its range, or is not a number.
    #[error("simulated slide: {name} is {value}; choose {lowest} to {highest}")]
    OutOfRange {
        /// The setting's name, as the configuration spells it.
        name: &'static str,
        /// The refused value.
        value: f64,
        /// The smallest value allowed.
        lowest: f64,
        /// The largest value allowed.
        highest: f64,
    },
}

impl SimulatedSlideSettings {
    /// Area of a field in square micrometres.
    pub(super) fn field_um2(&self) -> f64 {
        let pixels = f64::from(self.width_px) * f64::from(self.height_px);
        pixels * self.um_per_px * self.um_per_px
    }

    /// Checks every limit.
    pub(super) fn check(&self) -> Result<(), SlideSettingsError> {
        Frame::check_size(self.width_px, self.height_px).map_err(SlideSettingsError::Size)?;
        in_range("um_per_px", self.um_per_px, 0.03, 0.5)?;
        let field_um2 = self.field_um2();
        let most = |cover: f64, each_um2: f64| (10.0 * cover * field_um2 / each_um2).floor() / 10.0;
        let ranges = [
            (
                "red_cells_per_field",
                self.red_cells_per_field,
                0.0,
                most(MAX_RED_COVER, RED_CELL_UM2),
            ),
            (
                "white_cells_per_field",
                self.white_cells_per_field,
                0.0,
                most(MAX_WHITE_COVER, WHITE_CELL_UM2),
            ),
            (
                "platelets_per_field",
                self.platelets_per_field,
                0.0,
                most(MAX_PLATELET_COVER, PLATELET_ROOM_UM2),
            ),
            ("red_cell_clumping", self.red_cell_clumping, 0.0, 1.0),
            ("platelet_clumping", self.platelet_clumping, 0.0, 1.0),
            ("debris_per_field", self.debris_per_field, 0.0, 50.0),
            ("stain_strength", self.stain_strength, 0.2, 3.0),
            ("stain_variation", self.stain_variation, 0.0, 3.0),
            ("vignetting", self.vignetting, 0.0, 0.8),
            ("uneven_light", self.uneven_light, 0.0, 0.5),
            ("numerical_aperture", self.numerical_aperture, 0.2, 1.4),
            ("focus_error_um", self.focus_error_um, 0.0, 20.0),
            ("focus_drift_um", self.focus_drift_um, 0.0, 5.0),
            (
                "full_well_electrons",
                self.full_well_electrons,
                100.0,
                1_000_000.0,
            ),
            ("read_noise_levels", self.read_noise_levels, 0.0, 50.0),
        ];
        for (name, value, lowest, highest) in ranges {
            in_range(name, value, lowest, highest)?;
        }
        Ok(())
    }
}

pub(super) fn in_range(
    name: &'static str,
    value: f64,
    lowest: f64,
    highest: f64,
) -> Result<(), SlideSettingsError> {
    if (lowest..=highest).contains(&value) {
        return Ok(());
    }
    Err(SlideSettingsError::OutOfRange {
        name,
        value,
        lowest,
        highest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_the_limits_are_refused() {
        type Change = fn(&mut SimulatedSlideSettings);
        let cases: [(&str, Change, bool); 7] = [
            ("defaults", |_| (), true),
            ("no pixels", |settings| settings.width_px = 0, false),
            (
                "not a number",
                |settings| settings.focus_error_um = f64::NAN,
                false,
            ),
            ("no pixel size", |settings| settings.um_per_px = 0.0, false),
            (
                "more red cells than fit",
                |settings| settings.red_cells_per_field = 90.0,
                false,
            ),
            (
                "negative platelets",
                |settings| settings.platelets_per_field = -1.0,
                false,
            ),
            (
                "an empty slide",
                |settings| settings.red_cells_per_field = 0.0,
                true,
            ),
        ];
        for (name, change, accepted) in cases {
            let mut settings = SimulatedSlideSettings::default();
            change(&mut settings);
            assert_eq!(settings.check().is_ok(), accepted, "{name}");
        }
    }

    #[test]
    fn a_refusal_names_the_setting_and_its_range() {
        let settings = SimulatedSlideSettings {
            vignetting: 2.0,
            ..SimulatedSlideSettings::default()
        };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "simulated slide: vignetting is 2; choose 0 to 0.8"
        );
    }
}
