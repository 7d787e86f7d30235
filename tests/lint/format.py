# SPDX-License-Identifier: Apache-2.0
"""Each .c file is as clang-format leaves it."""
import os
import re
import subprocess

import common


def check(root):
    paths = list(common.files(root, [".c"]))
    if not paths:
        return
    style = os.path.join(common.ROOT, ".clang-format")
    done = subprocess.run(
        ["clang-format", f"--style=file:{style}", "--dry-run", "-Werror",
         *paths], cwd=root, stderr=subprocess.PIPE, text=True, check=False)
    seen = set()
    for path, number in re.findall(r"^(\S+?):(\d+):\d+: error", done.stderr,
                                   re.M):
        if path not in seen:  # the first place of each file is enough
            seen.add(path)
            yield f"{path}:{number}: run clang-format -i {path}"
    if done.returncode and not seen:
        yield f"clang-format:1: it failed: {done.stderr.strip()}"


if __name__ == "__main__":
    common.main(check)
