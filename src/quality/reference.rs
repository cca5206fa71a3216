//! The assessment in plain form, one value after the other: what the fast one must equal.

use super::echo::EchoFinder;
use super::focus::{EdgeSums, LEVEL, Reference, Zones, diameter_from_texture};
use super::measures::Edges;
use super::parts::{self, Area, PartScores};
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
    let dark_level = green.otsu_level();
    let texture_permille = view.texture_permille(dark_level);
    let edges = view.edges(texture_permille);
    let first_bright = first_bright_level(background_level, settings);
    let coverage_permille = covered_permille(&green, first_bright);
    let focus_score = edges.focus_score();
    let classes = view.class_means(dark_level);
    let brightness = brightness(&green, background, clipped_permille, settings);
    let reason = light_fault(brightness)
        .or_else(|| texture_fault(texture_permille, &classes, settings))
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
        .or_else(|| (focus_score < settings.min_focus_score).then_some(RejectReason::Blurred))
        .or_else(|| {
            let is_moved = edges.are_moved(settings) || view.is_exposed_twice(&edges);
            (settings.min_focus_score > 0 && is_moved).then_some(RejectReason::MovedDuringExposure)
        })
        .or_else(|| {
            let parts = view.part_scores(&edges, first_bright);
            parts
                .are_blurred(settings.min_focus_score)
                .then_some(RejectReason::PartlyBlurred)
        })
        .or_else(|| {
            (coverage_permille > settings.crowded_permille).then_some(RejectReason::TooThick)
        })
        .or_else(|| contrast_fault(&classes, settings))
        .or_else(|| order_fault(&view.stains(&green, dark_level), &classes));
    Quality {
        background_level,
        brightness,
        clipped_permille,
        focus_score,
        coverage_permille,
        rim_permille: 0,
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
    is_diameter_known: bool,
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
            is_diameter_known: rbc_diameter_px.is_some(),
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

    /// Steepest slopes after a blur of an eighth of a red cell, and the focus.
    fn edges(&self, texture_permille: usize) -> Edges {
        let plane: Vec<u16> = self.green().map(|value| u16::from(value) * LEVEL).collect();
        let radius = reduced::slope_radius(self.rbc_diameter);
        let blurred = box_blur(&plane, self.width, self.height, radius);
        let diameter = if self.is_diameter_known {
            self.rbc_diameter
        } else {
            diameter_from_texture(texture_permille, self.rbc_diameter)
        };
        Edges {
            blurred: steepest_slope(&blurred, self.width, self.height),
            blur_width: 2 * radius as u32 + 1,
            diameter,
            sums: self.edge_sums(diameter),
        }
    }

    /// Of the green plane without the noise of single pixels.
    fn texture_permille(&self, level: u8) -> usize {
        let limit = (u16::from(level) + 1) * LEVEL;
        let smooth = self.triangle_blur(Reference::finest());
        let dark: Vec<bool> = smooth.iter().map(|&value| value < limit).collect();
        let changes_along: usize = dark.chunks_exact(self.width).map(changes).sum();
        let rows = dark.chunks_exact(self.width);
        let changes_across: usize = rows
            .clone()
            .zip(rows.skip(1))
            .map(|(above, below)| above.iter().zip(below).filter(|(a, b)| a != b).count())
            .sum();
        let dark_pixels = dark.iter().filter(|&&is_dark| is_dark).count().max(1);
        (changes_along + changes_across) * 1000 / dark_pixels
    }

    /// Of the whole copy.
    fn edge_sums(&self, diameter: usize) -> EdgeSums {
        let steepest = steepest_slope(&self.around(diameter), self.width, self.height);
        let reference = Reference::for_cells_of(diameter);
        Area::within_margin(self.width, self.height, reference)
            .map(|area| self.sums_within(&area, Zones::below(steepest), diameter))
            .unwrap_or_default()
    }

    fn around(&self, diameter: usize) -> Vec<u16> {
        let plane: Vec<u16> = self.green().map(|value| u16::from(value) * LEVEL).collect();
        let radius = reduced::slope_radius(diameter);
        box_blur(&plane, self.width, self.height, radius)
    }

    /// Of every pixel, its place within edges or flat parts asked one by one.
    fn sums_within(&self, area: &Area, zones: Zones, diameter: usize) -> EdgeSums {
        let plane: Vec<u16> = self.green().map(|value| u16::from(value) * LEVEL).collect();
        let width = self.width;
        let around = self.around(diameter);
        let blurred = self.triangle_blur(Reference::for_cells_of(diameter));
        let mut sums = EdgeSums::default();
        for y in area.y.clone() {
            for x in area.x.clone() {
                let slope = |plane: &[u16]| {
                    let at = |x: usize, y: usize| i64::from(plane[y * width + x]);
                    (at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1))
                };
                let (across, along) = slope(&around);
                let steepness = across.abs() + along.abs();
                let (fine, soft) = (slope(&plane), slope(&blurred));
                if steepness >= i64::from(zones.edge_from) {
                    sums.pixels += 1;
                    let fine = (fine.0 / i64::from(LEVEL), fine.1 / i64::from(LEVEL));
                    let by_blurred = &mut sums.fine_by_blurred;
                    by_blurred.rows += fine.0 * soft.0;
                    by_blurred.columns += fine.1 * soft.1;
                    by_blurred.mixed += fine.0 * soft.1 + fine.1 * soft.0;
                    let squared = &mut sums.blurred_squared;
                    squared.rows += soft.0 * soft.0;
                    squared.columns += soft.1 * soft.1;
                    squared.mixed += 2 * soft.0 * soft.1;
                }
                if steepness < i64::from(zones.flat_below) {
                    let at = |x: usize, y: usize| i64::from(self.rgb[(y * width + x) * 3 + 1]);
                    let difference = at(x, y) - at(x + 1, y) - at(x, y + 1) + at(x + 1, y + 1);
                    sums.flat_pixels += 1;
                    sums.flat_squares += (difference * difference) as u64;
                }
            }
        }
        sums
    }

    fn is_exposed_twice(&self, edges: &Edges) -> bool {
        let green: Vec<u8> = self.green().collect();
        EchoFinder::default().is_exposed_twice(&green, self.width, edges.diameter)
    }

    /// Of each part by the slopes of its own, which are put in order.
    fn part_scores(&self, edges: &Edges, first_bright: u8) -> PartScores {
        let mut scores = PartScores::default();
        let reference = edges.reference();
        let Some(whole) = Area::within_margin(self.width, self.height, reference)
            .filter(|_| edges.sums.can_be_parted(reference))
        else {
            return scores;
        };
        let around = self.around(edges.diameter);
        let green: Vec<u8> = self.green().collect();
        for part in whole.parts(edges.diameter) {
            let (width, columns) = (self.width, part.x.clone());
            let pixels = part.y.clone();
            let pixels = pixels.flat_map(|y| columns.clone().map(move |x| y * width + x));
            let is_dark = |&at: &usize| green[at] < first_bright;
            if !parts::is_enough(pixels.clone().filter(is_dark).count(), &part) {
                continue;
            }
            let slope = |at: usize| {
                let across = around[at - 1].abs_diff(around[at + 1]);
                u32::from(across + around[at - width].abs_diff(around[at + width]))
            };
            let mut slopes: Vec<u32> = pixels.map(slope).collect();
            slopes.sort_unstable_by(|a, b| b.cmp(a));
            let steepest = slopes.get(slopes.len() / 200).copied().unwrap_or(0);
            let own = self.sums_within(&part, Zones::below(steepest), edges.diameter);
            let sums = EdgeSums {
                flat_pixels: edges.sums.flat_pixels,
                flat_squares: edges.sums.flat_squares,
                ..own
            };
            scores.add(sums.score(reference, edges.diameter));
        }
        scores
    }

    /// The reference blur, rounded to a sixteenth of a level after the rows and after the columns.
    fn triangle_blur(&self, reference: Reference) -> Vec<u16> {
        let (width, height) = (self.width as i64, self.height as i64);
        let reach = reference.reach() as i64;
        let total = reference.total();
        let weighted = |plane: &[u16], step: (i64, i64)| -> Vec<u16> {
            let at = |x: i64, y: i64| {
                let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
                u32::from(plane[(y * width + x) as usize])
            };
            let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let sum = |(x, y): (i64, i64)| {
                let taps = (-reach..).zip(reference.weights());
                taps.map(|(off, weight)| at(x + off * step.0, y + off * step.1) * u32::from(weight))
                    .sum::<u32>()
            };
            places
                .map(|place| ((sum(place) + total / 2) / total) as u16)
                .collect()
        };
        let plane: Vec<u16> = self.green().map(|value| u16::from(value) * LEVEL).collect();
        weighted(&weighted(&plane, (1, 0)), (0, 1))
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
        let [red, green, blue] = self.class_means(green.otsu_level()).passed_permille();
        let stain_permille = red.max(blue) - green;
        let tinted = tint_permille > u32::from(settings.max_background_tint_permille);
        let unstained = stain_permille < i32::from(settings.min_stain_permille);
        (tinted || unstained).then_some(RejectReason::NotASmear)
    }

    fn stains(&self, green: &Histogram, dark_level: u8) -> Stains {
        let [deepest, half] = Stains::limits(green, dark_level);
        let mean = |within: std::ops::RangeInclusive<u8>| {
            let pixels = self.rgb.chunks_exact(3);
            let pixels: Vec<&[u8]> = pixels.filter(|pixel| within.contains(&pixel[1])).collect();
            [0, 1, 2].map(|channel| {
                let sum: u64 = pixels.iter().map(|pixel| u64::from(pixel[channel])).sum();
                (sum * 1000 / pixels.len().max(1) as u64) as u32
            })
        };
        Stains {
            deepest: mean(0..=deepest),
            palest: mean(half..=dark_level),
        }
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
