//! Image files to frames, strictly: a file that is cut, damaged or of a kind that would make
//! the count untrustworthy is an error that names the file and the remedy.
//!
//! PNG and JPEG are told apart by their first bytes, never by the file's name. Sizes are checked
//! before anything is decoded. The orientation note of a camera (EXIF) is ignored: boxes belong to
//! the stored order of pixels, and a cell looks the same from every side.

mod error;
mod jpeg;
mod png;
pub mod yuyv;

pub use error::{DecodeError, MAX_FILE_BYTES};
pub use jpeg::{JpegDecoder, Oddities};

use crate::device::files::{self, ReadError};
use crate::image::frame::Frame;
use crate::image::png::is_overlay;
use std::fs::{self, File};
use std::path::Path;

/// Reads one image file.
///
/// # Errors
/// Anything that is not an undamaged colour PNG or JPEG within the limits of
/// [`Frame::check_size`] and [`MAX_FILE_BYTES`]; see [`DecodeError`].
pub fn read_image(path: &Path) -> Result<Frame, DecodeError> {
    let mut frame = Frame::default();
    ImageReader::default().read(path, &mut frame)?;
    Ok(frame)
}

/// Reads the bytes of one image file, for [`decode_image`].
///
/// # Errors
/// A file that is none, cannot be read, or exceeds [`MAX_FILE_BYTES`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::new();
    read_file(path, &path.display().to_string(), &mut bytes)?;
    Ok(bytes)
}

/// Reads image files one after another; keeps its buffers, so that a JPEG as large as the one
/// before costs no memory of its own.
#[derive(Debug, Default)]
pub struct ImageReader {
    bytes: Vec<u8>,
    jpeg: JpegDecoder,
    oddities: Oddities,
}

impl ImageReader {
    /// What was odd about the last image, where it was read.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Reads one image file into `frame`, which takes its size. After an error the frame holds
    /// no image that means anything.
    ///
    /// # Errors
    /// As [`read_image`].
    pub fn read(&mut self, path: &Path, frame: &mut Frame) -> Result<(), DecodeError> {
        let name = path.display().to_string();
        self.oddities = Oddities::default();
        read_file(path, &name, &mut self.bytes)?;
        match Format::of(&self.bytes) {
            Format::Jpeg => {
                self.jpeg.decode(&self.bytes, &name, frame)?;
                self.oddities = self.jpeg.oddities();
                Ok(())
            }
            Format::Png if is_overlay(&self.bytes) => Err(DecodeError::Overlay { name }),
            Format::Png | Format::Other(_) => {
                *frame = decode_image(&self.bytes, &name)?;
                Ok(())
            }
        }
    }
}

/// Reads only the size of an image file, as (width, height) in pixels.
///
/// # Errors
/// A file that cannot be read, or whose headers are not those of a whole PNG or JPEG.
pub fn read_size(path: &Path) -> Result<(u32, u32), DecodeError> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    read_file(path, &name, &mut bytes)?;
    let size = match Format::of(&bytes) {
        Format::Png => png::size(&bytes),
        Format::Jpeg => jpeg::size(&bytes),
        Format::Other(format) => return Err(DecodeError::OtherFormat { name, format }),
    };
    size.map_err(|fault| fault.named(name))
}

/// Reads a file in place of what `bytes` held.
fn read_file(path: &Path, name: &str, bytes: &mut Vec<u8>) -> Result<(), DecodeError> {
    let unreadable = |cause| DecodeError::Unreadable {
        name: name.to_owned(),
        cause,
    };
    let kind = fs::metadata(path).map_err(unreadable)?.file_type();
    if !kind.is_file() {
        return Err(DecodeError::NotAFile {
            name: name.to_owned(),
            kind: describe_kind(kind),
        });
    }
    let file = File::open(path).map_err(unreadable)?;
    files::read_into(file, MAX_FILE_BYTES, bytes).map_err(|error| match error {
        ReadError::TooLarge { .. } => DecodeError::FileTooLarge {
            name: name.to_owned(),
        },
        error => unreadable(error.into()),
    })
}

/// Decodes one image held in memory; `name` stands for it in messages.
///
/// PNG: 8 or 16 bits a channel (16 are rounded to 8), RGB or palette, opaque. JPEG: baseline or
/// progressive, 8 bits, three channels. The bytes come out the same on every processor.
///
/// # Errors
/// As [`read_image`].
pub fn decode_image(bytes: &[u8], name: &str) -> Result<Frame, DecodeError> {
    decode_image_with_oddities(bytes, name).map(|(frame, _)| frame)
}

