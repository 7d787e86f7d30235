# SPDX-License-Identifier: Apache-2.0
"""/tree: where boxes and lines stand, and what the page shows of a node alone
and of a cluster."""
import re
import subprocess

import pytest

from lib.cluster import Cluster
from lib.node import BINARY, clean_environment
from lib.tree import link, make_tree, node
from lib.wait import wait_for

OPEN = "--insecure"

LAY_OUT = """
const {layOut, onlyStream, judge} = await import('/tree-layout.js');
const [tree, width, stream, expanded] = a;
const shown = stream ? onlyStream(tree,
  tree.streams.find(s => s.name === stream)) : tree;
const {boxes, lines, ...size} = layOut(shown, width, new Set(expanded));
return {...size,
  boxes: boxes.map(b => ({...b, nodes: b.nodes.map(n => n.id)})),
  lines: lines.map(l => ({from: l.from.key, to: l.to.key, kind: l.kind,
    grade: l.grade, n: l.links.length, isFed: l.isFed, path: l.path}))};
"""


class TreePage:
    def __init__(self, browser, node, query=""):
        self.page = browser.open(f"{node.url}/tree{query}")

    def boxes(self):
        """id -> classes, of what is drawn"""
        return self.page.js(
            "return Object.fromEntries([...document.querySelectorAll("
            "'#tree g.box')].map(b => [b.dataset.id, [...b.classList]]));")

    def lines(self):
        """(parent, child) -> classes"""
        found = self.page.js(
            "return [...document.querySelectorAll('#tree g.link')].map(l => "
            "[l.dataset.parent, l.dataset.child, [...l.classList]]);")
        return {(parent, child): classes for parent, child, classes in found}

    def wait(self, condition, what, timeout=10):
        return wait_for(lambda: condition(self.boxes(), self.lines()), what,
                        timeout, 0.1)

    def text(self, selector):
        return self.page.text(selector)

    def press(self, selector, key):
        self.page.js("const e = document.querySelector(a[0]); e.focus();"
                     "e.dispatchEvent(new KeyboardEvent('keydown',"
                     "{key: a[1], bubbles: true, cancelable: true}));",
                     selector, key)


@pytest.fixture(scope="module")
def alone(module_world):
    return module_world.node("--node-id", "box-1", "--insecure")


@pytest.fixture
def lay_out(browser, alone):
    page = browser.open(f"{alone.url}/tree")

    def run(tree, width=1000, stream=None, expanded=()):
        return page.js(LAY_OUT, tree, width, stream, list(expanded))
    return run


