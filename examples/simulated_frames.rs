//! Writes fields of the simulated slide as PNG files, for measuring.
//!
//! `cargo run --release --example simulated_frames -- FOLDER COUNT WIDTHxHEIGHT [SEED]`. Pixels are
//! those of a x100 objective on a small camera, and as many cells lie on a square millimetre at
//! every size. The files are FOLDER/000000.png and so on; other files of the folder stay.

use anyhow::{Context, Result, bail};
use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::panel::write_frame;
use std::env;
use std::fs;
use std::path::Path;

/// Shows a red cell to the network at half the frame's size.
const UM_PER_PX: f64 = 0.0725;
const MOST_FRAMES: u64 = 100_000;
const DEFAULT_SEED: u64 = 7;

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

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (folder, count, size, seed) = match arguments.as_slice() {
        [folder, count, size] => (folder, count, size, DEFAULT_SEED),
        [folder, count, size, seed] => (folder, count, size, seed.parse().context("SEED")?),
        _ => bail!("usage: simulated_frames FOLDER COUNT WIDTHxHEIGHT [SEED]"),
    };
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
        write_frame(&path, &slide.field(index).0)?;
    }
    Ok(())
}
