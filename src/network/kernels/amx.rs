//! x86-64 with AMX (server processors since Sapphire Rapids): `tdpbusd` multiplies tiles of
//! sixteen pixels by sixty-four input values with tiles of as many values by sixteen channels.
//!
//! A tile of activations is read where it lies: its rows are the windows of neighbouring pixels.
//! The tile registers are known to no compiler, so their instructions are written out.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use super::avx512_vnni;
use super::packing::{DOT, pack_group};
use super::parameters::Parameters;
use super::rows::{SLACK_BYTES, Weights};
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Pixels of a tile of activations or sums.
pub(super) const TILE_PIXELS: usize = 16;
/// Input values in one tile: bytes of one row of a tile register.
const TILE_BYTES: usize = 64;
/// Weights of one tile.
const TILE_WEIGHTS: usize = TILE_BYTES * CHANNEL_BLOCK;
/// Pixels whose sums are written at a time.
const WRITE_PIXELS: usize = 4;

/// Whether a convolution multiplies enough for each value that it writes to be worth the way
/// through the tile registers; see docs/decisions/kernels.md.
pub(super) fn pays(parameters: &Parameters) -> bool {
    const LEAST_PRODUCTS: usize = 128;
    parameters.kernel_height * parameters.run_length() >= LEAST_PRODUCTS
}

/// Whether the running processor has the instructions, and the system lets this program use them.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| avx512_vnni::is_available() && has_tiles() && may_use_tiles())
}

/// CPUID leaf 7: AMX-TILE and AMX-INT8 (Intel Software Developer's Manual, volume 2, CPUID).
fn has_tiles() -> bool {
    const TILE_AND_INT8: u32 = 1 << 24 | 1 << 25;
    __cpuid_count(7, 0).edx & TILE_AND_INT8 == TILE_AND_INT8
}

/// Asks Linux for the tile registers, whose contents it would not keep otherwise (Linux
/// documentation, x86/xstate).
#[cfg(target_os = "linux")]
fn may_use_tiles() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let answer: i64;
    // SAFETY: the call changes nothing but this permission, reads and writes no memory of ours,
    // and the registers that a call may change are named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
fn may_use_tiles() -> bool {
    false
}

