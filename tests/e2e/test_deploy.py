# SPDX-License-Identifier: Apache-2.0
"""What ships in docker/: the image's recipe, the compose file, Kubernetes'
manifests, the systemd unit. Every flag and variable in them is one that the
program has; what can run without a container runs here."""
import os
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml

from lib.certificate import make_certificate
from lib.node import BINARY, ROOT, clean_environment, free_ports, run_binary
from lib.wait import wait_for

DOCKER = os.path.join(ROOT, "docker")
PASSWORD = "a-password-of-redis"
NODES = {"injection", "relay", "egress-1", "egress-2"}
LEADER, SOCKET = "injection", "/var/run/docker.sock"


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def settings():
    """key -> type word, as --help has it"""
    text = run_binary("--help").stdout
    return {key: kind for key, kind in re.findall(
        r"^  --([a-z0-9-]+)(?:=(\S+))?", text, re.M)}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(read("docker", "compose.yml"))


@pytest.fixture(scope="module")
def manifests():
    return [thing for name in ("rbac.yaml", "tree.yaml")
            for thing in yaml.safe_load_all(read("docker", "kubernetes",
                                                 name))]


def of_kind(manifests, kind):
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == kind}


def check_flags(words, settings):
    for word in words:
        found = re.fullmatch(r"--([a-z0-9-]+)(=.+)?", word)
        assert found and found.group(1) in settings, word


def check_variables(names, settings):
    for name in names:
        if not name.startswith("MEDIA_TREE_"):
            continue
        key = name[len("MEDIA_TREE_"):].lower().replace("_", "-")
        if key.endswith("-file"):
            assert settings.get(key[:-len("-file")]) == "SECRET", name
        else:
            assert key in settings and settings[key] != "SECRET", name


# The compose file

RESOURCES = {
    "type": "object", "required": ["cpus", "memory"],
    "properties": {
        "cpus": {"type": "string", "pattern": r"^[0-9.]+$"},
        "memory": {"type": "string", "pattern": "^[0-9]+[MG]$"},
        "pids": {"type": "integer", "minimum": 8}},
    "additionalProperties": False}
UPDATE = {
    "type": "object", "required": ["order", "failure_action"],
    "properties": {
        "parallelism": {"type": "integer"},
        "delay": {"type": "string"}, "monitor": {"type": "string"},
        "max_failure_ratio": {"type": "number"},
        "order": {"enum": ["start-first", "stop-first"]},
        "failure_action": {"enum": ["rollback", "pause", "continue"]}},
    "additionalProperties": False}
DEPLOY = {
    "type": "object",
    "required": ["replicas", "restart_policy", "update_config", "resources"],
    "properties": {
        "replicas": {"type": "integer", "minimum": 1},
        "placement": {"type": "object"},
        "restart_policy": {
            "type": "object", "required": ["condition"],
            "properties": {
                "condition": {"enum": ["any", "on-failure", "none"]},
                "delay": {"type": "string"}, "window": {"type": "string"},
                "max_attempts": {"type": "integer"}},
            "additionalProperties": False},
        "update_config": UPDATE, "rollback_config": UPDATE,
        "resources": {
            "type": "object", "required": ["limits", "reservations"],
            "properties": {
                "limits": {**RESOURCES,
                           "required": ["cpus", "memory", "pids"]},
                "reservations": RESOURCES},
            "additionalProperties": False}},
    "additionalProperties": False}
STRINGS = {"type": "array", "items": {"type": "string"}}
SERVICE = {
    "type": "object", "required": ["image", "deploy", "networks"],
    "properties": {
        "image": {"type": "string"}, "hostname": {"type": "string"},
        "init": {"type": "boolean"}, "read_only": {"type": "boolean"},
        "stop_grace_period": {"type": "string"},
        "environment": {"type": "object",
                        "additionalProperties": {"type": "string"}},
        "networks": {"type": ["array", "object"]},
        "ports": {"type": "array"}, "configs": {"type": "array"},
        "healthcheck": {"type": "object", "required": ["test"]},
        "logging": {"type": "object", "required": ["driver"]},
        "deploy": DEPLOY,
        **{key: STRINGS for key in (
            "command", "entrypoint", "cap_drop", "security_opt", "secrets",
            "volumes", "tmpfs", "group_add")}},
    "additionalProperties": False}
