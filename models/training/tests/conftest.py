"""Leaves out the tests of training where its packages are not installed, and says so."""

from importlib.util import find_spec

WITH_TORCH = ["test_baseline.py", "test_thin.py"]
collect_ignore = [] if find_spec("torch") else WITH_TORCH


def pytest_terminal_summary(terminalreporter) -> None:
    if collect_ignore:
        terminalreporter.write_line(
            f"not run, since torch is not installed: {', '.join(collect_ignore)}; "
            "make test-python TRAINING=1 installs it (6 GB) and runs them"
        )
