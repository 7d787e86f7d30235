# SPDX-License-Identifier: Apache-2.0
"""tests/bench/bench-crowd: viewers in C that wait, follow moves, and leave."""
import os

from .node import build_dir
from .peers import JsonProcess
from .wait import wait_for


class Crowd(JsonProcess):
    """@url: where they join: any node's WHEP endpoint"""

    def __init__(self, directory, url):
        path = os.path.join(build_dir(), "tests", "bench", "bench-crowd")
        assert os.path.exists(path), f"{path} is not built"
        super().__init__(os.path.join(str(directory), "crowd.log"), path,
                         "--whep", url)

    def join(self, count, per_s=0):
        self.tell(f"join {count} {per_s}")

    def leave(self, count, place=""):
        self.tell(f"leave {count} {place}".rstrip())

    def reset(self):
        """The largest gap, and freezes, are counted from now on."""
        self.tell("reset")

    def stats(self):
        count = len(self.find("stats")) + 1
        self.tell("stats")
        return self.wait_event("stats", 10, count)

    def wait_watching(self, count, timeout=20):
        """Until all that are to be there have media."""
        def all_watch():
            stats = self.stats()
            why = [e["why"] for e in self.find("failed")[-3:]]
            assert stats["watching"] == stats["viewers"] == count, (stats, why)
            return stats
        return wait_for(all_watch, f"{count} who watch", timeout, 0.1)

    def finish(self, timeout=20):
        """All leave; what they have seen."""
        count = len(self.find("stats")) + 1
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(timeout)
        self.reader.join(5)
        return self.find("stats")[count - 1]
