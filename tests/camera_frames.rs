//! Frames as USB cameras send them, with restart markers: what stands between codes and markers
//! changes no pixel, and damage is noticed as often as without that leniency.

#[path = "../benches/frame_path/camera_jpeg.rs"]
mod camera_jpeg;

use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::decode::JpegDecoder;
use hemoscope::image::frame::Frame;
use hemoscope::random::Random;

const QUALITY: u8 = 85;
/// Units of 16x8 pixels between restart markers; a C270 sends 10.
const INTERVAL: u16 = 10;

/// A camera's frame of a simulated field.
fn camera_frame(seed: u64) -> Vec<u8> {
    let slide = SimulatedSlide::new(seed, SimulatedSlideSettings::default()).unwrap();
    camera_jpeg::encode(&slide.field(0).0, QUALITY, INTERVAL).unwrap()
}

/// The places of restart markers and of the end, in order, and where the data start.
fn markers(file: &[u8]) -> (usize, Vec<usize>) {
    const SCAN_HEADER_BYTES: usize = 14;
    let scan = file.windows(2).position(|pair| pair == [0xFF, 0xDA]);
    let start = scan.unwrap() + SCAN_HEADER_BYTES;
    let is_marker = |&at: &usize| file[at] == 0xFF && !matches!(file[at + 1], 0 | 0xFF);
    (start, (start..file.len() - 1).filter(is_marker).collect())
}

fn decoded(decoder: &mut JpegDecoder, file: &[u8]) -> Option<Frame> {
    let mut frame = Frame::default();
    decoder.decode(file, "a frame", &mut frame).ok()?;
    Some(frame)
}

/// As a C270 sends them: one to nine bytes before some of the markers.
#[test]
fn stray_bytes_of_a_webcam_change_no_pixel() {
    let mut decoder = JpegDecoder::default();
    let mut random = Random::new(3);
    for seed in 0..3 {
        let file = camera_frame(seed);
        let expected = decoded(&mut decoder, &file);
        assert!(expected.is_some() && decoder.oddities().is_none());
        let (_, places) = markers(&file);
        assert_eq!(places.len(), 240);
        let mut odd = file.clone();
        let mut stray_bytes = 0;
        for at in places.iter().rev().step_by(3) {
            let bytes: Vec<u8> = (0..random.within(1, 9))
                .map(|_| random.within(0, 0xFE) as u8)
                .collect();
            stray_bytes += bytes.len() as u32;
            odd.splice(at..at, bytes);
        }
        assert!(decoded(&mut decoder, &odd) == expected);
        assert_eq!(decoder.oddities().stray_bytes, stray_bytes);
    }
}

/// Damage whose codes by chance fill their interval is noticed by nobody; stray bytes that are
/// passed over must add little to it. `cargo test --test camera_frames -- --nocapture` shows the
/// counts.
#[test]
fn damaged_frames_are_hardly_ever_taken_for_ones_with_stray_bytes() {
    const TRIES: u32 = 300;
    let file = camera_frame(7);
    let (start, places) = markers(&file);
    let end = *places.last().unwrap();
    let mut decoder = JpegDecoder::default();
    let expected = decoded(&mut decoder, &file).unwrap();
    let mut random = Random::new(11);
    type Damage = fn(&mut Vec<u8>, usize, &mut Random);
    let kinds: [(&str, Damage); 3] = [
        ("flipped bit", |file, at, random| {
            file[at] ^= 1 << random.within(0, 7);
        }),
        ("lost bytes", |file, at, random| {
            file.drain(at..at + random.within(1, 64) as usize);
        }),
        ("zeroed bytes", |file, at, random| {
            let count = random.within(1, 64) as usize;
            file[at..at + count].fill(0);
        }),
    ];
    for (name, damage) in kinds {
        let (mut unnoticed, mut taken_for_stray) = (0, [0_u32; 17]);
        for _ in 0..TRIES {
            let mut damaged = file.clone();
            let at = start + random.within(0, (end - start - 64) as i64) as usize;
            damage(&mut damaged, at, &mut random);
            let Some(frame) = decoded(&mut decoder, &damaged) else {
                continue;
            };
            if frame == expected {
                continue;
            }
            match decoder.oddities().stray_bytes as usize {
                0 => unnoticed += 1,
                bytes => taken_for_stray[bytes.min(16)] += 1,
            }
        }
        let added: u32 = taken_for_stray.iter().sum();
        println!("{name}: of {TRIES}, {unnoticed} unnoticed; by stray bytes {taken_for_stray:?}");
        assert!(added < TRIES / 25, "{name}: {added}");
    }
}
