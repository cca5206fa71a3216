//! The rules, one function each, and the limits that they hold a smear against.

use super::colour::TrainingColours;
use super::facts::{PARTS, SmearFacts};
use super::finding::{Effect, Finding};
use super::{Assessment, MAX_FINDINGS};
use crate::cell::{CellClass, PerClass};
use crate::count::{
    CLUMP_FIELDS, Confidence, Dispersion, MIN_FIELDS, Summary, proportion_interval, ratio_interval,
};
use crate::quality::RejectReason;

/// Where the rules draw their lines. The defaults are explained in `docs/trust.md`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AssessmentLimits {
    /// White cells by 1000 red cells that deserve a remark: at 5 million red cells a microlitre it
    /// is 125,000, beyond the 100,000 of hyperleukocytosis (Roellig and Hiddemann, Leukemia 2012).
    pub wbc_remark_per_1000: u32,
    /// White cells by 1000 red cells from which nothing is believed.
    pub wbc_withhold_per_1000: u32,
    /// Platelets by 1000 red cells that deserve a remark: at 5 million red cells a microlitre it
    /// is 1.25 million, beyond the 1 million of extreme thrombocytosis.
    pub plt_remark_per_1000: u32,
    /// Platelets by 1000 red cells from which nothing is believed.
    pub plt_withhold_per_1000: u32,
    /// Share of uncertain cells that deserves a remark, in percent.
    pub uncertain_remark_percent: u32,
    /// Share of uncertain cells from which nothing is believed, in percent.
    pub uncertain_withhold_percent: u32,
    /// How much larger or smaller than expected red cells may be, in percent.
    pub size_tolerance_percent: u32,
    /// Median share of a field that is covered which deserves a remark, in thousandths.
    pub coverage_remark_permille: u32,
    /// Median share of a field that is covered from which nothing is believed, in thousandths.
    pub coverage_withhold_permille: u32,
    /// The colours that the model was trained on, where its manifest tells them.
    pub training_colours: Option<TrainingColours>,
}

impl Default for AssessmentLimits {
    fn default() -> Self {
        Self {
            wbc_remark_per_1000: 25,
            wbc_withhold_per_1000: 100,
            plt_remark_per_1000: 250,
            plt_withhold_per_1000: 600,
            uncertain_remark_percent: 8,
            uncertain_withhold_percent: 20,
            size_tolerance_percent: 12,
            coverage_remark_permille: 650,
            coverage_withhold_permille: 680,
            training_colours: None,
        }
    }
}

/// Fields of a smear that were refused, as far as the rules need them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusedFields {
    /// Since their red and blue are exchanged.
    pub exchanged: u32,
    /// For their light, contrast, focus or movement.
    pub unclear: u32,
}

impl RefusedFields {
    /// Adds so many fields that were refused for one reason.
    pub fn add(&mut self, reason: RejectReason, fields: u32) {
        let count = match reason {
            RejectReason::ColoursExchanged => &mut self.exchanged,
            RejectReason::Underexposed
            | RejectReason::Overexposed
            | RejectReason::LowContrast
            | RejectReason::Blurred
            | RejectReason::PartlyBlurred
            | RejectReason::MovedDuringExposure => &mut self.unclear,
            // What is not there, or lies elsewhere on the slide, says nothing of other fields.
            RejectReason::RimCoversField
            | RejectReason::NoContrast
            | RejectReason::NotASmear
            | RejectReason::TooThick => return,
        };
        *count = count.saturating_add(fields);
    }
}

/// A smear's counts, as far as the rules need them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counts {
    /// Certain cells.
    pub certain: PerClass<u32>,
    /// Uncertain cells.
    pub uncertain: u32,
    /// Index of dispersion of each class, where its fields differ by more than chance.
    pub overdispersed: PerClass<Option<f64>>,
    /// Fields counted.
    pub fields: u32,
    /// Fields that were refused.
    pub refused: RefusedFields,
    /// Fields with platelets in a clump.
    pub fields_with_clumps: u32,
    /// Fields that the operator had counted although they were refused.
    pub forced_fields: u32,
}

impl Counts {
    /// The counts of a summary, beside which these fields were refused.
    pub fn of(summary: &Summary, refused: RefusedFields) -> Self {
        Self {
            certain: PerClass::from_fn(|class| summary.class(class).counted),
            uncertain: summary.uncertain,
            overdispersed: PerClass::from_fn(|class| {
                let class = summary.class(class);
                let dispersion = class.dispersion.filter(Dispersion::is_overdispersed)?;
                // Without a figure there is nothing that it could be about.
                class.count.ok().map(|_| dispersion.index)
            }),
            fields: summary.fields,
            refused,
            fields_with_clumps: summary.fields_with_clumps,
            forced_fields: 0,
        }
    }
}

