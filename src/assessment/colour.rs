//! The colours of a field's cells, and how far they lie from those that the model was trained on.
//!
//! A cell's colour is how much of the light it takes, by channel, against the empty background of
//! its frame: lamp and white balance drop out, stain and mixed-up channels do not.

use super::histogram::ValueHistogram;
use crate::cell::{BoundingBox, Cell, CellClass, SUBPIXELS};
use crate::image::frame::Frame;
use crate::image::histogram::sampled_background_colour;
use serde::Deserialize;

/// Points along each side of the inner half of a cell's box at which its colour is read.
const POINTS: i32 = 6;
/// Whole red cells that a field needs to have a colour.
const FEWEST_RED_CELLS: u32 = 4;
/// Cells that take less green than this, in thousandths, have no colour to speak of.
const LEAST_DEPTH_PERMILLE: i64 = 20;
/// The largest value of a feature, in thousandths, either way.
pub const MAX_FEATURE_PERMILLE: i32 = 3_000;
/// The largest entry of an inverse covariance, so that distances stay within 64 bits.
pub const MAX_INVERSE_E9: i64 = 100_000_000;
/// Fields without which a smear has no colour.
const FEWEST_FIELDS: u32 = 5;

/// How some cells of a field take light, on average, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellColour {
    /// Red taken over green taken.
    pub red_by_green_permille: i32,
    /// Blue taken over green taken.
    pub blue_by_green_permille: i32,
    /// Green taken, of the light that there is.
    pub depth_permille: i32,
}

/// The colours of a field's cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FieldColours {
    /// Of the certain red cells; `None` below four.
    pub red: Option<CellColour>,
    /// Of all that is taken for a white cell, certain or not; `None` without any.
    pub white: Option<CellColour>,
}

impl FieldColours {
    /// Reads the colours of what was found in a frame.
    pub fn measure(frame: &Frame, cells: &[Cell]) -> Self {
        let background = sampled_background_colour(frame);
        let frame_px = (frame.width_px(), frame.height_px());
        let mean_of = |fewest: u32, is_meant: &dyn Fn(&Cell) -> bool| {
            let mut sums = [0_u64; 3];
            let mut measured = 0;
            let is_whole = |cell: &&Cell| cell.bounds.is_whole_in(frame_px);
            for cell in cells.iter().filter(|cell| is_meant(cell)).filter(is_whole) {
                add_inner_colour(frame, &cell.bounds, &mut sums);
                measured += 1;
            }
            let colour = CellColour::of(sums, measured, background);
            colour.filter(|_| measured >= fewest)
        };
        Self {
            red: mean_of(FEWEST_RED_CELLS, &|cell| {
                cell.class() == Some(CellClass::Rbc)
            }),
            white: mean_of(1, &|cell| cell.best_class == Some(CellClass::Wbc)),
        }
    }
}

impl CellColour {
    /// Red by green, blue by green, and depth.
    pub fn features_permille(&self) -> [i32; 3] {
        [
            self.red_by_green_permille,
            self.blue_by_green_permille,
            self.depth_permille,
        ]
    }

    /// Of the sums over so many cells' points; `None` where they hardly take light.
    fn of(sums: [u64; 3], cells: u32, background: [u8; 3]) -> Option<Self> {
        let points = u64::from(cells) * (POINTS * POINTS) as u64;
        let taken_permille = |channel: usize| {
            let whole = (points * u64::from(background[channel])).max(1);
            1000 - (sums[channel] * 1000 / whole) as i64
        };
        let [red, green, blue] = [0, 1, 2].map(taken_permille);
        let by_green = |taken: i64| {
            let limit = i64::from(MAX_FEATURE_PERMILLE);
            (taken * 1000 / green).clamp(-limit, limit) as i32
        };
        (green >= LEAST_DEPTH_PERMILLE).then(|| Self {
            red_by_green_permille: by_green(red),
            blue_by_green_permille: by_green(blue),
            depth_permille: green as i32,
        })
    }
}

/// Adds the colours at the points of a grid within the inner half of a box, which lies in the frame.
fn add_inner_colour(frame: &Frame, bounds: &BoundingBox, sums: &mut [u64; 3]) {
    // From a quarter of the side on, in the middles of so many equal parts of a half.
    let at = |start_q4: i32, side_q4: i32, point: i32| {
        ((start_q4 + side_q4 * (POINTS + 2 * point + 1) / (4 * POINTS)) / SUBPIXELS) as usize
    };
    for row in 0..POINTS {
        let y_px = at(bounds.y0_q4, bounds.height_q4(), row);
        let pixels = frame.row(y_px as u32);
        for column in 0..POINTS {
            let x_px = at(bounds.x0_q4, bounds.width_q4(), column);
            for (sum, &value) in sums.iter_mut().zip(&pixels[3 * x_px..]) {
                *sum += u64::from(value);
            }
        }
    }
}

