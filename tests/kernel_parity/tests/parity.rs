//! Every kernel of the running processor equals the scalar one to the bit.
//!
//! A plain `main` without threads: qemu-user 7.2 hangs where the test harness starts one.
//! `KERNEL_PARITY_CASES` sets how many random convolutions are compared, `KERNEL_PARITY_SEED` the
//! first one's seed, and `KERNEL_PARITY_THREADS` how many threads share a stream.

use std::process::ExitCode;
use std::sync::Arc;

use kernel_parity::kernels::{
    Convolution, Input, Kernel, MAX_ACTIVATION, MAX_WEIGHT, Output, OutputKind, Parameters,
    Program, Quantization, Residual, Size, Source, Step, Stream,
};
use kernel_parity::random::Random;
use kernel_parity::setting;

/// Random cases for each kernel: few enough for an emulated processor.
const RANDOM_CASES: u64 = 400;

struct Case {
    parameters: Parameters,
    size: Size,
    activations: Vec<u8>,
    residual: Option<Vec<u8>>,
}

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Values {
    /// The whole range.
    Uniform,
    /// Its two ends.
    Ends,
    /// The largest of each, so that every sum is as large as it can be.
    Largest,
}

impl Values {
    fn draw(self, random: &mut Random, low: i64, high: i64) -> i64 {
        match self {
            Values::Uniform => random.within(low, high),
            Values::Ends => random.pick(&[low, high]),
            Values::Largest => high,
        }
    }
}

/// The shape of one convolution.
#[derive(Debug, Clone, Copy)]
struct Shape {
    size: Size,
    input_channels: usize,
    output_channels: usize,
    kernel_height: usize,
    kernel_width: usize,
    stride: usize,
    pad: usize,
    kind: OutputKind,
    upsample: Option<usize>,
}

fn output_side(side: usize, kernel_side: usize, shape: &Shape) -> usize {
    (side + 2 * shape.pad - kernel_side) / shape.stride + 1
}

fn quantization(random: &mut Random, kind: OutputKind) -> Quantization {
    let (low, high) = match kind {
        OutputKind::U8 => (0, 255),
        OutputKind::I16 => (-32_768, 32_767),
    };
    let relu = kind == OutputKind::U8 && random.within(0, 1) == 0;
    if relu {
        return Quantization {
            zero_point: 0,
            minimum: 0,
            maximum: MAX_ACTIVATION,
            kind,
        };
    }
    let minimum = random.pick(&[low, low / 2 + 3]);
    Quantization {
        zero_point: random.within(low, high) as i32,
        minimum: minimum as i32,
        maximum: random.within(minimum, high) as i32,
        kind,
    }
}

fn case(random: &mut Random, shape: Shape, values: Values) -> Case {
    let limit = i64::from(MAX_ACTIVATION);
    let window = shape.kernel_height * shape.kernel_width * shape.input_channels;
    let weight_limit = i64::from(MAX_WEIGHT);
    let weight = (0..window * shape.output_channels)
        .map(|_| values.draw(random, -weight_limit, weight_limit) as i8)
        .collect();
    let bias = (0..shape.output_channels)
        .map(|_| random.within(-3_000_000, 3_000_000) as i32)
        .collect();
    // Scales from one that keeps every sum near zero to one that takes the largest past the clamp.
    let steps = match shape.kind {
        OutputKind::U8 => 400.0,
        OutputKind::I16 => 60_000.0,
    };
    let largest_sum = (window as i64 * limit * weight_limit) as f32;
    let scale = (0..shape.output_channels)
        .map(|_| random.within(1, 1 << 20) as f32 / (1 << 20) as f32 * steps / largest_sum)
        .collect();
    let parameters = Parameters {
        input_channels: shape.input_channels,
        output_channels: shape.output_channels,
        kernel_height: shape.kernel_height,
        kernel_width: shape.kernel_width,
        stride: shape.stride,
        pad: shape.pad,
        input_zero_point: random.pick(&[0, 64, 127, 1]),
        weight,
        bias,
        scale,
        output: quantization(random, shape.kind),
        residual: shape.upsample.map(|upsample| Residual {
            zero_point: random.pick(&[0, 128, 255]),
            scale: random.within(1, 4_000) as f32 / 1_000.0,
            upsample,
        }),
    };
    let activations = (0..shape.size.pixels() * shape.input_channels)
        .map(|_| values.draw(random, 0, limit) as u8)
        .collect();
    let residual = shape.upsample.map(|upsample| {
        let height = output_side(shape.size.height, shape.kernel_height, &shape) / upsample;
        let width = output_side(shape.size.width, shape.kernel_width, &shape) / upsample;
        (0..height * width * shape.output_channels)
            .map(|_| values.draw(random, 0, 255) as u8)
            .collect()
    });
    Case {
        parameters,
        size: shape.size,
        activations,
        residual,
    }
}

