"""What a run of checks leaves behind."""

import json
from pathlib import Path

# A check's name, whether it passed, its seconds, and what it said.
Result = tuple[str, bool, float, str]


def write_results(out: Path, results: list[Result], figures: dict[str, float]) -> int:
    """Writes and prints the table of a run, and its figures; gives how many checks failed."""
    lines = [f"{'check':20} {'':4} {'s':>6}  what was measured"]
    lines += [
        f"{name:20} {'pass' if passed else 'FAIL'} {seconds:6.1f}  {said.splitlines()[0]}"
        for name, passed, seconds, said in results
    ]
    failed = sum(not passed for _, passed, _, _ in results)
    lines.append(f"{len(results) - failed} passed, {failed} failed")
    table = "\n".join(lines)
    (out / "results.txt").write_text(table + "\n")
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    print("\n" + table)
    return failed
