//! Sensor noise: the median of each 3x3 neighbourhood, channel by channel. Removes single wrong
//! pixels and keeps edges.

use crate::image::frame::Frame;

const CHANNELS: usize = 3;

/// Replaces every value by the median of its neighbourhood; the frame's edge is repeated outwards.
pub fn apply(frame: &mut Frame) {
    let row_bytes = frame.width_px() as usize * CHANNELS;
    let last_row = frame.height_px() as usize - 1;
    let mut above = frame.row(0).to_vec();
    let mut here = above.clone();
    let mut below = above.clone();
    let rgb = frame.rgb_mut();
    for y in 0..=last_row {
        let next = (y + 1).min(last_row);
        below.copy_from_slice(&rgb[next * row_bytes..][..row_bytes]);
        let out = &mut rgb[y * row_bytes..][..row_bytes];
        median_of_rows(&above, &here, &below, out);
        std::mem::swap(&mut above, &mut here);
        std::mem::swap(&mut here, &mut below);
    }
}

fn median_of_rows(above: &[u8], here: &[u8], below: &[u8], out: &mut [u8]) {
    let last = out.len() - CHANNELS;
    for (at, value) in out.iter_mut().enumerate() {
        let left = at.checked_sub(CHANNELS).unwrap_or(at);
        let right = if at < last { at + CHANNELS } else { at };
        let mut neighbours = [0; 9];
        for (three, row) in neighbours.chunks_exact_mut(3).zip([above, here, below]) {
            three.copy_from_slice(&[row[left], row[at], row[right]]);
        }
        *value = median_of_nine(neighbours);
    }
}

/// Nineteen exchanges (Paeth, Median finding on a 3x3 grid, Graphics Gems 1990).
fn median_of_nine(mut v: [u8; 9]) -> u8 {
    const EXCHANGES: [(usize, usize); 19] = [
        (1, 2),
        (4, 5),
        (7, 8),
        (0, 1),
        (3, 4),
        (6, 7),
        (1, 2),
        (4, 5),
        (7, 8),
        (0, 3),
        (5, 8),
        (4, 7),
        (3, 6),
        (1, 4),
        (2, 5),
        (4, 7),
        (4, 2),
        (6, 4),
        (4, 2),
    ];
    for (low, high) in EXCHANGES {
        let (smaller, larger) = (v[low].min(v[high]), v[low].max(v[high]));
        v[low] = smaller;
        v[high] = larger;
    }
    v[4]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn single_wrong_pixels_go_and_edges_stay() {
        let mut frame = Frame::filled(12, 9, [200, 150, 180]).unwrap();
        for row in frame.rgb_mut().chunks_exact_mut(12 * 3) {
            row[6 * 3..].copy_from_slice(&[90, 60, 120].repeat(6));
        }
        let clean = frame.clone();
        for at in [(4 * 12 + 2) * 3, (4 * 12 + 9) * 3, 0, (8 * 12 + 11) * 3 + 2] {
            frame.rgb_mut()[at] = 255 - frame.rgb()[at];
        }
        assert_ne!(frame, clean);
        apply(&mut frame);
        assert_eq!(frame, clean);
    }

    #[test]
    fn the_smallest_frames_pass() {
        for (width_px, height_px) in [(1, 1), (1, 4), (5, 1), (2, 2)] {
            let mut frame = Frame::filled(width_px, height_px, [4, 5, 6]).unwrap();
            let before = frame.clone();
            apply(&mut frame);
            assert_eq!(frame, before, "{width_px}x{height_px}");
        }
    }

    proptest! {
        #[test]
        fn the_exchanges_find_the_median(values in any::<[u8; 9]>()) {
            let mut sorted = values;
            sorted.sort_unstable();
            prop_assert_eq!(median_of_nine(values), sorted[4]);
        }
    }
}
