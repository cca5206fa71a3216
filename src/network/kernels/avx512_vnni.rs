//! x86-64 with AVX-512 VNNI: `vpdpbusd` multiplies four unsigned bytes by four signed bytes and
//! adds the products to a 32-bit sum, for sixteen output channels at once.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::Output;
use super::parameters::Parameters;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};
use super::x86_packing::{DOT, pack_group};

/// Weights in one register: a dot product for each channel of a block.
const REGISTER: usize = DOT * CHANNEL_BLOCK;

/// Whether the running processor has every instruction used here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

/// Weights in the order in which the tiles read them: channel group, kernel row, four input
/// values, block of the group, channel of the block. Made only where [`is_available`] holds.
#[derive(Debug)]
pub(super) struct Packed {
    weights: Vec<i8>,
    groups: Vec<ChannelGroup>,
    requantization: Requantization,
    kernel_height: usize,
    /// Dot products in one kernel row.
    run_dots: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters. The processor must have the instructions.
    pub(super) fn new(parameters: &Parameters) -> Self {
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        let blocks = parameters.output_channels.div_ceil(CHANNEL_BLOCK);
        let mut first_block = 0;
        for group_blocks in group_sizes(blocks) {
            let first_channel = first_block * CHANNEL_BLOCK;
            let channels = parameters.output_channels - first_channel;
            groups.push(ChannelGroup {
                first_channel,
                channels: channels.min(group_blocks * CHANNEL_BLOCK),
                max_pixels: max_pixels(group_blocks),
                weights_start: weights.len(),
            });
            let lanes = group_blocks * CHANNEL_BLOCK;
            pack_group(parameters, first_channel, lanes, &mut weights);
            first_block += group_blocks;
        }
        Self {
            weights,
            groups,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_dots: read_length(parameters, DOT) / DOT,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

/// Pairs of blocks, and one group of three where their number is odd: a lone block would load
/// as many activations for half the products.
fn group_sizes(blocks: usize) -> Vec<usize> {
    match blocks {
        1 => vec![1],
        _ if blocks.is_multiple_of(2) => vec![2; blocks / 2],
        _ => {
            let mut sizes = vec![2; blocks / 2];
            sizes[0] = 3;
            sizes
        }
    }
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

/// Values of one tile, before they are clamped.
type Values<const PIXELS: usize, const BLOCKS: usize> = [[__m512i; BLOCKS]; PIXELS];

impl Packed {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn tiles<const PIXELS: usize, const BLOCKS: usize>(&self, tiles: &mut Tiles<'_>) {
        tiles.check_rows(self.kernel_height, self.pixel_step, self.run_dots * DOT);
        let group = tiles.group;
        let channels = self.requantization.channels;
        let whole = group.channels == BLOCKS * CHANNEL_BLOCK;
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            // SAFETY: the windows of `count * PIXELS` pixels have been checked.
            let sums = unsafe { self.sums::<PIXELS, BLOCKS>(tiles, first_pixel) };
            let residual = tiles
                .residual
                .map(|(row, column)| (row, column + first_pixel));
            let values = match residual {
                None => self.rounded(sums, group, |_, _, real| real),
                Some((row, column)) => {
                    let (columns, last) = (column + PIXELS, group.first_channel + BLOCKS * 16);
                    let end = ((columns - 1) >> self.requantization.residual_shift) * channels;
                    assert!(row.len() >= end + last, "a residual ends outside its row");
                    self.rounded(sums, group, |pixel, block, real| {
                        // SAFETY: up to the last pixel's last block the row has been checked.
                        let branch = unsafe { self.branch(row, column + pixel, group, block) };
                        _mm512_add_ps(real, branch)
                    })
                }
            };
            let start = first_pixel * channels;
            match &mut tiles.output {
                Output::U8(output) if whole => {
                    self.store_whole(&values, group, &mut output[start..][..PIXELS * channels]);
                }
                Output::U8(output) => {
                    let output = &mut output[start..][..PIXELS * channels];
                    self.store_part(&values, group, |at, lanes, values| {
                        let places = output[at..][..lanes].iter_mut();
                        places
                            .zip(values)
                            .for_each(|(place, &value)| *place = value as u8);
                    });
                }
                Output::I16(output) => {
                    let output = &mut output[start..][..PIXELS * channels];
                    self.store_part(&values, group, |at, lanes, values| {
                        let places = output[at..][..lanes].iter_mut();
                        places
                            .zip(values)
                            .for_each(|(place, &value)| *place = value as i16);
                    });
                }
            }
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
    ) -> Values<PIXELS, BLOCKS> {
        let row_weights = self.run_dots * BLOCKS * REGISTER;
        let group = tiles.group;
        let weights = &self.weights[group.weights_start..][..self.kernel_height * row_weights];
        let bias = &self.requantization.bias[group.first_channel..][..BLOCKS * CHANNEL_BLOCK];
        let mut sums = [[_mm512_setzero_si512(); BLOCKS]; PIXELS];
        for block in 0..BLOCKS {
            // SAFETY: `bias` holds sixteen values for each block.
            let bias = unsafe { _mm512_loadu_si512(bias.as_ptr().add(block * 16).cast()) };
            for sums in &mut sums {
                sums[block] = bias;
            }
        }
        for (row, weights) in tiles.rows.iter().zip(weights.chunks_exact(row_weights)) {
            // SAFETY: the windows lie inside their rows, so the first one's start does.
            let mut window = unsafe { row.as_ptr().add(first_pixel * self.pixel_step) };
            let mut weights = weights.as_ptr();
            for _ in 0..self.run_dots {
                let mut factors = [_mm512_setzero_si512(); BLOCKS];
                for (block, factors) in factors.iter_mut().enumerate() {
                    // SAFETY: `weights` holds `run_dots * BLOCKS` registers.
                    *factors = unsafe { _mm512_loadu_si512(weights.add(block * REGISTER).cast()) };
                }
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: the four bytes lie inside the window of this pixel.
                    let four = unsafe { window.add(pixel * self.pixel_step).cast::<i32>() };
                    // SAFETY: as above; any four bytes are an integer.
                    let activations = _mm512_set1_epi32(unsafe { four.read_unaligned() });
                    for (sum, factors) in sums.iter_mut().zip(&factors) {
                        *sum = _mm512_dpbusd_epi32(*sum, activations, *factors);
                    }
                }
                // SAFETY: past the last dot product this is one past what has been checked.
                (window, weights) = unsafe { (window.add(DOT), weights.add(BLOCKS * REGISTER)) };
            }
        }
        sums
    }

    /// Scales every sum, adds the residual by `add`, and rounds: output values without their zero
    /// point, not clamped.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn rounded<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        mut sums: Values<PIXELS, BLOCKS>,
        group: ChannelGroup,
        add: impl Fn(usize, usize, __m512) -> __m512,
    ) -> Values<PIXELS, BLOCKS> {
        for block in 0..BLOCKS {
            let first_channel = group.first_channel + block * CHANNEL_BLOCK;
            let scale = &self.requantization.scale[first_channel..][..CHANNEL_BLOCK];
            // SAFETY: the slice holds sixteen values.
            let scale = unsafe { _mm512_loadu_ps(scale.as_ptr()) };
            for (pixel, sums) in sums.iter_mut().enumerate() {
                let real = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[block]), scale);
                sums[block] = _mm512_cvtps_epi32(add(pixel, block, real));
            }
        }
        sums
    }

