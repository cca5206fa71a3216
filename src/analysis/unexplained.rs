//! How much of what is dark in a frame lies in no cell that was found: what the network has missed.
//!
//! It needs no knowledge of what a cell looks like, so it also speaks where the network's own
//! confidence does not: cells that lie over one another, or that are blurred in a part of the frame,
//! leave dark places without a cell.

use crate::cell::{BoundingBox, Cell, SUBPIXELS};
use crate::image::frame::Frame;
use crate::image::histogram::Histogram;

/// Samples along the longer side of a frame, at most.
const MAX_SAMPLES: u32 = 256;
/// Samples along the diameter of a red cell, where there may be so many.
const SAMPLES_OF_A_RED_CELL: u32 = 12;
/// A cell explains an ellipse around its box's centre whose diameters are the box's sides times
/// this, in eighths: outlines are no ellipses.
const REACH_EIGHTHS: i64 = 9;

/// Looks for dark area without cells; all of its memory is taken when it is made.
#[derive(Debug)]
pub struct UnexplainedArea {
    /// Samples in rows; whether each is dark and not yet explained.
    dark: Vec<bool>,
}

impl Default for UnexplainedArea {
    fn default() -> Self {
        Self {
            dark: Vec::with_capacity((MAX_SAMPLES * MAX_SAMPLES) as usize),
        }
    }
}

/// Places of a frame that are looked at.
#[derive(Debug, Clone, Copy)]
struct Grid {
    step_px: u32,
    columns: u32,
    rows: u32,
}

impl Grid {
    fn new(frame: &Frame, rbc_diameter_px: u32) -> Self {
        let (width_px, height_px) = (frame.width_px(), frame.height_px());
        let step_px = (rbc_diameter_px / SAMPLES_OF_A_RED_CELL)
            .max(width_px.max(height_px).div_ceil(MAX_SAMPLES))
            .clamp(1, width_px.min(height_px));
        Self {
            step_px,
            columns: width_px / step_px,
            rows: height_px / step_px,
        }
    }

    /// Green at every place, row by row.
    fn samples<'a>(&self, frame: &'a Frame) -> impl Iterator<Item = u8> + 'a {
        let Self {
            step_px,
            columns,
            rows,
        } = *self;
        let middle = move |place: u32| place * step_px + step_px / 2;
        (0..rows).flat_map(move |row| {
            let pixels = frame.row(middle(row));
            (0..columns).map(move |column| pixels[middle(column) as usize * 3 + 1])
        })
    }

    /// The places whose centres lie between two edges along one side, in 1/16 px.
    fn between(&self, from_q4: i64, to_q4: i64, places: u32) -> std::ops::Range<usize> {
        let step_q4 = i64::from(self.step_px) * i64::from(SUBPIXELS);
        let first = |edge_q4: i64| {
            let place = (edge_q4 - step_q4 / 2 + step_q4 - 1).div_euclid(step_q4);
            place.clamp(0, i64::from(places)) as usize
        };
        first(from_q4)..first(to_q4).max(first(from_q4))
    }
}

impl UnexplainedArea {
    /// The share of the frame's dark area, in thousandths, that lies in none of the cells; 0 where
    /// nothing is dark. `rbc_diameter_px` is the size of a red cell in this frame.
    pub fn permille(&mut self, frame: &Frame, rbc_diameter_px: u32, cells: &[Cell]) -> u16 {
        let grid = Grid::new(frame, rbc_diameter_px);
        let mut green = Histogram::EMPTY;
        grid.samples(frame).for_each(|level| green.add(level));
        let dark_level = green.otsu_level();
        self.dark.clear();
        self.dark
            .extend(grid.samples(frame).map(|level| level <= dark_level));
        let all = self.count();
        for cell in cells {
            self.explain(&grid, &cell.bounds);
        }
        // At most a thousand.
        (self.count() * 1000).checked_div(all).unwrap_or(0) as u16
    }

    fn count(&self) -> usize {
        self.dark.iter().filter(|is_dark| **is_dark).count()
    }

