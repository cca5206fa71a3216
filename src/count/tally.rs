//! Counts over the fields of a smear, and what may be said about them.

use super::clump::CLUMP_FIELDS;
use super::dispersion::{Dispersion, count_dispersion, ratio_dispersion};
use super::field::FieldTally;
use super::figure::{Figure, FigureFlags, TooFew};
use super::interval::{Confidence, poisson_interval, ratio_interval};
use super::rules::{CountRules, MIN_FIELDS};
use super::student::student_inflation;
use super::summary::{ClassSummary, Progress, Summary};
use crate::cell::{CellClass, PerClass};
use thiserror::Error;

/// The most cells of one smear, uncertain ones included: more than its monolayer holds.
pub const MAX_CELLS: u32 = 100_000_000;
/// The most fields of one smear.
pub const MAX_FIELDS: u32 = 1_000_000;

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

/// Counts over all fields of a smear so far. Its size does not grow with the number of fields.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SmearTally {
    fields: u32,
    area_q8: u64,
    certain: PerClass<u32>,
    uncertain: u32,
    fields_with_clumps: u32,
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

    fn inflation(&self, confidence: Confidence) -> f64 {
        inflation(self.dispersion(), self.fields, confidence)
    }

    /// Successes to 1000 failures, of which there must be some; `scatter` is that of the ratio.
    fn per_1000(&self, scatter: f64, rules: &CountRules) -> Figure {
        let value = f64::from(self.successes) / f64::from(self.failures);
        let inflation = self.inflation(rules.confidence);
        let interval = ratio_interval(self.successes, self.failures, inflation, rules.confidence)
            .with_scatter(value, scatter, rules.confidence);
        Figure::per_1000_rbc(1000.0 * value, interval.scaled(1000.0), self.successes)
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
        self.fields_with_clumps += u32::from(field.has_clump);
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

    /// Fields with platelets in a clump.
    pub fn fields_with_clumps(&self) -> u32 {
        self.fields_with_clumps
    }

    /// Whether the platelets clump: one field may show a chance group, more do not.
    pub fn do_platelets_clump(&self) -> bool {
        self.fields_with_clumps >= CLUMP_FIELDS
    }

    /// What may be said about the smear so far.
    pub fn summary(&self, rules: &CountRules) -> Summary {
        let classes = PerClass::from_fn(|class| self.class_summary(class, rules));
        Summary {
            fields: self.fields,
            confidence: rules.confidence,
            classes,
            uncertain: self.uncertain,
            area_q8: self.area_q8,
            fields_with_clumps: self.fields_with_clumps,
            uncertain_dispersion: self.uncertain_against_certain.dispersion(),
        }
    }

    /// All counted cells; [`SmearTally::add`] keeps the sum within [`MAX_CELLS`].
    fn cells(&self) -> u32 {
        self.certain.values().sum::<u32>() + self.uncertain
    }

    fn class_summary(&self, class: CellClass, rules: &CountRules) -> ClassSummary {
        let dispersion = self.dispersion(class);
        let per_1000_rbc = (class != CellClass::Rbc).then(|| self.per_1000_rbc(class, rules));
        ClassSummary {
            class,
            counted: self.class(class),
            count: self.count(class, dispersion, rules),
            per_1000_rbc,
            dispersion,
            ratio_dispersion: self.against_red[class].dispersion(),
            share_dispersion: self.against_others[class].dispersion(),
            progress: self.progress(class, rules),
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
    ) -> Result<Figure, TooFew> {
        require_fields(self.fields)?;
        let count = self.require(class, rules.needed_cells())?;
        let inflation = inflation(dispersion, self.fields, rules.confidence);
        let interval = poisson_interval(count, inflation, rules.confidence).with_scatter(
            f64::from(count),
            rules.count_scatter[class],
            rules.confidence,
        );
        Ok(Figure::of_count(count, interval).with_flags(self.flags(class, dispersion)))
    }

    fn per_1000_rbc(&self, class: CellClass, rules: &CountRules) -> Result<Figure, TooFew> {
        let pair = &self.against_red[class];
        require_fields(pair.fields)?;
        self.require(CellClass::Rbc, rules.needed_reference_cells())?;
        self.require(class, rules.needed_cells())?;
        // The network errs in both, independently.
        let [of_class, of_red] = [class, CellClass::Rbc].map(|class| rules.count_scatter[class]);
        let figure = pair.per_1000(libm::hypot(of_class, of_red), rules);
        Ok(figure.with_flags(self.flags(class, pair.dispersion())))
    }

    fn flags(&self, class: CellClass, dispersion: Option<Dispersion>) -> FigureFlags {
        FigureFlags {
            is_at_least: class == CellClass::Plt && self.do_platelets_clump(),
            ..flags_of(dispersion)
        }
    }

    /// The certain cells of a class, where they are enough.
    fn require(&self, class: CellClass, needed: u32) -> Result<u32, TooFew> {
        require_cells(class, self.class(class), needed)
    }

    /// A class is done at so many cells that its ratio is as precise as the target makes it where
    /// cells lie at random. Stopping hangs on n and the index only, never on the ratio itself,
    /// which would bias it. Red cells are what others are taken against; how unevenly they lie is
    /// in the others' index.
    pub(super) fn progress(&self, class: CellClass, rules: &CountRules) -> Progress {
        let have = self.class(class);
        // From a few fields the index is anybody's guess, and would make the target jump.
        let dispersion = (self.fields >= MIN_FIELDS)
            .then(|| self.against_red[class].dispersion())
            .flatten();
        let inflation = variance_inflation_of(dispersion);
        let target = libm::ceil(f64::from(rules.targets[class]) * inflation) as u32;
        let need = target.max(rules.needed_cells());
        let more = MIN_FIELDS.saturating_sub(self.fields);
        Progress {
            have,
            need,
            fields_left: self.fields_left(have, need).map(|fields| fields.max(more)),
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
}

/// By how much the variance behind an interval exceeds that of cells at random: the dispersion,
/// and the price of knowing it from so few fields.
fn inflation(dispersion: Option<Dispersion>, fields: u32, confidence: Confidence) -> f64 {
    variance_inflation_of(dispersion) * student_inflation(fields.saturating_sub(1), confidence)
}

fn require_fields(counted: u32) -> Result<(), TooFew> {
    if counted < MIN_FIELDS {
        return Err(TooFew::Fields {
            counted,
            needed: MIN_FIELDS,
        });
    }
    Ok(())
}

fn require_cells(class: CellClass, counted: u32, needed: u32) -> Result<u32, TooFew> {
    if counted < needed {
        return Err(TooFew::Cells {
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
        is_at_least: false,
    }
}

fn square(count: u32) -> f64 {
    f64::from(count) * f64::from(count)
}
