//! `hemoscope count`: image files to counts, as a table or as JSON lines.

use crate::analysis::analyser::Analyser;
use crate::analysis::frame_smear::{
    AddedFrame, ContentHash, CountedFrame, FrameNotes, FrameSmear, NotAdded, content_hash,
};
use crate::analysis::scale::{self, ScaleEstimate};
use crate::analysis::settings::AnalysisSettings;
use crate::assessment::{self, Assessment, AssessmentLimits, Counts, RefusedFields, assess};
use crate::cell::SUBPIXELS;
use crate::cli::input_paths::{self, InputError, PathLines};
use crate::cli::output::Output;
use crate::cli::settings::{analysis_settings, load_config};
use crate::cli::shared_arguments::SharedArguments;
use crate::count::CountRules;
use crate::decode::{decode_image_with_oddities, read_bytes, read_image, read_size};
use crate::export::{SummaryLine, SummaryRecord, summary_table};
use crate::image::frame::Frame;
use crate::image::hatch::hatch;
use crate::image::png;
use crate::language::Language;
use crate::ordered_workers::in_order;
use crate::preprocess::tone::LampBalance;
use crate::quality::rim::RimCutter;
use crate::quality::{self, RejectReason, Verdict};
use crate::record::FrameRecord;
use crate::ui::overlay;
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::{self, BufReader, Stdout};
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// `hemoscope count`.
#[derive(Debug, Args)]
pub struct CountArguments {
    /// Image files, folders, or `-` for a list of paths on standard input.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Options that every command with a model takes.
    #[command(flatten)]
    pub shared: SharedArguments,
    /// Writes one line of JSON for each frame, in the order of the input, instead of a table.
    #[arg(long)]
    pub json: bool,
    /// With --json: ends with one more line, {"summary": ...}, with totals, verdict and findings.
    #[arg(long, requires = "json")]
    pub summary: bool,
    /// Frames are not fields of one smear: copies, overlapping and crowded frames are counted each
    /// for itself.
    #[arg(long)]
    pub independent: bool,
    /// Keeps every candidate from a heat of 0.01 on under its best class, for scoring.
    #[arg(long)]
    pub all_cells: bool,
    /// Writes each frame that counts with its cells drawn in: circle RBC, square WBC, triangle PLT;
    /// what was counted in frames before it is hatched.
    #[arg(long, value_name = "DIR")]
    pub overlay: Option<PathBuf>,
    /// Frames counted at once; without it, one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Runs the model's plain float form instead of the quantized one: slow, for comparison.
    #[arg(long)]
    pub plain: bool,
}

/// No frame is covered further: whoever counts single frames cannot move to a thinner place.
const NOT_TOO_THICK_PERMILLE: u16 = 1000;

/// A frame's size in pixels: frames of one size are taken to come from one microscope.
type SizePx = (u32, u32);

/// An input, or why it names no image.
type Input = Result<PathBuf, InputError>;

/// An estimate, or why there is none, for each size of frame.
type EstimatedScales = BTreeMap<SizePx, Result<ScaleEstimate, String>>;

/// The scale for each size of frame.
enum Scales {
    Given(f64),
    Estimated(EstimatedScales),
}

/// Why an input adds nothing.
enum NotCounted {
    /// It could not be counted.
    Failed(String),
    /// Its assessment refuses it.
    Refused(RejectReason, String),
    /// It need not be counted: the same image came before, or it is this program's own overlay.
    LeftOut(String),
}

/// What became of one input, with its number and its file.
type Outcome = Result<(usize, PathBuf, CountedFrame), NotCounted>;

