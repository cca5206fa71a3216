//! Measures registration on the continuous simulated smear, whose cells are known one by one.
//!
//! `cargo run --release --example registration -- STOPS [HAND ...]` plays so many stops of each
//! hand: every rest is taken once, and what was counted before is left out. A line for each hand
//! says what came of it, and how long a field took.

use anyhow::{Context, Result, bail};
use hemoscope::camera::hand::{Hand, HandCamera};
use hemoscope::camera::simulated::{SimulatedSmear, SmearSettings, View};
use hemoscope::camera::stage_watch::{StageState, StageWatch};
use hemoscope::camera::{Advice, CapturedFrame, FrameSource};
use hemoscope::registration::{Overlaps, Placement};
use std::collections::BTreeSet;
use std::env;
use std::time::{Duration, Instant};

/// A field of 77 by 58 um with some 28 red cells, as of 640x480 pixels at 0.12 um, in less time.
const FRAME_PX: (u32, u32) = (320, 240);
const UM_PER_PX: f64 = 0.24;
const SEED: u64 = 7;
/// Frames after which a hand moves on.
const PATIENCE_FRAMES: u32 = 20;

/// What a hand has brought to the count.
#[derive(Default)]
struct Seen {
    accepted: u64,
    /// Fields refused, and those of them of which most was new.
    refused: u64,
    refused_new: u64,
    /// Fields taken of which nearly all was counted before.
    whole_twice: u64,
    /// Cells counted, and how often one of them was counted before.
    cells: u64,
    twice: u64,
    counted: BTreeSet<u64>,
    /// Cells that accepted fields show.
    shown: BTreeSet<u64>,
    spent: Duration,
}

impl Seen {
    /// Takes a field that has something new, without what is left out of it.
    fn take(&mut self, smear: &mut SimulatedSmear, view: &View, older: &Overlaps) {
        let cells = smear.cells_in(view);
        let known = cells.iter().filter(|cell| self.shown.contains(&cell.id));
        self.whole_twice += u64::from(known.count() * 10 > cells.len() * 9);
        self.accepted += 1;
        for cell in cells {
            let at = [cell.centre_um.0 - view.x_um, cell.centre_um.1 - view.y_um];
            let [x_q4, y_q4] = at.map(|um| (um / UM_PER_PX * 16.0) as i32);
            let is_left_out = older.rectangles().any(|part| {
                (part.x0_q4..part.x1_q4).contains(&x_q4) && (part.y0_q4..part.y1_q4).contains(&y_q4)
            });
            self.shown.insert(cell.id);
            if !is_left_out {
                self.cells += 1;
                self.twice += u64::from(!self.counted.insert(cell.id));
            }
        }
    }

    fn refuse(&mut self, smear: &mut SimulatedSmear, view: &View) {
        let cells = smear.cells_in(view);
        let known = cells.iter().filter(|cell| self.shown.contains(&cell.id));
        self.refused += 1;
        self.refused_new += u64::from(known.count() * 2 < cells.len());
    }
}

fn play(hand: Hand, stops: u64) -> Result<Seen> {
    let smear = SimulatedSmear::new(SEED, SmearSettings::normal(FRAME_PX, UM_PER_PX))?;
    let mut camera = HandCamera::new(smear, hand, SEED).with_stops(stops, PATIENCE_FRAMES);
    let mut watch = StageWatch::default();
    let mut settled = BTreeSet::new();
    let mut seen = Seen::default();
    let mut captured = CapturedFrame::default();
    while camera.next_frame_into(&mut captured)? {
        let state = watch.observe(&captured.frame, |field| settled.contains(&field));
        let StageState::Resting { field } = state else {
            camera.advise(Advice::Stay);
            continue;
        };
        if settled.insert(field) {
            let start = Instant::now();
            let (placement, _) = watch.accept_new_part(&captured.frame);
            seen.spent += start.elapsed();
            let view = camera.view();
            match placement {
                Placement::New => seen.take(camera.smear(), &view, &Overlaps::new(FRAME_PX)),
                Placement::Overlaps(older) => seen.take(camera.smear(), &view, &older),
                Placement::CountedBefore => seen.refuse(camera.smear(), &view),
            }
        }
        camera.advise(Advice::MoveOn);
    }
    Ok(seen)
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let stops = arguments.next().context("give the number of stops")?;
    let stops = stops.parse().context("the number of stops")?;
    let mut hands = Vec::new();
    for name in arguments {
        match Hand::named(&name) {
            Some(hand) => hands.push(hand),
            None => bail!("{name}: no such hand; try careful, hasty, shaky, drifting or retracing"),
        }
    }
    if hands.is_empty() {
        hands.extend(Hand::ALL);
    }
    println!("hand       taken refused refused-new whole-twice cells-twice-% cells-lost-% ms");
    for hand in hands {
        let seen = play(hand, stops)?;
        let share = |part: u64, all: u64| 100.0 * part as f64 / all.max(1) as f64;
        let lost = (seen.shown.len() - seen.counted.len()) as u64;
        let fields = (seen.accepted + seen.refused).max(1);
        println!(
            "{:10} {:5} {:7} {:11} {:11} {:13.2} {:12.2} {:.2}",
            hand.name(),
            seen.accepted,
            seen.refused,
            seen.refused_new,
            seen.whole_twice,
            share(seen.twice, seen.cells),
            share(lost, seen.shown.len() as u64),
            seen.spent.as_secs_f64() * 1e3 / fields as f64,
        );
    }
    Ok(())
}
