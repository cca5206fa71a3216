//! What a run is told: plain settings, put together by whoever starts it.

use crate::analysis::settings::AnalysisSettings;
use crate::camera::ControlSettings;
use crate::device::thermal::ThreadsWanted;
use crate::input::InputSettings;
use crate::panel::ScreenSize;
use crate::panel::{PanelSettings, PanelSpec};
use crate::session::smear::SmearRules;
use crate::ui::presenter::ScreenSettings;
use std::path::PathBuf;

/// Everything that a run needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// The program is a board's own: it waits for camera and panels, has an updater, and shows what
    /// stops it.
    pub is_on_board: bool,
    /// The source of frames, as [`crate::camera::open`] takes it.
    pub camera: String,
    /// What a V4L2 camera is set to.
    pub controls: ControlSettings,
    /// The panels that show the screen.
    pub panels: Vec<PanelSpec>,
    /// How the board's own panel is mounted and wired.
    pub panel: PanelSettings,
    /// Size of the screen; `None` for the one that fits a board's display.
    pub size: Option<ScreenSize>,
    /// The board's buttons and touch screen.
    pub input: InputSettings,
    /// Folder that records are kept in, if any.
    pub data: Option<PathBuf>,
    /// Fields after which the run ends, if any.
    pub target_fields: Option<u32>,
    /// Threads of the network.
    pub threads: ThreadsWanted,
    /// When figures may be shown, and what is believed of them.
    pub rules: SmearRules,
    /// Language, sample and time zone of the screen.
    pub screen: ScreenSettings,
    /// How frames are analysed.
    pub analysis: AnalysisSettings,
}
