# SPDX-License-Identifier: Apache-2.0
"""Runs a program under callgrind and reads what it counted."""
import collections
import os
import re
import subprocess

# What ciphers live in; whichever is used, its instructions are left out.
CRYPTO = re.compile(r"/(libcrypto|libssl|libIPSec_MB|libsrtp2)\.so")
# The same copies and comparisons on every x86 machine: glibc would choose by
# the CPU. And no symbol is looked up while we count.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,"
                      "-AVX_Fast_Unaligned_Load",
    "LD_BIND_NOW": "1",
}
# Settings of whoever runs the suite are none of the program's.
FOREIGN = ("G_", "GST_", "LD_", "MALLOC_", "MEDIA_TREE_", "OPENSSL_")


def run(program, function, out, *arguments):
    """Counts inside @function only; returns the finished process."""
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(FOREIGN)}
    return subprocess.run(
        ["valgrind", "--tool=callgrind", f"--toggle-collect={function}",
         f"--callgrind-out-file={out}", "--separate-threads=no", program,
         *arguments],
        env={**env, **ENVIRONMENT}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=300, check=False)


class Counts:
    """Instructions: all, those of the program's calls into crypto, and where
    the others went: the program's own functions, and what it called in
    libraries with all that these call.

    A line of costs is "position count"; after "calls=" it is the whole cost of
    these calls, which the callee's own lines have too. Names are written once,
    "(7) name", then "(7)"; "cob=" is left out where caller and callee are of
    one object. Crypto is told by who enters it: what it calls (libc, itself by
    way of stubs that belong to no object) is then inside already."""

    def __init__(self, path, program):
        self.program = os.path.basename(program)
        self.by_function = collections.Counter()
        self.total = self.crypto = 0
        self.names = {}
        self.object = self.function = self.callee = self.called = ""
        is_call = False
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line[0] in "0123456789+-*":
                    self.cost(int(line.split()[1]), is_call)
                    is_call = False
                elif "=" in line:
                    is_call = self.header(*line.rstrip("\n").split("=", 1))

    def name(self, kind, text):
        number, _, name = text.partition(" ")
        if name:
            self.names[kind, number] = name
        return self.names[kind, number]

    def header(self, key, text):
        """Returns whether the next line is the cost of calls."""
        if key == "ob":
            self.object = self.callee = self.name("object", text)
        elif key == "fn":
            self.function = self.name("function", text)
            self.callee = self.object
        elif key == "cob":
            self.callee = self.name("object", text)
        elif key == "cfn":
            self.called = self.name("function", text)
        return key == "calls"

    def cost(self, count, is_call):
        is_own = os.path.basename(self.object) == self.program
        callee, self.callee = self.callee, self.object
        if not is_call:
            self.total += count
            if is_own:
                self.by_function[self.function] += count
        elif is_own and CRYPTO.search(callee):
            self.crypto += count
        elif is_own and callee != self.object:
            self.by_function[self.called] += count
