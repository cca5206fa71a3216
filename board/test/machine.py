"""The emulated board, seen from outside: its power, its serial console, its screen."""

import base64
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import time
import zlib
from pathlib import Path

# Where U-Boot keeps the boot partition: one MiB into the disk.
BOOT_PARTITION = "@@1M"
# A clock that goes on by a nanosecond with each instruction of either processor, however fast this
# machine is. Where both wait for a timer it jumps there; a disk answers at once.
COUNTED_TIME = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
SHELL_LIMIT_S = 120
# Tries to copy a file over the serial line.
FETCHES = 3
CARD_SLOT = "card-slot"
STICK = "stick"


class BoardError(Exception):
    """The board did not do what a check needs."""


def require(command: str) -> str:
    """The path of a program that the test needs."""
    path = shutil.which(command)
    if path is None:
        raise BoardError(f"{command} is missing; install it with: scripts/setup-board --test")
    return path


class Machine:
    """One run of QEMU, from power-on to power-off."""

    def __init__(
        self,
        folder: Path,
        disk: Path,
        loader: Path,
        test_disk: Path | None = None,
        device_tree: Path | None = None,
        trace: Path | None = None,
        rtc: str | None = None,
        name: str = "board",
        card_slot: bool = False,
        counted_time: bool = False,
        display: bool = True,
    ):
        self.folder = folder
        self.name = name
        self.trace = trace
        self.serial_log = folder / f"{name}-serial.log"
        self._serial_at = 0
        self._sockets = {kind: folder / f"{name}-{kind}.socket" for kind in ("serial", "qmp")}
        for path in [*self._sockets.values(), self.serial_log]:
            path.unlink(missing_ok=True)
        command = [
            *[
                require("qemu-system-aarch64"),
                "-M",
                "virt,gic-version=3,acpi=off",
                "-cpu",
                "cortex-a72",
            ],
            *["-smp", "2", "-m", "512", "-bios", str(loader)],
            *(COUNTED_TIME if counted_time else ["-accel", "tcg,thread=multi"]),
            *["-drive", f"file={disk},if=none,id=card,format=raw,cache=unsafe"],
            *["-device", "virtio-blk-pci,drive=card,bootindex=0", "-nic", "none"],
            *["-display", "none"],
            *(["-device", "virtio-gpu-pci,xres=800,yres=480"] if display else []),
            *["-device", "i6300esb", "-device", "virtio-keyboard-pci"],
            *["-device", "virtio-rng-pci", "-monitor", "none"],
            *["-chardev", f"socket,id=serial,path={self._sockets['serial']},server=on,wait=off"],
            *["-serial", "chardev:serial"],
            *["-qmp", f"unix:{self._sockets['qmp']},server=on,wait=off"],
        ]
        if test_disk is not None:
            drive = f"file={test_disk},if=none,id=test,format=raw,readonly=on"
            command += ["-drive", drive, "-device", "virtio-blk-pci,drive=test"]
        if device_tree is not None:
            command += ["-dtb", str(device_tree)]
        if trace is not None:
            trace.unlink(missing_ok=True)
            command += ["-trace", "pl061_set_output", "-D", str(trace)]
        if card_slot:
            # Empty until a card is put in.
            command += ["-device", "sdhci-pci", "-drive", "if=none,id=slot"]
            command += ["-device", f"sd-card,drive=slot,id={CARD_SLOT}"]
            command += ["-device", "qemu-xhci,id=usb"]
        if rtc is not None:
            command += ["-rtc", f"base={rtc}"]
        self.started_at = time.monotonic()
        log = (folder / f"{name}-qemu.log").open("w")
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._serial = self._connect("serial")
        self._serial.setblocking(False)
        self._qmp = self._connect("qmp")
        self._answers = self._qmp.makefile("r")
        self._answers.readline()
        self.qmp("qmp_capabilities")
        self.console = b""

    def _connect(self, kind: str) -> socket.socket:
        for _ in range(200):
            if self._process.poll() is not None:
                log = (self.folder / f"{self.name}-qemu.log").read_text()
                raise BoardError(f"qemu-system-aarch64 ended at once: {log}")
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(str(self._sockets[kind]))
                return connection
            except OSError:
                connection.close()
                time.sleep(0.05)
        raise BoardError(f"QEMU does not open {self._sockets[kind]}")

    def seconds(self) -> float:
        """Time since power-on."""
        return time.monotonic() - self.started_at

    def qmp(self, command: str, **arguments: object) -> object:
        """One command to QEMU, and its answer."""
        request = {"execute": command, "arguments": arguments}
        self._qmp.sendall(json.dumps(request).encode() + b"\n")
        while True:
            line = self._answers.readline()
            if not line:
                raise BoardError(f"QEMU ended during {command}")
            answer = json.loads(line)
            if "error" in answer:
                raise BoardError(f"QEMU refused {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def _read_console(self) -> None:
        try:
            while data := self._serial.recv(65536):
                self.console += data
        except BlockingIOError:
            pass
        with self.serial_log.open("ab") as log:
            log.write(self.console[self._serial_at :])
        self._serial_at = len(self.console)

    def wait_for(self, pattern: str, limit_s: float, start: int = 0) -> re.Match[bytes]:
        """Waits until the console has said a pattern behind the place `start`."""
        end = time.monotonic() + limit_s
        expression = re.compile(pattern.encode())
        while True:
            self._read_console()
            if found := expression.search(self.console, start):
                return found
            if time.monotonic() > end:
                tail = self.console[-400:].decode(errors="replace")
                raise BoardError(f"no {pattern!r} on the console after {limit_s} s: ...{tail}")
            time.sleep(0.05)

    def log_in(self, limit_s: float = 180, start: int | None = None) -> None:
        """Waits for the development image's root shell, from now or a place on the console on."""
        start = len(self.console) if start is None else start
        self.wait_for(r"root@[^\r\n]*# ", limit_s, start)
        self._serial.setblocking(True)
        self._serial.sendall(
            b"stty -echo cols 200; export PS1= TERM=dumb PAGER=cat SYSTEMD_COLORS=0;"
            b" bind 'set enable-bracketed-paste off'\n"
        )
        self._serial.setblocking(False)
        time.sleep(0.5)
        # What the kernel says would fall into the middle of what is read; the journal has it.
        self.shell("dmesg -n 1")

    def shell(self, command: str, limit_s: float = SHELL_LIMIT_S, check: bool = True) -> str:
        """What a command says on the board; one that fails is an error."""
        self._read_console()
        start = len(self.console)
        mark = os.urandom(4).hex()
        # Written in two halves, so that an echo of the command is not taken for its end.
        line = f"{{ {command}\n}} 2>&1; code=$?; echo; echo end-$((0))-{mark}-$code\n"
        self._serial.setblocking(True)
        self._serial.sendall(line.encode())
        self._serial.setblocking(False)
        found = self.wait_for(rf"end-0-{mark}-(\d+)", limit_s, start)
        said = self.console[start : found.start()].decode(errors="replace").replace("\r", "")
        said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|> ", "", said).strip()
        if check and found[1] != b"0":
            raise BoardError(f"{command!r} failed on the board: {said[-600:]}")
        return said

    def fetch(self, path: str, to: Path) -> bool:
        """Copies a file of the board; False where there is none."""
        for _ in range(FETCHES):
            text = self.shell(f"gzip -c {path} | base64 -w 180", check=False, limit_s=240)
            lines = re.findall(r"^[A-Za-z0-9+/=]+$", text, re.MULTILINE)
            try:
                packed = base64.b64decode("".join(lines))
                if not packed:
                    return False
                to.write_bytes(gzip.decompress(packed))
                return True
            except (ValueError, EOFError, OSError, zlib.error):
                # A serial line checks nothing: what the kernel says may fall into the middle.
                continue
        raise BoardError(f"{path} cannot be copied from the board")

    def photograph(self, path: Path) -> Path:
        """What the display shows, as a PNG."""
        # A console that nobody reads holds the board up.
        self._read_console()
        path.unlink(missing_ok=True)
        self.qmp("screendump", filename=str(path), format="png")
        return path

    def press(self, key: str, hold_ms: int = 100) -> None:
        """Presses a key and lets it go."""
        keys = [{"type": "qcode", "data": key}]
        self.qmp("send-key", keys=keys, **{"hold-time": hold_ms})

    def insert_card(self, card: Path) -> None:
        """Puts a card into the slot; its size has to be a power of two."""
        self.qmp("blockdev-change-medium", id=CARD_SLOT, filename=str(card), format="raw")

    def pull_card(self) -> None:
        """Takes the card out, whatever is being done with it."""
        self.qmp("eject", id=CARD_SLOT, force=True)

    def insert_stick(self, stick: Path) -> None:
        """Plugs a USB stick in."""
        content = {"driver": "file", "filename": str(stick)}
        self.qmp("blockdev-add", **{"driver": "raw", "node-name": STICK, "file": content})
        self.qmp("device_add", driver="usb-storage", drive=STICK, id=STICK, bus="usb.0")

    def pull_stick(self) -> None:
        """Pulls the USB stick out."""
        self.qmp("device_del", id=STICK)
        end = time.monotonic() + 30
        while True:
            try:
                self.qmp("blockdev-del", **{"node-name": STICK})
                return
            except BoardError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def wait_until_off(self, limit_s: float) -> bool:
        """Whether the board has switched itself off."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def cut_power(self) -> None:
        """Ends QEMU at once."""
        self._read_console()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._serial.close()
        self._qmp.close()


def device_tree_with(folder: Path, source: str) -> Path:
    """The device tree of QEMU's machine, with more in it."""
    plain, whole = folder / "virt.dtb", folder / "board.dtb"
    machine = f"virt,gic-version=3,acpi=off,dumpdtb={plain}"
    command = [require("qemu-system-aarch64"), "-M", machine, "-cpu", "cortex-a72"]
    command += ["-smp", "2", "-m", "512", "-display", "none", "-nic", "none"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    dtc = [require("dtc"), "-q"]
    done = subprocess.run(
        [*dtc, "-I", "dtb", "-O", "dts", str(plain)], check=True, stdout=subprocess.PIPE
    )
    text = done.stdout.decode()
    found = re.search(r"pl061@[0-9a-f]+ \{[^}]*?phandle = <(0x[0-9a-f]+)>", text)
    if found is None:
        raise BoardError("QEMU's machine has no PL061 lines")
    end = text.rindex("};")
    text = text[:end] + source.replace("LINES", found[1]) + text[end:]
    command = [*dtc, "-I", "dts", "-O", "dtb", "-o", str(whole)]
    subprocess.run(command, check=True, input=text.encode())
    return whole


def put_on_boot_partition(disk: Path, files: dict[str, bytes], folder: Path) -> None:
    """Copies files onto the FAT partition of a disk."""
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        command = [require("mcopy"), "-o", "-i", f"{disk}{BOOT_PARTITION}", str(path), "::"]
        subprocess.run(command, check=True)
