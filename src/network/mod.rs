//! The network: a model folder in, cells' heat and boxes out. The only place that names tract.
//!
//! The device's form of a model is one operator, [`op`], repeated; its arithmetic is that of
//! [`kernels`] and exact, so every processor gives the same output. tract reads the file, plans
//! and holds the tensors. The plain float form runs on tract's own kernels, for comparison.

pub mod golden;
pub mod kernels;
pub mod manifest;
mod op;

pub use kernels::{Kernel, KernelError};
pub use manifest::{ClassSettings, Manifest};

use golden::Golden;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::bail;

/// The largest file of a model, in bytes.
pub const MAX_MODEL_BYTES: u64 = 16 * 1024 * 1024;
/// The largest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 64 * 1024;
/// The largest golden.json, in bytes.
const MAX_GOLDEN_BYTES: u64 = 4 * 1024 * 1024;
/// Input sizes that stay planned; photographs of a folder have a few.
const PLANS_KEPT: usize = 4;
/// Channels of the output: three heats, two offsets, two sizes.
pub const OUTPUT_CHANNELS: usize = 7;
/// Units of the output: one part in 256.
const OUTPUT_STEPS: f32 = 256.0;
/// Bytes of one pixel of the input: red, green, blue and one unused.
const INPUT_CHANNELS: usize = 4;
/// The largest 7-bit value.
const INPUT_MAX: u8 = 127;
/// What one 7-bit step is worth to the plain form.
const PLAIN_INPUT_SCALE: f32 = 1.0 / 32.0;
/// The longest side of an input, in pixels.
const MAX_INPUT_SIDE_PX: u32 = 8192;

const MANIFEST: &str = "manifest.toml";
const GOLDEN: &str = "golden.json";

/// Why a network was not loaded or could not run.
#[derive(Debug, Error)]
pub enum NetworkError {
    #[error("model file {path}: cannot be read: {source}; copy the model folder again", path = path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("model file {path}: larger than {limit} bytes, so it is no model of ours; copy the model folder again", path = path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("model manifest {path}: {reason}; export the model again or install a matching version", path = path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error(
        "model file {path}: its SHA-256 is {actual}, but the manifest says {expected}: the file \
         is damaged or belongs to another manifest; copy the model folder again",
        path = path.display()
    )]
    Damaged {
        path: PathBuf,
        expected: String,
        actual: String,
    },
    #[error("model file {path}: cannot be used: {reason}; export the model again", path = path.display())]
    Unusable { path: PathBuf, reason: String },
    #[error("kernel: {0}; unset HEMOSCOPE_KERNEL, or name another")]
    Kernel(#[from] KernelError),
    #[error(
        "the network's input of {width_px}x{height_px} pixels and {bytes} bytes is none: sides \
         are multiples of 16 up to {MAX_INPUT_SIDE_PX}, 4 bytes a pixel, values up to 127"
    )]
    Input {
        width_px: u32,
        height_px: u32,
        bytes: usize,
    },
    #[error(
        "the network could not run on {width_px}x{height_px} pixels: {reason}; please report this"
    )]
    Run {
        width_px: u32,
        height_px: u32,
        reason: String,
    },
    #[error(
        "known-answer check {case:?} failed: {differing} of {values} values differ, so this \
         machine must not count; copy the model folder again, and try HEMOSCOPE_KERNEL=scalar"
    )]
    WrongAnswer {
        case: String,
        differing: usize,
        values: usize,
    },
}

/// A frame as the network takes it: 7-bit red, green, blue and an unused byte for each pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInput {
    width_px: u32,
    height_px: u32,
    rgbx: Vec<u8>,
}

impl NetworkInput {
    /// Takes `width_px * height_px * 4` bytes, each at most 127.
    ///
    /// # Errors
    /// Sides that are no multiples of 16, another length, or a value over 127.
    pub fn new(width_px: u32, height_px: u32, rgbx: Vec<u8>) -> Result<Self, NetworkError> {
        check_input(width_px, height_px, &rgbx)?;
        Ok(Self {
            width_px,
            height_px,
            rgbx,
        })
    }
}

fn check_input(width_px: u32, height_px: u32, rgbx: &[u8]) -> Result<(), NetworkError> {
    let side = |px: u32| px > 0 && px.is_multiple_of(16) && px <= MAX_INPUT_SIDE_PX;
    let bytes = width_px as usize * height_px as usize * INPUT_CHANNELS;
    let whole = side(width_px) && side(height_px) && rgbx.len() == bytes;
    if whole && rgbx.iter().all(|value| *value <= INPUT_MAX) {
        return Ok(());
    }
    Err(NetworkError::Input {
        width_px,
        height_px,
        bytes: rgbx.len(),
    })
}

