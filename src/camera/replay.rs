//! Replays image files as a camera: single files, or the images of a folder.

use super::oddity_notes::OddityNotes;
use super::{CameraError, CapturedFrame, FrameSource};
use crate::decode::ImageReader;
use crate::image::files;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// The most images in one replay.
pub const MAX_REPLAY_FILES: usize = 100_000;

/// A camera whose frames are image files.
///
/// Every file is a field of its own: [`CapturedFrame::field`] is the file's place in the list,
/// from 0, and stays the same when the list is repeated.
#[derive(Debug)]
pub struct ReplayCamera {
    name: String,
    files: Vec<PathBuf>,
    reader: ImageReader,
    repeats: bool,
    next_sequence: u64,
    /// Files since the last one that could be read.
    bad_in_a_row: usize,
    oddity_notes: OddityNotes,
}

impl ReplayCamera {
    /// Replays `paths` in the order given; a folder stands for the PNG and JPEG files in it
    /// and below, sorted by name. With `repeats` the list starts again after its end.
    ///
    /// # Errors
    ///
    /// [`CameraError::CannotOpen`] where a path cannot be read, a folder or the whole list holds
    /// no image, or there are more than [`MAX_REPLAY_FILES`].
    pub fn open(paths: &[PathBuf], repeats: bool) -> Result<Self, CameraError> {
        let name = match paths {
            [only] => format!("replay:{}", only.display()),
            _ => format!("replay of {} paths", paths.len()),
        };
        let unavailable = |reason: String| CameraError::CannotOpen {
            camera: name.clone(),
            reason,
        };
        let mut files = Vec::new();
        for path in paths {
            fs::metadata(path).map_err(|error| {
                let path = path.display();
                unavailable(format!("{path} cannot be read: {error}; check the path"))
            })?;
            let listed = files::list(path).map_err(|error| unavailable(error.to_string()))?;
            files.extend(listed);
            if files.len() > MAX_REPLAY_FILES {
                return Err(unavailable(format!(
                    "it holds more than {MAX_REPLAY_FILES} images; replay a part of them at a \
                     time"
                )));
            }
        }
        if files.is_empty() {
            return Err(unavailable(
                "no image was named; name PNG or JPEG files, or a folder of them".to_owned(),
            ));
        }
        Ok(Self {
            name,
            files,
            reader: ImageReader::default(),
            repeats,
            next_sequence: 0,
            bad_in_a_row: 0,
            oddity_notes: OddityNotes::default(),
        })
    }

    /// How many files the list holds; at least 1.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }
}

impl FrameSource for ReplayCamera {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn knows_fields(&self) -> bool {
        true
    }

    fn drain_warnings(&mut self) -> Vec<String> {
        self.oddity_notes.drain()
    }