/// Lowest value that is told apart, in thousandths, and the width of a step.
const LOWEST_PERMILLE: i32 = -1_000;
const STEP_PERMILLE: i32 = 6;

/// One feature over the fields of a smear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Feature(ValueHistogram);

impl Feature {
    fn add(&mut self, permille: i32) {
        let step = (permille - LOWEST_PERMILLE).max(0) / STEP_PERMILLE;
        self.0.add(step as u32);
    }

    /// The middle of the median's step.
    fn median_permille(&self) -> Option<i32> {
        let step = self
            .0
            .median()
            .filter(|_| self.0.total() >= FEWEST_FIELDS)?;
        Some(LOWEST_PERMILLE + step as i32 * STEP_PERMILLE + STEP_PERMILLE / 2)
    }
}

/// The colours of a smear's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmearColours {
    red: [Feature; 3],
    white: [Feature; 2],
}

impl SmearColours {
    /// Adds a field's.
    pub fn add(&mut self, field: &FieldColours) {
        if let Some(colour) = &field.red {
            for (feature, value) in self.red.iter_mut().zip(colour.features_permille()) {
                feature.add(value);
            }
        }
        if let Some(colour) = &field.white {
            for (feature, value) in self.white.iter_mut().zip(colour.features_permille()) {
                feature.add(value);
            }
        }
    }

    /// How far the median field's colours lie from those of training, in hundredths of a standard
    /// deviation: the larger of what the red cells say alone, and beside the white ones. `None`
    /// below five fields.
    pub fn distance_e2(&self, training: &TrainingColours) -> Option<u32> {
        let [red, blue, depth] = medians(&self.red)?;
        let alone = training.red.distance_e2([red, blue, depth]);
        let beside = medians(&self.white).map_or(0, |[white_red, white_blue]| {
            training
                .red_and_white
                .distance_e2([red, blue, white_red, white_blue])
        });
        Some(alone.max(beside))
    }
}

fn medians<const N: usize>(features: &[Feature; N]) -> Option<[i32; N]> {
    let mut medians = [0; N];
    for (median, feature) in medians.iter_mut().zip(features) {
        *median = feature.median_permille()?;
    }
    Some(medians)
}

/// The colours of the cells that a model was trained on, as its manifest keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingColours {
    /// Red cells: red by green, blue by green, depth.
    pub red: ColourCloud<3>,
    /// Red cells and white cells together: red by green and blue by green of each.
    pub red_and_white: ColourCloud<4>,
}

/// Where features lie and how they scatter together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound(deserialize = "[i32; N]: Deserialize<'de>, [[i64; N]; N]: Deserialize<'de>"))]
pub struct ColourCloud<const N: usize> {
    /// Their means, in thousandths.
    pub mean_permille: [i32; N],
    /// The inverse of the covariance of features in thousandths, in parts of 10^9; symmetric.
    pub inverse_e9: [[i64; N]; N],
}

impl<const N: usize> ColourCloud<N> {
    /// Whether every number is within its limits, and the inverse symmetric.
    pub fn is_usable(&self) -> bool {
        let means = self.mean_permille.iter();
        let entries = self.inverse_e9.iter().flatten();
        means
            .copied()
            .all(|mean| mean.abs() <= MAX_FEATURE_PERMILLE)
            && entries.copied().all(|entry| entry.abs() <= MAX_INVERSE_E9)
            && (0..N).all(|row| {
                self.inverse_e9[row][row] > 0
                    && (0..row)
                        .all(|column| self.inverse_e9[row][column] == self.inverse_e9[column][row])
            })
    }

