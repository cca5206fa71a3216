"""Updates the emulated board from cards, and tries to break it.

python3 board/test/updates.py --image IMAGE --loader U-BOOT --root ROOT.EXT4 --keys FOLDER
--out FOLDER [--full] [--only NAME]... [--list]

The board is seen from outside: cards go into its slot, answers are given as its program gives
them, power is cut, and the disk is read afterwards. Each check leaves a board that runs a
confirmed system.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from boot_state import COPY_SECTORS, SECTOR_BYTES, BootState, copies_of, state_of, write_state
from cards import (
    INIT,
    MIB,
    Keys,
    Maker,
    changed_root,
    damage_ext4,
    damage_fat,
    ext4_card,
    fat_card,
    quiet,
    read_from_fat,
    small_image,
)
from machine import BoardError, Machine, put_on_boot_partition, require
from results import write_results

BOARD = "qemu-aarch64"
DEVELOPMENT = b"extra_arguments=systemd.debug_shell=ttyAMA0\n"
DISK_BYTES = 2048 * MIB
STATE = "/run/hemoscope-update/state.json"
ANSWER = "/run/hemoscope/update-answer.json"
UPDATE_FOLDER = "/data/update"
RECORDS = "/data/hemoscope/records"
MODEL = "/usr/share/hemoscope/models/smear-resnet/model.onnx"
PROGRAM_UNIT = "/usr/lib/systemd/system/hemoscope.service"
ROOTFS = Path(__file__).resolve().parents[1] / "common/rootfs"
AS_PROGRAM = "setpriv --reuid=hemoscope --regid=hemoscope --clear-groups"
ASK_RAUC = "busctl call de.pengutronix.rauc / de.pengutronix.rauc.Installer GetPrimary"
# Two fields of a simulated slide, as the program records them.
COUNT_SOMETHING = (
    f"systemctl stop hemoscope; cd /tmp; {AS_PROGRAM} hemoscope run"
    " --camera simulated:7 --fields 2 --panel png:/tmp/screen.png"
    " --model /usr/share/hemoscope/models/smear-resnet --data /data/hemoscope"
    " </dev/null >/tmp/count.txt; done=$?; systemctl start hemoscope; (exit $done)"
)
# As scripts/board-image lays out the disk.
SLOT_MIB = {"A": 65, "B": 465, "R": 866}
IMAGE_MIB = 256
DATA_AT_MIB = 1123
# What a busy machine may take.
BOOT_LIMIT_S = 300
CONFIRM_LIMIT_S = 420
CARD_LIMIT_S = 180
INSTALL_LIMIT_S = 600


def answer(kind: str, **more: object) -> dict:
    """What the program writes when the operator has decided."""
    return {"format": 1, "answer": kind, **more}


def hash_of(path: Path, at_mib: int = 0) -> str:
    """Of a root's image, as a file or on a disk."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(at_mib * MIB)
        for _ in range(IMAGE_MIB):
            digest.update(file.read(MIB))
    return digest.hexdigest()


