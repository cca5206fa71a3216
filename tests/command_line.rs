//! The program as a user types it.

mod common;

use common::{NOTICE, hemoscope, messages, program, records, slide_um_per_px, write_fields};
use std::fs;
use std::io::Write;
use std::process::Stdio;

fn um_per_px() -> String {
    slide_um_per_px().to_string()
}

#[test]
fn a_folder_gives_a_table_with_intervals_and_the_notice() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 3, 6);
    let output = hemoscope()
        .args(["count", "--um-per-px", &um_per_px()])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = [
        "RBC",
        "WBC",
        "PLT",
        "95 % interval",
        "6 fields counted",
        "model smear-resnet 1.2.0, kernel ",
        NOTICE,
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|part| !text.contains(**part))
        .collect();
    assert!(missing.is_empty(), "{missing:?} missing in\n{text}");
    assert!(
        text.contains("too few fields: 6 of 10"),
        "six fields give no figure:\n{text}"
    );
}

#[test]
fn json_lines_come_in_input_order_with_every_promised_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = write_fields(folder.path(), 4, 5);
    paths.reverse();
    let output = hemoscope()
        .args([
            "count",
            "--json",
            "--workers",
            "3",
            "--um-per-px",
            &um_per_px(),
        ])
        .args(&paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let records = records(&output);
    let images: Vec<_> = records
        .iter()
        .map(|record| record["image"].clone())
        .collect();
    assert_eq!(
        images,
        paths
            .iter()
            .map(|path| path.to_str().unwrap())
            .collect::<Vec<_>>()
    );
    for record in &records {
        assert_eq!(record["um_per_px"], slide_um_per_px());
        let cells = record["cells"].as_array().unwrap();
        let (width, height) = (
            record["width"].as_f64().unwrap(),
            record["height"].as_f64().unwrap(),
        );
        for class in ["RBC", "WBC", "PLT", "uncertain"] {
            let counted = cells
                .iter()
                .filter(|cell| cell["class"] == class && cell["counted"] == true)
                .count();
            assert_eq!(
                record["counts"][class], counted,
                "{class} of {}",
                record["image"]
            );
        }
        for cell in cells {
            let corners: Vec<f64> = cell["box"]
                .as_array()
                .unwrap()
                .iter()
                .map(|at| at.as_f64().unwrap())
                .collect();
            assert!(
                0.0 <= corners[0] && corners[0] < corners[2] && corners[2] <= width,
                "{cell}"
            );
            assert!(
                0.0 <= corners[1] && corners[1] < corners[3] && corners[3] <= height,
                "{cell}"
            );
            let confidence = cell["confidence"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&confidence), "{cell}");
        }
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 5, 8);
    let count = |workers: &str| {
        let output = hemoscope()
            .args([
                "count",
                "--json",
                "--workers",
                workers,
                "--um-per-px",
                &um_per_px(),
            ])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        output.stdout
    };
    assert_eq!(count("1"), count("4"));
}

#[test]
fn a_list_on_standard_input_is_counted_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write_fields(folder.path(), 6, 3);
    let list: String = paths
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    let output = hemoscope()
        .args(["count", "--json", "--um-per-px", &um_per_px(), "-"])
        .write_stdin(list)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    assert_eq!(records(&output).len(), 3);
}

