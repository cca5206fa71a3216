use super::*;
use crate::camera::simulated::placed_cell::MAX_RED_OVERLAP;
use crate::camera::simulated::{Random, SimulatedSlideSettings};
use crate::cell::SUBPIXELS;

const FRAME_PX: (u32, u32) = (640, 480);
const UM_PER_PX: f64 = 0.12;

fn normal(seed: u64) -> SimulatedSmear {
    SimulatedSmear::new(seed, SmearSettings::normal(FRAME_PX, UM_PER_PX)).unwrap()
}

fn small(seed: u64) -> SimulatedSmear {
    let slide = SimulatedSlideSettings {
        width_px: 160,
        height_px: 120,
        red_cells_per_field: 2.0,
        white_cells_per_field: 0.2,
        platelets_per_field: 0.5,
        read_noise_levels: 0.0,
        full_well_electrons: 1e6,
        vignetting: 0.0,
        uneven_light: 0.0,
        ..SimulatedSlideSettings::default()
    };
    let settings = SmearSettings {
        slide,
        ..SmearSettings::default()
    };
    SimulatedSmear::new(seed, settings).unwrap()
}

/// Views of the settings' frames anywhere on the smear.
fn random_views(smear: &SimulatedSmear, count: usize, seed: u64) -> Vec<View> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|_| {
            let x_um = random.between(0.0, SimulatedSmear::LENGTH_UM - 100.0);
            let y_um = random.between(0.0, SimulatedSmear::WIDTH_UM - 100.0);
            smear.view_at(x_um, y_um)
        })
        .collect()
}

#[test]
fn a_place_has_the_same_cells_whichever_way_it_is_reached() {
    let views = random_views(&normal(3), 12, 1);
    let mut forwards = normal(3);
    let mut backwards = normal(3);
    let first: Vec<_> = views.iter().map(|view| forwards.cells_in(view)).collect();
    let mut second: Vec<_> = views
        .iter()
        .rev()
        .map(|view| backwards.cells_in(view))
        .collect();
    second.reverse();
    assert_eq!(first, second);
    for (view, cells) in views.iter().zip(&first) {
        // Nothing but that view was ever asked for.
        assert_eq!(&normal(3).cells_in(view), cells);
    }
    assert_ne!(normal(4).cells_in(&views[0]), first[0]);
}

#[test]
fn views_that_overlap_show_the_same_image_there() {
    let mut smear = small(5);
    let whole_pixels = [(0, 0), (40, 0), (13, 57), (-90, 100), (0, -119)];
    let (x_um, y_um) = (3000.0, 2000.0);
    let base = smear.expose(&smear.view_at(x_um, y_um), 0.0, 0).unwrap();
    // The blur reaches this far in from the edges.
    const BLURRED_PX: i32 = 4;
    for (shift_x, shift_y) in whole_pixels {
        let view = smear.view_at(
            x_um + f64::from(shift_x) * UM_PER_PX,
            y_um + f64::from(shift_y) * UM_PER_PX,
        );
        let shifted = smear.expose(&view, 0.0, 0).unwrap();
        let inner = |side: i32| BLURRED_PX..side - BLURRED_PX;
        for y in inner(120).filter(|y| inner(120).contains(&(y - shift_y))) {
            for x in inner(160).filter(|x| inner(160).contains(&(x - shift_x))) {
                let here = base.pixel(x as u32, y as u32);
                let there = shifted.pixel((x - shift_x) as u32, (y - shift_y) as u32);
                let differs = (0..3).any(|channel| here[channel].abs_diff(there[channel]) > 3);
                assert!(
                    !differs,
                    "{shift_x},{shift_y}: {here:?} {there:?} at {x},{y}"
                );
            }
        }
    }
}

#[test]
fn exposures_differ_in_noise_only_and_focus_blurs() {
    let mut smear = normal(6);
    let view = smear.view_at(2000.0, 2000.0);
    let [first, again, other, soft] = [(0.0, 1), (0.0, 1), (0.0, 2), (4.0, 1)]
        .map(|(focus_um, exposure)| smear.expose(&view, focus_um, exposure).unwrap());
    assert_eq!(first, again);
    assert_ne!(first, other);
    let change = |a: &Frame, b: &Frame| {
        let pairs = a.rgb().iter().zip(b.rgb());
        let total: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        total as f64 / a.rgb().len() as f64
    };
    assert!(change(&first, &other) < 4.0);
    assert!(change(&first, &soft) > change(&first, &other));
}

