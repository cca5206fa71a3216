//! One line of a record file.
//!
//! ```text
//! {"smear":12,"seq":3,"boot_id":"...","uptime_ms":..,...,"event":{..},"crc32":"89abcdef"}\n
//! ```

use super::line::{self, LineDamage, MAX_LINE_BYTES};
use crate::assessment::{Assessment, CLUMPS_ID, Effect, Verdict};
use crate::cell::PerClass;
use crate::count::FieldTally;
use crate::device::clock::Timestamp;
use crate::device::files::read_line;
use crate::quality::RejectReason;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, BufRead};

/// The format of the lines; stands in [`SmearStarted`].
pub const RECORDS_FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// Number of the smear, from 1 on.
    pub smear: u64,
    /// Place of the line in its smear, from 0 on, without gaps.
    pub seq: u64,
    /// The boot in which it was written.
    pub boot_id: Cow<'a, str>,
    /// When it was written.
    #[serde(flatten)]
    pub stamp: Timestamp,
    /// What happened.
    pub event: Cow<'a, Event>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first line of a smear.
    SmearStarted(SmearStarted),
    /// A field was settled.
    Field(FieldRecord),
    /// The last counted field was taken out of the smear again; its line stays as it was written.
    FieldUndone {
        /// The source's number of that field, where it has one.
        field: Option<u64>,
    },
    /// The last line of a smear that ended as it should, or was stopped.
    SmearEnded {
        /// Whether it was finished or stopped.
        ending: EndReason,
        /// Sums over all lines before.
        totals: Totals,
        /// What its figures were worth to the run, which knew more than the lines keep; `None` of
        /// a version that did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assessment: Option<AssessmentRecord>,
    },
    /// The last line of a smear that a power cut or a crash ended, written at the next start.
    SmearInterrupted {
        /// Sums over the whole lines before.
        totals: Totals,
        /// Bytes of a torn line that were moved into `side_file`; 0 for none.
        cut_bytes: u64,
        /// Name of the file that holds those bytes; `None` where nothing was cut.
        side_file: Option<String>,
    },
}

/// What counts, and how many fields are the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SmearStarted {
    /// The record format's number.
    pub format: u32,
    /// Program, model and kernel with their versions.
    pub counted_by: String,
    /// Local sample ID; empty for none.
    pub sample: String,
    /// Fields to count; `None` for as many as the source gives.
    #[serde(rename = "wanted_fields")]
    pub target_fields: Option<u32>,
    /// The slide is a drawn one and holds no blood; written only where it is.
    #[serde(
        default,
        rename = "simulated",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub is_simulated: bool,
    /// How far the network's own errors scatter, by class, so that its intervals can be computed
    /// again; left out where none was known.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub count_scatter: PerClass<f64>,
}

fn is_unknown(scatter: &PerClass<f64>) -> bool {
    *scatter == PerClass::default()
}

/// What a smear's assessment said when it ended: words of the version that wrote it, some of which
/// another may not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssessmentRecord {
    /// [`Verdict::id`].
    pub verdict: String,
    /// Ids of the findings that withhold the result.
    pub withheld_by: Vec<String>,
    /// Ids of the findings that only remark on it.
    pub remarks: Vec<String>,
}

impl AssessmentRecord {
    /// Whether the result was withheld.
    pub fn is_withheld(&self) -> bool {
        self.verdict == Verdict::Withheld.id()
    }

    /// Whether no ratio may be shown, as [`Assessment::hides_figures`]. A finding that this version
    /// does not know hides them.
    pub fn hides_figures(&self) -> bool {
        self.is_withheld() && self.withheld_by.iter().any(|id| id != CLUMPS_ID)
    }
}

impl From<&Assessment> for AssessmentRecord {
    fn from(assessment: &Assessment) -> Self {
        let ids = |effect| {
            let findings = assessment.findings();
            let of_effect = findings.filter(|one| one.effect() == effect);
            of_effect.map(|one| one.id().to_owned()).collect()
        };
        Self {
            verdict: assessment.verdict().id().to_owned(),
            withheld_by: ids(Effect::Withhold),
            remarks: ids(Effect::Remark),
        }
    }
}

/// How a smear ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The target was reached, or the source ended.
    Finished,
    /// Interrupted: the numbers are no result.
    Stopped,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOutcome {
    /// Its cells entered the counts.
    Counted,
    /// It was usable and showed no cell.
    NoCells,
    /// It was usable, but no pixel size could be estimated.
    Unscaled,
    /// Rejected: a dark rim covers nearly all of it.
    RimCoversField,
    /// Rejected: no light.
    #[serde(rename = "black")]
    Underexposed,
    /// Rejected: nothing but light.
    #[serde(rename = "white")]
    Overexposed,
    /// Rejected: no edge that could be a cell.
    NoContrast,
    /// Rejected: out of focus.
    Blurred,
    /// Rejected: blurred in one direction.
    MovedDuringExposure,
    /// Rejected: part of it is out of focus.
    PartlyBlurred,
    /// Rejected: cells hardly stand out.
    LowContrast,
    /// Rejected: red and blue are exchanged.
    ColoursExchanged,
    /// Rejected: not like a stained smear.
    NotASmear,
    /// Rejected: cells lie over one another.
    TooThick,
    /// Something that only a newer version knows; this one cannot count it.
    #[serde(other)]
    Unknown,
}

