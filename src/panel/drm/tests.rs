//! A display that is flipped, copied to or read, plugged out and in, without a kernel: a card in
//! memory that shows only what a real one would show.

use super::*;
use crate::panel::drm::card::FoundDisplay;
use crate::panel::drm::placement::{DisplayMode, PIXEL_BYTES};
use std::sync::{Arc, Mutex};

const IMAGE_PX: (u32, u32) = (6, 4);
const DISPLAY_PX: (u32, u32) = (14, 13);
/// Rows are padded, as a real card's often are.
const PITCH: usize = 64;
const FACTOR: u32 = 2;

/// What a card does, seen from outside of it.
#[derive(Debug)]
struct Bench {
    is_plugged: bool,
    is_there: bool,
    held_by_another: bool,
    showing: Showing,
    /// Flips happen at once; otherwise when the test says so.
    flips_at_once: bool,
    refuses_flips: bool,
    fails_to_write: bool,
    display_px: (u32, u32),
    buffers: [Vec<u8>; 2],
    on_display: usize,
    /// What the driver has copied, where it copies.
    copied: Vec<u8>,
    flipping: Option<usize>,
    is_lit: bool,
    rows_written: usize,
    opened: u32,
}

impl Bench {
    fn new(showing: Showing) -> Arc<Mutex<Self>> {
        let memory = || vec![0; PITCH * DISPLAY_PX.1 as usize];
        Arc::new(Mutex::new(Self {
            is_plugged: true,
            is_there: true,
            held_by_another: false,
            showing,
            flips_at_once: true,
            refuses_flips: false,
            fails_to_write: false,
            display_px: DISPLAY_PX,
            buffers: [memory(), memory()],
            on_display: 0,
            copied: memory(),
            flipping: None,
            is_lit: false,
            rows_written: 0,
            opened: 0,
        }))
    }

    fn shown(&self) -> Option<&[u8]> {
        let bytes = match self.showing {
            Showing::Copied => &self.copied,
            Showing::Flipped | Showing::InPlace => &self.buffers[self.on_display],
        };
        self.is_lit.then_some(bytes)
    }
}

struct FakeCard(Arc<Mutex<Bench>>);

impl FakeCard {
    fn bench(&self) -> io::Result<std::sync::MutexGuard<'_, Bench>> {
        let bench = self.0.lock().unwrap();
        if bench.is_there {
            Ok(bench)
        } else {
            Err(io::Error::from_raw_os_error(libc::ENODEV))
        }
    }
}

impl Card for FakeCard {
    fn find(&mut self, connector: Option<&str>) -> io::Result<Option<FoundDisplay>> {
        let bench = self.bench()?;
        let is_wanted = connector.is_none_or(|wanted| wanted == "HDMI-A-1");
        Ok((bench.is_plugged && is_wanted).then(|| FoundDisplay {
            connector: "HDMI-A-1".to_owned(),
            modes: vec![DisplayMode {
                size_px: bench.display_px,
                is_preferred: true,
            }],
        }))
    }

    fn light(&mut self, _mode: usize) -> io::Result<Showing> {
        let mut bench = self.bench()?;
        bench.is_lit = true;
        bench.on_display = 0;
        bench.flipping = None;
        bench.copied.fill(0);
        bench.buffers.iter_mut().for_each(|buffer| buffer.fill(0));
        Ok(bench.showing)
    }

    fn is_connected(&mut self) -> io::Result<bool> {
        Ok(self.bench()?.is_plugged)
    }

    fn write(&mut self, buffer: usize, write: &mut dyn FnMut(&mut [u8], usize)) -> io::Result<()> {
        let mut bench = self.bench()?;
        if bench.fails_to_write {
            return Err(io::Error::other("the bus is stuck"));
        }
        assert!(
            bench.showing != Showing::Flipped
                || bench.refuses_flips
                || !bench.flips_at_once
                || buffer != bench.on_display,
            "a buffer is written while the display reads it"
        );
        let before = bench.buffers[buffer].clone();
        write(&mut bench.buffers[buffer], PITCH);
        let rows = before
            .chunks(PITCH)
            .zip(bench.buffers[buffer].chunks(PITCH));
        bench.rows_written += rows.filter(|(old, new)| old != new).count();
        Ok(())
    }

