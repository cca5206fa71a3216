//! The fused quantized convolution as an operator of tract: one node of a device model.
//!
//! A node's inputs are the image, the weight, bias and scale initializers, and an optional
//! residual. tract keeps the graph and the order of execution; the arithmetic is in
//! [`super::kernels`].

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{NodeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

use super::kernels::{
    Convolution, Input, Kernel, MAX_ACTIVATION, Output, OutputKind, Parameters, Quantization,
    Residual, Size,
};

/// The operator's name in a model file.
pub(super) const OPERATOR: &str = "QuantizedConvolution";
/// The domain of the operator in a model file.
pub(super) const DOMAIN: &str = "hemoscope";
/// Inputs of a node without a residual: image, weight, bias, scale.
const PLAIN_INPUTS: usize = 4;

/// Teaches tract the operator, run by the given kernel.
pub(super) fn register(onnx: &mut tract_onnx::Onnx, kernel: Kernel) {
    // tract takes a plain function, which cannot carry the kernel along.
    macro_rules! builder {
        ($($name:ident)*) => {
            match kernel {
                $(Kernel::$name => |context: &ParsingContext, node: &NodeProto| {
                    build(Kernel::$name, context, node)
                },)*
            }
        };
    }
    let builder = builder!(Scalar Neon NeonDotprod Avx2 AvxVnni Avx512Vnni Amx);
    onnx.op_register.insert(OPERATOR, builder);
}

type Built = (Box<dyn InferenceOp>, Vec<String>);

fn build(kernel: Kernel, context: &ParsingContext, node: &NodeProto) -> TractResult<Built> {
    let parameters = parameters(context, node)?;
    let convolution = Convolution::new(kernel, parameters)?;
    let operator = QuantizedConvolution(Arc::new(convolution));
    Ok((expand(operator), vec![]))
}

fn parameters(context: &ParsingContext, node: &NodeProto) -> TractResult<Parameters> {
    let has_residual = match node.input.len() {
        PLAIN_INPUTS => false,
        count if count == PLAIN_INPUTS + 1 => true,
        count => bail!("it has {count} inputs, but must have 4, or 5 with a residual"),
    };
    let constant = |index: usize| -> TractResult<Tensor> {
        context.load_tensor(initializer(context, &node.input[index])?)
    };
    let weight = constant(1)?;
    let &[output_channels, kernel_height, kernel_width, input_channels] = weight.shape() else {
        bail!(
            "its weight has {} dimensions, but must have 4",
            weight.rank()
        );
    };
    let residual = if has_residual {
        Some(Residual {
            zero_point: integer(node, "residual_zero_point")?,
            scale: node.get_attr("residual_scale")?,
            upsample: size(node, "residual_upsample")?,
        })
    } else {
        None
    };
    Ok(Parameters {
        input_channels,
        output_channels,
        kernel_height,
        kernel_width,
        stride: size(node, "stride")?,
        pad: size(node, "pad")?,
        input_zero_point: integer(node, "input_zero_point")?,
        weight: weight.try_as_plain_ram()?.as_slice::<i8>()?.to_vec(),
        bias: vector::<i32>(&constant(2)?, "bias")?,
        scale: vector::<f32>(&constant(3)?, "scale")?,
        output: quantization(node)?,
        residual,
    })
}

fn initializer<'a>(context: &'a ParsingContext, name: &str) -> TractResult<&'a TensorProto> {
    let graph = context.model.graph.as_ref();
    graph
        .and_then(|graph| graph.initializer.iter().find(|tensor| tensor.name == name))
        .with_context(|| format!("its input {name:?} is no initializer"))
}

fn vector<T: Datum>(tensor: &Tensor, name: &str) -> TractResult<Vec<T>> {
    ensure!(
        tensor.rank() == 1,
        "its {name} has {} dimensions, but must have 1",
        tensor.rank()
    );
    Ok(tensor.try_as_plain_ram()?.as_slice::<T>()?.to_vec())
}

fn quantization(node: &NodeProto) -> TractResult<Quantization> {
    let kind = match node.get_attr::<&str>("output_kind")? {
        "u8" => OutputKind::U8,
        "i16" => OutputKind::I16,
        other => bail!("its output_kind is {other:?}, but must be \"u8\" or \"i16\""),
    };
    Ok(Quantization {
        zero_point: integer(node, "output_zero_point")?,
        minimum: integer(node, "output_min")?,
        maximum: integer(node, "output_max")?,
        kind,
    })
}

fn integer(node: &NodeProto, name: &str) -> TractResult<i32> {
    let value = node.get_attr::<i64>(name)?;
    i32::try_from(value).map_err(|_| format_err!("its {name} is {value}, far out of range"))
}

fn size(node: &NodeProto, name: &str) -> TractResult<usize> {
    let value = node.get_attr::<i64>(name)?;
    usize::try_from(value).map_err(|_| format_err!("its {name} is {value}, far out of range"))
}

