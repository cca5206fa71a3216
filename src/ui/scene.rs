//! A screen as a list of things to draw, so that it can be measured before it is drawn.

use super::colour;
use super::font::{Role, TypeScale};
use super::icon::{Sign, draw_sign};
use super::mark::{Stroke, draw_cell, draw_outline, outline};
use crate::cell::{Cell, CellClass};
use crate::frame::Frame;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Where a text stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Centre,
    Right,
}

/// How a text looks, and on what ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    pub role: Role,
    pub colour: Rgb888,
    /// The colour that lies under the text already; the text does not draw it.
    pub ground: Rgb888,
    pub align: Align,
}

impl TextStyle {
    /// Left-aligned text.
    pub const fn new(role: Role, colour: Rgb888, ground: Rgb888) -> Self {
        Self {
            role,
            colour,
            ground,
            align: Align::Left,
        }
    }

    /// The same, aligned otherwise.
    pub const fn aligned(self, align: Align) -> Self {
        Self { align, ..self }
    }
}

/// A line of text in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine {
    pub text: String,
    pub style: TextStyle,
    /// The room that the text has.
    pub place: Rectangle,
    /// Where its baseline starts.
    pub baseline: Point,
}

/// One thing to draw.
#[derive(Debug, Clone)]
pub enum Element<'a> {
    Fill {
        area: Rectangle,
        colour: Rgb888,
    },
    /// A picture, scaled to the area.
    Picture {
        area: Rectangle,
        picture: &'a Frame,
    },
    /// Marks of cells over a picture that fills the area.
    Cells {
        area: Rectangle,
        cells: &'a [Cell],
        frame_size_px: (u32, u32),
        width_px: u32,
    },
    /// A class's mark beside its name.
    Mark {
        area: Rectangle,
        class: Option<CellClass>,
        width_px: u32,
    },
    Sign {
        area: Rectangle,
        sign: Sign,
        colour: Rgb888,
    },
    Text(TextLine),
}

/// Everything that a screen shows, in drawing order.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    type_scale: TypeScale,
    elements: Vec<Element<'a>>,
}

impl<'a> Scene<'a> {
    /// An empty scene with the fonts of a scale.
    pub fn new(type_scale: TypeScale) -> Self {
        Self {
            type_scale,
            elements: Vec::new(),
        }
    }

    /// The fonts of the scene.
    pub fn type_scale(&self) -> TypeScale {
        self.type_scale
    }

    /// What is in the scene, in drawing order.
    pub fn elements(&self) -> &[Element<'a>] {
        &self.elements
    }

    /// Adds a thing on top of the others.
    pub fn push(&mut self, element: Element<'a>) {
        self.elements.push(element);
    }

    /// Adds a rectangle of one colour.
    pub fn fill(&mut self, area: Rectangle, colour: Rgb888) {
        self.push(Element::Fill { area, colour });
    }

    /// Adds a sign.
    pub fn sign(&mut self, area: Rectangle, sign: Sign, colour: Rgb888) {
        self.push(Element::Sign { area, sign, colour });
    }

    /// Adds a line of text, with its capitals in the middle of the place's height. Text that is
    /// too wide for its place is shortened, and characters without a glyph become `?`.
    pub fn text(&mut self, place: Rectangle, text: &str, style: TextStyle) {
        let scale = self.type_scale;
        let shown = scale.shortened(style.role, &scale.printable(text), place.size.width);
        let free_px = place.size.width - scale.width_px(style.role, &shown).min(place.size.width);
        let indent_px = match style.align {
            Align::Left => 0,
            Align::Centre => free_px / 2,
            Align::Right => free_px,
        };
        let drop_px = (place.size.height + scale.cap_height_px(style.role)) / 2;
        self.push(Element::Text(TextLine {
            text: shown,
            style,
            place,
            baseline: place.top_left + Point::new(indent_px as i32, drop_px as i32),
        }));
    }

    /// Draws everything.
    pub fn draw<D: DrawTarget<Color = Rgb888>>(&self, target: &mut D) -> Result<(), D::Error> {
        self.elements
            .iter()
            .try_for_each(|element| self.draw_element(element, target))
    }

    fn draw_element<D: DrawTarget<Color = Rgb888>>(
        &self,
        element: &Element<'_>,
        target: &mut D,
    ) -> Result<(), D::Error> {
        match element {
            Element::Fill { area, colour } => target.fill_solid(area, *colour),
            Element::Picture { area, picture } => draw_picture(picture, *area, target),
            Element::Cells {
                area,
                cells,
                frame_size_px,
                width_px,
            } => {
                let mut window = target.clipped(area);
                cells.iter().try_for_each(|cell| {
                    draw_cell(cell, *frame_size_px, *area, *width_px, &mut window)
                })
            }
            Element::Mark {
                area,
                class,
                width_px,
            } => {
                let stroke = Stroke {
                    width_px: *width_px,
                    dashed: false,
                };
                let points = outline(*class, *area);
                draw_outline(&points, colour::of_class(*class), stroke, target)
            }
            Element::Sign { area, sign, colour } => draw_sign(*sign, *area, *colour, target),
            Element::Text(line) => self.type_scale.draw(
                line.style.role,
                &line.text,
                line.baseline,
                line.style.colour,
                target,
            ),
        }
    }
}

fn draw_picture<D: DrawTarget<Color = Rgb888>>(
    picture: &Frame,
    area: Rectangle,
    target: &mut D,
) -> Result<(), D::Error> {
    let Ok(scaled) = super::preview::resized(picture, area.size.width, area.size.height) else {
        // An area without pixels shows nothing.
        return Ok(());
    };
    let pixels = scaled.rgb().chunks_exact(3);
    target.fill_contiguous(&area, pixels.map(|rgb| Rgb888::new(rgb[0], rgb[1], rgb[2])))
}
