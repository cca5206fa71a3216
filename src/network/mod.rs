//! The quantized network: loading a model folder, and running it on a prepared frame.
//!
//! A model folder holds two forms of one network. The device form is made of fused quantized
//! convolutions ([`kernels`]) and gives the same integers on every processor. The plain form is
//! floating-point ONNX, run by tract's own operators: the reference against which the cost of
//! quantization is measured.

mod error;
#[cfg(test)]
mod fixture;
mod golden;
mod graph;
mod input;
pub mod kernels;
mod manifest;
mod op;
mod runner;

use crate::cell::CellClass;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::bail;

pub use error::{InputError, NetworkError};
pub use golden::{GOLDEN_FILE, GOLDEN_FORMAT, GoldenCaseResult, GoldenReport, golden_input};
pub use input::NetworkInput;
pub use manifest::{
    ClassSettings, INPUT_ZERO_POINT, InputManifest, MANIFEST_FILE, MANIFEST_FORMAT,
    MAX_MANIFEST_BYTES, MAX_MODEL_BYTES, Manifest, ModelFile, QuantizationManifest,
    SIDE_MULTIPLE_PX, STRIDE_PX, TrainingManifest, sha256_hex,
};

pub use runner::Runner;

use graph::Form;
use kernels::{Kernel, Program};

/// The environment variable that forces a kernel by its name.
pub const KERNEL_VARIABLE: &str = "HEMOSCOPE_KERNEL";
/// Output channels: a logit for each class, the centre's offset x and y, and the logarithms of
/// width and height.
pub const HEAD_CHANNELS: usize = CellClass::COUNT + 4;
/// Output steps in one unit.
pub const HEAD_STEPS: f32 = 256.0;

/// A loaded network. Clones share everything; each thread that runs one has its own [`Runner`].
#[derive(Debug, Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    manifest: Manifest,
    form: Form,
    kernel: Kernel,
    model: InferenceModel,
    /// The device form's convolutions, in the order of tract's plan.
    program: Option<Arc<Program>>,
}

/// What the network says about each cell of its grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkOutput {
    rows: usize,
    columns: usize,
    values: Vec<i16>,
}

impl NetworkOutput {
    /// An output of no places.
    fn empty() -> Self {
        Self {
            rows: 0,
            columns: 0,
            values: Vec::new(),
        }
    }

    /// Rows of the grid: the input's height over [`STRIDE_PX`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the grid: the input's width over [`STRIDE_PX`].
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Input pixels from one place of the grid to the next.
    pub fn stride_px(&self) -> u32 {
        STRIDE_PX
    }

    /// One value in 1/256: channels 0 to 2 are the logits of red cell, white cell and platelet; 3
    /// and 4 the centre's offset x and y in grid cells; 5 and 6 the natural logarithms of width
    /// and height over the stride.
    ///
    /// The place must lie inside the grid, and the channel below [`HEAD_CHANNELS`].
    pub fn value(&self, row: usize, column: usize, channel: usize) -> i16 {
        debug_assert!(row < self.rows && column < self.columns && channel < HEAD_CHANNELS);
        self.values[(row * self.columns + column) * HEAD_CHANNELS + channel]
    }

    /// All values: rows from the top, columns, channels.
    pub fn values(&self) -> &[i16] {
        &self.values
    }

    /// Makes an output from its values: `rows * columns * HEAD_CHANNELS` of them, else `None`.
    pub fn from_values(rows: usize, columns: usize, values: Vec<i16>) -> Option<Self> {
        let expected = rows.checked_mul(columns)?.checked_mul(HEAD_CHANNELS)?;
        (values.len() == expected).then_some(Self {
            rows,
            columns,
            values,
        })
    }
}

