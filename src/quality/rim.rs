//! A dark rim around the field: the edge of an eyepiece, a phone's round view, or the bars of a
//! letter-box.
//!
//! Whatever judges or counts a frame would take the rim for darkness or for cells. So it is cut
//! off: what is left is the largest upright rectangle without it, and from there on that is the
//! frame, with its edge, its border rule and its area. Cells of the round field outside that
//! rectangle are lost, evenly for every class.

use crate::image::frame::Frame;
use std::ops::Range;

/// Blocks along the longer side of a frame.
const BLOCKS: usize = 64;
/// Pixels looked at along each side of a block.
const SAMPLES: usize = 4;
/// A rim is darker than this share of the background in the brightest channel, in percent. Nuclei,
/// the darkest that a smear has, let half of the blue light through, and a camera's curve of gamma
/// 2.2 leaves them a fifth; red cells keep a third even then.
const DARK_PERCENT: u32 = 25;
/// No rim is brighter than this: the darkest background that can be counted has nearly twice.
const BRIGHTEST_RIM: u8 = 64;
/// At least one in so many blocks along the frame's edge belongs to a rim: dirt is smaller.
const EDGE_ONE_IN: usize = 10;
/// The background is the level that one block in so many exceeds: a small round field is enough.
const BACKGROUND_ONE_IN: usize = 50;
/// What is left is at least one part in so many of the frame's shorter side.
const LEAST_SIDE_PARTS: u32 = 5;
/// A place that was kept before stays while no other is larger by more than this, in percent.
const KEEP_PERCENT: u64 = 115;

/// A part of a frame, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clear {
    /// Columns of the frame left of it.
    pub left_px: u32,
    /// Rows of the frame above it.
    pub top_px: u32,
    /// Its width.
    pub width_px: u32,
    /// Its height.
    pub height_px: u32,
    /// Width and height of the frame that it is a part of.
    pub whole_px: (u32, u32),
}

impl Clear {
    fn area(&self) -> u64 {
        u64::from(self.width_px) * u64::from(self.height_px)
    }

    /// The share of the frame that was cut off, in thousandths.
    pub fn cut_permille(&self) -> u16 {
        let whole = u64::from(self.whole_px.0) * u64::from(self.whole_px.1);
        (1000 - self.area() * 1000 / whole.max(1)) as u16
    }
}

/// What became of a frame's rim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rim {
    /// The frame has none, and is as it was.
    None,
    /// It was cut off, and this is left.
    Cut(Clear),
    /// It covers so much that nothing worth counting is left; the frame is as it was.
    CoversField,
}

/// Finds rims and cuts them off. Its memory is taken when it is made.
///
/// Frames of one camera keep one part, although cells at the rim make the largest part differ a
/// little from frame to frame: only frames of one size can be laid over one another.
#[derive(Debug)]
pub struct RimCutter {
    grid: Grid,
    kept: Option<Clear>,
}

impl Default for RimCutter {
    fn default() -> Self {
        Self {
            grid: Grid {
                columns: 0,
                rows: 0,
                levels: vec![0; BLOCKS * BLOCKS],
                is_rim: vec![false; BLOCKS * BLOCKS],
                to_visit: Vec::with_capacity(BLOCKS * BLOCKS),
            },
            kept: None,
        }
    }
}

impl RimCutter {
    /// Cuts the rim off a frame, where it has one.
    pub fn cut(&mut self, frame: &mut Frame) -> Rim {
        let (width_px, height_px) = (frame.width_px(), frame.height_px());
        if (width_px.min(height_px) as usize) < BLOCKS || !self.grid.may_have_rim(frame) {
            return Rim::None;
        }
        self.grid.fill_levels(frame);
        if !self.grid.find_rim() {
            return Rim::None;
        }
        let kept = self
            .kept
            .filter(|kept| kept.whole_px == (width_px, height_px))
            .filter(|kept| self.grid.is_clear(kept));
        self.grid.widen_rim();
        let largest = self.grid.largest_clear(frame);
        let clear = match kept {
            Some(kept) if largest.area() * 100 <= kept.area() * KEEP_PERCENT => kept,
            _ => largest,
        };
        let shorter = width_px.min(height_px);
        if clear.width_px.min(clear.height_px) * LEAST_SIDE_PARTS < shorter {
            return Rim::CoversField;
        }
        self.kept = Some(clear);
        frame.crop(
            [clear.left_px, clear.top_px],
            [clear.width_px, clear.height_px],
        );
        Rim::Cut(clear)
    }
}

