"""Writes the pages of events, a page for each category, from the catalogue as it was built in."""

from __future__ import annotations

import sys
from pathlib import Path

from tracee import _core


def page(category: str) -> str:
    """The page of one category: every event with its arguments."""
    lines = [f"# Events: {category}", ""]
    for kind in _core.events():
        if kind.category != category:
            continue
        lines += [f"## {kind.name}", "", f"{kind.about[0].upper()}{kind.about[1:]}.", ""]
        lines += [f"Id {kind.id}. Sets: {', '.join(kind.sets) or 'none'}. Taken by: {', '.join(kind.attach)}.", ""]
        if kind.args:
            lines += ["| argument | type | names |", "| --- | --- | --- |"]
            lines += [f"| {arg.name} | `{arg.type}` | {arg.family or ''} |" for arg in kind.args]
            lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Writes all pages into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for category in _core.categories():
        (folder / f"{category}.md").write_text(page(category), encoding="utf-8")


if __name__ == "__main__":
    main()
