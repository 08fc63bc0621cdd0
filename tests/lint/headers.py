"""Every header under src/ compiles alone, has the guard DIR_NAME_H, and opens with a comment.

    headers.py SOURCE_ROOT BUILD_ROOT    the flags come from BUILD_ROOT/compile_commands.json
"""
import json
import pathlib
import re
import shlex
import subprocess

import source

TAKES_A_WORD = {"-o", "-MF", "-MQ", "-MT"}
DROP = {"-c", "-MD", "-MMD"}


def compiler(build):
    """The compiler call of some file under src/, without its input and its outputs."""
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        if re.search(r"(^|/)src/.*\.c$", entry["file"]):
            words = iter(shlex.split(entry["command"]))
            call = []
            for word in words:
                if word in TAKES_A_WORD:
                    next(words)
                elif word not in DROP and word != entry["file"]:
                    call.append(word)
            return call, entry["directory"]
    raise AssertionError("no file of src/ in compile_commands.json")


def check(root, build):
    src = root / "src"
    call, directory = compiler(pathlib.Path(build))
    for path in source.files(src, ".h"):
        yield from shape(path, path.relative_to(src).as_posix())
        done = subprocess.run([*call, "-Werror", "-Wno-unused-function", "-fsyntax-only", "-x", "c", "-"],
                              input=f'#include "{path}"\n', cwd=directory,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{path}: does not compile alone:\n{done.stderr}"


def shape(path, name):
    text = path.read_text(encoding="utf-8")
    guard = re.sub(r"[^A-Z0-9]", "_", name.upper())
    if not text.startswith("/*"):
        yield f"{path}:1: opens without a comment that says what it is for"
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        yield f"{path}: include guard is not {guard}"
    if not re.search(rf"#endif\s*(/\* {guard} \*/)?\s*\Z", text):
        yield f"{path}: does not end with the #endif of its guard"


if __name__ == "__main__":
    source.main(check)
