//! What several screens have in common: the top bar, bars that fill, and the line about research.

use crate::language::{Language, TextId};
use crate::ui::colour;
use crate::ui::font::Role;
use crate::ui::icon::StatusIcon;
use crate::ui::layout::BarPlace;
use crate::ui::model::{Clock, Identity};
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::wording;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Stands where there is no value.
pub(super) const NO_VALUE: &str = "--";
pub(super) const LABEL_ON_CARD: TextStyle =
    TextStyle::new(Role::Small, colour::LABEL, colour::CARD);

/// The sentence that stands on every screen.
pub(super) fn research_line(place: Rectangle, language: Language, surface: &mut dyn Surface<'_>) {
    let style = TextStyle::new(Role::Small, colour::LABEL, colour::GROUND);
    let sentence = TextId::ResearchUse.text_in(language);
    surface.text(place, sentence, style.aligned(Align::Centre));
}

/// A bar filled by a share of the whole.
pub(super) fn score_bar(
    place: Rectangle,
    part: u64,
    whole: u64,
    icon: Option<StatusIcon>,
    surface: &mut dyn Surface<'_>,
) {
    surface.fill(place, colour::RULE);
    let width = u64::from(place.size.width);
    // At most the place's width.
    let filled = (width * part.min(whole) / whole.max(1)) as u32;
    let fill_colour = icon.map_or(colour::LABEL, StatusIcon::colour);
    let size = Size::new(filled, place.size.height);
    surface.fill(Rectangle::new(place.top_left, size), fill_colour);
}

/// The word at the right end of the top bar.
pub(super) struct BarState {
    pub(super) icon: StatusIcon,
    pub(super) word: TextId,
    pub(super) colour: Rgb888,
    pub(super) ground: Rgb888,
}

/// The top bar: sample, clock and state.
pub(super) fn top_bar(
    place: BarPlace,
    identity: &Identity<'_>,
    state: BarState,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    surface.fill(place.ground, colour::CARD);
    let sample_style = match identity.sample {
        Some(_) if !identity.is_simulated => {
            TextStyle::new(Role::Strong, colour::TEXT, colour::CARD)
        }
        _ => TextStyle::new(Role::Small, colour::YELLOW, colour::CARD),
    };
    surface.text(
        place.sample,
        &wording::sample(identity, language),
        sample_style,
    );

    let clock_colour = match identity.clock {
        Clock::NotSet => colour::YELLOW,
        Clock::Set { .. } => colour::LABEL,
    };
    let clock_style = TextStyle::new(Role::Small, clock_colour, colour::CARD);
    let clock = wording::clock(identity.clock, language);
    surface.text(place.clock, &clock, clock_style.aligned(Align::Right));

    let word = state.word.text_in(language);
    let word_style = TextStyle::new(Role::SmallBold, state.colour, state.ground);
    let word_px = surface.type_scale().width_px(word_style.role, word);
    let free_px = place.state.size.width.saturating_sub(word_px);
    let icon_place = place.state_icon.translate(Point::new(free_px as i32, 0));
    let mut ground = place.state_ground;
    ground.top_left.x += free_px as i32;
    ground.size.width = ground.size.width.saturating_sub(free_px);
    surface.fill(ground, state.ground);
    surface.icon(icon_place, state.icon, state.colour);
    surface.text(place.state, word, word_style.aligned(Align::Right));
}
