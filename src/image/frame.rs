//! A colour frame in memory: the one image type that every stage shares.

use thiserror::Error;

/// The longest side that any stage accepts, in pixels.
pub const MAX_SIDE_PX: u32 = 8192;
/// The most pixels that any stage accepts in one frame (a 12.3 megapixel camera, with room).
pub const MAX_PIXELS: u64 = 24_000_000;

/// Why a frame was refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// A side is zero.
    #[error("the frame is {width_px}x{height_px} pixels: it holds no image; check its source")]
    Empty {
        /// Width, in pixels.
        width_px: u32,
        /// Height, in pixels.
        height_px: u32,
    },
    /// A side or the area is over the limit.
    #[error(
        "the frame is {width_px}x{height_px} pixels, over the limit of {MAX_SIDE_PX} a side and \
         {MAX_PIXELS} in all; crop it or scale it down"
    )]
    TooLarge {
        /// Width, in pixels.
        width_px: u32,
        /// Height, in pixels.
        height_px: u32,
    },
    /// The buffer does not hold width x height x 3 bytes.
    #[error(
        "the frame's buffer holds {actual_bytes} bytes where {expected_bytes} belong; \
         the source is faulty"
    )]
    WrongLength {
        /// Bytes that the size takes.
        expected_bytes: usize,
        /// Bytes in the buffer.
        actual_bytes: usize,
    },
}

/// An RGB image: 8 bits a channel, interleaved, rows from the top, no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width_px: u32,
    height_px: u32,
    rgb: Vec<u8>,
}

impl Default for Frame {
    /// One black pixel, to be replaced.
    fn default() -> Self {
        Self::black(1, 1)
    }
}

impl Frame {
    /// Checks a size against the limits that every stage relies on.
    ///
    /// # Errors
    /// A side is zero or above the limit, or there are more pixels than the limit.
    pub fn check_size(width_px: u32, height_px: u32) -> Result<(), FrameError> {
        if width_px == 0 || height_px == 0 {
            return Err(FrameError::Empty {
                width_px,
                height_px,
            });
        }
        let too_long = width_px > MAX_SIDE_PX || height_px > MAX_SIDE_PX;
        if too_long || u64::from(width_px) * u64::from(height_px) > MAX_PIXELS {
            return Err(FrameError::TooLarge {
                width_px,
                height_px,
            });
        }
        Ok(())
    }

    /// Takes a buffer of `width_px * height_px * 3` bytes.
    ///
    /// # Errors
    /// The size is outside the limits of [`Frame::check_size`], or the buffer has another length.
    pub fn new(width_px: u32, height_px: u32, rgb: Vec<u8>) -> Result<Self, FrameError> {
        Self::check_size(width_px, height_px)?;
        let expected_bytes = width_px as usize * height_px as usize * 3;
        if rgb.len() != expected_bytes {
            return Err(FrameError::WrongLength {
                expected_bytes,
                actual_bytes: rgb.len(),
            });
        }
        Ok(Self {
            width_px,
            height_px,
            rgb,
        })
    }

    /// A frame of one colour.
    ///
    /// # Errors
    /// The size is outside the limits of [`Frame::check_size`].
    pub fn filled(width_px: u32, height_px: u32, colour: [u8; 3]) -> Result<Self, FrameError> {
        Self::check_size(width_px, height_px)?;
        let pixels = width_px as usize * height_px as usize;
        Self::new(width_px, height_px, colour.repeat(pixels))
    }

    /// A black frame of a size that is known to be within the limits.
    pub(super) fn black(width_px: u32, height_px: u32) -> Self {
        Self {
            width_px,
            height_px,
            rgb: vec![0; width_px as usize * height_px as usize * 3],
        }
    }

    /// Takes another size, for an image to be written over the old one: the buffer is kept, and
    /// grows only where it was smaller. The bytes mean nothing until they are written.
    ///
    /// # Errors
    /// A size outside [`Frame::check_size`]; the frame stays as it was.
    pub fn resize(&mut self, width_px: u32, height_px: u32) -> Result<(), FrameError> {
        Self::check_size(width_px, height_px)?;
        self.rgb
            .resize(width_px as usize * height_px as usize * 3, 0);
        self.width_px = width_px;
        self.height_px = height_px;
        Ok(())
    }

    /// Keeps a part of the frame, of this left upper corner and this width and height; what lies
    /// outside the frame is no part of it. The buffer is kept.
    pub fn crop(&mut self, [left_px, top_px]: [u32; 2], [width_px, height_px]: [u32; 2]) {
        let left_px = left_px.min(self.width_px - 1);
        let top_px = top_px.min(self.height_px - 1);
        let width_px = width_px.clamp(1, self.width_px - left_px);
        let height_px = height_px.clamp(1, self.height_px - top_px);
        let row_bytes = 3 * width_px as usize;
        for row in 0..height_px as usize {
            let start = (top_px as usize + row) * self.stride() + 3 * left_px as usize;
            self.rgb
                .copy_within(start..start + row_bytes, row * row_bytes);
        }
        self.rgb.truncate(row_bytes * height_px as usize);
        self.width_px = width_px;
        self.height_px = height_px;
    }

