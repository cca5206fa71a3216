//! Bad input: a clear message that names the file, the other inputs still counted, a non-zero
//! exit, no panic, and no number where there is nothing to count.

mod common;

use common::{hemoscope, jpeg_of, messages, records, slide, slide_um_per_px, write_fields};
use hemoscope::image::frame::Frame;
use hemoscope::image::png::write_frame;
use image::{ColorType, ExtendedColorType, ImageEncoder};
use std::fs;
use std::path::{Path, PathBuf};

struct Bad {
    name: &'static str,
    /// A part of the message, beside the file's name.
    says: &'static str,
    bytes: Vec<u8>,
}

fn png_bytes(width_px: u32, height_px: u32, bytes: &[u8], colour: ExtendedColorType) -> Vec<u8> {
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(bytes, width_px, height_px, colour)
        .unwrap();
    png
}

fn rgb_png(frame: &Frame) -> Vec<u8> {
    png_bytes(
        frame.width_px(),
        frame.height_px(),
        frame.rgb(),
        ColorType::Rgb8.into(),
    )
}

fn filled(colour: [u8; 3]) -> Frame {
    Frame::filled(640, 480, colour).unwrap()
}

/// A field as a lens far out of focus shows it: means over squares of `radius_px`.
fn blurred(frame: &Frame, radius_px: i64) -> Frame {
    let (width, height) = (i64::from(frame.width_px()), i64::from(frame.height_px()));
    let mean_along = |source: &Frame, dx: i64, dy: i64| {
        let mut result = source.clone();
        for y in 0..height {
            for x in 0..width {
                let mut sums = [0u32; 3];
                for step in -radius_px..=radius_px {
                    let at_x = (x + dx * step).clamp(0, width - 1) as u32;
                    let at_y = (y + dy * step).clamp(0, height - 1) as u32;
                    let pixel = source.pixel(at_x, at_y);
                    (0..3).for_each(|channel| sums[channel] += u32::from(pixel[channel]));
                }
                let at = ((y * width + x) * 3) as usize;
                let mean = sums.map(|sum| (sum / (2 * radius_px as u32 + 1)) as u8);
                result.rgb_mut()[at..at + 3].copy_from_slice(&mean);
            }
        }
        result
    };
    let across = mean_along(frame, 1, 0);
    let twice = mean_along(&mean_along(&across, 0, 1), 1, 0);
    mean_along(&twice, 0, 1)
}

/// No smear: stripes and a bright sun on a blue-green gradient.
fn landscape() -> Frame {
    let mut frame = filled([0; 3]);
    for y in 0..480_usize {
        for x in 0..640_usize {
            let sun = (x as i64 - 480).pow(2) + (y as i64 - 90).pow(2) < 2500;
            let hill = y > 280 + (x / 7) % 40;
            let colour = match (sun, hill) {
                (true, _) => [255, 250, 120],
                (_, true) => [30 + (x % 30) as u8, 110 + (y % 50) as u8, 25],
                _ => [70, 130 + (y / 4) as u8, 235],
            };
            frame.rgb_mut()[(y * 640 + x) * 3..][..3].copy_from_slice(&colour);
        }
    }
    frame
}

