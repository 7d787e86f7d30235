#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums JUnit files case by case.

count.py LABEL=STATUS=FILE ...   STATUS is the suite's exit status.

Beside a meson suite's FILE.xml stands its FILE.json (testlog.json): a program
that crashed after some good cases shows only there. A suite that failed without a failed case (it crashed, timed out, did not
build or wrote no file) counts as one failure. The last line is
"N passed, N failed, N skipped"; the exit status is 1 when N failed > 0.
"""
import json
import os
import re
import sys
import xml.etree.ElementTree as ET


def read_cases(path):
    """(name, "passed" | "failed" | "skipped", reason) of each case"""
    for suite in ET.parse(path).getroot().iter("testsuite"):
        output = suite.findtext("system-out") or ""
        reasons = dict(re.findall(r"^ok \d+ (\S+) # SKIP *(.*)$", output,
                                  re.M))
        for case in suite.findall("testcase"):
            name = " ".join(filter(None, (
                suite.get("name") if suite.get("name") != "pytest"
                else case.get("classname"), case.get("name"))))
            broken = [c for c in case if c.tag in ("failure", "error")]
            skipped = case.find("skipped")
            if broken:
                yield name, "failed", broken[0].get("message") or ""
            elif skipped is not None:
                yield name, "skipped", (
                    skipped.get("message")
                    or reasons.get(case.get("name", "")) or "no reason given")
            else:
                yield name, "passed", ""


def read_programs(path):
    """Programs of meson's testlog.json that did not end well: (name, result)"""
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            program = json.loads(line)
            if program["result"] in ("FAIL", "ERROR", "TIMEOUT",
                                     "INTERRUPT", "UNEXPECTEDPASS"):
                yield program["name"].split(" / ")[-1], program["result"]


def read_suite(label, status, path):
    try:
        cases = list(read_cases(path)) if os.path.exists(path) else []
    except ET.ParseError as error:
        cases = [(path, "failed", f"unreadable results: {error}")]
    for program, result in read_programs(path.replace(".xml", ".json")):
        if not any(c[1] == "failed" and program in c[0] for c in cases):
            cases.append((program, "failed", f"the program: {result}"))
    if status != "0" and not any(c[1] == "failed" for c in cases):
        cases.append((label, "failed", "the suite ended with status "
                      f"{status} and no failed case: see its output above"))
    return cases


def main():
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for argument in sys.argv[1:]:
        label, status, path = argument.split("=", 2)
        cases = read_suite(label, status, path)
        for name, result, reason in cases:
            totals[result] += 1
            if result != "passed":
                first = (reason.strip().splitlines() or [""])[0]
                print(f"{result.upper()} {label}: {name}"
                      + (f" ({first})" if first else ""))
        counts = {r: sum(c[1] == r for c in cases) for r in totals}
        print(f"{label + ':':10} {counts['passed']} passed, "
              f"{counts['failed']} failed, {counts['skipped']} skipped")
    print(f"{totals['passed']} passed, {totals['failed']} failed, "
          f"{totals['skipped']} skipped")
    sys.exit(1 if totals["failed"] else 0)


if __name__ == "__main__":
    main()
