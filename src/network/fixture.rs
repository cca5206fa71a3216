//! Small random networks in both forms, written as model folders for the tests.

use std::path::Path;

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};

use super::{HEAD_CHANNELS, NONE_CHANNEL, sha256_hex};
use crate::cell::{CellClass, NONE_NAME};
use crate::random::Random;

/// A manifest whose hashes stand for the files that [`write_folder`] writes. The last class has
/// settings of its own.
pub(crate) fn manifest() -> String {
    let names = CellClass::ALL.map(CellClass::name);
    let last = CellClass::COUNT - 1;
    let listed = names.map(|name| format!("{name:?}")).join(", ");
    let usual = names[..last]
        .iter()
        .map(|name| class_table(name, (5000, 2500), (256, 0)));
    let of_last = class_table(names[last], (4500, 2000), (250, -12));
    let classes: String = usual.chain([of_last]).collect();
    format!(
        r#"
format = 1
name = "test"
version = "1.0.0"
classes = [{listed}]
opset = 13
license_note = "random numbers"

[device]
file = "model.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[plain]
file = "plain.onnx"
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

[input]
rbc_diameter_px = 52.0
side_multiple_px = 16
stride_px = 4
zero_point = 64
{classes}
[quantization]
scheme = "u7s8"
calibration = "none"
calibration_frames = 0
calibration_data = "none"

[training]
data = []
epochs = 0.0
seed = 1
parameters = 0
mmac_320x240 = 0.0

[count_scatter]
rbc = 0.02
wbc = 0.0
plt = 0.05

[metrics]
map50 = 0.9
"#
    )
}

/// As [`manifest`], of a network that can say "none of these".
pub(crate) fn manifest_with_none() -> String {
    let last = format!("\"{}\"]", CellClass::ALL[CellClass::COUNT - 1]);
    let none = class_table(NONE_NAME, (6000, 3000), (256, 0));
    manifest()
        .replace(&last, &last.replace(']', ", \"none\"]"))
        .replace("\n[quantization]", &format!("{none}\n[quantization]"))
}

/// A class's thresholds (certain, candidate), and its calibration (slope, intercept).
fn class_table(name: &str, thresholds_e4: (u16, u16), calibration_q8: (i32, i32)) -> String {
    let (certain, candidate) = thresholds_e4;
    let (slope, intercept) = calibration_q8;
    format!(
        r#"
[[class]]
name = "{name}"
certain_permyriad = {certain}
candidate_permyriad = {candidate}
calibration_slope_q8 = {slope}
calibration_intercept_q8 = {intercept}
"#
    )
}

/// What a layer's output is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// Convolved again: zero and above.
    Relu,
    /// Only added.
    Branch,
    /// The network's output.
    Heads,
}

/// One convolution.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    name: &'static str,
    input: &'static str,
    channels: (usize, usize),
    side: usize,
    stride: usize,
    role: Role,
    residual: Option<(&'static str, usize)>,
}

fn layer(
    name: &'static str,
    input: &'static str,
    channels: (usize, usize),
    (side, stride): (usize, usize),
    role: Role,
) -> Layer {
    Layer {
        name,
        input,
        channels,
        side,
        stride,
        role,
        residual: None,
    }
}

impl Layer {
    fn plus(mut self, residual: &'static str, upsample: usize) -> Self {
        self.residual = Some((residual, upsample));
        self
    }

    /// Real value of one step of the output.
    fn step(&self) -> f32 {
        match self.role {
            Role::Relu | Role::Branch => 0.04,
            Role::Heads => 1.0 / 256.0,
        }
    }

    fn zero_point(&self) -> i64 {
        if self.role == Role::Branch { 128 } else { 0 }
    }
}

