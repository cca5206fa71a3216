//! The screen of a run on its panels.

use crate::image::canvas::Canvas;
use crate::panel::ScreenSize;
use crate::panel::{ChangedRows, FaultLight, Panel, PanelError};
use crate::ui::describe;
use crate::ui::model::Screen;
use crate::ui::screen::LiveScreen;
use std::ops::Range;
use std::time::Instant;

/// The light of a panel that was never set.
const MAX_BRIGHTNESS_PERCENT: u8 = 100;

/// One picture kept for good, and the panels that show it.
pub struct Display {
    screen: LiveScreen,
    changed: ChangedRows,
    panels: Vec<WatchedPanel>,
    fault_light: Option<FaultLight>,
    /// What was said of the light last.
    light_trouble: Option<String>,
}

/// A panel, and what was said of it last.
struct WatchedPanel {
    panel: Box<dyn Panel>,
    /// None before the first picture.
    state: Option<PanelState>,
    brightness_percent: u8,
}

#[derive(Debug, PartialEq, Eq)]
enum PanelState {
    Shown,
    /// With the message that says why.
    Away(String),
}

impl WatchedPanel {
    fn new(panel: Box<dyn Panel>) -> Self {
        Self {
            panel,
            state: None,
            brightness_percent: MAX_BRIGHTNESS_PERCENT,
        }
    }

    /// The next darker level, or the brightest after the darkest.
    fn next_brightness(&self) -> Option<u8> {
        let steps = self.panel.brightness_steps();
        let darker = steps.iter().find(|step| **step < self.brightness_percent);
        darker.or(steps.first()).copied()
    }

    fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
        self.panel.set_brightness(percent)?;
        self.brightness_percent = percent;
        Ok(())
    }

    /// Presents to the panel. One that is away is waited for; what is told of it is what has
    /// changed since it was told last.
    fn present(
        &mut self,
        canvas: &Canvas,
        changed_rows: &[Range<u32>],
    ) -> Result<Option<String>, PanelError> {
        match self.panel.present(canvas, changed_rows) {
            Ok(()) if self.state == Some(PanelState::Shown) => Ok(None),
            Ok(()) => {
                self.state = Some(PanelState::Shown);
                let device = self.panel.device();
                Ok(device.map(|device| format!("the screen is shown on {device}")))
            }
            Err(error @ PanelError::Away { .. }) => {
                let message = error.to_string();
                let state = PanelState::Away(message.clone());
                let is_news = self.state.as_ref() != Some(&state);
                self.state = Some(state);
                Ok(is_news.then_some(message))
            }
            Err(error) => Err(error),
        }
    }
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
            .any(|watched| watched.panel.device().is_some())
    }

    /// The kind of hardware that shows the screen, such as `drm`; `None` while none does.
    pub fn shown_on(&self) -> Option<&'static str> {
        let shows = |watched: &&WatchedPanel| watched.state == Some(PanelState::Shown);
        let mut shown = self.panels.iter().filter(shows);
        shown.find_map(|watched| watched.panel.kind())
    }

    /// Whether one of the panels is the terminal, where nothing else may be written meanwhile.
    pub fn is_on_terminal(&self) -> bool {
        self.panels
            .iter()
            .any(|watched| watched.panel.wants_caption())
    }

    /// Sets the light of the device's own panels. Counting goes on where it cannot be set.
    pub fn set_brightness(&mut self, percent: u8) {
        for watched in &mut self.panels {
            if watched.panel.device().is_some()
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
                .for_each(|watched| watched.panel.caption(&lines));
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

    /// A panel that does what it is told to, one picture after the other.
    struct Scripted(Vec<Result<(), &'static str>>);

    impl Panel for Scripted {
        fn size(&self) -> (u32, u32) {
            ScreenSize::Small.pixels()
        }

        fn kind(&self) -> Option<&'static str> {
            Some("bench")
        }

        fn device(&self) -> Option<String> {
            Some("bench".to_owned())
        }

        fn brightness_steps(&self) -> &'static [u8] {
            &[100, 50]
        }

        fn set_brightness(&mut self, _: u8) -> Result<(), PanelError> {
            Ok(())
        }

        fn present(&mut self, _: &Canvas, _: &[Range<u32>]) -> Result<(), PanelError> {
            self.0.remove(0).map_err(|reason| PanelError::Away {
                panel: "bench".to_owned(),
                reason: reason.to_owned(),
            })
        }
    }

    #[test]
    fn a_panel_that_goes_and_comes_is_told_once_each_time() {
        let script = vec![Err("is dark"), Err("is dark"), Ok(()), Ok(()), Err("fell")];
        let mut watched = WatchedPanel::new(Box::new(Scripted(script)));
        let canvas = ScreenSize::Small.canvas();
        let mut present = || watched.present(&canvas, &[]).unwrap().unwrap_or_default();
        let told = [(); 5].map(|()| present());
        let expected = ["is dark", "", "shown on bench", "", "fell"];
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told:?} for {expected:?}");
            assert_eq!(told.is_empty(), expected.is_empty(), "{told:?}");
        }
    }

    #[test]
    fn the_light_goes_down_in_steps_and_up_again() {
        let mut watched = WatchedPanel::new(Box::new(Scripted(Vec::new())));
        let mut levels = Vec::new();
        for _ in 0..3 {
            let next = watched.next_brightness().unwrap();
            watched.set_brightness(next).unwrap();
            levels.push(next);
        }
        assert_eq!(levels, [50, 100, 50]);
        watched.set_brightness(80).unwrap();
        assert_eq!(watched.next_brightness(), Some(50));
    }

    #[test]
    fn a_panel_that_is_away_keeps_no_other_from_the_screen() {
        let away = Box::new(Scripted(vec![Err("is dark"), Ok(())]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let file = Box::new(crate::panel::PngPanel::new(&path, ScreenSize::Small));
        let mut display = Display::new(ScreenSize::Small, vec![away, file]);
        let starting = Screen::Starting(crate::ui::model::Starting {
            language: crate::language::Language::English,
            version: "1".to_owned(),
        });
        display.show(&starting).unwrap();
        assert!(path.exists());
        assert_eq!(display.shown_on(), None, "a file is no hardware");
        display.show(&starting).unwrap();
        assert_eq!(display.shown_on(), Some("bench"));
    }
}
