# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine of one's own: data, socket and pid file in a directory; no
bridge, no rules of a firewall. For root, with Debian's docker.io."""
import json
import os
import shutil
import subprocess
import time

from .node import ROOT
from .wait import wait_for

MIRROR = os.environ.get("MEDIA_TREE_DEBIAN_MIRROR",
                        "http://deb.debian.org/debian")


def why_not():
    """Why there can be none; None: there can"""
    if os.geteuid() != 0:
        return "dockerd runs as root"
    for program in ("dockerd", "docker", "debootstrap"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
            return f"{program} is not installed (docker.io, debootstrap)"
    return None


class Docker:
    def __init__(self, directory):
        """@directory: outlives tests: what was built is not built again."""
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.socket = os.path.join(self.directory, "socket")
        self.url = "unix://" + self.socket
        self.log_path = os.path.join(self.directory, "dockerd.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", self.path("data"), "--exec-root",
                 self.path("exec"), "--pidfile", self.path("pid"), "-H",
                 self.url, "--bridge=none", "--iptables=false"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(lambda: self.run("version", check=False) is not None,
                 "Docker Engine", 30)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def run(self, *words, check=True, timeout=60):
        """stdout; None: it failed, and nobody minds"""
        result = subprocess.run(["docker", "-H", self.url, *words],
                                capture_output=True, text=True,
                                timeout=timeout)
        if result.returncode and not check:
            return None
        assert result.returncode == 0, result.stderr + result.stdout[-3000:]
        return result.stdout

    def inspect(self, name):
        text = self.run("inspect", name, check=False)
        return json.loads(text)[0] if text else None

    def logs(self, name):
        return subprocess.run(
            ["docker", "-H", self.url, "logs", name], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, errors="replace", text=True,
            timeout=60).stdout

    def inspect_network(self, name):
        return json.loads(self.run("network", "inspect", name))[0]

    def endings(self, since):
        """name -> exit code of containers that ended; @since: time.time()"""
        text = self.run("events", "--since", str(int(since)), "--until",
                        str(int(time.time()) + 1), "--filter", "event=die",
                        "--format", "{{json .Actor.Attributes}}")
        rows = [json.loads(line) for line in text.splitlines()]
        return {row["name"]: int(row["exitCode"]) for row in rows}

    def has_image(self, name):
        return self.inspect(name) is not None

    def build_base(self):
        """debian:bookworm-slim, of debootstrap's"""
        if not self.has_image("debian:bookworm-slim"):
            root = self.path("root")
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm",
                            root, MIRROR], check=True, timeout=600,
                           stdout=subprocess.DEVNULL)
            with subprocess.Popen(["tar", "-C", root, "-c", "."],
                                  stdout=subprocess.PIPE) as tar:
                subprocess.run(["docker", "-H", self.url, "import", "-",
                                "debian:bookworm-slim"], stdin=tar.stdout,
                               check=True, stdout=subprocess.DEVNULL)
            shutil.rmtree(root)

    def build(self, tag, *words):
        """docker/Dockerfile, in one go"""
        self.build_base()
        self.run("build", "--network", "host", "-t", tag, *words, "-f",
                 os.path.join(ROOT, "docker", "Dockerfile"), ROOT,
                 timeout=1800)

    def build_redis(self, tag):
        """What the compose file takes from a registry: Debian's Redis"""
        if self.has_image(tag):
            return
        self.build_base()
        recipe = self.path("redis")
        os.makedirs(recipe, exist_ok=True)
        with open(os.path.join(recipe, "Dockerfile"), "w",
                  encoding="utf-8") as file:
            file.write("FROM debian:bookworm-slim\n"
                       "RUN apt-get update -q && apt-get install -q -y "
                       "--no-install-recommends redis-server redis-sentinel\n"
                       "WORKDIR /data\n")
        self.run("build", "--network", "host", "-t", tag, recipe, timeout=600)

    def kill(self):
        self.process.terminate()
        self.process.wait(30)
