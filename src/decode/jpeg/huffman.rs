//! Canonical Huffman codes (ITU-T T.81, annex C and F.2.2.3), looked up ten bits at a time.

use super::bits::{BitReader, extend};
use crate::decode::error::Fault;

/// Bits of one look-up; longer codes, which are rare, are searched by their length.
const LOOK_UP_BITS: u32 = 10;
const LOOK_UPS: usize = 1 << LOOK_UP_BITS;
const LONGEST_CODE_BITS: u32 = 16;
const MOST_SYMBOLS: usize = 256;

/// What the next bits are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Code {
    /// The value that follows the symbol, where code and value fit one look-up; else 0, which no
    /// coded value is.
    pub value: i16,
    /// Run of zeros in the upper half, bits of the value in the lower.
    pub symbol: u8,
    /// Bits of the code, and of the value where it is there; 0 for a code longer than a look-up.
    pub bits: u8,
}

/// One code with its symbols.
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    look_up: [Code; LOOK_UPS],
    /// By length less one: the code after the last one, aligned to 16 bits, and what to add to a
    /// code to get its symbol's place.
    ends: [u32; LONGEST_CODE_BITS as usize],
    places: [i32; LONGEST_CODE_BITS as usize],
    counts: [u8; LONGEST_CODE_BITS as usize],
    symbols: [u8; MOST_SYMBOLS],
}

impl Default for HuffmanTable {
    fn default() -> Self {
        Self {
            look_up: [Code::default(); LOOK_UPS],
            ends: [0; LONGEST_CODE_BITS as usize],
            places: [0; LONGEST_CODE_BITS as usize],
            counts: [0; LONGEST_CODE_BITS as usize],
            symbols: [0; MOST_SYMBOLS],
        }
    }
}

impl HuffmanTable {
    /// Takes a new code: how many codes there are of each length, and their symbols in order. A
    /// camera sends the same ones with every frame, so equal ones cost a comparison.
    ///
    /// # Errors
    /// More codes than their length allows.
    pub(super) fn define(&mut self, counts: &[u8; 16], symbols: &[u8]) -> Result<(), Fault> {
        if symbols.len() > MOST_SYMBOLS {
            return Err(Fault::damaged("a Huffman table is too long"));
        }
        if self.counts == *counts && self.symbols[..symbols.len()] == *symbols {
            return Ok(());
        }
        // An error must not leave half a table that looks like a whole one.
        self.counts = [0; 16];
        self.symbols[..symbols.len()].copy_from_slice(symbols);
        self.look_up = [Code::default(); LOOK_UPS];
        let (mut code, mut place) = (0_u32, 0_usize);
        for (bits, &count) in (1..=LONGEST_CODE_BITS).zip(counts) {
            let first = (code, place);
            for &symbol in &symbols[place..place + usize::from(count)] {
                if code >> bits != 0 {
                    return Err(Fault::damaged("an impossible Huffman table"));
                }
                self.enter(code, bits, symbol);
                code += 1;
            }
            place += usize::from(count);
            self.ends[bits as usize - 1] = code << (LONGEST_CODE_BITS - bits);
            self.places[bits as usize - 1] = first.1 as i32 - first.0 as i32;
            code <<= 1;
        }
        self.counts = *counts;
        Ok(())
    }

    /// Fills every look-up that starts with a code.
    fn enter(&mut self, code: u32, bits: u32, symbol: u8) {
        let Some(rest_bits) = LOOK_UP_BITS.checked_sub(bits) else {
            return;
        };
        let value_bits = u32::from(symbol & 15);
        let first = (code << rest_bits) as usize;
        for rest in 0..1_u32 << rest_bits {
            let with_value = value_bits > 0 && value_bits <= rest_bits;
            let raw = rest >> (rest_bits - value_bits.min(rest_bits));
            self.look_up[first + rest as usize] = if with_value {
                Code {
                    value: extend(raw as i32, value_bits) as i16,
                    symbol,
                    bits: (bits + value_bits) as u8,
                }
            } else {
                Code {
                    value: 0,
                    symbol,
                    bits: bits as u8,
                }
            };
        }
    }

    /// What the reader, just refilled, stands at.
    #[inline(always)]
    pub(super) fn look_up(&self, reader: &BitReader) -> Code {
        self.look_up[reader.peek(LOOK_UP_BITS) as usize % LOOK_UPS]
    }

    /// Symbol and length of the code that the `next` sixteen bits start with, where
    /// [`HuffmanTable::look_up`] gave no bits.
    #[inline(never)]
    fn search(&self, next: u32) -> Option<(u8, u32)> {
        let index = self.ends.iter().position(|&end| next < end)?;
        let bits = index as u32 + 1;
        let code = (next >> (LONGEST_CODE_BITS - bits)) as i32;
        let place = usize::try_from(code + self.places[index]).ok()?;
        Some((*self.symbols.get(place)?, bits))
    }

