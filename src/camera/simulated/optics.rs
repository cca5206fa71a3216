//! From dye to image: light through the slide, the lens, and the camera's noise.

use super::canvas::Canvas;
use super::outline::Point;
use super::random::{STEP, lattice_noise, mix};
use super::settings::SimulatedSlideSettings;
use super::stain::SlideLook;
use libm::{asin, cos, exp, expf, sin, sqrt, tan};

/// Wavelength in the middle of the visible light, in micrometres.
const WAVELENGTH_UM: f64 = 0.55;
/// Refractive index of immersion oil and of glass.
const OIL_INDEX: f64 = 1.515;
/// Above this numerical aperture an objective needs oil.
const DRY_LIMIT: f64 = 0.95;
/// The widest blur in pixels, so that a far focus costs bounded time.
const MAX_BLUR_PX: f64 = 24.0;
/// Values of one pixel.
const CHANNELS: usize = 3;
/// Depth of the background's texture (dried plasma), as optical density.
const PLASMA_TEXTURE: f64 = 0.012;

/// Light in three colours, in levels of an 8-bit camera before noise and rounding.
#[derive(Debug, Clone)]
pub(super) struct Light {
    pub width_px: usize,
    pub height_px: usize,
    /// Rows of red, green, blue triples.
    pub levels: Vec<f32>,
}

/// Dried plasma between the cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plasma {
    /// The seed of its texture.
    pub texture: u64,
    /// The place of the texture in the middle of the frame.
    pub middle: Point,
}

/// Light that comes through the stained field, by Beer-Lambert, before the lens.
pub(super) fn transmit(
    canvas: &Canvas,
    look: &SlideLook,
    settings: &SimulatedSlideSettings,
    plasma: Plasma,
) -> Light {
    let (width_px, height_px) = (canvas.width_px, canvas.height_px);
    let (half_width, half_height) = (0.5 * width_px as f64, 0.5 * height_px as f64);
    let corner = half_width * half_width + half_height * half_height;
    let (lean_x, lean_y) = (cos(look.light_direction), sin(look.light_direction));
    let mut levels = Vec::with_capacity(width_px * height_px * CHANNELS);
    for (place, density) in canvas.densities(look.haemoglobin).enumerate() {
        let x = (place % width_px) as f64 + 0.5 - half_width;
        let y = (place / width_px) as f64 + 0.5 - half_height;
        let lean = (x * lean_x + y * lean_y) / sqrt(corner);
        let fall = settings.vignetting * (x * x + y * y) / corner;
        let light = 1.0 - fall + 0.5 * settings.uneven_light * lean;
        let x_um = x * canvas.um_per_px + plasma.middle.x_um;
        let y_um = y * canvas.um_per_px + plasma.middle.y_um;
        let cloud = PLASMA_TEXTURE * lattice_noise(plasma.texture, x_um / 7.0, y_um / 7.0);
        let light = (light * (1.0 - cloud)) as f32;
        levels.extend(
            [0, 1, 2]
                .map(|channel| look.background[channel] as f32 * light * expf(-density[channel])),
        );
    }
    Light {
        width_px,
        height_px,
        levels,
    }
}

/// Standard deviation of the blur in pixels, for a distance from the focal plane.
///
/// In focus the spot is a Gaussian of 0.21 wavelengths over the aperture (Zhang, Zerubia and
/// Olivo-Marin 2007); out of focus the cone of light adds a disc, whose standard deviation is half
/// its radius.
pub(super) fn blur_px(settings: &SimulatedSlideSettings, focus_error_um: f64) -> f64 {
    let aperture = settings.numerical_aperture;
    let index = if aperture > DRY_LIMIT { OIL_INDEX } else { 1.0 };
    let spot_um = 0.21 * WAVELENGTH_UM / aperture;
    let cone_um = 0.5 * focus_error_um * tan(asin(aperture / index));
    let blur_um = sqrt(spot_um * spot_um + cone_um * cone_um);
    (blur_um / settings.um_per_px).min(MAX_BLUR_PX)
}

/// A Gaussian blur, rows then columns; the border is repeated outwards.
pub(super) fn blur(light: &Light, deviation_px: f64) -> Light {
    let kernel = gaussian(deviation_px);
    let rows = blur_rows(light, &kernel);
    Light {
        levels: blur_columns(&rows, light, &kernel),
        ..*light
    }
}

