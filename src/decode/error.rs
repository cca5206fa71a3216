//! Why an image file gave no frame, with the name of the file and before it is known.

use crate::image::frame::FrameError;
use std::io;
use thiserror::Error;

/// The largest file that is read: 24 megapixels of uncompressed 8-bit RGB take 72 MB, and a PNG
/// of a real smear is well below that.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why an image file gave no frame. Every message starts with the file's name.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The operating system refused.
    #[error("{name}: cannot be read: {cause}; check the path and its permissions")]
    Unreadable {
        /// The file's name.
        name: String,
        /// What the operating system reported.
        cause: io::Error,
    },
    /// A folder, pipe, device or socket.
    #[error("{name}: is {kind}, not an image file; name a PNG or JPEG file")]
    NotAFile {
        /// The path's name.
        name: String,
        /// What it is, as in "a folder".
        kind: &'static str,
    },
    /// What this program has drawn.
    #[error("{name}: is an overlay that this program has drawn; leave it out")]
    Overlay {
        /// The file's name.
        name: String,
    },
    /// Nothing in it.
    #[error("{name}: the file is empty (0 bytes); copy it from the camera again")]
    EmptyFile {
        /// The file's name.
        name: String,
    },
    /// Over [`MAX_FILE_BYTES`].
    #[error(
        "{name}: the file is over the limit of {} MiB; save the image as a JPEG or crop it",
        MAX_FILE_BYTES >> 20
    )]
    FileTooLarge {
        /// The file's name.
        name: String,
    },
    /// Where only a JPEG can stand, as in what a camera sends, something else does.
    #[error("{name}: does not begin as a JPEG image does; check what wrote it")]
    NotJpeg {
        /// The file's name.
        name: String,
    },
    /// Another kind of file, whatever its name ends in.
    #[error("{name}: is {format}, not a PNG or JPEG image; save it as PNG or JPEG")]
    OtherFormat {
        /// The file's name.
        name: String,
        /// What it is, as in "a GIF".
        format: &'static str,
    },
    /// An animated PNG.
    #[error("{name}: is an animated PNG; save each of its frames as a file of its own")]
    Animated {
        /// The file's name.
        name: String,
    },
    /// A side or the area is outside the limits, by the file's own header.
    #[error("{name}: {cause}")]
    Size {
        /// The file's name.
        name: String,
        /// The limit that it breaks.
        cause: FrameError,
    },
    /// One channel only.
    #[error(
        "{name}: is a greyscale image; without colour, stained cells cannot be told apart by \
         class; photograph the smear in colour"
    )]
    Grey {
        /// The file's name.
        name: String,
    },
    /// Four channels of ink.
    #[error(
        "{name}: is a CMYK image made for printing; convert it to RGB first \
         (`magick in.jpg -colorspace sRGB out.png`)"
    )]
    Cmyk {
        /// The file's name.
        name: String,
    },
    /// Some pixel shows what lies behind the image.
    #[error("{name}: is partly transparent; flatten it onto its background and save it again")]
    Transparent {
        /// The file's name.
        name: String,
    },
    /// A coding that no camera for microscopes uses.
    #[error("{name}: uses {coding}, which is not supported; save it as an ordinary JPEG or as PNG")]
    UnsupportedCoding {
        /// The file's name.
        name: String,
        /// The coding that is not supported.
        coding: String,
    },
    /// The file ends before its image does.
    #[error("{name}: the file is cut off before the end of its image; copy it again")]
    Truncated {
        /// The file's name.
        name: String,
    },
    /// The data contradict themselves.
    #[error("{name}: the image data are damaged ({reason}); copy the file again")]
    Damaged {
        /// The file's name.
        name: String,
        /// What the decoder found wrong.
        reason: String,
    },
}

/// What is wrong inside a file, before the file's name is put to it.
#[derive(Debug)]
pub(super) enum Fault {
    Animated,
    Size(FrameError),
    Grey,
    Cmyk,
    Transparent,
    Coding(String),
    Truncated,
    Damaged(String),
}

impl Fault {
    pub(super) fn damaged(reason: impl Into<String>) -> Self {
        Fault::Damaged(reason.into())
    }

    pub(super) fn named(self, name: String) -> DecodeError {
        match self {
            Fault::Animated => DecodeError::Animated { name },
            Fault::Size(cause) => DecodeError::Size { name, cause },
            Fault::Grey => DecodeError::Grey { name },
            Fault::Cmyk => DecodeError::Cmyk { name },
            Fault::Transparent => DecodeError::Transparent { name },
            Fault::Coding(coding) => DecodeError::UnsupportedCoding { name, coding },
            Fault::Truncated => DecodeError::Truncated { name },
            Fault::Damaged(reason) => DecodeError::Damaged { name, reason },
        }
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Fault::Size(error)
    }
}
