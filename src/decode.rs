//! Picture files to frames, strictly: a file that is cut, damaged or of a kind that would make
//! the count untrustworthy is an error that names the file and the remedy.
//!
//! PNG and JPEG are told apart by their first bytes, never by the file's name. Sizes are checked
//! before anything is decoded. The orientation note of a camera (EXIF) is ignored: boxes belong to
//! the stored order of pixels, and a cell looks the same from every side.

mod jpeg;
mod png;

use crate::frame::{Frame, FrameError};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// The largest file that is read: 24 megapixels of uncompressed 8-bit RGB take 72 MB, and a PNG
/// of a real smear is well below that.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why a picture file gave no frame. Every message starts with the file's name.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The operating system refused.
    #[error("{name}: cannot be read: {source}; check the path and its permissions")]
    Unreadable { name: String, source: io::Error },
    /// A folder, pipe, device or socket.
    #[error("{name}: is {kind}, not a picture file; name a PNG or JPEG file")]
    NotAFile { name: String, kind: &'static str },
    /// Nothing in it.
    #[error("{name}: the file is empty (0 bytes); copy it from the camera again")]
    EmptyFile { name: String },
    /// Over [`MAX_FILE_BYTES`].
    #[error(
        "{name}: the file is over the limit of {} MiB; save the picture as a JPEG or crop it",
        MAX_FILE_BYTES >> 20
    )]
    FileTooLarge { name: String },
    /// Another kind of file, whatever its name ends in.
    #[error("{name}: is {format}, not a PNG or JPEG picture; save it as PNG or JPEG")]
    OtherFormat { name: String, format: &'static str },
    /// An animated PNG.
    #[error("{name}: is an animated PNG; save each of its frames as a file of its own")]
    Animated { name: String },
    /// A side or the area is outside the limits, by the file's own header.
    #[error("{name}: {source}")]
    Size { name: String, source: FrameError },
    /// One channel only.
    #[error(
        "{name}: is a greyscale picture; without colour, stained cells cannot be told apart by \
         class; photograph the smear in colour"
    )]
    Grey { name: String },
    /// Four channels of ink.
    #[error(
        "{name}: is a CMYK picture made for printing; convert it to RGB first \
         (`magick in.jpg -colorspace sRGB out.png`)"
    )]
    Cmyk { name: String },
    /// Some pixel shows what lies behind the picture.
    #[error("{name}: is partly transparent; flatten it onto its background and save it again")]
    Transparent { name: String },
    /// A coding that no camera for microscopes uses.
    #[error("{name}: uses {coding}, which is not supported; save it as an ordinary JPEG or as PNG")]
    UnsupportedCoding { name: String, coding: String },
    /// The file ends before its picture does.
    #[error("{name}: the file is cut off before the end of its picture; copy it again")]
    Truncated { name: String },
    /// The data contradict themselves.
    #[error("{name}: the picture data are damaged ({reason}); copy the file again")]
    Damaged { name: String, reason: String },
}

/// Reads one picture file.
///
/// # Errors
/// Anything that is not an undamaged colour PNG or JPEG within the limits of
/// [`Frame::check_size`] and [`MAX_FILE_BYTES`]; see [`DecodeError`].
pub fn read_image(path: &Path) -> Result<Frame, DecodeError> {
    let name = path.display().to_string();
    let unreadable = |source| DecodeError::Unreadable {
        name: name.clone(),
        source,
    };
    let kind = fs::metadata(path).map_err(unreadable)?.file_type();
    if !kind.is_file() {
        let kind = describe_kind(kind);
        return Err(DecodeError::NotAFile { name, kind });
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    decode_image(&bytes, &name)
}

/// Reads only the size of a picture file, as (width, height) in pixels, from its header.
///
/// # Errors
/// A file that cannot be read or is neither PNG nor JPEG; what follows the header is not looked at.
pub fn read_size(path: &Path) -> Result<(u32, u32), DecodeError> {
    let name = path.display().to_string();
    let unreadable = |source| DecodeError::Unreadable {
        name: name.clone(),
        source,
    };
    image::ImageReader::open(path)
        .and_then(image::ImageReader::with_guessed_format)
        .map_err(unreadable)?
        .into_dimensions()
        .map_err(|error| Fault::damaged(error.to_string()).named(name.clone()))
}

/// Decodes one picture held in memory; `name` stands for it in messages.
///
/// PNG: 8 or 16 bits a channel (16 are rounded to 8), RGB or palette, opaque. JPEG: baseline or
/// progressive, 8 bits, three channels. The bytes come out the same on every processor.
///
/// # Errors
/// As [`read_image`].
pub fn decode_image(bytes: &[u8], name: &str) -> Result<Frame, DecodeError> {
    let name = name.to_owned();
    if bytes.is_empty() {
        return Err(DecodeError::EmptyFile { name });
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(DecodeError::FileTooLarge { name });
    }
    match Format::of(bytes) {
        Format::Png => png::decode(bytes).map_err(|fault| fault.named(name)),
        Format::Jpeg => jpeg::decode(bytes).map_err(|fault| fault.named(name)),
        Format::Other(format) => Err(DecodeError::OtherFormat { name, format }),
    }
}

/// What is wrong inside a file, before the file's name is put to it.
#[derive(Debug)]
enum Fault {
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
    fn damaged(reason: impl Into<String>) -> Self {
        Fault::Damaged(reason.into())
    }

    fn named(self, name: String) -> DecodeError {
        match self {
            Fault::Animated => DecodeError::Animated { name },
            Fault::Size(source) => DecodeError::Size { name, source },
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

/// A kind of file, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
    Other(&'static str),
}

impl Format {
    fn of(bytes: &[u8]) -> Self {
        let at = |offset: usize, magic: &[u8]| {
            bytes
                .get(offset..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        if at(0, png::SIGNATURE) {
            Format::Png
        } else if at(0, jpeg::START_OF_IMAGE) {
            Format::Jpeg
        } else if at(0, b"GIF8") {
            Format::Other("a GIF")
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Format::Other("a WebP picture")
        } else if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") {
            Format::Other("a TIFF")
        } else if at(0, b"BM") {
            Format::Other("a BMP")
        } else if at(4, b"ftyp") {
            Format::Other("a HEIC, AVIF or video file")
        } else if at(4, b"jP  \r\n") || at(0, b"\xFF\x4F\xFF\x51") {
            Format::Other("a JPEG 2000 picture")
        } else if at(0, b"\0\0\0\x0CJXL ") || at(0, b"\xFF\x0A") {
            Format::Other("a JPEG XL picture")
        } else if at(0, b"%PDF") {
            Format::Other("a PDF")
        } else if looks_like_text(bytes) {
            Format::Other("a text file")
        } else {
            Format::Other("of an unknown kind")
        }
    }
}

/// Whether the first bytes are printable text.
fn looks_like_text(bytes: &[u8]) -> bool {
    const LOOKED_AT_BYTES: usize = 512;
    bytes
        .iter()
        .take(LOOKED_AT_BYTES)
        .all(|&byte| byte >= b' ' && byte != 0x7F || byte.is_ascii_whitespace())
}

fn describe_kind(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    "no regular file"
}
