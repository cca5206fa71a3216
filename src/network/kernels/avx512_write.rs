//! The way from sums to output values that the kernels for AVX-512 share.

#![allow(unsafe_code, reason = "vector instructions and unchecked loads")]

use std::arch::x86_64::*;

use super::output::Output;
use super::tiles::{CHANNEL_BLOCK, ChannelGroup, Requantization, Tiles};

/// Sums of one tile: blocks of sixteen channels of each pixel.
pub(super) type Sums<const PIXELS: usize, const BLOCKS: usize> = [[__m512i; BLOCKS]; PIXELS];

impl Requantization {
    /// Scales the sums of some pixels of a span, adds the residual, rounds, clamps, and writes
    /// the group's channels. The sums have their bias.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn write<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        sums: Sums<PIXELS, BLOCKS>,
        tiles: &mut Tiles<'_>,
        first_pixel: usize,
    ) {
        let group = tiles.group;
        let channels = self.channels;
        let values = match tiles.residual {
            None => self.rounded(sums, group, |_, _, real| real),
            Some((row, column)) => {
                let column = column + first_pixel;
                let last = (column + PIXELS - 1) >> self.residual_shift;
                let end = last * channels + group.first_channel + BLOCKS * CHANNEL_BLOCK;
                assert!(row.len() >= end, "a residual ends outside its row");
                self.rounded(sums, group, |pixel, block, real| {
                    // SAFETY: up to the last pixel's last block the row has been checked.
                    let branch = unsafe { self.branch(row, column + pixel, group, block) };
                    _mm512_add_ps(real, branch)
                })
            }
        };
        let places = first_pixel * channels..(first_pixel + PIXELS) * channels;
        match &mut tiles.output {
            Output::U8(output) if group.channels == BLOCKS * CHANNEL_BLOCK => {
                self.store_whole(&values, group, &mut output[places]);
            }
            Output::U8(output) => {
                let output = &mut output[places];
                self.store_part(&values, group, |place, lanes, value| {
                    let place = &mut output[place..][..lanes.count_ones() as usize];
                    let bytes = _mm512_cvtepi32_epi8(value);
                    // SAFETY: the lanes are the low ones, as many as there are places.
                    unsafe { _mm_mask_storeu_epi8(place.as_mut_ptr().cast(), lanes, bytes) };
                });
            }
            Output::I16(output) => {
                let output = &mut output[places];
                self.store_part(&values, group, |place, lanes, value| {
                    let place = &mut output[place..][..lanes.count_ones() as usize];
                    let words = _mm512_cvtepi32_epi16(value);
                    // SAFETY: as above.
                    unsafe { _mm256_mask_storeu_epi16(place.as_mut_ptr(), lanes, words) };
                });
            }
        }
    }

    /// Scales every sum, adds the residual by `add`, and rounds: output values without their zero
    /// point, not clamped.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn rounded<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        mut sums: Sums<PIXELS, BLOCKS>,
        group: ChannelGroup,
        add: impl Fn(usize, usize, __m512) -> __m512,
    ) -> Sums<PIXELS, BLOCKS> {
        for block in 0..BLOCKS {
            let first_channel = group.first_channel + block * CHANNEL_BLOCK;
            let scale = &self.scale[first_channel..][..CHANNEL_BLOCK];
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
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn branch(
        &self,
        row: &[u8],
        column: usize,
        group: ChannelGroup,
        block: usize,
    ) -> __m512 {
        let first_channel = group.first_channel + block * CHANNEL_BLOCK;
        let place = (column >> self.residual_shift) * self.channels + first_channel;
        // SAFETY: the caller's promise.
        let bytes = unsafe { _mm_loadu_si128(row.as_ptr().add(place).cast()) };
        let zero_point = _mm512_set1_epi32(self.residual_zero_point);
        let steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero_point);
        let scale = _mm512_set1_ps(self.residual_scale);
        _mm512_mul_ps(_mm512_cvtepi32_ps(steps), scale)
    }

    /// Writes a tile of whole blocks: four registers at a time become 64 bytes. Saturation clamps
    /// to the type's range, two more steps to the output's.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn store_whole<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        values: &Sums<PIXELS, BLOCKS>,
        group: ChannelGroup,
        output: &mut [u8],
    ) {
        let zero_point = _mm512_set1_epi16(self.zero_point as i16);
        let minimum = _mm512_set1_epi8(self.minimum as i8);
        let maximum = _mm512_set1_epi8(self.maximum as i8);
        // Packing works in quarters of registers: four columns of four words become rows.
        let transpose = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        let one_piece = group.channels == self.channels;
        assert!(output.len() == PIXELS * self.channels);
        let value = |index: usize| values[index / BLOCKS][index % BLOCKS];
        let place = |index: usize| {
            let channel = group.first_channel + index % BLOCKS * CHANNEL_BLOCK;
            index / BLOCKS * self.channels + channel
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

    /// Gives every register's values, clamped, to `store`: place, the lanes that are channels of
    /// the output, values.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn store_part<const PIXELS: usize, const BLOCKS: usize>(
        &self,
        values: &Sums<PIXELS, BLOCKS>,
        group: ChannelGroup,
        mut store: impl FnMut(usize, __mmask16, __m512i),
    ) {
        let zero_point = _mm512_set1_epi32(self.zero_point);
        let minimum = _mm512_set1_epi32(self.minimum);
        let maximum = _mm512_set1_epi32(self.maximum);
        for block in 0..BLOCKS {
            let channels = CHANNEL_BLOCK.min(group.channels - block * CHANNEL_BLOCK);
            let lanes = (u32::MAX >> (32 - channels)) as __mmask16;
            for (pixel, values) in values.iter().enumerate() {
                let first_channel = group.first_channel + block * CHANNEL_BLOCK;
                let value = _mm512_add_epi32(values[block], zero_point);
                let value = _mm512_min_epi32(_mm512_max_epi32(value, minimum), maximum);
                store(pixel * self.channels + first_channel, lanes, value);
            }
        }
    }
}
