//! The camera on a simulated driver: what the kernel would do, told step by step.

use super::*;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

const WIDTH_PX: u32 = 32;
const HEIGHT_PX: u32 = 16;

/// What the simulated kernel does next.
enum Happening {
    Frame { bytes: Vec<u8>, is_damaged: bool },
    Hang,
    Fails(i32),
}

#[derive(Default)]
struct Bench {
    nodes: Vec<CameraNode>,
    happenings: VecDeque<Happening>,
    /// Errors of the next tries to open the camera.
    start_errors: VecDeque<i32>,
    starts: usize,
    sequence: u32,
}

/// A driver and its devices share what is to happen.
#[derive(Clone, Default)]
struct SimulatedDriver(Arc<Mutex<Bench>>);

struct SimulatedDevice {
    bench: Arc<Mutex<Bench>>,
    format: StreamFormat,
}

impl Driver for SimulatedDriver {
    fn nodes(&self) -> Vec<CameraNode> {
        self.0.lock().unwrap().nodes.clone()
    }

    fn node(&self, path: &Path) -> io::Result<Option<CameraNode>> {
        let nodes = self.nodes();
        let node = nodes.into_iter().find(|node| node.path == path);
        node.map(Some)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn start(&self, _path: &Path, choice: &Choice) -> io::Result<Box<dyn CaptureDevice>> {
        let mut bench = self.0.lock().unwrap();
        if let Some(error) = bench.start_errors.pop_front() {
            return Err(io::Error::from_raw_os_error(error));
        }
        bench.starts += 1;
        Ok(Box::new(SimulatedDevice {
            bench: Arc::clone(&self.0),
            format: StreamFormat {
                name: choice.format.name(),
                width_px: choice.size.width_px,
                height_px: choice.size.height_px,
                row_bytes: choice.size.width_px as usize * 2,
            },
        }))
    }
}

impl CaptureDevice for SimulatedDevice {
    fn format(&self) -> StreamFormat {
        self.format
    }

    fn dequeue(
        &mut self,
        _limit: Duration,
        take: &mut dyn FnMut(&[u8], bool),
    ) -> io::Result<Dequeued> {
        let mut bench = self.bench.lock().unwrap();
        match bench.happenings.pop_front() {
            Some(Happening::Frame { bytes, is_damaged }) => {
                take(&bytes, is_damaged);
                bench.sequence += 1;
                Ok(Dequeued::Frame {
                    sequence: bench.sequence,
                })
            }
            Some(Happening::Hang) => Ok(Dequeued::TimedOut),
            Some(Happening::Fails(error)) => Err(io::Error::from_raw_os_error(error)),
            None => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        }
    }
}

fn camera_node(path: &str, formats: &[&[u8; 4]]) -> CameraNode {
    CameraNode {
        path: path.into(),
        card: "Simulated camera".into(),
        driver: "simulated".into(),
        formats: formats
            .iter()
            .map(|name| OfferedFormat {
                name: FourCc(**name),
                sizes: vec![OfferedSize {
                    width_px: WIDTH_PX,
                    height_px: HEIGHT_PX,
                    rate_mhz: 30_000,
                }],
            })
            .collect(),
    }
}

fn driver(nodes: Vec<CameraNode>, happenings: Vec<Happening>) -> SimulatedDriver {
    SimulatedDriver(Arc::new(Mutex::new(Bench {
        nodes,
        happenings: happenings.into(),
        ..Bench::default()
    })))
}

fn open(driver: &SimulatedDriver) -> V4l2Camera<SimulatedDriver> {
    let mut camera = V4l2Camera::new(driver.clone(), Which::Only, Wanted::default());
    camera.open().unwrap();
    camera
}

fn good(bytes: Vec<u8>) -> Happening {
    Happening::Frame {
        bytes,
        is_damaged: false,
    }
}

/// A grey frame: luma as given, no colour.
fn yuyv(luma: u8) -> Vec<u8> {
    [luma, 128].repeat((WIDTH_PX * HEIGHT_PX) as usize)
}

fn jpeg(width_px: u32, height_px: u32) -> Vec<u8> {
    let rgb = [200, 180, 190].repeat((width_px * height_px) as usize);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode(&rgb, width_px, height_px, ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

/// What the source says of each of the next frames.
fn outcomes(camera: &mut V4l2Camera<SimulatedDriver>, count: usize) -> Vec<String> {
    let mut captured = CapturedFrame::default();
    (0..count)
        .map(|_| match camera.next_frame_into(&mut captured) {
            Ok(true) => format!("frame {}", captured.sequence),
            Ok(false) => "the end".to_owned(),
            Err(CameraError::BadFrame { reason, .. }) => format!("dropped: {reason}"),
            Err(CameraError::Away { absence, .. }) => format!("away: {absence}"),
            Err(CameraError::Unavailable { reason, .. }) => format!("over: {reason}"),
        })
        .collect()
}

#[test]
fn frames_of_both_formats_are_decoded() {
    let cases = [(b"YUYV", yuyv(235)), (b"MJPG", jpeg(WIDTH_PX, HEIGHT_PX))];
    for (name, bytes) in cases {
        let driver = driver(vec![camera_node("/dev/video0", &[name])], vec![good(bytes)]);
        let mut camera = open(&driver);
        let captured = camera.next_frame().unwrap().unwrap();
        let frame = &captured.frame;
        assert_eq!((frame.width_px(), frame.height_px()), (WIDTH_PX, HEIGHT_PX));
        assert!(frame.pixel(3, 3)[0] > 190, "{:?}", frame.pixel(3, 3));
        assert_eq!(captured.field, None);
        assert!(!camera.knows_fields());
    }
}

#[test]
fn damaged_short_and_strange_frames_are_dropped_and_the_next_are_taken() {
    let whole = jpeg(WIDTH_PX, HEIGHT_PX);
    let cut = whole[..whole.len() / 2].to_vec();
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"MJPG"])],
        vec![
            good(whole.clone()),
            good(cut),
            Happening::Frame {
                bytes: whole.clone(),
                is_damaged: true,
            },
            good(Vec::new()),
            good(jpeg(WIDTH_PX * 2, HEIGHT_PX)),
            good(whole),
        ],
    );
    let said = outcomes(&mut open(&driver), 6);
    assert_eq!([&*said[0], &*said[5]], ["frame 0", "frame 5"]);
    for (said, expected) in said[1..5].iter().zip(["cut", "driver", "empty", "64x16"]) {
        assert!(
            said.starts_with("dropped") && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn a_short_uncompressed_frame_is_dropped() {
    let mut short = yuyv(90);
    short.pop();
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"YUYV"])],
        vec![good(short), good(yuyv(90))],
    );
    let said = outcomes(&mut open(&driver), 2);
    assert!(said[0].starts_with("dropped"), "{said:?}");
    assert_eq!(said[1], "frame 1");
}

