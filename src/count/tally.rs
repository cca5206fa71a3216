//! Counts over the fields of a smear, and what may be said about them.

use super::dispersion::{Dispersion, count_dispersion, ratio_dispersion};
use super::figure::{Figure, FigureFlags, TooFewCells};
use super::interval::{
    Confidence, Interval, cells_for_relative_half_width, poisson_interval, proportion_interval,
    ratio_interval,
};
use crate::cell::{Cell, CellClass, PerClass};
use std::borrow::Borrow;
use std::fmt;
use thiserror::Error;

/// The most cells of one smear, uncertain ones included: more than its monolayer holds.
pub const MAX_CELLS: u32 = 100_000_000;
/// The most fields of one smear.
pub const MAX_FIELDS: u32 = 1_000_000;

/// The counted cells of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldTally {
    /// Certain cells.
    pub certain: PerClass<u32>,
    /// Cells below the certainty threshold of their class.
    pub uncertain: u32,
    /// The area that they stand for, in 1/256 of a square pixel
    /// ([`Border::counted_area_q8`](super::Border::counted_area_q8)).
    pub area_q8: u64,
}

impl FieldTally {
    /// Adds up the cells that the border rule lets count, on `area_q8`.
    pub fn from_cells(cells: impl IntoIterator<Item = impl Borrow<Cell>>, area_q8: u64) -> Self {
        let mut tally = Self {
            certain: PerClass::default(),
            uncertain: 0,
            area_q8,
        };
        for cell in cells {
            let cell = cell.borrow();
            match cell.class() {
                _ if !cell.counted => {}
                Some(class) => tally.certain[class] += 1,
                None => tally.uncertain += 1,
            }
        }
        tally
    }

    /// Certain cells of one class.
    pub fn class(&self, class: CellClass) -> u32 {
        self.certain[class]
    }

    /// All counted cells, or `None` beyond 32 bits.
    fn cells(&self) -> Option<u32> {
        self.certain
            .values()
            .try_fold(self.uncertain, |sum, &count| sum.checked_add(count))
    }
}

/// Why a field was not added.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum TallyError {
    /// The margins of the border rule leave nothing of the frame.
    #[error(
        "the field has no counted area: the frame is too small for the border rule at this \
         scale; check um_per_px, or use larger frames"
    )]
    NoArea,
    /// The smear has reached a limit.
    #[error(
        "the smear has reached the limit of {MAX_FIELDS} fields or {MAX_CELLS} cells; its counts \
         stand, start a new smear"
    )]
    Full,
}

/// When a figure may be shown, and when something looks wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountRules {
    /// Confidence of every interval.
    pub confidence: Confidence,
    /// The fewest cells that a count or the numerator of a ratio may rest on. Default 10: below
    /// it the ends of the 95 % interval lie more than a factor of four apart.
    pub minimum_cells: u32,
    /// The fewest cells that a ratio or share may be taken against. Default 100: its own
    /// uncertainty is then about ±20 %.
    pub minimum_reference_cells: u32,
    /// White cells by red cells above which the smear is not believed. Default 0.1, where normal
    /// blood has 1 to 714; only extreme leukaemia comes near.
    pub wbc_per_rbc_limit: f64,
    /// Share of uncertain cells above which a warning is due. Default 0.2.
    pub uncertain_share_limit: f64,
    /// Relative half width of the interval to count towards. Default 0.2, which takes 97 cells.
    pub target_precision: f64,
}

impl Default for CountRules {
    fn default() -> Self {
        Self {
            confidence: Confidence::default(),
            minimum_cells: 10,
            minimum_reference_cells: 100,
            wbc_per_rbc_limit: 0.1,
            uncertain_share_limit: 0.2,
            target_precision: 0.2,
        }
    }
}

impl CountRules {
    /// A figure takes at least one cell, whatever the rules say.
    fn needed_cells(&self) -> u32 {
        self.minimum_cells.max(1)
    }

    fn needed_reference_cells(&self) -> u32 {
        self.minimum_reference_cells.max(1)
    }
}

