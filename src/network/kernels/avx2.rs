//! x86-64 without AVX-512: eight output channels at once, either by `vpmaddubsw` (AVX2), which
//! adds two products in 16 bits, or by `vpdpbusd` (AVX-VNNI), which adds four in 32.
//!
//! Weights are known when they are packed, so it is known too how many pairs of products of one
//! channel fit 16 bits whatever the activations are: so many are added before the sums are widened
//! to 32 bits. With trained weights that is about eight instead of one.

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::Output;
use super::parameters::{MAX_ACTIVATION, Parameters};
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};
use super::x86_packing::{DOT, pack_group};

/// Channels of one register of sums.
const LANES: usize = 8;
/// Registers of sums for one pixel.
const BLOCKS: usize = CHANNEL_BLOCK / LANES;
/// Weights in one register: a dot product for each lane.
const REGISTER: usize = DOT * LANES;
/// Most pixels of a tile: sums, weights and one activation share sixteen registers.
const MAX_PIXELS: usize = 6;

/// Dot products that can be added in 16 bits where weights are small.
pub(super) const LONGEST_CHUNK: usize = 16;

/// Which instructions multiply and add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    Avx2,
    AvxVnni,
}

impl Instructions {
    /// Whether the running processor has them.
    pub(super) fn are_available(self) -> bool {
        let avx2 = is_x86_feature_detected!("avx2");
        match self {
            Self::Avx2 => avx2,
            Self::AvxVnni => avx2 && is_x86_feature_detected!("avxvnni"),
        }
    }
}

/// Weights in the order in which the tiles read them: channel group, kernel row, four input
/// values, channel of the group. Made only where the instructions are available.
#[derive(Debug)]
pub(super) struct Packed {
    instructions: Instructions,
    weights: Vec<i8>,
    groups: Vec<ChannelGroup>,
    /// For each group and kernel row, how many dot products to add in 16 bits at a time.
    chunks: Vec<Vec<usize>>,
    requantization: Requantization,
    kernel_height: usize,
    /// Dot products in one kernel row.
    run_dots: usize,
    /// Bytes from one output pixel's window to the next one's.
    pixel_step: usize,
}

