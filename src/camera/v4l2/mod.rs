//! A camera over V4L2: chosen, opened by its stable path, streamed with a deadline, and opened
//! again when it was unplugged, hangs or changes its format.
//!
//! What decides is pure and is tested on a simulated driver; only `device` calls the kernel.

mod control_plan;
mod controls;
mod device;
mod driver;
mod format_trial;
mod light;
mod seek;
mod select_format;
mod set_light;
#[cfg(test)]
mod tests;

pub use select_format::{
    Choice, FourCc, OfferedFormat, OfferedSize, PixelFormat, Refused, StreamPreferences,
    select_format,
};

pub use super::ControlSettings;
pub use controls::{Control, ControlRange};
pub use driver::{CameraNode, CaptureDevice, Dequeued, Driver, StreamFormat};

use super::oddity_notes::OddityNotes;
use super::{CameraError, CapturedFrame, FrameSource, Unavailable};
use crate::decode::yuyv::{LevelRange, decode_yuyv};
use crate::decode::{DecodeError, JpegDecoder};
use crate::image::frame::Frame;
use crate::image::histogram::background_colour;
use control_plan::ControlPlan;
use format_trial::{Chosen, FormatTrial};
use light::LightPlan;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long a camera may take for a frame before it is opened anew.
const FRAME_LIMIT: Duration = Duration::from_secs(2);
/// A longer gap in the driver's numbers is a driver that numbers at its will.
const MAX_GAP_FRAMES: u32 = 1000;
/// Time between two tries to open an unavailable camera.
const RETRY: Duration = Duration::from_millis(500);
/// How long the camera's automatics may settle before they are switched off.
const AUTO_EXPOSURE_CONVERGENCE: Duration = Duration::from_secs(2);
/// The rate at which frames are counted for that where the camera does not tell its own.
const USUAL_RATE_MHZ: u32 = 30_000;

/// The kernel's cameras.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kernel;

impl Driver for Kernel {
    fn nodes(&self) -> Vec<CameraNode> {
        device::nodes()
    }

    fn node(&self, path: &Path) -> io::Result<Option<CameraNode>> {
        device::node(path)
    }

    fn start(&self, path: &Path, choice: &Choice) -> io::Result<Box<dyn CaptureDevice>> {
        Ok(Box::new(device::KernelDevice::start(path, choice)?))
    }
}

/// Which camera to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraSelector {
    /// The only one there is.
    Any,
    /// The one with this device file.
    Path(PathBuf),
}

impl CameraSelector {
    /// What `v4l2` or `v4l2:PATH` names; `None` for any other source.
    pub fn from_spec(spec: &str) -> Option<Self> {
        match spec.split_once(':') {
            None => (spec == "v4l2").then_some(Self::Any),
            Some(("v4l2", path)) if !path.is_empty() => Some(Self::Path(path.into())),
            Some(_) => None,
        }
    }
}

/// A V4L2 camera as a source of frames. It outlives a camera that goes away: meanwhile
/// [`CameraError::Unavailable`] says why, and it is opened again as soon as it is back.
pub struct V4l2Camera<D> {
    driver: D,
    name: String,
    selector: CameraSelector,
    preferences: StreamPreferences,
    controls: ControlPlan,
    /// Whether exposure and balance have been set from the background, where nobody configured them.
    is_light_set: bool,
    trial: FormatTrial,
    notes: Vec<String>,
    state: State,
    decoder: JpegDecoder,
    oddity_notes: OddityNotes,
    range: LevelRange,
    frames: u64,
}

enum State {
    Streaming {
        device: Box<dyn CaptureDevice>,
        format: PixelFormat,
        /// What there is instead of that.
        other_format: Option<PixelFormat>,
        /// The driver's number of the frame before, to notice what it dropped itself.
        last_sequence: Option<u32>,
        /// Frames that are not shown, since the camera's automatics still settle.
        settling: Option<Settling>,
        /// The camera hung, and its driver may give again what it had kept: that is not shown.
        discard_first_frame: bool,
    },
    Unavailable {
        unavailable: Unavailable,
        next_try: Instant,
    },
}

/// Until when automatics may settle.
#[derive(Debug, Clone, Copy)]
struct Settling {
    frames_left: u32,
    until: Instant,
}

impl Settling {
    fn at(rate_mhz: u32) -> Self {
        let rate_mhz = match rate_mhz {
            0 => USUAL_RATE_MHZ,
            rate_mhz => rate_mhz,
        };
        let frames = u64::from(rate_mhz) * AUTO_EXPOSURE_CONVERGENCE.as_secs() / 1000;
        Self {
            frames_left: u32::try_from(frames).unwrap_or(u32::MAX),
            until: Instant::now() + AUTO_EXPOSURE_CONVERGENCE,
        }
    }
}

