//! Runs a loaded network on frame after frame, keeping all memory between them.

use std::collections::VecDeque;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::TractErrorContext;

use super::error::NetworkError;
use super::graph::Form;
use super::input::NetworkInput;
use super::kernels::{MAX_THREADS, Program, Size, Stream};
use super::output::channels_of;
use super::{Network, NetworkOutput, STRIDE_PX, optimized};

/// Input sizes that are kept ready; photographs come in few sizes at a time.
const MAX_SIZES: usize = 4;
/// Pixels of the input that flow through the network at a time, where one thread runs it: what
/// they become on their way stays in a processor's second cache.
const BAND_PIXELS: usize = 64 * 320;
/// The most rows of such a band. The fewest are those of one output row.
const MAX_BAND_ROWS: usize = 64;

/// The network, ready for frames of the sizes that it has seen last.
///
/// The device form's convolutions run as a [`Stream`], so that a frame of a size seen before costs
/// no allocation; the plain form runs in tract.
#[derive(Debug)]
pub struct Runner {
    network: Network,
    threads: usize,
    streams: VecDeque<Stream>,
    plans: VecDeque<((u32, u32), Arc<TypedRunnableModel>)>,
    output: NetworkOutput,
}

impl Network {
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
}

impl Runner {
    fn new(network: Network) -> Self {
        let output = NetworkOutput::empty(channels_of(network.manifest()));
        Self {
            network,
            threads: 1,
            streams: VecDeque::with_capacity(MAX_SIZES),
            plans: VecDeque::new(),
            output,
        }
    }

    /// The network that is run.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Threads that share the work on one frame.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Sets how many threads share the work on one frame: 1 to [`MAX_THREADS`], others are taken
    /// for the nearest. Memory is taken anew for the next frame if the number changes.
    pub fn set_threads(&mut self, threads: usize) {
        let threads = threads.clamp(1, MAX_THREADS);
        if threads != self.threads {
            self.threads = threads;
            self.streams.clear();
        }
    }

    /// Runs the network on one prepared frame: `width_px * height_px` pixels of red, green, blue
    /// (each 0..=127) and a zero, rows from the top; the sides are multiples of
    /// [`super::SIDE_MULTIPLE_PX`].
    ///
    /// # Errors
    /// The frame is not of that kind; the network cannot run its size; a thread has failed; a real
    /// output of the plain form is no finite number.
    pub fn run(
        &mut self,
        width_px: u32,
        height_px: u32,
        rgbx: &[u8],
    ) -> Result<&NetworkOutput, NetworkError> {
        NetworkInput::check(width_px, height_px, rgbx)?;
        let program = self.network.shared.program.clone();
        let done = match program {
            Some(program) => self.run_stream(&program, width_px, height_px, rgbx),
            None => self.run_in_tract(width_px, height_px, rgbx),
        };
        match done {
            Ok(()) => Ok(&self.output),
            Err(error) => {
                // What failed once is made anew for the next frame.
                self.streams.clear();
                Err(NetworkError::Run {
                    width_px,
                    height_px,
                    reason: format!("{error:#}"),
                })
            }
        }
    }

    /// The last frame's output.
    pub fn output(&self) -> &NetworkOutput {
        &self.output
    }

    /// As [`Runner::output`], for one who runs no other frame.
    pub fn into_output(self) -> NetworkOutput {
        self.output
    }

    /// Multiply-accumulates of one run for a size of the frame; `None` for the plain form, and for
    /// a size that the network cannot run.
    pub fn multiply_accumulates(&self, width_px: u32, height_px: u32) -> Option<u64> {
        let program = self.network.shared.program.as_ref()?;
        let size = Size {
            height: height_px as usize,
            width: width_px as usize,
        };
        program.multiply_accumulates(size).ok()
    }

    /// Bytes of memory held for frames on their way through the network.
    pub fn stream_bytes(&self) -> usize {
        self.streams.iter().map(Stream::bytes).sum()
    }

    fn run_stream(
        &mut self,
        program: &Arc<Program>,
        width_px: u32,
        height_px: u32,
        rgbx: &[u8],
    ) -> TractResult<()> {
        let size = Size {
            height: height_px as usize,
            width: width_px as usize,
        };
        let kept = self
            .streams
            .iter()
            .position(|stream| stream.image_size() == size);
        if let Some(kept) = kept {
            // The size seen last is the first to be found and the last to be dropped.
            self.streams.swap(0, kept);
        } else {
            if self.streams.len() == MAX_SIZES {
                self.streams.pop_back();
            }
            let band_rows = if self.threads == 1 {
                let rows = (BAND_PIXELS / size.width).clamp(STRIDE_PX as usize, MAX_BAND_ROWS);
                rows - rows % STRIDE_PX as usize
            } else {
                size.height
            };
            let stream = Stream::new(Arc::clone(program), size, band_rows, self.threads)?;
            self.streams.push_front(stream);
        }
        let values = self.streams[0].run(rgbx)?;
        let stride = STRIDE_PX as usize;
        self.output
            .replace(size.height / stride, size.width / stride, values);
        Ok(())
    }

    /// Runs the network by tract's own plan.
    pub(super) fn run_in_tract(
        &mut self,
        width_px: u32,
        height_px: u32,
        rgbx: &[u8],
    ) -> TractResult<()> {
        let size = (width_px, height_px);
        let shared = &self.network.shared;
        let kept = self.plans.iter().position(|(planned, _)| *planned == size);
        if let Some(kept) = kept {
            self.plans.swap(0, kept);
        } else {
            let model = optimized(
                &shared.model,
                shared.form,
                channels_of(&shared.manifest),
                size,
            )?;
            self.plans.truncate(MAX_SIZES - 1);
            self.plans.push_front((size, model.into_runnable()?));
        }
        let form: Form = shared.form;
        let (width, height) = (width_px as usize, height_px as usize);
        let input = form.tensor(width, height, rgbx)?;
        let outputs = self.plans[0].1.run(tvec!(input.into_tvalue()))?;
        let heads = outputs.first().context("the network gave no output")?;
        let stride = STRIDE_PX as usize;
        let (rows, columns) = (height / stride, width / stride);
        let values = form.steps(heads, rows * columns)?;
        let channels = channels_of(&shared.manifest);
        self.output = NetworkOutput::from_values(rows, columns, values).with_context(|| {
            format!("its output is not {rows}x{columns} places of {channels} channels")
        })?;
        Ok(())
    }
}
