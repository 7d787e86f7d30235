# SPDX-License-Identifier: Apache-2.0
"""The expressions of docker/, and the metrics that they ask for."""
import json
import os
import re

import yaml

from .monitoring import DOCKER

DASHBOARDS = ("tree", "scaling")
# What Grafana would put in
VARIABLES = {"$tree": ".*", "$node": ".*", "$__rate_interval": "5s"}
WORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "bool",
         "offset", "group_left", "group_right"}


def load_dashboard(name):
    path = os.path.join(DOCKER, "grafana", "dashboards", f"{name}.json")
    with open(path) as file:
        return json.load(file)


def with_variables(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, f"a variable that is not known: {expression}"
    return expression


def dashboard_expressions(name):
    """(where, expression) of all panels, rows and annotations."""
    dashboard = load_dashboard(name)
    panels = [p for panel in dashboard["panels"]
              for p in [panel, *panel.get("panels", [])]]
    for panel in panels:
        for target in panel.get("targets", []):
            yield (f"{name}: {panel['title']} {target['refId']}",
                   with_variables(target["expr"]))
    for annotation in dashboard["annotations"]["list"]:
        # whether it would draw a line just now is not asked
        yield (f"{name}: annotation {annotation['name']}",
               with_variables(annotation["target"]["expr"])
               .removesuffix(" > 0"))


def rules(name):
    with open(os.path.join(DOCKER, "prometheus", "rules",
                           f"{name}.yml")) as file:
        groups = yaml.safe_load(file)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def selectors(expression):
    """The vector selectors: name{matchers}, without a range."""
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*"
                  r"\([^)]*\)", " ", expression)
    found = []
    for match in re.finditer(
            r"([a-zA-Z_:][\w:]*)\s*(\()?(\{(?:[^}\"]|\"[^\"]*\")*\})?"
            r"|\"[^\"]*\"|\[[^\]]*\]|[\d.]+\w*", bare):
        name, is_call, matchers = match.groups()
        if name and not is_call and name not in WORDS:
            found.append(name + (matchers or ""))
    return found
