//! Every key that a settings file may hold: its table, what it allows, and what it means.

use super::schema::{Allowed, Key, NAME, Schema, Table, integer, key, number};
use crate::count::Confidence;
use crate::language::Language;

/// What a settings file may hold.
pub(super) const SCHEMA: Schema = Schema { tables: TABLES };

/// Every table, in the order of the printed file.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "sample",
        explanation: "The sample on the stage",
        keys: &[key(
            "id",
            Allowed::Text {
                min_chars: 0,
                max_chars: 64,
            },
            "",
            "Local sample ID for the screen and the results; never a person's name",
        )],
    },
    Table {
        name: "camera",
        explanation: "Where frames come from",
        keys: &[key(
            "source",
            NAME,
            "",
            "v4l2 (the only camera there is), v4l2:PATH, simulated, simulated:SEED or replay:PATH",
        )],
    },
    Table {
        name: "panel",
        explanation: "The screen",
        keys: &[
            key("kind", NAME, "", "terminal, png:FILE, drm, drm:CARD or spi"),
            Key {
                name: "width_px",
                allowed: integer(320, 1920),
                unit: "pixels",
                explanation: "Width of the screen; left out with the height, 320, or on a board's \
                              display the one that covers most of it",
                example: "320",
                is_required: false,
            },
            Key {
                name: "height_px",
                allowed: integer(240, 1080),
                unit: "pixels",
                explanation: "Height of the screen, given with its width",
                example: "240",
                is_required: false,
            },
        ],
    },
    Table {
        name: "scale",
        explanation: "How large things are in a frame",
        keys: &[
            Key {
                name: "um_per_px",
                allowed: number(0.005, 2.0),
                unit: "micrometres per pixel",
                explanation: "Size of a pixel of the camera's frame, from a stage micrometer; \
                              left out, it is estimated from the red cells",
                example: "0.072",
                is_required: false,
            },
            key(
                "rbc_diameter_um",
                number(2.0, 20.0),
                "micrometres",
                "Diameter of a red cell, for the estimate of the scale and the border rule",
            ),
            key(
                "frames_for_estimate",
                integer(1, 100),
                "frames",
                "Frames that an estimate of the scale rests on",
            ),
        ],
    },
    Table {
        name: "model",
        explanation: "The trained network",
        keys: &[key(
            "folder",
            NAME,
            "",
            "Folder with the model and its manifest.toml",
        )],
    },
    Table {
        name: "count",
        explanation: "What counts, and when a figure may be shown",
        keys: &[
            key(
                "border_rule",
                Allowed::Choice(&["inner_frame", "two_borders", "all"]),
                "",
                "Cells at the edge: centre a quarter of a red cell inside; touching top or left \
                 only; or every cell (biased)",
            ),
            key(
                "confidence",
                number(Confidence::MIN, Confidence::MAX),
                "",
                "Confidence of every interval",
            ),
            key(
                "minimum_cells",
                integer(1, 10_000),
                "cells",
                "Fewer cells of a class give no figure",
            ),
            key(
                "minimum_reference_cells",
                integer(1, 100_000),
                "cells",
                "Fewer red cells give no ratio, fewer cells in all no share",
            ),
            key(
                "wbc_per_rbc_limit",
                number(0.001, 1.0),
                "white cells per red cell",
                "A smear with more is not believed; normal blood has about 0.0014",
            ),
            key(
                "uncertain_share_limit",
                number(0.01, 1.0),
                "share of all cells",
                "More uncertain cells raise a warning",
            ),
            key(
                "target_precision",
                number(0.01, 0.5),
                "part of the count",
                "Half width of the interval to count towards; 0.2 takes 97 cells at 0.95",
            ),
        ],
    },
    Table {
        name: "preprocess",
        explanation: "Steps between the camera and the network",
        keys: &[
            key(
                "flat_field",
                Allowed::Switch,
                "",
                "Even out the illumination",
            ),
            key(
                "white_balance",
                Allowed::Switch,
                "",
                "Make the background neutral",
            ),
            key(
                "contrast",
                Allowed::Switch,
                "",
                "Stretch the range of brightness",
            ),
            key(
                "denoise",
                Allowed::Switch,
                "",
                "Take out single noisy pixels",
            ),
        ],
    },
    Table {
        name: "quality",
        explanation: "How frames are judged: blurred ones are not counted, light is told to the operator",
        keys: &[
            key(
                "blurred_below",
                number(0.0, 100.0),
                "focus score",
                "Focus score (0 to 100) under which a frame is blurred",
            ),
            key(
                "dark_below",
                number(0.0, 255.0),
                "brightness",
                "Level of the empty background (0 to 255) under which a frame is called dark",
            ),
            key(
                "bright_above",
                number(0.0, 255.0),
                "brightness",
                "Level of the empty background (0 to 255) over which a frame is called bright",
            ),
        ],
    },
    Table {
        name: "run",
        explanation: "How the device's program runs",
        keys: &[key(
            "threads",
            Allowed::WordOrInteger {
                word: "auto",
                min: 1,
                max: 2,
            },
            "threads",
            "Threads of the network; auto takes 2 where the board has 3 cores or more and is \
             below 75 °C (once hot, below 65 °C)",
        )],
    },
    Table {
        name: "display",
        explanation: "What the screen shows",
        keys: &[key(
            "language",
            Allowed::Choice(&Language::CODES),
            "",
            "Language of the screen, as its ISO 639-1 code",
        )],
    },
    Table {
        name: "site",
        explanation: "Where the device stands",
        keys: &[key(
            "utc_offset_minutes",
            integer(-720, 840),
            "minutes",
            "How far local time is ahead of UTC, for the screen; behind it, a negative number; \
             with 0 the screen shows UTC and says so",
        )],
    },
];
