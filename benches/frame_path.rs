use hemoscope::decode::JpegDecoder;
use hemoscope::frame::Frame;
use std::time::Instant;
fn main() {
    let files: Vec<_> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let mut decoder = JpegDecoder::default();
    let mut frame = Frame::filled(1, 1, [0; 3]).unwrap();
    let (mut worst, mut sum, mut n) = (0, 0u64, 0u64);
    let mut times = vec![];
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let t = Instant::now();
        decoder.decode(&bytes, file, &mut frame).unwrap();
        let a = t.elapsed().as_secs_f64() * 1e3;
        let t = Instant::now();
        decoder.decode(&bytes, file, &mut frame).unwrap();
        let a = a.min(t.elapsed().as_secs_f64() * 1e3);
        let t = Instant::now();
        let other = zune(&bytes);
        let b = t.elapsed().as_secs_f64() * 1e3;
        let t = Instant::now();
        let other2 = zune(&bytes);
        let b = b.min(t.elapsed().as_secs_f64() * 1e3);
        assert_eq!(other, other2);
        times.push((a, b));
        assert_eq!(other.len(), frame.rgb().len());
        for (x, y) in frame.rgb().iter().zip(&other) {
            let d = x.abs_diff(*y);
            worst = worst.max(d);
            sum += u64::from(d);
            n += 1;
        }
    }
    let mut ratios: Vec<f64> = times.iter().map(|t| t.1 / t.0).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "max {worst} mean {} files {} ratio median {} ours {:?}",
        sum as f64 / n as f64,
        files.len(),
        ratios[ratios.len() / 2],
        &times[..3]
    );
    println!(
        "total ours {} zune {}",
        times.iter().map(|t| t.0).sum::<f64>(),
        times.iter().map(|t| t.1).sum::<f64>()
    );
}
fn zune(bytes: &[u8]) -> Vec<u8> {
    use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options)
        .decode()
        .unwrap()
}
