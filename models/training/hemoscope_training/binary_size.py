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
SYMBOL = re.compile(r"^[0-9a-f]+ ([0-9a-f]+) [tTwWrRdDvV] (.*)$", re.MULTILINE)
LOADED = re.compile(r"^ +LOAD +0x\S+ 0x\S+ 0x\S+ (0x\S+)", re.MULTILINE)
ROWS = 20


def crate_of(symbol: str) -> str:
    """The crate that a demangled name begins with; C and assembly have none."""
    found = NAME.match(symbol)
    return found[1] if found else "C, assembly and what has no crate's name"


def sizes_by_crate(listing: str) -> Counter:
    """Bytes by crate of `nm --print-size --demangle`."""
    sizes: Counter = Counter()
    for size, name in SYMBOL.findall(listing):
        sizes[crate_of(name)] += int(size, 16)
    return sizes


def output_of(*command: str) -> str:
    """Standard output of a command that must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    settings = parser.parse_args()
    program = str(settings.program)
    sizes = sizes_by_crate(output_of("nm", "--print-size", "--demangle=rust", program))
    loaded = sum(int(size, 16) for size in LOADED.findall(output_of("readelf", "-lW", program)))
    print("| crate | kB |\n|---|---|")
    for crate, size in sizes.most_common(ROWS):
        print(f"| {crate} | {size / 1e3:.0f} |")
    others = sum(sizes.values()) - sum(size for _, size in sizes.most_common(ROWS))
    print(f"| {max(0, len(sizes) - ROWS)} others | {others / 1e3:.0f} |")
    print(f"| without a symbol | {(loaded - sum(sizes.values())) / 1e3:.0f} |")
    print(f"| all that is loaded | {loaded / 1e3:.0f} |")


if __name__ == "__main__":
    main()
