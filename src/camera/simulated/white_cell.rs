//! White cells: neutrophils, lymphocytes, monocytes and eosinophils.

use super::canvas::{Canvas, mixed, scaled, sum};
use super::outline::{Irregularity, Outline, Point};
use super::random::{Random, lattice_noise, smoothstep};
use super::red_cell::{EDGE_UM, edge_cover};
use super::stain::{Density, SlideLook};
use libm::sqrt;
use std::f64::consts::PI;

/// Width over which the edge of a nucleus fades out.
const NUCLEUS_EDGE_UM: f64 = 0.3;
/// Width of the joint where lobes of a nucleus melt together.
const LOBE_JOINT_UM: f64 = 0.45;
/// Half the width of the strand between two lobes of a nucleus.
const STRAND_UM: f64 = 0.4;
/// Share of each kind, in the order of [`Kind`]; a differential of normal blood without the
/// basophils.
const SHARES: [f64; 4] = [0.58, 0.30, 0.07, 0.05];
const KINDS: [Kind; 4] = [
    Kind::Neutrophil,
    Kind::Lymphocyte,
    Kind::Monocyte,
    Kind::Eosinophil,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Neutrophil,
    Lymphocyte,
    Monocyte,
    Eosinophil,
}

/// A thick line with round ends; a lobe of a nucleus is a short one, a disc has no length.
#[derive(Debug, Clone, Copy)]
struct Capsule {
    from: Point,
    to: Point,
    radius_um: f64,
}

impl Capsule {
    fn disc(centre: Point, radius_um: f64) -> Self {
        Self {
            from: centre,
            to: centre,
            radius_um,
        }
    }

    /// Depth under the edge in micrometres, negative outside.
    fn depth_um(&self, place: Point) -> f64 {
        let (ax, ay) = (self.to.x_um - self.from.x_um, self.to.y_um - self.from.y_um);
        let (px, py) = (place.x_um - self.from.x_um, place.y_um - self.from.y_um);
        let length_squared = ax * ax + ay * ay;
        let along = if length_squared > 0.0 {
            ((px * ax + py * ay) / length_squared).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let (dx, dy) = (px - along * ax, py - along * ay);
        self.radius_um - sqrt(dx * dx + dy * dy)
    }
}

/// One white cell.
#[derive(Debug, Clone)]
pub(super) struct WhiteCell {
    pub outline: Outline,
    kind: Kind,
    nucleus: Vec<Capsule>,
    texture: u64,
}

impl WhiteCell {
    pub fn draw(random: &mut Random) -> Self {
        let kind = KINDS[random.weighted(&SHARES)];
        let diameter_um = match kind {
            Kind::Neutrophil => random.between(12.0, 14.5),
            Kind::Lymphocyte => random.between(9.0, 11.5),
            Kind::Monocyte => random.between(14.0, 16.5),
            Kind::Eosinophil => random.between(12.5, 15.0),
        };
        let radius_um = 0.5 * diameter_um;
        let shape = Irregularity {
            aspect: 1.0 + random.normal(0.05, 0.04).abs(),
            waviness: if kind == Kind::Monocyte { 0.06 } else { 0.03 },
            spikes: None,
        };
        let outline = Outline::new(radius_um, shape, random);
        Self {
            nucleus: draw_nucleus(kind, radius_um, random),
            texture: random.bits(),
            outline,
            kind,
        }
    }

    pub fn paint(&self, centre: Point, look: &SlideLook, canvas: &mut Canvas) {
        let reach_um = self.outline.largest_um() + EDGE_UM;
        canvas.add_around(centre, reach_um, |dx_um, dy_um| {
            let inside = edge_cover(&self.outline, dx_um, dy_um, EDGE_UM);
            if inside <= 0.0 {
                return None;
            }
            let cytoplasm = self.cytoplasm(dx_um, dy_um, look);
            let depth_um = self.nucleus_depth_um(Point::new(dx_um, dy_um));
            let cover = smoothstep(depth_um / NUCLEUS_EDGE_UM + 0.5);
            if cover <= 0.0 {
                return Some(scaled(cytoplasm, inside));
            }
            let nucleus = self.chromatin(dx_um, dy_um, depth_um, look);
            Some(scaled(mixed(cytoplasm, nucleus, cover), inside))
        });
    }

    /// Granules, or the even blue of a cytoplasm that makes protein.
    fn cytoplasm(&self, dx_um: f64, dy_um: f64, look: &SlideLook) -> Density {
        let noise = |salt: u64, size_um: f64| {
            lattice_noise(self.texture ^ salt, dx_um / size_um, dy_um / size_um)
        };
        let cloud = 1.0 + 0.15 * noise(1, 1.5);
        let fine = noise(2, 0.4);
        match self.kind {
            Kind::Neutrophil => {
                let ground = scaled(look.eosinophilic, 0.17 * cloud);
                let granules = scaled(look.granule, 0.07 + 0.20 * (fine - 0.1).max(0.0));
                sum(ground, granules)
            }
            Kind::Lymphocyte => scaled(look.basophilic, 1.1 * cloud + 0.15 * fine),
            Kind::Monocyte => {
                let ground = scaled(look.basophilic, 0.62 * cloud + 0.10 * fine);
                sum(ground, scaled(look.eosinophilic, 0.08))
            }
            Kind::Eosinophil => {
                let grain = 0.75 + 0.45 * noise(3, 0.55) + 0.15 * fine;
                let ground = scaled(look.eosinophilic, grain.max(0.25));
                sum(ground, scaled(look.basophilic, 0.06))
            }
        }
    }

