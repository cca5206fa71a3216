//! Screens with one message: starting, no camera, an error.

use super::{BarState, research_line, top_bar};
use crate::cell::CellClass;
use crate::language::{Language, TextId};
use crate::ui::cell_marker::MIN_MARK_SIDE_PX;
use crate::ui::colour;
use crate::ui::font::Role;
use crate::ui::icon::Sign;
use crate::ui::layout::{Budget, ScreenSize, Space, bar_place, research_place, signed_line};
use crate::ui::model::{Failure, NoCamera, Notice, Starting};
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::wording;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

pub(super) const TITLE: TextStyle = TextStyle::new(Role::Title, colour::TEXT, colour::GROUND);
pub(super) const BODY: TextStyle = TextStyle::new(Role::Small, colour::TEXT, colour::GROUND);
pub(super) const LABEL: TextStyle = TextStyle::new(Role::Small, colour::LABEL, colour::GROUND);
pub(super) const ACTION: TextStyle = TextStyle::new(Role::Strong, colour::TEXT, colour::GROUND);

pub(super) fn starting(starting: &Starting, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let budget = size.budget();
    let language = starting.language;
    let mut space = Space::of_screen(size);
    let research = research_place(&mut space, budget);
    let step_row = space.cut_bottom(budget.instruction);
    let (step_sign, step) = signed_line(step_row, budget);

    let mut middle = space.inset_sides(budget.margin);
    middle.cut_top(space.area().size.height / 4);
    emblem(
        middle.cut_top(budget.class_number * 2).area(),
        budget,
        surface,
    );
    middle.cut_top(budget.row);
    let title = middle.cut_top(budget.class_number * 2).area();
    surface.text(title, "hemoscope", TITLE.aligned(Align::Centre));
    let tagline = middle.cut_top(budget.row * 2).area();
    let words = TextId::StartTagline.text_in(language);
    surface.text(tagline, words, BODY.aligned(Align::Centre));
    let version = middle.cut_top(budget.row).area();
    surface.text(version, &starting.version, LABEL.aligned(Align::Centre));

    surface.fill(step_row.area(), colour::CARD);
    surface.sign(step_sign, Sign::Running, Sign::Running.colour());
    let step_style = TextStyle::new(Role::Strong, colour::TEXT, colour::CARD);
    surface.text(step, TextId::StartLoading.text_in(language), step_style);
    research_line(research, language, surface);
}

/// The three marks in a row: what the device counts.
fn emblem(place: Rectangle, budget: Budget, surface: &mut dyn Surface<'_>) {
    let side_px = place.size.height.max(MIN_MARK_SIDE_PX);
    let step_px = side_px + side_px / 2;
    let first_x = place.center().x - step_px as i32;
    for (at, class) in CellClass::ALL.into_iter().enumerate() {
        let centre = Point::new(first_x + at as i32 * step_px as i32, place.center().y);
        let area = Rectangle::with_center(centre, Size::new_equal(side_px));
        surface.mark(area, Some(class), budget.line + 2);
    }
}

pub(super) fn no_camera(missing: &NoCamera<'_>, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let language = missing.language;
    let words = |id: TextId| id.text_in(language);
    let message = Message {
        title: words(TextId::CameraNone).to_owned(),
        what_happened: format!("{} ({})", words(missing.trouble.into()), missing.camera),
        what_to_do: words(wording::camera_help(missing.trouble)).to_owned(),
    };
    let mut space = Space::of_screen(size);
    let budget = size.budget();
    let state = BarState {
        sign: Sign::Attention,
        word: TextId::CameraNone,
        colour: colour::INK,
        ground: colour::ORANGE,
    };
    let bar = bar_place(&mut space, budget);
    top_bar(bar, &missing.identity, state, language, surface);
    research_line(research_place(&mut space, budget), language, surface);
    if let Some(notice) = missing.notice {
        notice_line(notice, &mut space, budget, language, surface);
    }
    message.compose(
        space,
        budget,
        [TextId::ErrorWhatHappened, TextId::ErrorWhatToDo].map(words),
        surface,
    );
}

pub(super) fn failure(failure: &Failure<'_>, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let language = failure.language;
    let words = |id: TextId| id.text_in(language);
    let message = Message {
        title: wording::error_title(failure.number, language),
        what_happened: failure.what_happened.clone(),
        what_to_do: failure.what_to_do.clone(),
    };
    let mut space = Space::of_screen(size);
    let budget = size.budget();
    let state = BarState {
        sign: Sign::Bad,
        word: TextId::Error,
        colour: colour::INK,
        ground: colour::ORANGE,
    };
    let bar = bar_place(&mut space, budget);
    top_bar(bar, &failure.identity, state, language, surface);
    research_line(research_place(&mut space, budget), language, surface);
    if let Some(notice) = failure.notice {
        notice_line(notice, &mut space, budget, language, surface);
    }
    message.compose(
        space,
        budget,
        [TextId::ErrorWhatHappened, TextId::ErrorWhatToDo].map(words),
        surface,
    );
}

/// A notice at the bottom of what is left.
fn notice_line(
    notice: Notice,
    space: &mut Space,
    budget: Budget,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    let place = space.cut_bottom(budget.row + budget.margin);
    let place = place.inset_sides(budget.margin * 3).area();
    surface.text(place, &wording::notice(notice, language), LABEL);
}

/// A title, what happened and what to do.
struct Message {
    title: String,
    what_happened: String,
    what_to_do: String,
}

impl Message {
    fn compose(
        &self,
        space: Space,
        budget: Budget,
        headings: [&str; 2],
        surface: &mut dyn Surface<'_>,
    ) {
        let mut space = space.inset_sides(budget.margin * 3);
        space.cut_top(budget.row);
        let title = space.cut_top(budget.instruction + budget.row / 2).area();
        surface.text(title, &self.title, TITLE);
        space.cut_top(budget.row / 2);
        let [happened, to_do] = headings;
        surface.text(space.cut_top(budget.row + 2).area(), happened, LABEL);
        paragraph(
            &mut space,
            &self.what_happened,
            BODY,
            budget.row + 2,
            surface,
        );
        space.cut_top(budget.row);
        let heading = TextStyle::new(Role::SmallBold, colour::ORANGE, colour::GROUND);
        surface.text(space.cut_top(budget.row + 3).area(), to_do, heading);
        paragraph(
            &mut space,
            &self.what_to_do,
            ACTION,
            budget.instruction,
            surface,
        );
    }
}

/// The lines that a paragraph may have.
const PARAGRAPH_LINES: usize = 4;

/// Words broken into lines, as far as there is room.
pub(super) fn paragraph(
    space: &mut Space,
    words: &str,
    style: TextStyle,
    line_height_px: u32,
    surface: &mut dyn Surface<'_>,
) {
    let Size { width, height } = space.area().size;
    let max_lines = PARAGRAPH_LINES.min((height / line_height_px) as usize);
    let scale = surface.type_scale();
    scale.for_each_line(style.role, words, width, max_lines, |line| {
        surface.text(space.cut_top(line_height_px).area(), line, style);
    });
}
