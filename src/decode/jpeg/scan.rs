//! Checks the compressed data of a baseline JPEG by reading every Huffman code, without making
//! pixels: the data must hold exactly the blocks that the header promises. The decoder alone
//! would fill up what is missing with grey.
//!
//! A changed bit that only alters the value of one coefficient cannot be noticed by anybody; one
//! that shifts the codes almost always ends in too many or too few of them.

use crate::decode::Fault;
use std::ops::Range;

/// How one component is sampled (T.81, B.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub id: u8,
    pub horizontal: u32,
    pub vertical: u32,
}

/// The stretches of compressed data between restart markers, and the place behind them.
pub(super) struct Stretches {
    pub ranges: Vec<Range<usize>>,
    pub end: usize,
}

/// What the segments before a scan have set up.
#[derive(Debug, Default)]
pub(super) struct Tables {
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
    /// Units between restart markers; 0 for none.
    restart_interval: usize,
}

impl Tables {
    /// Takes the tables of a Huffman segment (T.81, B.2.4.2).
    pub(super) fn define_huffman(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let too_short = || Fault::damaged("a Huffman table is too short");
        while let Some((&place, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(too_short)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(..total).ok_or_else(too_short)?;
            let tables = if place >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let slot = tables.get_mut(usize::from(place & 15));
            let slot = slot.ok_or_else(|| Fault::damaged("a Huffman table has no place"))?;
            *slot = Some(HuffmanTable::new(counts, symbols));
            segment = &rest[total..];
        }
        Ok(())
    }

    /// Takes the restart interval (T.81, B.2.4.4).
    pub(super) fn define_restarts(&mut self, segment: &[u8]) -> Result<(), Fault> {
        let &[high, low] = segment else {
            return Err(Fault::damaged("its restart interval has a wrong length"));
        };
        self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
        Ok(())
    }
}

/// Reads one scan to its end. `size_px` and `components` come from the frame header, `segment` is
/// the scan's own header.
///
/// Tables that the file leaves out (some cameras do) are not checked: the decoder has its own.
pub(super) fn check(
    bytes: &[u8],
    stretches: &Stretches,
    segment: &[u8],
    size_px: (u32, u32),
    components: &[Component],
    tables: &Tables,
) -> Result<(), Fault> {
    let chosen = chosen_components(segment, components)?;
    let Some(blocks) = blocks_of_unit(&chosen, tables) else {
        return Ok(());
    };
    let mut units_left = unit_count(size_px, &chosen, components);
    let most = match tables.restart_interval {
        0 => units_left,
        interval => interval,
    };
    for range in &stretches.ranges {
        let units = units_left.min(most);
        if units == 0 {
            return Err(Fault::damaged("more data than its size allows"));
        }
        read_stretch(&bytes[range.clone()], units, &blocks)?;
        units_left -= units;
    }
    if units_left > 0 {
        return Err(Fault::Truncated);
    }
    Ok(())
}

struct Chosen {
    component: Component,
    dc_table: usize,
    ac_table: usize,
}

/// The components that a scan holds, and their tables (T.81, B.2.3).
fn chosen_components(segment: &[u8], components: &[Component]) -> Result<Vec<Chosen>, Fault> {
    let damaged = || Fault::damaged("its scan header does not fit its frame header");
    let (&count, rest) = segment.split_first().ok_or_else(damaged)?;
    let entries = rest.get(..2 * usize::from(count)).ok_or_else(damaged)?;
    let choose = |entry: &[u8]| {
        let component = components.iter().find(|component| component.id == entry[0]);
        Ok(Chosen {
            component: *component.ok_or_else(damaged)?,
            dc_table: usize::from(entry[1] >> 4),
            ac_table: usize::from(entry[1] & 15),
        })
    };
    entries.chunks_exact(2).map(choose).collect()
}

/// The tables of every block of one unit, in order; `None` where the file has left one out.
fn blocks_of_unit<'a>(
    chosen: &[Chosen],
    tables: &'a Tables,
) -> Option<Vec<(&'a HuffmanTable, &'a HuffmanTable)>> {
    let mut blocks = Vec::new();
    for entry in chosen {
        let dc = tables.dc.get(entry.dc_table)?.as_ref()?;
        let ac = tables.ac.get(entry.ac_table)?.as_ref()?;
        let area = entry.component.horizontal * entry.component.vertical;
        let repeats = if chosen.len() == 1 { 1 } else { area };
        blocks.extend((0..repeats).map(|_| (dc, ac)));
    }
    Some(blocks)
}

/// How many units a scan holds (T.81, A.2): blocks of one component, or groups of all.
fn unit_count(size_px: (u32, u32), chosen: &[Chosen], components: &[Component]) -> usize {
    const BLOCK_PX: u32 = 8;
    let largest = |side: fn(&Component) -> u32| components.iter().map(side).max().unwrap_or(1);
    let across = largest(|component| component.horizontal);
    let down = largest(|component| component.vertical);
    let (units_across, units_down) = match chosen {
        [Chosen { component, .. }] => (
            (size_px.0 * component.horizontal)
                .div_ceil(across)
                .div_ceil(BLOCK_PX),
            (size_px.1 * component.vertical)
                .div_ceil(down)
                .div_ceil(BLOCK_PX),
        ),
        _ => (
            size_px.0.div_ceil(BLOCK_PX * across),
            size_px.1.div_ceil(BLOCK_PX * down),
        ),
    };
    units_across as usize * units_down as usize
}

