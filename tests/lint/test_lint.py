# SPDX-License-Identifier: Apache-2.0
"""Runs each lint over the tree, and proves on bad samples that it bites."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402
import errors  # noqa: E402
import format as format_lint  # noqa: E402
import includes  # noqa: E402
import logs  # noqa: E402
import readmes  # noqa: E402
import sizes  # noqa: E402
import spdx  # noqa: E402

LINTS = {"includes": includes, "spdx": spdx, "sizes": sizes,
         "format": format_lint, "readmes": readmes, "errors": errors,
         "logs": logs}


def write(root, path, text):
    where = root / path
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(text)


@pytest.mark.parametrize("name", LINTS)
def test_tree(name):
    problems = list(LINTS[name].check(common.ROOT))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.mark.parametrize("path, line", [
    ("egress/a.c", '#include "whip/session.h"'),
    ("whip/a.c", '#include "egress/viewer.h"'),
    ("rtc/a.h", '#include "relay/hub.h"'),
    ("rtc/a.c", '#include "cluster/store.h"'),
    ("base/a.c", '# include "rtc/rtp.h"'),
    ("scaling/a.c", '#include "relay/hub.h"'),
    ("relay/a.c", '#include "hub.h"'),
    ("relay/a.c", "#include <libsoup/soup.h>"),
    ("cluster/a.c", "#include <libsoup/soup.h>"),
    ("relay/a.c", "#include <hiredis/hiredis.h>"),
    ("rtc/a.c", "  e = gst_element_factory_make (a, b);"),
    ("node/a.c", "  p = gst_parse_launch (a, b);"),
])
def test_includes_bites(tmp_path, path, line):
    write(tmp_path, path, f"/* x */\n{line}\n")
    assert [p for p in includes.check(tmp_path)
            if p.startswith(f"{path}:2: ")]


@pytest.mark.parametrize("path, line", [
    ("egress/a.c", '#include "relay/hub.h"'),
    ("egress/a.c", "  gst_element_set_state (a, b);"),
    ("node/a.c", '#include "whip/session.h"'),
    ("node/a.c", "  gst_init (NULL, NULL);"),
    ("cluster/a.c", "#include <hiredis/hiredis.h>"),
    ("rtc/a.c", '/* unlike gst_element_factory_make (x)\n'
                '#include "whip/session.h" */'),
])
def test_includes_lets_pass(tmp_path, path, line):
    write(tmp_path, path, f"{line}\n")
    assert not list(includes.check(tmp_path))


@pytest.mark.parametrize("path", ["base/a.c", "rtc/a.h", "tests/e2e/a.py",
                                  "docker/a.sh", "dev"])
def test_spdx_bites(tmp_path, path):
    write(tmp_path, path, "one\ntwo\nthree SPDX-License-Identifier: "
                          "Apache-2.0\n")
    assert [p for p in spdx.check(tmp_path) if p.startswith(f"{path}:1: ")]
    write(tmp_path, path, "#!/bin/sh\n# SPDX-License-Identifier: "
                          "Apache-2.0\n")
    assert not list(spdx.check(tmp_path))


def function(n_lines):
    return "int\nlong_one (int a)\n{\n" + "  a++;\n" * (n_lines - 3) + "}\n"


def test_sizes_bites(tmp_path):
    write(tmp_path, "base/ok.c", function(80))
    write(tmp_path, "base/f.c", function(81))
    write(tmp_path, "base/l.c", "\n" * 601)
    assert [p.split(": ")[0] for p in sizes.check(tmp_path)] == [
        "base/f.c:2", "base/l.c:601"]


def test_sizes_excuses(tmp_path):
    write(tmp_path, "base/f.c", function(81))
    write(tmp_path, "tests/lint/allow.txt", "base/f.c:long_one a table\n")
    assert not list(sizes.check(tmp_path))
    write(tmp_path, "tests/lint/allow.txt", "base/f.c:long_one\n")
    assert list(sizes.check(tmp_path)), "an excuse needs a reason"
    write(tmp_path, "base/f.c", function(10))
    assert list(sizes.check(tmp_path)), "an old excuse must go"


def test_format_bites(tmp_path):
    write(tmp_path, "base/a.c", "int\nmain (void)\n{\n  return 0;\n}\n")
    assert not list(format_lint.check(tmp_path))
    write(tmp_path, "base/b.c", "int main(void) {\nreturn 0; }\n")
    problems = list(format_lint.check(tmp_path))
    assert len(problems) == 1 and problems[0].startswith("base/b.c:1: ")


def test_readmes_bites(tmp_path):
    write(tmp_path, "rtc/a.c", "")
    problems = list(readmes.check(tmp_path))
    assert len(problems) == 1 and problems[0].startswith("rtc/README.md:1: ")


def test_errors_bites(tmp_path):
    write(tmp_path, "docs/ERRORS.md", "| `a-known` | 404 | x | y |\n"
                                      "| `a-gone` | 404 | x | y |\n")
    write(tmp_path, "base/a.c",
          '  base_http_problem (msg, 404, "a-known", "x");\n'
          '  base_http_problem (msg, NOT_FOUND,\n'
          '                     "a-new", "x");\n'
          '    [ROOM_ERROR_X] = "a-row",\n'
          '  code = "a-value";\n'
          '  refuse_full (self, msg, "a-limit", "x");\n'
          '  base_http_problem (msg, 404, ok ? "a" : "b", "x");\n')
    problems = list(errors.check(tmp_path))
    assert [p.split(": ")[0] for p in problems] == [
        "base/a.c:7", "base/a.c:2", "base/a.c:6", "base/a.c:4", "base/a.c:5",
        "docs/ERRORS.md:2"], problems


def test_errors_lets_pass(tmp_path):
    write(tmp_path, "docs/ERRORS.md", "| `a-known` | 404 | x | y |\n")
    write(tmp_path, "base/a.c",
          '  base_http_problem (msg, 404, "a-known", "x");\n'
          '  base_http_problem (msg, status, code, "%s", text);\n'
          '  base_http_problem (msg, 422, x_error_code (error), "x");\n')
    assert not list(errors.check(tmp_path))


def test_logs_bites(tmp_path):
    write(tmp_path, "base/log-fields.c",
          '  { "session", FALSE },\n  { "lost", TRUE },\n')
    write(tmp_path, "rtc/a.c", "".join(f"  GST_INFO ({text}, x);\n" for text in (
        '"%s is gone"', '"session=%s %s"', '"session=%s: gone"',
        '"colour=%s gone"', '"session=%s session=%s gone"', 'message',
        '"session=%s lost=%"\n    G_GUINT64_FORMAT " %.8s"')))
    assert [p.split(": ")[0] for p in logs.check(tmp_path)] == [
        f"rtc/a.c:{line}" for line in (1, 2, 3, 4, 5, 6, 7)]


def test_logs_lets_pass(tmp_path):
    write(tmp_path, "base/log-fields.c",
          '  { "session", FALSE },\n  { "lost", TRUE },\n')
    write(tmp_path, "rtc/a.c", "".join(f"  GST_INFO ({text}, x);\n" for text in (
        '"gone: %s"', '"%u are gone"', '"session=%s"',
        '"session=%.8s lost=%" G_GUINT64_FORMAT\n      " gone: %s"')))
    assert not list(logs.check(tmp_path))


def test_lint_exits_with_1(tmp_path):
    write(tmp_path, "rtc/a.c", '#include "whip/a.h"\n')
    script = os.path.join(os.path.dirname(__file__), "includes.py")
    done = subprocess.run([sys.executable, script, str(tmp_path)],
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "rtc/a.c:1: " in done.stdout