/// The blocks of one frame.
#[derive(Debug)]
struct Grid {
    columns: usize,
    rows: usize,
    /// The brightest channel's mean.
    levels: Vec<u8>,
    is_rim: Vec<bool>,
    to_visit: Vec<usize>,
}

/// The pixels of one of `count` blocks along a side.
fn block(side_px: u32, count: usize, at: usize) -> Range<u32> {
    let edge = |at: usize| (u64::from(side_px) * at as u64 / count as u64) as u32;
    edge(at)..edge(at + 1)
}

impl Grid {
    fn size_for(&mut self, frame: &Frame) {
        let (width_px, height_px) = (frame.width_px() as usize, frame.height_px() as usize);
        let longer = width_px.max(height_px);
        self.columns = (BLOCKS * width_px / longer).max(1);
        self.rows = (BLOCKS * height_px / longer).max(1);
    }

    /// Whether enough of the frame's edge is dark for a rim: nearly every frame is done with here.
    fn may_have_rim(&mut self, frame: &Frame) -> bool {
        self.size_for(frame);
        let dark = self
            .edge()
            .filter(|&at| self.level(frame, at) <= BRIGHTEST_RIM);
        self.is_enough_of_edge(dark.count())
    }

    fn is_enough_of_edge(&self, blocks: usize) -> bool {
        blocks * EDGE_ONE_IN >= 2 * (self.columns + self.rows)
    }

    /// The blocks along the frame's edge.
    fn edge(&self) -> impl Iterator<Item = usize> + use<> {
        let (columns, rows) = (self.columns, self.rows);
        let is_edge = move |at: &usize| {
            let (x, y) = (at % columns, at / columns);
            x == 0 || y == 0 || x + 1 == columns || y + 1 == rows
        };
        (0..columns * rows).filter(is_edge)
    }

    fn level(&self, frame: &Frame, at: usize) -> u8 {
        let x = block(frame.width_px(), self.columns, at % self.columns);
        let y = block(frame.height_px(), self.rows, at / self.columns);
        let step = |range: &Range<u32>| (range.len() / SAMPLES).max(1);
        let mut sums = [0_u32; 3];
        let mut count = 0;
        for y_px in y.clone().step_by(step(&y)) {
            for x_px in x.clone().step_by(step(&x)) {
                let pixel = frame.pixel(x_px, y_px);
                sums.iter_mut()
                    .zip(pixel)
                    .for_each(|(sum, value)| *sum += u32::from(value));
                count += 1;
            }
        }
        let brightest = sums.into_iter().max().unwrap_or(0);
        (brightest / count.max(1)) as u8
    }

    fn fill_levels(&mut self, frame: &Frame) {
        for at in 0..self.columns * self.rows {
            self.levels[at] = self.level(frame, at);
        }
    }

    fn background(&self) -> u8 {
        let count = self.columns * self.rows;
        let wanted = count / BACKGROUND_ONE_IN;
        let brighter = |limit: u8| {
            let levels = self.levels[..count].iter();
            levels.filter(|&&level| level > limit).count()
        };
        (0..=u8::MAX)
            .find(|&limit| brighter(limit) <= wanted)
            .unwrap_or(0)
    }

    /// Marks what is dark and hangs together with the frame's edge; whether it is a rim.
    fn find_rim(&mut self) -> bool {
        let limit = (u32::from(self.background()) * DARK_PERCENT / 100) as u8;
        let limit = limit.min(BRIGHTEST_RIM);
        self.is_rim[..self.columns * self.rows].fill(false);
        self.to_visit.clear();
        for at in self.edge() {
            self.mark(at, limit);
        }
        while let Some(at) = self.to_visit.pop() {
            let (x, y) = (at % self.columns, at / self.columns);
            let neighbours = [
                (x > 0).then(|| at - 1),
                (x + 1 < self.columns).then_some(at + 1),
                (y > 0).then(|| at - self.columns),
                (y + 1 < self.rows).then_some(at + self.columns),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                self.mark(neighbour, limit);
            }
        }
        let dark = self.edge().filter(|&at| self.is_rim[at]).count();
        self.is_enough_of_edge(dark)
    }

