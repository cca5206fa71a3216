//! What a rule found, with the figures behind it and what to do.

use crate::cell::CellClass;
use std::fmt;

/// What a finding does to a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The figures stand, and the remark stands beside them.
    Remark,
    /// The figures are not shown as a result.
    Withhold,
}

/// Something that puts a smear's figures in doubt. Shares are in percent or thousandths, sizes in
/// percent of the red cell's diameter that the scale gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// More white cells by red cells than blood holds.
    WhiteCellsBeyondBlood {
        /// White cells counted.
        wbc: u32,
        /// Red cells counted.
        rbc: u32,
        /// The limit that the interval's low end lies above, white cells per 1000 red cells.
        limit_per_1000: u32,
        /// Whether even extreme leukaemia does not explain it.
        effect: Effect,
    },
    /// What is called white is hardly larger than red cells are.
    WhiteCellsOfRedSize {
        /// Median diameter of the white cells, in percent of that of the red cells.
        percent: u32,
        /// White cells measured.
        cells: u32,
    },
    /// More platelets by red cells than blood holds.
    PlateletsBeyondBlood {
        /// Platelets counted.
        plt: u32,
        /// Red cells counted.
        rbc: u32,
        /// The limit that the interval's low end lies above, platelets per 1000 red cells.
        limit_per_1000: u32,
        /// Whether even extreme thrombocytosis does not explain it.
        effect: Effect,
    },
    /// Too large a share of the cells is uncertain.
    ManyUncertain {
        /// Uncertain cells counted.
        uncertain: u32,
        /// All cells counted.
        cells: u32,
        /// The limit that the interval's low end lies above.
        limit_percent: u32,
        /// Whether the share is so large that the other counts mean little.
        effect: Effect,
    },
    /// Red cells are larger or smaller than the pixel size says.
    CellsOfWrongSize {
        /// Their median diameter in percent of the expected one.
        percent: u32,
        /// Red cells measured.
        cells: u32,
    },
    /// Red cells of some fields are of another size than those of the others.
    TwoScales {
        /// Fields that differ.
        fields: u32,
        /// Fields whose red cells could be measured.
        of_fields: u32,
    },
    /// The network is unsure of what it calls red cells.
    UnsureRedCells {
        /// Median confidence of the red cells, in percent.
        confidence_percent: u32,
        /// Whether it is so low that counts mean little.
        effect: Effect,
    },
    /// The network is unsure of what it calls white cells.
    UnsureWhiteCells {
        /// Median confidence of the white cells, in percent.
        confidence_percent: u32,
        /// White cells found.
        cells: u32,
        /// Whether it is so low that counts mean little.
        effect: Effect,
    },
    /// So much is covered that red cells lie over one another.
    Crowded {
        /// Median share of a field that is covered, in percent.
        covered_percent: u32,
        /// Whether counts of such a smear mean nothing.
        effect: Effect,
    },
    /// Dark places hold no cell that was found.
    DarkWithoutCells {
        /// Median share of a field's dark area that lies in no cell, in thousandths.
        unexplained_permille: u32,
        /// Whether so much was missed that counts mean little.
        effect: Effect,
    },
    /// A dark rim, of an eyepiece or a letter-box, was cut off.
    DarkRim {
        /// Fields that have one.
        fields: u32,
        /// The median part of the frame that is cut off with it, in percent.
        percent: u32,
    },
    /// Small objects lie at the same place of most fields.
    FixedMarks {
        /// Platelets and candidates for platelets that lie there.
        marks: u32,
        /// Platelets counted.
        plt: u32,
        /// Whether they make up much of the platelets.
        effect: Effect,
    },
    /// Fields were refused since their red and blue are exchanged: the others may have passed
    /// although theirs are too.
    ColoursExchanged {
        /// Fields refused for it.
        fields: u32,
    },
    /// Cells take the light otherwise than those that the model was trained on.
    ColoursUnlikeTraining {
        /// How far they lie from those, in hundredths of a standard deviation.
        distance_e2: u32,
        /// Whether they lie so far that nobody knows what the model makes of them.
        effect: Effect,
    },
    /// Platelets stick together: there are more than were counted.
    PlateletsClump {
        /// Fields that show a clump.
        fields: u32,
        /// Whether most fields show one.
        effect: Effect,
    },
    /// Fields were counted although they were refused.
    FieldsForced {
        /// Such fields.
        forced: u32,
        /// Fields counted.
        of_fields: u32,
    },
    /// A third of the fields or more were refused for light, contrast, focus or movement.
    ManyFieldsRefused {
        /// Such fields.
        refused: u32,
        /// Fields counted or so refused.
        of_fields: u32,
    },
    /// One field holds more than half of a class's cells.
    OneFieldHoldsMost {
        /// The class.
        class: CellClass,
        /// Its cells in that field.
        cells: u32,
        /// Its cells in all of them.
        of_cells: u32,
        /// Whether no unevenness of blood explains so many.
        effect: Effect,
    },
    /// Cells of a class lie unevenly over the fields.
    Overdispersed {
        /// The class.
        class: CellClass,
        /// Index of dispersion, variance by mean: about 1 for cells that lie at random.
        index: f64,
    },
}

