//! Draws the things of a screen as they come; nothing is kept and nothing allocated.

use super::colour;
use super::font::TypeScale;
use super::icon::{Sign, draw_sign};
use super::mark::{Stroke, draw_cell, draw_outline};
use super::preview::scaled_pixels;
use super::surface::{Surface, TextStyle, set_text};
use crate::cell::{Cell, CellClass};
use crate::frame::Frame;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// A surface that draws on a target. The first error of the target ends the drawing.
pub struct Painter<'t, D: DrawTarget> {
    type_scale: TypeScale,
    target: &'t mut D,
    drawn: Result<(), D::Error>,
}

impl<'t, D: DrawTarget<Color = Rgb888>> Painter<'t, D> {
    /// Draws on a target, with the fonts of a scale.
    pub fn new(type_scale: TypeScale, target: &'t mut D) -> Self {
        Self {
            type_scale,
            target,
            drawn: Ok(()),
        }
    }

    /// Whether everything was drawn.
    pub fn finish(self) -> Result<(), D::Error> {
        self.drawn
    }

    fn draw(&mut self, act: impl FnOnce(&mut D) -> Result<(), D::Error>) {
        if self.drawn.is_ok() {
            self.drawn = act(self.target);
        }
    }

    /// Draws a text that fits already.
    pub(super) fn set_line(&mut self, text: &str, baseline: Point, style: TextStyle) {
        let scale = self.type_scale;
        self.draw(|target| scale.draw(style.role, text, baseline, style.colour, target));
    }
}

impl<'a, D: DrawTarget<Color = Rgb888>> Surface<'a> for Painter<'_, D> {
    fn type_scale(&self) -> TypeScale {
        self.type_scale
    }

    fn fill(&mut self, area: Rectangle, colour: Rgb888) {
        self.draw(|target| target.fill_solid(&area, colour));
    }

    fn picture(&mut self, area: Rectangle, picture: &'a Frame) {
        self.draw(|target| {
            target.fill_contiguous(
                &area,
                scaled_pixels(picture, (area.size.width, area.size.height))
                    .map(|[red, green, blue]| Rgb888::new(red, green, blue)),
            )
        });
    }

    fn cells(
        &mut self,
        area: Rectangle,
        cells: &'a [Cell],
        frame_size_px: (u32, u32),
        width_px: u32,
    ) {
        self.draw(|target| {
            let mut window = target.clipped(&area);
            cells
                .iter()
                .try_for_each(|cell| draw_cell(cell, frame_size_px, area, width_px, &mut window))
        });
    }

    fn mark(&mut self, area: Rectangle, class: Option<CellClass>, width_px: u32) {
        let stroke = Stroke {
            width_px,
            dashed: false,
        };
        self.draw(|target| draw_outline(class, area, colour::of_class(class), stroke, target));
    }

    fn sign(&mut self, area: Rectangle, sign: Sign, colour: Rgb888) {
        self.draw(|target| draw_sign(sign, area, colour, target));
    }

    fn text(&mut self, place: Rectangle, text: &str, style: TextStyle) {
        let (shown, baseline) = set_text(self.type_scale, place, text, style);
        self.set_line(&shown, baseline, style);
    }
}
