# SPDX-License-Identifier: Apache-2.0
"""Each source file says its licence in one of its first two lines."""
import os

import common

LINE = "SPDX-License-Identifier: Apache-2.0"


def check(root):
    paths = list(common.files(root, [".c", ".h", ".py", ".sh"]))
    paths += [p for p in ("dev", ".ci/run", "meson.build")
              if os.path.exists(os.path.join(root, p))]
    for path in paths:
        text = common.read(root, path)
        if text and LINE not in "\n".join(text.split("\n")[:2]):
            yield f"{path}:1: add a comment with \"{LINE}\" as first line"


if __name__ == "__main__":
    common.main(check)