/// The id of the one finding that withholds a result and lets its figures stand.
pub const CLUMPS_ID: &str = "platelets_clump";

impl Finding {
    /// Its name in records and JSON lines.
    pub fn id(&self) -> &'static str {
        match self {
            Finding::WhiteCellsBeyondBlood { .. } => "white_cells_beyond_blood",
            Finding::WhiteCellsOfRedSize { .. } => "white_cells_of_red_size",
            Finding::PlateletsBeyondBlood { .. } => "platelets_beyond_blood",
            Finding::ManyUncertain { .. } => "many_uncertain",
            Finding::CellsOfWrongSize { .. } => "cells_of_wrong_size",
            Finding::TwoScales { .. } => "two_scales",
            Finding::UnsureRedCells { .. } => "unsure_red_cells",
            Finding::UnsureWhiteCells { .. } => "unsure_white_cells",
            Finding::Crowded { .. } => "crowded",
            Finding::DarkWithoutCells { .. } => "dark_without_cells",
            Finding::DarkRim { .. } => "dark_rim",
            Finding::FixedMarks { .. } => "fixed_marks",
            Finding::ColoursExchanged { .. } => "colours_exchanged",
            Finding::FieldsForced { .. } => "fields_forced",
            Finding::ManyFieldsRefused { .. } => "many_fields_refused",
            Finding::ColoursUnlikeTraining { .. } => "colours_unlike_training",
            Finding::PlateletsClump { .. } => CLUMPS_ID,
            Finding::OneFieldHoldsMost { .. } => "one_field_holds_most",
            Finding::Overdispersed { .. } => "overdispersed",
        }
    }

    /// Whether no ratio may be shown. Where platelets clump the result is withheld, but its
    /// figures stand: that of the platelets says "at least".
    pub fn hides_figures(&self) -> bool {
        let shows = matches!(self, Finding::PlateletsClump { .. });
        self.effect() == Effect::Withhold && !shows
    }

    /// What it does to the result.
    pub fn effect(&self) -> Effect {
        match *self {
            Finding::WhiteCellsBeyondBlood { effect, .. }
            | Finding::PlateletsBeyondBlood { effect, .. }
            | Finding::ManyUncertain { effect, .. }
            | Finding::UnsureRedCells { effect, .. }
            | Finding::UnsureWhiteCells { effect, .. }
            | Finding::Crowded { effect, .. }
            | Finding::DarkWithoutCells { effect, .. }
            | Finding::FixedMarks { effect, .. }
            | Finding::ColoursUnlikeTraining { effect, .. }
            | Finding::OneFieldHoldsMost { effect, .. }
            | Finding::PlateletsClump { effect, .. } => effect,
            Finding::WhiteCellsOfRedSize { .. }
            | Finding::CellsOfWrongSize { .. }
            | Finding::TwoScales { .. }
            | Finding::ColoursExchanged { .. } => Effect::Withhold,
            Finding::FieldsForced { .. }
            | Finding::ManyFieldsRefused { .. }
            | Finding::DarkRim { .. }
            | Finding::Overdispersed { .. } => Effect::Remark,
        }
    }
}