#[test]
fn a_tilted_slide_is_sharp_along_a_line() {
    let settings = SmearSettings {
        tilt_um_per_mm: [2.0, -1.0],
        ..SmearSettings::normal(FRAME_PX, UM_PER_PX)
    };
    let smear = SimulatedSmear::new(1, settings).unwrap();
    let defocus = |x_um, y_um| {
        let (half_width, half_height) = (320.0 * UM_PER_PX, 240.0 * UM_PER_PX);
        smear.defocus_um(&smear.view_at(x_um - half_width, y_um - half_height), 0.0)
    };
    let places = [
        (4000.0, 3000.0),
        (5000.0, 3000.0),
        (4000.0, 1000.0),
        (4500.0, 4000.0),
    ];
    for ((x_um, y_um), expected) in places.into_iter().zip([0.1, 2.1, 2.1, 0.1]) {
        assert!(
            (defocus(x_um, y_um) - expected).abs() < 1e-9,
            "{x_um},{y_um}"
        );
    }
}

#[test]
fn no_cell_hides_another_across_tiles_either() {
    let settings = SmearSettings {
        clump_sizes: (20, 40),
        slide: SimulatedSlideSettings {
            red_cells_per_field: 45.0,
            platelets_per_field: 12.0,
            platelet_clumping: 0.6,
            ..SimulatedSlideSettings::default()
        },
        ..SmearSettings::default()
    };
    let mut smear = SimulatedSmear::new(2, settings).unwrap();
    let view = View {
        x_um: 1000.0,
        y_um: 1000.0,
        width_px: 1600,
        height_px: 1600,
    };
    let tiles = smear.tiles_of(&view);
    let cells: Vec<_> = tiles.iter().flat_map(|(_, tile)| &tile.cells).collect();
    assert!(cells.len() > 400, "{}", cells.len());
    for (place, cell) in cells.iter().enumerate() {
        for other in &cells[..place] {
            let both_red = cell.class() == CellClass::Rbc && other.class() == CellClass::Rbc;
            let most = if both_red { MAX_RED_OVERLAP } else { 0.05 };
            let overlap = cell.overlap(other);
            assert!(overlap <= most, "{} on {}", cell.class(), other.class());
        }
    }
}

#[test]
fn truth_boxes_lie_in_the_view_and_hold_the_centres() {
    let mut smear = normal(8);
    for view in random_views(&smear, 6, 2) {
        let truth = smear.truth(&view);
        let bounds = truth.cells.iter().map(|(_, bounds)| bounds);
        let (right_q4, bottom_q4) = (640 * SUBPIXELS, 480 * SUBPIXELS);
        for found in bounds.clone() {
            assert!(found.x0_q4 >= 0 && found.y0_q4 >= 0);
            assert!(found.x1_q4 <= right_q4 && found.y1_q4 <= bottom_q4);
            assert!(found.area_q8() > 0);
        }
        for cell in smear.cells_in(&view) {
            let x_q4 = ((cell.centre_um.0 - view.x_um) / UM_PER_PX * 16.0) as i32;
            let y_q4 = ((cell.centre_um.1 - view.y_um) / UM_PER_PX * 16.0) as i32;
            let holds = bounds.clone().any(|found| {
                (found.x0_q4..=found.x1_q4).contains(&x_q4)
                    && (found.y0_q4..=found.y1_q4).contains(&y_q4)
            });
            assert!(holds, "no box around {cell:?}");
        }
    }
}

#[test]
fn a_set_of_views_counts_each_cell_once() {
    let mut smear = normal(9);
    let whole = View {
        x_um: 500.0,
        y_um: 700.0,
        width_px: 1280,
        height_px: 960,
    };
    let quarters: Vec<View> = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)]
        .map(|(right, down)| {
            smear.view_at(
                500.0 + right * 640.0 * UM_PER_PX,
                700.0 + down * 480.0 * UM_PER_PX,
            )
        })
        .into();
    assert_eq!(smear.tally(&quarters), smear.tally(&[whole]));
    assert!(smear.tally(&[whole])[CellClass::Rbc] > 80);
}

#[test]
fn beyond_the_smear_the_glass_is_empty() {
    let mut smear = normal(10);
    for (x_um, y_um) in [
        (-200.0, 100.0),
        (100.0, SimulatedSmear::WIDTH_UM + 50.0),
        (1e9, -1e9),
    ] {
        let view = smear.view_at(x_um, y_um);
        assert!(smear.truth(&view).cells.is_empty(), "{x_um},{y_um}");
    }
    let no_frame = View {
        width_px: 0,
        ..smear.view_at(0.0, 0.0)
    };
    assert!(smear.expose(&no_frame, 0.0, 0).is_err());
}

/// Mean and variance over mean of each class in 300 frames side by side on each of some smears.
fn counts(settings: &SmearSettings, seeds: u64) -> PerClass<(f64, f64)> {
    let mut values: PerClass<Vec<f64>> = PerClass::from_fn(|_| Vec::new());
    for seed in 0..seeds {
        let mut smear = SimulatedSmear::new(seed, settings.clone()).unwrap();
        for place in 0..300 {
            let (column, row) = (f64::from(place % 15), f64::from(place / 15));
            let view = smear.view_at(100.0 + 76.8 * column, 100.0 + 57.6 * row);
            let tally = smear.tally(&[view]);
            for (class, values) in values.iter_mut() {
                values.push(tally[class] as f64);
            }
        }
    }
    values.map(|values| {
        let number = values.len() as f64;
        let mean = values.iter().sum::<f64>() / number;
        let squares = values.iter().map(|value| (value - mean) * (value - mean));
        (mean, squares.sum::<f64>() / (number - 1.0) / mean)
    })
}

