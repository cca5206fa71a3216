//! Detection in its plain form, against which the buffered one is tested.

use super::*;

/// Finds the cells of one frame.
///
/// `plan` is how the frame was shown to the network. Cells come with the most confident first;
/// `counted` is true for all: the border rule decides later.
pub(super) fn detect(
    output: &NetworkOutput,
    plan: &ScalePlan,
    settings: &DetectSettings,
) -> Vec<Cell> {
    let mut candidates = find_candidates(output, plan, settings);
    candidates.sort_by_key(|candidate| {
        (
            Reverse((candidate.confidence_e4, candidate.logit_q8)),
            candidate.order,
        )
    });
    candidates.truncate(2 * MAX_CELLS);
    let mut kept = suppress_duplicates(&candidates);
    kept.truncate(MAX_CELLS);
    kept.iter()
        .map(|candidate| Cell {
            best_class: candidate.class,
            certain: settings.is_certain(candidate, plan),
            bounds: clip(&candidate.bounds, plan.frame_px()),
            confidence_e4: candidate.confidence_e4,
            counted: true,
        })
        .collect()
}

pub(super) fn find_candidates(
    output: &NetworkOutput,
    plan: &ScalePlan,
    settings: &DetectSettings,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for class in CellClass::ALL.map(Some).into_iter().chain([None]) {
        let Some(class_settings) = settings.of(class) else {
            continue;
        };
        let floor = settings.lowest_candidate_logit(class).unwrap();
        let channel = heat_channel(class);
        for row in 0..output.rows() {
            for column in 0..output.columns() {
                let logit = output.value(row, column, channel);
                if i32::from(logit) < floor || !is_peak(output, row, column, channel, logit) {
                    continue;
                }
                let bounds = plan.to_frame_box(&network_box(output, row, column));
                if !shows_in_frame(&bounds, plan.frame_px()) {
                    continue;
                }
                candidates.push(Candidate {
                    class,
                    logit_q8: logit,
                    confidence_e4: confidence_e4(logit, class_settings),
                    runner_up_e4: 0,
                    bounds,
                    order: candidates.len() as u32,
                });
            }
        }
    }
    candidates
}

/// Whether no neighbour is higher; of equal neighbours the first in reading order is the peak.
fn is_peak(output: &NetworkOutput, row: usize, column: usize, channel: usize, logit: i16) -> bool {
    let rows = row.saturating_sub(1)..(row + 2).min(output.rows());
    rows.flat_map(|other_row| {
        let columns = column.saturating_sub(1)..(column + 2).min(output.columns());
        columns.map(move |other_column| (other_row, other_column))
    })
    .all(|other| {
        let value = output.value(other.0, other.1, channel);
        value < logit || (value == logit && other >= (row, column))
    })
}

/// Intersection over union, in ten-thousandths.
fn overlap_e4(a: &BoundingBox, b: &BoundingBox) -> i64 {
    let shared = a.intersection_q8(b);
    if shared == 0 {
        return 0;
    }
    shared * PERMYRIAD / (a.area_q8() + b.area_q8() - shared)
}

/// Keeps the most confident of boxes that mean the same cell, and notes runners-up of other classes;
/// every pair is looked at.
fn suppress_duplicates(candidates: &[Candidate]) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let mut is_duplicate = false;
        for stronger in &mut kept {
            let overlap = overlap_e4(&stronger.bounds, &candidate.bounds);
            if stronger.class == candidate.class {
                is_duplicate |= overlap > SAME_CLASS_OVERLAP_E4;
            } else if overlap > RUNNER_UP_OVERLAP_E4 {
                is_duplicate = true;
                stronger.runner_up_e4 = stronger.runner_up_e4.max(candidate.confidence_e4);
            }
        }
        if !is_duplicate {
            kept.push(*candidate);
        }
    }
    kept
}
