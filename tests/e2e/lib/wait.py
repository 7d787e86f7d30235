# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, the only way a test here lets time pass."""
import time


class Timeout(AssertionError):
    pass


def wait_for(condition, what, timeout=10.0, interval=0.05):
    """Calls condition() until it returns something true, and returns that.
    An exception of the condition counts as "not yet" and is shown at the end.
    """
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, OSError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise Timeout(f"no {what} within {timeout:g} s; last: {last!r}")
        time.sleep(interval)