/// Weights that sum to one, out to three standard deviations.
fn gaussian(deviation_px: f64) -> Vec<f32> {
    let reach = (3.0 * deviation_px).ceil() as i32;
    let bell = |place: i32| {
        let relative = f64::from(place) / deviation_px.max(1e-3);
        exp(-0.5 * relative * relative)
    };
    let total: f64 = (-reach..=reach).map(bell).sum();
    (-reach..=reach)
        .map(|place| (bell(place) / total) as f32)
        .collect()
}

fn blur_rows(light: &Light, kernel: &[f32]) -> Vec<f32> {
    let stride = light.width_px * CHANNELS;
    let reach = kernel.len() / 2;
    let mut blurred = vec![0.0; light.levels.len()];
    let mut padded = Vec::with_capacity(stride + 2 * reach * CHANNELS);
    for (row, out) in light
        .levels
        .chunks_exact(stride)
        .zip(blurred.chunks_exact_mut(stride))
    {
        padded.clear();
        (0..reach).for_each(|_| padded.extend_from_slice(&row[..CHANNELS]));
        padded.extend_from_slice(row);
        (0..reach).for_each(|_| padded.extend_from_slice(&row[stride - CHANNELS..]));
        for (tap, &weight) in kernel.iter().enumerate() {
            add_weighted(out, &padded[tap * CHANNELS..][..stride], weight);
        }
    }
    blurred
}

fn blur_columns(rows: &[f32], size: &Light, kernel: &[f32]) -> Vec<f32> {
    let stride = size.width_px * CHANNELS;
    let reach = kernel.len() / 2;
    let mut blurred = vec![0.0; rows.len()];
    for (y_px, out) in blurred.chunks_exact_mut(stride).enumerate() {
        for (tap, &weight) in kernel.iter().enumerate() {
            let source = (y_px + tap).saturating_sub(reach).min(size.height_px - 1);
            add_weighted(out, &rows[source * stride..][..stride], weight);
        }
    }
    blurred
}

fn add_weighted(sums: &mut [f32], values: &[f32], weight: f32) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += weight * value;
    }
}

/// What the camera sees while the stage moves from one field to the next on its right: a window
/// over both, `travel` (0 to 1) of the way, smeared over `smear_px`.
pub(super) fn travel(from: &Light, to: &Light, travel: f64, smear_px: usize) -> Light {
    let width_px = from.width_px;
    let stride = width_px * CHANNELS;
    let offset = (travel * width_px as f64) as usize;
    let smear_px = smear_px.clamp(1, width_px);
    let weight = 1.0 / smear_px as f32;
    let mut levels = vec![0.0; from.levels.len()];
    let rows = from
        .levels
        .chunks_exact(stride)
        .zip(to.levels.chunks_exact(stride));
    for ((left, right), out) in rows.zip(levels.chunks_exact_mut(stride)) {
        for step in 0..smear_px {
            let split = (offset + step).min(width_px) * CHANNELS;
            let (near, far) = out.split_at_mut(stride - split);
            add_weighted(near, &left[split..], weight);
            add_weighted(far, &right[..split], weight);
        }
    }
    Light { levels, ..*from }
}

/// Photon noise and read noise, and rounding to `bytes`, one for each level; `seed` decides the
/// noise.
///
/// The noise is a sum of four uniform 16-bit numbers, which is close to a Gaussian and the same on
/// every processor.
pub(super) fn expose(
    light: &Light,
    settings: &SimulatedSlideSettings,
    seed: u64,
    bytes: &mut [u8],
) {
    let read_variance = (settings.read_noise_levels * settings.read_noise_levels) as f32;
    let photon_variance = (WHITE_LEVEL / settings.full_well_electrons) as f32;
    let noisy = |(place, level): (usize, &f32)| {
        let noise = bell(mix(derive_fast(seed, place as u64)));
        let variance = read_variance + photon_variance * level.max(0.0);
        (level + noise * variance.sqrt() + 0.5).clamp(0.0, WHITE_LEVEL as f32) as u8
    };
    let levels = light.levels.iter().enumerate().map(noisy);
    bytes
        .iter_mut()
        .zip(levels)
        .for_each(|(byte, level)| *byte = level);
}

