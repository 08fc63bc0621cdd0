"""No function over 80 lines, no file over 700, main.c under 60."""
import source

FUNCTION_LINES, FILE_LINES, MAIN_LINES = 80, 700, 60


def functions(text):
    """(name line, first line, length) of every function: its braces stand in column one."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            yield lines[start - 2].strip(), start, number - start + 1
            start = None


def check(root):
    for path in source.files(root, ".c", ".h", ".py", "dev"):
        lines = path.read_text(encoding="utf-8").count("\n")
        limit = MAIN_LINES if path == root / "src" / "main.c" else FILE_LINES
        if lines > limit:
            yield f"{path}: {lines} lines, the limit is {limit}"
    for path in source.files(root, ".c", ".h"):
        for name, start, length in functions(source.code(path)):
            if length > FUNCTION_LINES:
                yield f"{path}:{start}: {name} has {length} lines, the limit is {FUNCTION_LINES}"


if __name__ == "__main__":
    source.main(check)
