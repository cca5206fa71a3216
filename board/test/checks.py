"""What is checked on the emulated board, one function a check.

A check takes the `Bench`, says what it measured, and raises `BoardError` where the board did not do
what it should.
"""

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from machine import BoardError, Machine
from png import Picture, read_png, write_png
from spi_screen import edges_of, read_picture

# As of the simulated slide that the camera shows.
UM_PER_PX = "0.0725"
CAMERA = "/dev/video9"
OTHER_CAMERA = "/dev/video8"
# Endings of the frames' files.
FILES = {"mjpg": "jpg", "yuyv": "yuyv"}
BOARD = "/usr/share/hemoscope/board.toml"
RECORDS = "/data/hemoscope/records"
# Draws the screen into a file beside the display.
CELLS_OF_A_STRIP = 4
DRAWN_TOO = "--panel drm --panel png:/run/hemoscope/screen.png"
# Looks at two screens that are drawn one after the other, until both show the same.
LOOKS = 6
# Times at which the camera shows one field: four seconds at five frames a second.
REPEAT = 20
# Of a display with the program's screen: an empty one has one, the kernel's console two.
SCREEN_COLOURS = 3
BOOT_LIMIT_S = 240
# Of the PL061, as the device tree has it.
FAULT_LIGHT_LINE = 6
# Where the counted clock begins, in UTC and as seconds since 1970.
COUNTED_FROM, COUNTED_FROM_S = "2026-01-01T00:00:00", 1_767_225_600
MOST_GUEST_TIME_S = 15.0
# Somebody who has the system restarted looks at a dark display for so long.
MOST_DARK_S = 5.0
# systemd-analyze security: the unit's exposure, 0 to 10.
MOST_EXPOSURE = 3.0


@dataclass
class Bench:
    """The board under test, and what is known of it."""

    machine: Machine
    # Results go here.
    folder: Path
    # What `hemoscope count` says of each frame: RBC, WBC, PLT, uncertain.
    expected: dict[str, list[tuple[int, ...]]]
    figures: dict[str, float] = field(default_factory=dict)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.machine.shell(f"systemctl show --value -p {name} {unit}")

    def wait_until(self, what: str, limit_s: float, happened) -> float:
        """Waits for a condition; gives the seconds that it took."""
        start = time.monotonic()
        while not happened():
            if time.monotonic() - start > limit_s:
                status = self.machine.shell("systemctl status hemoscope", check=False)
                raise BoardError(f"not within {limit_s} s: {what}\n{status}")
            time.sleep(0.5)
        return time.monotonic() - start

    def records(self) -> list[dict]:
        """All lines of the records, oldest first."""
        text = self.machine.shell(f"cat {RECORDS}/*.jsonl", check=False)
        return [json.loads(line) for line in text.splitlines() if line.startswith('{"smear"')]

    def counted(self, smear: int | None = None) -> list[tuple[int, ...]]:
        """The counted fields of a smear, the newest one without a number."""
        lines = self.records()
        newest = max((line["smear"] for line in lines), default=0)
        wanted = newest if smear is None else smear
        fields = [
            line["event"]["field"]
            for line in lines
            if line["smear"] == wanted and "field" in line["event"]
        ]
        return [
            (each["rbc"], each["wbc"], each["plt"], each["uncertain"])
            for each in fields
            if each["outcome"] == "counted"
        ]

    def start_camera(self, kind: str, device: str = CAMERA) -> None:
        """Plugs a camera in and lets it show frames of a kind, MJPG, YUYV or GREY."""
        # Of a picture in grey the content does not matter.
        folder = "yuyv" if kind == "GREY" else kind.lower()
        self.machine.shell(
            "mountpoint -q /run/test || { mkdir -p /run/test;"
            " mount -o ro LABEL=hemo-test /run/test; }"
        )
        self.machine.shell(
            "grep -q v4l2loopback /proc/modules || insmod /run/test/v4l2loopback.ko"
            f" devices=2 video_nr={CAMERA[-1]},{OTHER_CAMERA[-1]} exclusive_caps=1,1"
            " max_buffers=4 card_label=Microscope,Webcam"
        )
        self.machine.shell(
            f"(setsid /run/test/camera-feeder {device} {kind} 640 480 5 {REPEAT}"
            f" /run/test/{folder}/*.{FILES[folder]} >/run/feeder.log 2>&1 </dev/null &) ; sleep 1;"
            " cat /run/feeder.log; pidof camera-feeder"
        )

    def stop_camera(self) -> None:
        """Unplugs the camera."""
        self.machine.shell("kill $(pidof camera-feeder); sleep 1", check=False)

    def restart(self, options: str, board: str = BOARD, waits: bool = True) -> None:
        """Starts the program again with more options than the image gives it."""
        # On a busy machine, reading the units again takes the emulated board longer than its
        # watchdog waits; `check_units` has looked at that before.
        self.machine.shell(
            "busctl set-property org.freedesktop.systemd1 /org/freedesktop/systemd1"
            " org.freedesktop.systemd1.Manager RuntimeWatchdogUSec t 60000000"
        )
        how = "" if waits else "--no-block"
        unit = "/run/systemd/system/hemoscope.service.d"
        self.machine.shell(
            f"mkdir -p {unit}; printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/hemoscope run"
            f" --board {board} {options}\\n' >{unit}/test.conf;"
            f" systemctl daemon-reload; systemctl {how} restart hemoscope",
            limit_s=180,
        )

    def fields(self) -> int:
        """How many fields the program has counted on the screen."""
        found = re.match(r"(\d+) fields", self.status())
        return int(found[1]) if found else 0

    def wait_for_status(self, what: str, text: str, limit_s: float) -> float:
        """Waits until the program says something to the service manager."""
        return self.wait_until(what, limit_s, lambda: text in self.status())

    def journal_since(self, cursor: str) -> str:
        """What the program has written since a moment."""
        return self.machine.shell(f"journalctl -q -u hemoscope -o cat --after-cursor='{cursor}'")

    def journal_cursor(self) -> str:
        """This moment in the journal."""
        said = self.machine.shell("journalctl -q -n 1 --show-cursor -o cat")
        return re.search(r"cursor: (\S+)", said)[1]

    def status(self) -> str:
        """What the program last told the service manager."""
        return self.show("hemoscope", "StatusText")


