"""Tests wait for events; they never sleep. The bench measures time and is left out."""
import re

import source

SLEEP = re.compile(r"\btime\.sleep\b|\bimport sleep\b|\bu?sleep\s*\(|\bnanosleep\s*\("
                   r"|[\"'`;&|(]\s*sleep(\s+[\d.$]|[\"'])|^\s*sleep\s+[\d.$]")


def check(root):
    places = [root / "tests", root / ".ci", root / "dev"]
    for place in places:
        for path in [place] if place.is_file() else source.files(place, ".py", ".c", ".sh", "run"):
            if path.parent.name in ("bench", "lint"):
                continue
            for number, line in source.numbered(path.read_text(encoding="utf-8")):
                if SLEEP.search(line):
                    yield f"{path}:{number}: sleeps; wait for the event instead"


if __name__ == "__main__":
    source.main(check)
