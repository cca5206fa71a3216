//! x86-64 without AVX-512: eight output channels at once, either by `vpmaddubsw` (AVX2), which
//! adds two products in 16 bits, or by `vpdpbusd` (AVX-VNNI), which adds four in 32.
//!
//! As many pairs of products as fit 16 bits are added before the sums are widened to 32.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::chunks::Runs;
use super::output::Output;
use super::packing::{DOT, Place, pack_pruned_group};
use super::parameters::{MAX_ACTIVATION, Parameters};
use super::rows::Weights;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, TileKernel, Tiles, read_length};

/// Channels of one register of sums.
const LANES: usize = 8;
/// Registers of sums for one pixel.
const BLOCKS: usize = CHANNEL_BLOCK / LANES;
/// Weights in one register: a dot product for each lane.
const REGISTER: usize = DOT * LANES;
/// Weights of one dot product of every channel of a group.
const STEP: usize = DOT * CHANNEL_BLOCK;
/// Sums of 16 bits for one pixel: two for each channel.
const PAIRS: usize = 2 * CHANNEL_BLOCK;
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
    weights: Weights,
    groups: Vec<ChannelGroup>,
    /// For each group the places of its dot products, and how many are added in 16 bits at a time.
    places: Vec<Vec<Place>>,
    runs: Vec<Runs<PAIRS>>,
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
        let mut requantization = Requantization::new(parameters);
        let mut places = Vec::new();
        let mut runs = Vec::new();
        let mut weights = Vec::new();
        for first_channel in (0..parameters.output_channels).step_by(CHANNEL_BLOCK) {
            let weights_start = weights.len();
            groups.push(ChannelGroup {
                number: groups.len(),
                first_channel,
                channels: CHANNEL_BLOCK.min(parameters.output_channels - first_channel),
                max_pixels: MAX_PIXELS,
                weights_start,
            });
            let of_group =
                pack_pruned_group(parameters, first_channel, CHANNEL_BLOCK, &mut weights);
            let steps = weights[weights_start..].as_chunks::<STEP>().0;
            let steps = steps.iter().map(|step| (0, step_sums(step)));
            let widened = instructions == Instructions::Avx2;
            let of_group_runs = Runs::new(steps, |sums| widened && overflows(sums), first_value);
            if widened {
                let bias = &mut requantization.bias[first_channel..][..CHANNEL_BLOCK];
                for values in &of_group_runs.first_values {
                    for (bias, values) in bias.iter_mut().zip(values.as_chunks::<2>().0) {
                        // May leave 32 bits on the way, as the sums do; the two come out right.
                        let added = i32::from(values[0]) + i32::from(values[1]);
                        *bias = bias.wrapping_sub(added);
                    }
                }
            }
            places.push(of_group);
            runs.push(of_group_runs);
        }
        Self {
            instructions,
            weights: Weights::new(&weights),
            groups,
            places,
            runs,
            requantization,
            kernel_height: parameters.kernel_height,
            run_dots,
            pixel_step: parameters.stride * parameters.input_channels,
        }
    }
}

/// Whether products may make a sum of 16 bits overflow that starts at [`first_value`]: then both
/// signs together have all of the room.
fn overflows([above, below]: [i32; 2]) -> bool {
    (above + below) * MAX_ACTIVATION > i32::from(u16::MAX)
}

/// The value from which a sum gets no lower than the lowest there is, whatever the activations.
fn first_value([_, below]: [i32; 2]) -> i16 {
    (i32::from(i16::MIN) + below * MAX_ACTIVATION) as i16
}