#[test]
fn a_line_is_answered_before_the_next_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write_fields(folder.path(), 6, 2);
    let mut child = program()
        .args([
            "count",
            "--json",
            "--workers",
            "1",
            "--um-per-px",
            &um_per_px(),
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = std::io::BufReader::new(child.stdout.take().unwrap());
    for path in &paths {
        writeln!(input, "{}", path.display()).unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut answers, &mut line).unwrap();
        assert!(line.contains(path.to_str().unwrap()), "{line}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn all_cells_keeps_more_and_leaves_none_uncertain() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 7, 4);
    let count = |more: &[&str]| {
        let output = hemoscope()
            .args(["count", "--json", "--um-per-px", &um_per_px()])
            .args(more)
            .arg(folder.path())
            .output()
            .unwrap();
        records(&output)
    };
    let number = |records: &[serde_json::Value]| -> usize {
        records
            .iter()
            .map(|record| record["cells"].as_array().unwrap().len())
            .sum()
    };
    let (usual, all) = (count(&[]), count(&["--all-cells"]));
    assert!(number(&all) > number(&usual));
    for record in &all {
        assert_eq!(record["counts"]["uncertain"], 0);
    }
}

#[test]
fn without_a_scale_it_is_estimated_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 8, 10);
    let output = hemoscope()
        .args(["count", "--json"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let truth = slide_um_per_px();
    for record in records(&output) {
        let estimate = record["um_per_px"].as_f64().unwrap();
        assert!(
            (estimate / truth - 1.0).abs() < 0.15,
            "{estimate} for {truth}"
        );
        assert_eq!(record["um_per_px_estimated"], true);
    }
    let output = hemoscope()
        .arg("count")
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("estimated from"), "{text}");
}

#[test]
fn a_dark_rim_is_cut_off_and_cells_keep_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let overlays = folder.path().join("marked");
    let counted = |rim: bool| {
        let paths = write_fields(folder.path(), 12, 2);
        for path in paths.iter().filter(|_| rim) {
            let mut image = image::open(path).unwrap().to_rgb8();
            let bar_px = image.width() / 4;
            for (x, _, pixel) in image.enumerate_pixels_mut() {
                if x < bar_px {
                    *pixel = image::Rgb([11, 9, 12]);
                }
            }
            image.save(path).unwrap();
        }
        let arguments = ["count", "--json", "--um-per-px", &um_per_px(), "--overlay"];
        let command = hemoscope()
            .args(arguments)
            .arg(&overlays)
            .args(&paths)
            .output();
        let output = command.unwrap();
        (records(&output), messages(&output))
    };
    let (whole, told) = counted(false);
    assert!(!told.contains("dark rim"), "{told}");
    let (cut, told) = counted(true);
    assert!(told.contains("fields with a dark rim: 2"), "{told}");
    for (whole, cut) in whole.iter().zip(&cut) {
        assert_eq!(whole["quality"]["rim_permille"], 0);
        let rim_permille = cut["quality"]["rim_permille"].as_u64().unwrap();
        assert!((250..300).contains(&rim_permille), "{rim_permille}");
        assert_eq!(
            (&whole["width"], &whole["height"]),
            (&cut["width"], &cut["height"])
        );
        let remarks = cut["remarks"].to_string();
        assert!(remarks.contains("cut off with a dark rim"), "{remarks}");
        let left_px = whole["width"].as_f64().unwrap() * rim_permille as f64 / 1000.0;
        let areas = [whole, cut].map(|record| record["counted_area_um2"].as_f64().unwrap());
        let left = areas[1] / areas[0];
        assert!(
            (0.65..0.76).contains(&left),
            "{left} of the area is counted"
        );
        // What lies well beside the rim is found at the same places.
        let found = |record: &serde_json::Value| -> Vec<[f64; 2]> {
            let cells = record["cells"].as_array().unwrap().iter();
            let starts = cells.map(|cell| [0, 1].map(|at| cell["box"][at].as_f64().unwrap()));
            starts.filter(|start| start[0] > left_px + 50.0).collect()
        };
        let (before, after) = (found(whole), found(cut));
        let near = |at: &&[f64; 2]| {
            let is_near =
                |other: &[f64; 2]| (0..2).all(|side| (other[side] - at[side]).abs() < 3.0);
            after.iter().any(is_near)
        };
        let kept = before.iter().filter(near).count();
        assert!(
            before.len() > 20 && kept * 20 >= before.len() * 19,
            "{kept} of {}",
            before.len()
        );
    }
    let marked = image::open(overlays.join("000001-field-000.png")).unwrap();
    let marked = marked.to_rgb8();
    let height_px = whole[0]["height"].as_u64().unwrap() as u32;
    let bar_px = whole[0]["width"].as_u64().unwrap() as u32 / 4;
    let is_marked = |x: u32, y: u32| marked.get_pixel(x, y).0 != [11, 9, 12];
    let in_bar = (0..height_px).flat_map(|y| (0..bar_px - 4).map(move |x| (x, y)));
    assert!(
        !in_bar.into_iter().any(|(x, y)| is_marked(x, y)),
        "marks on the rim"
    );
}

