//! What goes over the wires, decoded back into the image on the glass.

use super::*;
use embedded_hal::{digital, spi};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const IMAGE_PX: (u32, u32) = (320, 240);
const CASET: u8 = 0x2a;
const RASET: u8 = 0x2b;
const RAMWR: u8 = 0x2c;
const MADCTL: u8 = 0x36;
const COLMOD: u8 = 0x3a;
const SLPOUT: u8 = 0x11;
const DISPON: u8 = 0x29;
const INVON: u8 = 0x21;
/// Bits of MADCTL: rows and columns reversed, swapped, blue first.
const MY: u8 = 0x80;
const MX: u8 = 0x40;
const MV: u8 = 0x20;
const BGR: u8 = 0x08;

/// A panel at the other end of the wires: a decoder of commands, with memory as the controllers
/// have it.
#[derive(Debug, Default)]
struct Glass {
    is_data: bool,
    command: u8,
    arguments: Vec<u8>,
    madctl: u8,
    is_awake: bool,
    is_on: bool,
    is_inverted: bool,
    bits_16: bool,
    columns: Range<u32>,
    pages: Range<u32>,
    at: (u32, u32),
    half_pixel: Option<u8>,
    /// RGB565 by column and row of the memory.
    memory: Vec<u16>,
    light: Option<bool>,
    resets: u32,
    bytes: usize,
    longest_transfer: usize,
    fails: bool,
    connections: u32,
}

impl Glass {
    fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            memory: vec![0; (MEMORY_PX.0 * MEMORY_PX.1) as usize],
            ..Self::default()
        }))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.longest_transfer = self.longest_transfer.max(bytes.len());
        for byte in bytes {
            if !self.is_data {
                self.command = *byte;
                self.arguments.clear();
                self.half_pixel = None;
                self.begin();
            } else if self.command == RAMWR {
                match self.half_pixel.take() {
                    None => self.half_pixel = Some(*byte),
                    Some(high) => self.put(u16::from_be_bytes([high, *byte])),
                }
            } else {
                self.arguments.push(*byte);
                self.set();
            }
        }
    }

    fn begin(&mut self) {
        match self.command {
            SLPOUT => self.is_awake = true,
            DISPON => self.is_on = true,
            INVON => self.is_inverted = true,
            RAMWR => self.at = (self.columns.start, self.pages.start),
            _ => {}
        }
    }

    fn set(&mut self) {
        match (self.command, self.arguments.as_slice()) {
            (MADCTL, [bits]) => self.madctl = *bits,
            (COLMOD, [format]) => self.bits_16 = format & 7 == 5,
            (CASET | RASET, [a, b, c, d]) => {
                let first = u32::from(u16::from_be_bytes([*a, *b]));
                let last = u32::from(u16::from_be_bytes([*c, *d]));
                let range = first..last + 1;
                if self.command == CASET {
                    self.columns = range;
                } else {
                    self.pages = range;
                }
            }
            _ => {}
        }
    }

    /// Columns run fastest; where a window ends, it begins again.
    fn put(&mut self, colour: u16) {
        let (column, page) = self.at;
        let is_swapped = self.madctl & MV != 0;
        let (mut x, mut y) = if is_swapped {
            (page, column)
        } else {
            (column, page)
        };
        if self.madctl & MX != 0 {
            x = MEMORY_PX.0 - 1 - x;
        }
        if self.madctl & MY != 0 {
            y = MEMORY_PX.1 - 1 - y;
        }
        self.memory[(y * MEMORY_PX.0 + x) as usize] = colour;
        self.at.0 += 1;
        if self.at.0 == self.columns.end {
            self.at = (self.columns.start, self.at.1 + 1);
        }
        if self.at.1 == self.pages.end {
            self.at.1 = self.pages.start;
        }
    }

    /// The colour that is seen at a place of the glass; that of an ILI9341 is mirrored.
    fn seen(&self, controller: Controller, (x, y): (u32, u32)) -> u16 {
        let x = match controller {
            Controller::Ili9341 => MEMORY_PX.0 - 1 - x,
            Controller::St7789 => x,
        };
        self.memory[(y * MEMORY_PX.0 + x) as usize]
    }
}

#[derive(Debug)]
struct Fault;

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no answer from the bench")
    }
}

