use std::fs;

use prost::Message;
use tempfile::TempDir;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto};

use super::fixture::{
    Layer, device_model, float, integer, manifest_with_none, plain_model, small_network, text,
    whole_network, with_none, write_bytes, write_folder, write_with_manifest,
};
use super::kernels::{Size, Stream};
use super::*;

fn small_folder() -> TempDir {
    folder_of(small_network())
}

fn folder_of(layers: Vec<Layer>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &device_model(&layers), &plain_model(&layers));
    folder
}

/// A folder of a network that can say "none of these", or only claims it.
fn folder_with_none(layers: Vec<Layer>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = [device_model(&layers), plain_model(&layers)].map(|one| one.encode_to_vec());
    let manifest = manifest_with_none();
    write_with_manifest(folder.path(), &manifest, &models[0], &models[1]);
    folder
}

fn heads(network: &Network, width_px: u32, height_px: u32, seed: u32) -> Vec<i16> {
    let input = golden_input(width_px, height_px, seed).unwrap();
    let output = network.run(&input).unwrap();
    assert_eq!(output.columns(), (width_px / 4) as usize);
    assert_eq!(output.rows(), (height_px / 4) as usize);
    output.values().to_vec()
}

#[test]
fn every_kernel_gives_the_same_heads() {
    for layers in [small_network(), whole_network()] {
        kernels_agree(&folder_of(layers));
    }
}

fn kernels_agree(folder: &TempDir) {
    let scalar = Network::load_with(folder.path(), Kernel::Scalar).unwrap();
    for (width_px, height_px) in [(16, 16), (80, 48), (48, 112)] {
        let expected = heads(&scalar, width_px, height_px, 5);
        let smallest = expected.iter().min();
        assert_ne!(
            smallest,
            expected.iter().max(),
            "the heads are all one value"
        );
        for kernel in Kernel::available() {
            let network = Network::load_with(folder.path(), kernel).unwrap();
            assert_eq!(network.kernel(), Some(kernel));
            let actual = heads(&network, width_px, height_px, 5);
            assert!(actual == expected, "{kernel} at {width_px}x{height_px}");
        }
    }
}

#[test]
fn the_quantized_form_stays_near_the_plain_form() {
    let folder = small_folder();
    let device = Network::load(folder.path()).unwrap();
    let plain = Network::load_plain(folder.path()).unwrap();
    assert_eq!(plain.kernel(), None);
    let quantized = heads(&device, 64, 48, 9);
    let real = heads(&plain, 64, 48, 9);
    let differences: Vec<f64> = quantized
        .iter()
        .zip(&real)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .collect();
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let spread = real
        .iter()
        .map(|&value| f64::from(value).abs())
        .sum::<f64>()
        / real.len() as f64;
    // Each layer rounds to steps of 0.04, and the values spread about one.
    assert!(
        mean < 0.05 * spread,
        "they differ by {mean:.1} of {spread:.1} on average"
    );
}

#[test]
fn many_sizes_in_turn_and_in_threads_give_what_one_gives() {
    let folder = small_folder();
    let network = Network::load(folder.path()).unwrap();
    let sizes: Vec<u32> = (1..=6).map(|index| index * 16).collect();
    let alone: Vec<Vec<i16>> = sizes
        .iter()
        .map(|&side| heads(&network, side, 32, side))
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut runner = network.runner();
                for _ in 0..2 {
                    for (&side, expected) in sizes.iter().zip(&alone) {
                        let input = golden_input(side, 32, side).unwrap();
                        let output = runner.run(side, 32, input.rgbx()).unwrap();
                        assert!(output.values() == expected, "width {side}");
                    }
                }
            });
        }
    });
}

