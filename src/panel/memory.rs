//! A panel without glass, for tests and measurements: what it shows can be read.

use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use std::ops::Range;

/// Takes changed rows into its own memory, as the controller of a small display does.
#[derive(Debug)]
pub struct MemoryPanel {
    shown: Canvas,
    rows_taken: u64,
}

impl MemoryPanel {
    /// A black panel of the size of a canvas.
    pub fn new(canvas: Canvas) -> Self {
        Self {
            shown: canvas,
            rows_taken: 0,
        }
    }

    /// What it shows.
    pub fn shown(&self) -> &Canvas {
        &self.shown
    }

    /// Rows sent to it so far.
    pub fn rows_taken(&self) -> u64 {
        self.rows_taken
    }
}

impl Panel for MemoryPanel {
    fn size(&self) -> (u32, u32) {
        (self.shown.width_px(), self.shown.height_px())
    }

    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError> {
        let stride = self.shown.stride();
        for rows in changed_rows {
            let bytes = rows.start as usize * stride..rows.end as usize * stride;
            let new = canvas.rgb().get(bytes.clone());
            if let (Some(old), Some(new)) = (self.shown.rgb_mut().get_mut(bytes), new) {
                old.copy_from_slice(new);
                self.rows_taken += u64::from(rows.end - rows.start);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::Rgb888;
    use embedded_graphics::prelude::*;

    #[test]
    fn only_rows_said_to_have_changed_are_taken() {
        let black = Canvas::new(4, 6).unwrap();
        let mut red = black.clone();
        let Ok(()) = red.clear(Rgb888::RED);
        let mut panel = MemoryPanel::new(black);
        panel.present(&red, &[1..2, 4..6]).unwrap();
        let taken = [0, 1, 2, 3, 4, 5].map(|y| panel.shown().pixel(Point::new(3, y)).unwrap().r());
        assert_eq!(taken, [0, 255, 0, 0, 255, 255]);
        panel.present(&red, &[]).unwrap();
        assert_eq!(panel.rows_taken(), 3);
    }
}
