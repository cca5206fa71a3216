//! The screen of a run on its panels.

use super::screen_content::counting_of;
use super::setup::Setup;
use crate::panel::{ChangedRows, Panel, PanelError};
use crate::session::Session;
use crate::ui::describe;
use crate::ui::layout::ScreenSize;
use crate::ui::model::{Counting, Screen};
use crate::ui::screen::LiveScreen;

/// One picture kept for good, and the panels that show it.
pub struct Display {
    screen: LiveScreen,
    changed: ChangedRows,
    panels: Vec<Box<dyn Panel>>,
}

impl Display {
    /// A black screen of a size.
    pub fn new(size: ScreenSize, panels: Vec<Box<dyn Panel>>) -> Self {
        Self {
            screen: LiveScreen::new(size),
            changed: ChangedRows::new(size.canvas()),
            panels,
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
        if self.panels.iter().any(|panel| panel.wants_caption()) {
            let lines = words();
            self.panels
                .iter_mut()
                .for_each(|panel| panel.caption(&lines));
        }
    }

    fn present(&mut self, is_other: bool) -> Result<(), PanelError> {
        let canvas = self.screen.canvas();
        let changed = if is_other {
            self.changed.since_last(canvas)
        } else {
            &[]
        };
        self.panels
            .iter_mut()
            .try_for_each(|panel| panel.present(canvas, changed))
    }
}