    /// Clumped chromatin: dense in lymphocytes, lacy in monocytes, a little denser at the edge.
    fn chromatin(&self, dx_um: f64, dy_um: f64, depth_um: f64, look: &SlideLook) -> Density {
        let (ground, contrast) = match self.kind {
            Kind::Neutrophil => (1.0, 0.28),
            Kind::Lymphocyte => (1.08, 0.14),
            Kind::Monocyte => (0.78, 0.20),
            Kind::Eosinophil => (0.92, 0.20),
        };
        let noise = |salt: u64, size_um: f64| {
            lattice_noise(self.texture ^ salt, dx_um / size_um, dy_um / size_um)
        };
        let clumps = 0.65 * noise(5, 0.8) + 0.35 * noise(6, 0.4);
        let membrane = 0.10 * (1.0 - smoothstep(depth_um / 0.6));
        scaled(look.chromatin, ground + contrast * clumps + membrane)
    }

    /// Depth inside the nucleus, its parts melted together (a polynomial smooth maximum).
    fn nucleus_depth_um(&self, place: Point) -> f64 {
        self.nucleus
            .iter()
            .map(|part| part.depth_um(place))
            .reduce(|first, second| {
                let overlap = (LOBE_JOINT_UM - (first - second).abs()).max(0.0) / LOBE_JOINT_UM;
                first.max(second) + 0.25 * LOBE_JOINT_UM * overlap * overlap
            })
            .unwrap_or(f64::NEG_INFINITY)
    }
}

fn draw_nucleus(kind: Kind, radius_um: f64, random: &mut Random) -> Vec<Capsule> {
    match kind {
        Kind::Neutrophil => {
            let count = 2 + random.weighted(&[0.15, 0.42, 0.33, 0.10]);
            lobes(count, 0.36, radius_um, random)
        }
        Kind::Lymphocyte => round_nucleus(radius_um, random),
        Kind::Monocyte => kidney(radius_um, random),
        Kind::Eosinophil => lobes(2, 0.34, radius_um, random),
    }
}

/// Lobes on a bow around the centre, each linked to the next by a strand, that together take
/// `area_share` of the cell.
fn lobes(count: usize, area_share: f64, radius_um: f64, random: &mut Random) -> Vec<Capsule> {
    let lobe_um = radius_um * sqrt(area_share / count as f64);
    let start = random.angle();
    let step = random.between(0.72, 0.88) * 2.0 * PI / (count as f64).max(2.4);
    let middle = Point::new(0.0, 0.0).polar(random.angle(), 0.06 * radius_um);
    let mut parts: Vec<Capsule> = Vec::with_capacity(2 * count - 1);
    let mut previous: Option<Point> = None;
    for place in 0..count {
        let size_um = lobe_um * random.between(0.72, 1.04);
        let angle = start + step * place as f64 + random.between(-0.22, 0.22);
        let out_um = (radius_um * random.between(0.42, 0.58)).min(radius_um * 0.93 - size_um);
        let centre = middle.polar(angle, out_um);
        let half_um = size_um * random.between(0.15, 0.40);
        let lean = angle + 0.5 * PI + random.between(-0.5, 0.5);
        parts.push(Capsule {
            from: centre.polar(lean, -half_um),
            to: centre.polar(lean, half_um),
            radius_um: size_um * 0.88,
        });
        if let Some(from) = previous.replace(centre) {
            parts.push(Capsule {
                from,
                to: centre,
                radius_um: STRAND_UM,
            });
        }
    }
    parts
}

/// One large round nucleus, a little to the side, with a shallow dent.
fn round_nucleus(radius_um: f64, random: &mut Random) -> Vec<Capsule> {
    let side = random.angle();
    let centre = Point::new(0.0, 0.0).polar(side, random.between(0.02, 0.08) * radius_um);
    let nucleus_um = radius_um * random.between(0.80, 0.88);
    let lean = random.angle();
    let half_um = 0.10 * radius_um;
    vec![Capsule {
        from: centre.polar(lean, -half_um),
        to: centre.polar(lean, half_um),
        radius_um: nucleus_um - half_um,
    }]
}

/// A thick bow: the kidney or horseshoe of a monocyte.
fn kidney(radius_um: f64, random: &mut Random) -> Vec<Capsule> {
    const PARTS: usize = 6;
    let start = random.angle();
    let sweep = random.between(0.8, 1.25) * PI;
    let bow_um = radius_um * random.between(0.30, 0.38);
    let thick_um = radius_um * random.between(0.34, 0.42);
    let middle = Point::new(0.0, 0.0).polar(start + 0.5 * sweep, -0.08 * radius_um);
    (0..PARTS)
        .map(|part| {
            let along = part as f64 / (PARTS - 1) as f64;
            let bulge = 1.0 + 0.12 * random.between(-1.0, 1.0);
            Capsule::disc(
                middle.polar(start + sweep * along, bow_um),
                thick_um * bulge,
            )
        })
        .collect()
}
