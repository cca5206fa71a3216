//! A panel that draws the image in the terminal with half blocks.

use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use crate::image::frame::Frame;
use crate::image::preview::{fitted_size_px, resized};
use crate::panel::ScreenSize;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Color, Colors, Print, ResetColor, SetColors};
use crossterm::terminal::{Clear, ClearType};
use crossterm::{execute, queue};
use std::env;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write, stdout};
use std::ops::Range;

/// Columns and rows of a terminal that does not tell its size.
const DEFAULT_TERMINAL: (u16, u16) = (80, 24);
/// The most lines of text under the image, as a share of the terminal's rows: one in this many.
const CAPTION_SHARE: u16 = 3;
/// The upper half of a character's place.
const HALF_BLOCK: char = '\u{2580}';

/// Draws at the top of the terminal, each image over the one before, with its caption below.
#[derive(Debug)]
pub struct TerminalPanel {
    size: ScreenSize,
    caption: Vec<String>,
    presented: Option<Presented>,
}

/// What the terminal shows now.
#[derive(Debug, PartialEq, Eq)]
struct Presented {
    caption: Vec<String>,
    place: Place,
}

/// Room for image and caption in the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Columns of the terminal.
    columns: u16,
    /// Columns of the image.
    image_columns: u16,
    /// Rows of the image; each shows two rows of pixels.
    image_rows: u16,
    /// Rows of text under it.
    caption_rows: u16,
}

impl Place {
    /// The largest image of a shape that fits, with a row left free at the bottom, since the
    /// cursor ends under the image and must not make the terminal scroll.
    fn within((columns, rows): (u16, u16), image_px: (u32, u32), caption_lines: usize) -> Self {
        let caption_room = rows / CAPTION_SHARE;
        let caption_rows =
            u16::try_from(caption_lines).map_or(caption_room, |lines| lines.min(caption_room));
        let image_room = rows.saturating_sub(1 + caption_rows).max(1);
        let space = (
            u32::from(columns.max(1)).min(image_px.0),
            (u32::from(image_room) * 2).min(image_px.1),
        );
        let (width, height) = fitted_size_px(image_px.0, image_px.1, space);
        // Both are within the terminal, whose sides are 16-bit numbers.
        Self {
            columns,
            image_columns: width as u16,
            image_rows: height.div_ceil(2) as u16,
            caption_rows,
        }
    }
}

impl TerminalPanel {
    /// Takes the terminal of standard output.
    ///
    /// # Errors
    /// [`PanelError::NotATerminal`] where standard output goes elsewhere.
    pub fn open(size: ScreenSize) -> Result<Self, PanelError> {
        if !stdout().is_terminal() {
            return Err(PanelError::NotATerminal);
        }
        Ok(Self {
            size,
            caption: Vec::new(),
            presented: None,
        })
    }

    fn draw_image(canvas: &Canvas, place: Place) -> Result<(), PanelError> {
        let columns = u32::from(place.image_columns);
        let rows = u32::from(place.image_rows);
        let small = resized(canvas.frame(), columns, rows * 2).map_err(refused)?;
        draw_half_blocks(&small, Palette::of_terminal()).map_err(refused)
    }

    fn draw_caption(&self, place: Place) -> io::Result<()> {
        let mut terminal = stdout().lock();
        let lines = self.caption.iter().take(usize::from(place.caption_rows));
        for (row, line) in (place.image_rows..).zip(lines) {
            let visible: String = line
                .chars()
                .filter(|c| !c.is_control())
                .take(usize::from(place.columns))
                .collect();
            queue!(
                terminal,
                MoveTo(0, row),
                Print(visible),
                Clear(ClearType::UntilNewLine)
            )?;
        }
        terminal.flush()
    }
}

/// The colours that a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Palette {
    /// 24 bits.
    True,
    /// The cube of 216 colours within the usual 256.
    Cube,
}

impl Palette {
    /// Terminals say in COLORTERM that they know 24-bit colours.
    fn of_terminal() -> Self {
        match env::var("COLORTERM").as_deref() {
            Ok("truecolor" | "24bit") => Palette::True,
            _ => Palette::Cube,
        }
    }

