//! Reads the bits of entropy-coded data, most significant first, and drops the zero stuffed behind
//! each 0xFF (ITU-T T.81, F.2.2.5).

use super::oddities::MAX_STRAY_BYTES;
use crate::decode::error::Fault;

/// Bits that are there after [`BitReader::refill`], unless the data end: the longest code (16) and
/// the longest value (15) together.
const REFILLED_BITS: i32 = 32;

/// Stands inside one stretch of data: from a scan header or restart marker to the next marker.
///
/// Zeros follow the end of the stretch; [`BitReader::is_overrun`] tells that some were taken. It is
/// small and never lent to a function that is not inlined, so that it stays in registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bit is the highest.
    bits: u64,
    /// How many of `bits` are data; below zero once more were taken than there were.
    available: i32,
}

impl<'a> BitReader<'a> {
    /// Starts at byte `at` of the whole file.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self {
            data,
            at,
            bits: 0,
            available: 0,
        }
    }

    /// Makes sure of a whole code and its value.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.available < REFILLED_BITS {
            let ahead = self.data.get(self.at..).and_then(<[u8]>::first_chunk);
            match ahead.map(|bytes| u32::from_be_bytes(*bytes)) {
                Some(word) if !has_lead_byte(word) => {
                    self.bits |= u64::from(word) << (REFILLED_BITS - self.available);
                    self.available += 32;
                    self.at += 4;
                }
                _ => *self = self.refilled_bytewise(),
            }
        }
    }

    #[inline(never)]
    fn refilled_bytewise(mut self) -> Self {
        while (0..=56).contains(&self.available) {
            let Some(&byte) = self.data.get(self.at) else {
                return self;
            };
            if byte == 0xFF {
                if self.data.get(self.at + 1) != Some(&0) {
                    return self;
                }
                self.at += 1;
            }
            self.at += 1;
            self.bits |= u64::from(byte) << (56 - self.available);
            self.available += 8;
        }
        self
    }

    /// The next `count` bits (1 to 16) without taking them.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.bits >> (64 - count)) as u32
    }

    /// Takes `count` bits, below 32.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.bits <<= count & 63;
        self.available -= count as i32;
    }

    /// Takes a value of `count` bits (1 to 15) in the form of T.81, F.2.2.1: a leading zero stands
    /// for a negative value.
    #[inline(always)]
    pub(super) fn value(&mut self, count: u32) -> i32 {
        let raw = self.peek(count) as i32;
        self.skip(count);
        extend(raw, count)
    }

    /// Whether more bits were taken than the data hold.
    #[inline(always)]
    pub(super) fn is_overrun(&self) -> bool {
        self.available < 0
    }

    /// Whether the data end within the next code.
    pub(super) fn is_near_end(&self) -> bool {
        self.available < 16
    }

    /// Ends the stretch, all of whose codes have been read: less than a byte of padding may be
    /// left, and a few stray bytes that no code needs.
    ///
    /// # Errors
    /// More data are left over, or they were short.
    #[inline(never)]
    pub(super) fn finish(self) -> Result<StretchEnd, Fault> {
        if self.is_overrun() {
            return Err(Fault::Truncated);
        }
        let mut rest = self;
        let mut stray_bytes = 0;
        loop {
            rest = rest.refilled_bytewise();
            let whole_bytes = rest.available as u32 / 8;
            if whole_bytes == 0 {
                break;
            }
            stray_bytes += whole_bytes;
            if stray_bytes > MAX_STRAY_BYTES {
                return Err(Fault::damaged("its codes end before its data do"));
            }
            rest.available = 0;
            rest.bits = 0;
        }
        Ok(StretchEnd {
            at: rest.at,
            stray_bytes,
        })
    }
}

/// Where a stretch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StretchEnd {
    /// The place of the marker that follows, or of its fill bytes, or of the end of the data.
    pub at: usize,
    /// Bytes between the last code and that place.
    pub stray_bytes: u32,
}

