//! Blurs of a plane in integers: over a square, and by the reference of the focus.

use super::focus::{LEVEL, Reference};

/// The mean over a square, edges repeated outwards.
#[derive(Debug, Default)]
pub(super) struct BoxBlur {
    /// A row with its ends repeated.
    padded: Vec<u8>,
    window_sums: Vec<u32>,
    along: Vec<u16>,
    pub(super) both: Vec<u16>,
}

impl BoxBlur {
    /// Averages a plane over squares of 2 `radius` + 1 pixels: rows, rounded to a sixteenth of a
    /// level, then columns.
    pub(super) fn run(&mut self, plane: &[u8], width: usize, height: usize, radius: usize) {
        let window = 2 * radius + 1;
        let divide = Division::by(window as u32);
        self.along.resize(plane.len(), 0);
        self.both.resize(plane.len(), 0);
        self.padded.resize(width + window, 0);
        self.window_sums.resize(width, 0);
        let sums = &mut self.window_sums;
        for (row, along) in plane
            .chunks_exact(width)
            .zip(self.along.chunks_exact_mut(width))
        {
            let padded = &mut self.padded;
            padded[..radius].fill(row[0]);
            padded[radius..radius + width].copy_from_slice(row);
            padded[radius + width..].fill(row[width - 1]);
            // Steps from sum to sum first: then only one addition waits for the one before.
            let pairs = padded.iter().zip(&padded[window..]);
            for (step, (&leaving, &coming)) in sums.iter_mut().zip(pairs) {
                *step = u32::from(coming).wrapping_sub(u32::from(leaving));
            }
            let mut sum: u32 = padded[..window].iter().map(|&value| u32::from(value)).sum();
            for window_sum in &mut *sums {
                let step = *window_sum;
                *window_sum = sum;
                sum = sum.wrapping_add(step);
            }
            for (mean, &sum) in along.iter_mut().zip(&*sums) {
                *mean = divide.rounded(sum * u32::from(LEVEL));
            }
        }
        let row = |y: usize| &self.along[y.min(height - 1) * width..][..width];
        sums.fill(0);
        for y in 0..window {
            for (sum, &value) in sums.iter_mut().zip(row(y.saturating_sub(radius))) {
                *sum += u32::from(value);
            }
        }
        for (y, both) in self.both.chunks_exact_mut(width).enumerate() {
            let pairs = row(y.saturating_sub(radius))
                .iter()
                .zip(row(y + radius + 1));
            for ((mean, sum), (&leaving, &coming)) in both.iter_mut().zip(&mut *sums).zip(pairs) {
                *mean = divide.rounded(*sum);
                *sum = *sum + u32::from(coming) - u32::from(leaving);
            }
        }
    }
}

/// The blur that focus is measured against; edges repeated outwards.
#[derive(Debug, Default)]
pub(super) struct TriangleBlur {
    padded: Vec<u16>,
    row_sums: Vec<u16>,
    column_sums: Vec<u32>,
    along: Vec<u16>,
    pub(super) both: Vec<u16>,
}

impl TriangleBlur {
    /// Rows, rounded to a sixteenth of a level, then columns.
    pub(super) fn run(&mut self, plane: &[u8], width: usize, height: usize, reference: Reference) {
        let reach = reference.reach();
        let divide = Division::by(reference.total());
        self.along.resize(plane.len(), 0);
        self.both.resize(plane.len(), 0);
        self.padded.resize(width + 2 * reach, 0);
        self.row_sums.resize(width, 0);
        self.column_sums.resize(width, 0);
        let rows = plane.chunks_exact(width);
        for (row, along) in rows.zip(self.along.chunks_exact_mut(width)) {
            self.padded[..reach].fill(row[0].into());
            self.padded[reach + width..].fill(row[width - 1].into());
            for (padded, &value) in self.padded[reach..].iter_mut().zip(row) {
                *padded = value.into();
            }
            self.row_sums.fill(0);
            for (tap, weight) in reference.weights().enumerate() {
                let shifted = &self.padded[tap..][..width];
                for (sum, &value) in self.row_sums.iter_mut().zip(shifted) {
                    *sum += value * weight;
                }
            }
            for (mean, &sum) in along.iter_mut().zip(&self.row_sums) {
                *mean = divide.rounded(u32::from(sum) * u32::from(LEVEL));
            }
        }
        for (y, both) in self.both.chunks_exact_mut(width).enumerate() {
            self.column_sums.fill(0);
            for (tap, weight) in reference.weights().enumerate() {
                let source = (y + tap).saturating_sub(reach).min(height - 1);
                let row = &self.along[source * width..][..width];
                for (sum, &value) in self.column_sums.iter_mut().zip(row) {
                    *sum += u32::from(value) * u32::from(weight);
                }
            }
            for (mean, &sum) in both.iter_mut().zip(&self.column_sums) {
                *mean = divide.rounded(sum);
            }
        }
    }
}

/// Division by a small number as a product.
#[derive(Debug, Clone, Copy)]
struct Division {
    half: u32,
    reciprocal: u32,
}

impl Division {
    /// Exact where dividend times divisor is below 2^32, for divisors from 2 on: the reciprocal,
    /// rounded up, is wrong by less than one part in 2^32 / divisor.
    fn by(divisor: u32) -> Self {
        Self {
            half: divisor / 2,
            reciprocal: (1_u64 << 32).div_ceil(u64::from(divisor)) as u32,
        }
    }

    #[inline(always)]
    fn rounded(self, dividend: u32) -> u16 {
        ((u64::from(dividend + self.half) * u64::from(self.reciprocal)) >> 32) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_divide_exactly() {
        for divisor in [3, 5, 15, 27, 43, 201, 511, 1023] {
            let divide = Division::by(divisor);
            for quotient in 0..=4080_u32 {
                for rest in [0, divisor / 2, divisor / 2 + 1, divisor - 1] {
                    let dividend = quotient * divisor + rest;
                    let expected = (dividend + divisor / 2) / divisor;
                    let found = u32::from(divide.rounded(dividend));
                    assert_eq!(found, expected, "{dividend} / {divisor}");
                }
            }
        }
    }
}
