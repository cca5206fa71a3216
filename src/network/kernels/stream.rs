//! Runs a chain of convolutions on an image that flows through it from top to bottom.
//!
//! Every step computes the rows that its inputs allow, a band of the image at a time, and keeps
//! only the rows that a later step still needs. So an image of any height takes the same working
//! memory, which stays in the processor's caches, and nothing is computed twice: there are no
//! tiles to overlap, and the result does not depend on where the bands are cut.
//!
//! All memory is taken when a [`Stream`] is made; running it allocates nothing. More threads share
//! each step's rows.

#![allow(unsafe_code, reason = "threads share rings of rows")]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::packing::{DOT, kept_dots};
use super::rows::{RowLayout, RowRing};
use super::{Convolution, KernelError, Output, OutputKind, Size};

/// The most threads of a stream.
pub const MAX_THREADS: usize = 4;
/// The most steps of a program.
const MAX_STEPS: usize = 256;
/// Looks at a flag before a thread lets others run.
const SPINS: u32 = 4_000;
/// Looks for a new image before a thread goes to sleep: about a tenth of a millisecond.
const IDLE_SPINS: u32 = 20_000;

/// Channels of the image that hold something.
const IMAGE_COLOURS: usize = 3;

/// What a step reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The image.
    Image,
    /// The output of the step of that number.
    Step(usize),
}

/// One convolution of a program.
#[derive(Debug, Clone)]
pub struct Step {
    /// The convolution, whose packed weights are shared.
    pub convolution: Arc<Convolution>,
    /// What it convolves.
    pub input: Source,
    /// The step whose output it adds, where it has a residual.
    pub residual: Option<usize>,
}

/// Convolutions in the order in which they run. The last one gives 16-bit integers: the result.
#[derive(Debug)]
pub struct Program {
    steps: Vec<Step>,
}

impl Program {
    /// Checks that the steps fit one another.
    ///
    /// # Errors
    /// A step reads what no step before it gives, or something of another number of channels, of
    /// another type or with another zero point; or the last step does not give 16-bit integers.
    pub fn new(steps: Vec<Step>) -> Result<Self, KernelError> {
        let program = Self { steps };
        let count = program.steps.len();
        if !(1..=MAX_STEPS).contains(&count) {
            return Err(program.refuse("steps", count, format!("1 to {MAX_STEPS}")));
        }
        for (index, step) in program.steps.iter().enumerate() {
            program.check_step(index, step)?;
        }
        let last = program.steps[count - 1].convolution.parameters().output;
        if last.kind != OutputKind::I16 {
            return Err(program.refuse("the last step's output", last.kind.name(), "i16".into()));
        }
        Ok(program)
    }

    fn check_step(&self, index: usize, step: &Step) -> Result<(), KernelError> {
        let parameters = step.convolution.parameters();
        let source = self.source_channels(index, step.input)?;
        if source != parameters.input_channels {
            let expected = parameters.input_channels.to_string();
            return Err(self.refuse("channels of a step's input", source, expected));
        }
        if step.residual.is_some() != parameters.residual.is_some() {
            return Err(self.refuse(
                "a step's residual",
                "not as its parameters say",
                "so".into(),
            ));
        }
        if let Some(residual) = step.residual {
            let channels = self.source_channels(index, Source::Step(residual))?;
            if channels != parameters.output_channels {
                let expected = parameters.output_channels.to_string();
                return Err(self.refuse("channels of a step's residual", channels, expected));
            }
        }
        self.padding_of(step.input).map(|_| ())
    }

    fn source_channels(&self, index: usize, source: Source) -> Result<usize, KernelError> {
        match source {
            Source::Image => {
                let first = self.steps.iter().find(|step| step.input == Source::Image);
                Ok(first.map_or(0, |step| step.convolution.parameters().input_channels))
            }
            Source::Step(source) if source < index => {
                let parameters = self.steps[source].convolution.parameters();
                if parameters.output.kind != OutputKind::U8 {
                    return Err(self.refuse("a step that is read", "i16", "u8".into()));
                }
                Ok(parameters.output_channels)
            }
            Source::Step(source) => {
                Err(self.refuse("a step's source", source, format!("below {index}")))
            }
        }
    }

    /// The value of the padding around a source: the one zero point of all that pad it.
    fn padding_of(&self, source: Source) -> Result<u8, KernelError> {
        let readers = self.steps.iter().filter(|step| step.input == source);
        let padding = readers.map(|step| step.convolution.parameters());
        let mut zero_points = padding
            .filter(|parameters| parameters.pad > 0)
            .map(|parameters| parameters.input_zero_point);
        let first = zero_points.next().unwrap_or(0);
        match zero_points.find(|&zero_point| zero_point != first) {
            None => Ok(first as u8),
            Some(other) => Err(self.refuse("a source's zero point", other, first.to_string())),
        }
    }

