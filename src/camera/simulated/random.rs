//! Randomness that is the same on every machine: counters and hashes, no state from outside.

use libm::{cos, exp, log, sqrt};
use std::f64::consts::TAU;

/// The odd constant by which SplitMix64 steps (Steele, Lea and Flood 2014).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output function: spreads every input bit over all output bits.
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Joins two numbers to the seed of an independent stream.
pub(super) fn derive(seed: u64, stream: u64) -> u64 {
    mix(seed ^ mix(stream.wrapping_add(STEP)))
}

/// A stream of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: mix(seed) }
    }

    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// Uniform in 0.0..1.0.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// An angle in radians, uniform over the circle.
    pub fn angle(&mut self) -> f64 {
        self.unit() * TAU
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..count`; `count` must not be zero.
    pub fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// Gaussian, cut at `mean ± 2.5 deviation` so that no monster appears (Box-Muller).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = sqrt(-2.0 * log(1.0 - self.unit()));
        let value = radius * cos(self.angle());
        mean + deviation * value.clamp(-2.5, 2.5)
    }

    /// Poisson, by multiplying uniforms in portions of at most [`POISSON_PORTION`], which keeps
    /// `exp(-mean)` in range.
    pub fn poisson(&mut self, mean: f64) -> usize {
        let mut left = mean;
        let mut count = 0;
        while left > 0.0 {
            let portion = left.min(POISSON_PORTION);
            count += self.small_poisson(portion);
            left -= portion;
        }
        count
    }

    fn small_poisson(&mut self, mean: f64) -> usize {
        let limit = exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// A place in `weights`, drawn in proportion to them.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return place;
            }
        }
        weights.len() - 1
    }
}

const POISSON_PORTION: f64 = 30.0;

/// Smooth random texture: uniform values on the integer lattice, blended by smoothstep.
/// Returns -1.0..=1.0.
pub(super) fn lattice_noise(seed: u64, x: f64, y: f64) -> f64 {
    let (column, across) = split(x);
    let (row, down) = split(y);
    let corner = |dx: i64, dy: i64| {
        let key = ((column + dx) as u64).wrapping_mul(STEP) ^ ((row + dy) as u64).rotate_left(32);
        (mix(seed ^ key) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let top = blend(corner(0, 0), corner(1, 0), across);
    let bottom = blend(corner(0, 1), corner(1, 1), across);
    blend(top, bottom, down)
}

/// The whole part, and the smoothed rest.
fn split(value: f64) -> (i64, f64) {
    let whole = value.floor();
    (whole as i64, smoothstep(value - whole))
}

pub(super) fn blend(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}

/// 0.0 below zero, 1.0 above one, smooth between.
pub(super) fn smoothstep(value: f64) -> f64 {
    let value = value.clamp(0.0, 1.0);
    value * value * (3.0 - 2.0 * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_independent() {
        // The reference SplitMix64 started at state 0 gives this first.
        assert_eq!(mix(STEP), 0xE220_A839_7B1D_CDAF);
        let draw = |stream| Random::new(derive(7, stream)).bits();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn distributions_have_their_means() {
        let mut random = Random::new(3);
        let draws = 4000;
        for mean in [0.3, 3.0, 80.0] {
            let total: usize = (0..draws).map(|_| random.poisson(mean)).sum();
            let off = total as f64 / f64::from(draws) - mean;
            assert!(
                off.abs() < 4.0 * sqrt(mean / f64::from(draws)),
                "Poisson {mean}: off by {off}"
            );
        }
        let total: f64 = (0..draws).map(|_| random.normal(5.0, 2.0)).sum();
        assert!((total / f64::from(draws) - 5.0).abs() < 0.15);
        let mut drawn = [0; 3];
        for _ in 0..draws {
            drawn[random.weighted(&[1.0, 0.0, 3.0])] += 1;
        }
        assert_eq!(drawn[1], 0);
        assert!((900..1100).contains(&drawn[0]), "{drawn:?}");
    }

    #[test]
    fn texture_is_continuous_and_bounded() {
        for step in 0..2000 {
            let x = f64::from(step) * 0.013 - 9.0;
            let here = lattice_noise(5, x, 0.4 * x);
            let near = lattice_noise(5, x + 1e-6, 0.4 * x);
            assert!(here.abs() <= 1.0 && (here - near).abs() < 1e-4, "at {x}");
        }
    }
}