impl Network {
    /// Loads the device form of a model folder, with the fastest kernel of this processor or the
    /// one that `HEMOSCOPE_KERNEL` names.
    ///
    /// # Errors
    /// A file is missing, damaged, of another version, or holds what cannot be run; or the kernel
    /// cannot be used. Each names the file and the remedy.
    pub fn load(folder: &Path) -> Result<Self, NetworkError> {
        let requested = std::env::var_os(KERNEL_VARIABLE);
        let requested = requested.as_ref().map(|name| name.to_string_lossy());
        let kernel = Kernel::select(requested.as_deref()).map_err(NetworkError::Kernel)?;
        Self::load_with(folder, kernel)
    }

    /// Loads the device form of a model folder, to be run by the given kernel.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn load_with(folder: &Path, kernel: Kernel) -> Result<Self, NetworkError> {
        if !kernel.is_available() {
            return Err(NetworkError::Kernel(kernels::KernelError::Unavailable {
                kernel,
            }));
        }
        Self::load_form(folder, Form::Device, kernel)
    }

    /// Loads the plain form of a model folder. Its real outputs are rounded to the same steps.
    ///
    /// # Errors
    /// As [`Network::load`].
    pub fn load_plain(folder: &Path) -> Result<Self, NetworkError> {
        Self::load_form(folder, Form::Plain, Kernel::Scalar)
    }

    fn load_form(folder: &Path, form: Form, kernel: Kernel) -> Result<Self, NetworkError> {
        let manifest = Manifest::load(folder)?;
        let file = match form {
            Form::Device => &manifest.device,
            Form::Plain => &manifest.plain,
        };
        let bytes = file.read(folder)?;
        let path = folder.join(&file.file);
        let model = graph::read(&bytes, form, kernel).map_err(|reason| NetworkError::Model {
            path: path.clone(),
            reason,
        })?;
        // Planned for a small input, so that a model which does not fit together fails here.
        let side = 4 * SIDE_MULTIPLE_PX;
        let program = optimized(&model, form, side, side).and_then(|model| match form {
            Form::Device => graph::program(&model).map(|program| Some(Arc::new(program))),
            Form::Plain => Ok(None),
        });
        let program = program.map_err(|error| NetworkError::Model {
            path,
            reason: format!("{error:#}"),
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                manifest,
                form,
                kernel,
                model,
                program,
            }),
        })
    }

    /// The folder's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.shared.manifest
    }

    /// The kernel that runs the device form; `None` for the plain form.
    pub fn kernel(&self) -> Option<Kernel> {
        match self.shared.form {
            Form::Device => Some(self.shared.kernel),
            Form::Plain => None,
        }
    }

    /// What runs the network, on one thread until it is told otherwise.
    pub fn runner(&self) -> Runner {
        Runner::new(self.clone())
    }

    /// Runs the network on one prepared frame. Takes memory each time: a [`Runner`] keeps it.
    ///
    /// # Errors
    /// The network cannot run the size, or a real output is no finite number.
    pub fn run(&self, input: &NetworkInput) -> Result<NetworkOutput, NetworkError> {
        let mut runner = self.runner();
        runner.run(input.width_px(), input.height_px(), input.rgbx())?;
        Ok(runner.into_output())
    }

    /// Compares the device form's outputs with the folder's golden file.
    ///
    /// # Errors
    /// The file cannot be read or used, or the network cannot run a case.
    pub fn check_golden(&self, folder: &Path) -> Result<GoldenReport, NetworkError> {
        golden::check(self, folder)
    }
}

/// The model for one size of input, as tract optimizes it.
fn optimized(
    model: &InferenceModel,
    form: Form,
    width_px: u32,
    height_px: u32,
) -> TractResult<TypedModel> {
    let (width, height) = (width_px as usize, height_px as usize);
    let mut model = model.clone();
    model.set_input_fact(0, form.input_fact(width, height).into())?;
    let model = model.into_optimized()?;
    let stride = STRIDE_PX as usize;
    let expected = form.output_fact(width / stride, height / stride);
    let found = model.output_fact(0)?;
    if found.datum_type != expected.datum_type || found.shape != expected.shape {
        bail!("its output is {found:?}, but must be {expected:?}");
    }
    Ok(model)
}

#[cfg(test)]
mod tests;