    /// A residual's values at an output column, in output steps.
    ///
    /// # Safety
    /// The row holds the block's sixteen values at that column; they need not all be channels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn branch(
        &self,
        row: &[u8],
        column: usize,
        group: ChannelGroup,
        block: usize,
    ) -> __m512 {
        let constants = &self.requantization;
        let first_channel = group.first_channel + block * CHANNEL_BLOCK;
        let place = (column >> constants.residual_shift) * constants.channels + first_channel;
        // SAFETY: the caller's promise.
        let bytes = unsafe { _mm_loadu_si128(row.as_ptr().add(place).cast()) };
        let zero_point = _mm512_set1_epi32(constants.residual_zero_point);
        let steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point);
        let scale = _mm512_set1_ps(constants.residual_scale);
        _mm512_mul_ps(_mm512_cvtepi32_ps(steps), scale)
    }

    /// Writes a tile of whole blocks: four registers at a time become 64 bytes. Saturation clamps
    /// to the type's range, two more steps to the output's.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn store_whole<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        values: &Values<PIXELS, BLOCKS>,
        group: ChannelGroup,
        output: &mut [u8],
    ) {
        let constants = &self.requantization;
        let zero_point = _mm512_set1_epi16(constants.zero_point as i16);
        let minimum = _mm512_set1_epi8(constants.minimum as i8);
        let maximum = _mm512_set1_epi8(constants.maximum as i8);
        // Packing works in quarters of registers: four columns of four words become rows.
        let transpose = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        let one_piece = group.channels == constants.channels;
        assert!(output.len() == PIXELS * constants.channels);
        let value = |index: usize| values[index / BLOCKS][index % BLOCKS];
        let place = |index: usize| {
            let channel = group.first_channel + index % BLOCKS * CHANNEL_BLOCK;
            index / BLOCKS * constants.channels + channel
        };
        let pack = |four: [__m512i; 4]| {
            let low = _mm512_adds_epi16(_mm512_packs_epi32(four[0], four[1]), zero_point);
            let high = _mm512_adds_epi16(_mm512_packs_epi32(four[2], four[3]), zero_point);
            let bytes = _mm512_packus_epi16(low, high);
            let clamped = _mm512_min_epu8(_mm512_max_epu8(bytes, minimum), maximum);
            _mm512_permutexvar_epi32(transpose, clamped)
        };
        let count = PIXELS * BLOCKS;
        for first in (0..count - count % 4).step_by(4) {
            let bytes = pack([
                value(first),
                value(first + 1),
                value(first + 2),
                value(first + 3),
            ]);
            if one_piece {
                // SAFETY: register `first` starts at byte `first * 16` of the output, which holds
                // sixteen bytes for each of `count` registers.
                unsafe { _mm512_storeu_si512(output.as_mut_ptr().add(first * 16).cast(), bytes) };
            } else {
                // SAFETY: `place` is where a register's sixteen channels start, and the output
                // holds all channels of every pixel.
                unsafe {
                    let start = output.as_mut_ptr();
                    let at = |index: usize| start.add(place(first + index)).cast();
                    _mm_storeu_si128(at(0), _mm512_extracti32x4_epi32::<0>(bytes));
                    _mm_storeu_si128(at(1), _mm512_extracti32x4_epi32::<1>(bytes));
                    _mm_storeu_si128(at(2), _mm512_extracti32x4_epi32::<2>(bytes));
                    _mm_storeu_si128(at(3), _mm512_extracti32x4_epi32::<3>(bytes));
                }
            }
        }
        for index in count - count % 4..count {
            let bytes = pack([
                value(index),
                _mm512_setzero_si512(),
                _mm512_setzero_si512(),
                _mm512_setzero_si512(),
            ]);
            // SAFETY: as above.
            unsafe {
                let at = output.as_mut_ptr().add(place(index)).cast();
                _mm_storeu_si128(at, _mm512_castsi512_si128(bytes));
            }
        }
    }

    /// Gives every register's channels, clamped, to `store`: place, channels, values.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn store_part<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        values: &Values<PIXELS, BLOCKS>,
        group: ChannelGroup,
        mut store: impl FnMut(usize, usize, &[i32; CHANNEL_BLOCK]),
    ) {
        let constants = &self.requantization;
        let zero_point = _mm512_set1_epi32(constants.zero_point);
        let minimum = _mm512_set1_epi32(constants.minimum);
        let maximum = _mm512_set1_epi32(constants.maximum);
        for (pixel, values) in values.iter().enumerate() {
            for (block, value) in values.iter().enumerate() {
                let first = block * CHANNEL_BLOCK;
                let value = _mm512_add_epi32(*value, zero_point);
                let value = _mm512_min_epi32(_mm512_max_epi32(value, minimum), maximum);
                let mut lanes = [0; CHANNEL_BLOCK];
                // SAFETY: the array holds sixteen values.
                unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), value) };
                let channels = CHANNEL_BLOCK.min(group.channels - first);
                let place = pixel * constants.channels + group.first_channel + first;
                store(place, channels, &lanes);
            }
        }
    }
}