    /// Mahalanobis's distance, in hundredths.
    fn distance_e2(&self, features_permille: [i32; N]) -> u32 {
        let off: [i64; N] = std::array::from_fn(|at| {
            i64::from(features_permille[at]) - i64::from(self.mean_permille[at])
        });
        // At most 16 products of 6,000², and 10^8: within 10^17.
        let squared_e9: i64 = (0..N)
            .map(|row| {
                let along: i64 = (0..N).map(|at| self.inverse_e9[row][at] * off[at]).sum();
                off[row] * along
            })
            .sum();
        ((squared_e9.max(0) / 100_000) as u64).isqrt() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLASS: [u8; 3] = [250, 200, 160];

    fn cell(class: CellClass, certain: bool, x0_px: i32, y0_px: i32) -> Cell {
        Cell {
            best_class: Some(class),
            certain,
            bounds: BoundingBox {
                x0_q4: x0_px * 16,
                y0_q4: y0_px * 16,
                x1_q4: (x0_px + 20) * 16,
                y1_q4: (y0_px + 20) * 16,
            },
            confidence_e4: 9_000,
            counted: true,
        }
    }

    /// Five red cells and a white one on glass, each box filled with its colour.
    fn field(red: [u8; 3], white: [u8; 3]) -> (Frame, Vec<Cell>) {
        let mut frame = Frame::filled(200, 100, GLASS).unwrap();
        let mut cells: Vec<Cell> = (0..5)
            .map(|at| cell(CellClass::Rbc, true, 5 + 30 * at, 10))
            .collect();
        cells.push(cell(CellClass::Wbc, false, 50, 50));
        for one in &cells {
            let colour = if one.class() == Some(CellClass::Rbc) {
                red
            } else {
                white
            };
            for y in one.bounds.y0_q4 / 16..one.bounds.y1_q4 / 16 {
                for x in one.bounds.x0_q4 / 16..one.bounds.x1_q4 / 16 {
                    let at = ((y * 200 + x) * 3) as usize;
                    frame.rgb_mut()[at..at + 3].copy_from_slice(&colour);
                }
            }
        }
        (frame, cells)
    }

    #[test]
    fn a_colour_is_what_a_cell_takes_of_its_own_light() {
        // 30, 40 and 25 % of the light are taken, 60, 80 and 20 % by the white cell.
        let (frame, cells) = field([175, 120, 120], [100, 40, 128]);
        let colours = FieldColours::measure(&frame, &cells);
        let expected = [(750, 625, 400), (750, 250, 800)].map(|(red, blue, depth)| {
            Some(CellColour {
                red_by_green_permille: red,
                blue_by_green_permille: blue,
                depth_permille: depth,
            })
        });
        assert_eq!([colours.red, colours.white], expected);
        // Half of the light is the same smear.
        let mut dim = frame.clone();
        dim.rgb_mut().iter_mut().for_each(|value| *value /= 2);
        let red = FieldColours::measure(&dim, &cells).red.unwrap();
        assert!(red.red_by_green_permille.abs_diff(750) < 15, "{red:?}");
    }

    #[test]
    fn few_pale_or_cut_cells_have_no_colour() {
        let (frame, cells) = field([175, 120, 120], [100, 40, 128]);
        assert_eq!(
            FieldColours::measure(&frame, &cells[..3]),
            FieldColours::default()
        );
        let (pale, cells) = field(GLASS, GLASS);
        assert_eq!(
            FieldColours::measure(&pale, &cells),
            FieldColours::default()
        );
        let cut = [cell(CellClass::Wbc, true, 190, 40)];
        assert_eq!(FieldColours::measure(&frame, &cut).white, None);
    }

    fn cloud() -> TrainingColours {
        // Standard deviations of 100 thousandths, without correlation.
        fn round<const N: usize>(mean_permille: [i32; N]) -> ColourCloud<N> {
            ColourCloud {
                mean_permille,
                inverse_e9: std::array::from_fn(|row| {
                    std::array::from_fn(|column| if row == column { 100_000 } else { 0 })
                }),
            }
        }
        TrainingColours {
            red: round([600, 700, 300]),
            red_and_white: round([600, 700, 700, 200]),
        }
    }

    fn colour(red: i32, blue: i32, depth: i32) -> Option<CellColour> {
        Some(CellColour {
            red_by_green_permille: red,
            blue_by_green_permille: blue,
            depth_permille: depth,
        })
    }

    #[test]
    fn a_distance_is_that_of_the_median_field_from_five_fields_on() {
        let fields = |wanted: usize, red: Option<CellColour>, white: Option<CellColour>| {
            let mut smear = SmearColours::default();
            // One field of any other colour changes nothing.
            smear.add(&FieldColours {
                red: colour(3_000, -3_000, 900),
                white: None,
            });
            (1..wanted).for_each(|_| smear.add(&FieldColours { red, white }));
            smear.distance_e2(&cloud())
        };
        let usual = colour(600, 700, 300);
        assert_eq!(fields(4, usual, None), None);
        let near = |found: Option<u32>, expected: u32| {
            let found = found.unwrap();
            assert!(found.abs_diff(expected) <= 6, "{found} for {expected}");
        };
        near(fields(5, usual, None), 0);
        near(fields(10, colour(900, 300, 300), None), 500);
        near(fields(10, usual, colour(200, 700, 500)), 707);
        // White cells of four fields are too few.
        near(fields(5, usual, colour(200, 700, 500)), 0);
    }

    #[test]
    fn extreme_features_give_a_distance() {
        let mut widest = cloud();
        widest.red.inverse_e9 = [[MAX_INVERSE_E9; 3]; 3];
        widest.red.mean_permille = [MAX_FEATURE_PERMILLE; 3];
        assert!(widest.red.is_usable());
        let far = widest.red.distance_e2([-MAX_FEATURE_PERMILLE; 3]);
        assert!(far > 500_000, "{far}");
    }
}
