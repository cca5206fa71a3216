//! Tails and quantiles of the gamma, beta and normal distributions.
//!
//! Series and continued fractions from the NIST Digital Library of Mathematical Functions (DLMF,
//! <https://dlmf.nist.gov>, 8.7.1, 8.9.2, 8.17.22), with the leading factor written as a deviance
//! plus Stirling's error, so that nothing cancels for large counts (C. Loader, "Fast and Accurate
//! Computation of Binomial Probabilities", 2000). Shapes up to 2³² converge within
//! [`MAX_TERMS`]; the terms needed grow with the square root of the shape.

use std::f64::consts::{PI, SQRT_2};

/// More terms than a shape of 2³² needs (about nine times its square root).
const MAX_TERMS: u32 = 1_000_000;
/// More steps than halving any bracket of finite numbers needs.
const MAX_STEPS: u32 = 1_200;
const RELATIVE_PRECISION: f64 = f64::EPSILON;
/// Stands in for zero in a continued fraction (Lentz's method).
const NEARLY_ZERO: f64 = 1e-300;

/// The probabilities on both sides of a point; they add up to one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tails {
    pub lower: f64,
    pub upper: f64,
}

/// The side of a distribution that holds a given probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Tail {
    Lower(f64),
    Upper(f64),
}

impl Tail {
    /// Above zero where the point lies too far right for this tail.
    fn residual(self, tails: Tails) -> f64 {
        match self {
            Tail::Lower(probability) => tails.lower - probability,
            Tail::Upper(probability) => probability - tails.upper,
        }
    }

    /// Where the standard normal distribution cuts off this tail, or nearly.
    fn normal_point(self) -> f64 {
        match self {
            Tail::Lower(probability) => -nearly_normal_upper_quantile(probability),
            Tail::Upper(probability) => nearly_normal_upper_quantile(probability),
        }
    }
}

/// Tails of the gamma distribution with `shape` > 0 and scale 1 at `x` >= 0.
pub(super) fn gamma_tails(shape: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return Tails {
            lower: 0.0,
            upper: 1.0,
        };
    }
    let weight = gamma_weight(shape, x);
    if x < shape + 1.0 {
        let lower = weight / shape * gamma_series(shape, x);
        Tails {
            lower,
            upper: 1.0 - lower,
        }
    } else {
        let upper = weight * gamma_fraction(shape, x);
        Tails {
            lower: 1.0 - upper,
            upper,
        }
    }
}

/// The point of the gamma distribution with `shape` > 0 that cuts off a tail.
pub(super) fn gamma_quantile(shape: f64, tail: Tail) -> f64 {
    let start = nearly_gamma_quantile(shape, tail.normal_point());
    find_root(0.0, f64::INFINITY, start, |x| {
        gamma_evaluation(shape, tail, x)
    })
}

fn gamma_evaluation(shape: f64, tail: Tail, x: f64) -> Evaluation {
    Evaluation {
        residual: tail.residual(gamma_tails(shape, x)),
        slope: gamma_weight(shape, x) / x,
        log_density_slope: (shape - 1.0) / x - 1.0,
        log_density_curvature: -(shape - 1.0) / (x * x),
    }
}

/// From a point of the normal distribution, by E. Wilson and M. Hilferty, "The distribution of
/// chi-square", 1931; the mean where that gives nothing positive.
fn nearly_gamma_quantile(shape: f64, normal_point: f64) -> f64 {
    let root = 1.0 - 1.0 / (9.0 * shape) + normal_point / (3.0 * libm::sqrt(shape));
    if root > 0.0 {
        shape * root * root * root
    } else {
        shape
    }
}

/// Tails of the beta distribution with shapes `a`, `b` > 0 at `x` in 0..=1.
pub(super) fn beta_tails(a: f64, b: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return Tails {
            lower: 0.0,
            upper: 1.0,
        };
    }
    if x >= 1.0 {
        return Tails {
            lower: 1.0,
            upper: 0.0,
        };
    }
    let weight = beta_weight(a, b, x);
    if x < (a + 1.0) / (a + b + 2.0) {
        let lower = weight / a * beta_fraction(a, b, x);
        Tails {
            lower,
            upper: 1.0 - lower,
        }
    } else {
        let upper = weight / b * beta_fraction(b, a, 1.0 - x);
        Tails {
            lower: 1.0 - upper,
            upper,
        }
    }
}

