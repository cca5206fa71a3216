//! What a quantized convolution is, and the ranges within which its arithmetic is exact.

use super::error::KernelError;

/// The largest activation that may be convolved: seven bits.
pub const MAX_ACTIVATION: i32 = 127;
/// The largest magnitude of a weight; -128 is left out, so that pairs of products fit 16 bits.
pub const MAX_WEIGHT: i8 = 127;
/// The most channels of an image.
pub const MAX_CHANNELS: usize = 1024;
/// The longest side of a convolution's window.
pub const MAX_KERNEL_SIDE: usize = 3;
/// The longest side of an image in pixels, so that no product of sizes overflows.
pub const MAX_SIDE: usize = 16_384;
/// The largest scale of a sum or a residual.
pub const MAX_SCALE: f32 = 1024.0;
/// The largest real value, in output steps, that a convolution may give before it is clamped: so
/// it may be rounded to 32 bits first and clamped afterwards.
pub const MAX_REAL: f64 = (1 << 30) as f64;

/// Height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// Height times width.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }
}

/// The type of a convolution's output values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputKind {
    /// Unsigned bytes.
    U8,
    /// Signed 16-bit integers.
    I16,
}

impl OutputKind {
    /// Bytes of one value.
    pub(super) fn bytes(self) -> usize {
        match self {
            OutputKind::U8 => 1,
            OutputKind::I16 => 2,
        }
    }

    /// The name in a model file.
    pub fn name(self) -> &'static str {
        match self {
            OutputKind::U8 => "u8",
            OutputKind::I16 => "i16",
        }
    }

    fn range(self) -> (i32, i32) {
        match self {
            OutputKind::U8 => (0, 255),
            OutputKind::I16 => (-32_768, 32_767),
        }
    }
}

/// How a convolution's real values become integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantization {
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// The smallest integer to write; equal to the zero point it makes a ReLU.
    pub minimum: i32,
    /// The largest integer to write.
    pub maximum: i32,
    /// The type to write.
    pub kind: OutputKind,
}

impl Quantization {
    /// The clamp's ends before the zero point is added.
    pub(super) fn clamp(&self) -> (f32, f32) {
        let end = |value: i32| (value - self.zero_point) as f32;
        (end(self.minimum), end(self.maximum))
    }
}

/// A branch that is added before the clamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Residual {
    /// The branch's integer that stands for zero.
    pub zero_point: i32,
    /// The branch's scale over the output's scale.
    pub scale: f32,
    /// 1, or 2 where the branch has half the height and width and each of its pixels counts for
    /// two by two.
    pub upsample: usize,
}

/// A quantized convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// 4, or a multiple of 16, at most [`MAX_CHANNELS`].
    pub input_channels: usize,
    /// 1..=[`MAX_CHANNELS`].
    pub output_channels: usize,
    /// 1..=[`MAX_KERNEL_SIDE`].
    pub kernel_height: usize,
    /// 1..=[`MAX_KERNEL_SIDE`].
    pub kernel_width: usize,
    /// 1 or 2, both ways.
    pub stride: usize,
    /// 0 or 1 pixel on each side, below the kernel's sides.
    pub pad: usize,
    /// The activation that stands for zero, 0..=[`MAX_ACTIVATION`]; also the padding.
    pub input_zero_point: i32,
    /// Output channel, row, column, input channel; each -127..=127.
    pub weight: Vec<i8>,
    /// In units of the 32-bit sum, one an output channel.
    pub bias: Vec<i32>,
    /// Output steps for one unit of the sum, one an output channel; above zero.
    pub scale: Vec<f32>,
    /// How the sums are written.
    pub output: Quantization,
    /// The branch to add, if any.
    pub residual: Option<Residual>,
}

impl Parameters {
    /// How far an output row or column is shifted right to find the residual's.
    pub(super) fn residual_shift(&self) -> usize {
        self.residual
            .map_or(0, |residual| usize::from(residual.upsample == 2))
    }

    /// Values of the input that one kernel row covers: adjacent in memory.
    pub(super) fn run_length(&self) -> usize {
        self.kernel_width * self.input_channels
    }

    /// Weights of one output channel.
    pub(super) fn channel_weights(&self, output_channel: usize) -> &[i8] {
        let length = self.kernel_height * self.run_length();
        &self.weight[output_channel * length..][..length]
    }

    /// The size of the output for a size of the input.
    ///
    /// # Errors
    /// The input is empty, larger than [`MAX_SIDE`], or smaller than the window.
    pub fn output_size(&self, input: Size) -> Result<Size, KernelError> {
        Ok(Size {
            height: self.output_side("the input's height", input.height, self.kernel_height)?,
            width: self.output_side("the input's width", input.width, self.kernel_width)?,
        })
    }

    fn output_side(
        &self,
        name: &'static str,
        side: usize,
        kernel_side: usize,
    ) -> Result<usize, KernelError> {
        let smallest = (kernel_side - 2 * self.pad.min(kernel_side / 2)).max(1);
        check(name, side, smallest..=MAX_SIDE)?;
        Ok((side + 2 * self.pad - kernel_side) / self.stride + 1)
    }