    fn copy(&mut self, areas: &[Area]) -> io::Result<()> {
        let bench = &mut *self.bench()?;
        for area in areas {
            for row in area.top_px..area.bottom_px {
                let start = row as usize * PITCH;
                let left = start + area.left_px as usize * PIXEL_BYTES;
                let right = start + area.right_px as usize * PIXEL_BYTES;
                bench.copied[left..right].copy_from_slice(&bench.buffers[0][left..right]);
            }
        }
        Ok(())
    }

    fn flip(&mut self, buffer: usize) -> io::Result<()> {
        let mut bench = self.bench()?;
        if bench.refuses_flips {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        assert_eq!(
            bench.flipping, None,
            "a flip before the last one has happened"
        );
        if bench.flips_at_once {
            bench.on_display = buffer;
        } else {
            bench.flipping = Some(buffer);
        }
        Ok(())
    }

    fn has_flipped(&mut self) -> io::Result<bool> {
        Ok(self.bench()?.flipping.is_none())
    }

    fn darken(&mut self) {
        self.0.lock().unwrap().is_lit = false;
    }
}

fn scanout(bench: &Arc<Mutex<Bench>>, rotation: Rotation) -> Scanout<FakeCard> {
    let again = Arc::clone(bench);
    let open = Box::new(move || {
        let mut bench = again.lock().unwrap();
        if !bench.is_there || bench.held_by_another {
            return Err(io::Error::other("another program holds its displays"));
        }
        bench.opened += 1;
        drop(bench);
        Ok(FakeCard(Arc::clone(&again)))
    });
    let request = ModeRequest {
        connector: None,
        rotation,
        image_px: IMAGE_PX,
    };
    let card = FakeCard(Arc::clone(bench));
    Scanout::new("drm:/dev/dri/card0".to_owned(), request, card, open)
}

/// An image of which every pixel depends on a seed.
fn image(seed: u8) -> Canvas {
    let mut canvas = Canvas::new(IMAGE_PX.0, IMAGE_PX.1).unwrap();
    for (at, byte) in canvas.rgb_mut().iter_mut().enumerate() {
        *byte = seed.wrapping_mul(31).wrapping_add(at as u8);
    }
    canvas
}

/// What a display of this size has to show of an image: enlarged, in the middle, black around.
fn expected(canvas: &Canvas, rotation: Rotation) -> Vec<u8> {
    let turned_px = rotation.turned_size(IMAGE_PX);
    let left = (DISPLAY_PX.0 - turned_px.0 * FACTOR) / 2;
    let top = (DISPLAY_PX.1 - turned_px.1 * FACTOR) / 2;
    let mut bytes = vec![0; PITCH * DISPLAY_PX.1 as usize];
    for y in 0..IMAGE_PX.1 {
        for x in 0..IMAGE_PX.0 {
            let rgb = &canvas.rgb()[(y * IMAGE_PX.0 + x) as usize * 3..][..3];
            let (turned_x, turned_y) = rotation.turned((x, y), IMAGE_PX);
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let column = left + turned_x * FACTOR + dx;
                let row = top + turned_y * FACTOR + dy;
                let at = row as usize * PITCH + column as usize * PIXEL_BYTES;
                bytes[at..at + 3].copy_from_slice(&[rgb[2], rgb[1], rgb[0]]);
            }
        }
    }
    bytes
}

#[track_caller]
fn assert_shown(bench: &Arc<Mutex<Bench>>, canvas: &Canvas, rotation: Rotation) {
    let bench = bench.lock().unwrap();
    assert_eq!(bench.shown(), Some(expected(canvas, rotation).as_slice()));
}

const ALL_ROWS: &[Range<u32>] = std::slice::from_ref(&(0..IMAGE_PX.1));
const MOMENT: Duration = Duration::from_millis(100);
const SHOWINGS: [Showing; 3] = [Showing::Copied, Showing::Flipped, Showing::InPlace];

