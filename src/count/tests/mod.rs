//! Tallies and summaries.

mod coverage;

use super::*;
use crate::cell::{BoundingBox, Cell, CellClass, PerClass};
use proptest::prelude::*;

const AREA_Q8: u64 = 600 * 440 * 256;

fn field(rbc: u32, wbc: u32, plt: u32, uncertain: u32) -> FieldTally {
    FieldTally {
        certain: PerClass::from([
            (CellClass::Rbc, rbc),
            (CellClass::Wbc, wbc),
            (CellClass::Plt, plt),
        ]),
        uncertain,
        area_q8: AREA_Q8,
        has_clump: false,
    }
}

/// The same field so often that figures may be shown.
fn alike(field: FieldTally) -> Vec<FieldTally> {
    vec![field; MIN_FIELDS as usize]
}

fn smear(fields: impl IntoIterator<Item = FieldTally>) -> SmearTally {
    let mut smear = SmearTally::default();
    for field in fields {
        smear.add(&field).unwrap();
    }
    smear
}

fn summary(fields: impl IntoIterator<Item = FieldTally>) -> Summary {
    smear(fields).summary(&CountRules::default())
}

#[test]
fn a_field_counts_what_the_border_rule_lets_in() {
    let cell = |best_class, certain, counted| Cell {
        best_class: Some(best_class),
        certain,
        counted,
        bounds: BoundingBox {
            x0_q4: 0,
            y0_q4: 0,
            x1_q4: 16,
            y1_q4: 16,
        },
        confidence_e4: 9000,
    };
    let cells = [
        cell(CellClass::Rbc, true, true),
        cell(CellClass::Rbc, true, true),
        cell(CellClass::Rbc, true, false),
        cell(CellClass::Wbc, true, true),
        cell(CellClass::Plt, false, true),
        cell(CellClass::Plt, false, false),
    ];
    let tally = FieldTally::from_cells(cells, AREA_Q8);
    assert_eq!(tally, field(2, 1, 0, 1));
    assert_eq!(tally.class(CellClass::Rbc), 2);
}

#[test]
fn nothing_seen_gives_no_number() {
    for fields in [vec![], vec![field(0, 0, 0, 0); 20]] {
        let lenient = CountRules {
            minimum_cells: 0,
            minimum_reference_cells: 0,
            ..CountRules::default()
        };
        for rules in [CountRules::default(), lenient] {
            let summary = smear(fields.clone()).summary(&rules);
            for class in summary.classes.values() {
                assert!(class.count.is_err(), "{class:?}");
                assert!(class.per_1000_rbc.is_none_or(|ratio| ratio.is_err()));
                assert_eq!(class.dispersion, None);
                assert_eq!(class.progress.fields_left, None);
            }
        }
    }
}

#[test]
fn too_few_cells_are_named() {
    let few = |class, counted, needed| {
        Err(TooFew::Cells {
            class,
            counted,
            needed,
        })
    };
    let one_less = |field: FieldTally, more: FieldTally| {
        let mut fields = alike(field);
        fields[0] = more;
        summary(fields)
    };
    let summary = one_less(field(9, 1, 2, 0), field(9, 0, 2, 0));
    let class = |class| summary.class(class);
    assert_eq!(class(CellClass::Rbc).count.unwrap().value(), 90.0);
    assert_eq!(class(CellClass::Wbc).count, few(CellClass::Wbc, 9, 10));
    assert_eq!(class(CellClass::Wbc).counted, 9);
    assert_eq!(class(CellClass::Rbc).per_1000_rbc, None);
    let missing_red = few(CellClass::Rbc, 90, 100);
    assert_eq!(class(CellClass::Plt).per_1000_rbc, Some(missing_red));

    let summary = one_less(field(20, 1, 0, 0), field(20, 0, 0, 0));
    let ratio = summary.class(CellClass::Wbc).per_1000_rbc;
    assert_eq!(ratio, Some(few(CellClass::Wbc, 9, 10)));
}

