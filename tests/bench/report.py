# SPDX-License-Identifier: Apache-2.0
"""Tables of measurements, and their way into docs/BENCHMARKS.md."""
import os
import statistics

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def times(key):
    """p50/p99/max of a result's @key, in ms"""
    return lambda r: "/".join(f"{r[key][k] / 1000:.2f}"
                              for k in ("p50", "p99", "max"))


COLUMNS = [
    ("server", lambda r: r["server"]),
    ("receivers", lambda r: "GRO" if r["gro"] else "plain"),
    ("kbit/s", lambda r: f"{r['bitrate'] // 1000}"),
    ("streams", lambda r: f"{r['streams']}"),
    ("viewers", lambda r: f"{r['asked']}"),
    ("CPU µs/packet", lambda r: f"{r['cpu_us']:.2f}"),
    ("CPU %", lambda r: f"{r['cpu_share'] * 100:.0f}"),
    ("packets/s", lambda r: f"{r['packets'] / r['seconds']:.0f}"),
    ("lost", lambda r: f"{r['lost']:.0f}"),
    ("of it receivers' overrun", lambda r: f"{r['overrun']:.0f}"),
    ("latency p50/p99/max ms", times("latency_us")),
    ("KB/viewer", lambda r: f"{r['kb_viewer']:.0f}"),
    ("threads", lambda r: f"{r['threads']:.0f}"),
    ("fds", lambda r: f"{r['fds']:.0f}"),
]


def median_of(results):
    """One row of several rounds: the median of each number."""
    row = dict(results[0])
    for key, value in row.items():
        if isinstance(value, dict):
            row[key] = {k: statistics.median(r[key][k] for r in results)
                        for k in value}
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            row[key] = statistics.median(r[key] for r in results)
    for key in {"bitrate", "asked", "streams"} & row.keys():
        row[key] = results[0][key]
    return row


def table(rows, columns=None):
    """@columns: of COLUMNS' kind; without: those"""
    columns = columns or COLUMNS
    lines = ["| " + " | ".join(title for title, _ in columns) + " |",
             "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(show(row) for _, show in columns) + " |"
              for row in rows]
    return "\n".join(lines)


def ratios(rows):
    """Others' cost and latency in units of media-tree's with receivers of the
    same kind."""
    pairs = [{**other, "own": own} for other in rows for own in rows
             if other["server"] != "media-tree" == own["server"]
             and all(own[k] == other[k]
                     for k in ("bitrate", "asked", "streams", "gro"))]
    return table(pairs, COLUMNS[:3] + COLUMNS[4:5] + [
        ("CPU, times media-tree's",
         lambda r: f"{r['cpu_us'] / r['own']['cpu_us']:.1f}"),
        ("p99 latency, times media-tree's",
         lambda r: f"{r['latency_us']['p99'] / max(1, r['own']['latency_us']['p99']):.1f}"),
    ])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file
                      if line.startswith("model name")), "?")
    return f"{os.cpu_count()} × {model}, Linux {os.uname().release}"


def write_section(name, text):
    """Replaces the section of docs/BENCHMARKS.md that begins with @name."""
    path = os.path.join(ROOT, "docs/BENCHMARKS.md")
    begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->\n"
    old = "# Benchmarks\n\n"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            old = file.read()
    section = begin + text + "\n" + end
    if begin in old and end in old:
        head, rest = old.split(begin, 1)
        new = head + section + rest.split(end, 1)[1]
    else:
        new = old.rstrip("\n") + "\n\n" + section
    with open(path, "w", encoding="utf-8") as file:
        file.write(new)


def report(title, name, args, parts):
    """@parts: paragraphs below the line that says how it was made"""
    text = "\n\n".join([
        f"## {title}",
        f"`{args.command}` on {machine()}; server on core "
        f"{args.server_core or 'any'}, source and viewers on core "
        f"{args.load_core or 'any'}; windows of {args.seconds:g} s, "
        f"medians of {args.rounds}.", *parts])
    print(text)
    if args.write:
        write_section(name, text + "\n")
