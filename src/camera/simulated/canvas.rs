//! Where the dyes lie in a field. Densities of things that lie over each other add up
//! (Beer-Lambert), so overlapping cells darken as they do in light.

use super::outline::Point;
use super::stain::Density;

/// Haemoglobin up to which a pixel counts in full, in rims of one red cell.
const SINGLE_RIM: f32 = 1.1;
/// What more than that counts: red cells that dry on each other spread out and get thinner.
const SPREAD: f32 = 0.55;

/// The dyes of a field, pixel by pixel.
pub(super) struct Canvas {
    pub width_px: usize,
    pub height_px: usize,
    pub um_per_px: f64,
    /// Haemoglobin, in units of the rim of a typical red cell.
    haemoglobin: Vec<f32>,
    /// Optical density of everything else, in three colours.
    other: Vec<[f32; 3]>,
}

impl Canvas {
    pub fn new(width_px: u32, height_px: u32, um_per_px: f64) -> Self {
        let (width_px, height_px) = (width_px as usize, height_px as usize);
        Self {
            width_px,
            height_px,
            um_per_px,
            haemoglobin: vec![0.0; width_px * height_px],
            other: vec![[0.0; 3]; width_px * height_px],
        }
    }

    /// Adds the optical density that `paint` gives for every pixel within `reach_um` of a centre
    /// (a square around it); `paint` is given the pixel's shift from the centre in micrometres.
    pub fn add_around(
        &mut self,
        centre: Point,
        reach_um: f64,
        paint: impl Fn(f64, f64) -> Option<Density>,
    ) {
        self.visit(centre, reach_um, |canvas, place, dx_um, dy_um| {
            let added = paint(dx_um, dy_um).unwrap_or_default();
            for (sum, value) in canvas.other[place].iter_mut().zip(added) {
                *sum += value as f32;
            }
        });
    }

    /// Adds haemoglobin in the same way.
    pub fn add_haemoglobin_around(
        &mut self,
        centre: Point,
        reach_um: f64,
        paint: impl Fn(f64, f64) -> f64,
    ) {
        self.visit(centre, reach_um, |canvas, place, dx_um, dy_um| {
            canvas.haemoglobin[place] += paint(dx_um, dy_um) as f32;
        });
    }

    /// The optical density of every pixel, rows from the top, where `haemoglobin` is the density
    /// of a red cell's rim.
    pub fn densities(&self, haemoglobin: Density) -> impl Iterator<Item = [f32; 3]> {
        let rim = haemoglobin.map(|density| density as f32);
        self.haemoglobin
            .iter()
            .zip(&self.other)
            .map(move |(&amount, other)| {
                let single = amount.min(SINGLE_RIM);
                let effective = single + SPREAD * (amount - single);
                [0, 1, 2].map(|channel| other[channel] + effective * rim[channel])
            })
    }

    fn visit(
        &mut self,
        centre: Point,
        reach_um: f64,
        mut act: impl FnMut(&mut Self, usize, f64, f64),
    ) {
        let columns = self.span(centre.x_um, reach_um, self.width_px);
        for row in self.span(centre.y_um, reach_um, self.height_px) {
            let dy_um = (row as f64 + 0.5) * self.um_per_px - centre.y_um;
            for column in columns.clone() {
                let dx_um = (column as f64 + 0.5) * self.um_per_px - centre.x_um;
                act(self, row * self.width_px + column, dx_um, dy_um);
            }
        }
    }

    /// The pixels along one axis within `reach_um` of a place.
    fn span(&self, place_um: f64, reach_um: f64, length_px: usize) -> std::ops::Range<usize> {
        let first = ((place_um - reach_um) / self.um_per_px).floor().max(0.0) as usize;
        let end = ((place_um + reach_um) / self.um_per_px).ceil().max(0.0) as usize;
        first.min(length_px)..end.min(length_px)
    }
}

/// A density times an amount.
pub(super) fn scaled(density: Density, amount: f64) -> Density {
    density.map(|value| value * amount)
}

/// The sum of two densities.
pub(super) fn sum(first: Density, second: Density) -> Density {
    [0, 1, 2].map(|channel| first[channel] + second[channel])
}

/// From one density to another.
pub(super) fn mixed(from: Density, to: Density, share: f64) -> Density {
    [0, 1, 2].map(|channel| from[channel] + (to[channel] - from[channel]) * share)
}