impl Packed {
    /// Packs checked parameters. The processor must have the instructions.
    pub(super) fn new(instructions: Instructions, parameters: &Parameters) -> Self {
        let run_dots = read_length(parameters, DOT) / DOT;
        let mut groups = Vec::new();
        let mut chunks = Vec::new();
        let mut weights = Vec::new();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            let weights_start = weights.len();
            groups.push(ChannelGroup {
                first_channel,
                channels: CHANNEL_BLOCK.min(parameters.output_channels - first_channel),
                max_pixels: MAX_PIXELS,
                weights_start,
            });
            pack_group(parameters, first_channel, CHANNEL_BLOCK, &mut weights);
            let rows = weights[weights_start..].chunks_exact(run_dots * BLOCKS * REGISTER);
            chunks.extend(rows.map(chunks_of));
        }
        Self {
            instructions,
            weights,
            groups,
            chunks,
            requantization: Requantization::new(parameters),
            kernel_height: parameters.kernel_height,
            run_dots,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

/// Cuts a kernel row's dot products into runs whose sums of pairs of products fit 16 bits for any
/// activations; `weights` are those of all channels for each dot product in turn.
fn chunks_of(weights: &[i8]) -> Vec<usize> {
    /// Pairs of products of one dot product are two 16-bit sums for each channel.
    const PAIRS: usize = 2 * CHANNEL_BLOCK;
    /// With this sum of weights of one sign, times the largest activation, 16 bits are full.
    const MOST: i32 = i16::MAX as i32 / MAX_ACTIVATION;
    let mut chunks = Vec::new();
    let mut length = 0;
    let mut sums = [[0_i32; 2]; PAIRS];
    for dot in weights.as_chunks::<{ DOT * CHANNEL_BLOCK }>().0 {
        let mut added = sums;
        for (sums, pair) in added.iter_mut().zip(dot.as_chunks::<2>().0) {
            for &weight in pair {
                sums[usize::from(weight < 0)] += i32::from(weight).abs();
            }
        }
        if length > 0 && added.iter().flatten().any(|&sum| sum > MOST) {
            chunks.push(length);
            length = 0;
            for (added, before) in added.iter_mut().flatten().zip(sums.iter().flatten()) {
                *added -= before;
            }
        }
        sums = added;
        length += 1;
    }
    chunks.push(length);
    chunks
}

impl TileKernel for Packed {
    fn groups(&self) -> &[ChannelGroup] {
        &self.groups
    }

    fn compute(&self, tiles: &mut Tiles<'_>) {
        // SAFETY: a `Packed` is made only where the processor has the instructions.
        unsafe {
            match tiles.pixels {
                1 => self.tiles::<1>(tiles),
                2 => self.tiles::<2>(tiles),
                3 => self.tiles::<3>(tiles),
                4 => self.tiles::<4>(tiles),
                5 => self.tiles::<5>(tiles),
                6 => self.tiles::<6>(tiles),
                pixels => unreachable!("a tile of {pixels} pixels"),
            }
        }
    }
}

/// Values of one tile, before they are clamped.
type Values<const PIXELS: usize> = [[__m256i; BLOCKS]; PIXELS];

impl Packed {
    #[target_feature(enable = "avx2")]
    fn tiles<const PIXELS: usize>(&self, tiles: &mut Tiles<'_>) {
        tiles.check_rows(self.kernel_height, self.pixel_step, self.run_dots * DOT);
        let group = tiles.group;
        let channels = self.requantization.channels;
        for tile in 0..tiles.count {
            let first_pixel = tile * PIXELS;
            // SAFETY: the windows of `count * PIXELS` pixels have been checked, and a `Packed` is
            // made only where the processor has its instructions.
            let sums = unsafe {
                match self.instructions {
                    Instructions::Avx2 => self.sums::<PIXELS>(tiles, first_pixel),
                    Instructions::AvxVnni => self.vnni_sums::<PIXELS>(tiles, first_pixel),
                }
            };
            let residual = tiles
                .residual
                .map(|(row, column)| (row, column + first_pixel));
            let values = match residual {
                None => self.rounded(sums, group, |_, _, real| real),
                Some((row, column)) => {
                    let last = (column + PIXELS - 1) >> self.requantization.residual_shift;
                    let end = last * channels + group.first_channel + CHANNEL_BLOCK;
                    assert!(row.len() >= end, "a residual ends outside its row");
                    self.rounded(sums, group, |pixel, block, real| {
                        // SAFETY: up to the last pixel's last channel the row has been checked.
                        let branch = unsafe { self.branch(row, column + pixel, group, block) };
                        _mm256_add_ps(real, branch)
                    })
                }
            };
            let start = first_pixel * channels;
            match &mut tiles.output {
                Output::U8(output) => {
                    let output = &mut output[start..][..PIXELS * channels];
                    if group.channels == CHANNEL_BLOCK {
                        self.store_whole(&values, group, output);
                    } else {
                        self.store_part(&values, group, |place, value| output[place] = value as u8);
                    }
                }
                Output::I16(output) => {
                    let output = &mut output[start..][..PIXELS * channels];
                    self.store_part(&values, group, |place, value| output[place] = value as i16);
                }
            }
        }
    }

    /// Sums, bias included, of the tile that starts at a pixel of the span.
    ///
    /// # Safety
    /// The windows of the tile's pixels lie inside their rows.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn sums<const PIXELS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
    ) -> Values<PIXELS> {
        let ones = _mm256_set1_epi16(1);
        let mut sums = self.biases::<PIXELS>(tiles.group);
        let group_number = tiles.group.first_channel / CHANNEL_BLOCK;
        let chunks = &self.chunks[group_number * self.kernel_height..][..self.kernel_height];
        let mut weights = self.weights[tiles.group.weights_start..].as_ptr();
        for (row, chunks) in tiles.rows.iter().zip(chunks) {
            // SAFETY: the windows lie inside their rows, so the first one's start does.
            let mut window = unsafe { row.as_ptr().add(first_pixel * self.pixel_step) };
            for &chunk in chunks {
                let mut pairs = [[_mm256_setzero_si256(); BLOCKS]; PIXELS];
                for _ in 0..chunk {
                    // SAFETY: all chunks of a row make up its `run_dots` dot products, for each of
                    // which the weights hold `BLOCKS` registers and each window four bytes.
                    unsafe {
                        let factors = load_factors(weights);
                        for (pixel, pairs) in pairs.iter_mut().enumerate() {
                            let activations = broadcast(window.add(pixel * self.pixel_step));
                            for (pairs, factors) in pairs.iter_mut().zip(factors) {
                                let products = _mm256_maddubs_epi16(activations, factors);
                                *pairs = _mm256_add_epi16(*pairs, products);
                            }
                        }
                        (window, weights) = (window.add(DOT), weights.add(BLOCKS * REGISTER));
                    }
                }
                for (sums, pairs) in sums.iter_mut().zip(&pairs) {
                    for (sum, pairs) in sums.iter_mut().zip(pairs) {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(*pairs, ones));
                    }
                }
            }
        }
        sums
    }