/// A PNG whose header promises an image of a hundred gigapixels.
fn bomb() -> Vec<u8> {
    let mut png = rgb_png(&Frame::filled(4, 4, [200; 3]).unwrap());
    png[16..20].copy_from_slice(&400_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&300_000_u32.to_be_bytes());
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

fn bad_files() -> Vec<Bad> {
    let (field, _) = slide(21).field(0);
    let jpeg = jpeg_of(&field);
    let grey: Vec<u8> = field.rgb().chunks(3).map(|pixel| pixel[1]).collect();
    let (width, height) = (field.width_px(), field.height_px());
    let bad = |name, says, bytes| Bad { name, says, bytes };
    vec![
        bad("empty.png", "empty", Vec::new()),
        bad(
            "text.jpg",
            "not a PNG or JPEG",
            b"I am a letter.\n".to_vec(),
        ),
        bad(
            "cut-a-tenth.jpg",
            "cut off",
            jpeg[..jpeg.len() / 10].to_vec(),
        ),
        bad(
            "cut-near-the-end.jpg",
            "cut off",
            jpeg[..jpeg.len() - 40].to_vec(),
        ),
        bad("cut.png", "cut", rgb_png(&field)[..5000].to_vec()),
        bad("bomb.png", "limit", bomb()),
        bad(
            "grey.png",
            "greyscale",
            png_bytes(width, height, &grey, ExtendedColorType::L8),
        ),
        bad("animated.gif", "GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec()),
        bad("black.png", "not counted", rgb_png(&filled([2, 2, 2]))),
        bad(
            "white.png",
            "not counted",
            rgb_png(&filled([255, 255, 255])),
        ),
        bad(
            "empty-field.png",
            "not counted",
            rgb_png(&filled([226, 219, 214])),
        ),
        bad("blurred.png", "not counted", rgb_png(&blurred(&field, 22))),
        bad("landscape.png", "not counted", rgb_png(&landscape())),
    ]
}

#[test]
fn every_bad_file_is_named_and_the_good_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let good = write_fields(folder.path(), 20, 2);
    let bad = bad_files();
    let mut paths = vec![good[0].clone()];
    for one in &bad {
        let path = folder.path().join(one.name);
        fs::write(&path, &one.bytes).unwrap();
        paths.push(path);
    }
    paths.push(folder.path().join("missing.png"));
    paths.push(good[1].clone());
    let output = hemoscope()
        .args([
            "count",
            "--json",
            "--um-per-px",
            &slide_um_per_px().to_string(),
        ])
        .args(&paths)
        .output()
        .unwrap();
    let text = messages(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    let counted: Vec<_> = records(&output)
        .iter()
        .map(|record| record["image"].clone())
        .collect();
    assert_eq!(
        counted,
        good.iter()
            .map(|path| path.to_str().unwrap())
            .collect::<Vec<_>>()
    );
    let mut wrong = Vec::new();
    let expected = bad.iter().map(|one| (one.name, one.says));
    for (name, says) in expected.chain([("missing.png", "read")]) {
        let line = text
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or("no line");
        if !line.contains(says) {
            wrong.push(format!("{name}: expected {says:?} in: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sixteen_bit_and_palette_free_files_count_like_their_eight_bit_twins() {
    let folder = tempfile::tempdir().unwrap();
    let (field, _) = slide(22).field(0);
    let (width, height) = (field.width_px(), field.height_px());
    write_frame(&folder.path().join("a.png"), &field).unwrap();
    let deep: Vec<u8> = field
        .rgb()
        .iter()
        .flat_map(|value| [*value, *value])
        .collect();
    let png = png_bytes(width, height, &deep, ExtendedColorType::Rgb16);
    fs::write(folder.path().join("b.png"), png).unwrap();
    let output = hemoscope()
        .args([
            "count",
            "--json",
            // As fields of one smear the twin would be a copy, and be left out.
            "--independent",
            "--um-per-px",
            &slide_um_per_px().to_string(),
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let records = records(&output);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["cells"], records[1]["cells"]);
}

#[test]
fn where_nothing_is_counted_no_number_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let black = folder.path().join("black.png");
    write_frame(&black, &filled([0; 3])).unwrap();
    for (path, name) in [(&empty, "empty"), (&black, "black.png")] {
        let output = hemoscope().arg("count").arg(path).output().unwrap();
        let text = messages(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            output.stdout.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        assert!(text.contains(name) && !text.contains("panicked"), "{text}");
    }
}

/// Copies the shipped model's folder, so that a test can damage it.
fn copy_of_model(to: &Path) -> PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/smear-resnet");
    let copy = to.join("smear-resnet");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
    }
    copy
}

#[test]
fn a_damaged_model_is_refused_by_name() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, &str); 6] = [
        (
            "cut",
            |folder| {
                let bytes = fs::read(folder.join("model.onnx")).unwrap();
                fs::write(folder.join("model.onnx"), &bytes[..bytes.len() / 2]).unwrap();
            },
            "model.onnx",
        ),
        (
            "one bit flipped",
            |folder| {
                let mut bytes = fs::read(folder.join("model.onnx")).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
                fs::write(folder.join("model.onnx"), bytes).unwrap();
            },
            "model.onnx",
        ),
        (
            "model missing",
            |folder| fs::remove_file(folder.join("model.onnx")).unwrap(),
            "model.onnx",
        ),
        (
            "manifest missing",
            |folder| fs::remove_file(folder.join("manifest.toml")).unwrap(),
            "manifest.toml",
        ),
        (
            "another format",
            |folder| {
                let path = folder.join("manifest.toml");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replacen("format = 1", "format = 9", 1)).unwrap();
            },
            "format",
        ),
        (
            "absurd cell size",
            |folder| {
                let path = folder.join("manifest.toml");
                let text = fs::read_to_string(&path).unwrap();
                let text = text.replacen("rbc_diameter_px = 52.0", "rbc_diameter_px = nan", 1);
                fs::write(path, text).unwrap();
            },
            "rbc_diameter_px",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let image = write_fields(folder.path(), 23, 1).remove(0);
    for (name, damage, says) in cases {
        let place = folder.path().join(name.replace(' ', "-"));
        fs::create_dir(&place).unwrap();
        let model = copy_of_model(&place);
        damage(&model);
        let output = hemoscope()
            .args(["count", "--um-per-px", "0.1", "--model"])
            .arg(&model)
            .arg(&image)
            .output()
            .unwrap();
        let text = messages(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {text}");
        assert!(
            text.contains(says) && !text.contains("panicked"),
            "{name}: {text}"
        );
        assert!(output.stdout.is_empty(), "{name}");
    }
}