/// Clears a share of the blocks of weights that kernels may leave out: sixteen output channels by
/// four input channels at one place of the window.
fn leave_out(parameters: &mut Parameters, percent: i64, random: &mut Random) {
    const BLOCK_OUTPUTS: usize = 16;
    const BLOCK_INPUTS: usize = 4;
    let window = parameters.kernel_height * parameters.kernel_width * parameters.input_channels;
    for outputs in parameters.weight.chunks_mut(BLOCK_OUTPUTS * window) {
        for first in (0..window).step_by(BLOCK_INPUTS) {
            if random.within(1, 100) <= percent {
                for weights in outputs.chunks_exact_mut(window) {
                    weights[first..first + BLOCK_INPUTS].fill(0);
                }
            }
        }
    }
}

fn run(kernel: Kernel, case: &Case) -> Vec<i16> {
    let convolution = Convolution::new(kernel, case.parameters.clone()).expect("parameters");
    let size = case.parameters.output_size(case.size).expect("a size");
    let values = size.pixels() * case.parameters.output_channels;
    let input = Input {
        size: case.size,
        activations: &case.activations,
        residual: case.residual.as_deref(),
    };
    match case.parameters.output.kind {
        OutputKind::U8 => {
            let mut output = vec![0; values];
            convolution
                .run(input, Output::U8(&mut output))
                .expect("buffers");
            output.into_iter().map(i16::from).collect()
        }
        OutputKind::I16 => {
            let mut output = vec![0; values];
            convolution
                .run(input, Output::I16(&mut output))
                .expect("buffers");
            output
        }
    }
}

/// The kernels to check; where there is only the scalar one, that is a failure unless accepted.
fn kernels() -> Vec<Kernel> {
    let kernels: Vec<Kernel> = Kernel::available()
        .filter(|kernel| *kernel != Kernel::Scalar)
        .collect();
    assert!(
        !kernels.is_empty() || std::env::var_os("KERNEL_PARITY_SCALAR_ONLY").is_some(),
        "this processor has no kernel but the scalar one, so there is nothing to compare; \
         set KERNEL_PARITY_SCALAR_ONLY=1 to accept that"
    );
    kernels
}

/// Gives a line for each failure.
type Check = fn() -> Vec<String>;

/// Compares all kernels on one case; gives a line for each that differs.
fn differences(name: &str, case: &Case) -> Vec<String> {
    let expected = run(Kernel::Scalar, case);
    let differs = |kernel: &Kernel| {
        let actual = run(*kernel, case);
        let wrong = expected.iter().zip(&actual).filter(|(a, b)| a != b).count();
        (wrong > 0).then(|| format!("{name}: {kernel} differs in {wrong} of {}", actual.len()))
    };
    kernels().iter().filter_map(differs).collect()
}

fn random_shape(random: &mut Random) -> Shape {
    let pad = random.pick(&[0, 1]);
    let kernel_side = if pad == 0 { [1, 2, 3] } else { [2, 3, 3] };
    let kind = random.pick(&[OutputKind::U8, OutputKind::I16]);
    let mut shape = Shape {
        size: Size {
            height: random.within(3, 9) as usize,
            width: random.within(3, 45) as usize,
        },
        input_channels: random.pick(&[4, 16, 32, 48, 80]),
        output_channels: random.pick(&[1, 3, 7, 16, 17, 32, 33, 48, 64, 80, 95]),
        kernel_height: random.pick(&kernel_side),
        kernel_width: random.pick(&kernel_side),
        stride: random.pick(&[1, 2]),
        pad,
        kind,
        upsample: random.pick(&[None, Some(1), Some(2)]),
    };
    let height = output_side(shape.size.height, shape.kernel_height, &shape);
    let width = output_side(shape.size.width, shape.kernel_width, &shape);
    let odd = height % 2 == 1 || width % 2 == 1;
    if odd && shape.upsample == Some(2) {
        shape.upsample = None;
    }
    shape
}

