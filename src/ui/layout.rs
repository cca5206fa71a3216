//! Where everything stands on the counting screen, for each size of screen.

use super::canvas::Canvas;
use super::font::TypeScale;
use crate::cell::{CellClass, PerClass};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The sizes that the screen has a layout for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScreenSize {
    /// 320x240 pixels, about 2.8 inches across.
    #[default]
    Small,
    /// 480x320 pixels, about 3.5 inches across.
    Medium,
    /// 800x480 pixels, about 5 inches across.
    Large,
}

/// A size without a layout.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("there is no screen layout for {given:?}; choose 320x240, 480x320 or 800x480")]
pub struct UnknownScreenSize {
    pub given: String,
}

impl ScreenSize {
    /// Every size.
    pub const ALL: [ScreenSize; 3] = [ScreenSize::Small, ScreenSize::Medium, ScreenSize::Large];

    /// The size that covers most of a display when each of its pixels becomes a square of whole
    /// pixels; of equals the larger one. The smallest where none fits.
    pub fn for_display((width_px, height_px): (u32, u32)) -> Self {
        let covered = |size: &Self| {
            let (width, height) = size.pixels();
            let factor = u64::from((width_px / width).min(height_px / height));
            u64::from(width) * u64::from(height) * factor * factor
        };
        // The last of equals is the largest.
        let best = Self::ALL.into_iter().max_by_key(covered);
        best.filter(|size| covered(size) > 0).unwrap_or_default()
    }

    /// Width and height in pixels.
    pub fn pixels(self) -> (u32, u32) {
        match self {
            ScreenSize::Small => (320, 240),
            ScreenSize::Medium => (480, 320),
            ScreenSize::Large => (800, 480),
        }
    }

    /// Room for the preview of a frame: width and height in pixels.
    pub fn preview_px(self) -> (u32, u32) {
        self.budget().preview
    }

    /// A black canvas of this size.
    pub fn canvas(self) -> Canvas {
        let (width_px, height_px) = self.pixels();
        Canvas::black(width_px, height_px)
    }

    /// The fonts that go with it.
    pub fn type_scale(self) -> TypeScale {
        match self {
            ScreenSize::Small => TypeScale::Compact,
            ScreenSize::Medium => TypeScale::Medium,
            ScreenSize::Large => TypeScale::Large,
        }
    }

    pub(super) fn budget(self) -> Budget {
        match self {
            ScreenSize::Small => Budget {
                margin: 4,
                bar: 18,
                preview: (160, 120),
                row: 11,
                class_number: 16,
                class_interval: 11,
                dispersion_lines: 2,
                instruction: 17,
                sign: 8,
                line: 1,
            },
            ScreenSize::Medium => Budget {
                margin: 7,
                bar: 25,
                preview: (208, 156),
                row: 15,
                class_number: 24,
                class_interval: 16,
                dispersion_lines: 1,
                instruction: 25,
                sign: 10,
                line: 1,
            },
            ScreenSize::Large => Budget {
                margin: 12,
                bar: 36,
                preview: (328, 246),
                row: 21,
                class_number: 40,
                class_interval: 22,
                dispersion_lines: 1,
                instruction: 38,
                sign: 13,
                line: 2,
            },
        }
    }
}

impl fmt::Display for ScreenSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width_px, height_px) = self.pixels();
        formatter.pad(&format!("{width_px}x{height_px}"))
    }
}

impl FromStr for ScreenSize {
    type Err = UnknownScreenSize;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        ScreenSize::ALL
            .into_iter()
            .find(|size| size.to_string() == given)
            .ok_or_else(|| UnknownScreenSize {
                given: given.to_owned(),
            })
    }
}

/// The lengths that a layout is made of, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub margin: u32,
    /// Height of the bar at the top.
    pub bar: u32,
    pub preview: (u32, u32),
    /// Height of a row of small text.
    pub row: u32,
    /// Height of the row that holds a class's number.
    pub class_number: u32,
    /// Height of the row under it, with the interval.
    pub class_interval: u32,
    /// Lines for the notice that fields differ.
    pub dispersion_lines: usize,
    /// Height of the instruction line.
    pub instruction: u32,
    /// Side of a sign or of a class's mark.
    pub sign: u32,
    /// Width of lines.
    pub line: u32,
}

