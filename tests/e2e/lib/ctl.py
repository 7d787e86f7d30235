# SPDX-License-Identifier: Apache-2.0
"""media-tree ctl, run and looked at."""
import subprocess

from .node import BINARY, clean_environment

OK, USAGE, NOT_FOUND, UNREACHED = 0, 64, 66, 69
TRY_AGAIN, NOT_UNDERSTOOD, REFUSED = 75, 76, 77


def environment_of(more):
    return clean_environment(**{"LC_ALL": "C.UTF-8", **more})


def ctl(*args, **environment):
    return subprocess.run([BINARY, "ctl", *args], capture_output=True,
                          text=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=environment_of(environment))


def fails(result, code, *words):
    """It ends with @code and says why, in one line."""
    assert result.returncode == code, result
    assert result.stdout == "", result
    assert result.stderr.startswith("media-tree ctl: "), result
    assert result.stderr.count("\n") == 1, result
    for word in words:
        assert word in result.stderr, result


def prints(result, *words):
    assert result.returncode == OK and result.stderr == "", result
    for word in words:
        assert word in result.stdout, result
    return result.stdout
