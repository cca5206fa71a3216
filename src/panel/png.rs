//! A panel that keeps a PNG file up to date.

use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use crate::image::png::write_rgb;
use crate::panel::ScreenSize;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Writes every new image to a file. Readers of the file see the old image or the new one,
/// never a part: the image is written beside it and then takes its name.
#[derive(Debug)]
pub struct PngPanel {
    path: PathBuf,
    size: ScreenSize,
}

impl PngPanel {
    /// A panel for a file, which need not exist yet.
    pub fn new(path: &Path, size: ScreenSize) -> Self {
        Self {
            path: path.to_owned(),
            size,
        }
    }
}

impl Panel for PngPanel {
    fn size(&self) -> (u32, u32) {
        self.size.pixels()
    }

    fn present(&mut self, canvas: &Canvas, changed_rows: &[Range<u32>]) -> Result<(), PanelError> {
        if changed_rows.is_empty() {
            return Ok(());
        }
        Ok(write_rgb(&self.path, canvas.rgb(), self.size())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::Rgb888;
    use embedded_graphics::prelude::*;
    use std::slice::from_ref;

    const ALL_ROWS: &[Range<u32>] = from_ref(&(0..240));

    fn image(colour: Rgb888) -> Canvas {
        let mut canvas = ScreenSize::Small.canvas();
        let Ok(()) = canvas.clear(colour);
        canvas
    }

    #[test]
    fn the_file_holds_the_last_image_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let mut panel = PngPanel::new(&path, ScreenSize::Small);
        for colour in [Rgb888::RED, Rgb888::BLUE, Rgb888::BLUE] {
            let canvas = image(colour);
            panel.present(&canvas, ALL_ROWS).unwrap();
            let read = image::open(&path).unwrap().into_rgb8();
            assert_eq!(read.dimensions(), panel.size());
            assert_eq!(read.as_raw(), canvas.rgb());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unchanged_image_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let mut panel = PngPanel::new(&path, ScreenSize::Small);
        panel.present(&image(Rgb888::RED), &[]).unwrap();
        assert!(!path.exists());
        panel
            .present(&image(Rgb888::GREEN), from_ref(&(7..8)))
            .unwrap();
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing").join("screen.png");
        for path in [missing.as_path(), folder.path(), Path::new("..")] {
            let mut panel = PngPanel::new(path, ScreenSize::Small);
            let error = panel
                .present(&image(Rgb888::RED), ALL_ROWS)
                .unwrap_err()
                .to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
            assert!(error.contains("check that"), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
