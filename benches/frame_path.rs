//! Times what lies between a camera's bytes and the network's input, stage by stage, each beside a
//! named alternative, on one thread.
//!
//! `cargo bench --bench frame_path -- [--rounds N]`. The frames are those of the simulated slide,
//! 640x480, encoded as a USB camera does: baseline JPEG, chroma halved across (4:2:2), quality 85.
//! The runs alternate, so that a busy machine slows all of them, and medians are compared.

#[path = "frame_path/camera_jpeg.rs"]
mod camera_jpeg;

use anyhow::{Context, Result, bail, ensure};
use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::decode::JpegDecoder;
use hemoscope::decode::yuyv::{LevelRange, decode_yuyv};
use hemoscope::image::frame::Frame;
use hemoscope::preprocess::scale::ScalePlan;
use hemoscope::preprocess::{PreprocessOptions, Preprocessor};
use hemoscope::quality::{FrameAssessor, QualitySettings};
use std::hint::black_box;
use std::time::Instant;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

const WIDTH_PX: u32 = 640;
const HEIGHT_PX: u32 = 480;
const QUALITY: u8 = 85;
const FIELDS: u64 = 4;
const DEFAULT_ROUNDS: usize = 40;
const MAX_ROUNDS: usize = 10_000;
/// A red cell of the usual mean diameter is twice as wide as the network takes it.
const RBC_DIAMETER_UM: f64 = 7.5;
const RBC_DIAMETER_PX: f64 = 104.0;
const NETWORK_RBC_DIAMETER_PX: f64 = 52.0;

fn rounds(arguments: impl Iterator<Item = String>) -> Result<usize> {
    let mut rounds = DEFAULT_ROUNDS;
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo adds this one to every benchmark.
            "--bench" => {}
            "--rounds" => {
                let number = arguments.next().context("--rounds needs a number")?;
                rounds = number.parse().context("--rounds needs a number")?;
            }
            other => bail!("unknown argument {other}; there is --rounds N"),
        }
    }
    ensure!(
        (1..=MAX_ROUNDS).contains(&rounds),
        "--rounds must be within 1..={MAX_ROUNDS}"
    );
    Ok(rounds)
}

/// One thing to time, on the field of a number.
struct Subject<'a> {
    stage: &'static str,
    name: &'static str,
    run: Box<dyn FnMut(usize) -> Result<()> + 'a>,
    times_ms: Vec<f64>,
}

impl<'a> Subject<'a> {
    fn new(
        stage: &'static str,
        name: &'static str,
        run: impl FnMut(usize) -> Result<()> + 'a,
    ) -> Self {
        Self {
            stage,
            name,
            run: Box::new(run),
            times_ms: Vec::new(),
        }
    }

    fn median_ms(&self) -> f64 {
        let mut times_ms = self.times_ms.clone();
        times_ms.sort_by(f64::total_cmp);
        times_ms[times_ms.len() / 2]
    }
}

/// The same image as a camera would send it uncompressed: luma of each pixel, chroma of pairs.
fn to_yuyv(frame: &Frame) -> Vec<u8> {
    let pairs = frame.rgb().chunks_exact(6);
    pairs
        .flat_map(|pair| [pair[1], 128, pair[4], 128])
        .collect()
}

fn decode_with_zune(bytes: &[u8]) -> Result<Vec<u8>> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode().context("zune-jpeg refuses a frame")
}