    fn colour(self, [r, g, b]: [u8; 3]) -> Color {
        const CUBE_START: u8 = 16;
        const CUBE_SIDE: u8 = 6;
        let step = |value: u8| ((u16::from(value) * u16::from(CUBE_SIDE - 1) + 127) / 255) as u8;
        match self {
            Palette::True => Color::Rgb { r, g, b },
            Palette::Cube => {
                Color::AnsiValue(CUBE_START + (step(r) * CUBE_SIDE + step(g)) * CUBE_SIDE + step(b))
            }
        }
    }
}

/// Draws two rows of pixels in one row of characters: the upper one as the colour of a half block,
/// the lower one as its ground.
fn draw_half_blocks(image: &Frame, palette: Palette) -> io::Result<()> {
    let mut terminal = BufWriter::new(stdout().lock());
    for row in 0..image.height_px() / 2 {
        queue!(terminal, MoveTo(0, row as u16))?;
        for column in 0..image.width_px() {
            let [upper, lower] =
                [2 * row, 2 * row + 1].map(|y_px| palette.colour(image.pixel(column, y_px)));
            queue!(
                terminal,
                SetColors(Colors::new(upper, lower)),
                Print(HALF_BLOCK)
            )?;
        }
    }
    queue!(terminal, ResetColor)?;
    terminal.flush()
}

fn refused(error: impl Display) -> PanelError {
    PanelError::Terminal {
        reason: error.to_string(),
    }
}

impl Panel for TerminalPanel {
    fn size(&self) -> (u32, u32) {
        self.size.pixels()
    }

    fn wants_caption(&self) -> bool {
        true
    }

    fn caption(&mut self, lines: &[String]) {
        self.caption = lines.to_vec();
    }

    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError> {
        let terminal = crossterm::terminal::size()
            .ok()
            .filter(|(columns, rows)| *columns > 0 && *rows > 0)
            .unwrap_or(DEFAULT_TERMINAL);
        let image_px = (canvas.width_px(), canvas.height_px());
        let place = Place::within(terminal, image_px, self.caption.len());
        let next = Presented {
            caption: self.caption.clone(),
            place,
        };
        if changed_rows.is_empty() && self.presented.as_ref() == Some(&next) {
            return Ok(());
        }
        if self.presented.as_ref().map(|shown| shown.place) != Some(place) {
            execute!(stdout(), Hide, Clear(ClearType::All)).map_err(refused)?;
        }
        // Kept before drawing, so that the cursor comes back even after half an image.
        self.presented = Some(next);
        Self::draw_image(canvas, place)?;
        self.draw_caption(place).map_err(refused)
    }
}

impl Drop for TerminalPanel {
    fn drop(&mut self) {
        let Some(shown) = &self.presented else {
            return;
        };
        let row = shown.place.image_rows + shown.place.caption_rows;
        // Nobody is left to tell when the terminal has gone.
        let _ = execute!(stdout(), MoveTo(0, row), Show);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_fits_with_a_row_to_spare() {
        let cases = [
            // terminal, image, caption, expected columns, rows, caption rows
            ((80, 24), (320, 240), 0, (61, 23, 0)),
            ((200, 60), (320, 240), 6, (141, 53, 6)),
            ((400, 200), (320, 240), 0, (320, 120, 0)),
            ((30, 100), (320, 240), 0, (30, 11, 0)),
            ((80, 24), (800, 480), 99, (50, 15, 8)),
            ((1, 1), (320, 240), 5, (1, 1, 0)),
            (
                (u16::MAX, u16::MAX),
                (8192, 8192),
                usize::MAX,
                (8192, 4096, 21845),
            ),
        ];
        let mut faults = Vec::new();
        for (terminal, image, caption, expected) in cases {
            let place = Place::within(terminal, image, caption);
            let got = (place.image_columns, place.image_rows, place.caption_rows);
            let fits = place.image_columns <= terminal.0
                && (terminal.1 == 1 || place.image_rows + place.caption_rows < terminal.1);
            if got != expected || !fits {
                faults.push(format!("{terminal:?} {image:?}: {got:?}"));
            }
        }
        assert_eq!(faults, Vec::<String>::new());
    }

    #[test]
    fn colours_are_exact_or_the_nearest_of_the_cube() {
        let cases = [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([0, 0, 128], 19),
        ];
        for (rgb, index) in cases {
            assert_eq!(
                Palette::Cube.colour(rgb),
                Color::AnsiValue(index),
                "{rgb:?}"
            );
        }
        let exact = Color::Rgb { r: 1, g: 2, b: 3 };
        assert_eq!(Palette::True.colour([1, 2, 3]), exact);
    }
}