/// What one dot product adds to each sum of 16 bits: two products, so two sums for each channel.
fn step_sums(weights: &[i8; STEP]) -> [[i32; 2]; PAIRS] {
    let mut sums = [[0; 2]; PAIRS];
    for (sums, pair) in sums.iter_mut().zip(weights.as_chunks::<2>().0) {
        for &weight in pair {
            sums[usize::from(weight < 0)] += i32::from(weight).abs();
        }
    }
    sums
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
                        self.store_part(&values, group, |place, words| {
                            let places = output[place..][..words.len()].iter_mut();
                            places
                                .zip(words)
                                .for_each(|(place, &word)| *place = word as u8);
                        });
                    }
                }
                Output::I16(output) => {
                    let output = &mut output[start..][..PIXELS * channels];
                    self.store_part(&values, group, |place, words| {
                        output[place..][..words.len()].copy_from_slice(words);
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
    #[target_feature(enable = "avx2")]
    unsafe fn sums<const PIXELS: usize>(
        &self,
        tiles: &Tiles<'_>,
        first_pixel: usize,
    ) -> Values<PIXELS> {
        let ones = _mm256_set1_epi16(1);
        let mut sums = self.biases::<PIXELS>(tiles.group);
        let runs = &self.runs[tiles.group.number];
        let mut places = self.places[tiles.group.number].as_slice();
        let windows = tiles.windows(first_pixel * self.pixel_step);
        let mut first_values = runs.first_values.iter();
        let mut weights = self.weights[tiles.group.weights_start..].as_ptr();
        let mut pairs = [[_mm256_setzero_si256(); BLOCKS]; PIXELS];
        for segment in &runs.segments {
            if segment.starts
                && let Some(values) = first_values.next()
            {
                // SAFETY: the array holds two registers.
                let values = unsafe { load_factors(values.as_ptr().cast()) };
                pairs = [values; PIXELS];
            }
            let of_segment;
            (of_segment, places) = places.split_at(segment.steps as usize);
            for place in of_segment {
                let first = place.within(&windows);
                // SAFETY: for each dot product there are `BLOCKS` registers of weights, and four
                // bytes in each window of its kernel row.
                unsafe {
                    let factors = load_factors(weights);
                    for (pixel, pairs) in pairs.iter_mut().enumerate() {
                        let activations = broadcast(first.add(pixel * self.pixel_step));
                        for (pairs, factors) in pairs.iter_mut().zip(factors) {
                            let products = _mm256_maddubs_epi16(activations, factors);
                            *pairs = _mm256_add_epi16(*pairs, products);
                        }
                    }
                    weights = weights.add(STEP);
                }
            }
            if segment.ends {
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
        let windows = tiles.windows(first_pixel * self.pixel_step);
        let mut weights = self.weights[tiles.group.weights_start..].as_ptr();
        for place in &self.places[tiles.group.number] {
            let first = place.within(&windows);
            // SAFETY: for each dot product there are `BLOCKS` registers of weights, and four bytes
            // in each window of its kernel row.
            unsafe {
                let factors = load_factors(weights);
                for (pixel, sums) in sums.iter_mut().enumerate() {
                    let activations = broadcast(first.add(pixel * self.pixel_step));
                    for (sum, factors) in sums.iter_mut().zip(factors) {
                        *sum = _mm256_dpbusd_avx_epi32(*sum, activations, factors);
                    }
                }
                weights = weights.add(STEP);
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

    /// Gives every pixel's channels, clamped, to `store` with the first one's place.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_part<const PIXELS: usize>(
        &self,
        values: &Values<PIXELS>,
        group: ChannelGroup,
        mut store: impl FnMut(usize, &[i16]),
    ) {
        let constants = &self.requantization;
        let zero_point = _mm256_set1_epi32(constants.zero_point);
        let minimum = _mm256_set1_epi32(constants.minimum);
        let maximum = _mm256_set1_epi32(constants.maximum);
        let clamped = |register: __m256i| {
            let value = _mm256_add_epi32(register, zero_point);
            _mm256_min_epi32(_mm256_max_epi32(value, minimum), maximum)
        };
        for (pixel, registers) in values.iter().enumerate() {
            // Packing works in halves of registers; every value fits its word.
            let packed = _mm256_packs_epi32(clamped(registers[0]), clamped(registers[1]));
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            let mut words = [0; CHANNEL_BLOCK];
            // SAFETY: the array holds sixteen words.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), packed) };
            let place = pixel * constants.channels + group.first_channel;
            store(place, &words[..group.channels]);
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
    fn sums_that_do_not_overflow_use_all_sixteen_bits() {
        for (above, below, expected) in [(258, 258, false), (516, 0, false), (259, 258, true)] {
            assert_eq!(overflows([above, below]), expected, "{above}, {below}");
            if !expected {
                let first = i32::from(first_value([above, below]));
                assert!(first - below * MAX_ACTIVATION >= i32::from(i16::MIN));
                assert!(first + above * MAX_ACTIVATION <= i32::from(i16::MAX));
            }
        }
    }
}