impl<D: Driver> V4l2Camera<D> {
    /// A camera that is opened when the first frame is asked for, and looked for as long as it
    /// is not there.
    pub fn new(driver: D, selector: CameraSelector, preferences: StreamPreferences) -> Self {
        let name = match &selector {
            CameraSelector::Any => "v4l2".to_owned(),
            CameraSelector::Path(path) => format!("v4l2:{}", path.display()),
        };
        Self {
            driver,
            name,
            selector,
            controls: ControlPlan::new(&preferences.controls),
            is_light_set: false,
            trial: FormatTrial::default(),
            notes: Vec::new(),
            preferences,
            state: State::Unavailable {
                unavailable: Unavailable::NotConnected,
                next_try: Instant::now(),
            },
            decoder: JpegDecoder::default(),
            oddity_notes: OddityNotes::default(),
            range: LevelRange::Limited,
            frames: 0,
        }
    }

    /// Opens the camera now.
    ///
    /// # Errors
    /// None is there, several are and none was named, none of its formats can be decoded, or it
    /// cannot be opened.
    pub fn open(&mut self) -> Result<(), CameraError> {
        self.start().map_err(|unavailable| CameraError::CannotOpen {
            camera: self.name.clone(),
            reason: unavailable.to_string(),
        })
    }

    fn start(&mut self) -> Result<(), Unavailable> {
        let path = match &self.selector {
            CameraSelector::Path(path) => path.clone(),
            CameraSelector::Any => only(self.driver.nodes())?,
        };
        let started = start(
            &self.driver,
            &path,
            &self.preferences,
            &mut self.controls,
            &mut self.trial,
        );
        if let Err(Unavailable::Unsuitable { .. } | Unavailable::Failed { .. }) = started {
            self.trial.could_not_open();
        }
        self.state = started?;
        self.name = format!("v4l2:{}", path.display());
        Ok(())
    }

    /// Closes the camera; it will be tried again.
    fn disconnect(&mut self, unavailable: Unavailable, next_try: Instant) -> CameraError {
        self.state = State::Unavailable {
            unavailable: unavailable.clone(),
            next_try,
        };
        CameraError::Unavailable {
            camera: self.name.clone(),
            unavailable,
        }
    }

    /// Tries to open an unavailable camera, once it is time to.
    fn reconnect(&mut self) -> Result<(), CameraError> {
        let State::Unavailable {
            unavailable,
            next_try,
        } = &self.state
        else {
            return Ok(());
        };
        let left_for = unavailable.clone();
        let hung = matches!(left_for, Unavailable::Silent { .. });
        thread::sleep(next_try.saturating_duration_since(Instant::now()));
        self.start().map_err(|unavailable| {
            // A camera that hung is often still held by its driver for a moment.
            let is_held = hung && unavailable == Unavailable::InUse;
            let unavailable = if is_held { left_for } else { unavailable };
            self.disconnect(unavailable, Instant::now() + RETRY)
        })?;
        if let State::Streaming {
            discard_first_frame,
            ..
        } = &mut self.state
        {
            *discard_first_frame = hung;
        }
        Ok(())
    }
}

/// The only camera there is.
fn only(nodes: Vec<CameraNode>) -> Result<PathBuf, Unavailable> {
    let mut paths: Vec<PathBuf> = nodes.into_iter().map(|node| node.path).collect();
    match (paths.pop(), paths.is_empty()) {
        (None, _) => Err(Unavailable::NotConnected),
        (Some(path), true) => Ok(path),
        (Some(path), false) => {
            paths.push(path);
            Err(Unavailable::Several { paths })
        }
    }
}

/// Opens and starts a camera.
fn start(
    driver: &impl Driver,
    path: &Path,
    preferences: &StreamPreferences,
    controls: &mut ControlPlan,
    trial: &mut FormatTrial,
) -> Result<State, Unavailable> {
    let unsuitable = |reason: String| Unavailable::Unsuitable { reason };
    let node = driver
        .node(path)
        .map_err(|error| unavailable_of(&error))?
        .ok_or_else(|| {
            unsuitable("is no camera; see `hemoscope cameras` for those there are".to_owned())
        })?;
    let Chosen { choice, other } = trial
        .choose(&node, preferences)
        .map_err(|refused| unsuitable(explain_refusal(&refused)))?;
    let mut device = driver
        .start(path, &choice)
        .map_err(|error| unavailable_of(&error))?;
    let given = device.format();
    if given.name != choice.format.name() {
        return Err(unsuitable(format!(
            "gives {} where {} was asked for; use another camera",
            given.name,
            choice.format.name()
        )));
    }
    Frame::check_size(given.width_px, given.height_px)
        .map_err(|error| unsuitable(format!("gives frames of a wrong size: {error}")))?;
    let must_settle = controls
        .apply(&mut *device)
        .map_err(|error| unavailable_of(&error))?;
    Ok(State::Streaming {
        device,
        format: choice.format,
        other_format: other,
        last_sequence: None,
        settling: must_settle.then(|| Settling::at(choice.size.rate_mhz)),
        discard_first_frame: false,
    })
}

