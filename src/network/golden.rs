//! Golden outputs: what the exporter's integer reference gives for generated inputs, which every
//! processor must give again to the bit.

use std::path::Path;

use serde::Deserialize;

use super::error::{InputError, NetworkError};
use super::manifest::read_limited;
use super::{Network, NetworkInput};

/// The golden file's name in a model folder.
pub const GOLDEN_FILE: &str = "golden.json";
/// The format that this program reads.
pub const GOLDEN_FORMAT: u32 = 1;
/// The most bytes of a golden file.
const MAX_GOLDEN_BYTES: u64 = 16 * 1024 * 1024;
/// The most cases of a golden file.
const MAX_CASES: usize = 64;

/// `golden.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenFile {
    format: u32,
    cases: Vec<GoldenCase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenCase {
    name: String,
    width_px: u32,
    height_px: u32,
    seed: u32,
    heads: Vec<i16>,
}

/// How the network compares with its golden file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenReport {
    /// One for each case, in the file's order; at least one.
    pub cases: Vec<GoldenCaseResult>,
}

impl GoldenReport {
    /// Whether every value of every case is equal.
    pub fn is_equal(&self) -> bool {
        self.cases.iter().all(|case| case.different_values == 0)
    }
}

/// How one case compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldenCaseResult {
    /// The case's name.
    pub name: String,
    /// Values compared.
    pub values: usize,
    /// Values that differ.
    pub different_values: usize,
    /// The largest difference, in 1/256.
    pub largest_difference: u16,
}

/// Generates a golden case's input: `state = state * 1664525 + 1013904223` modulo 2^32 (the
/// generator of Numerical Recipes, 2nd edition, section 7.1), starting from the seed and advanced
/// before each value; a value is the state's top seven bits. Pixels from the top left, each red,
/// green, blue; the fourth byte is zero.
///
/// # Errors
/// The size is none that the network takes.
pub fn golden_input(width_px: u32, height_px: u32, seed: u32) -> Result<NetworkInput, InputError> {
    let pixels = NetworkInput::check_size(width_px, height_px)?;
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 25) as u8
    };
    let mut data = Vec::with_capacity(pixels * 4);
    for _ in 0..pixels {
        data.extend([next(), next(), next(), 0]);
    }
    NetworkInput::new(width_px, height_px, data)
}

impl Network {
    /// Compares the device form's outputs with the folder's golden file.
    ///
    /// # Errors
    /// The file cannot be read or used, or the network cannot run a case.
    pub fn check_golden(&self, folder: &Path) -> Result<GoldenReport, NetworkError> {
        let path = folder.join(GOLDEN_FILE);
        let refuse = |reason: String| NetworkError::Golden {
            path: path.clone(),
            reason,
        };
        let bytes = read_limited(&path, MAX_GOLDEN_BYTES)?;
        let file: GoldenFile =
            serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
        if file.format != GOLDEN_FORMAT {
            return Err(refuse(format!(
                "its format is {}, but this program reads format {GOLDEN_FORMAT}",
                file.format
            )));
        }
        if file.cases.is_empty() || file.cases.len() > MAX_CASES {
            let count = file.cases.len();
            return Err(refuse(format!(
                "it has {count} cases, but must have 1 to {MAX_CASES}"
            )));
        }
        let mut cases = Vec::new();
        for case in &file.cases {
            let input = golden_input(case.width_px, case.height_px, case.seed)
                .map_err(|error| refuse(format!("case {:?}: {error}", case.name)))?;
            let output = self.run(&input)?;
            cases.push(compare(case, output.values()).map_err(refuse)?);
        }
        Ok(GoldenReport { cases })
    }
}

fn compare(case: &GoldenCase, actual: &[i16]) -> Result<GoldenCaseResult, String> {
    if case.heads.len() != actual.len() {
        return Err(format!(
            "case {:?} holds {} values where {} belong",
            case.name,
            case.heads.len(),
            actual.len()
        ));
    }
    let differences = || case.heads.iter().zip(actual).map(|(a, b)| a.abs_diff(*b));
    Ok(GoldenCaseResult {
        name: case.name.clone(),
        values: actual.len(),
        different_values: differences().filter(|difference| *difference > 0).count(),
        largest_difference: differences().max().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_gives_its_published_sequence() {
        // Numerical Recipes lists 3C6EF35F, 47502932, D1CCF6E9 for a start of 0.
        let input = golden_input(16, 16, 0).unwrap();
        let expected = [0x3c6e_f35f_u32, 0x4750_2932, 0xd1cc_f6e9].map(|state| (state >> 25) as u8);
        assert_eq!(input.rgbx()[..3], expected);
        assert_eq!(input.rgbx()[3], 0);
        assert_eq!(input.rgbx().len(), 16 * 16 * 4);
    }
}
