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
pub use jpeg::JpegDecoder;

use crate::device::files::{self, ReadError};
use crate::image::frame::Frame;
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
}

impl ImageReader {
    /// Reads one image file into `frame`, which takes its size. After an error the frame holds
    /// no image that means anything.
    ///
    /// # Errors
    /// As [`read_image`].
    pub fn read(&mut self, path: &Path, frame: &mut Frame) -> Result<(), DecodeError> {
        let name = path.display().to_string();
        read_file(path, &name, &mut self.bytes)?;
        match Format::of(&self.bytes) {
            Format::Jpeg => self.jpeg.decode(&self.bytes, &name, frame),
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
    use crate::random::Random;
    use image::codecs::jpeg::JpegEncoder;
    use image::codecs::png::PngEncoder;
    use image::{ExtendedColorType, ImageEncoder};
    use proptest::prelude::*;

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

    fn jpeg(rgb: &[u8], size: (u32, u32)) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut file, 90);
        encoder
            .write_image(rgb, size.0, size.1, ExtendedColorType::Rgb8)
            .unwrap();
        file
    }

    /// Where the compressed data of a JPEG start.
    fn start_of_data(file: &[u8]) -> usize {
        const SCAN_HEADER_BYTES: usize = 14;
        file.windows(2)
            .position(|pair| pair == [0xFF, 0xDA])
            .unwrap()
            + SCAN_HEADER_BYTES
    }

    #[test]
    fn a_jpeg_keeps_size_and_colours() {
        let rgb: Vec<u8> = (0..50 * 41)
            .flat_map(|at| [200, 120 + (at % 50) as u8, 90])
            .collect();
        let mut file = jpeg(&rgb, (50, 41));
        // Cameras leave padding behind the end of the image.
        file.extend([0; 100]);
        let frame = decode_image(&file, "x").unwrap();
        assert_eq!((frame.width_px(), frame.height_px()), (50, 41));
        let largest = rgb
            .iter()
            .zip(frame.rgb())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(largest < Some(12), "{largest:?}");
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_an_error_even_with_an_end_put_to_it() {
        let file = jpeg(&pattern(), (SIDE_PX, SIDE_PX));
        let image_end = file.len() - 2;
        let cut: Vec<usize> = (0..file.len())
            .filter(|&end| decode_image(&file[..end], "x").is_ok())
            .collect();
        assert!(cut.is_empty(), "accepted when cut at {cut:?}");
        // The last code's padding is no loss.
        let ended: Vec<usize> = (start_of_data(&file)..image_end - 1)
            .filter(|&end| {
                let patched = [&file[..end], &[0xFF, 0xD9]].concat();
                decode_image(&patched, "x").is_ok()
            })
            .collect();
        assert!(ended.is_empty(), "accepted when ended at {ended:?}");
    }

    fn jpeg_of_quality(rgb: &[u8], size: (u32, u32), quality: u8) -> Vec<u8> {
        let mut file = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut file, quality);
        encoder
            .write_image(rgb, size.0, size.1, ExtendedColorType::Rgb8)
            .unwrap();
        file
    }

    /// Claims another sampling of the first channel: the same blocks then mean another image.
    fn with_sampling(mut file: Vec<u8>, sampling: u8) -> Vec<u8> {
        let header = file.windows(2).position(|pair| pair == [0xFF, 0xC0]);
        file[header.unwrap() + 11] = sampling;
        file
    }

    fn decoded_by_library(bytes: &[u8]) -> Option<Vec<u8>> {
        let options = zune_core::options::DecoderOptions::default()
            .set_strict_mode(true)
            .jpeg_set_out_colorspace(zune_core::colorspace::ColorSpace::RGB);
        let stream = zune_core::bytestream::ZCursor::new(bytes);
        let mut decoder = zune_jpeg::JpegDecoder::new_with_options(stream, options);
        decoder.decode().ok()
    }

    /// Smooth colours with grain.
    fn smooth(size: (u32, u32), seed: u64) -> Vec<u8> {
        let mut random = Random::new(seed);
        let places = (0..size.1).flat_map(|y| (0..size.0).map(move |x| (x, y)));
        places
            .flat_map(|(x, y)| {
                let grain = random.within(0, 7) as u32;
                [200 - x + grain, 100 + y - grain, 90 + (x + y) / 2 + grain]
            })
            .map(|value| value as u8)
            .collect()
    }

