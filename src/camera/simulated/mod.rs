//! A simulated slide: a procedural Wright-Giemsa smear whose cells are known.
//!
//! Everything follows from a seed, through hashes and the `libm` crate, so a field has the same
//! bytes on every processor. A field is made as light makes it: dyes add up as optical density,
//! light passes them by Beer-Lambert, the lens blurs, the camera adds noise.
//!
//! What is true about a field ([`FieldTruth`]): one box for every red cell, white cell and
//! platelet that shows, platelets in a clump each their own, tight around the part inside the
//! frame. On the border, no red or white cell shows less than a quarter of its diameter, no platelet
//! less than half, nothing less than 6 pixels: the slide puts none there, so that no truth is too
//! thin for a human to name. No red cell is covered by more
//! than 30 % by another. (A [`SimulatedSmear`] is one continuous area instead: any view of it may
//! be asked for, and its border cuts cells anywhere.) Debris (precipitate, fibres, bubbles, smudges) is no cell and has no box.

mod canvas;
mod debris;
mod layout;
mod optics;
mod outline;
mod placed_cell;
mod platelet;
mod random;
mod red_cell;
mod settings;
mod smear;
mod stage;
mod stain;
mod white_cell;

pub use settings::{SimulatedSlideSettings, SlideSettingsError};
pub use smear::{SimulatedSmear, SmearCell, SmearSettings, View};
pub use stage::{SimulatedCamera, StageMotion};

use crate::camera::FieldTruth;
use crate::image::frame::Frame;
use canvas::Canvas;
use layout::FieldLayout;
use optics::{Light, Plasma};
use outline::Point;
use random::{Random, derive};
use stain::SlideLook;

/// A slide: endless fields, each the same whenever it is asked for.
#[derive(Debug, Clone)]
pub struct SimulatedSlide {
    seed: u64,
    settings: SimulatedSlideSettings,
    look: SlideLook,
}

/// A field before the lens and the camera: what all of its exposures share.
#[derive(Debug, Clone)]
struct Field {
    index: u64,
    light: Light,
    truth: FieldTruth,
}

impl SimulatedSlide {
    /// The slide of a seed.
    ///
    /// # Errors
    /// A setting is outside its limits.
    pub fn new(seed: u64, settings: SimulatedSlideSettings) -> Result<Self, SlideSettingsError> {
        settings.check()?;
        Ok(Self {
            seed,
            look: SlideLook::new(seed, &settings),
            settings,
        })
    }

    /// The seed that it was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &SimulatedSlideSettings {
        &self.settings
    }

    /// The image of a field and what is truly in it.
    pub fn field(&self, index: u64) -> (Frame, FieldTruth) {
        let field = self.lay_field(index);
        let mut frame = Frame::default();
        self.expose(&field, 0, &mut frame);
        (frame, field.truth)
    }

    /// What is truly in a field, without its image.
    pub fn truth(&self, index: u64) -> FieldTruth {
        FieldLayout::new(self.seed, index, &self.settings).truth(&self.settings)
    }

    /// Everything about a field that does not change from one exposure to the next.
    fn lay_field(&self, index: u64) -> Field {
        let settings = &self.settings;
        let layout = FieldLayout::new(self.seed, index, settings);
        let mut canvas = Canvas::new(settings.width_px, settings.height_px, settings.um_per_px);
        layout.paint(&self.look, &mut canvas);
        let plasma = Plasma {
            texture: derive(self.seed, index),
            middle: Point::ORIGIN,
        };
        Field {
            index,
            light: optics::transmit(&canvas, &self.look, settings, plasma),
            truth: layout.truth(settings),
        }
    }

    /// One exposure of a field: its own noise, and the focus a little elsewhere.
    fn expose(&self, field: &Field, exposure: u64, frame: &mut Frame) {
        let field_stream = derive(self.seed ^ 0x0F0C_0005, field.index);
        let stream = derive(field_stream, exposure);
        let drift_um = self.settings.focus_drift_um;
        let of_field_um = Random::new(field_stream).normal(0.0, drift_um);
        let of_exposure_um = Random::new(stream).normal(0.0, 0.5 * drift_um);
        let error_um = (self.settings.focus_error_um + of_field_um + of_exposure_um).abs();
        let sharpness_px = optics::blur_px(&self.settings, error_um);
        self.develop(&optics::blur(&field.light, sharpness_px), stream, frame);
    }

    /// Camera noise and bytes.
    #[allow(
        clippy::expect_used,
        reason = "the size was checked when the slide was made"
    )]
    fn develop(&self, light: &Light, noise_seed: u64, frame: &mut Frame) {
        frame
            .resize(self.settings.width_px, self.settings.height_px)
            .expect("the settings' size was checked");
        optics::expose(light, &self.settings, noise_seed, frame.rgb_mut());
    }
}

#[cfg(test)]
mod tests;