#[test]
fn the_stream_equals_tracts_own_run() {
    for layers in [small_network(), whole_network()] {
        let folder = folder_of(layers);
        let network = Network::load(folder.path()).unwrap();
        for (width_px, height_px) in [(16, 16), (64, 208), (176, 112)] {
            let input = golden_input(width_px, height_px, 3).unwrap();
            let mut runner = network.runner();
            runner
                .run_in_tract(width_px, height_px, input.rgbx())
                .unwrap();
            let expected = runner.into_output();
            for threads in 1..=3 {
                let mut runner = network.runner();
                runner.set_threads(threads);
                for _ in 0..2 {
                    let output = runner.run(width_px, height_px, input.rgbx()).unwrap();
                    assert!(
                        *output == expected,
                        "{width_px}x{height_px}, {threads} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn the_heads_do_not_depend_on_where_the_image_is_cut() {
    let folder = folder_of(whole_network());
    let network = Network::load(folder.path()).unwrap();
    let program = network.shared.program.clone().unwrap();
    let size = Size {
        height: 272,
        width: 96,
    };
    let input = golden_input(size.width as u32, size.height as u32, 11).unwrap();
    let run = |band_rows: usize, threads: usize| {
        let mut stream = Stream::new(Arc::clone(&program), size, band_rows, threads).unwrap();
        let bytes = stream.bytes();
        (stream.run(input.rgbx()).unwrap().to_vec(), bytes)
    };
    let (expected, whole_bytes) = run(size.height, 1);
    assert_ne!(expected.iter().min(), expected.iter().max());
    for band_rows in [1, 2, 7, 16, 31, 64, 100, 271] {
        for threads in [1, 2] {
            let (actual, _) = run(band_rows, threads);
            assert!(
                actual == expected,
                "bands of {band_rows} rows, {threads} threads"
            );
        }
    }
    let (_, narrow_bytes) = run(16, 1);
    assert!(
        narrow_bytes < whole_bytes,
        "{narrow_bytes} of {whole_bytes}"
    );
}

#[test]
fn values_are_found_by_row_column_and_channel() {
    let values: Vec<i16> = (0..2 * 3 * 7).collect();
    let output = NetworkOutput::from_values(2, 3, values).unwrap();
    assert_eq!(output.value(0, 0, 6), 6);
    assert_eq!(output.value(1, 2, 0), 35);
    assert_eq!(NetworkOutput::from_values(2, 3, vec![0; 41]), None);
}

#[test]
fn a_network_may_have_a_channel_for_none_of_the_classes() {
    let folder = folder_with_none(with_none(small_network()));
    kernels_agree(&folder);
    for network in [
        Network::load(folder.path()),
        Network::load_plain(folder.path()),
    ] {
        let network = network.unwrap();
        let input = golden_input(32, 16, 3).unwrap();
        let output = network.run(&input).unwrap();
        assert_eq!(output.channels(), NONE_CHANNEL + 1);
        assert_eq!(output.values().len(), 8 * 4 * (NONE_CHANNEL + 1));
        let none = network.manifest().none_settings().unwrap();
        assert_eq!(none.accept_threshold_e4, 6000);
    }
}

#[test]
fn a_manifest_that_names_none_wants_its_channel() {
    let layers = small_network();
    for folder in [
        folder_with_none(layers.clone()),
        folder_of(with_none(layers)),
    ] {
        let message = refusal(&folder);
        assert!(message.contains("but must be"), "{message}");
    }
}

/// Why a folder is refused; the plain form is looked at only where asked for.
fn refusal(folder: &TempDir) -> String {
    match Network::load_with(folder.path(), Kernel::Scalar) {
        Ok(_) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn missing_cut_and_changed_files_are_refused() {
    let edit = |change: &dyn Fn(&Path)| {
        let folder = small_folder();
        change(folder.path());
        refusal(&folder)
    };
    let model = "model.onnx";
    let cases = [
        (
            "no manifest",
            edit(&|path| fs::remove_file(path.join("manifest.toml")).unwrap()),
            "manifest.toml cannot be read",
        ),
        (
            "no model",
            edit(&|path| fs::remove_file(path.join(model)).unwrap()),
            "model.onnx cannot be read",
        ),
        (
            "cut",
            edit(&|path| {
                let bytes = fs::read(path.join(model)).unwrap();
                fs::write(path.join(model), &bytes[..bytes.len() / 2]).unwrap();
            }),
            "model.onnx is damaged",
        ),
        (
            "one bit flipped",
            edit(&|path| {
                let mut bytes = fs::read(path.join(model)).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(path.join(model), bytes).unwrap();
            }),
            "model.onnx is damaged",
        ),
        (
            "enormous",
            edit(&|path| {
                let file = fs::File::create(path.join(model)).unwrap();
                file.set_len(MAX_MODEL_BYTES + 1).unwrap();
            }),
            "larger than",
        ),
        (
            "no ONNX, though of the right hash",
            edit(&|path| write_bytes(path, b"not a model at all", b"")),
            "no ONNX file",
        ),
        (
            "an empty file of the right hash",
            edit(&|path| write_bytes(path, b"", b"")),
            "import",
        ),
    ];
    let mut failures = Vec::new();
    for (name, message, expected) in cases {
        let has_remedy = message.contains("install");
        if !message.contains(expected) || !has_remedy {
            failures.push(format!("{name}: {message}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn node<'a>(model: &'a mut ModelProto, name: &str) -> &'a mut NodeProto {
    let nodes = &mut model.graph.as_mut().unwrap().node;
    nodes.iter_mut().find(|node| node.name == name).unwrap()
}

fn set(model: &mut ModelProto, name: &str, attribute: AttributeProto) {
    let attributes = &mut node(model, name).attribute;
    attributes.retain(|old| old.name != attribute.name);
    attributes.push(attribute);
}

fn initializer<'a>(model: &'a mut ModelProto, name: &str) -> &'a mut tract_onnx::pb::TensorProto {
    let tensors = &mut model.graph.as_mut().unwrap().initializer;
    tensors
        .iter_mut()
        .find(|tensor| tensor.name == name)
        .unwrap()
}

fn set_scale(model: &mut ModelProto, value: f32) {
    initializer(model, "first_scale").raw_data[..4].copy_from_slice(&value.to_le_bytes());
}

type Change = fn(&mut ModelProto);

#[test]
fn hostile_models_are_refused_with_what_is_wrong() {
    let cases: Vec<(&str, Change, &str)> = vec![
        (
            "scale NaN",
            |model| set_scale(model, f32::NAN),
            "scale is NaN",
        ),
        (
            "scale infinite",
            |model| set_scale(model, f32::INFINITY),
            "scale is inf",
        ),
        (
            "scale negative",
            |model| set_scale(model, -0.5),
            "scale is -5e-1",
        ),
        ("scale zero", |model| set_scale(model, 0.0), "scale is 0e0"),
        (
            "scale absurd",
            |model| set_scale(model, 1e9),
            "scale is 1e9",
        ),
        (
            "residual scale NaN",
            |model| set(model, "second", float("residual_scale", f32::NAN)),
            "residual_scale is NaN",
        ),
        (
            "residual scale missing",
            |model| {
                node(model, "second")
                    .attribute
                    .retain(|a| a.name != "residual_scale");
            },
            "residual_scale",
        ),
        (
            "residual upsample of three",
            |model| set(model, "second", integer("residual_upsample", 3)),
            "residual_upsample is 3",
        ),
        (
            "residual of another size",
            |model| set(model, "second", integer("residual_upsample", 2)),
            "the residual's shape",
        ),
        (
            "stride of three",
            |model| set(model, "first", integer("stride", 3)),
            "stride is 3",
        ),
        (
            "stride below zero",
            |model| set(model, "first", integer("stride", i64::MIN)),
            "far out of range",
        ),
        (
            "pad of nine",
            |model| set(model, "first", integer("pad", 9)),
            "pad is 9",
        ),
        (
            "stride missing",
            |model| {
                node(model, "first")
                    .attribute
                    .retain(|a| a.name != "stride");
            },
            "stride",
        ),
        (
            "stride as text",
            |model| set(model, "first", text("stride", "1")),
            "stride",
        ),
        (
            "zero point of 200",
            |model| set(model, "first", integer("input_zero_point", 200)),
            "input_zero_point is 200",
        ),
        (
            "zero point of 2^40",
            |model| set(model, "first", integer("output_zero_point", 1 << 40)),
            "far out of range",
        ),
        (
            "clamp the wrong way round",
            |model| {
                set(model, "first", integer("output_min", 100));
                set(model, "first", integer("output_max", 50));
            },
            "output_max is 50",
        ),
        (
            "output of eight bits, convolved",
            |model| set(model, "first", integer("output_max", 255)),
            "values up to 255",
        ),
        (
            "unknown output kind",
            |model| set(model, "first", text("output_kind", "f64")),
            "output_kind",
        ),
        (
            "another operator",
            |model| node(model, "first").op_type = "Loop".into(),
            "the device runs only",
        ),
        (
            "another domain",
            |model| node(model, "first").domain = "elsewhere".into(),
            "the device runs only",
        ),
        (
            "a later version of the operator",
            |model| model.opset_import[1].version = 2,
            "version 2",
        ),
        ("no graph", |model| model.graph = None, "no graph"),
        (
            "no nodes",
            |model| model.graph.as_mut().unwrap().node.clear(),
            "no node gives",
        ),
        (
            "another output",
            |model| model.graph.as_mut().unwrap().output[0].name = "tails".into(),
            "tails",
        ),
        (
            "a circle",
            |model| node(model, "first").input[0] = "second".into(),
            "which nothing gives",
        ),
        (
            "two values of one name",
            |model| node(model, "skip").output[0] = "first".into(),
            "two of its values",
        ),
        (
            "too few inputs",
            |model| node(model, "first").input.truncate(2),
            "it has 2 inputs",
        ),
        (
            "no inputs",
            |model| node(model, "first").input.clear(),
            "no image",
        ),
        (
            "a constant image",
            |model| node(model, "first").input[0] = "stem_weight".into(),
            "no image",
        ),
        (
            "channels that do not fit",
            |model| node(model, "third").input[0] = "stem".into(),
            "channels",
        ),
        (
            "heads of another stride",
            |model| set(model, "heads", integer("stride", 2)),
            "its output is",
        ),
        (
            "a weight of -128",
            |model| initializer(model, "first_weight").raw_data[0] = 0x80,
            "weight is -128",
        ),
        (
            "a shape that overflows",
            |model| initializer(model, "first_weight").dims = vec![i64::MAX; 4],
            "asks for",
        ),
        (
            "a shape below zero",
            |model| initializer(model, "first_weight").dims[0] = -1,
            "asks for",
        ),
        (
            "a weight of two dimensions",
            |model| initializer(model, "first_weight").dims = vec![32 * 9, 16],
            "dimensions",
        ),
        (
            "data in another file",
            |model| initializer(model, "first_weight").data_location = Some(1),
            "in another file",
        ),
        (
            "a weight of an unknown type",
            |model| initializer(model, "first_weight").data_type = 99,
            "unknown type",
        ),
        (
            "a bias of floats",
            |model| initializer(model, "first_bias").data_type = 1,
            "model.onnx cannot be run",
        ),
        (
            "a bias that overflows",
            |model| {
                let bytes = i32::MIN.to_le_bytes();
                initializer(model, "first_bias").raw_data[..4].copy_from_slice(&bytes);
            },
            "bias is -2147483648",
        ),
    ];
    let mut failures = Vec::new();
    for (name, change, expected) in cases {
        let mut model = device_model(&small_network());
        change(&mut model);
        let folder = tempfile::tempdir().unwrap();
        write_bytes(folder.path(), &model.encode_to_vec(), b"");
        let message = refusal(&folder);
        let names_file = message.contains("model.onnx cannot be run");
        if !message.contains(expected) || !names_file {
            failures.push(format!("{name}: {message}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_kernel_is_chosen_by_name() {
    assert_eq!(Kernel::select(Some("scalar")), Ok(Kernel::Scalar));
    assert_eq!(Kernel::select(None), Ok(Kernel::detect()));
    let unknown = Kernel::select(Some("abacus")).unwrap_err().to_string();
    assert!(
        unknown.contains("abacus") && unknown.contains("scalar"),
        "{unknown}"
    );
    let foreign = Kernel::ALL
        .into_iter()
        .find(|kernel| !kernel.is_available());
    let foreign = foreign.expect("no processor has every kernel");
    let message = Kernel::select(Some(foreign.name()))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(foreign.name()) && message.contains("lacks"),
        "{message}"
    );
    let folder = small_folder();
    assert!(Network::load_with(folder.path(), foreign).is_err());
}

#[test]
fn the_shipped_model_gives_its_golden_outputs_with_every_kernel() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let folder = models.join("smear-resnet");
    for kernel in Kernel::available() {
        let network = Network::load_with(&folder, kernel).unwrap();
        let report = network.check_golden(&folder).unwrap();
        assert!(report.is_equal(), "{kernel}: {report:?}");
    }
    Network::load_plain(&folder).unwrap();
}

fn write_golden(folder: &TempDir, cases: &str) {
    let text = format!(r#"{{"format": 1, "cases": [{cases}]}}"#);
    fs::write(folder.path().join(GOLDEN_FILE), text).unwrap();
}

fn golden_case(heads: &[i16]) -> String {
    format!(
        r#"{{"name": "noise", "width_px": 32, "height_px": 16, "seed": 3, "heads": {heads:?}}}"#
    )
}

#[test]
fn golden_outputs_are_compared_to_the_bit() {
    let folder = small_folder();
    let network = Network::load(folder.path()).unwrap();
    let mut expected = heads(&network, 32, 16, 3);
    write_golden(&folder, &golden_case(&expected));
    assert!(network.check_golden(folder.path()).unwrap().is_equal());
    expected[17] -= 2;
    write_golden(&folder, &golden_case(&expected));
    let report = network.check_golden(folder.path()).unwrap();
    assert!(!report.is_equal());
    let result = GoldenCaseResult {
        name: "noise".into(),
        values: 8 * 4 * HEAD_CHANNELS,
        different_values: 1,
        largest_difference: 2,
    };
    assert_eq!(report.cases, [result]);
}

#[test]
fn unusable_golden_files_are_refused() {
    let folder = small_folder();
    let network = Network::load(folder.path()).unwrap();
    let whole = golden_case(&heads(&network, 32, 16, 3));
    let too_short = format!("holds 3 values where {} belong", 8 * 4 * HEAD_CHANNELS);
    let cases = [
        ("short", golden_case(&[1, 2, 3]), too_short.as_str()),
        ("none", String::new(), "0 cases"),
        ("odd size", whole.replace("32", "33"), "33x16"),
        ("unknown key", whole.replace("seed", "sead"), "sead"),
        ("cut", whole.replace('}', ""), "cannot be used"),
    ];
    for (name, text, expected) in cases {
        write_golden(&folder, &text);
        let message = network.check_golden(folder.path()).unwrap_err().to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
    let text = r#"{"format": 9, "cases": []}"#;
    fs::write(folder.path().join(GOLDEN_FILE), text).unwrap();
    let message = network.check_golden(folder.path()).unwrap_err().to_string();
    assert!(message.contains("format is 9"), "{message}");
}
