//! x86-64 with AVX-512 VNNI: `vpdpbusd` multiplies four unsigned bytes by four signed bytes and
//! adds the products to a 32-bit sum, for sixteen output channels at once.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::asm;
use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::avx512_write::Sums;
use super::packing::{DOT, Place, dots_of_group, has_weights};
use super::parameters::{MAX_KERNEL_SIDE, Parameters};
use super::rows::Weights;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Weights in one register: a dot product for each channel of a block.
const REGISTER: usize = DOT * CHANNEL_BLOCK;

/// Neighbouring pixels that are reached from one address.
const QUAD: usize = 4;

/// Whether the running processor has every instruction used here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// Blocks of the largest group.
const MAX_BLOCKS: usize = 3;

/// Weights in the order in which the tiles read them: channel group, part of it, kernel row, four
/// input values, block of the part, channel of the block. Made only where [`is_available`] holds.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Weights,
    groups: Vec<ChannelGroup>,
    /// What each group multiplies.
    dots: Vec<GroupDots>,
    requantization: Requantization,
    kernel_height: usize,
    /// Bytes that one pixel's window reads of a kernel row.
    run_bytes: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

/// The places of a group's dot products, parted by the blocks that have weights there. Where no
/// block has any, nothing is multiplied.
#[derive(Debug, Default)]
struct GroupDots {
    /// Of all blocks together.
    shared: Vec<Place>,
    /// In a pair of blocks, those of one alone.
    lone: [Vec<Place>; 2],
}

impl Packed {
    /// Packs checked parameters. The processor must have the instructions.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let blocks = parameters.output_channels.div_ceil(CHANNEL_BLOCK);
        let with_triple = Grouped::new(parameters, &sizes_with_triple(blocks));
        let with_lone = Grouped::new(parameters, &sizes_with_lone(blocks));
        let grouped = if with_lone.cost() < with_triple.cost() {
            with_lone
        } else {
            with_triple
        };
        Self {
            weights: Weights::new(&grouped.weights),
            groups: grouped.groups,
            dots: grouped.dots,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_bytes: read_length(parameters, DOT),
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

/// Channel groups of some sizes, and their weights.
#[derive(Default)]
struct Grouped {
    groups: Vec<ChannelGroup>,
    dots: Vec<GroupDots>,
    weights: Vec<i8>,
}

impl Grouped {
    fn new(parameters: &Parameters, group_sizes: &[usize]) -> Self {
        let mut grouped = Self::default();
        let mut first_channel = 0;
        for &blocks in group_sizes {
            let lanes = blocks * CHANNEL_BLOCK;
            grouped.groups.push(ChannelGroup {
                number: grouped.groups.len(),
                first_channel,
                channels: lanes.min(parameters.output_channels - first_channel),
                max_pixels: max_pixels(blocks),
                weights_start: grouped.weights.len(),
            });
            grouped.add_dots(parameters, first_channel, lanes);
            first_channel += lanes;
        }
        grouped
    }

    fn add_dots(&mut self, parameters: &Parameters, first_channel: usize, lanes: usize) {
        let mut dots = GroupDots::default();
        let mut lone_weights: [Vec<i8>; 2] = Default::default();
        for (place, factors) in dots_of_group(parameters, first_channel, lanes) {
            let (blocks, _) = factors.as_chunks::<REGISTER>();
            let lone = match blocks {
                [first, second] if !has_weights(second) => Some((0, first)),
                [first, second] if !has_weights(first) => Some((1, second)),
                _ => None,
            };
            match lone {
                _ if !has_weights(&factors) => {}
                Some((block, factors)) => {
                    dots.lone[block].push(place);
                    lone_weights[block].extend_from_slice(factors);
                }
                None => {
                    dots.shared.push(place);
                    self.weights.extend_from_slice(&factors);
                }
            }
        }
        self.weights.extend(lone_weights.concat());
        self.dots.push(dots);
    }

    /// What a pixel costs, in hundredths of a nanosecond on one processor: a block by itself loads
    /// an activation for each product, two or three share it.
    fn cost(&self) -> usize {
        let groups = self.groups.iter().zip(&self.dots);
        let cost = groups.map(|(group, dots)| {
            let shared = match group.channels.div_ceil(CHANNEL_BLOCK) {
                1 => 19,
                2 => 26,
                _ => 40,
            };
            let lone = dots.lone.iter().map(Vec::len).sum::<usize>();
            shared * dots.shared.len() + 19 * lone
        });
        cost.sum()
    }
}

/// Pairs of blocks, and one group of three where their number is odd.
fn sizes_with_triple(blocks: usize) -> Vec<usize> {
    match blocks {
        1 => vec![1],
        _ if blocks.is_multiple_of(2) => vec![2; blocks / 2],
        _ => {
            let mut sizes = vec![2; blocks / 2];
            sizes[0] = MAX_BLOCKS;
            sizes
        }
    }
}

/// Pairs of blocks, and one by itself where their number is odd.
fn sizes_with_lone(blocks: usize) -> Vec<usize> {
    let mut sizes = vec![2; blocks / 2];
    if !blocks.is_multiple_of(2) {
        sizes.push(1);
    }
    sizes
}

/// Sums, weights and one activation share 32 registers.
fn max_pixels(blocks: usize) -> usize {
    match blocks {
        1 => 20,
        2 => 14,
        _ => 8,
    }
}

/// Calls the tiles compiled for the given number of pixels.
macro_rules! by_pixels {
    ($packed:expr, $tiles:expr, $blocks:literal, $($pixels:literal)*) => {
        match $tiles.pixels {
            // SAFETY: a `Packed` is made only where the processor has the instructions.
            $($pixels => unsafe { $packed.tiles::<$pixels, $blocks>($tiles) },)*
            pixels => unreachable!("a tile of {pixels} pixels and {} blocks", $blocks),
        }
    };
}

impl TileKernel for Packed {
    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tiles: &mut Tiles<'_>) {
        match tiles.group.channels.div_ceil(CHANNEL_BLOCK) {
            1 => by_pixels!(self, tiles, 1, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20),
            2 => by_pixels!(self, tiles, 2, 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
            _ => by_pixels!(self, tiles, 3, 1 2 3 4 5 6 7 8),
        }
    }
}

impl Packed {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn tiles<const PIXELS: usize, const BLOCKS: usize>(&self, tiles: &mut Tiles<'_>) {
        tiles.check_rows(self.kernel_height, self.pixel_step, self.run_bytes);
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            // SAFETY: the windows of `count * PIXELS` pixels have been checked.
            let sums = unsafe { self.sums::<PIXELS, BLOCKS>(tiles, first_pixel) };
            self.requantization.write(sums, tiles, first_pixel);
        }
    }

    /// Sums, bias included, of the tile that starts at a pixel of the span.
    ///
    /// # Safety
    /// The windows of the tile's pixels lie inside their rows.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn sums<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
    ) -> Sums<PIXELS, BLOCKS> {
        let group = tiles.group;
        let bias = &self.requantization.bias[group.first_channel..][..BLOCKS * CHANNEL_BLOCK];
        let mut sums = [[_mm512_setzero_si512(); BLOCKS]; PIXELS];
        for block in 0..BLOCKS {
            // SAFETY: `bias` holds sixteen values for each block.
            let bias = unsafe { _mm512_loadu_si512(bias.as_ptr().add(block * 16).cast()) };
            for sums in &mut sums {
                sums[block] = bias;
            }
        }
        let windows = tiles.windows(first_pixel * self.pixel_step);
        let GroupDots { shared, lone } = &self.dots[group.number];
        let weights = &self.weights[group.weights_start..];
        let (shared_weights, weights) = weights.split_at(shared.len() * BLOCKS * REGISTER);
        // SAFETY: the windows lie inside their rows, and the places are the group's.
        unsafe {
            sums = self.add::<PIXELS, BLOCKS, 0, BLOCKS>(sums, shared, shared_weights, &windows);
            if BLOCKS == 2 {
                let (first_weights, second_weights) = weights.split_at(lone[0].len() * REGISTER);
                sums = self.add::<PIXELS, BLOCKS, 0, 1>(sums, &lone[0], first_weights, &windows);
                sums = self.add::<PIXELS, BLOCKS, 1, 1>(sums, &lone[1], second_weights, &windows);
            }
        }
        sums
    }

