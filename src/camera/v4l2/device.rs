//! The edge to the kernel's video devices: everything that calls `ioctl`, `mmap` or `poll`.
//!
//! The crate `v4l` brings the calls' numbers and structures. Its own queue is not used, since it
//! cannot go on after a timeout, and its conversions panic on what they do not know.

#![allow(unsafe_code, reason = "ioctls and mapped buffers")]

use super::controls::{Control, ControlRange};
use super::driver::{CameraNode, CaptureDevice, Dequeued, StreamFormat};
use super::select_format::{Choice, FourCc, OfferedFormat, OfferedSize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use v4l::v4l_sys::{
    V4L2_BUF_FLAG_ERROR, V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE, V4L2_CTRL_FLAG_DISABLED,
    V4L2_CTRL_FLAG_WRITE_ONLY, v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE, v4l2_buffer,
    v4l2_capability, v4l2_control, v4l2_fmtdesc, v4l2_format, v4l2_frmivalenum,
    v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE, v4l2_frmsizeenum,
    v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE, v4l2_memory_V4L2_MEMORY_MMAP, v4l2_queryctrl,
    v4l2_requestbuffers, v4l2_streamparm,
};
use v4l::v4l2::{self, vidioc};

/// Buffers that the kernel fills in turn.
const BUFFERS: u32 = 4;
/// The most of anything that a driver is asked to list.
const MAX_LISTED: u32 = 256;
/// Sizes taken from a driver that offers all between two ends.
const USUAL_SIZES: [(u32, u32); 6] = [
    (320, 240),
    (640, 480),
    (800, 600),
    (1280, 720),
    (1920, 1080),
    (2592, 1944),
];
const CAPTURE: u32 = v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
const MMAP: u32 = v4l2_memory_V4L2_MEMORY_MMAP;

/// Structures that an `ioctl` reads and writes: plain C data, for which zero bytes are a value.
trait Argument: Sized {
    fn zeroed() -> Self {
        // SAFETY: implemented below for C structures of integers, arrays and unions of them, and
        // pointers, of which all zero is a valid value.
        unsafe { std::mem::zeroed() }
    }
}

impl Argument for v4l2_buffer {}
impl Argument for v4l2_capability {}
impl Argument for v4l2_control {}
impl Argument for v4l2_fmtdesc {}
impl Argument for v4l2_format {}
impl Argument for v4l2_frmivalenum {}
impl Argument for v4l2_frmsizeenum {}
impl Argument for v4l2_queryctrl {}
impl Argument for v4l2_requestbuffers {}
impl Argument for v4l2_streamparm {}
impl Argument for std::ffi::c_int {}

/// One call, repeated where a signal interrupts it.
fn call<T: Argument>(
    descriptor: RawFd,
    request: vidioc::_IOC_TYPE,
    argument: &mut T,
) -> io::Result<()> {
    loop {
        // SAFETY: every caller pairs a request with the structure that its number was made from,
        // and the kernel writes no more than that. Pointers in it are null, or name memory of the
        // right length (buffers).
        match unsafe { v4l2::ioctl(descriptor, request, std::ptr::from_mut(argument).cast()) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Calls with rising index until the driver knows no more.
fn list<T: Argument, R>(
    descriptor: RawFd,
    request: vidioc::_IOC_TYPE,
    prepare: impl Fn(u32) -> T,
    mut take: impl FnMut(&T) -> R,
) -> Vec<R> {
    (0..MAX_LISTED)
        .map_while(|index| {
            let mut argument = prepare(index);
            call(descriptor, request, &mut argument).ok()?;
            Some(take(&argument))
        })
        .collect()
}

/// Text that a driver gives: up to the first zero, anything that is no UTF-8 marked.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_NONBLOCK).open(path)
}

/// Every camera there is, by its stable path where the system gives one.
pub(super) fn nodes() -> Vec<CameraNode> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let number = name.strip_prefix("video").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
        .collect();
    paths.sort();
    let mut nodes: Vec<CameraNode> = paths.iter().filter_map(|path| node(path).ok()?).collect();
    nodes.sort_by(|a, b| a.path.cmp(&b.path));
    nodes
}

/// What a video device says of itself; `None` if it is no camera.
pub(super) fn node(path: &Path) -> io::Result<Option<CameraNode>> {
    let file = open(path)?;
    let descriptor = file.as_raw_fd();
    let mut capability = v4l2_capability::zeroed();
    call(descriptor, vidioc::VIDIOC_QUERYCAP, &mut capability)?;
    let needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    if capability.device_caps & needed != needed {
        return Ok(None);
    }
    let formats = list(
        descriptor,
        vidioc::VIDIOC_ENUM_FMT,
        |index| v4l2_fmtdesc {
            index,
            type_: CAPTURE,
            ..v4l2_fmtdesc::zeroed()
        },
        |found| OfferedFormat {
            name: FourCc(found.pixelformat.to_le_bytes()),
            sizes: sizes(descriptor, found.pixelformat),
        },
    );
    Ok(Some(CameraNode {
        path: stable_path(path),
        card: text(&capability.card),
        driver: text(&capability.driver),
        formats,
        controls: Control::ALL
            .iter()
            .filter_map(|&of| control(descriptor, of).ok()?)
            .collect(),
    }))
}

/// A control as it stands; `None` where the camera has none that can be read.
///
/// One at a time, since the crate's call for several gives the kernel a wrong size.
fn control(descriptor: RawFd, control: Control) -> io::Result<Option<ControlRange>> {
    let mut query = v4l2_queryctrl {
        id: control.id(),
        ..v4l2_queryctrl::zeroed()
    };
    if let Err(error) = call(descriptor, vidioc::VIDIOC_QUERYCTRL, &mut query) {
        return unless_gone(error);
    }
    if query.flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_WRITE_ONLY) != 0 {
        return Ok(None);
    }
    let mut current = v4l2_control {
        id: control.id(),
        value: 0,
    };
    if let Err(error) = call(descriptor, vidioc::VIDIOC_G_CTRL, &mut current) {
        return unless_gone(error);
    }
    Ok(Some(ControlRange {
        control,
        min: query.minimum,
        max: query.maximum,
        step: query.step,
        value: current.value,
    }))
}

/// A camera that refuses to tell of a control has none; one that was unplugged has gone.
fn unless_gone<T>(error: io::Error) -> io::Result<Option<T>> {
    match error.raw_os_error() {
        Some(libc::ENODEV) => Err(error),
        _ => Ok(None),
    }
}

/// The name under which udev finds this device again wherever it is plugged in.
fn stable_path(path: &Path) -> PathBuf {
    let links = std::fs::read_dir("/dev/v4l/by-id").into_iter().flatten();
    let mut links: Vec<PathBuf> = links
        .filter_map(|link| Some(link.ok()?.path()))
        .filter(|link| link.canonicalize().is_ok_and(|target| target == path))
        .collect();
    links.sort();
    links.into_iter().next().unwrap_or_else(|| path.to_owned())
}

fn sizes(descriptor: RawFd, format: u32) -> Vec<OfferedSize> {
    let found = list(
        descriptor,
        vidioc::VIDIOC_ENUM_FRAMESIZES,
        |index| v4l2_frmsizeenum {
            index,
            pixel_format: format,
            ..v4l2_frmsizeenum::zeroed()
        },
        |size| {
            // SAFETY: the type says which of the two the driver filled in.
            unsafe {
                if size.type_ == v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                    let size = size.__bindgen_anon_1.discrete;
                    vec![(size.width, size.height)]
                } else {
                    let ends = size.__bindgen_anon_1.stepwise;
                    let fits = |&&(width, height): &&(u32, u32)| {
                        (ends.min_width..=ends.max_width).contains(&width)
                            && (ends.min_height..=ends.max_height).contains(&height)
                            && (width - ends.min_width).is_multiple_of(ends.step_width.max(1))
                            && (height - ends.min_height).is_multiple_of(ends.step_height.max(1))
                    };
                    USUAL_SIZES.iter().filter(fits).copied().collect()
                }
            }
        },
    );
    let rated = found
        .into_iter()
        .flatten()
        .map(|(width_px, height_px)| OfferedSize {
            width_px,
            height_px,
            rate_mhz: fastest_rate_mhz(descriptor, format, width_px, height_px),
        });
    rated.collect()
}

