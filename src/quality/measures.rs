//! What is measured on a reduced frame, and what its limits say to it.

use super::focus::{EdgeSums, LEVEL, Reference};
use super::settings::QualitySettings;
use crate::image::histogram::Histogram;

/// The mean colours of the dark and the bright part.
pub(super) struct ClassMeans {
    pub(super) dark_millilevels: [u32; 3],
    pub(super) bright_millilevels: [u32; 3],
}

impl ClassMeans {
    /// Difference in green, in levels.
    pub(super) fn distance(&self) -> u32 {
        self.bright_millilevels[1].saturating_sub(self.dark_millilevels[1]) / 1000
    }

    /// How much of the light passes the dark part, by channel, in thousandths.
    pub(super) fn passed_permille(&self) -> [i32; 3] {
        self.passed_by(self.dark_millilevels)
    }

    /// How much of the light passes what has these levels, by channel, in thousandths.
    pub(super) fn passed_by(&self, millilevels: [u32; 3]) -> [i32; 3] {
        std::array::from_fn(|channel| {
            let bright = u64::from(self.bright_millilevels[channel].max(1));
            (u64::from(millilevels[channel]) * 1000 / bright).min(10_000) as i32
        })
    }
}

/// Mean colours of the deepest hundredth of a frame and of the paler half of its dark part.
pub(super) struct Stains {
    pub(super) deepest: [u32; 3],
    pub(super) palest: [u32; 3],
}

impl Stains {
    /// Up to which levels of green the deepest and the deeper half go.
    pub(super) fn limits(green: &Histogram, dark_level: u8) -> [u8; 2] {
        const DEEPEST_PERMILLE: u32 = 10;
        let dark_permille = 1000 - green.permille_from(dark_level.saturating_add(1));
        [DEEPEST_PERMILLE, (dark_permille / 2).max(1)].map(|permille| green.percentile(permille))
    }
}

/// Slopes of a frame in 1/16 levels over two pixels, and how blurred they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub(super) blurred: u32,
    pub(super) blur_width: u32,
    /// Diameter of a red cell in pixels, known or told by the dark parts' texture.
    pub(super) diameter: usize,
    /// Of the whole frame.
    pub(super) sums: EdgeSums,
}

impl Edges {
    /// See [`super::Quality::focus_score`].
    pub(super) fn focus_score(&self) -> u8 {
        self.sums.score(self.reference(), self.diameter)
    }

    /// Whether the slide moved while the frame was exposed, by the softness of its edges.
    pub(super) fn are_moved(&self, settings: &QualitySettings) -> bool {
        self.sums
            .are_moved(self.reference(), self.diameter, settings.min_focus_score)
    }

    /// The blur that the slopes are compared after.
    pub(super) fn reference(&self) -> Reference {
        Reference::for_cells_of(self.diameter)
    }

    /// The step in levels that would leave the blurred slope: a step blurred by a box has the
    /// slope step / width.
    pub(super) fn step_levels(&self) -> u32 {
        let slope_per_pixel = self.blurred / 2;
        slope_per_pixel * self.blur_width / u32::from(LEVEL)
    }

    pub(super) fn are_too_weak(&self, settings: &QualitySettings) -> bool {
        self.step_levels() < u32::from(settings.min_edge_levels)
    }

    /// Slopes that uneven light on bare glass can have; without stain they are no cells.
    pub(super) fn are_faint(&self, settings: &QualitySettings) -> bool {
        self.step_levels() < 2 * u32::from(settings.min_edge_levels)
    }
}