def check_boot(bench: Bench) -> str:
    """The image boots to a shell, with its services, read-only, within its limits."""
    machine = bench.machine
    loader = machine.wait_for("hemoscope: slot A", 120).end()
    screen_s = wait_for_screen(bench, "boot")
    machine.log_in(240, loader)
    wait_for_program(bench)
    # The kernel's clock begins when the loader has ended.
    kernel_s = machine.seconds() - float(machine.shell("cut -d ' ' -f 1 /proc/uptime"))
    started_s = int(bench.show("hemoscope", "ExecMainStartTimestampMonotonic")) / 1e6
    bench.figures |= {
        "kernel_s": kernel_s,
        "program_started_s": kernel_s + started_s,
        "screen_s": screen_s,
    }
    if not machine.shell("findmnt -n -o OPTIONS /").startswith("ro,"):
        raise BoardError("the root is not mounted read-only")
    return (
        f"kernel {kernel_s:.1f} s after power-on, program started after"
        f" {kernel_s + started_s:.1f} s, screen after {screen_s:.1f} s"
    )


def wait_for_screen(bench: Bench, name: str) -> float:
    """Waits until the display shows the program's screen; seconds since power-on.

    Seen as a person sees it: whatever asks on the board itself slows it down.
    """
    machine, picture = bench.machine, bench.folder / f"{name}.png"
    while read_png(machine.photograph(picture)).colours() < SCREEN_COLOURS:
        if machine.seconds() > BOOT_LIMIT_S:
            raise BoardError(f"the display is empty after {BOOT_LIMIT_S} s; see {picture}")
        time.sleep(0.3)
    return machine.seconds()


def wait_for_program(bench: Bench) -> float:
    """Waits until the program is ready; when that was, on the kernel's clock in seconds."""
    bench.wait_until(
        "the program says that it is ready",
        120,
        lambda: bench.show("hemoscope", "ActiveState") == "active",
    )
    return int(bench.show("hemoscope", "ActiveEnterTimestampMonotonic")) / 1e6


