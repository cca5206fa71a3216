//! Which cells of a field count, so that the frame's edge favours no kind of cell.
//!
//! A frame cuts the cells at its edge. Counting all of them counts too many, and the more so the
//! larger the cell: a white cell reaches into the frame from further away than a platelet. Each
//! rule here but [`BorderRule::All`] gives a cell of any size the same chance to be counted, in
//! proportion to a known area.
//!
//! What an older field counted is left out: a cell counts where a single point of it, by which the
//! rule places it, lies in the part that is left. So a set of fields that overlap counts each cell
//! once, and their areas add up to the area that they show together.

use crate::cell::{BoundingBox, SUBPIXELS, union_area_q8};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A side of a box counts as touching the frame's edge within this part of a red cell's diameter
/// (0.3 µm): boxes that the network draws around cut cells end a little short of the edge.
const TOUCH_TOLERANCE_DIAMETERS: f64 = 1.0 / 25.0;
/// The tolerance is at least one pixel, in sixteenths.
const MIN_TOUCH_TOLERANCE_Q4: i32 = 16;
/// The inner frame lies this part of a red cell's diameter inside the frame.
const MARGIN_DIAMETERS: f64 = 0.25;
/// The largest diameter that makes sense: the longest side of a frame.
const MAX_DIAMETER_PX: f64 = crate::image::frame::MAX_SIDE_PX as f64;

/// Parts of a field that can be left out.
pub const MAX_EXCLUDED: usize = 16;

/// How cells at the edge of the frame are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BorderRule {
    /// A cell counts when its centre lies at least a quarter of a red cell's diameter inside the
    /// frame. The default: it leaves out the slivers at the edge, where most errors of detection
    /// are, and stays unbiased, because the inner frame's area is known.
    ///
    /// The centre is that of the whole cell. A box holds only the visible part of a cut cell, and
    /// the middle of that part would let every cut cell in, large ones above all. So where a box
    /// touches one of two opposite edges, the cell is taken to be as wide as it is high (or as
    /// high as wide), reaching out of the frame.
    #[default]
    InnerFrame,
    /// A cell that touches the top or left edge counts, one that touches the bottom or right edge
    /// does not: the rule of the counting chamber (haemocytometer). "Touches" has a tolerance of
    /// 1/25 of a red cell's diameter, at least one pixel.
    TwoBorders,
    /// Every cell that shows counts. Too many for the area, and the larger the cell the more so:
    /// for comparison only.
    All,
}

/// Why a border cannot be drawn.
#[derive(Debug, Error, Clone, Copy, PartialEq)]
#[error(
    "a red cell diameter of {rbc_diameter_px} pixels cannot be used for the border rule: \
     it must be above 0 and at most {MAX_DIAMETER_PX}; check the scale (um_per_px)"
)]
pub struct BorderError {
    /// The refused diameter of a red cell, in pixels.
    pub rbc_diameter_px: f64,
}

/// Why a part of a field cannot be left out.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error(
    "this field overlaps more than {MAX_EXCLUDED} older ones: leave it out, and move on to a place \
     that was not counted before"
)]
pub struct TooManyExcluded;

/// A border rule laid on frames of one size at one scale, with what older fields counted left out;
/// by default on a frame without area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Border {
    rule: BorderRule,
    width_q4: i32,
    height_q4: i32,
    margin_q4: i32,
    tolerance_q4: i32,
    excluded: [BoundingBox; MAX_EXCLUDED],
    excluded_count: usize,
}

