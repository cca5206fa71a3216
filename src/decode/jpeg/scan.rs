//! What the segments before a scan set up, what the scan's own header says, and the reading of one
//! block's codes.
//!
//! The data must hold exactly the blocks that the header promises: a changed bit that only alters
//! the value of one coefficient cannot be noticed by anybody; one that shifts the codes almost
//! always ends in too many or too few of them.

use super::bits::BitReader;
use super::header::{CHANNELS, Component, Header};
use super::huffman::{HuffmanTable, STANDARD_AC, STANDARD_DC};
use super::kernels::BLOCK;
use super::marker;
use crate::decode::error::Fault;

const PLACES: usize = 4;

/// Tables of one kind, by their place. They are kept from one image to the next, since a camera
/// sends the same ones again, but only those that the image defines are used.
#[derive(Debug, Default)]
struct Places<T> {
    tables: [T; PLACES],
    is_defined: [bool; PLACES],
}

impl<T> Places<T> {
    fn get(&self, place: u8) -> Option<&T> {
        let place = usize::from(place);
        let is_defined = *self.is_defined.get(place)?;
        is_defined.then(|| &self.tables[place])
    }

    /// The table at a place, for a definition.
    fn define(&mut self, place: u8) -> Option<&mut T> {
        let place = usize::from(place);
        *self.is_defined.get_mut(place)? = true;
        self.tables.get_mut(place)
    }
}

/// Steps of the coefficients, in the order in which they are coded.
type Quantization = [i32; BLOCK];

/// What the segments before a scan have set up.
#[derive(Debug)]
pub(super) struct Tables {
    dc: Places<HuffmanTable>,
    ac: Places<HuffmanTable>,
    quantization: Places<Quantization>,
    /// Units between restart markers; 0 for none.
    pub restart_interval: usize,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            dc: Places::default(),
            ac: Places::default(),
            quantization: Places {
                tables: [[0; BLOCK]; PLACES],
                is_defined: [false; PLACES],
            },
            restart_interval: 0,
        }
    }
}

impl Tables {
    /// Starts a new image.
    pub(super) fn forget(&mut self) {
        self.dc.is_defined = [false; PLACES];
        self.ac.is_defined = [false; PLACES];
        self.quantization.is_defined = [false; PLACES];
        self.restart_interval = 0;
    }