/// Counts over all fields of a smear so far. Its size does not grow with the number of fields.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SmearTally {
    fields: u32,
    area_q8: u64,
    certain: PerClass<u32>,
    uncertain: u32,
    /// Σ n² / area by class, area in 1/256 of a square pixel.
    squares_by_area: PerClass<f64>,
    /// Each class against the red cells.
    against_red: PerClass<PairSums>,
    /// Each class against all other certain cells.
    against_others: PerClass<PairSums>,
    /// Uncertain cells against certain ones.
    uncertain_against_certain: PairSums,
}

/// How two kinds of cells go together over the fields: the one that is asked about (successes)
/// and the one it is taken against (failures).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct PairSums {
    successes: u32,
    failures: u32,
    /// Fields that hold a cell of either kind.
    fields: u32,
    /// Σ successes² / (successes + failures) over those fields.
    squares_by_pair: f64,
}

impl PairSums {
    fn add(&mut self, successes: u32, failures: u32) {
        let pair = successes + failures;
        if pair == 0 {
            return;
        }
        self.successes += successes;
        self.failures += failures;
        self.fields += 1;
        self.squares_by_pair += square(successes) / f64::from(pair);
    }

    fn dispersion(&self) -> Option<Dispersion> {
        ratio_dispersion(
            self.fields,
            self.successes,
            self.failures,
            self.squares_by_pair,
        )
    }

    fn variance_inflation(&self) -> f64 {
        variance_inflation_of(self.dispersion())
    }

    /// Successes by failures.
    fn ratio(&self, confidence: Confidence) -> Interval {
        ratio_interval(
            self.successes,
            self.failures,
            self.variance_inflation(),
            confidence,
        )
    }

    /// Successes by all.
    fn share(&self, confidence: Confidence) -> Interval {
        proportion_interval(
            self.successes,
            self.failures,
            self.variance_inflation(),
            confidence,
        )
    }

    /// The share of the successes in percent, where there are cells enough.
    fn share_percent(&self, rules: &CountRules) -> Result<Figure, TooFewCells> {
        let cells = self.successes + self.failures;
        require_cells(None, cells, rules.needed_reference_cells())?;
        let value = 100.0 * f64::from(self.successes) / f64::from(cells);
        let interval = self.share(rules.confidence).scaled(100.0);
        Ok(Figure::of_ratio(value, interval, cells).with_flags(self.flags()))
    }

    /// Successes to 1000 failures, of which there must be some.
    fn per_1000(&self, rules: &CountRules) -> Figure {
        let value = 1000.0 * f64::from(self.successes) / f64::from(self.failures);
        let interval = self.ratio(rules.confidence).scaled(1000.0);
        Figure::of_ratio(value, interval, self.successes).with_flags(self.flags())
    }

    fn flags(&self) -> FigureFlags {
        flags_of(self.dispersion())
    }
}

impl SmearTally {
    /// Adds a field. Frames of one field must be added once only.
    ///
    /// # Errors
    ///
    /// [`TallyError`]; the tally is then unchanged.
    pub fn add(&mut self, field: &FieldTally) -> Result<(), TallyError> {
        if field.area_q8 == 0 {
            return Err(TallyError::NoArea);
        }
        let cells = field
            .cells()
            .and_then(|cells| cells.checked_add(self.cells()))
            .filter(|&cells| cells <= MAX_CELLS);
        let area_q8 = self.area_q8.checked_add(field.area_q8);
        let (Some(_), Some(area_q8), true) = (cells, area_q8, self.fields < MAX_FIELDS) else {
            return Err(TallyError::Full);
        };
        self.fields += 1;
        self.area_q8 = area_q8;
        self.uncertain += field.uncertain;
        let red_cells = field.class(CellClass::Rbc);
        let certain_cells: u32 = field.certain.values().sum();
        self.uncertain_against_certain
            .add(field.uncertain, certain_cells);
        for class in CellClass::ALL {
            let count = field.class(class);
            self.certain[class] += count;
            self.squares_by_area[class] += square(count) / field.area_q8 as f64;
            self.against_others[class].add(count, certain_cells - count);
            if class != CellClass::Rbc {
                self.against_red[class].add(count, red_cells);
            }
        }
        Ok(())
    }

    /// Fields added.
    pub fn fields(&self) -> u32 {
        self.fields
    }

