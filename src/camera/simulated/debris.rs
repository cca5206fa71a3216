//! What lies on a slide and is no cell: stain precipitate, fibres, air bubbles, smudges.

use super::canvas::{Canvas, scaled};
use super::outline::Point;
use super::random::{Random, lattice_noise, smoothstep};
use super::stain::{Density, SlideLook};
use libm::{cos, exp, sin, sqrt};

/// One piece of debris.
#[derive(Debug, Clone)]
pub(super) struct Debris {
    centre: Point,
    kind: Kind,
    texture: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Specks of dried stain, black and far smaller than a platelet.
    Precipitate(Vec<Speck>),
    /// A long thin bent thread.
    Fibre {
        angle: f64,
        half_length_um: f64,
        bend_per_um: f64,
        half_width_um: f64,
    },
    /// A ring, dark outside and bright inside, as an air bubble in the oil refracts it.
    Bubble { radius_um: f64 },
    /// A wide faint cloud of dye.
    Smudge { radius_um: f64, amount: f64 },
}

#[derive(Debug, Clone, Copy)]
struct Speck {
    shift: Point,
    radius_um: f64,
}

impl Debris {
    pub fn draw(centre: Point, random: &mut Random) -> Self {
        let kind = match random.weighted(&[0.45, 0.15, 0.15, 0.25]) {
            0 => Kind::Precipitate((0..2 + random.below(4)).map(|_| speck(random)).collect()),
            1 => Kind::Fibre {
                angle: random.angle(),
                half_length_um: random.between(8.0, 20.0),
                bend_per_um: random.between(-0.012, 0.012),
                half_width_um: random.between(0.18, 0.30),
            },
            2 => Kind::Bubble {
                radius_um: random.between(0.8, 1.8),
            },
            _ => Kind::Smudge {
                radius_um: random.between(6.0, 14.0),
                amount: random.between(0.03, 0.08),
            },
        };
        Self {
            centre,
            kind,
            texture: random.bits(),
        }
    }

    /// Paints it on a canvas whose corner lies at `corner`.
    pub fn paint(&self, corner: Point, look: &SlideLook, canvas: &mut Canvas) {
        let reach_um = self.reach_um();
        canvas.add_around(self.centre.seen_from(corner), reach_um, |dx_um, dy_um| {
            self.density(dx_um, dy_um, look)
        });
    }

    fn reach_um(&self) -> f64 {
        match &self.kind {
            Kind::Precipitate(_) => 6.0,
            Kind::Fibre { half_length_um, .. } => half_length_um + 6.0,
            Kind::Bubble { radius_um } => radius_um + 2.0,
            Kind::Smudge { radius_um, .. } => *radius_um,
        }
    }

    fn density(&self, dx_um: f64, dy_um: f64, look: &SlideLook) -> Option<Density> {
        let amount = match &self.kind {
            Kind::Precipitate(specks) => specks
                .iter()
                .map(|speck| {
                    let place = Point::new(dx_um, dy_um);
                    let depth_um = speck.radius_um - place.distance_um(speck.shift);
                    smoothstep(depth_um / 0.2 + 0.5)
                })
                .fold(0.0, f64::max),
            Kind::Fibre {
                angle,
                half_length_um,
                bend_per_um,
                half_width_um,
            } => {
                let along = dx_um * cos(*angle) + dy_um * sin(*angle);
                let across = dy_um * cos(*angle) - dx_um * sin(*angle);
                let off_um = (across - bend_per_um * along * along).abs();
                let end = smoothstep((half_length_um - along.abs()) / 1.5);
                0.25 * end * smoothstep((half_width_um - off_um) / 0.25 + 0.5)
            }
            Kind::Bubble { radius_um } => {
                let off_um = sqrt(dx_um * dx_um + dy_um * dy_um) - radius_um;
                let bell = |place: f64, width: f64| {
                    let relative = (off_um - place) / width;
                    exp(-relative * relative)
                };
                0.35 * bell(0.0, 0.25) - 0.12 * bell(-0.5, 0.3)
            }
            Kind::Smudge { radius_um, amount } => {
                let along = sqrt(dx_um * dx_um + dy_um * dy_um) / radius_um;
                let cloud = 0.7 + 0.3 * lattice_noise(self.texture, dx_um / 2.5, dy_um / 2.5);
                let faint = amount * cloud * (1.0 - smoothstep(along));
                return (faint > 0.0).then(|| scaled(look.basophilic, faint / 0.5));
            }
        };
        (amount != 0.0).then(|| scaled(look.dirt, amount))
    }
}

fn speck(random: &mut Random) -> Speck {
    let away_um = random.between(0.0, 3.5);
    Speck {
        shift: Point::new(0.0, 0.0).polar(random.angle(), away_um),
        radius_um: random.between(0.15, 0.32),
    }
}