    /// Takes one symbol, its value still to come.
    ///
    /// # Errors
    /// No code begins so, or the data end.
    #[inline(always)]
    pub(super) fn symbol(&self, reader: &mut BitReader) -> Result<u8, Fault> {
        let code = self.look_up(reader);
        let (symbol, bits) = if code.bits == 0 {
            let found = self.search(reader.peek(LONGEST_CODE_BITS));
            found.ok_or_else(|| impossible_code(reader.is_near_end()))?
        } else if code.value == 0 {
            (code.symbol, u32::from(code.bits))
        } else {
            (
                code.symbol,
                u32::from(code.bits) - u32::from(code.symbol & 15),
            )
        };
        reader.skip(bits);
        Ok(symbol)
    }
}

/// Zeros behind the end of the data may look like no code at all.
#[cold]
fn impossible_code(is_near_end: bool) -> Fault {
    if is_near_end {
        Fault::Truncated
    } else {
        Fault::damaged("an impossible code")
    }
}

/// A code of T.81, annex K.3: counts by length, then symbols.
pub(super) struct StandardCode {
    pub counts: [u8; 16],
    pub symbols: &'static [u8],
}

/// Tables K.3 (luminance) and K.4 (chrominance).
pub(super) const STANDARD_DC: [StandardCode; 2] = [
    StandardCode {
        counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    },
    StandardCode {
        counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    },
];

/// Tables K.5 (luminance) and K.6 (chrominance).
pub(super) const STANDARD_AC: [StandardCode; 2] = [
    StandardCode {
        counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
        symbols: &[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51,
            0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1,
            0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18,
            0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
            0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57,
            0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75,
            0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92,
            0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
            0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
            0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8,
            0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2,
            0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    },
    StandardCode {
        counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
        symbols: &[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07,
            0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09,
            0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25,
            0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38,
            0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56,
            0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74,
            0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
            0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
            0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
            0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6,
            0xD7, 0xD8, 0xD9, 0xDA, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2,
            0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn table(code: &StandardCode) -> HuffmanTable {
        let mut table = HuffmanTable::default();
        table.define(&code.counts, code.symbols).unwrap();
        table
    }

    /// Every code of a canonical table with its length (T.81, annex C).
    fn codes(code: &StandardCode) -> Vec<(u32, u32, u8)> {
        let mut next = 0;
        let mut symbols = code.symbols.iter();
        let mut codes = Vec::new();
        for (bits, &count) in (1..).zip(&code.counts) {
            for &symbol in symbols.by_ref().take(usize::from(count)) {
                codes.push((next, bits, symbol));
                next += 1;
            }
            next <<= 1;
        }
        codes
    }

    /// A zero behind each 0xFF, as in a file.
    fn stuffed(bytes: [u8; 4]) -> Vec<u8> {
        let stuffing = |&byte: &u8| [byte, 0].into_iter().take(1 + usize::from(byte == 0xFF));
        bytes.iter().flat_map(stuffing).collect()
    }

    #[test]
    fn every_standard_code_gives_its_symbol() {
        for code in STANDARD_DC.iter().chain(&STANDARD_AC) {
            let table = table(code);
            let codes = codes(code);
            assert_eq!(codes.len(), code.symbols.len());
            for (bits16, bits, symbol) in codes {
                let data = stuffed((bits16 << (32 - bits)).to_be_bytes());
                let mut reader = BitReader::new(&data, 0);
                reader.refill();
                assert_eq!(table.symbol(&mut reader).unwrap(), symbol);
                reader.skip(32 - bits);
                assert!(!reader.is_overrun(), "{symbol:#x}");
            }
        }
    }

    #[test]
    fn a_value_that_fits_comes_with_its_symbol() {
        // Annex K, table K.5: 1010 is the end of a block; 01 is two bits without a run.
        let table = table(&STANDARD_AC[0]);
        let look_up = |bytes: [u8; 4]| {
            let data = stuffed(bytes);
            let mut reader = BitReader::new(&data, 0);
            reader.refill();
            table.look_up(&reader)
        };
        let code = |value, symbol, bits| Code {
            value,
            symbol,
            bits,
        };
        assert_eq!(look_up([0b1010_0000, 0, 0, 0]), code(0, 0, 4));
        assert_eq!(look_up([0b0111_0000, 0, 0, 0]), code(3, 2, 4));
        assert_eq!(look_up([0b0100_0000, 0, 0, 0]), code(-3, 2, 4));
        assert_eq!(look_up([0b1111_1111, 0, 0, 0]).bits, 0);
    }

    #[test]
    fn a_table_with_too_many_codes_is_refused_and_leaves_nothing() {
        let mut table = table(&STANDARD_DC[0]);
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(table.define(&counts, &[1, 2, 3]).is_err());
        let standard = &STANDARD_DC[0];
        table.define(&standard.counts, standard.symbols).unwrap();
        let mut reader = BitReader::new(&[0; 4], 0);
        reader.refill();
        assert_eq!(table.symbol(&mut reader).unwrap(), 0);
    }
}