    /// The middle of the frame, at most `side_px` wide and high; at least one pixel.
    pub fn centre(&self, side_px: u32) -> Self {
        let side_px = side_px.max(1);
        let (width_px, height_px) = (self.width_px.min(side_px), self.height_px.min(side_px));
        let left = (self.width_px - width_px) as usize / 2;
        let top = (self.height_px - height_px) / 2;
        let columns = 3 * left..3 * (left + width_px as usize);
        let rows = (top..top + height_px).flat_map(|y_px| &self.row(y_px)[columns.clone()]);
        Self {
            rgb: rows.copied().collect(),
            width_px,
            height_px,
        }
    }

    /// Width in pixels, at least 1.
    pub fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height in pixels, at least 1.
    pub fn height_px(&self) -> u32 {
        self.height_px
    }

    /// The bytes: `height_px` rows of `width_px` red, green, blue triples.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, to change in place.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.width_px as usize * 3
    }

    /// The bytes of row `y_px`, which must be below the height.
    pub fn row(&self, y_px: u32) -> &[u8] {
        &self.rgb[self.offset(0, y_px)..][..self.stride()]
    }

    /// The colour at a place inside the frame.
    pub fn pixel(&self, x_px: u32, y_px: u32) -> [u8; 3] {
        let at = self.offset(x_px, y_px);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// Where the bytes of a place inside the frame start.
    pub(super) fn offset(&self, x_px: u32, y_px: u32) -> usize {
        y_px as usize * self.stride() + x_px as usize * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_out_in_place() {
        let frame = Frame::new(4, 3, (0..36).collect()).unwrap();
        let cases = [
            (
                [1, 1],
                [2, 2],
                (2, 2),
                vec![15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32],
            ),
            ([3, 2], [1, 1], (1, 1), vec![33, 34, 35]),
            ([2, 2], [9, 9], (2, 1), vec![30, 31, 32, 33, 34, 35]),
            ([9, 9], [0, 0], (1, 1), vec![33, 34, 35]),
        ];
        for (corner_px, size_px, expected_px, bytes) in cases {
            let mut part = frame.clone();
            part.crop(corner_px, size_px);
            assert_eq!((part.width_px(), part.height_px()), expected_px);
            assert_eq!(part.rgb(), bytes, "{corner_px:?} {size_px:?}");
        }
        let mut whole = frame.clone();
        whole.crop([0, 0], [4, 3]);
        assert_eq!(whole, frame);
    }

    #[test]
    fn the_middle_of_a_frame_is_cut_out() {
        let rgb: Vec<u8> = (0..5 * 4).flat_map(|pixel| [pixel; 3]).collect();
        let frame = Frame::new(5, 4, rgb).unwrap();
        let reds = |frame: &Frame| frame.rgb().chunks_exact(3).map(|pixel| pixel[0]).collect();
        let cases: [(u32, Vec<u8>); 4] = [
            (9, (0..20).collect()),
            (4, (0..20).filter(|pixel| pixel % 5 != 4).collect()),
            (2, vec![6, 7, 11, 12]),
            (0, vec![7]),
        ];
        for (side_px, expected) in cases {
            let found: Vec<u8> = reds(&frame.centre(side_px));
            assert_eq!(found, expected, "{side_px}");
        }
    }

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        let cases = [
            ("no width", 0, 5, true),
            ("no height", 5, 0, true),
            ("one pixel", 1, 1, false),
            ("too wide", MAX_SIDE_PX + 1, 1, true),
            ("too many pixels", MAX_SIDE_PX, MAX_SIDE_PX, true),
            ("the largest camera", 4056, 3040, false),
        ];
        for (name, width_px, height_px, refused) in cases {
            assert_eq!(
                Frame::check_size(width_px, height_px).is_err(),
                refused,
                "{name}"
            );
        }
    }

    #[test]
    fn a_buffer_of_the_wrong_length_is_refused() {
        assert_eq!(
            Frame::new(2, 2, vec![0; 11]),
            Err(FrameError::WrongLength {
                expected_bytes: 12,
                actual_bytes: 11
            })
        );
    }

    #[test]
    fn a_resized_frame_keeps_its_buffer() {
        let mut frame = Frame::filled(8, 6, [1, 2, 3]).unwrap();
        let place = frame.rgb().as_ptr();
        frame.resize(5, 4).unwrap();
        assert_eq!((frame.width_px(), frame.height_px()), (5, 4));
        assert_eq!(frame.rgb().len(), 5 * 4 * 3);
        frame.resize(8, 6).unwrap();
        assert_eq!(frame.rgb().as_ptr(), place);
        let before = frame.clone();
        assert!(frame.resize(0, 6).is_err());
        assert_eq!(frame, before);
    }

    #[test]
    fn a_pixel_is_found_where_it_was_put() {
        let mut frame = Frame::filled(4, 3, [1, 2, 3]).unwrap();
        frame.rgb_mut()[(2 * 4 + 3) * 3] = 9;
        assert_eq!(frame.pixel(3, 2), [9, 2, 3]);
        assert_eq!(frame.pixel(0, 0), [1, 2, 3]);
    }
}
