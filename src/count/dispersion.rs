//! How unevenly cells lie over the fields, compared with chance.
//!
//! A Poisson count assumes cells at random. Clumps and a smear of changing thickness make the
//! counts of fields differ more than that, and an interval that ignores it is too narrow.

use super::distribution::chi_square_upper_tail;

/// Below this p-value a remark says that the fields differ by more than chance.
const OVERDISPERSED_BELOW_P: f64 = 0.01;

/// How unevenly cells lie over the fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dispersion {
    /// Variance by mean over the fields: 1 for cells at random, above 1 for uneven fields.
    pub index: f64,
    /// Fields less one.
    pub degrees_of_freedom: u32,
    /// The probability of an index at least this high if cells lay at random.
    pub p_value: f64,
}

impl Dispersion {
    /// The index of dispersion: a chi-square `statistic` by its degrees of freedom.
    fn from_statistic(statistic: f64, degrees_of_freedom: u32) -> Self {
        let degrees = f64::from(degrees_of_freedom);
        Self {
            index: statistic / degrees,
            degrees_of_freedom,
            p_value: chi_square_upper_tail(degrees, statistic),
        }
    }

    /// Whether the fields differ by more than chance (p below 0.01): worth a remark. No interval
    /// hangs on it.
    pub fn is_overdispersed(&self) -> bool {
        self.p_value < OVERDISPERSED_BELOW_P
    }

    /// The factor by which the variance of the count is taken to exceed a Poisson count's: the
    /// index, at least 1 (quasi-Poisson; P. McCullagh and J. Nelder, "Generalized Linear Models",
    /// 1989, section 6.2.3). It is never made to depend on a test: one that misses a moderate
    /// unevenness would leave the interval too narrow.
    pub fn variance_inflation(&self) -> f64 {
        self.index.max(1.0)
    }
}

/// The dispersion of the counts of one class over fields: Σ (n - e)² / e by its degrees of
/// freedom, with e the count expected from the field's part of the area. With equal areas it is
/// the index of dispersion, variance by mean (R. Fisher, "Statistical Methods for Research
/// Workers", 1925, section 16).
///
/// * `fields`: number of fields
/// * `cells`: sum of the counts n
/// * `area`: sum of the fields' areas A, any unit
/// * `squares_by_area`: Σ n² / A, same unit
///
/// `None` below two fields, or without a cell.
pub fn count_dispersion(
    fields: u32,
    cells: u32,
    area: f64,
    squares_by_area: f64,
) -> Option<Dispersion> {
    if fields < 2 || cells == 0 {
        return None;
    }
    let cells = f64::from(cells);
    let statistic = squares_by_area * area / cells - cells;
    Some(Dispersion::from_statistic(statistic.max(0.0), fields - 1))
}

/// The dispersion of the ratio of two classes over fields, from the chi-square test of equal
/// proportions, Σ (a - m p)² / (m p (1-p)) with m = a + b (W. Cochran, "Some methods for
/// strengthening the common χ² tests", Biometrics 10, 1954). A smear that is thicker in some
/// fields has more of both classes there, and the ratio is none the worse for it.
///
/// * `fields`: number of fields that hold a cell of either class
/// * `a`, `b`: sums of the two classes
/// * `squares_by_pair`: Σ a² / (a + b) over those fields
///
/// `None` below two fields, or without a cell of either class.
pub fn ratio_dispersion(fields: u32, a: u32, b: u32, squares_by_pair: f64) -> Option<Dispersion> {
    if fields < 2 || a == 0 || b == 0 {
        return None;
    }
    let (a, b) = (f64::from(a), f64::from(b));
    let share = a / (a + b);
    let statistic = (squares_by_pair - a * share) / (share * (1.0 - share));
    Some(Dispersion::from_statistic(statistic.max(0.0), fields - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_equal_areas(counts: &[u32]) -> Option<Dispersion> {
        let squares: f64 = counts.iter().map(|&n| f64::from(n).powi(2)).sum();
        let area = 2.0;
        let fields = counts.len() as u32;
        count_dispersion(
            fields,
            counts.iter().sum(),
            area * f64::from(fields),
            squares / area,
        )
    }

    #[test]
    fn equal_areas_give_variance_by_mean() {
        // Mean 5, variance 56/7.
        let counts = [1, 3, 5, 9, 9, 5, 5, 3];
        let dispersion = over_equal_areas(&counts).unwrap();
        assert!((dispersion.index - 1.6).abs() < 1e-12, "{dispersion:?}");
        assert_eq!(dispersion.degrees_of_freedom, 7);
        // Chance alone gives such an index often, and yet it widens.
        assert!(!dispersion.is_overdispersed());
        assert_eq!(dispersion.variance_inflation(), dispersion.index);
    }

    #[test]
    fn clumped_cells_are_uneven_and_even_ones_are_not() {
        let cases: [(&str, &[u32], bool); 4] = [
            ("all alike", &[10; 12], false),
            ("random", &[9, 13, 8, 11, 7, 12, 10, 14, 6, 10], false),
            ("one clump", &[2, 1, 3, 0, 2, 1, 40, 2, 1, 2], true),
            ("two halves", &[5, 6, 4, 5, 30, 31, 29, 33], true),
        ];
        for (name, counts, uneven) in cases {
            let dispersion = over_equal_areas(counts).unwrap();
            assert_eq!(
                dispersion.is_overdispersed(),
                uneven,
                "{name}: {dispersion:?}"
            );
            assert!(dispersion.variance_inflation() >= 1.0, "{name}");
        }
    }

    #[test]
    fn unequal_areas_are_no_unevenness() {
        let areas = [1.0, 2.0, 4.0, 1.0, 2.0, 4.0, 1.0, 2.0];
        let counts = [10u32, 20, 40, 10, 20, 40, 10, 20];
        let squares = counts
            .iter()
            .zip(areas)
            .map(|(&n, area)| f64::from(n).powi(2) / area)
            .sum();
        let total_area = areas.iter().sum();
        let dispersion = count_dispersion(8, counts.iter().sum(), total_area, squares).unwrap();
        assert!(dispersion.index < 1e-9, "{dispersion:?}");
    }

    #[test]
    fn one_field_or_no_cell_shows_no_dispersion() {
        assert_eq!(over_equal_areas(&[50]), None);
        assert_eq!(over_equal_areas(&[0; 8]), None);
        assert_eq!(ratio_dispersion(1, 50, 50, 25.0), None);
        assert_eq!(ratio_dispersion(8, 0, 50, 0.0), None);
        assert_eq!(ratio_dispersion(8, 50, 0, 50.0), None);
        assert!(over_equal_areas(&[1, 0]).is_some());
    }

    #[test]
    fn a_thicker_field_spoils_counts_but_not_ratios() {
        let white = [2u32, 8, 2, 8, 2, 8, 2, 8];
        let red = white.map(|count| count * 50);
        assert!(over_equal_areas(&red).unwrap().is_overdispersed());
        let squares = |a: &[u32], b: &[u32]| -> f64 {
            let pairs = a.iter().zip(b);
            pairs
                .map(|(&a, &b)| f64::from(a).powi(2) / f64::from(a + b))
                .sum()
        };
        let same = ratio_dispersion(8, 40, 2_000, squares(&white, &red)).unwrap();
        assert!(same.index < 1e-9, "{same:?}");
        let swapped = [8u32, 2, 8, 2, 8, 2, 8, 2];
        let different = ratio_dispersion(8, 40, 2_000, squares(&swapped, &red)).unwrap();
        assert!(different.is_overdispersed(), "{different:?}");
    }
}
