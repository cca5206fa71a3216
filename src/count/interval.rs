//! Exact intervals for counts, shares and ratios, at any confidence.

use super::distribution::{Tail, beta_quantile, gamma_quantile, normal_upper_quantile};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How sure an interval is, from 0.5 to 0.9999; 0.95 by default.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(f64);

/// Why a confidence was refused.
#[derive(Debug, Error, Clone, Copy, PartialEq)]
#[error(
    "a confidence of {value} cannot be used: give a number from {} to {}, such as 0.95",
    Confidence::MIN,
    Confidence::MAX
)]
pub struct ConfidenceError {
    /// The refused confidence.
    pub value: f64,
}

impl Confidence {
    /// The least confidence accepted.
    pub const MIN: f64 = 0.5;
    /// The greatest confidence accepted.
    pub const MAX: f64 = 0.9999;

    /// Checks that `value` lies from [`Confidence::MIN`] to [`Confidence::MAX`].
    ///
    /// # Errors
    ///
    /// [`ConfidenceError`] outside that range, or when `value` is not a number.
    pub fn new(value: f64) -> Result<Self, ConfidenceError> {
        if (Self::MIN..=Self::MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(ConfidenceError { value })
        }
    }

    /// The confidence as a number, such as 0.95.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The probability left out on each side.
    fn one_tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }

    /// How many standard deviations of a normal distribution it reaches to each side: 1.96 at
    /// 0.95.
    pub(super) fn normal_deviations(self) -> f64 {
        normal_upper_quantile(self.one_tail())
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self(0.95)
    }
}

impl TryFrom<f64> for Confidence {
    type Error = ConfidenceError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

/// Both ends of an interval, in the unit of the figure that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The same interval in another unit.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            low: self.low * factor,
            high: self.high * factor,
        }
    }

    /// The interval of `value`, inside this one, once a further error is allowed for: one that
    /// multiplies the value, and whose logarithm has the standard deviation `scatter`. Both errors
    /// are independent, so they add in quadrature on the logarithm, each side for itself. An end at
    /// 0 stays there.
    #[must_use]
    pub fn with_scatter(self, value: f64, scatter: f64, confidence: Confidence) -> Self {
        if scatter <= 0.0 {
            return self;
        }
        let more = confidence.normal_deviations() * scatter;
        let reach = |end: f64| libm::exp(libm::hypot(libm::log(end / value), more));
        Self {
            low: value / reach(self.low),
            high: value * reach(self.high),
        }
    }
}

/// The interval for the expected count when `count` cells were counted: exact Poisson.
///
/// `variance_inflation` is 1 for cells that lie at random; above 1 it is the factor by which the
/// count's variance exceeds a Poisson count's
/// ([`Dispersion::variance_inflation`](super::Dispersion::variance_inflation)): the count then
/// weighs as much as `count / variance_inflation` independent cells (quasi-Poisson), and
/// [`student_inflation`](super::student_inflation) goes into it as well. Values below 1 are taken
/// as 1.
///
/// Source: F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936), by
/// quantiles of the gamma distribution.
pub fn poisson_interval(count: u32, variance_inflation: f64, confidence: Confidence) -> Interval {
    let variance_inflation = variance_inflation.max(1.0);
    let weight = f64::from(count) / variance_inflation;
    let tail = confidence.one_tail();
    let low = if count == 0 {
        0.0
    } else {
        gamma_quantile(weight, Tail::Lower(tail))
    };
    let high = gamma_quantile(weight + 1.0, Tail::Upper(tail));
    Interval { low, high }.scaled(variance_inflation)
}

/// The interval for a share when `successes` cells were of the kind and `failures` were not: exact
/// binomial. From 0 to 1 when there are no cells at all. `variance_inflation` as in
/// [`poisson_interval`].
///
/// Source: C. Clopper and E. Pearson, Biometrika 26 (1934), by quantiles of the beta distribution;
/// it gives the table of C. Rümke (1960) for the differential count.
pub fn proportion_interval(
    successes: u32,
    failures: u32,
    variance_inflation: f64,
    confidence: Confidence,
) -> Interval {
    let variance_inflation = variance_inflation.max(1.0);
    let success_weight = f64::from(successes) / variance_inflation;
    let failure_weight = f64::from(failures) / variance_inflation;
    let tail = confidence.one_tail();
    let low = if successes == 0 {
        0.0
    } else {
        beta_quantile(success_weight, failure_weight + 1.0, Tail::Lower(tail))
    };
    let high = if failures == 0 {
        1.0
    } else {
        beta_quantile(success_weight + 1.0, failure_weight, Tail::Upper(tail))
    };
    Interval { low, high }
}

