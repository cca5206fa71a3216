//! Which rows of an image a panel has not shown yet.

use crate::image::canvas::Canvas;
use std::ops::Range;

/// Keeps the image that was presented last. Looking for changes allocates nothing.
#[derive(Debug)]
pub struct ChangedRows {
    presented: Canvas,
    is_first: bool,
    runs: Vec<Range<u32>>,
}

impl ChangedRows {
    /// Before the first image; `canvas` is as large as all of them.
    pub fn new(canvas: Canvas) -> Self {
        Self {
            // Every second row at most starts a run.
            runs: Vec::with_capacity(canvas.height_px() as usize / 2 + 1),
            presented: canvas,
            is_first: true,
        }
    }

    /// Runs of rows that differ from the image that was asked about before; all of the first
    /// one, or of one of another size.
    pub fn since_last(&mut self, canvas: &Canvas) -> &[Range<u32>] {
        self.runs.clear();
        let same_size = canvas.rgb().len() == self.presented.rgb().len()
            && canvas.width_px() == self.presented.width_px();
        if std::mem::take(&mut self.is_first) || !same_size {
            self.presented.clone_from(canvas);
            self.runs.push(0..canvas.height_px());
            return &self.runs;
        }
        let stride = canvas.stride();
        let new_rows = canvas.rgb().chunks_exact(stride);
        let old_rows = self.presented.rgb_mut().chunks_exact_mut(stride);
        for (y_px, (new, old)) in (0..).zip(new_rows.zip(old_rows)) {
            if new == old {
                continue;
            }
            old.copy_from_slice(new);
            match self.runs.last_mut() {
                Some(run) if run.end == y_px => run.end = y_px + 1,
                _ => self.runs.push(y_px..y_px + 1),
            }
        }
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::Rgb888;
    use embedded_graphics::prelude::*;

    #[test]
    fn changed_rows_come_in_runs() {
        let mut image = Canvas::new(3, 8).unwrap();
        let mut changed = ChangedRows::new(image.clone());
        assert_eq!(changed.since_last(&image), std::slice::from_ref(&(0..8)));
        assert_eq!(changed.since_last(&image), []);
        for y in [1, 2, 5] {
            let pixel = Pixel(Point::new(2, y), Rgb888::BLUE);
            let Ok(()) = image.draw_iter([pixel]);
        }
        assert_eq!(changed.since_last(&image), [1..3, 5..6]);
        assert_eq!(changed.since_last(&image), []);
        let other_size = Canvas::new(4, 6).unwrap();
        let all = changed.since_last(&other_size);
        assert_eq!(all, std::slice::from_ref(&(0..6)));
    }
}
