//! Platelets that stick together. How many a clump holds cannot be seen, so a smear with clumps
//! has at least so many platelets.

use crate::cell::{Cell, CellClass, SUBPIXELS};

/// Fields with a clump from which on the smear's platelets are taken to clump: one may be chance.
pub const CLUMP_FIELDS: u32 = 2;
/// A platelet's box larger than this holds several. Single platelets reach 42 µm² on 786 annotated
/// ones of four microscopes; 13 in 100 of them are larger than 12 µm² (docs/statistics.md).
const CLUMP_BOX_UM2: f64 = 45.0;

/// Whether a field shows platelets in a clump: three or more that touch or nearly do, each with its
/// centre within 1.5 diameters of the next one's, or one platelet too large to be one. Cells at the
/// edge count too. `um_per_px` is the width of a pixel on the slide, in micrometres.
pub fn has_platelet_clump(cells: &[Cell], um_per_px: f64) -> bool {
    let platelets = || {
        cells
            .iter()
            .filter(|cell| cell.best_class == Some(CellClass::Plt))
    };
    let certain = || platelets().filter(|cell| cell.certain);
    // Itself is one of the three.
    let has_two_neighbours = |cell: &Cell| {
        let close = certain().filter(|other| are_neighbours(cell, other));
        close.take(3).count() == 3
    };
    // A chain of three or more has a member with two neighbours.
    platelets().any(|cell| box_um2(cell, um_per_px) > CLUMP_BOX_UM2)
        || certain().any(has_two_neighbours)
}

fn box_um2(cell: &Cell, um_per_px: f64) -> f64 {
    let um_per_subpixel = um_per_px / f64::from(SUBPIXELS);
    cell.bounds.area_q8() as f64 * um_per_subpixel * um_per_subpixel
}

/// Whether the centres are closer than 1.5 mean diameters, in whole numbers: the sum of four sides
/// is four diameters, and a doubled centre gives a doubled distance.
fn are_neighbours(one: &Cell, other: &Cell) -> bool {
    let (x, y) = one.bounds.centre_doubled_q4();
    let (other_x, other_y) = other.bounds.centre_doubled_q4();
    let [dx, dy] = [(x, other_x), (y, other_y)].map(|(a, b)| i128::from(a) - i128::from(b));
    let four_diameters: i128 = [one, other]
        .map(|cell| i128::from(cell.bounds.width_q4()) + i128::from(cell.bounds.height_q4()))
        .iter()
        .sum();
    // (2 distance)² < (3 diameters)².
    16 * (dx * dx + dy * dy) < 9 * four_diameters * four_diameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::BoundingBox;

    /// 0.1 µm a pixel: a platelet of 3 µm has 30 pixels.
    const UM_PER_PX: f64 = 0.1;

    /// A platelet of so many pixels around a point.
    fn platelet((x, y): (i32, i32), side_px: i32) -> Cell {
        let half_q4 = side_px * SUBPIXELS / 2;
        Cell {
            best_class: Some(CellClass::Plt),
            certain: true,
            bounds: BoundingBox {
                x0_q4: x * SUBPIXELS - half_q4,
                y0_q4: y * SUBPIXELS - half_q4,
                x1_q4: x * SUBPIXELS + half_q4,
                y1_q4: y * SUBPIXELS + half_q4,
            },
            confidence_e4: 9000,
            counted: true,
        }
    }

    fn row(step_px: i32, number: i32) -> Vec<Cell> {
        (0..number)
            .map(|at| platelet((100 + at * step_px, 100), 30))
            .collect()
    }

    #[test]
    fn three_that_nearly_touch_are_a_clump() {
        let with = |change: fn(&mut Cell)| {
            let mut cells = row(44, 3);
            cells.iter_mut().take(1).for_each(change);
            cells
        };
        let mut pairs = row(40, 2);
        pairs.extend([platelet((400, 100), 30), platelet((440, 100), 30)]);
        let cases = [
            ("none", Vec::new(), false),
            ("two that touch", row(30, 2), false),
            ("three within 1.5 diameters", row(44, 3), true),
            ("three at 1.5 diameters", row(45, 3), false),
            ("a long chain", row(44, 9), true),
            (
                "one of three uncertain",
                with(|cell| cell.certain = false),
                false,
            ),
            (
                "one of three a red cell",
                with(|cell| cell.best_class = Some(CellClass::Rbc)),
                false,
            ),
            (
                "one of three at the edge",
                with(|cell| cell.counted = false),
                true,
            ),
            ("a pair and another pair", pairs, false),
            ("a giant platelet", vec![platelet((200, 200), 64)], false),
            ("a patch of many", vec![platelet((200, 200), 70)], true),
        ];
        let mut wrong = Vec::new();
        for (name, cells, expected) in cases {
            if has_platelet_clump(&cells, UM_PER_PX) != expected {
                wrong.push(name);
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn an_uncertain_patch_and_hostile_boxes_are_judged_too() {
        let mut patch = platelet((200, 200), 70);
        patch.certain = false;
        assert!(has_platelet_clump(&[patch], UM_PER_PX));
        let mut endless = platelet((0, 0), 1);
        endless.bounds = BoundingBox {
            x0_q4: -(1 << 28),
            y0_q4: -(1 << 28),
            x1_q4: 1 << 28,
            y1_q4: 1 << 28,
        };
        assert!(has_platelet_clump(&[endless; 3], UM_PER_PX));
        let mut inverted = platelet((0, 0), 1);
        inverted.bounds.x1_q4 = -100;
        assert!(!has_platelet_clump(&[inverted], UM_PER_PX));
    }
}
