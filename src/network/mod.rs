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
mod output;
mod runner;

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

pub use output::{HEAD_CHANNELS, HEAD_STEPS, NONE_CHANNEL, NetworkOutput};
pub use runner::Runner;

use graph::Form;
use kernels::{Kernel, Program};
use output::channels_of;

/// The environment variable that forces a kernel by its name.
pub const KERNEL_VARIABLE: &str = "HEMOSCOPE_KERNEL";
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
                fastest: Kernel::detect(),
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
        let program =
            optimized(&model, form, channels_of(&manifest), (side, side)).and_then(|model| {
                match form {
                    Form::Device => graph::program(&model).map(|program| Some(Arc::new(program))),
                    Form::Plain => Ok(None),
                }
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
}

/// The model for one width and height of its input, in pixels, as tract optimizes it.
fn optimized(
    model: &InferenceModel,
    form: Form,
    channels: usize,
    (width_px, height_px): (u32, u32),
) -> TractResult<TypedModel> {
    let (width, height) = (width_px as usize, height_px as usize);
    let mut model = model.clone();
    model.set_input_fact(0, form.input_fact(width, height).into())?;
    let model = model.into_optimized()?;
    let stride = STRIDE_PX as usize;
    let expected = form.output_fact(width / stride, height / stride, channels);
    let found = model.output_fact(0)?;
    if found.datum_type != expected.datum_type || found.shape != expected.shape {
        bail!("its output is {found:?}, but must be {expected:?}");
    }
    Ok(model)
}

#[cfg(test)]
mod tests;
