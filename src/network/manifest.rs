//! `manifest.toml`: what a model folder holds, and how its output is to be read.

use crate::cell::CellClass;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The version of the manifest that this program reads.
pub const FORMAT: u32 = 1;

/// A model's manifest. Unknown keys are refused: a newer exporter may mean something by them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    pub name: String,
    pub version: String,
    /// The classes' names, in the order of the heat channels.
    pub classes: Vec<String>,
    /// ONNX operator set of both forms.
    pub opset: u32,
    pub license_note: String,
    /// The form that the device runs.
    pub device: ModelFile,
    /// Plain float ONNX, for reference.
    pub plain: ModelFile,
    pub input: InputDescription,
    /// Thresholds and calibration, in class order.
    pub class: Vec<ClassSettings>,
    pub quantization: QuantizationNote,
    pub training: TrainingNote,
    /// Figures measured at export, by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

/// A file beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    pub file: String,
    /// Of the whole file, in lower-case hexadecimal.
    pub sha256: String,
}

/// What the network expects to see.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputDescription {
    /// Diameter of a red cell, in pixels of the input.
    pub rbc_diameter_px: f64,
    /// Both sides are multiples of this.
    pub side_multiple_px: u32,
    /// Input pixels per output place.
    pub stride_px: u32,
    /// The 7-bit value that the network sees as zero.
    pub zero_point: u8,
}

/// How one class's heat becomes cells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSettings {
    pub name: String,
    /// Confidence from which a cell is counted under this class, in ten-thousandths.
    pub certain_permyriad: u16,
    /// Confidence from which it is shown at all.
    pub candidate_permyriad: u16,
    /// Calibrated logit = (slope x logit + intercept), all in 1/256 (Platt scaling).
    pub calibration_slope_q8: i32,
    pub calibration_intercept_q8: i32,
}

/// How the device's form was made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationNote {
    pub scheme: String,
    pub calibration: String,
    pub calibration_frames: u32,
    pub calibration_data: String,
}

/// How the network was trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingNote {
    pub data: Vec<String>,
    pub epochs: f64,
    pub seed: u64,
    pub parameters: u64,
    /// Million multiply-accumulates for an input of 320x240.
    pub mmac_320x240: f64,
}

impl Manifest {
    /// Reads and checks a manifest's text.
    ///
    /// # Errors
    /// A sentence that says which key is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let format = toml::from_str::<FormatOnly>(text).map_err(|error| error.to_string())?;
        if format.format != FORMAT {
            return Err(format!(
                "format is {}, but this program reads format {FORMAT}",
                format.format
            ));
        }
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The three classes' settings, in class order.
    pub fn class_settings(&self) -> [ClassSettings; 3] {
        CellClass::ALL.map(|class| self.class[class.index()].clone())
    }

    fn check(&self) -> Result<(), String> {
        let names = CellClass::ALL.map(CellClass::name);
        let of_classes: Vec<&str> = self.class.iter().map(|class| &*class.name).collect();
        if self.classes != names || of_classes != names {
            return Err(format!("classes must be {names:?}, in this order"));
        }
        for file in [&self.device, &self.plain] {
            file.check()?;
        }
        self.input.check()?;
        self.class.iter().try_for_each(ClassSettings::check)
    }
}

/// Read first, so that another format is called that and not an unknown key.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl ModelFile {
    fn check(&self) -> Result<(), String> {
        let plain_name = !self.file.is_empty()
            && !self.file.starts_with('.')
            && !self.file.contains(['/', '\\', '\0']);
        if !plain_name {
            return Err(format!(
                "file {:?} must be a name in this folder",
                self.file
            ));
        }
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.sha256.len() != 64 || !self.sha256.bytes().all(hexadecimal) {
            return Err(format!(
                "sha256 of {} must be 64 hexadecimal digits",
                self.file
            ));
        }
        Ok(())
    }
}

impl InputDescription {
    fn check(&self) -> Result<(), String> {
        let in_range = |value: f64, low: f64, high: f64| value >= low && value <= high;
        if !in_range(self.rbc_diameter_px, 8.0, 512.0) {
            return Err(format!(
                "rbc_diameter_px is {}, outside 8 to 512",
                self.rbc_diameter_px
            ));
        }
        let sides = (self.side_multiple_px, self.stride_px, self.zero_point);
        if sides != (16, 4, 64) {
            return Err(format!(
                "side_multiple_px, stride_px and zero_point are {sides:?}, but this program \
                 works with (16, 4, 64)"
            ));
        }
        Ok(())
    }
}

impl ClassSettings {
    fn check(&self) -> Result<(), String> {
        let ordered = self.candidate_permyriad > 0
            && self.candidate_permyriad <= self.certain_permyriad
            && self.certain_permyriad <= 10_000;
        if !ordered {
            return Err(format!(
                "thresholds of {} must rise: 0 < candidate_permyriad <= certain_permyriad <= 10000",
                self.name
            ));
        }
        let sensible = (16..=4096).contains(&self.calibration_slope_q8)
            && (-4096..=4096).contains(&self.calibration_intercept_q8);
        if !sensible {
            return Err(format!(
                "calibration of {} must have a slope of 16 to 4096 and an intercept of -4096 to 4096",
                self.name
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> String {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/models/smear-resnet/manifest.toml"
        );
        std::fs::read_to_string(folder).unwrap()
    }

    #[test]
    fn the_shipped_manifest_is_sound() {
        let manifest = Manifest::parse(&shipped()).unwrap();
        assert_eq!(manifest.name, "smear-resnet");
        assert!(manifest.training.parameters <= 1_000_000);
        assert!(manifest.training.mmac_320x240 <= 450.0);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("format = 1", "format = 2", "format"),
            ("name = \"smear-resnet\"", "nam = \"x\"", "nam"),
            (
                "rbc_diameter_px = 52.0",
                "rbc_diameter_px = nan",
                "rbc_diameter_px",
            ),
            (
                "rbc_diameter_px = 52.0",
                "rbc_diameter_px = 1e9",
                "rbc_diameter_px",
            ),
            ("stride_px = 4", "stride_px = 5", "stride_px"),
            (
                "file = \"model.onnx\"",
                "file = \"../model.onnx\"",
                "../model.onnx",
            ),
            (
                "[\"RBC\", \"WBC\", \"PLT\"]",
                "[\"WBC\", \"RBC\", \"PLT\"]",
                "classes",
            ),
            ("sha256 = \"", "sha256 = \"x", "sha256"),
        ];
        let mut wrong = Vec::new();
        for (from, to, says) in cases {
            let text = shipped();
            assert!(text.contains(from), "{from} is not in the manifest");
            match Manifest::parse(&text.replacen(from, to, 1)) {
                Err(message) if message.contains(says) => {}
                other => wrong.push(format!("{to}: {other:?}")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
