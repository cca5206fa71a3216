//! What a screen is put on: a list that can be measured, an image, or a record to compare.

use super::fixed_string::FixedString;
use super::font::{Role, TypeScale};
use super::icon::StatusIcon;
use crate::cell::{Cell, CellClass};
use crate::image::frame::Frame;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Where a text stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Starts at the left edge of its place.
    Left,
    /// In the middle of its place.
    Centre,
    /// Ends at the right edge of its place.
    Right,
}

/// How a text looks, and on what ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// What the text is for, which gives its font.
    pub role: Role,
    /// The colour of the letters.
    pub colour: Rgb888,
    /// The colour that lies under the text already; the text does not draw it.
    pub ground: Rgb888,
    /// Where it stands in its place.
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

/// Takes the things of a screen one after another, each on top of the ones before.
pub trait Surface<'a> {
    /// The fonts of the screen.
    fn type_scale(&self) -> TypeScale;

    /// A rectangle of one colour.
    fn fill(&mut self, area: Rectangle, colour: Rgb888);

    /// An image, scaled to the area.
    fn image(&mut self, area: Rectangle, image: &'a Frame);

    /// Marks of cells, in pixels of a frame of `frame_size_px` that fills the area, in lines of
    /// `width_px`.
    fn cells(
        &mut self,
        area: Rectangle,
        cells: &'a [Cell],
        frame_size_px: (u32, u32),
        width_px: u32,
    );

    /// A class's mark beside its name, in lines of `width_px`.
    fn mark(&mut self, area: Rectangle, class: Option<CellClass>, width_px: u32);

    /// An icon.
    fn icon(&mut self, area: Rectangle, icon: StatusIcon, colour: Rgb888);

    /// A line of text, with its capitals in the middle of the place's height. Text that is too
    /// wide for its place is shortened, and characters without a glyph become `?`.
    fn text(&mut self, place: Rectangle, text: &str, style: TextStyle);
}

/// A text as it is drawn: shortened to its place, and where its baseline starts.
pub(super) fn set_text(
    scale: TypeScale,
    place: Rectangle,
    text: &str,
    style: TextStyle,
) -> (FixedString, Point) {
    let shown = scale.fitted(style.role, text, place.size.width);
    let free_px = match style.align {
        Align::Left => 0,
        Align::Centre | Align::Right => {
            let width_px = scale.width_px(style.role, &shown);
            place.size.width.saturating_sub(width_px)
        }
    };
    let indent_px = match style.align {
        Align::Centre => free_px / 2,
        Align::Left | Align::Right => free_px,
    };
    let drop_px = (place.size.height + scale.cap_height_px(style.role)) / 2;
    let baseline = place.top_left + Point::new(indent_px as i32, drop_px as i32);
    (shown, baseline)
}

/// Everything that was put on it, as bytes: two equal records draw the same. Images and cells
/// are not recorded.
#[derive(Debug)]
pub(super) struct Record {
    type_scale: TypeScale,
    bytes: Vec<u8>,
}

/// Room of a record: several times what the fullest part of a screen takes.
const RECORD_BYTES: usize = 8 * 1024;

impl Record {
    pub(super) fn new(type_scale: TypeScale) -> Self {
        Self {
            type_scale,
            bytes: Vec::with_capacity(RECORD_BYTES),
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn start(&mut self, kind: u8, area: Rectangle, colour: Rgb888) {
        let Rectangle { top_left, size } = area;
        self.bytes
            .extend([kind, colour.r(), colour.g(), colour.b()]);
        for side in [top_left.x, top_left.y] {
            self.bytes.extend(side.to_le_bytes());
        }
        for side in [size.width, size.height] {
            self.bytes.extend(side.to_le_bytes());
        }
    }
}

impl<'a> Surface<'a> for Record {
    fn type_scale(&self) -> TypeScale {
        self.type_scale
    }

    fn fill(&mut self, area: Rectangle, colour: Rgb888) {
        self.start(0, area, colour);
    }

    fn image(&mut self, _area: Rectangle, _image: &'a Frame) {}

    fn cells(
        &mut self,
        _area: Rectangle,
        _cells: &'a [Cell],
        _frame_size_px: (u32, u32),
        _width_px: u32,
    ) {
    }

    fn mark(&mut self, area: Rectangle, class: Option<CellClass>, width_px: u32) {
        self.start(1, area, super::colour::of_class(class));
        self.bytes.extend(width_px.to_le_bytes());
    }

    fn icon(&mut self, area: Rectangle, icon: StatusIcon, colour: Rgb888) {
        self.start(2, area, colour);
        self.bytes.push(icon as u8);
    }

    fn text(&mut self, place: Rectangle, text: &str, style: TextStyle) {
        self.start(3, place, style.colour);
        self.bytes.extend([style.role as u8, style.align as u8]);
        self.bytes.extend(text.len().to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }
}
