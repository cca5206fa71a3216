//! Hatching: marks a part of a frame, and leaves what it shows to be seen.

use crate::image::frame::Frame;
use std::ops::Range;

/// Lines lie this part of the frame's shorter side apart.
const LINES_ALONG_SIDE: u32 = 40;
/// The fewest pixels from one line to the next.
const MIN_APART_PX: u32 = 6;

/// Draws slanted lines, black beside white so that they show on any ground, over the pixels of these
/// columns and rows; what lies outside the frame is passed over.
pub fn hatch(frame: &mut Frame, columns: Range<u32>, rows: Range<u32>) {
    let (width_px, height_px) = (frame.width_px(), frame.height_px());
    let apart_px = (width_px.min(height_px) / LINES_ALONG_SIDE).max(MIN_APART_PX);
    let columns = columns.start.min(width_px)..columns.end.min(width_px);
    for y in rows.start.min(height_px)..rows.end.min(height_px) {
        for x in columns.clone() {
            let level = match (x + y) % apart_px {
                0 => 0,
                1 => u8::MAX,
                _ => continue,
            };
            let at = (y as usize * width_px as usize + x as usize) * 3;
            frame.rgb_mut()[at..at + 3].fill(level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_within_their_part_and_within_the_frame() {
        let mut frame = Frame::filled(60, 40, [100; 3]).unwrap();
        hatch(&mut frame, 30..90, 0..10);
        let is_changed = |x: u32, y: u32| frame.row(y)[x as usize * 3] != 100;
        let changed = |columns: Range<u32>, rows: Range<u32>| {
            let places = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
            places.filter(|(x, y)| is_changed(*x, *y)).count()
        };
        assert_eq!(changed(30..60, 0..10), 100);
        assert_eq!(changed(0..60, 0..40), 100);
    }
}