    fn refuse(&self, name: &'static str, found: impl ToString, allowed: String) -> KernelError {
        KernelError::Parameter {
            name,
            found: found.to_string(),
            allowed,
        }
    }

    /// Channels of the image.
    fn image_channels(&self) -> usize {
        self.source_channels(0, Source::Image).unwrap_or(0)
    }

    /// The size of every step's output for a size of the image.
    fn sizes(&self, image: Size) -> Result<Vec<Size>, KernelError> {
        let mut sizes: Vec<Size> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let parameters = step.convolution.parameters();
            let input = match step.input {
                Source::Image => image,
                Source::Step(source) => sizes[source],
            };
            let size = parameters.output_size(input)?;
            if let Some(residual) = step.residual {
                let expected = parameters.residual_size(size)?;
                if sizes[residual] != expected {
                    let Size { height, width } = sizes[residual];
                    let allowed = format!("{}x{}", expected.width, expected.height);
                    return Err(self.refuse(
                        "the residual's size",
                        format!("{width}x{height}"),
                        allowed,
                    ));
                }
            }
            sizes.push(size);
        }
        Ok(sizes)
    }

    /// Multiply-accumulates of one run for a size of the image. Those of weights that kernels
    /// may leave out, and of the image's fourth channel, which is always zero, are not counted.
    ///
    /// # Errors
    /// The size does not fit the program.
    pub fn multiply_accumulates(&self, image: Size) -> Result<u64, KernelError> {
        let sizes = self.sizes(image)?;
        let of_step = |(step, size): (&Step, &Size)| {
            let parameters = step.convolution.parameters();
            let values = match step.input {
                Source::Image if parameters.input_channels == DOT => IMAGE_COLOURS,
                _ => DOT,
            };
            (size.pixels() * kept_dots(parameters) * values) as u64
        };
        Ok(self.steps.iter().zip(&sizes).map(of_step).sum())
    }
}

/// The rows that one band of the image lets every step compute.
#[derive(Debug)]
struct Band {
    image: Range<usize>,
    steps: Vec<Range<usize>>,
}

/// Bands from top to bottom, and how many rows of each source must be kept.
#[derive(Debug)]
struct Schedule {
    bands: Vec<Band>,
    image_rows: usize,
    step_rows: Vec<usize>,
}

impl Schedule {
    fn new(program: &Program, image: Size, sizes: &[Size], band_rows: usize) -> Self {
        let count = program.steps.len();
        let mut schedule = Self {
            bands: Vec::new(),
            image_rows: 0,
            step_rows: vec![0; count],
        };
        // Rows computed so far.
        let mut done = vec![0; count];
        let mut image_done = 0;
        while image_done < image.height {
            let image_end = image.height.min(image_done + band_rows);
            let kept = image_end - program.first_needed(Source::Image, &done, image_end);
            schedule.image_rows = schedule.image_rows.max(kept);
            let mut band = Band {
                image: image_done..image_end,
                steps: Vec::with_capacity(count),
            };
            image_done = image_end;
            for (index, step) in program.steps.iter().enumerate() {
                let parameters = step.convolution.parameters();
                let (input_done, input_height) = match step.input {
                    Source::Image => (image_done, image.height),
                    Source::Step(source) => (done[source], sizes[source].height),
                };
                let mut end = sizes[index].height;
                if input_done < input_height {
                    let covered =
                        (input_done + parameters.pad).saturating_sub(parameters.kernel_height - 1);
                    end = end.min(covered.div_ceil(parameters.stride));
                }
                if let Some(residual) = step.residual {
                    end = end.min(done[residual] << parameters.residual_shift());
                }
                let end = end.max(done[index]);
                let first_kept = program.first_needed(Source::Step(index), &done, end);
                schedule.step_rows[index] = schedule.step_rows[index].max(end - first_kept);
                band.steps.push(done[index]..end);
                done[index] = end;
            }
            schedule.bands.push(band);
        }
        // The result is kept whole.
        schedule.step_rows[count - 1] = sizes[count - 1].height;
        schedule
    }
}

impl Program {
    /// The first row of a source that its readers, so far, still need; `end` if none reads it.
    fn first_needed(&self, source: Source, done: &[usize], end: usize) -> usize {
        let needed = self.steps.iter().zip(done).flat_map(|(step, &done)| {
            let parameters = step.convolution.parameters();
            let reads = step.input == source;
            let input = reads.then(|| (done * parameters.stride).saturating_sub(parameters.pad));
            let adds = step
                .residual
                .is_some_and(|step| Source::Step(step) == source);
            let residual = adds.then(|| done >> parameters.residual_shift());
            input.into_iter().chain(residual)
        });
        needed.min().unwrap_or(end).min(end)
    }
}

