//! A cheap assessment of a frame before the network sees it: light, focus, density, and whether it
//! can be a stained smear at all.
//!
//! It works on a reduced copy in integers. Only gross faults are rejected: a frame that merely
//! looks unusual goes on to the network. Cells darken green most under every usual stain, so green
//! separates cells from glass.

mod blur;
mod echo;
mod focus;
mod measures;
mod parts;
mod reduced;
pub mod rim;
mod settings;

pub use settings::QualitySettings;

use crate::image::frame::Frame;
use crate::image::histogram::{BACKGROUND_PERMILLE, Histogram};
use measures::{ClassMeans, Stains};
use reduced::ReducedView;
use rim::Rim;
use std::fmt;

/// The light of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brightness {
    /// The background is below [`QualitySettings::dark_level`].
    Dark,
    /// Neither dark nor bright.
    Good,
    /// The background is too bright, or too many pixels are fully white.
    Bright,
}

impl Brightness {
    /// Every brightness.
    pub const ALL: [Brightness; 3] = [Brightness::Dark, Brightness::Good, Brightness::Bright];
}

/// How much of a frame is covered by cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// Nothing is covered, or no edge could be a cell.
    Empty,
    /// Less is covered than [`QualitySettings::sparse_permille`].
    Sparse,
    /// Between sparse and crowded.
    Good,
    /// More is covered than [`QualitySettings::crowded_permille`].
    Crowded,
}

impl Density {
    /// Every density.
    pub const ALL: [Density; 4] = [
        Density::Empty,
        Density::Sparse,
        Density::Good,
        Density::Crowded,
    ];
}

/// How sharp a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharpness {
    /// In focus.
    Sharp,
    /// Usable, but the focus can be better.
    Soft,
    /// Too blurred to be counted.
    Blurred,
}

impl Sharpness {
    /// Every sharpness.
    pub const ALL: [Sharpness; 3] = [Sharpness::Sharp, Sharpness::Soft, Sharpness::Blurred];
}

/// The focus score from which a frame is sharp rather than soft.
const SHARP_FROM: u8 = 60;

/// Why a frame is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// A dark rim leaves nothing of the field that is worth counting.
    RimCoversField,
    /// Less light than [`QualitySettings::dark_level`] on the background.
    Underexposed,
    /// More light than [`QualitySettings::bright_level`], or too many white pixels.
    Overexposed,
    /// Light, but no edge that could be a cell: an empty field.
    NoContrast,
    /// Edges are softer than a Gaussian of about 1/20 of a red cell leaves them.
    Blurred,
    /// Edges that face one direction are softer than others, or every edge stands twice: the slide
    /// moved during the exposure.
    MovedDuringExposure,
    /// A sixth of the parts that have cells, two or more, are softer than that, others are not.
    PartlyBlurred,
    /// Cells that hardly differ from the glass: platelets drown first.
    LowContrast,
    /// Nuclei that are red where they have to be blue: red and blue come in the wrong order.
    ColoursExchanged,
    /// Colours or texture that no stained smear has.
    NotASmear,
    /// So much is covered that cells lie over one another, and some are missed.
    TooThick,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [RejectReason; 11] = [
        RejectReason::RimCoversField,
        RejectReason::Underexposed,
        RejectReason::Overexposed,
        RejectReason::NoContrast,
        RejectReason::Blurred,
        RejectReason::MovedDuringExposure,
        RejectReason::PartlyBlurred,
        RejectReason::LowContrast,
        RejectReason::ColoursExchanged,
        RejectReason::NotASmear,
        RejectReason::TooThick,
    ];
}

impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            RejectReason::RimCoversField => {
                "a dark rim covers nearly all of the frame; centre the camera on the eyepiece, or \
                 zoom in until the field fills the frame"
            }
            RejectReason::Underexposed => "the frame is too dark; give more light or expose longer",
            RejectReason::Overexposed => "the frame is too bright; dim the lamp or expose shorter",
            RejectReason::NoContrast => "the field is empty; move the slide to where cells lie",
            RejectReason::Blurred => {
                "the frame is out of focus; turn the focus until edges are sharp"
            }
            RejectReason::MovedDuringExposure => {
                "the slide moved while the frame was exposed; keep it still, or expose shorter with \
                 more light"
            }
            RejectReason::PartlyBlurred => {
                "part of the frame is out of focus; check that the slide lies flat, and turn the \
                 focus until edges are sharp everywhere"
            }
            RejectReason::LowContrast => {
                "cells hardly stand out; check the stain, and close the condenser's aperture"
            }
            RejectReason::ColoursExchanged => {
                "red and blue are exchanged; check the pixel format of the camera or the file"
            }
            RejectReason::NotASmear => {
                "this does not look like a stained smear; check what is shown"
            }
            RejectReason::TooThick => {
                "cells lie over one another; move towards the feathered edge of the smear"
            }
        })
    }
}

/// Whether a frame may be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The frame may be counted.
    Usable,
    /// The frame is not counted, for this reason.
    Rejected(RejectReason),
}

