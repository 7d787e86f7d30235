# SPDX-License-Identifier: Apache-2.0
"""Records of decisions (scaling/record.h): rows of (length, kind, content)."""

TICK = 3


def _read_length(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def flip_decision(data, tick):
    """@data with one bit other in the digest of the tick's decision: its first
    is 1. The digest ends the row, and its last byte has no bit 7."""
    at = n_ticks = 0
    while at < len(data):
        length, at = _read_length(data, at)
        if data[at] == TICK:
            n_ticks += 1
            if n_ticks == tick:
                end = at + length - 1
                return data[:end] + bytes([data[end] ^ 1]) + data[end + 1:]
        at += length
    raise ValueError(f"there are {n_ticks} ticks")
