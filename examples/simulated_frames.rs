//! Writes fields of the simulated slide as picture files, for measuring and for cameras that are
//! played from files.
//!
//! `cargo run --release --example simulated_frames -- FOLDER COUNT WIDTHxHEIGHT [SEED [FORMAT]]`.
//! Pixels are those of a x100 objective on a small camera, and as many cells lie on a square
//! millimetre at every size. FORMAT is png (as without it), jpeg, or yuyv: the bytes that a camera
//! sends, beside a PNG of what they decode to. The files are FOLDER/000000.png and so on; other
//! files of the folder stay.

use anyhow::{Context, Result, bail};
use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::decode::yuyv::{LevelRange, decode_yuyv};
use hemoscope::image::frame::Frame;
use hemoscope::image::png::write_frame;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::env;
use std::fs;
use std::path::Path;

/// Shows a red cell to the network at half the frame's size.
const UM_PER_PX: f64 = 0.0725;
const MOST_FRAMES: u64 = 100_000;
const DEFAULT_SEED: u64 = 7;
/// What cameras send is rarely better.
const JPEG_QUALITY: u8 = 90;

fn settings(width_px: u32, height_px: u32) -> SimulatedSlideSettings {
    let usual = SimulatedSlideSettings::default();
    let area_um2 = |width_px: u32, height_px: u32, um_per_px: f64| {
        f64::from(width_px) * f64::from(height_px) * um_per_px * um_per_px
    };
    let area = area_um2(width_px, height_px, UM_PER_PX)
        / area_um2(usual.width_px, usual.height_px, usual.um_per_px);
    SimulatedSlideSettings {
        width_px,
        height_px,
        um_per_px: UM_PER_PX,
        red_cells_per_field: usual.red_cells_per_field * area,
        white_cells_per_field: usual.white_cells_per_field * area,
        platelets_per_field: usual.platelets_per_field * area,
        debris_per_field: usual.debris_per_field * area,
        ..usual
    }
}

/// The bytes that a camera sends as YUYV, in the limited range of BT.601.
fn to_yuyv(rgb: &[u8]) -> Vec<u8> {
    let level = |value: f64| value.round().clamp(0.0, 255.0) as u8;
    let luma = |pixel: &[u8]| {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
        (0.299 * red + 0.587 * green + 0.114 * blue) / 255.0
    };
    rgb.chunks_exact(6)
        .flat_map(|pair| {
            let (left, right) = pair.split_at(3);
            let mean = |channel: usize| {
                (f64::from(left[channel]) + f64::from(right[channel])) / (2.0 * 255.0)
            };
            let mean_luma = (luma(left) + luma(right)) / 2.0;
            let chroma = |colour: f64, weight: f64| {
                level(128.0 + 224.0 * (colour - mean_luma) / (2.0 * (1.0 - weight)))
            };
            [
                level(16.0 + 219.0 * luma(left)),
                chroma(mean(2), 0.114),
                level(16.0 + 219.0 * luma(right)),
                chroma(mean(0), 0.299),
            ]
        })
        .collect()
}

fn write(path: &Path, frame: &Frame, format: &str) -> Result<()> {
    let size_px = (frame.width_px(), frame.height_px());
    match format {
        "png" => write_frame(path, frame)?,
        "jpeg" => {
            let file = fs::File::create(path.with_extension("jpg"))?;
            JpegEncoder::new_with_quality(file, JPEG_QUALITY).write_image(
                frame.rgb(),
                size_px.0,
                size_px.1,
                ExtendedColorType::Rgb8,
            )?;
        }
        "yuyv" => {
            let bytes = to_yuyv(frame.rgb());
            let mut decoded = Frame::default();
            let stride_bytes = size_px.0 as usize * 2;
            decode_yuyv(
                &bytes,
                size_px,
                stride_bytes,
                LevelRange::Limited,
                &mut decoded,
            )?;
            fs::write(path.with_extension("yuyv"), bytes)?;
            write_frame(path, &decoded)?;
        }
        _ => bail!("there is no format {format}; choose png, jpeg or yuyv"),
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let default_seed = DEFAULT_SEED.to_string();
    let (folder, count, size, seed, format) = match *words.as_slice() {
        [folder, count, size] => (folder, count, size, default_seed.as_str(), "png"),
        [folder, count, size, seed] => (folder, count, size, seed, "png"),
        [folder, count, size, seed, format] => (folder, count, size, seed, format),
        _ => bail!("usage: simulated_frames FOLDER COUNT WIDTHxHEIGHT [SEED [png|jpeg|yuyv]]"),
    };
    let seed = seed.parse().context("SEED is no number")?;
    let count: u64 = count.parse().context("COUNT is no number")?;
    if count > MOST_FRAMES {
        bail!("COUNT is {count}, but may be at most {MOST_FRAMES}");
    }
    let (width, height) = size
        .split_once('x')
        .context("the size is no WIDTHxHEIGHT")?;
    let settings = settings(width.parse()?, height.parse()?);
    let slide = SimulatedSlide::new(seed, settings)?;
    fs::create_dir_all(folder).with_context(|| format!("{folder} cannot be made"))?;
    for index in 0..count {
        let path = Path::new(folder).join(format!("{index:06}.png"));
        write(&path, &slide.field(index).0, format)?;
    }
    Ok(())
}