    /// Counted area of all fields, in 1/256 of a square pixel.
    pub fn area_q8(&self) -> u64 {
        self.area_q8
    }

    /// Certain cells of one class.
    pub fn class(&self, class: CellClass) -> u32 {
        self.certain[class]
    }

    /// Uncertain cells.
    pub fn uncertain(&self) -> u32 {
        self.uncertain
    }

    /// What may be said about the smear so far.
    pub fn summary(&self, rules: &CountRules) -> Summary {
        let classes = PerClass::from_fn(|class| self.class_summary(class, rules));
        Summary {
            fields: self.fields,
            confidence: rules.confidence,
            warnings: self.warnings(&classes, rules),
            classes,
            uncertain: self.uncertain,
            uncertain_share: self.uncertain_against_certain.share_percent(rules),
        }
    }

    /// All counted cells; [`SmearTally::add`] keeps the sum within [`MAX_CELLS`].
    fn cells(&self) -> u32 {
        self.certain.values().sum::<u32>() + self.uncertain
    }

    fn class_summary(&self, class: CellClass, rules: &CountRules) -> ClassSummary {
        let dispersion = self.dispersion(class);
        let variance_inflation = variance_inflation_of(dispersion);
        let per_1000_rbc = (class != CellClass::Rbc).then(|| self.per_1000_rbc(class, rules));
        ClassSummary {
            class,
            counted: self.class(class),
            count: self.count(class, dispersion, rules),
            per_1000_rbc,
            share: self.against_others[class].share_percent(rules),
            dispersion,
            progress: self.progress(class, variance_inflation, rules),
        }
    }

    fn dispersion(&self, class: CellClass) -> Option<Dispersion> {
        count_dispersion(
            self.fields,
            self.class(class),
            self.area_q8 as f64,
            self.squares_by_area[class],
        )
    }

    fn count(
        &self,
        class: CellClass,
        dispersion: Option<Dispersion>,
        rules: &CountRules,
    ) -> Result<Figure, TooFewCells> {
        let count = self.require(class, rules.needed_cells())?;
        let interval = poisson_interval(count, variance_inflation_of(dispersion), rules.confidence);
        Ok(Figure::of_count(count, interval).with_flags(flags_of(dispersion)))
    }

    fn per_1000_rbc(&self, class: CellClass, rules: &CountRules) -> Result<Figure, TooFewCells> {
        self.require(CellClass::Rbc, rules.needed_reference_cells())?;
        self.require(class, rules.needed_cells())?;
        Ok(self.against_red[class].per_1000(rules))
    }

    /// The certain cells of a class, where they are enough.
    fn require(&self, class: CellClass, needed: u32) -> Result<u32, TooFewCells> {
        require_cells(Some(class), self.class(class), needed)
    }

    fn progress(&self, class: CellClass, variance_inflation: f64, rules: &CountRules) -> Progress {
        let have = self.class(class);
        let target = cells_for_relative_half_width(
            rules.target_precision,
            variance_inflation,
            rules.confidence,
        );
        let need = target.max(rules.needed_cells());
        Progress {
            have,
            need,
            fields_left: self.fields_left(have, need),
        }
    }

    /// Fields until `need` cells at the rate so far, rounded up.
    fn fields_left(&self, have: u32, need: u32) -> Option<u32> {
        let missing = u64::from(need.saturating_sub(have));
        if missing == 0 {
            return Some(0);
        }
        let fields = (missing * u64::from(self.fields)).checked_div(u64::from(have))?;
        let exact = fields * u64::from(have) == missing * u64::from(self.fields);
        u32::try_from(fields + u64::from(!exact)).ok()
    }

    fn warnings(&self, classes: &PerClass<ClassSummary>, rules: &CountRules) -> Warnings {
        let overdispersed = |summary: &ClassSummary| {
            let dispersion = summary.dispersion.filter(Dispersion::is_overdispersed)?;
            Some(Warning::Overdispersed {
                class: summary.class,
                index: dispersion.index,
            })
        };
        Warnings {
            of_the_smear: [self.too_many_white_cells(rules), self.many_uncertain(rules)],
            of_classes: classes.each_ref().map(overdispersed),
        }
    }

