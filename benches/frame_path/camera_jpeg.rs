//! Baseline JPEG with chroma halved across, as USB cameras send it; the encoder of `image` never
//! halves chroma. Its headers are taken over, tables and all, and only the data are made here.

use anyhow::{Context, Result};
use hemoscope::image::frame::Frame;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::f64::consts::PI;

const SIDE: usize = 8;
const BLOCK: usize = SIDE * SIDE;
const START_OF_FRAME: u8 = 0xC0;
const HUFFMAN_TABLE: u8 = 0xC4;
const QUANTIZATION_TABLE: u8 = 0xDB;
const RESTART_FIRST: u8 = 0xD0;
const START_OF_SCAN: u8 = 0xDA;
const RESTART_INTERVAL: u8 = 0xDD;

/// Encodes a frame whose sides are multiples of 16 and 8 pixels, with a restart marker behind every
/// `interval` units of 16x8 pixels; 0 for none.
pub fn encode(frame: &Frame, quality: u8, interval: u16) -> Result<Vec<u8>> {
    let (width, height) = (frame.width_px() as usize, frame.height_px() as usize);
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality).write_image(
        &[128; BLOCK * 3],
        SIDE as u32,
        SIDE as u32,
        ExtendedColorType::Rgb8,
    )?;
    let tables = Tables::take(&mut file, (width as u16, height as u16), interval)?;
    let planes = planes(frame);
    let mut bits = Bits::default();
    let mut predictions = [0; 3];
    let units = (0..height / SIDE).flat_map(|y| (0..width / 16).map(move |x| (y, x)));
    for (unit, (y, x)) in units.enumerate() {
        if let Some(restarts) = restarts_before(unit, interval) {
            file.extend(std::mem::take(&mut bits).finish());
            file.extend([0xFF, RESTART_FIRST | (restarts - 1) as u8 & 7]);
            predictions = [0; 3];
        }
        for (channel, column) in [(0, 2 * x), (0, 2 * x + 1), (1, x), (2, x)] {
            let stride = if channel == 0 { width } else { width / 2 };
            let start = y * SIDE * stride + column * SIDE;
            let samples = |at: usize| planes[channel][start + at / SIDE * stride + at % SIDE];
            let kind = channel.min(1);
            let block = tables.quantized(kind, &std::array::from_fn(samples));
            tables.write(kind, &block, &mut predictions[channel], &mut bits);
        }
    }
    file.extend(bits.finish());
    file.extend([0xFF, 0xD9]);
    Ok(file)
}

/// How many restart markers there are up to this unit, where one stands right before it.
fn restarts_before(unit: usize, interval: u16) -> Option<usize> {
    let interval = usize::from(interval);
    (unit > 0 && interval > 0 && unit.is_multiple_of(interval)).then(|| unit / interval)
}

/// Luma, and chroma averaged over pairs of pixels, around 0.
fn planes(frame: &Frame) -> [Vec<f64>; 3] {
    let mix = |factors: [f64; 3], pixel: &[u8]| -> f64 {
        factors
            .iter()
            .zip(pixel)
            .map(|(f, &v)| f * f64::from(v))
            .sum()
    };
    let pixels = || frame.rgb().chunks_exact(3);
    let halved = |factors: [f64; 3]| {
        let pairs = frame.rgb().chunks_exact(6);
        let mean = |pair: &[u8]| (mix(factors, &pair[..3]) + mix(factors, &pair[3..])) / 2.0;
        pairs.map(mean).collect()
    };
    [
        pixels()
            .map(|pixel| mix([0.299, 0.587, 0.114], pixel) - 128.0)
            .collect(),
        halved([-0.168_736, -0.331_264, 0.5]),
        halved([0.5, -0.418_688, -0.081_312]),
    ]
}

/// What stands in the headers: steps in the order of coding, and codes by symbol.
struct Tables {
    steps: [[f64; BLOCK]; 2],
    /// Code and bits, by symbol; DC and AC, each for luma and for chroma.
    codes: [[[(u32, u32); 256]; 2]; 2],
    order: [usize; BLOCK],
    waves: [[f64; SIDE]; SIDE],
}

