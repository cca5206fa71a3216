//! Images scaled for the screen: averaged when they shrink, repeated when they grow.

use crate::image::frame::{Frame, FrameError, MAX_SIDE_PX};

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
const MAX_SAMPLES: usize = 4;
/// New pixels of a row that are made at once.
const RUN_PX: usize = 64;
/// Old columns that they cover together, unless a single one covers more.
const RUN_COLUMNS: usize = 1024;
/// Room for the sums of the columns of the widest frame, and for what the last pixel's sums are
/// read with.
const COLUMN_SUMS: usize = MAX_SIDE_PX as usize * CHANNELS + 1;
const CHANNELS: usize = 3;

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
    let (pixels, _) = scaled.rgb_mut().as_chunks_mut::<CHANNELS>();
    scale(frame, (width_px, height_px), |x, y, run| {
        let at = y as usize * width_px as usize + x as usize;
        pixels[at..at + run.len()].copy_from_slice(run);
    });
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

/// Visits the pixels of the frame at another size as parts of rows, each with the place of its
/// first pixel.
pub fn scale(
    frame: &Frame,
    (width_px, height_px): (u32, u32),
    mut visit: impl FnMut(u32, u32, &[[u8; CHANNELS]]),
) {
    if (width_px, height_px) == (frame.width_px(), frame.height_px()) {
        for y in 0..height_px {
            visit(0, y, frame.row(y).as_chunks().0);
        }
        return;
    }
    let mut run = Run::new();
    let mut x = 0;
    while x < width_px {
        run.start(x, width_px, frame.width_px());
        for y in 0..height_px {
            let rows = Samples::of(y, height_px, frame.height_px());
            visit(x, y, run.scale(frame, rows));
        }
        x += run.width as u32;
    }
}

/// The old pixels along one side that are looked at for a new one.
#[derive(Debug, Clone, Copy, Default)]
struct Samples {
    start: usize,
    step: usize,
    /// From 1 to [`MAX_SAMPLES`].
    count: usize,
}

impl Samples {
    /// For new pixel `index` of `new_length`, of those that it covers; it covers one at least.
    fn of(index: u32, new_length: u32, old_length: u32) -> Self {
        let at =
            |edge: u32| (u64::from(edge) * u64::from(old_length) / u64::from(new_length)) as usize;
        let start = at(index);
        let covered = (at(index + 1) - start).max(1);
        let step = covered.div_ceil(MAX_SAMPLES);
        Self {
            start,
            step,
            count: covered.div_ceil(step),
        }
    }

    /// Behind the last one.
    fn end(self) -> usize {
        self.start + (self.count - 1) * self.step + 1
    }
}

/// Some neighbouring new pixels of a row: first the old rows are added up, then the sums of
/// neighbouring columns. Each sum has a fourth value that means nothing, since four lie in a
/// register.
struct Run {
    width: usize,
    columns: [Samples; RUN_PX],
    /// Where each pixel finds its columns among the sums.
    taps: [Taps; RUN_PX],
    /// How many each has, where all have as many and they lie next to one another.
    adjacent: Option<usize>,
    /// By the number of rows, less 1.
    means: [RunMeans; MAX_SAMPLES],
    column_sums: [u16; COLUMN_SUMS],
    sums: [[u16; 4]; RUN_PX],
    quotients: [[u8; 4]; RUN_PX],
    pixels: [[u8; CHANNELS]; RUN_PX],
}

/// The columns of a new pixel: as many for each, so that none is told from another by a branch.
#[derive(Debug, Clone, Copy, Default)]
struct Taps {
    places: [u16; MAX_SAMPLES],
    /// All bits set, or none where there is no such column.
    masks: [u64; MAX_SAMPLES],
}

impl Taps {
    /// Of a run whose first column is `first`.
    fn new(columns: Samples, first: usize) -> Self {
        let mut taps = Self::default();
        for (index, (place, mask)) in taps.places.iter_mut().zip(&mut taps.masks).enumerate() {
            let used = index < columns.count;
            let steps = if used { index * columns.step } else { 0 };
            *place = ((columns.start - first + steps) * CHANNELS) as u16;
            *mask = if used { u64::MAX } else { 0 };
        }
        taps
    }

    /// The columns' sums added up: four sums of 16 bits at once as one number of 64, since none
    /// gets past its own bits.
    #[inline(always)]
    fn add_up(&self, sums: &[u16; COLUMN_SUMS]) -> [u16; 4] {
        let mut total = 0;
        for (&place, &mask) in self.places.iter().zip(&self.masks) {
            let place = usize::from(place);
            total += joined(&sums[place..place + 4]) & mask;
        }
        parted(total)
    }
}