def check_guest_time(bench: Bench) -> str:
    """From power-on to the live screen, in time that follows from the instructions.

    The clock runs from power-on, with the instructions (see `machine.COUNTED_TIME`), and is read in
    whole seconds: what is told is at most one too much.
    """
    machine = bench.machine
    loader = machine.wait_for("hemoscope: slot A", 120).end()
    wait_for_screen(bench, "guest-time")
    machine.log_in(240, loader)
    ready_s = wait_for_program(bench)
    said = machine.shell("cat /sys/class/rtc/rtc0/since_epoch /proc/uptime")
    now_s, up_s = (float(each) for each in said.split()[:2])
    kernel_s = now_s + 1 - COUNTED_FROM_S - up_s
    live_s = kernel_s + ready_s
    said = machine.shell("journalctl -q -b -u hemoscope -o short-monotonic")
    shown = re.search(r"^\[ *([0-9.]+)\] .*the screen is shown", said, re.MULTILINE)
    if shown is None:
        raise BoardError(f"the program does not say that its screen is shown: {said}")
    greeted = re.search(r"\[ *([0-9.]+)\] hemoscope: the display has", machine.shell("dmesg"))
    if greeted is None:
        raise BoardError("the initramfs does not say that the display has its first words")
    first_s = kernel_s + float(greeted[1])
    bench.figures |= {"guest_time_first_words_s": first_s, "guest_time_live_s": live_s}
    if first_s > MOST_DARK_S:
        raise BoardError(f"the display is dark for {first_s:.1f} s")
    if live_s > MOST_GUEST_TIME_S:
        raise BoardError(f"the screen is live {live_s:.1f} s after power-on")
    return (
        f"first words at most {first_s:.1f} s after power-on, the program's screen"
        f" {kernel_s + float(shown[1]):.1f} s, live {live_s:.1f} s"
    )


def check_security(bench: Bench) -> str:
    """The program's service is shut in: systemd's exposure is at most 3.0."""
    said = bench.machine.shell("systemd-analyze security --no-pager hemoscope.service")
    found = re.search(r"Overall exposure level for hemoscope.service: ([0-9.]+)", said)
    if not found:
        raise BoardError(f"systemd-analyze says no exposure: {said[-300:]}")
    (bench.folder / "security.txt").write_text(said)
    if float(found[1]) > MOST_EXPOSURE:
        raise BoardError(f"the exposure is {found[1]}, more than {MOST_EXPOSURE}")
    listening = bench.machine.shell("cat /proc/net/tcp /proc/net/udp | grep -c ' 0A ' || true")
    if listening.strip() != "0":
        raise BoardError(f"something listens on the network: {listening}")
    return f"exposure {found[1]}"


def check_units(bench: Bench) -> str:
    """No unit has failed, the data partition has grown, the slot is good, nothing else runs."""
    machine = bench.machine
    bench.wait_until(
        "the boot is over",
        180,
        lambda: "running" in machine.shell("systemctl is-system-running", check=False),
    )
    failed = machine.shell("systemctl --failed --plain --no-legend")
    if failed:
        raise BoardError(f"units have failed: {failed}")
    size_mb = int(machine.shell("findmnt -n -b -o SIZE /data")) >> 20
    if size_mb < 100:
        raise BoardError(f"the data partition has not grown: {size_mb} MiB")
    if "slot A is good" not in machine.shell("journalctl -b -u hemoscope-boot-good -o cat"):
        raise BoardError("the boot counters were not set back")
    watchdog = machine.shell("systemctl show --value -p RuntimeWatchdogUSec -p WatchdogDevice")
    if "/dev/watchdog" not in watchdog:
        raise BoardError(f"systemd feeds no hardware watchdog: {watchdog}")
    memory = machine.shell("grep -E 'MemTotal|MemAvailable' /proc/meminfo")
    total_mb, free_mb = (int(each) >> 10 for each in re.findall(r"(\d+) kB", memory))
    return f"data {size_mb} MiB, {free_mb} of {total_mb} MiB of memory free"


def check_starting_screen(bench: Bench) -> str:
    """The display shows the program's screen."""
    picture = read_png(bench.machine.photograph(bench.folder / "boot.png"))
    if picture.colours() < SCREEN_COLOURS:
        raise BoardError("the display is empty; see boot.png")
    return f"{picture.width_px}x{picture.height_px}, {picture.colours()} colours"


def places_of(counts: tuple[int, ...], expected: list[tuple[int, ...]]) -> set[int]:
    """Which frames may have these counts; several frames may have the same.

    Where two frames look alike in a narrow strip, the few cells of the strip are left out of the
    later one, as if it had been counted before.
    """

    def may_be(whole: tuple[int, ...]) -> bool:
        missing = [of_whole - of_part for of_whole, of_part in zip(whole, counts, strict=True)]
        return min(missing) >= 0 and sum(missing) <= CELLS_OF_A_STRIP

    return {place for place, whole in enumerate(expected) if may_be(whole)}


