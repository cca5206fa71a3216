//! Pictures scaled for the screen: averaged when they shrink, repeated when they grow.

use crate::frame::{Frame, FrameError};
use std::ops::Range;

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

/// Pixels looked at along each side for one new pixel, at most: beyond, the mean hardly changes.
const MAX_SAMPLES: u32 = 4;

/// The frame at another size, in place of what `scaled` held; its memory is used again. Every new
/// pixel is the mean, rounded, of up to 4x4 evenly spaced pixels of those that it covers.
///
/// # Errors
/// A size that no frame has.
pub fn resize_into(
    frame: &Frame,
    (width_px, height_px): (u32, u32),
    scaled: &mut Frame,
) -> Result<(), FrameError> {
    scaled.resize(width_px, height_px)?;
    let (pixels, _) = scaled.rgb_mut().as_chunks_mut::<3>();
    for (new, pixel) in pixels
        .iter_mut()
        .zip(scaled_pixels(frame, (width_px, height_px)))
    {
        *new = pixel;
    }
    Ok(())
}

/// As [`resize_into`], into a new frame.
///
/// # Errors
/// A size that no frame has.
pub fn resized(frame: &Frame, width_px: u32, height_px: u32) -> Result<Frame, FrameError> {
    let mut scaled = Frame::filled(width_px, height_px, [0; 3])?;
    resize_into(frame, (width_px, height_px), &mut scaled)?;
    Ok(scaled)
}

/// The pixels of the frame at another size, rows from the top.
pub fn scaled_pixels(
    frame: &Frame,
    (width_px, height_px): (u32, u32),
) -> impl Iterator<Item = [u8; 3]> {
    (0..height_px).flat_map(move |y| {
        let rows = covered(y, height_px, frame.height_px());
        (0..width_px).map(move |x| {
            let columns = covered(x, width_px, frame.width_px());
            mean(frame, &columns, &rows)
        })
    })
}

/// The old pixels along one side that new pixel `index` of `new_length` covers; never none.
fn covered(index: u32, new_length: u32, old_length: u32) -> Range<u32> {
    if new_length == old_length {
        return index..index + 1;
    }
    let at = |edge: u32| (u64::from(edge) * u64::from(old_length) / u64::from(new_length)) as u32;
    let start = at(index);
    start..at(index + 1).max(start + 1)
}

fn mean(frame: &Frame, columns: &Range<u32>, rows: &Range<u32>) -> [u8; 3] {
    if columns.len() == 1 && rows.len() == 1 {
        return frame.pixel(columns.start, rows.start);
    }
    let step = |length: usize| length.div_ceil(MAX_SAMPLES as usize);
    let (column_step, row_step) = (step(columns.len()), step(rows.len()));
    let mut sums = [0_u32; 3];
    let mut count = 0;
    for y in rows.clone().step_by(row_step) {
        let row = &frame.row(y)[columns.start as usize * 3..columns.end as usize * 3];
        let (pixels, _) = row.as_chunks::<3>();
        for pixel in pixels.iter().step_by(column_step) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(*value);
            }
            count += 1;
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
        assert_eq!(resized(&frame, 2, 2).unwrap(), frame);
    }

    #[test]
    fn large_frames_are_sampled_evenly_and_the_memory_is_used_again() {
        let mut frame = Frame::filled(4056, 3040, [10, 20, 30]).unwrap();
        let row_bytes = 4056 * 3;
        frame.rgb_mut()[..1520 * row_bytes].fill(200);
        let mut scaled = Frame::filled(328, 246, [0; 3]).unwrap();
        let place = scaled.rgb().as_ptr();
        resize_into(&frame, (328, 245), &mut scaled).unwrap();
        assert_eq!(scaled.rgb().as_ptr(), place);
        assert_eq!(scaled.pixel(327, 121), [200; 3]);
        assert_eq!(scaled.pixel(0, 123), [10, 20, 30]);
    }
}