/// Adds up the sums of `COLUMNS` columns for each pixel, where each has as many and they lie next to
/// one another; two at least.
fn add_adjacent<const COLUMNS: usize>(column_sums: &[u16], sums: &mut [[u16; 4]]) {
    for (sum, columns) in sums
        .iter_mut()
        .zip(column_sums.chunks_exact(COLUMNS * CHANNELS))
    {
        // The last one's three values, from the four that end with them.
        let mut total = joined(&columns[COLUMNS * CHANNELS - 4..]) >> 16;
        for column in 0..COLUMNS - 1 {
            total += joined(&columns[column * CHANNELS..][..4]);
        }
        *sum = parted(total);
    }
}

/// Four numbers of 16 bits as one of 64, the first lowest.
#[inline(always)]
fn joined(four: &[u16]) -> u64 {
    u64::from(four[0])
        | u64::from(four[1]) << 16
        | u64::from(four[2]) << 32
        | u64::from(four[3]) << 48
}

/// What [`joined`] has joined.
#[inline(always)]
fn parted(four: u64) -> [u16; 4] {
    [0, 16, 32, 48].map(|shift| (four >> shift) as u16)
}

/// The divisions of a run's pixels, value by value.
#[derive(Debug, Clone, Copy)]
struct RunMeans {
    halves: [[u16; 4]; RUN_PX],
    reciprocals: [[u16; 4]; RUN_PX],
}

impl RunMeans {
    /// Of no pixels.
    const NONE: Self = Self {
        halves: [[0; 4]; RUN_PX],
        reciprocals: [[0; 4]; RUN_PX],
    };

    /// The rounded means of sums.
    fn divide(&self, sums: &[[u16; 4]], quotients: &mut [[u8; 4]; RUN_PX]) {
        let quotients = quotients.as_flattened_mut().iter_mut();
        let factors = (self.halves.as_flattened().iter()).zip(self.reciprocals.as_flattened());
        for ((quotient, sum), (&half, &reciprocal)) in
            quotients.zip(sums.as_flattened()).zip(factors)
        {
            *quotient = Mean { half, reciprocal }.of(*sum);
        }
    }
}

impl Run {
    fn new() -> Self {
        Self {
            width: 0,
            columns: [Samples::default(); RUN_PX],
            taps: [Taps::default(); RUN_PX],
            adjacent: None,
            means: [RunMeans::NONE; MAX_SAMPLES],
            column_sums: [0; COLUMN_SUMS],
            sums: [[0; 4]; RUN_PX],
            quotients: [[0; 4]; RUN_PX],
            pixels: [[0; CHANNELS]; RUN_PX],
        }
    }

    /// Goes to the pixels from `x` on.
    fn start(&mut self, x: u32, new_width: u32, old_width: u32) {
        self.width = 0;
        let mut first = None;
        for (x, place) in (x..new_width).zip(&mut self.columns) {
            *place = Samples::of(x, new_width, old_width);
            self.width += 1;
            let first = *first.get_or_insert(place.start);
            if place.end() - first >= RUN_COLUMNS {
                break;
            }
        }
        let first = first.unwrap_or(0);
        let count = self.columns[0].count;
        let all_alike = self.columns[..self.width]
            .iter()
            .enumerate()
            .all(|(index, columns)| {
                let start = first + index * count;
                (columns.start, columns.step, columns.count) == (start, 1, count)
            });
        self.adjacent = all_alike.then_some(count);
        for (index, columns) in self.columns[..self.width].iter().enumerate() {
            self.taps[index] = Taps::new(*columns, first);
            for (rows, means) in (1..).zip(&mut self.means) {
                let Mean { half, reciprocal } = MEANS[columns.count * rows];
                means.halves[index] = [half; 4];
                means.reciprocals[index] = [reciprocal; 4];
            }
        }
    }

    /// The run's pixels in the row that is made of these old rows.
    fn scale(&mut self, frame: &Frame, rows: Samples) -> &[[u8; CHANNELS]] {
        self.add_up(frame, rows);
        self.means[rows.count - 1].divide(&self.sums[..self.width], &mut self.quotients);
        let quotients = &self.quotients[..self.width];
        for (pixel, [red, green, blue, _]) in self.pixels.iter_mut().zip(quotients) {
            *pixel = [*red, *green, *blue];
        }
        &self.pixels[..self.width]
    }

