//! Flat field: evens out a lamp that is brighter in one place than in another.
//!
//! The empty background of each tile (a bright percentile) is fitted by a surface of second
//! degree, once for each channel; every pixel is then divided by the surface. Tiles that lie below
//! the surface show cells, not glass, and are left out of the next fit.

use crate::image::frame::Frame;
use crate::image::histogram::Histogram;

/// How the background is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illumination {
    /// Tiles along each side, at least 4.
    pub tiles: u32,
    /// The percentile of a tile that stands for its background, in thousandths.
    pub background_permille: u32,
    /// The largest change of any pixel, in thousandths: 2000 doubles or halves.
    pub max_gain_permille: u32,
}

impl Default for Illumination {
    fn default() -> Self {
        Self {
            tiles: 8,
            background_permille: 900,
            max_gain_permille: 2000,
        }
    }
}

/// Terms of a surface of second degree: 1, x, y, x², xy, y².
const TERMS: usize = 6;
const FITS: usize = 4;
/// A tile below this share of the surface shows cells rather than glass.
const OUTLIER_SHARE: f64 = 0.95;
const GAIN_BITS: u32 = 12;

/// Evens out the illumination; a frame too small for its tiles, or without light, stays as it is.
pub fn apply(frame: &mut Frame, settings: &Illumination) {
    let tiles = settings.tiles.max(4);
    if frame.width_px() < tiles || frame.height_px() < tiles {
        return;
    }
    let samples = tile_backgrounds(frame, tiles, settings.background_permille);
    for channel in 0..3 {
        let values = samples.iter().map(|tile| Sample {
            x: tile.x,
            y: tile.y,
            value: f64::from(tile.background[channel]),
        });
        if let Some(surface) = Surface::fit(&values.collect::<Vec<_>>()) {
            divide(frame, channel, &surface, settings.max_gain_permille);
        }
    }
}

struct Tile {
    x: f64,
    y: f64,
    background: [u8; 3],
}

/// The background of every tile, at its centre; coordinates run from -1 to 1 over the frame.
fn tile_backgrounds(frame: &Frame, tiles: u32, permille: u32) -> Vec<Tile> {
    let edge = |tile: u32, side_px: u32| tile * side_px / tiles;
    let centre = |tile: u32| f64::from(2 * tile + 1) / f64::from(tiles) - 1.0;
    let mut found = Vec::with_capacity((tiles * tiles) as usize);
    for tile_y in 0..tiles {
        let rows = edge(tile_y, frame.height_px())..edge(tile_y + 1, frame.height_px());
        for tile_x in 0..tiles {
            let first = edge(tile_x, frame.width_px()) as usize * 3;
            let end = edge(tile_x + 1, frame.width_px()) as usize * 3;
            let mut channels = [const { Histogram::EMPTY }; 3];
            for y_px in rows.clone() {
                Histogram::add_pixels(&mut channels, &frame.row(y_px)[first..end]);
            }
            found.push(Tile {
                x: centre(tile_x),
                y: centre(tile_y),
                background: channels.map(|channel| channel.percentile(permille)),
            });
        }
    }
    found
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    x: f64,
    y: f64,
    value: f64,
}

/// A surface of second degree over the frame.
#[derive(Debug, Clone, Copy)]
struct Surface {
    terms: [f64; TERMS],
}

impl Surface {
    /// Least squares, repeated without the samples that lie below the surface; `None` where the
    /// samples do not settle it or are dark.
    fn fit(samples: &[Sample]) -> Option<Self> {
        let mut surface = Self::fit_once(samples)?;
        for _ in 1..FITS {
            let glass: Vec<Sample> = samples
                .iter()
                .filter(|sample| sample.value >= OUTLIER_SHARE * surface.at(sample.x, sample.y))
                .copied()
                .collect();
            match Self::fit_once(&glass) {
                Some(better) => surface = better,
                None => break,
            }
        }
        Some(surface)
    }

    fn fit_once(samples: &[Sample]) -> Option<Self> {
        if samples.len() < 2 * TERMS {
            return None;
        }
        let mut equations = [[0.0; TERMS + 1]; TERMS];
        for sample in samples {
            let terms = terms_at(sample.x, sample.y);
            for (equation, left) in equations.iter_mut().zip(terms) {
                for (sum, right) in equation.iter_mut().zip(terms) {
                    *sum += left * right;
                }
                equation[TERMS] += left * sample.value;
            }
        }
        Some(Self {
            terms: solve(equations)?,
        })
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let products = self.terms.iter().zip(terms_at(x, y));
        products.map(|(factor, term)| factor * term).sum()
    }

    /// The mean over the frame: the integral of each term over the square from -1 to 1.
    fn mean(&self) -> f64 {
        self.terms[0] + (self.terms[3] + self.terms[5]) / 3.0
    }
}

fn terms_at(x: f64, y: f64) -> [f64; TERMS] {
    [1.0, x, y, x * x, x * y, y * y]
}