/// As [`decode_image`], and what was odd about the image.
///
/// # Errors
/// As [`read_image`].
pub fn decode_image_with_oddities(
    bytes: &[u8],
    name: &str,
) -> Result<(Frame, Oddities), DecodeError> {
    let name = name.to_owned();
    if bytes.is_empty() {
        return Err(DecodeError::EmptyFile { name });
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(DecodeError::FileTooLarge { name });
    }
    match Format::of(bytes) {
        Format::Png => png::decode(bytes)
            .map(|frame| (frame, Oddities::default()))
            .map_err(|fault| fault.named(name)),
        Format::Jpeg => jpeg::decode(bytes).map_err(|fault| fault.named(name)),
        Format::Other(format) => Err(DecodeError::OtherFormat { name, format }),
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
            Format::Other("a WebP image")
        } else if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") {
            Format::Other("a TIFF")
        } else if at(0, b"BM") {
            Format::Other("a BMP")
        } else if at(4, b"ftyp") {
            Format::Other("a HEIC, AVIF or video file")
        } else if at(4, b"jP  \r\n") || at(0, b"\xFF\x4F\xFF\x51") {
            Format::Other("a JPEG 2000 image")
        } else if at(0, b"\0\0\0\x0CJXL ") || at(0, b"\xFF\x0A") {
            Format::Other("a JPEG XL image")
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    const SIDE_PX: u32 = 48;

    fn png(bytes: &[u8], size: (u32, u32), colour: ExtendedColorType) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = PngEncoder::new(&mut file);
        encoder.write_image(bytes, size.0, size.1, colour).unwrap();
        file
    }

    fn pattern() -> Vec<u8> {
        (0..SIDE_PX * SIDE_PX * 3)
            .map(|at| (at * at / 7 % 251) as u8)
            .collect()
    }

    fn rgb_png() -> Vec<u8> {
        png(&pattern(), (SIDE_PX, SIDE_PX), ExtendedColorType::Rgb8)
    }

    /// A chunk with its checksum (PNG specification, annex D).
    fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let checked = [kind, content].concat();
        let crc = !checked.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        });
        [
            &(content.len() as u32).to_be_bytes()[..],
            &checked,
            &crc.to_be_bytes(),
        ]
        .concat()
    }

    fn with_chunk_after_header(file: &[u8], chunk: &[u8]) -> Vec<u8> {
        const HEADER_END: usize = 33;
        [&file[..HEADER_END], chunk, &file[HEADER_END..]].concat()
    }

    fn png_of_size(width_px: u32, height_px: u32) -> Vec<u8> {
        let sides = [width_px.to_be_bytes(), height_px.to_be_bytes()].concat();
        let header = chunk(b"IHDR", &[&sides[..], &[8, 2, 0, 0, 0]].concat());
        [png::SIGNATURE, &header, &chunk(b"IEND", &[])].concat()
    }

    fn error_of(bytes: &[u8]) -> String {
        decode_image(bytes, "field.png").map_or_else(
            |error| error.to_string(),
            |frame| format!("decoded {}x{}", frame.width_px(), frame.height_px()),
        )
    }

    #[test]
    fn good_images_keep_their_pixels() {
        let rgb = pattern();
        let size = (SIDE_PX, SIDE_PX);
        let wide: Vec<u8> = rgb
            .iter()
            .flat_map(|&value| (u16::from(value) * 257).to_ne_bytes())
            .collect();
        let opaque: Vec<u8> = rgb
            .chunks_exact(3)
            .flat_map(|p| [p[0], p[1], p[2], 255])
            .collect();
        let cases = [
            ("8 bits", png(&rgb, size, ExtendedColorType::Rgb8)),
            ("16 bits", png(&wide, size, ExtendedColorType::Rgb16)),
            ("opaque alpha", png(&opaque, size, ExtendedColorType::Rgba8)),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(_, file)| decode_image(file, "x").unwrap().rgb() != rgb)
            .map(|case| case.0)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn a_palette_is_looked_up() {
        let sides = [2_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat();
        let header = chunk(b"IHDR", &[&sides[..], &[8, 3, 0, 0, 0]].concat());
        let palette = chunk(b"PLTE", &[10, 20, 30, 200, 100, 50]);
        // One stored deflate block with filter 0 and the indices 1, 0; Adler-32 of those bytes.
        let data = chunk(
            b"IDAT",
            &[0x78, 1, 1, 3, 0, 0xFC, 0xFF, 0, 1, 0, 0, 5, 0, 2],
        );
        let file = [
            png::SIGNATURE,
            &header,
            &palette,
            &data,
            &chunk(b"IEND", &[]),
        ]
        .concat();
        let frame = decode_image(&file, "x").unwrap();
        assert_eq!(frame.rgb(), [200, 100, 50, 10, 20, 30]);
    }

    #[test]
    fn every_refusal_names_the_file_and_what_to_do() {
        let grey = png(&[90; 64], (8, 8), ExtendedColorType::L8);
        let clear = png(&[90; 256], (8, 8), ExtendedColorType::Rgba8);
        let animation = chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
        let mut webp = b"RIFF....WEBPVP8 ".to_vec();
        webp.extend([0; 20]);
        let cases: [(&str, Vec<u8>, &str, &str); 17] = [
            ("empty file", vec![], "0 bytes", "copy"),
            (
                "text",
                b"these are notes\n".to_vec(),
                "a text file",
                "save it as PNG",
            ),
            ("binary", vec![7; 100], "unknown kind", "save it as PNG"),
            ("GIF", b"GIF89a\x01\0".to_vec(), "a GIF", "save it as PNG"),
            ("WebP", webp, "a WebP", "save it as PNG"),
            ("TIFF", b"II*\0abcd".to_vec(), "a TIFF", "save it as PNG"),
            (
                "HEIC",
                b"\0\0\0\x18ftypheic".to_vec(),
                "HEIC",
                "save it as PNG",
            ),
            ("grey", grey, "greyscale", "in colour"),
            ("transparent", clear, "transparent", "flatten"),
            (
                "animated",
                with_chunk_after_header(&rgb_png(), &animation),
                "animated PNG",
                "file of its own",
            ),
            ("zero width", png_of_size(0, 8), "0x8", "check its source"),
            (
                "bomb",
                png_of_size(60_000, 60_000),
                "60000x60000",
                "scale it down",
            ),
            ("no image in it", png_of_size(8, 8), "damaged", "copy"),
            (
                "cut JPEG",
                vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 16],
                "cut off",
                "copy it again",
            ),
            (
                "no JPEG inside",
                vec![0xFF, 0xD8, 0xFF, 0xD9],
                "no image",
                "copy",
            ),
            (
                "CMYK JPEG",
                jpeg_header(0xC0, 8, 4),
                "CMYK",
                "convert it to RGB",
            ),
            (
                "12-bit JPEG",
                jpeg_header(0xC1, 12, 3),
                "12 bits",
                "ordinary JPEG",
            ),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(name, file, what, remedy)| (name, error_of(file), what, remedy))
            .filter(|(_, error, what, remedy)| {
                !(error.starts_with("field.png: ")
                    && error.contains(**what)
                    && error.contains(**remedy))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// The start of a JPEG up to its frame header.
    fn jpeg_header(marker: u8, bits: u8, channels: u8) -> Vec<u8> {
        let length = 8 + 3 * channels;
        let mut file = vec![
            0xFF, 0xD8, 0xFF, marker, 0, length, bits, 0, 16, 0, 16, channels,
        ];
        file.resize(file.len() + 3 * usize::from(channels), 1);
        file
    }

    #[test]
    fn other_jpeg_headers_are_refused() {
        let cases = [
            ("grey", jpeg_header(0xC0, 8, 1), "greyscale"),
            ("two channels", jpeg_header(0xC0, 8, 2), "2 colour channels"),
            ("lossless", jpeg_header(0xC3, 8, 3), "lossless"),
            ("arithmetic", jpeg_header(0xC9, 8, 3), "arithmetic"),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(name, file, what)| (name, error_of(file), what))
            .filter(|(_, error, what)| !error.contains(**what))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_png_cut_anywhere_is_an_error() {
        let file = rgb_png();
        let accepted: Vec<usize> = (0..file.len())
            .filter(|&end| decode_image(&file[..end], "x").is_ok())
            .collect();
        assert!(accepted.is_empty(), "accepted when cut at {accepted:?}");
    }

    #[test]
    fn a_flipped_bit_in_a_png_never_changes_its_pixels() {
        let file = rgb_png();
        let rgb = pattern();
        let changed: Vec<usize> = (0..file.len())
            .filter(|&at| {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << (at % 8);
                decode_image(&flipped, "x").is_ok_and(|frame| frame.rgb() != rgb)
            })
            .collect();
        assert!(changed.is_empty(), "pixels changed by bytes {changed:?}");
    }

    #[test]
    fn files_are_read_and_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("field.jpg");
        fs::write(&path, rgb_png()).unwrap();
        assert_eq!(read_image(&path).unwrap().width_px(), SIDE_PX);
        let message = |path: &Path| read_image(path).unwrap_err().to_string();
        assert!(message(folder.path()).contains("is a folder, not an image file"));
        let missing = folder.path().join("none.png");
        assert!(message(&missing).contains("none.png: cannot be read"));
        let huge = folder.path().join("huge.png");
        File::create(&huge)
            .unwrap()
            .set_len(MAX_FILE_BYTES + 1)
            .unwrap();
        assert!(message(&huge).contains("over the limit of 64 MiB"));
        #[cfg(unix)]
        assert!(message(Path::new("/dev/null")).contains("is a device"));
    }
}
