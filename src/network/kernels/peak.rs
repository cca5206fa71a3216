//! How fast a processor's core could multiply at the very best: the kernel's own instruction on
//! registers alone, in as many independent chains as keep the core busy.

#![allow(
    unsafe_code,
    reason = "calls kernels that need a processor's instructions"
)]

use std::hint::black_box;
use std::time::Instant;

use super::Kernel;

/// Rounds of a measurement; the fastest counts.
const ROUNDS: usize = 20;
/// Steps of one round: about a quarter of a millisecond.
const STEPS: usize = 40_000;
/// Independent sums.
const CHAINS: usize = 12;

/// Multiply-accumulates a second of one core by the instructions that a kernel multiplies with;
/// `None` for the scalar kernel, which leaves the instructions to the compiler, and for a kernel
/// that the processor lacks. Measures for some milliseconds.
///
/// For AMX this is the peak of the tile registers, though the kernel leaves small convolutions to
/// AVX-512.
pub fn peak_macs_per_second(kernel: Kernel) -> Option<f64> {
    if !kernel.is_available() {
        return None;
    }
    let run: fn() -> usize = match kernel {
        Kernel::Scalar => return None,
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the kernel's instructions.
        Kernel::Avx2 => || unsafe { x86::avx2() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the kernel's instructions.
        Kernel::AvxVnni => || unsafe { x86::avx_vnni() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the kernel's instructions.
        Kernel::Avx512Vnni => || unsafe { x86::avx512_vnni() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has the kernel's instructions.
        Kernel::Amx => || unsafe { x86::amx() },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the processor has the kernel's instructions.
        Kernel::Neon => || unsafe { arm::neon() },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the processor has the kernel's instructions.
        Kernel::NeonDotprod => || unsafe { arm::dotprod() },
        #[cfg(not(target_arch = "x86_64"))]
        Kernel::Avx2 | Kernel::AvxVnni | Kernel::Avx512Vnni | Kernel::Amx => return None,
        #[cfg(not(target_arch = "aarch64"))]
        Kernel::Neon | Kernel::NeonDotprod => return None,
    };
    let fastest = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        let products = black_box(run());
        products as f64 / start.elapsed().as_secs_f64()
    });
    fastest.max_by(f64::total_cmp)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use super::super::{amx, avx2};
    use super::{CHAINS, STEPS, black_box};

    /// Each function multiplies values that the compiler does not know, and gives the number of
    /// products.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2() -> usize {
        // Sums of 16 bits, widened as rarely as a convolution with small weights allows.
        const CHUNK: usize = avx2::LONGEST_CHUNK;
        let values = black_box(_mm256_set1_epi8(1));
        let ones = _mm256_set1_epi16(1);
        let multiply = || {
            let products: __m256i;
            // Written out, or the compiler would multiply but once.
            // SAFETY: one instruction on registers, which the processor has.
            unsafe {
                asm!(
                    "vpmaddubsw {products}, {values}, {values}",
                    products = lateout(ymm_reg) products,
                    values = in(ymm_reg) values,
                    options(nostack, nomem, preserves_flags),
                );
            }
            products
        };
        let mut sums = [_mm256_setzero_si256(); CHAINS / 2];
        for _ in 0..STEPS / CHUNK {
            let mut pairs = [_mm256_setzero_si256(); CHAINS / 2];
            for _ in 0..CHUNK {
                for pairs in &mut pairs {
                    *pairs = _mm256_add_epi16(*pairs, multiply());
                }
            }
            for (sum, pairs) in sums.iter_mut().zip(pairs) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        black_box(sums);
        STEPS / CHUNK * CHUNK * CHAINS / 2 * 32
    }

    #[target_feature(enable = "avx2,avxvnni")]
    pub(super) fn avx_vnni() -> usize {
        let values = black_box(_mm256_set1_epi8(1));
        let mut sums = [_mm256_setzero_si256(); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm256_dpbusd_avx_epi32(*sum, values, values);
            }
        }
        black_box(sums);
        STEPS * CHAINS * 32
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn avx512_vnni() -> usize {
        let values = black_box(_mm512_set1_epi8(1));
        let mut sums = [_mm512_setzero_si512(); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, values, values);
            }
        }
        black_box(sums);
        STEPS * CHAINS * 64
    }

    /// # Safety
    /// The processor has the tile registers.
    pub(super) unsafe fn amx() -> usize {
        const PRODUCTS: usize = 16 * 16 * 64;
        amx::configure();
        // SAFETY: the registers have been configured; nothing but them is used.
        unsafe {
            for _ in 0..STEPS / 16 {
                asm!(
                    "tdpbusd tmm0, tmm4, tmm6",
                    "tdpbusd tmm1, tmm4, tmm7",
                    "tdpbusd tmm2, tmm5, tmm6",
                    "tdpbusd tmm3, tmm5, tmm7",
                    options(nostack, nomem, preserves_flags),
                );
            }
        }
        amx::release();
        STEPS / 16 * 4 * PRODUCTS
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;
    use std::arch::asm;

    use super::super::{neon, neon_dotprod};
    use super::{CHAINS, STEPS, black_box};

    #[target_feature(enable = "neon")]
    pub(super) fn neon() -> usize {
        const CHUNK: usize = neon::LONGEST_CHUNK;
        let values = black_box(vdupq_n_s8(1));
        let mut sums = [vdupq_n_s32(0); CHAINS];
        for _ in 0..STEPS / CHUNK {
            let mut pairs = [vdupq_n_s16(0); CHAINS];
            for _ in 0..CHUNK {
                for pairs in &mut pairs {
                    // Written out, or the compiler would multiply but once.
                    // SAFETY: two instructions on registers, which the processor has.
                    unsafe {
                        asm!(
                            "smlal {pairs:v}.8h, {values:v}.8b, {values:v}.8b",
                            "smlal2 {pairs:v}.8h, {values:v}.16b, {values:v}.16b",
                            pairs = inout(vreg) *pairs,
                            values = in(vreg) values,
                            options(nostack, nomem, preserves_flags),
                        );
                    }
                }
            }
            for (sum, pairs) in sums.iter_mut().zip(pairs) {
                *sum = vpadalq_s16(*sum, pairs);
            }
        }
        black_box(sums);
        STEPS / CHUNK * CHUNK * CHAINS * 16
    }

    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn dotprod() -> usize {
        let values = black_box(vdupq_n_s8(1));
        let mut sums = [vdupq_n_s32(0); CHAINS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = neon_dotprod::sdot::<0>(*sum, values, values);
            }
        }
        black_box(sums);
        STEPS * CHAINS * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_but_the_scalar_one_has_a_peak() {
        for kernel in Kernel::ALL {
            let expected = kernel.is_available() && kernel != Kernel::Scalar;
            let peak = peak_macs_per_second(kernel);
            assert_eq!(peak.is_some(), expected, "{kernel}");
            // No core that runs this does less than a hundred million.
            assert!(peak.is_none_or(|peak| peak > 1e8), "{kernel}: {peak:?}");
        }
    }
}
