//! The smear piece by piece: square tiles, each laid out once, whichever way it is reached.
//!
//! Cells of neighbouring tiles must not hide each other, and no tile may depend on which of them
//! was asked for first. So tiles have ranks, as the fields of a board of four colours: a tile is
//! laid out around the cells of its neighbours of lower rank, and never touches another tile of
//! its own rank.

use super::settings::SmearSettings;
use crate::camera::simulated::debris::Debris;
use crate::camera::simulated::outline::Point;
use crate::camera::simulated::placed_cell::{
    Body, MAX_RED_OVERLAP, MAX_TOUCH, PLACE_TRIES, PlacedCell,
};
use crate::camera::simulated::platelet::Platelet;
use crate::camera::simulated::random::{Random, derive};
use crate::camera::simulated::red_cell::RedCell;
use crate::camera::simulated::white_cell::WhiteCell;
use crate::cell::CellClass;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Side of a tile.
pub(super) const TILE_UM: f64 = 50.0;
/// Tiles along the smear and across it: 8 by 6 mm.
pub(super) const TILES: (i32, i32) = (160, 120);
/// How far a clump may grow beyond its tile. With a cell's radius it stays below half a tile, so
/// that tiles of one rank never meet.
const CLUMP_REACH_UM: f64 = 12.0;
/// How far anything may show beyond its tile: the longest fibre.
const REACH_UM: f64 = 30.0;
/// Tiles kept: some 40 kB each. A view with all that it depends on needs far fewer.
const KEPT_TILES: usize = 1024;
/// Centres of a platelet clump lie this many sums of their radii apart.
const CLUMP_SPACING: (f64, f64) = (1.02, 1.15);
/// The same for red cells that lie on each other.
const RED_SPACING: (f64, f64) = (0.64, 1.0);
/// Red cells that keep apart lie more evenly within a tile than by chance: without this, their
/// index of dispersion in frames of normal blood comes out lower by that (measured).
const RED_EVENNESS: f64 = 0.22;

/// Which tile, from the tail's corner on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TilePlace {
    pub row: i32,
    pub column: i32,
}

impl TilePlace {
    fn is_on_smear(self) -> bool {
        (0..TILES.0).contains(&self.column) && (0..TILES.1).contains(&self.row)
    }

    /// 0 to 3; neighbours differ.
    fn rank(self) -> i32 {
        self.column.rem_euclid(2) + 2 * self.row.rem_euclid(2)
    }

    fn neighbours(self) -> impl Iterator<Item = Self> {
        let around = |dy| (-1..=1).map(move |dx| (dx, dy));
        (-1..=1).flat_map(around).map(move |(dx, dy)| Self {
            row: self.row + dy,
            column: self.column + dx,
        })
    }

    /// Tells the tiles of a smear apart.
    pub fn number(self) -> u64 {
        (self.row * TILES.0 + self.column) as u64
    }

    fn corner(self) -> Point {
        Point::new(
            f64::from(self.column) * TILE_UM,
            f64::from(self.row) * TILE_UM,
        )
    }

    fn seed(self, smear: u64) -> u64 {
        derive(
            derive(smear ^ 0x71_1E5, self.row as u64),
            self.column as u64,
        )
    }
}

/// What lies on one tile.
#[derive(Debug, Default)]
pub(super) struct Tile {
    pub cells: Vec<PlacedCell>,
    pub debris: Vec<Debris>,
}

/// The tiles of one smear, made when they are needed.
#[derive(Debug, Clone)]
pub(super) struct Tiles {
    seed: u64,
    kept: BTreeMap<TilePlace, Arc<Tile>>,
}

