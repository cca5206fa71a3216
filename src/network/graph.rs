//! A model file's graph: checked before tract builds it, since tract trusts a file's names and
//! lengths.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::type_proto;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, TypeProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::{TractErrorContext, bail};

use super::kernels::{Kernel, Program, Source, Step};
use super::manifest::INPUT_ZERO_POINT;
use super::op;
use super::output::HEAD_STEPS;

/// The graph's only input.
const INPUT: &str = "frame";
/// The graph's only output.
const OUTPUT: &str = "heads";
/// Input steps in one unit of the plain form.
const INPUT_STEPS: f32 = 32.0;
/// The most nodes of a graph.
const MAX_NODES: usize = 1024;
/// The most initializers of a graph.
const MAX_INITIALIZERS: usize = 4096;

/// The two forms of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Quantized: NHWC bytes in, NHWC 16-bit integers out.
    Device,
    /// Floating point: NCHW in and out.
    Plain,
}

impl Form {
    pub(super) fn input_fact(self, width: usize, height: usize) -> TypedFact {
        match self {
            Form::Device => u8::fact([1, height, width, 4]),
            Form::Plain => f32::fact([1, 3, height, width]),
        }
    }

    pub(super) fn output_fact(self, columns: usize, rows: usize, channels: usize) -> TypedFact {
        match self {
            Form::Device => i16::fact([1, rows, columns, channels]),
            Form::Plain => f32::fact([1, channels, rows, columns]),
        }
    }

    /// A checked frame as the graph takes it.
    pub(super) fn tensor(self, width: usize, height: usize, rgbx: &[u8]) -> TractResult<Tensor> {
        if self == Form::Device {
            return Tensor::from_shape(&[1, height, width, 4], rgbx);
        }
        let mut values = Vec::with_capacity(3 * width * height);
        for colour in 0..3 {
            let plane = rgbx.iter().skip(colour).step_by(4);
            let zero = f32::from(INPUT_ZERO_POINT);
            values.extend(plane.map(|&value| (f32::from(value) - zero) / INPUT_STEPS));
        }
        Tensor::from_shape(&[1, 3, height, width], &values)
    }

    /// The graph's output in steps: all channels of a grid cell, then the next cell.
    pub(super) fn steps(self, heads: &Tensor, cells: usize) -> TractResult<Vec<i16>> {
        let heads = heads.try_as_plain_ram()?;
        if self == Form::Device {
            return Ok(heads.as_slice::<i16>()?.to_vec());
        }
        let real = heads.as_slice::<f32>()?;
        if let Some(value) = real.iter().find(|value| !value.is_finite()) {
            bail!("an output is {value}");
        }
        let channels = real.len() / cells.max(1);
        let step = |index: usize| {
            let (cell, channel) = (index / channels, index % channels);
            let value = real[channel * cells + cell] * HEAD_STEPS;
            value.round_ties_even() as i16
        };
        Ok((0..real.len()).map(step).collect())
    }

    fn element_type(self) -> DataType {
        match self {
            Form::Device => DataType::Uint8,
            Form::Plain => DataType::Float,
        }
    }
}

/// Reads a model file whose hash has been checked; the error says what is wrong with it.
pub(super) fn read(bytes: &[u8], form: Form, kernel: Kernel) -> Result<InferenceModel, String> {
    let mut onnx = onnx().with_ignore_value_info(true);
    op::register(&mut onnx, kernel);
    let mut reader = bytes;
    let mut proto = onnx
        .proto_model_for_read(&mut reader)
        .map_err(|error| format!("it is no ONNX file ({error:#})"))?;
    check(&mut proto, form)?;
    onnx.model_for_proto_model(&proto)
        .map_err(|error| format!("{error:#}"))
}

/// The convolutions of an optimized device model, in the order in which tract runs them.
pub(super) fn program(model: &TypedModel) -> TractResult<Program> {
    let mut sources = HashMap::new();
    let mut steps = Vec::new();
    for node in model.eval_order()? {
        let node = model.node(node);
        if model
            .input_outlets()?
            .iter()
            .any(|input| input.node == node.id)
        {
            sources.insert(node.id, Source::Image);
            continue;
        }
        let operator = node
            .op_as::<op::QuantizedConvolution>()
            .with_context(|| format!("node {:?} is no convolution of the device", node.name))?;
        let source = |place: usize| {
            let input = node.inputs.get(place)?;
            sources.get(&input.node).copied()
        };
        let input = source(0).with_context(|| format!("node {:?} has no image", node.name))?;
        let residual = match source(1) {
            None => None,
            Some(Source::Step(step)) => Some(step),
            Some(Source::Image) => bail!("node {:?} adds the frame itself", node.name),
        };
        sources.insert(node.id, Source::Step(steps.len()));
        steps.push(Step {
            convolution: operator.convolution(),
            input,
            residual,
        });
    }
    let last = sources.get(&model.output_outlets()?[0].node);
    if last != Some(&Source::Step(steps.len().wrapping_sub(1))) {
        bail!("its output is not what it computes last");
    }
    Ok(Program::new(steps)?)
}

