"""What the program takes of the machine: processor time, memory, megabytes."""

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from hemoscope_training.runtimes import NotMeasured
from hemoscope_training.simulated_frames import UM_PER_PX

BYTES_PER_MB = 1e6
STARTS = 20
SAMPLE_SECONDS = 0.1


def cpu_ms(command: list) -> float:
    """Processor time of a command, its own and the system's for it, in milliseconds."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise NotMeasured(f"{command[0]} ended with code {process.returncode}")
    return 1e3 * (used.ru_utime + used.ru_stime)


def start_cpu_ms(program: Path, frame: Path) -> list[float]:
    """Processor time from the start of the program to the count of one frame, for each start."""
    command = [program, "count", frame, "--um-per-px", UM_PER_PX]
    cpu_ms(command)
    return [cpu_ms(command) for _ in range(STARTS)]


def parse_memory_mb(status: str, key: str) -> float | None:
    """A field of /proc/PID/status (VmRSS, VmHWM) in megabytes."""
    found = re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 / BYTES_PER_MB if found else None


def repeated(frames: list[Path], folder: Path, count: int) -> Path:
    """A folder in which the frames repeat under `count` names, as hard links."""
    folder.mkdir(parents=True, exist_ok=True)
    have = {path.name for path in folder.iterdir()}
    for index in range(count):
        name = f"{index:06}.jpg"
        if name not in have:
            os.link(frames[index % len(frames)], folder / name)
    return folder


def live_memory(program: Path, folder: Path, fields: int) -> dict[str, float]:
    """Memory of the live loop over so many fields of 640x480, in MB, and its fields a second.

    The frames come from files as fast as the program takes them, so that an hour's worth needs
    minutes. `peak_mb` is the most that was resident (VmHWM), `early_mb` and `late_mb` are medians
    of what was resident (VmRSS) in the first and the last tenth.
    """
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryFile("w+") as said:
        command = [program, "run", "--camera", f"replay:{folder}", "--fields", fields]
        command += ["--um-per-px", UM_PER_PX, "--panel", f"png:{temporary}/screen.png"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        resident, peak = [], 0.0
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            text = status.read_text()
            now, most = (parse_memory_mb(text, key) for key in ("VmRSS", "VmHWM"))
            if now and most:
                resident.append(now)
                peak = most
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - started
        said.seek(0)
        errors = said.read().strip()
    if process.returncode != 0 or not resident:
        raise NotMeasured(f"the live loop ended with code {process.returncode}: {errors[-400:]}")
    tenth = max(1, len(resident) // 10)
    return {
        "fields": fields,
        "peak_mb": peak,
        "early_mb": statistics.median(resident[:tenth]),
        "late_mb": statistics.median(resident[-tenth:]),
        "fields_per_second": fields / seconds,
    }


def megabytes(path: Path) -> float:
    """Size of a file."""
    if not path.is_file():
        raise NotMeasured(f"{path} is missing; build it with: make cross")
    return path.stat().st_size / BYTES_PER_MB
