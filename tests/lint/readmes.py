# SPDX-License-Identifier: Apache-2.0
"""Each room that is there says what it is for."""
import os

import common


def check(root):
    for room in common.ROOMS:
        readme = os.path.join(root, room, "README.md")
        if os.path.isdir(os.path.join(root, room)) \
                and not os.path.exists(readme):
            yield (f"{room}/README.md:1: write 20 to 40 lines: purpose, main "
                   "types, threads, the way a packet or a request takes")


if __name__ == "__main__":
    common.main(check)
