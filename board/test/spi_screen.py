"""The picture that a panel on SPI would show, rebuilt from what QEMU saw of its wires.

QEMU's `-trace pl061_set_output` writes every change of a line. The panel takes a bit at each rising
clock edge; its data-command line tells commands from data.
"""

import re
from pathlib import Path

from png import Picture

CLOCK, DATA_OUT, SELECT, DATA_COMMAND = 0, 1, 2, 4
SET_COLUMNS, SET_ROWS, WRITE, WRITE_ON, ORDER = 0x2A, 0x2B, 0x2C, 0x3C, 0x36
# Bits of the memory's order (MADCTL, ST7789 datasheet 9.1.28).
MIRROR_ROWS, MIRROR_COLUMNS, SWAP, BLUE_FIRST = 0x80, 0x40, 0x20, 0x08
# The controller's memory.
MEMORY_PX = (240, 320)
EDGE = re.compile(rb"setting output (\d) to (\d)")


def edges_of(trace: Path, pin: int, start: int) -> int:
    """How often a line has changed since a place in the trace."""
    with trace.open("rb") as lines:
        lines.seek(start)
        levels = [found[2] for found in EDGE.finditer(lines.read()) if int(found[1]) == pin]
    return sum(a != b for a, b in zip(levels, levels[1:], strict=False))


def read_bytes(trace: Path):
    """The bytes on the bus: (whether it is data, the byte)."""
    level = [0] * 8
    byte = bits = 0
    with trace.open("rb") as lines:
        for line in lines:
            found = EDGE.search(line)
            if found is None:
                continue
            pin, value = int(found[1]), int(found[2])
            rises = value == 1 and level[pin] == 0
            if pin == SELECT and value != level[pin]:
                byte = bits = 0
            level[pin] = value
            if pin != CLOCK or not rises:
                continue
            byte = byte << 1 | level[DATA_OUT]
            bits += 1
            if bits == 8:
                yield level[DATA_COMMAND] == 1, byte
                byte = bits = 0


def read_picture(trace: Path, width_px: int, height_px: int) -> Picture:
    """What stands in the panel's memory, as its user sees it, with five or six bits a colour."""
    pixels: dict[tuple[int, int], int] = {}
    columns, rows = (0, width_px - 1), (0, height_px - 1)
    command, arguments, order = 0, bytearray(), 0
    x = y = 0
    for is_data, byte in read_bytes(trace):
        if not is_data:
            command = byte
            arguments.clear()
            if byte == WRITE:
                x, y = columns[0], rows[0]
            continue
        arguments.append(byte)
        if command in (SET_COLUMNS, SET_ROWS) and len(arguments) == 4:
            span = (arguments[0] << 8 | arguments[1], arguments[2] << 8 | arguments[3])
            if command == SET_COLUMNS:
                columns = span
            else:
                rows = span
        elif command == ORDER:
            order = byte
        elif command in (WRITE, WRITE_ON) and len(arguments) == 2:
            pixels[x, y] = arguments[0] << 8 | arguments[1]
            arguments.clear()
            x += 1
            if x > columns[1]:
                x, y = columns[0], y + 1
    if not order & SWAP and (width_px, height_px) != MEMORY_PX:
        raise ValueError(f"the panel's memory is ordered as {order:#x}, upright")
    rgb = bytearray()
    for y in range(height_px):
        for x in range(width_px):
            value = pixels.get((x, y), 0)
            rgb += bytes((value >> 11 << 3, (value >> 5 & 63) << 2, (value & 31) << 3))
    return Picture(width_px, height_px, bytes(rgb))
