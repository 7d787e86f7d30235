# SPDX-License-Identifier: Apache-2.0
"""Instructions per delivered packet, crypto and kernel left out: the same
number on a fast and a slow machine. bench/replay.c says what is replayed."""
import json
import os
import re
import subprocess

import callgrind
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build-perf")
PROGRAM = "tests/bench/bench-replay"
RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "recorded.json")
# Fixed: another optimisation is another figure.
OPTIONS = ["-Dbuildtype=release", "-Doptimization=3", "-Ddebug=false",
           "-Db_lto=false", "-Db_sanitize=none", "-Dc_args=", "-Dwerror=false"]
TOLERANCE = 0.05
SKIPPED = 77


def run(command, env):
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def program():
    env = {key: value for key, value in os.environ.items()
           if key not in ("CFLAGS", "CPPFLAGS", "LDFLAGS")}
    flag = ["--reconfigure"] if os.path.exists(
        os.path.join(BUILD, "build.ninja")) else []
    run(["meson", "setup", *flag, BUILD, *OPTIONS], env)
    run(["ninja", "-C", BUILD, PROGRAM], env)
    return os.path.join(BUILD, PROGRAM)


def costliest(counts, n_packets):
    # what leads to the replay contains all of it
    rows = [row for row in counts.by_function.most_common(16)
            if row[1] < counts.total - counts.crypto]
    return "\n".join(f"{count / n_packets:9.2f} {name}"
                     for name, count in rows)


def measure(program, directory):
    """(instructions a packet, report)"""
    out = os.path.join(directory, "callgrind.out")
    done = callgrind.run(program, "replay_count", out)
    if done.returncode == SKIPPED:
        pytest.skip("the kernel has no UDP GSO: packets leave another way")
    assert done.returncode == 0, done.stdout + done.stderr
    n_packets = int(re.match(r"packets (\d+) ", done.stdout).group(1))
    counts = callgrind.Counts(out, program)
    assert counts.crypto > 0, "no call into a cipher was seen"
    assert not any("_avx" in name for name in counts.by_function), (
        "glibc took this CPU's functions: see callgrind.ENVIRONMENT")
    figure = (counts.total - counts.crypto) / n_packets
    return figure, (
        f"{figure:.2f} instructions a packet "
        f"(and {counts.crypto / n_packets:.0f} of crypto), {done.stdout}"
        f"The costliest functions, a packet:\n{costliest(counts, n_packets)}")


def test_instructions_per_packet(program, tmp_path, request):
    figure, report = measure(program, str(tmp_path))
    print(report)
    if request.config.getoption("--record"):
        with open(RECORDED, "w", encoding="utf-8") as file:
            json.dump({"instructions_per_packet": round(figure, 2)}, file,
                      indent=2)
            file.write("\n")
        return
    with open(RECORDED, encoding="utf-8") as file:
        recorded = json.load(file)["instructions_per_packet"]
    change = figure / recorded - 1
    assert change <= TOLERANCE, (
        f"{change:+.1%} of the recorded {recorded}: the packet path has become "
        f"costlier. Where it is wanted: ./dev test perf --record\n{report}")
    assert change >= -TOLERANCE, (
        f"{change:+.1%} of the recorded {recorded}: record the better figure "
        f"with ./dev test perf --record\n{report}")
