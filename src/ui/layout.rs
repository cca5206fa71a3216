//! Where everything stands on the counting screen, for each size of screen.

use super::font::TypeScale;
use crate::cell::CellClass;
use crate::panel::ScreenSize;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

impl ScreenSize {
    /// Room for the preview of a frame: width and height in pixels.
    pub fn preview_px(self) -> (u32, u32) {
        self.metrics().preview
    }

    /// The fonts that go with it.
    pub fn type_scale(self) -> TypeScale {
        match self {
            ScreenSize::Small => TypeScale::Compact,
            ScreenSize::Medium => TypeScale::Medium,
            ScreenSize::Large => TypeScale::Large,
        }
    }

    pub(super) fn metrics(self) -> Metrics {
        match self {
            ScreenSize::Small => Metrics {
                margin: 4,
                bar: 18,
                preview: (160, 120),
                row: 11,
                class_number: 16,
                class_interval: 11,
                dispersion_lines: 2,
                instruction: 17,
                icon: 8,
                line: 1,
            },
            ScreenSize::Medium => Metrics {
                margin: 7,
                bar: 25,
                preview: (208, 156),
                row: 15,
                class_number: 24,
                class_interval: 16,
                dispersion_lines: 1,
                instruction: 25,
                icon: 10,
                line: 1,
            },
            ScreenSize::Large => Metrics {
                margin: 12,
                bar: 36,
                preview: (328, 246),
                row: 21,
                class_number: 40,
                class_interval: 22,
                dispersion_lines: 1,
                instruction: 38,
                icon: 13,
                line: 2,
            },
        }
    }
}

/// The lengths that a layout is made of, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metrics {
    pub margin: u32,
    /// Height of the bar at the top.
    pub bar: u32,
    pub preview: (u32, u32),
    /// Height of a row of small text.
    pub row: u32,
    /// Height of the row that holds a class's ratio.
    pub class_number: u32,
    /// Height of the row under it, with the interval.
    pub class_interval: u32,
    /// Lines for the notice that fields differ.
    pub dispersion_lines: usize,
    /// Height of the instruction line.
    pub instruction: u32,
    /// Side of an icon or of a class's mark.
    pub icon: u32,
    /// Width of lines.
    pub line: u32,
}

/// A rectangle that rows and columns are cut from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Area {
    pub(super) fn of_screen(size: ScreenSize) -> Self {
        let (right, bottom) = size.pixels();
        Self {
            left: 0,
            top: 0,
            right,
            bottom,
        }
    }

    pub(super) fn rectangle(self) -> Rectangle {
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

/// The rows of a class whose ratio to the red cells is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct RatioPlace {
    pub rule: Rectangle,
    pub mark: Rectangle,
    pub name: Rectangle,
    /// For the words before a number that is only a least.
    pub bound: Rectangle,
    /// The number to read.
    pub number: Rectangle,
    /// What the number is of.
    pub level: Rectangle,
    pub interval: Rectangle,
    /// In the place of level and interval: why there is no number.
    pub reason: Rectangle,
    /// Cells counted.
    pub n: Rectangle,
    /// Whether they suffice.
    pub target: Rectangle,
}

/// The row of cells that have no ratio.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellsPlace {
    pub rule: Rectangle,
    pub mark: Rectangle,
    pub name: Rectangle,
    /// Cells counted.
    pub n: Rectangle,
}

/// The row of a state: its label, its icon, its word, and a bar where the state has a score.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatePlace {
    pub label: Rectangle,
    pub icon: Rectangle,
    pub word: Rectangle,
    pub bar: Rectangle,
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
    pub state_icon: Rectangle,
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
    pub illumination: StatePlace,
    pub density: StatePlace,
    pub scale: StatePlace,
    pub card: Rectangle,
    pub counts_title: Rectangle,
    pub interval_title: Rectangle,
    /// For every class but the red cells.
    pub ratios: [RatioPlace; CellClass::COUNT - 1],
    pub red_cells: CellsPlace,
    pub uncertain: CellsPlace,
    pub dispersion_icon: Rectangle,
    pub dispersion: Vec<Rectangle>,
    pub fields_row: Rectangle,
    pub fields: Rectangle,
    pub progress: Rectangle,
    pub rejected: Rectangle,
    pub warning_ground: Rectangle,
    pub warning_icon: Rectangle,
    pub warning: Rectangle,
    pub instruction_ground: Rectangle,
    pub instruction_icon: Rectangle,
    pub instruction: Rectangle,
    pub research: Rectangle,
}

