//! Pages about a firmware update: what is happening, what is asked, and which button says what.

use super::notice::{ACTION, BODY, LABEL, TITLE, paragraph};
use super::parts::{BarState, research_line, score_bar, top_bar};
use crate::language::{Language, TextId};
use crate::panel::ScreenSize;
use crate::session::update_page::UpdatePage;
use crate::ui::colour;
use crate::ui::fixed_string::fixed_format;
use crate::ui::font::Role;
use crate::ui::icon::StatusIcon;
use crate::ui::layout::{Area, Metrics, bar_place, icon_line, research_place};
use crate::ui::model::Update;
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::update_page::{Block, buttons, content, title};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

const HEADING: TextStyle = TextStyle::new(Role::SmallBold, colour::ORANGE, colour::GROUND);

fn bar_state(page: &UpdatePage<'_>) -> BarState {
    let (icon, word, state_colour, ground) = match page {
        UpdatePage::Refused(_)
        | UpdatePage::RolledBack { .. }
        | UpdatePage::Older { .. }
        | UpdatePage::Recovery => (
            StatusIcon::Attention,
            TextId::UpdateLabel,
            colour::INK,
            colour::ORANGE,
        ),
        UpdatePage::Confirmed { .. } => (
            StatusIcon::Good,
            TextId::UpdateLabel,
            colour::INK,
            colour::GREEN,
        ),
        _ => (
            StatusIcon::GoOn,
            TextId::UpdateLabel,
            colour::SKY_BLUE,
            colour::CARD,
        ),
    };
    BarState {
        icon,
        word,
        colour: state_colour,
        ground,
    }
}

/// Draws a page.
pub(super) fn update(update: &Update<'_>, size: ScreenSize, surface: &mut dyn Surface<'_>) {
    let (language, page) = (update.language, &update.page);
    let metrics = size.metrics();
    let mut area = Area::of_screen(size);
    let bar = bar_place(&mut area, metrics);
    let state = bar_state(page);
    top_bar(bar, &update.identity, state, language, surface);
    research_line(research_place(&mut area, metrics), language, surface);
    for (number, words) in [2, 1].into_iter().zip(buttons(page).into_iter().rev()) {
        if let Some(words) = words {
            let row = area.cut_bottom(metrics.instruction);
            button(row, number, words, language, metrics, surface);
            area.cut_bottom(metrics.line);
        }
    }

    let mut area = area.inset_sides(metrics.margin * 3);
    area.cut_top(metrics.row / 2);
    let place = area
        .cut_top(metrics.instruction + metrics.row / 2)
        .rectangle();
    surface.text(place, title(page).text_in(language), TITLE);
    area.cut_top(metrics.row / 2);
    for block in content(page, language) {
        draw_block(block, &mut area, language, metrics, surface);
    }
}

fn draw_block(
    block: Block<'_>,
    area: &mut Area,
    language: Language,
    metrics: Metrics,
    surface: &mut dyn Surface<'_>,
) {
    let line_px = metrics.row + 2;
    match block {
        Block::Version(label, version) => {
            let mut row = area.cut_top(metrics.instruction);
            let place = row.cut_left(row.hundredths(34)).rectangle();
            surface.text(place, label.text_in(language), LABEL);
            surface.text(row.rectangle(), version, ACTION);
        }
        Block::Percent(percent) => {
            area.cut_top(metrics.row / 2);
            let mut row = area.cut_top(metrics.instruction);
            let number = row.cut_right(row.hundredths(18)).rectangle();
            let percent = percent.min(100);
            let style = ACTION.aligned(Align::Right);
            surface.text(number, &fixed_format!("{percent} %"), style);
            score_bar(
                row.rectangle(),
                percent.into(),
                100,
                Some(StatusIcon::GoOn),
                surface,
            );
        }
        Block::Text(words) => {
            area.cut_top(metrics.row / 3);
            paragraph(area, words.text_in(language), BODY, line_px, surface);
        }
        Block::Strong(words) => {
            area.cut_top(metrics.row / 3);
            let words = words.text_in(language);
            paragraph(area, words, ACTION, metrics.instruction, surface);
        }
        Block::Label(words) => {
            surface.text(
                area.cut_top(line_px).rectangle(),
                words.text_in(language),
                LABEL,
            );
        }
        Block::Heading(words) => {
            area.cut_top(metrics.row / 2);
            surface.text(
                area.cut_top(line_px).rectangle(),
                words.text_in(language),
                HEADING,
            );
        }
        Block::Untranslated(words) => {
            area.cut_top(metrics.row / 3);
            paragraph(area, words, BODY, line_px, surface);
        }
    }
}

/// What a button says, behind its number.
fn button(
    row: Area,
    number: u8,
    words: TextId,
    language: Language,
    metrics: Metrics,
    surface: &mut dyn Surface<'_>,
) {
    let (ink, ground) = match number {
        1 => (colour::INK, colour::SKY_BLUE),
        _ => (colour::TEXT, colour::CARD),
    };
    surface.fill(row.rectangle(), ground);
    let (icon, place) = icon_line(row, metrics);
    let style = TextStyle::new(Role::Strong, ink, ground);
    let badge = Size::new(
        metrics.icon + metrics.margin / 2,
        row.rectangle().size.height,
    );
    let badge = Rectangle::with_center(icon.center(), badge);
    surface.text(
        badge,
        &fixed_format!("{number}"),
        style.aligned(Align::Centre),
    );
    surface.text(place, words.text_in(language), style);
}
