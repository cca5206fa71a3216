//! `hemoscope records`: what runs have written down, read back.

use crate::assessment::{AssessmentLimits, Counts, RefusedFields, SmearFacts, assess};
use crate::cell::{CellClass, PerClass};
use crate::cli::output::Output;
use crate::cli::settings::load_config;
use crate::count::CountRules;
use crate::export::{SIMULATED_NOTE, summary_table};
use crate::record::archive::{self, SmearRecords};
use crate::record::{AssessmentRecord, check_format, records_folder};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::path::PathBuf;

/// `hemoscope records`.
#[derive(Debug, Args)]
pub struct RecordsArguments {
    /// The data folder, as given to `hemoscope run --data`.
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    /// What to do with the records.
    #[arg(value_enum, default_value_t = RecordsAction::List)]
    pub action: RecordsAction,
    /// This smear only, by its number.
    #[arg(long, value_name = "N")]
    pub smear: Option<u64>,
    /// Configuration file, whose rules the totals follow.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to do with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecordsAction {
    /// One line for each smear.
    List,
    /// Checks every line; fails where one is torn, altered or missing.
    Verify,
    /// The table of each smear, as its run printed it.
    Total,
}

/// Lists, checks or adds up the records of a data folder; `Ok(false)` where something is wrong
/// with them.
///
/// # Errors
/// No records there, or none of that number.
pub fn run(arguments: &RecordsArguments) -> Result<bool> {
    let config = load_config(arguments.config.as_deref())?;
    let (rules, limits) = (config.count_rules(), config.count.assessment_limits());
    check_format(&arguments.data)?;
    let folder = records_folder(&arguments.data);
    let mut smears = archive::list(&folder)?;
    if let Some(number) = arguments.smear {
        smears.retain(|found, _| *found == number);
        if smears.is_empty() {
            bail!(
                "no smear {number} in {}; list those there are with `hemoscope records {}`",
                folder.display(),
                arguments.data.display()
            );
        }
    }
    let mut is_sound = true;
    let mut output = Output::standard();
    if arguments.action == RecordsAction::List {
        output.print(&heading())?;
    }
    for (&number, files) in &smears {
        let smear = archive::read(number, files)?;
        is_sound &= smear.faults.is_empty();
        let text = match arguments.action {
            RecordsAction::List => row(&smear),
            RecordsAction::Verify => verdict(&smear),
            RecordsAction::Total => total(&smear, &rules, &limits),
        };
        output.print(&text)?;
    }
    Ok(is_sound)
}

fn heading() -> String {
    format!(
        "{:>8}  {:<12}{:>8}{:>10}{:>6}{}{:>10}  sample\n",
        "smear",
        "state",
        "fields",
        "rejected",
        "lost",
        class_columns(PerClass::from_fn(CellClass::name)),
        "uncert."
    )
}

fn class_columns(values: PerClass<impl ToString>) -> String {
    let mut columns = String::new();
    for (class, value) in values.iter() {
        // Of all cells of a smear nearly all are red.
        let width = if class == CellClass::Rbc { 10 } else { 8 };
        // Writing to a string cannot fail.
        let _ = write!(columns, "{:>width$}", value.to_string());
    }
    columns
}

fn row(smear: &SmearRecords) -> String {
    let totals = &smear.totals;
    let started = smear.started.as_ref();
    let sample = started.map_or("", |started| &started.sample);
    let simulated = started.is_some_and(|started| started.is_simulated);
    let simulated = if simulated { " (simulated)" } else { "" };
    let mut text = format!(
        "{:>8}  {:<12}{:>8}{:>10}{:>6}{}{:>10}  {sample}{simulated}",
        smear.number,
        if smear.is_withheld() {
            "withheld".to_owned()
        } else {
            smear.state.to_string()
        },
        totals.fields,
        totals.rejected,
        totals.lost,
        class_columns(totals.certain),
        totals.uncertain,
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    push_faults(&mut text, smear);
    text
}

fn verdict(smear: &SmearRecords) -> String {
    let SmearRecords {
        number,
        entries,
        state,
        ..
    } = smear;
    let mut text = match smear.faults.as_slice() {
        [] => format!("smear {number}: {entries} lines, all whole and in order; {state}\n"),
        _ => format!("smear {number}: {entries} lines could be read; {state}\n"),
    };
    push_faults(&mut text, smear);
    text
}

fn push_faults(text: &mut String, smear: &SmearRecords) {
    for fault in &smear.faults {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {fault}");
    }
}

fn total(smear: &SmearRecords, rules: &CountRules, limits: &AssessmentLimits) -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut rules = *rules;
    if let Some(started) = &smear.started {
        rules.count_scatter = started.count_scatter;
        notes.push(started.counted_by.clone());
        if started.is_simulated {
            notes.push(SIMULATED_NOTE.to_owned());
        }
        if !started.sample.is_empty() {
            notes.push(format!("sample {}", started.sample));
        }
    }
    if smear.undone > 0 {
        notes.push(format!("{} counted fields were undone", smear.undone));
    }
    if smear.totals.lost > 0 {
        notes.push(format!(
            "{} more fields were settled while nothing could be saved",
            smear.totals.lost
        ));
    }
    let recorded = smear.assessment.as_ref();
    notes.extend(recorded.and_then(told_by_run));
    notes.extend(smear.faults.iter().map(ToString::to_string));
    let summary = smear.tally.summary(&rules);
    // The cells themselves are not kept: only the rules about their numbers can be applied again.
    let counts = Counts {
        forced_fields: smear.forced,
        ..Counts::of(&summary, RefusedFields::default())
    };
    let assessment = assess(&counts, &SmearFacts::default(), limits);
    let assessment = match recorded {
        Some(recorded) if recorded.hides_figures() => assessment.hidden_by_its_run(),
        _ => assessment,
    };
    let table = summary_table(&summary, &assessment, &notes, [smear.totals.rejected, 0]);
    format!("Smear {}, {}\n{table}\n", smear.number, smear.state)
}

/// What the run itself made of the smear; `None` where that was nothing.
fn told_by_run(recorded: &AssessmentRecord) -> Option<String> {
    let said = |word: &str, ids: &[String]| {
        (!ids.is_empty()).then(|| format!("{word} ({})", ids.join(", ")))
    };
    let parts = [
        said("withheld", &recorded.withheld_by),
        said("remarked on", &recorded.remarks),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("the run itself: {}", parts.join(", ")))
}
