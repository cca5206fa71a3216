//! Quantized convolution kernels: direct, NHWC, requantized per output channel, with ReLU as a
//! clamp and the residual addition fused in.
//!
//! One arithmetic holds on every processor, so every kernel gives the same bytes:
//!
//! * activations are `u8` in 0..=127, weights `i8` in -127..=127. Such a pair of products fits
//!   16 bits, and 7-bit activations mean the same as signed and as unsigned bytes, so each
//!   processor's dot product instruction is exact;
//! * `sum = bias + Σ (x - input_zero_point) * weight`, exact in 32 bits;
//! * `real = sum as f32 * scale`, then, with a residual, `real + (r - zero_point) as f32 * scale`:
//!   single-precision multiply and add, each rounded (never a fused multiply-add);
//! * `real` is clamped, rounded to the nearest integer with ties to even, and the output's zero
//!   point is added.
//!
//! The folder depends on the standard library only, so that the parity tests can build it for any
//! processor by itself.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512_vnni;
#[cfg(target_arch = "x86_64")]
mod avx512_write;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod chunks;
mod error;
mod kernel;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;
#[cfg(target_arch = "aarch64")]
mod neon_write;
mod output;
mod packing;
mod parameters;
mod peak;
mod rows;
mod scalar;
mod stream;
mod tiles;

use std::ops::Range;

use rows::{RowLayout, RowRing, Rows, RowsMut};

pub use stream::{MAX_THREADS, Program, Source, Step, Stream};

pub use error::KernelError;
pub use kernel::Kernel;
pub use output::Output;
pub use parameters::{
    MAX_ACTIVATION, MAX_CHANNELS, MAX_KERNEL_SIDE, MAX_REAL, MAX_SCALE, MAX_SIDE, MAX_WEIGHT,
    OutputKind, Parameters, Quantization, Residual, Size,
};
pub use peak::peak_macs_per_second;

impl Kernel {
    /// Whether the running processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Kernel::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => avx2::Instructions::Avx2.are_available(),
            #[cfg(target_arch = "x86_64")]
            Kernel::AvxVnni => avx2::Instructions::AvxVnni.are_available(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => avx512_vnni::is_available(),
            #[cfg(target_arch = "x86_64")]
            Kernel::Amx => amx::is_available(),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "aarch64")]
            Kernel::NeonDotprod => neon_dotprod::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx2 | Kernel::AvxVnni | Kernel::Avx512Vnni | Kernel::Amx => false,
            #[cfg(not(target_arch = "aarch64"))]
            Kernel::Neon | Kernel::NeonDotprod => false,
        }
    }

    /// The fastest kernel that the running processor has.
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Kernel::Scalar)
    }

    /// Every kernel that the running processor has, the preferred one last.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available())
    }

    /// The kernel of that name, or the fastest one where none is asked for.
    ///
    /// # Errors
    /// The name is unknown, or the processor lacks that kernel's instructions.
    pub fn select(requested: Option<&str>) -> Result<Self, KernelError> {
        let Some(name) = requested else {
            return Ok(Self::detect());
        };
        let kernel = Self::ALL
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or_else(|| KernelError::UnknownKernel { name: name.into() })?;
        if kernel.is_available() {
            Ok(kernel)
        } else {
            Err(KernelError::Unavailable {
                kernel,
                fastest: Self::detect(),
            })
        }
    }
}

/// What one run of a convolution reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Height and width of `activations`.
    pub size: Size,
    /// `height * width * input_channels` values, NHWC, each at most [`MAX_ACTIVATION`].
    pub activations: &'a [u8],
    /// The branch to add, where the convolution has one; see [`Parameters::residual_size`].
    pub residual: Option<&'a [u8]>,
}

/// A convolution with checked parameters, packed for one kernel.
#[derive(Debug)]
pub struct Convolution {
    parameters: Parameters,
    packed: Packed,
}

#[derive(Debug)]
enum Packed {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Packed),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(avx512_vnni::Packed),
    /// With what runs rows narrower than a tile.
    #[cfg(target_arch = "x86_64")]
    Amx(amx::Packed, avx512_vnni::Packed),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Packed),
    #[cfg(target_arch = "aarch64")]
    NeonDotprod(neon_dotprod::Packed),
}

impl Packed {
    /// Packs checked parameters for a kernel that is available.
    fn new(kernel: Kernel, parameters: &Parameters) -> Self {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => Self::Avx2(avx2::Packed::new(avx2::Instructions::Avx2, parameters)),
            #[cfg(target_arch = "x86_64")]
            Kernel::AvxVnni => {
                Self::Avx2(avx2::Packed::new(avx2::Instructions::AvxVnni, parameters))
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni => Self::Avx512Vnni(avx512_vnni::Packed::new(parameters)),
            #[cfg(target_arch = "x86_64")]
            Kernel::Amx if !amx::pays(parameters) => {
                Self::Avx512Vnni(avx512_vnni::Packed::new(parameters))
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Amx => Self::Amx(
                amx::Packed::new(parameters),
                avx512_vnni::Packed::new(parameters),
            ),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => Self::Neon(neon::Packed::new(parameters)),
            #[cfg(target_arch = "aarch64")]
            Kernel::NeonDotprod => Self::NeonDotprod(neon_dotprod::Packed::new(parameters)),
            _ => Self::Scalar,
        }
    }
}

impl Convolution {
    /// Checks the parameters and packs them for a kernel.
    ///
    /// # Errors
    /// A parameter is out of its range, or the processor lacks the kernel's instructions.
    pub fn new(kernel: Kernel, parameters: Parameters) -> Result<Self, KernelError> {
        parameters.check()?;
        if !kernel.is_available() {
            return Err(KernelError::Unavailable {
                kernel,
                fastest: Kernel::detect(),
            });
        }
        let packed = Packed::new(kernel, &parameters);
        Ok(Self { parameters, packed })
    }

