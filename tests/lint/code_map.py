"""src/README.md is a true map: it names every file under src/ and no file that is not there.

A pair is named once as `net/slirp.[ch]` or `net/slirp.c`, or in the section of its folder as `slirp.c`.
"""
import re

import source

NAME = re.compile(r"(?<![\w/.-])((?:[\w-]+/)*[\w-]+)\.(c|h|\[ch\]|py)(?![\w(])")


def check(root):
    src, readme = root / "src", root / "src" / "README.md"
    have = {p.relative_to(src).as_posix() for p in source.files(src, ".c", ".h", ".py")}
    stems = {name.rsplit(".", 1)[0] for name in have}
    named = set()
    for number, line in source.numbered(readme.read_text(encoding="utf-8")):
        for match in NAME.finditer(line):
            stem = match.group(1)
            if stem.startswith("src/"):
                stem = stem[len("src/"):]
            if stem in stems:
                found = {stem}
            else:
                found = {s for s in stems if "/" not in stem and s.endswith("/" + stem)}
            if not found and not elsewhere(root, match.group(), line):
                yield f"{readme}:{number}: {match.group()} does not exist"
            named |= found
    for name in sorted(have):
        if name.rsplit(".", 1)[0] not in named:
            yield f"{readme}: does not mention {name}"


def elsewhere(root, name, line):
    """A path from the root of the tree, a header that meson writes, a header of a library."""
    return (root / name).exists() or name.rsplit("/", 1)[-1] in source.GENERATED \
        or f"<{name}>" in line or name == "libslirp.h"


if __name__ == "__main__":
    source.main(check)
