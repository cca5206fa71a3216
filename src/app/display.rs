//! The screen of a run on its panels.

use super::screen_content::counting_of;
use super::setup::Setup;
use crate::panel::{ChangedRows, Panel, PanelError};
use crate::session::Session;
use crate::ui::canvas::Canvas;
use crate::ui::describe;
use crate::ui::layout::ScreenSize;
use crate::ui::model::{Counting, Screen};
use crate::ui::screen::LiveScreen;
use std::ops::Range;

/// One picture kept for good, and the panels that show it.
pub struct Display {
    screen: LiveScreen,
    changed: ChangedRows,
    panels: Vec<WatchedPanel>,
}

/// A panel, and what was said of it last.
struct WatchedPanel {
    panel: Box<dyn Panel>,
    /// None before the first picture.
    state: Option<PanelState>,
}

#[derive(Debug, PartialEq, Eq)]
enum PanelState {
    Shown,
    /// With the message that says why.
    Away(String),
}

impl WatchedPanel {
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
            panels: panels
                .into_iter()
                .map(|panel| WatchedPanel { panel, state: None })
                .collect(),
        }
    }

    /// Shows any screen.
    ///
    /// # Errors
    /// A panel that cannot show it.
    pub fn show(&mut self, screen: &Screen<'_>) -> Result<(), PanelError> {
        self.screen.show(screen);
        self.caption(|| describe::lines(screen));
        self.present(true)
    }

    /// Shows a session; what has not changed is neither drawn nor sent to a panel.
    ///
    /// # Errors
    /// A panel that cannot show it.
    pub fn show_session(&mut self, session: &Session, setup: &Setup) -> Result<(), PanelError> {
        self.show_counting(&counting_of(session, setup))
    }

    /// As [`Display::show_session`], from the screen's content.
    ///
    /// # Errors
    /// A panel that cannot show it.
    pub fn show_counting(&mut self, counting: &Counting<'_>) -> Result<(), PanelError> {
        let is_other = self.screen.show_counting(counting);
        self.caption(|| describe::of_counting(counting));
        self.present(is_other)
    }

    /// Only panels too coarse to read want words.
    fn caption(&mut self, words: impl FnOnce() -> Vec<String>) {
        let is_wanted = |watched: &WatchedPanel| watched.panel.wants_caption();
        if self.panels.iter().any(is_wanted) {
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
                eprintln!("hemoscope: {news}");
            }
        }
        Ok(())
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

        fn device(&self) -> Option<String> {
            Some("bench".to_owned())
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
        let mut watched = WatchedPanel {
            panel: Box::new(Scripted(script)),
            state: None,
        };
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
    fn a_panel_that_is_away_keeps_no_other_from_the_screen() {
        let away = Box::new(Scripted(vec![Err("is dark")]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("screen.png");
        let file = Box::new(crate::panel::PngPanel::new(&path, ScreenSize::Small));
        let mut display = Display::new(ScreenSize::Small, vec![away, file]);
        let starting = Screen::Starting(crate::ui::model::Starting {
            language: crate::ui::text::Language::English,
            version: "1".to_owned(),
        });
        display.show(&starting).unwrap();
        assert!(path.exists());
    }
}