impl Border {
    /// Lays `rule` on frames of `width_px` x `height_px` pixels (at most
    /// [`MAX_SIDE_PX`](crate::image::frame::MAX_SIDE_PX) a side) in which a red cell measures
    /// `rbc_diameter_px` pixels.
    ///
    /// # Errors
    ///
    /// [`BorderError`] when the diameter is no number, not above zero or longer than any frame.
    pub fn new(
        rule: BorderRule,
        width_px: u32,
        height_px: u32,
        rbc_diameter_px: f64,
    ) -> Result<Self, BorderError> {
        let usable = rbc_diameter_px > 0.0 && rbc_diameter_px <= MAX_DIAMETER_PX;
        if !usable {
            return Err(BorderError { rbc_diameter_px });
        }
        let tolerance_q4 = to_q4(rbc_diameter_px * TOUCH_TOLERANCE_DIAMETERS);
        Ok(Self {
            rule,
            width_q4: side_q4(width_px),
            height_q4: side_q4(height_px),
            margin_q4: to_q4(rbc_diameter_px * MARGIN_DIAMETERS),
            tolerance_q4: tolerance_q4.max(MIN_TOUCH_TOLERANCE_Q4),
            ..Self::default()
        })
    }

    /// Leaves out what an older field of the same size, rule and scale counted, whose left upper
    /// corner lies at a place of this frame.
    ///
    /// # Errors
    ///
    /// [`TooManyExcluded`] when [`MAX_EXCLUDED`] parts are left out already.
    pub fn exclude_field_at(&mut self, dx_px: i32, dy_px: i32) -> Result<(), TooManyExcluded> {
        let region = self.counted_region();
        let place = self
            .excluded
            .get_mut(self.excluded_count)
            .ok_or(TooManyExcluded)?;
        let reach_px = crate::image::frame::MAX_SIDE_PX as i32;
        let to_q4 = |shift_px: i32| shift_px.clamp(-reach_px, reach_px) * SUBPIXELS;
        *place = region.moved_by(to_q4(dx_px), to_q4(dy_px));
        self.excluded_count += 1;
        Ok(())
    }

    /// Whether a cell with these bounds, clipped to the frame, counts.
    pub fn counts(&self, bounds: &BoundingBox) -> bool {
        let is_in_frame = match self.rule {
            BorderRule::InnerFrame => self.centre_in_inner_frame(bounds),
            BorderRule::TwoBorders => !self.touches_end(bounds),
            BorderRule::All => true,
        };
        is_in_frame && !self.is_left_out(bounds)
    }

    /// The area that the counted cells stand for, in 1/256 of a square pixel.
    ///
    /// The inner frame for [`BorderRule::InnerFrame`] (zero when the margins leave none), else the
    /// whole frame; in both without [`Border::excluded_q8`]. Cells counted by the area give a
    /// density, except under [`BorderRule::All`].
    pub fn counted_area_q8(&self) -> u64 {
        self.counted_region().area_q8().unsigned_abs() - self.excluded_q8()
    }

    /// The area that is left out since older fields counted it, in 1/256 of a square pixel.
    pub fn excluded_q8(&self) -> u64 {
        let region = self.counted_region();
        let excluded = self.excluded.map(|part| part.clipped_to(&region));
        union_area_q8(&excluded[..self.excluded_count])
    }

    /// The part of the frame whose cells count while nothing is left out.
    pub fn counted_region(&self) -> BoundingBox {
        let margin_q4 = match self.rule {
            BorderRule::InnerFrame => self.margin_q4,
            BorderRule::TwoBorders | BorderRule::All => 0,
        };
        BoundingBox {
            x0_q4: margin_q4,
            y0_q4: margin_q4,
            x1_q4: (self.width_q4 - margin_q4).max(margin_q4),
            y1_q4: (self.height_q4 - margin_q4).max(margin_q4),
        }
    }

