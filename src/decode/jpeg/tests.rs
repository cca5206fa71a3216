//! Whole images: pixels held against another decoder's, damage noticed, and what cameras leave
//! between codes and markers passed over.

use super::*;
use crate::decode::decode_image;
use crate::random::Random;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use proptest::prelude::*;

const SIDE_PX: u32 = 48;

fn pattern() -> Vec<u8> {
    (0..SIDE_PX * SIDE_PX * 3)
        .map(|at| (at * at / 7 % 251) as u8)
        .collect()
}

fn error_of(bytes: &[u8]) -> String {
    decode_image(bytes, "x").map_or_else(
        |error| error.to_string(),
        |frame| format!("decoded {}x{}", frame.width_px(), frame.height_px()),
    )
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
fn a_cut_jpeg_is_refused_or_whole_even_with_an_end_put_to_it() {
    let file = jpeg(&pattern(), (SIDE_PX, SIDE_PX));
    let image_end = file.len() - 2;
    let whole = decode_image(&file, "x").unwrap();
    for end in start_of_data(&file)..file.len() {
        for end_marker in [&[][..], &[0xFF, 0xD9]] {
            let cut = [&file[..end], end_marker].concat();
            match decode_image(&cut, "x") {
                Ok(frame) => assert!(frame == whole, "other pixels where cut at {end}"),
                // The last code's padding is no loss, nor is the marker behind it.
                Err(_) => assert!(end < image_end, "refused where cut at {end}"),
            }
        }
        assert!(end >= image_end - 1 || decode_image(&file[..end], "x").is_err());
    }
    for end in 0..start_of_data(&file) {
        assert!(decode_image(&file[..end], "x").is_err(), "cut at {end}");
    }
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
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let stream = ZCursor::new(bytes);
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
    fn no_bytes_behind_a_jpeg_header_panic_and_a_cut_changes_no_pixel(
        size in (1_u32..40, 1_u32..40), sampling in prop::sample::select(vec![0x11, 0x21, 0x12, 0x22, 0x41, 0x31]),
        data in prop::collection::vec(any::<u8>(), 0..400), cut in any::<u16>()
    ) {
        let file = with_sampling(jpeg(&smooth(size, 3), size), sampling);
        let mut decoder = JpegDecoder::default();
        let replaced = [&file[..start_of_data(&file)], &data, &[0xFF, 0xD9]].concat();
        let first = outcome(&mut decoder, &replaced);
        prop_assert_eq!(outcome(&mut decoder, &replaced), first);
        let cut = usize::from(cut) % file.len();
        if let Ok(frame) = outcome(&mut decoder, &file[..cut]) {
            prop_assert!(decoder.oddities().lacks_end);
            prop_assert_eq!(Ok(frame), outcome(&mut decoder, &file));
        }
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

/// The places of the markers in and behind the data: those of restarts, and the end's.
fn marker_places(file: &[u8]) -> Vec<usize> {
    (start_of_data(file)..file.len() - 1)
        .filter(|&at| file[at] == 0xFF && !matches!(file[at + 1], 0 | 0xFF))
        .collect()
}

fn with_inserted(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    [&file[..at], bytes, &file[at..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stray_bytes_before_markers_change_no_pixel_and_are_told(
        sampling in prop::sample::select(vec![(1, 1), (2, 1), (1, 2), (2, 2)]),
        interval in 1_u16..5, seed: u64,
        stray in prop::collection::vec(prop::collection::vec(0_u8..0xFF, 0..=16), 1..8)
    ) {
        let file = flat_blocks((70, 50), sampling, interval, seed);
        let mut decoder = JpegDecoder::default();
        let expected = outcome(&mut decoder, &file);
        prop_assert!(expected.is_ok() && decoder.oddities().is_none());
        let mut odd = file.clone();
        let mut count = 0;
        // From the end, so that earlier places stay where they are.
        for (&at, bytes) in marker_places(&file).iter().rev().zip(stray.iter().cycle()) {
            odd = with_inserted(&odd, at, bytes);
            count += bytes.len() as u32;
        }
        prop_assert_eq!(outcome(&mut decoder, &odd), expected);
        prop_assert_eq!(decoder.oddities(), Oddities { stray_bytes: count, lacks_end: false });
        prop_assert!(size(&odd).is_ok());
    }

    #[test]
    fn data_that_lost_their_tail_are_refused_or_equal(
        interval in 1_u16..5, seed: u64, place: prop::sample::Index, lost in 1_usize..40
    ) {
        let file = flat_blocks((70, 50), (2, 1), interval, seed);
        let at = *place.get(&marker_places(&file));
        let start = at.saturating_sub(lost).max(start_of_data(&file));
        let cut = [&file[..start], &file[at..]].concat();
        let mut decoder = JpegDecoder::default();
        if let Ok(frame) = outcome(&mut decoder, &cut) {
            prop_assert_eq!(Ok(frame), outcome(&mut decoder, &file));
        }
    }
}

#[test]
fn what_leaves_no_pixel_in_doubt_is_taken_and_the_rest_is_not() {
    let file = flat_blocks((64, 64), (2, 1), 4, 5);
    let end = file.len() - 2;
    let places = marker_places(&file);
    let expected = decode_image(&file, "x").unwrap();
    let in_header = |segment: &[u8]| with_inserted(&file, 2, segment);
    let sixteen = [0x35; 16];
    // Eight restart intervals: the next marker in turn would be the eighth, RST7.
    let last = |bytes: &[u8]| with_inserted(&file, end, bytes);
    let progressive = std::fs::read("fuzz/corpus/jpeg/progressive.jpg").unwrap();
    assert!(decode_image(&progressive, "x").is_ok());
    let odd = |stray_bytes, lacks_end| Oddities {
        stray_bytes,
        lacks_end,
    };
    let taken: [(&str, Vec<u8>, Oddities); 14] = [
        (
            "stuffed",
            with_inserted(&file, places[1], &[0xFF, 0]),
            odd(1, false),
        ),
        (
            "fill bytes",
            with_inserted(&file, places[1], &[0xFF; 5]),
            odd(0, false),
        ),
        (
            "stray and fill",
            with_inserted(&file, places[0], &[1, 2, 0xFF]),
            odd(2, false),
        ),
        (
            "the most",
            with_inserted(&file, places[2], &sixteen),
            odd(16, false),
        ),
        ("the most at the end", last(&sixteen), odd(16, false)),
        ("a last restart", last(&[0xFF, 0xD7]), odd(2, false)),
        ("no end", file[..end].to_vec(), odd(0, true)),
        ("half an end", file[..=end].to_vec(), odd(0, true)),
        (
            "no end, but stray bytes",
            [&file[..end], &[7; 3]].concat(),
            odd(3, true),
        ),
        (
            "no end, but fill bytes",
            [&file[..end], &[0xFF; 99]].concat(),
            odd(0, true),
        ),
        (
            "behind the end",
            [&file, &[9; 5000][..]].concat(),
            odd(0, false),
        ),
        (
            "a comment",
            in_header(&[0xFF, 0xFE, 0, 5, 1, 0xFF, 3]),
            odd(0, false),
        ),
        (
            "an empty segment",
            in_header(&[0xFF, 0xE9, 0, 2]),
            odd(0, false),
        ),
        (
            "a short note of Adobe's",
            in_header(b"\xFF\xEE\0\x09Adobe\0\x64"),
            odd(0, false),
        ),
    ];
    let mut decoder = JpegDecoder::default();
    for (name, bytes, oddities) in taken {
        assert!(
            outcome(&mut decoder, &bytes).as_ref() == Ok(&expected),
            "{name}"
        );
        assert_eq!(decoder.oddities(), oddities, "{name}");
        assert_eq!(size(&bytes).ok(), Some((64, 64)), "{name}");
    }
    let refused: [(&str, Vec<u8>); 12] = [
        ("one more", with_inserted(&file, places[2], &[0x35; 17])),
        ("one more at the end", last(&[0x35; 17])),
        ("many", last(&[0x35; 400])),
        ("another restart", last(&[0xFF, 0xD3])),
        ("data behind a last restart", last(&[0xFF, 0xD7, 0x55])),
        (
            "an end in the middle",
            with_inserted(&file, places[3], &[0xFF, 0xD9]),
        ),
        ("bytes before a segment", in_header(&[0, 0])),
        ("stuffing before a segment", in_header(&[0xFF, 0])),
        ("a length too long", in_header(&[0xFF, 0xE1, 0, 9, 1, 2])),
        ("a length too short", in_header(&[0xFF, 0xE1, 0, 3, 1, 2])),
        ("an impossible length", in_header(&[0xFF, 0xE1, 0, 1])),
        (
            "progressive without end",
            progressive[..progressive.len() - 2].to_vec(),
        ),
    ];
    for (name, bytes) in refused {
        assert!(outcome(&mut decoder, &bytes).is_err(), "{name}");
        assert!(size(&bytes).is_err(), "{name}");
        assert!(decoder.oddities().is_none(), "{name}");
    }
}

#[test]
fn oddities_are_told_in_words() {
    let cases = [
        (0, false, ""),
        (1, false, "1 stray byte before a marker"),
        (
            9,
            true,
            "9 stray bytes before its markers and no marker at its end",
        ),
        (0, true, "no marker at its end"),
    ];
    for (stray_bytes, lacks_end, words) in cases {
        let oddities = Oddities {
            stray_bytes,
            lacks_end,
        };
        assert_eq!(oddities.to_string(), words);
        assert_eq!(oddities.is_none(), words.is_empty());
    }
}

/// Files that libjpeg-turbo decodes to the same pixels as `restarts.jpg`; so must we.
#[test]
fn files_of_the_corpus_are_as_another_decoder_takes_them() {
    let read = |name: &str| std::fs::read(format!("fuzz/corpus/jpeg/{name}.jpg")).unwrap();
    let mut decoder = JpegDecoder::default();
    let expected = outcome(&mut decoder, &read("restarts"));
    assert!(expected.is_ok());
    for (name, oddities) in [
        (
            "stray-bytes",
            Oddities {
                stray_bytes: 19,
                lacks_end: false,
            },
        ),
        (
            "without-end",
            Oddities {
                stray_bytes: 3,
                lacks_end: true,
            },
        ),
    ] {
        assert!(outcome(&mut decoder, &read(name)) == expected, "{name}");
        assert_eq!(decoder.oddities(), oddities, "{name}");
    }
}