/// What one frame looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Level of the empty background in green, 0..=255.
    pub background_level: u8,
    /// The light as a category.
    pub brightness: Brightness,
    /// Fully white pixels, in thousandths.
    pub clipped_permille: u16,
    /// 0 (blurred, or nothing but noise) to 100. The camera's noise is taken out: 50 stands for
    /// edges as soft as a Gaussian of 1/24 of a red cell leaves them, whatever the noise.
    pub focus_score: u8,
    /// Area darker than the background, in thousandths.
    pub coverage_permille: u16,
    /// The part of the frame that a dark rim takes, in thousandths; the other figures are those
    /// of the rest.
    pub rim_permille: u16,
    /// [`Quality::coverage_permille`] as a category.
    pub density: Density,
    /// Whether the frame may be counted.
    pub verdict: Verdict,
}

impl Quality {
    /// Of a frame that nobody has looked at: nothing in it may be counted.
    pub const NOTHING_SEEN: Self = Self {
        background_level: 0,
        brightness: Brightness::Dark,
        clipped_permille: 0,
        focus_score: 0,
        coverage_permille: 0,
        rim_permille: 0,
        density: Density::Empty,
        verdict: Verdict::Rejected(RejectReason::Underexposed),
    };

    /// The same of the part of a frame that is left of a rim, once that was cut off.
    #[must_use]
    pub fn beside(self, rim: Rim) -> Self {
        match rim {
            Rim::None => self,
            Rim::Cut(clear) => Self {
                rim_permille: clear.cut_permille(),
                ..self
            },
            Rim::CoversField => Self {
                verdict: Verdict::Rejected(RejectReason::RimCoversField),
                ..self
            },
        }
    }

    fn is_blurred(&self) -> bool {
        use RejectReason::{Blurred, MovedDuringExposure, PartlyBlurred};
        let blurred = [Blurred, MovedDuringExposure, PartlyBlurred].map(Verdict::Rejected);
        blurred.contains(&self.verdict)
    }

    /// The word for the focus.
    pub fn sharpness(&self) -> Sharpness {
        match self.focus_score {
            _ if self.is_blurred() => Sharpness::Blurred,
            0..SHARP_FROM => Sharpness::Soft,
            SHARP_FROM.. => Sharpness::Sharp,
        }
    }
}

/// Judges frames one after another; keeps its buffers, so that frames of one size cost no
/// allocation.
#[derive(Debug)]
pub struct FrameAssessor {
    settings: QualitySettings,
    view: ReducedView,
}

impl FrameAssessor {
    /// An assessor that draws the lines where `settings` say.
    pub fn new(settings: QualitySettings) -> Self {
        Self {
            settings,
            view: ReducedView::default(),
        }
    }

    /// Assesses a frame. `rbc_diameter_px` is the size of a red cell in this frame; without it the
    /// assessment assumes cells as large as they can be (four to the shorter side), and measures
    /// the focus against the size of the dark parts.
    pub fn assess(&mut self, frame: &Frame, rbc_diameter_px: Option<u32>) -> Quality {
        let Self { settings, view } = self;
        view.take(frame, rbc_diameter_px);
        let green = view.green_histogram();
        let [red_level, blue_level] = view.red_and_blue_percentiles(BACKGROUND_PERMILLE);
        let background_level = green.percentile(BACKGROUND_PERMILLE);
        let background = [red_level, background_level, blue_level];
        let clipped_permille = view.clipped_permille();
        let first_bright = first_bright_level(background_level, settings);
        let coverage_permille = covered_permille(&green, first_bright);
        let dark_level = green.otsu_level();
        let texture_permille = view.texture_permille(dark_level);
        let edges = view.edges(texture_permille);
        let focus_score = edges.focus_score();
        let classes = view.class_means(dark_level);
        let brightness = brightness(&green, background, clipped_permille, settings);
        let reason = light_fault(brightness)
            .or_else(|| texture_fault(texture_permille, &classes, settings))
            .or_else(|| {
                edges
                    .are_too_weak(settings)
                    .then_some(RejectReason::NoContrast)
            })
            .or_else(|| {
                let fault = colour_fault(&classes, background, settings)?;
                Some(if edges.are_faint(settings) {
                    RejectReason::NoContrast
                } else {
                    fault
                })
            })
            .or_else(|| (focus_score < settings.min_focus_score).then_some(RejectReason::Blurred))
            .or_else(|| {
                let is_moved = edges.are_moved(settings) || view.is_exposed_twice(&edges);
                (settings.min_focus_score > 0 && is_moved)
                    .then_some(RejectReason::MovedDuringExposure)
            })
            .or_else(|| {
                let parts = view.part_scores(&edges, first_bright);
                parts
                    .are_blurred(settings.min_focus_score)
                    .then_some(RejectReason::PartlyBlurred)
            })
            .or_else(|| {
                (coverage_permille > settings.crowded_permille).then_some(RejectReason::TooThick)
            })
            .or_else(|| contrast_fault(&classes, settings))
            .or_else(|| order_fault(&view.stains(&green, dark_level), &classes));
        Quality {
            background_level,
            brightness,
            clipped_permille,
            focus_score,
            coverage_permille,
            rim_permille: 0,
            density: density(coverage_permille, reason, settings),
            verdict: reason.map_or(Verdict::Usable, Verdict::Rejected),
        }
    }
}