    fn outcome(decoder: &mut JpegDecoder, bytes: &[u8]) -> Result<Frame, String> {
        let mut frame = Frame::filled(1, 1, [0; 3]).unwrap();
        let result = decoder.decode(bytes, "x", &mut frame);
        result.map(|()| frame).map_err(|error| error.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn jpeg_pixels_are_those_of_the_library(
            size in (1_u32..70, 1_u32..70), quality in 30_u8..=100, seed: u32, is_noise: bool
        ) {
            let rgb = if is_noise {
                let bytes = (0..size.0 * size.1 * 3).map(|at| (at.wrapping_mul(seed | 1) >> 13) as u8);
                bytes.collect()
            } else {
                smooth(size, u64::from(seed))
            };
            let file = jpeg_of_quality(&rgb, size, quality);
            let frame = decode_image(&file, "x").unwrap();
            let expected = decoded_by_library(&file).unwrap();
            prop_assert_eq!(frame.rgb(), expected);
            if !is_noise {
                let largest = rgb.iter().zip(frame.rgb()).map(|(a, b)| a.abs_diff(*b)).max();
                prop_assert!(largest < Some(if quality > 80 { 24 } else { 60 }), "{:?}", largest);
            }
        }

        #[test]
        fn a_kept_decoder_leaves_no_trace(
            first in (1_u32..70, 1_u32..70), second in (1_u32..70, 1_u32..70), flip in any::<(u16, u8)>()
        ) {
            let file = jpeg_of_quality(&smooth(second, 1), second, 85);
            let mut damaged = jpeg_of_quality(&smooth(first, 2), first, 70);
            let at = usize::from(flip.0) % damaged.len();
            damaged[at] ^= flip.1;
            let mut kept = JpegDecoder::default();
            let expected = outcome(&mut JpegDecoder::default(), &damaged);
            prop_assert_eq!(outcome(&mut kept, &damaged), expected);
            let expected = outcome(&mut JpegDecoder::default(), &file);
            prop_assert!(expected.is_ok());
            prop_assert_eq!(outcome(&mut kept, &file), expected);
        }

        #[test]
        fn no_bytes_behind_a_jpeg_header_panic_and_a_cut_is_refused(
            size in (1_u32..40, 1_u32..40), sampling in prop::sample::select(vec![0x11, 0x21, 0x12, 0x22, 0x41, 0x31]),
            data in prop::collection::vec(any::<u8>(), 0..400), cut in any::<u16>()
        ) {
            let file = with_sampling(jpeg(&smooth(size, 3), size), sampling);
            let mut decoder = JpegDecoder::default();
            let replaced = [&file[..start_of_data(&file)], &data, &[0xFF, 0xD9]].concat();
            let first = outcome(&mut decoder, &replaced);
            prop_assert_eq!(outcome(&mut decoder, &replaced), first);
            let cut = usize::from(cut) % file.len();
            prop_assert!(outcome(&mut decoder, &file[..cut]).is_err());
        }
    }

    /// An image of flat blocks, by hand: each channel's blocks one after the other in each unit,
    /// all with the sampling that is named, a restart marker behind every `interval` units.
    fn flat_blocks(size: (u16, u16), sampling: (u8, u8), interval: u16, seed: u64) -> Vec<u8> {
        let whole = jpeg(&smooth((8, 8), 0), (8, 8));
        let header = whole
            .windows(2)
            .position(|pair| pair == [0xFF, 0xC0])
            .unwrap();
        let mut file = whole[..start_of_data(&whole)].to_vec();
        file[header + 5..header + 7].copy_from_slice(&size.1.to_be_bytes());
        file[header + 7..header + 9].copy_from_slice(&size.0.to_be_bytes());
        file[header + 11] = sampling.0 << 4 | sampling.1;
        let restarts = [&[0xFF, 0xDD, 0, 4][..], &interval.to_be_bytes()].concat();
        file.splice(header..header, restarts);
        let unit_px = (8 * u16::from(sampling.0), 8 * u16::from(sampling.1));
        let units = u32::from(size.0.div_ceil(unit_px.0)) * u32::from(size.1.div_ceil(unit_px.1));
        let luma_blocks = sampling.0 * sampling.1;
        let (mut random, mut bits) = (Random::new(seed), String::new());
        for unit in 0..units {
            if unit > 0 && interval > 0 && unit % u32::from(interval) == 0 {
                file.extend(packed(&bits));
                bits.clear();
                file.extend([0xFF, 0xD0 | (unit / u32::from(interval) - 1) as u8 & 7]);
            }
            for block in 0..luma_blocks + 2 {
                // Tables K.3 to K.6: a difference of four bits and the end of the block.
                let code = if block < luma_blocks {
                    ("101", "1010")
                } else {
                    ("1110", "00")
                };
                bits += &format!("{}{:04b}{}", code.0, random.within(0, 15), code.1);
            }
        }
        file.extend(packed(&bits));
        file.extend([0xFF, 0xD9]);
        file
    }

    /// Bits to bytes, ones at the end, a zero behind each 0xFF.
    fn packed(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().map(|bit| bit - b'0').collect();
        let bytes = bits.chunks(8).map(|byte| {
            let padded = byte.iter().chain(std::iter::repeat(&1)).take(8);
            padded.fold(0, |all, bit| all << 1 | bit)
        });
        bytes
            .flat_map(|byte| [byte, 0].into_iter().take(1 + usize::from(byte == 0xFF)))
            .collect()
    }

    #[test]
    fn every_sampling_and_restart_interval_gives_the_library_s_pixels() {
        let samplings = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)];
        let sizes = [(70, 50), (64, 64), (33, 17), (16, 16)];
        for (sampling, size) in samplings.iter().flat_map(|s| sizes.map(|size| (*s, size))) {
            for interval in [0, 1, 3] {
                let file = flat_blocks(size, sampling, interval, u64::from(size.0));
                let frame = decode_image(&file, "x").unwrap();
                let case = (sampling, size, interval);
                assert!(
                    Some(frame.rgb()) == decoded_by_library(&file).as_deref(),
                    "{case:?}"
                );
            }
        }
    }

    #[test]
    fn restart_markers_must_be_there_and_in_order() {
        let file = flat_blocks((64, 64), (2, 1), 3, 5);
        let places: Vec<usize> = (start_of_data(&file)..file.len() - 2)
            .filter(|&at| file[at] == 0xFF && file[at + 1] != 0)
            .collect();
        assert_eq!(places.len(), 10);
        for at in places {
            let mut other = file.clone();
            other[at + 1] = 0xD0 | (other[at + 1] + 1) & 7;
            assert!(error_of(&other).contains("out of order"), "at {at}");
            let missing = [&file[..at], &file[at + 2..]].concat();
            assert!(decode_image(&missing, "x").is_err(), "at {at}");
        }
        let extra = [&file[..file.len() - 2], &[0xFF, 0xD2, 0x55, 0xFF, 0xD9]].concat();
        assert!(
            error_of(&extra).contains("more data"),
            "{}",
            error_of(&extra)
        );
    }

    #[test]
    fn missing_huffman_tables_are_the_standard_ones() {
        let mut file = flat_blocks((64, 48), (2, 1), 0, 9);
        let expected = decode_image(&file, "x").unwrap();
        while let Some(at) = file.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
            let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            file.drain(at..at + 2 + length);
        }
        assert_eq!(decode_image(&file, "x").unwrap(), expected);
    }

    #[test]
    fn lost_or_repeated_jpeg_data_are_noticed() {
        // Enough bytes to hold whole blocks: a loss inside one block leaves a valid file. A longer
        // one may, too, where as many blocks by chance begin as end.
        const PIECE_BYTES: usize = 600;
        let file = jpeg(&pattern(), (SIDE_PX, SIDE_PX));
        let places = start_of_data(&file)..file.len() - PIECE_BYTES - 2;
        let step = places.len() / 40;
        let tried = 2 * places.clone().step_by(step).count();
        let accepted: Vec<(&str, usize)> = places
            .step_by(step)
            .flat_map(|at| {
                [
                    (
                        "lost",
                        at,
                        [&file[..at], &file[at + PIECE_BYTES..]].concat(),
                    ),
                    (
                        "repeated",
                        at,
                        [&file[..at + PIECE_BYTES], &file[at..]].concat(),
                    ),
                ]
            })
            .filter(|(_, _, changed)| decode_image(changed, "x").is_ok())
            .map(|(what, at, _)| (what, at))
            .collect();
        assert!(accepted.len() * 20 < tried, "{accepted:?} of {tried}");
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
