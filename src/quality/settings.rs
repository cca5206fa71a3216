//! The limits that a frame is assessed by.

/// Where the lines are drawn. The defaults leave every one of 161 photographed development frames
/// of four sources usable; docs/quality.md has the ladders that they were set by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualitySettings {
    /// A background whose brightest channel is below this level is too dark (0..=255).
    pub dark_level: u8,
    /// A background above this level is too bright.
    pub bright_level: u8,
    /// A frame whose darkest twentieth is above this level is white.
    pub white_level: u8,
    /// More fully white pixels than this, in thousandths, are too bright.
    pub max_clipped_permille: u16,
    /// The weakest edges that can be cells, as the step in levels that would cause them once
    /// blurred by an eighth of a red cell.
    pub min_edge_levels: u16,
    /// Dark and bright parts differ by at least so many levels of green.
    pub min_contrast_levels: u8,
    /// The lowest [`Quality::focus_score`](super::Quality::focus_score) that is usable.
    pub min_focus_score: u8,
    /// A pixel is covered if its green is at least this much below the background, in thousandths
    /// of the background.
    pub cover_depth_permille: u16,
    /// Less covered area than this, in thousandths, is called sparse.
    pub sparse_permille: u16,
    /// More covered area than this, in thousandths, is crowded, and the frame is not counted: of
    /// ordinary development frames 1 % have more, of two laid over one another 87 %.
    pub crowded_permille: u16,
    /// Stained cells keep at least this much more red or blue light than green, in thousandths of
    /// the background's.
    pub min_stain_permille: u16,
    /// Changes between dark and bright neighbours, in thousandths of the dark pixels: cells are
    /// compact, noise and print are not.
    pub max_texture_permille: u16,
    /// The strongest colour that light through glass can have: (largest - smallest channel) /
    /// largest, in thousandths.
    pub max_background_tint_permille: u16,
}

impl Default for QualitySettings {
    fn default() -> Self {
        Self {
            dark_level: 110,
            bright_level: 248,
            white_level: 245,
            max_clipped_permille: 30,
            min_edge_levels: 14,
            min_contrast_levels: 28,
            min_focus_score: 42,
            cover_depth_permille: 90,
            sparse_permille: 60,
            crowded_permille: 700,
            min_stain_permille: 30,
            max_texture_permille: 700,
            max_background_tint_permille: 600,
        }
    }
}