    /// As [`Packed::sums`], with the instruction of AVX-VNNI.
    ///
    /// # Safety
    /// As there.
    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn vnni_sums<const PIXELS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
    ) -> Values<PIXELS> {
        let mut sums = self.biases::<PIXELS>(tiles.group);
        let mut weights = self.weights[tiles.group.weights_start..].as_ptr();
        for row in &tiles.rows[..self.kernel_height] {
            // SAFETY: the windows lie inside their rows, so the first one's start does.
            let mut window = unsafe { row.as_ptr().add(first_pixel * self.pixel_step) };
            for _ in 0..self.run_dots {
                // SAFETY: a row has `run_dots` dot products, for each of which the weights hold
                // `BLOCKS` registers and each window four bytes.
                unsafe {
                    let factors = load_factors(weights);
                    for (pixel, sums) in sums.iter_mut().enumerate() {
                        let activations = broadcast(window.add(pixel * self.pixel_step));
                        for (sum, factors) in sums.iter_mut().zip(factors) {
                            *sum = _mm256_dpbusd_avx_epi32(*sum, activations, factors);
                        }
                    }
                    (window, weights) = (window.add(DOT), weights.add(BLOCKS * REGISTER));
                }
            }
        }
        sums
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn biases<const PIXELS: usize>(&self, group: ChannelGroup) -> Values<PIXELS> {
        let bias = &self.requantization.bias[group.first_channel..][..CHANNEL_BLOCK];
        let mut biases = [_mm256_setzero_si256(); BLOCKS];
        for (register, bias) in biases.iter_mut().zip(bias.as_chunks::<LANES>().0) {
            // SAFETY: the chunk holds eight values.
            *register = unsafe { _mm256_loadu_si256(bias.as_ptr().cast()) };
        }
        [biases; PIXELS]
    }

    /// Scales every sum, adds the residual by `add`, and rounds: output values without their zero
    /// point, not clamped.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn rounded<const PIXELS: usize>(
        &self,
        mut sums: Values<PIXELS>,
        group: ChannelGroup,
        add: impl Fn(usize, usize, __m256) -> __m256,
    ) -> Values<PIXELS> {
        let scale = &self.requantization.scale[group.first_channel..][..CHANNEL_BLOCK];
        for (block, scale) in scale.as_chunks::<LANES>().0.iter().enumerate() {
            // SAFETY: the chunk holds eight values.
            let scale = unsafe { _mm256_loadu_ps(scale.as_ptr()) };
            for (pixel, sums) in sums.iter_mut().enumerate() {
                let real = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[block]), scale);
                sums[block] = _mm256_cvtps_epi32(add(pixel, block, real));
            }
        }
        sums
    }

    /// A residual's values at an output column, in output steps.
    ///
    /// # Safety
    /// The row holds the block's eight values at that column; they need not all be channels.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn branch(
        &self,
        row: &[u8],
        column: usize,
        group: ChannelGroup,
        block: usize,
    ) -> __m256 {
        let constants = &self.requantization;
        let first_channel = group.first_channel + block * LANES;
        let place = (column >> constants.residual_shift) * constants.channels + first_channel;
        // SAFETY: the caller's promise.
        let bytes = unsafe { _mm_loadl_epi64(row.as_ptr().add(place).cast()) };
        let zero_point = _mm256_set1_epi32(constants.residual_zero_point);
        let steps = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), zero_point);
        let scale = _mm256_set1_ps(constants.residual_scale);
        _mm256_mul_ps(_mm256_cvtepi32_ps(steps), scale)
    }

    /// Writes a tile of sixteen channels: two pixels' registers become 32 bytes. Saturation clamps
    /// to the type's range, two more steps to the output's.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_whole<const PIXELS: usize>(
        &self,
        values: &Values<PIXELS>,
        group: ChannelGroup,
        output: &mut [u8],
    ) {
        let constants = &self.requantization;
        let zero_point = _mm256_set1_epi16(constants.zero_point as i16);
        let minimum = _mm256_set1_epi8(constants.minimum as i8);
        let maximum = _mm256_set1_epi8(constants.maximum as i8);
        // Packing works in halves of registers: four columns of two words become rows.
        let transpose = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        for (pair, values) in values.chunks(2).enumerate() {
            let [first, second] = [values[0], *values.last().unwrap_or(&values[0])];
            let low = _mm256_adds_epi16(_mm256_packs_epi32(first[0], first[1]), zero_point);
            let high = _mm256_adds_epi16(_mm256_packs_epi32(second[0], second[1]), zero_point);
            let bytes = _mm256_packus_epi16(low, high);
            let clamped = _mm256_min_epu8(_mm256_max_epu8(bytes, minimum), maximum);
            let bytes = _mm256_permutevar8x32_epi32(clamped, transpose);
            let halves = [
                _mm256_castsi256_si128(bytes),
                _mm256_extracti128_si256::<1>(bytes),
            ];
            for (pixel, half) in halves.into_iter().enumerate().take(values.len()) {
                let place = (2 * pair + pixel) * constants.channels + group.first_channel;
                let place = &mut output[place..][..CHANNEL_BLOCK];
                // SAFETY: the slice holds sixteen bytes.
                unsafe { _mm_storeu_si128(place.as_mut_ptr().cast(), half) };
            }
        }
    }

    /// Gives every channel's value, clamped, to `store` with its place.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_part<const PIXELS: usize>(
        &self,
        values: &Values<PIXELS>,
        group: ChannelGroup,
        mut store: impl FnMut(usize, i32),
    ) {
        let constants = &self.requantization;
        for (pixel, registers) in values.iter().enumerate() {
            let first = pixel * constants.channels + group.first_channel;
            for (block, register) in registers.iter().enumerate() {
                let mut lanes = [0; LANES];
                // SAFETY: the array holds eight values.
                unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), *register) };
                let channels = group.channels.saturating_sub(block * LANES);
                for (lane, value) in lanes.into_iter().enumerate().take(channels) {
                    let value = value + constants.zero_point;
                    let clamped = value.clamp(constants.minimum, constants.maximum);
                    store(first + block * LANES + lane, clamped);
                }
            }
        }
    }
}