/// A network with every kind of layer, strided as the real one.
pub(crate) fn small_network() -> Vec<Layer> {
    use Role::{Branch, Heads, Relu};
    vec![
        layer("stem", "frame", (4, 16), (3, 2), Relu),
        layer("first", "stem", (16, 32), (3, 2), Relu),
        layer("skip", "stem", (16, 32), (1, 2), Branch),
        layer("second", "first", (32, 32), (3, 1), Relu).plus("skip", 1),
        layer("third", "second", (32, 48), (3, 2), Relu),
        layer("coarse", "third", (48, 32), (1, 1), Branch),
        layer("merged", "second", (32, 32), (1, 1), Relu).plus("coarse", 2),
        layer("heads", "merged", (32, HEAD_CHANNELS), (1, 1), Heads),
    ]
}

/// A network with one channel more, for what is none of the classes.
pub(crate) fn with_none(mut layers: Vec<Layer>) -> Vec<Layer> {
    if let Some(heads) = layers.last_mut() {
        heads.channels.1 = NONE_CHANNEL + 1;
    }
    layers
}

/// A network of the shape that is trained for the device.
pub(crate) fn whole_network() -> Vec<Layer> {
    use Role::{Branch, Heads, Relu};
    let mut layers = vec![layer("stem", "frame", (4, 16), (3, 2), Relu)];
    layers.extend(block(["a_one", "a_skip", "a"], "stem", (16, 32), 2));
    layers.extend(block(["b_one", "b_skip", "b"], "a", (32, 48), 2));
    layers.extend(block(["c_one", "", "c"], "b", (48, 48), 1));
    layers.extend(block(["d_one", "d_skip", "d"], "c", (48, 96), 2));
    layers.extend(block(["e_one", "", "e"], "d", (96, 96), 1));
    layers.extend([
        layer("e_up", "e", (96, 64), (1, 1), Branch),
        layer("f", "c", (48, 64), (1, 1), Relu).plus("e_up", 2),
        layer("g", "f", (64, 64), (3, 1), Relu),
        layer("g_up", "g", (64, 32), (1, 1), Branch),
        layer("h", "a", (32, 32), (1, 1), Relu).plus("g_up", 2),
        layer("i", "h", (32, 32), (3, 1), Relu),
        layer("j", "i", (32, 32), (3, 1), Relu),
        layer("heads", "j", (32, HEAD_CHANNELS), (1, 1), Heads),
    ]);
    layers
}

