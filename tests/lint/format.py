"""C is as clang-format leaves it; no file has trailing blanks, and every one ends with a newline.

The layout changes a little between releases of clang-format, so one release decides.
"""
import re
import shutil
import subprocess

import source

RELEASE = "14"


def clang_format():
    for name in (f"clang-format-{RELEASE}", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
            if re.search(rf"version {RELEASE}\.", version.stdout):
                return name
    raise source.Skip(f"no clang-format {RELEASE}")


def blanks(root):
    for path in source.files(root):
        if "corpus" in path.parts:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at the end"
        for number, line in source.numbered(text):
            if line != line.rstrip():
                yield f"{path}:{number}: blanks at the end of the line"


def check(root):
    yield from blanks(root)
    program = clang_format()
    paths = list(source.files(root, ".c", ".h"))
    if paths:
        done = subprocess.run([program, "--style=file", "--dry-run", "--Werror", *paths], cwd=root,
                              capture_output=True, text=True, check=False)
        yield from re.findall(r"^.*: error: .*$", done.stderr, re.M) or \
            ([done.stderr] if done.returncode else [])


if __name__ == "__main__":
    source.main(check)