/// Gauss-Jordan elimination with the largest pivot of each column; `None` if they are dependent.
fn solve(mut equations: [[f64; TERMS + 1]; TERMS]) -> Option<[f64; TERMS]> {
    const SMALLEST_PIVOT: f64 = 1.0e-6;
    for column in 0..TERMS {
        let pivot_row = (column..TERMS).max_by(|&a, &b| {
            equations[a][column]
                .abs()
                .total_cmp(&equations[b][column].abs())
        })?;
        equations.swap(column, pivot_row);
        let pivot = equations[column];
        if pivot[column].abs() < SMALLEST_PIVOT {
            return None;
        }
        for (row, equation) in equations.iter_mut().enumerate() {
            if row == column {
                continue;
            }
            let factor = equation[column] / pivot[column];
            for (value, pivot_value) in equation.iter_mut().zip(pivot) {
                *value -= factor * pivot_value;
            }
        }
    }
    Some(std::array::from_fn(|row| {
        equations[row][TERMS] / equations[row][row]
    }))
}

/// Multiplies one channel by mean / surface, within the allowed gain.
fn divide(frame: &mut Frame, channel: usize, surface: &Surface, max_gain_permille: u32) {
    let (width_px, height_px) = (frame.width_px(), frame.height_px());
    let one = f64::from(1_u32 << GAIN_BITS);
    let largest = f64::from(max_gain_permille.max(1000)) / 1000.0;
    let mean = surface.mean();
    let place = |at_px: u32, side_px: u32| f64::from(2 * at_px + 1) / f64::from(side_px) - 1.0;
    let rows = frame.rgb_mut().chunks_exact_mut(width_px as usize * 3);
    for (y_px, row) in (0..height_px).zip(rows) {
        let y = place(y_px, height_px);
        for (x_px, pixel) in (0..width_px).zip(row.chunks_exact_mut(3)) {
            let background = surface.at(place(x_px, width_px), y).max(1.0);
            let gain = (mean / background).clamp(1.0 / largest, largest);
            let gain_q12 = (gain * one + 0.5) as u32;
            let scaled =
                (u32::from(pixel[channel]) * gain_q12 + (1 << (GAIN_BITS - 1))) >> GAIN_BITS;
            pixel[channel] = scaled.min(255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lit field with dark squares on it; light falls off towards the corners.
    fn vignetted(with_cells: bool) -> Frame {
        let mut frame = Frame::filled(160, 120, [0; 3]).unwrap();
        for y in 0..120_u32 {
            for x in 0..160_u32 {
                let (dx, dy) = (f64::from(x) - 70.0, f64::from(y) - 60.0);
                let light = 1.0 - 0.35 * (dx * dx + dy * dy) / 10_000.0;
                let cell = with_cells && (x / 10 + y / 10) % 3 == 0;
                let colour: [f64; 3] = if cell {
                    [190.0, 120.0, 150.0]
                } else {
                    [230.0, 220.0, 225.0]
                };
                let at = (y as usize * 160 + x as usize) * 3;
                for (byte, value) in frame.rgb_mut()[at..at + 3].iter_mut().zip(colour) {
                    *byte = (value * light) as u8;
                }
            }
        }
        frame
    }

    fn spread_of_background(frame: &Frame) -> u8 {
        let background = |place: &(u32, u32)| frame.pixel(place.0, place.1)[1];
        let places: Vec<(u32, u32)> = (0..120_u32)
            .flat_map(|y| (0..160_u32).map(move |x| (x, y)))
            .filter(|(x, y)| (x / 10 + y / 10) % 3 != 0)
            .collect();
        let values = || places.iter().map(background);
        values().max().unwrap() - values().min().unwrap()
    }

    #[test]
    fn a_strong_vignette_is_mostly_removed_with_and_without_cells() {
        for with_cells in [false, true] {
            let mut frame = vignetted(with_cells);
            let before = spread_of_background(&frame);
            apply(&mut frame, &Illumination::default());
            let after = spread_of_background(&frame);
            assert!(before > 60, "cells: {with_cells}, {before} before");
            assert!(
                after * 3 <= before,
                "cells: {with_cells}, {before} to {after}"
            );
        }
    }

    #[test]
    fn even_light_changes_nothing_by_more_than_rounding() {
        let mut frame = Frame::filled(64, 48, [210, 200, 190]).unwrap();
        for (number, pixel) in frame.rgb_mut().chunks_exact_mut(3).enumerate() {
            if number % 7 == 0 {
                pixel.copy_from_slice(&[160, 90, 120]);
            }
        }
        let before = frame.clone();
        apply(&mut frame, &Illumination::default());
        let largest = before
            .rgb()
            .iter()
            .zip(frame.rgb())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(largest <= Some(1), "{largest:?}");
    }

    #[test]
    fn gains_stay_within_their_limit_and_odd_frames_survive() {
        let settings = Illumination {
            max_gain_permille: 1100,
            ..Illumination::default()
        };
        let mut frame = vignetted(true);
        let before = frame.clone();
        apply(&mut frame, &settings);
        let too_far = before
            .rgb()
            .iter()
            .zip(frame.rgb())
            .filter(|(before, after)| f64::from(**after) > f64::from(**before) * 1.1 + 1.0);
        assert_eq!(too_far.count(), 0);
        for (width_px, height_px, colour) in [(1, 1, 9), (3, 400, 80), (40, 40, 0), (8, 8, 255)] {
            let mut frame = Frame::filled(width_px, height_px, [colour; 3]).unwrap();
            let before = frame.clone();
            apply(&mut frame, &settings);
            assert_eq!(frame, before, "{width_px}x{height_px} of {colour}");
        }
    }
}
