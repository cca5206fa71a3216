"""Reading PNG files of 8 bits a channel, with the standard library alone."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Picture:
    """Rows of red, green and blue bytes, without gaps."""

    width_px: int
    height_px: int
    rgb: bytes

    def differing_pixels(self, other: "Picture") -> int:
        """Number of pixels that differ; all of them where the sizes do."""
        if (self.width_px, self.height_px) != (other.width_px, other.height_px):
            return self.width_px * self.height_px
        if self.rgb == other.rgb:
            return 0
        pairs = range(0, len(self.rgb), 3)
        return sum(self.rgb[at : at + 3] != other.rgb[at : at + 3] for at in pairs)

    def colours(self) -> int:
        """Number of different colours."""
        return len({self.rgb[at : at + 3] for at in range(0, len(self.rgb), 3)})


def _unfilter(kind: int, row: bytearray, above: bytes, step: int) -> None:
    """Undoes the filter of one row (PNG specification, section 9)."""
    for at in range(len(row)):
        left = row[at - step] if at >= step else 0
        up = above[at]
        if kind == 1:
            add = left
        elif kind == 2:
            add = up
        elif kind == 3:
            add = (left + up) // 2
        else:
            corner = above[at - step] if at >= step else 0
            guess = left + up - corner
            distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
            add = (left, up, corner)[distances.index(min(distances))]
        row[at] = (row[at] + add) & 0xFF


def read_png(path: Path) -> Picture:
    """Reads a picture; transparency is left out."""
    data = path.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{path} is no PNG file")
    at, packed, header = 8, bytearray(), None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    if header is None or header[2] != 8 or header[3] not in (2, 6) or header[6] != 0:
        raise ValueError(f"{path} is no PNG of 8-bit colours without interlacing")
    width_px, height_px, step = header[0], header[1], 3 if header[3] == 2 else 4
    raw, stride = zlib.decompress(bytes(packed)), width_px * step
    rgb, above = bytearray(), bytes(stride)
    for row_index in range(height_px):
        start = row_index * (stride + 1)
        row = bytearray(raw[start + 1 : start + 1 + stride])
        if raw[start] != 0:
            _unfilter(raw[start], row, above, step)
        above = bytes(row)
        if step == 4:
            del row[3::4]
        rgb += row
    return Picture(width_px, height_px, bytes(rgb))


def write_png(path: Path, picture: Picture) -> None:
    """Writes a picture."""
    stride = picture.width_px * 3
    rows = b"".join(
        b"\0" + picture.rgb[at : at + stride] for at in range(0, len(picture.rgb), stride)
    )

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", picture.width_px, picture.height_px, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
