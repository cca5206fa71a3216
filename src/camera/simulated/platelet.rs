//! Platelets: small purple granular discs with a fuzzy edge.

use super::canvas::{Canvas, scaled};
use super::outline::{Irregularity, Outline, Point};
use super::random::{Random, lattice_noise, smoothstep};
use super::red_cell::edge_cover;
use super::stain::SlideLook;

/// Width over which the fuzzy edge fades out.
const EDGE_UM: f64 = 0.5;

/// One platelet.
#[derive(Debug, Clone)]
pub(super) struct Platelet {
    pub outline: Outline,
    amount: f64,
    texture: u64,
}

impl Platelet {
    /// A platelet of 2.5 to 3.9 µm, spread out on the glass as it is.
    pub fn draw(random: &mut Random) -> Self {
        let radius_um = 0.5 * random.normal(3.2, 0.28);
        let shape = Irregularity {
            aspect: 1.0 + random.normal(0.12, 0.10).abs(),
            waviness: 0.12,
            spikes: None,
        };
        Self {
            outline: Outline::new(radius_um, shape, random),
            amount: random.between(0.85, 1.15),
            texture: random.bits(),
        }
    }

    /// Dense granules in the middle, thin clear cytoplasm around.
    pub fn paint(&self, centre: Point, look: &SlideLook, canvas: &mut Canvas) {
        let reach_um = self.outline.largest_um() + EDGE_UM;
        canvas.add_around(centre, reach_um, |dx_um, dy_um| {
            let inside = edge_cover(&self.outline, dx_um, dy_um, EDGE_UM);
            if inside <= 0.0 {
                return None;
            }
            let along = self.outline.relative(dx_um, dy_um);
            let middle = 1.0 - smoothstep((along - 0.35) / 0.60);
            let grain = lattice_noise(self.texture, dx_um / 0.42, dy_um / 0.42);
            let granules = (0.34 + 0.76 * middle) * (1.0 + 0.32 * grain);
            Some(scaled(look.granule, inside * self.amount * granules))
        });
    }
}
