//! Pictures scaled for the screen: averaged when they shrink, repeated when they grow.

use crate::frame::{Frame, FrameError};

/// The largest size of the same shape within a space, each side at least 1.
pub fn fitted_size_px(width_px: u32, height_px: u32, space_px: (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(width_px.max(1)), u64::from(height_px.max(1)));
    let (space_width, space_height) = (u64::from(space_px.0), u64::from(space_px.1));
    let limited_by_width = space_width * height <= space_height * width;
    let (fitted_width, fitted_height) = if limited_by_width {
        (space_width, space_width * height / width)
    } else {
        (space_height * width / height, space_height)
    };
    // Both are at most the space's sides, so they fit into 32 bits.
    (fitted_width.max(1) as u32, fitted_height.max(1) as u32)
}

/// The frame at another size. Every new pixel is the mean, rounded, of the pixels it covers.
pub fn resized(frame: &Frame, width_px: u32, height_px: u32) -> Result<Frame, FrameError> {
    Frame::check_size(width_px, height_px)?;
    let mut rgb = Vec::with_capacity(width_px as usize * height_px as usize * 3);
    for y in 0..height_px {
        let rows = covered(y, height_px, frame.height_px());
        for x in 0..width_px {
            let columns = covered(x, width_px, frame.width_px());
            rgb.extend(mean(frame, columns, rows.clone()));
        }
    }
    Frame::new(width_px, height_px, rgb)
}

/// The old pixels along one side that new pixel `index` of `new_length` covers; never none.
fn covered(index: u32, new_length: u32, old_length: u32) -> std::ops::Range<u32> {
    let at = |edge: u32| (u64::from(edge) * u64::from(old_length) / u64::from(new_length)) as u32;
    let start = at(index);
    start..at(index + 1).max(start + 1)
}

fn mean(frame: &Frame, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> [u8; 3] {
    let count = u64::from(columns.end - columns.start) * u64::from(rows.end - rows.start);
    let mut sums = [0u64; 3];
    for y in rows {
        let row = &frame.row(y)[columns.start as usize * 3..columns.end as usize * 3];
        for pixel in row.chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*value);
            }
        }
    }
    // A mean of bytes is a byte.
    sums.map(|sum| ((sum + count / 2) / count) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_shape() {
        let cases = [
            ((640, 480), (160, 120), (160, 120)),
            ((1600, 1200), (208, 156), (208, 156)),
            ((1000, 1000), (160, 120), (120, 120)),
            ((2000, 500), (160, 120), (160, 40)),
            ((8192, 1), (160, 120), (160, 1)),
            ((1, 1), (160, 120), (120, 120)),
        ];
        for ((width, height), space, expected) in cases {
            assert_eq!(
                fitted_size_px(width, height, space),
                expected,
                "{width}x{height} in {space:?}"
            );
        }
    }

    #[test]
    fn shrinking_averages_and_growing_repeats() {
        let bytes = vec![0, 10, 255, 100, 20, 255, 200, 30, 255, 101, 40, 255];
        let frame = Frame::new(2, 2, bytes).unwrap();
        let one = resized(&frame, 1, 1).unwrap();
        assert_eq!(one.pixel(0, 0), [100, 25, 255]);
        let big = resized(&frame, 5, 4).unwrap();
        assert_eq!(big.pixel(0, 0), frame.pixel(0, 0));
        assert_eq!(big.pixel(4, 3), frame.pixel(1, 1));
        assert!(resized(&frame, 0, 4).is_err());
    }
}