def overlap(a, b):
    return (a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"] and
            a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"])


def check_sane(tree, layout):
    """Each node stands once, inside, on nobody else; each line has ends."""
    boxes = layout["boxes"]
    shown = sorted(name for box in boxes for name in box["nodes"])
    assert shown == sorted(n["id"] for n in tree["nodes"])
    for i, box in enumerate(boxes):
        assert 0 <= box["x"] and 0 <= box["y"], box
        assert box["x"] + box["width"] <= layout["width"], box
        assert box["y"] + box["height"] <= layout["height"], box
        for other in boxes[i + 1:]:
            assert not overlap(box, other), (box, other)
    assert all("NaN" not in line["path"] for line in layout["lines"])


@pytest.mark.parametrize("n_relays,n_egress", [
    (1, 0), (1, 1), (2, 4), (3, 20), (16, 256)])
@pytest.mark.parametrize("width", [330, 1200])
def test_nothing_overlaps(lay_out, n_relays, n_egress, width):
    tree = make_tree(n_relays, n_egress)
    layout = lay_out(tree, width)
    check_sane(tree, layout)
    n_columns = 3 if n_egress else 2
    if n_columns * 92 + 50 < width:
        assert layout["width"] <= width


def test_parents_stand_left(lay_out):
    layout = lay_out(make_tree(2, 4))
    boxes = {box["key"]: box for box in layout["boxes"]}
    for line in layout["lines"]:
        assert boxes[line["from"]]["x"] < boxes[line["to"]]["x"]
    assert {(line["from"], line["to"]) for line in layout["lines"]
            if line["kind"] == "backup"} == {
        ("relay-1", "egress-0"), ("relay-0", "egress-1"),
        ("relay-1", "egress-2"), ("relay-0", "egress-3")}


def test_many_egress_nodes_are_one_box(lay_out):
    """1 + 16 + 256: sixteen boxes of sixteen, which say how many lose."""
    tree = make_tree(16, 256)
    bad = {"egress-3": 0.02, "egress-19": 0.07, "egress-35": 0.004}
    for one in tree["links"]:
        if one["kind"] == "parent":
            one["loss_ratio"] = bad.get(one["child"], 0.0)
    layout = lay_out(tree)
    assert len(layout["boxes"]) == 1 + 16 + 16
    group = next(b for b in layout["boxes"] if b["key"] == "group relay-3")
    assert group["isGroup"] and len(group["nodes"]) == 16
    assert group["n_lossy"] == 2 and group["grade"] == "bad"
    line = next(l for l in layout["lines"] if l["to"] == "group relay-3" and
                l["kind"] == "parent")
    assert line["n"] == 16 and line["grade"] == "bad"
    other = next(b for b in layout["boxes"] if b["key"] == "group relay-4")
    assert other["n_lossy"] == 0 and other["grade"] == "ok"
    layout = lay_out(tree, expanded=["relay-3"])
    check_sane(tree, layout)
    assert len(layout["boxes"]) == 1 + 16 + 15 + 16


@pytest.mark.parametrize("loss,silent,alive,grade", [
    (0.0, False, True, "ok"), (0.01, False, True, "ok"),
    (0.011, False, True, "lossy"), (0.05, False, True, "lossy"),
    (0.051, False, True, "bad"), (0.0, True, True, "silent"),
    (0.0, False, False, "silent")])
def test_grades(lay_out, loss, silent, alive, grade):
    tree = make_tree(1, 0)
    tree["links"] = [link("relay-0", "injection-0", "parent", loss,
                          silent=silent)]
    tree["nodes"][0]["alive"] = alive
    assert lay_out(tree)["lines"][0]["grade"] == grade


def test_one_stream(lay_out):
    """Only who carries it; an injection node hears it from its origin."""
    tree = make_tree(2, 4)
    tree["nodes"] += [node("injection-1", "injection", 1),
                      node("injection-2", "injection", 1)]
    tree["links"] += [link("injection-1", "injection-0", "origin"),
                      link("injection-1", "injection-2", "origin"),
                      link("injection-0", "injection-2", "origin")]
    tree["streams"].append({
        "name": "one", "origin": "injection-0", "epoch": 1, "codecs": [],
        "nodes": ["injection-0", "injection-1", "injection-2", "relay-0",
                  "egress-0", "egress-1"]})
    layout = lay_out(tree, stream="one")
    assert {b["key"] for b in layout["boxes"]} == {
        "injection-0", "injection-1", "injection-2", "relay-0", "egress-0",
        "egress-1"}
    assert {(l["from"], l["to"]) for l in layout["lines"]} == {
        ("injection-0", "injection-1"), ("injection-0", "relay-0"),
        ("relay-0", "egress-0"), ("relay-0", "egress-1")}


def test_what_cannot_be_is_drawn_all_the_same(lay_out):
    """Circles, parents that nobody knows, ranks from nowhere."""
    nodes = [node("a", "relay", 2, "b"), node("b", "relay", 2, "a"),
             node("c", "relay", 9000000, "c"), node("d", "egress", 0, "gone"),
             node("e", "metrics", 1), node("f", "egress", 3, "a")]
    tree = {"nodes": nodes, "streams": [], "links": [
        link("a", "b", "parent"), link("b", "a", "parent"),
        link("c", "c", "parent"), link("d", "gone", "parent"),
        link("nobody", "a", "parent"), link("f", "a", "parent")]}
    layout = lay_out(tree)
    check_sane(tree, layout)
    assert layout["width"] <= 1000
    assert lay_out({"nodes": [], "links": [], "streams": []})["boxes"] == []


def test_a_node_alone(browser, module_world, alone):
    """One box, a sentence, and the stream that begins."""
    page = TreePage(browser, alone)
    page.wait(lambda boxes, lines: list(boxes) == ["box-1"] and not lines,
              "one box")
    assert "alone" in page.text("#note")
    assert page.text("#status") == "1 node, 0 streams"
    obs = module_world.obs(alone, "concert")
    wait_for(lambda: "concert" in page.text("#streams"), "stream's button")
    page.page.click('#streams button[data-name="concert"]')
    page.wait(lambda boxes, _: list(boxes) == ["box-1"], "its only node")
    obs.finish()
    wait_for(lambda: "concert" not in page.text("#streams"), "no button")


def test_keyboard_and_words(browser, alone):
    page = TreePage(browser, alone)
    page.wait(lambda boxes, _: boxes, "a box")
    label = page.page.js("return document.querySelector('g.box')"
                         ".getAttribute('aria-label');")
    assert "box-1" in label and "alive" in label, label
    page.press("g.box", "Enter")
    wait_for(lambda: "box-1" in (page.text("#details h2") or ""), "details")
    assert page.page.js("return document.activeElement.dataset.id;") == "box-1"
    page.press("g.box", " ")
    wait_for(lambda: page.page.js("return document.querySelector('#details')"
                                  ".hidden;"), "details closed")
    page.page.click("#table summary")
    wait_for(lambda: "box-1" in (page.text("#rows") or ""), "table")


def test_token_is_asked_for(browser, world):
    node_ = world.node("--admin-token", "secret-a")
    page = TreePage(browser, node_)
    wait_for(lambda: page.page.js(
        "return !document.querySelector('#token-form').hidden;"), "form")
    page.page.js("document.querySelector('#token').value = 'secret-a';"
                 "document.querySelector('#token-form button').click();")
    page.wait(lambda boxes, _: boxes, "a box")
    assert page.page.js("return document.querySelector('#token-form').hidden;")


def test_it_stops_when_hidden(browser, alone):
    """A page that nobody sees asks nothing."""
    page = TreePage(browser, alone)
    page.wait(lambda boxes, _: boxes, "a box")
    count = ("return performance.getEntriesByType('resource')"
             ".filter(e => e.name.endsWith('/api/tree')).length;")
    hide = ("Object.defineProperty(document, 'hidden', {configurable: true,"
            "get: () => a[0]}); document.dispatchEvent("
            "new Event('visibilitychange'));")
    page.page.js(hide, True)
    # a request under way may still come; then a clock that goes on
    before = page.page.js("const now = performance.now(); while ("
                          "performance.now() < now + 1500) await new Promise("
                          "r => setTimeout(r, 100));" + count)
    later = page.page.js("const now = performance.now(); while ("
                         "performance.now() < now + 2500) await new Promise("
                         "r => setTimeout(r, 100));" + count)
    assert later == before
    page.page.js(hide, False)
    wait_for(lambda: page.page.js(count) > later, "asked again")


def test_server_gone(browser, world):
    """The last drawing stays, with a sentence."""
    node_ = world.node("--node-id", "box-2", "--insecure")
    page = TreePage(browser, node_)
    page.wait(lambda boxes, _: "box-2" in boxes, "a box")
    node_.stop()
    wait_for(lambda: "reached" in (page.text("#banner") or ""), "a sentence")
    assert list(page.boxes()) == ["box-2"]


ANSWER = """
window.realFetch = window.realFetch || window.fetch;
window.fetch = async (url, options) => url !== '/api/tree'
  ? window.realFetch(url, options)
  : new Response(JSON.stringify(a[0]), {headers: {ETag: '"' + a[1] + '"'}});
"""


def test_what_scaling_made(browser, alone):
    """Warm, draining, serving, gone in order and fallen silent are told apart;
    a candidate that is silent is no fault."""
    def made(name, subtree, **more):
        return node(name, "egress", 3, "relay-0", subtree=subtree,
                    max_viewers=10, **more)
    tree = make_tree(1, 0)
    tree["nodes"] += [made("a", 0, viewers=4), made("b", 1, viewers=3,
                                                    draining=True),
                      made("c", 2, warm=True), made("d", 3), made("e", 4)]
    tree["links"] += [link(name, "relay-0", "parent") for name in "abcde"]
    tree["links"].append(link("a", "injection-0", "candidate", silent=True))
    page = TreePage(browser, alone)
    page.wait(lambda boxes, _: boxes, "a box")
    page.page.js(ANSWER, tree, 1)
    page.wait(lambda boxes, _: "e" in boxes, "what was made")
    boxes = page.boxes()
    for name, state in (("a", "alive"), ("b", "draining"), ("c", "warm")):
        assert state in boxes[name], boxes
    words = page.page.js(
        "return Object.fromEntries([...document.querySelectorAll('g.box')]"
        ".map(b => [b.dataset.id, b.textContent]));")
    assert "#1" in words["b"] and "draining · 3 left" in words["b"]
    assert "#2" in words["c"] and "warm" in words["c"]
    # what stood there alone before goes as one who left
    wait_for(lambda: page.text("#status") == "7 nodes, 1 draining, 1 warm, "
             "3 subtrees serving, 1 stream", "the words")
    assert ["silent"] == [c for c in page.lines()["injection-0", "a"]
                          if c == "silent"]
    tree["nodes"] = [n for n in tree["nodes"] if n["id"] not in "be"]
    page.page.js(ANSWER, tree, 2)
    page.wait(lambda boxes, _: "gone" in boxes.get("b", ()) and
              "dead" in boxes.get("e", ()), "who left, and who fell silent")


def ctl_tree(node_):
    result = subprocess.run([BINARY, "ctl", "tree", "--url", node_.url],
                            capture_output=True, text=True, timeout=30,
                            env=clean_environment(LC_ALL="C.UTF-8"))
    assert result.returncode == 0, result
    return result.stdout


def test_a_cluster(browser, world):
    """What is drawn is what there is: parents, backups, the stream's path; a
    relay that is killed is marked or gone within 5 s, a node that comes is
    there, and media goes on meanwhile."""
    cluster = Cluster(world, world.redis().url, OPEN)
    cluster.grow(injection=1, relay=2, egress=2)
    page = TreePage(browser, cluster["e2"])
    page.wait(lambda boxes, _: set(boxes) == set(cluster.nodes), "five boxes")
    world.obs(cluster["i1"])
    cluster["e1"].wait_live("live")
    viewers = world.viewers(cluster["e1"])
    viewers.wait_video(20)

    def is_fed(_, lines):
        return all("fed" in lines.get((parent, "e1"), ())
                   for parent in ("r1", "r2"))
    page.wait(is_fed, "both relays feed e1", 15)
    assert {p for p, child in page.lines() if child == "e2"} == {"r1", "r2"}

    def is_told_everywhere():
        """Each node reads the others' heartbeats in its own time."""
        links = [one for one in cluster["r1"].request("/api/tree").json()[
            "links"] if one["child"] == "e1" and one["active"]]
        return {one["parent"] for one in links} >= {"r1", "r2"} and all(
            one["streams"] == 1 and one["loss_ratio"] < 0.01 and
            0 < one["rtt_us"] < 1000000 and 0 <= one["first_ratio"] <= 1
            for one in links)
    wait_for(is_told_everywhere, "e1's links with numbers, as r1 knows them")
    page.page.click('#streams button[data-name="live"]')
    page.wait(lambda boxes, _: set(boxes) == {"i1", "r1", "r2", "e1"},
              "only the stream's path")
    page.page.click('#streams button[data-name=""]')

    cluster["r1"].kill()
    world.started.remove(cluster["r1"])
    page.wait(lambda boxes, _: "dead" in boxes.get("r1", ["dead"]),
              "r1 marked as dead or gone", 5)

    def is_told():
        return all("DEAD" in line for line in ctl_tree(cluster["e1"])
                   .splitlines() if re.match(r"[│├└─ ]*r1 ", line))
    wait_for(is_told, "r1 dead or gone in ctl tree")
    cluster.node("e3", "egress", ready=False)
    page.wait(lambda boxes, lines: "alive" in boxes.get("e3", ()) and
              ("r2", "e3") in lines, "e3 below r2", 15)
    assert "└─ e3" in ctl_tree(cluster["i1"])
    book = viewers.finish()["viewers"][0]
    assert book["video"]["n_missing"] == 0, book
