//! How images lie in memory while the kernels work on them: rows with a pixel of padding on each
//! side, so that a window at an edge reads like any other, and rings of rows, so that an image of
//! any height takes little memory.

#![allow(unsafe_code, reason = "threads write disjoint rows of one buffer")]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Deref;

use super::output::Output;
use super::parameters::OutputKind;

/// Bytes after a row's last padding pixel that may be read: a kernel reads whole registers.
pub(super) const SLACK_BYTES: usize = 64;
/// Rows, and the first pixel in them, start at multiples of this.
const LINE_BYTES: usize = 64;

/// The shape of a row: padding pixel, `width` pixels, padding pixel, slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowLayout {
    /// Pixels, without the padding.
    pub(super) width: usize,
    /// Bytes of a pixel.
    pub(super) pixel_bytes: usize,
}

impl RowLayout {
    /// Bytes before the first pixel that is not padding.
    pub(super) fn first_pixel(self) -> usize {
        self.pixel_bytes.next_multiple_of(LINE_BYTES)
    }

    /// Bytes of the pixels that are not padding.
    pub(super) fn row_bytes(self) -> usize {
        self.width * self.pixel_bytes
    }

    /// Bytes from one row to the next.
    pub(super) fn pitch(self) -> usize {
        let used = self.first_pixel() + self.row_bytes() + self.pixel_bytes + SLACK_BYTES;
        used.next_multiple_of(LINE_BYTES)
    }
}

/// Rows to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) layout: RowLayout,
    /// Rows in `bytes`; row `r` of the image is number `r % ring`.
    pub(super) ring: usize,
    /// Rows of the image; those outside are padding.
    pub(super) height: usize,
    /// A row of nothing but padding.
    pub(super) padding: &'a [u8],
}

impl<'a> Rows<'a> {
    /// A whole row, from the start of its left padding on.
    pub(super) fn row(&self, index: isize) -> &'a [u8] {
        match usize::try_from(index) {
            Ok(index) if index < self.height => {
                let pitch = self.layout.pitch();
                &self.bytes[index % self.ring * pitch..][..pitch]
            }
            _ => self.padding,
        }
    }
}

/// Rows to write.
#[derive(Debug)]
pub(super) struct RowsMut<'a> {
    /// The first pixel that is not padding, of the first row.
    base: *mut u8,
    pitch: usize,
    ring: usize,
    /// Values of a row.
    values: usize,
    kind: OutputKind,
    buffer: PhantomData<&'a mut [u8]>,
}

impl<'a> RowsMut<'a> {
    /// Rows of so many values, one after the other without padding.
    pub(super) fn whole(output: Output<'a>, row_values: usize) -> Self {
        let kind = output.kind();
        let ring = output.len() / row_values.max(1);
        let base: *mut u8 = match output {
            Output::U8(values) => values.as_mut_ptr(),
            Output::I16(values) => values.as_mut_ptr().cast(),
        };
        Self {
            base,
            pitch: row_values * kind.bytes(),
            ring,
            values: row_values,
            kind,
            buffer: PhantomData,
        }
    }

