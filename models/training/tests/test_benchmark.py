import json
from pathlib import Path

import numpy as np
import pytest

from hemoscope_training import benchmark, binary_size, network_cost, performance_page
from hemoscope_training.instructions import modelled_frames_per_second, parse_count
from hemoscope_training.python_pipeline import count_cells, lowest_logit
from hemoscope_training.resources import cpu_ms, parse_memory_mb, repeated
from hemoscope_training.runtimes import NotMeasured, Server, interleave
from hemoscope_training.simulated_frames import as_float

MODEL = Path(__file__).parents[2] / "smear-resnet"


def complete() -> benchmark.Found:
    return benchmark.Found(ratios={key: 1.0 for key in reversed(benchmark.TARGETS)})


def test_the_ratios_keep_their_order():
    keys = """onnxruntime_int8_1t tract_f32_1t tract_f32_1t_avx2 peak_share threads_2
    macs_per_insn_dotprod macs_per_insn_neon rest_over_network cost_per_mpx_spread
    count_vs_python start_cpu_ms live_rss_mb binary_mb""".split()
    assert list(complete().complete()) == keys
    assert list(benchmark.MEANINGS) == keys


@pytest.mark.parametrize("lost", benchmark.TARGETS)
def test_a_ratio_that_lacks_is_named(lost):
    found = complete()
    del found.ratios[lost]
    with pytest.raises(NotMeasured, match=lost):
        found.complete()


def test_what_cannot_be_measured_is_kept_with_its_reason():
    found = benchmark.Found()

    def measure():
        raise NotMeasured("no such kernel")

    found.attempt("network", measure)
    assert found.missing == ["network: no such kernel"]


def test_targets_are_floors_or_ceilings():
    cases = [
        ("threads_2", 1.7, True),
        ("threads_2", 1.69, False),
        ("binary_mb", 12.0, True),
        ("binary_mb", 12.1, False),
    ]
    for key, value, expected in cases:
        assert benchmark.met(key, value) is expected, (key, value)


def stage_report(network_ms: float, rest_ms: float, share) -> dict:
    times = {"decode": rest_ms, "network": network_ms, "draw": rest_ms}
    stages = [
        {"name": name, "fastest_ms": value / 2, "median_ms": value, "p99_ms": 2 * value}
        for name, value in times.items()
    ]
    return {
        "stages": stages,
        "kernel": "neon",
        "frames_per_second": 10.0,
        "memory": {"resident_mb": 1.0, "peak_resident_mb": 2.0},
        "network_width_px": 320,
        "network_height_px": 240,
        "peak_share": share,
    }


def bench_without_init() -> benchmark.Benchmark:
    bench = benchmark.Benchmark.__new__(benchmark.Benchmark)
    bench.found = benchmark.Found()
    bench.multiply_accumulates, bench.done = 800_000_000, 400_000_000
    return bench


def test_the_rest_and_the_spread_come_from_medians_of_stages():
    bench = bench_without_init()
    small = [stage_report(4.0, rest, 0.5) for rest in (1.0, 1.5, 9.0)]
    # 6.75 times the pixels at 8 times the cost of decoding and network.
    large = [stage_report(32.0, 12.0, 0.5)] * 3
    bench.report_stages({(640, 480): small, (1920, 1080): large})
    assert bench.found.ratios["rest_over_network"] == pytest.approx(3.0 / 4.0)
    assert bench.found.ratios["cost_per_mpx_spread"] == pytest.approx(44.0 / 5.5 / 6.75 - 1)
    assert bench.found.ratios["peak_share"] == 0.5
    assert "100 billion" in bench.found.blocks["peak"]


def test_the_floors_are_bytes_over_the_memory_s_speed(tmp_path):
    bench = bench_without_init()
    frame = tmp_path / "a.jpg"
    frame.write_bytes(bytes(8_400))
    bench.frames = [frame]
    bench.stage_ms = {"decode": 0.93, "network": 1.0}
    text = bench.floors(10.0, 5_000_000)
    assert "| decode | 930 | 0.093 | 0.930 | 10 |" in text
    assert "| network | 5000 | 0.500 | 1.000 | 2 |" in text