    fn explain(&mut self, grid: &Grid, bounds: &BoundingBox) {
        let radius_q4 = |from: i32, to: i32| (i64::from(to) - i64::from(from)) * REACH_EIGHTHS / 16;
        let (rx_q4, ry_q4) = (
            radius_q4(bounds.x0_q4, bounds.x1_q4),
            radius_q4(bounds.y0_q4, bounds.y1_q4),
        );
        if rx_q4 <= 0 || ry_q4 <= 0 {
            return;
        }
        let (cx_q4, cy_q4) = (
            (i64::from(bounds.x0_q4) + i64::from(bounds.x1_q4)) / 2,
            (i64::from(bounds.y0_q4) + i64::from(bounds.y1_q4)) / 2,
        );
        let step_q4 = i64::from(grid.step_px) * i64::from(SUBPIXELS);
        for row in grid.between(cy_q4 - ry_q4, cy_q4 + ry_q4, grid.rows) {
            let dy_q4 = (row as i64 * step_q4 + step_q4 / 2 - cy_q4).unsigned_abs();
            let ry_q4 = ry_q4.unsigned_abs();
            let half_q4 = (ry_q4.pow(2).saturating_sub(dy_q4.pow(2))).isqrt();
            let half_q4 = (half_q4 * rx_q4.unsigned_abs() / ry_q4) as i64;
            let places = grid.between(cx_q4 - half_q4, cx_q4 + half_q4, grid.columns);
            self.dark[row * grid.columns as usize..][places].fill(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellClass;
    use proptest::prelude::*;

    const RBC_PX: i32 = 40;

    /// Dark discs on bright glass, and a cell around each of the first `found`.
    fn field(discs: &[(i32, i32)], found: usize) -> (Frame, Vec<Cell>) {
        let mut frame = Frame::filled(320, 240, [220, 214, 218]).unwrap();
        for (place, pixel) in frame.rgb_mut().chunks_exact_mut(3).enumerate() {
            let (x, y) = (place as i32 % 320, place as i32 / 320);
            let is_inside =
                |(cx, cy): &(i32, i32)| (x - cx).pow(2) + (y - cy).pow(2) < (RBC_PX / 2).pow(2);
            if discs.iter().any(is_inside) {
                pixel.copy_from_slice(&[200, 140, 150]);
            }
        }
        let cells = discs[..found].iter().map(|(cx, cy)| Cell {
            best_class: Some(CellClass::Rbc),
            certain: true,
            bounds: BoundingBox {
                x0_q4: (cx - RBC_PX / 2) * SUBPIXELS,
                y0_q4: (cy - RBC_PX / 2) * SUBPIXELS,
                x1_q4: (cx + RBC_PX / 2) * SUBPIXELS,
                y1_q4: (cy + RBC_PX / 2) * SUBPIXELS,
            },
            confidence_e4: 9_900,
            counted: true,
        });
        let cells = cells.collect();
        (frame, cells)
    }

    #[test]
    fn what_was_missed_is_told_by_its_share_of_the_dark_area() {
        let discs = [
            (40, 40),
            (120, 40),
            (200, 40),
            (280, 120),
            (40, 200),
            (0, 120),
        ];
        for (found, expected) in [(6, 0..=0), (5, 80..=100), (3, 440..=470), (0, 1000..=1000)] {
            let (frame, cells) = field(&discs, found);
            let share = UnexplainedArea::default().permille(&frame, RBC_PX as u32, &cells);
            assert!(expected.contains(&share), "{found} found: {share}");
        }
    }

    #[test]
    fn a_cell_over_another_leaves_a_crescent() {
        let (frame, cells) = field(&[(100, 100), (124, 100)], 1);
        let share = UnexplainedArea::default().permille(&frame, RBC_PX as u32, &cells);
        assert!((300..450).contains(&share), "{share}");
    }

    #[test]
    fn an_empty_frame_has_no_dark_area() {
        let (frame, _) = field(&[], 0);
        assert_eq!(UnexplainedArea::default().permille(&frame, 40, &[]), 0);
    }

    proptest! {
        #[test]
        fn any_frame_and_any_boxes_give_a_share(
            width_px in 1..70u32,
            height_px in 1..70u32,
            rbc_diameter_px in any::<u32>(),
            boxes in proptest::collection::vec(any::<[i32; 4]>(), 0..6),
        ) {
            let frame = Frame::filled(width_px, height_px, [90; 3]).unwrap();
            let cells: Vec<Cell> = boxes.into_iter().map(|[x0_q4, y0_q4, x1_q4, y1_q4]| Cell {
                best_class: Some(CellClass::Plt),
                certain: false,
                bounds: BoundingBox { x0_q4, y0_q4, x1_q4, y1_q4 },
                confidence_e4: 0,
                counted: false,
            }).collect();
            let share = UnexplainedArea::default().permille(&frame, rbc_diameter_px, &cells);
            prop_assert!(share <= 1000);
        }
    }
}
