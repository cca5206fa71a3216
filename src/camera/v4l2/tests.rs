//! The camera on a simulated driver: what the kernel would do, told step by step.

use super::*;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

const WIDTH_PX: u32 = 32;
const HEIGHT_PX: u32 = 16;

/// What the simulated kernel does next.
enum Happening {
    Frame {
        bytes: Vec<u8>,
        is_damaged: bool,
    },
    /// A grey frame as the exposure lights it: a level for each 100 µs.
    Lit {
        level: f64,
    },
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
    /// The formats that it was opened in, in order.
    formats: Vec<String>,
    sequence: u32,
    /// Controls as they stand; a reopened camera has them as they were at first.
    controls: HashMap<Control, ControlRange>,
    controls_at_first: HashMap<Control, ControlRange>,
    /// What was set, in order.
    set: Vec<(Control, i32)>,
    /// What the camera makes of an automatic that is switched off.
    falls_back_to: HashMap<Control, (Control, i32)>,
    /// Frames until the automatics have found another exposure.
    frames_until_found: Option<(u32, i32)>,
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
        bench.formats.push(choice.format.name().to_string());
        bench.controls = bench.controls_at_first.clone();
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

    fn control(&mut self, control: Control) -> io::Result<Option<ControlRange>> {
        Ok(self.bench.lock().unwrap().controls.get(&control).copied())
    }

    fn set_control(&mut self, control: Control, value: i32) -> io::Result<()> {
        let mut bench = self.bench.lock().unwrap();
        bench.set.push((control, value));
        let offered = bench.controls.get_mut(&control).expect("a control it has");
        if !(offered.min..=offered.max).contains(&value) {
            return Err(io::Error::from_raw_os_error(libc::ERANGE));
        }
        // As drivers do: to the step below.
        offered.value = value - (value - offered.min) % offered.step.max(1);
        if let Some(&(fallen, to)) = bench.falls_back_to.get(&control) {
            bench.controls.get_mut(&fallen).unwrap().value = to;
        }
        Ok(())
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
                if let Some((frames, value)) = &mut bench.frames_until_found {
                    *frames = frames.saturating_sub(1);
                    if *frames == 0 {
                        let value = *value;
                        bench.controls.get_mut(&Control::Exposure).unwrap().value = value;
                    }
                }
                Ok(Dequeued::Frame {
                    sequence: bench.sequence,
                })
            }
            Some(Happening::Lit { level }) => {
                let exposure = f64::from(bench.controls[&Control::Exposure].value);
                let shown = (level * exposure).min(255.0);
                take(&yuyv((16.0 + shown * 219.0 / 255.0).round() as u8), false);
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
        controls: Vec::new(),
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
    let mut camera = V4l2Camera::new(
        driver.clone(),
        CameraSelector::Any,
        StreamPreferences::default(),
    );
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
            Err(CameraError::Unavailable { unavailable, .. }) => format!("away: {unavailable}"),
            Err(CameraError::CannotOpen { reason, .. }) => format!("over: {reason}"),
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
        // There is no file that could be copied again.
        assert!(!said.contains("file") && !said.contains("copy"), "{said}");
    }
}

/// The image without its Huffman tables, as the USB video class allows.
fn without_huffman_tables(jpeg: &[u8]) -> Vec<u8> {
    const HUFFMAN: u8 = 0xC4;
    const SCAN: u8 = 0xDA;
    let mut kept = jpeg[..2].to_vec();
    let mut at = 2;
    let mut dropped = 0;
    while jpeg[at + 1] != SCAN {
        let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] == HUFFMAN {
            dropped += 1;
        } else {
            kept.extend_from_slice(&jpeg[at..at + length]);
        }
        at += length;
    }
    assert!(dropped > 0);
    kept.extend_from_slice(&jpeg[at..]);
    kept
}