    /// The parameters as they were given.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Convolves one image. Copies it, to give it padding: a [`Stream`] does without.
    ///
    /// # Errors
    /// A size or a buffer does not fit the parameters. Nothing has been written then.
    pub fn run(&self, input: Input<'_>, output: Output<'_>) -> Result<(), KernelError> {
        let output_size = self.check_buffers(&input, &output)?;
        let parameters = &self.parameters;
        let zero_point = parameters.input_zero_point as u8;
        let channels = parameters.input_channels;
        let mut image = padded(input.activations, input.size, channels, zero_point);
        let mut residual = match input.residual {
            Some(values) => {
                let size = parameters.residual_size(output_size)?;
                Some(padded(values, size, parameters.output_channels, 0))
            }
            None => None,
        };
        let mut rows = RowsMut::whole(output, output_size.width * parameters.output_channels);
        self.run_rows(
            &image.own_rows(),
            residual.as_mut().map(RowRing::own_rows).as_ref(),
            &mut rows,
            (0..output_size.height, output_size.width),
        );
        Ok(())
    }

    /// Convolves some rows of so many pixels. The layouts must fit the parameters.
    fn run_rows(
        &self,
        input: &Rows<'_>,
        residual: Option<&Rows<'_>>,
        output: &mut RowsMut<'_>,
        rows: (Range<usize>, usize),
    ) {
        let parameters = &self.parameters;
        match &self.packed {
            Packed::Scalar => scalar::convolve(parameters, input, residual, output, rows),
            #[cfg(target_arch = "x86_64")]
            Packed::Avx2(packed) => {
                tiles::convolve(packed, parameters, input, residual, output, rows);
            }
            #[cfg(target_arch = "x86_64")]
            Packed::Avx512Vnni(packed) => {
                tiles::convolve(packed, parameters, input, residual, output, rows);
            }
            #[cfg(target_arch = "x86_64")]
            Packed::Amx(packed, _) if rows.1 >= amx::TILE_PIXELS => {
                tiles::convolve(packed, parameters, input, residual, output, rows);
            }
            #[cfg(target_arch = "x86_64")]
            Packed::Amx(_, narrow) => {
                tiles::convolve(narrow, parameters, input, residual, output, rows);
            }
            #[cfg(target_arch = "aarch64")]
            Packed::Neon(packed) => {
                tiles::convolve(packed, parameters, input, residual, output, rows);
            }
            #[cfg(target_arch = "aarch64")]
            Packed::NeonDotprod(packed) => {
                tiles::convolve(packed, parameters, input, residual, output, rows);
            }
        }
    }

    /// Every length that the kernels rely on; gives the output's size.
    fn check_buffers(&self, input: &Input<'_>, output: &Output<'_>) -> Result<Size, KernelError> {
        let parameters = &self.parameters;
        let output_size = parameters.output_size(input.size)?;
        let expect = |name, found, expected| {
            if found == expected {
                Ok(())
            } else {
                Err(KernelError::Buffer {
                    name,
                    found,
                    expected,
                })
            }
        };
        let input_values = input.size.pixels() * parameters.input_channels;
        expect("input", input.activations.len(), input_values)?;
        let residual_values = match &parameters.residual {
            Some(_) => parameters.residual_size(output_size)?.pixels() * parameters.output_channels,
            None => 0,
        };
        expect(
            "residual",
            input.residual.map_or(0, <[u8]>::len),
            residual_values,
        )?;
        let output_values = output_size.pixels() * parameters.output_channels;
        expect("output", output.len(), output_values)?;
        if output.kind() != parameters.output.kind {
            return Err(KernelError::Parameter {
                name: "the output buffer's kind",
                found: output.kind().name().into(),
                allowed: parameters.output.kind.name().into(),
            });
        }
        Ok(output_size)
    }
}

/// A copy of an image with padding.
fn padded(values: &[u8], size: Size, channels: usize, zero_point: u8) -> RowRing {
    let layout = RowLayout {
        width: size.width,
        pixel_bytes: channels,
    };
    let mut ring = RowRing::new(layout, size.height, size.height, OutputKind::U8, zero_point);
    let mut rows = ring.own_rows_mut();
    for (index, values) in values.chunks_exact(layout.row_bytes()).enumerate() {
        if let Output::U8(row) = rows.row(index) {
            row.copy_from_slice(values);
        }
    }
    ring
}