/// Runs the command; `Ok(false)` when something was not counted.
///
/// # Errors
/// What keeps the whole command from running: configuration, model, output.
pub fn run(arguments: &CountArguments) -> Result<bool> {
    let config = load_config(arguments.shared.config.as_deref())?;
    let mut settings = analysis_settings(&config, &arguments.shared);
    settings.analyser.all_cells = arguments.all_cells;
    if arguments.independent {
        settings.quality.crowded_permille = NOT_TOO_THICK_PERMILLE;
    }
    if let Some(folder) = &arguments.overlay {
        fs::create_dir_all(folder).with_context(|| {
            let folder = folder.display();
            format!("{folder}: the folder for overlays cannot be made; check its name and rights")
        })?;
    }
    let mut workers = make_workers(arguments, &settings)?;
    let rules = CountRules {
        count_scatter: workers[0].count_scatter(),
        ..config.count_rules()
    };
    let training_colours = workers[0].training_colours();
    let self_report = workers.first().map(Analyser::self_report);
    let mut report = Report::new(arguments, self_report.into_iter().collect());
    report.overlays = arguments.overlay.clone().map(|folder| Overlays {
        folder,
        language: config.display.language,
    });
    let counter = |scales| Counter {
        settings: &settings,
        scales,
        independent: arguments.independent,
        seen: Mutex::default(),
    };
    if let Some(um_per_px) = settings.um_per_px {
        let counter = counter(Scales::Given(um_per_px));
        counter.count_all(workers, list_inputs(&arguments.paths), &mut report);
    } else {
        let inputs: Vec<_> = list_inputs(&arguments.paths).collect();
        report.expect(inputs.len());
        let scales = estimate_scales(&inputs, &mut workers[0], &settings);
        report.note_scales(&scales);
        let counter = counter(Scales::Estimated(scales));
        counter.count_all(workers, inputs.into_iter(), &mut report);
    }
    let limits = AssessmentLimits {
        training_colours,
        ..config.count.assessment_limits()
    };
    report.finish(&rules, &limits)
}

fn make_workers(arguments: &CountArguments, settings: &AnalysisSettings) -> Result<Vec<Analyser>> {
    let available = || thread::available_parallelism().map_or(1, usize::from);
    let count = arguments.workers.map_or_else(available, usize::from);
    let network = if arguments.plain {
        settings.model.load_plain()?
    } else {
        settings.model.load()?
    };
    Ok((0..count)
        .map(|_| Analyser::new(network.clone(), settings.analyser.clone()))
        .collect())
}

/// Every input in order: files as given, folders expanded, `-` read line by line as it comes.
fn list_inputs(paths: &[PathBuf]) -> impl Iterator<Item = Input> + Send {
    paths.iter().flat_map(|path| {
        let inputs: Box<dyn Iterator<Item = Input> + Send> = if path == Path::new("-") {
            Box::new(PathLines::new(BufReader::new(io::stdin())))
        } else {
            match input_paths::expand(path) {
                Ok(images) => Box::new(images.into_iter().map(Ok)),
                Err(error) => Box::new(iter::once(Err(error))),
            }
        };
        inputs
    })
}

/// Estimates the scale of each size of frame from some of its frames.
///
/// Frames that cannot be read or judged usable are passed over here; counting reports them.
fn estimate_scales(
    inputs: &[Input],
    analyser: &mut Analyser,
    settings: &AnalysisSettings,
) -> EstimatedScales {
    let mut paths_by_size: BTreeMap<SizePx, Vec<&Path>> = BTreeMap::new();
    for path in inputs.iter().flatten() {
        if let Ok(size_px) = read_size(path) {
            paths_by_size.entry(size_px).or_default().push(path);
        }
    }
    let mut estimates = EstimatedScales::new();
    for (size_px, paths) in paths_by_size {
        let is_usable = |frame: &Frame| {
            quality::assess(frame, None, &settings.quality).verdict == Verdict::Usable
        };
        let frames: Vec<Frame> = spread_out(&paths, settings.frames_for_estimate)
            .filter_map(|path| read_image(path).ok())
            .map(|mut frame| {
                RimCutter::default().cut(&mut frame);
                LampBalance::default().apply(&mut frame);
                frame
            })
            .filter(is_usable)
            .collect();
        let frames: Vec<&Frame> = frames.iter().collect();
        let estimate = scale::estimate(analyser, &frames).map_err(|error| error.to_string());
        estimates.insert(size_px, estimate);
    }
    estimates
}