#[test]
fn images_are_taken_as_usb_cameras_send_them() {
    let whole = jpeg(WIDTH_PX, HEIGHT_PX);
    let bare = without_huffman_tables(&whole);
    let end = whole.len() - 2;
    let padded = |bytes: &[u8], end: &[u8]| [bytes, end].concat();
    let cases = [
        ("as a file", whole.clone()),
        ("without Huffman tables", bare.clone()),
        ("padded with zeros", padded(&bare, &[0; 512])),
        ("padded with ones", padded(&whole, &[0xFF; 3])),
        ("followed by another's rest", padded(&bare, &whole[200..])),
        (
            "with stray bytes",
            padded(&whole[..end], &[0, 1, 0xFF, 0xD9]),
        ),
        ("without an end", bare[..bare.len() - 2].to_vec()),
    ];
    let happenings = cases.iter().map(|(_, bytes)| good(bytes.clone())).collect();
    let driver = driver(vec![camera_node("/dev/video0", &[b"MJPG"])], happenings);
    let mut camera = open(&driver);
    let first = camera.next_frame().unwrap().unwrap().frame;
    for (name, _) in &cases[1..] {
        let frame = camera.next_frame().unwrap().unwrap().frame;
        assert_eq!(frame, first, "{name}");
    }
    let told = camera.drain_warnings();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("frame 5 has 2 stray bytes"), "{told:?}");
    assert!(
        told[1].starts_with("frame 6 has no marker at its end"),
        "{told:?}"
    );
}

#[test]
fn an_image_cut_off_before_its_last_code_is_dropped() {
    let bare = without_huffman_tables(&jpeg(WIDTH_PX, HEIGHT_PX));
    // The last byte of data may be padding, and the marker behind it holds no pixel.
    let cuts = 0..bare.len() - 3;
    let happenings = cuts.clone().map(|end| good(bare[..end].to_vec()));
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"MJPG"])],
        happenings.collect(),
    );
    let said = outcomes(&mut open(&driver), cuts.len());
    let taken: Vec<_> = said
        .iter()
        .filter(|said| !said.starts_with("dropped"))
        .collect();
    assert!(taken.is_empty(), "{taken:?}");
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
            // Not shown, but counted: the driver may have kept it.
            good(yuyv(90)),
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
    assert_eq!(said[3], "frame 2");
    assert!(said[4].starts_with("away: is not connected"), "{said:?}");
    assert_eq!(said[5], "frame 3");
    assert_eq!(driver.0.lock().unwrap().starts, 3);
}

#[test]
fn an_old_frame_at_each_new_start_does_not_bring_a_camera_back_that_hangs() {
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"YUYV"])],
        vec![
            good(yuyv(90)),
            Happening::Hang,
            good(yuyv(90)),
            Happening::Hang,
            good(yuyv(90)),
            Happening::Hang,
            good(yuyv(90)),
            good(yuyv(91)),
        ],
    );
    let said = outcomes(&mut open(&driver), 5);
    assert_eq!([&*said[0], &*said[4]], ["frame 0", "frame 4"]);
    for said in &said[1..4] {
        assert!(said.starts_with("away: gave no frame for 2 s"), "{said}");
    }
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
        let mut camera = V4l2Camera::new(
            driver(nodes, vec![]),
            CameraSelector::Any,
            StreamPreferences::default(),
        );
        let message = camera.open().err().map(|error| error.to_string());
        assert!(
            message
                .as_ref()
                .is_some_and(|message| message.contains(expected)),
            "{name}: {message:?}"
        );
    }
    let named = CameraSelector::Path("/dev/v4l/by-id/gone".into());
    let mut camera = V4l2Camera::new(driver(vec![], vec![]), named, StreamPreferences::default());
    let message = camera.open().err().map(|error| error.to_string());
    assert_eq!(
        message.as_deref(),
        Some("camera v4l2:/dev/v4l/by-id/gone: is not connected; check its cable")
    );
}

fn offered(control: Control, min: i32, max: i32, step: i32, value: i32) -> (Control, ControlRange) {
    let offered = ControlRange {
        control,
        min,
        max,
        step,
        value,
    };
    (control, offered)
}

