//! Draws the things of a screen as they come; nothing is kept and nothing allocated.

use super::cell_marker::{Stroke, draw_cell, draw_outline};
use super::colour;
use super::font::TypeScale;
use super::icon::{StatusIcon, draw_icon};
use super::surface::{Surface, TextStyle, set_text};
use crate::cell::{Cell, CellClass};
use crate::image::canvas::{Canvas, Window};
use crate::image::frame::Frame;
use crate::image::preview::scale;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// A surface that draws on a canvas.
pub struct Painter<'c> {
    type_scale: TypeScale,
    canvas: &'c mut Canvas,
}

impl<'c> Painter<'c> {
    /// Draws on a canvas, with the fonts of a scale.
    pub fn new(type_scale: TypeScale, canvas: &'c mut Canvas) -> Self {
        Self { type_scale, canvas }
    }

    /// Draws a text that fits already.
    pub(super) fn set_line(&mut self, text: &str, baseline: Point, style: TextStyle) {
        let Ok(()) =
            self.type_scale
                .draw(style.role, text, baseline, style.colour, &mut *self.canvas);
    }

    fn whole(&mut self) -> Window<'_> {
        let area = self.canvas.bounding_box();
        self.canvas.window(area)
    }
}

impl<'a> Surface<'a> for Painter<'_> {
    fn type_scale(&self) -> TypeScale {
        self.type_scale
    }

    fn fill(&mut self, area: Rectangle, colour: Rgb888) {
        let Ok(()) = self.canvas.fill_solid(&area, colour);
    }

    fn image(&mut self, area: Rectangle, image: &'a Frame) {
        scale(image, (area.size.width, area.size.height), |x, y, row| {
            let place = area.top_left + Size::new(x, y);
            self.canvas.put_row(place, row);
        });
    }

    fn cells(
        &mut self,
        area: Rectangle,
        cells: &'a [Cell],
        frame_size_px: (u32, u32),
        width_px: u32,
    ) {
        let mut window = self.canvas.window(area);
        for cell in cells {
            draw_cell(cell, frame_size_px, area, width_px, &mut window);
        }
    }

    fn mark(&mut self, area: Rectangle, class: Option<CellClass>, width_px: u32) {
        let stroke = Stroke {
            width_px,
            dashed: false,
        };
        let line_colour = colour::of_class(class);
        draw_outline(class, area, line_colour, stroke, &mut self.whole());
    }

    fn icon(&mut self, area: Rectangle, icon: StatusIcon, colour: Rgb888) {
        draw_icon(icon, area, colour, &mut self.whole());
    }

    fn text(&mut self, place: Rectangle, text: &str, style: TextStyle) {
        let (shown, baseline) = set_text(self.type_scale, place, text, style);
        self.set_line(&shown, baseline, style);
    }
}
