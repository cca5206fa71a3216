//! Every setting: its table, type and default, what it allows, and what it means.
//!
//! A new key is one more entry here; the struct, the check and the printed file follow from it.

use super::declare::settings;
use super::schema::{
    Key, NAME, SWITCH, Schema, Table, choice, integer, key, number, text, word_or_integer,
};
use super::threads;
use crate::cell::CellClass;
use crate::count::{BorderRule, Confidence, CountRules, SmearLimits};
use crate::device::thermal::ThreadsWanted;
use crate::language::Language;
use crate::panel::PanelSpec;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a settings file may hold.
pub(super) const SCHEMA: Schema = Schema { tables: TABLES };

settings! {
    sample: SampleConfig, "The sample on the stage" {
        id: String = String::new(), text(0, 64),
            "Local sample ID for the screen and the results; never a person's name";
    }

    camera: CameraConfig, "Where frames come from" {
        source: String = "simulated".to_owned(), NAME,
            "v4l2 (the only camera there is), v4l2:PATH, simulated, simulated:SEED or replay:PATH";
    }

    panel: PanelConfig, "The screen" {
        kind: PanelSpec = PanelSpec::Terminal, NAME,
            "terminal, png:FILE, drm, drm:CARD or spi";
        width_px: Option<u32> = None, integer(320, 1920), unit "pixels",
            "Width of the screen; left out with the height, 320, or on a board's display the one \
             that covers most of it",
            example "320";
        height_px: Option<u32> = None, integer(240, 1080), unit "pixels",
            "Height of the screen, given with its width",
            example "240";
    }

    scale: ScaleConfig, "How large things are in a frame" {
        um_per_px: Option<f64> = None, number(0.005, 2.0), unit "micrometres per pixel",
            "Size of a pixel of the camera's frame, from a stage micrometer; left out, it is \
             estimated from the red cells",
            example "0.072";
        rbc_diameter_um: f64 = 7.5, number(2.0, 20.0), unit "micrometres",
            "Diameter of a red cell, for the estimate of the scale and the border rule";
        frames_for_estimate: u32 = 10, integer(1, 100), unit "frames",
            "Frames that an estimate of the scale rests on";
    }

    model: ModelConfig, "The trained network" {
        folder: PathBuf = PathBuf::from("models/smear-resnet"), NAME,
            "Folder with the model and its manifest.toml";
    }

    /// See [`CountRules`].
    count: CountConfig, "What counts, and when a figure may be shown" {
        border_rule: BorderRule = BorderRule::default(),
            choice(&["inner_frame", "two_borders", "all"]),
            "Cells at the edge: centre a quarter of a red cell inside; touching top or left only; \
             or every cell (biased)";
        confidence: Confidence = CountRules::default().confidence,
            number(Confidence::MIN, Confidence::MAX),
            "Confidence of every interval";
        minimum_cells: u32 = CountRules::default().minimum_cells,
            integer(1, 10_000), unit "cells",
            "Fewer cells of a class give no figure";
        minimum_reference_cells: u32 = CountRules::default().minimum_reference_cells,
            integer(1, 100_000), unit "cells",
            "Fewer red cells give no ratio, fewer cells in all no share";
        wbc_per_rbc_limit: f64 = 0.1,
            number(0.001, 1.0), unit "white cells per red cell",
            "A smear with more is not believed; normal blood has about 0.0014";
        plt_per_rbc_limit: f64 = 0.6,
            number(0.01, 10.0), unit "platelets per red cell",
            "A smear with more is not believed; normal blood has about 0.05";
        uncertain_share_limit: f64 = 0.2,
            number(0.01, 1.0), unit "share of all cells",
            "A smear with more uncertain cells is not believed";
    }

    /// See [`CountRules::targets`] and [`SmearLimits`].
    targets: TargetsConfig, "How much of a smear to count" {
        plt: u32 = CountRules::default().targets[CellClass::Plt],
            integer(1, 1_000_000), unit "cells",
            "Platelets to count towards, where they lie at random; 100 are for about ±20 %";
        wbc: u32 = CountRules::default().targets[CellClass::Wbc],
            integer(1, 1_000_000), unit "cells",
            "White cells to count towards, in the same way";
        rbc: u32 = CountRules::default().targets[CellClass::Rbc],
            integer(1, 10_000_000), unit "cells",
            "Red cells to count towards, which the others are taken against";
        max_fields: u32 = SmearLimits::default().fields, integer(10, 1_000_000), unit "fields",
            "Fields after which the operator is told to finish, whatever was reached";
        max_minutes: u32 = SmearLimits::default().minutes, integer(1, 1_440), unit "minutes",
            "Minutes after the first field of a smear at which the operator is told to finish";
    }

    preprocess: PreprocessConfig, "Steps between the camera and the network" {
        flat_field: bool = false, SWITCH, "Even out the illumination";
        white_balance: bool = false, SWITCH, "Make the background neutral";
        contrast: bool = false, SWITCH, "Stretch the range of brightness";
        denoise: bool = false, SWITCH, "Take out single noisy pixels";
    }

    quality: QualityConfig,
        "How frames are judged: those that are blurred, too dark or too bright are not counted"
    {
        blurred_below: f64 = 42.0, number(0.0, 100.0), unit "focus score",
            "Focus score (0 to 100) under which a frame is blurred";
        dark_below: f64 = 110.0, number(0.0, 255.0), unit "brightness",
            "Level of the empty background's brightest colour (0 to 255) under which a frame is too dark";
        bright_above: f64 = 248.0, number(0.0, 255.0), unit "brightness",
            "Level of the empty background (0 to 255) over which a frame is too bright";
    }

    run: RunConfig, "How the device's program runs" {
        #[serde(with = "threads")]
        threads: ThreadsWanted = ThreadsWanted::Auto, word_or_integer("auto", 1, 2),
            unit "threads",
            "Threads of the network; auto takes 2 where the board has 3 cores or more and is \
             below 75 °C (once hot, below 65 °C)";
    }

    display: DisplayConfig, "What the screen shows" {
        language: Language = Language::default(), choice(&Language::CODES),
            "Language of the screen, as its ISO 639-1 code";
    }

    site: SiteConfig, "Where the device stands" {
        utc_offset_minutes: i16 = 0, integer(-720, 840), unit "minutes",
            "How far local time is ahead of UTC, for the screen; behind it, a negative number; \
             with 0 the screen shows UTC and says so";
    }
}