/// The point of the beta distribution with shapes `a`, `b` > 0 that cuts off a tail.
pub(super) fn beta_quantile(a: f64, b: f64, tail: Tail) -> f64 {
    let start = nearly_beta_quantile(a, b, tail.normal_point());
    find_root(0.0, 1.0, start, |x| beta_evaluation(a, b, tail, x))
}

fn beta_evaluation(a: f64, b: f64, tail: Tail, x: f64) -> Evaluation {
    let rest = 1.0 - x;
    Evaluation {
        residual: tail.residual(beta_tails(a, b, x)),
        slope: beta_weight(a, b, x) / (x * rest),
        log_density_slope: (a - 1.0) / x - (b - 1.0) / rest,
        log_density_curvature: -(a - 1.0) / (x * x) - (b - 1.0) / (rest * rest),
    }
}

/// From a point of the normal distribution, by M. Abramowitz and I. Stegun, "Handbook of
/// Mathematical Functions", 1964, 26.5.22; the mean where that gives nothing inside.
fn nearly_beta_quantile(a: f64, b: f64, normal_point: f64) -> f64 {
    let mean = a / (a + b);
    if a < 1.0 || b < 1.0 {
        return mean;
    }
    let (of_a, of_b) = (1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0));
    let harmonic = 2.0 / (of_a + of_b);
    let curvature = (normal_point * normal_point - 3.0) / 6.0;
    let spread = libm::sqrt((harmonic + curvature).max(0.0)) / harmonic;
    let skew = (of_b - of_a) * (curvature + 5.0 / 6.0 - 2.0 / (3.0 * harmonic));
    let half_log_odds = normal_point * spread + skew;
    let point = a / (a + b * libm::exp(-2.0 * half_log_odds));
    if point > 0.0 && point < 1.0 {
        point
    } else {
        mean
    }
}

/// The point that a standard normal variable exceeds with `probability` in (0, 0.5].
pub(super) fn normal_upper_quantile(probability: f64) -> f64 {
    const BEYOND_EVERY_F64: f64 = 40.0;
    let start = nearly_normal_upper_quantile(probability);
    find_root(-1.0, BEYOND_EVERY_F64, start, |z| {
        normal_evaluation(probability, z)
    })
}

fn normal_evaluation(probability: f64, z: f64) -> Evaluation {
    Evaluation {
        residual: probability - libm::erfc(z / SQRT_2) / 2.0,
        slope: libm::exp(-z * z / 2.0) / libm::sqrt(2.0 * PI),
        log_density_slope: -z,
        log_density_curvature: -1.0,
    }
}

/// [`normal_upper_quantile`] to about ten digits: M. Abramowitz and I. Stegun, 26.2.23, which is
/// right to 0.00045, and one step from there.
fn nearly_normal_upper_quantile(probability: f64) -> f64 {
    let t = libm::sqrt(-2.0 * libm::log(probability));
    let numerator = 2.515517 + t * (0.802853 + t * 0.010328);
    let denominator = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    let start = t - numerator / denominator;
    start - normal_evaluation(probability, start).step()
}

/// The probability that a chi-square variable with `degrees_of_freedom` > 0 exceeds `statistic`.
pub(super) fn chi_square_upper_tail(degrees_of_freedom: f64, statistic: f64) -> f64 {
    gamma_tails(degrees_of_freedom / 2.0, statistic / 2.0).upper
}

/// A distribution's tail at a point: how far it is off, its density, and how that changes.
struct Evaluation {
    /// Grows with the point, zero at the root.
    residual: f64,
    /// Its derivative, the density.
    slope: f64,
    /// The derivative of the density's logarithm.
    log_density_slope: f64,
    /// The derivative of that.
    log_density_curvature: f64,
}

impl Evaluation {
    /// How far the root lies to the left by Halley's method; by Newton's where the density changes
    /// too fast.
    fn step(&self) -> f64 {
        let newton = self.residual / self.slope;
        let correction = newton * self.log_density_slope / 2.0;
        if libm::fabs(correction) < 0.5 {
            newton / (1.0 - correction)
        } else {
            newton
        }
    }

    /// How far off such a step ends, from the first term that Halley's method leaves out.
    fn error_after(&self, step: f64) -> f64 {
        let leftover = (self.log_density_slope * self.log_density_slope
            - 2.0 * self.log_density_curvature)
            / 12.0;
        libm::fabs(leftover * step * step * step)
    }
}

