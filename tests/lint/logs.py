# SPDX-License-Identifier: Apache-2.0
"""Log messages of rooms begin with ids as fields, or with words of our own
(base/log-fields.h): what came from outside never stands where a field could
be read from it."""
import re

import common

TABLE = "base/log-fields.c"
CALL = re.compile(r"\bGST_(?:CAT_)?(?:ERROR|WARNING|INFO|DEBUG|LOG)\s*\(")
PIECE = re.compile(r'\s*("(?:[^"\\]|\\.)*"|G_G\w+_FORMAT)')
FIELD = re.compile(r"([a-z_]+)=%[-.*0-9]*[a-z]+(?: |$)")


def known(root):
    return set(re.findall(r'\{ "([a-z_]+)", (?:TRUE|FALSE) \}',
                          common.read(root, TABLE)))


def literal(text, at):
    """The format that begins at @at, its pieces joined; None: it is none"""
    joined = ""
    match = PIECE.match(text, at)
    first = match
    while match:
        piece = match.group(1)
        joined += piece[1:-1] if piece[0] == '"' else "lu"
        match = PIECE.match(text, match.end())
    return joined if first and first.group(1)[0] == '"' else None


def problem_of(message, names):
    rest, seen = message, set()
    match = FIELD.match(rest)
    while match:
        name = match.group(1)
        if name not in names:
            return f"{name}= is no field: add it to {TABLE}, or use words"
        if name in seen:
            return f"{name}= stands there twice"
        seen.add(name)
        rest = rest[match.end():]
        match = FIELD.match(rest)
    if re.match(r"%[^a-zA-Z]*[sp]", rest):
        return ("what is printed there could be taken for a field: begin with "
                "a word")
    if re.match(r"[a-z_]+=", rest):
        return "a field ends with a space, and holds one value"
    return None


def check(root):
    names = known(root)
    for path in common.files(root, [".c"], common.ROOMS):
        if path == "base/log.c":
            continue
        text = common.without_comments(common.read(root, path))
        for call in CALL.finditer(text):
            at = call.end()
            if "CAT_" in call.group(0):
                at = text.find(",", at) + 1
            message = literal(text, at)
            line = text.count("\n", 0, call.start()) + 1
            if message is None:
                yield f"{path}:{line}: give the format as a text"
                continue
            problem = problem_of(message, names)
            if problem:
                yield f"{path}:{line}: {problem}"


if __name__ == "__main__":
    common.main(check)
