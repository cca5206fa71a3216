//! Every key that a board description may hold.

use crate::config::schema::{Allowed, Key, NAME, Schema, Table, integer, key, required};
use crate::panel::PanelSettings;

/// The format that this program reads.
pub(super) const FORMAT: i64 = 1;
/// Lines of a GPIO chip.
const LINE: Allowed = integer(0, 1023);

/// What a board description may hold.
pub(super) const SCHEMA: Schema = Schema { tables: TABLES };

const fn plain(name: &'static str, allowed: Allowed, explanation: &'static str) -> Key {
    key(name, allowed, "", explanation)
}

const TABLES: &[Table] = &[
    Table {
        name: "",
        explanation: "The board",
        keys: &[
            required(plain(
                "format",
                integer(FORMAT, FORMAT),
                "Format of this file",
            )),
            required(plain("name", NAME, "Name of the board's folder")),
            required(plain("title", NAME, "The board as its maker calls it")),
            required(plain(
                "compatible",
                Allowed::TextList {
                    min_items: 0,
                    max_items: 16,
                },
                "One of these stands in the device tree; an empty list fits every machine",
            )),
        ],
    },
    Table {
        name: "camera",
        explanation: "The camera",
        keys: &[
            required(plain("source", NAME, "As for `hemoscope run --camera`")),
            key(
                "exposure_us",
                integer(100, 10_000_000),
                "microseconds",
                "Exposure of a frame; without it, it is set from the background at the start",
            ),
            plain(
                "gain",
                integer(0, 100_000),
                "Gain, in the camera's own steps",
            ),
            key(
                "white_balance_kelvin",
                integer(1_000, 20_000),
                "kelvin",
                "White balance; without it, it is set from the background at the start",
            ),
            plain(
                "focus",
                integer(0, 100_000),
                "Focus, in the camera's own steps",
            ),
        ],
    },
    Table {
        name: "panel",
        explanation: "The screen",
        keys: &[
            required(plain(
                "kind",
                Allowed::Choice(PanelSettings::KINDS),
                "How it is driven",
            )),
            key(
                "rotation_degrees",
                Allowed::OneOf(&[0, 90, 180, 270]),
                "degrees",
                "Clockwise turn of the image",
            ),
            key(
                "brightness_percent",
                integer(1, 100),
                "percent",
                "Brightness",
            ),
            plain(
                "fault_light",
                NAME,
                "Light that blinks while no display shows the screen",
            ),
        ],
    },
    Table {
        name: "panel.drm",
        explanation: "A screen of the kernel's",
        keys: &[plain(
            "connector",
            NAME,
            "The first connected one otherwise",
        )],
    },
    Table {
        name: "panel.spi",
        explanation: "A screen on the SPI bus",
        keys: &[
            required(plain(
                "controller",
                Allowed::Choice(&["ili9341", "st7789"]),
                "The screen's controller",
            )),
            required(plain("device", NAME, "The bus's device file")),
            required(key(
                "clock_hz",
                integer(100_000, 125_000_000),
                "hertz",
                "Clock of the bus",
            )),
            required(plain("gpio_chip", NAME, "Device file of the lines below")),
            required(plain(
                "data_command_line",
                LINE,
                "Line that tells data from commands",
            )),
            plain("reset_line", LINE, "Line that resets the screen"),
            plain("backlight_line", LINE, "Line that lights the screen"),
            required(key("width_px", integer(128, 800), "pixels", "Width")),
            required(key("height_px", integer(128, 800), "pixels", "Height")),
        ],
    },
    Table {
        name: "input",
        explanation: "Buttons and touch",
        keys: &[
            plain(
                "buttons",
                Allowed::TextList {
                    min_items: 0,
                    max_items: 16,
                },
                "Names of input devices; an empty list takes any keyboard",
            ),
            plain(
                "touch",
                Allowed::Text {
                    min_chars: 0,
                    max_chars: 128,
                },
                "Name of a touch screen; empty for none",
            ),
        ],
    },
    Table {
        name: "paths",
        explanation: "Folders",
        keys: &[
            required(plain("model", NAME, "Folder of the model")),
            required(plain("data", NAME, "Folder that records are kept in")),
        ],
    },
    Table {
        name: "limits",
        explanation: "What the program may take",
        keys: &[
            key("memory_mb", integer(64, 65_536), "megabytes", "Memory"),
            plain("network_threads", integer(1, 2), "Threads of the network"),
        ],
    },
];