/// Cells of a kind beneath which a rule about its numbers says nothing: chance could do it.
const FEWEST_CELLS: u32 = 10;
/// Refused fields beneath which their share says nothing.
const FEWEST_REFUSED_FIELDS: u32 = 5;
/// White cells beneath which their size says nothing.
const FEWEST_WHITE_CELLS: u32 = 5;
/// Median diameter of white cells over that of red cells under which they are not believed, in
/// percent: 21 right groups had 154 to 213, 15 wrong ones 86 to 131.
const WHITE_SIZE_PERCENT: u32 = 140;
/// Median shares of dark area without a cell, in thousandths, that deserve a remark and that
/// withhold: `docs/trust.md`.
const UNEXPLAINED_PERMILLE: [u32; 2] = [60, 100];
/// Median confidence of red cells that deserves a remark, and under which nothing is believed, in
/// percent: 38 right groups had 95 to 99, thick or doubly exposed ones mostly 67 to 94.
const RED_CONFIDENCE_PERCENT: [u32; 2] = [95, 90];
/// The same of white cells: 38 right groups had 97 to 99, those at a wrong scale 80 to 87.
const WHITE_CONFIDENCE_PERCENT: [u32; 2] = [94, 88];
/// Fields with clumps from which the smear is worthless for platelets, in percent of all: in normal
/// blood some lie side by side by chance, and the figure says "at least" then.
const CLUMP_WITHHOLD_PERCENT: u64 = 50;
/// How far the median red cell of a field may lie from that of its smear, in percent.
pub const FIELD_SIZE_PERCENT: u32 = 18;
/// The fewest fields of another scale that are told.
const FEWEST_ODD_FIELDS: u32 = 2;
/// Platelets at fixed places beyond which the count of platelets is withheld, in percent of all.
const FIXED_WITHHOLD_PERCENT: u32 = 20;

/// Cells of a class in one field that withhold the result where they are more than half of all:
/// computed for ten fields and an index of dispersion of 4, at most 1 % of smears have so many.
const MOST_BY_CHANCE: u32 = 20;
/// Distance of a smear's colours from those of training that deserves a remark, and beyond which
/// nothing is believed, in hundredths of a standard deviation: of development smears 98 % lie within
/// 200, those whose colours are turned by 60 degrees beyond 500.
const COLOUR_DISTANCE_E2: [u32; 2] = [250, 500];

/// Holds a smear against every rule.
pub fn assess(counts: &Counts, facts: &SmearFacts, limits: &AssessmentLimits) -> Assessment {
    let overdispersed = CellClass::ALL.map(|class| {
        let index = counts.overdispersed[class]?;
        Some(Finding::Overdispersed { class, index })
    });
    let found: [Option<Finding>; MAX_FINDINGS - CellClass::COUNT] = [
        cells_of_wrong_size(facts, limits),
        two_scales(facts),
        white_cells_of_red_size(facts),
        white_cells_beyond_blood(counts, limits),
        platelets_beyond_blood(counts, limits),
        many_uncertain(counts, limits),
        crowded(facts, limits),
        dark_without_cells(facts),
        unsure_red_cells(facts),
        unsure_white_cells(facts),
        fixed_marks(counts, facts),
        clumps(counts),
        colours_exchanged(counts),
        fields_forced(counts),
        many_fields_refused(counts),
        colours_unlike_training(facts, limits),
        one_field_holds_most(CellClass::Wbc, counts, facts),
        one_field_holds_most(CellClass::Plt, counts, facts),
        dark_rim(facts),
    ];
    Assessment::collect(found.into_iter().chain(overdispersed).flatten())
}

/// What was refused is less sure than what was not, whatever the operator saw.
fn fields_forced(counts: &Counts) -> Option<Finding> {
    (counts.forced_fields > 0).then_some(Finding::FieldsForced {
        forced: counts.forced_fields,
        of_fields: counts.fields,
    })
}

/// Where gates refuse a third of a smear, what passes them lies near their limits.
fn many_fields_refused(counts: &Counts) -> Option<Finding> {
    let refused = counts.refused.unclear;
    let are_many = refused >= FEWEST_REFUSED_FIELDS && refused >= counts.fields / 2;
    are_many.then_some(Finding::ManyFieldsRefused {
        refused,
        of_fields: refused.saturating_add(counts.fields),
    })
}

