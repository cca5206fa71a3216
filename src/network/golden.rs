//! Frames with known answers: the exporter's integer reference, to the bit.

use super::{Network, NetworkError, NetworkInput};
use serde::Deserialize;

/// The version of golden.json that this program reads.
const FORMAT: u32 = 1;

/// The frames of golden.json.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    format: u32,
    pub cases: Vec<GoldenCase>,
}

/// One frame, made from its seed, and what the network answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    pub name: String,
    pub width_px: u32,
    pub height_px: u32,
    pub seed: u32,
    /// Every output value, rows from the top, seven channels at each place.
    pub heads: Vec<i16>,
}

impl Golden {
    /// Reads the text of golden.json.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let golden: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if golden.format != FORMAT {
            return Err(format!(
                "format is {}, but this program reads format {FORMAT}",
                golden.format
            ));
        }
        if golden.cases.is_empty() {
            return Err("it holds no case".to_owned());
        }
        Ok(golden)
    }
}

impl GoldenCase {
    /// The case's frame: a linear congruential generator (Numerical Recipes' constants), whose
    /// state is advanced before each value and gives its top seven bits; red, green and blue of
    /// each pixel in turn.
    ///
    /// # Errors
    /// A size that the network cannot take.
    pub fn input(&self) -> Result<NetworkInput, NetworkError> {
        let mut state = self.seed;
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 25) as u8
        };
        let pixels = self.width_px as usize * self.height_px as usize;
        let rgbx = (0..pixels)
            .flat_map(|_| [value(), value(), value(), 0])
            .collect();
        NetworkInput::new(self.width_px, self.height_px, rgbx)
    }

    /// Whether the network gives the known answer.
    ///
    /// # Errors
    /// The network cannot run, or answers otherwise: then it must not count.
    pub fn check(&self, network: &mut Network) -> Result<(), NetworkError> {
        let output = network.run(&self.input()?)?;
        let answer = output.values();
        let differing = answer
            .iter()
            .zip(&self.heads)
            .filter(|(a, b)| a != b)
            .count();
        if differing > 0 || answer.len() != self.heads.len() {
            return Err(NetworkError::WrongAnswer {
                case: self.name.clone(),
                differing,
                values: self.heads.len(),
            });
        }
        Ok(())
    }
}