impl CountingLayout {
    /// Every place is cut from what the ones before it have left, in one function of more than 70
    /// lines, so that the order of the cuts can be read.
    pub(super) fn of(size: ScreenSize) -> Self {
        let metrics = size.metrics();
        let margin = metrics.margin;
        let mut screen = Area::of_screen(size);

        let bar = bar_place(&mut screen, metrics);
        let research = research_place(&mut screen, metrics);
        let instruction_row = screen.cut_bottom(metrics.instruction);
        let (instruction_icon, instruction) = icon_line(instruction_row, metrics);
        let warning_row = screen.cut_bottom(metrics.row + 1);
        let (warning_icon, warning) = icon_line(warning_row, metrics);
        let whole_fields_row = screen.cut_bottom(metrics.row + 1);
        let mut fields_row = whole_fields_row.inset_sides(margin);
        let rejected = fields_row.cut_right(fields_row.hundredths(58)).rectangle();
        let mut progress = fields_row.cut_right(fields_row.hundredths(36));
        progress.cut_right(margin);

        let mut left = screen
            .cut_left(metrics.preview.0 + 2 * margin)
            .inset_sides(margin);
        left.cut_top(3);
        let preview = left.cut_top(metrics.preview.1).rectangle();
        let states = left.rectangle();
        left.cut_top(2);
        let [focus, illumination, density, scale] =
            std::array::from_fn(|_| state_place(left.cut_top(metrics.row), metrics));

        let card = screen.rectangle();
        let mut column = screen.inset_sides(margin);
        column.cut_top(2);
        let mut title = column.cut_top(metrics.row + 1);
        let interval_title = title.cut_right(title.hundredths(48)).rectangle();
        let ratios = std::array::from_fn(|_| ratio_place(&mut column, metrics));
        let red_cells = cells_place(&mut column, metrics);
        let uncertain = cells_place(&mut column, metrics);

        column.cut_top(1);
        let mut first_line = column;
        let dispersion_icon = first_line.cut_top(metrics.row).square_at_left(metrics.icon);
        column.cut_left(metrics.icon + margin / 2);
        let dispersion = std::iter::repeat_with(|| column.cut_top(metrics.row).rectangle())
            .take(metrics.dispersion_lines)
            .collect();

        Self {
            bar,
            preview,
            states,
            focus,
            illumination,
            density,
            scale,
            card,
            counts_title: title.rectangle(),
            interval_title,
            ratios,
            red_cells,
            uncertain,
            dispersion_icon,
            dispersion,
            fields_row: whole_fields_row.rectangle(),
            fields: fields_row.rectangle(),
            progress: middle_bar(progress, metrics),
            rejected,
            warning_ground: warning_row.rectangle(),
            warning_icon,
            warning,
            instruction_ground: instruction_row.rectangle(),
            instruction_icon,
            instruction,
            research,
        }
    }
}

/// The bar at the top, cut off the screen.
pub(super) fn bar_place(screen: &mut Area, metrics: Metrics) -> BarPlace {
    let row = screen.cut_top(metrics.bar);
    let mut inside = row;
    let mut state = inside.cut_right(inside.hundredths(28));
    let state_ground = state.rectangle();
    state.cut_left(metrics.margin / 2);
    state.cut_right(metrics.margin);
    let state_icon_gap = metrics.icon + metrics.margin.min(6) / 2 + 1;
    let state_icon = state.square_at_left(metrics.icon);
    state.cut_left(state_icon_gap);
    let mut inside = inside.inset_sides(metrics.margin);
    let clock = inside.cut_right(inside.hundredths(50)).rectangle();
    BarPlace {
        ground: row.rectangle(),
        sample: inside.rectangle(),
        clock,
        state_ground,
        state_icon,
        state: state.rectangle(),
    }
}

/// The line of the research-use sentence, cut off the screen's bottom.
pub(super) fn research_place(screen: &mut Area, metrics: Metrics) -> Rectangle {
    let row = screen.cut_bottom(metrics.row + 1);
    row.inset_sides(metrics.margin).rectangle()
}

/// An icon and the text after it, on the whole width.
pub(super) fn icon_line(row: Area, metrics: Metrics) -> (Rectangle, Rectangle) {
    let mut inside = row.inset_sides(metrics.margin);
    let icon = inside.square_at_left(metrics.icon);
    inside.cut_left(metrics.icon + metrics.margin);
    (icon, inside.rectangle())
}