/// A rectangle that rows and columns are cut from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Space {
    pub(super) fn of_screen(size: ScreenSize) -> Self {
        let (right, bottom) = size.pixels();
        Self {
            left: 0,
            top: 0,
            right,
            bottom,
        }
    }

    pub(super) fn area(self) -> Rectangle {
        let size = Size::new(
            self.right.saturating_sub(self.left),
            self.bottom.saturating_sub(self.top),
        );
        Rectangle::new(Point::new(self.left as i32, self.top as i32), size)
    }

    /// Takes a row off the top; what is left stays in `self`.
    pub(super) fn cut_top(&mut self, height: u32) -> Self {
        let cut = (self.top + height).min(self.bottom);
        let row = Self {
            bottom: cut,
            ..*self
        };
        self.top = cut;
        row
    }

    /// Takes a row off the bottom.
    pub(super) fn cut_bottom(&mut self, height: u32) -> Self {
        let cut = self.bottom.saturating_sub(height).max(self.top);
        let row = Self { top: cut, ..*self };
        self.bottom = cut;
        row
    }

    /// Takes a column off the left.
    pub(super) fn cut_left(&mut self, width: u32) -> Self {
        let cut = (self.left + width).min(self.right);
        let column = Self {
            right: cut,
            ..*self
        };
        self.left = cut;
        column
    }

    /// Takes a column off the right.
    pub(super) fn cut_right(&mut self, width: u32) -> Self {
        let cut = self.right.saturating_sub(width).max(self.left);
        let column = Self { left: cut, ..*self };
        self.right = cut;
        column
    }

    pub(super) fn inset_sides(mut self, margin: u32) -> Self {
        self.cut_left(margin);
        self.cut_right(margin);
        self
    }

    /// A part of the width, in hundredths.
    pub(super) fn hundredths(self, share: u32) -> u32 {
        (self.right - self.left) * share / 100
    }

    /// A square of this side at the left, in the middle of the height.
    pub(super) fn square_at_left(self, side: u32) -> Rectangle {
        let height = self.bottom - self.top;
        let top = self.top + height.saturating_sub(side) / 2;
        Rectangle::new(
            Point::new(self.left as i32, top as i32),
            Size::new_equal(side),
        )
    }
}

/// The row of a class's count.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassPlace {
    pub rule: Rectangle,
    pub mark: Rectangle,
    pub name: Rectangle,
    pub number: Rectangle,
    pub n: Rectangle,
    pub interval: Rectangle,
}

/// The row of a ratio.
#[derive(Debug, Clone, Copy)]
pub(super) struct RatioPlace {
    pub name: Rectangle,
    pub value: Rectangle,
    pub interval: Rectangle,
    pub n: Rectangle,
    /// In the place of all numbers: the reason why there are none.
    pub reason: Rectangle,
    /// The small number of cells behind that reason.
    pub few_n: Rectangle,
}

/// The row of a state: its label, its sign, its word, and a bar where the state has a score.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatePlace {
    pub label: Rectangle,
    pub sign: Rectangle,
    pub word: Rectangle,
    pub bar: Rectangle,
    /// The place of the bar in the whole height of the row, for a text.
    pub aside: Rectangle,
    /// Word and bar together, for a state without a score.
    pub wide_word: Rectangle,
}

/// The bar at the top of every screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct BarPlace {
    pub ground: Rectangle,
    pub sample: Rectangle,
    pub clock: Rectangle,
    pub state_ground: Rectangle,
    pub state_sign: Rectangle,
    pub state: Rectangle,
}

