//! What of a run is written down.

use crate::cell::PerClass;
use crate::record::{
    EndReason, FieldRecord, RECORDS_FORMAT, RecordSummary, Recorder, SmearStarted, records_folder,
};
use crate::session::Event;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an ended run waits for its last lines to be kept.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Keeps the records of a run, where it has a data folder.
pub struct RunRecorder {
    kept: Option<(Recorder, PathBuf)>,
    known_failure: u64,
}

impl RunRecorder {
    /// Opens the records below a data folder. What there is to say about an earlier run goes
    /// into the log.
    pub fn start(data: Option<&Path>) -> Self {
        let kept = data.map(|data| {
            let (recorder, notes) = Recorder::start(data.to_owned());
            for note in notes {
                log::warn!("{note}");
            }
            (recorder, records_folder(data))
        });
        Self {
            kept,
            known_failure: 0,
        }
    }

    /// A smear begins, counted by this program, model and kernel with this scatter.
    pub fn begin(
        &self,
        (counted_by, count_scatter): (&str, PerClass<f64>),
        sample: &str,
        target_fields: Option<u32>,
    ) {
        if let Some((recorder, _)) = &self.kept {
            recorder.begin(SmearStarted {
                format: RECORDS_FORMAT,
                counted_by: counted_by.to_owned(),
                sample: sample.to_owned(),
                target_fields,
                count_scatter,
            });
        }
    }

    /// A field was settled.
    pub fn field(&self, record: FieldRecord) {
        if let Some((recorder, _)) = &self.kept {
            recorder.field(record);
        }
    }

    /// The smear has ended.
    pub fn end(&self, reason: EndReason) {
        if let Some((recorder, _)) = &self.kept {
            recorder.end(reason);
        }
    }

    /// Whether results can be kept, where that has changed.
    pub fn poll_failure(&mut self) -> Option<Event> {
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

    /// Waits until the last line is kept, within a limit.
    pub fn close(self) -> Option<(RecordSummary, PathBuf)> {
        let (recorder, folder) = self.kept?;
        Some((recorder.close(CLOSE_LIMIT), folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellClass;
    use crate::count::{CountRules, FieldTally};
    use crate::input::Action;
    use crate::quality::RejectReason;
    use crate::record::archive;
    use crate::session::smear::{FrameView, SmearRules};
    use crate::session::{Effect, KnownScale, Machine, MachineSettings, SmearEvent};
    use std::time::Instant;

    fn scatter() -> PerClass<f64> {
        PerClass::from([(CellClass::Rbc, 0.0259), (CellClass::Plt, 0.0571)])
    }

    /// Has the machine take an event in, and writes down what it asks for.
    fn step(machine: &mut Machine, recorder: &RunRecorder, event: Event) {
        for effect in machine.step(event, Instant::now()) {
            match effect {
                Effect::RecordStart => recorder.begin(("a test", scatter()), "S1", Some(2)),
                Effect::RecordField(record) => recorder.field(record),
                Effect::RecordEnd(reason) => recorder.end(reason),
                _ => {}
            }
        }
    }

    #[test]
    fn what_a_smear_says_can_be_read_back() {
        let data = tempfile::tempdir().unwrap();
        let mut recorder = RunRecorder::start(Some(data.path()));
        let mut machine = Machine::new(MachineSettings {
            rules: SmearRules::default(),
            target_fields: Some(2),
            is_on_board: false,
        });
        let view = || Box::<FrameView>::default();
        let counted = |rbc| SmearEvent::Counted {
            view: view(),
            tally: FieldTally {
                certain: PerClass::from([
                    (CellClass::Rbc, rbc),
                    (CellClass::Wbc, 2),
                    (CellClass::Plt, 1),
                ]),
                uncertain: 3,
                area_q8: 1 << 20,
                has_clump: false,
            },
            truth: None,
        };
        let opened = Event::Opened(KnownScale::Given { um_per_px: 0.1 });
        step(&mut machine, &recorder, opened);
        let rejected = SmearEvent::Rejected {
            view: view(),
            reason: RejectReason::Blurred,
        };
        let events = [
            SmearEvent::Preview(view()),
            rejected,
            counted(40),
            SmearEvent::NoCells(view()),
            SmearEvent::Unscaled(view()),
            counted(50),
            // The run has ended.
            counted(99),
        ];
        for event in events {
            step(&mut machine, &recorder, Event::OfSmear { smear: 0, event });
        }
        step(&mut machine, &recorder, Event::Button(Action::Stop));
        assert!(recorder.poll_failure().is_none());
        let (summary, folder) = recorder.close().unwrap();
        assert_eq!((summary.smear, summary.unsaved), (1, 0));
        let files = archive::list(&folder).unwrap();
        let smear = archive::read(1, &files[&1]).unwrap();
        assert_eq!(smear.faults, []);
        let ended = archive::SmearState::Ended(EndReason::Finished);
        assert_eq!(smear.state, ended);
        let started = smear.started.unwrap();
        assert_eq!(started.count_scatter, scatter());
        let totals = smear.totals;
        assert_eq!((totals.fields, totals.rejected), (2, 3));
        let read = smear.tally.summary(&CountRules::default());
        assert_eq!(&read, machine.smear().summary());
        assert_eq!(read.class(CellClass::Rbc).counted, 90);
    }

    #[test]
    fn a_run_that_fails_before_its_smear_begins_leaves_none() {
        let data = tempfile::tempdir().unwrap();
        let recorder = RunRecorder::start(Some(data.path()));
        let (summary, folder) = recorder.close().unwrap();
        assert_eq!((summary.smear, summary.unsaved), (0, 0));
        assert!(archive::list(&folder).unwrap().is_empty());
    }

    #[test]
    fn a_run_without_a_data_folder_keeps_nothing() {
        let mut recorder = RunRecorder::start(None);
        recorder.begin(("a test", PerClass::default()), "", None);
        assert!(recorder.poll_failure().is_none());
        assert!(recorder.close().is_none());
    }
}