impl Tiles {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            kept: BTreeMap::new(),
        }
    }

    /// The tiles that may show something within a rectangle, in order of their places.
    pub fn around(
        &mut self,
        corner: Point,
        size_um: (f64, f64),
        settings: &SmearSettings,
    ) -> Vec<(TilePlace, Arc<Tile>)> {
        if self.kept.len() > KEPT_TILES {
            self.kept.clear();
        }
        let first = |place_um: f64| ((place_um - REACH_UM) / TILE_UM).floor() as i32;
        let last = |place_um: f64| ((place_um + REACH_UM) / TILE_UM).floor() as i32;
        let columns = first(corner.x_um).max(0)..=last(corner.x_um + size_um.0).min(TILES.0 - 1);
        let rows = first(corner.y_um).max(0)..=last(corner.y_um + size_um.1).min(TILES.1 - 1);
        let places =
            rows.flat_map(|row| columns.clone().map(move |column| TilePlace { row, column }));
        places
            .map(|place| (place, self.tile(place, settings)))
            .collect()
    }

    fn tile(&mut self, place: TilePlace, settings: &SmearSettings) -> Arc<Tile> {
        if let Some(tile) = self.kept.get(&place) {
            return Arc::clone(tile);
        }
        let is_before = |other: &TilePlace| other.is_on_smear() && other.rank() < place.rank();
        let before: Vec<Arc<Tile>> = place
            .neighbours()
            .filter(is_before)
            .map(|other| self.tile(other, settings))
            .collect();
        let mut layer = Layer {
            settings,
            random: Random::new(place.seed(self.seed)),
            corner: place.corner(),
            before: &before,
            tile: Tile::default(),
        };
        layer.lay();
        let tile = Arc::new(layer.tile);
        self.kept.insert(place, Arc::clone(&tile));
        tile
    }
}

/// Lays out one tile.
struct Layer<'a> {
    settings: &'a SmearSettings,
    random: Random,
    corner: Point,
    /// Neighbours that are laid out already.
    before: &'a [Arc<Tile>],
    tile: Tile,
}

