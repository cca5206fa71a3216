//! The drawn field that golden screens show.

use hemoscope::cell::{BoundingBox, Cell, CellClass};
use hemoscope::image::frame::Frame;
use std::sync::LazyLock;

/// A drawn field: background, red cells with pallor, white cells with a nucleus, platelets.
pub struct Field {
    pub frame: Frame,
    pub cells: Vec<Cell>,
}

/// Class, centre and diameter in pixels, certain, counted.
const CELLS: [(CellClass, i32, i32, i32, bool, bool); 24] = [
    (CellClass::Rbc, 70, 60, 62, true, true),
    (CellClass::Rbc, 150, 90, 58, true, true),
    (CellClass::Rbc, 195, 118, 60, true, true),
    (CellClass::Rbc, 250, 50, 60, true, true),
    (CellClass::Rbc, 90, 180, 64, true, true),
    (CellClass::Rbc, 40, 270, 60, true, true),
    (CellClass::Rbc, 170, 230, 60, false, true),
    (CellClass::Rbc, 260, 190, 58, true, true),
    (CellClass::Rbc, 560, 60, 60, true, true),
    (CellClass::Rbc, 600, 150, 62, true, true),
    (CellClass::Rbc, 550, 230, 60, true, true),
    (CellClass::Rbc, 500, 420, 58, true, true),
    (CellClass::Rbc, 585, 330, 60, true, true),
    (CellClass::Rbc, 90, 380, 60, true, true),
    (CellClass::Rbc, 180, 330, 62, true, true),
    (CellClass::Rbc, 200, 420, 60, true, true),
    (CellClass::Rbc, 290, 320, 60, true, true),
    (CellClass::Rbc, 635, 430, 60, true, false),
    (CellClass::Rbc, 330, 478, 60, true, false),
    (CellClass::Wbc, 400, 150, 118, true, true),
    (CellClass::Wbc, 410, 350, 104, false, true),
    (CellClass::Plt, 320, 60, 22, true, true),
    (CellClass::Plt, 30, 140, 24, true, true),
    (CellClass::Plt, 270, 420, 20, true, true),
];

/// Width and height in pixels.
pub const FIELD_SIZE: (i32, i32) = (640, 480);

pub static FIELD: LazyLock<Field> = LazyLock::new(field);

fn field() -> Field {
    let (width, height) = FIELD_SIZE;
    let mut frame = Frame::filled(width as u32, height as u32, [238, 228, 222]).unwrap();
    for (class, x, y, diameter, ..) in CELLS {
        let colour_at = |share: i32| match class {
            CellClass::Rbc if share < 22 => [236, 190, 184],
            CellClass::Rbc => [214, 142, 140],
            CellClass::Plt => [148, 112, 170],
            _ if share < 58 => [104, 70, 150],
            _ => [196, 188, 222],
        };
        paint_disc(&mut frame, (x, y), diameter, colour_at);
    }
    let cells = CELLS
        .into_iter()
        .map(|(best_class, x, y, diameter, certain, counted)| Cell {
            best_class: Some(best_class),
            certain,
            bounds: BoundingBox {
                x0_q4: (x - diameter / 2).max(0) * 16,
                y0_q4: (y - diameter / 2).max(0) * 16,
                x1_q4: (x + diameter / 2).min(width) * 16,
                y1_q4: (y + diameter / 2).min(height) * 16,
            },
            confidence_e4: if certain { 9500 } else { 4500 },
            counted,
        })
        .collect();
    Field { frame, cells }
}

/// Paints a disc; the colour depends on the share of the radius squared, 0 to 100.
fn paint_disc(
    frame: &mut Frame,
    (centre_x, centre_y): (i32, i32),
    diameter: i32,
    colour_at: impl Fn(i32) -> [u8; 3],
) {
    let (width, height) = FIELD_SIZE;
    let radius_squared = diameter * diameter / 4;
    for y in (centre_y - diameter).max(0)..(centre_y + diameter).min(height) {
        for x in (centre_x - diameter).max(0)..(centre_x + diameter).min(width) {
            let distance_squared = (x - centre_x).pow(2) + (y - centre_y).pow(2);
            if distance_squared < radius_squared {
                let at = (y * width + x) as usize * 3;
                let colour = colour_at(distance_squared * 100 / radius_squared);
                frame.rgb_mut()[at..at + 3].copy_from_slice(&colour);
            }
        }
    }
}