    /// The values of row `index` of the image.
    pub(super) fn row(&mut self, index: usize) -> Output<'_> {
        // SAFETY: `index % ring` is a row of the buffer, whose rows are `pitch` bytes apart and
        // hold `values` values each, of a type that any bytes make up; rows of 16-bit values
        // start at even addresses, since they come from a slice of such or are lines. The borrow
        // of `self` keeps this slice the only one made through it, and the maker of `self` has
        // sole use of its rows.
        unsafe {
            let start = self.base.add(index % self.ring * self.pitch);
            match self.kind {
                OutputKind::U8 => Output::U8(std::slice::from_raw_parts_mut(start, self.values)),
                OutputKind::I16 => {
                    Output::I16(std::slice::from_raw_parts_mut(start.cast(), self.values))
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE_BYTES]);

/// A ring of padded rows that threads share: any number may read it, or each write rows of its
/// own, but not both at once.
#[derive(Debug)]
pub(super) struct RowRing {
    lines: Box<[UnsafeCell<Line>]>,
    padding: Box<[UnsafeCell<Line>]>,
    pub(super) layout: RowLayout,
    pub(super) rows: usize,
    pub(super) height: usize,
    kind: OutputKind,
}

// SAFETY: the bytes are reached through `rows` and `rows_mut` only, whose callers promise that
// nobody reads while somebody writes, and that no two write the same row.
unsafe impl Sync for RowRing {}

impl RowRing {
    /// `rows` rows of an image of `height` rows, all of them, padding included, filled with
    /// `zero_point`.
    pub(super) fn new(
        layout: RowLayout,
        rows: usize,
        height: usize,
        kind: OutputKind,
        zero_point: u8,
    ) -> Self {
        let row_lines = layout.pitch() / LINE_BYTES;
        let lines = |rows: usize| {
            let line = || UnsafeCell::new(Line([zero_point; LINE_BYTES]));
            (0..row_lines * rows).map(|_| line()).collect()
        };
        Self {
            lines: lines(rows),
            padding: lines(1),
            layout,
            rows,
            height,
            kind,
        }
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        (self.rows + 1) * self.layout.pitch()
    }

    /// The rows, to read.
    ///
    /// # Safety
    /// Nobody writes while the result lives.
    pub(super) unsafe fn rows(&self) -> Rows<'_> {
        // SAFETY: the caller's promise; nobody ever writes the padding.
        let (bytes, padding) = unsafe { (bytes_of(&self.lines), bytes_of(&self.padding)) };
        Rows {
            bytes,
            layout: self.layout,
            ring: self.rows,
            height: self.height,
            padding,
        }
    }

    /// The rows, to write.
    ///
    /// # Safety
    /// While the result lives, nobody reads, and nobody else writes the rows that are written
    /// through it.
    pub(super) unsafe fn rows_mut(&self) -> RowsMut<'_> {
        let base: *mut u8 = UnsafeCell::raw_get(self.lines.as_ptr()).cast();
        RowsMut {
            base: base.wrapping_add(self.layout.first_pixel()),
            pitch: self.layout.pitch(),
            ring: self.rows,
            values: self.layout.row_bytes() / self.kind.bytes(),
            kind: self.kind,
            buffer: PhantomData,
        }
    }

    /// The rows, to write by their only owner.
    pub(super) fn own_rows_mut(&mut self) -> RowsMut<'_> {
        // SAFETY: the exclusive borrow keeps everybody else away.
        unsafe { self.rows_mut() }
    }

    /// The rows, to read by their only owner.
    pub(super) fn own_rows(&mut self) -> Rows<'_> {
        // SAFETY: the exclusive borrow keeps everybody else away.
        unsafe { self.rows() }
    }
}

/// # Safety
/// Nobody writes the lines while the result lives.
unsafe fn bytes_of(lines: &[UnsafeCell<Line>]) -> &[u8] {
    // SAFETY: the caller's promise; a line is 64 bytes without padding.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines)) }
}

/// Packed weights that start at a whole line, so that no register of them lies in two.
#[derive(Debug)]
pub(super) struct Weights {
    lines: Box<[Line]>,
    count: usize,
}

impl Weights {
    /// A copy of weights in the order in which a kernel reads them.
    pub(super) fn new(weights: &[i8]) -> Self {
        let lines = weights.chunks(LINE_BYTES).map(|weights| {
            let mut line = Line([0; LINE_BYTES]);
            for (byte, &weight) in line.0.iter_mut().zip(weights) {
                *byte = weight as u8;
            }
            line
        });
        Self {
            lines: lines.collect(),
            count: weights.len(),
        }
    }
}

impl Deref for Weights {
    type Target = [i8];

    fn deref(&self) -> &[i8] {
        // SAFETY: the lines hold at least `count` bytes one after the other, and any byte is a
        // weight.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.count) }
    }
}