    fn add_up(&mut self, frame: &Frame, rows: Samples) {
        let columns = &self.columns[..self.width];
        let first = columns[0].start;
        let bytes = first * CHANNELS..columns[self.width - 1].end() * CHANNELS;
        let row = |index: usize| {
            let y = rows.start + index.min(rows.count - 1) * rows.step;
            &frame.row(y as u32)[bytes.clone()]
        };
        let sums = &mut self.column_sums[..bytes.len()];
        match rows.count {
            1 => add_rows([row(0)], sums),
            2 => add_rows([row(0), row(1)], sums),
            3 => add_rows([row(0), row(1), row(2)], sums),
            _ => add_rows([row(0), row(1), row(2), row(3)], sums),
        }
        let sums = &mut self.sums[..self.width];
        match self.adjacent {
            Some(2) => add_adjacent::<2>(&self.column_sums, sums),
            Some(3) => add_adjacent::<3>(&self.column_sums, sums),
            Some(4) => add_adjacent::<4>(&self.column_sums, sums),
            _ => {
                for (sum, taps) in sums.iter_mut().zip(&self.taps) {
                    *sum = taps.add_up(&self.column_sums);
                }
            }
        }
    }
}

/// At most four rows: sums stay in 16 bits.
fn add_rows<const ROWS: usize>(rows: [&[u8]; ROWS], sums: &mut [u16]) {
    let rows = rows.map(|row| &row[..sums.len()]);
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum = rows.iter().map(|row| u16::from(row[at])).sum();
    }
}

/// The rounded mean of some bytes from their sum, as a product in 16 bits.
#[derive(Debug, Clone, Copy)]
struct Mean {
    half: u16,
    /// 2^15 by the number of bytes, rounded up.
    reciprocal: u16,
}

/// By the number of bytes. The reciprocal's error is less than one part in 2^15 / number, and so
/// the mean is exact where number times sum is below 2^15, and for the powers of two, which have
/// no error.
const MEANS: [Mean; MAX_SAMPLES * MAX_SAMPLES + 1] = {
    let mut means = [Mean {
        half: 0,
        reciprocal: 0,
    }; MAX_SAMPLES * MAX_SAMPLES + 1];
    let mut number = 1;
    while number < means.len() {
        means[number] = Mean {
            half: number as u16 / 2,
            reciprocal: (1_usize << 15).div_ceil(number) as u16,
        };
        number += 1;
    }
    means
};

impl Mean {
    #[inline(always)]
    fn of(self, sum: u16) -> u8 {
        let doubled = (sum + self.half) * 2;
        ((u32::from(doubled) * u32::from(self.reciprocal)) >> 16) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;

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

    /// The rounded mean of the pixels looked at, one by one.
    fn mean(frame: &Frame, columns: Samples, rows: Samples) -> [u8; 3] {
        let along =
            |samples: Samples| (samples.start as u32..samples.end() as u32).step_by(samples.step);
        let pixels = along(rows).flat_map(|y| along(columns).map(move |x| frame.pixel(x, y)));
        let count = columns.count * rows.count;
        let sums = pixels.fold([0; 3], |sums: [usize; 3], pixel| {
            std::array::from_fn(|channel| sums[channel] + usize::from(pixel[channel]))
        });
        sums.map(|sum| ((sum + count / 2) / count) as u8)
    }

    fn random_frame((width_px, height_px): (u32, u32), seed: u64) -> Frame {
        let mut random = Random::new(seed);
        let bytes = (0..width_px * height_px * 3).map(|_| random.byte());
        Frame::new(width_px, height_px, bytes.collect()).unwrap()
    }

    #[test]
    fn products_give_the_exact_mean() {
        for (number, mean) in MEANS.iter().enumerate().skip(1) {
            let is_used = (1..=4).any(|rows| number % rows == 0 && number / rows <= 4);
            for sum in (0..=number * 255).filter(|_| is_used) {
                let expected = (sum + number / 2) / number;
                assert_eq!(
                    usize::from(mean.of(sum as u16)),
                    expected,
                    "{sum} / {number}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_pixel_is_the_mean_of_its_samples(
            size in (1u32..3000, 1u32..60), new_size in (1u32..200, 1u32..40), seed: u64,
        ) {
            let frame = random_frame(size, seed);
            let scaled = resized(&frame, new_size.0, new_size.1).unwrap();
            for y in 0..new_size.1 {
                let rows = Samples::of(y, new_size.1, size.1);
                for x in 0..new_size.0 {
                    let columns = Samples::of(x, new_size.0, size.0);
                    prop_assert_eq!(scaled.pixel(x, y), mean(&frame, columns, rows), "{}, {}", x, y);
                }
            }
        }
    }
}
