//! Pixel size from the red cells themselves, for frames of an uncalibrated microscope.
//!
//! The network is shown a few frames at several sizes. Where its confident red cells come out
//! near the size that it was trained on, and there are many of them, the size is right; their
//! median diameter then refines it. The median over several frames is steady where a single
//! frame, with a handful of cells, is not.

use crate::analysis::analyser::{AnalyseError, Analyser, FieldCells};
use crate::cell::{BoundingBox, Cell, CellClass, SUBPIXELS};
use crate::image::frame::Frame;
use std::fmt;
use thiserror::Error;

/// Red cell diameters that are tried first, in pixels of the frame: from a x10 objective on a
/// small sensor to a x100 objective on a large one.
const TRIED_DIAMETERS_PX: [f64; 11] = [
    18.0, 25.0, 34.0, 46.0, 62.0, 80.0, 104.0, 135.0, 176.0, 230.0, 300.0,
];
/// Rounds of measuring at the size found so far.
const REFINEMENTS: usize = 3;
/// Red cells beneath which no estimate is given.
pub const MIN_CELLS: usize = 8;
/// Only cells this sure are measured, in ten-thousandths.
const SURE_E4: u16 = 6_000;
/// How far a tried size may lie from the cells it finds, as a natural logarithm, before its
/// cells count for nothing.
const AGREEMENT_WIDTH: f64 = 0.45;
/// Frames that a try would show larger give their middle only: some thirty red cells each way are
/// enough for a median, and the time stays bounded. Smaller than the least, they are left out.
const MAX_TRIED_SIDE_PX: f64 = 1600.0;
const MIN_TRIED_SIDE_PX: f64 = 80.0;

/// A pixel size estimated from red cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleEstimate {
    /// Width of a pixel on the slide, in micrometres.
    pub um_per_px: f64,
    /// Half the distance between the quartiles of the cells' diameters, relative to the median.
    pub spread: f64,
    /// Red cells measured.
    pub cells: usize,
    /// Frames looked at.
    pub frames: usize,
}

impl fmt::Display for ScaleEstimate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "about {:.4} um/px, estimated from {} red cells in {} frames (spread of their \
             diameters ±{:.0} %)",
            self.um_per_px,
            self.cells,
            self.frames,
            100.0 * self.spread
        )
    }
}

/// Why there is no estimate.
#[derive(Debug, Error)]
pub enum ScaleEstimateError {
    /// The frames show too few clear red cells.
    #[error(
        "no pixel size could be estimated: {cells} clear red cells in {frames} frames, \
         {MIN_CELLS} are needed; give --um-per-px, or um_per_px in the configuration"
    )]
    TooFewCells {
        /// Clear red cells found.
        cells: usize,
        /// Frames searched for them.
        frames: usize,
    },
    /// A frame could not be analysed.
    #[error(transparent)]
    Analyse(#[from] AnalyseError),
}

/// Estimates the pixel size of frames that share one.
///
/// # Errors
/// [`ScaleEstimateError::TooFewCells`] where fewer than [`MIN_CELLS`] clear red cells are found.
pub fn estimate(
    analyser: &mut Analyser,
    frames: &[&Frame],
) -> Result<ScaleEstimate, ScaleEstimateError> {
    let mut best: Option<(f64, f64)> = None;
    for tried_px in TRIED_DIAMETERS_PX {
        let cells = measure(analyser, frames, tried_px)?;
        let Some(median_px) = median_diameter(&cells) else {
            continue;
        };
        let agreement = 1.0 - libm::fabs(libm::log(median_px / tried_px)) / AGREEMENT_WIDTH;
        let score = agreement.max(0.0) * total_confidence(&cells);
        if score > best.map_or(0.0, |(highest, _)| highest) {
            best = Some((score, median_px));
        }
    }
    let too_few = |cells: usize| ScaleEstimateError::TooFewCells {
        cells,
        frames: frames.len(),
    };
    let (_, mut diameter_px) = best.ok_or_else(|| too_few(0))?;
    let mut cells = Vec::new();
    for _ in 0..REFINEMENTS {
        cells = measure(analyser, frames, diameter_px)?;
        diameter_px = median_diameter(&cells).ok_or_else(|| too_few(cells.len()))?;
    }
    if cells.len() < MIN_CELLS {
        return Err(too_few(cells.len()));
    }
    Ok(ScaleEstimate {
        um_per_px: analyser.rbc_diameter_um() / diameter_px,
        spread: quartile_spread(&cells),
        cells: cells.len(),
        frames: frames.len(),
    })
}

/// One red cell that lies wholly inside its frame.
struct Measured {
    diameter_px: f64,
    confidence_e4: u16,
}

/// The sure, whole red cells of all frames, sorted by diameter.
fn measure(
    analyser: &mut Analyser,
    frames: &[&Frame],
    tried_px: f64,
) -> Result<Vec<Measured>, AnalyseError> {
    let um_per_px = analyser.rbc_diameter_um() / tried_px;
    let factor = analyser.network_rbc_diameter_px() / tried_px;
    let mut measured = Vec::new();
    let mut field = FieldCells::default();
    for frame in frames {
        let sides = [frame.width_px(), frame.height_px()].map(|side| f64::from(side) * factor);
        if sides.iter().any(|&side| side < MIN_TRIED_SIDE_PX) {
            continue;
        }
        let middle;
        let frame = if sides.iter().any(|&side| side >= MAX_TRIED_SIDE_PX) {
            middle = frame.centre((MAX_TRIED_SIDE_PX / factor) as u32);
            &middle
        } else {
            *frame
        };
        analyser.analyse_into(frame, um_per_px, &mut field)?;
        let whole = field
            .cells
            .iter()
            .filter(|cell| is_sure_and_whole(cell, frame));
        measured.extend(whole.map(|cell| Measured {
            diameter_px: diameter_px(&cell.bounds),
            confidence_e4: cell.confidence_e4,
        }));
    }
    measured.sort_by(|a, b| a.diameter_px.total_cmp(&b.diameter_px));
    Ok(measured)
}

fn is_sure_and_whole(cell: &Cell, frame: &Frame) -> bool {
    let bounds = &cell.bounds;
    let margin_q4 = 2 * SUBPIXELS;
    cell.best_class == Some(CellClass::Rbc)
        && cell.confidence_e4 >= SURE_E4
        && bounds.x0_q4 > margin_q4
        && bounds.y0_q4 > margin_q4
        && bounds.x1_q4 < frame.width_px() as i32 * SUBPIXELS - margin_q4
        && bounds.y1_q4 < frame.height_px() as i32 * SUBPIXELS - margin_q4
}

/// Diameter of the circle whose square has the box's area, in pixels.
fn diameter_px(bounds: &BoundingBox) -> f64 {
    libm::sqrt(bounds.area_q8() as f64) / f64::from(SUBPIXELS)
}

fn quantile(sorted: &[Measured], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted
        .get(libm::round(share * last as f64) as usize)
        .map(|cell| cell.diameter_px)
}

fn median_diameter(sorted: &[Measured]) -> Option<f64> {
    quantile(sorted, 0.5)
}

fn quartile_spread(sorted: &[Measured]) -> f64 {
    let quartiles = [0.25, 0.5, 0.75].map(|share| quantile(sorted, share).unwrap_or(f64::NAN));
    (quartiles[2] - quartiles[0]) / (2.0 * quartiles[1])
}

fn total_confidence(cells: &[Measured]) -> f64 {
    cells.iter().map(|cell| f64::from(cell.confidence_e4)).sum()
}