fn state_place(mut row: Area, metrics: Metrics) -> StatePlace {
    let label = row.cut_left(row.hundredths(35)).rectangle();
    let icon = row.square_at_left(metrics.icon);
    row.cut_left(metrics.icon + metrics.margin);
    let mut word = row;
    let bar = word.cut_right(word.hundredths(48));
    StatePlace {
        label,
        icon,
        word: word.rectangle(),
        bar: middle_bar(bar, metrics),
        wide_word: row.rectangle(),
    }
}

/// A bar of half the height in the middle of a row.
fn middle_bar(row: Area, metrics: Metrics) -> Rectangle {
    let area = row.rectangle();
    let height = metrics.row / 2;
    let top = area.top_left.y + (area.size.height.saturating_sub(height) / 2) as i32;
    Rectangle::new(
        Point::new(area.top_left.x, top),
        Size::new(area.size.width, height),
    )
}

fn ratio_place(column: &mut Area, metrics: Metrics) -> RatioPlace {
    let rule = column.cut_top(metrics.line).rectangle();
    let mut upper = column.cut_top(metrics.class_number);
    // A decimal comma reaches below the number.
    column.cut_top(1);
    let mut middle = column.cut_top(metrics.class_interval);
    let mut lower = column.cut_top(metrics.row);
    let mark = upper.square_at_left(metrics.icon + 2);
    upper.cut_left(metrics.icon + 2 + metrics.margin);
    let name = upper.cut_left(upper.hundredths(26)).rectangle();
    let bound = upper.cut_left(upper.hundredths(44)).rectangle();
    let reason = middle.rectangle();
    let interval = middle.cut_right(middle.hundredths(46)).rectangle();
    let target = lower.cut_right(lower.hundredths(42)).rectangle();
    RatioPlace {
        rule,
        mark,
        name,
        bound,
        number: upper.rectangle(),
        level: middle.rectangle(),
        interval,
        reason,
        n: lower.rectangle(),
        target,
    }
}

fn cells_place(column: &mut Area, metrics: Metrics) -> CellsPlace {
    let rule = column.cut_top(metrics.line).rectangle();
    let mut row = column.cut_top(metrics.row + 1);
    let mark = row.square_at_left(metrics.icon);
    row.cut_left(metrics.icon + metrics.margin);
    let n = row.cut_right(row.hundredths(58)).rectangle();
    CellsPlace {
        rule,
        mark,
        name: row.rectangle(),
        n,
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
                ("state icon", self.bar.state_icon),
                ("state", self.bar.state),
                ("preview", self.preview),
                ("counts title", self.counts_title),
                ("interval title", self.interval_title),
                ("dispersion icon", self.dispersion_icon),
                ("fields", self.fields),
                ("progress", self.progress),
                ("rejected", self.rejected),
                ("warning icon", self.warning_icon),
                ("warning", self.warning),
                ("instruction icon", self.instruction_icon),
                ("instruction", self.instruction),
                ("research", self.research),
            ]
            .map(|(name, area)| (name.to_owned(), area))
            .to_vec();
            let states = [self.focus, self.illumination, self.density, self.scale];
            for (at, place) in states.into_iter().enumerate() {
                for (part, area) in [
                    ("label", place.label),
                    ("icon", place.icon),
                    ("word", place.word),
                    ("bar", place.bar),
                ] {
                    places.push((format!("state {at} {part}"), area));
                }
            }
            for (name, place) in [("red cells", self.red_cells), ("uncertain", self.uncertain)] {
                for (part, area) in [
                    ("rule", place.rule),
                    ("mark", place.mark),
                    ("name", place.name),
                    ("n", place.n),
                ] {
                    places.push((format!("{name} {part}"), area));
                }
            }
            for (at, area) in self.dispersion.iter().enumerate() {
                places.push((format!("dispersion line {at}"), *area));
            }
            for (at, place) in self.ratios.into_iter().enumerate() {
                for (part, area) in [
                    ("rule", place.rule),
                    ("mark", place.mark),
                    ("name", place.name),
                    ("bound", place.bound),
                    ("number", place.number),
                    ("level", place.level),
                    ("interval", place.interval),
                    ("n", place.n),
                    ("target", place.target),
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
            let screen = Area::of_screen(size).rectangle();
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
}
