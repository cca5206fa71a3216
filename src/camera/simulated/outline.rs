//! The outline of a cell: a radius for every direction, in micrometres.

use super::random::Random;
use crate::cell::{BoundingBox, SUBPIXELS};
use libm::{atan2, cos, sin, sqrt};

/// Directions in an outline; a multiple of four.
const DIRECTIONS: usize = 256;
/// Rays and rings of the equal-area samples by which overlap is measured.
const SAMPLE_RAYS: usize = 32;
const SAMPLE_RINGS: usize = 8;

/// A place or a shift on the slide, in micrometres; x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x_um: f64,
    pub y_um: f64,
}

impl Point {
    pub const ORIGIN: Self = Self {
        x_um: 0.0,
        y_um: 0.0,
    };

    pub fn new(x_um: f64, y_um: f64) -> Self {
        Self { x_um, y_um }
    }

    /// The place `distance_um` away in a direction in radians.
    pub fn polar(self, angle: f64, distance_um: f64) -> Self {
        Self::new(
            self.x_um + distance_um * cos(angle),
            self.y_um + distance_um * sin(angle),
        )
    }

    /// The shift that leads here from `corner`.
    pub fn seen_from(self, corner: Self) -> Self {
        Self::new(self.x_um - corner.x_um, self.y_um - corner.y_um)
    }

    pub fn distance_um(self, other: Self) -> f64 {
        let (dx, dy) = (self.x_um - other.x_um, self.y_um - other.y_um);
        sqrt(dx * dx + dy * dy)
    }
}

/// How an outline departs from a circle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Irregularity {
    /// Long axis over short axis, 1.0 for a circle.
    pub aspect: f64,
    /// Relative size of the slow waves along the edge.
    pub waviness: f64,
    /// Number and relative height of regular spikes, as on a crenated cell.
    pub spikes: Option<(u32, f64)>,
}

/// A closed curve around a centre, star-shaped. Directions are spaced by "diamond angle", which
/// needs no trigonometry to look up.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    radii_um: Vec<f64>,
    largest_um: f64,
    mean_um: f64,
}

impl Outline {
    /// A closed curve of about the area of a circle of `radius_um`.
    pub fn new(radius_um: f64, shape: Irregularity, random: &mut Random) -> Self {
        let turn = random.angle();
        let slow = (2..=6).map(|count| (count, shape.waviness / f64::from(count)));
        let mut waves: Vec<(f64, f64, f64)> = slow
            .map(|(count, deviation)| {
                let height = random.normal(0.0, deviation);
                (f64::from(count), height, random.angle())
            })
            .collect();
        if let Some((count, height)) = shape.spikes {
            waves.push((f64::from(count), height, random.angle()));
        }
        let radius = |direction: usize| {
            let (dx, dy) = direction_vector(direction);
            let angle = atan2(dy, dx) - turn;
            let wave: f64 = waves
                .iter()
                .map(|(count, height, phase)| height * cos(count * angle + phase))
                .sum();
            let (c, s) = (cos(angle), sin(angle));
            let ellipse = sqrt(1.0 / (c * c / shape.aspect + s * s * shape.aspect));
            radius_um * ellipse * (1.0 + wave)
        };
        Self::from_radii((0..DIRECTIONS).map(radius).collect())
    }

    fn from_radii(radii_um: Vec<f64>) -> Self {
        let largest_um = radii_um.iter().copied().fold(0.0, f64::max);
        let mean_um = radii_um.iter().sum::<f64>() / radii_um.len() as f64;
        Self {
            radii_um,
            largest_um,
            mean_um,
        }
    }

    /// Greatest distance of the edge from the centre.
    pub fn largest_um(&self) -> f64 {
        self.largest_um
    }

    /// Mean distance of the edge from the centre.
    pub fn mean_um(&self) -> f64 {
        self.mean_um
    }

