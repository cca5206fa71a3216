//! The fused quantized convolution as an operator of tract's.

use super::kernels::{
    Convolution, Input, Kernel, KernelError, Output, OutputKind, Parameters, Quantization,
    Residual, Size,
};
use std::env;
use std::sync::Arc;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

/// What the exporter calls the operator.
pub(super) const NAME: &str = "QuantizedConvolution";
/// Forces a kernel by name; without it the fastest one runs.
const KERNEL_VARIABLE: &str = "HEMOSCOPE_KERNEL";

/// Inputs in order: activations, weight, bias, scale, and the residual where there is one.
const FIXED_INPUTS: usize = 4;

/// The kernel that runs here: the one that `HEMOSCOPE_KERNEL` names, or the fastest.
///
/// # Errors
/// The variable names no kernel, or one that this processor cannot run.
pub(super) fn chosen_kernel() -> Result<Kernel, KernelError> {
    let requested = env::var_os(KERNEL_VARIABLE);
    Kernel::select(
        requested
            .as_ref()
            .map(|name| name.to_string_lossy())
            .as_deref(),
    )
}

/// Makes the operator known to tract's reader of ONNX.
pub(super) fn register(onnx: &mut tract_onnx::Onnx) {
    onnx.op_register.insert(NAME, read_node);
}

fn read_node(
    _context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let attributes = Attributes::read(node)?;
    Ok((expand(attributes), vec![]))
}

/// What a node says beside its tensors.
#[derive(Debug, Clone)]
struct Attributes {
    stride: usize,
    pad: usize,
    input_zero_point: i32,
    output: Quantization,
    residual: Option<Residual>,
}

impl Attributes {
    fn read(node: &NodeProto) -> TractResult<Self> {
        let kind = match node.get_attr::<&str>("output_kind")? {
            "u8" => OutputKind::U8,
            "i16" => OutputKind::I16,
            other => bail!("output_kind is {other:?}, but must be \"u8\" or \"i16\""),
        };
        let residual = Residual {
            zero_point: small(node, "residual_zero_point")?,
            scale: node.get_attr("residual_scale")?,
            upsample: size(node, "residual_upsample")?,
        };
        let has_residual = match node.input.len() {
            FIXED_INPUTS => false,
            with_residual if with_residual == FIXED_INPUTS + 1 => true,
            other => bail!("{other} inputs, but {FIXED_INPUTS} or one more are needed"),
        };
        Ok(Self {
            stride: size(node, "stride")?,
            pad: size(node, "pad")?,
            input_zero_point: small(node, "input_zero_point")?,
            output: Quantization {
                zero_point: small(node, "output_zero_point")?,
                minimum: small(node, "output_min")?,
                maximum: small(node, "output_max")?,
                kind,
            },
            residual: has_residual.then_some(residual),
        })
    }
}

fn small(node: &NodeProto, name: &str) -> TractResult<i32> {
    let value: i64 = node.get_attr(name)?;
    i32::try_from(value).with_context(|| format!("{name} is {value}, which is no 32-bit number"))
}

fn size(node: &NodeProto, name: &str) -> TractResult<usize> {
    let value: i64 = node.get_attr(name)?;
    usize::try_from(value).with_context(|| format!("{name} is {value}, which is no size"))
}

