//! Distributions and textures of the simulated slide, the same on every machine.

pub(super) use crate::random::{Random, STEP, derive, mix};
use libm::{cos, exp, log, pow, sqrt};
use std::f64::consts::TAU;

impl Random {
    /// An angle in radians, uniform over the circle.
    pub(super) fn angle(&mut self) -> f64 {
        self.unit() * TAU
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Gaussian, cut at `mean ± 2.5 deviation` so that no monster appears (Box-Muller).
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = sqrt(-2.0 * log(1.0 - self.unit()));
        let value = radius * cos(self.angle());
        mean + deviation * value.clamp(-2.5, 2.5)
    }

    /// Poisson, by multiplying uniforms in portions of at most [`POISSON_PORTION`], which keeps
    /// `exp(-mean)` in range.
    pub(super) fn poisson(&mut self, mean: f64) -> usize {
        let mut left = mean;
        let mut count = 0;
        while left > 0.0 {
            let portion = left.min(POISSON_PORTION);
            count += self.small_poisson(portion);
            left -= portion;
        }
        count
    }

    /// Gamma with this shape and a scale of one (Marsaglia and Tsang 2000).
    pub(super) fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = pow(self.unit(), 1.0 / shape);
            return boost * self.gamma(shape + 1.0);
        }
        let third = shape - 1.0 / 3.0;
        let width = 1.0 / sqrt(9.0 * third);
        loop {
            let normal = sqrt(-2.0 * log(1.0 - self.unit())) * cos(self.angle());
            let cube = 1.0 + width * normal;
            if cube <= 0.0 {
                continue;
            }
            let volume = cube * cube * cube;
            let most = 0.5 * normal * normal + third * (1.0 - volume + log(volume));
            if log(1.0 - self.unit()) < most {
                return third * volume;
            }
        }
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
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
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
        for shape in [0.05, 0.7, 6.0] {
            let values: Vec<f64> = (0..draws).map(|_| random.gamma(shape)).collect();
            let mean = values.iter().sum::<f64>() / f64::from(draws);
            let variance = values
                .iter()
                .map(|value| (value - mean) * (value - mean) / f64::from(draws))
                .sum::<f64>();
            // Mean and variance are both the shape.
            assert!((mean / shape - 1.0).abs() < 0.3, "gamma {shape}: {mean}");
            assert!(
                (variance / shape - 1.0).abs() < 0.4,
                "gamma {shape}: {variance}"
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
