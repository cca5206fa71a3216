//! What the cells of all fields of a smear look like together: sizes, confidences, coverage, and
//! marks at fixed places.

use super::colour::{FieldColours, SmearColours};
use super::histogram::ValueHistogram;
use crate::cell::{Cell, CellClass, PerClass, SUBPIXELS};

/// Parts of a red cell's diameter that sizes are told in.
pub const PARTS: u32 = 128;
/// Steps of confidence, in ten-thousandths.
const CONFIDENCE_STEP_E4: u32 = 20;
/// Red cells that a field needs before its own median stands for it.
const RED_CELLS_OF_A_MEDIAN: u32 = 8;

/// A field as the network saw it.
#[derive(Debug, Clone, Copy)]
pub struct FieldEvidence<'a> {
    /// Every cell found.
    pub cells: &'a [Cell],
    /// Width and height of the frame, in pixels.
    pub frame_px: (u32, u32),
    /// Diameter of a red cell at the scale in use, in 1/16 px; above zero.
    pub rbc_diameter_q4: u32,
    /// Area darker than the background, in thousandths.
    pub coverage_permille: u16,
    /// Dark area in which no cell was found, in thousandths of all dark area.
    pub unexplained_permille: u16,
    /// The colours of its cells.
    pub colours: FieldColours,
    /// The part of the whole frame that a dark rim takes, in thousandths.
    pub rim_permille: u16,
}

/// Sums over the fields of a smear. Its size does not grow with their number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmearFacts {
    red_sizes: ValueHistogram,
    white_sizes: ValueHistogram,
    /// The median red cell of each field that has enough of them.
    field_sizes: ValueHistogram,
    red_of_field: ValueHistogram,
    red_confidences: ValueHistogram,
    white_confidences: ValueHistogram,
    coverages: ValueHistogram,
    unexplained: ValueHistogram,
    colours: SmearColours,
    /// The most certain cells that one field counted.
    most_in_a_field: PerClass<u32>,
    /// Of fields with a dark rim, the part of the frame that it takes.
    rims: ValueHistogram,
    places: FixedMarks,
}

impl SmearFacts {
    /// Adds the cells of a field that was counted. Returns the median diameter of its red cells in
    /// percent of the expected one, where it has enough of them.
    pub fn add(&mut self, field: &FieldEvidence<'_>) -> Option<u32> {
        self.red_of_field.clear();
        self.coverages.add(u32::from(field.coverage_permille) / 2);
        self.unexplained
            .add(u32::from(field.unexplained_permille) / 2);
        if field.rim_permille > 0 {
            self.rims.add(u32::from(field.rim_permille) / 2);
        }
        for cell in field.cells {
            let confidence = u32::from(cell.confidence_e4) / CONFIDENCE_STEP_E4;
            match cell.class() {
                Some(CellClass::Rbc) => self.red_confidences.add(confidence),
                Some(CellClass::Wbc) => self.white_confidences.add(confidence),
                Some(CellClass::Plt) | None => {}
            }
            let Some(class) = cell
                .class()
                .filter(|_| cell.bounds.is_whole_in(field.frame_px))
            else {
                continue;
            };
            let parts = field.diameter_parts(cell);
            match class {
                CellClass::Rbc => {
                    self.red_sizes.add(parts);
                    self.red_of_field.add(parts);
                }
                CellClass::Wbc => self.white_sizes.add(parts),
                CellClass::Plt => {}
            }
        }
        self.places.add(field);
        self.colours.add(&field.colours);
        self.add_most(field.cells);
        let median = self
            .red_of_field
            .median()
            .filter(|_| self.red_of_field.total() >= RED_CELLS_OF_A_MEDIAN)?;
        self.field_sizes.add(median);
        Some(median * 100 / PARTS)
    }

    fn add_most(&mut self, cells: &[Cell]) {
        let mut counted = PerClass::<u32>::default();
        for class in cells
            .iter()
            .filter(|cell| cell.counted)
            .filter_map(Cell::class)
        {
            counted[class] += 1;
        }
        for (class, most) in self.most_in_a_field.iter_mut() {
            *most = (*most).max(counted[class]);
        }
    }

    /// The most certain cells of a class that one field counted.
    pub fn most_in_a_field(&self, class: CellClass) -> u32 {
        self.most_in_a_field[class]
    }

    /// Certain, whole red cells by size.
    pub fn red_sizes(&self) -> &ValueHistogram {
        &self.red_sizes
    }

    /// Certain, whole white cells by size.
    pub fn white_sizes(&self) -> &ValueHistogram {
        &self.white_sizes
    }

    /// Fields by the size of their median red cell; those with fewer than eight are left out.
    pub fn field_sizes(&self) -> &ValueHistogram {
        &self.field_sizes
    }