fn unavailable_of(error: &io::Error) -> Unavailable {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => Unavailable::NotConnected,
        Some(libc::EBUSY) => Unavailable::InUse,
        Some(libc::EACCES | libc::EPERM) => Unavailable::PermissionDenied,
        _ => Unavailable::Failed {
            reason: error.to_string(),
        },
    }
}

fn explain_refusal(refused: &[(FourCc, Refused)]) -> String {
    if refused.is_empty() {
        return "offers no format at all; use another camera".to_owned();
    }
    let reasons = refused
        .iter()
        .map(|(name, reason)| format!("{name} {reason}"));
    let reasons: Vec<String> = reasons.collect();
    format!(
        "offers no format that can be used: {}; use a camera with MJPG or YUYV",
        reasons.join("; ")
    )
}

impl<D: Driver> V4l2Camera<D> {
    /// Lets frames go by until the automatics have settled, and switches them off then.
    fn settle(&mut self) -> Result<(), CameraError> {
        let State::Streaming {
            device,
            last_sequence,
            settling,
            ..
        } = &mut self.state
        else {
            return Ok(());
        };
        let Some(mut settling) = settling.take() else {
            return Ok(());
        };
        let mut waited = Ok(Dequeued::TimedOut);
        while settling.frames_left > 0 && Instant::now() < settling.until {
            waited = device.dequeue(FRAME_LIMIT, &mut |_, _| {});
            let Ok(Dequeued::Frame { sequence }) = waited else {
                break;
            };
            self.frames += 1;
            *last_sequence = Some(sequence);
            settling.frames_left -= 1;
        }
        let frozen = match waited {
            Ok(_) => self.controls.freeze(&mut **device),
            Err(error) => Err(error),
        };
        frozen.map_err(|error| self.disconnect(unavailable_of(&error), Instant::now()))
    }

    /// Sets exposure and balance from the background, once, where nobody configured them; frames
    /// that are looked at for it are decoded into `frame` and not shown.
    fn set_light(&mut self, frame: &mut Frame) -> Result<(), CameraError> {
        let State::Streaming {
            device,
            format,
            last_sequence,
            ..
        } = &mut self.state
        else {
            return Ok(());
        };
        if self.is_light_set {
            return Ok(());
        }
        let (format, stream) = (*format, device.format());
        let (decoder, range) = (&mut self.decoder, self.range);
        let adjusted = self
            .controls
            .adjustable(&mut **device)
            .and_then(|adjustable| {
                let Some(mut plan) = LightPlan::new(&adjustable) else {
                    return Ok(None);
                };
                let measure = |bytes: &[u8]| {
                    decode(format, &stream, bytes, decoder, range, frame).ok()?;
                    Some(background_colour(frame))
                };
                let until = Instant::now() + set_light::LIMIT;
                let passed = set_light::run(&mut plan, &mut **device, measure, FRAME_LIMIT, until)?;
                Ok(Some((plan, passed)))
            });
        match adjusted {
            Ok(Some((plan, passed))) => {
                self.frames += passed.frames;
                *last_sequence = passed.last_sequence.or(*last_sequence);
                for &(control, value) in plan.held() {
                    self.controls.hold(control, value);
                }
                self.notes.push(plan.in_words());
            }
            Ok(None) => {}
            Err(error) => return Err(self.disconnect(unavailable_of(&error), Instant::now())),
        }
        self.is_light_set = true;
        Ok(())
    }

    /// What becomes of a bad frame: it is dropped, or the camera is opened in its other format.
    fn bad_frame(&mut self, sequence: u64, reason: String) -> CameraError {
        if let State::Streaming {
            format,
            other_format: Some(next),
            ..
        } = self.state
            && let Some(frames) = self.trial.bad(format)
        {
            let (format, next) = (format.name().to_string(), next.name().to_string());
            self.notes.push(format!(
                "{frames} {format} frames in a row were bad, the last one: {reason}; {next} is \
                 used instead"
            ));
            let unavailable = Unavailable::BadFrames {
                frames,
                format,
                next,
            };
            return self.disconnect(unavailable, Instant::now());
        }
        CameraError::BadFrame {
            camera: self.name.clone(),
            sequence,
            reason,
        }
    }
}