/// What the network answers: seven values at every fourth pixel, in 1/256.
///
/// Channels 0 to 2 are the heat logits of RBC, WBC and PLT; 3 and 4 the cell's centre from the
/// middle of the place, in places; 5 and 6 the natural logarithm of width and height in places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOutput {
    rows: usize,
    columns: usize,
    values: Vec<i16>,
}

impl NetworkOutput {
    /// Takes `rows * columns * 7` values.
    ///
    /// # Panics
    /// With another number of values.
    pub fn from_values(rows: usize, columns: usize, values: Vec<i16>) -> Self {
        assert_eq!(values.len(), rows * columns * OUTPUT_CHANNELS);
        Self {
            rows,
            columns,
            values,
        }
    }

    /// Places from top to bottom.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Places from left to right.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Input pixels from one place to the next.
    pub fn stride_px(&self) -> u32 {
        4
    }

    /// One value; row, column and channel must be inside.
    pub fn value(&self, row: usize, column: usize, channel: usize) -> i16 {
        self.values[(row * self.columns + column) * OUTPUT_CHANNELS + channel]
    }

    /// All values, rows from the top, the channels of a place together.
    pub fn values(&self) -> &[i16] {
        &self.values
    }
}

/// Which of a model's two forms runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Device,
    Plain,
}

/// What all copies of a network share.
struct Model {
    manifest: Manifest,
    form: Form,
    path: PathBuf,
    proto: ModelProto,
    reader: tract_onnx::Onnx,
}

type Runnable = Arc<TypedRunnableModel>;

/// A loaded network. Copies share the model and plan for themselves, so each worker has one.
#[derive(Clone)]
pub struct Network {
    model: Arc<Model>,
    /// Width, height and plan, the oldest first.
    plans: Vec<(u32, u32, Runnable)>,
}

impl Network {
    /// Loads the device's form from a model folder, after checking its SHA-256.
    ///
    /// # Errors
    /// A file that is missing, damaged or not understood, or a kernel that cannot run here.
    pub fn load(folder: &Path) -> Result<Self, NetworkError> {
        Self::load_form(folder, Form::Device)
    }

    /// Loads the plain float form.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn load_plain(folder: &Path) -> Result<Self, NetworkError> {
        Self::load_form(folder, Form::Plain)
    }

    fn load_form(folder: &Path, form: Form) -> Result<Self, NetworkError> {
        op::chosen_kernel()?;
        let manifest = read_manifest(folder)?;
        let file = match form {
            Form::Device => &manifest.device,
            Form::Plain => &manifest.plain,
        };
        let path = folder.join(&file.file);
        let bytes = read_limited(&path, MAX_MODEL_BYTES)?;
        let actual = hexadecimal(&Sha256::digest(&bytes));
        if actual != file.sha256 {
            return Err(NetworkError::Damaged {
                path,
                expected: file.sha256.clone(),
                actual,
            });
        }
        let mut reader = tract_onnx::onnx();
        op::register(&mut reader);
        let unusable = |error: TractError| NetworkError::Unusable {
            path: path.clone(),
            reason: format!("{error:#}"),
        };
        let proto = reader
            .proto_model_for_read(&mut &bytes[..])
            .map_err(unusable)?;
        let mut network = Self {
            model: Arc::new(Model {
                manifest,
                form,
                path,
                proto,
                reader,
            }),
            plans: Vec::new(),
        };
        // A model that cannot be planned at all is refused now rather than with the first frame.
        let smallest = network.model.manifest.input.side_multiple_px;
        network.plan_for(smallest, smallest)?;
        Ok(network)
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.model.manifest
    }

    /// The kernel that the device's form runs on here.
    ///
    /// # Errors
    /// `HEMOSCOPE_KERNEL` names none that runs here.
    pub fn kernel() -> Result<Kernel, NetworkError> {
        Ok(op::chosen_kernel()?)
    }

    /// Runs the network on one frame.
    ///
    /// # Errors
    /// An input that is none, or a failure inside tract.
    pub fn run(&mut self, input: &NetworkInput) -> Result<NetworkOutput, NetworkError> {
        self.run_rgbx(input.width_px, input.height_px, &input.rgbx)
    }

    /// As [`Network::run`], on borrowed bytes.
    ///
    /// # Errors
    /// As [`Network::run`].
    pub fn run_rgbx(
        &mut self,
        width_px: u32,
        height_px: u32,
        rgbx: &[u8],
    ) -> Result<NetworkOutput, NetworkError> {
        check_input(width_px, height_px, rgbx)?;
        let plan = self.plan_for(width_px, height_px)?;
        let (width, height) = (width_px as usize, height_px as usize);
        let run = || -> TractResult<NetworkOutput> {
            let input = match self.model.form {
                Form::Device => Tensor::from_shape(&[1, height, width, INPUT_CHANNELS], rgbx)?,
                Form::Plain => {
                    plain_input(width, height, rgbx, self.model.manifest.input.zero_point)?
                }
            };
            let output = plan.run(tvec!(input.into_tvalue()))?;
            match self.model.form {
                Form::Device => device_output(&output[0]),
                Form::Plain => plain_output(&output[0]),
            }
        };
        run().map_err(|error| NetworkError::Run {
            width_px,
            height_px,
            reason: format!("{error:#}"),
        })
    }

    fn plan_for(&mut self, width_px: u32, height_px: u32) -> Result<Runnable, NetworkError> {
        let known = |plan: &&(u32, u32, Runnable)| (plan.0, plan.1) == (width_px, height_px);
        if let Some((_, _, plan)) = self.plans.iter().find(known) {
            return Ok(Arc::clone(plan));
        }
        let plan = self
            .model
            .plan(width_px as usize, height_px as usize)
            .map_err(|error| NetworkError::Unusable {
                path: self.model.path.clone(),
                reason: format!("{error:#}"),
            })?;
        if self.plans.len() == PLANS_KEPT {
            self.plans.remove(0);
        }
        self.plans.push((width_px, height_px, Arc::clone(&plan)));
        Ok(plan)
    }

    /// Runs every frame of the folder's golden.json and compares to the bit.
    ///
    /// # Errors
    /// No golden.json, or an answer that differs.
    pub fn check_golden(&mut self, folder: &Path) -> Result<(), NetworkError> {
        let path = folder.join(GOLDEN);
        let bytes = read_limited(&path, MAX_GOLDEN_BYTES)?;
        let unusable = |reason: String| NetworkError::Unusable {
            path: path.clone(),
            reason,
        };
        let text = String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))?;
        let golden = Golden::parse(&text).map_err(unusable)?;
        golden.cases.iter().try_for_each(|case| case.check(self))
    }
}