#[test]
fn the_display_that_would_be_lit_says_how_large_it_is() {
    let bench = Bench::new(Showing::InPlace);
    let (width_px, height_px) = DISPLAY_PX;
    let shown = |connector, rotation, image_px| {
        let mut card = FakeCard(Arc::clone(&bench));
        shown_px(&mut card, connector, rotation, image_px)
    };
    let upright = shown(None, Rotation::None, IMAGE_PX);
    assert_eq!(upright, Some(DISPLAY_PX));
    let turned = shown(None, Rotation::Quarter, IMAGE_PX);
    assert_eq!(turned, Some((height_px, width_px)));
    assert_eq!(shown(Some("DSI-1"), Rotation::None, IMAGE_PX), None);
    assert_eq!(shown(None, Rotation::None, (width_px + 1, 1)), None);
    bench.lock().unwrap().is_plugged = false;
    assert_eq!(shown(None, Rotation::None, IMAGE_PX), None);
    bench.lock().unwrap().is_there = false;
    assert_eq!(shown(None, Rotation::None, IMAGE_PX), None);
    assert!(!bench.lock().unwrap().is_lit);
}

#[test]
fn every_image_is_shown_whole_though_only_changed_rows_are_sent() {
    for showing in SHOWINGS {
        for rotation in Rotation::ALL {
            let bench = Bench::new(showing);
            let mut scanout = scanout(&bench, rotation);
            let mut canvas = image(0);
            let mut now = Instant::now();
            scanout.present(now, &canvas, ALL_ROWS).unwrap();
            assert_shown(&bench, &canvas, rotation);
            for round in 1..9_u32 {
                let row = round * 3 % IMAGE_PX.1;
                let stride = canvas.stride();
                let bytes = &mut canvas.rgb_mut()[row as usize * stride..][..stride];
                bytes.iter_mut().for_each(|byte| *byte ^= 0xa5);
                now += MOMENT;
                scanout
                    .present(now, &canvas, std::slice::from_ref(&(row..row + 1)))
                    .unwrap();
                assert_shown(&bench, &canvas, rotation);
            }
        }
    }
}

#[test]
fn one_changed_row_writes_one_row_of_the_image() {
    for showing in [Showing::Copied, Showing::InPlace] {
        let bench = Bench::new(showing);
        let mut scanout = scanout(&bench, Rotation::None);
        let now = Instant::now();
        scanout.present(now, &image(0), ALL_ROWS).unwrap();
        bench.lock().unwrap().rows_written = 0;
        let other = image(1);
        scanout
            .present(now, &other, std::slice::from_ref(&(2..3)))
            .unwrap();
        assert_eq!(bench.lock().unwrap().rows_written, FACTOR as usize);
        scanout.present(now, &other, &[]).unwrap();
        assert_eq!(bench.lock().unwrap().rows_written, FACTOR as usize);
    }
}

#[test]
fn a_display_that_is_unplugged_and_plugged_in_again_shows_the_whole_screen() {
    for showing in SHOWINGS {
        let bench = Bench::new(showing);
        let mut scanout = scanout(&bench, Rotation::None);
        let mut now = Instant::now();
        scanout.present(now, &image(0), ALL_ROWS).unwrap();
        bench.lock().unwrap().is_plugged = false;
        now += POLL_INTERVAL;
        let error = scanout.present(now, &image(0), &[]).unwrap_err();
        let message = error.to_string();
        for part in ["drm:/dev/dri/card0", "HDMI-A-1", "unplugged", "goes on"] {
            assert!(message.contains(part), "{part} missing in {message}");
        }
        assert_eq!(bench.lock().unwrap().shown(), None);
        bench.lock().unwrap().is_plugged = true;
        // Looked at once a second, not more often.
        now += MOMENT;
        assert!(scanout.present(now, &image(1), ALL_ROWS).is_err());
        now += POLL_INTERVAL;
        scanout.present(now, &image(1), &[]).unwrap();
        assert_shown(&bench, &image(1), Rotation::None);
    }
}

#[test]
fn a_run_may_start_without_a_display() {
    let bench = Bench::new(Showing::Flipped);
    bench.lock().unwrap().is_plugged = false;
    let mut scanout = scanout(&bench, Rotation::None);
    let now = Instant::now();
    let message = scanout
        .present(now, &image(0), ALL_ROWS)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no display"), "{message}");
    bench.lock().unwrap().is_plugged = true;
    scanout
        .present(now + POLL_INTERVAL, &image(0), &[])
        .unwrap();
    assert_shown(&bench, &image(0), Rotation::None);
    let device = scanout.describe();
    assert!(device.contains("HDMI-A-1 with 14x13"), "{device}");
}

