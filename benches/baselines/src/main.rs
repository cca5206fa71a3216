//! Runs one network in other runtimes, for comparison: on request, one run at a time.
//!
//! `baselines [--threads N] --input FRAME NAME=RUNTIME:FILE.onnx ...` loads each file, with RUNTIME `tract` or
//! `rten`, and prints the names that loaded as one line of JSON (why another did not stands on
//! standard error). Then every name on standard input is answered by the milliseconds of one run.
//! With `--runs R` nothing is read: every network is run R times and the program ends, for counting
//! instructions. `--kernels` says which kernels tract picks, and ends.
//!
//! FRAME holds the bytes of a prepared frame of 320x240 (red, green, blue, 0; at most 127), as
//! `benches/network.rs` takes it. It becomes `f32` in NCHW before the clock starts.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

const SHAPE: [usize; 4] = [1, 3, 240, 320];
/// The frame's value that is 0 to the network.
const ZERO_POINT: f32 = 64.0;
/// Steps of the frame's values in one unit of the network's input.
const STEPS: f32 = 32.0;
/// Runs that are not timed: they warm the caches.
const WARM_UP_RUNS: usize = 2;

/// A loaded network, ready to run once more.
type Run = Box<dyn FnMut() -> Result<()>>;

struct Options {
    threads: usize,
    runs: Option<usize>,
    input: Option<String>,
    kernels: bool,
    /// Name, runtime, file.
    networks: Vec<[String; 3]>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            threads: 1,
            runs: None,
            input: None,
            kernels: false,
            networks: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--threads" => options.threads = value()?.parse().context("--threads")?,
                "--runs" => options.runs = Some(value()?.parse().context("--runs")?),
                "--input" => options.input = Some(value()?),
                "--kernels" => options.kernels = true,
                network => {
                    let parts = network
                        .split_once('=')
                        .and_then(|(name, rest)| Some((name, rest.split_once(':')?)));
                    let Some((name, (runtime, file))) = parts else {
                        bail!("{network:?} is no NAME=RUNTIME:FILE");
                    };
                    options
                        .networks
                        .push([name, runtime, file].map(str::to_owned));
                }
            }
        }
        ensure!(options.threads > 0, "--threads must be at least 1");
        ensure!(
            options.kernels || !options.networks.is_empty(),
            "name at least one network"
        );
        Ok(options)
    }
}

/// The normalized frame of a file with prepared bytes.
fn read_frame(file: &Path) -> Result<Vec<f32>> {
    let rgbx = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
    let pixels = SHAPE[2] * SHAPE[3];
    ensure!(
        rgbx.len() == 4 * pixels,
        "{} holds {} bytes where {} belong",
        file.display(),
        rgbx.len(),
        4 * pixels
    );
    let value = |(channel, pixel): (usize, usize)| {
        (f32::from(rgbx[4 * pixel + channel]) - ZERO_POINT) / STEPS
    };
    let places = (0..SHAPE[1]).flat_map(|channel| (0..pixels).map(move |pixel| (channel, pixel)));
    Ok(places.map(value).collect())
}

fn load_tract(file: &Path, frame: &[f32]) -> Result<Run> {
    let plan = tract_onnx::onnx()
        .model_for_path(file)?
        .with_input_fact(0, f32::fact(SHAPE).into())?
        .into_optimized()?
        .into_runnable()?;
    let input = Tensor::from_shape(&SHAPE, frame)?.into_tvalue();
    Ok(Box::new(move || {
        std::hint::black_box(plan.run(tvec!(input.clone()))?);
        Ok(())
    }))
}

#[cfg(feature = "rten")]
fn load_rten(file: &Path, frame: &[f32], threads: usize) -> Result<Run> {
    use rten_tensor::NdTensor;
    use rten_tensor::prelude::*;
    use std::sync::Arc;

    let model = rten::Model::load_file(file)?;
    let pool = Arc::new(rten::ThreadPool::with_num_threads(threads));
    let input = NdTensor::from_data(SHAPE, frame.to_vec());
    Ok(Box::new(move || {
        let options = rten::RunOptions::default().with_thread_pool(Some(Arc::clone(&pool)));
        std::hint::black_box(model.run_one(input.view().into(), Some(options))?);
        Ok(())
    }))
}

#[cfg(not(feature = "rten"))]
fn load_rten(_file: &Path, _frame: &[f32], _threads: usize) -> Result<Run> {
    bail!("this build holds no rten")
}

fn load(runtime: &str, file: &Path, frame: &[f32], threads: usize) -> Result<Run> {
    let mut run = match runtime {
        "tract" => load_tract(file, frame)?,
        "rten" => load_rten(file, frame, threads)?,
        other => bail!("there is no runtime {other:?}; name tract or rten"),
    };
    run()?;
    Ok(run)
}

/// tract's view of the processor, and its kernel for a convolution of 48 channels 3x3 on 40x30.
fn say_kernels() {
    println!("instruction sets: {:?}", tract_linalg::isa::native());
    let f32_type = DatumType::F32;
    let kernel = tract_linalg::MmmDispatch::native().preferred_kernel(
        f32_type,
        Some(48),
        Some(432),
        Some(1200),
    );
    let name = kernel.map_or_else(|| "the generic one".to_owned(), |one| one.name().to_owned());
    println!("f32 kernel: {name}");
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.kernels {
        say_kernels();
        return Ok(());
    }
    let frame = read_frame(Path::new(&options.input.context("--input is missing")?))?;
    if options.threads > 1 {
        set_default_executor(Executor::multithread(options.threads));
    }
    let mut networks: Vec<(String, Run)> = Vec::new();
    for [name, runtime, file] in &options.networks {
        match load(runtime, Path::new(file), &frame, options.threads) {
            Ok(run) => networks.push((name.clone(), run)),
            Err(error) => eprintln!("baselines: {name} did not load: {error:#}"),
        }
    }
    if let Some(runs) = options.runs {
        ensure!(
            networks.len() == options.networks.len(),
            "not every network loaded"
        );
        for (_, run) in &mut networks {
            (0..runs).try_for_each(|_| run())?;
        }
        return Ok(());
    }
    for (_, run) in &mut networks {
        (0..WARM_UP_RUNS).try_for_each(|_| run())?;
    }
    let names: Vec<&str> = networks.iter().map(|(name, _)| &**name).collect();
    println!("{}", serde_json::json!(names));
    for line in io::stdin().lock().lines() {
        let name = line?;
        let (_, run) = networks
            .iter_mut()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("there is no network {name:?}"))?;
        let start = Instant::now();
        run()?;
        let mut output = io::stdout().lock();
        writeln!(output, "{}", start.elapsed().as_secs_f64() * 1e3)?;
        output.flush()?;
    }
    Ok(())
}