    /// The next file's frame. A file that cannot be read is a [`CameraError::BadFrame`], and the
    /// next call goes on behind it; when a repeated list gives nothing but bad files in a whole
    /// round, the camera is [`CameraError::CannotOpen`].
    fn next_frame_into(&mut self, captured: &mut CapturedFrame) -> Result<bool, CameraError> {
        let sequence = self.next_sequence;
        let count = self.files.len() as u64;
        if sequence >= count && !self.repeats {
            return Ok(false);
        }
        if self.repeats && self.bad_in_a_row == self.files.len() {
            return Err(CameraError::CannotOpen {
                camera: self.name.clone(),
                reason: format!(
                    "none of its {count} files is an image that can be used; see the messages \
                     about each file"
                ),
            });
        }
        let field = sequence % count;
        let path = &self.files[field as usize];
        self.next_sequence += 1;
        match self.reader.read(path, &mut captured.frame) {
            Ok(()) => {
                self.bad_in_a_row = 0;
                let oddities = self.reader.oddities();
                self.oddity_notes.see(path.display(), oddities);
                captured.sequence = sequence;
                captured.field = Some(field);
                captured.truth = None;
                let name = captured.name.get_or_insert_default();
                name.clear();
                // Writing to a string cannot fail.
                let _ = write!(name, "{}", path.display());
                Ok(true)
            }
            Err(error) => {
                self.bad_in_a_row += 1;
                Err(CameraError::BadFrame {
                    camera: self.name.clone(),
                    sequence,
                    reason: error.to_string(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::frame::Frame;
    use crate::image::png::write_overlay;
    use tempfile::TempDir;

    fn put_image(folder: &TempDir, name: &str, red: u8) -> PathBuf {
        let path = folder.path().join(name);
        let image = image::RgbImage::from_pixel(8, 6, image::Rgb([red, 20, 30]));
        image
            .save_with_format(&path, image::ImageFormat::Png)
            .unwrap();
        path
    }

    fn folder_path(folder: &TempDir) -> Vec<PathBuf> {
        vec![folder.path().to_owned()]
    }

    #[test]
    fn a_folder_is_replayed_in_the_order_of_its_names() {
        let folder = TempDir::new().unwrap();
        put_image(&folder, "b.png", 2);
        put_image(&folder, "a.PNG", 1);
        put_image(&folder, "._a.png", 9);
        fs::write(folder.path().join("notes.txt"), "no image").unwrap();
        fs::create_dir(folder.path().join("c.png")).unwrap();
        let mut camera = ReplayCamera::open(&folder_path(&folder), false).unwrap();
        assert_eq!(camera.file_count(), 2);
        assert!(camera.name().starts_with("replay:"));
        for (place, (name, red)) in [("a.PNG", 1), ("b.png", 2)].into_iter().enumerate() {
            let captured = camera.next_frame().unwrap().unwrap();
            let place = place as u64;
            assert_eq!((captured.sequence, captured.field), (place, Some(place)));
            assert!(captured.name.unwrap().ends_with(name));
            assert_eq!(captured.frame.pixel(0, 0), [red, 20, 30]);
        }
        assert!(camera.next_frame().unwrap().is_none());
    }

    #[test]
    fn jpeg_files_are_decoded_into_the_frame_that_is_given() {
        let folder = TempDir::new().unwrap();
        for (name, red) in [("a.jpg", 90), ("b.jpg", 180)] {
            let image = image::RgbImage::from_pixel(64, 48, image::Rgb([red, 20, 30]));
            image.save(folder.path().join(name)).unwrap();
        }
        let mut camera = ReplayCamera::open(&folder_path(&folder), false).unwrap();
        let mut captured = camera.next_frame().unwrap().unwrap();
        let place = captured.frame.rgb().as_ptr();
        assert!(captured.frame.pixel(5, 5)[0].abs_diff(90) < 5);
        assert!(camera.next_frame_into(&mut captured).unwrap());
        assert_eq!(captured.frame.rgb().as_ptr(), place);
        assert!(captured.frame.pixel(5, 5)[0].abs_diff(180) < 5);
    }

    #[test]
    fn a_bad_file_is_dropped_and_the_next_one_given() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("a.png"), b"cut off").unwrap();
        put_image(&folder, "b.png", 2);
        let mut camera = ReplayCamera::open(&folder_path(&folder), false).unwrap();
        let error = camera.next_frame().unwrap_err();
        assert!(
            matches!(&error, CameraError::BadFrame { sequence: 0, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("a.png"), "{error}");
        let captured = camera.next_frame().unwrap().unwrap();
        assert_eq!((captured.sequence, captured.field), (1, Some(1)));
    }

    #[test]
    fn an_overlay_is_no_frame() {
        let folder = TempDir::new().unwrap();
        let frame = Frame::filled(8, 6, [200, 180, 190]).unwrap();
        write_overlay(&folder.path().join("a.png"), &frame).unwrap();
        let mut camera = ReplayCamera::open(&folder_path(&folder), false).unwrap();
        let error = camera.next_frame().unwrap_err().to_string();
        assert!(
            error.contains("an overlay") && error.contains("leave it out"),
            "{error}"
        );
    }

    #[test]
    fn a_repeated_list_starts_again_with_the_same_fields() {
        let folder = TempDir::new().unwrap();
        let paths = [
            put_image(&folder, "b.png", 2),
            put_image(&folder, "a.png", 1),
        ];
        let mut camera = ReplayCamera::open(&paths, true).unwrap();
        assert_eq!(camera.name(), "replay of 2 paths");
        for sequence in 0..5 {
            let captured = camera.next_frame().unwrap().unwrap();
            assert_eq!(captured.sequence, sequence);
            assert_eq!(captured.field, Some(sequence % 2));
            assert_eq!(captured.frame.pixel(0, 0)[0], [2, 1][sequence as usize % 2]);
        }
    }

    #[test]
    fn a_repeated_list_of_bad_files_gives_up() {
        let folder = TempDir::new().unwrap();
        for name in ["a.png", "b.jpg"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        let mut camera = ReplayCamera::open(&folder_path(&folder), true).unwrap();
        for _ in 0..2 {
            let error = camera.next_frame().unwrap_err();
            assert!(matches!(error, CameraError::BadFrame { .. }), "{error}");
        }
        let error = camera.next_frame().unwrap_err();
        assert!(matches!(error, CameraError::CannotOpen { .. }), "{error}");
    }

    #[test]
    fn what_holds_no_image_is_refused() {
        let empty = TempDir::new().unwrap();
        let other = TempDir::new().unwrap();
        fs::write(other.path().join("notes.txt"), "no image").unwrap();
        let cases = [
            ("an empty folder", folder_path(&empty), "no image"),
            ("other files", folder_path(&other), "no image"),
            (
                "nothing there",
                vec![empty.path().join("gone.png")],
                "cannot be read",
            ),
            ("no path", Vec::new(), "no image was named"),
        ];
        for (name, paths, words) in cases {
            let error = ReplayCamera::open(&paths, false).unwrap_err();
            let is_unavailable = matches!(error, CameraError::CannotOpen { .. });
            assert!(
                is_unavailable && error.to_string().contains(words),
                "{name}: {error}"
            );
        }
    }
}