def are_in_order(places: list[set[int]], frames: int) -> bool:
    """Whether fields can have come in the camera's order; a slow board may miss some."""
    reached = places[0]
    for following in places[1:]:
        steps = {(place + step) % frames for place in reached for step in (1, 2, 3)}
        reached = steps & following
    return bool(reached)


def _count(bench: Bench, kind: str, wanted: int) -> str:
    started = time.monotonic()
    bench.restart(f"--um-per-px {UM_PER_PX}")
    bench.start_camera(kind)
    bench.wait_until("the first field is counted", 120, lambda: bench.fields() > 0)
    first_s = time.monotonic() - started
    bench.wait_until(
        f"{wanted} fields are counted",
        240,
        lambda: int((re.match(r"(\d+) fields", bench.status()) or ["", "0"])[1]) >= wanted,
    )
    counted = bench.counted()
    expected = bench.expected[kind]
    places = [places_of(each, expected) for each in counted]
    if len(counted) < wanted or not all(places):
        raise BoardError(f"counted {counted}, but `hemoscope count` says {expected}")
    # Starting anywhere.
    if not are_in_order(places, len(expected)):
        raise BoardError(f"the fields came in the order {places}")
    bench.machine.photograph(bench.folder / f"counting-{kind.lower()}.png")
    bench.figures[f"first_count_{kind.lower()}_s"] = first_s
    return f"{len(counted)} fields as `hemoscope count` says, the first after {first_s:.1f} s"


def check_camera_jpeg(bench: Bench) -> str:
    """Fields from a camera that sends JPEG are counted as `hemoscope count` counts its frames."""
    return _count(bench, "MJPG", 4)


def check_camera_yuyv(bench: Bench) -> str:
    """The same of a camera that sends YUYV."""
    bench.stop_camera()
    said = _count(bench, "YUYV", 4)
    bench.stop_camera()
    return said


def check_photograph(bench: Bench) -> str:
    """The display shows, pixel for pixel, what the program draws into a file."""
    bench.restart(f"--um-per-px {UM_PER_PX} {DRAWN_TOO}")
    bench.wait_until("a field is counted", 120, lambda: bench.fields() > 0)
    return _compare_with_display(bench, "shown")


def _compare_with_display(bench: Bench, name: str) -> str:
    """Photographs the display, which has to show what the program draws into a file."""
    machine = bench.machine
    drawn, shown = bench.folder / f"{name}-drawn.png", bench.folder / f"{name}.png"
    differing = -1
    for _ in range(LOOKS):
        # The file is written after the display: a moment later both show the same. It stands still
        # then, though not for long, since its watchdog counts.
        machine.shell(
            "file=/run/hemoscope/screen.png; before=$(stat -c %i $file); for look in $(seq 50); do"
            " [ $(stat -c %i $file) = $before ] || break; sleep 0.1; done;"
            " kill -STOP $(pidof hemoscope); sleep 1"
        )
        machine.photograph(shown)
        machine.shell("cp /run/hemoscope/screen.png /run/; kill -CONT $(pidof hemoscope)")
        machine.fetch("/run/screen.png", drawn)
        want, have = read_png(drawn), read_png(shown)
        differing = _enlarged(want, have).differing_pixels(have)
        if differing == 0:
            break
    if differing != 0:
        raise BoardError(f"{differing} pixels differ between {drawn.name} and {shown.name}")
    return f"{have.width_px}x{have.height_px}, no pixel differs"


