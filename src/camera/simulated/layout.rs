//! Where the cells of one field lie.

use super::canvas::Canvas;
use super::debris::Debris;
use super::outline::Point;
use super::placed_cell::{Body, MAX_RED_OVERLAP, MAX_TOUCH, PLACE_TRIES, PlacedCell};
use super::platelet::Platelet;
use super::random::{Random, derive};
use super::red_cell::RedCell;
use super::settings::SimulatedSlideSettings;
use super::stain::SlideLook;
use super::white_cell::WhiteCell;
use crate::camera::FieldTruth;
use crate::cell::{BoundingBox, CellClass, SUBPIXELS};

/// A red or white cell on the border shows at least this share of its diameter, or it is not there
/// at all.
const MIN_VISIBLE_SHARE: f64 = 0.25;
/// The same for a platelet, which is a nameless dot when less of it shows.
const MIN_VISIBLE_PLATELET_SHARE: f64 = 0.5;
/// The least that any cell on the border shows.
pub(super) const MIN_VISIBLE_PX: i32 = 6;
/// Cells are laid out this far beyond the frame: the largest cell's radius, with room.
const MARGIN_UM: f64 = 10.0;

/// Everything on one field.
#[derive(Debug, Clone)]
pub(super) struct FieldLayout {
    pub cells: Vec<PlacedCell>,
    debris: Vec<Debris>,
}

impl FieldLayout {
    /// Lays out the field `index` of the slide `seed`.
    pub fn new(seed: u64, index: u64, settings: &SimulatedSlideSettings) -> Self {
        let mut builder = Builder {
            settings,
            random: Random::new(derive(derive(seed, 0x00F1_E1D5), index)),
            cells: Vec::new(),
        };
        builder.place_white_cells();
        builder.place_red_cells();
        builder.place_platelets();
        let debris = builder.draw_debris();
        Self {
            cells: builder.cells,
            debris,
        }
    }

    /// The cells that show, each with the box around its visible part.
    pub fn truth(&self, settings: &SimulatedSlideSettings) -> FieldTruth {
        let visible = |cell: &PlacedCell| Some((cell.class(), visible_box(cell, settings)?));
        FieldTruth {
            cells: self.cells.iter().filter_map(visible).collect(),
        }
    }

    pub fn paint(&self, look: &SlideLook, canvas: &mut Canvas) {
        for cell in &self.cells {
            cell.paint(Point::ORIGIN, look, canvas);
        }
        for debris in &self.debris {
            debris.paint(Point::ORIGIN, look, canvas);
        }
    }
}

struct Builder<'a> {
    settings: &'a SimulatedSlideSettings,
    random: Random,
    cells: Vec<PlacedCell>,
}

impl Builder<'_> {
    fn place_white_cells(&mut self) {
        for _ in 0..self.draw_count(self.settings.white_cells_per_field) {
            let body = Body::White(WhiteCell::draw(&mut self.random));
            self.place_apart(body);
        }
    }

    fn place_red_cells(&mut self) {
        for _ in 0..self.draw_count(self.settings.red_cells_per_field) {
            let body = Body::Red(RedCell::draw(&mut self.random));
            if self.random.chance(self.settings.red_cell_clumping) {
                self.place_against(body, CellClass::Rbc, 0.64, 1.0);
            } else {
                self.place_apart(body);
            }
        }
    }

    fn place_platelets(&mut self) {
        for _ in 0..self.draw_count(self.settings.platelets_per_field) {
            let body = Body::Platelet(Platelet::draw(&mut self.random));
            if self.random.chance(self.settings.platelet_clumping) {
                self.place_against(body, CellClass::Plt, 1.02, 1.15);
            } else {
                self.place_apart(body);
            }
        }
    }

    fn draw_debris(&mut self) -> Vec<Debris> {
        (0..self.random.poisson(self.settings.debris_per_field))
            .map(|_| {
                let centre = self.draw_place(0.0);
                Debris::draw(centre, &mut self.random)
            })
            .collect()
    }

    /// A count for the frame and the margin around it.
    fn draw_count(&mut self, per_field: f64) -> usize {
        let (width_um, height_um) = self.size_um();
        let laid_out = (width_um + 2.0 * MARGIN_UM) * (height_um + 2.0 * MARGIN_UM);
        self.random
            .poisson(per_field * laid_out / self.settings.field_um2())
    }

    fn size_um(&self) -> (f64, f64) {
        let settings = self.settings;
        (
            f64::from(settings.width_px) * settings.um_per_px,
            f64::from(settings.height_px) * settings.um_per_px,
        )
    }

    fn draw_place(&mut self, margin_um: f64) -> Point {
        let (width_um, height_um) = self.size_um();
        Point::new(
            self.random.between(-margin_um, width_um + margin_um),
            self.random.between(-margin_um, height_um + margin_um),
        )
    }

    /// Puts a cell where it lies free; a crowded field may leave it out.
    fn place_apart(&mut self, body: Body) {
        let mut cell = PlacedCell {
            centre: Point::new(0.0, 0.0),
            body,
        };
        for _ in 0..PLACE_TRIES {
            cell.centre = self.draw_place(MARGIN_UM);
            if self.fits(&cell, MAX_TOUCH) {
                self.cells.push(cell);
                return;
            }
        }
    }

    /// Puts a cell against one of a class, their centres `near` to `far` times the sum of their
    /// radii apart; where there is none, or no room, it lies apart.
    fn place_against(&mut self, body: Body, class: CellClass, near: f64, far: f64) {
        let partners: Vec<(Point, f64)> = self
            .cells
            .iter()
            .filter(|cell| cell.class() == class)
            .map(|cell| (cell.centre, cell.outline().mean_um()))
            .collect();
        let mut cell = PlacedCell {
            centre: Point::new(0.0, 0.0),
            body,
        };
        for _ in 0..PLACE_TRIES.min(PLACE_TRIES * partners.len()) {
            let (partner, partner_um) = partners[self.random.below(partners.len())];
            let apart_um = (partner_um + cell.outline().mean_um()) * self.random.between(near, far);
            cell.centre = partner.polar(self.random.angle(), apart_um);
            if self.fits(&cell, MAX_RED_OVERLAP) {
                self.cells.push(cell);
                return;
            }
        }
        self.place_apart(cell.body);
    }

    /// Whether a cell may lie where it is: enough of it shows, or nothing, and it hides no other.
    fn fits(&self, cell: &PlacedCell, most_red_overlap: f64) -> bool {
        self.shows_enough(cell) && cell.lies_free(&self.cells, most_red_overlap)
    }

    fn shows_enough(&self, cell: &PlacedCell) -> bool {
        let Some(visible) = visible_box(cell, self.settings) else {
            return true;
        };
        let diameter_px = 2.0 * cell.outline().mean_um() / self.settings.um_per_px;
        let least_share = if cell.class() == CellClass::Plt {
            MIN_VISIBLE_PLATELET_SHARE
        } else {
            MIN_VISIBLE_SHARE
        };
        let least_px = f64::from(MIN_VISIBLE_PX).max(least_share * diameter_px);
        let shortest_q4 = visible.width_q4().min(visible.height_q4());
        f64::from(shortest_q4) >= least_px * f64::from(SUBPIXELS)
    }
}

/// The box around what a frame of these settings shows of a cell.
fn visible_box(cell: &PlacedCell, settings: &SimulatedSlideSettings) -> Option<BoundingBox> {
    let frame_px = (settings.width_px, settings.height_px);
    cell.visible_box(Point::ORIGIN, settings.um_per_px, frame_px)
}
