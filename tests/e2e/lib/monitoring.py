# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus, node_exporter and Alertmanager on free ports, with the
files of docker/; and what stands in for cAdvisor and for a pager."""
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from urllib.parse import urlencode

from .http import request
from .node import ROOT, free_ports
from .wait import wait_for

DOCKER = os.path.join(ROOT, "docker")
# of all that is rewritten in prometheus.yml, beside addresses
INTERVALS = {"scrape_interval": "1s", "scrape_timeout": "1s",
             "evaluation_interval": "1s"}


class Daemon:
    """A process that is ready when @path answers 200."""

    def __init__(self, directory, name, port, path, *args, env=None):
        self.url = f"http://127.0.0.1:{port}"
        self.log_path = os.path.join(directory, f"{name}.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                args, cwd=directory, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, **(env or {})})
        try:
            wait_for(lambda: self._is_ready(path), f"ready {name}", 20)
        except BaseException:
            self.kill()
            raise

    def _is_ready(self, path):
        code = self.process.poll()
        if code is not None:
            with open(self.log_path, errors="replace") as log:
                raise RuntimeError(f"ended with {code}: {log.read()[-2000:]}")
        return request(self.url + path, timeout=2).status == 200

    def get(self, path, **query):
        reply = request(f"{self.url}{path}?{urlencode(query)}")
        assert reply.status == 200, reply
        return reply.json()["data"]

    def kill(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class NodeExporter(Daemon):
    def __init__(self, directory):
        self.port = free_ports()
        super().__init__(
            directory, "node-exporter", self.port, "/metrics",
            "prometheus-node-exporter",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in (
                "cpu", "meminfo", "netdev", "netstat", "vmstat")))


class Alertmanager(Daemon):
    """Started from what docker/alertmanager/entrypoint.sh makes of the
    environment @env."""

    def __init__(self, directory, **env):
        self.port = free_ports()
        config = os.path.join(directory, "alertmanager.yml")
        super().__init__(
            directory, "alertmanager", self.port, "/-/ready",
            os.path.join(DOCKER, "alertmanager", "entrypoint.sh"),
            "prometheus-alertmanager", f"--config.file={config}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=", f"--storage.path={directory}",
            env={"ALERTMANAGER_CONFIG": config, **env})


class Prometheus(Daemon):
    """With docker/prometheus as it is, but for the global intervals, the URL
    of a node and Alertmanager's address."""

    def __init__(self, directory, node, alertmanager, token, port=None):
        folder = os.path.join(directory, "config")
        shutil.copytree(os.path.join(DOCKER, "prometheus"), folder,
                        ignore=shutil.ignore_patterns("secrets"))
        path = os.path.join(folder, "prometheus.yml")
        with open(path) as file:
            text = file.read()
        for name, value in INTERVALS.items():
            text, n = re.subn(rf"(?m)^  {name}: \w+", f"  {name}: {value}",
                              text)
            assert n == 1, name
        for old, new in (("http://media-tree:7070", node.url),
                         ("alertmanager:9093",
                          f"127.0.0.1:{alertmanager.port}")):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        with open(path, "w") as file:
            file.write(text)
        os.mkdir(os.path.join(folder, "secrets"))
        with open(os.path.join(folder, "secrets", "metrics-token"),
                  "w") as file:
            file.write(token + "\n")
        self.config = path
        port = port or free_ports()
        super().__init__(
            directory, "prometheus", port, "/-/ready", "prometheus",
            f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={os.path.join(directory, 'data')}")

    def query(self, expression):
        """The result of an instant query."""
        return self.get("/api/v1/query", query=expression)["result"]

    def targets(self):
        return self.get("/api/v1/targets", state="active")["activeTargets"]


class Pages:
    """An HTTP server: GET answers @text, what is POSTed is kept."""

    def __init__(self, text=""):
        self.posted = posted = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(text.encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted.append((dict(self.headers), json.loads(body)))
                self.answer(b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       daemon=True)
        self.thread.start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


# Debian has no cAdvisor: names, types and labels of its exposition
# (https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md)
CADVISOR = """\
# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed in seconds.
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{cpu="total",id="/",image="",name=""} 9000
container_cpu_usage_seconds_total{cpu="total",id="/docker/1f",\
image="media-tree",name="media-tree"} 321.5
# HELP container_memory_working_set_bytes Current working set in bytes.
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{id="/",image="",name=""} 8.1e+09
container_memory_working_set_bytes{id="/docker/1f",image="media-tree",\
name="media-tree"} 1.2e+08
# HELP container_oom_events_total Count of out of memory events.
# TYPE container_oom_events_total counter
container_oom_events_total{id="/docker/1f",image="media-tree",\
name="media-tree"} 0
# HELP container_spec_memory_limit_bytes Memory limit for the container.
# TYPE container_spec_memory_limit_bytes gauge
container_spec_memory_limit_bytes{id="/docker/1f",image="media-tree",\
name="media-tree"} 1.073741824e+09
"""
