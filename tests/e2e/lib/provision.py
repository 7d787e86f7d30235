# SPDX-License-Identifier: Apache-2.0
"""A leader's hands without its head: tests/peer/provision-probe."""
import json
import os
import signal
import subprocess

from .node import BINARY, build_dir, clean_environment

ANSWER_S = 60


class Provisioner:
    """Told what shall be there; @args: as provision-probe takes them."""

    def __init__(self, directory, kind, *args):
        self.log_path = os.path.join(str(directory), "provision.log")
        program = os.path.join(build_dir(), "tests", "peer", "provision-probe")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program, kind, *args], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
                env=clean_environment())

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        line = self.process.stdout.readline()
        assert line, "no answer: " + self.read_log()[-3000:]
        return json.loads(line)

    def ensure(self, name, role, token="0:1:n:x", tree="main", ordinal=0,
               gen=1):
        return self.tell("ensure", name, role, tree, ordinal, gen,
                         token)["error"]

    def remove(self, name, token="0:1:n:x", tree="main", grace_ms=30000):
        return self.tell("remove", name, tree, grace_ms, token)["error"]

    def list(self, tree="main"):
        reply = self.tell("list", tree)
        assert reply["error"] == "", reply
        return reply["instances"]

    def read_log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def kill(self):
        """As the kernel would: nothing is said any more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Processes:
    """A directory of instances of this machine. All that run are ended with
    it, whatever leader is left."""

    def __init__(self, directory, ports, *args):
        self.directory = str(directory)
        self.args = ["--directory", os.path.join(self.directory, "processes"),
                     "--binary", BINARY]
        for key, port in ports.items():
            self.args += [f"--{key}-port", str(port)]
        self.args += args
        self.leaders = []

    def lead(self):
        leader = Provisioner(self.directory, "process", *self.args)
        self.leaders.append(leader)
        return leader

    def path(self, name, *more):
        return os.path.join(self.directory, "processes", name, *more)

    def pid(self, name):
        with open(self.path(name, "process")) as file:
            return int(file.read().split()[0])

    def kill(self):
        last = self.lead()
        for name in last.list():
            assert last.remove(name, token="9:9:z:z", grace_ms=10000) == ""
        for leader in self.leaders:
            leader.kill()