#[test]
fn normal_blood_has_its_means_and_lies_at_random() {
    let settings = SmearSettings::normal(FRAME_PX, UM_PER_PX);
    let counts = counts(&settings, 3);
    let expected = [
        (CellClass::Rbc, 29.5, 0.05),
        (CellClass::Wbc, 29.5 / 714.0, 0.6),
        (CellClass::Plt, 29.5 / 714.0 * 36.0, 0.1),
    ];
    for (class, mean, tolerance) in expected {
        let (found, index) = counts[class];
        assert!((found / mean - 1.0).abs() < tolerance, "{class}: {found}");
        assert!((0.8..1.25).contains(&index), "{class}: index {index}");
    }
}

#[test]
fn patches_have_the_wanted_index_of_dispersion() {
    for wanted in [2.0, 3.0] {
        let settings = SmearSettings {
            index_of_dispersion: PerClass::from_fn(|_| wanted),
            ..SmearSettings::normal(FRAME_PX, UM_PER_PX)
        };
        let counts = counts(&settings, 3);
        for class in [CellClass::Rbc, CellClass::Plt] {
            let (_, index) = counts[class];
            assert!(
                (index / wanted - 1.0).abs() < 0.25,
                "{class}: {index} where {wanted} was wanted"
            );
        }
    }
}

#[test]
fn the_smear_thickens_from_tail_to_end_and_platelets_clump() {
    let settings = SmearSettings {
        wedge: 1.0,
        clump_sizes: (20, 40),
        slide: SimulatedSlideSettings {
            platelet_clumping: 1.0,
            ..SimulatedSlideSettings::default()
        },
        ..SmearSettings::default()
    };
    let mut smear = SimulatedSmear::new(3, settings).unwrap();
    let mut red_cells_at = |x_um: f64| {
        let views: Vec<View> = (0..10)
            .map(|row| smear.view_at(x_um, 100.0 + 150.0 * f64::from(row)))
            .collect();
        smear.tally(&views)[CellClass::Rbc] as f64 / 10.0
    };
    let [tail, middle, end] = [50.0, 3960.0, 7900.0].map(&mut red_cells_at);
    assert!(
        tail < 10.0 && (25.0..35.0).contains(&middle) && end > 44.0,
        "{tail} {middle} {end}"
    );

    let whole = View {
        x_um: 3000.0,
        y_um: 1000.0,
        width_px: 4000,
        height_px: 4000,
    };
    let platelets: Vec<_> = smear
        .cells_in(&whole)
        .into_iter()
        .filter(|cell| cell.class == CellClass::Plt)
        .collect();
    let has_neighbour = |cell: &&SmearCell| {
        let (x_um, y_um) = cell.centre_um;
        platelets.iter().any(|other| {
            let (dx, dy) = (other.centre_um.0 - x_um, other.centre_um.1 - y_um);
            other.id != cell.id && dx * dx + dy * dy < 4.5 * 4.5
        })
    };
    let inner = platelets.iter().filter(has_neighbour).count();
    assert!(platelets.len() > 60, "{}", platelets.len());
    assert!(
        inner * 10 > platelets.len() * 9,
        "{inner} of {}",
        platelets.len()
    );
}

#[test]
fn settings_outside_the_limits_are_refused() {
    type Change = fn(&mut SmearSettings);
    let cases: [(&str, Change, bool); 7] = [
        ("normal blood", |_| (), true),
        (
            "more even than chance",
            |settings| settings.index_of_dispersion[CellClass::Wbc] = 0.5,
            false,
        ),
        (
            "a wedge beyond the smear",
            |settings| settings.wedge = 1.5,
            false,
        ),
        (
            "clumps of one",
            |settings| settings.clump_sizes = (1, 5),
            false,
        ),
        (
            "clumps upside down",
            |settings| settings.clump_sizes = (9, 5),
            false,
        ),
        (
            "no tilt at all",
            |settings| settings.tilt_um_per_mm = [f64::NAN, 0.0],
            false,
        ),
        (
            "more red cells than fit",
            |settings| settings.slide.red_cells_per_field = 90.0,
            false,
        ),
    ];
    for (name, change, accepted) in cases {
        let mut settings = SmearSettings::normal(FRAME_PX, UM_PER_PX);
        change(&mut settings);
        assert_eq!(SimulatedSmear::new(1, settings).is_ok(), accepted, "{name}");
    }
}
