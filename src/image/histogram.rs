//! Counts of 8-bit values, and the percentiles read from them.

use crate::image::frame::Frame;

/// How often each 8-bit value occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u32; 256],
    total: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Histogram {
    /// Nothing counted yet.
    pub const EMPTY: Self = Self {
        counts: [0; 256],
        total: 0,
    };

    /// Counts one value.
    pub fn add(&mut self, value: u8) {
        self.counts[usize::from(value)] += 1;
        self.total += 1;
    }

    /// Values of one kind. Neighbours, which are often alike, are counted apart: a counter that
    /// was just written is slow to change again.
    pub fn of_values(values: &[u8]) -> Self {
        const TABLES: usize = 4;
        let mut tables = [[0_u32; 256]; TABLES];
        let (groups, rest) = values.as_chunks::<TABLES>();
        for group in groups {
            for (table, &value) in tables.iter_mut().zip(group) {
                table[usize::from(value)] += 1;
            }
        }
        let mut histogram = Self::EMPTY;
        for table in &tables {
            for (count, part) in histogram.counts.iter_mut().zip(table) {
                *count += part;
            }
        }
        histogram.total = (groups.len() * TABLES) as u32;
        rest.iter().for_each(|&value| histogram.add(value));
        histogram
    }

    /// The three channels of RGB bytes, each on its own.
    pub fn of_channels(rgb: &[u8]) -> [Self; 3] {
        let mut channels = [const { Self::EMPTY }; 3];
        Self::add_pixels(&mut channels, rgb);
        channels
    }

    /// Counts the three channels of RGB bytes, each on its own.
    pub fn add_pixels(channels: &mut [Self; 3], rgb: &[u8]) {
        for pixel in rgb.chunks_exact(3) {
            for (channel, &value) in channels.iter_mut().zip(pixel) {
                channel.add(value);
            }
        }
    }

    /// How many values were counted.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How often `value` occurs.
    pub fn count(&self, value: u8) -> u32 {
        self.counts[usize::from(value)]
    }

    /// The counts, by value.
    pub fn counts(&self) -> &[u32; 256] {
        &self.counts
    }

    /// The smallest value that at least `permille` thousandths of the values do not exceed
    /// (0..=1000); 0 where nothing was counted.
    pub fn percentile(&self, permille: u32) -> u8 {
        let wanted = (u64::from(self.total) * u64::from(permille))
            .div_ceil(1000)
            .max(1);
        let mut seen = 0;
        for (value, &count) in (0..=u8::MAX).zip(&self.counts) {
            seen += u64::from(count);
            if seen >= wanted {
                return value;
            }
        }
        if self.total == 0 { 0 } else { u8::MAX }
    }

    /// Thousandths of the values that are `value` or more; 0 where nothing was counted.
    pub fn permille_from(&self, value: u8) -> u32 {
        let above: u64 = self.counts[usize::from(value)..]
            .iter()
            .map(|&count| u64::from(count))
            .sum();
        let share = (above * 1000)
            .checked_div(u64::from(self.total))
            .unwrap_or(0);
        u32::try_from(share).unwrap_or(1000)
    }

    /// The level that best separates dark from bright values (Otsu, IEEE Trans. Syst. Man Cybern.
    /// 1979): the largest variance between the two classes. Dark values are at or below it; 0 where
    /// all values are alike.
    pub fn otsu_level(&self) -> u8 {
        let counts = || (0_u64..).zip(self.counts.iter().map(|&count| u64::from(count)));
        let total = u64::from(self.total);
        let total_sum: u64 = counts().map(|(value, count)| value * count).sum();
        let (mut dark, mut dark_sum) = (0, 0);
        let mut best = (0, 0);
        for (value, count) in counts().filter(|&(_, count)| count > 0) {
            dark += count;
            dark_sum += value * count;
            let bright = total - dark;
            if dark == 0 || bright == 0 {
                continue;
            }
            let distance = u128::from(((total_sum - dark_sum) * dark).abs_diff(dark_sum * bright));
            let variance = distance * distance / (u128::from(dark) * u128::from(bright));
            if variance > best.0 {
                best = (variance, value as u8);
            }
        }
        best.1
    }
}

/// The percentile at which a channel shows the empty background of a smear: cells only darken, and
/// even a crowded field leaves some glass free.
pub const BACKGROUND_PERMILLE: u32 = 850;

/// The colour of the empty background, as [`background_colour`] but from every fourth row.
pub fn sampled_background_colour(frame: &Frame) -> [u8; 3] {
    let mut channels = [const { Histogram::EMPTY }; 3];
    for y_px in (0..frame.height_px()).step_by(4) {
        Histogram::add_pixels(&mut channels, frame.row(y_px));
    }
    channels.map(|channel| channel.percentile(BACKGROUND_PERMILLE))
}

/// The colour of the empty background: the 85th percentile of every channel.
pub fn background_colour(frame: &Frame) -> [u8; 3] {
    Histogram::of_channels(frame.rgb()).map(|channel| channel.percentile(BACKGROUND_PERMILLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[u8]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.add(value));
        histogram
    }

    #[test]
    fn percentiles_are_read_from_the_counts() {
        let tens: Vec<u8> = (1..=10).map(|step| step * 10).collect();
        let cases: [(&str, &[u8], u32, u8); 7] = [
            ("nothing", &[], 500, 0),
            ("one value", &[7], 500, 7),
            ("lowest", &tens, 0, 10),
            ("median", &tens, 500, 50),
            ("just over the median", &tens, 501, 60),
            ("highest", &tens, 1000, 100),
            ("white", &[255, 255], 1000, 255),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter(|(_, values, permille, expected)| {
                histogram(values).percentile(*permille) != *expected
            })
            .map(|case| case.0)
            .collect();
        assert_eq!(wrong, Vec::<&str>::new());
    }

    #[test]
    fn values_are_counted_all_the_same_together() {
        let values: Vec<u8> = (0..1003).map(|at| (at * at % 251) as u8).collect();
        assert_eq!(Histogram::of_values(&values), histogram(&values));
        assert_eq!(Histogram::of_values(&[]), Histogram::EMPTY);
    }

    #[test]
    fn shares_count_from_a_value_upwards() {
        let counted = histogram(&[1, 2, 3, 250]);
        assert_eq!(counted.permille_from(0), 1000);
        assert_eq!(counted.permille_from(3), 500);
        assert_eq!(counted.permille_from(251), 0);
        assert_eq!(Histogram::default().permille_from(0), 0);
    }

    #[test]
    fn the_threshold_lies_between_two_heaps() {
        let two_heaps = histogram(&[40, 41, 42, 200, 201, 202, 203]);
        assert!((42..200).contains(&two_heaps.otsu_level()));
        assert_eq!(Histogram::default().otsu_level(), 0);
    }

    #[test]
    fn the_background_is_the_bright_part_of_a_field() {
        let mut frame = Frame::filled(10, 10, [200, 40, 90]).unwrap();
        frame.rgb_mut()[..30 * 3].fill(255);
        assert_eq!(background_colour(&frame), [255, 255, 255]);
        frame.rgb_mut()[10 * 3..].fill(17);
        assert_eq!(background_colour(&frame), [17, 17, 17]);
    }
}
