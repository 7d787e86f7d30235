#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench [what]: measurements. Without arguments: what there is."""
import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import measure  # noqa: E402
import servers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
HIGH, LOW = 2_500_000, 600_000
USAGE = """\
./dev bench floor                 what a packet costs at least on this machine
./dev bench fanout [--quick]      media-tree and Debian's janus, side by side
                                  (--quick: 200 viewers, one round)
./dev bench scale                 media-tree alone: 10 to 2,000 viewers,
                                  1 to 32 streams
Numbers of a busy machine are worth little: compare ratios of one run."""


def build(directory):
    """A release build of its own; returns its folder."""
    path = os.path.join(ROOT, directory)
    if not os.path.exists(os.path.join(path, "build.ninja")):
        subprocess.run(["meson", "setup", path, "-Dbuildtype=release",
                        "-Dwerror=false"], cwd=ROOT, check=True,
                       stdout=sys.stderr)
    subprocess.run(["ninja", "-C", path, "media-tree", "tests/bench/bench-load",
                    "tests/bench/bench-source", "tests/bench/bench-floor"],
                   check=True, stdout=sys.stderr)
    return path


def make_server(name, args, path, streams=1):
    if name == "media-tree":
        return servers.MediaTree(args.server_core,
                                 os.path.join(path, "media-tree"),
                                 n_streams=streams)
    return servers.Janus(args.server_core, tuned=name == "janus tuned")


def measure_one(name, args, path, viewers, bitrate, gro=False, streams=1):
    label = f"{name}, {viewers} viewers, {bitrate // 1000} kbit/s, " \
            f"{'GRO' if gro else 'plain'} receivers"
    try:
        with make_server(name, args, path, streams) as server:
            result = measure.run(
                server, os.path.join(path, "tests/bench"), viewers, bitrate,
                gro=gro, seconds=args.seconds, cores=args.load_core,
                streams=streams)
    except RuntimeError as error:
        print(f"{label}: {error}", file=sys.stderr)
        return None
    print(f"{label}: {result['cpu_us']:.2f} us a packet, "
          f"{result['cpu_share'] * 100:.0f} % CPU, lost {result['lost']}, "
          f"overrun {result['overrun']}, p99 "
          f"{result['latency_us']['p99'] / 1000:.1f} ms", file=sys.stderr)
    return result


# --- tables -----------------------------------------------------------------

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
    ("latency p50/p99/max ms", lambda r: "/".join(
        f"{r['latency_us'][k] / 1000:.2f}" for k in ("p50", "p99", "max"))),
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
    for key in ("bitrate", "asked", "streams"):
        row[key] = results[0][key]
    return row


def table(rows):
    lines = ["| " + " | ".join(title for title, _ in COLUMNS) + " |",
             "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(show(row) for _, show in COLUMNS) + " |"
              for row in rows]
    return "\n".join(lines)


def ratios(rows):
    """Others' cost and latency in units of media-tree's, per setting."""
    lines = []
    for row in rows:
        if row["server"] == "media-tree":
            continue
        for own in rows:
            if own["server"] == "media-tree" and all(
                    own[k] == row[k] for k in ("bitrate", "asked", "streams")):
                p99 = row["latency_us"]["p99"] / max(
                    1, own["latency_us"]["p99"])
                kind = [("GRO" if r["gro"] else "plain") for r in (row, own)]
                lines.append(
                    f"- {row['asked']} viewers, {row['bitrate'] // 1000} "
                    f"kbit/s: {row['server']} ({kind[0]}) / media-tree "
                    f"({kind[1]}): CPU {row['cpu_us'] / own['cpu_us']:.1f}, "
                    f"p99 latency {p99:.1f}")
    return "\n".join(lines)


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


def report(title, name, args, rows, extra=""):
    text = (f"## {title}\n\n`{args.command}` on {machine()}; server on core "
            f"{args.server_core or 'any'}, source and viewers on core "
            f"{args.load_core or 'any'}; windows of {args.seconds:g} s, "
            f"medians of {args.rounds}.\n\n{table(rows)}\n")
    if extra:
        text += f"\n{extra}\n"
    print(text)
    if args.write:
        write_section(name, text)


# --- what there is ------------------------------------------------------------

def run_floor(args):
    path = build(args.build)
    done = subprocess.run(
        [os.path.join(path, "tests/bench/bench-floor")], check=False,
        stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    if args.write and done.returncode == 0:
        write_section("floor", f"## The floor\n\n`{args.command}` on "
                      f"{machine()}\n\n```\n{done.stdout.strip()}\n```\n")
    return done.returncode


def fanout_settings(args):
    """(viewers, bitrate) and, for each, (server, GRO)."""
    both = [("media-tree", False), ("media-tree", True), ("janus tuned", False),
            ("janus tuned", True), ("janus default", False)]
    if args.quick:
        return [((args.viewers or [200])[0], HIGH, both)]
    settings = []
    for viewers in args.viewers or [50, 100, 200, 400]:
        # default janus is at its end before 400
        settings.append((viewers, HIGH,
                         both if viewers <= 200 else both[:-1]))
    if not args.viewers:
        settings += [(n, LOW, both[:-1]) for n in (500, 1000)]
    return settings


def run_fanout(args):
    path = build(args.build)
    if not shutil.which("janus"):
        sys.exit("janus is missing: apt-get install janus")
    if args.quick:
        args.rounds, args.viewers = 1, args.viewers or [200]
    settings = fanout_settings(args)
    results = {}
    for _ in range(args.rounds):
        for viewers, bitrate, what in settings:
            for name, gro in what:
                result = measure_one(name, args, path, viewers, bitrate, gro)
                if result:
                    results.setdefault((viewers, bitrate, name, gro),
                                       []).append(result)
    rows = [median_of(results[viewers, bitrate, name, gro])
            for viewers, bitrate, what in settings for name, gro in what
            if (viewers, bitrate, name, gro) in results]
    only = " ".join(str(n) for n in args.viewers or [])
    report(f"Fan-out, {only} viewers" if only else "Fan-out",
           f"fanout {only}".strip(), args, rows,
           "Janus in units of media-tree, same run:\n\n" + ratios(rows))
    return 0 if rows else 1


def run_scale(args):
    path = build(args.build)
    settings = [(n, LOW, 1) for n in (10, 100, 500, 1000, 2000)]
    settings += [(200, LOW, n) for n in (1, 10, 32)]
    results = {}
    for _ in range(args.rounds):
        for viewers, bitrate, streams in settings:
            result = measure_one("media-tree", args, path, viewers, bitrate,
                                 streams=streams)
            if result:
                results.setdefault((viewers, streams), []).append(result)
    rows = [median_of(results[n, s]) for n, _, s in settings
            if (n, s) in results]
    report("Scale", "scale", args, rows)
    return 0 if rows else 1


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", usage=USAGE)
    parser.add_argument("what", nargs="?",
                        choices=["floor", "fanout", "scale"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--viewers", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--build", default="build-bench",
                        help="build directory (release)")
    parser.add_argument("--server-core", default="0",
                        help="taskset's list, empty: any")
    parser.add_argument("--load-core", default="1")
    parser.add_argument("--write", action="store_true",
                        help="also into docs/BENCHMARKS.md")
    args = parser.parse_args()
    args.command = " ".join(["./dev bench", *sys.argv[1:]])
    if (os.cpu_count() or 1) < 2:
        args.server_core = args.load_core = ""
    if not args.what:
        print(USAGE)
        return 0
    with contextlib.suppress(PermissionError):  # other programs disturb less
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    return {"floor": run_floor, "fanout": run_fanout,
            "scale": run_scale}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
