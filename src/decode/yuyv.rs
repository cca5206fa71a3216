//! YUYV, the uncompressed format of USB cameras: two pixels in four bytes, Y0 Cb Y1 Cr, which
//! share their chroma (USB Video Class 1.5, Uncompressed payload; V4L2_PIX_FMT_YUYV).

use crate::image::frame::{Frame, FrameError};
use thiserror::Error;

/// Bytes of one pair of pixels.
const PAIR_BYTES: usize = 4;
const FRACTION_BITS: u32 = 14;
const HALF: i32 = 1 << (FRACTION_BITS - 1);

/// Which levels stand for black and white.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LevelRange {
    /// 16 and 235, chroma 112 around 128: what USB cameras send.
    #[default]
    Limited,
    /// 0 and 255, chroma 127.5 around 128.
    Full,
}

/// Why a buffer gave no frame.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum YuyvError {
    /// A side or the area is outside the limits.
    #[error(transparent)]
    Size(#[from] FrameError),
    /// Two pixels share their chroma.
    #[error("a YUYV frame cannot be {width_px} pixels wide; choose a format with an even width")]
    OddWidth {
        /// The odd width, in pixels.
        width_px: u32,
    },
    /// Rows would overlap.
    #[error(
        "rows of {stride_bytes} bytes cannot hold {width_px} YUYV pixels, which take {row_bytes}; \
         ask the camera for its format again"
    )]
    ShortStride {
        /// Width of the frame, in pixels.
        width_px: u32,
        /// Bytes from one row to the next, as the camera gave them.
        stride_bytes: usize,
        /// Bytes that the pixels of a row take.
        row_bytes: usize,
    },
    /// The camera delivered less than a frame.
    #[error(
        "the frame was cut off: {actual_bytes} bytes came where {expected_bytes} belong; \
         check the camera's cable"
    )]
    Truncated {
        /// Bytes of a whole frame.
        expected_bytes: usize,
        /// Bytes that came.
        actual_bytes: usize,
    },
}

/// Converts a buffer of `height_px` rows, each `stride_bytes` after the one before, into `frame`,
/// which takes the size `width_px` x `height_px`; it allocates only where the frame was smaller.
/// The matrix is that of BT.601 in integers, the same on every processor. Bytes behind the last
/// pixel are ignored.
///
/// # Errors
/// A size outside [`Frame::check_size`] or of odd width, a stride or a buffer that is too short.
/// The frame stays as it was then.
pub fn decode_yuyv(
    bytes: &[u8],
    (width_px, height_px): (u32, u32),
    stride_bytes: usize,
    range: LevelRange,
    frame: &mut Frame,
) -> Result<(), YuyvError> {
    Frame::check_size(width_px, height_px)?;
    if !width_px.is_multiple_of(2) {
        return Err(YuyvError::OddWidth { width_px });
    }
    let row_bytes = width_px as usize / 2 * PAIR_BYTES;
    if stride_bytes < row_bytes {
        return Err(YuyvError::ShortStride {
            width_px,
            stride_bytes,
            row_bytes,
        });
    }
    let expected_bytes = stride_bytes
        .saturating_mul(height_px as usize - 1)
        .saturating_add(row_bytes);
    if bytes.len() < expected_bytes {
        return Err(YuyvError::Truncated {
            expected_bytes,
            actual_bytes: bytes.len(),
        });
    }
    frame.resize(width_px, height_px)?;
    let factors = Factors::of(range);
    let rows = frame.rgb_mut().chunks_exact_mut(width_px as usize * 3);
    for (row, source) in rows.zip(bytes.chunks(stride_bytes)) {
        let (pairs, _) = source[..row_bytes].as_chunks::<PAIR_BYTES>();
        let (out_pairs, _) = row.as_chunks_mut::<6>();
        for (out, &[y0, cb, y1, cr]) in out_pairs.iter_mut().zip(pairs) {
            let offsets = factors.offsets(cb, cr);
            let [red, green, blue] = factors.pixel(y0, offsets);
            let [next_red, next_green, next_blue] = factors.pixel(y1, offsets);
            *out = [red, green, blue, next_red, next_green, next_blue];
        }
    }
    Ok(())
}

/// BT.601 in 1/16384. With Kr = 0.299, Kb = 0.114 and Kg the rest: red is Y + 2 (1 - Kr) Cr, blue
/// is Y + 2 (1 - Kb) Cb, green is Y - 2 (1 - Kr) Kr / Kg Cr - 2 (1 - Kb) Kb / Kg Cb; the limited
/// range stretches Y by 255 / 219 and chroma by 255 / 224.
#[derive(Debug, Clone, Copy)]
struct Factors {
    black: i32,
    luma: i32,
    red_from_cr: i32,
    green_from_cr: i32,
    green_from_cb: i32,
    blue_from_cb: i32,
}