def test_an_unknown_peak_is_missing_and_not_zero():
    bench = bench_without_init()
    bench.report_stages({(640, 480): [stage_report(4.0, 1.0, None)]})
    assert "peak_share" not in bench.found.ratios
    assert any(reason.startswith("peak_share") for reason in bench.found.missing)


def test_the_network_is_compared_with_our_fastest_kernel():
    bench = bench_without_init()
    times = {
        "device, scalar, 1t": [90.0],
        "device, avx2, 1t": [4.0],
        "device, avx512-vnni, 1t": [2.0],
        "device, amx, 1t": [1.9],
        "device, avx512-vnni, 2t": [1.0],
        "onnxruntime int8, 1t": [3.0],
        "tract f32, 1t": [20.0],
        "tract f32, AVX2 only, 1t": [24.0],
    }
    bench.report_network(times)
    expected = {
        "onnxruntime_int8_1t": 1.5,
        "tract_f32_1t": 10.0,
        "tract_f32_1t_avx2": 6.0,
        "threads_2": 2.0,
    }
    assert bench.found.ratios == expected
    for lost in ("device, avx2, 1t", "device, avx512-vnni, 2t"):
        bench = bench_without_init()
        bench.report_network({name: value for name, value in times.items() if name != lost})
        assert len(bench.found.ratios) == 3, lost


def test_runtimes_take_turns_forwards_and_backwards():
    order = []
    interrupted = iter([0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 9.0, 0.0, 2.0, 2.0, 3.0])

    def quick() -> float:
        order.append("quick")
        return 1.0 + next(interrupted)

    def slow() -> float:
        order.append("slow")
        return 150.0

    times = interleave({"quick": quick, "slow": slow}, rounds=2, in_a_row=3)
    # The fastest of each turn.
    assert times == {"quick": [1.0, 3.0], "slow": [150.0, 150.0]}
    turn = ["quick"] * 4 + ["slow"] * 2
    assert order == ["quick"] * 3 + ["slow"] * 3 + turn + turn[::-1]


def test_a_server_that_ends_says_why():
    with pytest.raises(NotMeasured, match="one thread only"):
        Server(["sh", "-c", "echo one thread only >&2; exit 1"])
    server = Server(["sh", "-c", "echo '[\"a\"]'; while read name; do echo 2.5; done"])
    assert server.names == ["a"]
    assert server.run("a")() == 2.5
    server.close()


def test_a_page_keeps_its_prose():
    page = f"above\n{performance_page.begin('x')}\nold\n{performance_page.end('x')}\nbelow\n"
    once = performance_page.with_block(page, "x", "new \\1")
    assert "old" not in once and "new \\1" in once
    assert once.startswith("above\n") and once.endswith("below\n")
    assert performance_page.with_block(once, "x", "new \\1") == once
    with pytest.raises(ValueError, match="'y'"):
        performance_page.with_block(page, "y", "new")


@pytest.mark.parametrize("page", benchmark.PAGES)
def test_the_pages_hold_their_markers(page):
    text = (MODEL.parents[1] / page).read_text()
    for name in benchmark.PAGES[page]:
        performance_page.with_block(text, name, "")


def test_the_count_of_instructions_is_read():
    assert parse_count("hello\nguest instructions 123\n") == 123
    with pytest.raises(NotMeasured, match="bad plugin"):
        parse_count("bad plugin")


def test_the_model_of_a_board():
    assert modelled_frames_per_second(200e6, 0.5, 1.2) == pytest.approx(3.0)


def test_memory_is_read_from_the_status_file():
    status = "Name:\tx\nVmHWM:\t   20000 kB\nVmRSS:\t   10000 kB\n"
    assert parse_memory_mb(status, "VmRSS") == pytest.approx(10.24)
    assert parse_memory_mb("Name:\tx\n", "VmRSS") is None


