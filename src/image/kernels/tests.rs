//! Every kernel against the plain one.

use super::*;
use crate::random::Random;
use proptest::prelude::*;

/// Weights that add up to one.
fn weights(most: usize) -> impl Strategy<Value = Vec<i16>> {
    prop::collection::vec(1_i64..1000, 1..=most).prop_map(|heights| {
        let total: i64 = heights.iter().sum();
        let mut weights: Vec<i16> = heights
            .iter()
            .map(|height| ((height << WEIGHT_BITS) / total) as i16)
            .collect();
        let rest =
            (1 << WEIGHT_BITS) - weights.iter().map(|&weight| i32::from(weight)).sum::<i32>();
        weights[0] += rest as i16;
        weights
    })
}

fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.extreme_byte()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rows_are_filtered_alike(weights in weights(10), length in 1_usize..150, seed: u64) {
        let rows = bytes(length * weights.len(), seed);
        let mut sums = vec![0; length];
        let [mut expected, mut found] = [vec![1; length], vec![2; length]];
        Kernel::SCALAR.filter_vertical(&rows, &weights, &mut sums, &mut expected);
        Kernel::default().filter_vertical(&rows, &weights, &mut sums, &mut found);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn columns_are_mixed_alike(
        outputs in prop::collection::vec((weights(MOST_PADDED_TAPS), 0_usize..60), 1..40), seed: u64
    ) {
        let row = bytes(60 * CHANNELS + ROW_SLACK_BYTES, seed);
        let most_taps = outputs.iter().map(|(weights, _)| weights.len()).max().unwrap_or(1);
        let first_inputs: Vec<usize> =
            outputs.iter().map(|(weights, first)| *first.min(&(60 - weights.len()))).collect();
        let weights: Vec<_> = outputs.iter().map(|(weights, _)| {
            let mut padded = [0; MOST_PADDED_TAPS];
            padded[..weights.len()].copy_from_slice(weights);
            padded
        }).collect();
        let taps = ColumnTaps { first_inputs: &first_inputs, weights: &weights, most_taps };
        let [mut expected, mut found] = [vec![[1; 4]; outputs.len()], vec![[2; 4]; outputs.len()]];
        Kernel::SCALAR.filter_horizontal(&row, taps, &mut expected);
        Kernel::default().filter_horizontal(&row, taps, &mut found);
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert_eq!(&found[..CHANNELS], &expected[..CHANNELS]);
        }
    }
}