    /// Due when even the low end of the ratio's interval is above the limit, so that chance in a
    /// few cells does not raise it.
    fn too_many_white_cells(&self, rules: &CountRules) -> Option<Warning> {
        let (wbc, rbc) = (self.class(CellClass::Wbc), self.class(CellClass::Rbc));
        let limit = rules.wbc_per_rbc_limit;
        // The low end lies below the ratio itself, which costs nothing to know.
        let suspect = wbc >= rules.needed_cells() && f64::from(wbc) > limit * f64::from(rbc);
        let low = || self.against_red[CellClass::Wbc].ratio(rules.confidence).low;
        let due = suspect && low() > limit;
        due.then_some(Warning::TooManyWhiteCells { wbc, rbc, limit })
    }

    /// Due when even the low end of the share's interval is above the limit.
    fn many_uncertain(&self, rules: &CountRules) -> Option<Warning> {
        let limit = rules.uncertain_share_limit;
        let suspect = self.uncertain >= rules.needed_cells()
            && f64::from(self.uncertain) > limit * f64::from(self.cells());
        let low = || self.uncertain_against_certain.share(rules.confidence).low;
        let due = suspect && low() > limit;
        due.then(|| Warning::ManyUncertain {
            uncertain: self.uncertain,
            cells: self.cells(),
            limit,
        })
    }
}

/// How far counting has come towards the target precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Cells counted.
    pub have: u32,
    /// Cells that the target precision takes.
    pub need: u32,
    /// About how many more fields that takes; 0 when reached, `None` before the first cell.
    pub fields_left: Option<u32>,
}

/// What may be said about one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassSummary {
    /// The class that is summed up.
    pub class: CellClass,
    /// Certain cells counted, whether or not they suffice for a figure.
    pub counted: u32,
    /// The count, with the interval for its expected value over the same fields.
    pub count: Result<Figure, TooFewCells>,
    /// Cells per 1000 red cells; `None` for red cells themselves.
    pub per_1000_rbc: Option<Result<Figure, TooFewCells>>,
    /// Share of all certain cells, in percent.
    pub share: Result<Figure, TooFewCells>,
    /// The test for uneven fields, where fields and cells suffice for it.
    pub dispersion: Option<Dispersion>,
    /// How far this class is from the target precision.
    pub progress: Progress,
}

/// What may be said about a smear.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Fields counted.
    pub fields: u32,
    /// The confidence of every interval below.
    pub confidence: Confidence,
    /// What may be said about each class.
    pub classes: PerClass<ClassSummary>,
    /// Uncertain cells counted.
    pub uncertain: u32,
    /// Share of uncertain cells among all counted cells, in percent.
    pub uncertain_share: Result<Figure, TooFewCells>,
    /// What makes the counts doubtful.
    pub warnings: Warnings,
}

impl Summary {
    /// The summary of one class.
    pub fn class(&self, class: CellClass) -> &ClassSummary {
        &self.classes[class]
    }
}

/// The warnings of a summary, most serious first. There are few, so they are kept in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warnings {
    of_the_smear: [Option<Warning>; 2],
    of_classes: PerClass<Option<Warning>>,
}

impl Warnings {
    /// The warnings, most serious first.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.of_the_smear
            .iter()
            .chain(self.of_classes.values())
            .flatten()
    }
}

