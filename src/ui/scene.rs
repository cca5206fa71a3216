//! A screen as a list of things to draw, so that it can be measured before it is drawn.

use super::font::TypeScale;
use super::icon::StatusIcon;
use super::painter::Painter;
use super::surface::{Surface, TextStyle, set_text};
use crate::cell::{Cell, CellClass};
use crate::image::canvas::Canvas;
use crate::image::frame::Frame;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// A line of text in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine {
    /// As drawn: already shortened to its place.
    pub text: String,
    /// Font, colours and alignment.
    pub style: TextStyle,
    /// The room that the text has.
    pub place: Rectangle,
    /// Where its baseline starts.
    pub baseline: Point,
}

/// One thing to draw.
#[derive(Debug, Clone)]
pub enum Element<'a> {
    /// A rectangle of one colour.
    Fill {
        /// Where, in screen pixels.
        area: Rectangle,
        /// What it is filled with.
        colour: Rgb888,
    },
    /// An image, scaled to the area.
    Image {
        /// Where, in screen pixels.
        area: Rectangle,
        /// The image, in its own size.
        image: &'a Frame,
    },
    /// Marks of cells over an image that fills the area.
    Cells {
        /// Where the image is, in screen pixels.
        area: Rectangle,
        /// The cells, in pixels of the frame.
        cells: &'a [Cell],
        /// Width and height of the frame that the cells were found in.
        frame_size_px: (u32, u32),
        /// Thickness of the marks' lines, in screen pixels.
        width_px: u32,
    },
    /// A class's mark beside its name.
    Mark {
        /// Where, in screen pixels.
        area: Rectangle,
        /// The class; `None` for uncertain cells.
        class: Option<CellClass>,
        /// Thickness of the mark's lines, in screen pixels.
        width_px: u32,
    },
    /// An icon that shows a state, so that colour alone never does.
    StatusIcon {
        /// Where, in screen pixels.
        area: Rectangle,
        /// The state that it shows.
        icon: StatusIcon,
        /// The colour of its strokes.
        colour: Rgb888,
    },
    /// One line of text.
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

    /// Draws everything.
    pub fn draw(&self, canvas: &mut Canvas) {
        let mut painter = Painter::new(self.type_scale, canvas);
        for element in &self.elements {
            match element {
                Element::Fill { area, colour } => painter.fill(*area, *colour),
                Element::Image { area, image } => painter.image(*area, image),
                Element::Cells {
                    area,
                    cells,
                    frame_size_px,
                    width_px,
                } => painter.cells(*area, cells, *frame_size_px, *width_px),
                Element::Mark {
                    area,
                    class,
                    width_px,
                } => painter.mark(*area, *class, *width_px),
                Element::StatusIcon { area, icon, colour } => painter.icon(*area, *icon, *colour),
                Element::Text(line) => painter.set_line(&line.text, line.baseline, line.style),
            }
        }
    }
}

impl<'a> Surface<'a> for Scene<'a> {
    fn type_scale(&self) -> TypeScale {
        self.type_scale
    }

    fn fill(&mut self, area: Rectangle, colour: Rgb888) {
        self.push(Element::Fill { area, colour });
    }

    fn image(&mut self, area: Rectangle, image: &'a Frame) {
        self.push(Element::Image { area, image });
    }

    fn cells(
        &mut self,
        area: Rectangle,
        cells: &'a [Cell],
        frame_size_px: (u32, u32),
        width_px: u32,
    ) {
        self.push(Element::Cells {
            area,
            cells,
            frame_size_px,
            width_px,
        });
    }

    fn mark(&mut self, area: Rectangle, class: Option<CellClass>, width_px: u32) {
        self.push(Element::Mark {
            area,
            class,
            width_px,
        });
    }

    fn icon(&mut self, area: Rectangle, icon: StatusIcon, colour: Rgb888) {
        self.push(Element::StatusIcon { area, icon, colour });
    }

    fn text(&mut self, place: Rectangle, text: &str, style: TextStyle) {
        let (shown, baseline) = set_text(self.type_scale, place, text, style);
        self.push(Element::Text(TextLine {
            text: shown.to_string(),
            style,
            place,
            baseline,
        }));
    }
}
