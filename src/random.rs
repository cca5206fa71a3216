//! Random numbers that are the same on every machine, named by a seed: for the simulated slide and
//! for tests.

/// The odd constant by which SplitMix64 steps (Steele, Lea and Flood 2014).
pub const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64's output function: spreads every input bit over all output bits.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Joins two numbers to the seed of an independent stream.
pub fn derive(seed: u64, stream: u64) -> u64 {
    mix(seed ^ mix(stream.wrapping_add(STEP)))
}

/// A stream of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: mix(seed) }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// Uniform in 0.0..1.0.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..count`; `count` must not be zero.
    pub fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// An integer from `low` to `high`, both included.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        let span = (high - low + 1) as u64;
        low + (self.bits() % span) as i64
    }

    /// One of `choices`, which are not none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.bits() as usize % choices.len()]
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        (self.bits() >> 56) as u8
    }

    /// A byte, half of the time 0 or 255: they are where sums could overflow.
    pub fn extreme_byte(&mut self) -> u8 {
        let any = self.byte();
        self.pick(&[0, 255, any, any])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_independent() {
        // The reference SplitMix64 started at state 0 gives this first.
        assert_eq!(mix(STEP), 0xE220_A839_7B1D_CDAF);
        let draw = |stream| Random::new(derive(7, stream)).bits();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn numbers_keep_to_their_ranges_and_reach_their_ends() {
        let mut random = Random::new(5);
        let drawn: Vec<i64> = (0..200).map(|_| random.within(-2, 2)).collect();
        assert_eq!(drawn.iter().min(), Some(&-2));
        assert_eq!(drawn.iter().max(), Some(&2));
        let drawn: Vec<usize> = (0..200).map(|_| random.below(3)).collect();
        assert_eq!(drawn.iter().max(), Some(&2));
        let bytes: Vec<u8> = (0..200).map(|_| random.extreme_byte()).collect();
        let extremes = bytes.iter().filter(|byte| [0, 255].contains(*byte));
        assert!((70..130).contains(&extremes.count()), "{bytes:?}");
    }
}
