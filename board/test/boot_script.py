"""Runs U-Boot on many boot states and looks which slot it starts.

python3 board/test/boot_script.py --virt FOLDER --raspberry-pi FOLDER --out FOLDER

A small disk is laid out like an image's; the kernel of each slot says whose it is and switches the
board off. A folder holds u-boot.bin, the kernels A, B and R, and the boot script for each partition
table, gpt.scr and mbr.scr; that of the Raspberry Pi also board.dtb.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from boot_state import COPY_SECTORS, SECTOR_BYTES, BootState, read_copy
from machine import require

MIB = 1 << 20
SLOT_MIB = 2
LIMIT_S = 30
# Where the partitions begin, in MiB. The fourth of an MBR holds the others.
PLACES_MIB = {"boot": 1, "A": 5, "B": 7, "R": 10}
# A power of two, as an SD card has to be.
DISK_MIB = 16
TABLES = {
    "gpt": """label: gpt
start=1MiB, size=4MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, attrs=LegacyBIOSBootable
start=5MiB, size=2MiB, type=L
start=7MiB, size=2MiB, type=L
start=10MiB, size=2MiB, type=L
""",
    "mbr": """label: dos
start=1MiB, size=4MiB, type=c, bootable
start=5MiB, size=2MiB, type=83
start=7MiB, size=2MiB, type=83
start=9MiB, size=4MiB, type=f
start=10MiB, size=2MiB, type=83
""",
}


def state(order: str, left_a: int, left_b: int) -> bytes:
    """A whole copy of a state."""
    return BootState(order, left_a, left_b).to_bytes()


def text(**variables: str) -> bytes:
    """A copy with any variables, and a checksum that is right."""
    return BootState.bytes_of(variables)


FRESH = state("A B", 9, 9)
TRIAL = state("B A", 9, 3)
TORN = FRESH[:40] + TRIAL[40:]
TORN_TRIAL = TRIAL[:20] + bytes(SECTOR_BYTES - 20)
EMPTY = bytes(SECTOR_BYTES)
ERASED = b"\xff" * SECTOR_BYTES
FLIPPED = bytes([FRESH[0] ^ 1]) + FRESH[1:]
FLIPPED_VALUE = FRESH.replace(b"BOOT_A_LEFT=9", b"BOOT_A_LEFT=8")
ALL = "ABR"
# Tried on every board; the others on the first one alone.
FEW = ("factory", "trial used up", "nothing left", "copy 1 torn", "both torn", "A missing")
# What a slot may be: whole, without a kernel, with a file that is none, without a file system.
# Name, copies 1 and 2, slots that are whole, the slot that starts, the state afterwards.
Case = tuple[str, bytes, bytes, str, str | None, tuple[str, int, int] | None]


def cases() -> list[Case]:
    """Every state that is tried."""
    rows: list[Case] = []

    def add(name, copy_1, copy_2, whole, starts, after):
        rows.append((name, copy_1, copy_2, whole, starts, after))

    def both(name, order, left_a, left_b, whole, starts, after):
        copy = state(order, left_a, left_b)
        add(name, copy, copy, whole, starts, after)

    # Orders and counters.
    both("factory", "A B", 9, 9, ALL, "A", ("A B", 8, 9))
    both("second slot first", "B A", 9, 9, ALL, "B", ("B A", 9, 8))
    both("trial, first start", "B A", 9, 3, ALL, "B", ("B A", 9, 2))
    both("trial, last attempt", "B A", 9, 1, ALL, "B", ("B A", 9, 0))
    both("trial used up", "B A", 9, 0, ALL, "A", ("B A", 8, 0))
    both("trial used up, the other way", "A B", 0, 9, ALL, "B", ("A B", 0, 8))
    both("first of A's used up", "A B", 1, 9, ALL, "A", ("A B", 0, 9))
    both("rolled back, last try", "B A", 1, 0, ALL, "A", ("B A", 0, 0))
    both("nothing left", "A B", 0, 0, ALL, "R", ("A B", 0, 0))
    both("nothing left, B first", "B A", 0, 0, ALL, "R", ("B A", 0, 0))
    for left in (2, 4, 5, 6, 7, 8):
        both(f"counter {left}", "A B", left, left, ALL, "A", ("A B", left - 1, left))
    # A slot that is being written is not in the order.
    both("B being written", "A", 9, 0, ALL, "A", ("A", 8, 0))
    both("A being written", "B", 0, 9, ALL, "B", ("B", 0, 8))
    both("not in the order", "A", 9, 9, ALL, "A", ("A", 8, 9))
    both("A used up, B not in the order", "A", 0, 9, ALL, "R", ("A", 0, 9))
    both("no slot is whole", "R", 9, 9, ALL, "R", ("R", 9, 9))
    both("B being written, A missing", "A", 9, 0, "BR", "R", ("A", 8, 0))
    # Copies.
    for name, broken in (
        ("torn", TORN),
        ("torn to zeros", TORN_TRIAL),
        ("zeros", EMPTY),
        ("erased", ERASED),
        ("flipped checksum", FLIPPED),
        ("flipped value", FLIPPED_VALUE),
    ):
        add(f"copy 1 {name}", broken, TRIAL, ALL, "B", ("B A", 9, 2))
        add(f"copy 2 {name}", TRIAL, broken, ALL, "B", ("B A", 9, 2))
        add(f"both {name}", broken, broken, ALL, "R", None)
    add("copies differ", state("B A", 9, 2), state("B A", 9, 3), ALL, "B", ("B A", 9, 1))
    add("copies differ in order", FRESH, TRIAL, ALL, "A", ("A B", 8, 9))
    # Right checksums over what is no state.
    for name, strange in (
        ("nothing", text()),
        ("no order", text(BOOT_A_LEFT="9", BOOT_B_LEFT="9")),
        ("no counter", text(BOOT_A_LEFT="9", BOOT_ORDER="A B")),
        ("a large counter", text(BOOT_A_LEFT="10", BOOT_B_LEFT="9", BOOT_ORDER="A B")),
        ("a negative counter", text(BOOT_A_LEFT="-1", BOOT_B_LEFT="9", BOOT_ORDER="A B")),
        ("a word for a counter", text(BOOT_A_LEFT="x", BOOT_B_LEFT="9", BOOT_ORDER="A B")),
        ("an unknown slot", text(BOOT_A_LEFT="9", BOOT_B_LEFT="9", BOOT_ORDER="C A")),
        ("a slot twice", text(BOOT_A_LEFT="9", BOOT_B_LEFT="9", BOOT_ORDER="A A")),
        ("commands", text(BOOT_A_LEFT="9; reset", BOOT_B_LEFT="9", BOOT_ORDER="A B; reset")),
    ):
        add(f"{name} in copy 1", strange, TRIAL, ALL, "B", ("B A", 9, 2))
        add(f"{name} in both", strange, strange, ALL, "R", None)
    add(
        "more variables",
        text(bootdelay="9", BOOT_A_LEFT="9", BOOT_B_LEFT="9", BOOT_ORDER="B A"),
        EMPTY,
        ALL,
        "B",
        ("B A", 9, 8),
    )
    # Slots that cannot be loaded.
    both("A missing", "A B", 9, 9, "BR", "B", ("A B", 8, 8))
    both("trial missing", "B A", 9, 3, "AR", "A", ("B A", 8, 2))
    both("A and B missing", "A B", 9, 9, "R", "R", ("A B", 8, 8))
    both("A missing, B used up", "A B", 9, 0, "BR", "R", ("A B", 8, 0))
    both("nothing left, R missing", "A B", 0, 0, "AB", "A", ("A B", 0, 0))
    both("nothing left, A and R missing", "A B", 0, 0, "B", "B", ("A B", 0, 0))
    both("only A", "B A", 9, 9, "A", "A", ("B A", 8, 8))
    both("none", "A B", 9, 9, "", None, ("A B", 8, 8))
    add("no state, R missing", EMPTY, EMPTY, "AB", "A", None)
    add("no state, only B", EMPTY, EMPTY, "B", "B", None)
    return rows


class Disk:
    """The small disk, made anew for each state."""

    def __init__(self, folder: Path, board: "Board"):
        table = board.table
        self.folder = folder
        self.path = folder / f"{table}.img"
        self.empty = folder / f"{table}-empty.img"
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        with self.empty.open("wb") as file:
            file.truncate(DISK_MIB * MIB)
        subprocess.run(
            [require("sfdisk"), "-q", str(self.empty)], input=TABLES[table].encode(), check=True
        )
        boot = folder / f"{table}-boot.fat"
        boot.unlink(missing_ok=True)
        subprocess.run(
            [require("mkfs.vfat"), "-C", str(boot), str(4 * 1024)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        subprocess.run(
            [require("mcopy"), "-i", str(boot), str(board.folder / f"{table}.scr"), "::boot.scr"],
            check=True,
        )
        self._place(self.empty, PLACES_MIB["boot"] * MIB, boot.read_bytes())
        self.slots = {name: self._slot(name, (board.folder / name).read_bytes()) for name in ALL}
        self.broken = [
            self._slot("without", None),
            self._slot("no-kernel", b"no kernel" * 1000),
            bytes(SLOT_MIB * MIB),
        ]

    def _slot(self, name: str, kernel: bytes | None) -> bytes:
        tree, image = self.folder / f"tree-{name}", self.folder / f"slot-{name}.ext4"
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "boot").mkdir(parents=True)
        if kernel is not None:
            (tree / "boot/Image").write_bytes(kernel)
            (tree / "boot/initramfs").write_bytes(b"none" * 100)
        image.write_bytes(bytes(SLOT_MIB * MIB))
        command = [require("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(tree)]
        subprocess.run([*command, str(image)], check=True)
        return image.read_bytes()

    @staticmethod
    def _place(path: Path, at: int, content: bytes) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    def lay_out(self, copies: tuple[bytes, bytes], whole: str, number: int) -> None:
        """Writes a state and the slots; one that is not whole is broken in one of three ways."""
        shutil.copyfile(self.empty, self.path)
        for sector, copy in zip(COPY_SECTORS, copies, strict=True):
            self._place(self.path, sector * SECTOR_BYTES, copy)
        for at, name in enumerate(ALL):
            broken = self.broken[(number + at) % len(self.broken)]
            content = self.slots[name] if name in whole else broken
            self._place(self.path, PLACES_MIB[name] * MIB, content)

    def copies(self) -> tuple[bytes, bytes]:
        """Both copies as they are now."""
        content = self.path.read_bytes()
        return tuple(
            content[each * SECTOR_BYTES : (each + 1) * SECTOR_BYTES] for each in COPY_SECTORS
        )


@dataclass(frozen=True)
class Board:
    """A kind of emulated board, with the disk on one of its buses."""

    name: str
    folder: Path
    table: str
    options: tuple[str, ...]

    def start(self, disk: Path, serial: Path) -> str:
        """What the console says until the board switches itself off or starts again."""
        serial.unlink(missing_ok=True)
        drive = f"file={disk},if={self.interface},id=card,format=raw,cache=unsafe"
        command = [require("qemu-system-aarch64"), *self.options, "-drive", drive, "-no-reboot"]
        command += ["-display", "none", "-monitor", "none", "-nic", "none"]
        command += ["-serial", f"file:{serial}"]
        try:
            subprocess.run(command, check=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            pass
        return serial.read_bytes().decode(errors="replace")

    @property
    def interface(self) -> str:
        """How QEMU calls the bus."""
        return "sd" if "raspi3b" in self.options else "none"


def boards(virt: Path, raspberry_pi: Path) -> list[Board]:
    """Where the script is run; on the first one with every state."""
    plain = ["-M", "virt,gic-version=3,acpi=off", "-cpu", "cortex-a72", "-m", "512"]
    plain += ["-bios", str(virt / "u-boot.bin")]
    virtio = [*plain, "-device", "virtio-blk-pci,drive=card"]
    usb = [*plain, "-device", "qemu-xhci", "-device", "usb-storage,drive=card"]
    nvme = [*plain, "-device", "nvme,drive=card,serial=1"]
    # The console is the second serial port.
    pi = ["-M", "raspi3b", "-kernel", str(raspberry_pi / "u-boot.bin"), "-serial", "null"]
    pi += ["-dtb", str(raspberry_pi / "board.dtb")]
    return [
        Board("virtio, GPT", virt, "gpt", tuple(virtio)),
        Board("virtio, MBR", virt, "mbr", tuple(virtio)),
        Board("USB", virt, "gpt", tuple(usb)),
        Board("NVMe", virt, "gpt", tuple(nvme)),
        Board("Raspberry Pi 3, SD card", raspberry_pi, "mbr", tuple(pi)),
    ]


def judge(case: Case, said: str, copies: tuple[bytes, bytes]) -> str | None:
    """What is wrong with what U-Boot did; `None` where it is right."""
    _, copy_1, copy_2, _, wanted, after = case
    if "resetting" in said and wanted is not None:
        return "U-Boot has started again"
    found = re.findall(r"kernel-of-([ABR])", said)
    started = found[0] if found else None
    if started != wanted:
        return f"started {started}, not {wanted}"
    if after is None:
        return None if copies == (copy_1, copy_2) else "the state was written"
    states = [read_copy(copy) for copy in copies]
    if wanted in ("A", "B") or copies != (copy_1, copy_2):
        if states != [BootState(*after)] * 2:
            return f"left {states}, not {after}"
    return None


def main() -> int:
    """Runs every state."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("virt", "raspberry-pi", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = count = 0
    began = time.monotonic()
    serial = arguments.out / "serial.log"
    for board in boards(arguments.virt, arguments.raspberry_pi):
        disk = Disk(arguments.out, board)
        few = "virtio, GPT" not in board.name
        for number, case in enumerate(cases()):
            if few and case[0] not in FEW:
                continue
            disk.lay_out((case[1], case[2]), case[3], number)
            wrong = judge(case, board.start(disk.path, serial), disk.copies())
            count += 1
            if wrong is not None:
                failed += 1
                kept = arguments.out / f"failed-{count}.log"
                shutil.copy(serial, kept)
                print(f"FAIL  {board.name}: {case[0]}: {wrong}; see {kept}", flush=True)
    seconds = (time.monotonic() - began) / count
    print(f"boot script: {count - failed} passed, {failed} failed, {seconds:.1f} s each")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
