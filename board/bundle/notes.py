"""Writes release notes as lines of a bundle's manifest: notes.py FILE

FILE is TOML with the lists `en`, `es` and `fr`: one sentence a point, as the device's screen shows
them to who decides on the update.
"""

import sys
import tomllib
from pathlib import Path

LANGUAGES = ("en", "es", "fr")
MOST_POINTS = 6
# Of a point, so that it fits a small screen.
MOST_CHARACTERS = 90


def lines(text: str) -> list[str]:
    """The manifest's lines; a language without points has none."""
    notes = tomllib.loads(text)
    if unknown := set(notes) - set(LANGUAGES):
        raise ValueError(f"{', '.join(sorted(unknown))} is no language; give en, es and fr")
    if notes and len({len(notes.get(language, [])) for language in LANGUAGES}) != 1:
        raise ValueError("every language has to say the same points: en, es and fr")
    found = []
    for language in LANGUAGES:
        points = notes.get(language, [])
        if not isinstance(points, list) or len(points) > MOST_POINTS:
            raise ValueError(f"{language} has to be a list of at most {MOST_POINTS} points")
        for point in points:
            if not isinstance(point, str) or not 0 < len(point) <= MOST_CHARACTERS:
                raise ValueError(f"{language}: {point!r} is not 1 to {MOST_CHARACTERS} characters")
            if not point.isprintable() or "; " in point or "\\" in point:
                raise ValueError(f"{language}: {point!r} has a semicolon, backslash or line break")
        if points:
            found.append(f"notes-{language}={'; '.join(points)}")
    return found


def main() -> int:
    """Reads the file that the command line names."""
    path = Path(sys.argv[1])
    try:
        print("\n".join(lines(path.read_text())))
    except (OSError, ValueError) as error:
        print(f"notes: {path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