/// A camera whose automatics are on, as after power on; it gives two frames a second, with a
/// background that is lit as it should be.
fn adjustable(frames: usize) -> SimulatedDriver {
    let mut node = camera_node("/dev/video0", &[b"YUYV"]);
    node.formats[0].sizes[0].rate_mhz = 2_000;
    let driver = driver(vec![node], (0..frames).map(|_| good(yuyv(196))).collect());
    let mut bench = driver.0.lock().unwrap();
    bench.controls_at_first = HashMap::from([
        offered(Control::ExposureAuto, 0, 3, 1, 3),
        offered(Control::Exposure, 1, 5_000, 3, 157),
        offered(Control::GainAuto, 0, 1, 1, 1),
        offered(Control::Gain, 0, 64, 1, 12),
        offered(Control::WhiteBalanceAuto, 0, 1, 1, 1),
        offered(Control::WhiteBalance, 2_800, 6_500, 1, 4_600),
        offered(Control::HueAuto, 0, 1, 1, 1),
    ]);
    drop(bench);
    driver
}

fn open_with(driver: &SimulatedDriver, controls: ControlSettings) -> V4l2Camera<SimulatedDriver> {
    let preferences = StreamPreferences {
        controls,
        ..StreamPreferences::default()
    };
    let mut camera = V4l2Camera::new(driver.clone(), CameraSelector::Any, preferences);
    camera.open().unwrap();
    camera
}

const CONFIGURED: ControlSettings = ControlSettings {
    exposure_us: Some(10_000),
    gain: Some(99),
    white_balance_kelvin: Some(5_000),
    focus: Some(7),
};

#[test]
fn what_is_configured_is_set_and_read_back_and_set_again() {
    let driver = adjustable(1);
    let mut camera = open_with(&driver, CONFIGURED);
    let expected = [
        (Control::ExposureAuto, 1),
        (Control::Exposure, 100),
        (Control::GainAuto, 0),
        (Control::Gain, 64),
        (Control::WhiteBalanceAuto, 0),
        (Control::WhiteBalance, 5_000),
        (Control::HueAuto, 0),
    ];
    assert_eq!(driver.0.lock().unwrap().set, expected);
    assert_eq!(
        camera.drain_warnings(),
        [
            "gain: the camera took 64 instead of 99",
            "focus: the camera has no such control, 7 is not set",
        ]
    );
    assert!(camera.drain_warnings().is_empty());
    // Nothing has to settle, so that the first frame counts; then it is unplugged.
    assert_eq!(outcomes(&mut camera, 1), ["frame 0"]);
    assert!(outcomes(&mut camera, 1)[0].starts_with("away"));
    driver
        .0
        .lock()
        .unwrap()
        .happenings
        .push_back(good(yuyv(90)));
    driver.0.lock().unwrap().set.clear();
    assert_eq!(outcomes(&mut camera, 1), ["frame 1"]);
    assert_eq!(driver.0.lock().unwrap().set, expected);
}

#[test]
fn a_value_between_two_steps_is_told() {
    let driver = adjustable(0);
    let settings = ControlSettings {
        exposure_us: Some(10_149),
        ..ControlSettings::default()
    };
    let mut camera = open_with(&driver, settings);
    assert_eq!(
        driver.0.lock().unwrap().controls[&Control::Exposure].value,
        100
    );
    assert_eq!(
        camera.drain_warnings(),
        ["exposure: the camera took 10000 us instead of 10100 us"]
    );
}

