//! A frame whose result is known: what a new version has to count again, to the bit, before it is
//! trusted. The frame is built into the program, its result lies beside the model.

use crate::analysis::analyser::{AnalyseSettings, Analyser};
use crate::analysis::built_in_frame::{BUILT_IN_FRAME, BUILT_IN_NAME, BUILT_IN_UM_PER_PX};
use crate::analysis::model::ModelLocation;
use crate::cell::{Cell, CellClass, PerClass};
use crate::decode::decode_image;
use crate::device::files;
use crate::network::{Network, sha256_hex};
use crate::quality::{self, QualitySettings, Verdict};
use crate::record::CountsRecord;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name in a model folder.
pub const KNOWN_ANSWER_FILE: &str = "known_answer.json";
/// The format that this program reads.
pub const KNOWN_ANSWER_FORMAT: u32 = 1;
/// The most bytes of the file.
const MAX_BYTES: u64 = 64 * 1024;

/// What the frame gives, from its bytes to its cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownAnswer {
    /// [`KNOWN_ANSWER_FORMAT`].
    pub format: u32,
    /// Of the frame's JPEG.
    pub frame_sha256: String,
    /// Of its pixels, as red, green and blue bytes.
    pub pixels_sha256: String,
    /// 0 to 100.
    pub focus_score: u8,
    /// Counted cells.
    #[serde(flatten)]
    pub certain: PerClass<u32>,
    /// Counted cells whose class is uncertain.
    pub uncertain: u32,
    /// Cells found, counted or not.
    pub cells: usize,
    /// Of each cell's class, certainty, box, confidence and whether it counts, in their order.
    pub cells_sha256: String,
    /// The area that the counted cells stand for, in 1/256 of a square pixel.
    pub area_q8: u64,
}

impl KnownAnswer {
    /// Such as `60 cells (52 RBC, 2 WBC, 3 PLT)`.
    fn cells_text(&self) -> String {
        let classes = self.certain.iter();
        let classes: Vec<String> = classes
            .map(|(class, count)| format!("{count} {class}"))
            .collect();
        format!("{} cells ({})", self.cells, classes.join(", "))
    }
}

/// Counts the frame with the default settings, whatever a device is set to.
///
/// # Errors
/// A step of the way fails.
pub fn count(network: Network) -> Result<KnownAnswer> {
    let frame = decode_image(BUILT_IN_FRAME, BUILT_IN_NAME)?;
    let settings = AnalyseSettings::default();
    let rbc_diameter_px = settings.rbc_diameter_px(BUILT_IN_UM_PER_PX);
    let quality = quality::assess(&frame, Some(rbc_diameter_px), &QualitySettings::default());
    ensure!(
        quality.verdict == Verdict::Usable,
        "the built-in frame is judged unusable"
    );
    let mut analyser = Analyser::new(network, settings);
    let field = analyser.analyse(&frame, BUILT_IN_UM_PER_PX)?;
    let counts = CountsRecord::from_cells(&field.cells);
    Ok(KnownAnswer {
        format: KNOWN_ANSWER_FORMAT,
        frame_sha256: sha256_hex(BUILT_IN_FRAME),
        pixels_sha256: sha256_hex(frame.rgb()),
        focus_score: quality.focus_score,
        certain: counts.certain,
        uncertain: counts.uncertain,
        cells: field.cells.len(),
        cells_sha256: sha256_hex(&bytes_of(&field.cells)),
        area_q8: field.border.counted_area_q8(),
    })
}

fn bytes_of(cells: &[Cell]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        let bounds = &cell.bounds;
        bytes.push(cell.best_class.map_or(CellClass::COUNT, CellClass::index) as u8);
        bytes.push(u8::from(cell.certain));
        for side in [bounds.x0_q4, bounds.y0_q4, bounds.x1_q4, bounds.y1_q4] {
            bytes.extend_from_slice(&side.to_le_bytes());
        }
        bytes.extend_from_slice(&cell.confidence_e4.to_le_bytes());
        bytes.push(u8::from(cell.counted));
    }
    bytes
}

/// Checks a model folder: that the network gives its golden outputs, and the frame its known
/// answer.
///
/// # Errors
/// The model cannot be opened, or something differs; one sentence.
pub fn check(model: &ModelLocation) -> Result<()> {
    let folder = model.folder()?;
    let network = Network::load(&folder).context("it cannot open its model")?;
    let golden = network.check_golden(&folder)?;
    ensure!(
        golden.is_equal(),
        "its network gives other outputs than where it was made"
    );
    let expected = read(&folder.join(KNOWN_ANSWER_FILE))?;
    let found = count(network)?;
    if found != expected {
        bail!(
            "the frame whose result is known gives {} and not the {} that belong there, or they \
             differ in a bit",
            found.cells_text(),
            expected.cells_text()
        );
    }
    Ok(())
}

fn read(path: &Path) -> Result<KnownAnswer> {
    let bytes = files::read(path, MAX_BYTES)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let answer: KnownAnswer = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} holds no known answer", path.display()))?;
    ensure!(
        answer.format == KNOWN_ANSWER_FORMAT,
        "{} is of format {}, and this program reads {KNOWN_ANSWER_FORMAT}",
        path.display(),
        answer.format
    );
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet");

    fn location(folder: &Path) -> ModelLocation {
        ModelLocation::Named(folder.to_owned())
    }

    #[test]
    fn the_frame_gives_the_answer_that_lies_beside_the_model() {
        check(&location(Path::new(MODEL))).unwrap();
    }

    #[test]
    fn another_answer_and_a_damaged_model_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let copy = |name: &str| fs::copy(Path::new(MODEL).join(name), folder.path().join(name));
        for name in [
            "manifest.toml",
            "model.onnx",
            "golden.json",
            KNOWN_ANSWER_FILE,
        ] {
            copy(name).unwrap();
        }
        let path: PathBuf = folder.path().join(KNOWN_ANSWER_FILE);
        let text = fs::read_to_string(&path).unwrap();
        let cases = [
            (
                text.replace("\"area_q8\":", "\"area_q8\":1"),
                "differ in a bit",
            ),
            (text.replace("\"format\":1", "\"format\":9"), "format 9"),
            (text.replace("\"plt\":", "\"plts\":"), "plt"),
            (
                text.replace("\"cells\":", "\"more\":1,\"cells\":"),
                "unknown field `more`",
            ),
            ("{}".to_owned(), "holds no known answer"),
        ];
        for (text, expected) in cases {
            fs::write(&path, text).unwrap();
            let error = format!("{:#}", check(&location(folder.path())).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        fs::write(folder.path().join("model.onnx"), "x").unwrap();
        let error = format!("{:#}", check(&location(folder.path())).unwrap_err());
        assert!(error.contains("cannot open its model"), "{error}");
    }
}
