//! Whole numbers counted by value, in a place of fixed size.

/// Larger values count as the last one, 511.
const BINS: usize = 512;

/// Numbers of cells or fields by a small whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueHistogram {
    counts: [u32; BINS],
    total: u32,
}

impl Default for ValueHistogram {
    fn default() -> Self {
        Self {
            counts: [0; BINS],
            total: 0,
        }
    }
}

impl ValueHistogram {
    /// Adds one value.
    pub fn add(&mut self, value: u32) {
        let bin = (value as usize).min(BINS - 1);
        self.counts[bin] = self.counts[bin].saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    /// Values added.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The value that half of them do not exceed; `None` without a value.
    pub fn median(&self) -> Option<u32> {
        let half = u64::from(self.total).div_ceil(2);
        let mut below = 0u64;
        self.counts
            .iter()
            .position(|&count| {
                below += u64::from(count);
                below >= half && below > 0
            })
            .map(|bin| bin as u32)
    }

    /// How many lie below `low` or above `high`.
    pub fn outside(&self, low: u32, high: u32) -> u32 {
        let inside: u32 = (low as usize..=(high as usize).min(BINS - 1))
            .map(|bin| self.counts[bin])
            .sum();
        self.total.saturating_sub(inside)
    }

    /// Takes all values out again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_median() {
        let histogram = ValueHistogram::default();
        assert_eq!((histogram.median(), histogram.outside(0, 600)), (None, 0));
    }

    proptest! {
        #[test]
        fn the_median_is_that_of_the_sorted_values(mut values in prop::collection::vec(0u32..700, 1..80), low in 0u32..600, span in 0u32..200) {
            let mut histogram = ValueHistogram::default();
            values.iter().for_each(|&value| histogram.add(value));
            for value in &mut values {
                *value = (*value).min(BINS as u32 - 1);
            }
            values.sort_unstable();
            prop_assert_eq!(histogram.median(), Some(values[values.len().div_ceil(2) - 1]));
            let outside = values.iter().filter(|&&value| value < low || value > low + span).count();
            prop_assert_eq!(histogram.outside(low, low + span), outside as u32);
        }
    }
}