/// Reads the codes of `units` units; less than a byte of padding may be left.
fn read_stretch(
    data: &[u8],
    units: usize,
    blocks: &[(&HuffmanTable, &HuffmanTable)],
) -> Result<(), Fault> {
    let mut reader = BitReader::new(data);
    for _ in 0..units {
        for (dc, ac) in blocks {
            read_block(&mut reader, dc, ac)?;
        }
    }
    if reader.has_whole_byte_left() {
        return Err(Fault::damaged("its codes end before its data do"));
    }
    Ok(())
}

/// One block of 64 coefficients (T.81, F.2.2): sizes of 8-bit baseline pictures reach 11 bits for
/// the first and 10 for the others (tables F.1, F.2).
fn read_block(reader: &mut BitReader, dc: &HuffmanTable, ac: &HuffmanTable) -> Result<(), Fault> {
    const COEFFICIENTS: u32 = 64;
    const LARGEST_DC_BITS: u8 = 11;
    const LARGEST_AC_BITS: u8 = 10;
    const END_OF_BLOCK: u8 = 0x00;
    const SIXTEEN_ZEROS: u8 = 0xF0;
    let impossible = || Fault::damaged("an impossible coefficient");
    let dc_bits = reader.symbol(dc)?;
    if dc_bits > LARGEST_DC_BITS {
        return Err(impossible());
    }
    reader.skip(u32::from(dc_bits))?;
    let mut at = 1;
    while at < COEFFICIENTS {
        let symbol = reader.symbol(ac)?;
        match symbol {
            END_OF_BLOCK => return Ok(()),
            SIXTEEN_ZEROS => at += 16,
            _ => {
                let bits = symbol & 15;
                at += u32::from(symbol >> 4) + 1;
                if bits == 0 || bits > LARGEST_AC_BITS {
                    return Err(impossible());
                }
                reader.skip(u32::from(bits))?;
            }
        }
    }
    if at > COEFFICIENTS {
        Err(impossible())
    } else {
        Ok(())
    }
}

/// A canonical Huffman code (T.81, annex C and F.2.2.3).
#[derive(Debug)]
struct HuffmanTable {
    lengths: [CodeLength; 16],
    symbols: Vec<u8>,
}

/// The codes of one length.
#[derive(Debug, Clone, Copy, Default)]
struct CodeLength {
    first_code: u32,
    count: u32,
    first_symbol: u32,
}

impl HuffmanTable {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Self {
        let mut lengths = [CodeLength::default(); 16];
        let (mut code, mut symbol) = (0, 0);
        for (length, &count) in lengths.iter_mut().zip(counts) {
            let count = u32::from(count);
            *length = CodeLength {
                first_code: code,
                count,
                first_symbol: symbol,
            };
            code = (code + count) << 1;
            symbol += count;
        }
        Self {
            lengths,
            symbols: symbols.to_vec(),
        }
    }

    /// The symbol at the start of 16 bits, and the length of its code.
    fn look_up(&self, bits16: u32) -> Option<(u8, u32)> {
        (1_u32..).zip(&self.lengths).find_map(|(bits, length)| {
            let place = (bits16 >> (16 - bits)).checked_sub(length.first_code)?;
            let symbol = (place < length.count).then_some(length.first_symbol + place)?;
            Some((*self.symbols.get(symbol as usize)?, bits))
        })
    }
}

/// Reads bits, most significant first, and drops the zero stuffed behind each 0xFF.
struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    bits: u64,
    available: u32,
}

impl<'a> BitReader<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            bits: 0,
            available: 0,
        }
    }

    fn fill(&mut self) {
        while self.available <= 48 {
            let Some(&byte) = self.data.get(self.at) else {
                return;
            };
            self.at += if byte == 0xFF { 2 } else { 1 };
            self.bits = (self.bits << 8) | u64::from(byte);
            self.available += 8;
        }
    }

    /// The next 16 bits; zeros follow the end of the data.
    fn peek16(&self) -> u32 {
        let bits = if self.available >= 16 {
            self.bits >> (self.available - 16)
        } else {
            self.bits << (16 - self.available)
        };
        (bits & 0xFFFF) as u32
    }

    fn skip(&mut self, bits: u32) -> Result<(), Fault> {
        self.fill();
        self.available = self.available.checked_sub(bits).ok_or(Fault::Truncated)?;
        Ok(())
    }

    fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, Fault> {
        self.fill();
        let found = table.look_up(self.peek16());
        let Some((symbol, bits)) = found else {
            let cut = self.available < 16;
            return Err(if cut {
                Fault::Truncated
            } else {
                Fault::damaged("an impossible code")
            });
        };
        self.skip(bits)?;
        Ok(symbol)
    }

    fn has_whole_byte_left(&mut self) -> bool {
        self.fill();
        self.available >= 8
    }
}