/// The weights of one dot product.
///
/// # Safety
/// `weights` points to `BLOCKS` registers.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_factors(weights: *const i8) -> [__m256i; BLOCKS] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            _mm256_loadu_si256(weights.cast()),
            _mm256_loadu_si256(weights.add(REGISTER).cast()),
        ]
    }
}

/// Four activations, for every channel.
///
/// # Safety
/// `activations` points to four bytes.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn broadcast(activations: *const u8) -> __m256i {
    // SAFETY: the caller's promise; any four bytes are an integer.
    _mm256_set1_epi32(unsafe { activations.cast::<i32>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_fill_sixteen_bits_and_never_more() {
        let dot = |weight: i8| [weight; DOT * CHANNEL_BLOCK];
        let cases = [
            ("largest weights", vec![dot(127); 3], vec![1, 1, 1]),
            (
                "either sign counts by itself",
                vec![dot(64), dot(-64), dot(64)],
                vec![3],
            ),
            (
                "129 + 129 is the most",
                vec![dot(64), dot(64), dot(1), dot(1)],
                vec![3, 1],
            ),
            ("zeros", vec![dot(0); 9], vec![9]),
        ];
        for (name, dots, expected) in cases {
            assert_eq!(chunks_of(&dots.concat()), expected, "{name}");
        }
    }
}