fn kernels_agree_on_random_convolutions() -> Vec<String> {
    let mut failures = Vec::new();
    let first = setting("KERNEL_PARITY_SEED", 0);
    for seed in first..first + setting("KERNEL_PARITY_CASES", RANDOM_CASES) {
        let mut random = Random::new(seed);
        let shape = random_shape(&mut random);
        let values = random.pick(&[Values::Uniform, Values::Uniform, Values::Ends]);
        let mut case = case(&mut random, shape, values);
        let percent = random.pick(&[0, 0, 55, 90, 100]);
        leave_out(&mut case.parameters, percent, &mut random);
        let name = format!("seed {seed}, {percent} % left out, {shape:?}");
        failures.extend(differences(&name, &case));
    }
    failures
}

fn kernels_agree_on_the_largest_sums() -> Vec<String> {
    let mut failures = Vec::new();
    for input_channels in [4, 16, 96, 1024] {
        let shape = Shape {
            size: Size {
                height: 4,
                width: 11,
            },
            input_channels,
            output_channels: 20,
            kernel_height: 3,
            kernel_width: 3,
            stride: 1,
            pad: 1,
            kind: OutputKind::I16,
            upsample: None,
        };
        let case = case(&mut Random::new(7), shape, Values::Largest);
        failures.extend(differences(&format!("{input_channels} channels"), &case));
    }
    failures
}

fn kernels_agree_on_the_shapes_of_the_network() -> Vec<String> {
    // (input channels, output channels, kernel side, stride, upsample), on a small image.
    let layers = [
        (4, 16, 3, 2, None),
        (16, 32, 3, 2, None),
        (16, 32, 1, 2, None),
        (32, 32, 3, 1, Some(1)),
        (32, 48, 3, 2, None),
        (48, 48, 3, 1, Some(1)),
        (48, 96, 3, 2, None),
        (96, 96, 3, 1, Some(1)),
        (96, 64, 1, 1, None),
        (48, 64, 1, 1, Some(2)),
        (64, 64, 3, 1, None),
        (64, 32, 1, 1, None),
        (32, 32, 1, 1, Some(2)),
        (32, 7, 1, 1, None),
    ];
    let mut failures = Vec::new();
    for (index, (input_channels, output_channels, kernel_side, stride, upsample)) in
        layers.into_iter().enumerate()
    {
        let shape = Shape {
            size: Size {
                height: 12,
                width: 40,
            },
            input_channels,
            output_channels,
            kernel_height: kernel_side,
            kernel_width: kernel_side,
            stride,
            pad: kernel_side / 2,
            kind: if output_channels == 7 {
                OutputKind::I16
            } else {
                OutputKind::U8
            },
            upsample,
        };
        for percent in [0, 57] {
            let mut random = Random::new(index as u64);
            let mut case = case(&mut random, shape, Values::Uniform);
            leave_out(&mut case.parameters, percent, &mut random);
            let name = format!("layer {index}, {percent} % left out, {shape:?}");
            failures.extend(differences(&name, &case));
        }
    }
    failures
}

/// A small network: (input, input channels, output channels, kernel side, stride, residual and
/// how it is doubled); steps are numbered from 0.
type Layer = (Source, usize, usize, usize, usize, Option<(usize, usize)>);

const NETWORK: [Layer; 9] = [
    (Source::Image, 4, 16, 3, 2, None),
    (Source::Step(0), 16, 32, 1, 2, None),
    (Source::Step(0), 16, 32, 3, 2, None),
    (Source::Step(2), 32, 32, 3, 1, Some((1, 1))),
    (Source::Step(3), 32, 48, 3, 2, None),
    (Source::Step(4), 48, 48, 3, 1, Some((4, 1))),
    (Source::Step(5), 48, 32, 1, 1, None),
    (Source::Step(3), 32, 32, 1, 1, Some((6, 2))),
    (Source::Step(7), 32, 7, 3, 1, None),
];

