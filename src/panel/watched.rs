//! A panel, and what was said of it last: each change is told once.

use super::{Panel, PanelError};
use crate::image::canvas::Canvas;
use std::ops::Range;

/// The light of a panel that was never set.
const MAX_BRIGHTNESS_PERCENT: u8 = 100;

/// A panel that may go and come, with the level of its light.
pub struct WatchedPanel {
    panel: Box<dyn Panel>,
    /// `None` before the first image.
    state: Option<PanelState>,
    brightness_percent: u8,
}

#[derive(Debug, PartialEq, Eq)]
enum PanelState {
    Shown,
    /// With the message that says why.
    Unavailable(String),
}

impl WatchedPanel {
    /// A panel that has shown nothing yet.
    pub fn new(panel: Box<dyn Panel>) -> Self {
        Self {
            panel,
            state: None,
            brightness_percent: MAX_BRIGHTNESS_PERCENT,
        }
    }

    /// The panel itself.
    pub fn panel(&self) -> &dyn Panel {
        self.panel.as_ref()
    }

    /// Whether it shows the last image that was presented.
    pub fn is_shown(&self) -> bool {
        self.state == Some(PanelState::Shown)
    }

    /// The next darker level, or the brightest after the darkest; `None` where there are no levels.
    pub fn next_brightness(&self) -> Option<u8> {
        let steps = self.panel.brightness_steps();
        let darker = steps.iter().find(|step| **step < self.brightness_percent);
        darker.or(steps.first()).copied()
    }

    /// Sets the light, 0 to 100.
    ///
    /// # Errors
    /// The panel does not take it; the level is then as before.
    pub fn set_brightness(&mut self, percent: u8) -> Result<(), PanelError> {
        self.panel.set_brightness(percent)?;
        self.brightness_percent = percent;
        Ok(())
    }

    /// Gives the panel what a screen says.
    pub fn caption(&mut self, lines: &[String]) {
        self.panel.caption(lines);
    }

    /// Presents to the panel; one that is unavailable is waited for. Gives what has changed of it since it
    /// was told last, for the log.
    ///
    /// # Errors
    /// The panel is broken.
    pub fn present(
        &mut self,
        canvas: &Canvas,
        changed_rows: &[Range<u32>],
    ) -> Result<Option<String>, PanelError> {
        match self.panel.present(canvas, changed_rows) {
            Ok(()) if self.is_shown() => Ok(None),
            Ok(()) => {
                self.state = Some(PanelState::Shown);
                let device = self.panel.device();
                Ok(device.map(|device| format!("the screen is shown on {device}")))
            }
            Err(error @ PanelError::Unavailable { .. }) => {
                let message = error.to_string();
                let state = PanelState::Unavailable(message.clone());
                let is_news = self.state.as_ref() != Some(&state);
                self.state = Some(state);
                Ok(is_news.then_some(message))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::ScreenSize;

    /// A panel that does what it is told to, one image after the other.
    struct Scripted(Vec<Result<(), &'static str>>);

    impl Panel for Scripted {
        fn size(&self) -> (u32, u32) {
            ScreenSize::Small.pixels()
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
            self.0.remove(0).map_err(|reason| PanelError::Unavailable {
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
}
