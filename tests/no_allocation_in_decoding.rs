//! The path from a camera's bytes to the network's input allocates nothing after the first frame.

use hemoscope::decode::JpegDecoder;
use hemoscope::decode::yuyv::{LevelRange, decode_yuyv};
use hemoscope::image::frame::Frame;
use hemoscope::preprocess::scale::ScalePlan;
use hemoscope::preprocess::{PreprocessOptions, Preprocessor};
use hemoscope::quality::{FrameAssessor, QualitySettings};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::sync::atomic::Ordering;

#[path = "no_allocation/allocations.rs"]
mod allocations;

use allocations::ALLOCATIONS;

const SIZE_PX: (u32, u32) = (200, 150);

fn jpeg(quality: u8) -> Vec<u8> {
    let rgb: Vec<u8> = (0..SIZE_PX.0 * SIZE_PX.1 * 3)
        .map(|at| (150 + at / 7 % 60 + at % 13 * 3) as u8)
        .collect();
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality)
        .write_image(&rgb, SIZE_PX.0, SIZE_PX.1, ExtendedColorType::Rgb8)
        .unwrap();
    file
}

#[test]
fn frames_after_the_first_allocate_nothing() {
    // The later frame is longer than the first.
    let (first, later) = (jpeg(60), jpeg(95));
    let yuyv = vec![128; SIZE_PX.0 as usize * SIZE_PX.1 as usize * 2];
    let plan = ScalePlan::new(SIZE_PX, 0.1, 7.5, 52.0).unwrap();
    assert_ne!(plan.scaled_px(), plan.padded_px());
    let mut decoder = JpegDecoder::default();
    let mut assessor = FrameAssessor::new(QualitySettings::default());
    let mut preprocessor = Preprocessor::default();
    let mut frame = Frame::filled(1, 1, [0; 3]).unwrap();
    let mut run = |bytes: &[u8]| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        decoder.decode(bytes, "field", &mut frame).unwrap();
        assessor.assess(&frame, Some(75));
        let options = PreprocessOptions::default();
        preprocessor.prepare(&frame, &plan, &options).unwrap();
        let stride_bytes = SIZE_PX.0 as usize * 2;
        decode_yuyv(
            &yuyv,
            SIZE_PX,
            stride_bytes,
            LevelRange::Limited,
            &mut frame,
        )
        .unwrap();
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    assert!(run(&first) > 0, "allocations are not counted");
    assert_eq!(run(&later), 0);
    assert_eq!(run(&first), 0);
}