/// Halley's method kept inside a bracket: where a step would leave it, the bracket is halved, or
/// the point doubled where the bracket is open.
fn find_root(mut low: f64, mut high: f64, start: f64, evaluate: impl Fn(f64) -> Evaluation) -> f64 {
    let mut point = start;
    for _ in 0..MAX_STEPS {
        let evaluation = evaluate(point);
        if evaluation.residual == 0.0 {
            return point;
        }
        if evaluation.residual < 0.0 {
            low = point;
        } else {
            high = point;
        }
        let step = evaluation.step();
        let precision = RELATIVE_PRECISION * libm::fabs(point);
        let stepped = point - step;
        let next = if stepped > low && stepped < high {
            if evaluation.error_after(step) <= precision / 8.0 {
                return stepped;
            }
            stepped
        } else if high == f64::INFINITY {
            point * 2.0
        } else {
            low + (high - low) / 2.0
        };
        if libm::fabs(next - point) <= 4.0 * precision {
            return next;
        }
        point = next;
    }
    point
}

/// x^a e^-x / Γ(a).
fn gamma_weight(shape: f64, x: f64) -> f64 {
    let scale = libm::sqrt(shape / (2.0 * PI));
    scale * libm::exp(-stirling_error(shape) - deviance(shape, x))
}

/// x^a (1-x)^b Γ(a+b) / (Γ(a) Γ(b)).
fn beta_weight(a: f64, b: f64, x: f64) -> f64 {
    let sum = a + b;
    let scale = libm::sqrt(a / (2.0 * PI) * (b / sum));
    let stirling = stirling_error(sum) - stirling_error(a) - stirling_error(b);
    scale * libm::exp(stirling - deviance(a, sum * x) - deviance(b, sum * (1.0 - x)))
}

/// a ln(a/mean) + mean - a, without cancellation where the two are close.
fn deviance(a: f64, mean: f64) -> f64 {
    let relative_difference = (mean - a) / a;
    let per_unit = if relative_difference < -0.5 {
        relative_difference - libm::log(mean / a)
    } else if libm::fabs(relative_difference) > 0.01 {
        relative_difference - libm::log1p(relative_difference)
    } else {
        u_minus_log1p(relative_difference)
    };
    a * per_unit
}

/// u - ln(1+u) for |u| <= 0.01 by its power series: u²/2 - u³/3 + ...
fn u_minus_log1p(u: f64) -> f64 {
    let mut power = u * u;
    let mut sum = 0.0;
    for degree in 2..12 {
        sum += power / f64::from(degree);
        power *= -u;
    }
    sum
}

/// ln Γ(x) minus Stirling's formula (x - ½) ln x - x + ½ ln 2π (DLMF 5.11.1).
fn stirling_error(x: f64) -> f64 {
    if x < 16.0 {
        let half_log_two_pi = libm::log(2.0 * PI) / 2.0;
        return libm::lgamma(x) - ((x - 0.5) * libm::log(x) - x + half_log_two_pi);
    }
    let inverse_square = 1.0 / (x * x);
    let coefficients = [
        1.0 / 1188.0,
        -1.0 / 1680.0,
        1.0 / 1260.0,
        -1.0 / 360.0,
        1.0 / 12.0,
    ];
    let sum = coefficients
        .iter()
        .fold(0.0, |sum, coefficient| sum * inverse_square + coefficient);
    sum / x
}

/// 1 + x/(a+1) + x²/((a+1)(a+2)) + ... (DLMF 8.7.1).
fn gamma_series(shape: f64, x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for index in 1..MAX_TERMS {
        term *= x / (shape + f64::from(index));
        sum += term;
        if term < sum * RELATIVE_PRECISION / 8.0 {
            break;
        }
    }
    sum
}

/// The continued fraction of Γ(a,x) e^x x^-a (DLMF 8.9.2, contracted to its even part).
fn gamma_fraction(shape: f64, x: f64) -> f64 {
    let mut fraction = Fraction::start(x + 1.0 - shape);
    for index in 1..MAX_TERMS {
        let index = f64::from(index);
        let converged = fraction.extend(index * (shape - index), x + 1.0 - shape + 2.0 * index);
        if converged {
            break;
        }
    }
    1.0 / fraction.value
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22).
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut fraction = Fraction::start(1.0);
    for index in 0..MAX_TERMS {
        let m = f64::from(index);
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        fraction.extend(odd, 1.0);
        let m = m + 1.0;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        if fraction.extend(even, 1.0) {
            break;
        }
    }
    1.0 / fraction.value
}

/// A continued fraction b0 + a1/(b1 + a2/(b2 + ...)) by the modified Lentz method.
struct Fraction {
    value: f64,
    numerator_ratio: f64,
    denominator_ratio: f64,
}

