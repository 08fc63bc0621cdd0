"""Includes under src/ point down only: base < wire < {os, net} < app < main.c.

A library that we hide behind one of our files is included by that file alone.
"""
import re

import source

MAY_INCLUDE = {         # folder -> what it may include: a folder, or one header
    "base": {"base"},
    "wire": {"base", "wire"},
    "os": {"base", "wire/inet.h", "os"},
    "net": {"base", "wire", "net"},
    "app": {"base", "wire", "os", "net", "app"},
    "": {"base", "wire", "os", "net", "app"},   # main.c
}
ONLY_IN = {             # header of a library -> the files that may know it
    r"(slirp/)?libslirp.*\.h": {"net/slirp.c"},
    r"libmnl/.*\.h": {"os/rtnl.c"},
    r"seccomp\.h": {"os/seccomp.c", "app/version.c"},
    r"sys/capability\.h": {"os/proc.c", "os/sandbox.c"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def check(root):
    src = root / "src"
    ours = {p.relative_to(src).as_posix() for p in source.files(src, ".h")}
    for path in source.files(src, ".c", ".h"):
        name = path.relative_to(src).as_posix()
        floor = name.split("/")[0] if "/" in name else ""
        for number, line in source.numbered(path.read_text(encoding="utf-8")):
            match = INCLUDE.match(line)
            if match:
                for problem in judge(name, floor, *match.groups(), ours):
                    yield f"{path}:{number}: {problem}"


def judge(name, floor, quote, header, ours):
    if floor not in MAY_INCLUDE:
        yield f"folder {floor}/ has no floor in {__file__}"
        return
    if header not in ours:
        if quote == '"' and header not in source.GENERATED:
            yield f'"{header}" is not a header under src/; write its path from there'
        for pattern, owners in ONLY_IN.items():
            if re.fullmatch(pattern, header) and name not in owners:
                yield f"<{header}> belongs to {', '.join(sorted(owners))}"
    elif quote == "<":
        yield f"<{header}> is ours: write \"{header}\""
    elif header.split("/")[0] not in MAY_INCLUDE[floor] and header not in MAY_INCLUDE[floor]:
        yield f"{floor or 'main.c'} may not include {header}: includes point down"


if __name__ == "__main__":
    source.main(check)