    /// Distance from the centre over the edge's distance in that direction: 0 in the centre, 1 on
    /// the edge.
    pub fn relative(&self, dx_um: f64, dy_um: f64) -> f64 {
        sqrt(dx_um * dx_um + dy_um * dy_um) / self.radius_um(dx_um, dy_um)
    }

    /// Distance of the edge in the direction of a shift from the centre.
    pub fn radius_um(&self, dx_um: f64, dy_um: f64) -> f64 {
        let place = diamond_angle(dx_um, dy_um) * (DIRECTIONS / 4) as f64;
        let whole = place as usize;
        let share = place - whole as f64;
        let from = self.radii_um[whole % DIRECTIONS];
        let to = self.radii_um[(whole + 1) % DIRECTIONS];
        from + (to - from) * share
    }

    /// The share of this outline's area, centred at `centre`, that lies inside another one.
    pub fn covered_share(&self, centre: Point, other: &Self, other_centre: Point) -> f64 {
        if centre.distance_um(other_centre) >= self.largest_um + other.largest_um {
            return 0.0;
        }
        let (mut inside, mut all) = (0.0, 0.0);
        for ray in 0..SAMPLE_RAYS {
            let direction = ray * DIRECTIONS / SAMPLE_RAYS;
            let (ux, uy) = unit_vector(direction);
            let radius_um = self.radii_um[direction];
            let ray_area = radius_um * radius_um;
            for ring in 0..SAMPLE_RINGS {
                let distance = radius_um * sqrt((ring as f64 + 0.5) / SAMPLE_RINGS as f64);
                let dx = centre.x_um + ux * distance - other_centre.x_um;
                let dy = centre.y_um + uy * distance - other_centre.y_um;
                all += ray_area;
                if other.relative(dx, dy) < 1.0 {
                    inside += ray_area;
                }
            }
        }
        inside / all
    }

    /// The box around what a frame of this size shows of the outline, in sixteenths of a pixel;
    /// `None` where it shows nothing.
    pub fn visible_box(
        &self,
        centre: Point,
        um_per_px: f64,
        width_px: u32,
        height_px: u32,
    ) -> Option<BoundingBox> {
        let polygon = (0..DIRECTIONS).map(|direction| {
            let (ux, uy) = unit_vector(direction);
            let radius_um = self.radii_um[direction];
            [
                (centre.x_um + ux * radius_um) / um_per_px,
                (centre.y_um + uy * radius_um) / um_per_px,
            ]
        });
        let mut polygon: Vec<[f64; 2]> = polygon.collect();
        for (axis, limit) in [(0, f64::from(width_px)), (1, f64::from(height_px))] {
            polygon = clip(&polygon, axis, 1.0, 0.0);
            polygon = clip(&polygon, axis, -1.0, limit);
        }
        if polygon.is_empty() {
            return None;
        }
        let subpixels = f64::from(SUBPIXELS);
        let extreme = |axis: usize, pick: fn(f64, f64) -> f64| {
            polygon
                .iter()
                .map(|point| point[axis] * subpixels)
                .reduce(pick)
        };
        let (right_q4, bottom_q4) = (width_px as i32 * SUBPIXELS, height_px as i32 * SUBPIXELS);
        Some(BoundingBox {
            x0_q4: (extreme(0, f64::min)?.floor() as i32).max(0),
            y0_q4: (extreme(1, f64::min)?.floor() as i32).max(0),
            x1_q4: (extreme(0, f64::max)?.ceil() as i32).min(right_q4),
            y1_q4: (extreme(1, f64::max)?.ceil() as i32).min(bottom_q4),
        })
    }
}

