"""Says which crates a program's code is made of: python -m hemoscope_training.binary_size PROGRAM.

PROGRAM must not be stripped. Sizes are those of its symbols (nm), each added to the crate that
its name begins with; code that was inlined counts where it went. What no symbol names (tables for
the linker, for unwinding, strings) stands as a row of its own.
"""

import argparse
import re
import subprocess
from collections import Counter
from pathlib import Path

NAME = re.compile(r"^(?:<|&|\*|\[|\(|mut |const |dyn |as |impl )*([a-z_][a-z0-9_]*)::")
ROWS = 20


def crate_of(symbol: str) -> str:
    """The crate that a demangled name begins with; C and assembly have none."""
    found = NAME.match(symbol)
    return found[1] if found else "C, assembly and what has no crate's name"


def sizes_by_crate(listing: str) -> Counter:
    """Bytes by crate of `nm --print-size --demangle`."""
    sizes: Counter = Counter()
    for line in listing.splitlines():
        parts = line.split(" ", 3)
        if len(parts) == 4 and parts[2] in "tTwWrRdDvV":
            sizes[crate_of(parts[3])] += int(parts[1], 16)
    return sizes


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    settings = parser.parse_args()
    command = ["nm", "--print-size", "--demangle=rust", str(settings.program)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    sizes = sizes_by_crate(done.stdout)
    listed = subprocess.run(
        ["readelf", "-SW", str(settings.program)], check=True, capture_output=True, text=True
    ).stdout
    loaded = sum(
        int(found[2], 16)
        for found in re.finditer(r"\] \S+\s+(PROGBITS|\S+)\s+0*[1-9a-f]\S* \S+ (\S+)", listed)
    )
    print("| crate | kB |\n|---|---|")
    for crate, size in sizes.most_common(ROWS):
        print(f"| {crate} | {size / 1e3:.0f} |")
    others = sum(sizes.values()) - sum(size for _, size in sizes.most_common(ROWS))
    print(f"| {max(0, len(sizes) - ROWS)} others | {others / 1e3:.0f} |")
    print(f"| without a symbol | {(loaded - sum(sizes.values())) / 1e3:.0f} |")
    print(f"| all that is loaded | {loaded / 1e3:.0f} |")


if __name__ == "__main__":
    main()
