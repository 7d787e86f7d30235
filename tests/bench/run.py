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
import joins  # noqa: E402
import measure  # noqa: E402
import metrics  # noqa: E402
import relay_links  # noqa: E402
import scale  # noqa: E402
import servers  # noqa: E402
from report import (ROOT, machine, median_of, ratios, report,  # noqa: E402
                    table, write_section)

HIGH, LOW = 2_500_000, 600_000
USAGE = """\
./dev bench floor                 what a packet costs at least on this machine
./dev bench fanout [--quick]      media-tree and Debian's janus, side by side
                                  (--quick: 200 viewers, one round)
./dev bench scale                 media-tree alone: 10 to 2,000 viewers,
                                  1 to 100 streams
./dev bench full                  media-tree alone: as many viewers as fill
                                  90 % of its core
./dev bench joins                 media-tree alone: what a join costs; 1,000
                                  joins in 10 s while 200 watch
./dev bench metrics               media-tree alone: what /metrics costs at 1,000
                                  streams and 2,000 viewers
./dev bench relay [--quick]       a relay's cost a packet and child beside
                                  GStreamer's multiudpsink, 16 children
Numbers of a busy machine are worth little: compare ratios of one run."""


def build(directory):
    """A release build of its own; returns its folder."""
    path = os.path.join(ROOT, directory)
    if not os.path.exists(os.path.join(path, "build.ninja")):
        subprocess.run(["meson", "setup", path, "-Dbuildtype=release",
                        "-Dwerror=false"], cwd=ROOT, check=True,
                       stdout=sys.stderr)
    subprocess.run(["ninja", "-C", path, "media-tree", "tests/bench/bench-load",
                    "tests/bench/bench-source", "tests/bench/bench-floor",
                    "tests/bench/bench-relay", "tests/bench/bench-children"],
                   check=True, stdout=sys.stderr)
    return path


def make_server(name, args, path, streams=1):
    if name == "media-tree":
        return servers.MediaTree(args.server_core,
                                 os.path.join(path, "media-tree"),
                                 n_streams=streams)
    return servers.Janus(args.server_core, tuned=name == "janus tuned")


def measure_one(name, args, path, viewers, bitrate, gro=False, streams=1,
                **options):
    label = f"{name}, {viewers} viewers, {streams} streams of " \
            f"{bitrate // 1000} kbit/s, {'GRO' if gro else 'plain'} receivers"
    try:
        with make_server(name, args, path, streams) as server:
            result = measure.run(
                server, os.path.join(path, "tests/bench"), viewers, bitrate,
                gro=gro, seconds=args.seconds, cores=args.load_core,
                streams=streams, **options)
    except RuntimeError as error:
        print(f"{label}: {error}", file=sys.stderr)
        return None
    print(f"{label}: {result['cpu_us']:.2f} us a packet, "
          f"{result['cpu_share'] * 100:.0f} % CPU, lost {result['lost']}, "
          f"overrun {result['overrun']}, p99 "
          f"{result['latency_us']['p99'] / 1000:.1f} ms", file=sys.stderr)
    return result


def measure_floor(path):
    """The floors of the mix, us a packet: (plain, GRO) receivers"""
    done = subprocess.run(
        [os.path.join(path, "tests/bench/bench-floor")], check=True,
        stdout=subprocess.PIPE, text=True)
    return [float(line.split()[-1]) for line in done.stdout.splitlines()
            if line.startswith("floor of the mix")]


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


def run_relay(args):
    lines = relay_links.run(args, build(args.build))
    print("\n".join(lines))
    if args.write:
        write_section("relay", f"## A relay's links\n\n`{args.command}` on "
                      f"{machine()}\n\nNodes take GRO on their links: those "
                      "rows are a relay's cost in a tree. Sound goes packet "
                      "by packet, so longer frames cost less.\n\n"
                      + "\n".join(lines) + "\n")
    return 0


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
    results, floors = {}, []
    for _ in range(args.rounds):
        floors.append(measure_floor(path))
        for viewers, bitrate, what in settings:
            for name, gro in what:
                result = measure_one(name, args, path, viewers, bitrate, gro)
                if result:
                    results.setdefault((viewers, bitrate, name, gro),
                                       []).append(result)
    rows = [median_of(results[viewers, bitrate, name, gro])
            for viewers, bitrate, what in settings for name, gro in what
            if (viewers, bitrate, name, gro) in results]
    if not rows:
        return 1
    only = " ".join(str(n) for n in args.viewers or [])
    report(f"Fan-out, {only} viewers" if only else "Fan-out",
           f"fanout {only}".strip(), args, [
        table(rows), "Janus in units of media-tree:", ratios(rows),
        explain_floor(rows, floors)])
    return 0


def explain_floor(rows, floors):
    """The distance from the limit, of those at HIGH"""
    floor = [statistics.median(f) for f in zip(*floors)]
    ours = [r for r in rows
            if r["server"] == "media-tree" and r["bitrate"] == HIGH]
    return (f"The floor of this mix at {HIGH / 1e6:g} Mbit/s in the same run "
            f"(`./dev bench floor`, which seals with OpenSSL): {floor[0]:.2f} "
            f"µs with plain receivers, {floor[1]:.2f} with GRO. media-tree in "
            "units of it: " + ", ".join(
                f"{r['cpu_us'] / floor[r['gro']]:.2f} ({r['asked']} viewers, "
                f"{'GRO' if r['gro'] else 'plain'})" for r in ours) + ".")


def run_alone(args):
    """media-tree alone: scale, full, joins, metrics"""
    path = build(args.build)

    def measure_it(name, *rest, **options):
        return measure_one(name, args, path, *rest, **options)

    def measure_cost(viewers):
        with make_server("media-tree", args, path) as server:
            return measure.run_joins(server, os.path.join(path, "tests/bench"),
                                     viewers, args.load_core)

    if args.what == "joins":
        return joins.run_joins(args, measure_cost, measure_it)
    if args.what == "metrics":
        return metrics.run_metrics(args, path)
    if args.what == "full":
        return scale.run_full(args, measure_it)
    return scale.run_scale(args, measure_it)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", usage=USAGE.replace("%", "%%"))
    parser.add_argument("what", nargs="?",
                        choices=["floor", "fanout", "scale", "full",
                                 "joins", "metrics", "relay"])
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
    return {"floor": run_floor, "fanout": run_fanout, "relay": run_relay}.get(
        args.what, run_alone)(args)


if __name__ == "__main__":
    sys.exit(main())
