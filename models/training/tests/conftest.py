"""Leaves out the tests of training where its packages are not installed, and says so."""

from importlib.util import find_spec
from pathlib import Path

WITH_TORCH = ["test_baseline.py", "test_prune.py"]
collect_ignore = [] if find_spec("torch") else WITH_TORCH

for name in WITH_TORCH:
    if not (Path(__file__).parent / name).is_file():
        raise FileNotFoundError(f"{name} is named in conftest.py and not there: correct its name")


def pytest_terminal_summary(terminalreporter) -> None:
    if collect_ignore:
        terminalreporter.write_line(
            f"not run, since torch is not installed: {', '.join(collect_ignore)}; "
            "make test-python TRAINING=1 installs it (6 GB) and runs them"
        )