#[test]
fn a_display_that_is_too_small_is_named_with_a_remedy() {
    let bench = Bench::new(Showing::Copied);
    bench.lock().unwrap().display_px = (6, 3);
    let mut scanout = scanout(&bench, Rotation::None);
    let error = scanout.present(Instant::now(), &image(0), ALL_ROWS);
    let message = error.unwrap_err().to_string();
    assert!(message.contains("--size"), "{message}");
    assert!(message.contains("6x4"), "{message}");
}

#[test]
fn only_the_named_connector_is_taken() {
    let bench = Bench::new(Showing::Copied);
    let mut scanout = scanout(&bench, Rotation::None);
    scanout.request.connector = Some("DSI-1".to_owned());
    let error = scanout.present(Instant::now(), &image(0), ALL_ROWS);
    let message = error.unwrap_err().to_string();
    assert!(message.contains("at DSI-1"), "{message}");
}

#[test]
fn a_card_that_goes_or_fails_is_opened_again() {
    type Fault = fn(&mut Bench, bool);
    let faults: [(&str, Fault); 2] = [
        ("card gone", |bench, is_broken| bench.is_there = !is_broken),
        ("stuck", |bench, is_broken| bench.fails_to_write = is_broken),
    ];
    for (name, fault) in faults {
        let bench = Bench::new(Showing::Flipped);
        let mut scanout = scanout(&bench, Rotation::None);
        let mut now = Instant::now();
        scanout.present(now, &image(0), ALL_ROWS).unwrap();
        fault(&mut bench.lock().unwrap(), true);
        for _ in 0..3 {
            now += POLL_INTERVAL;
            assert!(scanout.present(now, &image(1), ALL_ROWS).is_err(), "{name}");
        }
        fault(&mut bench.lock().unwrap(), false);
        bench.lock().unwrap().held_by_another = true;
        now += POLL_INTERVAL;
        assert!(scanout.present(now, &image(1), &[]).is_err(), "{name}");
        bench.lock().unwrap().held_by_another = false;
        now += POLL_INTERVAL;
        scanout.present(now, &image(1), &[]).unwrap();
        assert_shown(&bench, &image(1), Rotation::None);
        assert!(bench.lock().unwrap().opened > 0, "{name}");
    }
}

#[test]
fn an_image_that_comes_before_the_last_one_is_shown_waits_for_its_turn() {
    let bench = Bench::new(Showing::Flipped);
    bench.lock().unwrap().flips_at_once = false;
    let mut scanout = scanout(&bench, Rotation::None);
    let now = Instant::now();
    scanout.present(now, &image(0), ALL_ROWS).unwrap();
    // Not shown yet: nothing may be written or flipped.
    scanout.present(now, &image(1), ALL_ROWS).unwrap();
    let finish = || {
        let mut bench = bench.lock().unwrap();
        if let Some(buffer) = bench.flipping.take() {
            bench.on_display = buffer;
        }
    };
    finish();
    assert_shown(&bench, &image(0), Rotation::None);
    scanout.present(now + MOMENT, &image(1), &[]).unwrap();
    finish();
    assert_shown(&bench, &image(1), Rotation::None);
}

#[test]
fn flips_that_are_refused_or_never_come_are_done_without() {
    let bench = Bench::new(Showing::Flipped);
    bench.lock().unwrap().refuses_flips = true;
    let mut refused = scanout(&bench, Rotation::None);
    refused
        .present(Instant::now(), &image(2), ALL_ROWS)
        .unwrap();
    assert_shown(&bench, &image(2), Rotation::None);

    let bench = Bench::new(Showing::Flipped);
    bench.lock().unwrap().flips_at_once = false;
    let mut silent = scanout(&bench, Rotation::None);
    let now = Instant::now();
    silent.present(now, &image(3), ALL_ROWS).unwrap();
    // The buffer was changed, but the card never says so.
    bench.lock().unwrap().on_display = 1;
    silent.present(now + MAX_FLIP, &image(4), ALL_ROWS).unwrap();
    assert_shown(&bench, &image(4), Rotation::None);
}