/// Something that makes the counts doubtful.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warning {
    /// More white cells than a smear can plausibly hold.
    TooManyWhiteCells {
        /// White cells counted.
        wbc: u32,
        /// Red cells counted.
        rbc: u32,
        /// The largest plausible number of white cells for each red cell.
        limit: f64,
    },
    /// Too large a share of the cells is uncertain.
    ManyUncertain {
        /// Uncertain cells counted.
        uncertain: u32,
        /// All cells counted.
        cells: u32,
        /// The largest share of uncertain cells that is accepted, 0 to 1.
        limit: f64,
    },
    /// The counts of a class vary between fields by more than chance explains.
    Overdispersed {
        /// The class.
        class: CellClass,
        /// Index of dispersion, variance by mean: about 1 for cells that lie at random.
        index: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::TooManyWhiteCells { wbc, rbc, limit } => write!(
                formatter,
                "{wbc} white to {rbc} red cells is more than a smear can plausibly hold (limit 1 \
                 to {:.0}): the stain may be one that the model does not know; look at the cells \
                 before you trust any count",
                1.0 / limit
            ),
            Warning::ManyUncertain {
                uncertain,
                cells,
                limit,
            } => write!(
                formatter,
                "{uncertain} of {cells} cells are uncertain, over the limit of {:.0} %: check \
                 focus, light and stain, and look at the uncertain cells",
                limit * 100.0
            ),
            Warning::Overdispersed { class, index } => write!(
                formatter,
                "{class} lie unevenly over the fields (variance {index:.1} times the mean): the \
                 intervals are widened; count more fields, spread over the monolayer"
            ),
        }
    }
}

fn require_cells(class: Option<CellClass>, counted: u32, needed: u32) -> Result<u32, TooFewCells> {
    if counted < needed {
        return Err(TooFewCells {
            class,
            counted,
            needed,
        });
    }
    Ok(counted)
}

fn variance_inflation_of(dispersion: Option<Dispersion>) -> f64 {
    dispersion.map_or(1.0, |dispersion| dispersion.variance_inflation())
}

fn flags_of(dispersion: Option<Dispersion>) -> FigureFlags {
    FigureFlags {
        is_overdispersed: dispersion.is_some_and(|dispersion| dispersion.is_overdispersed()),
    }
}