/// At most `wanted` items, evenly spread over all of them.
fn spread_out<'a>(paths: &'a [&Path], wanted: usize) -> impl Iterator<Item = &'a Path> {
    let taken = wanted.min(paths.len());
    (0..taken).map(move |index| paths[index * paths.len() / taken])
}

/// What every worker needs to count one input.
struct Counter<'a> {
    settings: &'a AnalysisSettings,
    scales: Scales,
    independent: bool,
    /// The first input with each content so far, to spare the network what is left out anyway.
    seen: Mutex<BTreeMap<ContentHash, usize>>,
}

impl Counter<'_> {
    fn count_all(
        &self,
        workers: Vec<Analyser>,
        inputs: impl Iterator<Item = Input> + Send,
        report: &mut Report,
    ) {
        in_order(
            inputs.enumerate(),
            workers,
            |analyser, (index, input)| self.count(analyser, index, input),
            |outcome| report.take(outcome),
        );
    }

    fn count(&self, analyser: &mut Analyser, index: usize, input: Input) -> Outcome {
        let failed = |message: String| NotCounted::Failed(message);
        let path = input.map_err(|error| failed(error.to_string()))?;
        let name = path.display().to_string();
        let bytes = read_bytes(&path).map_err(|error| failed(error.to_string()))?;
        if png::is_overlay(&bytes) {
            return Err(NotCounted::LeftOut(format!(
                "{name}: left out: it is an overlay that this program has drawn"
            )));
        }
        let (mut frame, oddities) =
            decode_image_with_oddities(&bytes, &name).map_err(|error| failed(error.to_string()))?;
        drop(bytes);
        let content = content_hash(&frame);
        if !self.independent && self.came_before(index, content) {
            return Err(NotCounted::LeftOut(format!(
                "{name}: left out: {}",
                NotAdded::SameImage
            )));
        }
        let scale = self.scales.for_size((frame.width_px(), frame.height_px()));
        let rim = RimCutter::default().cut(&mut frame);
        let is_balanced = LampBalance::default().apply(&mut frame);
        let not_counted = |reason: &dyn Display| failed(format!("{name}: not counted: {reason}"));
        let known_px = scale
            .as_ref()
            .ok()
            .map(|&(um_per_px, _)| self.settings.analyser.rbc_diameter_px(um_per_px));
        // Without a scale the frame's own fault, where it has one, says more than the scale's.
        let quality = quality::assess(&frame, known_px, &self.settings.quality).beside(rim);
        if let Verdict::Rejected(reason) = quality.verdict {
            let message = format!("{name}: not counted: {reason}");
            return Err(NotCounted::Refused(reason, message));
        }
        let (um_per_px, estimated) = scale.map_err(|reason| not_counted(&reason))?;
        let field = analyser
            .analyse(&frame, um_per_px)
            .map_err(|error| not_counted(&error))?;
        if field.cells.is_empty() {
            return Err(not_counted(&format!(
                "no cell was found; check that it shows stained cells, and the pixel size \
                 ({um_per_px} um_per_px)"
            )));
        }
        let counted = CountedFrame::new(
            analyser,
            &frame,
            field,
            FrameNotes {
                name,
                content,
                quality,
                is_scale_estimated: estimated,
                rim,
                is_balanced,
                oddities,
            },
        );
        Ok((index, path, counted))
    }

    /// Whether an earlier input has the same content. Workers run side by side, so a later one may
    /// be asked about first: the report has the last word.
    fn came_before(&self, index: usize, content: ContentHash) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.entry(content).or_insert(index);
        *first = index.min(*first);
        *first < index
    }
}