/// Every place of the counting screen.
#[derive(Debug, Clone)]
pub(super) struct CountingLayout {
    pub bar: BarPlace,
    pub preview: Rectangle,
    /// Everything under the preview.
    pub states: Rectangle,
    pub focus: StatePlace,
    pub light: StatePlace,
    pub density: StatePlace,
    pub scale: StatePlace,
    /// Between the words of light and density and what stands aside of them.
    pub skipped_rule: Rectangle,
    pub card: Rectangle,
    pub counts_title: Rectangle,
    pub interval_title: Rectangle,
    pub classes: PerClass<ClassPlace>,
    pub uncertain_rule: Rectangle,
    pub uncertain_mark: Rectangle,
    pub uncertain_name: Rectangle,
    pub uncertain_number: Rectangle,
    pub ratio_rule: Rectangle,
    pub ratio_title: Rectangle,
    /// For every class but the red cells.
    pub ratios: [RatioPlace; CellClass::COUNT - 1],
    pub dispersion_sign: Rectangle,
    pub dispersion: Vec<Rectangle>,
    pub fields_row: Rectangle,
    pub fields: Rectangle,
    pub progress: Rectangle,
    pub rejected: Rectangle,
    pub warning_ground: Rectangle,
    pub warning_sign: Rectangle,
    pub warning: Rectangle,
    pub instruction_ground: Rectangle,
    pub instruction_sign: Rectangle,
    pub instruction: Rectangle,
    pub research: Rectangle,
}

impl CountingLayout {
    pub(super) fn of(size: ScreenSize) -> Self {
        let budget = size.budget();
        let margin = budget.margin;
        let mut screen = Space::of_screen(size);

        let bar = bar_place(&mut screen, budget);
        let research = research_place(&mut screen, budget);
        let instruction_row = screen.cut_bottom(budget.instruction);
        let (instruction_sign, instruction) = signed_line(instruction_row, budget);
        let warning_row = screen.cut_bottom(budget.row + 1);
        let (warning_sign, warning) = signed_line(warning_row, budget);
        let whole_fields_row = screen.cut_bottom(budget.row + 1);
        let mut fields_row = whole_fields_row.inset_sides(margin);
        let rejected = fields_row.cut_right(fields_row.hundredths(58)).area();
        let mut progress = fields_row.cut_right(fields_row.hundredths(36));
        progress.cut_right(margin);

        let mut left = screen
            .cut_left(budget.preview.0 + 2 * margin)
            .inset_sides(margin);
        left.cut_top(3);
        let preview = left.cut_top(budget.preview.1).area();
        let states = left.area();
        left.cut_top(2);
        let [focus, light, density, scale] =
            std::array::from_fn(|_| state_place(left.cut_top(budget.row), budget));

        let card = screen.area();
        let mut column = screen.inset_sides(margin);
        column.cut_top(2);
        let mut title = column.cut_top(budget.row + 1);
        let interval_title = title.cut_right(title.hundredths(48)).area();
        let classes = PerClass::from_fn(|_| class_place(&mut column, budget));

        let uncertain_rule = column.cut_top(budget.line).area();
        let mut uncertain = column.cut_top(budget.row + 1);
        let uncertain_mark = uncertain.square_at_left(budget.sign);
        uncertain.cut_left(budget.sign + margin);
        let uncertain_number = uncertain.cut_right(uncertain.hundredths(40)).area();

        let ratio_rule = column.cut_top(budget.line).area();
        let ratio_title = column.cut_top(budget.row + 1).area();
        let ratios = std::array::from_fn(|_| ratio_place(column.cut_top(budget.row), budget));

        column.cut_top(1);
        let mut first_line = column;
        let dispersion_sign = first_line.cut_top(budget.row).square_at_left(budget.sign);
        column.cut_left(budget.sign + margin / 2);
        let dispersion = std::iter::repeat_with(|| column.cut_top(budget.row).area())
            .take(budget.dispersion_lines)
            .collect();

        Self {
            bar,
            preview,
            states,
            focus,
            light,
            density,
            scale,
            skipped_rule: Rectangle::with_corners(
                light.aside.top_left + Point::new(0, 1),
                density.aside.top_left + Point::new(budget.line as i32 - 1, budget.row as i32 - 2),
            ),
            card,
            counts_title: title.area(),
            interval_title,
            classes,
            uncertain_rule,
            uncertain_mark,
            uncertain_name: uncertain.area(),
            uncertain_number,
            ratio_rule,
            ratio_title,
            ratios,
            dispersion_sign,
            dispersion,
            fields_row: whole_fields_row.area(),
            fields: fields_row.area(),
            progress: middle_bar(progress, budget),
            rejected,
            warning_ground: warning_row.area(),
            warning_sign,
            warning,
            instruction_ground: instruction_row.area(),
            instruction_sign,
            instruction,
            research,
        }
    }
}