impl Factors {
    fn of(range: LevelRange) -> Self {
        match range {
            LevelRange::Limited => Self {
                black: 16,
                luma: 19077,
                red_from_cr: 26149,
                green_from_cr: -13320,
                green_from_cb: -6419,
                blue_from_cb: 33050,
            },
            LevelRange::Full => Self {
                black: 0,
                luma: 16384,
                red_from_cr: 22970,
                green_from_cr: -11700,
                green_from_cb: -5638,
                blue_from_cb: 29032,
            },
        }
    }

    #[inline(always)]
    fn offsets(&self, cb: u8, cr: u8) -> [i32; 3] {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        [
            self.red_from_cr * cr,
            self.green_from_cr * cr + self.green_from_cb * cb,
            self.blue_from_cb * cb,
        ]
    }

    #[inline(always)]
    fn pixel(&self, y: u8, offsets: [i32; 3]) -> [u8; 3] {
        let level = (i32::from(y) - self.black) * self.luma + HALF;
        offsets.map(|offset| ((level + offset) >> FRACTION_BITS).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame() -> Frame {
        Frame::filled(1, 1, [7; 3]).unwrap()
    }

    fn colour(range: LevelRange, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let mut frame = frame();
        decode_yuyv(&[y, cb, y, cr], (2, 1), 4, range, &mut frame).unwrap();
        assert_eq!(frame.pixel(0, 0), frame.pixel(1, 0));
        frame.pixel(0, 0)
    }

    #[test]
    fn known_colours_come_out() {
        // The limited levels of full red, green and blue are those of BT.601's colour bars.
        let cases = [
            ("black", LevelRange::Limited, [16, 128, 128], [0, 0, 0]),
            (
                "white",
                LevelRange::Limited,
                [235, 128, 128],
                [255, 255, 255],
            ),
            (
                "blacker than black",
                LevelRange::Limited,
                [0, 128, 128],
                [0, 0, 0],
            ),
            (
                "middle grey",
                LevelRange::Limited,
                [126, 128, 128],
                [128, 128, 128],
            ),
            ("red", LevelRange::Limited, [81, 90, 240], [254, 0, 0]),
            ("green", LevelRange::Limited, [145, 54, 34], [0, 255, 1]),
            ("blue", LevelRange::Limited, [41, 240, 110], [0, 0, 255]),
            ("full black", LevelRange::Full, [0, 128, 128], [0, 0, 0]),
            (
                "full white",
                LevelRange::Full,
                [255, 128, 128],
                [255, 255, 255],
            ),
            ("full red", LevelRange::Full, [76, 85, 255], [254, 0, 0]),
            ("full blue", LevelRange::Full, [29, 255, 107], [0, 0, 254]),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(name, range, yuv, rgb)| (name, colour(*range, *yuv), *rgb))
            .filter(|(_, found, expected)| found != expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn rows_start_at_their_stride_and_padding_is_ignored() {
        let grey = |y: u8| [y, 128, y + 1, 128];
        let bytes = [&grey(50)[..], &[9; 3], &grey(60), &[9; 3]].concat();
        let mut frame = frame();
        for length in [bytes.len(), bytes.len() - 3] {
            decode_yuyv(&bytes[..length], (2, 2), 7, LevelRange::Full, &mut frame).unwrap();
            let reds: Vec<u8> = frame.rgb().iter().copied().step_by(3).collect();
            assert_eq!(reds, [50, 51, 60, 61]);
        }
    }

    #[test]
    fn what_holds_no_frame_is_refused_and_changes_nothing() {
        type Case = (&'static str, usize, (u32, u32), usize, &'static str);
        let cases: [Case; 6] = [
            (
                "short by a byte",
                31,
                (4, 4),
                8,
                "31 bytes came where 32 belong",
            ),
            ("empty", 0, (4, 4), 8, "cut off"),
            ("odd width", 64, (3, 4), 8, "3 pixels wide"),
            ("rows overlap", 64, (4, 4), 7, "rows of 7 bytes"),
            ("no width", 64, (0, 4), 8, "no image"),
            ("an absurd stride", 64, (4, 4), usize::MAX, "cut off"),
        ];
        for (name, length, size_px, stride_bytes, words) in cases {
            let mut kept = frame();
            let bytes = vec![128; length];
            let error = decode_yuyv(&bytes, size_px, stride_bytes, LevelRange::Full, &mut kept)
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{name}: {error}");
            assert_eq!(kept, frame(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn colours_are_those_of_the_real_matrix(yuv: [u8; 3], is_full: bool) {
            let range = if is_full { LevelRange::Full } else { LevelRange::Limited };
            let (black, luma, chroma) = if is_full { (0.0, 1.0, 1.0) } else {
                (16.0, 255.0 / 219.0, 255.0 / 224.0)
            };
            let [y, cb, cr] = yuv.map(f64::from);
            let (y, cb, cr) = ((y - black) * luma, (cb - 128.0) * chroma, (cr - 128.0) * chroma);
            let green = y - 0.714136 * cr - 0.344136 * cb;
            let real = [y + 1.402 * cr, green, y + 1.772 * cb];
            for (found, real) in colour(range, yuv).into_iter().zip(real) {
                prop_assert!((f64::from(found) - real.clamp(0.0, 255.0)).abs() < 0.52);
            }
        }
    }
}
