# SPDX-License-Identifier: Apache-2.0
"""Reads the Prometheus text format 0.0.4, strictly: what a scraper would
refuse fails here too."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? ([^ ]+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
                   r"(?:,|$)")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Metrics:
    def __init__(self, text):
        self.types = {}
        self.samples = {}
        assert text.endswith("\n"), "exposition must end in a line feed"
        family = None
        closed = set()
        for line in text.split("\n")[:-1]:
            if line.startswith("# HELP "):
                continue
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert kind in TYPES, line
                assert name not in self.types, f"second TYPE of {name}"
                self.types[name] = kind
                continue
            if not line or line.startswith("#"):
                continue
            name, labels, value = self._sample(line)
            base = self._family(name)
            if base != family:
                assert base not in closed, f"samples of {base} are split up"
                closed.add(family)
                family = base
            key = (name, labels)
            assert key not in self.samples, f"twice: {line}"
            self.samples[key] = value

    def _family(self, name):
        for suffix in ("_bucket", "_sum", "_count"):
            stem = name[:-len(suffix)]
            if name.endswith(suffix) and self.types.get(stem) == "histogram":
                return stem
        return name

    @staticmethod
    def _sample(line):
        match = SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        text = match[2] or ""
        labels = LABEL.findall(text)
        rest = LABEL.sub("", text)
        assert rest == "", f"bad labels: {line!r}"
        return match[1], frozenset(labels), float(match[3])

    def total(self, name, **labels):
        """Sum of the samples of this name that carry these labels."""
        wanted = set(labels.items())
        return sum(v for (n, l), v in self.samples.items()
                   if n == name and wanted <= l)

    def names(self):
        return {name for name, _ in self.samples}

    def moved(self, before, pattern):
        """{sample: difference} of the samples whose name and labels match."""
        found = {}
        for (name, labels), value in self.samples.items():
            text = name + "{" + ",".join(f"{k}={v}" for k, v
                                         in sorted(labels)) + "}"
            difference = value - before.samples.get((name, labels), 0)
            if difference and re.search(pattern, text):
                found[text] = difference
        return found