    /// Median confidence of the certain red cells, in percent.
    pub fn red_confidence_percent(&self) -> Option<u32> {
        percent_of(&self.red_confidences)
    }

    /// Median confidence of the certain white cells, in percent, with their number.
    pub fn white_confidence_percent(&self) -> Option<(u32, u32)> {
        Some((
            percent_of(&self.white_confidences)?,
            self.white_confidences.total(),
        ))
    }

    /// Median share of a field that is covered, in thousandths.
    pub fn coverage_permille(&self) -> Option<u32> {
        Some(2 * self.coverages.median()?)
    }

    /// Median share of a field's dark area in which no cell was found, in thousandths.
    pub fn unexplained_permille(&self) -> Option<u32> {
        Some(2 * self.unexplained.median()?)
    }

    /// The colours of the fields' cells.
    pub fn colours(&self) -> &SmearColours {
        &self.colours
    }

    /// Fields with a dark rim, and the median part of the frame that it takes, in thousandths.
    pub fn rims(&self) -> Option<(u32, u32)> {
        Some((self.rims.total(), 2 * self.rims.median()?))
    }

    /// Small cells that lie at a place where most fields have one.
    pub fn fixed_marks(&self) -> u32 {
        self.places.cells_at_fixed_places()
    }
}

impl FieldEvidence<'_> {
    /// The side of the square with the box's area, in 1/128 of a red cell's diameter.
    fn diameter_parts(&self, cell: &Cell) -> u32 {
        let side_q4 = (cell.bounds.area_q8().max(0) as u64).isqrt();
        let parts = side_q4 * u64::from(PARTS) / u64::from(self.rbc_diameter_q4.max(1));
        u32::try_from(parts).unwrap_or(u32::MAX)
    }
}

/// The median of confidences in steps of 0.2 %, in percent.
fn percent_of(confidences: &ValueHistogram) -> Option<u32> {
    Some(confidences.median()? * CONFIDENCE_STEP_E4 / 100)
}

/// Places of the frame, in columns and rows.
const COLUMNS: usize = 64;
const ROWS: usize = 48;
/// Fields before a place is held to be fixed.
const FIELDS_OF_A_FIXED_PLACE: u32 = 5;

/// How often a small cell lay at each place of the frame. What lies at one place in most fields
/// is on the sensor or in the optics: the slide moves, it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FixedMarks {
    seen: [u16; COLUMNS * ROWS],
    fields: u32,
}

impl Default for FixedMarks {
    fn default() -> Self {
        Self {
            seen: [0; COLUMNS * ROWS],
            fields: 0,
        }
    }
}

impl FixedMarks {
    fn add(&mut self, field: &FieldEvidence<'_>) {
        self.fields = self.fields.saturating_add(1);
        let small = |cell: &&Cell| cell.best_class == Some(CellClass::Plt);
        for cell in field.cells.iter().filter(small) {
            let (x, y) = cell.bounds.centre_doubled_q4();
            let place = |doubled_q4: i32, side_px: u32, places: usize| {
                let side_doubled_q4 = i64::from(side_px.max(1)) * i64::from(2 * SUBPIXELS);
                let place = i64::from(doubled_q4) * places as i64 / side_doubled_q4;
                place.clamp(0, places as i64 - 1) as usize
            };
            let column = place(x, field.frame_px.0, COLUMNS);
            let row = place(y, field.frame_px.1, ROWS);
            let seen = &mut self.seen[row * COLUMNS + column];
            *seen = seen.saturating_add(1);
        }
    }

    /// Cells seen at places, alone or with one neighbour, where at least half of the fields have one.
    fn cells_at_fixed_places(&self) -> u32 {
        if self.fields < FIELDS_OF_A_FIXED_PLACE {
            return 0;
        }
        let needed = self.fields.div_ceil(2);
        let at = |row: usize, column: usize| u32::from(self.seen[row * COLUMNS + column]);
        let mut fixed = 0u32;
        for row in 0..ROWS {
            for column in 0..COLUMNS {
                // The place alone, or with one neighbour, since a mark may lie on their border.
                let alone = at(row, column);
                let right = if column + 1 < COLUMNS {
                    at(row, column + 1)
                } else {
                    0
                };
                let below = if row + 1 < ROWS {
                    at(row + 1, column)
                } else {
                    0
                };
                let largest = alone.max(right).max(below);
                let pair = alone + right.max(below);
                if alone >= needed {
                    fixed = fixed.saturating_add(alone);
                } else if alone > 0 && largest < needed && pair >= needed {
                    fixed = fixed.saturating_add(pair);
                }
            }
        }
        fixed
    }
}