/// Checks names, lengths and operators, and leaves the input's size open.
fn check(proto: &mut ModelProto, form: Form) -> Result<(), String> {
    if form == Form::Device {
        check_domain(proto)?;
    }
    let graph = proto.graph.as_mut().ok_or("it holds no graph")?;
    let counts = [
        ("nodes", graph.node.len(), MAX_NODES),
        ("initializers", graph.initializer.len(), MAX_INITIALIZERS),
        ("sparse initializers", graph.sparse_initializer.len(), 0),
    ];
    for (what, count, limit) in counts {
        if count > limit {
            return Err(format!(
                "it has {count} {what}, but at most {limit} are allowed"
            ));
        }
    }
    open_ends(graph, form)?;
    check_names(graph)?;
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    for node in &graph.node {
        check_node(graph, node, form)?;
    }
    Ok(())
}

fn check_domain(proto: &ModelProto) -> Result<(), String> {
    let version = proto
        .opset_import
        .iter()
        .find(|import| import.domain == op::DOMAIN)
        .map(|import| import.version);
    match version {
        Some(1) => Ok(()),
        Some(other) => Err(format!(
            "it uses version {other} of the operators of {}, but this program has version 1",
            op::DOMAIN
        )),
        None => Err(format!(
            "it does not import the operators of {}",
            op::DOMAIN
        )),
    }
}

/// One input and one output, whose sizes are told by the plan and not by the file.
fn open_ends(graph: &mut GraphProto, form: Form) -> Result<(), String> {
    let inputs: Vec<&str> = graph
        .input
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    let outputs: Vec<&str> = graph
        .output
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    if inputs != [INPUT] || outputs != [OUTPUT] {
        return Err(format!(
            "its inputs are {inputs:?} and its outputs {outputs:?}, but must be [{INPUT:?}] and \
             [{OUTPUT:?}]"
        ));
    }
    let tensor = type_proto::Tensor {
        elem_type: form.element_type() as i32,
        shape: None,
    };
    graph.input[0].r#type = Some(TypeProto {
        value: Some(type_proto::Value::TensorType(tensor)),
        ..TypeProto::default()
    });
    graph.output[0].r#type = None;
    Ok(())
}

/// Every name is given once, and before it is used: so the graph has no circles.
fn check_names(graph: &GraphProto) -> Result<(), String> {
    let mut names = HashSet::from([INPUT]);
    let twice = |name: &str| format!("two of its values are named {name:?}");
    for tensor in &graph.initializer {
        if !names.insert(&tensor.name) {
            return Err(twice(&tensor.name));
        }
    }
    for node in &graph.node {
        let unknown = |name: &&String| !name.is_empty() && !names.contains(name.as_str());
        if let Some(name) = node.input.iter().find(unknown) {
            return Err(format!(
                "node {:?} reads {name:?}, which nothing gives",
                node.name
            ));
        }
        if node.output.len() != 1 || node.output[0].is_empty() {
            return Err(format!("node {:?} must have one output", node.name));
        }
        if !names.insert(&node.output[0]) {
            return Err(twice(&node.output[0]));
        }
    }
    if !graph.node.iter().any(|node| node.output[0] == OUTPUT) {
        return Err(format!("no node gives its output {OUTPUT:?}"));
    }
    Ok(())
}

/// The data must be inside the file, of a known type, and as long as the shape says.
fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    let name = &tensor.name;
    if tensor.data_location == Some(DataLocation::External as i32) {
        return Err(format!("the data of {name:?} is in another file"));
    }
    let (bytes, listed) = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => (4, tensor.float_data.len()),
        Ok(DataType::Int32) => (4, tensor.int32_data.len()),
        Ok(DataType::Int64) => (8, tensor.int64_data.len()),
        Ok(DataType::Int8) => (1, tensor.int32_data.len()),
        _ => {
            return Err(format!(
                "{name:?} has the unknown type {}",
                tensor.data_type
            ));
        }
    };
    let values = tensor.dims.iter().try_fold(1_usize, |count, &side| {
        count.checked_mul(usize::try_from(side).ok()?)
    });
    let fits = |values: usize| {
        if tensor.raw_data.is_empty() {
            listed == values
        } else {
            values.checked_mul(bytes) == Some(tensor.raw_data.len())
        }
    };
    if values.is_some_and(fits) {
        return Ok(());
    }
    Err(format!(
        "{name:?} holds less or more data than its shape {:?} asks for",
        tensor.dims
    ))
}

fn check_node(graph: &GraphProto, node: &NodeProto, form: Form) -> Result<(), String> {
    let name = &node.name;
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(format!("node {name:?} holds a graph of its own"));
        }
        attribute.t.iter().try_for_each(check_tensor)?;
    }
    if form == Form::Plain {
        return Ok(());
    }
    if node.op_type != op::OPERATOR || node.domain != op::DOMAIN {
        return Err(format!(
            "node {name:?} is a {}.{}, but the device runs only {}.{}",
            node.domain,
            node.op_type,
            op::DOMAIN,
            op::OPERATOR
        ));
    }
    let constant = |place: usize| {
        let input = node.input.get(place);
        input.is_some_and(|input| graph.initializer.iter().any(|tensor| tensor.name == *input))
    };
    let empty = node.input.iter().any(String::is_empty);
    if node.input.is_empty() || empty || constant(0) || constant(4) {
        return Err(format!("node {name:?} has no image to convolve or to add"));
    }
    Ok(())
}
