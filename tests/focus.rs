//! Focus on the simulated slide: what defocus takes from the counts is refused, whatever the
//! camera's noise and the objective.

use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::quality::{Quality, QualitySettings, Verdict, assess};

/// Electrons of a white pixel and read noise in levels: none, usual, twice and four times that.
const NOISES: [(f64, f64); 4] = [(1e6, 0.0), (10_000.0, 0.8), (2_500.0, 1.6), (625.0, 3.2)];

/// Size of a pixel in micrometres and numerical aperture: x100 oil twice, x40.
const OBJECTIVES: [(f64, f64); 3] = [(0.06, 1.25), (0.12, 1.25), (0.30, 0.65)];

const RED_CELL_UM: f64 = 7.5;

/// What a small field, as densely covered at every magnification, is judged as with the scale
/// known and without.
fn judged(
    (um_per_px, numerical_aperture): (f64, f64),
    (full_well_electrons, read_noise_levels): (f64, f64),
    focus_error_um: f64,
) -> [Quality; 2] {
    let usual = SimulatedSlideSettings::default();
    let (width_px, height_px) = (320, 240);
    let area = |width_px: u32, height_px: u32, um_per_px: f64| {
        f64::from(width_px) * f64::from(height_px) * um_per_px * um_per_px
    };
    let share = area(width_px, height_px, um_per_px)
        / area(usual.width_px, usual.height_px, usual.um_per_px);
    let settings = SimulatedSlideSettings {
        width_px,
        height_px,
        um_per_px,
        red_cells_per_field: share * usual.red_cells_per_field,
        white_cells_per_field: share * usual.white_cells_per_field,
        platelets_per_field: share * usual.platelets_per_field,
        debris_per_field: share * usual.debris_per_field,
        numerical_aperture,
        focus_error_um,
        full_well_electrons,
        read_noise_levels,
        ..usual
    };
    let (frame, _) = SimulatedSlide::new(5, settings).unwrap().field(3);
    let rbc_diameter_px = (RED_CELL_UM / um_per_px).round() as u32;
    [Some(rbc_diameter_px), None]
        .map(|rbc_diameter_px| assess(&frame, rbc_diameter_px, &QualitySettings::default()))
}

#[test]
fn defocus_that_costs_cells_is_refused_at_every_noise_and_magnification() {
    let mut wrong = Vec::new();
    for objective in OBJECTIVES {
        for noise in NOISES {
            let [in_focus, _] = judged(objective, noise, 0.1);
            if in_focus.verdict != Verdict::Usable {
                wrong.push(format!("{objective:?} {noise:?}, in focus: {in_focus:?}"));
            }
            for error_um in [2.0, 3.0, 5.0, 10.0, 20.0] {
                let accepted = judged(objective, noise, error_um)
                    .into_iter()
                    .filter(|quality| quality.verdict == Verdict::Usable);
                let tell = |quality| format!("{objective:?} {noise:?}, {error_um} um: {quality:?}");
                wrong.extend(accepted.map(tell));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_score_falls_with_defocus_and_hardly_knows_the_noise() {
    for objective in OBJECTIVES {
        let [still, .., grainy] = NOISES.map(|noise| {
            let scores = [0.0, 0.75, 1.5, 3.0, 20.0]
                .map(|error_um| judged(objective, noise, error_um)[0].focus_score);
            assert!(
                // Once nothing is left of the edges, nothing more can go.
                scores[..4].is_sorted_by(|sharp, soft| sharp > soft || *sharp == 0)
                    && scores[4] <= scores[2],
                "{objective:?} {noise:?}: {scores:?}"
            );
            scores
        });
        assert!(
            still[0].abs_diff(grainy[0]) <= 6,
            "in focus, {objective:?}: {} and {}",
            still[0],
            grainy[0]
        );
        // Grain may hide what is left of soft edges, but never makes them sharper.
        for (quiet, grainy) in still.into_iter().zip(grainy) {
            assert!(grainy <= quiet + 6, "{objective:?}: {quiet} and {grainy}");
        }
    }
}
