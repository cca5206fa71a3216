//! The kernels there are, and their names.

use std::fmt;

/// A way to compute the convolution. All give the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Plain Rust, on every processor: the reference.
    Scalar,
    /// 64-bit ARM: Advanced SIMD as on the Cortex-A53 and A72.
    Neon,
    /// 64-bit ARM with dot product instructions, as on the Cortex-A76.
    NeonDotprod,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX2 and its neural network instructions (VNNI), but without AVX-512.
    AvxVnni,
    /// x86-64 with AVX-512 and its neural network instructions.
    Avx512Vnni,
    /// x86-64 with AVX-512, its neural network instructions, and tiles of bytes (AMX).
    Amx,
}

impl Kernel {
    /// Every kernel, the preferred one last.
    pub const ALL: [Kernel; 7] = [
        Kernel::Scalar,
        Kernel::Neon,
        Kernel::NeonDotprod,
        Kernel::Avx2,
        Kernel::AvxVnni,
        Kernel::Avx512Vnni,
        Kernel::Amx,
    ];

    /// The name by which a user picks this kernel.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Scalar => "scalar",
            Kernel::Neon => "neon",
            Kernel::NeonDotprod => "neon-dotprod",
            Kernel::Avx2 => "avx2",
            Kernel::AvxVnni => "avx-vnni",
            Kernel::Avx512Vnni => "avx512-vnni",
            Kernel::Amx => "amx",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
