"""Rewrites the tables of a page of documentation, each between two markers; prose stays."""

import re
from pathlib import Path


def begin(name: str) -> str:
    """The line before a table."""
    return f"<!-- begin {name}: written by make bench -->"


def end(name: str) -> str:
    """The line after a table."""
    return f"<!-- end {name} -->"


def table(header: list[str], rows: list[list]) -> str:
    """A Markdown table; numbers must be formatted already."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def with_block(page: str, name: str, content: str) -> str:
    """A page with the text between a name's markers replaced."""
    pattern = re.compile(rf"({re.escape(begin(name))}\n).*?({re.escape(end(name))}\n?)", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page must hold the markers of {name!r} once")
    return pattern.sub(lambda found: f"{found[1]}\n{content.strip()}\n\n{found[2]}", page)


def rewrite(path: Path, blocks: dict[str, str]) -> None:
    """Replace blocks of a page in one step."""
    page = path.read_text()
    for name, content in blocks.items():
        page = with_block(page, name, content)
    temporary = path.with_suffix(".part")
    temporary.write_text(page)
    temporary.replace(path)