    /// The size that a residual must have for a size of the output.
    ///
    /// # Errors
    /// The residual is to be doubled, but the output's height or width is odd.
    pub fn residual_size(&self, output: Size) -> Result<Size, KernelError> {
        let upsample = self.residual.map_or(1, |residual| residual.upsample);
        for (name, side) in [
            ("the output's height", output.height),
            ("the output's width", output.width),
        ] {
            if side % upsample != 0 {
                return Err(KernelError::Parameter {
                    name,
                    found: side.to_string(),
                    allowed: "even, since the residual is doubled".into(),
                });
            }
        }
        Ok(Size {
            height: output.height / upsample,
            width: output.width / upsample,
        })
    }

    /// Checks every range that the arithmetic rests on.
    pub(super) fn check(&self) -> Result<(), KernelError> {
        self.check_shape()?;
        self.check_lengths()?;
        self.check_output()?;
        for scale in &self.scale {
            check_scale("scale", *scale)?;
        }
        if let Some(residual) = &self.residual {
            check("residual_upsample", residual.upsample as i64, 1..=2)?;
            check("residual_zero_point", residual.zero_point, 0..=255)?;
            check_scale("residual_scale", residual.scale)?;
        }
        self.check_sums()
    }

    fn check_shape(&self) -> Result<(), KernelError> {
        let channels = self.input_channels;
        let whole = channels == 4 || (channels > 0 && channels.is_multiple_of(16));
        if !whole || channels > MAX_CHANNELS {
            return Err(KernelError::Parameter {
                name: "the number of input channels",
                found: channels.to_string(),
                allowed: format!("4 or a multiple of 16, at most {MAX_CHANNELS}"),
            });
        }
        check(
            "the number of output channels",
            self.output_channels,
            1..=MAX_CHANNELS,
        )?;
        check(
            "the kernel's height",
            self.kernel_height,
            1..=MAX_KERNEL_SIDE,
        )?;
        check("the kernel's width", self.kernel_width, 1..=MAX_KERNEL_SIDE)?;
        check("stride", self.stride, 1..=2)?;
        let most_padding = self.kernel_height.min(self.kernel_width).min(2) - 1;
        check("pad", self.pad, 0..=most_padding)?;
        check(
            "input_zero_point",
            self.input_zero_point,
            0..=MAX_ACTIVATION,
        )
    }

    fn check_lengths(&self) -> Result<(), KernelError> {
        let weights = self.output_channels * self.kernel_height * self.run_length();
        let lengths = [
            ("weight", self.weight.len(), weights),
            ("bias", self.bias.len(), self.output_channels),
            ("scale", self.scale.len(), self.output_channels),
        ];
        for (name, found, expected) in lengths {
            if found != expected {
                return Err(KernelError::Buffer {
                    name,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    fn check_output(&self) -> Result<(), KernelError> {
        let (lowest, highest) = self.output.kind.range();
        check(
            "output_zero_point",
            self.output.zero_point,
            lowest..=highest,
        )?;
        check("output_min", self.output.minimum, lowest..=highest)?;
        check(
            "output_max",
            self.output.maximum,
            self.output.minimum..=highest,
        )
    }

    /// No sum, no bias with the zero point folded in, and no real value may leave 32 bits.
    fn check_sums(&self) -> Result<(), KernelError> {
        let residual_reach = self
            .residual
            .map_or(0.0, |residual| 255.0 * f64::from(residual.scale));
        for output_channel in 0..self.output_channels {
            let weights = self.channel_weights(output_channel);
            if let Some(weight) = weights.iter().find(|weight| **weight < -MAX_WEIGHT) {
                return Err(KernelError::Parameter {
                    name: "weight",
                    found: weight.to_string(),
                    allowed: format!("within -{MAX_WEIGHT}..={MAX_WEIGHT}"),
                });
            }
            let magnitude: i64 = weights.iter().map(|&weight| i64::from(weight).abs()).sum();
            let room = i64::from(i32::MAX) - magnitude * i64::from(MAX_ACTIVATION);
            let bias = i64::from(self.bias[output_channel]);
            check("bias", bias, -room..=room)?;
            let largest_sum = bias.abs() + magnitude * i64::from(MAX_ACTIVATION);
            let reach = largest_sum as f64 * f64::from(self.scale[output_channel]) + residual_reach;
            check("the largest value before the clamp", reach, 0.0..=MAX_REAL)?;
        }
        Ok(())
    }
}

fn check<T: PartialOrd + std::fmt::Display>(
    name: &'static str,
    value: T,
    allowed: std::ops::RangeInclusive<T>,
) -> Result<(), KernelError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(KernelError::Parameter {
        name,
        found: value.to_string(),
        allowed: format!("within {}..={}", allowed.start(), allowed.end()),
    })
}

fn check_scale(name: &'static str, scale: f32) -> Result<(), KernelError> {
    if scale.is_normal() && scale > 0.0 && scale <= MAX_SCALE {
        return Ok(());
    }
    Err(KernelError::Parameter {
        name,
        found: format!("{scale:e}"),
        allowed: format!("a normal number above zero, at most {MAX_SCALE}"),
    })
}
