//! The whole pipeline on simulated frames, against the truth that only a simulation knows.

mod common;

use common::{hemoscope, messages, slide, slide_um_per_px};
use hemoscope::analysis::analyser::{AnalyseSettings, Analyser};
use hemoscope::cell::{BoundingBox, Cell, CellClass, PerClass};
use hemoscope::count::BorderRule;
use hemoscope::network::Network;
use hemoscope::preprocess::PreprocessOptions;
use std::path::Path;

const FIELDS: u64 = 40;
/// Share by which a class's total over all fields may be off.
const TOTAL_TOLERANCE: f64 = 0.05;

fn model() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models/smear-resnet"))
}

fn analyser() -> Analyser {
    let settings = AnalyseSettings {
        preprocess: PreprocessOptions::default(),
        border_rule: BorderRule::InnerFrame,
        rbc_diameter_um: 7.5,
        all_cells: false,
    };
    Analyser::new(Network::load(model()).unwrap(), settings)
}

fn overlap(a: &BoundingBox, b: &BoundingBox) -> f64 {
    let shared = a.intersection_q8(b) as f64;
    shared / (a.area_q8() + b.area_q8()) as f64 * 2.0
}

#[test]
fn the_shipped_network_gives_the_exporters_answers_to_the_bit() {
    let report = Network::load(model())
        .unwrap()
        .check_golden(model())
        .unwrap();
    assert!(report.is_equal(), "{report:?}");
}

#[test]
fn totals_over_forty_fields_are_within_five_percent_of_the_truth() {
    let mut analyser = analyser();
    let mut wrong = Vec::new();
    for seed in [7, 101, 102] {
        let slide = slide(seed);
        let (mut counted, mut truth) = (PerClass::<u32>::default(), PerClass::<u32>::default());
        for index in 0..FIELDS {
            let (frame, field) = slide.field(index);
            let found = analyser.analyse(&frame, slide_um_per_px()).unwrap();
            for cell in found.cells.iter().filter(|cell| cell.counted) {
                if let Some(class) = cell.class() {
                    counted[class] += 1;
                }
            }
            for (class, bounds) in &field.cells {
                truth[*class] += u32::from(found.border.counts(bounds));
            }
        }
        for class in CellClass::ALL {
            let (counted, truth) = (counted[class], truth[class]);
            assert!(
                truth > 20,
                "seed {seed}: {truth} {class} are too few to judge by"
            );
            if f64::from(counted.abs_diff(truth)) > TOTAL_TOLERANCE * f64::from(truth) {
                wrong.push(format!("seed {seed}: {class} {counted} of {truth}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn overlapping_red_cells_are_kept_apart() {
    let mut analyser = analyser();
    let slide = slide(55);
    let (mut pairs, mut found_both) = (0, 0);
    for index in 0..20 {
        let (frame, truth) = slide.field(index);
        let cells = analyser.analyse(&frame, slide_um_per_px()).unwrap().cells;
        let is_found = |bounds: &BoundingBox| {
            cells.iter().any(|cell: &Cell| {
                cell.class() == Some(CellClass::Rbc) && overlap(&cell.bounds, bounds) > 0.66
            })
        };
        let red: Vec<_> = truth
            .cells
            .iter()
            .filter(|(class, _)| *class == CellClass::Rbc)
            .map(|(_, bounds)| bounds)
            .collect();
        for (place, first) in red.iter().enumerate() {
            for second in &red[place + 1..] {
                if first.intersection_q8(second) * 8 > first.area_q8() {
                    pairs += 1;
                    found_both += u32::from(is_found(first) && is_found(second));
                }
            }
        }
    }
    assert!(pairs >= 40, "only {pairs} overlapping pairs to judge by");
    assert!(
        found_both * 100 >= pairs * 95,
        "{found_both} of {pairs} pairs were found whole"
    );
}

#[test]
fn the_same_frame_gives_the_same_cells_on_every_kernel() {
    let folder = tempfile::tempdir().unwrap();
    common::write_fields(folder.path(), 31, 2);
    let count = |kernel: Option<&str>| {
        let mut command = hemoscope();
        command.args([
            "count",
            "--json",
            "--um-per-px",
            &slide_um_per_px().to_string(),
        ]);
        command.arg(folder.path());
        if let Some(kernel) = kernel {
            command.env("HEMOSCOPE_KERNEL", kernel);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        output.stdout
    };
    assert_eq!(count(None), count(Some("scalar")));
}

#[test]
fn an_unknown_kernel_is_refused_by_name() {
    let output = hemoscope()
        .args(["count", "--um-per-px", "0.1", "x.png"])
        .env("HEMOSCOPE_KERNEL", "warp-drive")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        messages(&output).contains("warp-drive"),
        "{}",
        messages(&output)
    );
}
