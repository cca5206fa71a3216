//! Options that several commands share.

use clap::Args;
use std::path::PathBuf;

/// Options that several commands share.
#[derive(Debug, Args)]
pub struct SharedArguments {
    /// Configuration file; without it the defaults hold (see `hemoscope config --print`).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the model, with manifest.toml.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Width of a pixel on the slide in micrometres; without it, it is estimated from red cells.
    #[arg(long, value_name = "F", value_parser = parse_um_per_px)]
    pub um_per_px: Option<f64>,
}

/// The widest range that any microscope with a camera has, in micrometres a pixel.
const UM_PER_PX_RANGE: std::ops::RangeInclusive<f64> = 0.005..=5.0;

fn parse_um_per_px(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "not a number; give micrometres a pixel, such as 0.0725".to_owned())?;
    if UM_PER_PX_RANGE.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (UM_PER_PX_RANGE.start(), UM_PER_PX_RANGE.end());
    Err(format!("outside {low} to {high} micrometres a pixel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_that_are_none_are_refused() {
        let cases = [
            ("0.0725", true),
            ("1", true),
            ("0", false),
            ("-0.1", false),
            ("NaN", false),
            ("inf", false),
            ("0,07", false),
            ("", false),
        ];
        for (text, accepted) in cases {
            assert_eq!(parse_um_per_px(text).is_ok(), accepted, "{text:?}");
        }
    }
}
