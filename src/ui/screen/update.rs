//! Pages about a firmware update: what is happening, what is asked, and which button says what.

use super::notice::{ACTION, BODY, LABEL, TITLE, paragraph};
use super::{BarState, research_line, score_bar, top_bar};
use crate::language::{Language, TextId};
use crate::ui::colour;
use crate::ui::font::Role;
use crate::ui::icon::Sign;
use crate::ui::layout::{Budget, ScreenSize, Space, bar_place, research_place, signed_line};
use crate::ui::line::line;
use crate::ui::model::{Update, UpdatePage};
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::update_page::{Said, buttons, content, title};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

const HEADING: TextStyle = TextStyle::new(Role::SmallBold, colour::ORANGE, colour::GROUND);

fn bar_state(page: &UpdatePage<'_>) -> BarState {
    let (sign, word, state_colour, ground) = match page {
        UpdatePage::Refused(_)
        | UpdatePage::RolledBack { .. }
        | UpdatePage::Older { .. }
        | UpdatePage::Recovery => (
            Sign::Attention,
            TextId::UpdateLabel,
            colour::INK,
            colour::ORANGE,
        ),
        UpdatePage::Kept { .. } => (Sign::Good, TextId::UpdateLabel, colour::INK, colour::GREEN),
        _ => (
            Sign::GoOn,
            TextId::UpdateLabel,
            colour::SKY_BLUE,
            colour::CARD,
        ),
    };
    BarState {
        sign,
        word,
        colour: state_colour,
        ground,
    }
}

/// Puts a page on a surface.
pub(super) fn update(update: &Update<'_>, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let (language, page) = (update.language, &update.page);
    let budget = size.budget();
    let mut space = Space::of_screen(size);
    let bar = bar_place(&mut space, budget);
    let state = bar_state(page);
    top_bar(bar, &update.identity, state, language, surface);
    research_line(research_place(&mut space, budget), language, surface);
    for (number, words) in [2, 1].into_iter().zip(buttons(page).into_iter().rev()) {
        if let Some(words) = words {
            let row = space.cut_bottom(budget.instruction);
            button(row, number, words, language, budget, surface);
            space.cut_bottom(budget.line);
        }
    }

    let mut space = space.inset_sides(budget.margin * 3);
    space.cut_top(budget.row / 2);
    let place = space.cut_top(budget.instruction + budget.row / 2).area();
    surface.text(place, title(page).text_in(language), TITLE);
    space.cut_top(budget.row / 2);
    for said in content(page) {
        say(said, &mut space, language, budget, surface);
    }
}

fn say(
    said: Said<'_>,
    space: &mut Space,
    language: Language,
    budget: Budget,
    surface: &mut dyn Surface<'_>,
) {
    let line_px = budget.row + 2;
    match said {
        Said::Version(label, version) => {
            let mut row = space.cut_top(budget.instruction);
            let place = row.cut_left(row.hundredths(34)).area();
            surface.text(place, label.text_in(language), LABEL);
            surface.text(row.area(), version, ACTION);
        }
        Said::Percent(percent) => {
            space.cut_top(budget.row / 2);
            let mut row = space.cut_top(budget.instruction);
            let number = row.cut_right(row.hundredths(18)).area();
            let percent = percent.min(100);
            let style = ACTION.aligned(Align::Right);
            surface.text(number, &line!("{percent} %"), style);
            score_bar(row.area(), percent.into(), 100, Some(Sign::GoOn), surface);
        }
        Said::Text(words) => {
            space.cut_top(budget.row / 3);
            paragraph(space, words.text_in(language), BODY, line_px, surface);
        }
        Said::Strong(words) => {
            space.cut_top(budget.row / 3);
            let words = words.text_in(language);
            paragraph(space, words, ACTION, budget.instruction, surface);
        }
        Said::Label(words) => {
            surface.text(
                space.cut_top(line_px).area(),
                words.text_in(language),
                LABEL,
            );
        }
        Said::Heading(words) => {
            space.cut_top(budget.row / 2);
            surface.text(
                space.cut_top(line_px).area(),
                words.text_in(language),
                HEADING,
            );
        }
        Said::Foreign(words) => {
            space.cut_top(budget.row / 3);
            paragraph(space, words, BODY, line_px, surface);
        }
    }
}

/// What a button says, behind its number.
fn button(
    row: Space,
    number: u8,
    words: TextId,
    language: Language,
    budget: Budget,
    surface: &mut dyn Surface<'_>,
) {
    let (ink, ground) = match number {
        1 => (colour::INK, colour::SKY_BLUE),
        _ => (colour::TEXT, colour::CARD),
    };
    surface.fill(row.area(), ground);
    let (sign, place) = signed_line(row, budget);
    let style = TextStyle::new(Role::Strong, ink, ground);
    let badge = Size::new(budget.sign + budget.margin / 2, row.area().size.height);
    let badge = Rectangle::with_center(sign.center(), badge);
    surface.text(badge, &line!("{number}"), style.aligned(Align::Centre));
    surface.text(place, words.text_in(language), style);
}