fn network(kernel: Kernel) -> Arc<Program> {
    let step = |(index, layer): (usize, &Layer)| {
        let &(input, input_channels, output_channels, side, stride, residual) = layer;
        let last = index + 1 == NETWORK.len();
        let shape = Shape {
            size: Size {
                height: 4,
                width: 4,
            },
            input_channels,
            output_channels,
            kernel_height: side,
            kernel_width: side,
            stride,
            pad: side / 2,
            kind: if last {
                OutputKind::I16
            } else {
                OutputKind::U8
            },
            upsample: None,
        };
        let mut parameters = case(&mut Random::new(index as u64), shape, Values::Uniform).parameters;
        parameters.input_zero_point = if input == Source::Image { 64 } else { 0 };
        parameters.residual = residual.map(|(_, upsample)| Residual {
            zero_point: 3,
            scale: 0.75,
            upsample,
        });
        parameters.output = Quantization {
            zero_point: 0,
            minimum: if last { -32_768 } else { 0 },
            maximum: if last { 32_767 } else { MAX_ACTIVATION },
            kind: shape.kind,
        };
        let convolution = Convolution::new(kernel, parameters).expect("parameters");
        Step {
            convolution: Arc::new(convolution),
            input,
            residual: residual.map(|(step, _)| step),
        }
    };
    Arc::new(Program::new(NETWORK.iter().enumerate().map(step).collect()).expect("a program"))
}

fn streams_agree_wherever_the_image_is_cut() -> Vec<String> {
    let threads = setting("KERNEL_PARITY_THREADS", 1) as usize;
    let mut failures = Vec::new();
    for (height, width) in [(8, 8), (48, 72), (104, 16)] {
        let size = Size { height, width };
        let mut random = Random::new(height as u64);
        let image: Vec<u8> = (0..size.pixels() * 4)
            .map(|_| random.within(0, 127) as u8)
            .collect();
        let run = |kernel, band_rows, threads| {
            let stream = Stream::new(network(kernel), size, band_rows, threads);
            let mut stream = stream.expect("a stream");
            let first = stream.run(&image).expect("an image").to_vec();
            assert_eq!(stream.run(&image).expect("an image"), first);
            first
        };
        let expected = run(Kernel::Scalar, height, 1);
        assert_ne!(expected.iter().min(), expected.iter().max());
        for kernel in kernels() {
            for band_rows in [1, 5, 16, height] {
                for threads in [1, threads] {
                    if run(kernel, band_rows, threads) != expected {
                        failures.push(format!(
                            "{width}x{height}: {kernel}, bands of {band_rows}, {threads} threads"
                        ));
                    }
                }
            }
        }
    }
    failures
}

fn the_scalar_kernel_equals_a_sum_written_out() -> Vec<String> {
    // 1x1 window over one pixel: 2 * (10 - 4) + 3 * (20 - 4) + bias 5 = 65; half of it is 32.5,
    // which goes to the even 32; the residual adds (9 - 1) * 1.5 = 12 before that: 44.5 to 44.
    let mut case = Case {
        parameters: Parameters {
            input_channels: 4,
            output_channels: 1,
            kernel_height: 1,
            kernel_width: 1,
            stride: 1,
            pad: 0,
            input_zero_point: 4,
            weight: vec![2, 3, 0, 0],
            bias: vec![5],
            scale: vec![0.5],
            output: Quantization {
                zero_point: 0,
                minimum: 0,
                maximum: 127,
                kind: OutputKind::U8,
            },
            residual: None,
        },
        size: Size {
            height: 1,
            width: 1,
        },
        activations: vec![10, 20, 4, 4],
        residual: None,
    };
    let mut failures = Vec::new();
    let mut expect = |name: &str, case: &Case, expected: i16| {
        let actual = run(Kernel::Scalar, case);
        if actual != [expected] {
            failures.push(format!("{name}: {actual:?}, expected {expected}"));
        }
    };
    expect("a tie", &case, 32);
    case.parameters.residual = Some(Residual {
        zero_point: 1,
        scale: 1.5,
        upsample: 1,
    });
    case.residual = Some(vec![9]);
    expect("with a residual", &case, 44);
    case.parameters.output.maximum = 40;
    expect("clamped", &case, 40);
    failures
}

fn main() -> ExitCode {
    let names: Vec<&str> = kernels().into_iter().map(Kernel::name).collect();
    println!("scalar against {}", names.join(", "));
    let checks: [(&str, Check); 5] = [
        ("written out", the_scalar_kernel_equals_a_sum_written_out),
        ("largest sums", kernels_agree_on_the_largest_sums),
        (
            "network's shapes",
            kernels_agree_on_the_shapes_of_the_network,
        ),
        ("random convolutions", kernels_agree_on_random_convolutions),
        ("streams", streams_agree_wherever_the_image_is_cut),
    ];
    let mut code = ExitCode::SUCCESS;
    for (name, check) in checks {
        let failures = check();
        if failures.is_empty() {
            println!("{name}: equal");
        } else {
            println!("{name}: {} differ\n{}", failures.len(), failures.join("\n"));
            code = ExitCode::FAILURE;
        }
    }
    code
}