impl spi::Error for Fault {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl digital::Error for Fault {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

#[derive(Clone, Copy)]
enum Wire {
    DataCommand,
    Reset,
    Backlight,
}

struct BenchSpi(Arc<Mutex<Glass>>);
struct BenchLine(Arc<Mutex<Glass>>, Wire);
struct NoDelay;

impl spi::ErrorType for BenchSpi {
    type Error = Fault;
}

impl SpiDevice for BenchSpi {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Fault> {
        let mut glass = locked(&self.0);
        if glass.fails {
            return Err(Fault);
        }
        for operation in operations {
            match operation {
                spi::Operation::Write(bytes) => glass.take(bytes),
                other => panic!("a panel is only written to: {other:?}"),
            }
        }
        Ok(())
    }
}

impl digital::ErrorType for BenchLine {
    type Error = Fault;
}

impl BenchLine {
    fn set(&self, level: bool) {
        let mut glass = locked(&self.0);
        match self.1 {
            Wire::DataCommand => glass.is_data = level,
            Wire::Reset => glass.resets += u32::from(!level),
            Wire::Backlight => glass.light = Some(level),
        }
    }
}

impl OutputPin for BenchLine {
    fn set_low(&mut self) -> Result<(), Fault> {
        self.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Fault> {
        self.set(true);
        Ok(())
    }
}

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

type BenchPanel = Wired<BenchSpi, BenchLine, NoDelay>;

fn settings(controller: Controller, (width_px, height_px): (u16, u16)) -> SpiSettings {
    SpiSettings {
        controller,
        device: "/dev/spidev0.0".into(),
        clock_hz: 32_000_000,
        gpio_chip: "/dev/gpiochip0".into(),
        data_command_line: 25,
        reset_line: None,
        backlight_line: None,
        width_px,
        height_px,
    }
}

fn panel(glass: &Arc<Mutex<Glass>>, controller: Controller, turned: Rotation) -> BenchPanel {
    let glass = Arc::clone(glass);
    let connect = Box::new(move || {
        let line = |wire| BenchLine(Arc::clone(&glass), wire);
        let mut seen = locked(&glass);
        seen.connections += 1;
        if seen.fails {
            return Err("cannot be opened".to_owned());
        }
        drop(seen);
        Ok(Wires {
            spi: BenchSpi(Arc::clone(&glass)),
            data_command: line(Wire::DataCommand),
            reset: Some(line(Wire::Reset)),
            backlight: Some(line(Wire::Backlight)),
        })
    });
    let name = "spi:/dev/spidev0.0".to_owned();
    Wired::new(name, (controller, turned), IMAGE_PX, connect, NoDelay)
}

fn locked(glass: &Arc<Mutex<Glass>>) -> MutexGuard<'_, Glass> {
    // A test that has failed must not fail again while it leaves.
    glass.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An image of which neighbours differ in every channel.
fn image(seed: u32) -> Canvas {
    let mut canvas = Canvas::new(IMAGE_PX.0, IMAGE_PX.1).unwrap();
    for (at, byte) in (seed..).zip(canvas.rgb_mut()) {
        *byte = (at.wrapping_mul(2_654_435_761) >> 24) as u8;
    }
    canvas
}

/// The nearest colour of 5, 6 and 5 bits.
fn rgb565(rgb: &[u8]) -> u16 {
    let level = |value: u8, max: u16| (u16::from(value) * max * 2 + 255) / 510;
    level(rgb[0], 31) << 11 | level(rgb[1], 63) << 5 | level(rgb[2], 31)
}

const ALL_ROWS: &[Range<u32>] = std::slice::from_ref(&(0..IMAGE_PX.1));

#[track_caller]
fn assert_seen(glass: &Glass, controller: Controller, turned: Rotation, canvas: &Canvas) {
    let mut wrong = Vec::new();
    for y in 0..IMAGE_PX.1 {
        for x in 0..IMAGE_PX.0 {
            let at = (y * IMAGE_PX.0 + x) as usize * 3;
            let expected = rgb565(&canvas.rgb()[at..at + 3]);
            let seen = glass.seen(controller, turned.turned((x, y), IMAGE_PX));
            if seen != expected {
                wrong.push((x, y, seen, expected));
            }
        }
    }
    assert_eq!(
        wrong.len(),
        0,
        "{controller:?} {turned:?}: {:?}",
        wrong.first()
    );
}

#[test]
fn the_glass_shows_the_image_pixel_for_pixel() {
    // How a panel is described, and how far the image is turned on it.
    let described = [
        ((320, 240), Rotation::None),
        ((240, 320), Rotation::Quarter),
        ((320, 240), Rotation::Half),
        ((240, 320), Rotation::ThreeQuarters),
    ];
    for controller in [Controller::Ili9341, Controller::St7789] {
        for (panel_px, rotation) in described {
            let settings = settings(controller, panel_px);
            let turned = turned_on_memory(&settings, rotation, IMAGE_PX).unwrap();
            let glass = Glass::new();
            let mut panel = panel(&glass, controller, turned);
            panel.present(Instant::now(), &image(1), ALL_ROWS).unwrap();
            let glass = locked(&glass);
            assert_seen(&glass, controller, turned, &image(1));
            assert!(glass.is_awake && glass.is_on && glass.bits_16);
            assert_eq!(glass.madctl & BGR != 0, controller == Controller::Ili9341);
            assert_eq!(glass.is_inverted, controller == Controller::St7789);
            assert_eq!((glass.resets, glass.light), (1, Some(true)));
            assert!(glass.longest_transfer <= bus::MAX_TRANSFER_BYTES);
        }
    }
}

#[test]
fn one_changed_row_sends_about_one_row() {
    let glass = Glass::new();
    let mut panel = panel(&glass, Controller::St7789, Rotation::Quarter);
    let now = Instant::now();
    let mut canvas = image(1);
    panel.present(now, &canvas, ALL_ROWS).unwrap();
    let stride = canvas.stride();
    canvas.rgb_mut()[77 * stride..78 * stride].fill(200);
    locked(&glass).bytes = 0;
    panel
        .present(now, &canvas, std::slice::from_ref(&(77..78)))
        .unwrap();
    let row_bytes = IMAGE_PX.0 as usize * 2;
    // Window and command: 11 bytes.
    assert_eq!(locked(&glass).bytes, row_bytes + 11);
    assert_seen(
        &locked(&glass),
        Controller::St7789,
        Rotation::Quarter,
        &canvas,
    );
    panel.present(now, &canvas, &[]).unwrap();
    assert_eq!(locked(&glass).bytes, row_bytes + 11);
}

#[test]
fn a_bus_that_fails_is_tried_again_ever_less_often_and_then_shows_all() {
    let glass = Glass::new();
    let mut panel = panel(&glass, Controller::Ili9341, Rotation::Quarter);
    let start = Instant::now();
    panel.present(start, &image(1), ALL_ROWS).unwrap();
    locked(&glass).fails = true;
    let error = panel.present(start, &image(2), ALL_ROWS).unwrap_err();
    let message = error.to_string();
    for part in ["spi:/dev/spidev0.0", "no answer", "wires", "goes on"] {
        assert!(message.contains(part), "{part} missing in {message}");
    }
    assert_eq!(locked(&glass).light, Some(false), "an old image is not lit");
    locked(&glass).connections = 0;
    let mut tries = Vec::new();
    for second in 1..=100 {
        let before = locked(&glass).connections;
        let now = start + Duration::from_secs(second);
        assert!(panel.present(now, &image(2), &[]).is_err());
        if locked(&glass).connections > before {
            tries.push(second);
        }
    }
    assert_eq!(tries, [1, 3, 7, 15, 31, 61, 91]);
    locked(&glass).fails = false;
    let now = start + Duration::from_secs(121);
    panel.present(now, &image(2), &[]).unwrap();
    assert_seen(
        &locked(&glass),
        Controller::Ili9341,
        Rotation::Quarter,
        &image(2),
    );
    assert_eq!(locked(&glass).light, Some(true));
}

#[test]
fn the_light_goes_on_with_the_first_image_and_off_when_told() {
    let glass = Glass::new();
    let mut panel = panel(&glass, Controller::St7789, Rotation::Quarter);
    panel.switch_on().unwrap();
    panel.set_brightness(80).unwrap();
    assert_eq!(locked(&glass).light, None, "nothing to see yet");
    let now = Instant::now();
    panel.present(now, &image(1), ALL_ROWS).unwrap();
    for percent in [0, 100, 0] {
        panel.set_brightness(percent).unwrap();
        assert_eq!(locked(&glass).light, Some(percent > 0));
    }
    panel.present(now, &image(2), ALL_ROWS).unwrap();
    assert_eq!(
        locked(&glass).light,
        Some(false),
        "an image does not light it"
    );
    panel.set_brightness(100).unwrap();
    drop(panel);
    assert_eq!(locked(&glass).light, Some(false));
}

#[test]
fn panels_that_the_screen_does_not_fill_are_refused() {
    let cases = [
        ((320, 240), Rotation::Quarter, IMAGE_PX, "does not fill"),
        ((480, 320), Rotation::None, IMAGE_PX, "--size"),
        (
            (480, 320),
            Rotation::None,
            (480, 320),
            "240x320 pixels, not 480x320",
        ),
    ];
    for (panel_px, rotation, image_px, says) in cases {
        let settings = settings(Controller::St7789, panel_px);
        let error = turned_on_memory(&settings, rotation, image_px).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn wires_that_are_not_there_are_named_with_a_remedy() {
    let mut settings = PanelSettings {
        spi: Some(SpiSettings {
            device: "/dev/no-spidev".into(),
            ..settings(Controller::St7789, (320, 240))
        }),
        ..PanelSettings::default()
    };
    let error = SpiPanel::open(&settings, IMAGE_PX).err().unwrap();
    assert!(error.to_string().contains("/dev/no-spidev"), "{error}");
    settings.spi = None;
    let error = SpiPanel::open(&settings, IMAGE_PX).err().unwrap();
    assert!(matches!(error, PanelError::NoWiring), "{error}");
}
