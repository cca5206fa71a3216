//! The assessment in plain form, one value after the other: what the fast one must equal.

use super::measures::{Edges, LEVEL};
use super::*;

pub(super) fn assess(
    frame: &Frame,
    rbc_diameter_px: Option<u32>,
    settings: &QualitySettings,
) -> Quality {
    let view = ReducedView::new(frame, rbc_diameter_px);
    let [red, green, blue] = Histogram::of_channels(&view.rgb);
    let background = [&red, &green, &blue].map(|channel| channel.percentile(BACKGROUND_PERMILLE));
    let background_level = background[1];
    let clipped_permille = view.clipped_permille();
    let edges = view.edges();
    let coverage_permille = covered_permille(&green, background_level, settings);
    let reason = light_fault(&green, background_level, settings)
        .or_else(|| view.texture_fault(&green, settings))
        .or_else(|| {
            edges
                .are_too_weak(settings)
                .then_some(RejectReason::NoContrast)
        })
        .or_else(|| {
            let fault = view.colour_fault(&green, background, settings)?;
            Some(if edges.are_faint(settings) {
                RejectReason::NoContrast
            } else {
                fault
            })
        })
        .or_else(|| edges.are_blurred(settings).then_some(RejectReason::Blurred));
    Quality {
        background_level,
        brightness: brightness(background_level, clipped_permille, settings),
        clipped_permille,
        focus_score: edges.focus_score(),
        coverage_permille,
        density: density(coverage_permille, reason, settings),
        verdict: reason.map_or(Verdict::Usable, Verdict::Rejected),
    }
}

/// A reduced copy of a frame.
struct ReducedView {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    /// Diameter of a red cell in this copy, in pixels, known or assumed.
    rbc_diameter: usize,
}

impl ReducedView {
    /// The size of the copy is that of the fast form, which has a test of its own.
    fn new(frame: &Frame, rbc_diameter_px: Option<u32>) -> Self {
        let reduction = reduced::Reduction::of(frame, rbc_diameter_px);
        Self {
            width: reduction.width,
            height: reduction.height,
            rgb: block_means(frame, reduction.factor),
            rbc_diameter: reduction.rbc_diameter,
        }
    }

    fn clipped_permille(&self) -> u16 {
        let white = |pixel: &&[u8]| pixel.iter().all(|&value| value >= 254);
        let clipped = self.rgb.chunks_exact(3).filter(white).count();
        (clipped * 1000 / (self.width * self.height)) as u16
    }

    fn green(&self) -> impl Iterator<Item = u8> {
        self.rgb.chunks_exact(3).map(|pixel| pixel[1])
    }

    /// Steepest slopes as they are, and after a blur of an eighth of a red cell.
    fn edges(&self) -> Edges {
        let plane: Vec<u16> = self.green().map(|value| u16::from(value) * LEVEL).collect();
        // A box of width w blurs by w / sqrt(12); w = 0.433 d makes that d / 8.
        let radius = (self.rbc_diameter * 433 / 1000 / 2).max(1);
        let blurred = box_blur(&plane, self.width, self.height, radius);
        Edges {
            fine: steepest_slope(&plane, self.width, self.height),
            blurred: steepest_slope(&blurred, self.width, self.height),
            blur_width: 2 * radius as u32 + 1,
        }
    }

    /// Noise and print change between dark and bright far more often than cells do.
    fn texture_fault(&self, green: &Histogram, settings: &QualitySettings) -> Option<RejectReason> {
        let level = otsu_level(green);
        let classes = self.class_means(level);
        if classes.distance() < MIN_CLASS_DISTANCE {
            return None;
        }
        let dark: Vec<bool> = self.green().map(|value| value <= level).collect();
        let changes_along: usize = dark.chunks_exact(self.width).map(changes).sum();
        let rows = dark.chunks_exact(self.width);
        let changes_across: usize = rows
            .clone()
            .zip(rows.skip(1))
            .map(|(above, below)| above.iter().zip(below).filter(|(a, b)| a != b).count())
            .sum();
        let dark_pixels = dark.iter().filter(|&&is_dark| is_dark).count().max(1);
        let texture_permille = (changes_along + changes_across) * 1000 / dark_pixels;
        (texture_permille > usize::from(settings.max_texture_permille))
            .then_some(RejectReason::NotASmear)
    }