    /// The sums with the dot products at these places added to `COUNT` blocks from `FIRST` on.
    ///
    /// # Safety
    /// From these places on lie the windows of `PIXELS` pixels in each kernel row.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn add<
        const PIXELS: usize,
        const BLOCKS: usize,
        const FIRST: usize,
        const COUNT: usize,
    >(
        &self,
        mut sums: Sums<PIXELS, BLOCKS>,
        places: &[Place],
        weights: &[i8],
        windows: &[*const u8; MAX_KERNEL_SIDE],
    ) -> Sums<PIXELS, BLOCKS> {
        let weights = weights[..places.len() * COUNT * REGISTER]
            .as_chunks::<REGISTER>()
            .0;
        for (place, weights) in places.iter().zip(weights.chunks_exact(COUNT)) {
            let mut factors = [_mm512_setzero_si512(); COUNT];
            for (factors, weights) in factors.iter_mut().zip(weights) {
                // SAFETY: the array is one register of weights.
                *factors = unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) };
            }
            let mut first = place.within(windows);
            /// The products of each pixel of a tile in turn: written out, since a loop with
            /// assembly in it is not unrolled.
            macro_rules! add_products {
                ($($pixel:literal)*) => {$(
                    if $pixel < PIXELS {
                        let four = first.wrapping_add($pixel % QUAD * self.pixel_step);
                        // SAFETY: at each place lie four bytes of every window, any of which are
                        // an integer.
                        let four = unsafe { four.cast::<i32>().read_unaligned() };
                        let activations = _mm512_set1_epi32(four);
                        let sums = &mut sums[$pixel][FIRST..FIRST + COUNT];
                        for (sum, factors) in sums.iter_mut().zip(&factors) {
                            *sum = _mm512_dpbusd_epi32(*sum, activations, *factors);
                            keep_order(sum);
                        }
                        if $pixel % QUAD == QUAD - 1 {
                            first = next_quad(first, self.pixel_step);
                        }
                    }
                )*};
            }
            add_products!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        }
        sums
    }
}

/// Keeps products in the order in which they are written: with all activations loaded first, there
/// would be more values than registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep_order(sum: &mut __m512i) {
    // SAFETY: no instruction, and the value stays what it is.
    unsafe {
        asm!(
            "/* {0} */",
            inout(zmm_reg) * sum,
            options(nostack, preserves_flags)
        );
    }
}

/// The place of the next four pixels. Told as if it were any place: an offset for each pixel of a
/// tile would take more registers than there are.
#[inline]
fn next_quad(first: *const u8, pixel_step: usize) -> *const u8 {
    let mut next = first.wrapping_add(QUAD * pixel_step);
    // SAFETY: no instruction, and the value stays what it is.
    unsafe { asm!("/* {0} */", inout(reg) next, options(nostack, preserves_flags)) };
    next
}