COMPOSE = {
    "type": "object", "required": ["services", "networks", "secrets"],
    "properties": {
        "name": {"type": "string"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        **{key: {"type": "object"} for key in (
            "networks", "secrets", "volumes", "configs")}},
    "patternProperties": {"^x-": {}}, "additionalProperties": False}


def test_compose_shape(compose):
    jsonschema.validate(compose, COMPOSE)
    services = compose["services"]
    assert NODES <= set(services)
    assert {"redis", "redis-replica-1", "redis-replica-2", "sentinel-1",
            "sentinel-2", "sentinel-3", "prometheus"} <= set(services)
    for name, service in services.items():
        for kind in ("secrets", "networks"):
            assert set(service.get(kind, [])) <= set(compose[kind]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source == SOCKET:
                assert name == LEADER
            else:
                assert source in compose["volumes"] or os.path.isdir(
                    os.path.join(DOCKER, source)), volume
        for config in service.get("configs", []):
            file = compose["configs"][config["source"]]["file"]
            assert os.path.isfile(os.path.join(DOCKER, file))


def test_compose_nodes(compose, settings):
    published = []
    for name in NODES:
        node = compose["services"][name]
        update = node["deploy"]["update_config"]
        assert (update["order"], update["failure_action"]) == (
            "start-first", "rollback")
        assert node["cap_drop"] == ["ALL"] and node["read_only"]
        check_flags(node["command"], settings)
        check_variables(node["environment"], settings)
        for key, value in node["environment"].items():
            if key.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in node["secrets"]
        rtc = [word.split("=")[1] for word in node["command"]
               if word.startswith("--rtc-port=")]
        for port in node.get("ports", []):
            published.append((port["published"], port["protocol"]))
            # media goes to the port that a candidate names
            if port["target"] != 7070:
                assert port["published"] == port["target"] == int(rtc[0])
    assert len(published) == len(set(published))


def flags(words):
    return dict((word[2:].split("=", 1) + ["yes"])[:2] for word in words)


def test_compose_leader(compose):
    """What it adds is as what is there: the same limits, ports that nobody
    has; and nobody else may ask Docker."""
    services = compose["services"]
    words = flags(services[LEADER]["command"])
    limits = services["egress-1"]["deploy"]["resources"]["limits"]
    kept = services["egress-1"]["deploy"]["resources"]["reservations"]
    assert words["provision-cpu"] == limits["cpus"]
    assert words["provision-memory"] == limits["memory"] + "iB"
    assert words["provision-pids"] == str(limits["pids"])
    assert words["provision-memory-reserved"] == kept["memory"] + "iB"
    assert words["provision-image"] == services[LEADER]["image"]
    assert words["provision-docker-network"] == \
        compose["networks"]["tree"]["name"]
    first = int(words["provision-first"])
    for service in services.values():
        for port in service.get("ports", []):
            if isinstance(port, dict):
                assert port["published"] < 7070 + first or \
                    7200 <= port["published"] < 7200 + 32 * first
    for name in NODES:
        node = services[name]
        may = flags(node["command"]).get("lead", node["environment"][
            "MEDIA_TREE_LEAD"]) == "yes"
        assert may == any(SOCKET in v for v in node.get("volumes", []))
        assert may == (name == LEADER) == ("group_add" in node)


def test_compose_asks_a_name_of_its_own(compose):
    """prometheus.yml's one URL leads to a node of this file."""
    urls = re.findall(r"http://([\w.-]+):(\d+)/sd/prometheus",
                      read("docker", "prometheus", "prometheus.yml"))
    aliases = compose["services"]["injection"]["networks"]["tree"]["aliases"]
    assert urls and all(host in aliases and port == "7070"
                        for host, port in urls)


# Kubernetes

def test_kubernetes_rights(manifests):
    """What scaling/provision-kubernetes.c asks for, and no more."""
    (role,) = of_kind(manifests, "Role").values()
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"],
                              "verbs": ["get", "list", "create", "delete"]}]
    methods = set(re.findall(r'ask \(op, \w+,\s*"([A-Z]+)"', read(
        "scaling", "provision-kubernetes.c")))
    assert methods == {"GET", "POST", "DELETE"}
    (binding,) = of_kind(manifests, "RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [s["name"] for s in binding["subjects"]] == list(
        of_kind(manifests, "ServiceAccount"))
    assert not {m["kind"] for m in manifests} & {"ClusterRole",
                                                 "ClusterRoleBinding"}


