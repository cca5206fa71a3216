"""The boot state of a disk: two raw sectors before its first partition."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

SECTOR_BYTES = 512
LAYOUT_FILE = Path(__file__).parents[1] / "common" / "disk-layout.env"


def disk_layout() -> dict[str, str]:
    """The names and values of the disk's layout."""
    lines = LAYOUT_FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# Of each copy, in sectors.
COPY_SECTORS = tuple(int(disk_layout()[f"state_sector_{copy}"]) for copy in (1, 2))


@dataclass(frozen=True)
class BootState:
    """Which slot comes first, and how many tries each has left."""

    order: str
    left_a: int
    left_b: int

    @staticmethod
    def bytes_of(variables: dict[str, str]) -> bytes:
        """A sector as U-Boot exports it: checksum, then NAME=value, each ended by a zero."""
        content = b"".join(f"{key}={variables[key]}\0".encode() for key in sorted(variables))
        content = content.ljust(SECTOR_BYTES - 4, b"\0")
        return struct.pack("<I", zlib.crc32(content)) + content

    def to_bytes(self) -> bytes:
        """The sector."""
        left = {"BOOT_A_LEFT": str(self.left_a), "BOOT_B_LEFT": str(self.left_b)}
        return self.bytes_of({"BOOT_ORDER": self.order, **left})


def read_copy(sector: bytes) -> BootState | None:
    """The state in a sector; `None` where its checksum is wrong or it holds no state."""
    if struct.unpack("<I", sector[:4])[0] != zlib.crc32(sector[4:SECTOR_BYTES]):
        return None
    lines = sector[4:].split(b"\0\0")[0].decode(errors="replace").split("\0")
    variables = dict(line.split("=", 1) for line in lines if "=" in line)
    try:
        left = [int(variables[key]) for key in ("BOOT_A_LEFT", "BOOT_B_LEFT")]
        return BootState(variables["BOOT_ORDER"], *left)
    except (KeyError, ValueError):
        return None


def copies_of(disk: Path) -> list[BootState | None]:
    """Both copies on a disk."""
    with disk.open("rb") as file:
        found = []
        for sector in COPY_SECTORS:
            file.seek(sector * SECTOR_BYTES)
            found.append(read_copy(file.read(SECTOR_BYTES)))
    return found


def state_of(disk: Path) -> BootState | None:
    """The state that counts: that of the first copy that is whole."""
    return next((copy for copy in copies_of(disk) if copy is not None), None)


def write_state(disk: Path, state: BootState) -> None:
    """Writes both copies."""
    with disk.open("r+b") as file:
        for sector in COPY_SECTORS:
            file.seek(sector * SECTOR_BYTES)
            file.write(state.to_bytes())