    /// Whether an older field counted the cell: by the point that the rule places it by.
    fn is_left_out(&self, bounds: &BoundingBox) -> bool {
        let excluded = &self.excluded[..self.excluded_count];
        if self.rule == BorderRule::TwoBorders {
            // It did not touch the right and lower edges there, and something of it showed.
            let was_inside = |end_q4: i32, from_q4: i32, to_q4: i32| {
                from_q4 < end_q4 && end_q4 < to_q4 - self.tolerance_q4
            };
            return excluded.iter().any(|part| {
                was_inside(bounds.x1_q4, part.x0_q4, part.x1_q4)
                    && was_inside(bounds.y1_q4, part.y0_q4, part.y1_q4)
            });
        }
        let (x_doubled_q4, y_doubled_q4) = self.whole_centre_doubled_q4(bounds);
        excluded.iter().any(|part| {
            (2 * part.x0_q4..2 * part.x1_q4).contains(&x_doubled_q4)
                && (2 * part.y0_q4..2 * part.y1_q4).contains(&y_doubled_q4)
        })
    }

    /// Twice the centre of the whole cell, of which the frame may show a part.
    fn whole_centre_doubled_q4(&self, bounds: &BoundingBox) -> (i32, i32) {
        let x = self.extent(bounds.x0_q4, bounds.x1_q4, self.width_q4);
        let y = self.extent(bounds.y0_q4, bounds.y1_q4, self.height_q4);
        let size_q4 = x.length_q4().max(y.length_q4());
        (
            x.whole_centre_doubled_q4(size_q4),
            y.whole_centre_doubled_q4(size_q4),
        )
    }

    fn centre_in_inner_frame(&self, bounds: &BoundingBox) -> bool {
        let (x_doubled_q4, y_doubled_q4) = self.whole_centre_doubled_q4(bounds);
        self.inside_margin(x_doubled_q4, self.width_q4)
            && self.inside_margin(y_doubled_q4, self.height_q4)
    }

    /// The end of the interval is exclusive, so that the inner frame's area is exact.
    fn inside_margin(&self, centre_doubled_q4: i32, side_q4: i32) -> bool {
        let low = 2 * self.margin_q4;
        let high = 2 * (side_q4 - self.margin_q4);
        (low..high).contains(&centre_doubled_q4)
    }

    fn touches_end(&self, bounds: &BoundingBox) -> bool {
        let x = self.extent(bounds.x0_q4, bounds.x1_q4, self.width_q4);
        let y = self.extent(bounds.y0_q4, bounds.y1_q4, self.height_q4);
        x.touches_end || y.touches_end
    }

    fn extent(&self, start_q4: i32, end_q4: i32, side_q4: i32) -> Extent {
        Extent {
            start_q4,
            end_q4,
            touches_start: start_q4 <= self.tolerance_q4,
            touches_end: end_q4 >= side_q4 - self.tolerance_q4,
        }
    }
}

/// The visible part of a cell along one axis.
struct Extent {
    start_q4: i32,
    end_q4: i32,
    touches_start: bool,
    touches_end: bool,
}

impl Extent {
    fn length_q4(&self) -> i32 {
        self.end_q4 - self.start_q4
    }

    /// Twice the centre of the whole cell, if it is `size_q4` long and cut on the side that
    /// touches.
    fn whole_centre_doubled_q4(&self, size_q4: i32) -> i32 {
        match (self.touches_start, self.touches_end) {
            (true, false) => 2 * self.end_q4 - size_q4,
            (false, true) => 2 * self.start_q4 + size_q4,
            _ => self.start_q4 + self.end_q4,
        }
    }
}

/// Pixels to the nearest sixteenth; the caller keeps `length_px` within the limits of a frame.
fn to_q4(length_px: f64) -> i32 {
    libm::round(length_px * f64::from(SUBPIXELS)) as i32
}

