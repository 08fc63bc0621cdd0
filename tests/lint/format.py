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
    for path in source.files(root, ".c", ".h"):
        done = subprocess.run([program, "--style=file", path], cwd=root, capture_output=True, text=True,
                              encoding="utf-8", check=False)
        text = path.read_text(encoding="utf-8")
        if done.stdout != text:
            pairs = zip(source.numbered(text), done.stdout.split("\n"))
            number = next((n for (n, line), formatted in pairs if line != formatted), 1)
            yield f"{path}:{number}: not as clang-format leaves it; ./dev format\n{done.stderr}".rstrip()


if __name__ == "__main__":
    source.main(check)
