//! Screens with one message: starting, no camera, an error.

use super::parts::{BarState, research_line, top_bar};
use crate::cell::CellClass;
use crate::language::{Language, TextId};
use crate::panel::ScreenSize;
use crate::session::guidance::Notice;
use crate::ui::cell_marker::MIN_MARK_SIDE_PX;
use crate::ui::colour;
use crate::ui::font::Role;
use crate::ui::icon::StatusIcon;
use crate::ui::layout::{Area, Metrics, bar_place, icon_line, research_place};
use crate::ui::model::{Failure, NoCamera, Starting};
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::wording;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

pub(super) const TITLE: TextStyle = TextStyle::new(Role::Title, colour::TEXT, colour::GROUND);
pub(super) const BODY: TextStyle = TextStyle::new(Role::Small, colour::TEXT, colour::GROUND);
pub(super) const LABEL: TextStyle = TextStyle::new(Role::Small, colour::LABEL, colour::GROUND);
pub(super) const ACTION: TextStyle = TextStyle::new(Role::Strong, colour::TEXT, colour::GROUND);

pub(super) fn starting(starting: &Starting, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let metrics = size.metrics();
    let language = starting.language;
    let mut area = Area::of_screen(size);
    let research = research_place(&mut area, metrics);
    let step_row = area.cut_bottom(metrics.instruction);
    let (step_icon, step) = icon_line(step_row, metrics);

    let mut middle = area.inset_sides(metrics.margin);
    middle.cut_top(area.rectangle().size.height / 4);
    emblem(
        middle.cut_top(metrics.class_number * 2).rectangle(),
        metrics,
        surface,
    );
    middle.cut_top(metrics.row);
    let title = middle.cut_top(metrics.class_number * 2).rectangle();
    surface.text(title, "hemoscope", TITLE.aligned(Align::Centre));
    let tagline = middle.cut_top(metrics.row * 2).rectangle();
    let words = TextId::StartTagline.text_in(language);
    surface.text(tagline, words, BODY.aligned(Align::Centre));
    let version = middle.cut_top(metrics.row).rectangle();
    surface.text(version, &starting.version, LABEL.aligned(Align::Centre));

    surface.fill(step_row.rectangle(), colour::CARD);
    surface.icon(step_icon, StatusIcon::Running, StatusIcon::Running.colour());
    let step_style = TextStyle::new(Role::Strong, colour::TEXT, colour::CARD);
    surface.text(step, TextId::StartLoading.text_in(language), step_style);
    research_line(research, language, surface);
}

/// The marks of all classes in a row: what the device counts.
fn emblem(place: Rectangle, metrics: Metrics, surface: &mut dyn Surface<'_>) {
    let side_px = place.size.height.max(MIN_MARK_SIDE_PX);
    let step_px = (side_px + side_px / 2) as i32;
    let first_x = place.center().x - step_px * (CellClass::COUNT as i32 - 1) / 2;
    for (at, class) in CellClass::ALL.into_iter().enumerate() {
        let centre = Point::new(first_x + at as i32 * step_px, place.center().y);
        let area = Rectangle::with_center(centre, Size::new_equal(side_px));
        surface.mark(area, Some(class), metrics.line + 2);
    }
}

pub(super) fn no_camera(missing: &NoCamera<'_>, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let language = missing.language;
    let words = |id: TextId| id.text_in(language);
    let message = Message {
        title: words(TextId::CameraNone).to_owned(),
        what_happened: format!("{} ({})", words(missing.unavailable.into()), missing.camera),
        what_to_do: words(wording::camera_help(missing.unavailable)).to_owned(),
    };
    let mut area = Area::of_screen(size);
    let metrics = size.metrics();
    let state = BarState {
        icon: StatusIcon::Attention,
        word: TextId::CameraNone,
        colour: colour::INK,
        ground: colour::ORANGE,
    };
    let bar = bar_place(&mut area, metrics);
    top_bar(bar, &missing.identity, state, language, surface);
    research_line(research_place(&mut area, metrics), language, surface);
    if let Some(notice) = missing.notice {
        notice_line(notice, &mut area, metrics, language, surface);
    }
    message.compose(
        area,
        metrics,
        [TextId::ErrorWhatHappened, TextId::ErrorWhatToDo].map(words),
        surface,
    );
}

pub(super) fn failure(failure: &Failure<'_>, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let language = failure.language;
    let words = |id: TextId| id.text_in(language);
    let message = Message {
        title: words(TextId::Error).to_owned(),
        what_happened: failure.what_happened.clone(),
        what_to_do: failure.what_to_do.clone(),
    };
    let mut area = Area::of_screen(size);
    let metrics = size.metrics();
    let state = BarState {
        icon: StatusIcon::Bad,
        word: TextId::Error,
        colour: colour::INK,
        ground: colour::ORANGE,
    };
    let bar = bar_place(&mut area, metrics);
    top_bar(bar, &failure.identity, state, language, surface);
    research_line(research_place(&mut area, metrics), language, surface);
    if let Some(notice) = failure.notice {
        notice_line(notice, &mut area, metrics, language, surface);
    }
    message.compose(
        area,
        metrics,
        [TextId::ErrorWhatHappened, TextId::ErrorWhatToDo].map(words),
        surface,
    );
}

/// A notice at the bottom of what is left.
fn notice_line(
    notice: Notice,
    area: &mut Area,
    metrics: Metrics,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    let place = area.cut_bottom(metrics.row + metrics.margin);
    let place = place.inset_sides(metrics.margin * 3).rectangle();
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
        area: Area,
        metrics: Metrics,
        headings: [&str; 2],
        surface: &mut dyn Surface<'_>,
    ) {
        let mut area = area.inset_sides(metrics.margin * 3);
        area.cut_top(metrics.row);
        let title = area
            .cut_top(metrics.instruction + metrics.row / 2)
            .rectangle();
        surface.text(title, &self.title, TITLE);
        area.cut_top(metrics.row / 2);
        let [happened, to_do] = headings;
        surface.text(area.cut_top(metrics.row + 2).rectangle(), happened, LABEL);
        paragraph(
            &mut area,
            &self.what_happened,
            BODY,
            metrics.row + 2,
            surface,
        );
        area.cut_top(metrics.row);
        let heading = TextStyle::new(Role::SmallBold, colour::ORANGE, colour::GROUND);
        surface.text(area.cut_top(metrics.row + 3).rectangle(), to_do, heading);
        paragraph(
            &mut area,
            &self.what_to_do,
            ACTION,
            metrics.instruction,
            surface,
        );
    }
}

/// The lines that a paragraph may have.
const PARAGRAPH_LINES: usize = 4;

/// Words broken into lines, as far as there is room.
pub(super) fn paragraph(
    area: &mut Area,
    words: &str,
    style: TextStyle,
    line_height_px: u32,
    surface: &mut dyn Surface<'_>,
) {
    let Size { width, height } = area.rectangle().size;
    let max_lines = PARAGRAPH_LINES.min((height / line_height_px) as usize);
    let scale = surface.type_scale();
    scale.for_each_line(style.role, words, width, max_lines, |line| {
        surface.text(area.cut_top(line_height_px).rectangle(), line, style);
    });
}
