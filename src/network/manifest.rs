//! `manifest.toml`: what a model folder holds, and what the program must know to use it.

use crate::device::files::{self, ReadError};
use crate::hex;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::NetworkError;
use crate::assessment::TrainingColours;
use crate::cell::{CellClass, NONE_NAME, PerClass};

/// The manifest's name in a model folder.
pub const MANIFEST_FILE: &str = "manifest.toml";
/// The format that this program reads.
pub const MANIFEST_FORMAT: u32 = 1;
/// The most bytes of a manifest.
pub const MAX_MANIFEST_BYTES: u64 = 64 * 1024;
/// The most bytes of a model file.
pub const MAX_MODEL_BYTES: u64 = 16 * 1024 * 1024;

/// Input pixels, each way, for one cell of the output grid.
pub const STRIDE_PX: u32 = 4;
/// The frame's sides are whole multiples of this: four halvings, and the grid doubled twice.
pub const SIDE_MULTIPLE_PX: u32 = 16;
/// The input value that the network sees as zero.
pub const INPUT_ZERO_POINT: u8 = 64;

/// A model folder's `manifest.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// The folder's name.
    pub name: String,
    /// The model's own version.
    pub version: String,
    /// The classes in the order of the heat channels; after them `none` where the network has a
    /// last channel for what is none of these.
    pub classes: Vec<String>,
    /// ONNX operator set of the plain form.
    pub opset: u32,
    /// Where the licences of the training data are told.
    pub license_note: String,
    /// The quantized form that the device runs.
    pub device: ModelFile,
    /// The floating-point form, for reference.
    pub plain: ModelFile,
    /// How a frame must be prepared.
    pub input: InputManifest,
    /// Thresholds and calibration, in class order.
    pub class: Vec<ClassSettings>,
    /// How the device form was made.
    pub quantization: QuantizationManifest,
    /// How the model was trained.
    pub training: TrainingManifest,
    /// By class: the standard deviation of the natural logarithm of counted by true cells, between
    /// sets of frames and beyond chance, 0..=1; 0 where it was not measured.
    #[serde(default)]
    pub count_scatter: PerClass<f64>,
    /// The colours of the cells that it was trained on; `None` where they were not measured.
    #[serde(default)]
    pub colour: Option<TrainingColours>,
    /// Measured figures by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
}

/// One model file and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// A file name in the model's folder.
    pub file: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// How a frame must be prepared for the network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputManifest {
    /// Diameter of a red cell that the network expects, in pixels, 8..=256.
    pub rbc_diameter_px: f64,
    /// [`SIDE_MULTIPLE_PX`].
    pub side_multiple_px: u32,
    /// [`STRIDE_PX`].
    pub stride_px: u32,
    /// [`INPUT_ZERO_POINT`].
    pub zero_point: u32,
}

/// Thresholds and calibration of one class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSettings {
    /// The class's name.
    pub name: String,
    /// Calibrated confidence from which a cell is counted under its class, in ten-thousandths.
    #[serde(rename = "certain_permyriad")]
    pub accept_threshold_e4: u16,
    /// Calibrated confidence from which a cell is shown at all, in ten-thousandths.
    #[serde(rename = "candidate_permyriad")]
    pub candidate_e4: u16,
    /// Factor of the logit in 1/256; above zero.
    pub calibration_slope_q8: i32,
    /// Added to the logit, in 1/256.
    pub calibration_intercept_q8: i32,
}

/// How the device form was made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationManifest {
    /// The arithmetic.
    pub scheme: String,
    /// How the activations' ranges were chosen.
    pub calibration: String,
    /// Frames from which they were taken.
    pub calibration_frames: u32,
    /// Where those frames came from.
    pub calibration_data: String,
}

/// How the model was trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingManifest {
    /// The data sets.
    pub data: Vec<String>,
    /// Passes over them.
    pub epochs: f64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Parameters of the network.
    pub parameters: u64,
    /// Millions of multiply-accumulates for a frame of 320x240 pixels.
    pub mmac_320x240: f64,
}

