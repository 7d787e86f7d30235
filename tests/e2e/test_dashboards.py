# SPDX-License-Identifier: Apache-2.0
"""docker/grafana's dashboards against the types of npm's @grafana/schema, and
that a wrong one fails."""
import copy
import json
import os
import subprocess

import pytest

from lib.node import ROOT
from lib.promql import DASHBOARDS, load_dashboard

NPM = os.path.join(ROOT, "tests", "e2e", "npm")
TSC = os.path.join(NPM, "node_modules", "typescript", "bin", "tsc")


@pytest.fixture(scope="module")
def check(npm_modules, tmp_path_factory):
    """What tsc has to say of dashboards: {name: its lines}, in one run."""
    def run(dashboards):
        directory = tmp_path_factory.mktemp("dashboards")
        for name, dashboard in dashboards.items():
            with open(directory / f"{name}.ts", "w") as file:
                file.write(
                    'import type { MediaTreeDashboard } from '
                    f'{json.dumps(os.path.join(NPM, "dashboard"))};\n'
                    "export const dashboard: MediaTreeDashboard = "
                    f"{json.dumps(dashboard, indent=1)};\n")
        result = subprocess.run(
            ["node", TSC, "--noEmit", "--strict", "--pretty", "false",
             "--target", "es2022", "--module", "esnext",
             "--moduleResolution", "bundler",
             *(f"{name}.ts" for name in dashboards)],
            cwd=directory, capture_output=True, text=True, timeout=60)
        lines = result.stdout.splitlines()
        found = {name: [line for line in lines
                        if line.startswith(f"{name}.ts(")]
                 for name in dashboards}
        errors = [line for line in lines if "error TS" in line]
        assert len(errors) == sum(map(len, found.values())), result
        assert (result.returncode == 0) == (not errors), result
        return found
    return run


def first(dashboard, kind):
    return next(p for p in dashboard["panels"] if p["type"] == kind)


def no_title(d):
    del d["title"]


def unknown_member(d):
    d["refersh"] = "10s"


def unknown_panel(d):
    first(d, "timeseries")["type"] = "graph"


def unknown_option(d):
    first(d, "stat")["options"]["colourMode"] = "value"


def wrong_enum(d):
    first(d, "timeseries")["options"]["legend"]["displayMode"] = "tabel"


def wrong_custom(d):
    first(d, "timeseries")["fieldConfig"]["defaults"]["custom"][
        "spanNuls"] = True


def wrong_type(d):
    first(d, "timeseries")["fieldConfig"]["defaults"]["unit"] = 7


def wrong_threshold(d):
    first(d, "stat")["fieldConfig"]["defaults"]["thresholds"]["mode"] = "per"


def no_query(d):
    first(d, "timeseries")["targets"] = []


def no_expression(d):
    del first(d, "timeseries")["targets"][0]["expr"]


def wrong_variable(d):
    d["templating"]["list"][1]["type"] = "querry"


def wrong_annotation(d):
    d["annotations"]["list"][0]["enable"] = "yes"


def wrong_timeline(d):
    first(d, "state-timeline")["options"]["showValue"] = "sometimes"


WRONG = [no_title, unknown_member, unknown_panel, unknown_option, wrong_enum,
         wrong_custom, wrong_type, wrong_threshold, no_query, no_expression,
         wrong_variable, wrong_annotation, wrong_timeline]


def test_types(check):
    """ours are right, and each of these mistakes is found"""
    dashboards = {name: load_dashboard(name) for name in DASHBOARDS}
    for spoil in WRONG:
        dashboards[spoil.__name__] = copy.deepcopy(dashboards["scaling"])
        spoil(dashboards[spoil.__name__])
    said = check(dashboards)
    for name in DASHBOARDS:
        assert said[name] == []
    for spoil in WRONG:
        assert said[spoil.__name__], f"{spoil.__name__} passes"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_what_types_do_not_say(name):
    """ids are unique, panels do not overlap, texts are there"""
    dashboard = load_dashboard(name)
    panels = dashboard["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    assert len({p["title"] for p in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
    assert dashboard["uid"] in ("media-tree", "media-tree-scaling")