impl Tables {
    /// Reads the headers, sets size, sampling and interval in them, and cuts off all behind them.
    fn take(file: &mut Vec<u8>, (width, height): (u16, u16), interval: u16) -> Result<Self> {
        let mut order: [usize; BLOCK] = std::array::from_fn(|at| at);
        order.sort_by_key(|&at| {
            let (y, x) = (at / SIDE, at % SIDE);
            (x + y, if (x + y) % 2 == 0 { x } else { y })
        });
        let waves = std::array::from_fn(|frequency| {
            let scale = if frequency == 0 {
                0.125_f64.sqrt()
            } else {
                0.5
            };
            std::array::from_fn(|at| {
                scale * ((2 * at + 1) as f64 * frequency as f64 * PI / 16.0).cos()
            })
        });
        let mut tables = Self {
            steps: [[1.0; BLOCK]; 2],
            codes: [[[(0, 0); 256]; 2]; 2],
            order,
            waves,
        };
        let mut at = 2;
        loop {
            let marker = *file.get(at + 1).context("the headers have no end")?;
            let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            let end = at + 2 + length;
            match marker {
                START_OF_FRAME => {
                    file[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
                    file[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
                    file[at + 11] = 0x21;
                }
                HUFFMAN_TABLE => tables.define_codes(&file[at + 4..end]),
                QUANTIZATION_TABLE => {
                    for table in file[at + 4..end].chunks_exact(1 + BLOCK) {
                        let steps = &mut tables.steps[usize::from(table[0] & 1)];
                        for (step, &value) in steps.iter_mut().zip(&table[1..]) {
                            *step = f64::from(value);
                        }
                    }
                }
                START_OF_SCAN => {
                    file.truncate(end);
                    if interval > 0 {
                        let [high, low] = interval.to_be_bytes();
                        file.splice(at..at, [0xFF, RESTART_INTERVAL, 0, 4, high, low]);
                    }
                    return Ok(tables);
                }
                _ => {}
            }
            at = end;
        }
    }

    fn define_codes(&mut self, mut segment: &[u8]) {
        while let [place, rest @ ..] = segment {
            let (counts, symbols) = rest.split_at(16);
            let codes = &mut self.codes[usize::from(place >> 4)][usize::from(place & 1)];
            let (mut code, mut used) = (0, 0);
            for (bits, &count) in (1..).zip(counts) {
                for &symbol in &symbols[used..used + usize::from(count)] {
                    codes[usize::from(symbol)] = (code, bits);
                    code += 1;
                }
                used += usize::from(count);
                code <<= 1;
            }
            segment = &symbols[used..];
        }
    }

    /// Coefficients in the order of coding.
    fn quantized(&self, kind: usize, samples: &[f64; BLOCK]) -> [i32; BLOCK] {
        let rows: [f64; BLOCK] = std::array::from_fn(|at| {
            let (y, wave) = (at / SIDE, &self.waves[at % SIDE]);
            (0..SIDE).map(|x| samples[y * SIDE + x] * wave[x]).sum()
        });
        std::array::from_fn(|number| {
            let at = self.order[number];
            let (wave, x) = (&self.waves[at / SIDE], at % SIDE);
            let sum: f64 = (0..SIDE).map(|y| rows[y * SIDE + x] * wave[y]).sum();
            (sum / self.steps[kind][number]).round() as i32
        })
    }

    fn write(&self, kind: usize, block: &[i32; BLOCK], prediction: &mut i32, bits: &mut Bits) {
        let [dc, ac] = [&self.codes[0][kind], &self.codes[1][kind]];
        bits.put_value(dc, 0, block[0] - *prediction);
        *prediction = block[0];
        let mut run = 0;
        for &value in &block[1..] {
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                bits.put(ac[0xF0]);
                run -= 16;
            }
            bits.put_value(ac, run, value);
            run = 0;
        }
        if run > 0 {
            bits.put(ac[0]);
        }
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, (code, bits): (u32, u32)) {
        for at in (0..bits).rev() {
            self.pending = self.pending << 1 | code >> at & 1;
            self.count += 1;
            if self.count == 8 {
                let byte = self.pending as u8;
                self.bytes.push(byte);
                if byte == 0xFF {
                    self.bytes.push(0);
                }
                (self.pending, self.count) = (0, 0);
            }
        }
    }

    fn put_value(&mut self, codes: &[(u32, u32); 256], run: usize, value: i32) {
        let bits = value
            .unsigned_abs()
            .checked_ilog2()
            .map_or(0, |log| log + 1);
        self.put(codes[run << 4 | bits as usize]);
        let shown = if value < 0 { value - 1 } else { value };
        self.put((shown as u32 & ((1 << bits) - 1), bits));
    }

    fn finish(mut self) -> Vec<u8> {
        while self.count > 0 {
            self.put((1, 1));
        }
        self.bytes
    }
}