    /// Takes the tables of a Huffman segment (T.81, B.2.4.2).
    pub(super) fn define_huffman(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let too_short = || Fault::damaged("a Huffman table is too short");
        while let Some((&place, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(too_short)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(..total).ok_or_else(too_short)?;
            let places = if place >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let table = places.define(place & 15);
            let table = table.ok_or_else(|| Fault::damaged("a Huffman table has no place"))?;
            table.define(counts, symbols)?;
            segment = &rest[total..];
        }
        Ok(())
    }

    /// Takes the tables of a quantization segment (T.81, B.2.4.1).
    pub(super) fn define_quantization(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let too_short = || Fault::damaged("a quantization table is too short");
        while let Some((&place, rest)) = segment.split_first() {
            let element_bytes = if place >> 4 == 0 { 1 } else { 2 };
            let elements = rest.get(..BLOCK * element_bytes).ok_or_else(too_short)?;
            let table = self.quantization.define(place & 15);
            let table = table.ok_or_else(|| Fault::damaged("a quantization table has no place"))?;
            for (step, element) in table.iter_mut().zip(elements.chunks_exact(element_bytes)) {
                *step = element
                    .iter()
                    .fold(0, |step, &byte| step << 8 | i32::from(byte));
            }
            segment = &rest[BLOCK * element_bytes..];
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

    /// Puts the codes of T.81, annex K, where the image has left out its own: cameras that send
    /// a stream of images do (USB Video Class 1.5, Motion-JPEG payload).
    pub(super) fn complete(&mut self) -> Result<(), Fault> {
        let kinds = [(&mut self.dc, &STANDARD_DC), (&mut self.ac, &STANDARD_AC)];
        for (places, standard) in kinds {
            for (place, code) in (0..).zip(standard) {
                if places.get(place).is_none()
                    && let Some(table) = places.define(place)
                {
                    table.define(&code.counts, code.symbols)?;
                }
            }
        }
        Ok(())
    }
}

/// The components that a scan holds, in its order.
pub(super) struct Scan {
    chosen: [Chosen; PLACES],
    count: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Chosen {
    component: Component,
    dc_table: u8,
    ac_table: u8,
}

impl Scan {
    /// Reads the scan header (T.81, B.2.3).
    pub(super) fn parse(segment: &[u8], components: &[Component]) -> Result<Self, Fault> {
        let damaged = || Fault::damaged("its scan header does not fit its frame header");
        let (&count, rest) = segment.split_first().ok_or_else(damaged)?;
        let count = usize::from(count);
        let entries = rest.get(..2 * count).ok_or_else(damaged)?;
        if !(1..=PLACES).contains(&count) {
            return Err(damaged());
        }
        let mut chosen = [Chosen::default(); PLACES];
        for (chosen, entry) in chosen.iter_mut().zip(entries.chunks_exact(2)) {
            let component = components.iter().find(|component| component.id == entry[0]);
            *chosen = Chosen {
                component: *component.ok_or_else(damaged)?,
                dc_table: entry[1] >> 4,
                ac_table: entry[1] & 15,
            };
        }
        Ok(Self { chosen, count })
    }

    fn chosen(&self) -> &[Chosen] {
        &self.chosen[..self.count]
    }

    /// Whether it holds all components, in their order.
    pub(super) fn is_whole(&self, components: &[Component]) -> bool {
        let chosen = self.chosen().iter().map(|chosen| &chosen.component);
        chosen.eq(components)
    }

    /// The tables of every component.
    pub(super) fn coders<'a>(
        &self,
        tables: &'a Tables,
    ) -> Result<[BlockCoder<'a>; CHANNELS], Fault> {
        let [first, second, third, _] = &self.chosen;
        Ok([
            BlockCoder::new(first, tables)?,
            BlockCoder::new(second, tables)?,
            BlockCoder::new(third, tables)?,
        ])
    }

    /// How many units the scan holds (T.81, A.2): blocks of one component, or groups of all.
    fn unit_count(&self, header: &Header) -> usize {
        const BLOCK_PX: u32 = 8;
        let (across, down) = header.largest_sampling();
        let (width_px, height_px) = (header.width_px, header.height_px);
        let (units_across, units_down) = match self.chosen() {
            [Chosen { component, .. }] => (
                (width_px * component.horizontal)
                    .div_ceil(across)
                    .div_ceil(BLOCK_PX),
                (height_px * component.vertical)
                    .div_ceil(down)
                    .div_ceil(BLOCK_PX),
            ),
            _ => (
                width_px.div_ceil(BLOCK_PX * across),
                height_px.div_ceil(BLOCK_PX * down),
            ),
        };
        units_across as usize * units_down as usize
    }

    /// Reads the scan's codes, which start at `at`, without making pixels.
    pub(super) fn check(
        &self,
        bytes: &[u8],
        at: usize,
        header: &Header,
        tables: &Tables,
    ) -> Result<ScanEnd, Fault> {
        let mut coders = Vec::new();
        for chosen in self.chosen() {
            let area = chosen.component.horizontal * chosen.component.vertical;
            let repeats = if self.count == 1 { 1 } else { area };
            let coder = BlockCoder::new(chosen, tables)?;
            coders.extend((0..repeats).map(|_| coder));
        }
        let mut stretches = Stretches::new(bytes, at, tables.restart_interval);
        let mut units_left = self.unit_count(header);
        while units_left > 0 {
            let (mut reader, units) = stretches.next(units_left)?;
            for _ in 0..units {
                for coder in &coders {
                    // The first coefficient may run away over blocks; its sum is not looked at.
                    coder.read(&mut reader, &mut 0, &mut [0; BLOCK])?;
                }
            }
            stretches.finish(reader)?;
            units_left -= units;
        }
        stretches.end()
    }
}

/// Where the data of a scan ended, all of whose codes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScanEnd {
    /// The place behind the data: that of a marker, or the end of the file.
    pub at: usize,
    /// Bytes before markers that belong to no code.
    pub stray_bytes: u32,
}

/// Walks the stretches of data between restart markers.
pub(super) struct Stretches<'a> {
    bytes: &'a [u8],
    at: usize,
    interval: usize,
    /// The restart marker that must come next; none before the first stretch.
    restart: Option<u8>,
    stray_bytes: u32,
}

impl<'a> Stretches<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize, interval: usize) -> Self {
        Self {
            bytes,
            at,
            interval,
            restart: None,
            stray_bytes: 0,
        }
    }

    /// A reader for the next stretch and the number of units in it, where `units_left` have not
    /// been read. Not inlined, nor is what ends a stretch: the loop over units stays small.
    #[inline(never)]
    pub(super) fn next(&mut self, units_left: usize) -> Result<(BitReader<'a>, usize), Fault> {
        let restart = match self.restart {
            None => marker::RESTART_FIRST,
            Some(expected) => {
                let (found, after) = marker::next_marker(self.bytes, self.at)?;
                if !is_restart(found) {
                    return Err(Fault::Truncated);
                }
                if found != expected {
                    return Err(Fault::damaged("restart markers are out of order"));
                }
                self.at = after;
                marker::RESTART_FIRST | (expected + 1) & 7
            }
        };
        self.restart = Some(restart);
        let units = match self.interval {
            0 => units_left,
            interval => units_left.min(interval),
        };
        Ok((BitReader::new(self.bytes, self.at), units))
    }

    /// Ends a stretch, all of whose units have been read.
    pub(super) fn finish(&mut self, reader: BitReader) -> Result<(), Fault> {
        let end = reader.finish()?;
        self.at = end.at;
        self.stray_bytes = self.stray_bytes.saturating_add(end.stray_bytes);
        Ok(())
    }

    /// Ends the scan. A restart marker behind the last stretch, in its turn and with nothing behind
    /// it, is stray as well.
    #[inline(never)]
    pub(super) fn end(mut self) -> Result<ScanEnd, Fault> {
        const MARKER_BYTES: u32 = 2;
        if let Ok((found, after)) = marker::next_marker(self.bytes, self.at)
            && is_restart(found)
        {
            let is_in_turn = self.interval > 0 && self.restart == Some(found);
            if !is_in_turn || self.bytes.get(after).is_some_and(|&byte| byte != 0xFF) {
                return Err(Fault::damaged("more data than its size allows"));
            }
            self.at = after;
            self.stray_bytes = self.stray_bytes.saturating_add(MARKER_BYTES);
        }
        Ok(ScanEnd {
            at: self.at,
            stray_bytes: self.stray_bytes,
        })
    }
}