#[test]
fn below_ten_fields_there_is_no_figure_however_many_cells() {
    let rich = field(1_000, 100, 200, 50);
    let too_few_fields = |counted| TooFew::Fields {
        counted,
        needed: 10,
    };
    for fields in [1, 9] {
        let summary = summary(vec![rich; fields as usize]);
        let few = too_few_fields(fields);
        for class in summary.classes.values() {
            assert_eq!(class.count, Err(few), "{class:?}");
            assert!(class.per_1000_rbc.is_none_or(|ratio| ratio == Err(few)));
            assert!(class.counted > 0);
        }
    }
    assert!(summary(alike(rich)).class(CellClass::Rbc).count.is_ok());
    // Fields without a cell of either kind say nothing of their ratio.
    let mut fields = vec![field(0, 0, 0, 0); 10];
    fields.extend(vec![rich; 9]);
    let ratio = summary(fields).class(CellClass::Plt).per_1000_rbc;
    assert_eq!(ratio, Some(Err(too_few_fields(9))));
}

#[test]
fn a_ratio_rests_on_all_fields() {
    let mut fields = vec![field(1_000, 4, 30, 10); 5];
    fields.extend(vec![field(1_000, 8, 50, 20); 5]);
    let summary = summary(fields);
    let ratio = summary.class(CellClass::Wbc).per_1000_rbc.unwrap().unwrap();
    assert_eq!((ratio.value(), ratio.n()), (6.0, 60));
    assert_eq!(ratio.level(), Level::Per1000Rbc);
    assert_eq!((summary.fields, summary.uncertain), (10, 150));
    assert_eq!(summary.area_q8, 10 * AREA_Q8);
}

#[test]
fn a_share_that_jumps_between_fields_is_seen() {
    let alike = summary(alike(field(100, 2, 10, 8)));
    let index = |dispersion: Option<Dispersion>| dispersion.unwrap().index;
    let wbc = alike.class(CellClass::Wbc);
    assert!(index(wbc.share_dispersion) < 1e-9 && index(alike.uncertain_dispersion) < 1e-9);
    assert_eq!(alike.class(CellClass::Rbc).ratio_dispersion, None);
    let mut fields = vec![field(100, 2, 10, 0); 9];
    fields.push(field(40, 62, 10, 90));
    let jumps = summary(fields);
    let wbc = jumps.class(CellClass::Wbc);
    assert!(index(wbc.share_dispersion) > 10.0 && index(wbc.ratio_dispersion) > 10.0);
    assert!(index(jumps.uncertain_dispersion) > 10.0);
}

#[test]
fn an_interval_is_widened_by_what_the_fields_show_and_never_made_narrower() {
    let confidence = Confidence::default();
    let few = student_inflation(9, confidence);
    let even = summary(alike(field(1_000, 6, 40, 0)));
    let exact = ratio_interval(60, 10_000, few, confidence).scaled(1000.0);
    let ratio = |summary: &Summary| summary.class(CellClass::Wbc).per_1000_rbc.unwrap().unwrap();
    // Fields all alike have an index of 0; chance alone is never less than 1.
    assert_eq!(ratio(&even).interval(), exact);

    // An index that no test at 0.01 would call uneven widens all the same.
    let counts = [3, 9, 3, 9, 3, 9, 6, 6, 3, 9];
    let uneven = summary(counts.map(|wbc| field(1_000, wbc, 40, 0)));
    let figure = ratio(&uneven);
    assert!(!figure.flags().is_overdispersed, "{figure:?}");
    let index = uneven.class(CellClass::Wbc).dispersion.unwrap().index;
    assert!(index > 1.3 && index < 1.4, "{index}");
    let wide = ratio_interval(60, 10_000, few * index, confidence).scaled(1000.0);
    let close = |actual: f64, expected: f64| (actual / expected - 1.0).abs() < 0.01;
    let interval = figure.interval();
    assert!(close(interval.low, wide.low) && close(interval.high, wide.high));
}