impl Manifest {
    /// Reads and checks the manifest of a model folder.
    ///
    /// # Errors
    /// It cannot be read, is too large, no TOML, of another format, or holds a value that this
    /// program cannot use.
    pub fn load(folder: &Path) -> Result<Self, NetworkError> {
        let path = folder.join(MANIFEST_FILE);
        let bytes = read_limited(&path, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|_| NetworkError::Manifest {
            path: path.clone(),
            reason: "it is no text".into(),
        })?;
        Self::parse(&path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, NetworkError> {
        check_format(path, text)?;
        let manifest: Self = toml::from_str(text).map_err(|error| NetworkError::Manifest {
            path: path.into(),
            reason: error.to_string().trim_end().into(),
        })?;
        manifest.check(path)?;
        Ok(manifest)
    }

    /// Thresholds and calibration of the classes.
    pub fn class_settings(&self) -> PerClass<ClassSettings> {
        PerClass::from_fn(|class| self.class[class.index()].clone())
    }

    /// Thresholds and calibration of "none of these", where the network can say so.
    pub fn none_settings(&self) -> Option<&ClassSettings> {
        self.class.get(CellClass::COUNT)
    }

    fn check(&self, path: &Path) -> Result<(), NetworkError> {
        let fixed = [
            (
                "input.side_multiple_px",
                self.input.side_multiple_px,
                SIDE_MULTIPLE_PX,
            ),
            ("input.stride_px", self.input.stride_px, STRIDE_PX),
            (
                "input.zero_point",
                self.input.zero_point,
                INPUT_ZERO_POINT.into(),
            ),
        ];
        for (key, found, expected) in fixed {
            require(path, key, found, found == expected, &expected.to_string())?;
        }
        let diameter = self.input.rbc_diameter_px;
        let usable = (8.0..=256.0).contains(&diameter);
        require(
            path,
            "input.rbc_diameter_px",
            diameter,
            usable,
            "within 8..=256",
        )?;
        self.check_classes(path)?;
        for (key, model) in [("device", &self.device), ("plain", &self.plain)] {
            model.check(path, key)?;
        }
        for (class, scatter) in self.count_scatter.iter() {
            let key = format!("count_scatter of {class}");
            let usable = (0.0..=1.0).contains(scatter);
            require(path, &key, scatter, usable, "within 0..=1")?;
        }
        if let Some(colour) = &self.colour {
            let clouds = [
                ("colour.red", colour.red.is_usable()),
                ("colour.red_and_white", colour.red_and_white.is_usable()),
            ];
            for (key, usable) in clouds {
                let allowed = "means within +-3000 and a symmetric inverse within +-10^8, positive \
                               on its diagonal";
                require(path, key, "out of range", usable, allowed)?;
            }
        }
        for (name, value) in &self.metrics {
            let key = format!("metrics.{name}");
            require(path, &key, value, value.is_finite(), "a finite number")?;
        }
        Ok(())
    }

    fn check_classes(&self, path: &Path) -> Result<(), NetworkError> {
        let mut expected = CellClass::ALL.map(CellClass::name).to_vec();
        let allowed = format!("{}, and {NONE_NAME} after them or not", expected.join(", "));
        if self.classes.len() > CellClass::COUNT {
            expected.push(NONE_NAME);
        }
        let listed = self.classes.join(", ");
        require(path, "classes", &listed, self.classes == expected, &allowed)?;
        let settings = &self.class;
        let names: Vec<&str> = settings.iter().map(|class| class.name.as_str()).collect();
        require(
            path,
            "[[class]] names",
            names.join(", "),
            names == expected,
            &allowed,
        )?;
        for class in settings {
            class.check(path)?;
        }
        Ok(())
    }
}

impl ClassSettings {
    fn check(&self, path: &Path) -> Result<(), NetworkError> {
        let key = |field: &str| format!("{field} of class {}", self.name);
        let accept = self.accept_threshold_e4;
        let usable = (1..=10_000).contains(&accept);
        require(
            path,
            &key("certain_permyriad"),
            accept,
            usable,
            "within 1..=10000",
        )?;
        let candidate = self.candidate_e4;
        let usable = (1..=accept).contains(&candidate);
        let allowed = format!("within 1..={accept}, the accept threshold");
        require(
            path,
            &key("candidate_permyriad"),
            candidate,
            usable,
            &allowed,
        )?;
        let slope = self.calibration_slope_q8;
        let usable = (1..=4096).contains(&slope);
        require(
            path,
            &key("calibration_slope_q8"),
            slope,
            usable,
            "within 1..=4096",
        )?;
        let intercept = self.calibration_intercept_q8;
        let usable = (-32_768..=32_767).contains(&intercept);
        let name = key("calibration_intercept_q8");
        require(path, &name, intercept, usable, "within -32768..=32767")
    }
}

impl ModelFile {
    fn check(&self, path: &Path, table: &str) -> Result<(), NetworkError> {
        let name = Path::new(&self.file);
        let plain = name
            .file_name()
            .is_some_and(|file| file == name.as_os_str());
        let key = format!("{table}.file");
        require(
            path,
            &key,
            &self.file,
            plain,
            "a file name without a folder",
        )?;
        let digits = self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        let key = format!("{table}.sha256");
        let usable = digits && self.sha256.len() == 64;
        require(path, &key, &self.sha256, usable, "64 hexadecimal digits")
    }

    /// Reads the file and compares its hash, before anything of it is looked at.
    ///
    /// # Errors
    /// It cannot be read, is too large, or has another hash.
    pub fn read(&self, folder: &Path) -> Result<Vec<u8>, NetworkError> {
        let path = folder.join(&self.file);
        let bytes = read_limited(&path, MAX_MODEL_BYTES)?;
        let actual = sha256_hex(&bytes);
        if actual.eq_ignore_ascii_case(&self.sha256) {
            return Ok(bytes);
        }
        Err(NetworkError::Hash {
            path,
            expected: self.sha256.clone(),
            actual,
        })
    }
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads a whole file of limited size.
pub(super) fn read_limited(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, NetworkError> {
    files::read(path, limit_bytes).map_err(|error| match error {
        ReadError::TooLarge { limit_bytes } => NetworkError::TooLarge {
            path: path.into(),
            limit_bytes,
        },
        error => NetworkError::Read {
            path: path.into(),
            cause: error.into(),
        },
    })
}

/// A newer format may hold keys that this one refuses, so the format is looked at first.
fn check_format(path: &Path, text: &str) -> Result<(), NetworkError> {
    let table: toml::Table =
        text.parse()
            .map_err(|error: toml::de::Error| NetworkError::Manifest {
                path: path.into(),
                reason: error.to_string().trim_end().into(),
            })?;
    let found = table
        .get("format")
        .map_or("none".into(), ToString::to_string);
    if found == MANIFEST_FORMAT.to_string() {
        return Ok(());
    }
    Err(NetworkError::Format {
        path: path.into(),
        found,
        expected: MANIFEST_FORMAT,
    })
}

fn require(
    path: &Path,
    key: &str,
    found: impl std::fmt::Display,
    usable: bool,
    allowed: &str,
) -> Result<(), NetworkError> {
    if usable {
        return Ok(());
    }
    Err(NetworkError::Manifest {
        path: path.into(),
        reason: format!("{key} is {found}, but must be {allowed}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::fixture;

    const LAST_CLASS: CellClass = CellClass::ALL[CellClass::COUNT - 1];

    fn refusal(text: &str) -> String {
        match Manifest::parse(Path::new("m/manifest.toml"), text) {
            Ok(_) => "accepted".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_whole_manifest_is_read() {
        let manifest = Manifest::parse(Path::new("manifest.toml"), &fixture::manifest()).unwrap();
        assert_eq!(manifest.input.rbc_diameter_px, 52.0);
        let thresholds = manifest
            .class_settings()
            .map(|class| class.accept_threshold_e4);
        let mut expected = PerClass::from_fn(|_| 5000);
        expected[LAST_CLASS] = 4500;
        assert_eq!(thresholds, expected);
        assert_eq!(manifest.metrics["map50"], 0.9);
        let scatter = CellClass::ALL.map(|class| manifest.count_scatter[class]);
        assert_eq!(scatter, [0.02, 0.0, 0.05]);
    }

    #[test]
    fn a_manifest_without_a_scatter_claims_none() {
        let table = "[count_scatter]\nrbc = 0.02\nwbc = 0.0\nplt = 0.05\n";
        let manifest = fixture::manifest();
        let without = manifest.replace(table, "");
        assert_ne!(without, manifest);
        let manifest = Manifest::parse(Path::new("manifest.toml"), &without).unwrap();
        assert_eq!(manifest.count_scatter, PerClass::default());
    }

    #[test]
    fn a_place_for_none_of_the_classes_stands_behind_them() {
        let path = Path::new("manifest.toml");
        let text = fixture::manifest_with_none();
        let manifest = Manifest::parse(path, &text).unwrap();
        assert_eq!(manifest.none_settings().unwrap().candidate_e4, 3000);
        let without = Manifest::parse(path, &fixture::manifest()).unwrap();
        assert_eq!(without.none_settings(), None);
        let other = refusal(&text.replace("\"none\"]", "\"debris\"]"));
        assert!(other.contains("and none after them or not"), "{other}");
        let unnamed = refusal(&text.replace("name = \"none\"", "name = \"debris\""));
        assert!(unnamed.contains("[[class]] names"), "{unnamed}");
    }

    #[test]
    fn colours_of_training_are_read_and_checked() {
        let colour = "[colour.red]\nmean_permille = [600, 700, 240]\n\
                      inverse_e9 = [[60000, 20000, 0], [20000, 60000, 0], [0, 0, 100000]]\n\
                      [colour.red_and_white]\nmean_permille = [600, 700, 620, 150]\n\
                      inverse_e9 = [[9, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]]\n";
        let text = format!("{}\n{colour}", fixture::manifest());
        let manifest = Manifest::parse(Path::new("manifest.toml"), &text).unwrap();
        assert_eq!(manifest.colour.unwrap().red.mean_permille, [600, 700, 240]);
        let cases = [
            (
                "[600, 700, 240]",
                "[600, 7000, 240]",
                "colour.red is out of range",
            ),
            ("[[60000, 20000", "[[60000, 30000", "symmetric"),
            ("[[9, 0", "[[0, 0", "colour.red_and_white is out of range"),
            ("[600, 700, 240]", "[600, 700]", "length 2"),
        ];
        for (old, new, expected) in cases {
            let message = refusal(&text.replacen(old, new, 1));
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn unusable_manifests_are_refused_with_what_is_wrong() {
        let [first, second, ..] = CellClass::ALL;
        let in_order = format!("[\"{first}\", \"{second}\"");
        let out_of_order = format!("[\"{second}\", \"{first}\"");
        let told_out_of_order = format!("classes is {second}, {first}");
        let last = format!("\nname = \"{LAST_CLASS}\"");
        let first_again = format!("\nname = \"{first}\"");
        let cases = [
            ("format = 1", "format = 2", "format 2"),
            ("format = 1\n", "", "format none"),
            ("format = 1", "format = ", "manifest.toml"),
            (
                "stride_px = 4",
                "stride_px = 8",
                "input.stride_px is 8, but must be 4",
            ),
            ("zero_point = 64", "zero_point = 0", "input.zero_point is 0"),
            (
                "side_multiple_px = 16",
                "side_multiple_px = 32",
                "must be 16",
            ),
            ("rbc_diameter_px = 52.0", "rbc_diameter_px = nan", "is NaN"),
            (
                "rbc_diameter_px = 52.0",
                "rbc_diameter_px = -1.0",
                "within 8..=256",
            ),
            ("stride_px", "stride_pixels", "unknown field"),
            (
                in_order.as_str(),
                out_of_order.as_str(),
                told_out_of_order.as_str(),
            ),
            (last.as_str(), first_again.as_str(), "[[class]] names"),
            (
                "certain_permyriad = 4500",
                "certain_permyriad = 10001",
                "within 1..=10000",
            ),
            (
                "candidate_permyriad = 2000",
                "candidate_permyriad = 9000",
                "accept threshold",
            ),
            ("slope_q8 = 250", "slope_q8 = 0", "within 1..=4096"),
            ("\"model.onnx\"", "\"../model.onnx\"", "without a folder"),
            ("\"model.onnx\"", "\"\"", "without a folder"),
            (
                "plt = 0.05",
                "plt = -0.05",
                "count_scatter of PLT is -0.05, but must be within 0..=1",
            ),
            ("plt = 0.05", "platelets = 0.05", "unknown field"),
            ("map50 = 0.9", "map50 = inf", "metrics.map50 is inf"),
        ];
        let mut failures = Vec::new();
        let manifest = fixture::manifest();
        for (from, to, expected) in cases {
            assert!(manifest.contains(from), "{from} is not in the manifest");
            let message = refusal(&manifest.replace(from, to));
            if !message.contains(expected) {
                failures.push(format!("{from} -> {to}: {message}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn a_hash_is_64_digits() {
        let digits = "0".repeat(64);
        let message = refusal(&fixture::manifest().replacen(&digits, &"0".repeat(63), 1));
        assert!(message.contains("64 hexadecimal digits"), "{message}");
    }

    #[test]
    fn sha256_of_the_standard_example() {
        // FIPS 180-4's example message "abc".
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
