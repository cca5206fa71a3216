"""Counts the guest instructions of 64-bit ARM programs under emulation, and models their speed.

An emulator tells how many instructions a program needs, not how long a board takes for them. So
the speeds given here are a model: instructions over an assumed number a cycle.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hemoscope_training.runtimes import NotMeasured

EMULATOR = "qemu-aarch64"
LIBRARIES = "/usr/aarch64-linux-gnu"
TIMEOUT_S = 300


@dataclass(frozen=True)
class Board:
    """A processor as QEMU names it, its boards, and what the model assumes of it."""

    processor: str
    # The part number that tract picks its kernels by (Arm's main identification register).
    part: str
    boards: str
    clocks_ghz: tuple[float, ...]
    # Instructions a cycle, low and high.
    per_cycle: tuple[float, float]
    why: str


BOARDS = (
    Board(
        "cortex-a53",
        "0xd03",
        "Raspberry Pi 3, Zero 2 W",
        (1.2, 1.4),
        (0.5, 1.0),
        "issues two in order, but 128-bit vector operations take its 64-bit lanes two cycles",
    ),
    Board(
        "cortex-a72",
        "0xd08",
        "Raspberry Pi 4",
        (1.5, 1.8),
        (1.0, 1.8),
        "issues three out of order, with two vector pipes, one of which multiplies integers",
    ),
    Board(
        "cortex-a76",
        "0xd0b",
        "Raspberry Pi 5",
        (2.4,),
        (1.6, 2.6),
        "issues four out of order, with two 128-bit vector pipes",
    ),
)


def modelled_frames_per_second(instructions: float, per_cycle: float, clock_ghz: float) -> float:
    """Frames a second of a program that needs so many instructions for a frame."""
    return per_cycle * clock_ghz * 1e9 / instructions


def build_plugin(source: Path, plugin: Path) -> None:
    """Compile the counting plugin."""
    plugin.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(plugin), str(source)]
    subprocess.run(command, check=True)


def parse_count(errors: str) -> int:
    """The plugin's sum on standard error."""
    found = re.search(r"^guest instructions (\d+)$", errors, re.MULTILINE)
    if not found:
        raise NotMeasured(f"the emulator gave no count of instructions: {errors.strip()[-400:]}")
    return int(found[1])


def count(plugin: Path, board: Board, command: list) -> tuple[int, str]:
    """Run an ARM program; give its instructions and its standard output."""
    emulated = [EMULATOR, "-cpu", board.processor, "-plugin", str(plugin), "-L", LIBRARIES]
    environment = os.environ | {"TRACT_CPU_AARCH64_OVERRIDE_CPU_PART": board.part}
    environment.pop("HEMOSCOPE_KERNEL", None)
    try:
        done = subprocess.run(
            emulated + [str(part) for part in command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError:
        raise NotMeasured(f"{EMULATOR} is missing; install it with: make setup") from None
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"{command[0]} took longer than {TIMEOUT_S} s under emulation") from None
    if done.returncode != 0:
        raise NotMeasured(f"{command[0]} failed under emulation: {done.stderr.strip()[-400:]}")
    return parse_count(done.stderr), done.stdout


def marginal(plugin: Path, board: Board, command: list, option: str, runs: int) -> float:
    """Instructions of one run: those of twice as many runs less those of once, by the runs."""
    once, _ = count(plugin, board, [*command, option, runs])
    twice, _ = count(plugin, board, [*command, option, 2 * runs])
    return (twice - once) / runs
