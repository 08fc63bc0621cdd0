"""Functions that nobody calls outside the wrapper that makes them safe, and TODOs without an issue."""
import re

import source

NOBODY = frozenset()
BANNED = {              # function -> (files under src/ that may call it, what to use instead)
    "atoi atol atoll atof strtol strtoul strtoll strtoull strtod sscanf":
        ({"base/parse.c"}, "a parser that checks the whole text and the range"),
    "strcpy strcat sprintf vsprintf gets stpcpy strncpy strncat": (NOBODY, "a bounded call"),
    "strtok localtime gmtime ctime asctime strerror_r": (NOBODY, "the _r form, or %m / strerror"),
    "dup dup2": (NOBODY, "fcntl(F_DUPFD_CLOEXEC) or dup3(O_CLOEXEC)"),
    "system popen": (NOBODY, "nothing: we start no shell"),
    "alloca g_alloca": (NOBODY, "an array of fixed size or g_malloc"),
    "malloc calloc realloc strdup strndup": (NOBODY, "g_malloc, g_new, g_strdup"),
    "fork vfork clone": ({"os/spawn.c"}, "os/spawn.h"),
    "exit": ({"main.c"}, "a return value"),
    "_exit": ({"os/proc.c", "os/spawn.c"}, "a return value"),
    "perror": (NOBODY, "base/log.h"),
    "sleep usleep nanosleep": (NOBODY, "a timer of the loop"),
}
RULES = [(re.compile(rf"(?<![\w.>])({'|'.join(names.split())})\s*\("), *rule)
         for names, rule in BANNED.items()]
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")


def check(root):
    src = root / "src"
    for path in source.files(src, ".c", ".h"):
        name = path.relative_to(src).as_posix()
        for number, line in source.numbered(source.code(path)):
            for pattern, allowed, instead in RULES:
                match = pattern.search(line)
                if match and name not in allowed:
                    yield f"{path}:{number}: {match.group(1)}() is banned here; use {instead}"
    for path in source.files(root, ".c", ".h", ".py", ".md", "meson.build", "dev"):
        if path.parent.name == "lint":
            continue
        for number, line in source.numbered(path.read_text(encoding="utf-8")):
            if TODO.search(line):
                yield f"{path}:{number}: write TODO(#issue)"


if __name__ == "__main__":
    source.main(check)
