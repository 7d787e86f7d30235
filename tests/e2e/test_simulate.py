# SPDX-License-Identifier: Apache-2.0
"""media-tree ctl simulate, and what the schema of policies and the program
say of the same texts."""
import copy
import json
import os
import re
import subprocess
import xml.etree.ElementTree as xml

import jsonschema
import pytest

from lib.node import BINARY, clean_environment
from lib.record import flip_decision

SCALING = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "../../scaling")
OK, USAGE, BAD_DATA, NO_INPUT, NOT_WRITTEN = 0, 64, 65, 66, 73
TINY = "seconds,viewers\n0,100\n20,2000\n"


def read(name):
    with open(os.path.join(SCALING, name), encoding="utf-8") as file:
        return file.read()


def simulate(*args):
    return subprocess.run([BINARY, "ctl", "simulate", *args],
                          capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=clean_environment())


def fails(result, code, *words):
    assert result.returncode == code, result
    assert result.stdout == "", result
    assert result.stderr.startswith("media-tree ctl simulate: "), result
    assert result.stderr.count("\n") == 1, result
    for word in words:
        assert word in result.stderr, result


@pytest.fixture(name="trace")
def tiny_trace(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(TINY)
    return str(path)


# The schema

SCHEMA = json.loads(read("policy.schema.json"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def base():
    """Every member that there is."""
    return {
        "$schema": "policy.schema.json", "hardLimit": 50, "approval": "manual",
        "egressPerSubtree": 4, "slotsPerEgress": 100,
        "slots": {"warm": 1, "cold": 2, "warmEgress": 2, "warmLead": 1.5,
                  "coldLead": 20},
        "policies": [{
            "name": "a", "service": "egress", "tree": "main", "enabled": True,
            "minReplicas": 4, "maxReplicas": 40, "cooldownPeriod": 60,
            "scaleUpBy": 4, "scaleDownBy": 4, "maxStep": 3,
            "evaluationInterval": 2, "scaleDownWindow": 5, "headroom": 15,
            "spare": 1,
            "metrics": [{"name": "c", "type": "cpu", "source": "redis",
                         "aggregation": "p95", "window": 5, "weight": 3}],
            "thresholds": [{"metric": "c", "scaleUp": 70, "scaleDown": 20,
                            "comparison": "greater_than",
                            "scaleDownRequired": True, "scaleDownWeight": 2,
                            "scaleDownFor": 15}],
            "schedules": [{"name": "s", "tree": "main", "start": "19:30",
                           "end": "23:00", "days": ["sat", "sun"],
                           "minReplicas": 20}]}]}


def changed(path, value):
    """base() with @value at @path; ... removes it"""
    document = copy.deepcopy(base())
    place = document
    *way, last = path
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def text_of(path):
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.lstrip(".")


P = ("policies", 0)
M, T, S = P + ("metrics", 0), P + ("thresholds", 0), P + ("schedules", 0)
GOOD = [
    (("$schema",), ...), (("hardLimit",), 1), (("hardLimit",), 65536),
    (("approval",), "low-confidence"), (("slots",), {}), (("slots",), ...),
    (("slots", "warmLead"), 0), (("trial",), {}), (("trial",), {
        "startWithin": 5, "for": 0, "judgeAfter": 600, "drops": 0.5,
        "failures": 100, "minJoins": 1, "restarts": 1, "timesOthers": 0,
        "backoff": 600}), (P + ("tree",), ...),
    (P + ("thresholds",), []), (P + ("schedules",), []),
    (P + ("minReplicas",), 0), (P + ("maxReplicas",), 65536),
    (P + ("cooldownPeriod",), {"scaleUp": 1, "scaleDown": 86400}),
    (P + ("headroom",), 12.5), (M + ("window",), 0.25), (M + ("weight",), 15),
    (T + ("scaleUp",), ...), (T + ("scaleUp",), -1e9),
    (T + ("comparison",), "percentage_change"), (S + ("days",), ...),
    (S + ("start",), "00:00"), (P + ("name",), "A-b_c.9"),
    (P + ("evaluationInterval",), 2.0),
]
BAD = [
    (("policies",), ...), (("policies",), []), (("policies",), {}),
    (("hardLimit",), 0), (("hardLimit",), 65537), (("hardLimit",), 1.5),
    (("hardLimit",), "100"), (("hardLimit",), None), (("hardLimit",), True),
    (("approval",), "perhaps"), (("approval",), 1),
    (("egressPerSubtree",), 17), (("slotsPerEgress",), 0),
    (("slots",), []), (("slots", "warm"), -1), (("slots", "coldLead"), 3601),
    (("trial",), 60), (("trial",), {"startWithin": 4}),
    (("trial",), {"for": 3601}), (("trial",), {"failures": 101}),
    (("trial",), {"judgeAfter": 0}), (("trial",), {"backoff": 1.5}),
    (P + ("name",), ...), (P + ("name",), ""), (P + ("name",), "a b"),
    (P + ("name",), "a" * 65), (P + ("service",), ...), (P + ("tree",), 5),
    (P + ("enabled",), "yes"), (P + ("minReplicas",), ...),
    (P + ("maxReplicas",), 65537), (P + ("scaleUpBy",), 0),
    (P + ("scaleDownBy",), 65537), (P + ("maxStep",), 4097),
    (P + ("evaluationInterval",), 0), (P + ("scaleDownWindow",), 31),
    (P + ("headroom",), -1), (P + ("spare",), 257),
    (P + ("cooldownPeriod",), "5m"), (P + ("cooldownPeriod",), 86401),
    (P + ("cooldownPeriod",), {"scaleUp": 5}),
    (P + ("metrics",), {}), (P + ("metrics",), base()["policies"] * 17),
    (M + ("name",), ...), (M + ("type",), ...), (M + ("type",), "gpu"),
    (M + ("source",), "statsd"), (M + ("aggregation",), "median"),
    (M + ("window",), 61), (M + ("weight",), 16), (M + ("weight",), 0.5),
    (T + ("metric",), ...), (T + ("comparison",), ...),
    (T + ("comparison",), "bigger"), (T + ("scaleUp",), "70"),
    (T + ("scaleUp",), 2e9), (T + ("scaleDownRequired",), 1),
    (T + ("scaleDownWeight",), 8), (T + ("scaleDownFor",), -1),
    (S + ("name",), ...), (S + ("start",), "24:00"), (S + ("start",), "7:00"),
    (S + ("start",), "2026-11-21 19:00"), (S + ("end",), ...),
    (S + ("days",), []), (S + ("days",), ["Saturday"]),
    (S + ("minReplicas",), ...), (S + ("minReplicas",), -1),
]
UNKNOWN = [("x",), ("slots", "x"), P + ("x",), M + ("x",), T + ("x",),
           S + ("x",)]
# What a schema cannot say.
MEANINGLESS = [
    (P + ("minReplicas",), 41), (("trial",), {"backoff": 601}), (T + ("metric",), "d"),
    (S + ("end",), "2026-11-21T19:00:00Z"),
]


def verdict(document, trace, tmp_path):
    """the program's"""
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    return simulate("--trace", trace, "--policy", str(path))


def test_what_ships_is_good():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    for name in ("policies.json", "small.json", "traces/large.json"):
        VALIDATOR.validate(json.loads(read(name)))


def test_good_policies(trace, tmp_path):
    for path, value in GOOD:
        document = changed(path, value)
        VALIDATOR.validate(document)
        result = verdict(document, trace, tmp_path)
        assert result.returncode == OK, (path, value, result)


def test_bad_policies(trace, tmp_path):
    for path, value in BAD:
        document = changed(path, value)
        assert not VALIDATOR.is_valid(document), (path, value)
        result = verdict(document, trace, tmp_path)
        # the path of the fault, or of what it is inside of
        fails(result, BAD_DATA, f"policy.json: {text_of(path[:2])}")
        assert any(f"policy.json: {text_of(path[:i])}" in result.stderr
                   for i in (len(path), len(path) - 1)), (path, result)
    for path in UNKNOWN:
        document = changed(path, 1)
        assert not VALIDATOR.is_valid(document), path
        fails(verdict(document, trace, tmp_path), BAD_DATA,
              f"{text_of(path[:-1]) or '$'}: \"x\" is not known here")


def test_meaningless_policies(trace, tmp_path):
    for path, value in MEANINGLESS:
        document = changed(path, value)
        VALIDATOR.validate(document)
        fails(verdict(document, trace, tmp_path), BAD_DATA, text_of(path))


# simulate

def test_figures(trace):
    result = simulate("--trace", trace)
    assert result.returncode == OK and result.stderr == "", result
    assert "viewers    2000 at the peak, 2000 came" in result.stdout
    for word in ("over ", "under ", "short ", "wait ", "turns "):
        assert word in result.stdout


def test_options(trace, tmp_path):
    large = os.path.join(SCALING, "traces/large.json")
    million = os.path.join(SCALING, "traces/million.csv")
    path = tmp_path / "picture.svg"
    result = simulate("--trace", million, "--policy", large, "--json",
                      "--out", str(path))
    assert result.returncode == OK and result.stderr == "", result
    figures = json.loads(result.stdout)
    assert figures["waitSeconds"] <= 5
    root = xml.parse(path).getroot()
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(figures["decisions"])
    assert all(d["reason"] in t
               for d, t in zip(figures["decisions"], titles))
    slower = json.loads(simulate("--trace", million, "--policy", large,
                                 "--json", "--cold-lead", "90", "--warm", "0")
                        .stdout)
    assert slower["waitSeconds"] > 4 * figures["waitSeconds"]
    ready = json.loads(simulate("--trace", million, "--policy", large,
                                "--json", "--subtrees", "130").stdout)
    assert ready["waitSeconds"] == 0
    assert "--trace" in simulate("--help").stdout
    assert simulate("--trace", trace, "--tree", "other").returncode == OK


def test_schedule(tmp_path, trace):
    document = changed(S + ("days",), ...)
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    most = {}
    for hour in ("10", "20"):
        result = simulate("--trace", trace, "--policy", str(path), "--json",
                          "--start", f"2026-11-21T{hour}:00:00Z", "--subtrees",
                          "1", "--warm", "0")
        most[hour] = json.loads(result.stdout)["decisions"][0]["to"]
    assert most["20"] > most["10"]


@pytest.mark.parametrize("text, words", [
    ("0,1\n", "trace.csv: line 1: the trace ends"),
    ("0,1\nx,2\n", 'trace.csv: line 2: "x" is no number (seconds)'),
    ("0,1\n5,2\n4,3\n", "trace.csv: line 3: 4 s is not after 5 s"),
])
def test_bad_traces(tmp_path, text, words):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    fails(simulate("--trace", str(path)), BAD_DATA, words)


def test_usage(trace, tmp_path):
    fails(simulate(), USAGE, "say --trace FILE or --replay FILE")
    fails(simulate("--trace", trace, "--replay", trace), USAGE, "say --trace")
    fails(simulate("--trace", trace, "more"), USAGE, '"more"')
    fails(simulate("--trace", trace, "--shape"), USAGE, "--shape")
    fails(simulate("--trace", trace, "--warm", "-1"), USAGE, "--warm")
    fails(simulate("--trace", trace, "--cold-lead", "9999"), USAGE, "3600")
    fails(simulate("--trace", trace, "--cpu-full", "0"), USAGE, "--cpu-full")
    fails(simulate("--trace", trace, "--start", "now"), USAGE, "--start")
    fails(simulate("--trace", str(tmp_path / "none")), NO_INPUT, "none: No")
    fails(simulate("--trace", str(tmp_path)), NO_INPUT)
    fails(simulate("--trace", trace, "--policy", str(tmp_path / "none")),
          NO_INPUT, "none: No")
    fails(simulate("--trace", trace, "--out", str(tmp_path / "no/x.svg")),
          NOT_WRITTEN, "no/x.svg")
    document = changed(P + ("service",), "relay")
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(document))
    fails(simulate("--trace", trace, "--policy", str(path)), BAD_DATA,
          "no policy is for service egress and tree main")


def test_record(trace, tmp_path):
    path = tmp_path / "day.rec"
    day = os.path.join(SCALING, "traces/day.csv")
    large = os.path.join(SCALING, "traces/large.json")
    result = simulate("--trace", day, "--policy", large, "--json",
                      "--start", "2026-11-21T00:00:00Z",
                      "--record", str(path))
    assert result.returncode == OK and result.stderr == "", result
    figures = json.loads(result.stdout)
    result = simulate("--replay", str(path))
    assert result.returncode == OK, result
    assert result.stdout == (
        f"86401 decisions again, {figures['timesOut']:.0f} out, "
        f"{figures['timesIn']:.0f} in: the same\n")

    # the same day under another rule
    rows = path.read_bytes()
    assert rows.count(b'"maxStep":256') == 1
    path.write_bytes(rows.replace(b'"maxStep":256', b'"maxStap":256'))
    fails(simulate("--replay", str(path)), BAD_DATA, "day.rec: row 2: ",
          'policies[0]: "maxStap" is not known here')
    path.write_bytes(rows.replace(b'"maxStep":256', b'"spare":9    '))
    result = simulate("--replay", str(path))
    assert result.returncode == 1, result
    assert re.search(r"differ\nfirst at tick \d+, 2026-11-21T", result.stdout), \
        result

    # one byte of a decision, at noon
    path.write_bytes(flip_decision(rows, 43200))
    result = simulate("--replay", str(path))
    assert result.returncode == 1, result
    assert ": 1 differ\nfirst at tick 43200, 2026-11-21T11:59:59Z: " \
        in result.stdout, result
    path.write_bytes(rows[:100000])
    fails(simulate("--replay", str(path)), BAD_DATA, "is cut off")
    fails(simulate("--replay", trace), BAD_DATA, "row 1")
    fails(simulate("--replay", str(tmp_path / "no")), NO_INPUT, "no: No such")
    fails(simulate("--trace", trace, "--record", str(tmp_path / "no/x")),
          NOT_WRITTEN, "no/x")