#[test]
fn overlays_are_written_for_every_counted_frame() {
    let folder = tempfile::tempdir().unwrap();
    let overlays = folder.path().join("marked");
    let paths = write_fields(folder.path(), 9, 2);
    let output = hemoscope()
        .args(["count", "--um-per-px", &um_per_px(), "--overlay"])
        .arg(&overlays)
        .args(&paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let mut names: Vec<_> = fs::read_dir(&overlays)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["000001-field-000.png", "000002-field-001.png"]);
    let original = image::open(&paths[0]).unwrap().to_rgb8();
    let marked = image::open(overlays.join(&names[0])).unwrap().to_rgb8();
    assert_eq!(original.width(), marked.width());
    assert_ne!(original.into_raw(), marked.into_raw());
}

#[test]
fn standard_output_closed_in_the_middle_ends_the_count_quietly() {
    let folder = tempfile::tempdir().unwrap();
    write_fields(folder.path(), 10, 12);
    let mut child = program()
        .args([
            "count",
            "--json",
            "--workers",
            "1",
            "--um-per-px",
            &um_per_px(),
        ])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "not everything was counted");
    assert_eq!(messages(&output), "", "the reader had what it wanted");
}

#[test]
fn the_printed_configuration_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let output = hemoscope().args(["config", "--print"]).output().unwrap();
    let path = folder.path().join("hemoscope.toml");
    fs::write(&path, &output.stdout).unwrap();
    let check = hemoscope()
        .args(["config", "--check"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", messages(&check));
}

#[test]
fn a_mistake_in_a_checked_configuration_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hemoscope.toml");
    fs::write(&path, "[scale]\num_per_pixel = 0.07\n").unwrap();
    let missing = folder.path().join("missing.toml");
    for (path, code, part) in [(path, 1, "um_per_pixel"), (missing, 2, "cannot be read")] {
        let check = hemoscope().args(["config", "--check"]).arg(&path).output();
        let output = check.unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", messages(&output));
        assert!(messages(&output).contains(part), "{}", messages(&output));
    }
}

#[test]
fn a_typo_in_the_configuration_names_the_nearest_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hemoscope.toml");
    fs::write(&path, "[scale]\num_per_pixel = 0.07\n").unwrap();
    let output = hemoscope()
        .args(["count", "--config"])
        .arg(&path)
        .arg("x.png")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = messages(&output);
    for part in ["um_per_pixel", "um_per_px", "line 2"] {
        assert!(text.contains(part), "{part} missing in {text}");
    }
}

#[test]
fn bench_times_every_stage_or_the_one_that_is_named() {
    let all = ["decode", "judge", "prepare", "network", "detect", "draw"];
    let cases: [(&[&str], &[&str]); 2] = [(&[], &all), (&["--stage", "network"], &["network"])];
    for (options, expected) in cases {
        let output = hemoscope()
            .args(["bench", "--json", "--frames", "2"])
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", messages(&output));
        let report = &records(&output)[0];
        let stages = report["stages"].as_array().unwrap();
        let names: Vec<_> = stages.iter().map(|stage| &stage["name"]).collect();
        assert_eq!(names, expected);
        for stage in stages {
            let (median_ms, p99_ms) = (&stage["median_ms"], &stage["p99_ms"]);
            assert!(median_ms.as_f64().unwrap() > 0.0, "{stage}");
            assert!(p99_ms.as_f64() >= median_ms.as_f64(), "{stage}");
        }
        assert!(report["cells"].as_u64().unwrap() > 10, "{report}");
        assert_eq!(report["network_width_px"], 320);
        assert_eq!(report["multiply_accumulates"], 216_652_800);
        assert!(report["frames_per_second"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn bench_prints_a_table_and_asks_for_a_scale_where_a_file_is_named() {
    let output = hemoscope()
        .args(["bench", "--frames", "1"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "kernel",
        "median ms",
        "network",
        "frames a second",
        "MB resident",
        "peak",
    ] {
        assert!(text.contains(part), "{part} missing in\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let frame = write_fields(folder.path(), 5, 1).remove(0);
    let bench = |options: &[&str]| {
        let mut command = hemoscope();
        command.args(["bench", "--frames", "1", "--frame"]);
        command.arg(&frame).args(options).output().unwrap()
    };
    let refused = bench(&[]);
    assert!(!refused.status.success());
    assert!(messages(&refused).contains("give --um-per-px"));
    let accepted = bench(&["--um-per-px", &um_per_px()]);
    assert!(accepted.status.success(), "{}", messages(&accepted));
}