    fn mark(&mut self, at: usize, limit: u8) {
        if self.levels[at] < limit && !self.is_rim[at] {
            self.is_rim[at] = true;
            self.to_visit.push(at);
        }
    }

    /// Whether no block of a part that was kept before is rim now.
    fn is_clear(&self, kept: &Clear) -> bool {
        let (whole_width_px, whole_height_px) = kept.whole_px;
        let is_within = |range: Range<u32>, start_px: u32, length_px: u32| {
            range.start < start_px + length_px && start_px < range.end
        };
        !(0..self.columns * self.rows).any(|at| {
            let x = block(whole_width_px, self.columns, at % self.columns);
            let y = block(whole_height_px, self.rows, at / self.columns);
            self.is_rim[at]
                && is_within(x, kept.left_px, kept.width_px)
                && is_within(y, kept.top_px, kept.height_px)
        })
    }

    /// Adds the blocks beside the rim, which it covers in part.
    fn widen_rim(&mut self) {
        self.to_visit.clear();
        for at in 0..self.columns * self.rows {
            let (x, y) = (at % self.columns, at / self.columns);
            let mut around = (y.saturating_sub(1)..=(y + 1).min(self.rows - 1)).flat_map(|y| {
                (x.saturating_sub(1)..=(x + 1).min(self.columns - 1)).map(move |x| (x, y))
            });
            if !self.is_rim[at] && around.any(|(x, y)| self.is_rim[y * self.columns + x]) {
                self.to_visit.push(at);
            }
        }
        while let Some(at) = self.to_visit.pop() {
            self.is_rim[at] = true;
        }
    }