@dataclass
class Device:
    """A board with its card, over many starts."""

    folder: Path
    disk: Path
    loader: Path
    machine: Machine | None = None
    figures: dict[str, float] = field(default_factory=dict)
    starts: int = 0
    # In the middle of something.
    power_cuts: int = 0
    pulled_cards: int = 0

    def power_on(self, rtc: str | None = None) -> None:
        """Power on, and no more."""
        self.starts += 1
        name = f"start-{self.starts}"
        self.machine = Machine(
            self.folder, self.disk, self.loader, name=name, rtc=rtc, card_slot=True
        )

    def switch_on(self, slot: str | None = None, rtc: str | None = None) -> None:
        """Power on, until somebody can look; the slot that has to come up."""
        self.power_on(rtc)
        self.comes_up(slot)

    def comes_up(self, slot: str | None, start: int = 0, limit_s: float = BOOT_LIMIT_S) -> str:
        """Waits until a slot has started and somebody can look; gives it."""
        wanted = slot or "[ABR]"
        found = self.machine.wait_for(f"hemoscope: slot ({wanted}),", limit_s, start)
        self.machine.log_in(limit_s)
        return found[1].decode()

    def cut(self) -> None:
        """Power off, at once."""
        if self.machine is not None:
            self.machine.cut_power()
            self.machine = None

    def fail_power(self) -> None:
        """Power off while something is under way."""
        self.power_cuts += 1
        self.cut()

    def shell(self, command: str, check: bool = True) -> str:
        """What a command says on the board."""
        return self.machine.shell(command, check=check)

    def state(self) -> dict:
        """Where the updater says that it stands; empty while it says nothing."""
        text = self.shell(f"cat {STATE}", check=False)
        found = re.search(r"\{.*\}", text, re.DOTALL)
        return json.loads(found[0]) if found else {}

    def wait_for_state(self, names: str | tuple[str, ...], limit_s: float) -> dict:
        """Waits until the updater has reached one of some states."""
        names = (names,) if isinstance(names, str) else names
        end = time.monotonic() + limit_s
        while True:
            state = self.state()
            if state.get("state") in names:
                return state
            if time.monotonic() > end:
                journal = self.shell("journalctl -b -u hemoscope-update -o cat | tail -n 8", False)
                raise BoardError(
                    f"not {' or '.join(names)} but {state} after {limit_s} s: {journal}"
                )
            time.sleep(0.5)

    def wait_until_confirmed(self) -> float:
        """Waits until the boot check of the running system is done; seconds since power-on."""
        end = time.monotonic() + CONFIRM_LIMIT_S
        while True:
            said = self.shell("systemctl is-active hemoscope-update hemoscope-boot-good", False)
            if said.split() == ["active", "active"] and self.state():
                return float(self.shell("cut -d ' ' -f 1 /proc/uptime"))
            if time.monotonic() > end:
                status = self.shell("systemctl status hemoscope-boot-good hemoscope-update", False)
                raise BoardError(f"not confirmed after {CONFIRM_LIMIT_S} s: {status}")
            time.sleep(1)

    def answer(self, what: dict) -> None:
        """Answers as the program does: the file is put in place whole."""
        text = json.dumps(what)
        self.shell(f"printf '%s' '{text}' >{ANSWER}.new && mv {ANSWER}.new {ANSWER}")

    def version(self) -> str:
        """The version of the system that runs."""
        text = self.shell("cat /usr/share/hemoscope/version")
        return re.search(r'^version = "(.*)"', text, re.MULTILINE)[1]

    def history(self) -> list[dict]:
        """The updates so far, oldest first."""
        text = self.shell(f"cat {UPDATE_FOLDER}/history.jsonl", check=False)
        return [json.loads(line) for line in re.findall(r"^\{.*\}", text, re.MULTILINE)]

    def photograph(self, name: str) -> None:
        """What the display shows."""
        self.machine.photograph(self.folder / f"{name}.png")

    def slot_hash(self, slot: str) -> str:
        """Of the image in a slot, as it lies on the disk."""
        return hash_of(self.disk, SLOT_MIB[slot])

    def boot_state(self) -> BootState:
        """The boot state as it lies on the disk; both copies have to be it."""
        copies = copies_of(self.disk)
        if copies[0] is None or copies[0] != copies[1]:
            raise BoardError(f"the copies of the boot state differ: {copies}")
        return copies[0]

    def offer_of(self, card: Path) -> dict:
        """Puts a card in, and waits for its offer."""
        start = time.monotonic()
        self.machine.insert_card(card)
        state = self.wait_for_state(("offered", "refused"), CARD_LIMIT_S)
        if state["state"] != "offered":
            raise BoardError(f"a good bundle was refused: {state}")
        self.figures["offer_s"] = time.monotonic() - start
        return state

    def install(self, card: Path) -> str:
        """From the card to the moment before the restart; gives the new version."""
        offer = self.offer_of(card)
        start = time.monotonic()
        agreed = {"sha256": offer["sha256"], "is_older_agreed": True}
        self.answer(answer("install", **agreed))
        state = self.wait_for_state(("ready_to_restart", "refused"), INSTALL_LIMIT_S)
        if state["state"] != "ready_to_restart":
            raise BoardError(f"it was not installed: {state}")
        self.figures["install_s"] = time.monotonic() - start
        self.machine.pull_card()
        return offer["version"]

    def restart(self, slot: str | None, limit_s: float = BOOT_LIMIT_S) -> None:
        """Restarts as the operator wants it."""
        start = len(self.machine.console)
        self.answer(answer("restart"))
        self.comes_up(slot, start, limit_s)


@dataclass
class Trial:
    """What the checks share."""

    device: Device
    keys: Keys
    maker: Maker
    root: Path
    folder: Path
    # The confirmed version that runs, and its slot.
    version: str = ""
    slot: str = "A"
    # Of the roots of the versions that were made: what a slot has to hold.
    roots: dict[str, str] = field(default_factory=dict)
    # Hashes of the lines that were recorded before all updates.
    recorded: list[str] = field(default_factory=list)
    # Numbers of the next versions.
    last: int = 0
    cards: int = 0

    def next_version(self) -> str:
        """A version that is newer than all before."""
        self.last += 1
        return f"90.{self.last}.0"

    def other(self) -> str:
        """The slot that does not run."""
        return "B" if self.slot == "A" else "A"

    def card(self, *bundles: Path) -> Path:
        """A card with some bundles, under names of their own."""
        self.cards += 1
        files = {bundle.name: bundle for bundle in bundles}
        return fat_card(self.folder / f"card-{self.cards}.img", files)

    def system_card(self, files: dict[str, bytes | None] | None = None) -> tuple[Path, str]:
        """A card with a newer version of the system, some of its files changed."""
        version = self.next_version()
        image = changed_root(self.root, self.folder / "changed.ext4", files or {}, version)
        self.roots[version] = hash_of(image)
        bundle = self.maker.bundle(f"system-{version}", image, version)
        image.unlink()
        card = self.card(bundle)
        bundle.unlink()
        return card, version

    def confirmed(self, version: str, slot: str) -> None:
        """A new version has come up: it has to be confirmed."""
        device = self.device
        device.figures["confirmed_s"] = device.wait_until_confirmed()
        ended = device.wait_for_state("ended", 60)
        if ended["outcome"] != "kept" or ended["to"] != version or device.version() != version:
            raise BoardError(f"{version} was not confirmed: {ended}, {device.version()} runs")
        state = device.boot_state()
        left = state.left_a if slot == "A" else state.left_b
        if not state.order.startswith(slot) or left != 9:
            raise BoardError(f"{version} is confirmed in slot {slot}, but {state}")
        if device.slot_hash(slot) != self.roots[version]:
            raise BoardError(f"{version} is confirmed, and slot {slot} does not hold its root")
        self.version, self.slot = version, slot
        time.sleep(2)
        device.photograph(f"confirmed-{version}")
        device.answer(answer("seen"))
        device.wait_for_state("idle", 30)

    def rolled_back(self, to: str, reason: str) -> dict:
        """The version before has to run again, and say why."""
        device = self.device
        device.wait_until_confirmed()
        ended = device.wait_for_state("ended", 60)
        if ended["outcome"] != "rolled_back" or ended["to"] != to:
            raise BoardError(f"no word of the rollback from {to}: {ended}")
        if not re.search(reason, ended["reason"]):
            raise BoardError(f"the reason is {ended['reason']!r}, not {reason!r}")
        if device.version() != self.version:
            raise BoardError(f"{device.version()} runs, not {self.version}")
        self.expect_confirmed()
        time.sleep(2)
        device.photograph(f"rolled-back-{to}")
        device.answer(answer("seen"))
        device.wait_for_state("idle", 30)
        return ended

    def expect_confirmed(self) -> None:
        """The confirmed version starts next, with all its tries."""
        state = self.device.boot_state()
        left = state.left_a if self.slot == "A" else state.left_b
        if not state.order.startswith(self.slot) or left != 9:
            raise BoardError(f"slot {self.slot} should start next, but {state}")


