# SPDX-License-Identifier: Apache-2.0
"""What a node says of itself: probes, metrics, lists, the HTTP API as
api/openapi.yaml describes it, and how it starts and ends."""
import json
import os
import re
import signal

import jsonschema
import pytest
import yaml

from lib import sdp
from lib.node import ROOT, free_ports, run_binary
from lib.signaling import Session
from lib.wait import wait_for


@pytest.fixture(scope="module")
def api():
    with open(os.path.join(ROOT, "api", "openapi.yaml")) as file:
        return yaml.safe_load(file)


@pytest.fixture(scope="module")
def live(module_world):
    """A node with a publisher and a viewer."""
    node = module_world.node("--insecure")
    module_world.obs(node, "live")
    module_world.viewers(node, "live").wait_video(30)
    return node


class Schemas:
    """Replies against the description."""

    def __init__(self, api):
        self.api = api

    def resolve(self, thing):
        while "$ref" in thing:
            node = self.api
            for part in thing["$ref"].removeprefix("#/").split("/"):
                node = node[part]
            thing = node
        return thing

    def operation(self, path, method):
        for template, item in self.api["paths"].items():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
            if re.fullmatch(pattern, path) and method.lower() in item:
                return item[method.lower()]
        raise AssertionError(f"{method} {path} is not described")

    def check(self, path, method, reply):
        responses = self.operation(path, method)["responses"]
        assert str(reply.status) in responses, (path, method, reply)
        content = self.resolve(responses[str(reply.status)]).get("content", {})
        if not content:
            assert not reply.body, reply
            return
        assert reply.type in content, reply
        schema = content[reply.type].get("schema")
        if schema and reply.type.endswith("json"):
            jsonschema.validate(reply.json(), {
                **self.to_json_schema(schema)})

    def to_json_schema(self, schema):
        """OpenAPI 3.0's nullable and $ref as JSON Schema has them."""
        schema = dict(self.resolve(schema))
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                schema[key] = self.to_json_schema(schema[key])
        if "properties" in schema:
            schema["properties"] = {k: self.to_json_schema(v) for k, v
                                    in schema["properties"].items()}
        for key in ("allOf", "anyOf", "oneOf"):
            if key in schema:
                schema[key] = [self.to_json_schema(s) for s in schema[key]]
        if schema.pop("nullable", False) and "type" in schema:
            schema["type"] = [schema["type"], "null"]
        return schema


@pytest.fixture(scope="module")
def schemas(api):
    return Schemas(api)


@pytest.mark.parametrize("path", [
    "/healthz", "/readyz", "/metrics", "/monitoring/system", "/debug/state",
    "/sd/prometheus",
    "/api/streams",
    "/api/nodes", "/api/tree", "/api/autoscaling/status",
    "/api/autoscaling/policies", "/api/autoscaling/recommendations",
    "/api/autoscaling/history/egress", "/api/autoscaling/history/none",
    "/api/autoscaling/status?limit=0",
    "/api/openapi.yaml", "/whip/live", "/whep/live", "/whep/live/none",
    "/api/streams/none/snapshot.jpg",
    "/api/streams/live/path", "/api/streams/none/path", "/api/sessions/none"])
def test_get_as_described(live, schemas, path):
    schemas.check(path.partition("?")[0], "GET", live.request(path))


def test_sessions_as_described(live, schemas):
    sdp_type = {"Content-Type": "application/sdp"}
    cases = [("/whip/other", sdp.publish_offer(), sdp_type),
             ("/whip/other", "nonsense", sdp_type),
             ("/whip/other", sdp.publish_offer(), {}),
             ("/whip/other", "x" * (1 << 20), sdp_type),
             ("/whep/live", sdp.watch_offer(), sdp_type),
             ("/whep/live", sdp.watch_offer(video=("VP9",)), sdp_type),
             ("/whep/none", sdp.watch_offer(), sdp_type)]
    for path, body, headers in cases:
        schemas.check(path, "POST", live.request(path, "POST", body, headers))
    for path, make in (("/whip/other", sdp.publish_offer),
                       ("/whep/live", sdp.watch_offer)):
        session = Session(live, path, make=make).expect(201)
        target = session.url.removeprefix(live.url)
        for reply in (session.trickle(), session.patch("x", "text/plain"),
                      session.patch("x"), session.restart(),
                      session.trickle(if_match='"stale"')):
            schemas.check(target, "PATCH", reply)
        schemas.check(target, "OPTIONS", live.request(target, "OPTIONS"))
        schemas.check(target, "GET", session.get())
        schemas.check(target, "DELETE", session.delete())
        schemas.check(target, "DELETE", session.delete())


def test_description_is_served(live, api):
    assert yaml.safe_load(live.request("/api/openapi.yaml").text) == api
    assert api["openapi"].startswith("3.")


