"""Cards and bundles for the update test, made as a field team and as its enemies make them."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from machine import require

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

import bundle  # noqa: E402

MIB = 1 << 20
# Of the first partition, as cards have them from the shop.
PARTITION_AT_MIB = 1
# Packs in seconds.
QUICK_LEVEL = 1
VERSION_FILE = "/usr/share/hemoscope/version"
INIT = "/usr/lib/systemd/systemd"


def quiet(command: list[str], **options: object) -> None:
    """Runs a program that has nothing to say."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")
        raise RuntimeError(f"{command[0]} failed: {said}")


def power_of_two(least_bytes: int) -> int:
    """The size of a card with room for so much."""
    size = 16 * MIB
    while size < least_bytes:
        size *= 2
    return size


def fat_card(path: Path, files: dict[str, Path]) -> Path:
    """A card with one FAT partition."""
    total = sum(file.stat().st_size for file in files.values())
    size = power_of_two(total * 11 // 10 + 8 * MIB)
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    sectors = (size >> 9) - PARTITION_AT_MIB * 2048
    table = f"label: dos\nstart={PARTITION_AT_MIB}MiB, type=c\n"
    quiet([require("sfdisk"), "-q", str(path)], input=table.encode())
    command = [require("mkfs.vfat"), "-n", "CARD", f"--offset={PARTITION_AT_MIB * 2048}"]
    quiet([*command, str(path), str(sectors // 2)])
    # Names in any script need to be known as such.
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    for name, file in files.items():
        target = [f"{path}@@{PARTITION_AT_MIB}M", str(file), f"::{name}"]
        quiet([require("mcopy"), "-i", *target], env=environment)
    return path


def read_from_fat(card: Path, name: str) -> str | None:
    """A text file of a card; `None` where there is none."""
    command = [require("mtype"), "-i", f"{card}@@{PARTITION_AT_MIB}M", f"::{name}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def ext4_card(path: Path, tree: Path, size: int) -> Path:
    """A card without partitions, with a folder's content."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    quiet([require("mke2fs"), "-q", "-t", "ext4", "-d", str(tree), str(path)])
    return path


def damage_fat(card: Path) -> None:
    """Overwrites both tables of a card's FAT, and what follows."""
    with card.open("r+b") as file:
        file.seek(PARTITION_AT_MIB * MIB + 512)
        file.write(os.urandom(600 * 1024))


def damage_ext4(disk: Path, at_mib: int, path: str) -> None:
    """Leaves a file of an ext4 without a kind, and a mark that the kernel has met an error.

    The file system was unmounted: what its journal still held would put things right.
    """
    part = f"{disk}?offset={at_mib * MIB}"
    quiet([require("debugfs"), "-w", "-R", f"set_inode_field {path} mode 0", part])
    quiet([require("tune2fs"), "-E", "force_fsck", part])


class Keys:
    """Certificates and keys, good ones and others."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _file(self, name: str) -> str:
        return str(self.folder / name)

    def authority(self, name: str, subject: str) -> None:
        """A root that nobody trusts until somebody does."""
        quiet(
            [
                *["openssl", "req", "-x509", "-newkey", "ec"],
                *["-pkeyopt", "ec_paramgen_curve:P-256"],
                *["-nodes", "-days", "7300", "-subj", subject],
                *["-addext", "basicConstraints=critical,CA:TRUE"],
                *["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
                *["-keyout", self._file(f"{name}.key"), "-out", self._file(f"{name}.pem")],
            ]
        )

    def signer(
        self,
        name: str,
        authority: tuple[Path, Path],
        start: str = "20200101000000Z",
        end: str = "20460101000000Z",
        purpose: str = "codeSigning",
        is_authority: bool = False,
    ) -> tuple[str, str]:
        """A certificate below an authority, valid from and to a moment; and its key."""
        cert, key = self._file(f"{name}.pem"), self._file(f"{name}.key")
        database = self.folder / f"{name}-database"
        shutil.rmtree(database, ignore_errors=True)
        database.mkdir()
        (database / "index").write_text("")
        (database / "serial").write_text(f"{abs(hash(name)) % (9 * 10**7) + 10**7}\n")
        config = database / "config"
        config.write_text(
            f"[ca]\ndefault_ca=one\n[one]\ndir={database}\ndatabase=$dir/index\n"
            "serial=$dir/serial\nnew_certs_dir=$dir\ndefault_md=sha256\npolicy=any\n"
            "x509_extensions=leaf\n[any]\ncommonName=supplied\norganizationName=optional\n"
            f"[leaf]\nbasicConstraints=critical,CA:{'TRUE' if is_authority else 'FALSE'}\n"
            f"keyUsage=critical,{'keyCertSign' if is_authority else 'digitalSignature'}\n"
            + ("" if is_authority else f"extendedKeyUsage=critical,{purpose}\n")
            + "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        request = str(database / "request")
        curve = ["-pkeyopt", "ec_paramgen_curve:P-256"]
        command = ["openssl", "req", "-newkey", "ec", *curve, "-nodes", "-subj", f"/CN={name}"]
        quiet([*command, "-keyout", key, "-out", request])
        command = ["openssl", "ca", "-batch", "-config", str(config), "-in", request, "-out", cert]
        command += ["-cert", str(authority[0]), "-keyfile", str(authority[1]), "-notext"]
        quiet([*command, "-startdate", start, "-enddate", end])
        return cert, key


@dataclass(frozen=True)
class Maker:
    """Makes bundles for a board."""

    folder: Path
    board: str
    # Certificate and key.
    signer: tuple[str, str]

    def manifest(
        self, version: str, board: str | None = None, compatible: str | None = None
    ) -> str:
        """The part of a manifest that a person writes."""
        board = board or self.board
        return (
            f"[update]\ncompatible={compatible or f'hemoscope-{board}'}\nversion={version}\n\n"
            f"[meta.hemoscope]\nformat=1\nboard={board}\nmodel-sha256=00\n"
            f"notes-en=Test of {version}; nothing else\nnotes-es=Prueba de {version}; nada más\n"
            f"notes-fr=Essai de {version} ; rien d'autre\n"
        )

    def bundle(
        self,
        name: str,
        image: Path,
        version: str,
        signer: tuple[str, str] | None = None,
        intermediate: list[str] | None = None,
        **manifest: str,
    ) -> Path:
        """A bundle of an image."""
        out = self.folder / f"{name}.raucb"
        cert, key = signer or self.signer
        text = self.manifest(version, **manifest)
        bundle.make(text, image, cert, key, out, intermediate, QUICK_LEVEL)
        return out


def small_image(path: Path, size: int = 512 * 1024) -> Path:
    """An image that is no system, for bundles that are never installed."""
    path.write_bytes(os.urandom(size))
    return path


def changed_root(root: Path, out: Path, files: dict[str, bytes | None], version: str) -> Path:
    """A root file system with some files replaced, or removed, and another version."""
    quiet(["cp", "--sparse=always", str(root), str(out)])
    text = subprocess.run(
        [require("debugfs"), "-R", f"cat {VERSION_FILE}", str(out)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout.decode()
    lines = [
        f'version = "{version}"' if line.startswith("version = ") else line
        for line in text.splitlines()
    ]
    wanted = {VERSION_FILE: "\n".join([*lines, ""]).encode()} | files
    commands = []
    for number, (path, content) in enumerate(wanted.items()):
        commands.append(f"rm {path}")
        if content is not None:
            local = out.with_suffix(f".{number}")
            local.write_bytes(content)
            mode = "0100755" if content.startswith(b"#!") else "0100644"
            commands += [f"write {local} {path}", f"set_inode_field {path} mode {mode}"]
            commands += [f"set_inode_field {path} uid 0", f"set_inode_field {path} gid 0"]
    script = out.with_suffix(".commands")
    script.write_text("\n".join([*commands, ""]))
    quiet([require("debugfs"), "-w", "-f", str(script), str(out)])
    return out
