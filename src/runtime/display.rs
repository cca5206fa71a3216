//! The screen of a run on its panels.

use crate::panel::ScreenSize;
use crate::panel::{ChangedRows, FaultLight, Panel, PanelError, WatchedPanel};
use crate::ui::describe;
use crate::ui::model::Screen;
use crate::ui::screen::LiveScreen;
use std::time::Instant;

/// One image kept for good, and the panels that show it.
pub struct Display {
    screen: LiveScreen,
    changed: ChangedRows,
    panels: Vec<WatchedPanel>,
    fault_light: Option<FaultLight>,
    /// What was said of the light last.
    light_trouble: Option<String>,
}

impl Display {
    /// A black screen of a size.
    pub fn new(size: ScreenSize, panels: Vec<Box<dyn Panel>>) -> Self {
        Self {
            screen: LiveScreen::new(size),
            changed: ChangedRows::new(size.canvas()),
            panels: panels.into_iter().map(WatchedPanel::new).collect(),
            fault_light: None,
            light_trouble: None,
        }
    }

    /// Has a light of the board blink while no panel of the device's own shows the screen.
    pub fn with_fault_light(self, fault_light: Option<FaultLight>) -> Self {
        Self {
            fault_light,
            ..self
        }
    }

    /// Whether one of the panels is a device's own, not a terminal or a file.
    pub fn is_on_device(&self) -> bool {
        self.panels
            .iter()
            .any(|watched| watched.panel().device().is_some())
    }

    /// The kind of hardware that shows the screen, such as `drm`; `None` while none does.
    pub fn shown_on(&self) -> Option<&'static str> {
        let shows = |watched: &&WatchedPanel| watched.is_shown();
        let mut shown = self.panels.iter().filter(shows);
        shown.find_map(|watched| watched.panel().kind())
    }

    /// Whether one of the panels is the terminal, where nothing else may be written meanwhile.
    pub fn is_on_terminal(&self) -> bool {
        self.panels
            .iter()
            .any(|watched| watched.panel().wants_caption())
    }

    /// Sets the light of the device's own panels. Counting goes on where it cannot be set.
    pub fn set_brightness(&mut self, percent: u8) {
        for watched in &mut self.panels {
            if watched.panel().device().is_some()
                && let Err(error) = watched.set_brightness(percent)
            {
                log::error!("{error}");
            }
        }
    }

    /// Changes the light of panels that have one to the next level.
    pub fn step_brightness(&mut self) {
        for watched in &mut self.panels {
            if let Some(percent) = watched.next_brightness()
                && let Err(error) = watched.set_brightness(percent)
            {
                log::error!("{error}");
            }
        }
    }

    /// Shows a screen. What has not changed of the counting screen is neither drawn nor sent to a
    /// panel.
    ///
    /// # Errors
    /// A panel that cannot show it.
    pub fn show(&mut self, screen: &Screen<'_>) -> Result<(), PanelError> {
        let is_other = self.screen.show(screen);
        self.caption(|| describe::lines(screen));
        self.present(is_other)
    }

    /// Only panels too coarse to read want words.
    fn caption(&mut self, words: impl FnOnce() -> Vec<String>) {
        if self.is_on_terminal() {
            let lines = words();
            self.panels
                .iter_mut()
                .for_each(|watched| watched.caption(&lines));
        }
    }

    fn present(&mut self, is_other: bool) -> Result<(), PanelError> {
        let canvas = self.screen.canvas();
        let changed = if is_other {
            self.changed.since_last(canvas)
        } else {
            &[]
        };
        for watched in &mut self.panels {
            if let Some(news) = watched.present(canvas, changed)? {
                log::warn!("{news}");
            }
        }
        self.tell_light();
        Ok(())
    }

    /// Switches the light for faults. One that cannot be switched yet may become so: the system
    /// gives the right to it while it starts.
    fn tell_light(&mut self) {
        let is_dark = self.fault_light.is_some() && self.shown_on().is_none();
        let Some(light) = &mut self.fault_light else {
            return;
        };
        if let Err(reason) = light.tell(is_dark, Instant::now())
            && self.light_trouble.as_ref() != Some(&reason)
        {
            log::error!("{reason}");
            self.light_trouble = Some(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::canvas::Canvas;
    use crate::ui::presenter::{ScreenSettings, starting_of};
    use std::ops::Range;

    /// A panel that shows every other image.
    #[derive(Default)]
    struct Flickering {
        is_away: bool,
    }

    impl Panel for Flickering {
        fn size(&self) -> (u32, u32) {
            ScreenSize::Small.pixels()
        }

        fn kind(&self) -> Option<&'static str> {
            Some("bench")
        }

        fn present(&mut self, _: &Canvas, _: &[Range<u32>]) -> Result<(), PanelError> {
            self.is_away = !self.is_away;
            if !self.is_away {
                return Ok(());
            }
            Err(PanelError::Unavailable {
                panel: "bench".to_owned(),
                reason: "is dark".to_owned(),
            })
        }
    }

    #[test]
    fn a_panel_that_is_away_keeps_no_other_from_the_screen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let file = Box::new(crate::panel::PngPanel::new(&path, ScreenSize::Small));
        let panels: Vec<Box<dyn Panel>> = vec![Box::new(Flickering::default()), file];
        let mut display = Display::new(ScreenSize::Small, panels);
        let starting = Screen::Starting(starting_of(&ScreenSettings::default()));
        display.show(&starting).unwrap();
        assert!(path.exists());
        assert_eq!(display.shown_on(), None, "a file is no hardware");
        display.show(&starting).unwrap();
        assert_eq!(display.shown_on(), Some("bench"));
    }
}