fn fastest_rate_mhz(descriptor: RawFd, format: u32, width: u32, height: u32) -> u32 {
    let rates = list(
        descriptor,
        vidioc::VIDIOC_ENUM_FRAMEINTERVALS,
        |index| v4l2_frmivalenum {
            index,
            pixel_format: format,
            width,
            height,
            ..v4l2_frmivalenum::zeroed()
        },
        |interval| {
            // SAFETY: the type says which of the two the driver filled in.
            let shortest = unsafe {
                if interval.type_ == v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                    interval.__bindgen_anon_1.discrete
                } else {
                    interval.__bindgen_anon_1.stepwise.min
                }
            };
            rate_mhz(shortest.numerator, shortest.denominator)
        },
    );
    rates.into_iter().max().unwrap_or(0)
}

/// The rate of an interval of `numerator / denominator` seconds, in thousandths of a hertz.
fn rate_mhz(numerator: u32, denominator: u32) -> u32 {
    let rate = u64::from(denominator) * 1000 / u64::from(numerator.max(1));
    u32::try_from(rate).unwrap_or(u32::MAX)
}

/// Memory that the kernel and this program share.
struct Mapping {
    start: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: the mapping is plain memory of the process, and only its owner reads it.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(descriptor: RawFd, bytes: usize, offset: u32) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other memory.
        let start = unsafe {
            v4l2::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_SHARED,
                descriptor,
                offset as libc::off_t,
            )?
        };
        Ok(Self { start, bytes })
    }

    /// The first bytes, no more than there are.
    fn first(&self, bytes: usize) -> &[u8] {
        // SAFETY: the mapping holds `self.bytes` readable bytes while it lives, and the kernel
        // writes only to buffers that have been given to it; this one has not been given back.
        unsafe { std::slice::from_raw_parts(self.start.cast(), bytes.min(self.bytes)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `new` made, and nobody borrows it any longer. That it
        // cannot be unmapped would harm nothing but the address space.
        let _ = unsafe { v4l2::munmap(self.start, self.bytes) };
    }
}

/// A camera that has been opened and streams.
pub(super) struct KernelDevice {
    // Before the file, since mappings are undone first.
    buffers: Vec<Mapping>,
    file: File,
    format: StreamFormat,
}

impl KernelDevice {
    /// Opens a camera, sets what was chosen, and starts the stream.
    pub(super) fn start(path: &Path, choice: &Choice) -> io::Result<Self> {
        let file = open(path)?;
        let descriptor = file.as_raw_fd();
        let format = set_format(descriptor, choice)?;
        set_rate(descriptor, choice.size.rate_mhz);
        let mut request = v4l2_requestbuffers {
            count: BUFFERS,
            type_: CAPTURE,
            memory: MMAP,
            ..v4l2_requestbuffers::zeroed()
        };
        call(descriptor, vidioc::VIDIOC_REQBUFS, &mut request)?;
        let mut device = Self {
            buffers: Vec::with_capacity(request.count as usize),
            file,
            format,
        };
        for index in 0..request.count {
            let mut buffer = buffer(index);
            call(descriptor, vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
            // SAFETY: for mapped memory the driver fills in the offset.
            let offset = unsafe { buffer.m.offset };
            let mapping = Mapping::new(descriptor, buffer.length as usize, offset)?;
            device.buffers.push(mapping);
            device.enqueue(index)?;
        }
        let mut kind = CAPTURE as std::ffi::c_int;
        call(descriptor, vidioc::VIDIOC_STREAMON, &mut kind)?;
        Ok(device)
    }

    fn enqueue(&mut self, index: u32) -> io::Result<()> {
        let mut buffer = buffer(index);
        call(self.file.as_raw_fd(), vidioc::VIDIOC_QBUF, &mut buffer)
    }
}

fn buffer(index: u32) -> v4l2_buffer {
    v4l2_buffer {
        index,
        type_: CAPTURE,
        memory: MMAP,
        ..v4l2_buffer::zeroed()
    }
}

/// Sets the format; gives what the driver made of it.
fn set_format(descriptor: RawFd, choice: &Choice) -> io::Result<StreamFormat> {
    let mut format = v4l2_format {
        type_: CAPTURE,
        ..v4l2_format::zeroed()
    };
    // SAFETY: for a camera the union holds the image's format, in the request and the answer.
    let image = unsafe {
        format.fmt.pix.width = choice.size.width_px;
        format.fmt.pix.height = choice.size.height_px;
        format.fmt.pix.pixelformat = u32::from_le_bytes(choice.format.name().0);
        call(descriptor, vidioc::VIDIOC_S_FMT, &mut format)?;
        format.fmt.pix
    };
    Ok(StreamFormat {
        name: FourCc(image.pixelformat.to_le_bytes()),
        width_px: image.width,
        height_px: image.height,
        row_bytes: image.bytesperline as usize,
    })
}

/// Asks for a rate. Many drivers have but one, so a refusal is no fault.
fn set_rate(descriptor: RawFd, rate_mhz: u32) {
    if rate_mhz == 0 {
        return;
    }
    let mut parameters = v4l2_streamparm {
        type_: CAPTURE,
        ..v4l2_streamparm::zeroed()
    };
    parameters.parm.capture.timeperframe.numerator = 1000;
    parameters.parm.capture.timeperframe.denominator = rate_mhz;
    let _ = call(descriptor, vidioc::VIDIOC_S_PARM, &mut parameters);
}

impl CaptureDevice for KernelDevice {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn control(&mut self, of: Control) -> io::Result<Option<ControlRange>> {
        control(self.file.as_raw_fd(), of)
    }

    fn set_control(&mut self, control: Control, value: i32) -> io::Result<()> {
        let mut wanted = v4l2_control {
            id: control.id(),
            value,
        };
        call(self.file.as_raw_fd(), vidioc::VIDIOC_S_CTRL, &mut wanted)
    }

    fn dequeue(
        &mut self,
        limit: Duration,
        take: &mut dyn FnMut(&[u8], bool),
    ) -> io::Result<Dequeued> {
        let descriptor = self.file.as_raw_fd();
        if !wait(descriptor, limit)? {
            return Ok(Dequeued::TimedOut);
        }
        let mut buffer = buffer(0);
        match call(descriptor, vidioc::VIDIOC_DQBUF, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Dequeued::TimedOut);
            }
            done => done?,
        }
        let mapping = self.buffers.get(buffer.index as usize).ok_or_else(|| {
            let reason = "the driver gave a buffer that nobody asked for";
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })?;
        let is_damaged = buffer.flags & V4L2_BUF_FLAG_ERROR != 0;
        take(mapping.first(buffer.bytesused as usize), is_damaged);
        // At once, and whatever became of the frame: the kernel must never run out of buffers.
        self.enqueue(buffer.index)?;
        Ok(Dequeued::Frame {
            sequence: buffer.sequence,
        })
    }
}

/// Waits until the device has a frame or has gone; `false` when the time is over.
fn wait(descriptor: RawFd, limit: Duration) -> io::Result<bool> {
    let until = std::time::Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        let mut events = libc::pollfd {
            fd: descriptor,
            events: libc::POLLIN,
            revents: 0,
        };
        let left_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the call reads and writes this one structure.
        match unsafe { libc::poll(&mut events, 1, left_ms) } {
            0 => return Ok(false),
            count if count > 0 => {
                let is_gone = events.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL);
                if is_gone != 0 && events.revents & libc::POLLIN == 0 {
                    return Err(io::Error::from_raw_os_error(libc::ENODEV));
                }
                return Ok(true);
            }
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}