/// The stricter effect whose limit, per 1000, the low end of a ratio's 95 % interval lies above.
fn ratio_effect(
    successes: u32,
    failures: u32,
    [remark, withhold]: [u32; 2],
) -> Option<(Effect, u32)> {
    if successes < FEWEST_CELLS {
        return None;
    }
    let beyond = |limit: u32| {
        let limit = f64::from(limit) / 1000.0;
        // The ratio itself is cheap, and its low end is lower.
        f64::from(successes) > limit * f64::from(failures)
            && ratio_interval(successes, failures, 1.0, Confidence::default()).low > limit
    };
    if beyond(withhold) {
        Some((Effect::Withhold, withhold))
    } else {
        beyond(remark).then_some((Effect::Remark, remark))
    }
}

fn white_cells_beyond_blood(counts: &Counts, limits: &AssessmentLimits) -> Option<Finding> {
    let (wbc, rbc) = (
        counts.certain[CellClass::Wbc],
        counts.certain[CellClass::Rbc],
    );
    let limits = [limits.wbc_remark_per_1000, limits.wbc_withhold_per_1000];
    let (effect, limit_per_1000) = ratio_effect(wbc, rbc, limits)?;
    Some(Finding::WhiteCellsBeyondBlood {
        wbc,
        rbc,
        limit_per_1000,
        effect,
    })
}

fn platelets_beyond_blood(counts: &Counts, limits: &AssessmentLimits) -> Option<Finding> {
    let (plt, rbc) = (
        counts.certain[CellClass::Plt],
        counts.certain[CellClass::Rbc],
    );
    let limits = [limits.plt_remark_per_1000, limits.plt_withhold_per_1000];
    let (effect, limit_per_1000) = ratio_effect(plt, rbc, limits)?;
    Some(Finding::PlateletsBeyondBlood {
        plt,
        rbc,
        limit_per_1000,
        effect,
    })
}

fn white_cells_of_red_size(facts: &SmearFacts) -> Option<Finding> {
    let cells = facts.white_sizes().total();
    let percent = percent(facts.white_sizes().median()?, facts.red_sizes().median()?);
    let is_small = cells >= FEWEST_WHITE_CELLS && percent < WHITE_SIZE_PERCENT;
    is_small.then_some(Finding::WhiteCellsOfRedSize { percent, cells })
}

fn many_uncertain(counts: &Counts, limits: &AssessmentLimits) -> Option<Finding> {
    let uncertain = counts.uncertain;
    let certain: u32 = counts.certain.values().sum();
    let cells = certain.saturating_add(uncertain);
    if uncertain < FEWEST_CELLS {
        return None;
    }
    let beyond = |limit_percent: u32| {
        let limit = f64::from(limit_percent) / 100.0;
        f64::from(uncertain) > limit * f64::from(cells)
            && proportion_interval(uncertain, certain, 1.0, Confidence::default()).low > limit
    };
    let [remark, withhold] = [
        limits.uncertain_remark_percent,
        limits.uncertain_withhold_percent,
    ];
    let (effect, limit_percent) = if beyond(withhold) {
        (Effect::Withhold, withhold)
    } else if beyond(remark) {
        (Effect::Remark, remark)
    } else {
        return None;
    };
    Some(Finding::ManyUncertain {
        uncertain,
        cells,
        limit_percent,
        effect,
    })
}

/// Whether neither the red cells' size nor its differences between fields speak against the scale.
pub fn fits_scale(facts: &SmearFacts, limits: &AssessmentLimits) -> bool {
    cells_of_wrong_size(facts, limits).is_none() && two_scales(facts).is_none()
}

fn cells_of_wrong_size(facts: &SmearFacts, limits: &AssessmentLimits) -> Option<Finding> {
    let cells = facts.red_sizes().total();
    let percent = percent(facts.red_sizes().median()?, PARTS);
    let is_wrong = cells >= FEWEST_CELLS && percent.abs_diff(100) > limits.size_tolerance_percent;
    is_wrong.then_some(Finding::CellsOfWrongSize { percent, cells })
}

fn two_scales(facts: &SmearFacts) -> Option<Finding> {
    let sizes = facts.field_sizes();
    let middle = sizes.median()?;
    let margin = middle * FIELD_SIZE_PERCENT / 100;
    let fields = sizes.outside(middle - margin, middle + margin);
    (fields >= FEWEST_ODD_FIELDS).then_some(Finding::TwoScales {
        fields,
        of_fields: sizes.total(),
    })
}

