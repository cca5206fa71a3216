//! Times the network's device form against its plain form in tract.
//!
//! `cargo bench --bench network -- [--rounds N] [--threads N] [--json] [--serve] [--model FOLDER]
//! [--input FILE]`. The runs alternate, so that a busy machine slows all of them, and medians are
//! compared. Without `--model`, the first folder of `models/` that holds a manifest is taken; without
//! `--input`, whose bytes are a prepared frame of 320x240 (red, green, blue, 0; at most 127), a
//! generated frame. With `--serve`, the names are printed as one line of JSON, then every name on
//! standard input is answered by the milliseconds of one run, so that
//! `hemoscope_training.benchmark` can interleave other programs; the plain form is left out then.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hemoscope::network::kernels::Kernel;
use hemoscope::network::{MANIFEST_FILE, Network, NetworkInput, Runner, golden_input};

const WIDTH_PX: u32 = 320;
const HEIGHT_PX: u32 = 240;
const DEFAULT_ROUNDS: usize = 40;
const MAX_ROUNDS: usize = 10_000;
/// Runs that are not timed: they build the plan and warm the caches.
const WARM_UP_ROUNDS: usize = 2;

struct Options {
    rounds: usize,
    threads: usize,
    json: bool,
    serve: bool,
    model: Option<PathBuf>,
    input: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            rounds: DEFAULT_ROUNDS,
            threads: 1,
            json: false,
            serve: false,
            model: None,
            input: None,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo adds this one to every benchmark.
                "--bench" => {}
                "--json" => options.json = true,
                "--serve" => options.serve = true,
                "--model" => {
                    let folder = arguments.next().context("--model needs a folder")?;
                    options.model = Some(folder.into());
                }
                "--input" => {
                    let file = arguments.next().context("--input needs a file")?;
                    options.input = Some(file.into());
                }
                "--threads" => {
                    let threads = arguments.next().context("--threads needs a number")?;
                    options.threads = threads.parse().context("--threads needs a number")?;
                }
                "--rounds" => {
                    let rounds = arguments.next().context("--rounds needs a number")?;
                    options.rounds = rounds.parse().context("--rounds needs a number")?;
                }
                other => {
                    bail!(
                        "unknown argument {other}; there are --rounds N, --threads N, --json, --serve, \
                         --model FOLDER, --input FILE"
                    )
                }
            }
        }
        ensure!(
            (1..=MAX_ROUNDS).contains(&options.rounds),
            "--rounds must be within 1..={MAX_ROUNDS}"
        );
        Ok(options)
    }
}

struct Subject {
    name: String,
    network: Runner,
    times_ms: Vec<f64>,
}

impl Subject {
    fn new(name: String, network: Runner) -> Self {
        Self {
            name,
            network,
            times_ms: Vec::new(),
        }
    }

    fn time(&mut self, input: &NetworkInput) -> Result<()> {
        let start = Instant::now();
        let output = self
            .network
            .run(input.width_px(), input.height_px(), input.rgbx())?;
        self.times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        std::hint::black_box(output);
        Ok(())
    }

    fn median_ms(&self) -> f64 {
        let mut times_ms = self.times_ms.clone();
        times_ms.sort_by(f64::total_cmp);
        times_ms[times_ms.len() / 2]
    }

    fn fastest_ms(&self) -> f64 {
        self.times_ms.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

fn find_model() -> Result<PathBuf> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut folders: Vec<PathBuf> = models
        .read_dir()
        .with_context(|| {
            format!(
                "{} is missing; train a model, or give --model FOLDER",
                models.display()
            )
        })?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join(MANIFEST_FILE).is_file())
        .collect();
    folders.sort();
    folders.into_iter().next().with_context(|| {
        format!(
            "no folder of {} holds a {MANIFEST_FILE}; train a model, or give --model FOLDER",
            models.display()
        )
    })
}

/// Every kernel of this processor, the fastest last; and then, where `plain`, tract's own
/// operators: the one compared with.
fn subjects(folder: &Path, threads: usize, plain: bool) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for kernel in Kernel::available() {
        let mut network = Network::load_with(folder, kernel)?.runner();
        network.set_threads(threads);
        ensure!(
            network.threads() == threads,
            "the network does not run on {threads} threads"
        );
        subjects.push(Subject::new(format!("device, {kernel}"), network));
    }
    if plain {
        let plain = Network::load_plain(folder)?.runner();
        subjects.push(Subject::new("plain, tract f32".into(), plain));
    }
    Ok(subjects)
}

fn read_input(path: Option<&Path>) -> Result<NetworkInput> {
    let Some(path) = path else {
        return Ok(golden_input(WIDTH_PX, HEIGHT_PX, 1)?);
    };
    let rgbx = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    Ok(NetworkInput::new(WIDTH_PX, HEIGHT_PX, rgbx)?)
}

fn print_table(folder: &Path, subjects: &[Subject], options: &Options) {
    println!(
        "{} at {WIDTH_PX}x{HEIGHT_PX}, threads of the device form {}, {} interleaved rounds",
        folder.display(),
        options.threads,
        options.rounds
    );
    let baseline_ms = subjects.last().map_or(f64::NAN, Subject::median_ms);
    println!(
        "{:<24}{:>12}{:>12}{:>10}",
        "", "median ms", "fastest ms", "speed-up"
    );
    for subject in subjects {
        let median_ms = subject.median_ms();
        println!(
            "{:<24}{median_ms:>12.3}{:>12.3}{:>9.2}x",
            subject.name,
            subject.fastest_ms(),
            baseline_ms / median_ms
        );
    }
}

fn print_json(folder: &Path, subjects: &[Subject], options: &Options) {
    let results: Vec<serde_json::Value> = subjects
        .iter()
        .map(|subject| {
            serde_json::json!({
                "name": subject.name,
                "median_ms": subject.median_ms(),
                "fastest_ms": subject.fastest_ms(),
            })
        })
        .collect();
    let report = serde_json::json!({
        "model": folder,
        "width_px": WIDTH_PX,
        "height_px": HEIGHT_PX,
        "threads": options.threads,
        "rounds": options.rounds,
        "results": results,
    });
    println!("{report}");
}

/// Answers names with the milliseconds of one run, until standard input ends.
fn serve(subjects: &mut [Subject], input: &NetworkInput) -> Result<()> {
    let names: Vec<&str> = subjects.iter().map(|one| &*one.name).collect();
    println!("{}", serde_json::json!(names));
    for line in std::io::stdin().lines() {
        let name = line?;
        let subject = subjects
            .iter_mut()
            .find(|subject| subject.name == name)
            .with_context(|| format!("there is no subject {name:?}"))?;
        subject.time(input)?;
        println!("{}", subject.times_ms.last().copied().unwrap_or(f64::NAN));
    }
    Ok(())
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let folder = options.model.clone().map_or_else(find_model, Ok)?;
    let input = read_input(options.input.as_deref())?;
    let mut subjects = subjects(&folder, options.threads, !options.serve)?;
    for _ in 0..WARM_UP_ROUNDS {
        for subject in &mut subjects {
            subject.time(&input)?;
        }
    }
    for subject in &mut subjects {
        subject.times_ms.clear();
    }
    if options.serve {
        return serve(&mut subjects, &input);
    }
    for _ in 0..options.rounds {
        for subject in &mut subjects {
            subject.time(&input)?;
        }
    }
    if options.json {
        print_json(&folder, &subjects, &options);
    } else {
        print_table(&folder, &subjects, &options);
    }
    Ok(())
}