impl Scales {
    /// Scale for frames of one size, and whether it is an estimate.
    fn for_size(&self, size_px: SizePx) -> Result<(f64, bool), String> {
        match self {
            Scales::Given(um_per_px) => Ok((*um_per_px, false)),
            Scales::Estimated(estimates) => match estimates.get(&size_px) {
                Some(Ok(estimate)) => Ok((estimate.um_per_px, true)),
                Some(Err(reason)) => Err(reason.clone()),
                None => Err(
                    "its pixel size was not estimated: it could not be read at first; \
                             run again, or give --um-per-px"
                        .to_owned(),
                ),
            },
        }
    }
}

/// Where annotated frames are written.
struct Overlays {
    folder: PathBuf,
    language: Language,
}

impl Overlays {
    /// Writes `FOLDER/000012-name.png`; the number keeps frames of one name apart.
    ///
    /// What is left out of a frame is known only once its turn has come. Frames that wait for it
    /// are not kept: this one is read again.
    fn write(&self, index: usize, path: &Path, added: &AddedFrame) -> Result<(), String> {
        let mut frame = read_image(path).map_err(|error| error.to_string())?;
        LampBalance::default().apply(&mut frame);
        for part in &added.older {
            // Clipped to the frame, so never below zero.
            let px = |side_q4: i32| (side_q4 / SUBPIXELS) as u32;
            let columns = px(part.x0_q4)..px(part.x1_q4);
            hatch(&mut frame, columns, px(part.y0_q4)..px(part.y1_q4));
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = self.folder.join(format!("{:06}-{stem}.png", index + 1));
        let annotated = overlay::annotated(&frame, &added.cells, self.language)
            .map_err(|error| error.to_string())?;
        png::write_overlay(&file, &annotated).map_err(|error| error.to_string())
    }
}

/// Collects the outcomes, in order, and says them.
struct Report {
    json: bool,
    summary_line: bool,
    /// Counts for scoring are no result, and are not assessed as one.
    is_for_scoring: bool,
    output: Output<Stdout>,
    progress: ProgressBar,
    smear: FrameSmear,
    overlays: Option<Overlays>,
    /// Overlays that could not be written.
    overlays_lost: u64,
    notes: Vec<String>,
    not_counted: u64,
    /// Of those, frames that were refused.
    refused: RefusedFields,
    left_out: u64,
    broken_output: Option<anyhow::Error>,
}

impl Report {
    fn new(arguments: &CountArguments, notes: Vec<String>) -> Self {
        let progress = ProgressBar::no_length();
        let style = "{spinner} {pos} frames, {per_sec}, {elapsed} {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            progress.set_style(style);
        }
        Self {
            json: arguments.json,
            summary_line: arguments.summary,
            is_for_scoring: arguments.all_cells,
            output: Output::standard(),
            progress,
            smear: FrameSmear::new(arguments.independent),
            overlays: None,
            overlays_lost: 0,
            notes,
            not_counted: 0,
            refused: RefusedFields::default(),
            left_out: 0,
            broken_output: None,
        }
    }