def test_kubernetes_nodes(manifests, settings):
    deployments = of_kind(manifests, "Deployment")
    assert len(deployments) == 3
    for name, deployment in deployments.items():
        spec = deployment["spec"]
        pod = spec["template"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        (container,) = pod["containers"]
        assert spec["selector"]["matchLabels"] == labels
        check_flags(container["args"], settings)
        assert container["envFrom"] == [
            {"secretRef": {"name": "media-tree"}},
            {"configMapRef": {"name": "media-tree"}}]
        known = {e["name"] for e in container["env"]}
        assert set(re.findall(r"\$\((\w+)\)", " ".join(
            container["args"]))) <= known
        for probe, path in (("readinessProbe", "/readyz"),
                            ("livenessProbe", "/healthz"),
                            ("startupProbe", "/healthz")):
            assert container[probe]["httpGet"] == {"path": path,
                                                   "port": "http"}
        assert container["lifecycle"]["preStop"]["exec"]["command"][-1] \
            .endswith("media-tree ctl drain --wait")
        assert pod["terminationGracePeriodSeconds"] >= 600 + 30
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["capabilities"] == {
            "drop": ["ALL"]}
        assert set(container["resources"]) == {"requests", "limits"}
        assert pod["serviceAccountName"] in of_kind(manifests,
                                                    "ServiceAccount")
        budget = of_kind(manifests, "PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"] == labels
        assert budget["maxUnavailable"] < spec["replicas"]
        # with ports of the machine a new Pod fits only after the old one
        surge = spec["strategy"]["rollingUpdate"]["maxSurge"]
        assert surge == (0 if pod.get("hostNetwork") else 1)
    for name, service in of_kind(manifests, "Service").items():
        labels = deployments[name]["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"] == labels


def test_kubernetes_leader(manifests, settings):
    """Pods that are added are as those that are there."""
    (config,) = of_kind(manifests, "ConfigMap").values()
    data = config["data"]
    check_variables(data, settings)
    egress = of_kind(manifests, "Deployment")["media-tree-egress"]
    pod = egress["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    resources = container["resources"]
    assert data["MEDIA_TREE_PROVISION_CPU"] == resources["limits"]["cpu"]
    assert data["MEDIA_TREE_PROVISION_CPU_RESERVED"] == \
        resources["requests"]["cpu"]
    for key, kind in (("MEMORY", "limits"), ("MEMORY_RESERVED", "requests")):
        assert data[f"MEDIA_TREE_PROVISION_{key}"].replace(" ", "") == \
            resources[kind]["memory"] + "B"
    assert data["MEDIA_TREE_PROVISION_IMAGE"] == container["image"]
    assert data["MEDIA_TREE_PROVISION_KUBE_ACCOUNT"] == \
        pod["serviceAccountName"]
    assert data["MEDIA_TREE_PROVISION_KUBE_SECRET"] == \
        container["envFrom"][0]["secretRef"]["name"]
    made = read("scaling", "kubernetes-json.c")
    (command,) = container["lifecycle"]["preStop"]["exec"]["command"][2:]
    assert f'"{command}"' in made


# The image

def packages_of(text):
    """Words of the lines that continue apt-get install."""
    return {word for line in text.split("\n") if line.startswith(" " * 6)
            for word in line.rstrip("\\").split()
            if re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", word)
            and word not in ("apt-get", "install")}


def test_image_recipe():
    text = read("docker", "Dockerfile")
    build, final = text.split("\nFROM debian:bookworm-slim\n")
    assert build.count("FROM debian:bookworm-slim AS build") == 1
    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", final, re.M)
    assert final.index("USER ") < final.index("ENTRYPOINT")
    assert "HEALTHCHECK" in final
    for source in re.findall(r"^COPY (docker/\S+)", final, re.M):
        assert os.access(os.path.join(ROOT, source), os.X_OK)
    known = set(re.search(r"BUILD_PACKAGES=\((.*?)\)", read("dev"),
                          re.S).group(1).split())
    there = packages_of(build)
    assert there <= known
    assert {p for p in known if p.endswith("-dev")} <= there


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian")
def test_image_has_the_libraries():
    """Of all that the program is linked with: theirs bring the rest."""
    final = read("docker", "Dockerfile").split("\nFROM ")[-1]
    there = packages_of(final) | {"libc6", "libipsec-mb1"}
    needed = re.findall(r"NEEDED\s+(\S+)", subprocess.run(
        ["objdump", "-p", BINARY], capture_output=True, text=True,
        check=True).stdout)
    paths = dict(re.findall(r"(\S+) => (\S+)", subprocess.run(
        ["ldd", BINARY], capture_output=True, text=True, check=True).stdout))
    for name in needed:
        if name not in paths:  # the loader itself
            continue
        path = os.path.realpath(paths[name]).removeprefix("/usr")
        owners = subprocess.run(
            ["dpkg-query", "-S", path, "/usr" + path], capture_output=True,
            text=True).stdout
        assert {line.split(":")[0] for line in owners.splitlines()} & there, \
            name


def healthcheck(pid, **environment):
    return subprocess.run(
        [os.path.join(DOCKER, "healthcheck.sh"), str(pid)],
        capture_output=True, timeout=20,
        env=clean_environment(**environment)).returncode


def test_healthcheck(world, tmp_path):
    node = world.node("--insecure")
    assert healthcheck(node.pid) == 0
    make_certificate(tmp_path, "node")
    safe = world.node("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key",
                      str(tmp_path / "key.pem"), ready=False)
    wait_for(lambda: healthcheck(safe.pid) == 0, "answer with TLS")
    pid = node.pid
    node.process.send_signal(19)
    try:
        assert healthcheck(pid) != 0
    finally:
        node.process.send_signal(18)
    # nobody: where such a one would listen
    assert healthcheck(2 ** 22 + 1, MEDIA_TREE_HTTP_LISTEN=
                       f"127.0.0.1:{free_ports()}") != 0


# The store of the compose file

class Stored:
    """docker/redis/redis.sh, one of its kinds, on loopback."""

    def __init__(self, directory, kind, **environment):
        self.directory = directory
        secret = os.path.join(directory, "password")
        with open(secret, "w") as file:
            file.write(PASSWORD + "\n")
        self.port = free_ports()
        self.environment = clean_environment(
            REDIS_DATA=directory, REDIS_PASSWORD_FILE=secret,
            REDIS_MASTER="127.0.0.1", **{
                "REDIS_PORT": str(self.port),
                "SENTINEL_PORT": str(self.port), **environment})
        with open(os.path.join(directory, "redis.log"), "wb") as log:
            self.process = subprocess.Popen(
                self.words(kind), env=self.environment, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL)

    @staticmethod
    def words(kind):
        return ["sh", os.path.join(DOCKER, "redis", "redis.sh"), kind]

    def is_healthy(self):
        return subprocess.run(self.words("check"), capture_output=True,
                              env=self.environment).returncode == 0

    def ask(self, *words, password=PASSWORD):
        return subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], capture_output=True,
            text=True, env={**self.environment,
                            "REDISCLI_AUTH": password}).stdout

    def kill(self):
        self.process.kill()
        self.process.wait()


