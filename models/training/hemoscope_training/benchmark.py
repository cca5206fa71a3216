"""Measures the program against others: python -m hemoscope_training.benchmark.

Everything that can disturb one figure disturbs the one beside it too: runtimes take turns in
many short rounds, forwards and backwards, and medians are compared. The tables go into the pages
of docs/, between markers, and the ratios into OUT/ratios.json, one number a key. A figure that
cannot be measured is named at the end, and then there is no ratios.json and the exit code is 1.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from tqdm import tqdm

from hemoscope_training import instructions, network_cost, performance_page, resources, runtimes
from hemoscope_training.performance_page import table
from hemoscope_training.runtimes import NotMeasured, Server, median
from hemoscope_training.simulated_frames import UM_PER_PX, as_float, make_jpegs, prepared

WIDTH_PX, HEIGHT_PX = 320, 240
CALIBRATION_FRAMES = 16
RUNS_IN_A_ROW = 5
FRAMES_TO_COUNT = 200
COUNT_ROUNDS = 7
STAGE_ROUNDS = 5
# Width, height, frames a round.
SIZES = ((640, 480, 60), (1280, 720, 20), (1920, 1080, 10), (2592, 1944, 6), (4056, 3040, 4))
# An hour at 10 a second.
LIVE_FIELDS = 36_000

# The kernel that the network's ratios are about, where the processor has it: onnxruntime and tract
# have such instructions too. AMX, which fewer processors have, stands in the table only.
COMPARED_KERNEL = "avx512-vnni"

# Every ratio in the order of ratios.json, with what it should reach: at least, or at most.
TARGETS: dict[str, tuple[str, float]] = {
    "onnxruntime_int8_1t": (">=", 1.6),
    "tract_f32_1t": (">=", 13),
    "tract_f32_1t_avx2": (">=", 5),
    "peak_share": (">=", 0.5),
    "threads_2": (">=", 1.7),
    "macs_per_insn_dotprod": (">=", 8),
    "macs_per_insn_neon": (">=", 3.3),
    "rest_over_network": ("<=", 1.0),
    "cost_per_mpx_spread": ("<=", 0.15),
    "count_vs_python": (">=", 2),
    "start_cpu_ms": ("<=", 60),
    "live_rss_mb": ("<=", 40),
    "binary_mb": ("<=", 12),
}
REST_STAGES = ("decode", "prepare", "detect", "draw")
"""What a counted frame goes through besides the network; judging saves frames from it."""

MEANINGS = {
    "onnxruntime_int8_1t": "time of onnxruntime int8 over ours, one thread",
    "tract_f32_1t": "time of tract f32 over ours, one thread",
    "tract_f32_1t_avx2": "the same where both have no more than AVX2",
    "peak_share": "multiply-accumulates a second, those left out not counted, over the core's peak",
    "threads_2": "the network's time on one thread over that on two",
    "macs_per_insn_dotprod": "the network's multiply-accumulates, those left out too, for each "
    "guest instruction, ARM with dotprod",
    "macs_per_insn_neon": "the same without dotprod",
    "rest_over_network": "decode, prepare, detect and draw over the network's time",
    "cost_per_mpx_spread": "dearest over cheapest megapixel of five frame sizes, less 1",
    "count_vs_python": "time of the Python pipeline over `hemoscope count`",
    "start_cpu_ms": "processor time from program start to the first count, ms",
    "live_rss_mb": "most memory resident over an hour's worth of frames, MB",
    "binary_mb": "the program for a board, MB",
}


def met(key: str, value: float) -> bool:
    """Whether a ratio reaches its target."""
    sign, wanted = TARGETS[key]
    return value >= wanted if sign == ">=" else value <= wanted


@dataclass
class Found:
    """What was measured so far."""

    ratios: dict[str, float] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def attempt(self, what: str, measure: Callable[[], None]) -> None:
        """Measure, or keep the reason why not."""
        try:
            measure()
        except NotMeasured as reason:
            self.missing.append(f"{what}: {reason}")

    def complete(self) -> dict[str, float]:
        """All ratios in their order, or NotMeasured with the ones that lack."""
        lacking = [key for key in TARGETS if key not in self.ratios]
        if lacking:
            raise NotMeasured(f"not measured: {', '.join(lacking)}")
        return {key: round(self.ratios[key], 4) for key in TARGETS}


def golden_frame(width_px: int, height_px: int, seed: int) -> np.ndarray:
    """The known-answer frame (1, 3, height, width) of golden.json, as the float form takes it."""
    values = np.empty(width_px * height_px * 3, np.float32)
    state = seed
    for index in range(len(values)):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = state >> 25
    frame = values.reshape(height_px, width_px, 3).transpose(2, 0, 1)[None]
    return (frame - np.float32(64)) / np.float32(32)


def agreement(model: Path) -> str:
    """How far onnxruntime's float answers to the golden frames lie from the device's."""
    session = runtimes.session(model / "plain.onnx", 1)
    rows = []
    for case in json.loads((model / "golden.json").read_text())["cases"]:
        frame = golden_frame(case["width_px"], case["height_px"], case["seed"])
        answer = session.run(None, {"frame": frame})[0][0].transpose(1, 2, 0)
        device = np.array(case["heads"], np.float32).reshape(answer.shape) / 256
        difference = np.abs(answer - device)
        figures = (difference.mean(), difference.max(), np.abs(answer).mean())
        name = f"{case['name']} ({case['width_px']}x{case['height_px']})"
        rows.append([name, *(f"{figure:.3f}" for figure in figures)])
    return table(["golden frame", "mean difference", "largest", "mean size of an answer"], rows)


def output_of(command: list, environment: dict[str, str] | None = None) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise NotMeasured(f"{command[0]}: {done.stderr.strip()[-400:]}")
    return done.stdout


def compared_kernel(program: Path) -> dict[str, str]:
    """The environment that makes the program take the compared kernel, where it can."""
    wanted = {"HEMOSCOPE_KERNEL": COMPARED_KERNEL}
    try:
        output_of([program, "bench", "--frames", 1, "--stage", "network"], wanted)
    except NotMeasured:
        return {}
    return wanted


class Benchmark:
    """One run of everything."""

    def __init__(self, settings: argparse.Namespace) -> None:
        self.settings = settings
        self.model: Path = settings.model.resolve()
        self.out: Path = settings.out.resolve()
        self.found = Found()
        # Of a frame of 640x480, once the stages are timed.
        self.stage_ms: dict[str, float] = {}
        self.multiply_accumulates, self.done = network_cost.multiply_accumulates(
            self.model / "model.onnx", WIDTH_PX, HEIGHT_PX
        )

    def prepare(self) -> None:
        """Make the frames and the network's forms."""
        s = self.settings
        self.frames = make_jpegs(s.frames_program, self.out / "640x480", FRAMES_TO_COUNT, "640x480")
        self.frame_of_size = {(640, 480): self.frames[0]}
        for width, height, _ in SIZES[1:]:
            size = f"{width}x{height}"
            self.frame_of_size[width, height] = make_jpegs(
                s.frames_program, self.out / size, 1, size
            )[0]
        shown = [prepared(path) for path in self.frames[:CALIBRATION_FRAMES]]
        self.float_frame = as_float(shown[0])
        self.kernel_environment = compared_kernel(s.program)
        self.prepared_frame = self.out / "frame.rgbx"
        self.prepared_frame.write_bytes(shown[0].tobytes())
        self.forms = runtimes.quantized_forms(
            self.model / "plain.onnx", [as_float(frame) for frame in shown], self.out
        )

    # The network against other runtimes.

    def network_server(self, threads: int) -> Server:
        """Our network, with every kernel of this processor."""
        command = ["cargo", "bench", "--locked", "--quiet", "--bench", "network", "--", "--serve"]
        command += ["--threads", threads, "--model", self.model, "--input", self.prepared_frame]
        manifest = ["--manifest-path", self.settings.root.resolve() / "Cargo.toml"]
        return Server([*command[:2], *manifest, *command[2:]])

    def baseline_server(self, threads: int, networks: list[str], environment=None) -> Server:
        """Other runtimes in Rust."""
        command = [self.settings.baselines, "--threads", threads, "--input", self.prepared_frame]
        return Server([*command, *networks], environment)

    def network(self) -> None:
        """Time the network alone, with every runtime, on one and on two threads."""
        plain, forms = self.model / "plain.onnx", self.forms
        servers, runs = [], {}

        def serve(server: Server, suffix: str) -> None:
            servers.append(server)
            runs.update({f"{name}{suffix}": server.run(name) for name in server.names})

        for threads in (1, 2):
            suffix = f", {threads}t"
            try:
                serve(self.network_server(threads), suffix)
            except NotMeasured as reason:
                self.found.missing.append(f"our network on {threads} threads: {reason}")
            networks = [
                f"tract f32=tract:{plain}",
                f"tract int8 (QDQ)=tract:{forms['qdq']}",
                f"tract int8 (QLinearConv)=tract:{forms['qlinear']}",
                f"rten f32=rten:{plain}",
                f"rten int8 (QDQ)=rten:{forms['qdq']}",
                f"rten int8 (ConvInteger)=rten:{forms['dynamic']}",
            ]
            baselines = self.baseline_server(threads, networks)
            print(baselines.errors(), file=sys.stderr)
            serve(baselines, suffix)
            for name, path in (("int8", forms["qdq"]), ("f32", plain)):
                run = runtimes.onnxruntime_run(path, self.float_frame, threads)
                runs[f"onnxruntime {name}{suffix}"] = run
        avx2 = [f"tract f32, AVX2 only=tract:{plain}"]
        serve(self.baseline_server(1, avx2, runtimes.TRACT_AVX2_ONLY), ", 1t")
        times = runtimes.interleave(runs, self.settings.rounds, RUNS_IN_A_ROW)
        for server in servers:
            server.close()
        self.report_network(times)

    def report_network(self, times: dict[str, list[float]]) -> None:
        """Ratios and the table of the network's times."""
        medians = {name: median(values) for name, values in times.items()}
        ours = {
            threads: [name for name in times if name.startswith("device, ") and name.endswith(end)]
            for threads, end in ((1, ", 1t"), (2, ", 2t"))
        }

        def compared(names: list[str]) -> str:
            # The program lists the kernel that it prefers last.
            return next((name for name in names if COMPARED_KERNEL in name), names[-1])

        best = compared(ours[1])
        ratios = self.found.ratios
        ratios["onnxruntime_int8_1t"] = medians["onnxruntime int8, 1t"] / medians[best]
        ratios["tract_f32_1t"] = medians["tract f32, 1t"] / medians[best]
        if "device, avx2, 1t" in medians:
            ratios["tract_f32_1t_avx2"] = (
                medians["tract f32, AVX2 only, 1t"] / medians["device, avx2, 1t"]
            )
        else:
            self.found.missing.append("tract_f32_1t_avx2: the program has no kernel avx2")
        if ours[2]:
            ratios["threads_2"] = medians[best] / medians[compared(ours[2])]
        rows = []
        for name in sorted(times, key=lambda name: (name[-2:], medians[name])):
            reference = ours[int(name[-2])]
            low, high = np.percentile(times[name], [10, 90])
            ratio = f"{medians[name] / medians[compared(reference)]:.2f}" if reference else "-"
            label = name[:-4].replace("device, ", "ours, ")
            span = f"{low:.2f} to {high:.2f}"
            rows.append([label, name[-2], f"{medians[name]:.2f}", span, ratio])
        header = ["runtime", "threads", "median ms", "10th to 90th percentile"]
        self.found.blocks["network"] = table([*header, "time / ours"], rows)

    # Stages of the program.

    def bench_report(self, size: tuple[int, int], frames: int, *more: str) -> dict:
        """What `hemoscope bench` says of a frame of that size."""
        command = [self.settings.program, "bench", "--json", "--frames", frames]
        command += ["--um-per-px", UM_PER_PX, "--frame", self.frame_of_size[size]]
        command += ["--model", self.model, *more]
        return json.loads(output_of(command, self.kernel_environment))

    def stages(self) -> None:
        """Time each stage at each size of frame, the sizes taking turns."""
        reports: dict[tuple[int, int], list[dict]] = {}
        for turn in range(STAGE_ROUNDS):
            for width, height, frames in SIZES if turn % 2 == 0 else reversed(SIZES):
                report = self.bench_report((width, height), frames)
                reports.setdefault((width, height), []).append(report)
        self.report_stages(reports)

    def report_stages(self, reports: dict[tuple[int, int], list[dict]]) -> None:
        """Ratios and tables of the stages."""

        def stage_median(reported: list[dict], name: str, key: str = "median_ms") -> float:
            return median(
                next(stage[key] for stage in report["stages"] if stage["name"] == name)
                for report in reported
            )

        small = reports[640, 480]
        names = [stage["name"] for stage in small[0]["stages"]]
        times = {name: stage_median(small, name) for name in names}
        self.stage_ms = times
        rest = sum(times[name] for name in names if name in REST_STAGES)
        whole_rest = sum(times[name] for name in names if name != "network")
        self.found.ratios["rest_over_network"] = rest / times["network"]
        rows = []
        for name in names:
            worst = stage_median(small, name, "p99_ms")
            rows.append([name, f"{times[name]:.3f}", f"{worst:.3f}"])
        rows.append(["all", f"{sum(times.values()):.3f}", ""])
        rate = median(report["frames_per_second"] for report in small)
        memory = median(report["memory"]["peak_resident_mb"] for report in small)
        self.found.blocks["stages"] = (
            table(["stage", "median ms", "99th percentile ms"], rows)
            + f"\n\n{rate:.0f} frames a second one after another on one thread, kernel "
            f"{small[0]['kernel']}, {memory:.1f} MB at the most. All that is not the network takes "
            f"{whole_rest / times['network']:.2f} times as long as it, without judging "
            f"{rest / times['network']:.2f} times."
        )
        costs, rows = {}, []
        for size, reported in sorted(reports.items()):
            megapixels = size[0] * size[1] / 1e6
            # Counting draws nothing.
            counted = [name for name in names if name != "draw"]
            parts = {name: stage_median(reported, name, "fastest_ms") for name in counted}
            costs[size] = sum(parts.values()) / megapixels
            cells = [f"{parts[name] / megapixels:.2f}" for name in parts]
            shown = f"{reported[0]['network_width_px']}x{reported[0]['network_height_px']}"
            rows.append([f"{size[0]}x{size[1]}", shown, *cells, f"{costs[size]:.2f}"])
        spread = max(costs.values()) / min(costs.values()) - 1
        self.found.ratios["cost_per_mpx_spread"] = spread
        header = ["frame", "network's input", *(name for name in names if name != "draw"), "all"]
        self.found.blocks["sizes"] = table(header, rows)
        shares = [report["peak_share"] for report in small]
        if None in shares:
            self.found.missing.append(
                f"peak_share: `hemoscope bench` knows no peak for the kernel {small[0]['kernel']}"
            )
        else:
            self.found.ratios["peak_share"] = median(shares)
            network_s = times["network"] / 1e3
            peak = self.done / network_s / median(shares)
            self.found.blocks["peak"] = (
                f"One core's measured peak with the kernel's own instruction: {peak / 1e9:.0f} "
                f"billion multiply-accumulates a second ({small[0]['kernel']}); the network "
                f"reaches {self.done / network_s / 1e9:.0f} billion, "
                f"{100 * median(shares):.0f} %, weights that are left out not counted."
            )

    # Counting.

    def count(self) -> None:
        """Count a folder with the program and with the pipeline in Python, two workers each."""
        folder = self.frames[0].parent
        command = [self.settings.program, "count", "--workers", 2, "--um-per-px", UM_PER_PX]
        command += ["--model", self.model, folder]
        records = output_of([*command, "--json"]).splitlines()
        ours = {name: 0 for name in ("RBC", "WBC", "PLT")}
        for record in map(json.loads, records):
            for name in ours:
                ours[name] += record["counts"][name]
        pipeline = [sys.executable, "-m", "hemoscope_training.python_pipeline", "--workers", 2]
        pipeline += ["--network", self.forms["qdq"], "--manifest", self.model / "manifest.toml"]
        python = subprocess.Popen(
            [str(part) for part in (*pipeline, folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if not python.stdout.readline():
            raise NotMeasured("the Python pipeline did not start")
        answer: dict = {}

        def run_python() -> float:
            python.stdin.write("\n")
            python.stdin.flush()
            answer.update(json.loads(python.stdout.readline()))
            return answer["seconds"]

        def run_ours() -> float:
            started = time.perf_counter()
            output_of(command)
            return time.perf_counter() - started

        times: dict[str, list[float]] = {"ours": [], "python": []}
        for turn in range(COUNT_ROUNDS):
            turns = [("ours", run_ours), ("python", run_python)]
            for name, run in turns if turn % 2 == 0 else reversed(turns):
                times[name].append(run())
        python.stdin.close()
        python.wait(timeout=60)
        medians = {name: median(values) for name, values in times.items()}
        self.found.ratios["count_vs_python"] = medians["python"] / medians["ours"]
        counts = {"ours": ours, "python": answer["counts"]}
        labels = {"ours": "`hemoscope count`, start included", "python": "Python, workers waiting"}
        rows = [
            [
                labels[name],
                f"{medians[name]:.3f}",
                f"{min(times[name]):.3f} to {max(times[name]):.3f}",
                f"{FRAMES_TO_COUNT / medians[name]:.0f}",
                *counts[name].values(),
            ]
            for name in times
        ]
        header = ["pipeline", "median s", "range", "frames a second", "RBC", "WBC", "PLT"]
        self.found.blocks["count"] = table(header, rows)

    # What it takes of the machine.

    def start(self) -> None:
        """Processor time to the first count."""
        times = resources.start_cpu_ms(self.settings.program, self.frames[0])
        self.found.ratios["start_cpu_ms"] = median(times)
        self.found.blocks["start"] = (
            f"From the program's start to the count of one 640x480 frame: {median(times):.1f} ms "
            f"of processor time, user and system ({min(times):.1f} to {max(times):.1f} over "
            f"{len(times)} starts)."
        )

    def live(self) -> None:
        """Memory over an hour's worth of frames."""
        fields = self.settings.live_fields
        folder = resources.repeated(self.frames, self.out / f"live-{fields}", fields)
        memory = resources.live_memory(self.settings.program, folder, fields)
        if fields == LIVE_FIELDS:
            self.found.ratios["live_rss_mb"] = memory["peak_mb"]
        else:
            self.found.missing.append(f"live_rss_mb: {fields} fields are no hour's worth")
        self.found.blocks["live"] = (
            f"{fields} fields of 640x480 through `hemoscope run` from files, unpaced at "
            f"{memory['fields_per_second']:.0f} a second: {memory['peak_mb']:.1f} MB resident at "
            f"the most; median {memory['early_mb']:.1f} MB in the first tenth of the run and "
            f"{memory['late_mb']:.1f} MB in the last."
        )

    def binary(self) -> None:
        """Size of the program for a board."""
        self.found.ratios["binary_mb"] = resources.megabytes(self.settings.board_program)

    # 64-bit ARM, by counting instructions.

    def arm(self) -> None:
        """Count guest instructions of the network and of a whole frame on each processor."""
        s = self.settings
        plugin = self.out / "guest_instructions.so"
        instructions.build_plugin(s.plugin_source, plugin)
        bench = [s.board_program, "bench", "--json", "--model", self.model]
        bench += ["--um-per-px", UM_PER_PX, "--frame", self.frames[0]]
        tract = [s.board_baselines, "--input", self.prepared_frame]
        tract.append(f"tract=tract:{self.model / 'plain.onnx'}")
        rows, model_rows, by_kernel = [], [], {}
        for board in instructions.BOARDS:
            _, said = instructions.count(plugin, board, [*bench, "--frames", 1])
            kernel = json.loads(said)["kernel"]
            stage = [*bench, "--stage", "network"]
            network = instructions.marginal(plugin, board, stage, "--frames", 2)
            frame = instructions.marginal(plugin, board, bench, "--frames", 2)
            stock = instructions.marginal(plugin, board, tract, "--runs", 2)
            per_instruction = self.multiply_accumulates / network
            by_kernel.setdefault(kernel, per_instruction)
            rows.append(
                [
                    board.processor,
                    kernel,
                    f"{network / 1e6:.1f}",
                    f"{per_instruction:.2f}",
                    f"{self.done / network:.2f}",
                    f"{stock / 1e6:.1f}",
                    f"{self.multiply_accumulates / stock:.2f}",
                    f"{stock / network:.2f}",
                    f"{frame / 1e6:.1f}",
                ]
            )
            model_rows += self.modelled(board, frame, frame - network + stock)
        header = [
            "processor",
            "kernel",
            "ours, network, million",
            "MACs each",
            "done",
            "tract f32, million",
        ]
        header += ["MACs each", "tract / ours", "ours, whole frame, million"]
        self.found.blocks["arm"] = table(header, rows)
        header = ["board", "clock GHz", "assumed a cycle", "ours, frames a second"]
        header += ["with tract f32 in the network's place", "because the core"]
        self.found.blocks["model"] = table(header, model_rows)
        for key, kernel in (("macs_per_insn_dotprod", "dotprod"), ("macs_per_insn_neon", "neon")):
            figures = [
                value
                for name, value in by_kernel.items()
                if (kernel in name if kernel == "dotprod" else name == kernel)
            ]
            if figures:
                self.found.ratios[key] = figures[0]
            else:
                used = ", ".join(by_kernel)
                self.found.missing.append(f"{key}: no processor took such a kernel, only {used}")

    @staticmethod
    def modelled(board: instructions.Board, ours: float, tract: float) -> list[list[str]]:
        """Rows of the model for a board."""
        speed = instructions.modelled_frames_per_second
        rows = []
        for clock in board.clocks_ghz:
            cells = [
                " to ".join(
                    f"{speed(needed, per_cycle, clock):.1f}" for per_cycle in board.per_cycle
                )
                for needed in (ours, tract)
            ]
            assumed = f"{board.per_cycle[0]} to {board.per_cycle[1]}"
            name = f"{board.processor} ({board.boards})"
            rows.append([name, f"{clock}", assumed, *cells, board.why])
        return rows

    # The pages.

    def roofline(self) -> None:
        """Operations and bytes of every layer, and the memory's speed."""
        rows = []
        layers = network_cost.layers(self.model / "model.onnx", WIDTH_PX, HEIGHT_PX)
        for layer in layers:
            moved = layer.read_bytes + layer.written_bytes + layer.weight_bytes
            rows.append(
                [
                    layer.name,
                    f"{layer.kernel}x{layer.kernel}/{layer.stride}",
                    f"{layer.input_channels} to {layer.output_channels}",
                    f"{layer.output_width}x{layer.output_height}",
                    f"{layer.multiply_accumulates / 1e6:.1f}",
                    f"{layer.done / 1e6:.1f}",
                    f"{moved / 1e3:.0f}",
                    f"{layer.done / moved:.0f}",
                ]
            )
        total, done = self.multiply_accumulates, self.done
        moved = sum(layer.read_bytes + layer.written_bytes + layer.weight_bytes for layer in layers)
        rows.append(["all", "", "", "", f"{total / 1e6:.1f}", f"{done / 1e6:.1f}"])
        rows[-1] += [f"{moved / 1e3:.0f}", f"{done / moved:.0f}"]
        header = [
            "layer",
            "kernel/stride",
            "channels",
            "output",
            "million MACs",
            "done",
            "kB moved",
        ]
        self.found.blocks["layers"] = table([*header, "done a byte"], rows)
        memory = 2 * copy_gb_per_second()
        self.found.blocks["memory"] = (
            f"Memory, one core, copying 256 MB: {memory:.1f} GB a second, half of it read and half "
            "written."
        )
        if self.stage_ms:
            self.found.blocks["floors"] = self.floors(memory, moved)
        else:
            raise NotMeasured("the floors of the stages need the stages' times")

    def floors(self, memory_gb_per_second: float, network_bytes: int) -> str:
        """Bytes that each stage must move, how long memory would take, and how long it takes."""
        frame = 3 * 640 * 480
        shown, screen = 4 * WIDTH_PX * HEIGHT_PX, 3 * 320 * 240
        moved = {
            "decode": self.frames[0].stat().st_size + frame,
            "judge": frame,
            "prepare": frame + shown,
            "network": network_bytes,
            "detect": WIDTH_PX // 4 * (HEIGHT_PX // 4) * 7 * 2,
            "draw": frame + screen,
        }
        rows = []
        for name, measured_ms in self.stage_ms.items():
            floor_ms = moved[name] / memory_gb_per_second / 1e6
            cells = [f"{moved[name] / 1e3:.0f}", f"{floor_ms:.3f}", f"{measured_ms:.3f}"]
            rows.append([name, *cells, f"{measured_ms / floor_ms:.0f}"])
        return table(["stage", "kB", "ms at memory's speed", "measured ms", "times that"], rows)

    def versions(self) -> None:
        """The machine and the versions."""
        s = self.settings
        lock = (s.root / "benches/baselines/Cargo.lock").read_text()
        crates = {
            name: re.search(rf'name = "{name}"\nversion = "([^"]+)"', lock)[1]
            for name in ("tract-onnx", "rten")
        }
        kernels = output_of([s.baselines, "--kernels"]).splitlines()
        restricted = output_of([s.baselines, "--kernels"], runtimes.TRACT_AVX2_ONLY).splitlines()
        qemu = output_of([instructions.EMULATOR, "--version"]).splitlines()[0]
        rust = output_of(["rustc", "--version"]).strip()
        lines = [
            f"- {processor()}, {platform.machine()}, {cores()} cores, Linux {platform.release()}",
            f"- {rust}; tract {crates['tract-onnx']}, rten {crates['rten']}, onnxruntime "
            f"{onnxruntime.__version__}, OpenCV {cv2.__version__}, numpy "
            f"{importlib.metadata.version('numpy')}, Python {platform.python_version()}",
            f"- {qemu}",
            f"- tract's {kernels[-1]}; with {runtimes.TRACT_AVX2_ONLY['TRACT_CPU_ISA']} "
            f"its {restricted[-1]}",
            f"- {time.strftime('%B %Y')}, {s.rounds} rounds of the network; the machine's load was "
            f"{self.load_before:.1f} before and {os.getloadavg()[0]:.1f} at the end",
        ]
        self.found.blocks["machine"] = "\n".join(lines)

    def ratio_table(self) -> str:
        """Every ratio beside its target."""
        rows = []
        for key, (sign, wanted) in TARGETS.items():
            value = self.found.ratios.get(key)
            if value is None:
                rows.append([f"`{key}`", MEANINGS[key], "not measured", f"{sign} {wanted}", "-"])
                continue
            verdict = "yes" if met(key, value) else "no"
            rows.append([f"`{key}`", MEANINGS[key], f"{value:.3g}", f"{sign} {wanted}", verdict])
        return table(["ratio", "meaning", "found", "wanted", "reached"], rows)

    def run(self) -> bool:
        """Measure, write, and say whether everything was measured."""
        self.load_before = os.getloadavg()[0]
        ratios_file = self.out / "ratios.json"
        ratios_file.unlink(missing_ok=True)
        self.prepare()
        parts = {
            "network": self.network,
            "stages": self.stages,
            "count": self.count,
            "start": self.start,
            "binary": self.binary,
            "arm": self.arm,
            "live": self.live,
            "versions": self.versions,
            "roofline": self.roofline,
        }
        chosen = self.settings.only or list(parts)
        for name in tqdm(chosen, desc="parts", unit="part"):
            self.found.attempt(name, parts[name])
        if "network" in chosen:
            self.found.blocks["agreement"] = agreement(self.model)
        self.found.blocks["ratios"] = self.ratio_table()
        for name, content in self.found.blocks.items():
            print(f"\n## {name}\n\n{content}")
        for reason in self.found.missing:
            print(f"bench: not measured: {reason}", file=sys.stderr)
        if self.settings.only:
            return not self.found.missing
        for page, names in PAGES.items():
            blocks = {
                name: self.found.blocks.get(name, "Not measured in the latest run.")
                for name in names
            }
            performance_page.rewrite(self.settings.root / page, blocks)
        try:
            ratios = self.found.complete()
        except NotMeasured as reason:
            print(f"bench: no ratios.json was written, {reason}", file=sys.stderr)
            return False
        ratios_file.write_text(json.dumps(ratios, indent=2) + "\n")
        print(f"bench: the ratios are in {ratios_file}")
        return not self.found.missing


# The blocks of each page.
PAGES = {
    "docs/performance.md": (
        ["machine", "ratios", "network", "agreement", "stages", "sizes", "count"]
        + ["start", "live", "arm", "model"]
    ),
    "docs/roofline.md": ["layers", "memory", "peak", "floors"],
}


def copy_gb_per_second() -> float:
    """Gigabytes read (and as many written) a second by copying far more than the caches hold."""
    source = np.ones(256_000_000, np.uint8)
    target = np.zeros_like(source)
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - started)
    return len(source) / median(seconds) / 1e9


def processor() -> str:
    """The processor's name."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def cores() -> int:
    """Processors of this machine."""
    return Path("/proc/cpuinfo").read_text().count("processor\t")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    path = {"type": Path, "required": True}
    parser.add_argument("--root", **path, help="the repository")
    parser.add_argument("--model", **path, help="models/<name>")
    parser.add_argument("--program", **path, help="hemoscope, built for this machine")
    parser.add_argument("--frames-program", **path, help="the example simulated_frames, built")
    parser.add_argument("--baselines", **path, help="benches/baselines, built for this machine")
    parser.add_argument("--board-program", **path, help="hemoscope, built by make cross")
    parser.add_argument("--board-baselines", **path, help="benches/baselines, built for aarch64")
    parser.add_argument("--plugin-source", **path, help="guest_instructions.c")
    parser.add_argument("--out", **path, help="folder for frames, models and ratios.json")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--live-fields", type=int, default=LIVE_FIELDS)
    parser.add_argument("--only", action="append", help="measure this part only; writes nothing")
    sys.exit(0 if Benchmark(parser.parse_args()).run() else 1)


if __name__ == "__main__":
    main()
