# SPDX-License-Identifier: Apache-2.0
"""Every problem code that a client can meet is in docs/ERRORS.md, and every
code there is still in the code."""
import os
import re

import common

DOC = "docs/ERRORS.md"
CODE = r'"([a-z0-9]+(?:-[a-z0-9]+)+)"'
# Where a code stands: after the message and its status, in a table of an error
# enum, in a variable of that name.
PLACES = [re.compile(pattern) for pattern in (
    r"(?<!g_signal_connect \()\b(?:msg|request),\s*(?:\w+,\s*)?" + CODE,
    r"\[\w+_ERROR_\w+\]\s*=\s*" + CODE,
    r"\bcode\s*=\s*" + CODE,
)]
# The third argument of base_http_problem
CALL = re.compile(r"\bbase_http_problem\s*\(\s*msg,\s*\w+,\s*([^,]*),")
SEEN = re.compile(r'^(?:"[a-z0-9-]+"|code|\w+_error_code \(\w+\))$')


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def codes(root):
    """code -> first place; and what hides its code from this lint"""
    found, hidden = {}, []
    for path in common.files(root, [".c"], common.ROOMS):
        text = common.without_comments(common.read(root, path))
        for pattern in PLACES:
            for match in pattern.finditer(text):
                found.setdefault(match.group(1),
                                 f"{path}:{line_of(text, match.start())}")
        for match in CALL.finditer(text):
            if not SEEN.match(match.group(1).strip()):
                hidden.append(
                    f"{path}:{line_of(text, match.start())}: give the code as "
                    "a text, as code, or by an _error_code function")
    return found, hidden


def documented(root):
    if not os.path.exists(os.path.join(root, DOC)):
        return {}
    lines = common.read(root, DOC).split("\n")
    return {match.group(1): number for number, match in (
        (number, re.match(r"\| `([a-z0-9-]+)` \| \d", line))
        for number, line in enumerate(lines, 1)) if match}


def check(root):
    found, hidden = codes(root)
    known = documented(root)
    yield from hidden
    for code, place in found.items():
        if code not in known:
            yield (f"{place}: {code} is not in {DOC}: add its status, what "
                   "happened, what to do")
    for code, number in known.items():
        if code not in found:
            yield f"{DOC}:{number}: nothing answers {code}: remove the line"


if __name__ == "__main__":
    common.main(check)