    /// The largest rectangle of blocks without rim; without area where there is none.
    fn largest_clear(&self, frame: &Frame) -> Clear {
        let whole_px = (frame.width_px(), frame.height_px());
        let mut best = Clear {
            left_px: 0,
            top_px: 0,
            width_px: 0,
            height_px: 0,
            whole_px,
        };
        // How many blocks above each of a row, it included, are clear.
        let mut clear_above = [0_usize; BLOCKS];
        for row in 0..self.rows {
            for (column, clear) in clear_above[..self.columns].iter_mut().enumerate() {
                let is_rim = self.is_rim[row * self.columns + column];
                *clear = if is_rim { 0 } else { *clear + 1 };
            }
            for first in 0..self.columns {
                let mut blocks_high = usize::MAX;
                let from_first = clear_above[..self.columns].iter().enumerate().skip(first);
                for (last, &clear) in from_first {
                    blocks_high = blocks_high.min(clear);
                    if blocks_high == 0 {
                        break;
                    }
                    let start = |side_px, count, at| block(side_px, count, at).start;
                    let end = |side_px, count, at| block(side_px, count, at).end;
                    let left_px = start(whole_px.0, self.columns, first);
                    let top_px = start(whole_px.1, self.rows, row + 1 - blocks_high);
                    let found = Clear {
                        left_px,
                        top_px,
                        width_px: end(whole_px.0, self.columns, last) - left_px,
                        height_px: end(whole_px.1, self.rows, row) - top_px,
                        whole_px,
                    };
                    if found.area() > best.area() {
                        best = found;
                    }
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GLASS: [u8; 3] = [220, 214, 210];

    /// Glass wherever a pixel is in the field, else black.
    fn frame_with(in_field: impl Fn(i64, i64) -> bool) -> Frame {
        let mut frame = Frame::filled(640, 480, GLASS).unwrap();
        for (at, pixel) in (0..).zip(frame.rgb_mut().chunks_exact_mut(3)) {
            if !in_field(at % 640, at / 640) {
                pixel.copy_from_slice(&[14, 11, 9]);
            }
        }
        frame
    }

    fn round_field(x_px: i64, y_px: i64, radius_px: i64) -> Frame {
        frame_with(|x, y| (x - x_px).pow(2) + (y - y_px).pow(2) < radius_px * radius_px)
    }

    fn darkest(frame: &Frame) -> u8 {
        frame.rgb().iter().copied().min().unwrap()
    }

    #[test]
    fn rims_are_cut_off_and_whole_fields_are_left_alone() {
        // The share that is left, in percent: of a circle the largest square is 64 %, less a block.
        let cases = [
            ("no rim", frame_with(|_, _| true), None),
            ("dark dirt at the edge", frame_with(|x, y| x + y > 70), None),
            (
                "a dark heap in the middle",
                frame_with(|x, y| (x - 320).pow(2) + (y - 240).pow(2) > 8000),
                None,
            ),
            ("round", round_field(320, 240, 230), Some(27..=35)),
            (
                "round, to one side",
                round_field(380, 260, 230),
                Some(25..=35),
            ),
            (
                "letter-box",
                frame_with(|_, y| (60..420).contains(&y)),
                Some(66..=75),
            ),
            (
                "bars at both sides",
                frame_with(|x, _| (90..550).contains(&x)),
                Some(64..=72),
            ),
            (
                "a bar at one side",
                frame_with(|x, _| x >= 100),
                Some(76..=85),
            ),
        ];
        for (name, mut frame, left_percent) in cases {
            let before = frame.clone();
            let rim = RimCutter::default().cut(&mut frame);
            let Some(left_percent) = left_percent else {
                assert_eq!((rim, &frame), (Rim::None, &before), "{name}");
                continue;
            };
            let Rim::Cut(clear) = rim else {
                panic!("{name}: {rim:?}");
            };
            assert_eq!(
                (frame.width_px(), frame.height_px()),
                (clear.width_px, clear.height_px)
            );
            assert_eq!(darkest(&frame), 210, "{name}: some of the rim is left");
            let left = 100 - u32::from(clear.cut_permille()) / 10;
            assert!(left_percent.contains(&left), "{name}: {left} % left");
        }
    }

    #[test]
    fn darkness_without_a_field_is_no_rim_and_a_tiny_field_is_said() {
        let mut dark = Frame::filled(640, 480, [30, 22, 18]).unwrap();
        assert_eq!(RimCutter::default().cut(&mut dark), Rim::None);
        let mut tiny = round_field(320, 240, 60);
        let before = tiny.clone();
        assert_eq!(RimCutter::default().cut(&mut tiny), Rim::CoversField);
        assert_eq!(tiny, before);
    }

    #[test]
    fn a_part_that_was_kept_stays_while_the_rim_does() {
        let mut cutter = RimCutter::default();
        let mut cut = |mut frame: Frame| {
            let rim = cutter.cut(&mut frame);
            let Rim::Cut(clear) = rim else {
                panic!("{rim:?}");
            };
            clear
        };
        let first = cut(round_field(320, 240, 230));
        assert_eq!(cut(round_field(323, 238, 231)), first, "a little off");
        let moved = cut(round_field(260, 200, 190));
        assert_ne!(moved, first, "into what was kept");
        let wide = cut(round_field(320, 240, 300));
        assert!(wide.area() > moved.area(), "much more is clear");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_cut_lies_in_the_frame(
            size in (1_u32..200, 1_u32..200), seed in any::<u64>(), dark_below in 0_u32..200
        ) {
            let mut frame = Frame::filled(size.0, size.1, GLASS).unwrap();
            let mut random = crate::random::Random::new(seed);
            for (at, pixel) in (0..).zip(frame.rgb_mut().chunks_exact_mut(3)) {
                let jagged = u32::from(random.byte()) / 32;
                if at % size.0 + jagged < dark_below {
                    pixel.fill(random.byte() / 16);
                }
            }
            match RimCutter::default().cut(&mut frame) {
                Rim::None | Rim::CoversField => {
                    prop_assert_eq!((frame.width_px(), frame.height_px()), size);
                }
                Rim::Cut(clear) => {
                    prop_assert!(clear.left_px + clear.width_px <= size.0);
                    prop_assert!(clear.top_px + clear.height_px <= size.1);
                    prop_assert_eq!(frame.rgb().len() as u64, clear.area() * 3);
                }
            }
        }
    }
}