/// The bar at the top, cut off the screen.
pub(super) fn bar_place(screen: &mut Space, budget: Budget) -> BarPlace {
    let row = screen.cut_top(budget.bar);
    let mut inside = row;
    let mut state = inside.cut_right(inside.hundredths(28));
    let state_ground = state.area();
    state.cut_left(budget.margin / 2);
    state.cut_right(budget.margin);
    let state_sign_gap = budget.sign + budget.margin.min(6) / 2 + 1;
    let state_sign = state.square_at_left(budget.sign);
    state.cut_left(state_sign_gap);
    let mut inside = inside.inset_sides(budget.margin);
    let clock = inside.cut_right(inside.hundredths(50)).area();
    BarPlace {
        ground: row.area(),
        sample: inside.area(),
        clock,
        state_ground,
        state_sign,
        state: state.area(),
    }
}

/// The line of the research-use sentence, cut off the screen's bottom.
pub(super) fn research_place(screen: &mut Space, budget: Budget) -> Rectangle {
    let row = screen.cut_bottom(budget.row + 1);
    row.inset_sides(budget.margin).area()
}

/// A sign and the text after it, on the whole width.
pub(super) fn signed_line(row: Space, budget: Budget) -> (Rectangle, Rectangle) {
    let mut inside = row.inset_sides(budget.margin);
    let sign = inside.square_at_left(budget.sign);
    inside.cut_left(budget.sign + budget.margin);
    (sign, inside.area())
}

fn state_place(mut row: Space, budget: Budget) -> StatePlace {
    let label = row.cut_left(row.hundredths(31)).area();
    let sign = row.square_at_left(budget.sign);
    row.cut_left(budget.sign + budget.margin);
    let mut word = row;
    let bar = word.cut_right(word.hundredths(48));
    StatePlace {
        label,
        sign,
        word: word.area(),
        bar: middle_bar(bar, budget),
        aside: bar.area(),
        wide_word: row.area(),
    }
}

/// A bar of half the height in the middle of a row.
fn middle_bar(row: Space, budget: Budget) -> Rectangle {
    let area = row.area();
    let height = budget.row / 2;
    let top = area.top_left.y + (area.size.height.saturating_sub(height) / 2) as i32;
    Rectangle::new(
        Point::new(area.top_left.x, top),
        Size::new(area.size.width, height),
    )
}

fn class_place(column: &mut Space, budget: Budget) -> ClassPlace {
    let rule = column.cut_top(budget.line).area();
    let mut upper = column.cut_top(budget.class_number);
    let mut lower = column.cut_top(budget.class_interval);
    let mark = upper.square_at_left(budget.sign + 2);
    upper.cut_left(budget.sign + 2 + budget.margin);
    let name = upper.cut_left(upper.hundredths(26)).area();
    let n = lower.cut_left(lower.hundredths(34)).area();
    ClassPlace {
        rule,
        mark,
        name,
        number: upper.area(),
        n,
        interval: lower.area(),
    }
}

