//! One cell as the network found it: class, place, confidence.

mod class;
mod union;

pub use class::{CellClass, PerClass, by_name};
pub use union::union_area_q8;

/// One sixteenth of a pixel: the unit of every box, so that boxes stay integers.
pub const SUBPIXELS: i32 = 16;

/// A box in sixteenths of a pixel of the input frame; `x1`, `y1` are exclusive ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BoundingBox {
    /// Left edge.
    pub x0_q4: i32,
    /// Top edge.
    pub y0_q4: i32,
    /// Right edge, just outside the box.
    pub x1_q4: i32,
    /// Bottom edge, just outside the box.
    pub y1_q4: i32,
}

impl BoundingBox {
    /// Width in sixteenths of a pixel.
    pub fn width_q4(&self) -> i32 {
        self.x1_q4 - self.x0_q4
    }

    /// Height in sixteenths of a pixel.
    pub fn height_q4(&self) -> i32 {
        self.y1_q4 - self.y0_q4
    }

    /// Area in 1/256 of a square pixel; zero for an inverted box.
    pub fn area_q8(&self) -> i64 {
        i64::from(self.width_q4().max(0)) * i64::from(self.height_q4().max(0))
    }

    /// Twice the centre, in sixteenths of a pixel (doubled so that it stays an integer).
    pub fn centre_doubled_q4(&self) -> (i32, i32) {
        (self.x0_q4 + self.x1_q4, self.y0_q4 + self.y1_q4)
    }

    /// Area shared with another box, in 1/256 of a square pixel.
    pub fn intersection_q8(&self, other: &Self) -> i64 {
        let width = self.x1_q4.min(other.x1_q4) - self.x0_q4.max(other.x0_q4);
        let height = self.y1_q4.min(other.y1_q4) - self.y0_q4.max(other.y0_q4);
        i64::from(width.max(0)) * i64::from(height.max(0))
    }

    /// Whether the frame's edge, of this width and height in pixels, cuts nothing off: the box
    /// ends more than two pixels from it.
    pub fn is_whole_in(&self, frame_px: (u32, u32)) -> bool {
        const EDGE_Q4: i32 = 2 * SUBPIXELS;
        let end_q4 = |side_px: u32| side_px as i32 * SUBPIXELS - EDGE_Q4;
        self.x0_q4 > EDGE_Q4
            && self.y0_q4 > EDGE_Q4
            && self.x1_q4 < end_q4(frame_px.0)
            && self.y1_q4 < end_q4(frame_px.1)
    }

    /// The part that lies within another box; of no area where there is none.
    pub fn clipped_to(&self, other: &Self) -> Self {
        let (x0_q4, y0_q4) = (self.x0_q4.max(other.x0_q4), self.y0_q4.max(other.y0_q4));
        Self {
            x0_q4,
            y0_q4,
            x1_q4: self.x1_q4.min(other.x1_q4).max(x0_q4),
            y1_q4: self.y1_q4.min(other.y1_q4).max(y0_q4),
        }
    }

    /// The same box elsewhere.
    pub fn moved_by(&self, dx_q4: i32, dy_q4: i32) -> Self {
        Self {
            x0_q4: self.x0_q4 + dx_q4,
            y0_q4: self.y0_q4 + dy_q4,
            x1_q4: self.x1_q4 + dx_q4,
            y1_q4: self.y1_q4 + dy_q4,
        }
    }

    /// The corners in pixels, exact: every sixteenth is a binary fraction.
    pub fn corners_px(&self) -> [f64; 4] {
        [self.x0_q4, self.y0_q4, self.x1_q4, self.y1_q4]
            .map(|value| f64::from(value) / f64::from(SUBPIXELS))
    }
}

/// What the network's place for objects of no class is called, in a model's manifest and in JSON.
pub const NONE_NAME: &str = "none";

/// One cell found in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The class whose score is highest; `None` where the network says that it is none of them.
    pub best_class: Option<CellClass>,
    /// Whether the score reaches the certainty threshold of its class; never without a class.
    pub certain: bool,
    /// Visible part of the cell, clipped to the frame.
    pub bounds: BoundingBox,
    /// Calibrated probability that this is what `best_class` says, in ten-thousandths (0..=10000).
    pub confidence_e4: u16,
    /// Whether the border rule lets this cell be counted.
    pub counted: bool,
}

impl Cell {
    /// The class that the cell is reported under; `None` where it is uncertain, or none of them.
    pub fn class(&self) -> Option<CellClass> {
        self.best_class.filter(|_| self.certain)
    }

    /// `RBC`, `WBC`, `PLT`, `uncertain`, or `none` where the network says that it is none of them.
    pub fn label(&self) -> &'static str {
        match self.best_class {
            None => NONE_NAME,
            Some(_) => self.class().map_or("uncertain", CellClass::name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(x0_q4: i32, y0_q4: i32, x1_q4: i32, y1_q4: i32) -> BoundingBox {
        BoundingBox {
            x0_q4,
            y0_q4,
            x1_q4,
            y1_q4,
        }
    }

    #[test]
    fn boxes_measure_themselves() {
        let a = bounds(0, 0, 32, 16);
        let b = bounds(16, 8, 48, 48);
        assert_eq!(a.area_q8(), 512);
        assert_eq!(a.intersection_q8(&b), 16 * 8);
        assert_eq!(a.intersection_q8(&bounds(40, 0, 50, 16)), 0);
        assert_eq!(a.clipped_to(&b), bounds(16, 8, 32, 16));
        assert_eq!(a.clipped_to(&bounds(40, 0, 50, 16)).area_q8(), 0);
        assert_eq!(a.moved_by(-3, 5), bounds(-3, 5, 29, 21));
        assert_eq!(a.centre_doubled_q4(), (32, 16));
        assert_eq!(b.corners_px(), [1.0, 0.5, 3.0, 3.0]);
        assert_eq!(bounds(5, 5, 3, 3).area_q8(), 0);
    }

    #[test]
    fn an_uncertain_cell_has_no_class() {
        let mut cell = Cell {
            best_class: Some(CellClass::Wbc),
            certain: false,
            bounds: bounds(0, 0, 16, 16),
            confidence_e4: 4000,
            counted: true,
        };
        assert_eq!((cell.class(), cell.label()), (None, "uncertain"));
        cell.certain = true;
        assert_eq!((cell.class(), cell.label()), (Some(CellClass::Wbc), "WBC"));
        cell.best_class = None;
        assert_eq!((cell.class(), cell.label()), (None, "none"));
    }
}