/// Two convolutions and what is added to them: the input itself, or its projection.
fn block(
    [first, skip, last]: [&'static str; 3],
    input: &'static str,
    (inputs, outputs): (usize, usize),
    stride: usize,
) -> Vec<Layer> {
    let mut layers = vec![layer(
        first,
        input,
        (inputs, outputs),
        (3, stride),
        Role::Relu,
    )];
    let mut added = input;
    if !skip.is_empty() {
        layers.push(layer(
            skip,
            input,
            (inputs, outputs),
            (1, stride),
            Role::Branch,
        ));
        added = skip;
    }
    layers.push(layer(last, first, (outputs, outputs), (3, 1), Role::Relu).plus(added, 1));
    layers
}

/// The random numbers of one layer.
struct Weights {
    weight: Vec<i8>,
    bias: Vec<i32>,
    /// Real value of one unit of the weight.
    unit: f32,
}

impl Weights {
    fn new(layer: &Layer, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut next = || i32::from(random.byte()) - 128;
        let window = layer.side * layer.side * layer.channels.0;
        let is_unused = |index: usize| layer.input == "frame" && index % 4 == 3;
        let weight = (0..window * layer.channels.1)
            .map(|index| {
                if is_unused(index) {
                    0
                } else {
                    next().max(-127) as i8
                }
            })
            .collect();
        Self {
            weight,
            bias: (0..layer.channels.1).map(|_| next() * 4).collect(),
            unit: 1.0 / (73.0 * (window as f32).sqrt()),
        }
    }
}

fn input_step(layers: &[Layer], name: &str) -> f32 {
    let found = layers.iter().find(|layer| layer.name == name);
    found.map_or(1.0 / 32.0, Layer::step)
}

/// The device form.
pub(crate) fn device_model(layers: &[Layer]) -> ModelProto {
    let mut graph = empty_graph();
    for (index, layer) in layers.iter().enumerate() {
        let weights = Weights::new(layer, index as u64);
        let input_step = input_step(layers, layer.input);
        let (inputs, outputs) = layer.channels;
        let scale = vec![weights.unit * input_step / layer.step(); outputs];
        let name = |what: &str| format!("{}_{what}", layer.name);
        let shape = [outputs, layer.side, layer.side, inputs];
        graph.initializer.extend([
            tensor(
                &name("weight"),
                DataType::Int8,
                &shape,
                bytes(&weights.weight),
            ),
            tensor(
                &name("bias"),
                DataType::Int32,
                &[outputs],
                little_endian(&weights.bias),
            ),
            tensor(&name("scale"), DataType::Float, &[outputs], floats(&scale)),
        ]);
        let (lowest, highest, kind) = match layer.role {
            Role::Relu => (0, 127, "u8"),
            Role::Branch => (0, 255, "u8"),
            Role::Heads => (-32_768, 32_767, "i16"),
        };
        let mut node = NodeProto {
            name: layer.name.into(),
            op_type: "QuantizedConvolution".into(),
            domain: "hemoscope".into(),
            input: vec![
                layer.input.into(),
                name("weight"),
                name("bias"),
                name("scale"),
            ],
            output: vec![layer.name.into()],
            attribute: vec![
                integer("stride", layer.stride as i64),
                integer("pad", (layer.side / 2) as i64),
                integer(
                    "input_zero_point",
                    if layer.input == "frame" { 64 } else { 0 },
                ),
                integer("output_zero_point", layer.zero_point()),
                integer("output_min", lowest),
                integer("output_max", highest),
                text("output_kind", kind),
            ],
            ..NodeProto::default()
        };
        if let Some((residual, upsample)) = layer.residual {
            let branch = layers.iter().find(|layer| layer.name == residual).unwrap();
            node.input.push(residual.into());
            node.attribute.extend([
                integer("residual_zero_point", branch.zero_point()),
                float("residual_scale", branch.step() / layer.step()),
                integer("residual_upsample", upsample as i64),
            ]);
        }
        graph.node.push(node);
    }
    model(graph)
}

/// The plain form of the same numbers.
pub(crate) fn plain_model(layers: &[Layer]) -> ModelProto {
    let mut graph = empty_graph();
    let doubling = floats(&[1.0, 1.0, 2.0, 2.0]);
    graph
        .initializer
        .push(tensor("doubling", DataType::Float, &[4], doubling));
    for (index, layer) in layers.iter().enumerate() {
        let weights = Weights::new(layer, index as u64);
        let input_step = input_step(layers, layer.input);
        let (inputs, outputs) = layer.channels;
        let used = if layer.input == "frame" { 3 } else { inputs };
        let taps = layer.side * layer.side;
        let mut weight = Vec::new();
        for output in 0..outputs {
            for input in 0..used {
                for tap in 0..taps {
                    let quantized = weights.weight[(output * taps + tap) * inputs + input];
                    weight.push(f32::from(quantized) * weights.unit);
                }
            }
        }
        let unit = weights.unit * input_step;
        let bias: Vec<f32> = weights
            .bias
            .iter()
            .map(|&bias| bias as f32 * unit)
            .collect();
        let name = |what: &str| format!("{}_{what}", layer.name);
        let shape = [outputs, used, layer.side, layer.side];
        graph.initializer.extend([
            tensor(&name("weight"), DataType::Float, &shape, floats(&weight)),
            tensor(&name("bias"), DataType::Float, &[outputs], floats(&bias)),
        ]);
        let pad = (layer.side / 2) as i64;
        let side = layer.side as i64;
        let mut steps = vec![(
            "Conv",
            vec![layer.input.to_string(), name("weight"), name("bias")],
            vec![
                integers("strides", &[layer.stride as i64; 2]),
                integers("pads", &[pad; 4]),
                integers("kernel_shape", &[side; 2]),
            ],
        )];
        if let Some((residual, upsample)) = layer.residual {
            let mut branch = residual.to_string();
            if upsample == 2 {
                branch = name("resized");
                graph.node.push(NodeProto {
                    name: branch.clone(),
                    op_type: "Resize".into(),
                    input: vec![residual.into(), String::new(), "doubling".into()],
                    output: vec![branch.clone()],
                    attribute: vec![
                        text("mode", "nearest"),
                        text("coordinate_transformation_mode", "asymmetric"),
                        text("nearest_mode", "floor"),
                    ],
                    ..NodeProto::default()
                });
            }
            steps.push(("Add", vec![String::new(), branch], vec![]));
        }
        if layer.role == Role::Relu {
            steps.push(("Relu", vec![String::new()], vec![]));
        }
        let last = steps.len() - 1;
        for (index, (op_type, mut input, attribute)) in steps.into_iter().enumerate() {
            if index > 0 {
                input[0] = name(&(index - 1).to_string());
            }
            let output = if index == last {
                layer.name.into()
            } else {
                name(&index.to_string())
            };
            graph.node.push(NodeProto {
                name: output.clone(),
                op_type: op_type.into(),
                input,
                output: vec![output],
                attribute,
                ..NodeProto::default()
            });
        }
    }
    model(graph)
}

/// Writes a folder with both forms and their manifest.
pub(crate) fn write_folder(folder: &Path, device: &ModelProto, plain: &ModelProto) {
    write_bytes(folder, &device.encode_to_vec(), &plain.encode_to_vec());
}

/// Writes a folder with any bytes for its two models.
pub(crate) fn write_bytes(folder: &Path, device: &[u8], plain: &[u8]) {
    write_with_manifest(folder, &manifest(), device, plain);
}

/// Writes a folder with a manifest of its own, whose hashes are set.
pub(crate) fn write_with_manifest(folder: &Path, manifest: &str, device: &[u8], plain: &[u8]) {
    let manifest = manifest
        .replace(&"0".repeat(64), &sha256_hex(device))
        .replace(&"1".repeat(64), &sha256_hex(plain));
    std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
    std::fs::write(folder.join("model.onnx"), device).unwrap();
    std::fs::write(folder.join("plain.onnx"), plain).unwrap();
}

fn empty_graph() -> GraphProto {
    let value = |name: &str| ValueInfoProto {
        name: name.into(),
        ..ValueInfoProto::default()
    };
    GraphProto {
        name: "test".into(),
        input: vec![value("frame")],
        output: vec![value("heads")],
        ..GraphProto::default()
    }
}

fn model(graph: GraphProto) -> ModelProto {
    let import = |domain: &str, version: i64| OperatorSetIdProto {
        domain: domain.into(),
        version,
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![import("", 13), import("hemoscope", 1)],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn tensor(name: &str, data_type: DataType, shape: &[usize], raw_data: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.into(),
        data_type: data_type as i32,
        dims: shape.iter().map(|&side| side as i64).collect(),
        raw_data,
        ..TensorProto::default()
    }
}

fn bytes(values: &[i8]) -> Vec<u8> {
    values.iter().map(|&value| value as u8).collect()
}

fn little_endian(values: &[i32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: kind as i32,
        ..AttributeProto::default()
    }
}

pub(crate) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        i: value,
        ..attribute(name, AttributeType::Int)
    }
}

pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        f: value,
        ..attribute(name, AttributeType::Float)
    }
}

pub(crate) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        s: value.as_bytes().to_vec(),
        ..attribute(name, AttributeType::String)
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: values.to_vec(),
        ..attribute(name, AttributeType::Ints)
    }
}
