//! The JPEG kernel of the running processor equals the scalar one to the bit.
//!
//! A plain `main` without threads: qemu-user 7.2 hangs where the test harness starts one.
//! `KERNEL_PARITY_CASES` sets how many random blocks and rows are compared, `KERNEL_PARITY_SEED`
//! the first one's seed.

use std::process::ExitCode;

use kernel_parity::jpeg_kernels::block::PIXEL_BYTES;
use kernel_parity::jpeg_kernels::{BLOCK, Kernel, SIDE, STEP};
use kernel_parity::random::Random;
use kernel_parity::setting;

/// Random blocks and rows: few enough for an emulated processor.
const RANDOM_CASES: u64 = 20_000;
const MOST_STEPS: usize = 8;

/// A block and the places of its coefficients: one value, a few small ones as in images, or a
/// part full of any values, the extremes among them.
fn block(random: &mut Random) -> ([i16; BLOCK], usize) {
    let mut coefficients = [0; BLOCK];
    match random.within(0, 3) {
        0 => coefficients[0] = random.within(-32_768, 32_767) as i16,
        1 => {
            for _ in 0..random.within(1, 12) {
                let place = random.within(0, BLOCK as i64 - 1) as usize;
                coefficients[place] = random.within(-2047, 2047) as i16;
            }
        }
        _ => {
            let [rows, columns] = [(); 2].map(|()| random.pick(&[1, SIDE / 2, SIDE]));
            for place in (0..BLOCK).filter(|at| at / SIDE < rows && at % SIDE < columns) {
                let any = random.within(-32_768, 32_767) as i16;
                coefficients[place] = random.pick(&[i16::MIN, i16::MAX, any, any, 0]);
            }
        }
    }
    let present = (0..BLOCK).filter(|&at| coefficients[at] != 0);
    let places = present.fold(0, |all, place| all | place);
    (coefficients, random.pick(&[places, BLOCK - 1]))
}

fn transforms_differ(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let (coefficients, places) = block(&mut random);
    let stride = random.within(SIDE as i64, 40) as usize;
    let samples = |kernel: Kernel| {
        let mut out = vec![7; 7 * stride + SIDE];
        kernel.transform(&coefficients, places, &mut out, stride);
        out
    };
    samples(Kernel::SCALAR) != samples(Kernel::default())
}

fn rows_differ(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let luma_samples = random.within(1, MOST_STEPS as i64) as usize * STEP;
    let is_halved_across = random.pick(&[false, true]);
    let width_px = luma_samples.saturating_sub(random.within(0, 40) as usize);
    let chroma_samples = 2 + luma_samples / if is_halved_across { 2 } else { 1 };
    let mut samples = |count: usize| -> Vec<u8> {
        let sample = |_| {
            let any = random.within(0, 255) as u8;
            random.pick(&[0, 255, any, any])
        };
        (0..count).map(sample).collect()
    };
    let luma = samples(luma_samples);
    let chroma = [samples(chroma_samples), samples(chroma_samples)];
    let chroma = [&chroma[0][..], &chroma[1]];
    let pixels = |kernel: Kernel| {
        let mut out = vec![7; width_px * PIXEL_BYTES];
        kernel.write_row(&luma, chroma, is_halved_across, &mut out);
        out
    };
    pixels(Kernel::SCALAR) != pixels(Kernel::default())
}

/// Whether the kernels differ on the case of a seed.
type Differ = fn(u64) -> bool;

fn main() -> ExitCode {
    let kernel = Kernel::default();
    assert!(
        kernel != Kernel::SCALAR || std::env::var_os("KERNEL_PARITY_SCALAR_ONLY").is_some(),
        "this processor has no JPEG kernel but the scalar one, so there is nothing to compare; \
         set KERNEL_PARITY_SCALAR_ONLY=1 to accept that"
    );
    println!("JPEG: scalar against {kernel:?}");
    let first = setting("KERNEL_PARITY_SEED", 0);
    let seeds = || first..first + setting("KERNEL_PARITY_CASES", RANDOM_CASES);
    let checks: [(&str, Differ); 2] = [("transforms", transforms_differ), ("rows", rows_differ)];
    let mut code = ExitCode::SUCCESS;
    for (name, differ) in checks {
        let failures: Vec<u64> = seeds().filter(|&seed| differ(seed)).collect();
        match failures.first() {
            None => println!("{name}: equal"),
            Some(seed) => {
                println!("{name}: {} differ, seed {seed} first", failures.len());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