fn ratio_place(row: Space, budget: Budget) -> RatioPlace {
    let mut known = row;
    let mut n = known.cut_right(known.hundredths(28));
    n.cut_left(budget.margin.min(4));
    let interval = known.cut_right(known.hundredths(51));
    let value = known.cut_right(known.hundredths(46));
    let mut reason = row;
    reason.cut_left(known.area().size.width);
    let few_n = reason.cut_right(reason.hundredths(24));
    RatioPlace {
        name: known.area(),
        value: value.area(),
        interval: interval.area(),
        n: n.area(),
        reason: reason.area(),
        few_n: few_n.area(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl CountingLayout {
        /// Every place that something is drawn to on its own, by name.
        fn places(&self) -> Vec<(String, Rectangle)> {
            let mut places: Vec<(String, Rectangle)> = [
                ("sample", self.bar.sample),
                ("clock", self.bar.clock),
                ("state sign", self.bar.state_sign),
                ("state", self.bar.state),
                ("preview", self.preview),
                ("counts title", self.counts_title),
                ("interval title", self.interval_title),
                ("uncertain rule", self.uncertain_rule),
                ("uncertain mark", self.uncertain_mark),
                ("uncertain name", self.uncertain_name),
                ("uncertain number", self.uncertain_number),
                ("ratio rule", self.ratio_rule),
                ("ratio title", self.ratio_title),
                ("dispersion sign", self.dispersion_sign),
                ("fields", self.fields),
                ("progress", self.progress),
                ("rejected", self.rejected),
                ("warning sign", self.warning_sign),
                ("warning", self.warning),
                ("instruction sign", self.instruction_sign),
                ("instruction", self.instruction),
                ("research", self.research),
            ]
            .map(|(name, area)| (name.to_owned(), area))
            .to_vec();
            let states = [self.focus, self.light, self.density, self.scale];
            for (at, place) in states.into_iter().enumerate() {
                for (part, area) in [
                    ("label", place.label),
                    ("sign", place.sign),
                    ("word", place.word),
                    ("bar", place.bar),
                ] {
                    places.push((format!("state {at} {part}"), area));
                }
            }
            for (class, place) in self.classes.iter() {
                for (part, area) in [
                    ("rule", place.rule),
                    ("mark", place.mark),
                    ("name", place.name),
                    ("number", place.number),
                    ("n", place.n),
                    ("interval", place.interval),
                ] {
                    places.push((format!("{class} {part}"), area));
                }
            }
            for (at, area) in self.dispersion.iter().enumerate() {
                places.push((format!("dispersion line {at}"), *area));
            }
            for (at, place) in self.ratios.into_iter().enumerate() {
                for (part, area) in [
                    ("name", place.name),
                    ("value", place.value),
                    ("interval", place.interval),
                    ("n", place.n),
                ] {
                    places.push((format!("ratio {at} {part}"), area));
                }
            }
            places
        }
    }

    #[test]
    fn places_lie_on_the_screen_apart_from_each_other() {
        let mut faults = Vec::new();
        for size in ScreenSize::ALL {
            let screen = Space::of_screen(size).area();
            let places = CountingLayout::of(size).places();
            for (at, (name, area)) in places.iter().enumerate() {
                if area.is_zero_sized() || area.intersection(&screen) != *area {
                    faults.push(format!("{size}: {name} is cut: {area:?}"));
                }
                for (other_name, other) in &places[at + 1..] {
                    if !area.intersection(other).is_zero_sized() {
                        faults.push(format!("{size}: {name} lies over {other_name}"));
                    }
                }
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn a_display_gets_the_layout_that_covers_most_of_it() {
        use ScreenSize::{Large, Medium, Small};
        let cases = [
            ((320, 240), Small),
            ((480, 320), Medium),
            ((640, 480), Small),
            ((800, 480), Large),
            ((1024, 600), Large),
            ((1024, 768), Small),
            ((1280, 720), Small),
            ((1280, 800), Small),
            ((960, 640), Medium),
            ((1920, 1080), Large),
            ((480, 800), Medium),
            ((240, 320), Small),
            ((0, 0), Small),
            ((u32::MAX, u32::MAX), Small),
        ];
        for (display_px, expected) in cases {
            let size = ScreenSize::for_display(display_px);
            assert_eq!(size, expected, "{display_px:?}");
        }
    }

    #[test]
    fn sizes_are_found_by_name() {
        for size in ScreenSize::ALL {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        let error = "640x480".parse::<ScreenSize>().unwrap_err();
        assert!(error.to_string().contains("320x240"), "{error}");
    }
}
