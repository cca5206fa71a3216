//! Where the screen lies on a display, and its pixels there.

use crate::image::canvas::Canvas;
use crate::panel::rotation::Rotation;
use std::ops::Range;

/// Bytes of a pixel on the display: blue, green, red, unused (XRGB8888).
pub(super) const PIXEL_BYTES: usize = 4;
/// A mode with more pixels is taken only where there is no smaller one: each of them has to be
/// written by a small processor.
const MAX_WANTED_PIXELS: u32 = 1920 * 1200;

/// A mode of a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DisplayMode {
    pub(super) size_px: (u32, u32),
    /// Whether the display asks for it.
    pub(super) is_preferred: bool,
}

/// A part of a display: left and top are in it, right and bottom are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left_px: u32,
    pub(super) top_px: u32,
    pub(super) right_px: u32,
    pub(super) bottom_px: u32,
}

/// Where an image lies on a display: turned, enlarged by a whole factor, in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    image_px: (u32, u32),
    rotation: Rotation,
    pub(super) factor: u32,
    left_px: u32,
    top_px: u32,
}

impl Placement {
    /// `None` where the display is smaller than the image.
    pub(super) fn new(
        image_px: (u32, u32),
        rotation: Rotation,
        display_px: (u32, u32),
    ) -> Option<Self> {
        let turned_px = rotation.turned_size(image_px);
        let factor = (display_px.0 / turned_px.0).min(display_px.1 / turned_px.1);
        (factor > 0).then(|| Self {
            image_px,
            rotation,
            factor,
            left_px: (display_px.0 - turned_px.0 * factor) / 2,
            top_px: (display_px.1 - turned_px.1 * factor) / 2,
        })
    }

    /// The part of the turned image, not enlarged, that rows of the image cover.
    fn turned_area(&self, rows: &Range<u32>) -> Area {
        let (width_px, height_px) = self.image_px;
        let (left_px, top_px, right_px, bottom_px) = match self.rotation {
            Rotation::None => (0, rows.start, width_px, rows.end),
            Rotation::Quarter => (height_px - rows.end, 0, height_px - rows.start, width_px),
            Rotation::Half => (0, height_px - rows.end, width_px, height_px - rows.start),
            Rotation::ThreeQuarters => (rows.start, 0, rows.end, width_px),
        };
        Area {
            left_px,
            top_px,
            right_px,
            bottom_px,
        }
    }

    /// The part of the display that rows of the image cover.
    pub(super) fn area(&self, rows: &Range<u32>) -> Area {
        let turned = self.turned_area(rows);
        Area {
            left_px: self.left_px + turned.left_px * self.factor,
            top_px: self.top_px + turned.top_px * self.factor,
            right_px: self.left_px + turned.right_px * self.factor,
            bottom_px: self.top_px + turned.bottom_px * self.factor,
        }
    }

    /// Where the first byte of the turned image stands in the image, and how far it is from
    /// there to the next pixel to the right and to the next below.
    fn walk(&self, stride: usize) -> (usize, isize, isize) {
        let (width_px, height_px) = self.image_px;
        let last_x = (width_px as usize - 1) * 3;
        let last_y = (height_px as usize - 1) * stride;
        let row = stride as isize;
        match self.rotation {
            Rotation::None => (0, 3, row),
            Rotation::Quarter => (last_y, -row, 3),
            Rotation::Half => (last_y + last_x, -3, -row),
            Rotation::ThreeQuarters => (last_x, row, -3),
        }
    }

    /// Writes rows of the image into a display's memory, whose rows are `pitch` bytes apart.
    /// The memory is only written, never read, since reading it can be very slow.
    pub(super) fn write(
        &self,
        canvas: &Canvas,
        rows: &Range<u32>,
        memory: &mut [u8],
        pitch: usize,
        line: &mut Vec<u8>,
    ) {
        let (first, to_right, to_below) = self.walk(canvas.stride());
        let (turned, area) = (self.turned_area(rows), self.area(rows));
        let left = area.left_px as usize * PIXEL_BYTES;
        let factor = self.factor as usize;
        for row in turned.top_px..turned.bottom_px {
            line.clear();
            for column in turned.left_px..turned.right_px {
                let step = column as isize * to_right + row as isize * to_below;
                let at = first.wrapping_add_signed(step);
                let rgb = &canvas.rgb()[at..at + 3];
                let pixel = [rgb[2], rgb[1], rgb[0], 0];
                for _ in 0..factor {
                    line.extend(pixel);
                }
            }
            let top = self.top_px as usize + row as usize * factor;
            for target in memory.chunks_exact_mut(pitch).skip(top).take(factor) {
                target[left..][..line.len()].copy_from_slice(line);
            }
        }
    }
}