// A sentence for each finding, and so longer than 70 lines.
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Finding::WhiteCellsBeyondBlood {
                wbc,
                rbc,
                limit_per_1000,
                ..
            } => write!(
                formatter,
                "{wbc} white to {rbc} red cells is more than {limit_per_1000} per 1000, which \
                 blood seldom holds: fields were chosen around white cells, or the model does not \
                 know this stain; look at the white cells yourself"
            ),
            Finding::WhiteCellsOfRedSize { percent, cells } => write!(
                formatter,
                "the {cells} white cells measured are only {percent} % as wide as the red cells: \
                 they may be nucleated red cells, parasitised red cells or precipitate; look at \
                 them yourself"
            ),
            Finding::PlateletsBeyondBlood {
                plt,
                rbc,
                limit_per_1000,
                ..
            } => write!(
                formatter,
                "{plt} platelets to {rbc} red cells is more than {limit_per_1000} per 1000: stain \
                 precipitate or dust may be taken for platelets; clean the slide and the optics, \
                 and look at the platelets yourself"
            ),
            Finding::ManyUncertain {
                uncertain,
                cells,
                limit_percent,
                ..
            } => write!(
                formatter,
                "{uncertain} of {cells} cells are uncertain, over the limit of {limit_percent} %: \
                 check focus, light and stain, and look at the uncertain cells"
            ),
            Finding::CellsOfWrongSize { percent, cells } => write!(
                formatter,
                "the {cells} red cells measured are {percent} % as wide as the pixel size says: \
                 check which objective is in, and um_per_px"
            ),
            Finding::TwoScales { fields, of_fields } => write!(
                formatter,
                "the red cells of {fields} of {of_fields} fields are of another size than those of \
                 the others: count fields of one objective and one smear together"
            ),
            Finding::UnsureRedCells {
                confidence_percent, ..
            } => write!(
                formatter,
                "half of the red cells have a confidence below {confidence_percent} %: the frames \
                 are blurred or shaken, too thick, or of a stain that the model does not know; \
                 look at the cells yourself"
            ),
            Finding::UnsureWhiteCells {
                confidence_percent,
                cells,
                ..
            } => write!(
                formatter,
                "half of the {cells} white cells have a confidence below {confidence_percent} %: \
                 many may be none; look at them yourself"
            ),
            Finding::Crowded {
                covered_percent, ..
            } => write!(
                formatter,
                "{covered_percent} % of a field is covered: cells are missed where they lie over \
                 one another; take fields towards the feathered edge"
            ),
            Finding::DarkWithoutCells {
                unexplained_permille,
                ..
            } => write!(
                formatter,
                "{} % of what is dark lies in no cell that was found: cells are missed where they \
                 lie over one another or out of focus, or the smear holds what the model does not \
                 know; look at the cells yourself",
                unexplained_permille / 10
            ),
            Finding::DarkRim { fields, percent } => write!(
                formatter,
                "fields with a dark rim: {fields}; {percent} % of the frame is cut off with it and \
                 left out of the counted area; zoom in until the field fills the frame"
            ),
            Finding::FixedMarks { marks, plt, .. } => write!(
                formatter,
                "{marks} small objects lie at the same places of most fields, where {plt} \
                 platelets were counted: dust on the sensor or in the optics; clean them and \
                 count again"
            ),
            Finding::ColoursExchanged { fields } => write!(
                formatter,
                "red and blue are exchanged in {fields} fields that were refused, and may be so in \
                 the others: check the camera's format, and count again"
            ),
            Finding::ColoursUnlikeTraining { distance_e2, .. } => write!(
                formatter,
                "the cells' colours are unlike those that the model was trained on, by {}.{} \
                 standard deviations: check stain, white balance and colour settings of the \
                 camera, and look at the cells yourself",
                distance_e2 / 100,
                distance_e2 / 10 % 10
            ),
            Finding::PlateletsClump { fields, .. } => write!(
                formatter,
                "platelets lie in clumps in {fields} fields: there are more than were counted; \
                 make a new film"
            ),
            Finding::FieldsForced { forced, of_fields } => write!(
                formatter,
                "{forced} of {of_fields} fields were counted although they were refused: cells may \
                 be missed there; count fields that are accepted"
            ),
            Finding::ManyFieldsRefused { refused, of_fields } => write!(
                formatter,
                "{refused} of {of_fields} fields were refused for light, contrast, focus or \
                 movement: those that passed may lie at the limit, where platelets are missed; \
                 set the microscope right and start again"
            ),
            Finding::OneFieldHoldsMost {
                class,
                cells,
                of_cells,
                ..
            } => write!(
                formatter,
                "one field holds {cells} of all {of_cells} {class}: stain precipitate, a clump, or \
                 a fault of the camera in that field; look at it, and count the smear again \
                 without it"
            ),
            Finding::Overdispersed { class, index } => write!(
                formatter,
                "{class} lie unevenly over the fields (variance {index:.1} times the mean): the \
                 intervals are widened; count more fields, spread over the monolayer"
            ),
        }
    }
}