/// Assesses a single frame, as [`FrameAssessor::assess`] does.
pub fn assess(frame: &Frame, rbc_diameter_px: Option<u32>, settings: &QualitySettings) -> Quality {
    FrameAssessor::new(*settings).assess(frame, rbc_diameter_px)
}

fn brightness(
    green: &Histogram,
    background: [u8; 3],
    clipped_permille: u16,
    settings: &QualitySettings,
) -> Brightness {
    const DARKEST_TWENTIETH_PERMILLE: u32 = 50;
    let brightest = background.into_iter().max().unwrap_or(0);
    if brightest < settings.dark_level {
        Brightness::Dark
    } else if background[1] > settings.bright_level
        || clipped_permille > settings.max_clipped_permille
        || green.percentile(DARKEST_TWENTIETH_PERMILLE) > settings.white_level
    {
        Brightness::Bright
    } else {
        Brightness::Good
    }
}

fn density(coverage: u16, reason: Option<RejectReason>, settings: &QualitySettings) -> Density {
    if reason == Some(RejectReason::NoContrast) || coverage == 0 {
        Density::Empty
    } else if coverage < settings.sparse_permille {
        Density::Sparse
    } else if coverage > settings.crowded_permille {
        Density::Crowded
    } else {
        Density::Good
    }
}

fn light_fault(brightness: Brightness) -> Option<RejectReason> {
    match brightness {
        Brightness::Dark => Some(RejectReason::Underexposed),
        Brightness::Bright => Some(RejectReason::Overexposed),
        Brightness::Good => None,
    }
}

fn contrast_fault(classes: &ClassMeans, settings: &QualitySettings) -> Option<RejectReason> {
    let is_low = classes.distance() < u32::from(settings.min_contrast_levels);
    is_low.then_some(RejectReason::LowContrast)
}

/// Nuclei and platelets let more blue than red through, whatever the stain, and differ in that
/// from red cells. Where the deepest stain lets clearly more red through, and red cells do not
/// half as much, the channels are exchanged.
fn order_fault(stains: &Stains, classes: &ClassMeans) -> Option<RejectReason> {
    /// Of 161 photographed frames none has more than 30.
    const LEAST_PERMILLE: i32 = 60;
    /// Nuclei let less green through than this share of what red cells do.
    const DEEP_PERMILLE: i32 = 750;
    let [deep, pale] = [stains.deepest, stains.palest].map(|levels| classes.passed_by(levels));
    let [deep_red, pale_red] = [deep, pale].map(|passed| passed[0] - passed[2]);
    let is_deep = deep[1] * 1000 < pale[1] * DEEP_PERMILLE;
    (is_deep && deep_red > LEAST_PERMILLE && 2 * pale_red < deep_red)
        .then_some(RejectReason::ColoursExchanged)
}

/// Green below this level is covered.
fn first_bright_level(background: u8, settings: &QualitySettings) -> u8 {
    let depth = u32::from(background) * u32::from(settings.cover_depth_permille) / 1000;
    u32::from(background).saturating_sub(depth) as u8
}

fn covered_permille(green: &Histogram, first_bright: u8) -> u16 {
    1000 - green.permille_from(first_bright) as u16
}

/// Dark and bright must differ by this many levels before their texture or colour says anything.
const MIN_CLASS_DISTANCE: u32 = 14;

/// Noise and print change between dark and bright far more often than cells do.
fn texture_fault(
    texture_permille: usize,
    classes: &ClassMeans,
    settings: &QualitySettings,
) -> Option<RejectReason> {
    let is_textured = texture_permille > usize::from(settings.max_texture_permille);
    (classes.distance() >= MIN_CLASS_DISTANCE && is_textured).then_some(RejectReason::NotASmear)
}

/// Stain takes more green than red or blue from nearly colourless light.
fn colour_fault(
    classes: &ClassMeans,
    background: [u8; 3],
    settings: &QualitySettings,
) -> Option<RejectReason> {
    let brightest = u32::from(background.into_iter().max().unwrap_or(0)).max(1);
    let dimmest = u32::from(background.into_iter().min().unwrap_or(0));
    let tint_permille = (brightest - dimmest) * 1000 / brightest;
    let [red, green, blue] = classes.passed_permille();
    let stain_permille = red.max(blue) - green;
    let tinted = tint_permille > u32::from(settings.max_background_tint_permille);
    let unstained = stain_permille < i32::from(settings.min_stain_permille);
    (tinted || unstained).then_some(RejectReason::NotASmear)
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests;