#[test]
fn the_networks_own_scatter_widens_counts_and_ratios() {
    let tally = smear(alike(field(1_000, 6, 40, 0)));
    let scatter = PerClass::from([(CellClass::Rbc, 0.03), (CellClass::Plt, 0.04)]);
    let rules = CountRules {
        count_scatter: scatter,
        ..CountRules::default()
    };
    let (plain, wide) = (tally.summary(&CountRules::default()), tally.summary(&rules));
    let expected = |figure: Figure, scatter| {
        let confidence = Confidence::default();
        figure
            .interval()
            .with_scatter(figure.value(), scatter, confidence)
    };
    let ratio = |summary: &Summary| summary.class(CellClass::Plt).per_1000_rbc.unwrap().unwrap();
    let of_ratio = (expected(ratio(&plain), 0.05), ratio(&wide).interval());
    let count = |summary: &Summary| summary.class(CellClass::Plt).count.unwrap();
    let of_count = (expected(count(&plain), 0.04), count(&wide).interval());
    for (expected, actual) in [of_ratio, of_count] {
        assert!(
            (actual.low / expected.low - 1.0).abs() < 1e-12,
            "{actual:?}"
        );
        assert!(
            (actual.high / expected.high - 1.0).abs() < 1e-12,
            "{actual:?}"
        );
    }
    assert!(ratio(&wide).interval().low < ratio(&plain).interval().low);
}

