//! Where the screen is shown: what every panel does, one file for each kind of panel, and the
//! opening of the one that is named.

#[cfg(target_os = "linux")]
mod backlight;
mod changed_rows;
mod contract;
#[cfg(target_os = "linux")]
mod drm;
mod memory;
mod png;
mod retrying;
mod rotation;
mod screen_size;
mod settings;
mod spec;
#[cfg(target_os = "linux")]
mod spi;
#[cfg(target_os = "linux")]
mod stale_rows;
mod terminal;
mod watched;

pub use crate::device::leds::{FaultLight, LIGHTS};
pub use changed_rows::ChangedRows;
pub use contract::{Panel, PanelError};
#[cfg(target_os = "linux")]
pub use drm::DrmPanel;
pub use memory::MemoryPanel;
pub use png::PngPanel;
pub use retrying::RetryingPanel;
pub use rotation::{Rotation, UnknownRotation};
pub use screen_size::{ScreenSize, UnknownScreenSize};
pub use settings::{Controller, DrmSettings, PanelSettings, SpiSettings};
pub use spec::{PANEL_SPECS, PanelSpec, PanelSpecError};
#[cfg(target_os = "linux")]
pub use spi::SpiPanel;
pub use terminal::TerminalPanel;
pub use watched::WatchedPanel;

impl PanelSpec {
    /// Opens the panel for images of a size. How a board's own panel is mounted and wired is in
    /// `settings`.
    ///
    /// # Errors
    /// A panel that cannot be opened.
    pub fn open(
        &self,
        size: ScreenSize,
        settings: &PanelSettings,
    ) -> Result<Box<dyn Panel>, PanelError> {
        match self {
            PanelSpec::Terminal => Ok(Box::new(TerminalPanel::open(size)?)),
            PanelSpec::Png(path) => Ok(Box::new(PngPanel::new(path, size))),
            #[cfg(target_os = "linux")]
            PanelSpec::Drm { card } => Ok(Box::new(DrmPanel::open(
                card.as_deref(),
                settings.connector(),
                settings.rotation_degrees.try_into()?,
                size.pixels(),
            )?)),
            #[cfg(target_os = "linux")]
            PanelSpec::Spi => Ok(Box::new(SpiPanel::open(settings, size.pixels())?)),
            #[cfg(not(target_os = "linux"))]
            PanelSpec::Drm { .. } | PanelSpec::Spi => Err(PanelError::CannotOpen {
                panel: self.to_string(),
                reason: format!("needs Linux; choose another of: {PANEL_SPECS}"),
            }),
        }
    }

    /// Width and height of the display that the panel would show images of at least `image_px`
    /// on, as the screen is read; `None` where it is not there, or shows a size of its own.
    pub fn display_px(&self, settings: &PanelSettings, image_px: (u32, u32)) -> Option<(u32, u32)> {
        match self {
            #[cfg(target_os = "linux")]
            PanelSpec::Drm { card } => drm::display_px(
                card.as_deref(),
                settings.connector(),
                settings.rotation_degrees.try_into().ok()?,
                image_px,
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_opened_or_say_what_is_missing() {
        let settings = PanelSettings::default();
        let open = |text: &str| {
            let spec: PanelSpec = text.parse().unwrap();
            assert_eq!(spec.display_px(&settings, (1, 1)), None, "{text}");
            spec.open(ScreenSize::Medium, &settings)
        };
        assert_eq!(open("png:screen.png").unwrap().size(), (480, 320));
        for (text, hint) in [
            ("drm:/dev/dri/none", "/dev/dri/none"),
            ("spi", "[panel.spi]"),
        ] {
            match open(text) {
                Err(error) => assert!(error.to_string().contains(hint), "{text}: {error}"),
                Ok(_) => panic!("{text} is opened"),
            }
        }
    }
}