    fn expect(&mut self, inputs: usize) {
        self.progress.set_length(inputs as u64);
        let style = "{bar:32} {pos}/{len} frames, {per_sec}, about {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            self.progress.set_style(style);
        }
    }

    fn note_scales(&mut self, scales: &EstimatedScales) {
        for ((width_px, height_px), estimate) in scales {
            let Ok(estimate) = estimate else { continue };
            self.notes
                .push(format!("frames of {width_px}x{height_px}: {estimate}"));
        }
    }

    /// Says one outcome; `false` when nobody listens any more.
    fn take(&mut self, outcome: Outcome) -> bool {
        self.progress.inc(1);
        match outcome.and_then(|counted| self.add(counted)) {
            Ok(record) => !self.json || self.write_line(&record),
            Err(NotCounted::Refused(reason, message)) => {
                self.refused.add(reason, 1);
                self.report_error(&message)
            }
            Err(NotCounted::Failed(message)) => self.report_error(&message),
            Err(NotCounted::LeftOut(message)) => {
                self.left_out += 1;
                self.progress.suspend(|| log::warn!("{message}"));
                true
            }
        }
    }

    fn add(
        &mut self,
        (index, path, frame): (usize, PathBuf, CountedFrame),
    ) -> Result<FrameRecord, NotCounted> {
        let name = frame.name().to_owned();
        let added = self.smear.add(frame).map_err(|error| {
            if error.is_left_out() {
                NotCounted::LeftOut(format!("{name}: left out: {error}"))
            } else {
                NotCounted::Failed(format!("{name}: not counted: {error}"))
            }
        })?;
        for remark in &added.record.remarks {
            self.progress.suspend(|| log::warn!("{name}: {remark}"));
        }
        if let Some(overlays) = &self.overlays
            && let Err(reason) = overlays.write(index, &path, &added)
        {
            self.overlays_lost += 1;
            self.progress
                .suspend(|| log::error!("{name}: counted, but its overlay is missing: {reason}"));
        }
        Ok(added.record)
    }

    /// Says why an input was not counted; the next one may be.
    fn report_error(&mut self, message: &str) -> bool {
        self.not_counted += 1;
        self.progress.suspend(|| log::error!("{message}"));
        true
    }

    /// Writes one line; `false` when nobody listens any more.
    fn write_line(&mut self, record: &impl Serialize) -> bool {
        let line = serde_json::to_string(record).map_err(anyhow::Error::from);
        match line.and_then(|line| self.output.print(&(line + "\n"))) {
            Ok(()) => !self.output.is_closed(),
            Err(error) => {
                self.broken_output = Some(error);
                false
            }
        }
    }

    fn finish(mut self, rules: &CountRules, limits: &AssessmentLimits) -> Result<bool> {
        self.progress.finish_and_clear();
        self.check_output()?;
        if self.output.is_closed() {
            return Ok(false);
        }
        if self.smear.tally().fields() == 0 {
            bail!("nothing was counted; the messages above say why");
        }
        let summary = self.smear.tally().summary(rules);
        let assessment = if self.is_for_scoring {
            Assessment::default()
        } else {
            assess(
                &Counts::of(&summary, self.refused),
                self.smear.facts(),
                limits,
            )
        };
        if self.json {
            for finding in assessment.findings() {
                log::warn!("{finding}");
            }
            if self.summary_line {
                let record = SummaryRecord::new(&summary, &assessment, &self.notes)
                    .with_inputs(self.not_counted, self.left_out);
                self.write_line(&SummaryLine { summary: record });
                self.check_output()?;
            }
        } else {
            let left_out = [self.not_counted, self.left_out];
            let text = summary_table(&summary, &assessment, &self.notes, left_out);
            self.output.print(&text)?;
        }
        let is_complete = self.not_counted + self.overlays_lost == 0;
        Ok(is_complete && assessment.verdict() != assessment::Verdict::Withheld)
    }

    /// # Errors
    /// Standard output has failed.
    fn check_output(&mut self) -> Result<()> {
        let fields = self.smear.tally().fields();
        self.broken_output.take().map_or(Ok(()), |error| {
            Err(error.context(format!(
                "after {fields} frames counting was given up, and what follows was not counted"
            )))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_for_the_estimate_are_spread_over_all() {
        let names: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        let paths: Vec<&Path> = names.iter().map(Path::new).collect();
        let cases = [(5, vec!["0", "5", "10", "15", "20"]), (100, vec![])];
        for (wanted, expected) in cases {
            let taken: Vec<_> = spread_out(&paths, wanted)
                .map(|path| path.to_str().unwrap())
                .collect();
            if expected.is_empty() {
                assert_eq!(taken, names, "all of them");
            } else {
                assert_eq!(taken, expected, "{wanted} of 25");
            }
        }
        assert_eq!(spread_out(&[], 5).count(), 0);
    }
}
