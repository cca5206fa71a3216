//! What of a run is written down.

use crate::cell::PerClass;
use crate::record::{EndReason, FieldOutcome, FieldRecord, RecordSummary, Recorder, SmearStarted};
use crate::record::{RECORDS_FORMAT, records_folder};
use crate::session::smear::{Event, FrameView, KnownScale, RunState, Session};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an ended run waits for its last lines to be kept.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Keeps the records of a run, where it has a data folder.
pub struct RunRecorder {
    kept: Option<(Recorder, PathBuf)>,
    known_failure: u64,
    has_begun: bool,
}

impl RunRecorder {
    /// Opens the records below a data folder. What there is to say about an earlier run is said
    /// on standard error.
    pub fn start(data: Option<&Path>) -> Self {
        let kept = data.map(|data| {
            let (recorder, notes) = Recorder::start(data.to_owned());
            for note in notes {
                eprintln!("hemoscope: {note}");
            }
            (recorder, records_folder(data))
        });
        Self {
            kept,
            known_failure: 0,
            has_begun: false,
        }
    }

    /// A smear begins.
    pub fn begin(&mut self, counted_by: &str, sample: &str, target_fields: Option<u32>) {
        self.has_begun = true;
        if let Some((recorder, _)) = &self.kept {
            recorder.begin(SmearStarted {
                format: RECORDS_FORMAT,
                counted_by: counted_by.to_owned(),
                sample: sample.to_owned(),
                target_fields,
            });
        }
    }

    /// Hands an event to the session, and keeps the field that it settled; gives the view that
    /// is no longer needed.
    pub fn step(&self, session: &mut Session, event: Event) -> Option<Box<FrameView>> {
        let record = match &self.kept {
            Some(_) if session.state() == RunState::Live => record_of(&event, session.scale()),
            _ => None,
        };
        let fields = session.fields();
        let view = session.step(event);
        if let (Some((recorder, _)), Some(record)) = (&self.kept, record) {
            // A smear that is full takes no more fields.
            if record.outcome != FieldOutcome::Counted || session.fields() > fields {
                recorder.field(record);
            }
        }
        view
    }

    /// Whether results can be kept, where that has changed.
    pub fn look(&mut self) -> Option<Event> {
        let (recorder, _) = self.kept.as_ref()?;
        let failure = recorder.failure(&mut self.known_failure)?;
        Some(match failure {
            Some(reason) => Event::NotSaved(reason),
            None => Event::Saved,
        })
    }

    /// Whether there are records that can be read, and written but for a lack of room.
    pub fn is_usable(&self) -> bool {
        let kept = self.kept.as_ref();
        kept.is_some_and(|(recorder, _)| recorder.is_usable())
    }

    /// The smear that was begun, if any, has ended.
    pub fn end(&mut self, state: RunState) {
        if !std::mem::take(&mut self.has_begun) {
            return;
        }
        if let Some((recorder, _)) = &self.kept {
            recorder.end(match state {
                RunState::Finished => EndReason::Finished,
                RunState::Live | RunState::Unfinished => EndReason::Stopped,
            });
        }
    }

    /// Ends the smear, and waits until its last line is kept, within a limit.
    pub fn close(mut self, state: RunState) -> Option<(RecordSummary, PathBuf)> {
        self.end(state);
        let (recorder, folder) = self.kept?;
        Some((recorder.close(CLOSE_LIMIT), folder))
    }
}

/// The line of a field that an event settles; `None` for other events.
fn record_of(event: &Event, scale: KnownScale) -> Option<FieldRecord> {
    let (view, outcome, tally) = match event {
        Event::Counted { view, tally, .. } => (view, FieldOutcome::Counted, Some(tally)),
        Event::Rejected { view, reason } => (view, (*reason).into(), None),
        Event::NoCells(view) => (view, FieldOutcome::NoCells, None),
        Event::Unscaled(view) => (view, FieldOutcome::Unscaled, None),
        _ => return None,
    };
    Some(FieldRecord {
        field: view.field,
        outcome,
        certain: tally.map_or_else(PerClass::default, |tally| tally.certain),
        uncertain: tally.map_or(0, |tally| tally.uncertain),
        area_q8: tally.map_or(0, |tally| tally.area_q8),
        um_per_px: scale.um_per_px(),
        um_per_px_estimated: matches!(scale, KnownScale::Estimated(_)),
        focus_score: view.quality.focus_score,
        background_level: view.quality.background_level,
        lost_before: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellClass;
    use crate::count::{CountRules, FieldTally};
    use crate::quality::RejectReason;
    use crate::record::archive;
    use crate::session::smear::FrameTally;

    fn view() -> Box<FrameView> {
        Box::new(FrameView {
            field: Some(7),
            ..FrameView::default()
        })
    }

    #[test]
    fn settled_fields_are_kept_as_the_session_counts_them() {
        let data = tempfile::tempdir().unwrap();
        let mut keeper = RunRecorder::start(Some(data.path()));
        let scale = KnownScale::Given { um_per_px: 0.1 };
        let mut session = Session::new(CountRules::default(), Some(2), scale);
        keeper.begin("a test", "S1", Some(2));
        let counted = |rbc| Event::Counted {
            view: view(),
            tally: FieldTally {
                certain: PerClass::from([
                    (CellClass::Rbc, rbc),
                    (CellClass::Wbc, 2),
                    (CellClass::Plt, 1),
                ]),
                uncertain: 3,
                area_q8: 1 << 20,
            },
            truth: None,
        };
        let events = [
            Event::Frames(FrameTally::default()),
            Event::Preview(view()),
            Event::Rejected {
                view: view(),
                reason: RejectReason::Blurred,
            },
            counted(40),
            Event::NoCells(view()),
            Event::Unscaled(view()),
            counted(50),
            // The run has ended.
            counted(99),
        ];
        for event in events {
            keeper.step(&mut session, event);
        }
        assert!(keeper.look().is_none());
        let (closed, folder) = keeper.close(session.state()).unwrap();
        assert_eq!((closed.smear, closed.unsaved), (1, 0));
        let files = archive::list(&folder).unwrap();
        let smear = archive::read(1, &files[&1]).unwrap();
        assert_eq!(smear.faults, []);
        assert_eq!(smear.state, archive::SmearState::Ended(EndReason::Finished));
        let totals = smear.totals;
        assert_eq!((totals.fields, totals.rejected), (2, 3));
        assert_eq!(totals.certain[CellClass::Rbc], 90);
        let rules = CountRules::default();
        assert_eq!(&smear.tally.summary(&rules), session.summary());
    }

    #[test]
    fn a_run_that_fails_before_its_smear_begins_leaves_none() {
        let data = tempfile::tempdir().unwrap();
        let keeper = RunRecorder::start(Some(data.path()));
        let (closed, folder) = keeper.close(RunState::Unfinished).unwrap();
        assert_eq!((closed.smear, closed.unsaved), (0, 0));
        assert!(archive::list(&folder).unwrap().is_empty());
    }

    #[test]
    fn a_run_without_a_data_folder_keeps_nothing() {
        let mut keeper = RunRecorder::start(None);
        keeper.begin("a test", "", None);
        assert!(keeper.look().is_none());
        assert!(keeper.close(RunState::Finished).is_none());
    }
}