#[test]
fn fields_left_follow_the_rate_so_far() {
    let cases = [
        ("none seen", vec![field(0, 0, 0, 0); 13], 100, None),
        (
            "three in twelve fields",
            vec![field(0, 0, 0, 0); 11],
            100,
            Some(388),
        ),
        (
            "so early that fields lack",
            vec![field(0, 30, 0, 0); 3],
            100,
            Some(6),
        ),
        (
            "cells enough, fields not",
            vec![field(0, 97, 0, 0); 4],
            100,
            Some(5),
        ),
        ("reached", vec![field(0, 10, 0, 0); 9], 100, Some(0)),
    ];
    let mut wrong = Vec::new();
    for (name, mut fields, need, expected) in cases {
        if expected.is_some() {
            fields.push(field(0, if name == "reached" { 10 } else { 3 }, 0, 0));
        }
        let progress = summary(fields).class(CellClass::Wbc).progress;
        if progress.fields_left != expected || progress.need != need {
            wrong.push(format!("{name}: {progress:?}"));
        }
        assert_eq!(progress.is_done(), expected == Some(0), "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_target_grows_with_the_unevenness_of_the_ratio_alone() {
    let need = |fields: Vec<FieldTally>| {
        let summary = summary(fields);
        CellClass::ALL.map(|class| summary.class(class).progress.need)
    };
    assert_eq!(need(alike(field(100, 10, 10, 0))), [1000, 100, 100]);
    // Half of the fields are thin: every class is uneven, and no ratio is.
    let thin = |at: u32| if at.is_multiple_of(2) { 1 } else { 4 };
    let fields = (0..12).map(|at| field(100 * thin(at), 5 * thin(at), 5 * thin(at), 0));
    assert_eq!(need(fields.collect()), [1000, 100, 100]);
    let fields = (0..12).map(|at| field(100, 5 * thin(at), 10, 0));
    let [red, white, platelets] = need(fields.collect());
    assert_eq!((red, platelets), (1000, 100));
    assert!((400..600).contains(&white), "{white}");
}

#[test]
fn what_was_not_reached_is_named_until_all_is_done() {
    let names = |field: FieldTally| {
        let summary = summary(alike(field));
        let classes = summary.not_reached().map(|class| class.class.name());
        (classes.collect::<Vec<_>>(), summary.is_done())
    };
    assert_eq!(
        names(field(99, 9, 9, 0)),
        (vec!["PLT", "WBC", "RBC"], false)
    );
    assert_eq!(names(field(100, 9, 10, 0)), (vec!["WBC"], false));
    assert_eq!(names(field(100, 10, 10, 0)), (vec![], true));
}

#[test]
fn uneven_fields_widen_the_interval_and_warn() {
    let even = summary((0..20).map(|_| field(100, 0, 5, 0)));
    let uneven = summary((0..20).map(|index| field(100, 0, if index < 2 { 50 } else { 0 }, 0)));
    let count = |summary: &Summary| summary.class(CellClass::Plt).count.unwrap();
    let (even_count, uneven_count) = (count(&even), count(&uneven));
    assert_eq!(even_count.value(), uneven_count.value());
    let width = |figure: Figure| figure.interval().high - figure.interval().low;
    assert!(
        width(uneven_count) > 4.0 * width(even_count),
        "{even_count:?} {uneven_count:?}"
    );
    assert!(uneven_count.flags().is_overdispersed);
    assert!(!even_count.flags().is_overdispersed);
    let progress = |summary: &Summary| summary.class(CellClass::Plt).progress;
    assert!(progress(&uneven).need > 10 * progress(&even).need);
}

#[test]
fn platelets_that_clump_in_two_fields_are_at_least_so_many() {
    let clumped = field(100, 0, 5, 0).with_clump(true);
    for (clumps, is_at_least) in [(0, false), (1, false), (2, true), (12, true)] {
        let mut fields = vec![field(100, 2, 5, 0); 12 - clumps];
        fields.extend(vec![
            FieldTally {
                certain: field(100, 2, 5, 0).certain,
                ..clumped
            };
            clumps
        ]);
        let summary = summary(fields);
        let flags = |class| {
            let class = summary.class(class);
            let ratio = class.per_1000_rbc.unwrap().unwrap();
            [ratio, class.count.unwrap()].map(|figure| figure.flags().is_at_least)
        };
        assert_eq!(flags(CellClass::Plt), [is_at_least; 2], "{clumps}");
        assert_eq!(flags(CellClass::Wbc), [false; 2], "{clumps}");
        assert_eq!(summary.fields_with_clumps as usize, clumps);
    }
}

#[test]
fn a_field_beyond_the_limits_leaves_the_tally_as_it_was() {
    let mut smear = smear([field(5, 0, 0, 0)]);
    let before = smear;
    let no_area = FieldTally {
        area_q8: 0,
        ..field(1, 1, 1, 1)
    };
    let endless = FieldTally {
        area_q8: u64::MAX,
        ..field(1, 1, 1, 1)
    };
    let cases = [
        ("no area", no_area, TallyError::NoArea),
        ("endless area", endless, TallyError::Full),
        (
            "too many cells",
            field(MAX_CELLS, 0, 0, 0),
            TallyError::Full,
        ),
        ("sum overflows", field(u32::MAX, 1, 1, 1), TallyError::Full),
    ];
    for (name, field, error) in cases {
        assert_eq!(smear.add(&field), Err(error), "{name}");
        assert_eq!(smear, before, "{name}");
    }
    for _ in 1..MAX_FIELDS {
        smear.add(&field(0, 0, 0, 0)).unwrap();
    }
    assert_eq!(smear.add(&field(0, 0, 0, 0)), Err(TallyError::Full));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_summary_adds_up(
        counts in prop::collection::vec((0u32..300, 0u32..5, 0u32..30, 0u32..10), 0..40),
    ) {
        let fields = counts.iter().map(|&(rbc, wbc, plt, un)| field(rbc, wbc, plt, un));
        let summary = summary(fields);
        let total: u32 = counts.iter().map(|count| count.0).sum();
        prop_assert_eq!(summary.class(CellClass::Rbc).counted, total);
        prop_assert_eq!(summary.fields as usize, counts.len());
        let figures = summary.classes.values().flat_map(|class| {
            [Some(class.count), class.per_1000_rbc]
        });
        for figure in figures.flatten().flatten() {
            let (value, interval) = (figure.value(), figure.interval());
            prop_assert!(interval.low <= value && value <= interval.high);
            prop_assert!(interval.low >= 0.0 && interval.high.is_finite());
        }
    }
}