/// What a stream's threads share.
#[derive(Debug)]
struct Shared {
    program: Arc<Program>,
    schedule: Schedule,
    image: RowRing,
    rings: Vec<RowRing>,
    threads: usize,
    barrier: Barrier,
    /// Images begun.
    begun: AtomicUsize,
    ended: AtomicBool,
    sleep: Mutex<()>,
    wake: Condvar,
}

/// Lets threads go on together.
#[derive(Debug, Default)]
struct Barrier {
    arrived: AtomicUsize,
    generation: AtomicUsize,
    /// A thread has failed and will not come.
    broken: AtomicBool,
}

impl Barrier {
    /// Waits for the others.
    ///
    /// # Errors
    /// One of them has failed.
    fn wait(&self, threads: usize) -> Result<(), KernelError> {
        if threads == 1 {
            return Ok(());
        }
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation
                .store(generation.wrapping_add(1), Ordering::Release);
            return Ok(());
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            if self.broken.load(Ordering::Acquire) {
                return Err(KernelError::Thread);
            }
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        Ok(())
    }
}

/// Breaks the barrier if its thread fails.
struct BreaksOnFailure<'a>(&'a Barrier);

impl Drop for BreaksOnFailure<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Shared {
    /// Does one thread's share of an image. Thread 0 brings the image.
    fn work(&self, thread: usize, image: Option<&[u8]>) -> Result<(), KernelError> {
        let _guard = BreaksOnFailure(&self.barrier);
        for band in &self.schedule.bands {
            if let Some(image) = image {
                // SAFETY: every other thread is at the barrier below, and only this one has the
                // image.
                let mut rows = unsafe { self.image.rows_mut() };
                let row_bytes = self.image.layout.row_bytes();
                for row in band.image.clone() {
                    if let Output::U8(values) = rows.row(row) {
                        values.copy_from_slice(&image[row * row_bytes..][..row_bytes]);
                    }
                }
            }
            self.barrier.wait(self.threads)?;
            for (index, rows) in band.steps.iter().enumerate() {
                if rows.is_empty() {
                    continue;
                }
                let step = &self.program.steps[index];
                let input = match step.input {
                    Source::Image => &self.image,
                    Source::Step(source) => &self.rings[source],
                };
                let output = &self.rings[index];
                let width = output.layout.width;
                let part = part_of(rows, thread, self.threads);
                // SAFETY: in this step, between two barriers, all threads write this step's ring
                // only, each its own rows, and read rings of the image and of earlier steps.
                unsafe {
                    step.convolution.run_rows(
                        &input.rows(),
                        step.residual.map(|step| self.rings[step].rows()).as_ref(),
                        &mut output.rows_mut(),
                        (part, width),
                    );
                }
                self.barrier.wait(self.threads)?;
            }
        }
        Ok(())
    }

    /// Works on image after image until the stream ends.
    fn serve(&self, thread: usize) {
        let mut seen = 0;
        loop {
            seen = match self.next_after(seen) {
                Some(begun) => begun,
                None => return,
            };
            if self.work(thread, None).is_err() {
                return;
            }
        }
    }

    /// Waits until another image is begun; `None` at the end.
    fn next_after(&self, seen: usize) -> Option<usize> {
        let look = || {
            let begun = self.begun.load(Ordering::Acquire);
            (begun != seen).then_some(begun)
        };
        let over = || self.ended.load(Ordering::Acquire);
        for _ in 0..IDLE_SPINS {
            if over() {
                return None;
            }
            if let Some(begun) = look() {
                return Some(begun);
            }
            std::hint::spin_loop();
        }
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if over() {
                return None;
            }
            if let Some(begun) = look() {
                return Some(begun);
            }
            sleep = self
                .wake
                .wait(sleep)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Changes a flag that sleeping threads look at, and wakes them.
    fn signal(&self, change: impl FnOnce()) {
        if self.threads == 1 {
            return change();
        }
        let sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        change();
        drop(sleep);
        self.wake.notify_all();
    }
}

/// One thread's part of some rows.
fn part_of(rows: &Range<usize>, thread: usize, threads: usize) -> Range<usize> {
    let cut = |thread: usize| rows.start + (rows.len() * thread).div_ceil(threads);
    cut(thread)..cut(thread + 1)
}

/// A program ready to run on images of one size.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    image: Size,
    result: Vec<i16>,
}

