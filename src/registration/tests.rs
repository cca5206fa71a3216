//! Overlap, return and separate fields on the continuous simulated smear.

use super::*;
use crate::camera::simulated::{SimulatedSlideSettings, SimulatedSmear, SmearSettings, View};
use crate::image::frame::Frame;
use crate::random::Random;

/// A field of 77 by 58 µm, as of a camera of 640x480 pixels at 0.12 µm.
const FRAME_PX: (u32, u32) = (320, 240);
const UM_PER_PX: f64 = 0.24;

fn smear(seed: u64) -> SimulatedSmear {
    SimulatedSmear::new(seed, SmearSettings::normal(FRAME_PX, UM_PER_PX)).unwrap()
}

/// A smear whose camera is four times as noisy.
fn noisy(seed: u64) -> SimulatedSmear {
    let normal = SmearSettings::normal(FRAME_PX, UM_PER_PX);
    let slide = SimulatedSlideSettings {
        full_well_electrons: 1000.0,
        read_noise_levels: 3.0,
        ..normal.slide.clone()
    };
    let settings = SmearSettings { slide, ..normal };
    SimulatedSmear::new(seed, settings).unwrap()
}

fn reduced(frame: &Frame) -> FrameReduced {
    let mut reduced = FrameReduced::default();
    reduced.reduce(frame);
    reduced
}

/// Views that have nothing in common.
fn separate_views(smear: &SimulatedSmear, count: usize) -> Vec<View> {
    (0..count)
        .map(|place| {
            let (column, row) = ((place % 30) as f64, (place / 30) as f64);
            smear.view_at(200.0 + 131.0 * column, 300.0 + 117.0 * row)
        })
        .collect()
}

/// A view shifted by whole and half pixels, that has this part of the field in common or more.
fn shifted(
    smear: &SimulatedSmear,
    view: &View,
    least: f64,
    random: &mut Random,
) -> (View, [f64; 2]) {
    loop {
        let (width, height) = (f64::from(FRAME_PX.0), f64::from(FRAME_PX.1));
        let dx = (random.between(-width, width) * 2.0).floor() / 2.0;
        let dy = (random.between(-height, height) * 2.0).floor() / 2.0;
        let part = (1.0 - dx.abs() / width) * (1.0 - dy.abs() / height);
        if part >= least {
            let at = smear.view_at(view.x_um + dx * UM_PER_PX, view.y_um + dy * UM_PER_PX);
            return (at, [dx, dy]);
        }
    }
}

/// Less light, and of another colour.
fn dim(frame: &mut Frame) {
    for pixel in frame.rgb_mut().chunks_exact_mut(3) {
        for (level, factor) in pixel.iter_mut().zip([230, 205, 180]) {
            *level = (u32::from(*level) * factor / 256) as u8;
        }
    }
}

fn count(placement: Placement) -> usize {
    match placement {
        Placement::New => 0,
        Placement::Overlaps(overlaps) => overlaps.iter().count(),
        Placement::CountedBefore => 1,
    }
}

#[test]
fn separate_fields_are_new() {
    let mut found = 0;
    let mut pairs = 0;
    for make in [smear, noisy] {
        let mut smear = make(1);
        let mut registry = Registry::with_room(64);
        for (number, view) in separate_views(&smear, 46).iter().enumerate() {
            let frame = reduced(&smear.expose(view, 0.0, number as u64).unwrap());
            found += count(registry.assess(&frame));
            pairs += registry.len();
            registry.accept(&frame);
        }
    }
    assert!(pairs > 2000);
    assert!(found * 50 <= pairs, "{found} overlaps in {pairs} pairs");
}

#[test]
fn shifted_views_are_found_in_another_light_and_with_other_noise() {
    const TRIALS: usize = 120;
    let mut wrong = Vec::new();
    for (make, seed) in [(smear as fn(u64) -> SimulatedSmear, 2), (noisy, 3)] {
        let mut smear = make(seed);
        let mut random = Random::new(seed);
        let views = separate_views(&smear, TRIALS / 2);
        let mut registry = Registry::with_room(views.len());
        for (number, view) in views.iter().enumerate() {
            let frame = smear.expose(view, 0.0, number as u64).unwrap();
            registry.accept(&reduced(&frame));
        }
        for (number, view) in views.iter().enumerate() {
            let (other, shift) = shifted(&smear, view, 0.05, &mut random);
            let mut frame = smear.expose(&other, 0.2, 1000 + number as u64).unwrap();
            dim(&mut frame);
            let placement = registry.assess(&reduced(&frame));
            let is_near = |overlap: &Overlap| {
                (f64::from(overlap.dx_px) + shift[0]).abs() <= 2.0
                    && (f64::from(overlap.dy_px) + shift[1]).abs() <= 2.0
            };
            let part = (1.0 - shift[0].abs() / 320.0) * (1.0 - shift[1].abs() / 240.0);
            let is_right = match placement {
                Placement::New => false,
                Placement::Overlaps(overlaps) => part < 0.52 && overlaps.iter().any(is_near),
                // A strip that is none may come on top.
                Placement::CountedBefore => part > 0.4,
            };
            if !is_right {
                wrong.push(format!("{part:.2} {shift:?}: {placement:?}"));
            }
        }
    }
    assert!(wrong.len() * 100 <= TRIALS, "{}", wrong.join("\n"));
}
