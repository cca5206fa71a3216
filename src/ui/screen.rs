//! The screens: every model becomes a [`Scene`], and a scene is drawn on a canvas.

mod counting;
mod live;
mod notice;
mod numbers;
mod parts;
mod update;

pub use live::LiveScreen;

use super::colour;
use super::layout::{Area, CountingLayout};
use super::model::Screen;
use super::painter::Painter;
use super::scene::Scene;
use super::surface::Surface;
use crate::image::canvas::Canvas;
use crate::panel::ScreenSize;
use counting::Region;

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
