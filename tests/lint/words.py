"""The tree speaks only of itself: no paths of one machine, no notes that are not in it."""
import re

import source

WORDS = {
    r"(?<![\w.$}-])/(work|home|Users|root/\.|tmp/w)/?\w": "a path of one machine",
    r"\b(compat|design|style|brief)\.md\b": "a file that is not in the tree",
    r"\.\./shared\b": "a folder that is not in the tree",
    r"\bworkplace\b": "not a word of this project",
    r"\b(registry-1\.docker\.io|registry\.npmjs\.org|proxy\.golang\.org|pypi\.org)\b": "a registry host",
    r"<<<<<<< |>>>>>>> ": "a merge conflict",
}
RULES = [(re.compile(pattern, re.I), what) for pattern, what in WORDS.items()]


def check(root):
    for path in source.files(root):
        if path.parent.name == "lint" or "corpus" in path.parts:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in source.numbered(text):
            for pattern, what in RULES:
                match = pattern.search(line)
                if match:
                    yield f"{path}:{number}: '{match.group()}' is {what}"


if __name__ == "__main__":
    source.main(check)