def test_processor_time_is_that_of_the_command():
    assert 0 <= cpu_ms(["true"]) < 1000
    with pytest.raises(NotMeasured, match="code 1"):
        cpu_ms(["false"])


def test_frames_repeat_under_new_names(tmp_path):
    frames = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for frame in frames:
        frame.write_text(frame.name)
    for _ in range(2):
        folder = repeated(frames, tmp_path / "many", 5)
        assert [path.read_text()[0] for path in sorted(folder.iterdir())] == list("ababa")


def test_multiply_accumulates_of_the_shipped_network():
    layers = network_cost.layers(MODEL / "model.onnx", 320, 240)
    # The stem: 3x3 over 3 channels to 32 at half the size.
    assert layers[0].multiply_accumulates == 160 * 120 * 9 * 3 * layers[0].output_channels
    assert (layers[-1].output_width, layers[-1].output_height) == (80, 60)
    assert 400e6 < sum(layer.multiply_accumulates for layer in layers) < 410e6


def test_a_prepared_frame_becomes_planes_around_zero():
    rgbx = np.zeros((2, 3, 4), np.uint8)
    rgbx[0, 1] = (64, 96, 0, 0)
    planes = as_float(rgbx)
    assert planes.shape == (1, 3, 2, 3)
    assert planes[0, :, 0, 1].tolist() == [0.0, 1.0, -2.0]


def heads_with(cells: list[tuple[int, int, int, float]]) -> np.ndarray:
    """Heads of 60x80 places with peaks (class, row, column, logit), 13 places wide each."""
    heads = np.full((7, 60, 80), -5.0, np.float32)
    heads[3:5] = 0
    heads[5:] = np.log(13)
    for index, row, column, logit in cells:
        heads[index, row, column] = logit
    return heads


def test_the_pipeline_counts_peaks_inside_the_inner_frame():
    cells = [
        (0, 20, 20, 2.0),
        (0, 20, 21, 1.0),  # No peak.
        (0, 22, 20, 1.5),  # Covered by the first.
        (1, 40, 60, 3.0),
        (2, 50, 30, 0.4),  # Not certain.
        (2, 1, 40, 2.0),  # Too near the border.
    ]
    lowest = np.full(3, 0.5, np.float32)
    assert count_cells(heads_with(cells), lowest, 13.0).tolist() == [1, 1, 0]
    assert count_cells(heads_with([]), lowest, 13.0).tolist() == [0, 0, 0]


def test_the_pipeline_calibrates_as_the_manifest_says():
    entry = {
        "certain_permyriad": 5000,
        "calibration_slope_q8": 512,
        "calibration_intercept_q8": 128,
    }
    # sigmoid(2 * logit + 0.5) is a half at -0.25.
    assert lowest_logit(entry) == pytest.approx(-0.25)


def test_symbols_belong_to_the_crate_that_they_begin_with():
    cases = {
        "tract_core::ops::cnn::conv": "tract_core",
        "<tract_core::model::X as core::fmt::Debug>::fmt": "tract_core",
        "<&mut hemoscope::frame::Frame as core::fmt::Debug>::fmt": "hemoscope",
        "memcpy": "C, assembly and what has no crate's name",
    }
    for symbol, crate in cases.items():
        assert binary_size.crate_of(symbol) == crate, symbol
    listing = "0000 0010 t alloc::vec::Vec\n0010 0001 T alloc::x\n     U main\n0020 T x\n"
    assert binary_size.sizes_by_crate(listing) == {"alloc": 17}


def test_golden_frames_are_those_of_the_device():
    case = json.loads((MODEL / "golden.json").read_text())["cases"][0]
    frame = benchmark.golden_frame(case["width_px"], case["height_px"], case["seed"])
    assert frame.shape == (1, 3, case["height_px"], case["width_px"])
    assert -2 <= frame.min() and frame.max() < 2
