//! What of an image is not as the standard has it, though none of its pixels is in doubt.

use std::fmt;

/// The most stray bytes at one place.
///
/// Logitech's C270, C310 and C910 send one to nine before restart markers, other cameras up to
/// eleven before the end (see `docs/decisions/jpeg.md`). Data that were damaged on their way leave
/// hundreds.
pub(super) const MAX_STRAY_BYTES: u32 = 16;

/// What of a JPEG image is not as it should be, where every pixel is the one that was coded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Bytes behind codes that were complete, before the next marker.
    pub stray_bytes: u32,
    /// Whether the file ends behind its last code, without the marker that ends an image.
    pub lacks_end: bool,
}

impl Oddities {
    /// Whether all is as it should be.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What there is, as in "3 stray bytes before its markers"; nothing where there is nothing.
impl fmt::Display for Oddities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.lacks_end {
            "no marker at its end"
        } else {
            ""
        };
        match self.stray_bytes {
            0 => return formatter.write_str(end),
            1 => formatter.write_str("1 stray byte before a marker")?,
            bytes => write!(formatter, "{bytes} stray bytes before its markers")?,
        }
        if self.lacks_end {
            write!(formatter, " and {end}")?;
        }
        Ok(())
    }
}
