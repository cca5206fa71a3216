//! Red cells: discs of haemoglobin with central pallor.

use super::canvas::Canvas;
use super::outline::{Irregularity, Outline, Point};
use super::random::{Random, lattice_noise, smoothstep};
use libm::{exp, sqrt};

/// Mean diameter on a dried smear, and its spread (a red cell distribution width of 13 % in
/// volume is about 6 % in diameter).
const DIAMETER_UM: f64 = 7.5;
const DIAMETER_SPREAD_UM: f64 = 0.5;
/// Width over which the edge of a cell fades out.
pub(super) const EDGE_UM: f64 = 0.35;
/// Share of oval cells and of crenated cells (echinocytes).
const OVAL_SHARE: f64 = 0.08;
const CRENATED_SHARE: f64 = 0.015;

/// One red cell.
#[derive(Debug, Clone)]
pub(super) struct RedCell {
    pub outline: Outline,
    /// Share of the haemoglobin that is missing in the centre, 0 to 1.
    pallor: f64,
    /// Radius of the pallor relative to the cell's.
    pallor_radius: f64,
    pallor_shift: Point,
    /// Height of the rim's edge over the plateau.
    rim: f64,
    amount: f64,
    texture: u64,
}

impl RedCell {
    pub fn draw(random: &mut Random) -> Self {
        let radius_um = 0.5 * random.normal(DIAMETER_UM, DIAMETER_SPREAD_UM);
        let aspect = if random.chance(OVAL_SHARE) {
            random.between(1.25, 1.55)
        } else {
            1.0 + random.normal(0.07, 0.05).abs()
        };
        let spikes = random.chance(CRENATED_SHARE).then(|| {
            let count = 9 + random.below(5) as u32;
            (count, random.between(0.04, 0.07))
        });
        let shape = Irregularity {
            aspect,
            waviness: 0.045,
            spikes,
        };
        let outline = Outline::new(radius_um, shape, random);
        let shift_um = random.normal(0.0, 0.07) * radius_um;
        Self {
            pallor: random.normal(0.62, 0.22).clamp(0.05, 0.95),
            pallor_radius: random.normal(0.40, 0.07).clamp(0.22, 0.55),
            pallor_shift: Point::new(0.0, 0.0).polar(random.angle(), shift_um),
            rim: random.between(0.02, 0.14),
            amount: random.normal(1.0, 0.07),
            texture: random.bits(),
            outline,
        }
    }

    pub fn paint(&self, centre: Point, canvas: &mut Canvas) {
        let reach_um = self.outline.largest_um() + EDGE_UM;
        canvas.add_haemoglobin_around(centre, reach_um, |dx_um, dy_um| {
            let inside = edge_cover(&self.outline, dx_um, dy_um, EDGE_UM);
            if inside <= 0.0 {
                return 0.0;
            }
            let texture = 0.03 * lattice_noise(self.texture, dx_um / 0.9, dy_um / 0.9);
            inside * self.amount * (self.thickness(dx_um, dy_um) + texture)
        });
    }

    /// Haemoglobin along the line of sight, relative to the plateau of the rim.
    fn thickness(&self, dx_um: f64, dy_um: f64) -> f64 {
        let along = self.outline.relative(dx_um, dy_um);
        let towards_edge = (along - 0.9) / 0.12;
        let rim = self.rim * exp(-towards_edge * towards_edge);
        let pale = self.outline.relative(
            dx_um - self.pallor_shift.x_um,
            dy_um - self.pallor_shift.y_um,
        ) / self.pallor_radius;
        // Flat in the middle, steepest near its radius, gone at 1.7 times that.
        let hollow = 1.0 - smoothstep((pale - 0.35) / 1.35);
        let dome = 1.0 - 0.10 * along * along;
        dome * (1.0 - self.pallor * hollow) + rim
    }
}

/// How much of a pixel lies inside an outline whose edge fades over `edge_um`: 0 to 1.
pub(super) fn edge_cover(outline: &Outline, dx_um: f64, dy_um: f64, edge_um: f64) -> f64 {
    let distance_um = sqrt(dx_um * dx_um + dy_um * dy_um);
    let depth_um = outline.radius_um(dx_um, dy_um) - distance_um;
    smoothstep(depth_um / edge_um + 0.5)
}
