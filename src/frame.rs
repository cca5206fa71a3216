//! A colour frame in memory: the one picture type that every stage shares.

use thiserror::Error;

/// The longest side that any stage accepts, in pixels.
pub const MAX_SIDE_PX: u32 = 8192;
/// The most pixels that any stage accepts in one frame (a 12.3 megapixel camera, with room).
pub const MAX_PIXELS: u64 = 24_000_000;

/// Why a frame was refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// A side is zero.
    #[error("the frame is {width_px}x{height_px} pixels: it holds no picture; check its source")]
    Empty { width_px: u32, height_px: u32 },
    /// A side or the area is over the limit.
    #[error(
        "the frame is {width_px}x{height_px} pixels, over the limit of {MAX_SIDE_PX} a side and \
         {MAX_PIXELS} in all; crop it or scale it down"
    )]
    TooLarge { width_px: u32, height_px: u32 },
    /// The buffer does not hold width x height x 3 bytes.
    #[error(
        "the frame's buffer holds {actual_bytes} bytes where {expected_bytes} belong; \
         the source is faulty"
    )]
    WrongLength {
        expected_bytes: usize,
        actual_bytes: usize,
    },
}

/// An RGB picture: 8 bits a channel, interleaved, rows from the top, no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width_px: u32,
    height_px: u32,
    rgb: Vec<u8>,
}

impl Default for Frame {
    /// One black pixel, to be replaced.
    fn default() -> Self {
        Self {
            width_px: 1,
            height_px: 1,
            rgb: vec![0; 3],
        }
    }
}

impl Frame {
    /// Checks a size against the limits that every stage relies on.
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
    pub fn filled(width_px: u32, height_px: u32, colour: [u8; 3]) -> Result<Self, FrameError> {
        Self::check_size(width_px, height_px)?;
        let pixels = width_px as usize * height_px as usize;
        Self::new(width_px, height_px, colour.repeat(pixels))
    }

    /// Gives the frame another size; its bytes are then for the caller to fill. Memory is taken
    /// only where the frame has never been this large.
    ///
    /// # Errors
    /// A size outside the limits; the frame is then unchanged.
    pub fn reshape(&mut self, width_px: u32, height_px: u32) -> Result<(), FrameError> {
        Self::check_size(width_px, height_px)?;
        let bytes = width_px as usize * height_px as usize * 3;
        self.rgb.resize(bytes, 0);
        (self.width_px, self.height_px) = (width_px, height_px);
        Ok(())
    }

    /// Becomes a copy of another frame; memory is taken as by [`Frame::reshape`].
    pub fn copy_from(&mut self, other: &Self) {
        self.rgb.clear();
        self.rgb.extend_from_slice(&other.rgb);
        (self.width_px, self.height_px) = (other.width_px, other.height_px);
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

    /// The bytes of row `y_px`, which must be below the height.
    pub fn row(&self, y_px: u32) -> &[u8] {
        let stride = self.width_px as usize * 3;
        &self.rgb[y_px as usize * stride..][..stride]
    }

    /// The colour at a place inside the frame.
    pub fn pixel(&self, x_px: u32, y_px: u32) -> [u8; 3] {
        let at = x_px as usize * 3;
        let row = self.row(y_px);
        [row[at], row[at + 1], row[at + 2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_frame_takes_another_size_in_the_same_memory() {
        let mut frame = Frame::filled(8, 6, [1; 3]).unwrap();
        let place = frame.rgb().as_ptr();
        let small = Frame::filled(4, 3, [7, 8, 9]).unwrap();
        frame.copy_from(&small);
        assert_eq!(frame, small);
        frame.reshape(6, 8).unwrap();
        assert_eq!((frame.width_px(), frame.rgb().len()), (6, 6 * 8 * 3));
        assert_eq!(frame.rgb().as_ptr(), place);
        assert!(frame.reshape(0, 8).is_err());
        assert_eq!((frame.width_px(), frame.height_px()), (6, 8));
    }

    #[test]
    fn a_pixel_is_found_where_it_was_put() {
        let mut frame = Frame::filled(4, 3, [1, 2, 3]).unwrap();
        frame.rgb_mut()[(2 * 4 + 3) * 3] = 9;
        assert_eq!(frame.pixel(3, 2), [9, 2, 3]);
        assert_eq!(frame.pixel(0, 0), [1, 2, 3]);
    }
}