/// The brightest level of an 8-bit camera.
const WHITE_LEVEL: f64 = 255.0;

fn derive_fast(seed: u64, place: u64) -> u64 {
    seed.wrapping_add(place.wrapping_mul(STEP))
}

/// About a standard normal number from 64 random bits: four uniform parts have variance 1/3.
fn bell(bits: u64) -> f32 {
    let sum: u32 = (0..4)
        .map(|part| (bits >> (16 * part)) as u32 & 0xFFFF)
        .sum();
    (sum as f32 / 65_536.0 - 2.0) * SQRT_3
}

const SQRT_3: f32 = 1.732_050_8;

#[cfg(test)]
mod tests {
    use super::*;

    fn spot() -> Light {
        let (width_px, height_px) = (31, 31);
        let mut levels = vec![0.0; width_px * height_px * CHANNELS];
        levels[(15 * width_px + 15) * CHANNELS] = 100.0;
        Light {
            width_px,
            height_px,
            levels,
        }
    }

    fn flat(level: f32) -> Light {
        Light {
            width_px: 64,
            height_px: 64,
            levels: vec![level; 64 * 64 * CHANNELS],
        }
    }

    #[test]
    fn blur_spreads_light_by_its_deviation_and_loses_none() {
        for deviation_px in [0.8, 1.5, 3.0] {
            let blurred = blur(&spot(), deviation_px);
            let mut total = 0.0;
            let mut second = 0.0;
            for (place, level) in blurred.levels.iter().step_by(CHANNELS).enumerate() {
                let off = (place % 31) as f64 - 15.0;
                total += f64::from(*level);
                second += off * off * f64::from(*level);
            }
            assert!((total - 100.0).abs() < 0.01, "{deviation_px}: {total}");
            let measured = sqrt(second / total);
            assert!(
                (measured / deviation_px - 1.0).abs() < 0.06,
                "{deviation_px}: {measured}"
            );
        }
        let even = blur(&flat(80.0), 2.0);
        assert!(even.levels.iter().all(|level| (level - 80.0).abs() < 0.01));
    }

    #[test]
    fn focus_error_widens_the_blur() {
        let settings = SimulatedSlideSettings::default();
        let widths = [0.0, 0.5, 2.0, 1000.0].map(|error_um| blur_px(&settings, error_um));
        assert!(
            widths.windows(2).all(|pair| pair[0] < pair[1]),
            "{widths:?}"
        );
        assert_eq!(widths[3], MAX_BLUR_PX);
    }

    #[test]
    fn noise_has_the_variance_of_photons_and_electronics() {
        let settings = SimulatedSlideSettings {
            full_well_electrons: 1000.0,
            read_noise_levels: 3.0,
            ..SimulatedSlideSettings::default()
        };
        let exposed = |seed: u64| {
            let light = flat(100.0);
            let mut bytes = vec![0; light.levels.len()];
            expose(&light, &settings, seed, &mut bytes);
            bytes
        };
        let bytes = exposed(11);
        let count = bytes.len() as f64;
        let mean = bytes.iter().map(|&byte| f64::from(byte)).sum::<f64>() / count;
        let variance = bytes
            .iter()
            .map(|&byte| (f64::from(byte) - mean) * (f64::from(byte) - mean))
            .sum::<f64>()
            / count;
        let expected = 9.0 + 100.0 * 255.0 / 1000.0 + 1.0 / 12.0;
        assert!((mean - 100.0).abs() < 0.3, "{mean}");
        assert!((variance / expected - 1.0).abs() < 0.05, "{variance}");
        assert_ne!(bytes, exposed(12));
    }

    #[test]
    fn travel_starts_on_one_field_and_ends_on_the_next() {
        let (from, to) = (flat(10.0), flat(200.0));
        assert_eq!(travel(&from, &to, 0.0, 1).levels, from.levels);
        assert_eq!(travel(&from, &to, 1.0, 1).levels, to.levels);
        let half = travel(&from, &to, 0.5, 1);
        assert_eq!((half.levels[0], half.levels[63 * CHANNELS]), (10.0, 200.0));
    }
}
