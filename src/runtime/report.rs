//! What a run prints of its results.

use crate::assessment::Verdict;
use crate::cell::CellClass;
use crate::export::{SIMULATED_NOTE, summary_table};
use crate::record::RecordSummary;
use crate::session::{KnownScale, Machine, RunState, Smear};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// The summary, beside the truth where the source knows it; `more` is noted beneath it.
pub(super) fn result_text(machine: &Machine, self_report: &str, more: Option<String>) -> String {
    let smear = machine.smear();
    let summary = smear.summary();
    let rejected = smear.rejected();
    let mut notes = notes(machine, self_report);
    notes.extend(more);
    let mut text = summary_table(
        summary,
        smear.assessment(),
        &notes,
        [u64::from(rejected.fields()), 0],
    );
    if let Some(truth) = smear.truth() {
        text.push_str("\nTruth of the simulated fields, by the same border rule:");
        for class in CellClass::ALL {
            let (true_count, counted) = (truth.class(class), summary.class(class).counted);
            text.push_str(&format!(" {class} n {true_count} (counted {counted})"));
        }
        text.push('\n');
    }
    text
}

/// Whether everything was counted.
///
/// # Errors
/// The numbers are no result.
pub(super) fn is_whole(smear: &Smear, was_told_to_stop: bool) -> Result<bool> {
    match smear.state() {
        RunState::Finished => {
            let is_withheld = smear.assessment().verdict() == Verdict::Withheld;
            Ok(smear.rejected().lost_frames == 0 && !is_withheld)
        }
        // The system ends the device when it is switched off, which is no fault of the run.
        _ if was_told_to_stop => Ok(true),
        _ if smear.fields() == 0 && smear.rejected().fields() > 0 => bail!(
            "nothing was counted: {} fields were rejected, and the notes above say why",
            smear.rejected().fields()
        ),
        _ => bail!(
            "the run was interrupted after {} fields: these numbers are no result",
            smear.fields()
        ),
    }
}

/// Where the records are, or that they are not.
pub(super) fn note_on_records((closed, folder): &(RecordSummary, PathBuf)) -> String {
    let folder = folder.display();
    match (closed.unsaved, &closed.reason) {
        (0, _) => format!("smear {} of the records in {folder}", closed.smear),
        (lines, reason) => format!(
            "{lines} lines of the records in {folder} are NOT saved: {}; note the result by hand",
            reason.as_deref().unwrap_or("the disk does not answer")
        ),
    }
}

fn notes(machine: &Machine, self_report: &str) -> Vec<String> {
    let smear = machine.smear();
    let mut notes = vec![self_report.to_owned()];
    if machine.smear().truth().is_some() {
        notes.push(SIMULATED_NOTE.to_owned());
    }
    match smear.scale() {
        KnownScale::Given { um_per_px } => notes.push(format!("scale {um_per_px} um/px, given")),
        KnownScale::Estimated(estimate) => notes.push(estimate.to_string()),
        KnownScale::Unknown => notes.push("scale unknown: nothing can be counted".to_owned()),
    }
    let of_camera = machine.camera_notes().iter();
    notes.extend(of_camera.map(|note| format!("camera: {note}")));
    let rejected = smear.rejected();
    for (reason, count) in &rejected.by_reason {
        notes.push(format!("{count} fields rejected: {reason}"));
    }
    if rejected.without_cells > 0 {
        notes.push(format!("{} fields without a cell", rejected.without_cells));
    }
    if rejected.unscaled > 0 {
        notes.push(format!(
            "{} fields whose scale could not be estimated",
            rejected.unscaled
        ));
    }
    if let Some(reason) = &rejected.last_lost {
        notes.push(format!(
            "{} frames lost, the last: {reason}",
            rejected.lost_frames
        ));
    }
    let frames = smear.frames();
    if let Some(percent) = frames.skipped_percent() {
        notes.push(format!(
            "{percent} % of {} frames needed no counting: {} while the stage moved, {} of fields \
             already counted, {} unusable",
            frames.skipped() + frames.counted,
            frames.moving,
            frames.unchanged,
            frames.unusable
        ));
    }
    if let Some(error) = smear.full() {
        notes.push(error.to_string());
    }
    notes
}
