# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand worlds of the control plane (tests/sim)."""
import os
import subprocess

from lib.node import build_dir

N_SEEDS = 100000


def test_worlds(capsys):
    program = os.path.join(build_dir(), "tests", "sim", "test-sim")
    done = subprocess.run([program, "--first", "2001", "--seeds",
                           str(N_SEEDS)], capture_output=True, text=True,
                          timeout=3 * 3600)
    with capsys.disabled():
        print("\n" + done.stdout.splitlines()[-2])
    assert done.returncode == 0, done.stdout + done.stderr
