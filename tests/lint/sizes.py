# SPDX-License-Identifier: Apache-2.0
"""Files up to 600 lines and functions up to 80, save what allow.txt excuses:
one "path reason" or "path:function reason" a line."""
import os
import re

import common

FILE_MAX_LINES = 600
FUNCTION_MAX_LINES = 80


def functions(text):
    """(name, first line, lines) of each function: clang-format puts the name
    and both braces in column 0."""
    name, begin = None, 0
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r"(\w+) \(", line)
        if found and not line.endswith(";"):
            name, begin = found.group(1), number
        elif line.startswith("}"):
            if name and line == "}":
                yield name, begin, number - begin + 1
            name = None


def read_allowed(root):
    path = "tests/lint/allow.txt"
    if not os.path.exists(os.path.join(root, path)):
        return {}
    rows = {}
    for number, line in enumerate(common.read(root, path).split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            what, _, reason = line.partition(" ")
            rows[what] = (f"{path}:{number}", reason.strip())
    return rows


def too_large(root):
    """what allow.txt would name -> (place, message)"""
    for path in common.files(root, [".c", ".h", ".py"]):
        text = common.read(root, path)
        n_lines = text.count("\n")
        if n_lines > FILE_MAX_LINES:
            yield path, f"{path}:{FILE_MAX_LINES + 1}", (
                f"the file has {n_lines} lines, more than {FILE_MAX_LINES}: "
                "split it")
        if path.endswith(".py"):
            continue
        for name, begin, length in functions(text):
            if length > FUNCTION_MAX_LINES:
                yield f"{path}:{name}", f"{path}:{begin}", (
                    f"{name} has {length} lines, more than "
                    f"{FUNCTION_MAX_LINES}: split it")


def check(root):
    allowed = read_allowed(root)
    for what, place, message in too_large(root):
        _, reason = allowed.pop(what, (None, ""))
        if not reason:
            yield (f"{place}: {message}, or give a reason in "
                   "tests/lint/allow.txt")
    for what, (place, _) in allowed.items():
        yield f"{place}: {what} needs no excuse any more: remove the line"


if __name__ == "__main__":
    common.main(check)
