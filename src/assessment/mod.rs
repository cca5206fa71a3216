//! What may be said of a smear as a whole: every rule of plausibility in one place, for the
//! screen, the table, JSON lines and records alike.
//!
//! ```text
//! cells of each counted field -> SmearFacts -+
//! count::Summary -----------------------------+-> assess -> Assessment: verdict and findings
//! ```
//!
//! Pure arithmetic on whole numbers and on figures that [`crate::count`] made. `docs/trust.md`
//! tells what each limit was set by, and what no rule can see.

mod colour;
mod facts;
mod finding;
mod histogram;
mod rules;

pub use colour::{CellColour, ColourCloud, FieldColours, SmearColours, TrainingColours};
pub use facts::{FieldEvidence, PARTS, SmearFacts};
pub use finding::{CLUMPS_ID, Effect, Finding};
pub use histogram::ValueHistogram;
pub use rules::{AssessmentLimits, Counts, FIELD_SIZE_PERCENT, RefusedFields, assess, fits_scale};

/// What a smear's figures are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against them.
    Result,
    /// They stand, with what the findings say.
    ResultWithRemarks,
    /// They are not shown as a result: something is wrong that makes them worthless.
    Withheld,
}

impl Verdict {
    /// Its name in records.
    pub fn id(self) -> &'static str {
        match self {
            Verdict::Result => "result",
            Verdict::ResultWithRemarks => "result_with_remarks",
            Verdict::Withheld => "withheld",
        }
    }
}

/// The most findings that one smear can have: one for each rule, over-dispersion for each class.
const MAX_FINDINGS: usize = 22;

/// All findings of a smear, those that withhold its figures first. There are few, so they are kept
/// in place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Assessment {
    findings: [Option<Finding>; MAX_FINDINGS],
    /// Whether the run that counted the smear hid its figures.
    was_hidden: bool,
}

impl Assessment {
    /// Collects findings; what is beyond the most that the rules can give is left out.
    fn collect(findings: impl Iterator<Item = Finding> + Clone) -> Self {
        let of = |effect| findings.clone().filter(move |one| one.effect() == effect);
        let mut collected = Self::default();
        let ordered = of(Effect::Withhold).chain(of(Effect::Remark));
        for (place, finding) in collected.findings.iter_mut().zip(ordered) {
            *place = Some(finding);
        }
        collected
    }

    /// The findings, most serious first.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().flatten()
    }

    /// The same of a smear whose run hid its figures, for reasons that what is kept of it does not
    /// show.
    pub fn hidden_by_its_run(self) -> Self {
        Self {
            was_hidden: true,
            ..self
        }
    }

    /// Whether no ratio may be shown, as [`Finding::hides_figures`].
    pub fn hides_figures(&self) -> bool {
        self.was_hidden || self.findings().any(Finding::hides_figures)
    }

    /// What the figures are worth.
    pub fn verdict(&self) -> Verdict {
        match self.findings().next().map(Finding::effect) {
            _ if self.was_hidden => Verdict::Withheld,
            None => Verdict::Result,
            Some(Effect::Remark) => Verdict::ResultWithRemarks,
            Some(Effect::Withhold) => Verdict::Withheld,
        }
    }
}

#[cfg(test)]
mod tests;
