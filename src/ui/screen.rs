//! The screens: every model becomes a [`Scene`], and a scene is drawn on a canvas.

mod counting;
mod live;
mod notice;
mod update;

pub use live::LiveScreen;

use super::colour;
use super::font::Role;
use super::icon::StatusIcon;
use super::layout::{Area, BarPlace, CountingLayout};
use super::model::{Clock, Identity, Screen};
use super::painter::Painter;
use super::scene::Scene;
use super::surface::{Align, Surface, TextStyle};
use super::wording;
use crate::image::canvas::Canvas;
use crate::language::{Language, TextId};
use crate::panel::ScreenSize;
use counting::Region;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// The scene of a screen at a size, to be measured.
pub fn compose<'a>(screen: &Screen<'a>, size: ScreenSize) -> Scene<'a> {
    let mut scene = Scene::new(size.type_scale());
    draw_on(screen, size, &mut scene);
    scene
}

/// Draws a screen of a size onto a canvas, from its upper left corner.
pub fn draw(screen: &Screen<'_>, size: ScreenSize, canvas: &mut Canvas) {
    draw_on(screen, size, &mut Painter::new(size.type_scale(), canvas));
}

/// Draws a whole screen on a surface.
fn draw_on<'a>(screen: &Screen<'a>, size: ScreenSize, surface: &mut dyn Surface<'a>) {
    surface.fill(Area::of_screen(size).rectangle(), colour::GROUND);
    match screen {
        Screen::Starting(starting) => notice::starting(starting, size, surface),
        Screen::Counting(counting) => {
            let layout = CountingLayout::of(size);
            for region in Region::ALL {
                region.draw(counting, &layout, size, surface);
            }
        }
        Screen::NoCamera(missing) => notice::no_camera(missing, size, surface),
        Screen::Update(about) => update::update(about, size, surface),
        Screen::Failure(failure) => notice::failure(failure, size, surface),
    }
}

/// A screen drawn into memory.
pub fn render(screen: &Screen<'_>, size: ScreenSize) -> Canvas {
    let mut canvas = size.canvas();
    draw(screen, size, &mut canvas);
    canvas
}

/// The sentence that stands on every screen.
fn research_line(place: Rectangle, language: Language, surface: &mut dyn Surface<'_>) {
    let style = TextStyle::new(Role::Small, colour::LABEL, colour::GROUND);
    let sentence = TextId::ResearchUse.text_in(language);
    surface.text(place, sentence, style.aligned(Align::Centre));
}

/// A bar filled by a share of the whole.
fn score_bar(
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
struct BarState {
    icon: StatusIcon,
    word: TextId,
    colour: Rgb888,
    ground: Rgb888,
}

/// The top bar: sample, clock and state.
fn top_bar(
    place: BarPlace,
    identity: &Identity<'_>,
    state: BarState,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    surface.fill(place.ground, colour::CARD);
    let sample_style = match identity.sample {
        Some(_) => TextStyle::new(Role::Strong, colour::TEXT, colour::CARD),
        None => TextStyle::new(Role::Small, colour::YELLOW, colour::CARD),
    };
    let unnamed = TextId::NoSample.text_in(language);
    let sample = identity.sample.unwrap_or(unnamed);
    surface.text(place.sample, sample, sample_style);

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
