"""Makes an update bundle, as RAUC reads it.

python3 board/bundle/bundle.py --manifest FILE --image FILE --cert FILE --key KEY
[--intermediate FILE]... --out FILE

A bundle of the "verity" kind is a squashfs with the images, the tree of hashes of its blocks, the
manifest with the tree's root in a signature (CMS), and the signature's length in eight bytes. RAUC
before 1.9, which Debian 12 has, cannot put a manifest's [meta] sections into one.
"""

import argparse
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK_BYTES = 4096
DIGEST_BYTES = 32
# The first image keeps this name in every bundle.
IMAGE_NAME = "rootfs.img"
SQUASHFS = ["-b", "1M", "-all-root", "-no-xattrs", "-quiet", "-no-progress", "-noappend"]
# Of zstd; the smallest bundle takes a minute.
BEST_LEVEL = 22


class BundleError(Exception):
    """A bundle cannot be made."""


def hash_tree(path: Path, salt: bytes) -> tuple[bytes, bytes]:
    """The tree of a file's blocks as dm-verity lays it out (its format 1, SHA-256, top level
    first), and its root."""

    def digest(block: bytes) -> bytes:
        return hashlib.sha256(salt + block).digest()

    with path.open("rb") as file:
        level = b"".join(digest(block) for block in iter(lambda: file.read(BLOCK_BYTES), b""))
    levels = []
    while True:
        blocks = [level[at : at + BLOCK_BYTES] for at in range(0, len(level), BLOCK_BYTES)]
        blocks = [block.ljust(BLOCK_BYTES, b"\0") for block in blocks]
        levels.insert(0, b"".join(blocks))
        if len(blocks) == 1:
            return b"".join(levels), digest(blocks[0])
        level = b"".join(digest(block) for block in blocks)


def run(command: list[str], what: str) -> None:
    """Runs a program, and shows what it says where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise BundleError(f"{what}: {done.stdout.decode(errors='replace').strip()}")


def sign(manifest: Path, cert: str, key: str, intermediate: list[str], out: Path) -> None:
    """Puts a manifest into a signature, with the time at which it was made."""
    command = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256"]
    command += ["-outform", "DER", "-in", str(manifest), "-signer", cert, "-out", str(out)]
    if key.startswith("pkcs11:"):
        command += ["-engine", "pkcs11", "-keyform", "engine"]
    command += ["-inkey", key]
    for file in intermediate:
        command += ["-certfile", file]
    run(command, "the manifest could not be signed")


def whole_manifest(start: str, image: Path, tree: bytes, root: bytes, salt: bytes) -> str:
    """The manifest with what is known once everything else is there."""
    with image.open("rb") as file:
        image_hash = hashlib.file_digest(file, "sha256").hexdigest()
    return (
        f"{start.rstrip()}\n\n[bundle]\nformat=verity\nverity-hash={root.hex()}\n"
        f"verity-salt={salt.hex()}\nverity-size={len(tree)}\n\n[image.rootfs]\n"
        f"sha256={image_hash}\nsize={image.stat().st_size}\nfilename={IMAGE_NAME}\n"
    )


def seal(payload: Path, tree: bytes, signature: bytes, out: Path) -> None:
    """Puts the parts together."""
    with payload.open("rb") as source, out.open("wb") as file:
        shutil.copyfileobj(source, file)
        file.write(tree + signature + struct.pack(">Q", len(signature)))
        os.fsync(file.fileno())


def pack(image: Path, out: Path, level: int = BEST_LEVEL) -> None:
    """Packs an image into a squashfs."""
    # Beside the bundle, since an image can be larger than a temporary file system.
    with tempfile.TemporaryDirectory(dir=out.parent) as name:
        content = Path(name)
        subprocess.run(
            ["cp", "--sparse=always", "--preserve=timestamps", image, content / IMAGE_NAME],
            check=True,
        )
        moment = int(os.environ.get("SOURCE_DATE_EPOCH", image.stat().st_mtime))
        for path in (content / IMAGE_NAME, content):
            os.utime(path, (moment, moment))
        command = ["mksquashfs", str(content), str(out), "-comp", "zstd"]
        run([*command, "-Xcompression-level", str(level), *SQUASHFS], "the image cannot be packed")


def make(
    manifest: str,
    image: Path,
    cert: str,
    key: str,
    out: Path,
    intermediate: list[str] | None = None,
    level: int = BEST_LEVEL,
) -> None:
    """Makes a bundle of an image."""
    with tempfile.TemporaryDirectory(dir=out.parent) as name:
        folder = Path(name)
        payload = folder / "payload"
        pack(image, payload, level)
        with payload.open("rb") as file:
            salt = hashlib.file_digest(file, "sha256").digest()
        tree, root = hash_tree(payload, salt)
        signed = folder / "manifest"
        signed.write_text(whole_manifest(manifest, image, tree, root, salt))
        signature = folder / "signature"
        sign(signed, cert, key, intermediate or [], signature)
        seal(payload, tree, signature.read_bytes(), folder / "bundle")
        (folder / "bundle").rename(out)


def main() -> int:
    """Makes what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("manifest", "image", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    for option in ("cert", "key"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--intermediate", action="append", default=[])
    arguments = parser.parse_args()
    try:
        make(
            arguments.manifest.read_text(),
            arguments.image,
            arguments.cert,
            arguments.key,
            arguments.out,
            arguments.intermediate,
        )
    except (OSError, BundleError) as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