#[test]
fn without_settings_the_automatics_settle_once_and_are_switched_off() {
    let driver = adjustable(10);
    {
        let mut bench = driver.0.lock().unwrap();
        bench.frames_until_found = Some((3, 220));
        // This camera forgets what it found.
        bench.falls_back_to = HashMap::from([(Control::ExposureAuto, (Control::Exposure, 157))]);
    }
    let mut camera = open_with(&driver, ControlSettings::default());
    assert_eq!(driver.0.lock().unwrap().set, [(Control::HueAuto, 0)]);
    // Two seconds are four of its frames; five more tell how light the background is.
    assert_eq!(outcomes(&mut camera, 1), ["frame 9"]);
    {
        let bench = driver.0.lock().unwrap();
        let values = [
            (Control::ExposureAuto, 1),
            (Control::Exposure, 220),
            (Control::GainAuto, 0),
            (Control::Gain, 12),
            (Control::WhiteBalanceAuto, 0),
            (Control::WhiteBalance, 4_600),
        ];
        for (control, value) in values {
            assert_eq!(bench.controls[&control].value, value, "{control}");
        }
    }
    assert_eq!(
        camera.drain_warnings(),
        [
            "light set from the background: exposure 22000 us kept, background 210 of 255, 210 \
          before; white balance 4600 K kept"
        ]
    );
    // Unplugged and back: at once as it was, without settling anew.
    assert!(outcomes(&mut camera, 1)[0].starts_with("away"));
    driver
        .0
        .lock()
        .unwrap()
        .happenings
        .push_back(good(yuyv(90)));
    assert_eq!(outcomes(&mut camera, 1), ["frame 10"]);
    let bench = driver.0.lock().unwrap();
    assert_eq!(bench.controls[&Control::Exposure].value, 220);
    assert_eq!(bench.controls[&Control::GainAuto].value, 0);
}

#[test]
fn a_camera_that_goes_while_it_settles_is_away() {
    let driver = adjustable(2);
    let mut camera = open_with(&driver, ControlSettings::default());
    assert!(outcomes(&mut camera, 1)[0].starts_with("away: is not connected"));
}

#[test]
fn a_camera_that_comes_later_is_found() {
    let one = camera_node("/dev/video0", &[b"YUYV"]);
    let other = camera_node("/dev/video2", &[b"YUYV"]);
    let grey = camera_node("/dev/video0", &[b"GREY"]);
    let driver = driver(vec![], vec![good(yuyv(90))]);
    let mut camera = V4l2Camera::new(
        driver.clone(),
        CameraSelector::Any,
        StreamPreferences::default(),
    );
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

#[test]
fn exposure_is_set_from_the_background_once_and_held() {
    // Lamp, exposure that is reached, in steps of 100 us.
    let cases = [(0.4, 500..=550), (3.0, 67..=74), (10.0, 20..=22)];
    for (level, expected) in cases {
        let driver = adjustable(0);
        {
            let mut bench = driver.0.lock().unwrap();
            bench.controls_at_first.remove(&Control::WhiteBalanceAuto);
            bench.controls_at_first.remove(&Control::WhiteBalance);
            bench.happenings = (0..200).map(|_| Happening::Lit { level }).collect();
        }
        let mut camera = open_with(&driver, ControlSettings::default());
        assert!(outcomes(&mut camera, 1)[0].starts_with("frame"));
        let exposure =
            |driver: &SimulatedDriver| driver.0.lock().unwrap().controls[&Control::Exposure].value;
        let held = exposure(&driver);
        assert!(expected.contains(&held), "{level}: {held}");
        let told = camera.drain_warnings();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("us instead of 15700 us, background 2"),
            "{told:?}"
        );
        let before = driver.0.lock().unwrap().happenings.len();
        outcomes(&mut camera, 5);
        assert_eq!(driver.0.lock().unwrap().happenings.len(), before - 5);
        // Unplugged and back: the same exposure, and no frame is looked at for it.
        driver.0.lock().unwrap().happenings =
            VecDeque::from([Happening::Fails(libc::ENODEV), Happening::Lit { level }]);
        let said = outcomes(&mut camera, 2);
        assert!(
            said[0].starts_with("away") && said[1].starts_with("frame"),
            "{said:?}"
        );
        assert_eq!(exposure(&driver), held);
    }
}