/// The interval for the ratio of two expected counts, when `numerator` and `denominator` cells
/// were counted over the same area. The high end is infinite when `denominator` is 0.
/// `variance_inflation` as in [`poisson_interval`], for the share of the numerator in both.
///
/// Given their sum, one of two Poisson counts is binomial, so the exact interval of the share p
/// gives that of the ratio p/(1-p) (J. Przyborowski and H. Wilenski, Biometrika 31, 1940).
pub fn ratio_interval(
    numerator: u32,
    denominator: u32,
    variance_inflation: f64,
    confidence: Confidence,
) -> Interval {
    let share = proportion_interval(numerator, denominator, variance_inflation, confidence);
    let odds = |share: f64| share / (1.0 - share);
    Interval {
        low: odds(share.low),
        high: odds(share.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn confidence(value: f64) -> Confidence {
        Confidence::new(value).unwrap()
    }

    /// Names the cases whose ends differ by more than `precision`, relative to the end.
    fn mismatches(cases: &[(String, Interval, f64, f64)], precision: f64) -> Vec<String> {
        let close = |actual: f64, expected: f64| {
            actual == expected || (actual / expected - 1.0).abs() <= precision
        };
        cases
            .iter()
            .filter(|(_, interval, low, high)| {
                !close(interval.low, *low) || !close(interval.high, *high)
            })
            .map(|(name, interval, low, high)| {
                format!("{name}: {interval:?}, expected {low} to {high}")
            })
            .collect()
    }

    #[test]
    fn poisson_intervals_agree_with_garwoods_table() {
        let table = [
            (0, 0.0, 3.689),
            (3, 0.619, 8.767),
            (10, 4.795, 18.39),
            (30, 20.24, 42.83),
            (100, 81.36, 121.6),
            (400, 361.8, 441.2),
        ];
        let cases = table.map(|(count, low, high)| {
            let interval = poisson_interval(count, 1.0, Confidence::default());
            (format!("{count}"), interval, low, high)
        });
        let wrong = mismatches(&cases, 6e-4);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn poisson_intervals_are_exact_to_twelve_digits() {
        // 40-digit arithmetic.
        let table = [
            (0, 0.95, 0.0, 3.688879454113936),
            (0, 0.99, 0.0, 5.298317366548037),
            (0, 0.5, 0.0, 1.386294361119891),
            (1, 0.95, 0.02531780798428988, 5.571643390938899),
            (1, 0.99, 0.005012541823544282, 7.430129500280122),
            (3, 0.5, 1.727299417860519, 5.10942748512338),
            (10, 0.99, 3.716922131467118, 21.39782749965427),
            (1_000, 0.95, 938.9730184076952, 1063.952136016302),
            (12_345, 0.95, 12128.18090789908, 12564.722206913333),
            (1_000_000, 0.95, 998040.9833402939, 1001961.9119454322),
            (10_000_000, 0.95, 9993802.996884268, 10006199.897731497),
        ];
        let cases = table.map(|(count, level, low, high)| {
            let interval = poisson_interval(count, 1.0, confidence(level));
            (format!("{count} at {level}"), interval, low, high)
        });
        let wrong = mismatches(&cases, 1e-12);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn proportion_intervals_agree_with_ruemkes_table() {
        let percent = |successes, failures| {
            let share = proportion_interval(successes, failures, 1.0, Confidence::default());
            let tenths = |end: f64| (end * 1000.0).round() / 10.0;
            (tenths(share.low), tenths(share.high))
        };
        assert_eq!(percent(9, 91), (4.2, 16.4));
        assert_eq!(percent(40, 160), (14.7, 26.2));
    }

    #[test]
    fn proportions_and_ratios_are_exact_to_ten_digits() {
        // 40-digit arithmetic.
        let table = [
            (9, 91, 0.04198359562839223, 0.16398225502963523),
            (40, 160, 0.14689448821575882, 0.26222636458960025),
            (1, 999, 2.531748749129404e-5, 0.005558924279826673),
            (10, 0, 0.6915028921812392, 1.0),
            (0, 0, 0.0, 1.0),
            (64, 44_936, 0.0010954513655080033, 0.0018157882397948576),
            (
                14_000,
                9_986_000,
                0.0013769200906832981,
                0.0014233693549723077,
            ),
            (5_000_000, 5_000_000, 0.4996900525213711, 0.5003099474786289),
            (3, 9_999_997, 6.18672165625059e-8, 8.767270541579751e-7),
        ];
        let shares = table.map(|(successes, failures, low, high)| {
            let interval = proportion_interval(successes, failures, 1.0, Confidence::default());
            (format!("{successes} and {failures}"), interval, low, high)
        });
        let ratios = table.map(|(successes, failures, low, high)| {
            let interval = ratio_interval(successes, failures, 1.0, Confidence::default());
            let name = format!("{successes} to {failures}");
            (name, interval, low / (1.0 - low), high / (1.0 - high))
        });
        let mut wrong = mismatches(&shares, 1e-10);
        wrong.extend(mismatches(&ratios, 1e-10));
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_scatter_adds_in_quadrature_on_the_logarithm() {
        let interval = Interval {
            low: 10.0 * (-0.3f64).exp(),
            high: 10.0 * 0.4f64.exp(),
        };
        let scatter = 0.3 / 1.959963984540054;
        let wide = interval.with_scatter(10.0, scatter, Confidence::default());
        let expected = [(-0.18f64.sqrt()).exp() * 10.0, 0.5f64.exp() * 10.0];
        for (end, expected) in [wide.low, wide.high].into_iter().zip(expected) {
            assert!((end / expected - 1.0).abs() < 1e-12, "{wide:?}");
        }
        assert_eq!(
            interval.with_scatter(10.0, 0.0, Confidence::default()),
            interval
        );
        let none = poisson_interval(0, 1.0, Confidence::default());
        assert_eq!(none.with_scatter(1.0, 0.1, Confidence::default()).low, 0.0);
    }

    #[test]
    fn ten_cells_are_the_first_within_a_factor_of_four() {
        let spread = |count| {
            let interval = poisson_interval(count, 1.0, Confidence::default());
            interval.high / interval.low
        };
        assert!(spread(9) > 4.0 && spread(10) < 4.0);
    }

    #[test]
    fn a_confidence_outside_its_range_is_refused() {
        for value in [
            f64::NAN,
            -1.0,
            0.0,
            0.4999,
            0.99991,
            1.0,
            95.0,
            f64::INFINITY,
        ] {
            assert!(Confidence::new(value).is_err(), "{value}");
        }
        assert_eq!(Confidence::new(0.95), Ok(Confidence::default()));
    }

    /// The chance that the interval of a Poisson count holds its true mean, summed over counts.
    fn poisson_coverage(mean: f64, confidence: Confidence) -> f64 {
        let mut probability = (-mean).exp();
        let mut covered = 0.0;
        for count in 0..(mean + 12.0 * mean.sqrt() + 20.0) as u32 {
            let interval = poisson_interval(count, 1.0, confidence);
            if (interval.low..=interval.high).contains(&mean) {
                covered += probability;
            }
            probability *= mean / f64::from(count + 1);
        }
        covered
    }

    fn binomial_coverage(share: f64, trials: u32, confidence: Confidence) -> f64 {
        let mut probability = (1.0 - share).powi(trials as i32);
        let mut covered = 0.0;
        for successes in 0..=trials {
            let interval = proportion_interval(successes, trials - successes, 1.0, confidence);
            if (interval.low..=interval.high).contains(&share) {
                covered += probability;
            }
            probability *= f64::from(trials - successes) / f64::from(successes + 1) * share;
            probability /= 1.0 - share;
        }
        covered
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn intervals_cover_the_truth_as_often_as_they_say(
            mean in 0.05f64..60.0, share in 0.01f64..0.99, trials in 1u32..80,
            level in 0.5f64..0.999,
        ) {
            let level = confidence(level);
            prop_assert!(poisson_coverage(mean, level) >= level.value() - 1e-12);
            prop_assert!(binomial_coverage(share, trials, level) >= level.value() - 1e-12);
        }

        #[test]
        fn intervals_hold_their_figure_and_grow_as_they_should(
            count in 1u32..200_000, failures in 1u32..200_000, variance_inflation in 1.0f64..20.0,
        ) {
            let default = Confidence::default();
            let holds = |interval: Interval, value: f64| interval.low < value && value < interval.high;
            let inside = |inner: Interval, outer: Interval| {
                outer.low < inner.low && inner.high < outer.high
            };
            let plain = poisson_interval(count, 1.0, default);
            prop_assert!(holds(plain, f64::from(count)));
            let next = poisson_interval(count + 1, 1.0, default);
            prop_assert!(plain.low < next.low && plain.high < next.high);
            prop_assert!(inside(plain, poisson_interval(count, 1.0, confidence(0.99))));
            let inflated = poisson_interval(count, variance_inflation + 0.01, default);
            prop_assert!(inside(plain, inflated));

            let ratio = ratio_interval(count, failures, 1.0, default);
            prop_assert!(holds(ratio, f64::from(count) / f64::from(failures)));
            let inflated = ratio_interval(count, failures, variance_inflation + 0.01, default);
            prop_assert!(inside(ratio, inflated));
            let share = proportion_interval(count, failures, 1.0, default);
            let swapped = proportion_interval(failures, count, 1.0, default);
            prop_assert!((share.low + swapped.high - 1.0).abs() < 1e-12);
        }

        #[test]
        fn the_largest_counts_still_give_an_interval(count in 90_000_000u32..=u32::MAX) {
            let interval = poisson_interval(count, 1.0, Confidence::default());
            let value = f64::from(count);
            let expected = 1.959963984540054 * value.sqrt();
            prop_assert!(((value - interval.low) / expected - 1.0).abs() < 1e-3);
            prop_assert!(((interval.high - value) / expected - 1.0).abs() < 1e-3);
        }
    }
}
