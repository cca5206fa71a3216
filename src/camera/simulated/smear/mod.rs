//! A continuous simulated smear of 8 by 6 mm, to be looked at anywhere.
//!
//! Whatever view shows a place, it shows the same cells there: overlap, return, drift and shaking
//! can be tested on it, and what is true about a set of views counts each cell once. Cells lie at
//! random, or in patches with a wanted variance over mean; no cell hides another one.

mod settings;
mod tiles;

pub use settings::SmearSettings;

use super::canvas::Canvas;
use super::optics::{self, Light, Plasma};
use super::outline::Point;
use super::placed_cell::PlacedCell;
use super::random::derive;
use super::settings::SlideSettingsError;
use super::stain::SlideLook;
use crate::camera::FieldTruth;
use crate::cell::{CellClass, PerClass};
use crate::image::frame::{Frame, FrameError};
use std::collections::BTreeSet;
use std::sync::Arc;
use tiles::{TILES, Tile, TilePlace, Tiles};

/// Keeps the noise of exposures apart from everything else that is drawn.
const NOISE_STREAM: u64 = 0x0E_C905;
/// Keeps the plasma's texture apart.
const PLASMA_STREAM: u64 = 0x0009_1A50;
/// Micrometres in a millimetre.
const UM_PER_MM: f64 = 1000.0;

/// What a camera sees of a smear from one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Left edge, in micrometres from the smear's tail.
    pub x_um: f64,
    /// Top edge, in micrometres from the smear's upper side.
    pub y_um: f64,
    /// Width, within [`Frame::check_size`].
    pub width_px: u32,
    /// Height, within [`Frame::check_size`].
    pub height_px: u32,
}

/// A cell of a smear.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmearCell {
    /// The same in every view that shows it.
    pub id: u64,
    /// Its class.
    pub class: CellClass,
    /// Its centre, in micrometres from the smear's tail and upper side.
    pub centre_um: (f64, f64),
}

/// A smear, the same for each seed.
#[derive(Debug, Clone)]
pub struct SimulatedSmear {
    seed: u64,
    settings: SmearSettings,
    look: SlideLook,
    tiles: Tiles,
    /// What was seen last: a stage at rest is exposed many times.
    seen: Option<Seen>,
}

/// A view through the lens, before the camera.
#[derive(Debug, Clone)]
struct Seen {
    view: View,
    focus_um: f64,
    light: Light,
}

impl SimulatedSmear {
    /// Length of the smear, from the tail to the thick end, in micrometres.
    pub const LENGTH_UM: f64 = TILES.0 as f64 * tiles::TILE_UM;
    /// Its width.
    pub const WIDTH_UM: f64 = TILES.1 as f64 * tiles::TILE_UM;

    /// The smear of a seed.
    ///
    /// # Errors
    /// A setting is outside its limits.
    pub fn new(seed: u64, settings: SmearSettings) -> Result<Self, SlideSettingsError> {
        settings.check()?;
        Ok(Self {
            seed,
            look: SlideLook::new(seed, &settings.slide),
            tiles: Tiles::new(seed),
            settings,
            seen: None,
        })
    }