def test_store_of_the_compose_file(world):
    master = world.add(Stored(world.directory_of("redis"), "redis"))
    wait_for(master.is_healthy, "master")
    of_it = {"REDIS_MASTER_PORT": str(master.port)}
    # nobody has a copy: nothing is taken
    assert "NOREPLICAS" in master.ask("set", "a", "b")
    replica = world.add(Stored(world.directory_of("redis"), "replica",
                               **of_it))
    wait_for(lambda: "OK" in master.ask("set", "a", "b"), "write", 20)
    wait_for(lambda: "b" in replica.ask("get", "a"), "copy")
    assert "NOAUTH" in master.ask("get", "a", password="")
    sentinel = world.add(Stored(world.directory_of("redis"), "sentinel",
                                **of_it))
    wait_for(sentinel.is_healthy, "sentinel")
    wait_for(lambda: "num-slaves\n1" in sentinel.ask(
        "sentinel", "master", "mymaster"), "replica that Sentinel knows")
    for server in (master, replica, sentinel):
        with open(f"/proc/{server.process.pid}/cmdline", "rb") as file:
            words = file.read()
        assert words.startswith(b"redis-") # no shell that signals would reach
        assert PASSWORD.encode() not in words


# systemd

@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_systemd_unit(tmp_path, settings):
    text = read("docker", "systemd", "media-tree.service")
    (start,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
    check_flags(start.split()[1:], settings)
    unit = tmp_path / "media-tree.service"
    unit.write_text(text.replace("/usr/bin/media-tree", BINARY).replace(
        "Documentation=man:media-tree(1)\n", ""))
    result = subprocess.run(["systemd-analyze", "verify", "--man=no",
                             str(unit)], capture_output=True, text=True)
    said = [line for line in result.stderr.splitlines()
            if "media-tree.service" in line]
    assert said == []
    # of 10, where 10 is without any protection
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20",
         "--no-pager", str(unit)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-300:] + result.stderr
