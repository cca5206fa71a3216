//! Every key that a settings file may hold: its table, what it allows, and what it means.

use crate::count::Confidence;
use std::fmt;

/// A table of the settings file.
pub(super) struct Table {
    pub name: &'static str,
    pub explanation: &'static str,
    pub keys: &'static [Key],
}

/// A key of a table.
pub(super) struct Key {
    pub name: &'static str,
    pub allowed: Allowed,
    /// Unit of the value; empty where it has none.
    pub unit: &'static str,
    pub explanation: &'static str,
    /// A value to show where the default is to leave the key out.
    pub example: &'static str,
}

/// The values that a key allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Allowed {
    /// Text without control characters, from `min_chars` to `max_chars` long.
    Text { min_chars: usize, max_chars: usize },
    /// A number from `min` to `max`.
    Number { min: f64, max: f64 },
    /// A whole number from `min` to `max`.
    Integer { min: i64, max: i64 },
    /// `true` or `false`.
    Switch,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A word, or a whole number from `min` to `max`.
    WordOrInteger {
        word: &'static str,
        min: i64,
        max: i64,
    },
}

impl fmt::Display for Allowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Text {
                min_chars: 0,
                max_chars,
            } => write!(formatter, "text in quotes, at most {max_chars} characters"),
            Allowed::Text {
                min_chars,
                max_chars,
            } => write!(
                formatter,
                "text in quotes, {min_chars} to {max_chars} characters"
            ),
            Allowed::Number { min, max } => write!(formatter, "a number from {min} to {max}"),
            Allowed::Integer { min, max } => {
                write!(formatter, "a whole number from {min} to {max}")
            }
            Allowed::Switch => formatter.write_str("true or false"),
            Allowed::Choice(words) => write!(formatter, "\"{}\"", words.join("\" or \"")),
            Allowed::WordOrInteger { word, min, max } => {
                write!(
                    formatter,
                    "\"{word}\" or a whole number from {min} to {max}"
                )
            }
        }
    }
}

const NAME: Allowed = Allowed::Text {
    min_chars: 1,
    max_chars: 1024,
};

const fn number(min: f64, max: f64) -> Allowed {
    Allowed::Number { min, max }
}

const fn integer(min: i64, max: i64) -> Allowed {
    Allowed::Integer { min, max }
}

const fn key(
    name: &'static str,
    allowed: Allowed,
    unit: &'static str,
    explanation: &'static str,
) -> Key {
    Key {
        name,
        allowed,
        unit,
        explanation,
        example: "",
    }
}

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
            key(
                "width_px",
                integer(320, 1920),
                "pixels",
                "Width of the screen",
            ),
            key(
                "height_px",
                integer(240, 1080),
                "pixels",
                "Height of the screen",
            ),
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
            Allowed::Choice(&["en", "es", "fr"]),
            "",
            "Language of the screen: English, Spanish or French",
        )],
    },
];

/// The table of this name.
pub(super) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The table whose name is most like `name`.
pub(super) fn nearest_table(name: &str) -> &'static str {
    nearest(
        TABLES
            .iter()
            .map(|table| (table.name, likeness(name, table.name))),
    )
    .unwrap_or_default()
}

/// The table and name of the key most like `name`; keys of `home` are preferred a little.
pub(super) fn nearest_key(name: &str, home: Option<&Table>) -> (&'static str, &'static str) {
    const PREFERENCE_FOR_HOME: f64 = 0.2;
    let keys = TABLES.iter().flat_map(|table| {
        let at_home = home.is_some_and(|home| home.name == table.name);
        let preference = if at_home { PREFERENCE_FOR_HOME } else { 0.0 };
        table.keys.iter().map(move |key| {
            let score = likeness(name, key.name) + preference;
            ((table.name, key.name), score)
        })
    });
    nearest(keys).unwrap_or_default()
}

/// The first of the candidates with the highest score.
fn nearest<T>(candidates: impl Iterator<Item = (T, f64)>) -> Option<T> {
    let better = |best: (T, f64), next: (T, f64)| if next.1 > best.1 { next } else { best };
    candidates.reduce(better).map(|(candidate, _)| candidate)
}

/// Typing errors keep the edit distance small, left-out words keep the pairs of letters.
fn likeness(typed: &str, known: &str) -> f64 {
    let typed = typed.to_lowercase();
    strsim::normalized_damerau_levenshtein(&typed, known) + strsim::sorensen_dice(&typed, known)
}