/// A side of a frame in sixteenths; sides beyond the limit of every frame stop there.
fn side_q4(side_px: u32) -> i32 {
    side_px.min(crate::image::frame::MAX_SIDE_PX) as i32 * SUBPIXELS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIDTH_PX: u32 = 640;
    const HEIGHT_PX: u32 = 480;
    const DIAMETER_PX: f64 = 80.0;

    fn border(rule: BorderRule) -> Border {
        Border::new(rule, WIDTH_PX, HEIGHT_PX, DIAMETER_PX).unwrap()
    }

    /// A round cell, clipped to the frame as the network's boxes are.
    fn round_cell(centre_x_q4: i32, centre_y_q4: i32, diameter_q4: i32) -> Option<BoundingBox> {
        let (width_q4, height_q4) = (WIDTH_PX as i32 * 16, HEIGHT_PX as i32 * 16);
        let radius_q4 = f64::from(diameter_q4) / 2.0;
        // How far the circle reaches along one axis, where the frame cuts it along the other.
        let reach = |centre: i32, side: i32| {
            let beyond = (-centre).max(centre - side).max(0);
            let half = (radius_q4 * radius_q4 - f64::from(beyond).powi(2)).sqrt();
            if half.is_nan() {
                0
            } else {
                half.round() as i32
            }
        };
        let reach_x = reach(centre_y_q4, height_q4);
        let reach_y = reach(centre_x_q4, width_q4);
        let bounds = BoundingBox {
            x0_q4: (centre_x_q4 - reach_x).max(0),
            y0_q4: (centre_y_q4 - reach_y).max(0),
            x1_q4: (centre_x_q4 + reach_x).min(width_q4),
            y1_q4: (centre_y_q4 + reach_y).min(height_q4),
        };
        (bounds.area_q8() > 0).then_some(bounds)
    }

    fn px(x0: i32, y0: i32, x1: i32, y1: i32) -> BoundingBox {
        BoundingBox {
            x0_q4: x0 * 16,
            y0_q4: y0 * 16,
            x1_q4: x1 * 16,
            y1_q4: y1 * 16,
        }
    }

    #[test]
    fn each_rule_decides_at_the_edge() {
        let cases = [
            ("middle", px(300, 200, 380, 280), true, true),
            ("half a cell at the left", px(0, 200, 40, 280), false, true),
            (
                "half a cell at the right",
                px(600, 200, 640, 280),
                false,
                false,
            ),
            (
                "cut by a quarter at the left",
                px(0, 200, 60, 280),
                true,
                true,
            ),
            ("just under that", px(0, 200, 59, 280), false, true),
            (
                "cut by a quarter at the top",
                px(200, 0, 280, 60),
                true,
                true,
            ),
            (
                "cut at the right, enough left",
                px(579, 200, 640, 280),
                true,
                false,
            ),
            (
                "cut at the bottom, enough left",
                px(200, 419, 280, 480),
                true,
                false,
            ),
            (
                "cut at the bottom, sliver",
                px(200, 470, 280, 480),
                false,
                false,
            ),
            (
                "within the tolerance of the right",
                px(557, 200, 637, 280),
                true,
                false,
            ),
            (
                "outside the tolerance of the right",
                px(556, 200, 636, 280),
                true,
                true,
            ),
            ("top right corner", px(610, 0, 640, 30), false, false),
            ("top left corner", px(0, 0, 30, 30), false, true),
            (
                "platelet whole in the margin",
                px(6, 200, 26, 220),
                false,
                true,
            ),
            (
                "platelet in the inner frame",
                px(15, 200, 35, 220),
                true,
                true,
            ),
            ("across the whole frame", px(0, 0, 640, 480), true, false),
        ];
        let mut wrong = Vec::new();
        for (name, bounds, inner, two) in cases {
            let expected = (inner, two, true);
            let actual = (
                border(BorderRule::InnerFrame).counts(&bounds),
                border(BorderRule::TwoBorders).counts(&bounds),
                border(BorderRule::All).counts(&bounds),
            );
            if actual != expected {
                wrong.push(format!("{name}: {actual:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_counted_area_is_the_inner_frame() {
        let full = u64::from(WIDTH_PX * HEIGHT_PX) * 256;
        assert_eq!(border(BorderRule::All).counted_area_q8(), full);
        assert_eq!(border(BorderRule::TwoBorders).counted_area_q8(), full);
        assert_eq!(
            border(BorderRule::InnerFrame).counted_area_q8(),
            600 * 440 * 256
        );
        let tiny = Border::new(BorderRule::InnerFrame, 30, 30, DIAMETER_PX).unwrap();
        assert_eq!(tiny.counted_area_q8(), 0);
        assert!(!tiny.counts(&px(0, 0, 30, 30)));
    }

    /// Cells laid out on a fine grid far beyond the frame: the counted ones, times the grid's
    /// area, must give the counted area, whatever their size.
    #[test]
    fn the_unbiased_rules_count_every_size_in_proportion_to_the_area() {
        const STEP_PX: i32 = 4;
        let sizes = [("platelet", 28), ("red cell", 80), ("white cell", 128)];
        let mut wrong = Vec::new();
        for rule in [BorderRule::InnerFrame, BorderRule::TwoBorders] {
            for (name, diameter_px) in sizes {
                let border = border(rule);
                let mut counted = 0u32;
                for y in (-100..HEIGHT_PX as i32 + 100).step_by(STEP_PX as usize) {
                    for x in (-100..WIDTH_PX as i32 + 100).step_by(STEP_PX as usize) {
                        let cell = round_cell(x * 16 + 7, y * 16 + 5, diameter_px * 16);
                        counted += u32::from(cell.is_some_and(|bounds| border.counts(&bounds)));
                    }
                }
                let area_px2 = f64::from(counted) * f64::from(STEP_PX * STEP_PX);
                let ratio = area_px2 / (border.counted_area_q8() as f64 / 256.0);
                if (ratio - 1.0).abs() > 0.03 {
                    wrong.push(format!("{rule:?}, {name}: {ratio:.3} of the area"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_useless_diameter_is_refused() {
        for diameter_px in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            let result = Border::new(BorderRule::InnerFrame, 640, 480, diameter_px);
            assert!(result.is_err(), "{diameter_px}");
        }
    }

    #[test]
    fn a_field_in_the_same_place_leaves_nothing() {
        for rule in [
            BorderRule::InnerFrame,
            BorderRule::TwoBorders,
            BorderRule::All,
        ] {
            let mut border = border(rule);
            let area_q8 = border.counted_area_q8();
            border.exclude_field_at(0, 0).unwrap();
            assert_eq!(
                (border.counted_area_q8(), border.excluded_q8()),
                (0, area_q8)
            );
            assert!(!border.counts(&px(300, 200, 380, 280)), "{rule:?}");
        }
    }

    #[test]
    fn what_an_older_field_counted_is_left_out_by_the_centre_of_the_cell() {
        let mut border = border(BorderRule::InnerFrame);
        // Its inner frame ends 20 px before its right edge, so at 200 - 20 here.
        border.exclude_field_at(200 - WIDTH_PX as i32, 0).unwrap();
        assert_eq!(border.excluded_q8(), 160 * 440 * 256);
        let cases = [
            ("in the older field", px(100, 200, 180, 280), false),
            (
                "centre just within its inner frame",
                px(139, 200, 219, 280),
                false,
            ),
            ("centre on its end", px(140, 200, 220, 280), true),
            ("beyond it", px(300, 200, 380, 280), true),
        ];
        for (name, bounds, expected) in cases {
            assert_eq!(border.counts(&bounds), expected, "{name}");
        }
    }

    #[test]
    fn more_parts_than_there_is_room_for_are_refused() {
        let mut border = border(BorderRule::InnerFrame);
        for number in 0..MAX_EXCLUDED as i32 {
            border.exclude_field_at(600 - number, i32::MIN).unwrap();
        }
        assert_eq!(border.exclude_field_at(1, 1), Err(TooManyExcluded));
    }

    /// Fields laid over each other at random, each without what the ones before it counted.
    fn fields(rule: BorderRule, corners_px: &[(i32, i32)]) -> Vec<Border> {
        let with_older_left_out = |number: usize| {
            let mut border = border(rule);
            let (x_px, y_px) = corners_px[number];
            for (older_x_px, older_y_px) in &corners_px[..number] {
                border
                    .exclude_field_at(older_x_px - x_px, older_y_px - y_px)
                    .unwrap();
            }
            border
        };
        (0..corners_px.len()).map(with_older_left_out).collect()
    }

    /// The fields that count a cell of the slide.
    fn counted_in(
        fields: &[Border],
        corners_px: &[(i32, i32)],
        (x_q4, y_q4): (i32, i32),
        diameter_q4: i32,
    ) -> usize {
        let counts = |(border, (x_px, y_px)): (&Border, &(i32, i32))| {
            round_cell(x_q4 - x_px * 16, y_q4 - y_px * 16, diameter_q4)
                .is_some_and(|bounds| border.counts(&bounds))
        };
        fields
            .iter()
            .zip(corners_px)
            .filter(|pair| counts(*pair))
            .count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_set_of_fields_counts_each_cell_once_and_its_areas_add_up(
            corners_px in prop::collection::vec((-500i32..500, -400i32..400), 1..8),
            cells_q4 in prop::collection::vec((-9000i32..19_000, -7500i32..15_000), 200),
        ) {
            // Cells so small that none with its centre in an inner frame is cut.
            const SMALL_Q4: i32 = 38 * 16;
            let fields = fields(BorderRule::InnerFrame, &corners_px);
            let regions: Vec<_> = fields
                .iter()
                .zip(&corners_px)
                .map(|(field, (x_px, y_px))| {
                    field.counted_region().moved_by(x_px * 16, y_px * 16)
                })
                .collect();
            let areas_q8: u64 = fields.iter().map(Border::counted_area_q8).sum();
            prop_assert_eq!(areas_q8, union_area_q8(&regions));
            for (x_q4, y_q4) in cells_q4 {
                let is_inside = regions.iter().any(|region| {
                    (region.x0_q4..region.x1_q4).contains(&x_q4)
                        && (region.y0_q4..region.y1_q4).contains(&y_q4)
                });
                let counted = counted_in(&fields, &corners_px, (x_q4, y_q4), SMALL_Q4);
                prop_assert_eq!(counted, usize::from(is_inside), "at {},{}", x_q4, y_q4);
            }
        }

        #[test]
        fn no_rule_counts_a_whole_cell_in_the_middle_of_two_fields_twice(
            shift_px in (-400i32..400, -300i32..300),
            cell_px in (-400i32..1000, -300i32..700),
            diameter_px in 20i32..120,
        ) {
            let corners_px = [(0, 0), shift_px];
            for rule in [BorderRule::InnerFrame, BorderRule::TwoBorders] {
                let fields = fields(rule, &corners_px);
                let (x_q4, y_q4) = (cell_px.0 * 16, cell_px.1 * 16);
                let counted = counted_in(&fields, &corners_px, (x_q4, y_q4), diameter_px * 16);
                let is_whole_in = |(x_px, y_px): (i32, i32)| {
                    let inside = |at: i32, side: u32| {
                        at - diameter_px / 2 > 21 && at + diameter_px / 2 < side as i32 - 21
                    };
                    inside(cell_px.0 - x_px, WIDTH_PX) && inside(cell_px.1 - y_px, HEIGHT_PX)
                };
                if corners_px.into_iter().all(is_whole_in) {
                    prop_assert_eq!(counted, 1, "{:?}", rule);
                }
            }
        }

        #[test]
        fn a_whole_cell_in_the_middle_always_counts(
            x_px in 150i32..490, y_px in 150i32..330, diameter_px in 10i32..200,
        ) {
            let cell = round_cell(x_px * 16, y_px * 16, diameter_px * 16).unwrap();
            for rule in [BorderRule::InnerFrame, BorderRule::TwoBorders, BorderRule::All] {
                prop_assert!(border(rule).counts(&cell));
            }
        }
    }
}