#[test]
fn a_camera_that_goes_while_its_light_is_set_is_away_and_set_again() {
    let driver = adjustable(0);
    let lit = || Happening::Lit { level: 3.0 };
    {
        let mut bench = driver.0.lock().unwrap();
        bench.happenings = (0..9).map(|_| lit()).collect();
        bench.happenings.push_back(Happening::Fails(libc::ENODEV));
        bench.happenings.extend((0..100).map(|_| lit()));
    }
    let mut camera = open_with(&driver, ControlSettings::default());
    let said = outcomes(&mut camera, 2);
    assert!(said[0].starts_with("away: is not connected"), "{said:?}");
    assert!(said[1].starts_with("frame"), "{said:?}");
    let held = driver.0.lock().unwrap().controls[&Control::Exposure].value;
    assert!((67..=74).contains(&held), "{held}");
}

#[test]
fn a_camera_that_keeps_sending_bad_frames_is_opened_in_its_other_format() {
    let short = || good(vec![16; 10]);
    let mut happenings: Vec<Happening> = (0..9).map(|_| short()).collect();
    // A good one in between: no row of ten yet.
    happenings.push(good(yuyv(90)));
    happenings.extend((0..10).map(|_| short()));
    happenings.extend((0..2).map(|_| good(jpeg(WIDTH_PX, HEIGHT_PX))));
    happenings.push(Happening::Fails(libc::ENODEV));
    happenings.push(good(jpeg(WIDTH_PX, HEIGHT_PX)));
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"YUYV", b"MJPG"])],
        happenings,
    );
    let mut camera = open(&driver);
    let said = outcomes(&mut camera, 24);
    assert!(said[..9].iter().all(|said| said.starts_with("dropped")));
    assert_eq!(said[9], "frame 9");
    assert!(said[10..19].iter().all(|said| said.starts_with("dropped")));
    assert_eq!(
        said[19],
        "away: gave 10 bad frames in a row as YUYV; it is opened in MJPG"
    );
    assert_eq!(&said[20..22], ["frame 20", "frame 21"]);
    assert!(said[22].starts_with("away: is not connected"), "{said:?}");
    // Unplugged and back, it is opened as it worked.
    assert_eq!(said[23], "frame 22");
    assert_eq!(driver.0.lock().unwrap().formats, ["YUYV", "MJPG", "MJPG"]);
    assert_eq!(camera.format().as_deref(), Some("MJPG"));
    let told = camera.drain_warnings();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("10 YUYV frames in a row were bad"),
        "{told:?}"
    );
    assert!(told[0].ends_with("MJPG is used instead"), "{told:?}");
}

#[test]
fn formats_are_not_changed_for_ever_nor_without_another() {
    let cases: [(&[&[u8; 4]], &[&str]); 3] = [
        (&[b"YUYV", b"MJPG"], &["YUYV", "MJPG", "YUYV", "MJPG"]),
        (&[b"MJPG", b"GREY"], &["MJPG"]),
        (&[b"YUYV"], &["YUYV"]),
    ];
    for (formats, expected) in cases {
        let happenings = (0..200).map(|_| good(vec![16; 10])).collect();
        let driver = driver(vec![camera_node("/dev/video0", formats)], happenings);
        let mut camera = open(&driver);
        let said = outcomes(&mut camera, 100);
        let changes = said.iter().filter(|said| said.starts_with("away")).count();
        assert_eq!(changes, expected.len() - 1, "{said:?}");
        assert_eq!(driver.0.lock().unwrap().formats, expected);
    }
}

#[test]
fn another_format_that_cannot_be_opened_is_left_again() {
    let mut happenings: Vec<Happening> = (0..10).map(|_| good(vec![16; 10])).collect();
    happenings.push(good(yuyv(90)));
    let driver = driver(
        vec![camera_node("/dev/video0", &[b"YUYV", b"MJPG"])],
        happenings,
    );
    let mut camera = open(&driver);
    driver.0.lock().unwrap().start_errors = VecDeque::from([libc::EIO]);
    let said = outcomes(&mut camera, 12);
    assert!(said[10].starts_with("away: failed"), "{said:?}");
    assert_eq!(said[11], "frame 10");
    assert_eq!(driver.0.lock().unwrap().formats, ["YUYV", "YUYV"]);
}
