//! One sequential scan to pixels, a row of units at a time.

use super::colour::{Chroma, RowWriter};
use super::header::{CHANNELS, Component};
use super::kernels::{BLOCK, Kernel, SIDE, STEP};
use super::scan::{FoundScan, ScanEnd, Stretches};
use crate::decode::error::Fault;
use crate::image::frame::Frame;

/// Buffers for one row of units.
#[derive(Debug, Default)]
pub(super) struct ScanDecoder {
    kernel: Kernel,
    planes: [Plane; CHANNELS],
    rows: RowWriter,
}

/// The samples of one component: a row kept from the units above, then a row of units.
#[derive(Debug, Default)]
struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Blocks of one unit.
    across: usize,
    down: usize,
}

impl Plane {
    fn resize(&mut self, component: &Component, units_across: usize, stride_multiple: usize) {
        self.across = component.horizontal as usize;
        self.down = component.vertical as usize;
        self.stride = (units_across * self.across * SIDE).next_multiple_of(stride_multiple);
        self.samples.resize(self.stride * (1 + self.rows()), 0);
    }

    /// Rows of a row of units.
    fn rows(&self) -> usize {
        self.down * SIDE
    }

    /// A row of the row of units; row -1 is the one kept.
    fn row(&self, row: isize) -> &[u8] {
        &self.samples[(row + 1) as usize * self.stride..][..self.stride]
    }

    /// Copies a row of the row of units to where the one above it is looked for.
    fn keep(&mut self, row: usize) {
        let start = (row + 1) * self.stride;
        self.samples.copy_within(start..start + self.stride, 0);
    }

    /// From the first sample of a block to the end.
    fn block(&mut self, row: usize, column: usize) -> &mut [u8] {
        let at = (1 + row * SIDE) * self.stride + column * SIDE;
        &mut self.samples[at..]
    }
}

/// How much coarser chroma is than luma, as powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coarseness {
    is_halved_across: bool,
    is_halved_down: bool,
}

impl Coarseness {
    fn of(components: &[Component; CHANNELS]) -> Option<Self> {
        let [luma, cb, cr] = components;
        if (cb.horizontal, cb.vertical) != (cr.horizontal, cr.vertical) {
            return None;
        }
        let is_halved = |luma: u32, chroma: u32| match luma {
            _ if luma == chroma => Some(false),
            _ if luma == 2 * chroma => Some(true),
            _ => None,
        };
        Some(Self {
            is_halved_across: is_halved(luma.horizontal, cb.horizontal)?,
            is_halved_down: is_halved(luma.vertical, cb.vertical)?,
        })
    }
}

impl ScanDecoder {
    /// Whether this is a scan that [`ScanDecoder::decode`] takes: all of YCbCr in sequence, chroma
    /// as fine as luma or half as fine in either direction.
    pub(super) fn fits(found: &FoundScan) -> bool {
        let header = found.header;
        let has_rgb_names = header.components.map(|component| component.id) == *b"RGB";
        header.is_sequential()
            && !(header.has_other_colours || has_rgb_names)
            && found.scan.is_whole(&header.components)
            && Coarseness::of(&header.components).is_some()
    }

    /// Reads the data of a scan that fits, all of them, and fills the frame.
    pub(super) fn decode(
        &mut self,
        found: &FoundScan,
        frame: &mut Frame,
    ) -> Result<ScanEnd, Fault> {
        let header = found.header;
        let unfit = || Fault::damaged("an impossible sampling of its channels");
        let coarseness = Coarseness::of(&header.components).ok_or_else(unfit)?;
        let coders = found.scan.coders(found.tables)?;
        let (across, down) = header.largest_sampling();
        let unit_px = (SIDE * across as usize, SIDE * down as usize);
        let units_across = (header.width_px as usize).div_ceil(unit_px.0);
        let units_down = (header.height_px as usize).div_ceil(unit_px.1);
        frame.resize(header.width_px, header.height_px)?;
        self.resize(&header.components, units_across, coarseness);

        let mut stretches = Stretches::new(found.bytes, found.at, found.tables.restart_interval);
        let units = units_across * units_down;
        let (mut reader, mut units_ahead) = stretches.next(units)?;
        let mut predictions = [0; CHANNELS];
        for unit in 0..units {
            if units_ahead == 0 {
                stretches.finish(reader)?;
                (reader, units_ahead) = stretches.next(units - unit)?;
                predictions = [0; CHANNELS];
            }
            units_ahead -= 1;
            let column = unit % units_across;
            for ((plane, coder), prediction) in
                self.planes.iter_mut().zip(&coders).zip(&mut predictions)
            {
                let first_block = column * plane.across;
                for row_in_unit in 0..plane.down {
                    for block in first_block..first_block + plane.across {
                        let mut coefficients = [0; BLOCK];
                        let places = coder.read(&mut reader, prediction, &mut coefficients)?;
                        let stride = plane.stride;
                        let out = plane.block(row_in_unit, block);
                        self.kernel.transform(&coefficients, places, out, stride);
                    }
                }
            }
            if column + 1 == units_across {
                self.write_rows(unit / units_across, units_down, coarseness, frame);
            }
        }
        stretches.finish(reader)?;
        stretches.end()
    }

    fn resize(
        &mut self,
        components: &[Component; CHANNELS],
        units_across: usize,
        coarseness: Coarseness,
    ) {
        let chroma_multiple = if coarseness.is_halved_across {
            SIDE
        } else {
            STEP
        };
        let multiples = [STEP, chroma_multiple, chroma_multiple];
        for ((plane, component), multiple) in self.planes.iter_mut().zip(components).zip(multiples)
        {
            plane.resize(component, units_across, multiple);
        }
        self.rows.resize(self.planes[1].stride);
    }

    /// Writes the pixels that a finished row of units completes. Where chroma is halved down, the
    /// last row needs chroma of the units below: it is kept, and written with them.
    fn write_rows(
        &mut self,
        unit_row: usize,
        unit_rows: usize,
        coarseness: Coarseness,
        frame: &mut Frame,
    ) {
        let unit_px = self.planes[0].rows();
        let first_y = unit_row * unit_px;
        let waits = coarseness.is_halved_down;
        if waits && unit_row == 0 {
            self.planes.iter_mut().for_each(|plane| plane.keep(0));
        }
        let first = if waits && unit_row > 0 { -1 } else { 0 };
        let is_last = unit_row + 1 == unit_rows;
        let end = unit_px as isize - isize::from(waits && !is_last);
        let row_bytes = frame.width_px() as usize * 3;
        for row in first..end {
            let start = (first_y as isize + row) as usize * row_bytes;
            let Some(out) = frame.rgb_mut().get_mut(start..start + row_bytes) else {
                break;
            };
            self.write_row(row, coarseness, out);
        }
        if waits {
            for plane in &mut self.planes {
                plane.keep(plane.rows() - 1);
            }
        }
    }

    fn write_row(&mut self, row: isize, coarseness: Coarseness, out: &mut [u8]) {
        let [luma, cb, cr] = &self.planes;
        for (chroma, plane) in [(Chroma::Cb, cb), (Chroma::Cr, cr)] {
            let (near, far) = if coarseness.is_halved_down {
                let near = row.div_euclid(2);
                let far = near + if row.rem_euclid(2) == 0 { -1 } else { 1 };
                let last = plane.rows() as isize - 1;
                (plane.row(near), Some(plane.row(far.min(last))))
            } else {
                (plane.row(row), None)
            };
            self.rows.set_chroma(chroma, near, far);
        }
        self.rows
            .write(luma.row(row), coarseness.is_halved_across, out);
    }
}
