//! One frame's result as a line of JSON, for batch engines and for scoring.

use crate::assessment::{CellColour, FieldColours};
use crate::cell::{Cell, PerClass, by_name};
use crate::quality::{Brightness, Density, Quality};
use serde::Serialize;

/// Parts of a confidence's whole.
const PERMYRIAD: f64 = 10_000.0;

/// The line that `hemoscope count --json` writes for a frame.
#[derive(Debug, Serialize)]
pub struct FrameRecord {
    /// The path as it was given.
    pub image: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The scale that the frame was counted at.
    pub um_per_px: f64,
    /// Whether that scale was estimated from the red cells rather than given.
    pub um_per_px_estimated: bool,
    /// What counted it.
    pub counted_by: CounterRecord,
    /// How the frame was assessed before it was counted.
    pub quality: QualityRecord,
    /// Dark area in which no cell was found, in thousandths of all dark area.
    pub unexplained_permille: u16,
    /// How its cells take light.
    pub colours: ColoursRecord,
    /// The area that the counted cells stand for, in square micrometres.
    pub counted_area_um2: f64,
    /// What somebody who relies on the counts has to know of this frame.
    pub remarks: Vec<String>,
    /// The frame's counts.
    pub counts: CountsRecord,
    /// Every cell found, most confident first.
    pub cells: Vec<CellRecord>,
    /// What the result may be used for.
    pub notice: &'static str,
}

/// Program and model, so that a line can be computed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterRecord {
    /// The program's version.
    pub program: &'static str,
    /// The model's name.
    pub model: String,
    /// The model's version.
    pub model_version: String,
    /// SHA-256 of the model's device form, as 64 hexadecimal digits.
    pub model_sha256: String,
}

/// A frame's [`Quality`] in numbers and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QualityRecord {
    /// 0 to 100.
    pub focus_score: u8,
    /// Level of the empty background in green, 0 to 255.
    pub background_level: u8,
    /// Fully white pixels, in thousandths.
    pub clipped_permille: u16,
    /// Area darker than the background, in thousandths.
    pub coverage_permille: u16,
    /// The part of the frame that a dark rim takes, in thousandths; the rest was assessed.
    pub rim_permille: u16,
    /// `dark`, `good` or `bright`.
    pub brightness: &'static str,
    /// `empty`, `sparse`, `good` or `crowded`.
    pub density: &'static str,
}

impl From<&Quality> for QualityRecord {
    fn from(quality: &Quality) -> Self {
        Self {
            focus_score: quality.focus_score,
            background_level: quality.background_level,
            clipped_permille: quality.clipped_permille,
            coverage_permille: quality.coverage_permille,
            rim_permille: quality.rim_permille,
            brightness: match quality.brightness {
                Brightness::Dark => "dark",
                Brightness::Good => "good",
                Brightness::Bright => "bright",
            },
            density: match quality.density {
                Density::Empty => "empty",
                Density::Sparse => "sparse",
                Density::Good => "good",
                Density::Crowded => "crowded",
            },
        }
    }
}

/// How a field's cells take light, in thousandths: red taken over green taken, blue over green, and
/// green of the light that there is. Null where there are too few cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ColoursRecord {
    /// Of the certain red cells.
    pub red_cells: Option<[i32; 3]>,
    /// Of all that is taken for a white cell, certain or not.
    pub white_cells: Option<[i32; 3]>,
}

impl From<&FieldColours> for ColoursRecord {
    fn from(colours: &FieldColours) -> Self {
        Self {
            red_cells: colours.red.as_ref().map(CellColour::features_permille),
            white_cells: colours.white.as_ref().map(CellColour::features_permille),
        }
    }
}

/// Cells that the border rule lets count.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct CountsRecord {
    /// Cells of each class.
    #[serde(flatten, serialize_with = "by_name")]
    pub certain: PerClass<u32>,
    /// Cells whose class is uncertain, and what is none of the classes.
    pub uncertain: u32,
}

/// One cell.
#[derive(Debug, Serialize)]
pub struct CellRecord {
    /// `RBC`, `WBC`, `PLT`, `uncertain`, or `none`: no cell of these classes.
    pub class: &'static str,
    /// Corners x0, y0, x1, y1 in pixels of the input image, exact to a sixteenth.
    #[serde(rename = "box")]
    pub corners_px: [f64; 4],
    /// Calibrated probability, 0 to 1.
    pub confidence: f64,
    /// Whether the border rule lets it count.
    pub counted: bool,
}

impl CountsRecord {
    /// Adds up the counted cells.
    pub fn from_cells(cells: &[Cell]) -> Self {
        let mut counts = Self::default();
        for cell in cells.iter().filter(|cell| cell.counted) {
            match cell.class() {
                Some(class) => counts.certain[class] += 1,
                None => counts.uncertain += 1,
            }
        }
        counts
    }
}

impl From<&Cell> for CellRecord {
    fn from(cell: &Cell) -> Self {
        Self {
            class: cell.label(),
            corners_px: cell.bounds.corners_px(),
            confidence: f64::from(cell.confidence_e4) / PERMYRIAD,
            counted: cell.counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{BoundingBox, CellClass};

    fn cell(best_class: CellClass, certain: bool, counted: bool) -> Cell {
        Cell {
            best_class: Some(best_class),
            certain,
            bounds: BoundingBox {
                x0_q4: 8,
                y0_q4: 16,
                x1_q4: 33,
                y1_q4: 48,
            },
            confidence_e4: 9312,
            counted,
        }
    }

    #[test]
    fn a_cell_is_written_exactly() {
        let record = CellRecord::from(&cell(CellClass::Plt, true, false));
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"class":"PLT","box":[0.5,1.0,2.0625,3.0],"confidence":0.9312,"counted":false}"#
        );
    }

    #[test]
    fn what_is_none_of_the_classes_is_named_so_and_counts_as_uncertain() {
        let none = Cell {
            best_class: None,
            ..cell(CellClass::Rbc, false, true)
        };
        assert_eq!(CellRecord::from(&none).class, "none");
        let counts = CountsRecord::from_cells(&[none]);
        assert_eq!((counts.certain, counts.uncertain), (PerClass::default(), 1));
    }

    #[test]
    fn counts_leave_out_what_the_border_rule_leaves_out() {
        let cells = [
            cell(CellClass::Rbc, true, true),
            cell(CellClass::Rbc, true, false),
            cell(CellClass::Wbc, false, true),
            cell(CellClass::Wbc, true, true),
        ];
        let counts = CountsRecord::from_cells(&cells);
        let expected = PerClass::from([(CellClass::Rbc, 1), (CellClass::Wbc, 1)]);
        assert_eq!((counts.certain, counts.uncertain), (expected, 1));
        let classes = expected.iter();
        let classes: String = classes
            .map(|(class, count)| format!(r#""{class}":{count},"#))
            .collect();
        assert_eq!(
            serde_json::to_string(&counts).unwrap(),
            format!(r#"{{{classes}"uncertain":1}}"#)
        );
    }
}
