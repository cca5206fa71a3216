//! What of a run is written down.

use crate::assessment::Assessment;
use crate::cell::PerClass;
use crate::record::archive::{self, SmearState};
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
    interrupted_fields: Option<u32>,
}

impl RunRecorder {
    /// Opens the records below a data folder. What there is to say about an earlier run goes
    /// into the log.
    pub fn start(data: Option<&Path>) -> Self {
        let mut interrupted_fields = None;
        let kept = data.map(|data| {
            let (recorder, notes) = Recorder::start(data.to_owned());
            for note in &notes {
                log::warn!("{note}");
            }
            let folder = records_folder(data);
            // Only at the start that has closed it.
            if !notes.is_empty() {
                interrupted_fields = interrupted_fields_in(&folder);
            }
            (recorder, folder)
        });
        Self {
            kept,
            known_failure: 0,
            interrupted_fields,
        }
    }

    /// Fields of the smear that was under way when the program last ended, where it was closed at
    /// this start.
    pub fn interrupted_fields(&self) -> Option<u32> {
        self.interrupted_fields
    }

    /// A smear begins, counted by this program, model and kernel with this scatter.
    pub fn begin(
        &self,
        (counted_by, count_scatter): (&str, PerClass<f64>),
        (sample, is_simulated): (&str, bool),
        target_fields: Option<u32>,
    ) {
        if let Some((recorder, _)) = &self.kept {
            recorder.begin(SmearStarted {
                format: RECORDS_FORMAT,
                counted_by: counted_by.to_owned(),
                sample: sample.to_owned(),
                target_fields,
                is_simulated,
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

    /// The last counted field, whose number this is, was taken out again.
    pub fn undone(&self, field: Option<u64>) {
        if let Some((recorder, _)) = &self.kept {
            recorder.undone(field);
        }
    }

    /// The smear has ended, and its figures are worth what its assessment says.
    pub fn end(&self, reason: EndReason, assessment: &Assessment) {
        if let Some((recorder, _)) = &self.kept {
            recorder.end(reason, assessment.into());
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

/// Counted fields of the last smear, where that was interrupted.
fn interrupted_fields_in(folder: &Path) -> Option<u32> {
    let smears = archive::list(folder).ok()?;
    let (number, files) = smears.last_key_value()?;
    let smear = archive::read(*number, files).ok()?;
    let is_interrupted = smear.state == SmearState::Interrupted;
    let fields = u32::try_from(smear.totals.fields).ok()?;
    is_interrupted.then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellClass;
    use crate::count::{CountRules, FieldTally};
    use crate::input::Action;
    use crate::quality::RejectReason;
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
                Effect::RecordStart => {
                    recorder.begin(("a test", scatter()), ("S1", false), Some(2));
                }
                Effect::RecordField(record) => recorder.field(record),
                Effect::RecordUndone(undone) => recorder.undone(undone.field),
                Effect::RecordEnd(reason) => recorder.end(reason, machine.smear().assessment()),
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
        let ended = SmearState::Ended(EndReason::Finished);
        assert_eq!(smear.state, ended);
        let assessment = smear.assessment.unwrap();
        assert_eq!(assessment, machine.smear().assessment().into());
        let started = smear.started.unwrap();
        assert_eq!(started.count_scatter, scatter());
        let totals = smear.totals;
        assert_eq!((totals.fields, totals.rejected), (2, 3));
        let read = smear.tally.summary(&CountRules::default());
        assert_eq!(&read, machine.smear().summary());
        assert_eq!(read.class(CellClass::Rbc).counted, 90);
    }

    #[test]
    fn an_undone_field_keeps_its_line_and_is_in_no_sum() {
        let data = tempfile::tempdir().unwrap();
        let recorder = RunRecorder::start(Some(data.path()));
        let mut machine = Machine::new(MachineSettings {
            rules: SmearRules::default(),
            target_fields: None,
            is_on_board: true,
        });
        let opened = Event::Opened(KnownScale::Given { um_per_px: 0.1 });
        step(&mut machine, &recorder, opened);
        let counted = |rbc, is_forced| SmearEvent::Counted {
            view: Box::new(FrameView {
                field: Some(u64::from(rbc)),
                is_forced,
                ..FrameView::default()
            }),
            tally: FieldTally {
                certain: PerClass::from([(CellClass::Rbc, rbc)]),
                uncertain: 1,
                area_q8: 1 << 20,
                has_clump: false,
            },
            truth: None,
        };
        let rejected = SmearEvent::Rejected {
            view: Box::default(),
            reason: RejectReason::Blurred,
        };
        let undo = || Event::Button(Action::Cancel);
        let of_smear = |event| Event::OfSmear { smear: 0, event };
        let events = [
            of_smear(counted(40, true)),
            of_smear(counted(50, true)),
            of_smear(rejected),
            undo(),
            undo(),
            of_smear(counted(60, false)),
            Event::Button(Action::Stop),
        ];
        for event in events {
            step(&mut machine, &recorder, event);
        }
        let (_, folder) = recorder.close().unwrap();
        let files = archive::list(&folder).unwrap();
        let smear = archive::read(1, &files[&1]).unwrap();
        assert_eq!(smear.faults, []);
        let totals = smear.totals;
        assert_eq!(
            (totals.fields, totals.rejected, totals.uncertain),
            (2, 1, 2)
        );
        // The start, four fields, one that was undone, and the end.
        assert_eq!((smear.entries, smear.undone, smear.forced), (7, 1, 1));
        let read = smear.tally.summary(&CountRules::default());
        assert_eq!(&read, machine.smear().summary());
        assert_eq!(read.class(CellClass::Rbc).counted, 100);
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
        recorder.begin(("a test", PerClass::default()), ("", false), None);
        assert!(recorder.poll_failure().is_none());
        assert!(recorder.close().is_none());
    }
}
