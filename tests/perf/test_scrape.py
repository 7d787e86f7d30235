# SPDX-License-Identifier: Apache-2.0
"""A scrape's instructions grow with the streams, not with their square;
bench/scrape.c says what is scraped."""
import os
import re

import callgrind
import pytest
from test_instructions import BUILD, OPTIONS, ROOT, run

PROGRAM = "tests/bench/bench-scrape"
SIZES = (250, 500, 1000)
MAX_GROWTH = 2.3  # for twice the streams
# What 1,000 streams may take in both formats: 20 ms each at 1,000 million
# instructions a second would be 40 million.
MAX_INSTRUCTIONS = 40_000_000


@pytest.fixture(scope="module")
def program():
    env = {key: value for key, value in os.environ.items()
           if key not in ("CFLAGS", "CPPFLAGS", "LDFLAGS")}
    flag = ["--reconfigure"] if os.path.exists(
        os.path.join(BUILD, "build.ninja")) else []
    run(["meson", "setup", *flag, BUILD, *OPTIONS], env)
    run(["ninja", "-C", BUILD, PROGRAM], env)
    return os.path.join(ROOT, BUILD, PROGRAM)


def count(program, n_streams, directory):
    """(instructions of the second time, bytes of it)"""
    out = os.path.join(directory, f"callgrind.{n_streams}")
    done = callgrind.run(program, "scrape_count", out, str(n_streams))
    assert done.returncode == 0, done.stdout + done.stderr
    counts = callgrind.Counts(out, program)
    return counts.total / 2, int(re.match(r"bytes (\d+)", done.stdout)[1])


def test_a_scrape_is_linear(program, tmp_path):
    found = [count(program, n, str(tmp_path)) for n in SIZES]
    for n, (instructions, n_bytes) in zip(SIZES, found):
        print(f"{n} streams: {instructions / 1e6:.2f} million instructions, "
              f"{n_bytes / 1e3:.0f} KB")
    for (before, bytes_before), (after, bytes_after) in zip(found, found[1:]):
        assert after / before <= MAX_GROWTH
        assert bytes_after > 1.7 * bytes_before, "fewer lines than streams"
    assert found[-1][0] <= MAX_INSTRUCTIONS