# --- what is refused -----------------------------------------------------------------------------


def hostile_cards(trial: Trial, full: bool) -> list[tuple[str, Path, tuple[str, ...]]]:
    """Cards that must not be offered, each with what may follow: a state, of a refusal its kind."""
    maker, keys, folder = trial.maker, trial.keys, trial.folder
    image = small_image(folder / "small.img")
    root = keys.folder / "root"
    trusted = (root.with_suffix(".pem"), root.with_suffix(".key"))
    keys.authority("rogue", "/O=hemoscope development/CN=Development root, not for release")
    rogue = keys.signer("rogue-signer", (keys.folder / "rogue.pem", keys.folder / "rogue.key"))
    version = "95.0.0"
    good = maker.bundle("good", image, version)
    content = good.read_bytes()
    rows: list[tuple[str, Path, tuple[str, ...]]] = []

    def add(name: str, card: Path, *expected: str) -> None:
        rows.append((name, card, expected))

    def signed(name: str, signer: tuple[str, str], **options: object) -> None:
        add(name, trial.card(maker.bundle(name, image, version, signer, **options)), "not_genuine")

    def bytes_card(name: str, data: bytes, *expected: str) -> None:
        path = folder / f"{name}.raucb"
        path.write_bytes(data)
        add(name, trial.card(path), *expected)

    signed("rogue-signature", rogue)
    expired = keys.signer("expired", trusted, "20200101000000Z", "20210101000000Z")
    signed("expired", expired)
    future = keys.signer("not-yet-valid", trusted, "20400101000000Z", "20450101000000Z")
    signed("not-yet-valid", future)
    signed("other-purpose", keys.signer("mail", trusted, purpose="emailProtection"))
    other = maker.bundle("other-board", image, version, board="raspberry-pi-4")
    add("other-board", trial.card(other), "other_board")
    bytes_card("truncated", content[: len(content) * 2 // 3], "unreadable", "not_genuine")
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 0x10
    bytes_card("bit-flipped", bytes(flipped), "not_genuine", "unreadable")
    bytes_card("zero-length", b"", "unreadable")
    bytes_card("text", b"This is no bundle.\n" * 500, "unreadable", "not_genuine")
    second = maker.bundle("second", image, "96.0.0")
    add("two-bundles", trial.card(good, second), "several")
    tree = folder / "sparse"
    tree.mkdir(exist_ok=True)
    with (tree / "huge.raucb").open("wb") as file:
        file.write(content[:4096])
        file.truncate(10 << 30)
    add("sparse-10-gb", ext4_card(folder / "sparse.img", tree, 64 * MIB), "unreadable")
    tree = folder / "links"
    tree.mkdir(exist_ok=True)
    (tree / "link.raucb").unlink(missing_ok=True)
    (tree / "link.raucb").symlink_to("other/good.bin")
    (tree / "other").mkdir(exist_ok=True)
    (tree / "other/good.bin").write_bytes(content)
    (tree / ".hidden.raucb").write_bytes(content)
    (tree / "folder.raucb").mkdir(exist_ok=True)
    add("symbolic-link", ext4_card(folder / "links.img", tree, 64 * MIB), "idle")
    apple = folder / "._hemoscope.raucb"
    apple.write_bytes(b"\0\5\26\7" + bytes(4092))
    add("apple-double", trial.card(apple), "idle")
    running = maker.bundle("running", image, trial.version)
    add("same-version", trial.card(running), "idle")
    damaged = trial.card(good)
    damage_fat(damaged)
    add("damaged-fat", damaged, "idle", "unreadable", "not_genuine")
    if full:
        for percent in (1, 20, 40, 60, 80, 90, 99):
            flipped = bytearray(content)
            flipped[len(content) * percent // 100] ^= 1
            bytes_card(f"flipped-{percent}", bytes(flipped), "not_genuine", "unreadable")
            cut = content[: len(content) * percent // 100]
            bytes_card(f"cut-{percent}", cut, "unreadable", "not_genuine")
        authority = keys.signer("intermediate", trusted, is_authority=True)
        below = keys.signer("below", (Path(authority[0]), Path(authority[1])))
        signed("without-intermediate", below)
        noise = folder / "noise.img"
        noise.write_bytes(os.urandom(16 * MIB))
        add("no-file-system", noise, "idle", "unreadable")
        empty = folder / "empty.txt"
        empty.write_text("nothing\n")
        add("no-bundle", trial.card(empty), "idle")
    return rows


def judge_card(trial: Trial, name: str, card: Path, expected: tuple[str, ...]) -> str:
    """Puts a card in; gives what followed, which has to be among what is expected."""
    device = trial.device
    device.machine.insert_card(card)
    states = ("refused", "offered", "installing")
    if expected == ("idle",) or "idle" in expected:
        # Long enough to have been looked at, which takes two seconds.
        end = time.monotonic() + 10
        state = device.state()
        while time.monotonic() < end and state["state"] not in states:
            state = device.state()
    else:
        state = device.wait_for_state(states, CARD_LIMIT_S)
    found = state["kind"] if state["state"] == "refused" else state["state"]
    if name in ("rogue-signature", "other-board", "two-bundles"):
        time.sleep(2)
        device.photograph(f"refused-{name}")
    device.machine.pull_card()
    device.wait_for_state("idle", 30)
    if found not in expected:
        raise BoardError(f"{name}: {state} where {expected} was expected")
    return found


def check_refusals(trial: Trial, full: bool) -> str:
    """Nothing that a card holds is offered unless it is genuine and for this device."""
    device = trial.device
    slots, state = device.slot_hash(trial.other()), device.boot_state()
    rows = hostile_cards(trial, full)
    wrong = []
    for name, card, expected in rows:
        try:
            judge_card(trial, name, card, expected)
        except BoardError as error:
            wrong.append(f"{name}: {error}")
            trial.device.machine.pull_card()
    report = read_from_fat(rows[0][1], "hemoscope-report.txt")
    if report is None or "refused" not in report:
        wrong.append(f"the card's report says {report!r}")
    if device.slot_hash(trial.other()) != slots or device.boot_state() != state:
        wrong.append("a slot or the boot state was touched")
    if device.shell("ls -A /data/update | grep -c staged || true").strip() != "0":
        wrong.append("a copy was left behind")
    # RAUC takes orders from root alone, not from the program.
    said = device.shell(f"{AS_PROGRAM} {ASK_RAUC}; echo status $?", check=False)
    answered = device.shell(ASK_RAUC, check=False)
    if "status 0" in said or "rootfs." not in answered:
        wrong.append(f"the program may order RAUC about, or root may not: {said} {answered}")
    if wrong:
        raise BoardError("; ".join(wrong))
    return f"{len(rows)} cards, none offered, nothing written"


def check_names(trial: Trial, full: bool) -> str:
    """A bundle with a name in any script is taken; hidden files beside it do not matter."""
    device = trial.device
    bundle = trial.maker.bundle("names", small_image(trial.folder / "small.img"), "95.1.0")
    apple = trial.folder / "apple"
    apple.write_bytes(bytes(4096))
    names = ["обновление – 更新 – تحديث.RAUCB", "mise à jour (1).raucb"]
    for name in names if full else names[:1]:
        path = trial.folder / "named.img"
        offer = device.offer_of(fat_card(path, {name: bundle, f"._{name}": apple}))
        if offer["version"] != "95.1.0":
            raise BoardError(f"offered {offer}")
        device.answer(answer("later", sha256=offer["sha256"]))
        device.wait_for_state("idle", 30)
        device.machine.pull_card()
        time.sleep(2)
    return "offered, put off, and gone with the card"


def check_media(trial: Trial, full: bool) -> str:
    """A bundle on a USB stick, on exFAT and on ext4 is offered too."""
    device = trial.device
    bundle = trial.maker.bundle("media", small_image(trial.folder / "small.img"), "95.3.0")

    def put_off() -> None:
        offer = device.wait_for_state(("offered", "refused"), CARD_LIMIT_S)
        if offer.get("version") != "95.3.0":
            raise BoardError(f"not offered: {offer}")
        device.answer(answer("later", sha256=offer["sha256"]))
        device.wait_for_state("idle", 30)

    stick = trial.card(bundle)
    device.machine.insert_stick(stick)
    device.wait_for_state("offered", CARD_LIMIT_S)
    # The copy is what is put onto the other cards.
    device.shell("cp /data/update/staged.raucb /data/media.raucb")
    put_off()
    device.machine.pull_stick()
    for make in (["mkfs.exfat"], ["mke2fs", "-q", "-t", "ext4"]):
        card = trial.folder / "media.img"
        with card.open("wb") as file:
            file.truncate(64 * MIB)
        quiet([require(make[0]), *make[1:], str(card)])
        kind = "exfat" if "exfat" in make[0] else "ext4"
        device.machine.insert_card(card)
        device.shell(
            "until [ -b /dev/mmcblk0 ]; do sleep 1; done; sleep 3; mkdir -p /run/media;"
            f" mount -t {kind} /dev/mmcblk0 /run/media && cp /data/media.raucb /run/media/ &&"
            " umount /run/media"
        )
        device.machine.pull_card()
        time.sleep(3)
        device.machine.insert_card(card)
        put_off()
        device.machine.pull_card()
        time.sleep(2)
    device.shell("rm /data/media.raucb")
    return "offered from a USB stick, from exFAT and from ext4"


def check_older(trial: Trial, full: bool) -> str:
    """An older version is offered as one, and not installed without the second consent."""
    device = trial.device
    bundle = trial.maker.bundle("older", small_image(trial.folder / "small.img"), "0.0.1")
    offer = device.offer_of(trial.card(bundle))
    time.sleep(2)
    device.photograph("offered-older")
    if not offer["is_older"]:
        raise BoardError(f"an older version was offered as a newer one: {offer}")
    device.answer(answer("install", sha256=offer["sha256"], is_older_agreed=False))
    stale = "0" * 64
    time.sleep(3)
    device.answer(answer("install", sha256=stale, is_older_agreed=True))
    time.sleep(3)
    state = device.state()
    if state["state"] != "offered":
        raise BoardError(f"installed without consent, or on a stale one: {state}")
    device.answer(answer("later", sha256=offer["sha256"]))
    device.wait_for_state("idle", 30)
    device.machine.pull_card()
    time.sleep(2)
    return "offered as older, not installed without consent, nor on a stale answer"


def put_off_and_pull(device: Device, card: Path) -> None:
    """An update is offered; the operator says not now and takes the card out."""
    offer = device.offer_of(card)
    device.answer(answer("later", sha256=offer["sha256"]))
    device.wait_for_state("idle", 30)
    device.machine.pull_card()
    time.sleep(2)


def check_pulled(trial: Trial, full: bool) -> str:
    """A card that is pulled while it is copied is told, and taken when it is back."""
    device = trial.device
    card, _ = trial.system_card()
    moments = (0, 20, 50, 80) if full else (0,)
    for percent in moments:
        device.machine.insert_card(card)
        reach(device, "copying", percent)
        if percent == 0:
            time.sleep(1)
            device.photograph("copying")
        device.machine.pull_card()
        device.pulled_cards += 1
        state = device.wait_for_state(("refused", "idle", "offered"), CARD_LIMIT_S)
        if state["state"] == "offered" or state.get("kind", "card_pulled") != "card_pulled":
            raise BoardError(f"pulled while it was copied, and then {state}")
        device.wait_for_state("idle", 30)
        time.sleep(2)
    put_off_and_pull(device, card)
    times = ", ".join(f"{percent} %" for percent in moments)
    return f"told at {times} of the copy, and offered when it was back"


# --- what is installed ---------------------------------------------------------------------------


def check_good(trial: Trial, full: bool) -> str:
    """A good update is offered, installed while the program runs, and confirmed."""
    device = trial.device
    card, version = trial.system_card()
    runs = device.shell("systemctl show --value -p NRestarts -p MainPID hemoscope")
    slot = trial.other()
    offer = device.offer_of(card)
    device.machine.pull_card()
    time.sleep(2)
    device.photograph("offered")
    device.answer(answer("install", sha256=offer["sha256"], is_older_agreed=False))
    device.wait_for_state(("installing", "ready_to_restart"), 60)
    start = time.monotonic()
    time.sleep(5)
    device.photograph("installing")
    state = device.wait_for_state(("ready_to_restart", "refused"), INSTALL_LIMIT_S)
    if state["state"] != "ready_to_restart":
        raise BoardError(f"it was not installed: {state}")
    device.figures["install_s"] = time.monotonic() - start
    time.sleep(2)
    device.photograph("ready")
    if device.shell("systemctl show --value -p NRestarts -p MainPID hemoscope") != runs:
        raise BoardError("the program was started again while the update was installed")
    start = time.monotonic()
    device.restart(slot)
    trial.confirmed(version, slot)
    offer_s, install_s = device.figures["offer_s"], device.figures["install_s"]
    return (
        f"offered after {offer_s:.0f} s, installed in {install_s:.0f} s, confirmed"
        f" {time.monotonic() - start:.0f} s after the restart"
    )


def check_clock(trial: Trial, full: bool) -> str:
    """A clock that is not set, or far ahead, keeps no good bundle out and lets no bad one in."""
    device, keys = trial.device, trial.keys
    root = keys.folder / "root"
    trusted = (root.with_suffix(".pem"), root.with_suffix(".key"))
    image = small_image(trial.folder / "small.img")
    expired = keys.signer("expired", trusted, "20200101000000Z", "20210101000000Z")
    future = keys.signer("not-yet-valid", trusted, "20400101000000Z", "20450101000000Z")
    now = keys.signer("now", trusted, "20250101000000Z", "20300101000000Z")
    good = trial.card(trial.maker.bundle("clock", image, "95.2.0", now))
    bad = [
        trial.card(trial.maker.bundle("clock-expired", image, "95.2.0", expired)),
        trial.card(trial.maker.bundle("clock-future", image, "95.2.0", future)),
    ]
    for rtc in ("1970-01-01T00:00:00", "2042-01-01T00:00:00"):
        device.cut()
        device.switch_on(trial.slot, rtc=rtc)
        device.wait_until_confirmed()
        for card in bad:
            judge_card(trial, f"clock of {rtc}", card, ("not_genuine",))
        offer = device.offer_of(good)
        device.answer(answer("later", sha256=offer["sha256"]))
        device.machine.pull_card()
    device.cut()
    device.switch_on(trial.slot)
    device.wait_until_confirmed()
    return "signing time decides, whether the clock says 1970 or 2042"


def roll_back(trial: Trial, files: dict[str, bytes | None], reason: str, limit_s: float) -> str:
    """Installs a version that does not work, and expects the one before again."""
    device = trial.device
    card, version = trial.system_card(files)
    device.install(card)
    slot, console = trial.other(), len(device.machine.console)
    start = time.monotonic()
    device.answer(answer("restart"))
    device.machine.wait_for(f"hemoscope: slot {slot},", BOOT_LIMIT_S, console)
    device.comes_up(trial.slot, console, limit_s)
    seconds = time.monotonic() - start
    ended = trial.rolled_back(version, reason)
    return f"the version before runs again after {seconds:.0f} s: {ended['reason']}"


def check_panics(trial: Trial, full: bool) -> str:
    """A new version whose kernel panics is rolled back after its tries."""
    files = {INIT: b"#!/bin/busybox sh\nexit 1\n"}
    return roll_back(trial, files, "start", 300)


def check_hangs(trial: Trial, full: bool) -> str:
    """A new version that hangs before anything watches it is reset and rolled back."""
    files = {INIT: b"#!/bin/busybox sh\nwhile :; do /bin/busybox sleep 1000; done\n"}
    return roll_back(trial, files, "start", 600)


def check_no_kernel(trial: Trial, full: bool) -> str:
    """A new version without a kernel is passed over at once."""
    return roll_back(trial, {"/boot/Image": None}, "start", 200)


def check_no_model(trial: Trial, full: bool) -> str:
    """A new version that cannot open its model is rolled back."""
    return roll_back(trial, {MODEL: b"no model\n"}, ".", 900)


def check_no_program(trial: Trial, full: bool) -> str:
    """A new version without its program, which would check it, is rolled back too."""
    return roll_back(trial, {"/usr/bin/hemoscope": b"#!/bin/sh\nexit 1\n"}, "start", 1500)


def check_no_data(trial: Trial, full: bool) -> str:
    """A new version that cannot read the records is rolled back."""
    unit = (ROOTFS / PROGRAM_UNIT[1:]).read_text()
    blind = unit.replace("[Service]\n", f"[Service]\nInaccessiblePaths={RECORDS}\n")
    reason = "cannot read or write the records"
    return roll_back(trial, {PROGRAM_UNIT: blind.encode()}, reason, 900)


# --- power cuts ----------------------------------------------------------------------------------


def reach(device: Device, name: str, percent: int = 0) -> None:
    """Waits until the updater is so far in something."""
    before = {"copying": ("idle",), "checking": ("idle", "copying"), "installing": ("offered",)}
    end = time.monotonic() + INSTALL_LIMIT_S
    while True:
        state = device.state()
        if state["state"] == name and state.get("percent", 0) >= percent:
            return
        if state["state"] not in (name, *before[name]) or time.monotonic() > end:
            raise BoardError(f"{name} was over before {percent} % of it were seen: {state}")
        time.sleep(0.1)


def comes_back(trial: Trial, moment: str) -> None:
    """After a cut before the new version is whole: the previous one runs on, with all tries."""
    device = trial.device
    state = state_of(device.disk)
    if state is None or not state.order.startswith(trial.slot):
        raise BoardError(f"cut at {moment}, and the boot state is {state}")
    device.switch_on(trial.slot)
    device.wait_until_confirmed()
    if device.version() != trial.version:
        raise BoardError(f"{device.version()} runs after the cut at {moment}")
    device.wait_for_state(("idle", "ended"), 60)
    device.answer(answer("seen"))
    device.wait_for_state("idle", 30)
    trial.expect_confirmed()


def check_cut_installing(trial: Trial, full: bool) -> str:
    """The power fails before the update is whole: nothing but the update is lost."""
    device = trial.device
    card, _ = trial.system_card()
    moments = [("copying", 30), ("copying", 80), ("checking", 0)] if full else []
    percents = (2, 10, 25, 40, 55, 70, 85, 95) if full else (50,)
    moments += [("installing", percent) for percent in percents]
    for name, percent in moments:
        if name == "installing":
            offer = device.offer_of(card)
            device.answer(answer("install", sha256=offer["sha256"], is_older_agreed=False))
        else:
            device.machine.insert_card(card)
        reach(device, name, percent)
        device.fail_power()
        comes_back(trial, f"{name} {percent} %")
    times = ", ".join(f"{name} {percent} %" for name, percent in moments)
    return f"cut at {times}; the same version came back, and a card again"


# Where a start is cut, by what the console says, or seconds after somebody can look.
START_MOMENTS: list[list[str | float]] = [
    # Before the loader has counted the try, after it, and in the kernel.
    ["U-Boot 20", "hemoscope: slot", "Starting kernel"],
    # The program comes up; the boot check is under way.
    [0.0, 6.0],
]


def check_cut_starting(trial: Trial, full: bool) -> str:
    """The power fails while the new version starts and is checked: it stays on trial."""
    device = trial.device
    for moments in START_MOMENTS if full else START_MOMENTS[:1]:
        card, version = trial.system_card()
        device.install(card)
        slot, console = trial.other(), len(device.machine.console)
        device.answer(answer("restart"))
        for moment in moments:
            if isinstance(moment, str):
                device.machine.wait_for(moment, BOOT_LIMIT_S, console)
            else:
                device.comes_up(slot, console)
                time.sleep(moment)
            device.fail_power()
            state, console = state_of(device.disk), 0
            if state is None or not state.order.startswith(slot):
                raise BoardError(f"cut at {moment}, and the boot state is {state}")
            device.power_on()
        device.comes_up(slot)
        trial.confirmed(version, slot)
    return "on trial after each cut, and confirmed in the end"


def check_cut_confirmed(trial: Trial, full: bool) -> str:
    """The power fails after the installation, and after the boot check: the update stays."""
    device = trial.device
    card, version = trial.system_card()
    device.install(card)
    slot = trial.other()
    device.fail_power()
    device.switch_on(slot)
    device.wait_until_confirmed()
    device.fail_power()
    device.switch_on(slot)
    trial.confirmed(version, slot)
    return f"{version} started after the first cut, and stayed after the second"


def check_used_up(trial: Trial, full: bool) -> str:
    """A version whose every start is cut goes back to the one before."""
    device = trial.device
    card, version = trial.system_card()
    device.install(card)
    slot, console = trial.other(), len(device.machine.console)
    device.answer(answer("restart"))
    device.machine.wait_for(f"hemoscope: slot {slot},", BOOT_LIMIT_S, console)
    for _ in range(2):
        device.fail_power()
        device.power_on()
        device.machine.wait_for(f"hemoscope: slot {slot},", BOOT_LIMIT_S)
    device.fail_power()
    device.switch_on(trial.slot)
    trial.rolled_back(version, "start")
    return "three starts cut, and the version before runs again"


def check_torn_state(trial: Trial, full: bool) -> str:
    """The boot state torn in one copy changes nothing; torn in both, the rescue system helps."""
    device = trial.device
    device.cut()
    for sector in COPY_SECTORS:
        with device.disk.open("r+b") as file:
            file.seek(sector * SECTOR_BYTES + 8)
            file.write(b"torn")
        if sector == COPY_SECTORS[0]:
            device.switch_on(trial.slot)
            device.wait_until_confirmed()
            trial.expect_confirmed()
            device.cut()
    with device.disk.open("r+b") as file:
        for sector in COPY_SECTORS:
            file.seek(sector * SECTOR_BYTES)
            file.write(bytes(SECTOR_BYTES))
    device.switch_on("R")
    device.wait_until_confirmed()
    device.wait_for_state("recovery", 60)
    time.sleep(2)
    device.photograph("recovery")
    return recover(trial)


def recover(trial: Trial) -> str:
    """From the rescue system back to a confirmed one, by a card."""
    device = trial.device
    card, version = trial.system_card()
    device.install(card)
    device.restart("A")
    trial.confirmed(version, "A")
    return f"the rescue system took {version} from a card, which was confirmed"


def check_try_again(trial: Trial, full: bool) -> str:
    """With no tries left the rescue system starts, and the operator can try them again."""
    device = trial.device
    device.cut()
    state = state_of(device.disk)
    write_state(device.disk, BootState(state.order, 0, 0))
    device.switch_on("R")
    device.wait_until_confirmed()
    device.wait_for_state("recovery", 60)
    console = len(device.machine.console)
    device.answer(answer("try_again"))
    device.comes_up(trial.slot, console)
    device.wait_until_confirmed()
    trial.expect_confirmed()
    return f"slot {trial.slot} runs again"


def check_data_full(trial: Trial, full: bool) -> str:
    """A full data partition refuses an update with its reason, and keeps nothing from starting."""
    device = trial.device
    card, _ = trial.system_card()
    # In large pieces first; what is left afterwards fits nothing.
    device.shell(
        "dd if=/dev/zero of=/data/full bs=1M 2>/dev/null; dd if=/dev/zero of=/data/full2 bs=1k"
        " 2>/dev/null; sync; df /data | tail -n 1"
    )
    device.machine.insert_card(card)
    state = device.wait_for_state(("refused", "offered"), CARD_LIMIT_S)
    if state.get("kind") != "no_room":
        raise BoardError(f"a full data partition, and {state}")
    device.machine.pull_card()
    device.cut()
    device.switch_on(trial.slot)
    device.wait_until_confirmed()
    trial.expect_confirmed()
    device.shell("rm -f /data/full /data/full2; sync")
    put_off_and_pull(device, card)
    return "refused for want of room, started, and offered once there was room"


def check_data_damaged(trial: Trial, full: bool) -> str:
    """A data partition that its journal does not mend is repaired at the next start."""
    device = trial.device
    device.shell("echo broken >/data/broken; sync")
    device.machine.qmp("system_powerdown")
    if not device.machine.wait_until_off(60):
        raise BoardError("the board was still on 60 s after its power button was pressed")
    device.cut()
    damage_ext4(device.disk, DATA_AT_MIB, "/broken")
    device.switch_on(trial.slot)
    device.wait_until_confirmed()
    said = device.shell("dmesg | grep hemoscope:", check=False)
    mounted = device.shell("findmnt -n -o OPTIONS /data")
    if "UNEXPECTED INCONSISTENCY" not in said or not mounted.startswith("rw,"):
        raise BoardError(f"not repaired, or nothing was damaged: {said}, mounted {mounted}")
    if missing := missing_records(trial):
        raise BoardError(f"{missing} lines of the records are gone after the repair")
    journal = device.shell("journalctl -b -u hemoscope -o cat | grep repaired", check=False)
    if "has been repaired" not in journal:
        raise BoardError(f"the program does not tell of the repair: {journal}")
    device.photograph("repaired")
    trial.expect_confirmed()
    return "repaired at the start and told, with every line of the records"


def check_records(trial: Trial, full: bool) -> str:
    """What was recorded before all updates is still there, to the byte."""
    if missing := missing_records(trial):
        raise BoardError(f"{missing} lines of the records are gone")
    verify = "hemoscope records /data/hemoscope verify | tail -n 3"
    said = trial.device.shell(verify, check=False)
    return f"all lines are there: {' '.join(said.split())[:120]}"


def missing_records(trial: Trial) -> int:
    """How many of the lines are gone that were recorded before all updates."""
    now = recorded(trial.device)
    return sum(line not in now for line in trial.recorded)


def recorded(device: Device) -> list[str]:
    """The hash of every line of the records."""
    command = (
        f"cat {RECORDS}/*.jsonl | while read -r line;"
        " do printf '%s' \"$line\" | sha256sum | cut -c 1-64; done"
    )
    return re.findall(r"\b[0-9a-f]{64}\b", device.shell(command, check=False))


Check = Callable[[Trial, bool], str]
USUAL: list[Check] = [
    check_refusals,
    check_names,
    check_older,
    check_pulled,
    check_good,
    check_panics,
    check_cut_installing,
    check_records,
]
FULL: list[Check] = [
    check_refusals,
    check_names,
    check_media,
    check_older,
    check_pulled,
    check_good,
    check_clock,
    check_panics,
    check_hangs,
    check_no_kernel,
    check_no_model,
    check_no_program,
    check_no_data,
    check_cut_installing,
    check_cut_starting,
    check_cut_confirmed,
    check_used_up,
    check_data_full,
    check_data_damaged,
    check_try_again,
    check_torn_state,
    check_records,
]


def name_of(check: Check) -> str:
    """The name of a check, as `--only` takes it."""
    return check.__name__.removeprefix("check_")


def begin(arguments: argparse.Namespace) -> Trial:
    """A device from the factory, confirmed, with something recorded."""
    disk = arguments.out / "device.img"
    subprocess.run(["cp", "--sparse=always", str(arguments.image), str(disk)], check=True)
    os.truncate(disk, DISK_BYTES)
    put_on_boot_partition(disk, {"extra.env": DEVELOPMENT}, arguments.out)
    device = Device(arguments.out, disk, arguments.loader)
    folder = arguments.out / "cards"
    folder.mkdir(exist_ok=True)
    keys = Keys(arguments.out / "keys")
    for name in ("root.pem", "root.key"):
        (keys.folder / name).write_bytes((arguments.keys / name).read_bytes())
    signer = tuple(str(arguments.keys / f"signer.{each}") for each in ("pem", "key"))
    trial = Trial(device, keys, Maker(folder, BOARD, signer), arguments.root, folder)
    try:
        device.switch_on("A")
        device.figures["first_confirmed_s"] = device.wait_until_confirmed()
        trial.version = device.version()
        device.wait_for_state("idle", 60)
        device.machine.shell(COUNT_SOMETHING, limit_s=600)
        trial.recorded = recorded(device)
        if not trial.recorded:
            raise BoardError("nothing was recorded that could be lost")
    except BoardError:
        device.cut()
        raise
    return trial


def save_journal(device: Device) -> None:
    """Keeps the journal of the start beside the results."""
    if device.machine is None:
        return
    try:
        device.shell("journalctl -b -o short-monotonic >/run/journal.txt")
        name = f"{device.machine.name}-journal.txt"
        device.machine.fetch("/run/journal.txt", device.folder / name)
    except (BoardError, OSError) as error:
        print(f"the journal could not be fetched: {error}", file=sys.stderr)


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("image", "loader", "root", "keys", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    parser.add_argument("--full", action="store_true")
    names = [name_of(check) for check in FULL]
    parser.add_argument("--only", action="append", default=[], choices=names)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.out = arguments.out.resolve()
    os.environ["PATH"] += ":/usr/sbin:/sbin"

    checks = FULL if arguments.full or arguments.only else USUAL
    if arguments.only:
        checks = [check for check in checks if name_of(check) in arguments.only]
    trial = begin(arguments)
    device = trial.device
    print(f"      begins after {device.figures['first_confirmed_s']:.0f} s with {trial.version}")
    results: list[tuple[str, bool, float, str]] = []
    for check in checks:
        start = time.monotonic()
        try:
            said, passed = check(trial, arguments.full), True
        except (BoardError, RuntimeError) as error:
            said, passed = str(error), False
        except Exception:
            said, passed = traceback.format_exc(), False
        seconds = time.monotonic() - start
        results.append((name_of(check), passed, seconds, said))
        print(
            f"{'pass' if passed else 'FAIL'}  {name_of(check):14} {seconds:6.1f} s  {said}",
            flush=True,
        )
        if not passed:
            save_journal(device)
            if not restore(trial):
                break
    save_journal(device)
    device.cut()
    device.disk.unlink(missing_ok=True)
    device.figures["power_cuts"] = device.power_cuts
    device.figures["pulled_cards"] = device.pulled_cards
    failed = write_results(arguments.out, results, device.figures)
    return 1 if failed or len(results) < len(checks) else 0


def restore(trial: Trial) -> bool:
    """After a check that failed: a board that runs a confirmed system, if it still can."""
    device = trial.device
    try:
        device.cut()
        device.switch_on()
        device.wait_until_confirmed()
        trial.version = device.version()
        found = re.search(r"hemoscope\.slot=(\w)", device.shell("cat /proc/cmdline"))
        trial.slot = found[1] if found[1] in "AB" else "A"
        if device.state()["state"] == "ended":
            device.answer(answer("seen"))
        return device.wait_for_state(("idle", "recovery"), 60)["state"] == "idle"
    except (BoardError, OSError) as error:
        print(f"the board did not come back: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    sys.exit(main())