def test_streams_list(live):
    streams = {s["name"]: s for s in live.request("/api/streams").json()}
    stream = streams["live"]
    assert stream["live"] and stream["viewers"] == 1, stream
    assert {(t["kind"], t["codec"]) for t in stream["tracks"]} == {
        ("video", "H264"), ("audio", "opus")}
    video = next(t for t in stream["tracks"] if t["kind"] == "video")
    assert (video["width"], video["height"]) == (640, 360)
    wait_for(lambda: next(s for s in live.request("/api/streams").json()
                          if s["name"] == "live")["bitrate"] > 100000,
             "bitrate")


def test_snapshot_is_a_picture(live):
    def picture():
        reply = live.request("/api/streams/live/snapshot.jpg")
        return reply.status == 200 and reply
    reply = wait_for(picture, "snapshot", 15)
    assert reply.type == "image/jpeg"
    assert reply.body.startswith(b"\xff\xd8") and len(reply.body) > 1000


def test_metrics_are_a_prometheus_exposition(live):
    reply = live.request("/metrics")
    assert reply.headers["Content-Type"].startswith(
        "text/plain; version=0.0.4")
    metrics = live.metrics()
    for name, kind in metrics.types.items():
        # two names were promised without the prefix
        assert name.startswith(("media_tree_", "process_", "go_")) \
            or name in ("port_pool_utilization_percent",
                        "rtp_packets_lost_total"), name
        assert (kind == "counter") == name.endswith("_total"), (name, kind)
    assert metrics.total("media_tree_publishers") == 1
    assert metrics.total("media_tree_viewers") == 1
    assert metrics.total("media_tree_build_info") == 1


def test_counters_count(live):
    before = live.metrics()
    names = ["media_tree_rtp_packets_received_total",
             "media_tree_rtp_packets_sent_total"]

    def moved():
        now = live.metrics()
        return all(now.total(n) > before.total(n) + 30 for n in names)
    wait_for(moved, "growing packet counters")
    after = live.metrics()
    for (name, labels), value in before.samples.items():
        if before.types.get(name) == "counter":
            assert after.samples.get((name, labels), value) >= value, name


def test_debug_state(live):
    text = live.request("/debug/state").text
    state = json.loads(text)
    assert len(state["workers"]) == 2
    assert state["srtp_sealer"].startswith(("OpenSSL", "ipsec-mb"))
    for kind in ("publishers", "viewers"):  # half-open ones may be there too
        connected = [s for s in state[kind] if s["state"] == "connected"]
        assert len(connected) == 1, state[kind]
    assert "pwd" not in text and "token" not in text


def test_sigusr1_writes_state_to_the_log(live):
    length = len(live.read_log())
    os.kill(live.pid, signal.SIGUSR1)
    wait_for(lambda: "live" in live.read_log()[length:], "state in the log")
    live.assert_alive()


def test_unknown_paths(live):
    for path in ("/nosuch", "/api/nosuch", "/whip", "/debug", "/../etc/passwd",
                 "/watch/../../etc/passwd"):
        live.request(path).assert_problem(400, 404)


def test_viewers_and_publishers_leave_the_books(world, node):
    obs = world.obs(node)
    viewers = world.viewers(node, count=3)
    viewers.wait_event("joined", count=3)
    wait_for(lambda: node.metrics().total("media_tree_viewers") == 3,
             "three viewers")
    viewers.finish()
    wait_for(lambda: node.metrics().total("media_tree_viewers") == 0,
             "no viewer")
    obs.finish()
    wait_for(lambda: node.metrics().total("media_tree_publishers") == 0,
             "no publisher")


def test_sigterm_says_goodbye(world):
    """Peers get close_notify, the process ends with 0."""
    node = world.node("--insecure")
    obs = world.obs(node)
    viewers = world.viewers(node)
    viewers.wait_video(10)
    node.stop()
    viewers.wait_event("closed", 5)
    assert obs.wait_event("end", 5)["closed_by_peer"]


def test_port_in_use_is_said(world, node):
    result = run_binary("--http-listen", f"127.0.0.1:{node.http_port}",
                        "--rtc-port", str(free_ports(2)), "--workers", "2")
    assert result.returncode not in (0, -6, -11)
    assert str(node.http_port) in result.stderr


@pytest.mark.parametrize("arguments", [
    ["--nosuch-setting"], ["--workers", "many"], ["--publisher-linger", "3 x"],
    ["--rtc-port", "70000"], ["--http-listen", "nowhere"],
    ["--config", "/nosuch/file.conf"], ["--jwt-key", "/nosuch.pem"]])
def test_bad_settings_exit_78(arguments):
    result = run_binary(*arguments)
    assert result.returncode == 78, result
    word = arguments[-1] if arguments[-1].startswith("/nosuch") else \
        arguments[0].lstrip("-")
    assert word in result.stderr, result


def test_help_and_version():
    for option, word in (("--help", "--whip-token"), ("--version", "0."),
                         ("--print-config", "rtc-port"),
                         ("--print-sample", "whip-token")):
        result = run_binary(option)
        assert result.returncode == 0 and word in result.stdout, result