impl Model {
    /// Plans the network for one input size.
    fn plan(&self, width: usize, height: usize) -> TractResult<Runnable> {
        let mut model = self.reader.model_for_proto_model(&self.proto)?;
        let fact = match self.form {
            Form::Device => u8::fact([1, height, width, INPUT_CHANNELS]),
            Form::Plain => f32::fact([1, 3, height, width]),
        };
        model.set_input_fact(0, fact.into())?;
        // The file names its output's sides; they follow from the input's.
        model.set_output_fact(0, InferenceFact::default())?;
        model.into_optimized()?.into_runnable()
    }
}

/// Planes of (value - zero point) / 32.
fn plain_input(width: usize, height: usize, rgbx: &[u8], zero_point: u8) -> TractResult<Tensor> {
    let channel = |channel: usize| {
        rgbx.chunks_exact(INPUT_CHANNELS).map(move |pixel| {
            (f32::from(pixel[channel]) - f32::from(zero_point)) * PLAIN_INPUT_SCALE
        })
    };
    let values: Vec<f32> = (0..3).flat_map(channel).collect();
    Tensor::from_shape(&[1, 3, height, width], &values)
}

fn device_output(output: &TValue) -> TractResult<NetworkOutput> {
    let &[1, rows, columns, OUTPUT_CHANNELS] = output.shape() else {
        bail!("the output's shape is {:?}", output.shape());
    };
    let values = output.try_as_plain_ram()?.as_slice::<i16>()?.to_vec();
    Ok(NetworkOutput::from_values(rows, columns, values))
}

fn plain_output(output: &TValue) -> TractResult<NetworkOutput> {
    let &[1, OUTPUT_CHANNELS, rows, columns] = output.shape() else {
        bail!("the output's shape is {:?}", output.shape());
    };
    let view = output.try_as_plain_ram()?;
    let planes = view.as_slice::<f32>()?;
    let places = rows * columns;
    // A conversion to an integer saturates, and takes what is no number to zero.
    let values = (0..places)
        .flat_map(|place| {
            (0..OUTPUT_CHANNELS).map(move |channel| {
                (planes[channel * places + place] * OUTPUT_STEPS).round() as i16
            })
        })
        .collect();
    Ok(NetworkOutput::from_values(rows, columns, values))
}

fn read_manifest(folder: &Path) -> Result<Manifest, NetworkError> {
    let path = folder.join(MANIFEST);
    let bytes = read_limited(&path, MAX_MANIFEST_BYTES)?;
    let manifest = |reason: String| NetworkError::Manifest {
        path: path.clone(),
        reason,
    };
    let text = String::from_utf8(bytes).map_err(|_| manifest("it is not UTF-8".to_owned()))?;
    Manifest::parse(&text).map_err(manifest)
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, NetworkError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|source| NetworkError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
    if bytes.len() as u64 > limit {
        return Err(NetworkError::TooLarge {
            path: path.to_path_buf(),
            limit,
        });
    }
    Ok(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
