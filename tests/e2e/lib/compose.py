# SPDX-License-Identifier: Apache-2.0
"""Services of a compose file as containers of an Engine: as much of compose as
docker/compose.yml uses, for machines that have Docker and no compose."""
import os
import re

import yaml


class Compose:
    def __init__(self, engine, path, secrets, project, environment,
                 mounts=None, ports=None):
        """@secrets: name -> content; @environment: of ${…}; PUBLIC_ADDRESS
        becomes the machine's on the network;
        @mounts, @ports: what is at other places here: a path of the file, a
        port that a service has and publishes as it is."""
        self.engine, self.project = engine, project
        self.mounts, self.started = mounts or {}, []
        self.ports = ports or {}
        self.directory = os.path.dirname(os.path.abspath(path))
        self.environment = dict(environment)
        self._read(path)
        network = self.file["networks"]["tree"]
        self.network = network["name"]
        words = ["--attachable"] if network.get("attachable") else []
        engine.run("network", "create", "--driver", network["driver"], *words,
                   self.network)
        self.address = engine.inspect_network(self.network)[
            "IPAM"]["Config"][0]["Gateway"]
        self.environment["PUBLIC_ADDRESS"] = self.address
        self._read(path)
        self.secrets = {}
        for name, text in secrets.items():
            where = engine.path(f"{project}-{name}")
            with open(where, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(where, 0o644)
            self.secrets[name] = where

    def _read(self, path):
        with open(path, encoding="utf-8") as file:
            self.file = yaml.safe_load(self._fill(file.read()))

    def _fill(self, text):
        text = re.sub(r"\$\{(\w+):-([^}]*)\}",
                      lambda m: self.environment.get(m[1]) or m[2], text)
        return re.sub(r"\b(%s)\b" % "|".join(map(str, self.ports)),
                      lambda m: str(self.ports[int(m[1])]), text) \
            if self.ports else text

    def name(self, service):
        return f"{self.project}-{service}-1"

    def _networks(self, name, service):
        networks = service["networks"]
        aliases = [name]
        if isinstance(networks, dict):
            aliases += networks["tree"].get("aliases", [])
        return [w for alias in aliases for w in ("--network-alias", alias)]

    def _mounts(self, service):
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                source = os.path.join(self.directory, source)
            elif source in self.file["volumes"]:
                source = f"{self.project}-{source}"
            else:
                source = self.mounts.get(source, source)
            yield ":".join([source, target, *mode])
        for secret in service.get("secrets", []):
            yield f"{self.secrets[secret]}:/run/secrets/{secret}:ro"
        for config in service.get("configs", []):
            file = self.file["configs"][config["source"]]["file"]
            yield f"{os.path.join(self.directory, file)}:{config['target']}:ro"

    @staticmethod
    def _resources(service):
        limits = service["deploy"]["resources"]["limits"]
        kept = service["deploy"]["resources"]["reservations"]
        return ["--cpus", limits["cpus"], "--memory", limits["memory"],
                "--pids-limit", str(limits["pids"]),
                "--memory-reservation", kept["memory"]]

    def words(self, name):
        """Of docker run, for @name"""
        service = self.file["services"][name]
        known = {"image", "command", "entrypoint", "environment", "init",
                 "read_only", "tmpfs", "cap_drop", "security_opt", "networks",
                 "stop_grace_period", "secrets", "logging", "deploy", "ports",
                 "volumes", "group_add", "configs", "hostname", "healthcheck"}
        assert set(service) <= known, set(service) - known
        words = ["-d", "--name", self.name(name), "--network", self.network,
                 *self._networks(name, service), *self._resources(service)]
        for key, flag in (("init", "--init"), ("read_only", "--read-only")):
            words += [flag] if service.get(key) else []
        for key, flag in (("tmpfs", "--tmpfs"), ("cap_drop", "--cap-drop"),
                          ("security_opt", "--security-opt"),
                          ("group_add", "--group-add")):
            words += [w for value in service.get(key, [])
                      for w in (flag, value)]
        for mount in self._mounts(service):
            words += ["-v", mount]
        for key, value in service.get("environment", {}).items():
            words += ["-e", f"{key}={value}"]
        for port in service.get("ports", []):
            # not on loopback, where other nodes of this machine may be
            words += ["-p", f"{self.address}:{port['published']}:"
                      f"{port['target']}/{port['protocol']}"]
        if "hostname" in service:
            words += ["--hostname", service["hostname"]]
        first, *rest = service.get("entrypoint", [None])
        words += ["--entrypoint", first] if first else []
        return [*words, service["image"], *rest, *service.get("command", [])]

    def up(self, *names):
        for name in names:
            self.started.append(self.name(name))
            self.engine.run("run", *self.words(name))

    def down(self, directory):
        """Those that the leader added too; their logs go to @directory."""
        text = self.engine.run("ps", "-a", "--filter",
                               f"network={self.network}", "--format",
                               "{{.Names}}")
        names = sorted({*text.split(), *self.started})
        for name in names:
            with open(os.path.join(directory, name + ".log"), "w",
                      encoding="utf-8") as file:
                file.write(self.engine.logs(name))
        if names:
            self.engine.run("rm", "-f", "-v", *names, check=False)
        self.engine.run("network", "rm", self.network)
        volumes = [f"{self.project}-{name}" for name in self.file["volumes"]]
        self.engine.run("volume", "rm", "-f", *volumes)
        for where in self.secrets.values():
            os.unlink(where)
