# SPDX-License-Identifier: Apache-2.0
"""Debian's Pushgateway on a free port of 127.0.0.1."""
import os
import subprocess

from prometheus_client.parser import text_string_to_metric_families

from .http import request
from .node import free_ports
from .wait import wait_for


class Pushgateway:
    def __init__(self, directory):
        self.directory = str(directory)
        self.port = free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.start()

    def start(self):
        with open(os.path.join(self.directory, "gateway.log"), "ab") as log:
            self.process = subprocess.Popen(
                ["prometheus-pushgateway",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        wait_for(lambda: request(self.url + "/-/ready", timeout=2).status
                 == 200, "ready Pushgateway", 10)

    def samples(self):
        """[(name, labels, value)] of what was pushed"""
        text = request(self.url + "/metrics", timeout=5).text
        return [(sample.name, sample.labels, sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples if "job" in sample.labels]

    def find(self, name, **labels):
        """Values of that name with these labels, and maybe others"""
        return [value for found, has, value in self.samples()
                if found == name and labels.items() <= has.items()]

    def value(self, name, **labels):
        value, = self.find(name, **labels)
        return value

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
