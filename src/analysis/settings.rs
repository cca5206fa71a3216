//! What turning frames into cells is told.

use crate::analysis::analyser::AnalyseSettings;
use crate::analysis::model::ModelLocation;
use crate::quality::QualitySettings;

/// Model, scale and thresholds of a command that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisSettings {
    /// Where the model is looked for.
    pub model: ModelLocation,
    /// How a frame becomes cells.
    pub analyser: AnalyseSettings,
    /// Thresholds of the assessment that every frame passes first.
    pub quality: QualitySettings,
    /// Width of a pixel on the slide, where it was given.
    pub um_per_px: Option<f64>,
    /// Frames that an estimate of the scale rests on.
    pub frames_for_estimate: usize,
}