fn square(count: u32) -> f64 {
    f64::from(count) * f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::BoundingBox;
    use proptest::prelude::*;

    const AREA_Q8: u64 = 600 * 440 * 256;

    fn field(rbc: u32, wbc: u32, plt: u32, uncertain: u32) -> FieldTally {
        FieldTally {
            certain: PerClass::from([
                (CellClass::Rbc, rbc),
                (CellClass::Wbc, wbc),
                (CellClass::Plt, plt),
            ]),
            uncertain,
            area_q8: AREA_Q8,
        }
    }

    fn smear(fields: impl IntoIterator<Item = FieldTally>) -> SmearTally {
        let mut smear = SmearTally::default();
        for field in fields {
            smear.add(&field).unwrap();
        }
        smear
    }

    fn summary(fields: impl IntoIterator<Item = FieldTally>) -> Summary {
        smear(fields).summary(&CountRules::default())
    }

    #[test]
    fn a_field_counts_what_the_border_rule_lets_in() {
        let cell = |best_class, certain, counted| Cell {
            best_class,
            certain,
            counted,
            bounds: BoundingBox {
                x0_q4: 0,
                y0_q4: 0,
                x1_q4: 16,
                y1_q4: 16,
            },
            confidence_e4: 9000,
        };
        let cells = [
            cell(CellClass::Rbc, true, true),
            cell(CellClass::Rbc, true, true),
            cell(CellClass::Rbc, true, false),
            cell(CellClass::Wbc, true, true),
            cell(CellClass::Plt, false, true),
            cell(CellClass::Plt, false, false),
        ];
        let tally = FieldTally::from_cells(cells, AREA_Q8);
        assert_eq!(tally, field(2, 1, 0, 1));
        assert_eq!(tally.class(CellClass::Rbc), 2);
    }

    #[test]
    fn nothing_seen_gives_no_number() {
        for fields in [vec![], vec![field(0, 0, 0, 0); 20]] {
            let lenient = CountRules {
                minimum_cells: 0,
                minimum_reference_cells: 0,
                ..CountRules::default()
            };
            for rules in [CountRules::default(), lenient] {
                let summary = smear(fields.clone()).summary(&rules);
                for class in summary.classes.values() {
                    assert!(class.count.is_err(), "{class:?}");
                    assert!(class.share.is_err(), "{class:?}");
                    assert!(class.per_1000_rbc.is_none_or(|ratio| ratio.is_err()));
                    assert_eq!(class.dispersion, None);
                    assert_eq!(class.progress.fields_left, None);
                }
                assert!(summary.uncertain_share.is_err());
                assert_eq!(summary.warnings.iter().next(), None);
            }
        }
    }

    #[test]
    fn too_few_cells_are_named() {
        let few = |class, counted, needed| {
            Err(TooFewCells {
                class: Some(class),
                counted,
                needed,
            })
        };
        let summary = summary([field(90, 9, 12, 0)]);
        let class = |class| summary.class(class);
        assert_eq!(class(CellClass::Rbc).count.unwrap().value(), 90.0);
        assert_eq!(class(CellClass::Wbc).count, few(CellClass::Wbc, 9, 10));
        assert_eq!(class(CellClass::Wbc).counted, 9);
        assert_eq!(class(CellClass::Rbc).per_1000_rbc, None);
        let missing_red = few(CellClass::Rbc, 90, 100);
        assert_eq!(class(CellClass::Plt).per_1000_rbc, Some(missing_red));
        let share = class(CellClass::Plt).share.unwrap();
        assert_eq!(share.value(), 100.0 * 12.0 / 111.0);

        let summary = self::summary([field(200, 9, 0, 0)]);
        let ratio = summary.class(CellClass::Wbc).per_1000_rbc;
        assert_eq!(ratio, Some(few(CellClass::Wbc, 9, 10)));
    }

    #[test]
    fn ratios_and_shares_rest_on_all_fields() {
        let summary = summary([field(1_000, 4, 30, 10), field(1_000, 8, 50, 20)]);
        let ratio = summary.class(CellClass::Wbc).per_1000_rbc.unwrap().unwrap();
        assert_eq!((ratio.value(), ratio.n()), (6.0, 12));
        let exact = ratio_interval(12, 2_000, 1.0, Confidence::default());
        assert_eq!(ratio.interval(), exact.scaled(1000.0));
        let share = summary.class(CellClass::Plt).share.unwrap();
        assert_eq!((share.value(), share.n()), (100.0 * 80.0 / 2_092.0, 2_092));
        let share = summary.uncertain_share.unwrap();
        assert_eq!((share.value(), share.n()), (100.0 * 30.0 / 2_122.0, 2_122));
        assert_eq!((summary.fields, summary.uncertain), (2, 30));
    }

    #[test]
    fn fields_left_follow_the_rate_so_far() {
        let cases = [
            ("none seen", vec![field(0, 0, 0, 0); 3], None),
            ("one in three fields", vec![field(0, 3, 0, 0); 1], Some(32)),
            (
                "half a cell a field",
                vec![field(0, 1, 0, 0), field(0, 0, 0, 0)],
                Some(192),
            ),
            ("reached", vec![field(0, 97, 0, 0)], Some(0)),
            ("one cell missing", vec![field(0, 96, 0, 0)], Some(1)),
        ];
        let mut wrong = Vec::new();
        for (name, fields, expected) in cases {
            let progress = summary(fields).class(CellClass::Wbc).progress;
            if progress.fields_left != expected || progress.need != 97 {
                wrong.push(format!("{name}: {progress:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn uneven_fields_widen_the_interval_and_warn() {
        let even = summary((0..20).map(|_| field(100, 0, 5, 0)));
        let uneven = summary((0..20).map(|index| field(100, 0, if index < 2 { 50 } else { 0 }, 0)));
        let count = |summary: &Summary| summary.class(CellClass::Plt).count.unwrap();
        let (even_count, uneven_count) = (count(&even), count(&uneven));
        assert_eq!(even_count.value(), uneven_count.value());
        let width = |figure: Figure| figure.interval().high - figure.interval().low;
        assert!(
            width(uneven_count) > 4.0 * width(even_count),
            "{even_count:?} {uneven_count:?}"
        );
        assert!(uneven_count.flags().is_overdispersed);
        assert!(!even_count.flags().is_overdispersed);
        let progress = |summary: &Summary| summary.class(CellClass::Plt).progress;
        assert!(progress(&uneven).need > 10 * progress(&even).need);
        assert_eq!(even.warnings.iter().next(), None);
        let warnings: Vec<_> = uneven.warnings.iter().collect();
        let [Warning::Overdispersed { class, index }] = warnings[..] else {
            panic!("{warnings:?}");
        };
        assert_eq!(*class, CellClass::Plt);
        assert!(*index > 10.0);
    }

    #[test]
    fn implausible_counts_warn() {
        let cases = [
            ("normal blood", field(7_140, 10, 360, 50), false, false),
            ("leukocytosis", field(1_000, 40, 0, 0), false, false),
            (
                "red cells called white",
                field(300, 1_031, 0, 0),
                true,
                false,
            ),
            ("only white cells", field(0, 12, 0, 0), true, false),
            ("two white cells by chance", field(0, 2, 0, 0), false, false),
            ("a third uncertain", field(600, 0, 0, 300), false, true),
            ("all uncertain", field(0, 0, 0, 40), false, true),
            (
                "just a fifth uncertain",
                field(400, 0, 0, 100),
                false,
                false,
            ),
            ("three uncertain cells", field(0, 0, 0, 3), false, false),
        ];
        let mut wrong = Vec::new();
        for (name, field, white, uncertain) in cases {
            let warnings = summary([field]).warnings;
            let has = |test: fn(&Warning) -> bool| warnings.iter().any(test);
            let actual = (
                has(|warning| matches!(warning, Warning::TooManyWhiteCells { .. })),
                has(|warning| matches!(warning, Warning::ManyUncertain { .. })),
            );
            if actual != (white, uncertain) {
                wrong.push(format!("{name}: {warnings:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_field_beyond_the_limits_leaves_the_tally_as_it_was() {
        let mut smear = smear([field(5, 0, 0, 0)]);
        let before = smear;
        let no_area = FieldTally {
            area_q8: 0,
            ..field(1, 1, 1, 1)
        };
        let endless = FieldTally {
            area_q8: u64::MAX,
            ..field(1, 1, 1, 1)
        };
        let cases = [
            ("no area", no_area, TallyError::NoArea),
            ("endless area", endless, TallyError::Full),
            (
                "too many cells",
                field(MAX_CELLS, 0, 0, 0),
                TallyError::Full,
            ),
            ("sum overflows", field(u32::MAX, 1, 1, 1), TallyError::Full),
        ];
        for (name, field, error) in cases {
            assert_eq!(smear.add(&field), Err(error), "{name}");
            assert_eq!(smear, before, "{name}");
        }
        for _ in 1..MAX_FIELDS {
            smear.add(&field(0, 0, 0, 0)).unwrap();
        }
        assert_eq!(smear.add(&field(0, 0, 0, 0)), Err(TallyError::Full));
    }

    #[test]
    fn warnings_say_what_to_do() {
        let warnings = [
            (
                Warning::TooManyWhiteCells {
                    wbc: 50,
                    rbc: 40,
                    limit: 0.1,
                },
                ["50 white to 40 red", "limit 1 to 10", "look at the cells"],
            ),
            (
                Warning::ManyUncertain {
                    uncertain: 30,
                    cells: 90,
                    limit: 0.2,
                },
                ["30 of 90", "20 %", "check focus"],
            ),
            (
                Warning::Overdispersed {
                    class: CellClass::Plt,
                    index: 3.25,
                },
                ["PLT", "3.2 times", "count more fields"],
            ),
        ];
        for (warning, parts) in warnings {
            let text = warning.to_string();
            for part in parts {
                assert!(text.contains(part), "{part:?} is missing in {text:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_summary_adds_up(
            counts in prop::collection::vec((0u32..300, 0u32..5, 0u32..30, 0u32..10), 0..40),
        ) {
            let fields = counts.iter().map(|&(rbc, wbc, plt, un)| field(rbc, wbc, plt, un));
            let summary = summary(fields);
            let total: u32 = counts.iter().map(|count| count.0).sum();
            prop_assert_eq!(summary.class(CellClass::Rbc).counted, total);
            prop_assert_eq!(summary.fields as usize, counts.len());
            let figures = summary.classes.values().flat_map(|class| {
                [Some(class.count), class.per_1000_rbc, Some(class.share)]
            });
            for figure in figures.flatten().flatten() {
                let (value, interval) = (figure.value(), figure.interval());
                prop_assert!(interval.low <= value && value <= interval.high);
                prop_assert!(interval.low >= 0.0 && interval.high.is_finite());
            }
        }
    }
}
