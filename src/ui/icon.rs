//! Small icons that say how a state is, next to the word that says the same.

use super::cell_marker::draw_line;
use super::colour;
use crate::image::canvas::Window;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, Rectangle};

/// Start and end of a stroke, as x and y.
type Segment = ((i32, i32), (i32, i32));

/// How a state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusIcon {
    /// A tick.
    Good,
    /// An exclamation mark.
    Attention,
    /// A cross.
    Bad,
    /// An arrow.
    GoOn,
    /// A filled triangle that points to the right.
    Running,
}

impl StatusIcon {
    /// The icon's own colour on a dark ground.
    pub fn colour(self) -> Rgb888 {
        match self {
            StatusIcon::Good => colour::GREEN,
            StatusIcon::Attention => colour::YELLOW,
            StatusIcon::Bad => colour::VERMILION,
            StatusIcon::GoOn | StatusIcon::Running => colour::SKY_BLUE,
        }
    }

    /// Strokes in a square of 8 by 8 steps.
    fn strokes(self) -> &'static [Segment] {
        match self {
            StatusIcon::Good => &[((0, 4), (3, 7)), ((3, 7), (8, 1))],
            StatusIcon::Attention => &[((4, 0), (4, 4)), ((4, 8), (4, 8))],
            StatusIcon::Bad => &[((1, 1), (7, 7)), ((1, 7), (7, 1))],
            StatusIcon::GoOn => &[((0, 4), (8, 4)), ((4, 0), (8, 4)), ((4, 8), (8, 4))],
            StatusIcon::Running => &[
                ((2, 0), (2, 8)),
                ((3, 1), (3, 7)),
                ((4, 2), (4, 6)),
                ((5, 3), (5, 5)),
                ((6, 4), (7, 4)),
            ],
        }
    }
}

/// Draws an icon into a square area.
pub fn draw_icon(icon: StatusIcon, area: Rectangle, icon_colour: Rgb888, window: &mut Window<'_>) {
    let width_px = (area.size.width / 5).max(2);
    let inner_px = area.size.width.saturating_sub(width_px) as i32;
    let inset = Point::new_equal((width_px.saturating_sub(1) / 2) as i32);
    let place = |(x, y): (i32, i32)| {
        area.top_left + inset + Point::new((x * inner_px + 4) / 8, (y * inner_px + 4) / 8)
    };
    for (start, end) in icon.strokes() {
        let line = Line::new(place(*start), place(*end));
        draw_line(line, icon_colour, width_px, window);
    }
}
