//! How sharp each part of a frame is: a tilted slide, a curved field or a smeared lens leaves some
//! of it out of focus while the strongest edges of the whole are sharp.
//!
//! Each part is measured as the whole is, but by the steepest slopes of its own, so that cells that
//! have all but dissolved are measured too. A part without cells says nothing.

use super::focus::{EdgeSums, Neighbours, Reference, Zones};
use std::ops::Range;

/// A part is at least so many red cells wide and high.
const CELLS_A_SIDE: usize = 2;
/// Up to so many parts along each side of a frame, and at least two.
const MOST_A_SIDE: usize = 4;
/// A part with less covered area than this, in thousandths, says nothing.
const LEAST_COVERED_PERMILLE: usize = 100;
/// Covered pixels that can be counted in a byte.
const COUNTED_BYTES: usize = 240;
/// A frame is blurred in part from one in so many of the parts with cells on.
const ONE_PART_IN: usize = 6;
/// One part alone may hold nothing but the rim of a cell beyond its corner.
const FEWEST_BLURRED: usize = 2;
/// A part's score scatters more than a frame's, so its limit is so many sevenths of it.
const LIMIT_SEVENTHS: u16 = 6;

/// A rectangle of a reduced copy, in its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: Range<usize>,
    pub(super) y: Range<usize>,
}

impl Area {
    /// Where the blur of the focus needs no pixel from outside; nothing where that is nowhere.
    pub(super) fn within_margin(width: usize, height: usize, reference: Reference) -> Option<Self> {
        let margin = reference.reach() + 1;
        let inner = |side: usize| (2 * margin < side).then(|| margin..side - margin);
        Some(Self {
            x: inner(width)?,
            y: inner(height)?,
        })
    }

    pub(super) fn pixels(&self) -> usize {
        self.x.len() * self.y.len()
    }

    /// Parts of nearly one size, which together are the whole, for red cells of this diameter.
    pub(super) fn parts(&self, rbc_diameter: usize) -> impl Iterator<Item = Area> + use<> {
        let count = |side: usize| (side / (CELLS_A_SIDE * rbc_diameter)).clamp(2, MOST_A_SIDE);
        let (x, y) = (self.x.clone(), self.y.clone());
        let (columns, rows) = (count(x.len()), count(y.len()));
        let piece = |whole: &Range<usize>, at: usize, count: usize| {
            let edge = |at: usize| whole.start + whole.len() * at / count;
            edge(at)..edge(at + 1)
        };
        (0..rows * columns).map(move |at| Area {
            x: piece(&x, at % columns, columns),
            y: piece(&y, at / columns, rows),
        })
    }
}

/// What the focus is measured on, all of one copy.
pub(super) struct Layers<'a> {
    pub(super) width: usize,
    pub(super) green: &'a [u8],
    /// After the reference blur.
    pub(super) blurred: &'a [u16],
    /// After a blur of an eighth of a red cell, without the outermost pixels.
    pub(super) slopes: &'a [u16],
}

impl<'a> Layers<'a> {
    /// The slopes of an area, row by row.
    pub(super) fn slope_rows(&self, area: &Area) -> impl Iterator<Item = &'a [u16]> + use<'a> {
        let (slopes, width, start) = (self.slopes, self.width - 2, area.x.start - 1);
        let columns = area.x.len();
        let rows = area.y.start - 1..area.y.end - 1;
        rows.map(move |y| &slopes[y * width + start..][..columns])
    }

    /// Adds the pixels of an area that lie near an edge.
    pub(super) fn add_edges(&self, sums: &mut EdgeSums, area: &Area, zones: Zones) {
        for (y, slopes) in area.y.clone().zip(self.slope_rows(area)) {
            let start = y * self.width + area.x.start;
            let fine = Neighbours::of(self.green, start, self.width, slopes.len());
            let blurred = Neighbours::of(self.blurred, start, self.width, slopes.len());
            sums.add_edges(slopes, &fine, &blurred, zones);
        }
    }

    /// Adds the noise of an area's flat pixels.
    pub(super) fn add_flat(&self, sums: &mut EdgeSums, area: &Area, zones: Zones) {
        for (y, slopes) in area.y.clone().zip(self.slope_rows(area)) {
            let row = |y: usize| &self.green[y * self.width + area.x.start..][..=slopes.len()];
            sums.add_flat(slopes, row(y), row(y + 1), zones);
        }
    }

    /// Whether enough of an area is darker than this level for its edges to be those of cells.
    pub(super) fn is_covered(&self, area: &Area, first_bright: u8) -> bool {
        let is_dark = |&value: &u8| u8::from(value < first_bright);
        let rows = area.y.clone();
        let covered: usize = rows
            .flat_map(|y| {
                let row = &self.green[y * self.width + area.x.start..][..area.x.len()];
                row.chunks(COUNTED_BYTES)
            })
            .map(|values| usize::from(values.iter().map(is_dark).sum::<u8>()))
            .sum();
        is_enough(covered, area)
    }
}

/// Whether so many covered pixels of an area are enough.
pub(super) fn is_enough(covered: usize, area: &Area) -> bool {
    covered * 1000 >= area.pixels().max(1) * LEAST_COVERED_PERMILLE
}

/// The focus of the parts of a frame that have cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PartScores {
    scores: [u8; MOST_A_SIDE * MOST_A_SIDE],
    count: usize,
}

impl PartScores {
    /// Adds a part; there are at most `MOST_A_SIDE`².
    pub(super) fn add(&mut self, score: u8) {
        self.scores[self.count] = score;
        self.count += 1;
    }

    /// Whether too much of the frame is blurred, though not all of it falls below this limit for
    /// a frame's score.
    pub(super) fn are_blurred(&self, min_focus_score: u8) -> bool {
        let limit = u16::from(min_focus_score) * LIMIT_SEVENTHS / 7;
        let scores = self.scores[..self.count].iter();
        let blurred = scores.filter(|&&score| u16::from(score) < limit).count();
        blurred >= FEWEST_BLURRED && blurred * ONE_PART_IN >= self.count
    }
}
