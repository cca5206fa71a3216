//! A frame as the network takes it.

use super::error::InputError;
use super::manifest::SIDE_MULTIPLE_PX;
use crate::image::frame::{Frame, MAX_SIDE_PX};

/// Bytes of one pixel: red, green, blue, and a zero that makes room for a four-byte dot product.
const PIXEL_BYTES: usize = 4;
/// The bits that a pixel may not have: the highest of each colour, and all of the fourth byte.
const FORBIDDEN_BITS: u32 = u32::from_le_bytes([0x80, 0x80, 0x80, 0xff]);

/// A prepared frame: red, green, blue and a zero for each pixel, each colour in 0..=127 (half of
/// the usual 0..=255), rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInput {
    width_px: u32,
    height_px: u32,
    rgbx: Vec<u8>,
}

impl NetworkInput {
    /// Takes `width_px * height_px * 4` bytes.
    ///
    /// # Errors
    /// A side is zero, too long, or no multiple of [`SIDE_MULTIPLE_PX`]; the buffer's length is
    /// wrong; a colour is above 127, or a fourth byte above 0.
    pub fn new(width_px: u32, height_px: u32, rgbx: Vec<u8>) -> Result<Self, InputError> {
        Self::check(width_px, height_px, &rgbx)?;
        Ok(Self {
            width_px,
            height_px,
            rgbx,
        })
    }

    /// What [`NetworkInput::new`] checks.
    pub(super) fn check(width_px: u32, height_px: u32, rgbx: &[u8]) -> Result<(), InputError> {
        let expected_bytes = Self::check_size(width_px, height_px)? * PIXEL_BYTES;
        if rgbx.len() != expected_bytes {
            return Err(InputError::Length {
                expected_bytes,
                actual_bytes: rgbx.len(),
            });
        }
        let (words, _) = rgbx.as_chunks::<PIXEL_BYTES>();
        let bits = words
            .iter()
            .fold(0, |bits, word| bits | u32::from_le_bytes(*word));
        if bits & FORBIDDEN_BITS != 0 {
            return Err(InputError::Value);
        }
        Ok(())
    }

    /// Checks a size; gives its pixels.
    pub(super) fn check_size(width_px: u32, height_px: u32) -> Result<usize, InputError> {
        let whole =
            |side: u32| side.is_multiple_of(SIDE_MULTIPLE_PX) && Frame::check_size(side, 1).is_ok();
        let fits = Frame::check_size(width_px, height_px).is_ok();
        if whole(width_px) && whole(height_px) && fits {
            return Ok(width_px as usize * height_px as usize);
        }
        Err(InputError::Size {
            width_px,
            height_px,
            multiple_px: SIDE_MULTIPLE_PX,
            limit_px: MAX_SIDE_PX,
        })
    }

    /// Width in pixels.
    pub fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height in pixels.
    pub fn height_px(&self) -> u32 {
        self.height_px
    }

    /// The bytes: red, green, blue, zero.
    pub fn rgbx(&self) -> &[u8] {
        &self.rgbx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_seven_bit_images_are_taken() {
        let size = |width_px, height_px| InputError::Size {
            width_px,
            height_px,
            multiple_px: 16,
            limit_px: 8192,
        };
        let length = InputError::Length {
            expected_bytes: 1024,
            actual_bytes: 1023,
        };
        let mut bright = vec![0; 1024];
        bright[1022] = 128;
        let mut fourth = vec![0; 1024];
        fourth[3] = 1;
        let cases = [
            ("whole", 16, 16, [127, 127, 127, 0].repeat(256), None),
            ("empty", 0, 16, vec![], Some(size(0, 16))),
            ("odd width", 17, 16, vec![0; 1088], Some(size(17, 16))),
            ("odd height", 16, 24, vec![0; 1536], Some(size(16, 24))),
            ("too long", 8208, 16, vec![], Some(size(8208, 16))),
            (
                "too many pixels",
                8192,
                8192,
                vec![],
                Some(size(8192, 8192)),
            ),
            ("short", 16, 16, vec![0; 1023], Some(length)),
            ("eight bits", 16, 16, bright, Some(InputError::Value)),
            ("fourth byte", 16, 16, fourth, Some(InputError::Value)),
        ];
        for (name, width_px, height_px, data, expected) in cases {
            let error = NetworkInput::new(width_px, height_px, data).err();
            assert_eq!(error, expected, "{name}");
        }
    }
}