impl Fraction {
    fn start(b0: f64) -> Self {
        let value = away_from_zero(b0);
        Self {
            value,
            numerator_ratio: value,
            denominator_ratio: 0.0,
        }
    }

    /// Takes in the next a and b; true once the value stands still.
    fn extend(&mut self, a: f64, b: f64) -> bool {
        self.denominator_ratio = 1.0 / away_from_zero(b + a * self.denominator_ratio);
        self.numerator_ratio = away_from_zero(b + a / self.numerator_ratio);
        let change = self.numerator_ratio * self.denominator_ratio;
        self.value *= change;
        libm::fabs(change - 1.0) <= RELATIVE_PRECISION
    }
}

fn away_from_zero(value: f64) -> f64 {
    if libm::fabs(value) < NEARLY_ZERO {
        NEARLY_ZERO
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use statrs::distribution::{Beta, ChiSquared, ContinuousCDF, Gamma, Normal};

    #[test]
    fn chi_square_tails_are_right() {
        // Degrees of freedom, statistic, upper tail (40-digit arithmetic).
        let cases = [
            (1.0, 3.841458820694124, 0.05),
            (7.0, 14.0, 0.0511813534130654),
            (9.0, 21.666, 0.00999997988349832),
            (39.0, 70.0, 0.00167899896995264),
            (100.0, 124.342, 0.0500007157699718),
        ];
        let mut wrong = Vec::new();
        for (degrees, statistic, expected) in cases {
            let actual = chi_square_upper_tail(degrees, statistic);
            if (actual / expected - 1.0).abs() > 1e-12 {
                wrong.push(format!("{degrees}, {statistic}: {actual}, not {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn normal_quantiles_are_right() {
        let cases = [
            (0.5, 0.0),
            (0.25, 0.6744897501960817),
            (0.025, 1.959963984540054),
            (0.005, 2.575829303548901),
        ];
        for (probability, expected) in cases {
            let actual = normal_upper_quantile(probability);
            assert!((actual - expected).abs() < 1e-13, "{probability}: {actual}");
        }
    }

    #[test]
    fn the_tails_of_usual_counts_are_evaluated_once_or_twice() {
        let evaluations = std::cell::Cell::new(0);
        let count = |evaluation| {
            evaluations.set(evaluations.get() + 1);
            evaluation
        };
        for shape in [5.0, 10.0, 100.0, 20_000.0, 1e6] {
            for tail in [Tail::Lower(0.025), Tail::Upper(0.025)] {
                evaluations.set(0);
                let start = nearly_gamma_quantile(shape, tail.normal_point());
                find_root(0.0, f64::INFINITY, start, |x| {
                    count(gamma_evaluation(shape, tail, x))
                });
                assert!(evaluations.get() <= 2, "{shape}: {evaluations:?}");
                evaluations.set(0);
                let start = nearly_beta_quantile(shape, 5000.0, tail.normal_point());
                find_root(0.0, 1.0, start, |x| {
                    count(beta_evaluation(shape, 5000.0, tail, x))
                });
                assert!(evaluations.get() <= 2, "{shape} and 5000: {evaluations:?}");
            }
        }
    }

    #[test]
    fn nothing_lies_beyond_the_ends() {
        assert_eq!(gamma_tails(3.0, 0.0).lower, 0.0);
        assert_eq!(beta_tails(3.0, 4.0, 0.0).upper, 1.0);
        assert_eq!(beta_tails(3.0, 4.0, 1.0).lower, 1.0);
        assert_eq!(gamma_tails(3.0, 1e6).upper, 0.0);
    }

    /// What statrs gives on these shapes; beyond them its own error is larger.
    const ORACLE_PRECISION: f64 = 1e-8;

    fn differs(actual: f64, oracle: f64) -> bool {
        (actual - oracle).abs() > ORACLE_PRECISION * oracle.abs()
    }

    const SHAPES: [f64; 9] = [0.05, 0.5, 1.0, 3.7, 10.0, 97.0, 1_000.0, 20_000.0, 5e4];
    const PROBABILITIES: [f64; 7] = [0.00005, 0.0005, 0.005, 0.025, 0.1, 0.25, 0.5];

    #[test]
    fn gamma_tails_and_quantiles_agree_with_statrs() {
        let mut wrong = Vec::new();
        for shape in SHAPES {
            let oracle = Gamma::new(shape, 1.0).unwrap();
            for deviations in [-4.0, -2.0, -0.5, 0.0, 0.5, 2.0, 4.0, 8.0] {
                let x = shape + deviations * shape.sqrt();
                if x <= 0.0 {
                    continue;
                }
                let tails = gamma_tails(shape, x);
                let expected = [oracle.cdf(x), oracle.sf(x)];
                for (actual, expected) in [tails.lower, tails.upper].into_iter().zip(expected) {
                    if differs(actual, expected) {
                        wrong.push(format!("shape {shape} at {x}: {actual}, not {expected}"));
                    }
                }
            }
            for probability in PROBABILITIES {
                let low = oracle.cdf(gamma_quantile(shape, Tail::Lower(probability)));
                let high = oracle.sf(gamma_quantile(shape, Tail::Upper(probability)));
                if differs(low, probability) || differs(high, probability) {
                    wrong.push(format!("shape {shape}, {probability}: {low} and {high}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn beta_tails_and_quantiles_agree_with_statrs() {
        let mut wrong = Vec::new();
        for a in SHAPES {
            for b in SHAPES {
                let oracle = Beta::new(a, b).unwrap();
                for probability in PROBABILITIES {
                    for tail in [Tail::Lower(probability), Tail::Upper(probability)] {
                        let x = beta_quantile(a, b, tail);
                        // So near to an end that a step of f64 is more than the precision.
                        if x < 1e-290 || 1.0 - x < 1e-4 {
                            continue;
                        }
                        let tails = beta_tails(a, b, x);
                        let (actual, expected) = match tail {
                            Tail::Lower(_) => (tails.lower, oracle.cdf(x)),
                            Tail::Upper(_) => (tails.upper, oracle.sf(x)),
                        };
                        if differs(actual, expected) || differs(expected, probability) {
                            wrong.push(format!(
                                "{a} and {b}, {tail:?}: {actual} at {x}, not {expected}"
                            ));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn chi_square_and_normal_agree_with_statrs() {
        let mut wrong = Vec::new();
        for degrees in [1.0, 2.0, 7.0, 39.0, 400.0, 10_000.0, 999_999.0] {
            let oracle = ChiSquared::new(degrees).unwrap();
            for share in [0.2, 0.8, 1.0, 1.2, 2.0] {
                let statistic: f64 = degrees * share;
                let (actual, expected) = (
                    chi_square_upper_tail(degrees, statistic),
                    oracle.sf(statistic),
                );
                if expected > 1e-280 && differs(actual, expected) {
                    wrong.push(format!("{degrees}, {statistic}: {actual}, not {expected}"));
                }
            }
        }
        let normal = Normal::standard();
        for probability in PROBABILITIES {
            let actual = normal.sf(normal_upper_quantile(probability));
            if differs(actual, probability) {
                wrong.push(format!("normal, {probability}: {actual}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_quantile_cuts_off_its_tail(
            shape_log in -2.0f64..6.0, other_log in -2.0f64..6.0, probability in 0.00005f64..0.5,
        ) {
            let (a, b) = (10f64.powf(shape_log), 10f64.powf(other_log));
            let close = |actual: f64| (actual / probability - 1.0).abs() < 1e-8;
            let (low, high) = (Tail::Lower(probability), Tail::Upper(probability));
            prop_assert!(close(gamma_tails(a, gamma_quantile(a, low)).lower));
            prop_assert!(close(gamma_tails(a, gamma_quantile(a, high)).upper));
            // The other way round the quantile may lie so near to 1 that f64 cannot tell them apart.
            let (a, b) = (a.min(b), a.max(b) + 1.0);
            prop_assert!(close(beta_tails(a, b, beta_quantile(a, b, low)).lower));
            prop_assert!(close(beta_tails(a, b, beta_quantile(a, b, high)).upper));
        }

        #[test]
        fn any_tail_agrees_with_statrs(
            shape_log in -1.0f64..5.0, other_log in -1.0f64..5.0, probability in 0.00005f64..0.5,
        ) {
            let (a, b) = (10f64.powf(shape_log), 10f64.powf(other_log));
            let gamma = Gamma::new(a, 1.0).unwrap();
            let cut_off = gamma.sf(gamma_quantile(a, Tail::Upper(probability)));
            prop_assert!(!differs(cut_off, probability), "{cut_off}, not {probability}");
            // As above, away from the end at 1.
            let (a, b) = (a.min(b), a.max(b) + 1.0);
            let beta = Beta::new(a, b).unwrap();
            let cut_off = beta.cdf(beta_quantile(a, b, Tail::Lower(probability)));
            prop_assert!(!differs(cut_off, probability), "{cut_off}, not {probability}");
        }
    }
}
