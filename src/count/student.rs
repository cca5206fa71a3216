//! Student's t distribution: what an index that is itself an estimate costs.

use super::distribution::{Tail, beta_quantile};
use super::interval::Confidence;

/// The point that Student's t exceeds in size with the probability that `confidence` leaves out;
/// `degrees_of_freedom` above 0.
///
/// t² / (t² + ν) follows the beta distribution with shapes 1/2 and ν/2 (DLMF 8.17.6 with the
/// density of t; "Student", Biometrika 6, 1908).
fn two_sided_quantile(degrees_of_freedom: u32, confidence: Confidence) -> f64 {
    let degrees = f64::from(degrees_of_freedom);
    let left_out = Tail::Upper(1.0 - confidence.value());
    let share = beta_quantile(0.5, degrees / 2.0, left_out);
    libm::sqrt(degrees * share / (1.0 - share))
}

/// The factor by which the variance of a figure is raised because its dispersion is estimated
/// from few fields: (t / z)², which goes to 1 as the fields grow in number. With it an interval
/// that is made for a known variance becomes as wide as Student's t makes one.
pub fn student_inflation(degrees_of_freedom: u32, confidence: Confidence) -> f64 {
    let quantile = two_sided_quantile(degrees_of_freedom.max(1), confidence);
    let root = quantile / confidence.normal_deviations();
    root * root
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};

    #[test]
    fn quantiles_agree_with_the_table_and_with_statrs() {
        // "Student" and R. Fisher's table, 0.05 two-sided.
        let table = [(1, 12.7062), (9, 2.2622), (30, 2.0423), (59, 2.0010)];
        for (degrees, expected) in table {
            let actual = two_sided_quantile(degrees, Confidence::default());
            assert!((actual - expected).abs() < 5e-5, "{degrees}: {actual}");
        }
        for degrees in [1, 2, 9, 29, 399, 100_000] {
            let oracle = StudentsT::new(0.0, 1.0, f64::from(degrees)).unwrap();
            for level in [0.5, 0.9, 0.95, 0.99, 0.9999] {
                let confidence = Confidence::new(level).unwrap();
                let point = two_sided_quantile(degrees, confidence);
                let left_out = 2.0 * oracle.sf(point);
                let expected = 1.0 - level;
                assert!(
                    (left_out / expected - 1.0).abs() < 1e-6,
                    "{degrees} at {level}: {left_out}"
                );
            }
        }
    }

    #[test]
    fn few_fields_widen_and_many_do_not() {
        let inflation = |fields: u32| student_inflation(fields - 1, Confidence::default());
        assert!((inflation(10) - 1.3322).abs() < 1e-4, "{}", inflation(10));
        assert!(inflation(60) < 1.05 && inflation(60) > 1.0);
        assert!((inflation(1_000_000) - 1.0).abs() < 1e-5);
    }
}
