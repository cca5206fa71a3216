"""Gives a board's own program bundles that are damaged or forged, and expects it to refuse each.

python3 board/test/bad_bundles.py --system FOLDER --keys FOLDER --out FOLDER

SYSTEM is a board's root file system, as far as `hemoscope update check` needs it; its programs are
run by QEMU's user emulation. One bundle is good, and has to be taken.
"""

import argparse
import os
import random
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cards import Keys, Maker, bundle, small_image
from machine import require

BOARD = "qemu-aarch64"
ENVELOPE = "bit flipped in the signature"
SEED = 7
IMAGE_BYTES = 3 << 20
LIMIT_S = 120


def parts(content: bytes) -> tuple[bytes, bytes]:
    """What a bundle consists of: payload with its tree, and signature."""
    length = struct.unpack(">Q", content[-8:])[0]
    return content[: -8 - length], content[-8 - length : -8]


def joined(payload: bytes, signature: bytes, length: int | None = None) -> bytes:
    """A bundle of its parts."""
    length = len(signature) if length is None else length
    return payload + signature + struct.pack(">Q", length)


def damaged(content: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """The good bundle with something wrong with it."""
    payload, signature = parts(content)
    size = len(content)
    # Every part of it: the head, every 128 KiB, the tree, the manifest, the signature, the length.
    places = [0, 4, 40, 96, *range(4096, len(payload), 128 << 10)]
    places += [len(payload) - at for at in (1, 40, 4096, 4097, 8192, 16384)]
    start = len(payload)
    places += [start + len(signature) * at // 24 for at in range(24)]
    places += [size - at for at in (1, 2, 5, 7, 8)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        is_envelope = start <= place < start + len(signature)
        yield f"{ENVELOPE if is_envelope else 'bit flipped'} at {place}", bytes(changed)
    for percent in (0, 1, 10, 25, 50, 75, 90, 99):
        yield f"cut at {percent} %", content[: size * percent // 100]
    for left in (1, 7, 8, 9, 100, len(signature), len(signature) + 8, 4096):
        yield f"last {left} bytes missing", content[:-left]
    yield "one byte more", content + b"\0"
    yield "a block more", content + bytes(4096)
    yield "a byte before", b"\0" + content
    yield "zeros", bytes(size)
    yield "noise", chance.randbytes(size)
    yield "text", b"no bundle\n" * 5000
    yield "a squashfs alone", payload
    yield "a signature alone", signature + struct.pack(">Q", len(signature))
    for more in (1, 100, 4096):
        yield f"{more} bytes behind the signature", joined(payload, signature + bytes(more))
    yield "no signature", joined(payload, b"")
    yield "a signature of zeros", joined(payload, bytes(len(signature)))
    for length in (1, len(signature) - 1, len(signature) + 1, size, 1 << 32, (1 << 64) - 1):
        yield f"length {length}", joined(payload, signature, length)
    blocks = [payload[at : at + 4096] for at in range(0, len(payload), 4096)]
    swapped = [blocks[1], blocks[0], *blocks[2:]]
    yield "two blocks swapped", joined(b"".join(swapped), signature)
    yield "a block missing", joined(b"".join(blocks[:3] + blocks[4:]), signature)
    yield "a block twice", joined(b"".join(blocks[:3] + blocks[2:]), signature)
    for at in (1, len(blocks) // 2, len(blocks) - 1):
        zeroed = [*blocks[:at], bytes(4096), *blocks[at + 1 :]]
        yield f"block {at} of {len(blocks)} zeroed", joined(b"".join(zeroed), signature)
    version = signature.replace(b"version=1.2.3", b"version=9.9.9")
    yield "another version in the manifest", joined(payload, version)
    board = signature.replace(b"compatible=hemoscope-qemu", b"compatible=hemoscope-xxxx")
    yield "another board in the manifest", joined(payload, board)


def forged(maker: Maker, keys: Keys, image: Path, good: Path) -> Iterator[tuple[str, bytes]]:
    """Bundles that are whole, and signed by somebody else or for something else."""
    root = (keys.folder / "root.pem", keys.folder / "root.key")

    def made(name: str, signer: tuple[str, str], text: str | None = None) -> tuple[str, bytes]:
        out = maker.folder / "forged.raucb"
        bundle.make(text or maker.manifest("1.2.3"), image, *signer, out, level=1)
        return name, out.read_bytes()

    subject = "/O=hemoscope development/CN=Development root, not for release"
    keys.authority("rogue", subject)
    rogue = (keys.folder / "rogue.pem", keys.folder / "rogue.key")
    yield made("signed below another root of the same name", keys.signer("one", rogue))
    yield made("signed by another root itself", (str(rogue[0]), str(rogue[1])))
    yield made("signed by the root itself", (str(root[0]), str(root[1])))
    for name, start, end in (
        ("expired", "20200101000000Z", "20210101000000Z"),
        ("expired yesterday", "20200101000000Z", None),
        ("not yet valid", "20450101000000Z", "20460101000000Z"),
    ):
        yesterday = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 86400))
        signer = keys.signer(name.replace(" ", "-"), root, start, end or yesterday)
        yield made(f"certificate {name}", signer)
    for purpose in ("serverAuth", "clientAuth", "emailProtection", "timeStamping", "OCSPSigning"):
        yield made(f"for {purpose}", keys.signer(purpose, root, purpose=purpose))
    authority = keys.signer("authority", root, is_authority=True)
    below = keys.signer("below", (Path(authority[0]), Path(authority[1])))
    yield made("without its intermediate", below)
    yield made("signed by an authority", authority)
    signer = maker.signer
    yield made("another board", signer, maker.manifest("1.2.3", board="raspberry-pi-4"))
    for version in ("1.2", "latest", "1.2.3+build", "01.2.3", "-1.0.0", "1.2.3-", "9" * 80):
        yield made(f"version {version[:12]}", signer, maker.manifest(version))
    plain = maker.manifest("1.2.3")
    yield made("no section of ours", signer, plain.split("[meta")[0])
    yield made("another format of it", signer, plain.replace("format=1", "format=2"))
    yield made("no compatible", signer, plain.replace("compatible=hemoscope-qemu-aarch64\n", ""))
    yield made("nothing in the manifest", signer, "[update]\n")
    yield made("a second image", signer, f"{plain}\n[image.other]\nfilename=rootfs.img\n")
    # The signature of one bundle on the payload of another.
    payload, _ = parts(good.read_bytes())
    _, other = made("", signer)
    yield "the signature of another bundle", joined(payload, parts(other)[1])
    whole = maker.folder / "manifest"
    for name, before, after in (
        ("a plain bundle", "format=verity", "format=plain"),
        ("a crypt bundle", "format=verity", "format=crypt"),
        ("no root of the tree", "verity-hash=", "other-hash="),
        ("no salt", "verity-salt=", "other-salt="),
    ):
        text = parts(good.read_bytes())[1]
        start = text.index(b"[update]")
        end = text.index(b"filename=rootfs.img\n") + len(b"filename=rootfs.img\n")
        whole.write_bytes(text[start:end].replace(before.encode(), after.encode()))
        signature = maker.folder / "signature"
        bundle.sign(whole, *signer, [], signature)
        yield name, joined(payload, signature.read_bytes())


def main() -> int:
    """Tries all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("system", "keys", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    system = arguments.system.resolve()
    keys = Keys(out / "keys")
    for name in ("root.pem", "root.key"):
        (keys.folder / name).write_bytes((arguments.keys / name).read_bytes())
    signer = tuple(str(arguments.keys.resolve() / f"signer.{each}") for each in ("pem", "key"))
    maker = Maker(out, BOARD, signer)
    image = small_image(out / "image", IMAGE_BYTES)
    good = maker.bundle("good", image, "1.2.3")

    # The board's RAUC, under the name by which its program calls it.
    emulator = f"{require('qemu-aarch64-static')} -cpu cortex-a72 -L {system}"
    programs = out / "programs"
    programs.mkdir(exist_ok=True)
    rauc = programs / "rauc"
    rauc.write_text(f'#!/bin/sh\nexec {emulator} {system}/usr/bin/rauc "$@"\n')
    rauc.chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    tried = out / "tried.raucb"

    def check(content: bytes) -> tuple[int, str]:
        tried.write_bytes(content)
        command = [*emulator.split(), f"{system}/usr/bin/hemoscope", "update", "check", str(tried)]
        done = subprocess.run(
            [*command, "--keyring", str(arguments.keys.resolve() / "root.pem")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=LIMIT_S,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace").strip()

    code, said = check(good.read_bytes())
    if code != 0:
        print(f"FAIL  the good bundle was refused: {said}")
        return 1
    good_answer = (code, said)
    count = wrong = 0
    chance = random.Random(SEED)
    reasons: list[str] = [f"taken: {said}"]
    for kind in (damaged(good.read_bytes(), chance), forged(maker, keys, image, good)):
        for name, content in kind:
            count += 1
            code, said = check(content)
            reasons.append(f"{name}: {said}")
            # A crash is no refusal.
            is_refused = code == 1 and "panicked" not in said
            # Some bits of a signature's envelope stand for nothing; what was signed is the same.
            is_as_signed = name.startswith(ENVELOPE) and (code, said) == good_answer
            if not is_refused and not is_as_signed:
                wrong += 1
                print(f"FAIL  {name}: status {code}: {said}", flush=True)
    (out / "reasons.txt").write_text("\n".join(reasons) + "\n")
    print(f"bad bundles: {count - wrong} of {count} refused or as signed, the good one taken")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
