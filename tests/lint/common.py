# SPDX-License-Identifier: Apache-2.0
"""What the lints share. A lint is a module with check(root), which yields
"file:line: what is wrong and what to do"."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# Room -> rooms below it, whose headers it may include.
ROOMS = {
    "base": set(),
    "rtc": {"base"},
    "cluster": {"base"},
    "relay": {"rtc", "cluster", "base"},
    "whip": {"relay", "rtc", "cluster", "base"},
    "egress": {"relay", "rtc", "cluster", "base"},
    "scaling": {"cluster", "base"},
    "node": {"whip", "egress", "scaling", "relay", "rtc", "cluster", "base"},
}


def files(root, extensions, folders=None):
    """Paths relative to root, sorted; no build directories, no modules."""
    for folder in sorted(folders or [*ROOMS, "tests", "docker"]):
        for where, below, names in os.walk(os.path.join(root, folder)):
            below[:] = sorted(d for d in below if d not in (
                "node_modules", "__pycache__") and not d.startswith("build"))
            for name in sorted(names):
                if name.endswith(tuple(extensions)):
                    yield os.path.relpath(os.path.join(where, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """Comments become blanks; lines keep their numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*(?<!\\)(?=\n)",
                  lambda m: m.group(0) if _in_string(text, m.start())
                  else blank(m), text, flags=re.S)


def _in_string(text, at):
    line = text[text.rfind("\n", 0, at) + 1:at]
    return len(re.findall(r'(?<!\\)"', line)) % 2 == 1


def main(check):
    """For running one lint by hand: NAME.py [ROOT]"""
    problems = list(check(sys.argv[1] if len(sys.argv) > 1 else ROOT))
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)
