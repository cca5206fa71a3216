"""Boots the image of the emulated board and checks it from outside.

python3 board/test --image IMAGE --loader U-BOOT --program HEMOSCOPE --model MODEL --camera FOLDER
--frames FOLDER --out FOLDER [--only NAME]... [--list]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from checks import BOARD_CHECKS, COUNTED_FROM, SPI_CHECKS, TIME_CHECKS, UM_PER_PX, Bench
from machine import BoardError, Machine, device_tree_with, put_on_boot_partition, require
from results import write_results

# The shell of a development image, on the serial console.
DEVELOPMENT = b"extra_arguments=systemd.debug_shell=ttyAMA0\n"
# A card as a user has it is larger than the image.
DISK_BYTES = 1280 << 20
TEST_DISK_MB = 64
# A panel and a light on the lines of the machine's PL061. Line 3 is its power button.
LINE_NODES = """
	spi {
		compatible = "spi-gpio";
		#address-cells = <1>;
		#size-cells = <0>;
		sck-gpios = <LINES 0 0>;
		mosi-gpios = <LINES 1 0>;
		cs-gpios = <LINES 2 1>;
		num-chipselects = <1>;
		panel@0 {
			compatible = "rohm,dh2228fv";
			reg = <0>;
			spi-max-frequency = <32000000>;
		};
	};
	leds {
		compatible = "gpio-leds";
		led-fault {
			label = "fault";
			gpios = <LINES 6 0>;
		};
	};
"""
Check = Callable[[Bench], str]


def name_of(check: Check) -> str:
    """The name of a check, as `--only` takes it."""
    return check.__name__.removeprefix("check_")


def counts_of(arguments: argparse.Namespace, pictures: list[Path]) -> list[tuple[int, ...]]:
    """What `hemoscope count` says of pictures, run on an emulated processor of the board's kind."""
    runner = [require("qemu-aarch64-static"), "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu"]
    # Each for itself, whatever the frames are worth together.
    command = [str(arguments.program), "count", "--json", "--independent"]
    command += ["--workers", "1", "--um-per-px"]
    command += [UM_PER_PX, "--model", str(arguments.model), *map(str, pictures)]
    done = subprocess.run([*runner, *command], check=False, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise BoardError(f"`hemoscope count` of the frames ended with {done.returncode}")
    counts = [json.loads(line)["counts"] for line in done.stdout.splitlines()]
    return [tuple(each[key] for key in ("RBC", "WBC", "PLT", "uncertain")) for each in counts]


def make_test_disk(arguments: argparse.Namespace) -> Path:
    """A disk with what plays the camera; the image itself has nothing of it."""
    tree = arguments.out / "test-disk"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(arguments.camera, tree)
    for kind, ending in (("mjpg", "jpg"), ("yuyv", "yuyv")):
        (tree / kind).mkdir()
        for path in sorted(arguments.frames.glob(f"{kind}/*.{ending}")):
            shutil.copy(path, tree / kind)
    shutil.copy(Path(__file__).with_name("board-spi.toml"), tree)
    disk = arguments.out / "test-disk.ext4"
    disk.unlink(missing_ok=True)
    with disk.open("wb") as file:
        file.truncate(TEST_DISK_MB << 20)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    command = [require("mke2fs"), "-q", "-t", "ext4", "-L", "hemo-test", "-d", str(tree), str(disk)]
    subprocess.run(command, check=True)
    return disk


def copy_image(arguments: argparse.Namespace, name: str) -> Path:
    """The image on a card of its own, with the development shell switched on."""
    disk = arguments.out / f"{name}.img"
    command = ["cp", "--sparse=always", str(arguments.image), str(disk)]
    subprocess.run(command, check=True)
    os.truncate(disk, DISK_BYTES)
    put_on_boot_partition(disk, {"extra.env": DEVELOPMENT}, arguments.out)
    return disk


def save_journal(bench: Bench) -> None:
    """Keeps the board's journal beside the results."""
    try:
        bench.machine.shell("journalctl -b -o short-monotonic >/run/journal.txt", limit_s=60)
        bench.machine.fetch("/run/journal.txt", bench.folder / f"{bench.machine.name}-journal.txt")
    except (BoardError, OSError) as error:
        print(f"the journal could not be fetched: {error}", file=sys.stderr)


def run_checks(bench: Bench, checks: list[Check], only: list[str], results: list) -> None:
    """Runs checks one after the other; the first one has to hold for the rest."""
    for check in checks:
        name = name_of(check)
        if only and name not in only and check is not checks[0]:
            continue
        if check is checks[-1] and check is not checks[0]:
            save_journal(bench)
        start = time.monotonic()
        try:
            said, passed = check(bench), True
        except BoardError as error:
            said, passed = str(error), False
        except Exception:
            said, passed = traceback.format_exc(), False
        seconds = time.monotonic() - start
        results.append((name, passed, seconds, said))
        print(f"{'pass' if passed else 'FAIL'}  {name:16} {seconds:6.1f} s  {said}", flush=True)
        if not passed and check is checks[0]:
            return


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("image", "loader", "program", "model", "camera", "frames", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    names = dict.fromkeys(name_of(check) for check in [*TIME_CHECKS, *BOARD_CHECKS, *SPI_CHECKS])
    parser.add_argument("--only", action="append", default=[], choices=list(names))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.out = arguments.out.resolve()

    expected = {
        "MJPG": counts_of(arguments, sorted(arguments.frames.glob("mjpg/*.jpg"))),
        "YUYV": counts_of(arguments, sorted(arguments.frames.glob("yuyv/*.png"))),
    }
    test_disk = make_test_disk(arguments)
    results: list[tuple[str, bool, float, str]] = []
    figures: dict[str, float] = {}
    groups = (("time", TIME_CHECKS), ("board", BOARD_CHECKS), ("spi", SPI_CHECKS))
    for name, checks in groups:
        wanted = [
            check for check in checks if not arguments.only or name_of(check) in arguments.only
        ]
        if not wanted:
            continue
        disk = copy_image(arguments, name)
        options = {}
        if name == "time":
            options = {"counted_time": True, "rtc": f"{COUNTED_FROM},clock=vm"}
        if name == "spi":
            options = {
                "device_tree": device_tree_with(arguments.out, LINE_NODES),
                "trace": arguments.out / "spi-edges.log",
                "rtc": "1970-01-01T00:00:00",
                "display": False,
            }
        machine = Machine(arguments.out, disk, arguments.loader, test_disk, name=name, **options)
        bench = Bench(machine, arguments.out, expected)
        try:
            run_checks(bench, checks, arguments.only, results)
        finally:
            machine.cut_power()
            disk.unlink(missing_ok=True)
            if machine.trace is not None:
                machine.trace.unlink(missing_ok=True)
        if name != "spi":
            figures |= bench.figures
    failed = write_results(arguments.out, results, figures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