/// Weights in the order in which the tiles read them: channel group, kernel row, sixty-four input
/// values, block of the group, four of the values, channel of the block. A kernel row ends with
/// zeros up to a whole tile. Made only where [`is_available`] holds.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Weights,
    groups: Vec<ChannelGroup>,
    requantization: Requantization,
    kernel_height: usize,
    /// Tiles of input values in one kernel row.
    run_tiles: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters. The processor must have the instructions.
    pub(super) fn new(parameters: &Parameters) -> Self {
        const { assert!(TILE_BYTES <= SLACK_BYTES) };
        let run_tiles = read_length(parameters, TILE_BYTES) / TILE_BYTES;
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        let mut first_channel = 0;
        while first_channel < parameters.output_channels {
            let channels = parameters.output_channels - first_channel;
            let blocks = channels.div_ceil(CHANNEL_BLOCK).min(2);
            groups.push(ChannelGroup {
                number: groups.len(),
                first_channel,
                channels: channels.min(blocks * CHANNEL_BLOCK),
                max_pixels: usize::MAX,
                weights_start: weights.len(),
            });
            pack_blocks(parameters, first_channel, blocks, run_tiles, &mut weights);
            first_channel += blocks * CHANNEL_BLOCK;
        }
        Self {
            weights: Weights::new(&weights),
            groups,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_tiles,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

fn pack_blocks(
    parameters: &Parameters,
    first_channel: usize,
    blocks: usize,
    run_tiles: usize,
    weights: &mut Vec<i8>,
) {
    let run_weights = parameters.run_length() / DOT * DOT * CHANNEL_BLOCK;
    let packed: Vec<Vec<i8>> = (0..blocks)
        .map(|block| {
            let mut weights = Vec::new();
            let first = first_channel + block * CHANNEL_BLOCK;
            pack_group(parameters, first, CHANNEL_BLOCK, &mut weights);
            weights
        })
        .collect();
    for kernel_row in 0..parameters.kernel_height {
        for tile in 0..run_tiles {
            for block in &packed {
                let row = &block[kernel_row * run_weights..][..run_weights];
                let end = weights.len() + TILE_WEIGHTS;
                let part = tile * TILE_WEIGHTS..run_weights.min((tile + 1) * TILE_WEIGHTS);
                weights.extend_from_slice(&row[part]);
                weights.resize(end, 0);
            }
        }
    }
}

/// Sums of sixteen channels of a tile's pixels.
#[repr(C, align(64))]
struct TileSums([[i32; CHANNEL_BLOCK]; TILE_PIXELS]);

/// The shape of the tile registers: palette 1, eight registers of sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct TileShape([u8; 64]);

static TILE_SHAPE: TileShape = {
    let mut shape = [0; 64];
    shape[0] = 1;
    let mut register = 0;
    while register < 8 {
        shape[16 + 2 * register] = TILE_BYTES as u8;
        shape[48 + register] = TILE_PIXELS as u8;
        register += 1;
    }
    TileShape(shape)
};

/// `tileloadd` of a register: rows of 64 bytes, `$stride` bytes apart.
macro_rules! load {
    ($register:literal, $start:expr, $stride:expr) => {
        asm!(
            concat!("tileloadd ", $register, ", [{start} + {stride}]"),
            start = in(reg) $start,
            stride = in(reg) $stride,
            options(nostack, readonly, preserves_flags),
        )
    };
}

/// `tdpbusd`: adds the products of two registers to a third.
macro_rules! multiply {
    ($sums:literal, $activations:literal, $weights:literal) => {
        asm!(
            concat!("tdpbusd ", $sums, ", ", $activations, ", ", $weights),
            options(nostack, nomem, preserves_flags),
        )
    };
}

/// Clears the four registers of sums.
macro_rules! clear {
    () => {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            options(nostack, nomem, preserves_flags),
        )
    };
}

/// Stores the four registers of sums.
macro_rules! store {
    ($sums:expr) => {
        asm!(
            "tilestored [{start} + {stride}], tmm0",
            "tilestored [{start} + {stride} + 1024], tmm1",
            "tilestored [{start} + {stride} + 2048], tmm2",
            "tilestored [{start} + {stride} + 3072], tmm3",
            start = in(reg) $sums.as_mut_ptr(),
            stride = in(reg) TILE_BYTES,
            options(nostack, preserves_flags),
        )
    };
}

impl TileKernel for Packed {
    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn begin(&self) {
        configure();
    }

    fn end(&self) {
        release();
    }

    fn compute(&self, tiles: &mut Tiles<'_>) {
        let run_bytes = self.run_tiles * TILE_BYTES;
        tiles.check_rows(self.kernel_height, self.pixel_step, run_bytes);
        assert!(tiles.pixels >= TILE_PIXELS, "a row narrower than a tile");
        // SAFETY: a `Packed` is made only where the processor has the instructions.
        unsafe {
            if tiles.group.channels > CHANNEL_BLOCK {
                self.two_blocks(tiles);
            } else {
                self.one_block(tiles);
            }
        }
    }
}

/// Gives the tile registers their shape.
pub(super) fn configure() {
    assert!(is_available(), "this processor has no tile registers");
    // SAFETY: the processor has the instruction; the shape is 64 bytes and valid.
    unsafe {
        asm!(
            "ldtilecfg [{shape}]",
            shape = in(reg) &raw const TILE_SHAPE,
            options(nostack, readonly, preserves_flags),
        );
    }
}

/// Gives the tile registers back: the system need not keep them any longer.
pub(super) fn release() {
    assert!(is_available(), "this processor has no tile registers");
    // SAFETY: the processor has the instruction.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// The first pixel of tile number `tile` of a row of so many pixels: the last tile ends with the
/// row, and overlaps the one before it.
fn tile_start(tile: usize, pixels: usize) -> usize {
    (tile * TILE_PIXELS).min(pixels - TILE_PIXELS)
}

impl Packed {
    /// Two tiles of pixels by two blocks of channels at a time.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn two_blocks(&self, tiles: &mut Tiles<'_>) {
        let count = tiles.pixels.div_ceil(TILE_PIXELS);
        for first in (0..count).step_by(2) {
            let starts = [first, first + 1].map(|tile| tile_start(tile, tiles.pixels));
            let mut sums = MaybeUninit::<[TileSums; 4]>::uninit();
            // SAFETY: the windows of all pixels have been checked, each tile lies inside the
            // row, and the weights hold two tiles for each tile of a kernel row.
            unsafe {
                clear!();
                let mut weights = self.weights[tiles.group.weights_start..].as_ptr();
                for row in &tiles.rows[..self.kernel_height] {
                    let [mut low, mut high] =
                        starts.map(|start| row.as_ptr().add(start * self.pixel_step));
                    for _ in 0..self.run_tiles {
                        load!("tmm4", low, self.pixel_step);
                        load!("tmm6", weights, TILE_BYTES);
                        multiply!("tmm0", "tmm4", "tmm6");
                        load!("tmm7", weights.add(TILE_WEIGHTS), TILE_BYTES);
                        multiply!("tmm1", "tmm4", "tmm7");
                        load!("tmm5", high, self.pixel_step);
                        multiply!("tmm2", "tmm5", "tmm6");
                        multiply!("tmm3", "tmm5", "tmm7");
                        (low, high) = (low.add(TILE_BYTES), high.add(TILE_BYTES));
                        weights = weights.add(2 * TILE_WEIGHTS);
                    }
                }
                store!(sums);
            }
            // SAFETY: the four registers of sums have been stored whole.
            let sums = unsafe { sums.assume_init_ref() };
            self.write([&sums[0], &sums[1]], tiles, starts[0]);
            if starts[1] != starts[0] {
                self.write([&sums[2], &sums[3]], tiles, starts[1]);
            }
        }
    }

    /// Four tiles of pixels by one block of channels at a time.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn one_block(&self, tiles: &mut Tiles<'_>) {
        let count = tiles.pixels.div_ceil(TILE_PIXELS);
        for first in (0..count).step_by(4) {
            let numbers = [first, first + 1, first + 2, first + 3];
            let starts = numbers.map(|tile| tile_start(tile, tiles.pixels));
            let mut sums = MaybeUninit::<[TileSums; 4]>::uninit();
            // SAFETY: as above, with one tile of weights for each tile of a kernel row.
            unsafe {
                clear!();
                let mut weights = self.weights[tiles.group.weights_start..].as_ptr();
                for row in &tiles.rows[..self.kernel_height] {
                    let mut windows = starts.map(|start| row.as_ptr().add(start * self.pixel_step));
                    for _ in 0..self.run_tiles {
                        load!("tmm6", weights, TILE_BYTES);
                        load!("tmm4", windows[0], self.pixel_step);
                        multiply!("tmm0", "tmm4", "tmm6");
                        load!("tmm5", windows[1], self.pixel_step);
                        multiply!("tmm1", "tmm5", "tmm6");
                        load!("tmm4", windows[2], self.pixel_step);
                        multiply!("tmm2", "tmm4", "tmm6");
                        load!("tmm5", windows[3], self.pixel_step);
                        multiply!("tmm3", "tmm5", "tmm6");
                        windows = windows.map(|window| window.add(TILE_BYTES));
                        weights = weights.add(TILE_WEIGHTS);
                    }
                }
                store!(sums);
            }
            // SAFETY: as above.
            let sums = unsafe { sums.assume_init_ref() };
            for (tile, sums) in sums.iter().enumerate().take(count - first) {
                self.write([sums], tiles, starts[tile]);
            }
        }
    }

    /// Writes a tile of pixels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn write<const BLOCKS: usize>(
        &self,
        sums: [&TileSums; BLOCKS],
        tiles: &mut Tiles<'_>,
        first_pixel: usize,
    ) {
        let first_channel = tiles.group.first_channel;
        let bias = &self.requantization.bias[first_channel..][..BLOCKS * CHANNEL_BLOCK];
        let mut biases = [_mm512_setzero_si512(); BLOCKS];
        for (register, bias) in biases.iter_mut().zip(bias.as_chunks::<CHANNEL_BLOCK>().0) {
            // SAFETY: the chunk holds sixteen values.
            *register = unsafe { _mm512_loadu_si512(bias.as_ptr().cast()) };
        }
        for first in (0..TILE_PIXELS).step_by(WRITE_PIXELS) {
            let mut part = [[_mm512_setzero_si512(); BLOCKS]; WRITE_PIXELS];
            for (pixel, part) in part.iter_mut().enumerate() {
                for block in 0..BLOCKS {
                    let sums = &sums[block].0[first + pixel];
                    // SAFETY: the array holds sixteen values.
                    let sums = unsafe { _mm512_load_si512(sums.as_ptr().cast()) };
                    part[block] = _mm512_add_epi32(sums, biases[block]);
                }
            }
            self.requantization.write(part, tiles, first_pixel + first);
        }
    }
}
