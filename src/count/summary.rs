//! What may be said about a smear: plain values, made by [`SmearTally`](super::SmearTally).

use super::dispersion::Dispersion;
use super::figure::{Figure, TooFew};
use super::interval::Confidence;
use crate::cell::{CellClass, PerClass};

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
}

impl Summary {
    /// Whether every class has cells enough.
    pub fn is_done(&self) -> bool {
        let mut classes = self.classes.values();
        classes.all(|class| class.progress.is_done())
    }

    /// Whether any class has a figure beside the red cells.
    pub fn has_figure(&self) -> bool {
        let ratios = self
            .classes
            .values()
            .filter_map(|class| class.per_1000_rbc.as_ref());
        ratios.into_iter().any(Result::is_ok)
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
