"""Writes manifest.toml, which tells the device what a model folder holds."""

from pathlib import Path


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"a manifest holds no {type(value).__name__}")


def _table(name: str, entries: dict) -> list[str]:
    """Lines of a table, its own tables after its values."""
    values = [f"{key} = {_value(item)}" for key, item in entries.items() if not _is_table(item)]
    lines = ["", f"[{name}]", *values] if values or not entries else []
    for key, item in entries.items():
        if _is_table(item):
            lines += _table(f"{name}.{key}", item)
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def manifest_text(entries: dict) -> str:
    """Format tables of plain values and of tables, and lists of tables, as TOML."""
    lines: list[str] = []
    tables: list[str] = []
    for key, value in entries.items():
        if _is_table(value):
            tables += _table(key, value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                tables += ["", f"[[{key}]]"]
                tables += [f"{name} = {_value(item)}" for name, item in row.items()]
        else:
            lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines + tables) + "\n"


def write_manifest(path: Path, entries: dict) -> None:
    """Write a manifest in one step, so that a reader never sees half of it."""
    temporary = path.with_suffix(".part")
    temporary.write_text(manifest_text(entries))
    temporary.replace(path)