def _enlarged(picture: Picture, display: Picture) -> Picture:
    """A picture as it stands on a display: a whole factor larger, in the middle, on black."""
    factor = min(display.width_px // picture.width_px, display.height_px // picture.height_px)
    if factor < 1:
        raise BoardError("the display is smaller than the picture")
    left_px = (display.width_px - picture.width_px * factor) // 2
    top_px = (display.height_px - picture.height_px * factor) // 2
    stride = display.width_px * 3
    rgb = bytearray(stride * display.height_px)
    for y_px in range(picture.height_px):
        start = y_px * picture.width_px * 3
        row = picture.rgb[start : start + picture.width_px * 3]
        row = b"".join(row[at : at + 3] * factor for at in range(0, len(row), 3))
        for copy in range(factor):
            at = (top_px + y_px * factor + copy) * stride + left_px * 3
            rgb[at : at + len(row)] = row
    return Picture(display.width_px, display.height_px, bytes(rgb))


def _begin_smear(bench: Bench, photograph: Path | None = None) -> int:
    """Finishes the smear with the first button, and begins the next one; gives its number.

    Each picture of the camera counts once in a smear; in a new one there is something to count.
    """
    bench.wait_until("a field is counted", 120, lambda: bench.fields() > 0)
    smear = max(line["smear"] for line in bench.records())

    def last_event() -> dict:
        return [line["event"] for line in bench.records() if line["smear"] == smear][-1]

    bench.machine.press("ret")
    # It is asked whether the smear is done, and the same touch is no answer.
    time.sleep(1.5)
    bench.machine.press("ret")
    bench.wait_until("the smear is finished", 30, lambda: "smear_ended" in last_event())
    if last_event()["smear_ended"]["ending"] != "finished":
        raise BoardError(f"the smear did not end as finished: {last_event()}")
    if photograph is not None:
        bench.machine.photograph(photograph)
    time.sleep(1)
    bench.machine.press("ret")
    bench.wait_until("the next smear begins", 30, lambda: bench.records()[-1]["smear"] == smear + 1)
    return smear + 1


def check_camera_lost(bench: Bench) -> str:
    """A camera that is unplugged is said to be away, and counted again when it is back."""
    _begin_smear(bench)
    restarts = bench.show("hemoscope", "NRestarts")
    bench.stop_camera()
    away_s = bench.wait_until(
        "the screen says that the camera is away", 60, lambda: "camera there" not in bench.status()
    )
    status = bench.status()
    bench.machine.photograph(bench.folder / "camera-away.png")
    fields = re.match(r"(\d+) fields", status)[1]
    bench.start_camera("MJPG")
    back_s = bench.wait_until("the camera is back", 60, lambda: "camera there" in bench.status())
    counting_s = back_s + bench.wait_until(
        "counting goes on", 120, lambda: bench.status().split()[0] != fields
    )
    if bench.show("hemoscope", "NRestarts") != restarts:
        raise BoardError("the program was started again because of the camera")
    return (
        f"away after {away_s:.1f} s ({status}); back {back_s:.1f} s after its return, counting"
        f" again after {counting_s:.1f} s"
    )


def _expect_same_run(bench: Bench, restarts: str) -> None:
    if bench.show("hemoscope", "NRestarts") != restarts:
        raise BoardError("the program was started again")


def _expect_display_back(bench: Bench, cursor: str, restarts: str, name: str) -> tuple[float, str]:
    """A display that has come back is lit and right, without a restart; gives the seconds."""
    back_s = bench.wait_until(
        "the display is lit again",
        30,
        lambda: "the screen is shown on" in bench.journal_since(cursor),
    )
    compared = _compare_with_display(bench, name)
    _expect_same_run(bench, restarts)
    return back_s, compared


def check_display_unplugged(bench: Bench) -> str:
    """A display whose cable is pulled is missed while counting goes on, and lit when it is back."""
    machine = bench.machine
    _begin_smear(bench)
    restarts, cursor = bench.show("hemoscope", "NRestarts"), bench.journal_cursor()
    connector = machine.shell("ls -d /sys/class/drm/card*-*").split()[0]
    machine.shell(f"echo off >{connector}/status")
    away_s = bench.wait_until(
        "the log says that the display is away",
        30,
        lambda: "was unplugged; plug it in again" in bench.journal_since(cursor),
    )
    fields = bench.fields()
    bench.wait_until("counting goes on", 120, lambda: bench.fields() > fields)
    cursor = bench.journal_cursor()
    machine.shell(f"echo detect >{connector}/status")
    back_s, compared = _expect_display_back(bench, cursor, restarts, "display-back")
    return f"missed after {away_s:.1f} s, lit {back_s:.1f} s after its return; {compared}"


def check_display_card_removed(bench: Bench) -> str:
    """The display's whole card is taken out and put in again; without it, the log says so."""
    machine = bench.machine
    restarts, cursor = bench.show("hemoscope", "NRestarts"), bench.journal_cursor()
    card = machine.shell("realpath /sys/class/drm/card0/device")
    machine.shell(f"echo 1 >{card}/remove")
    bench.wait_until(
        "the log says that the display is away",
        30,
        lambda: "the screen is shown when it is back" in bench.journal_since(cursor),
    )
    cursor = bench.journal_cursor()
    machine.shell("echo 1 >/sys/bus/pci/rescan")
    back_s, compared = _expect_display_back(bench, cursor, restarts, "card-back")
    return f"lit {back_s:.1f} s after its return; {compared}"


def check_camera_stalled(bench: Bench) -> str:
    """A camera that gives no frames any more is said to be silent, and counted when it goes on."""
    machine = bench.machine
    restarts = bench.show("hemoscope", "NRestarts")
    machine.shell("kill -STOP $(pidof camera-feeder)")
    away_s = bench.wait_for_status("the screen says that no frames come", "gave no frame", 60)
    machine.photograph(bench.folder / "camera-stalled.png")
    machine.shell("kill -CONT $(pidof camera-feeder)")
    back_s = bench.wait_for_status("the camera is back", "camera there", 60)
    _expect_same_run(bench, restarts)
    return f"said after {away_s:.1f} s; back {back_s:.1f} s after it goes on"


def check_two_cameras(bench: Bench) -> str:
    """With two cameras the screen asks to leave one, and takes the one that is left."""
    bench.start_camera("MJPG", OTHER_CAMERA)
    # The one that was in use stays so; a program that has just started has to ask.
    bench.restart(f"--um-per-px {UM_PER_PX} {DRAWN_TOO}")
    restarts = bench.show("hemoscope", "NRestarts")
    bench.wait_for_status("the screen says that there are two", "is one of 2", 60)
    compared = _compare_with_display(bench, "two-cameras")
    bench.stop_camera()
    bench.start_camera("MJPG")
    bench.wait_for_status("the one that is left is taken", "camera there", 60)
    _expect_same_run(bench, restarts)
    return f"asked to leave one ({compared}), and took the one that was left"


def check_grey_camera(bench: Bench) -> str:
    """A camera that gives grey pictures only is refused, with the reason."""
    restarts = bench.show("hemoscope", "NRestarts")
    bench.stop_camera()
    # While it is open, the device that plays the camera keeps its format.
    bench.wait_for_status("the camera is missed", "is not connected", 60)
    bench.start_camera("GREY")
    bench.wait_for_status("the screen says why", "GREY", 60)
    status = bench.status()
    bench.machine.photograph(bench.folder / "grey-camera.png")
    bench.stop_camera()
    bench.start_camera("MJPG")
    bench.wait_for_status("a better camera is taken", "camera there", 60)
    _expect_same_run(bench, restarts)
    return status


def check_read_only_data(bench: Bench) -> str:
    """A card that can no longer be written stops nothing, and the screen says so."""
    machine = bench.machine
    restarts = bench.show("hemoscope", "NRestarts")
    # As ext4 does by itself when the card fails.
    machine.shell("sync; echo u >/proc/sysrq-trigger; sleep 2; findmnt -n -o OPTIONS /data")
    bench.wait_for_status("the program says that results are not saved", "not saved", 120)
    status = bench.status()
    machine.photograph(bench.folder / "data-read-only.png")
    machine.shell("mount -o remount,rw /data")
    bench.wait_until("results are saved again", 120, lambda: "not saved" not in bench.status())
    _expect_same_run(bench, restarts)
    return status


def check_wrong_board(bench: Bench) -> str:
    """A description with a mistake, or of another board, is refused on the screen."""
    machine = bench.machine
    mistakes = {
        "typo": ('s/^source = .*/sauce = "v4l2"/', "sauce"),
        "other": ("s/linux,dummy-virt/raspberrypi,5-model-b/", "raspberrypi,5-model-b"),
    }
    for name, (edit, expected) in mistakes.items():
        cursor = bench.journal_cursor()
        machine.shell(f"sed '{edit}' {BOARD} >/run/board-{name}.toml")
        bench.restart(DRAWN_TOO, board=f"/run/board-{name}.toml", waits=False)
        bench.wait_until(
            "the log says what is wrong",
            60,
            lambda expected=expected, cursor=cursor: expected in bench.journal_since(cursor),
        )
        time.sleep(2)
        _compare_with_display(bench, f"board-{name}")
    bench.restart(f"--um-per-px {UM_PER_PX} {DRAWN_TOO}")
    bench.wait_until("counting goes on", 120, lambda: bench.fields() > 0)
    return "a mistake and another board's description are refused on screen and log"


def check_buttons(bench: Bench) -> str:
    """The first button finishes a smear once asked, shows its result, and starts the next one."""
    smear = _begin_smear(bench, bench.folder / "result.png")
    return f"smear {smear - 1} finished and smear {smear} begun"


def check_held_button(bench: Bench) -> str:
    """The first button, held, switches the board off cleanly."""
    start = time.monotonic()
    bench.machine.press("ret", hold_ms=4000)
    if not bench.machine.wait_until_off(60):
        raise BoardError("the board was still on 60 s after its first button was held")
    return f"off after {time.monotonic() - start:.1f} s"


def _main_process(bench: Bench) -> str:
    return bench.show("hemoscope", "MainPID")


def _interrupt(bench: Bench, signal: str) -> tuple[int, float]:
    """Sends the program a signal; gives the smear that it ended and how long it was away."""
    before = _main_process(bench)
    newest = max(line["smear"] for line in bench.records())
    bench.machine.shell(f"kill -{signal} $(pidof hemoscope)")
    back_s = bench.wait_until(
        "the program is ready again",
        90,
        lambda: (
            _main_process(bench) not in ("0", before)
            and bench.show("hemoscope", "ActiveState") == "active"
        ),
    )
    _expect_interrupted(bench, newest)
    return newest, back_s


def check_killed(bench: Bench) -> str:
    """A program that was killed is there again, and its smear is marked as interrupted."""
    newest, back_s = _interrupt(bench, "KILL")
    return f"ready again after {back_s:.1f} s, smear {newest} marked as interrupted"


def _expect_interrupted(bench: Bench, smear: int) -> None:
    lines = [line for line in bench.records() if line["smear"] == smear]
    numbers = [line["seq"] for line in lines]
    if numbers != list(range(len(numbers))):
        raise BoardError(f"lines of smear {smear} are missing: {numbers}")
    if not lines or "smear_interrupted" not in lines[-1]["event"]:
        raise BoardError(f"smear {smear} is not marked as interrupted: {lines[-1:]}")


def check_hung(bench: Bench) -> str:
    """A program that hangs is started again by the watchdog within 30 s, its smear marked."""
    newest, back_s = _interrupt(bench, "STOP")
    if back_s > 30:
        raise BoardError(f"the program was back after {back_s:.1f} s, more than 30")
    return f"ready again after {back_s:.1f} s, smear {newest} marked as interrupted"


def check_data_full(bench: Bench) -> str:
    """A full card stops neither the program nor its counting, and the screen says so."""
    machine = bench.machine
    restarts = bench.show("hemoscope", "NRestarts")
    machine.shell(
        "fallocate -l $(df --output=avail -B1 /data | tail -n 1) /data/filler || true;"
        " dd if=/dev/zero of=/data/filler2 bs=4k 2>/dev/null; sync; true"
    )
    bench.wait_until(
        "the program says that results are not saved",
        120,
        lambda: "not saved" in bench.status(),
    )
    status = bench.status()
    machine.photograph(bench.folder / "data-full.png")
    machine.shell("rm -f /data/filler /data/filler2")
    bench.wait_until("results are saved again", 120, lambda: "not saved" not in bench.status())
    if bench.show("hemoscope", "NRestarts") != restarts:
        raise BoardError("the program was started again because of the full card")
    return status


def check_reset(bench: Bench) -> str:
    """A board that is reset while it counts keeps its records and marks the smear."""
    machine = bench.machine
    if not bench.machine.shell("pidof camera-feeder", check=False):
        bench.start_camera("MJPG")
    bench.wait_until(
        "two fields are counted",
        120,
        lambda: int((re.match(r"(\d+) fields", bench.status()) or ["", "0"])[1]) >= 2,
    )
    kept = bench.counted()
    newest = max(line["smear"] for line in bench.records())
    start = len(machine.console)
    machine.qmp("system_reset")
    reset_at = time.monotonic()
    machine.wait_for("hemoscope: slot A", 120, start)
    machine.log_in(240)
    ready_s = wait_for_program(bench)
    _expect_interrupted(bench, newest)
    again = bench.counted(newest)
    if again[: len(kept)] != kept:
        raise BoardError(f"counted fields were lost: {kept} became {again}")
    wall_s = time.monotonic() - reset_at
    bench.figures["second_boot_ready_s"] = ready_s
    return (
        f"{len(kept)} fields kept, smear {newest} marked; second boot live {ready_s:.1f} s after"
        f" the kernel, looked at after {wall_s:.1f} s"
    )


def check_power_key(bench: Bench) -> str:
    """The power button switches the board off cleanly; the journal has been copied by then."""
    machine = bench.machine
    start = time.monotonic()
    machine.qmp("system_powerdown")
    if not machine.wait_until_off(60):
        raise BoardError("the board was still on 60 s after its power button was pressed")
    return f"off after {time.monotonic() - start:.1f} s"


def check_no_display(bench: Bench) -> str:
    """A board without any display blinks its light from the start, and the journal says why."""
    machine = bench.machine
    loader = machine.wait_for("hemoscope: slot A", 120).end()
    machine.log_in(240, loader)
    wait_for_program(bench)
    # The kernel and udev may have the light ready only now.
    bench.wait_until(
        "the light blinks", 60, lambda: edges_of(machine.trace, FAULT_LIGHT_LINE, 0) > 0
    )
    start = machine.trace.stat().st_size
    # The shell says how long it was on the board's clock.
    machine.shell("sleep 10")
    changes = edges_of(machine.trace, FAULT_LIGHT_LINE, start)
    said = machine.shell("journalctl -b -u hemoscope -o cat")
    if not 14 <= changes <= 22:
        raise BoardError(f"the light changed {changes} times in 10 s, about 20 wanted: {said}")
    reason = re.search(r"^hemoscope: .*display.*$", said, re.MULTILINE)
    if reason is None:
        raise BoardError(f"the journal does not say why nothing is on the display: {said}")
    return f"the light changed {changes} times in 10 s; {reason[0]}"


def check_clock_unset(bench: Bench) -> str:
    """A board without a clock says in its records that the time is not known."""
    machine = bench.machine
    bench.wait_until("the first line is kept", 60, bench.records)
    newest = bench.records()[-1]
    if newest.get("clock_set", True):
        raise BoardError(f"the records take the clock for set: {newest}")
    return f"date {machine.shell('date +%F')}, clock_set {newest.get('clock_set')}"


def check_spi_panel(bench: Bench) -> str:
    """A panel on SPI is sent, bit by bit, what the program draws into a file."""
    machine = bench.machine
    machine.shell("mkdir -p /run/test; mount -o ro LABEL=hemo-test /run/test")
    bench.restart(
        "--panel spi --panel png:/run/hemoscope/screen.png", board="/run/test/board-spi.toml"
    )
    drawn = bench.folder / "spi-drawn.png"
    differing = -1
    for _ in range(3):
        # The bus stands still once nothing on the screen changes any more.
        size, quiet = -1, 0
        while quiet < 4:
            time.sleep(1)
            quiet = quiet + 1 if machine.trace.stat().st_size == size else 0
            size = machine.trace.stat().st_size
        machine.fetch("/run/hemoscope/screen.png", drawn)
        want = read_png(drawn)
        have = read_picture(machine.trace, want.width_px, want.height_px)
        write_png(bench.folder / "spi-shown.png", have)
        # The panel has five bits of red and blue and six of green; the nearest level is sent.
        tops, shifts = (31, 63, 31), (3, 2, 3)
        coarse = bytes(
            (value * tops[at % 3] + 127) // 255 << shifts[at % 3]
            for at, value in enumerate(want.rgb)
        )
        differing = Picture(want.width_px, want.height_px, coarse).differing_pixels(have)
        if differing == 0 and have.colours() > 2:
            return f"{have.width_px}x{have.height_px}, no pixel differs, {size >> 20} MiB of edges"
    raise BoardError(f"{differing} pixels differ between spi-drawn.png and spi-shown.png")


# In this order; each group is one power-on.
BOARD_CHECKS = [
    check_boot,
    check_starting_screen,
    check_security,
    check_units,
    check_camera_jpeg,
    check_photograph,
    check_display_unplugged,
    check_display_card_removed,
    check_camera_lost,
    check_camera_stalled,
    check_grey_camera,
    check_two_cameras,
    check_wrong_board,
    check_buttons,
    check_killed,
    check_hung,
    check_data_full,
    check_read_only_data,
    check_reset,
    check_camera_yuyv,
    check_power_key,
]
# With a clock that follows from the instructions.
TIME_CHECKS = [check_guest_time]
# Without a display but a panel on SPI, and with a clock that was never set.
SPI_CHECKS = [check_no_display, check_clock_unset, check_spi_panel, check_held_button]