fn crowded(facts: &SmearFacts, limits: &AssessmentLimits) -> Option<Finding> {
    let covered = facts.coverage_permille()?;
    let effect = if covered > limits.coverage_withhold_permille {
        Effect::Withhold
    } else if covered > limits.coverage_remark_permille {
        Effect::Remark
    } else {
        return None;
    };
    Some(Finding::Crowded {
        covered_percent: covered / 10,
        effect,
    })
}

fn dark_without_cells(facts: &SmearFacts) -> Option<Finding> {
    let unexplained_permille = facts.unexplained_permille()?;
    let [remark, withhold] = UNEXPLAINED_PERMILLE;
    let effect = if unexplained_permille > withhold {
        Effect::Withhold
    } else if unexplained_permille > remark {
        Effect::Remark
    } else {
        return None;
    };
    Some(Finding::DarkWithoutCells {
        unexplained_permille,
        effect,
    })
}

/// The effect of a median confidence, in percent.
fn confidence_effect(percent: u32, [remark, withhold]: [u32; 2]) -> Option<Effect> {
    if percent < withhold {
        Some(Effect::Withhold)
    } else {
        (percent < remark).then_some(Effect::Remark)
    }
}

fn unsure_red_cells(facts: &SmearFacts) -> Option<Finding> {
    let confidence_percent = facts.red_confidence_percent()?;
    let effect = confidence_effect(confidence_percent, RED_CONFIDENCE_PERCENT)?;
    Some(Finding::UnsureRedCells {
        confidence_percent,
        effect,
    })
}

fn unsure_white_cells(facts: &SmearFacts) -> Option<Finding> {
    let (confidence_percent, cells) = facts.white_confidence_percent()?;
    let effect = confidence_effect(confidence_percent, WHITE_CONFIDENCE_PERCENT)?;
    (cells >= FEWEST_WHITE_CELLS).then_some(Finding::UnsureWhiteCells {
        confidence_percent,
        cells,
        effect,
    })
}

fn fixed_marks(counts: &Counts, facts: &SmearFacts) -> Option<Finding> {
    let marks = facts.fixed_marks();
    let plt = counts.certain[CellClass::Plt];
    (marks > 0).then_some(Finding::FixedMarks {
        marks,
        plt,
        effect: if marks.saturating_mul(100) >= plt.saturating_mul(FIXED_WITHHOLD_PERCENT) {
            Effect::Withhold
        } else {
            Effect::Remark
        },
    })
}

fn colours_exchanged(counts: &Counts) -> Option<Finding> {
    let fields = counts.refused.exchanged;
    (fields >= FEWEST_ODD_FIELDS).then_some(Finding::ColoursExchanged { fields })
}

fn colours_unlike_training(facts: &SmearFacts, limits: &AssessmentLimits) -> Option<Finding> {
    let distance_e2 = facts.colours().distance_e2(&limits.training_colours?)?;
    let [remark, withhold] = COLOUR_DISTANCE_E2;
    let effect = if distance_e2 > withhold {
        Effect::Withhold
    } else if distance_e2 > remark {
        Effect::Remark
    } else {
        return None;
    };
    Some(Finding::ColoursUnlikeTraining {
        distance_e2,
        effect,
    })
}

fn one_field_holds_most(class: CellClass, counts: &Counts, facts: &SmearFacts) -> Option<Finding> {
    let cells = facts.most_in_a_field(class);
    let of_cells = counts.certain[class];
    let is_most = counts.fields >= MIN_FIELDS && of_cells >= FEWEST_CELLS && cells > of_cells / 2;
    is_most.then_some(Finding::OneFieldHoldsMost {
        class,
        cells,
        of_cells,
        effect: if cells >= MOST_BY_CHANCE {
            Effect::Withhold
        } else {
            Effect::Remark
        },
    })
}

fn dark_rim(facts: &SmearFacts) -> Option<Finding> {
    let (fields, permille) = facts.rims()?;
    let percent = permille.div_ceil(10);
    Some(Finding::DarkRim { fields, percent })
}

fn clumps(counts: &Counts) -> Option<Finding> {
    let fields = counts.fields_with_clumps;
    let is_common = counts.fields >= MIN_FIELDS
        && u64::from(fields) * 100 >= u64::from(counts.fields) * CLUMP_WITHHOLD_PERCENT;
    let effect = if is_common {
        Effect::Withhold
    } else {
        Effect::Remark
    };
    (fields >= CLUMP_FIELDS).then_some(Finding::PlateletsClump { fields, effect })
}

/// `part` in percent of `whole`, rounded down; 0 for nothing.
fn percent(part: u32, whole: u32) -> u32 {
    (part.saturating_mul(100)).checked_div(whole).unwrap_or(0)
}
