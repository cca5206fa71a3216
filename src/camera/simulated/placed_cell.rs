//! A cell in its place, and which cells may lie over which.

use super::canvas::Canvas;
use super::outline::{Outline, Point};
use super::platelet::Platelet;
use super::red_cell::RedCell;
use super::stain::SlideLook;
use super::white_cell::WhiteCell;
use crate::cell::{BoundingBox, CellClass};

/// The greatest share of a red cell that another one may cover.
pub(super) const MAX_RED_OVERLAP: f64 = 0.30;
/// The greatest share of a red cell that lies under others in all.
const MAX_TOTAL_OVERLAP: f64 = 0.40;
/// The greatest share of a red cell that a white cell may cover, and the other way round.
const MAX_WHITE_OVERLAP: f64 = 0.04;
/// Cells that lie apart may touch this much.
pub(super) const MAX_TOUCH: f64 = 0.02;
/// How often a cell looks for a place before it is left out.
pub(super) const PLACE_TRIES: usize = 60;

/// How a cell looks.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Red(RedCell),
    White(WhiteCell),
    Platelet(Platelet),
}

/// A cell in its place.
#[derive(Debug, Clone)]
pub(super) struct PlacedCell {
    pub centre: Point,
    pub body: Body,
}

impl PlacedCell {
    pub fn class(&self) -> CellClass {
        match self.body {
            Body::Red(_) => CellClass::Rbc,
            Body::White(_) => CellClass::Wbc,
            Body::Platelet(_) => CellClass::Plt,
        }
    }

    pub fn outline(&self) -> &Outline {
        match &self.body {
            Body::Red(cell) => &cell.outline,
            Body::White(cell) => &cell.outline,
            Body::Platelet(cell) => &cell.outline,
        }
    }

    /// Paints the cell on a canvas whose corner lies at `corner`.
    pub fn paint(&self, corner: Point, look: &SlideLook, canvas: &mut Canvas) {
        let centre = self.centre.seen_from(corner);
        match &self.body {
            Body::Red(cell) => cell.paint(centre, canvas),
            Body::White(cell) => cell.paint(centre, look, canvas),
            Body::Platelet(cell) => cell.paint(centre, look, canvas),
        }
    }

    /// The larger of the shares by which two cells cover each other.
    pub fn overlap(&self, other: &Self) -> f64 {
        let covered = |cell: &Self, by: &Self| {
            cell.outline()
                .covered_share(cell.centre, by.outline(), by.centre)
        };
        covered(self, other).max(covered(other, self))
    }

    /// Whether the cell hides none of the others, and is hidden by none, where red cells may cover
    /// each other by `most_red_overlap`.
    pub fn lies_free<'a>(
        &self,
        others: impl IntoIterator<Item = &'a Self>,
        most_red_overlap: f64,
    ) -> bool {
        let mut total = 0.0;
        for other in others {
            let overlap = self.overlap(other);
            let most = match (self.class(), other.class()) {
                (CellClass::Rbc, CellClass::Rbc) => most_red_overlap,
                (CellClass::Rbc, CellClass::Wbc) => MAX_WHITE_OVERLAP,
                _ => 0.0,
            };
            total += overlap;
            if overlap > most || total > MAX_TOTAL_OVERLAP {
                return false;
            }
        }
        true
    }

    /// The box around what a frame with its corner at `corner` shows of the cell.
    pub fn visible_box(
        &self,
        corner: Point,
        um_per_px: f64,
        (width_px, height_px): (u32, u32),
    ) -> Option<BoundingBox> {
        let centre = self.centre.seen_from(corner);
        self.outline()
            .visible_box(centre, um_per_px, width_px, height_px)
    }
}
