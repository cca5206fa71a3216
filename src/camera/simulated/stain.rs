//! The dyes and the light of one slide: what colours its cells have.

use super::random::{Random, blend, derive};
use super::settings::SimulatedSlideSettings;
use libm::exp;

/// Optical density (natural logarithm) for red, green and blue.
pub(super) type Density = [f64; 3];

/// The typical colours of one laboratory: background light and densities.
struct Laboratory {
    background: [f64; 3],
    haemoglobin: Density,
    chromatin: Density,
    granule: Density,
}

/// Three ways in which Wright-Giemsa slides come out: warm light and crisp dark nuclei; a grey
/// automatic white balance with weak dye; rosy light with strong dye.
const LABORATORIES: [Laboratory; 3] = [
    Laboratory {
        background: [251.0, 227.0, 203.0],
        haemoglobin: [0.235, 0.345, 0.205],
        chromatin: [1.15, 1.90, 0.42],
        granule: [0.72, 1.38, 0.28],
    },
    Laboratory {
        background: [206.0, 208.0, 203.0],
        haemoglobin: [0.115, 0.250, 0.150],
        chromatin: [0.50, 0.95, 0.06],
        granule: [0.42, 0.68, 0.05],
    },
    Laboratory {
        background: [216.0, 187.0, 173.0],
        haemoglobin: [0.320, 0.480, 0.235],
        chromatin: [0.75, 1.70, 0.38],
        granule: [0.55, 1.10, 0.28],
    },
];

/// The colours of one slide.
#[derive(Debug, Clone)]
pub(super) struct SlideLook {
    /// Light where nothing absorbs, in levels of an 8-bit camera.
    pub background: [f64; 3],
    /// Haemoglobin with eosin, at the thick rim of a red cell.
    pub haemoglobin: Density,
    /// Chromatin with azure B and eosin.
    pub chromatin: Density,
    /// Granules of platelets and neutrophils.
    pub granule: Density,
    /// Basophilic cytoplasm (methylene blue on ribosomes) of lymphocytes and monocytes.
    pub basophilic: Density,
    /// Granules of eosinophils.
    pub eosinophilic: Density,
    /// Precipitate and dust: nearly grey.
    pub dirt: Density,
    /// Direction in radians in which the illumination falls off.
    pub light_direction: f64,
}

impl SlideLook {
    /// Draws the look of the slide `seed`.
    pub fn new(seed: u64, settings: &SimulatedSlideSettings) -> Self {
        let mut random = Random::new(derive(seed, 0x0057_A1A5));
        let first = &LABORATORIES[random.below(LABORATORIES.len())];
        let second = &LABORATORIES[random.below(LABORATORIES.len())];
        let share = 0.5 * random.unit();
        let variation = settings.stain_variation;
        let mix = |pick: fn(&Laboratory) -> [f64; 3]| {
            [0, 1, 2].map(|channel| blend(pick(first)[channel], pick(second)[channel], share))
        };
        let brightness = exp(random.normal(0.0, 0.03 * variation));
        let background = mix(|laboratory| laboratory.background).map(|level| {
            (level * brightness * exp(random.normal(0.0, 0.012 * variation))).min(252.0)
        });
        let strength = settings.stain_strength * exp(random.normal(0.0, 0.10 * variation));
        let mut dye = |typical: Density| {
            let own = strength * exp(random.normal(0.0, 0.06 * variation));
            typical.map(|density| density * own * exp(random.normal(0.0, 0.05 * variation)))
        };
        Self {
            background,
            haemoglobin: dye(mix(|laboratory| laboratory.haemoglobin)),
            chromatin: dye(mix(|laboratory| laboratory.chromatin)),
            granule: dye(mix(|laboratory| laboratory.granule)),
            basophilic: dye([0.46, 0.50, 0.10]),
            eosinophilic: dye([0.30, 0.72, 0.46]),
            dirt: [0.95, 0.95, 0.85],
            light_direction: random.angle(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slides_differ_but_stay_plausible() {
        let settings = SimulatedSlideSettings::default();
        for seed in 0..200 {
            let look = SlideLook::new(seed, &settings);
            let [red, green, blue] = look.background;
            assert!(red.min(green).min(blue) > 150.0, "seed {seed}: {look:?}");
            let nucleus_over_red_cell = look.chromatin[1] / look.haemoglobin[1];
            assert!(nucleus_over_red_cell > 2.0, "seed {seed}: {look:?}");
            let bluest = look.chromatin[2] < look.chromatin[0];
            assert!(
                bluest && look.haemoglobin[1] > look.haemoglobin[0],
                "seed {seed}"
            );
        }
    }
}
