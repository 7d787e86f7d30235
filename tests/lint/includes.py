# SPDX-License-Identifier: Apache-2.0
"""Rooms: includes go down only, siblings never meet, and each library stays
in the rooms that may know it."""
import re

import common

# What (as a pattern of code) -> rooms that may have it, what to do else.
LIBRARIES = [
    (r'#\s*include\s*<libsoup/', "libsoup",
     {"base", "whip", "egress", "scaling", "node"},
     "take a callback, or move the HTTP part up"),
    (r'#\s*include\s*<hiredis/', "hiredis", {"cluster"},
     "use the store interface of cluster/"),
    (r'\bgst_(element|parse|pipeline|bin)_\w+\s*\(|\bGstElement\b',
     "GStreamer's element API", {"whip", "egress"},
     "build pipelines in whip/ or egress/ only"),
]


def check_include(room, path, number, name):
    if "/" not in name:
        yield (f'{path}:{number}: "{name}" lacks its room: '
               f'write #include "{room}/{name}" (or its real room)')
        return
    other = name.split("/")[0]
    if other in common.ROOMS and other != room \
            and other not in common.ROOMS[room]:
        yield (f"{path}:{number}: {room}/ must not know {other}/: declare a "
               f"callback in a header of {room}/ and let node/ connect it")


def check(root):
    for room in common.ROOMS:
        for path in common.files(root, [".c", ".h"], [room]):
            text = common.without_comments(common.read(root, path))
            for number, line in enumerate(text.split("\n"), 1):
                found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                if found:
                    yield from check_include(room, path, number,
                                             found.group(1))
                for pattern, what, rooms, advice in LIBRARIES:
                    if room not in rooms and re.search(pattern, line):
                        yield (f"{path}:{number}: {what} does not belong in "
                               f"{room}/: {advice}")


if __name__ == "__main__":
    common.main(check)