/// Whether a byte of the word is 0xFF: a zero byte of its complement borrows.
#[inline(always)]
fn has_lead_byte(word: u32) -> bool {
    (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0
}

/// T.81, figure F.12.
#[inline(always)]
pub(super) fn extend(raw: i32, count: u32) -> i32 {
    let is_negative = raw >> (count - 1) == 0;
    if is_negative {
        raw - (1 << count) + 1
    } else {
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_extended_by_their_first_bit() {
        let cases = [
            (0b0, 1, -1),
            (0b1, 1, 1),
            (0b00, 2, -3),
            (0b01, 2, -2),
            (0b10, 2, 2),
            (0b0111, 4, -8),
            (0b1000, 4, 8),
        ];
        for (raw, count, value) in cases {
            assert_eq!(extend(raw, count), value, "{raw:b} of {count} bits");
        }
    }

    #[test]
    fn a_stretch_ends_behind_its_codes_padding_and_a_few_stray_bytes() {
        /// Name, data, bits that are taken, place and stray bytes.
        type Case = (
            &'static str,
            Vec<u8>,
            u32,
            Result<(usize, u32), &'static str>,
        );
        let long = |stray: usize| [&[1, 2][..], &vec![7; stray], &[0xFF, 0xD9]].concat();
        let most = MAX_STRAY_BYTES as usize;
        let cases: [Case; 12] = [
            ("whole", vec![1, 2, 0xFF, 0xD9], 16, Ok((2, 0))),
            ("padding", vec![1, 2, 0xFF, 0xD0], 9, Ok((2, 0))),
            (
                "stuffed",
                vec![0xFF, 0, 2, 0xFF, 0xFF, 0xD9],
                16,
                Ok((3, 0)),
            ),
            ("a byte left", vec![1, 2, 0xFF, 0xD9], 8, Ok((2, 1))),
            (
                "a byte and some bits",
                vec![1, 2, 0xFF, 0xD9],
                3,
                Ok((2, 1)),
            ),
            (
                "stuffed stray",
                vec![1, 2, 0xFF, 0, 0xFF, 0xD9],
                16,
                Ok((4, 1)),
            ),
            (
                "as many as may be",
                long(most),
                16,
                Ok((2 + most, MAX_STRAY_BYTES)),
            ),
            ("too many", long(most + 1), 16, Err("Damaged")),
            ("far too many", long(5000), 16, Err("Damaged")),
            (
                "too much taken",
                vec![1, 2, 0xFF, 0xD9],
                17,
                Err("Truncated"),
            ),
            ("no marker", vec![1, 2], 16, Ok((2, 0))),
            ("half a marker", vec![1, 2, 0xFF], 16, Ok((2, 0))),
        ];
        for (name, data, taken, expected) in cases {
            let mut reader = BitReader::new(&data, 0);
            reader.refill();
            reader.skip(taken);
            let found = reader.finish().map_err(|fault| format!("{fault:?}"));
            match expected {
                Ok((at, stray_bytes)) => {
                    assert_eq!(found, Ok(StretchEnd { at, stray_bytes }), "{name}");
                }
                Err(words) => assert!(found.unwrap_err().starts_with(words), "{name}"),
            }
        }
    }

    proptest! {
        #[test]
        fn every_bit_comes_once_and_in_order(
            bytes in prop::collection::vec(prop_oneof![Just(0xFF_u8), any::<u8>()], 0..40),
            counts in prop::collection::vec(1_u32..=16, 0..40)
        ) {
            let mut data: Vec<u8> = bytes.iter().flat_map(|&byte| {
                std::iter::once(byte).chain((byte == 0xFF).then_some(0))
            }).collect();
            data.extend([0xFF, 0xD9]);
            let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
            let mut reader = BitReader::new(&data, 0);
            let mut left = bytes.len() * 8;
            for count in counts {
                reader.refill();
                let expected = (0..count).fold(0, |all, _| all << 1 | u32::from(bits.next().unwrap_or(0)));
                prop_assert_eq!(reader.peek(count), expected);
                reader.skip(count);
                prop_assert_eq!(reader.is_overrun(), left < count as usize);
                left = match left.checked_sub(count as usize) {
                    Some(left) => left,
                    None => break,
                };
            }
        }
    }
}
