use super::block::PIXEL_BYTES;
use super::*;
use proptest::prelude::*;

/// Coefficients: a few small ones, as in images, or many of any size, with the extremes.
fn coefficients() -> impl Strategy<Value = [i16; BLOCK]> {
    let extreme = prop_oneof![Just(i16::MIN), Just(i16::MAX), Just(0), any::<i16>()];
    let sparse = prop::collection::vec((0..BLOCK, -2047_i16..=2047), 0..10);
    let side = prop_oneof![Just(1_usize), Just(4), Just(8)];
    prop_oneof![
        sparse.prop_map(|values| {
            let mut block = [0; BLOCK];
            values.into_iter().for_each(|(at, value)| block[at] = value);
            block
        }),
        (prop::collection::vec(extreme, BLOCK), side.clone(), side).prop_map(
            |(values, rows, columns)| {
                std::array::from_fn(|at| {
                    let is_inside = at / SIDE < rows && at % SIDE < columns;
                    if is_inside { values[at] } else { 0 }
                })
            }
        ),
        any::<i16>().prop_map(|first| {
            let mut block = [0; BLOCK];
            block[0] = first;
            block
        }),
    ]
}

fn places(coefficients: &[i16; BLOCK]) -> usize {
    let present = (0..BLOCK).filter(|&at| coefficients[at] != 0);
    present.fold(0, |all, place| all | place)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn samples_are_those_of_the_scalar_kernel(
        coefficients in coefficients(), stride in SIDE..40, is_dense: bool
    ) {
        let places = if is_dense { BLOCK - 1 } else { places(&coefficients) };
        let [mut expected, mut found] = [(); 2].map(|()| vec![7; 7 * stride + SIDE]);
        Kernel::SCALAR.transform(&coefficients, places, &mut expected, stride);
        Kernel::default().transform(&coefficients, places, &mut found, stride);
        prop_assert_eq!(expected, found);
    }

    #[test]
    fn pixels_are_those_of_the_scalar_kernel(
        samples in prop::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 3 * 130),
        steps in 1_usize..=8, spare_px in 0_usize..40, is_halved: bool
    ) {
        let luma_samples = steps * STEP;
        let chroma_samples = 2 + luma_samples / if is_halved { 2 } else { 1 };
        let luma = &samples[..luma_samples];
        let chroma = [130, 260].map(|at| &samples[at..][..chroma_samples]);
        let width_px = luma_samples.saturating_sub(spare_px);
        let [mut expected, mut found] = [(); 2].map(|()| vec![7; width_px * PIXEL_BYTES]);
        Kernel::SCALAR.write_row(luma, chroma, is_halved, &mut expected);
        Kernel::default().write_row(luma, chroma, is_halved, &mut found);
        prop_assert_eq!(expected, found);
    }
}