    /// Stain takes more green than red or blue from nearly colourless light.
    fn colour_fault(
        &self,
        green: &Histogram,
        background: [u8; 3],
        settings: &QualitySettings,
    ) -> Option<RejectReason> {
        let brightest = u32::from(background.into_iter().max().unwrap_or(0)).max(1);
        let dimmest = u32::from(background.into_iter().min().unwrap_or(0));
        let tint_permille = (brightest - dimmest) * 1000 / brightest;
        let [red, green, blue] = self.class_means(otsu_level(green)).passed_permille();
        let stain_permille = red.max(blue) - green;
        let tinted = tint_permille > u32::from(settings.max_background_tint_permille);
        let unstained = stain_permille < i32::from(settings.min_stain_permille);
        (tinted || unstained).then_some(RejectReason::NotASmear)
    }

    fn class_means(&self, level: u8) -> ClassMeans {
        let mut sums = [[0_u64; 3]; 2];
        let mut counts = [0_u64; 2];
        for pixel in self.rgb.chunks_exact(3) {
            let class = usize::from(pixel[1] > level);
            counts[class] += 1;
            for (sum, &value) in sums[class].iter_mut().zip(pixel) {
                *sum += u64::from(value);
            }
        }
        let mean = |class: usize| sums[class].map(|sum| (sum * 1000 / counts[class].max(1)) as u32);
        ClassMeans {
            dark_millilevels: mean(0),
            bright_millilevels: mean(1),
        }
    }
}

fn changes(row: &[bool]) -> usize {
    row.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Means of squares of `factor` pixels; what is left over at the right and the bottom is dropped.
fn block_means(frame: &Frame, factor: usize) -> Vec<u8> {
    let width = frame.width_px() as usize / factor;
    let height = frame.height_px() as usize / factor;
    let area = (factor * factor) as u32;
    let mut means = Vec::with_capacity(width * height * 3);
    let mut sums = vec![[0_u32; 3]; width];
    for block_row in 0..height {
        sums.fill([0; 3]);
        for y in block_row * factor..(block_row + 1) * factor {
            let blocks = frame.row(y as u32).chunks_exact(factor * 3);
            for (sum, block) in sums.iter_mut().zip(blocks) {
                for (at, &value) in block.iter().enumerate() {
                    sum[at % 3] += u32::from(value);
                }
            }
        }
        let mean = |sum: u32| ((sum + area / 2) / area) as u8;
        means.extend(sums.iter().flat_map(|sum| sum.map(mean)));
    }
    means
}

/// The mean over a square of 2 `radius` + 1 pixels; the plane's edge is repeated outwards.
pub(super) fn box_blur(plane: &[u16], width: usize, height: usize, radius: usize) -> Vec<u16> {
    let mut along = vec![0; plane.len()];
    for y in 0..height {
        let line = Line {
            start: y * width,
            step: 1,
            length: width,
        };
        line.blur(plane, &mut along, radius);
    }
    let mut both = vec![0; plane.len()];
    for x in 0..width {
        let line = Line {
            start: x,
            step: width,
            length: height,
        };
        line.blur(&along, &mut both, radius);
    }
    both
}

/// A row or column of a plane.
struct Line {
    start: usize,
    step: usize,
    length: usize,
}

impl Line {
    fn blur(&self, source: &[u16], target: &mut [u16], radius: usize) {
        let last = self.length - 1;
        let value = |at: usize| u32::from(source[self.start + at.min(last) * self.step]);
        let window = 2 * radius as u32 + 1;
        let mut sum = value(0) * (radius as u32 + 1) + (1..=radius).map(value).sum::<u32>();
        for at in 0..self.length {
            target[self.start + at * self.step] = ((sum + window / 2) / window) as u16;
            sum += value(at + radius + 1);
            sum -= value(at.saturating_sub(radius));
        }
    }
}

/// The slope that one pixel in two hundred exceeds: steep enough to be an edge, common enough not
/// to be a speck. In the plane's units over two pixels, |across| + |along|.
fn steepest_slope(plane: &[u16], width: usize, height: usize) -> u32 {
    const LARGEST: usize = 2 * 255 * LEVEL as usize;
    const ONE_IN: u32 = 200;
    if width < 3 || height < 3 {
        return 0;
    }
    let mut counts = vec![0_u32; LARGEST + 1];
    for y in 1..height - 1 {
        let above = &plane[(y - 1) * width..][..width];
        let here = &plane[y * width..][..width];
        let below = &plane[(y + 1) * width..][..width];
        for x in 1..width - 1 {
            let slope = here[x - 1].abs_diff(here[x + 1]) + above[x].abs_diff(below[x]);
            counts[usize::from(slope).min(LARGEST)] += 1;
        }
    }
    let wanted = ((width - 2) * (height - 2)) as u32 / ONE_IN;
    let mut seen = 0;
    let steep = counts.iter().rposition(|&count| {
        seen += count;
        seen > wanted
    });
    steep.unwrap_or(0) as u32
}