    /// The seed that it was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &SmearSettings {
        &self.settings
    }

    /// The view of a frame of the settings' size, with its left upper corner at a place.
    pub fn view_at(&self, x_um: f64, y_um: f64) -> View {
        View {
            x_um,
            y_um,
            width_px: self.settings.slide.width_px,
            height_px: self.settings.slide.height_px,
        }
    }

    /// The image of a view. Every `exposure` has its own noise; `focus_um` is how far the
    /// objective was moved from where the middle of the smear is as sharp as the settings say.
    ///
    /// # Errors
    /// A view of a size that no frame has.
    pub fn expose(
        &mut self,
        view: &View,
        focus_um: f64,
        exposure: u64,
    ) -> Result<Frame, FrameError> {
        let mut frame = Frame::default();
        self.expose_into(view, focus_um, exposure, &mut frame)?;
        Ok(frame)
    }

    /// As [`SimulatedSmear::expose`], into a frame whose memory is used again.
    ///
    /// # Errors
    /// As [`SimulatedSmear::expose`].
    pub fn expose_into(
        &mut self,
        view: &View,
        focus_um: f64,
        exposure: u64,
        frame: &mut Frame,
    ) -> Result<(), FrameError> {
        frame.resize(view.width_px, view.height_px)?;
        let is_it = |seen: &Seen| seen.view == *view && seen.focus_um == focus_um;
        let seen = self.seen.take().filter(is_it);
        let seen = seen.unwrap_or_else(|| self.see(view, focus_um));
        let noise = derive(derive(self.seed, NOISE_STREAM), exposure);
        optics::expose(&seen.light, &self.settings.slide, noise, frame.rgb_mut());
        self.seen = Some(seen);
        Ok(())
    }

    fn see(&mut self, view: &View, focus_um: f64) -> Seen {
        let light = self.light(view);
        let sharpness_px = optics::blur_px(&self.settings.slide, self.defocus_um(view, focus_um));
        Seen {
            view: *view,
            focus_um,
            light: optics::blur(&light, sharpness_px),
        }
    }

    /// What is truly in a view: every cell that shows, its box clipped to the frame.
    pub fn truth(&mut self, view: &View) -> FieldTruth {
        let um_per_px = self.settings.slide.um_per_px;
        let (corner, frame_px) = (view.corner(), (view.width_px, view.height_px));
        let tiles = self.tiles_of(view);
        let cells = tiles.iter().flat_map(|(_, tile)| &tile.cells);
        let visible = |cell: &PlacedCell| {
            Some((cell.class(), cell.visible_box(corner, um_per_px, frame_px)?))
        };
        FieldTruth {
            cells: cells.filter_map(visible).collect(),
        }
    }

    /// The cells whose centre lies in a view.
    pub fn cells_in(&mut self, view: &View) -> Vec<SmearCell> {
        let um_per_px = self.settings.slide.um_per_px;
        let tiles = self.tiles_of(view);
        let cells = tiles.iter().flat_map(|(place, tile)| {
            let numbered = tile.cells.iter().enumerate();
            numbered.map(|(number, cell)| SmearCell {
                id: place.number() << 32 | number as u64,
                class: cell.class(),
                centre_um: (cell.centre.x_um, cell.centre.y_um),
            })
        });
        let is_inside = |cell: &SmearCell| view.holds(cell.centre_um, um_per_px);
        cells.filter(is_inside).collect()
    }

    /// The cells whose centre lies in any of the views, each once.
    pub fn tally(&mut self, views: &[View]) -> PerClass<u64> {
        let mut seen = BTreeSet::new();
        let mut tally = PerClass::default();
        for view in views {
            for cell in self.cells_in(view) {
                if seen.insert(cell.id) {
                    tally[cell.class] += 1;
                }
            }
        }
        tally
    }

    fn tiles_of(&mut self, view: &View) -> Vec<(TilePlace, Arc<Tile>)> {
        let size_um = view.size_um(self.settings.slide.um_per_px);
        self.tiles.around(view.corner(), size_um, &self.settings)
    }

    /// Light that comes from a view, before the lens.
    fn light(&mut self, view: &View) -> Light {
        let tiles = self.tiles_of(view);
        let slide = &self.settings.slide;
        let corner = view.corner();
        let mut canvas = Canvas::new(view.width_px, view.height_px, slide.um_per_px);
        for (_, tile) in &tiles {
            for cell in &tile.cells {
                cell.paint(corner, &self.look, &mut canvas);
            }
            for debris in &tile.debris {
                debris.paint(corner, &self.look, &mut canvas);
            }
        }
        let plasma = Plasma {
            texture: derive(self.seed, PLASMA_STREAM),
            middle: view.middle(slide.um_per_px),
        };
        optics::transmit(&canvas, &self.look, slide, plasma)
    }

    /// Distance of a view's middle from the focal plane.
    fn defocus_um(&self, view: &View, focus_um: f64) -> f64 {
        let middle = view.middle(self.settings.slide.um_per_px);
        let [right, down] = self.settings.tilt_um_per_mm;
        let (x_um, y_um) = (
            middle.x_um - 0.5 * Self::LENGTH_UM,
            middle.y_um - 0.5 * Self::WIDTH_UM,
        );
        let height_um = (right * x_um + down * y_um) / UM_PER_MM;
        (self.settings.slide.focus_error_um + height_um - focus_um).abs()
    }
}

impl View {
    fn corner(&self) -> Point {
        Point::new(self.x_um, self.y_um)
    }

    fn size_um(&self, um_per_px: f64) -> (f64, f64) {
        (
            f64::from(self.width_px) * um_per_px,
            f64::from(self.height_px) * um_per_px,
        )
    }

    fn middle(&self, um_per_px: f64) -> Point {
        let (width_um, height_um) = self.size_um(um_per_px);
        Point::new(self.x_um + 0.5 * width_um, self.y_um + 0.5 * height_um)
    }

    fn holds(&self, (x_um, y_um): (f64, f64), um_per_px: f64) -> bool {
        let (width_um, height_um) = self.size_um(um_per_px);
        (self.x_um..self.x_um + width_um).contains(&x_um)
            && (self.y_um..self.y_um + height_um).contains(&y_um)
    }
}

#[cfg(test)]
mod tests;
