//! A summary as one line of JSON, for machine readers.

use crate::RESEARCH_USE_NOTICE;
use crate::assessment::{Assessment, Effect, Finding};
use crate::cell::{PerClass, by_name};
use crate::count::{ClassSummary, Figure, Summary, TooFew};
use serde::Serialize;

/// The line itself: `{"summary": ...}`, so that it is told from the lines of frames.
#[derive(Debug, Serialize)]
pub struct SummaryLine {
    /// What the line says.
    pub summary: SummaryRecord,
}

/// All that a smear's table says.
#[derive(Debug, Serialize)]
pub struct SummaryRecord {
    /// `result`, `result_with_remarks` or `withheld`.
    pub verdict: &'static str,
    /// Fields counted.
    pub fields: u32,
    /// Inputs that could not be counted.
    pub not_counted: u64,
    /// Inputs that need not be counted: copies, and overlays of this program.
    pub left_out: u64,
    /// Confidence of every interval, 0 to 1.
    pub confidence: f64,
    /// What may be said about each class.
    #[serde(serialize_with = "by_name")]
    pub classes: PerClass<ClassRecord>,
    /// Uncertain cells counted.
    pub uncertain: u32,
    /// What puts the figures in doubt, most serious first.
    pub findings: Vec<FindingRecord>,
    /// What counted, and at which scale.
    pub notes: Vec<String>,
    /// What the result may be used for.
    pub notice: &'static str,
}

/// One class of a summary.
#[derive(Debug, Serialize)]
pub struct ClassRecord {
    /// Certain cells counted.
    pub n: u32,
    /// Cells per 1000 red cells; null for red cells themselves, where there are too few cells, and
    /// where the result is withheld.
    pub per_1000_rbc: Option<FigureRecord>,
    /// Why there is no figure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// A figure with its interval.
#[derive(Debug, Serialize)]
pub struct FigureRecord {
    /// The number.
    pub value: f64,
    /// The low end of its interval.
    pub low: f64,
    /// The high end of its interval.
    pub high: f64,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct FindingRecord {
    /// The rule's name.
    pub id: &'static str,
    /// Whether it withholds the result, or only remarks on it.
    pub withholds: bool,
    /// What was found, and what to do.
    pub text: String,
}

impl SummaryRecord {
    /// Makes the line of a summary.
    pub fn new(summary: &Summary, assessment: &Assessment, notes: &[String]) -> Self {
        let is_withheld = assessment.hides_figures();
        Self {
            verdict: assessment.verdict().id(),
            fields: summary.fields,
            not_counted: 0,
            left_out: 0,
            confidence: summary.confidence.value(),
            classes: PerClass::from_fn(|class| ClassRecord::new(summary.class(class), is_withheld)),
            uncertain: summary.uncertain,
            findings: assessment.findings().map(FindingRecord::from).collect(),
            notes: notes.to_vec(),
            notice: RESEARCH_USE_NOTICE,
        }
    }

    /// The same with what became of the inputs that were not counted.
    pub fn with_inputs(self, not_counted: u64, left_out: u64) -> Self {
        Self {
            not_counted,
            left_out,
            ..self
        }
    }
}

impl ClassRecord {
    fn new(class: &ClassSummary, is_withheld: bool) -> Self {
        let figure = class.per_1000_rbc;
        let why_not = match figure {
            Some(_) if is_withheld => Some("withheld: see the findings".to_owned()),
            Some(Err(few)) => Some(few.to_string()),
            Some(Ok(_)) | None => None,
        };
        let shown = figure.and_then(Result::<Figure, TooFew>::ok);
        Self {
            n: class.counted,
            per_1000_rbc: shown.filter(|_| !is_withheld).map(|figure| FigureRecord {
                value: figure.value(),
                low: figure.interval().low,
                high: figure.interval().high,
            }),
            why_not,
        }
    }
}

impl From<&Finding> for FindingRecord {
    fn from(finding: &Finding) -> Self {
        Self {
            id: finding.id(),
            withholds: finding.effect() == Effect::Withhold,
            text: finding.to_string(),
        }
    }
}