#[test]
fn a_camera_that_hangs_or_is_unplugged_is_opened_again() {
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"YUYV"])],
        vec![
            good(yuyv(90)),
            Happening::Hang,
            good(yuyv(91)),
            Happening::Fails(libc::ENODEV),
            good(yuyv(92)),
        ],
    );
    let mut camera = open(&driver);
    driver.0.lock().unwrap().start_errors = VecDeque::from([libc::EBUSY]);
    let said = outcomes(&mut camera, 6);
    assert_eq!(said[0], "frame 0");
    assert!(
        said[1].starts_with("away: gave no frame for 2 s"),
        "{said:?}"
    );
    // The first try to open it again fails; the reason stays the one that it left for.
    assert!(
        said[2].starts_with("away: gave no frame for 2 s"),
        "{said:?}"
    );
    assert_eq!(said[3], "frame 1");
    assert!(said[4].starts_with("away: is not connected"), "{said:?}");
    assert_eq!(said[5], "frame 2");
    assert_eq!(driver.0.lock().unwrap().starts, 3);
}

#[test]
fn gaps_in_the_drivers_numbers_count() {
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"YUYV"])],
        vec![good(yuyv(90)), good(yuyv(91)), good(yuyv(92))],
    );
    let mut camera = open(&driver);
    assert_eq!(outcomes(&mut camera, 1), ["frame 0"]);
    driver.0.lock().unwrap().sequence += 4;
    assert_eq!(outcomes(&mut camera, 1), ["frame 5"]);
    driver.0.lock().unwrap().sequence = 0;
    assert_eq!(outcomes(&mut camera, 1), ["frame 6"]);
}

#[test]
fn cameras_that_cannot_be_used_are_refused_with_what_to_do() {
    let cases = [
        ("none", vec![], "is not connected"),
        (
            "two",
            vec![
                camera_node("/dev/video0", &[b"YUYV"]),
                camera_node("/dev/video2", &[b"YUYV"]),
            ],
            "name one of v4l2:/dev/video0, v4l2:/dev/video2",
        ),
        (
            "grey only",
            vec![camera_node("/dev/video0", &[b"GREY"])],
            "GREY has no colour",
        ),
        (
            "no format",
            vec![camera_node("/dev/video0", &[])],
            "offers no format at all",
        ),
    ];
    for (name, nodes, expected) in cases {
        let mut camera = V4l2Camera::new(driver(nodes, vec![]), Which::Only, Wanted::default());
        let message = camera.open().err().map(|error| error.to_string());
        assert!(
            message
                .as_ref()
                .is_some_and(|message| message.contains(expected)),
            "{name}: {message:?}"
        );
    }
    let named = Which::At("/dev/v4l/by-id/gone".into());
    let mut camera = V4l2Camera::new(driver(vec![], vec![]), named, Wanted::default());
    let message = camera.open().err().map(|error| error.to_string());
    assert_eq!(
        message.as_deref(),
        Some("camera v4l2:/dev/v4l/by-id/gone: is not connected; check its cable")
    );
}

#[test]
fn a_camera_that_comes_later_is_found() {
    let one = camera_node("/dev/video0", &[b"YUYV"]);
    let other = camera_node("/dev/video2", &[b"YUYV"]);
    let grey = camera_node("/dev/video0", &[b"GREY"]);
    let driver = driver(vec![], vec![good(yuyv(90))]);
    let mut camera = V4l2Camera::new(driver.clone(), Which::Only, Wanted::default());
    let mut said = Vec::new();
    for nodes in [
        vec![],
        vec![one.clone(), other.clone()],
        vec![grey],
        vec![other],
    ] {
        driver.0.lock().unwrap().nodes = nodes;
        said.extend(outcomes(&mut camera, 1));
    }
    let expected = ["not connected", "one of 2", "GREY has no colour", "frame 0"];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(camera.name(), "v4l2:/dev/video2");
}
