//! What registration says of a field: new, partly counted before, or counted before.

use crate::cell::{BoundingBox, SUBPIXELS, union_area_q8};

/// Older fields that a field may overlap and still be counted in part.
pub const MAX_OVERLAPS: usize = 16;

/// Where an older field lies in the frame of a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Where its left edge lies, in pixels of the new frame.
    pub dx_px: i32,
    /// Where its top edge lies.
    pub dy_px: i32,
    /// How well both images agree there: their correlation in thousandths.
    pub agreement_permille: u16,
}

/// The older fields that a field overlaps, at most half of it together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlaps {
    known: [Overlap; MAX_OVERLAPS],
    count: usize,
    frame_px: (u32, u32),
}

impl Overlaps {
    /// None so far, for frames of this size.
    pub fn new(frame_px: (u32, u32)) -> Self {
        Self {
            frame_px,
            ..Self::default()
        }
    }

    /// Adds an older field. Where there is no room left, the one that shows least of the frame makes
    /// way for one that shows more: narrow strips agree by chance.
    pub fn add(&mut self, overlap: Overlap) {
        let is_same =
            |known: &&Overlap| (known.dx_px, known.dy_px) == (overlap.dx_px, overlap.dy_px);
        if self.iter().any(|known| is_same(&known)) {
            return;
        }
        if let Some(place) = self.known.get_mut(self.count) {
            *place = overlap;
            self.count += 1;
            return;
        }
        let area = |overlap: &Overlap| self.rectangle(overlap).area_q8();
        let smallest = (0..self.count).min_by_key(|place| area(&self.known[*place]));
        if let Some(place) = smallest
            && area(&self.known[place]) < area(&overlap)
        {
            self.known[place] = overlap;
        }
    }

    /// Every older field.
    pub fn iter(&self) -> impl Iterator<Item = &Overlap> {
        self.known[..self.count].iter()
    }

    /// The parts of the frame that older fields show, clipped to it.
    pub fn rectangles(&self) -> impl Iterator<Item = BoundingBox> {
        self.iter().map(|overlap| self.rectangle(overlap))
    }

    /// The part of the frame that older fields show, in thousandths; what several of them show
    /// counts once.
    pub fn share_permille(&self) -> u32 {
        let frame_q8 = u64::from(self.frame_px.0) * u64::from(self.frame_px.1) * 256;
        let rectangles = self.known.map(|overlap| self.rectangle(&overlap));
        // At most a thousand.
        (union_area_q8(&rectangles[..self.count]) * 1000)
            .checked_div(frame_q8)
            .unwrap_or(0) as u32
    }

    fn rectangle(&self, overlap: &Overlap) -> BoundingBox {
        let (width_px, height_px) = (self.frame_px.0 as i32, self.frame_px.1 as i32);
        BoundingBox {
            x0_q4: overlap.dx_px.clamp(0, width_px) * SUBPIXELS,
            y0_q4: overlap.dy_px.clamp(0, height_px) * SUBPIXELS,
            x1_q4: (overlap.dx_px + width_px).clamp(0, width_px) * SUBPIXELS,
            y1_q4: (overlap.dy_px + height_px).clamp(0, height_px) * SUBPIXELS,
        }
    }
}

/// What is known of the place that a frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would take memory in a run"
)]
pub enum Placement {
    /// No accepted field shows any of it, as far as can be told.
    New,
    /// Up to half of it was counted before: that part is to be left out.
    Overlaps(Overlaps),
    /// More than half of it was counted before: all of it is to be left out.
    CountedBefore,
}

impl Placement {
    /// What follows from the older fields that a frame overlaps.
    pub(super) fn of(overlaps: Overlaps) -> Self {
        if overlaps.count == 0 {
            Self::New
        } else if overlaps.share_permille() > 500 {
            Self::CountedBefore
        } else {
            Self::Overlaps(overlaps)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(dx_px: i32, dy_px: i32) -> Overlap {
        Overlap {
            dx_px,
            dy_px,
            agreement_permille: 990,
        }
    }

    fn overlaps(shifts: &[(i32, i32)]) -> Overlaps {
        let mut overlaps = Overlaps::new((100, 80));
        for (dx_px, dy_px) in shifts {
            overlaps.add(at(*dx_px, *dy_px));
        }
        overlaps
    }

    #[test]
    fn half_of_the_frame_decides_and_what_lies_twofold_counts_once() {
        let cases: [(&[(i32, i32)], u32); 6] = [
            (&[], 0),
            (&[(50, 0)], 500),
            (&[(-49, 0)], 510),
            (&[(90, 0), (90, 0)], 100),
            (&[(90, 0), (80, 0), (0, 72)], 280),
            (&[(200, 0), (0, -90)], 0),
        ];
        for (shifts, permille) in cases {
            let overlaps = overlaps(shifts);
            assert_eq!(overlaps.share_permille(), permille, "{shifts:?}");
            let is_before = Placement::of(overlaps) == Placement::CountedBefore;
            assert_eq!(is_before, permille > 500, "{shifts:?}");
        }
        assert_eq!(Placement::of(overlaps(&[])), Placement::New);
    }

    #[test]
    fn a_larger_overlap_takes_the_place_of_a_smaller_one() {
        let strips: Vec<_> = (0..MAX_OVERLAPS as i32).map(|row| (99, row)).collect();
        let mut full = overlaps(&strips);
        full.add(at(99, 60));
        assert!(!full.iter().any(|known| known.dy_px == 60));
        full.add(at(60, 0));
        assert_eq!(full.iter().count(), MAX_OVERLAPS);
        assert!(full.iter().any(|known| known.dx_px == 60));
        assert!(!full.iter().any(|known| known.dy_px == 15));
    }
}