impl Stream {
    /// Takes all memory for images of that size, and starts `threads` - 1 threads beside the
    /// one that will call [`Stream::run`]. The image is taken in bands of `band_rows` rows.
    ///
    /// # Errors
    /// The size does not fit the program; no or too many threads; no thread can be started.
    pub fn new(
        program: Arc<Program>,
        image: Size,
        band_rows: usize,
        threads: usize,
    ) -> Result<Self, KernelError> {
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(program.refuse("threads", threads, format!("1 to {MAX_THREADS}")));
        }
        let sizes = program.sizes(image)?;
        let schedule = Schedule::new(&program, image, &sizes, band_rows.max(1));
        let ring = |source, channels, kind: OutputKind, size: Size, rows| {
            let layout = RowLayout {
                width: size.width,
                pixel_bytes: channels * kind.bytes(),
            };
            let padding = program.padding_of(source)?;
            Ok(RowRing::new(layout, rows, size.height, kind, padding))
        };
        let channels = program.image_channels();
        let rows = schedule.image_rows;
        let image_ring = ring(Source::Image, channels, OutputKind::U8, image, rows)?;
        let mut rings = Vec::with_capacity(sizes.len());
        for (index, (step, size)) in program.steps.iter().zip(&sizes).enumerate() {
            let parameters = step.convolution.parameters();
            let (channels, kind) = (parameters.output_channels, parameters.output.kind);
            let rows = schedule.step_rows[index];
            rings.push(ring(Source::Step(index), channels, kind, *size, rows)?);
        }
        let last = rings.last().map_or(0, |ring| {
            ring.height * ring.layout.row_bytes() / OutputKind::I16.bytes()
        });
        let shared = Arc::new(Shared {
            program,
            schedule,
            image: image_ring,
            rings,
            threads,
            barrier: Barrier::default(),
            begun: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut stream = Self {
            shared,
            workers: Vec::new(),
            image,
            result: vec![0; last],
        };
        for thread in 1..threads {
            let shared = Arc::clone(&stream.shared);
            let worker = thread::Builder::new()
                .name(format!("network-{thread}"))
                .spawn(move || shared.serve(thread))
                .map_err(|_| KernelError::Thread)?;
            stream.workers.push(worker);
        }
        Ok(stream)
    }

    /// The size of the images.
    pub fn image_size(&self) -> Size {
        self.image
    }

    /// Threads that share the work.
    pub fn threads(&self) -> usize {
        self.shared.threads
    }

    /// Bytes of memory held for images on their way.
    pub fn bytes(&self) -> usize {
        let rings: usize = self.shared.rings.iter().map(RowRing::bytes).sum();
        rings + self.shared.image.bytes() + self.result.len() * OutputKind::I16.bytes()
    }

    /// Runs the program on an image: rows from the top, pixels, channels, each value at most
    /// [`super::MAX_ACTIVATION`]. Gives the last step's values in the same order.
    ///
    /// # Errors
    /// The image has another size, or a thread has failed.
    pub fn run(&mut self, image: &[u8]) -> Result<&[i16], KernelError> {
        let expected = self.image.pixels() * self.shared.program.image_channels();
        if image.len() != expected {
            return Err(KernelError::Buffer {
                name: "image",
                found: image.len(),
                expected,
            });
        }
        self.shared.signal(|| {
            self.shared.begun.fetch_add(1, Ordering::Release);
        });
        self.shared.work(0, Some(image))?;
        if let Some(ring) = self.shared.rings.last() {
            // SAFETY: every thread has passed the last barrier and writes nothing more.
            let rows = unsafe { ring.rows() };
            let row_bytes = ring.layout.row_bytes();
            let row_values = row_bytes / OutputKind::I16.bytes();
            for (row, values) in self.result.chunks_exact_mut(row_values).enumerate() {
                let bytes = &rows.row(row as isize)[ring.layout.first_pixel()..][..row_bytes];
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *value = i16::from_ne_bytes(*bytes);
                }
            }
        }
        Ok(&self.result)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared
            .signal(|| self.shared.ended.store(true, Ordering::Release));
        for worker in self.workers.drain(..) {
            // A worker that failed has said so already.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_rows_cover_them_once() {
        for (start, end) in [(0, 15), (4, 60), (6, 7), (3, 3), (2, 4)] {
            for threads in 1..=MAX_THREADS {
                let mut next = start;
                for thread in 0..threads {
                    let part = part_of(&(start..end), thread, threads);
                    assert_eq!(part.start, next, "{start}..{end} in {threads}");
                    assert!(part.end >= part.start);
                    next = part.end;
                }
                assert_eq!(next, end, "{start}..{end} in {threads}");
            }
        }
    }
}
