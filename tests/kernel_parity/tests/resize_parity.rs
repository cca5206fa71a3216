//! The resize kernel of the running processor equals the scalar one to the bit.
//!
//! A plain `main` without threads: qemu-user 7.2 hangs where the test harness starts one.
//! `KERNEL_PARITY_CASES` sets how many random rows are filtered, `KERNEL_PARITY_SEED` the first one's
//! seed.

use std::process::ExitCode;

use kernel_parity::resize_kernels::{
    CHANNELS, ColumnTaps, Kernel, MOST_PADDED_TAPS, ROW_SLACK_BYTES, WEIGHT_BITS,
};
use kernel_parity::random::Random;
use kernel_parity::setting;

/// Random rows: few enough for an emulated processor.
const RANDOM_CASES: u64 = 5_000;
const MOST_ROWS: i64 = 12;
const MOST_PIXELS: i64 = 70;

fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.extreme_byte()).collect()
}

/// Weights that add up to one, at least zero each.
fn weights(random: &mut Random, count: usize) -> Vec<i16> {
    let mut left = 1 << WEIGHT_BITS;
    let mut weights: Vec<i16> = (1..count)
        .map(|_| {
            let weight = random.within(0, left);
            left -= weight;
            weight as i16
        })
        .collect();
    weights.push(left as i16);
    weights
}

fn rows_differ(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let length = random.within(1, MOST_PIXELS * 3) as usize;
    let count = random.within(1, MOST_ROWS) as usize;
    let weights = weights(&mut random, count);
    let rows = bytes(&mut random, length * count);
    let filtered = |kernel: Kernel| {
        let mut filtered = vec![7; length];
        kernel.filter_vertical(&rows, &weights, &mut vec![0; length], &mut filtered);
        filtered
    };
    filtered(Kernel::SCALAR) != filtered(Kernel::default())
}

fn columns_differ(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let most_taps = random.within(1, MOST_PADDED_TAPS as i64) as usize;
    let width = most_taps + random.within(0, MOST_PIXELS) as usize;
    let row = bytes(&mut random, width * CHANNELS + ROW_SLACK_BYTES);
    let outputs = random.within(1, MOST_PIXELS) as usize;
    let mut first_inputs = Vec::new();
    let mut padded_weights = Vec::new();
    for _ in 0..outputs {
        let taps = random.within(1, most_taps as i64) as usize;
        let mut padded = [0; MOST_PADDED_TAPS];
        padded[..taps].copy_from_slice(&weights(&mut random, taps));
        padded_weights.push(padded);
        first_inputs.push(random.within(0, (width - taps) as i64) as usize);
    }
    let taps = ColumnTaps {
        first_inputs: &first_inputs,
        weights: &padded_weights,
        most_taps,
    };
    let filtered = |kernel: Kernel| -> Vec<[u8; CHANNELS]> {
        let mut filtered = vec![[7; 4]; outputs];
        kernel.filter_horizontal(&row, taps, &mut filtered);
        filtered
            .iter()
            .map(|&[red, green, blue, _]| [red, green, blue])
            .collect()
    };
    filtered(Kernel::SCALAR) != filtered(Kernel::default())
}

fn main() -> ExitCode {
    if Kernel::default() == Kernel::SCALAR {
        // As on ARM.
        println!("resize: the scalar kernel is the only one here, so there is nothing to compare");
        return ExitCode::SUCCESS;
    }
    let first = setting("KERNEL_PARITY_SEED", 1);
    let cases = setting("KERNEL_PARITY_CASES", RANDOM_CASES);
    for seed in first..first.wrapping_add(cases) {
        if rows_differ(seed) || columns_differ(seed) {
            println!("resize: differs from the scalar kernel at seed {seed}");
            return ExitCode::FAILURE;
        }
    }
    println!("resize: equal");
    ExitCode::SUCCESS
}
