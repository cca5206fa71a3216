//! How often an interval holds the truth: sessions drawn at random, counted and judged.
//!
//! `cargo test --lib count::tests::coverage -- --nocapture` prints the table of docs/statistics.md.

use crate::cell::{CellClass, PerClass};
use crate::count::{CountRules, FieldTally, SmearTally};
use crate::random::Random;
use std::ops::RangeInclusive;

const SESSIONS: u32 = 2_000;
const FIELDS: [i64; 2] = [10, 60];
/// Normal blood, on fields of half a monolayer.
const RBC_PER_FIELD: f64 = 100.0;
const PLT_PER_RBC: f64 = 36.0 / 714.0;
/// What is asked for, of all sessions of an index.
const COVERAGE: RangeInclusive<f64> = 0.935..=0.98;

/// A count of this mean whose variance is `index` times the mean: Poisson at 1, negative binomial
/// above, by adding up probabilities.
fn draw(mean: f64, index: f64, random: &mut Random) -> u32 {
    let point = random.unit();
    let size = mean / (index - 1.0);
    let mut probability = if index > 1.0 {
        index.powf(-size)
    } else {
        (-mean).exp()
    };
    let mut sum = probability;
    let mut count = 0;
    while sum < point && count < 100_000 {
        let k = f64::from(count);
        count += 1;
        probability *= if index > 1.0 {
            (k + size) / (k + 1.0) * (1.0 - 1.0 / index)
        } else {
            mean / (k + 1.0)
        };
        sum += probability;
    }
    count
}

/// A session of so many fields.
fn session(fields: i64, index: f64, random: &mut Random) -> SmearTally {
    let mut smear = SmearTally::default();
    (0..fields).for_each(|_| add_field(&mut smear, index, random));
    smear
}

/// Adds a field, whose thickness differs from the next one's by up to a third.
fn add_field(smear: &mut SmearTally, index: f64, random: &mut Random) {
    let thickness = random.between(2.0 / 3.0, 4.0 / 3.0);
    let rbc = thickness * RBC_PER_FIELD;
    let field = FieldTally {
        certain: PerClass::from([
            (CellClass::Rbc, draw(rbc, 1.0, random)),
            (CellClass::Plt, draw(rbc * PLT_PER_RBC, index, random)),
        ]),
        uncertain: 0,
        area_q8: 256,
        has_clump: false,
    };
    smear.add(&field).unwrap();
}

#[test]
fn intervals_hold_the_ratio_of_the_slide() {
    let rules = CountRules::default();
    let truth = 1000.0 * PLT_PER_RBC;
    let mut wrong = Vec::new();
    for (seed, index) in [(1, 1.0), (2, 1.5), (3, 2.0), (4, 3.0)] {
        let mut random = Random::new(seed);
        let (mut held, mut width) = (0, 0.0);
        for _ in 0..SESSIONS {
            let fields = random.within(FIELDS[0], FIELDS[1]);
            let summary = session(fields, index, &mut random).summary(&rules);
            let figure = summary.class(CellClass::Plt).per_1000_rbc.unwrap().unwrap();
            let interval = figure.interval();
            held += u32::from((interval.low..=interval.high).contains(&truth));
            width += (interval.high - interval.low) / figure.value() / 2.0;
        }
        let coverage = f64::from(held) / f64::from(SESSIONS);
        let half_width = width / f64::from(SESSIONS);
        println!("index {index}: {coverage:.4} of {SESSIONS}, half width {half_width:.3}");
        if !COVERAGE.contains(&coverage) {
            wrong.push(format!("index {index}: {coverage}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn stopping_at_the_target_keeps_coverage_precision_and_centre() {
    const SESSIONS: u32 = 600;
    let rules = CountRules::default();
    let truth = 1000.0 * PLT_PER_RBC;
    let mut wrong = Vec::new();
    for (seed, index) in [(11, 1.0), (12, 2.0), (13, 3.0)] {
        let mut random = Random::new(seed);
        let (mut held, mut width, mut sum) = (0, 0.0, 0.0);
        for _ in 0..SESSIONS {
            let mut smear = SmearTally::default();
            while !smear.progress(CellClass::Plt, &rules).is_done() {
                add_field(&mut smear, index, &mut random);
            }
            let summary = smear.summary(&rules);
            let figure = summary.class(CellClass::Plt).per_1000_rbc.unwrap().unwrap();
            let interval = figure.interval();
            held += u32::from((interval.low..=interval.high).contains(&truth));
            width += (interval.high - interval.low) / figure.value() / 2.0;
            sum += figure.value();
        }
        let share = |sum: f64| sum / f64::from(SESSIONS);
        let (coverage, half_width) = (share(f64::from(held)), share(width));
        let bias = share(sum) / truth - 1.0;
        println!(
            "index {index}: {coverage:.4} of {SESSIONS}, half width {half_width:.3}, bias {bias:+.4}"
        );
        let is_good = (0.93..=0.99).contains(&coverage)
            && (0.20..=0.25).contains(&half_width)
            && bias.abs() < 0.02;
        if !is_good {
            wrong.push(format!("index {index}: {coverage}, {half_width}, {bias}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