impl Layer<'_> {
    /// How many of each class lie here is drawn first, so that cells which keep apart do not make
    /// the counts more even than they are meant to be.
    fn lay(&mut self) {
        let slide = &self.settings.slide;
        let per_field = [
            slide.white_cells_per_field,
            slide.red_cells_per_field,
            slide.platelets_per_field,
        ];
        let [white_cells, red_cells, platelets] =
            per_field.map(|mean| mean * TILE_UM * TILE_UM / slide.field_um2() * self.thickness());
        let clumped = platelets * slide.platelet_clumping;
        let debris_per_um2 = slide.debris_per_field / slide.field_um2();
        for _ in 0..self.draw_count(CellClass::Wbc, white_cells) {
            let body = Body::White(WhiteCell::draw(&mut self.random));
            self.place_apart(body, 0.0);
        }
        self.place_clumps(clumped);
        for _ in 0..self.draw_count(CellClass::Rbc, red_cells) {
            self.place_red_cell();
        }
        for _ in 0..self.draw_count(CellClass::Plt, platelets - clumped) {
            let body = Body::Platelet(Platelet::draw(&mut self.random));
            self.place_apart(body, 0.0);
        }
        for _ in 0..self.random.poisson(debris_per_um2 * TILE_UM * TILE_UM) {
            let centre = self.draw_place();
            self.tile
                .debris
                .push(Debris::draw(centre, &mut self.random));
        }
    }

    /// Cells relative to the smear's mean, by the place between tail and thick end.
    fn thickness(&self) -> f64 {
        let along = (self.corner.x_um / TILE_UM + 0.5) / f64::from(TILES.0);
        1.0 + self.settings.wedge * 0.8 * (2.0 * along - 1.0)
    }

    /// A count with the wanted variance: Poisson around a mean that is itself drawn (a gamma
    /// distribution of the means gives the negative binomial one of the counts).
    fn draw_count(&mut self, class: CellClass, mean: f64) -> usize {
        let evenness = match class {
            CellClass::Rbc => RED_EVENNESS,
            CellClass::Wbc | CellClass::Plt => 0.0,
        };
        let index = self.settings.index_of_dispersion[class] + evenness;
        if mean <= 0.0 || index <= 1.0 {
            return self.random.poisson(mean);
        }
        let slide = &self.settings.slide;
        let side_um = |side_px: u32| f64::from(side_px) * slide.um_per_px;
        let kept = kept_variance(side_um(slide.width_px)) * kept_variance(side_um(slide.height_px));
        let spread = (index - 1.0) / (mean * kept);
        let own_mean = mean * spread * self.random.gamma(1.0 / spread);
        self.random.poisson(own_mean)
    }

    fn draw_place(&mut self) -> Point {
        Point::new(
            self.corner.x_um + self.random.between(0.0, TILE_UM),
            self.corner.y_um + self.random.between(0.0, TILE_UM),
        )
    }

    fn place_red_cell(&mut self) {
        let body = Body::Red(RedCell::draw(&mut self.random));
        if !self.random.chance(self.settings.slide.red_cell_clumping) {
            self.place_apart(body, MAX_TOUCH);
            return;
        }
        let is_red = |cell: &PlacedCell| cell.class() == CellClass::Rbc;
        let partners: Vec<_> = self.tile.cells.iter().filter(|cell| is_red(cell)).collect();
        let partners = ends_of(&partners);
        if let Err(body) = self.place_against(body, &partners, RED_SPACING, 0.0) {
            self.place_apart(body, MAX_TOUCH);
        }
    }

    fn place_clumps(&mut self, platelets: f64) {
        let (fewest, most) = self.settings.clump_sizes;
        let mean_size = 0.5 * f64::from(fewest + most);
        for _ in 0..self.random.poisson(platelets / mean_size) {
            let size = self.random.within(i64::from(fewest), i64::from(most));
            let first = self.tile.cells.len();
            let body = Body::Platelet(Platelet::draw(&mut self.random));
            self.place_apart(body, 0.0);
            for _ in 1..size {
                let members: Vec<_> = self.tile.cells[first..].iter().collect();
                let members = ends_of(&members);
                let body = Body::Platelet(Platelet::draw(&mut self.random));
                // Where a clump has no room left it stays smaller.
                let _ = self.place_against(body, &members, CLUMP_SPACING, CLUMP_REACH_UM);
            }
        }
    }

    /// Puts a cell where it lies free; where it finds no room, a red cell lies on others, and any
    /// other is left out.
    fn place_apart(&mut self, body: Body, most_red_overlap: f64) {
        let mut cell = PlacedCell {
            centre: Point::ORIGIN,
            body,
        };
        for most in [most_red_overlap, MAX_RED_OVERLAP] {
            for _ in 0..PLACE_TRIES {
                cell.centre = self.draw_place();
                if self.lies_free(&cell, most) {
                    self.tile.cells.push(cell);
                    return;
                }
            }
        }
    }

    /// Puts a cell against one of others, at most `reach_um` beyond the tile; gives it back where
    /// there is no room.
    fn place_against(
        &mut self,
        body: Body,
        partners: &[(Point, f64)],
        (near, far): (f64, f64),
        reach_um: f64,
    ) -> Result<(), Body> {
        let mut cell = PlacedCell {
            centre: Point::ORIGIN,
            body,
        };
        for _ in 0..PLACE_TRIES.min(PLACE_TRIES * partners.len()) {
            let (partner, partner_um) = partners[self.random.below(partners.len())];
            let apart_um = (partner_um + cell.outline().mean_um()) * self.random.between(near, far);
            cell.centre = partner.polar(self.random.angle(), apart_um);
            if self.is_within(cell.centre, reach_um) && self.lies_free(&cell, MAX_RED_OVERLAP) {
                self.tile.cells.push(cell);
                return Ok(());
            }
        }
        Err(cell.body)
    }

    fn is_within(&self, place: Point, reach_um: f64) -> bool {
        let shift = place.seen_from(self.corner);
        let is_inside = |along_um: f64| (-reach_um..TILE_UM + reach_um).contains(&along_um);
        is_inside(shift.x_um) && is_inside(shift.y_um)
    }

    fn lies_free(&self, cell: &PlacedCell, most_red_overlap: f64) -> bool {
        let before = self.before.iter().flat_map(|tile| &tile.cells);
        cell.lies_free(self.tile.cells.iter().chain(before), most_red_overlap)
    }
}

/// Where cells lie and how far they reach.
fn ends_of(cells: &[&PlacedCell]) -> Vec<(Point, f64)> {
    cells
        .iter()
        .map(|cell| (cell.centre, cell.outline().mean_um()))
        .collect()
}

/// The part of the variance between tiles that is left between frames of this side: a frame holds
/// parts of tiles, whose means even out.
fn kept_variance(side_um: f64) -> f64 {
    let tiles = side_um / TILE_UM;
    if tiles >= 1.0 {
        1.0 - 1.0 / (3.0 * tiles)
    } else {
        tiles - tiles * tiles / 3.0
    }
}