/// The mode to set, as its place among the modes: the display's preferred one, or, where that is
/// too small for the image or larger than a small processor can fill, the first that is neither,
/// or else the first that is large enough.
pub(super) fn choose_mode(
    modes: &[DisplayMode],
    image_px: (u32, u32),
    rotation: Rotation,
) -> Option<usize> {
    let fits = |mode: &DisplayMode| Placement::new(image_px, rotation, mode.size_px).is_some();
    let is_moderate = |mode: &DisplayMode| mode.size_px.0 * mode.size_px.1 <= MAX_WANTED_PIXELS;
    modes
        .iter()
        .position(|mode| mode.is_preferred && fits(mode) && is_moderate(mode))
        .or_else(|| {
            modes
                .iter()
                .position(|mode| fits(mode) && is_moderate(mode))
        })
        .or_else(|| modes.iter().position(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_enlarged_by_a_whole_factor_in_the_middle() {
        let (none, quarter) = (Rotation::None, Rotation::Quarter);
        let cases = [
            ("fits", (800, 480), none, (800, 480), Some((1, 0, 0))),
            ("twice", (320, 240), none, (800, 480), Some((2, 80, 0))),
            ("borders", (480, 320), none, (1024, 768), Some((2, 32, 64))),
            ("turned", (320, 240), quarter, (240, 320), Some((1, 0, 0))),
            (
                "turned twice",
                (320, 240),
                quarter,
                (800, 640),
                Some((2, 160, 0)),
            ),
            ("too large", (800, 480), none, (640, 480), None),
            ("too large turned", (320, 240), quarter, (320, 240), None),
            ("no display", (320, 240), none, (0, 0), None),
        ];
        for (name, image_px, rotation, display_px, expected) in cases {
            let found = Placement::new(image_px, rotation, display_px);
            let found = found.map(|one| (one.factor, one.left_px, one.top_px));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_preferred_mode_is_taken_where_it_fits() {
        let mode = |width, height, is_preferred| DisplayMode {
            size_px: (width, height),
            is_preferred,
        };
        let usual = [
            mode(1280, 720, false),
            mode(1920, 1080, true),
            mode(640, 480, false),
        ];
        let huge = [mode(3840, 2160, true), mode(1920, 1080, false)];
        let cases: [(&str, &[DisplayMode], Rotation, Option<usize>); 6] = [
            ("preferred", &usual, Rotation::None, Some(1)),
            ("too many pixels", &huge, Rotation::None, Some(1)),
            ("nothing smaller", &huge[..1], Rotation::None, Some(0)),
            ("none preferred", &usual[..1], Rotation::None, Some(0)),
            ("too small", &usual[2..], Rotation::Quarter, None),
            ("no mode", &[], Rotation::None, None),
        ];
        for (name, modes, rotation, expected) in cases {
            assert_eq!(choose_mode(modes, (800, 480), rotation), expected, "{name}");
        }
    }

    /// A canvas of which every pixel is another one.
    fn canvas(width_px: u32, height_px: u32) -> Canvas {
        let mut canvas = Canvas::new(width_px, height_px).unwrap();
        for (byte, value) in canvas.rgb_mut().iter_mut().zip(1..) {
            *byte = value;
        }
        canvas
    }

    #[test]
    fn rows_are_written_where_they_belong_and_nowhere_else() {
        const UNTOUCHED: u8 = 99;
        let image_px = (3, 2);
        let canvas = canvas(image_px.0, image_px.1);
        let display_px = (8, 9);
        let pitch = 40;
        for rotation in Rotation::ALL {
            let placement = Placement::new(image_px, rotation, display_px).unwrap();
            let factor = placement.factor;
            assert!(factor > 1);
            for rows in [0..1, 1..2, 0..2, 1..1] {
                let mut memory = vec![UNTOUCHED; pitch * display_px.1 as usize];
                placement.write(&canvas, &rows, &mut memory, pitch, &mut Vec::new());
                let mut expected = vec![UNTOUCHED; memory.len()];
                for y in rows.clone() {
                    for x in 0..image_px.0 {
                        let at = (y * image_px.0 + x) as usize * 3;
                        let rgb = &canvas.rgb()[at..at + 3];
                        let turned = rotation.turned((x, y), image_px);
                        for place in 0..factor * factor {
                            let left = placement.left_px + turned.0 * factor + place % factor;
                            let top = placement.top_px + turned.1 * factor + place / factor;
                            let at = top as usize * pitch + left as usize * PIXEL_BYTES;
                            expected[at..at + 4].copy_from_slice(&[rgb[2], rgb[1], rgb[0], 0]);
                        }
                    }
                }
                assert_eq!(memory, expected, "{rotation:?} {rows:?}");
            }
        }
    }

    #[test]
    fn the_area_of_rows_is_what_they_cover() {
        let area = |rotation, rows| {
            let placement = Placement::new((3, 2), rotation, (8, 9)).unwrap();
            let area = placement.area(&rows);
            (area.left_px, area.top_px, area.right_px, area.bottom_px)
        };
        assert_eq!(area(Rotation::None, 0..1), (1, 2, 7, 4));
        assert_eq!(area(Rotation::Quarter, 0..1), (4, 0, 7, 9));
        assert_eq!(area(Rotation::Half, 0..1), (1, 4, 7, 6));
        assert_eq!(area(Rotation::ThreeQuarters, 0..1), (1, 0, 4, 9));
    }
}