/// Keeps the part of a polygon where `sign * coordinate + offset >= 0` (Sutherland-Hodgman).
fn clip(polygon: &[[f64; 2]], axis: usize, sign: f64, offset: f64) -> Vec<[f64; 2]> {
    let depth = |point: &[f64; 2]| sign * point[axis] + offset;
    let mut kept = Vec::with_capacity(polygon.len() + 2);
    for (place, point) in polygon.iter().enumerate() {
        let next = &polygon[(place + 1) % polygon.len()];
        let (here, there) = (depth(point), depth(next));
        if here >= 0.0 {
            kept.push(*point);
        }
        if (here >= 0.0) != (there >= 0.0) {
            let share = here / (here - there);
            kept.push([0, 1].map(|axis| point[axis] + (next[axis] - point[axis]) * share));
        }
    }
    kept
}

/// An angle-like number in 0.0..4.0 that grows once around the circle.
fn diamond_angle(dx: f64, dy: f64) -> f64 {
    let size = dx.abs() + dy.abs();
    if size == 0.0 {
        return 0.0;
    }
    let angle = match (dx >= 0.0, dy >= 0.0) {
        (true, true) => dy / size,
        (false, true) => 1.0 - dx / size,
        (false, false) => 2.0 - dy / size,
        (true, false) => 3.0 + dx / size,
    };
    angle.min(4.0)
}

/// The inverse of [`diamond_angle`], for a place in the table.
fn direction_vector(direction: usize) -> (f64, f64) {
    let quarter = DIRECTIONS / 4;
    let along = (direction % quarter) as f64 / quarter as f64;
    match direction / quarter {
        0 => (1.0 - along, along),
        1 => (-along, 1.0 - along),
        2 => (along - 1.0, -along),
        _ => (along, along - 1.0),
    }
}

fn unit_vector(direction: usize) -> (f64, f64) {
    let (dx, dy) = direction_vector(direction);
    let length = sqrt(dx * dx + dy * dy);
    (dx / length, dy / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Irregularity = Irregularity {
        aspect: 1.0,
        waviness: 0.0,
        spikes: None,
    };

    fn circle(radius_um: f64) -> Outline {
        Outline::new(radius_um, ROUND, &mut Random::new(1))
    }

    #[test]
    fn directions_are_found_again() {
        for direction in 0..DIRECTIONS {
            let (dx, dy) = direction_vector(direction);
            let found = diamond_angle(dx, dy) * (DIRECTIONS / 4) as f64;
            assert!((found - direction as f64).abs() < 1e-9, "{direction}");
        }
    }

    #[test]
    fn overlap_of_circles_is_the_lens() {
        let lens = |ratio: f64| (libm::acos(ratio) - ratio * sqrt(1.0 - ratio * ratio)) * 2.0;
        for ratio in [0.0, 0.3, 0.6, 0.9, 1.0] {
            let apart = Point::new(2.0 * 3.5 * ratio, 0.0);
            let share = circle(3.5).covered_share(Point::new(0.0, 0.0), &circle(3.5), apart);
            let expected = lens(ratio) / std::f64::consts::PI;
            assert!((share - expected).abs() < 0.05, "{ratio}: {share}");
        }
    }

    #[test]
    fn visible_boxes_are_tight_and_clipped() {
        let shape = circle(5.0);
        let visible = |x_um, y_um| shape.visible_box(Point::new(x_um, y_um), 0.5, 100, 80);
        let bounds = |x0_q4, y0_q4, x1_q4, y1_q4| BoundingBox {
            x0_q4,
            y0_q4,
            x1_q4,
            y1_q4,
        };
        assert_eq!(visible(25.0, 20.0), Some(bounds(640, 480, 960, 800)));
        assert_eq!(visible(-6.0, 20.0), None);
        assert_eq!(
            visible(-5.0 + 0.01, -5.0 + 0.01),
            None,
            "beyond the corner's curve"
        );
        let cut = visible(-3.0, 20.0).unwrap();
        assert_eq!((cut.x0_q4, cut.x1_q4), (0, 64));
        // The chord at 3 of 5 is 2 x 4 long, so 16 pixels rather than the circle's 20.
        assert!((cut.height_q4() - 256).abs() <= 4, "{cut:?}");
    }
}
