//! Reading records back: which smears there are, and what their lines add up to.

use super::entry::{
    AssessmentRecord, Damage, DamageKind, EndReason, Event, FieldOutcome, FieldRecord, Prefix,
    RECORDS_FORMAT, SmearStarted, Totals, read_prefix,
};
use super::error::RecordError;
use super::layout::{file_name, parse_file_name};
use crate::count::SmearTally;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The most files looked at in a folder.
const MAX_FILES: usize = 100_000;

/// The files of each smear, by number and part.
pub type SmearFiles = BTreeMap<u64, BTreeMap<u32, PathBuf>>;

/// Lists the files of a folder of records.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<SmearFiles, RecordError> {
    let cannot = |source| RecordError::of("read", folder, source);
    let mut smears = SmearFiles::new();
    for entry in fs::read_dir(folder).map_err(cannot)?.take(MAX_FILES) {
        let path = entry.map_err(cannot)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some((smear, part)) = name.and_then(parse_file_name) {
            smears.entry(smear).or_default().insert(part, path);
        }
    }
    Ok(smears)
}

/// How a smear stands in the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmearState {
    /// Its last line is missing: it is being counted, or its program died.
    InProgress,
    /// Its last line says how it ended.
    Ended(EndReason),
    /// A power cut or a crash ended it.
    Interrupted,
}

impl fmt::Display for SmearState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InProgress => "under way",
            Self::Ended(EndReason::Finished) => "finished",
            Self::Ended(EndReason::Stopped) => "stopped",
            Self::Interrupted => "interrupted",
        })
    }
}

/// Something wrong with a smear's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file in which it was found.
    pub file: PathBuf,
    /// What is wrong, as one phrase.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.file.display(), self.what)
    }
}

/// One smear, read back up to the first fault.
#[derive(Debug, Clone)]
pub struct SmearRecords {
    /// The smear's number, which its files carry in their names.
    pub number: u64,
    /// What its first line says; `None` where no such line could be read.
    pub started: Option<SmearStarted>,
    /// Whether it ended, and how.
    pub state: SmearState,
    /// What its run made of it at its end; `None` before, and of a version that did not say.
    pub assessment: Option<AssessmentRecord>,
    /// The counted fields, as the run itself added them up.
    pub tally: SmearTally,
    /// Sums over all settled fields, without those that were taken out again.
    pub totals: Totals,
    /// Counted fields that were taken out again.
    pub undone: u32,
    /// Counted fields that were refused at first.
    pub forced: u32,
    /// The last counted field and the tally before it, until it is taken out.
    last_counted: Option<(FieldRecord, SmearTally)>,
    /// Lines read; the number of the next one.
    pub entries: u64,
    /// The last file that was read, and how much of it.
    pub last: Option<(u32, Prefix)>,
    /// What is wrong with its files; empty for none.
    pub faults: Vec<Fault>,
}

/// Reads a smear's files.
///
/// # Errors
/// A file cannot be read. Damage is no error: it is told in [`SmearRecords::faults`].
pub fn read(number: u64, files: &BTreeMap<u32, PathBuf>) -> Result<SmearRecords, RecordError> {
    let mut smear = SmearRecords {
        number,
        started: None,
        state: SmearState::InProgress,
        assessment: None,
        tally: SmearTally::default(),
        totals: Totals::default(),
        undone: 0,
        forced: 0,
        last_counted: None,
        entries: 0,
        last: None,
        faults: Vec::new(),
    };
    for (expected, (&part, path)) in (1..).zip(files) {
        if part != expected {
            let name = file_name(number, expected);
            smear.add_fault(path, format!("follows on {name}, which is missing"));
            break;
        }
        let file = File::open(path).map_err(|error| RecordError::of("read", path, error))?;
        let first_seq = smear.entries;
        let mut wrong = None;
        let prefix = read_prefix(BufReader::new(file), number, first_seq, |entry| {
            wrong = wrong.take().or(smear.take(&entry.event));
        })
        .map_err(|error| RecordError::of("read", path, error))?;
        smear.entries += prefix.entries;
        smear.last = Some((part, prefix));
        if let Some(wrong) = wrong {
            smear.add_fault(path, wrong);
        }
        if let Some(damage) = prefix.damage {
            smear.add_fault(path, describe(damage, number));
            break;
        }
    }
    Ok(smear)
}

fn describe(damage: Damage, number: u64) -> String {
    let Damage { line, kind } = damage;
    match kind {
        DamageKind::Torn => {
            format!("line {line} is torn or altered; it and what follows is left out")
        }
        DamageKind::OutOfOrder => format!(
            "line {line} does not follow on the line before in smear {number}; it and what \
             follows is left out"
        ),
        DamageKind::Unknown => {
            format!("line {line} was written by another version of this program; read it with that")
        }
    }
}

impl SmearRecords {
    /// Whether its run finished it and withheld the result.
    pub fn is_withheld(&self) -> bool {
        let assessment = self.assessment.as_ref();
        self.state == SmearState::Ended(EndReason::Finished)
            && assessment.is_some_and(AssessmentRecord::is_withheld)
    }

    fn add_fault(&mut self, file: &Path, what: String) {
        self.faults.push(Fault {
            file: file.to_owned(),
            what,
        });
    }

    /// Takes an entry in; what is wrong with it, if anything.
    fn take(&mut self, event: &Event) -> Option<String> {
        let has_ended = self.state != SmearState::InProgress;
        let wrong = match event {
            Event::SmearStarted(started) => {
                self.started = Some(started.clone());
                let format = started.format;
                (format != RECORDS_FORMAT)
                    .then(|| format!("is of format {format}, this program reads {RECORDS_FORMAT}"))
            }
            Event::Field(field) => {
                self.totals.add(field);
                if field.outcome == FieldOutcome::Counted {
                    self.last_counted = Some((*field, self.tally));
                    self.forced += u32::from(field.is_forced);
                }
                let added = field.tally().map_or(Ok(()), |tally| self.tally.add(&tally));
                added.err().map(|error| error.to_string())
            }
            Event::FieldUndone { .. } => match self.last_counted.take() {
                Some((field, tally_before)) => {
                    self.totals.take_back(&field);
                    self.tally = tally_before;
                    self.undone += 1;
                    self.forced -= u32::from(field.is_forced);
                    None
                }
                None => Some("takes out a field that it does not hold".to_owned()),
            },
            Event::SmearEnded {
                ending,
                totals,
                assessment,
            } => {
                self.state = SmearState::Ended(*ending);
                self.assessment.clone_from(assessment);
                // Fields lost after the last line stand only here.
                self.totals.lost = self.totals.lost.max(totals.lost);
                self.compare(totals)
            }
            Event::SmearInterrupted { totals, .. } => {
                self.state = SmearState::Interrupted;
                self.compare(totals)
            }
        };
        wrong.or(has_ended.then(|| "goes on after its last line".to_owned()))
    }

    fn compare(&self, totals: &Totals) -> Option<String> {
        (*totals != self.totals).then(|| "its lines do not add up to its totals".to_owned())
    }
}