impl Expansion for Attributes {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, datum_type_of(self.output.kind))?;
        solver.given_2(
            &inputs[0].shape,
            &inputs[1].shape,
            move |solver, input, weight| {
                let (&[batch, height, width, _], &[outputs_, kernel_height, kernel_width, _]) =
                    (&*concrete(&input)?, &*concrete(&weight)?)
                else {
                    bail!("activations and weight need four dimensions each");
                };
                let side = |side: usize, kernel: usize| {
                    (side + 2 * self.pad)
                        .checked_sub(kernel)
                        .filter(|_| self.stride > 0)
                        .map(|rest| rest / self.stride + 1)
                        .context("the kernel is larger than its input")
                };
                let shape = [
                    batch,
                    side(height, kernel_height)?,
                    side(width, kernel_width)?,
                    outputs_,
                ];
                let shape: ShapeFactoid = shape.iter().map(|side| side.to_dim()).collect();
                solver.equals(&outputs[0].shape, shape)
            },
        )
    }

    fn wire(
        &self,
        name: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let constant = |index: usize| -> TractResult<Arc<Tensor>> {
            let fact = model.outlet_fact(inputs[index])?;
            fact.konst
                .clone()
                .with_context(|| format!("input {index} of {name} must be a constant"))
        };
        let (weight, bias, scale) = (constant(1)?, constant(2)?, constant(3)?);
        let &[output_channels, kernel_height, kernel_width, input_channels] = weight.shape() else {
            bail!("the weight of {name} needs four dimensions");
        };
        let parameters = Parameters {
            input_channels,
            output_channels,
            kernel_height,
            kernel_width,
            stride: self.stride,
            pad: self.pad,
            input_zero_point: self.input_zero_point,
            weight: values(&weight)?,
            bias: values(&bias)?,
            scale: values(&scale)?,
            output: self.output,
            residual: self.residual,
        };
        let convolution = Convolution::new(chosen_kernel()?, parameters)
            .with_context(|| format!("layer {name} cannot run"))?;
        let op = FusedConvolution(Arc::new(convolution));
        let mut wired: TVec<OutletId> = tvec!(inputs[0]);
        wired.extend(inputs.get(FIXED_INPUTS).copied());
        model.wire_node(name, op, &wired)
    }
}

fn concrete(shape: &TVec<TDim>) -> TractResult<Vec<usize>> {
    shape.iter().map(|side| Ok(side.to_usize()?)).collect()
}

fn values<T: Datum + Copy>(tensor: &Tensor) -> TractResult<Vec<T>> {
    Ok(tensor.try_as_plain_ram()?.as_slice::<T>()?.to_vec())
}

fn datum_type_of(kind: OutputKind) -> DatumType {
    match kind {
        OutputKind::U8 => u8::datum_type(),
        OutputKind::I16 => i16::datum_type(),
    }
}

/// A packed convolution in tract's graph.
#[derive(Debug, Clone)]
struct FusedConvolution(Arc<Convolution>);

impl PartialEq for FusedConvolution {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for FusedConvolution {}

impl FusedConvolution {
    /// Batch, and the size of the output, for the shape of the activations.
    fn output_size(&self, shape: &[usize]) -> TractResult<(usize, Size)> {
        let &[batch, height, width, channels] = shape else {
            bail!("the activations need four dimensions");
        };
        let parameters = self.0.parameters();
        ensure!(batch == 1, "one frame at a time, not {batch}");
        ensure!(
            channels == parameters.input_channels,
            "{channels} channels, but the weight has {}",
            parameters.input_channels
        );
        Ok((batch, parameters.output_size(Size { height, width })?))
    }
}

impl Op for FusedConvolution {
    fn name(&self) -> StaticName {
        NAME.into()
    }

    op_as_typed_op!();
}

impl EvalOp for FusedConvolution {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let parameters = self.0.parameters();
        let shape = inputs[0].shape();
        let (batch, size) = self.output_size(shape)?;
        let activations = inputs[0].try_as_plain_ram()?;
        let residual = match inputs.get(1) {
            Some(residual) => Some(residual.try_as_plain_ram()?),
            None => None,
        };
        let input = Input {
            size: Size {
                height: shape[1],
                width: shape[2],
            },
            activations: activations.as_slice::<u8>()?,
            residual: residual
                .as_ref()
                .map(|view| view.as_slice::<u8>())
                .transpose()?,
        };
        let kind = parameters.output.kind;
        let output_shape = [batch, size.height, size.width, parameters.output_channels];
        let mut result = Tensor::zero_dt(datum_type_of(kind), &output_shape)?;
        let mut view = result.try_as_plain_ram_mut()?;
        let output = match kind {
            OutputKind::U8 => Output::U8(view.as_slice_mut::<u8>()?),
            OutputKind::I16 => Output::I16(view.as_slice_mut::<i16>()?),
        };
        self.0.run(input, output)?;
        Ok(tvec!(result.into_tvalue()))
    }
}

impl TypedOp for FusedConvolution {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = inputs[0]
            .shape
            .as_concrete()
            .context("the input's size must be fixed before the network is planned")?;
        let (batch, size) = self.output_size(shape)?;
        let parameters = self.0.parameters();
        let output_shape = [batch, size.height, size.width, parameters.output_channels];
        Ok(tvec!(
            datum_type_of(parameters.output.kind).fact(output_shape)
        ))
    }

    as_op!();
}