fn is_restart(found: u8) -> bool {
    (marker::RESTART_FIRST..=marker::RESTART_LAST).contains(&found)
}

/// Where each coefficient stands in its block, by the order of coding (T.81, figure A.6).
const ZIGZAG: [u8; BLOCK] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The tables of one component's blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockCoder<'a> {
    dc: &'a HuffmanTable,
    ac: &'a HuffmanTable,
    quantization: &'a Quantization,
}

impl<'a> BlockCoder<'a> {
    fn new(chosen: &Chosen, tables: &'a Tables) -> Result<Self, Fault> {
        let missing = || Fault::damaged("one of its tables is missing");
        let quantization = chosen.component.quantization;
        Ok(Self {
            dc: tables.dc.get(chosen.dc_table).ok_or_else(missing)?,
            ac: tables.ac.get(chosen.ac_table).ok_or_else(missing)?,
            quantization: tables.quantization.get(quantization).ok_or_else(missing)?,
        })
    }

    /// Reads one block (T.81, F.2.2) into `coefficients`, all zero before; sizes of 8-bit images
    /// reach 11 bits for the first and 10 for the others (tables F.1, F.2), and no coefficient of
    /// an image leaves 16 bits. `prediction` is the first one of the component's block before.
    ///
    /// Returns the union of the bits of the places of all coefficients that are not zero.
    // Longer than 70 lines: the innermost loop of decoding, whose state stays in registers.
    #[inline(always)]
    pub(super) fn read(
        &self,
        reader: &mut BitReader,
        prediction: &mut i32,
        coefficients: &mut [i16; BLOCK],
    ) -> Result<usize, Fault> {
        const LARGEST_DC_BITS: u8 = 11;
        const LARGEST_DC: i32 = (1 << LARGEST_DC_BITS) - 1;
        const LARGEST_AC_BITS: u8 = 10;
        const END_OF_BLOCK: u8 = 0x00;
        const SIXTEEN_ZEROS: u8 = 0xF0;
        reader.refill();
        let code = self.dc.look_up(reader);
        if code.value != 0 {
            if code.symbol > LARGEST_DC_BITS {
                return Err(impossible_coefficient(reader.is_overrun()));
            }
            reader.skip(u32::from(code.bits));
            *prediction += i32::from(code.value);
        } else {
            let bits = self.dc.symbol(reader)?;
            if bits > LARGEST_DC_BITS {
                return Err(impossible_coefficient(reader.is_overrun()));
            }
            if bits > 0 {
                *prediction += reader.value(u32::from(bits));
            }
        }
        if prediction.abs() > LARGEST_DC {
            return Err(impossible_coefficient(reader.is_overrun()));
        }
        let Ok(first) = i16::try_from(*prediction * self.quantization[0]) else {
            return Err(impossible_coefficient(reader.is_overrun()));
        };
        coefficients[0] = first;
        let mut places = 0;
        let mut at = 0;
        while at < BLOCK - 1 {
            reader.refill();
            let code = self.ac.look_up(reader);
            let mut value = i32::from(code.value);
            if value != 0 {
                reader.skip(u32::from(code.bits));
                at += usize::from(code.symbol >> 4) + 1;
            } else {
                let symbol = self.ac.symbol(reader)?;
                match symbol {
                    END_OF_BLOCK => break,
                    SIXTEEN_ZEROS => {
                        at += 16;
                        continue;
                    }
                    _ => {}
                }
                let bits = symbol & 15;
                if bits == 0 || bits > LARGEST_AC_BITS {
                    return Err(impossible_coefficient(reader.is_overrun()));
                }
                at += usize::from(symbol >> 4) + 1;
                value = reader.value(u32::from(bits));
            }
            let Some(&place) = ZIGZAG.get(at) else {
                return Err(impossible_coefficient(reader.is_overrun()));
            };
            let place = usize::from(place) % BLOCK;
            places |= place;
            let Ok(coefficient) = i16::try_from(value * self.quantization[at]) else {
                return Err(impossible_coefficient(reader.is_overrun()));
            };
            coefficients[place] = coefficient;
        }
        if at >= BLOCK {
            return Err(impossible_coefficient(reader.is_overrun()));
        }
        if reader.is_overrun() {
            return Err(Fault::Truncated);
        }
        Ok(places)
    }
}

/// Zeros behind the end of the data may run into one.
#[cold]
fn impossible_coefficient(is_overrun: bool) -> Fault {
    if is_overrun {
        Fault::Truncated
    } else {
        Fault::damaged("an impossible coefficient")
    }
}

/// A scan that the walk has come to.
pub(super) struct FoundScan<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) header: &'a Header,
    pub(super) tables: &'a Tables,
    pub(super) scan: Scan,
    /// Where its data start.
    pub(super) at: usize,
}

impl FoundScan<'_> {
    /// Walks the scan's data without making pixels.
    pub(super) fn check(&self) -> Result<ScanEnd, Fault> {
        if self.header.is_sequential() {
            self.scan
                .check(self.bytes, self.at, self.header, self.tables)
        } else {
            Ok(ScanEnd {
                at: marker::end_of_data(self.bytes, self.at)?,
                stray_bytes: 0,
            })
        }
    }
}
