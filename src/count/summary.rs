//! What may be said about a smear: plain values, made by [`SmearTally`](super::SmearTally).

use super::dispersion::Dispersion;
use super::figure::{Figure, TooFew};
use super::interval::Confidence;
use crate::cell::{CellClass, PerClass};
use std::fmt;

/// How far counting has come towards a class's target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Cells counted.
    pub have: u32,
    /// Cells to count towards: the target, and as many times more as the fields are uneven.
    pub need: u32,
    /// About how many more fields that takes, at this smear's own rate; 0 when done, `None` before
    /// the first cell.
    pub fields_left: Option<u32>,
}

impl Progress {
    /// Whether there are cells and fields enough.
    pub fn is_done(&self) -> bool {
        self.fields_left == Some(0)
    }
}

/// What may be said about one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassSummary {
    /// The class that is summed up.
    pub class: CellClass,
    /// Certain cells counted, whether or not they suffice for a figure.
    pub counted: u32,
    /// The count, with the interval for its expected value over the same fields.
    pub count: Result<Figure, TooFew>,
    /// Cells per 1000 red cells; `None` for red cells themselves.
    pub per_1000_rbc: Option<Result<Figure, TooFew>>,
    /// How unevenly the class lies over the slide; `None` without a cell.
    pub dispersion: Option<Dispersion>,
    /// How much its ratio to the red cells differs between fields; `None` for red cells
    /// themselves, and without a cell of either.
    pub ratio_dispersion: Option<Dispersion>,
    /// How much its share of all certain cells differs between fields; `None` where it is nothing
    /// or all.
    pub share_dispersion: Option<Dispersion>,
    /// How far this class is from its target.
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
    /// The area that all fields stand for, in 1/256 of a square pixel.
    pub area_q8: u64,
    /// Fields with platelets in a clump.
    pub fields_with_clumps: u32,
    /// How much the share of uncertain cells differs between fields; `None` where it is nothing or
    /// all.
    pub uncertain_dispersion: Option<Dispersion>,
    /// What makes the counts doubtful.
    pub warnings: Warnings,
}

impl Summary {
    /// Whether every class has cells enough.
    pub fn is_done(&self) -> bool {
        let mut classes = self.classes.values();
        classes.all(|class| class.progress.is_done())
    }

    /// The classes that have fewer cells than their target, red cells last.
    pub fn not_reached(&self) -> impl Iterator<Item = &ClassSummary> {
        let classes = CellClass::ALL.into_iter().rev();
        let classes = classes.map(|class| self.class(class));
        classes.filter(|class| class.progress.have < class.progress.need)
    }

    /// The summary of one class.
    pub fn class(&self, class: CellClass) -> &ClassSummary {
        &self.classes[class]
    }
}

/// The warnings of a summary, most serious first. There are few, so they are kept in place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warnings {
    pub(super) of_the_smear: [Option<Warning>; 3],
    pub(super) of_classes: PerClass<Option<Warning>>,
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
    /// Platelets stick together: there are more than were counted.
    PlateletsClump {
        /// Fields that show a clump.
        fields: u32,
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
    /// Cells of a class lie unevenly over the fields.
    Overdispersed {
        /// The class that lies unevenly.
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
            Warning::PlateletsClump { fields } => write!(
                formatter,
                "platelets lie in clumps in {fields} fields: there are more than were counted; \
                 make a new film"
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