fn main() -> Result<()> {
    let rounds = rounds(std::env::args().skip(1))?;
    let settings = SimulatedSlideSettings {
        width_px: WIDTH_PX,
        height_px: HEIGHT_PX,
        um_per_px: RBC_DIAMETER_UM / RBC_DIAMETER_PX,
        red_cells_per_field: 18.0,
        ..SimulatedSlideSettings::default()
    };
    let slide = SimulatedSlide::new(7, settings)?;
    let frames: Vec<Frame> = (0..FIELDS).map(|index| slide.field(index).0).collect();
    let jpegs: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| camera_jpeg::encode(frame, QUALITY, 0))
        .collect::<Result<_>>()?;
    let yuyvs: Vec<Vec<u8>> = frames.iter().map(to_yuyv).collect();
    let images: Vec<image::RgbImage> = frames
        .iter()
        .filter_map(|frame| image::RgbImage::from_raw(WIDTH_PX, HEIGHT_PX, frame.rgb().to_vec()))
        .collect();
    let plan = ScalePlan::new(
        (WIDTH_PX, HEIGHT_PX),
        RBC_DIAMETER_UM / RBC_DIAMETER_PX,
        RBC_DIAMETER_UM,
        NETWORK_RBC_DIAMETER_PX,
    )?;
    let (scaled_width_px, scaled_height_px) = plan.scaled_px();

    let mut jpeg_decoder = JpegDecoder::default();
    let mut jpeg_frame = Frame::filled(WIDTH_PX, HEIGHT_PX, [0; 3])?;
    let mut yuyv_frame = jpeg_frame.clone();
    let mut assessor = FrameAssessor::new(QualitySettings::default());
    let mut preprocessor = Preprocessor::default();
    for jpeg in &jpegs {
        jpeg_decoder.decode(jpeg, "a simulated frame", &mut jpeg_frame)?;
        ensure!(
            jpeg_frame.rgb() == decode_with_zune(jpeg)?,
            "the decoders differ"
        );
    }
    let mut subjects = [
        Subject::new("decode JPEG", "hemoscope", |field| {
            Ok(jpeg_decoder.decode(&jpegs[field], "a simulated frame", &mut jpeg_frame)?)
        }),
        Subject::new("decode JPEG", "zune-jpeg, strict, scalar", |field| {
            black_box(decode_with_zune(&jpegs[field])?);
            Ok(())
        }),
        Subject::new("decode YUYV", "hemoscope", |field| {
            let (size_px, stride_bytes) = ((WIDTH_PX, HEIGHT_PX), WIDTH_PX as usize * 2);
            let range = LevelRange::Limited;
            let frame = &mut yuyv_frame;
            Ok(decode_yuyv(
                &yuyvs[field],
                size_px,
                stride_bytes,
                range,
                frame,
            )?)
        }),
        Subject::new("judge", "hemoscope", |field| {
            black_box(assessor.assess(&frames[field], Some(RBC_DIAMETER_PX as u32)));
            Ok(())
        }),
        Subject::new("scale and pack", "hemoscope", |field| {
            black_box(preprocessor.prepare(
                &frames[field],
                &plan,
                &PreprocessOptions::default(),
            )?);
            Ok(())
        }),
        Subject::new("scale and pack", "image, triangle, not packed", |field| {
            let filter = image::imageops::FilterType::Triangle;
            let image = &images[field];
            black_box(image::imageops::resize(
                image,
                scaled_width_px,
                scaled_height_px,
                filter,
            ));
            Ok(())
        }),
    ];
    for round in 0..=rounds {
        let field = round % frames.len();
        for subject in &mut subjects {
            let start = Instant::now();
            (subject.run)(field)?;
            // The first round warms the caches and sizes the buffers.
            if round > 0 {
                let elapsed_ms = start.elapsed().as_secs_f64() * 1e3;
                subject.times_ms.push(elapsed_ms);
            }
        }
    }
    let jpeg_bytes: usize = jpegs.iter().map(Vec::len).sum();
    println!(
        "{WIDTH_PX}x{HEIGHT_PX} to {scaled_width_px}x{scaled_height_px}, JPEG frames of {} KiB, \
         one thread, {rounds} interleaved rounds",
        jpeg_bytes / jpegs.len() / 1024
    );
    println!("{:<16}{:<32}{:>12}", "", "", "median ms");
    for subject in &subjects {
        let median_ms = subject.median_ms();
        println!("{:<16}{:<32}{median_ms:>12.3}", subject.stage, subject.name);
    }
    Ok(())
}