impl<D: Driver> FrameSource for V4l2Camera<D> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn format(&self) -> Option<String> {
        match &self.state {
            State::Streaming { format, .. } => Some(format.name().to_string()),
            State::Unavailable { .. } => None,
        }
    }

    fn controls(&mut self) -> Vec<String> {
        let State::Streaming { device, .. } = &mut self.state else {
            return Vec::new();
        };
        let stands = |control: Control| {
            let offered = device.control(control).ok()??;
            Some(format!("{control} {}", control.in_words(offered.value)))
        };
        Control::ALL.into_iter().filter_map(stands).collect()
    }

    fn drain_warnings(&mut self) -> Vec<String> {
        let mut warnings = self.controls.drain_warnings();
        warnings.append(&mut self.notes);
        warnings.extend(self.oddity_notes.drain());
        warnings
    }

    fn next_frame_into(&mut self, captured: &mut CapturedFrame) -> Result<bool, CameraError> {
        self.reconnect()?;
        self.settle()?;
        self.set_light(&mut captured.frame)?;
        let State::Streaming {
            device,
            format,
            last_sequence,
            discard_first_frame,
            ..
        } = &mut self.state
        else {
            let unavailable = Unavailable::NotConnected;
            return Err(self.disconnect(unavailable, Instant::now() + RETRY));
        };
        let stream = device.format();
        let (decoder, range) = (&mut self.decoder, self.range);
        let mut decoded: Result<(), String> = Ok(());
        let mut take = |bytes: &[u8], is_damaged: bool| {
            decoded = if is_damaged {
                Err("the driver calls it damaged; check the cable".to_owned())
            } else {
                decode(*format, &stream, bytes, decoder, range, &mut captured.frame)
            };
        };
        let sequence = match device.dequeue(FRAME_LIMIT, &mut take) {
            Ok(Dequeued::Frame { sequence }) => sequence,
            Ok(Dequeued::TimedOut) => {
                let seconds = FRAME_LIMIT.as_secs();
                return Err(self.disconnect(Unavailable::Silent { seconds }, Instant::now()));
            }
            Err(error) => {
                return Err(self.disconnect(unavailable_of(&error), Instant::now()));
            }
        };
        // The driver's gaps count as frames: nothing is lost unnoticed.
        let step = last_sequence.map_or(1, |last| sequence.wrapping_sub(last));
        let step = if (1..=MAX_GAP_FRAMES).contains(&step) {
            step
        } else {
            1
        };
        *last_sequence = Some(sequence);
        self.frames += u64::from(step);
        if mem::take(discard_first_frame) {
            return self.next_frame_into(captured);
        }
        captured.sequence = self.frames - 1;
        captured.name = None;
        captured.field = None;
        captured.truth = None;
        let is_jpeg = *format == PixelFormat::Mjpg;
        match decoded {
            Ok(()) => {
                self.trial.good();
                if is_jpeg {
                    let frame = format_args!("frame {}", captured.sequence);
                    self.oddity_notes.see(frame, self.decoder.oddities());
                }
                Ok(true)
            }
            Err(reason) => Err(self.bad_frame(captured.sequence, reason)),
        }
    }
}

/// Why a camera's JPEG image is dropped; what helps a file does not help here.
fn explain_frame(error: &DecodeError) -> String {
    const ON_THE_WAY: &str = "plug the camera in directly, with a shorter cable";
    match error {
        DecodeError::EmptyFile { .. } => format!("it is empty; {ON_THE_WAY}"),
        DecodeError::Truncated { .. } => format!("it was cut off on its way; {ON_THE_WAY}"),
        DecodeError::Damaged { reason, .. } => {
            format!("it was damaged on its way ({reason}); {ON_THE_WAY}")
        }
        DecodeError::NotJpeg { .. } => "it is not a JPEG image; restart the camera".to_owned(),
        DecodeError::Grey { .. } => {
            "it has no colour, which cells are told apart by; set the camera to colour".to_owned()
        }
        DecodeError::UnsupportedCoding { coding, .. } => {
            format!("it uses {coding}, which is not supported; use another camera")
        }
        DecodeError::Size { cause, .. } => cause.to_string(),
        // What is left can only be told of files.
        other => format!("it cannot be decoded ({other}); use another camera"),
    }
}

/// Decodes a frame's bytes; the error says why it is dropped.
fn decode(
    format: PixelFormat,
    stream: &StreamFormat,
    bytes: &[u8],
    decoder: &mut JpegDecoder,
    range: LevelRange,
    frame: &mut Frame,
) -> Result<(), String> {
    let size_px = (stream.width_px, stream.height_px);
    match format {
        PixelFormat::Mjpg => decoder
            .decode(bytes, "it", frame)
            .map_err(|error| explain_frame(&error))?,
        PixelFormat::Yuyv => decode_yuyv(bytes, size_px, stream.row_bytes, range, frame)
            .map_err(|error| error.to_string())?,
    }
    let found_px = (frame.width_px(), frame.height_px());
    if found_px != size_px {
        return Err(format!(
            "it is {}x{} pixels where {}x{} were agreed; restart the camera",
            found_px.0, found_px.1, size_px.0, size_px.1
        ));
    }
    Ok(())
}