impl From<RejectReason> for FieldOutcome {
    fn from(reason: RejectReason) -> Self {
        match reason {
            RejectReason::RimCoversField => Self::RimCoversField,
            RejectReason::Underexposed => Self::Underexposed,
            RejectReason::Overexposed => Self::Overexposed,
            RejectReason::NoContrast => Self::NoContrast,
            RejectReason::Blurred => Self::Blurred,
            RejectReason::MovedDuringExposure => Self::MovedDuringExposure,
            RejectReason::PartlyBlurred => Self::PartlyBlurred,
            RejectReason::LowContrast => Self::LowContrast,
            RejectReason::ColoursExchanged => Self::ColoursExchanged,
            RejectReason::NotASmear => Self::NotASmear,
            RejectReason::TooThick => Self::TooThick,
        }
    }
}

/// A settled field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FieldRecord {
    /// The source's number of the field, where it has one.
    pub field: Option<u64>,
    /// What became of the field.
    pub outcome: FieldOutcome,
    /// Counted cells; zero unless the field was counted.
    #[serde(flatten)]
    pub certain: PerClass<u32>,
    /// Counted cells whose class is uncertain; zero unless the field was counted.
    pub uncertain: u32,
    /// The area that they stand for, in 1/256 of a square pixel.
    pub area_q8: u64,
    /// Whether platelets lie in a clump; written only where they do, so that a version that does
    /// not look reads the line as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_clump: bool,
    /// Whether the operator had it counted although it was refused; written only where they did.
    #[serde(default, rename = "forced", skip_serializing_if = "std::ops::Not::not")]
    pub is_forced: bool,
    /// Width of a pixel on the slide, in micrometres, where it is known.
    pub um_per_px: Option<f64>,
    /// Whether the scale was estimated from the red cells rather than given.
    pub um_per_px_estimated: bool,
    /// 0 to 100.
    pub focus_score: u8,
    /// Level of the empty background, 0 to 255.
    pub background_level: u8,
    /// Fields settled before this one, and after the line before, that could not be kept since
    /// the records could not be written for too long.
    pub lost_before: u32,
}

impl FieldRecord {
    /// What a counted field adds to its smear; `None` for any other.
    pub fn tally(&self) -> Option<FieldTally> {
        (self.outcome == FieldOutcome::Counted).then_some(FieldTally {
            certain: self.certain,
            uncertain: self.uncertain,
            area_q8: self.area_q8,
            has_clump: self.has_clump,
        })
    }
}

/// Sums over a smear's lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Fields counted.
    pub fields: u64,
    /// Fields that were not counted.
    pub rejected: u64,
    /// Fields whose lines could not be kept.
    pub lost: u64,
    /// Certain cells.
    #[serde(flatten)]
    pub certain: PerClass<u64>,
    /// Counted cells whose class is uncertain.
    pub uncertain: u64,
}

impl Totals {
    /// Adds a field.
    pub fn add(&mut self, field: &FieldRecord) {
        self.lost += u64::from(field.lost_before);
        if field.outcome != FieldOutcome::Counted {
            self.rejected += 1;
            return;
        }
        self.fields += 1;
        for (class, total) in self.certain.iter_mut() {
            *total += u64::from(field.certain[class]);
        }
        self.uncertain += u64::from(field.uncertain);
    }

    /// Takes out a counted field that was added before.
    pub fn take_back(&mut self, field: &FieldRecord) {
        self.fields = self.fields.saturating_sub(1);
        for (class, total) in self.certain.iter_mut() {
            *total = total.saturating_sub(u64::from(field.certain[class]));
        }
        self.uncertain = self.uncertain.saturating_sub(u64::from(field.uncertain));
    }
}

/// Why a line, and with it all after it, is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// It does not end, or its checksum is wrong, as after a power cut.
    Torn,
    /// It is whole, but does not follow on the line before.
    OutOfOrder,
    /// It is whole, but this program does not know it.
    Unknown,
}

/// Where reading ended before the file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// From 1.
    pub line: u64,
    pub kind: DamageKind,
}

/// What was read of a file: everything up to the first damage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prefix {
    pub entries: u64,
    pub bytes: u64,
    pub damage: Option<Damage>,
}

impl From<LineDamage> for DamageKind {
    fn from(damage: LineDamage) -> Self {
        match damage {
            LineDamage::Torn => Self::Torn,
            LineDamage::Unknown => Self::Unknown,
        }
    }
}

/// Writes an entry as a line in place of what `line` held.
pub fn encode(entry: &Entry<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    line::encode(entry, line)
}

/// The entry of a line with its end, unless it is damaged.
pub fn decode(line: &[u8]) -> Result<Entry<'static>, DamageKind> {
    Ok(line::decode(line)?)
}

/// Reads the lines of smear `smear`, the first of which is number `first_seq`, up to the first
/// that is damaged.
///
/// # Errors
/// The file cannot be read.
pub fn read_prefix(
    mut reader: impl BufRead,
    smear: u64,
    first_seq: u64,
    mut take: impl FnMut(&Entry<'_>),
) -> io::Result<Prefix> {
    let mut prefix = Prefix::default();
    let mut line = Vec::new();
    loop {
        if read_line(&mut reader, MAX_LINE_BYTES as u64, &mut line)? == 0 {
            return Ok(prefix);
        }
        let kind = match decode(&line) {
            Ok(entry) if entry.smear == smear && entry.seq == first_seq + prefix.entries => {
                take(&entry);
                prefix.entries += 1;
                prefix.bytes += line.len() as u64;
                continue;
            }
            Ok(_) => DamageKind::OutOfOrder,
            Err(kind) => kind,
        };
        prefix.damage = Some(Damage {
            line: prefix.entries + 1,
            kind,
        });
        return Ok(prefix);
    }
}