/// The operator; clones share the packed weights.
#[derive(Debug, Clone)]
pub(super) struct QuantizedConvolution(Arc<Convolution>);

impl PartialEq for QuantizedConvolution {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for QuantizedConvolution {}

impl QuantizedConvolution {
    /// The convolution itself, to be run outside tract.
    pub(super) fn convolution(&self) -> Arc<Convolution> {
        Arc::clone(&self.0)
    }

    fn parameters(&self) -> &Parameters {
        self.0.parameters()
    }

    fn output_type(&self) -> DatumType {
        match self.parameters().output.kind {
            OutputKind::U8 => u8::datum_type(),
            OutputKind::I16 => i16::datum_type(),
        }
    }

    /// The output's shape for shapes of the image and the residual.
    fn output_shape(&self, image: &[usize], residual: Option<&[usize]>) -> TractResult<[usize; 4]> {
        let parameters = self.parameters();
        let &[1, height, width, channels] = image else {
            bail!("the image's shape is {image:?}, but must be [1, height, width, channels]");
        };
        ensure!(
            channels == parameters.input_channels,
            "the image has {channels} channels, but the weight is for {}",
            parameters.input_channels
        );
        let output = parameters.output_size(Size { height, width })?;
        if let Some(found) = residual {
            let size = parameters.residual_size(output)?;
            let expected = [1, size.height, size.width, parameters.output_channels];
            ensure!(
                found == expected,
                "the residual's shape is {found:?}, but must be {expected:?}"
            );
        }
        let Size { height, width } = output;
        Ok([1, height, width, parameters.output_channels])
    }

    fn check_type(&self, what: &str, fact: &TypedFact) -> TractResult<()> {
        ensure!(
            fact.datum_type == u8::datum_type(),
            "the {what} is {:?}, but must be u8",
            fact.datum_type
        );
        Ok(())
    }
}

impl Op for QuantizedConvolution {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    op_as_typed_op!();
}

impl EvalOp for QuantizedConvolution {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let image = inputs.first().context("the image is missing")?;
        let residual = inputs.get(1);
        let shape = self.output_shape(image.shape(), residual.map(|tensor| tensor.shape()))?;
        let input = Input {
            size: Size {
                height: image.shape()[1],
                width: image.shape()[2],
            },
            activations: image.try_as_plain_ram()?.as_slice::<u8>()?,
            residual: match residual {
                Some(tensor) => Some(tensor.try_as_plain_ram()?.as_slice::<u8>()?),
                None => None,
            },
        };
        let mut output = Tensor::zero_dt(self.output_type(), &shape)?;
        let mut values = output.try_as_plain_ram_mut()?;
        let values = match self.parameters().output.kind {
            OutputKind::U8 => Output::U8(values.as_slice_mut::<u8>()?),
            OutputKind::I16 => Output::I16(values.as_slice_mut::<i16>()?),
        };
        self.0.run(input, values)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl TypedOp for QuantizedConvolution {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let concrete = |fact: &TypedFact| -> TractResult<TVec<usize>> {
            let shape = fact.shape.as_concrete();
            Ok(shape.context("the image's size is not known")?.into())
        };
        let image = inputs.first().context("the image is missing")?;
        self.check_type("image", image)?;
        let residual = match inputs.get(1) {
            Some(fact) => {
                self.check_type("residual", fact)?;
                Some(concrete(fact)?)
            }
            None => None,
        };
        let shape = self.output_shape(&concrete(image)?, residual.as_deref())?;
        Ok(tvec!(self.output_type().fact(shape)))
    }
}

impl Expansion for QuantizedConvolution {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        let residual = usize::from(self.parameters().residual.is_some());
        check_input_arity(inputs, PLAIN_INPUTS + residual)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, u8::datum_type())?;
        solver.equals(&outputs[0].datum_type, self.output_type())?;
        solver.given(&inputs[0].shape, move |solver, shape| {
            let image = shape
                .iter()
                .map(|side| Ok(side.to_usize()?))
                .collect::<TractResult<TVec<usize>>>()?;
            let shape = self.output_shape(&image, None)?;
            let shape: TVec<TDim> = shape.iter().map(ToDim::to_dim).collect();
            solver.equals(&outputs[0].shape, shape)
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let image = inputs[0];
        let producer = model.node(image.node).op_as::<Self>();
        let largest = producer.map_or(MAX_ACTIVATION, |op| op.parameters().output.maximum);
        ensure!(
            largest <= MAX_ACTIVATION,
            "its image holds values up to {largest}, but only values up to {MAX_ACTIVATION} \
             can be convolved"
        );
        let mut wired = tvec!(image);
        wired.extend(inputs.get(PLAIN_INPUTS).copied());
        model.wire_node(prefix, self.clone(), &wired)
    }
}
