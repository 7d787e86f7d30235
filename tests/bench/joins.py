# SPDX-License-Identifier: Apache-2.0
"""Joins: what one costs, and a crowd of them while others watch."""
import sys

from report import median_of, report, table, times

N_JOINS = 1000
SEATED, CROWD, CROWD_S, TAIL_S = 200, 1000, 10, 5
BITRATE = 2_500_000

COST_COLUMNS = [
    ("joins", lambda r: f"{r['connected']:.0f}"),
    ("joins/s, wall", lambda r: f"{r['wall_rate']:.0f}"),
    ("CPU µs a join", lambda r: f"{r['join_us']:.0f}"),
    ("joins/s a core", lambda r: f"{1e6 / r['join_us']:.0f}"),
    ("of it HTTP and SDP µs",
     lambda r: f"{r['join_us'] - r['media_us']:.0f}"),
    ("ICE, DTLS, first packets µs", lambda r: f"{r['media_us']:.0f}"),
    ("handshakes/s a core", lambda r: f"{1e6 / r['media_us']:.0f}"),
]


def p95(key):
    return lambda r: "/".join(f"{r[key][k] / 1000:.0f}"
                              for k in ("p50", "p95", "max"))


CROWD_COLUMNS = [
    ("receivers", lambda r: "GRO" if r["gro"] else "plain"),
    ("joined", lambda r: f"{r['crowd_first_packet_us']['n']:.0f}"),
    ("answered p50/p95/max ms", p95("crowd_answered_us")),
    ("first packet p50/p95/max ms", p95("crowd_first_packet_us")),
    ("lost by the seated", lambda r: f"{r['lost']:.0f}"),
    ("lost by the crowd", lambda r: f"{r['crowd_lost']:.0f}"),
    ("overrun", lambda r: f"{r['overrun'] + r['crowd_overrun']:.0f}"),
    ("dropped by the server", lambda r: f"{r['dropped']:.0f}"),
    ("latency of the seated p50/p99/max ms", times("latency_us")),
    ("CPU %", lambda r: f"{r['cpu_share'] * 100:.0f}"),
    ("load's CPU %", lambda r: f"{r['load_share'] * 100:.0f}"),
]


def run_joins(args, measure_cost, measure_one):
    costs, crowds = [], {False: [], True: []}
    seconds, args.seconds = args.seconds, CROWD_S + TAIL_S
    for _ in range(args.rounds):
        costs.append(measure_cost(N_JOINS))
        print(f"a join: {costs[-1]['join_us']:.0f} us", file=sys.stderr)
        for gro in (False, True):
            result = measure_one("media-tree", SEATED, BITRATE, gro=gro,
                                 signers=8, crowd=CROWD, crowd_s=CROWD_S)
            if result:
                crowds[gro].append(result)
    rows = [median_of(r) for r in crowds.values() if r]
    report("Joins", "joins", args, [
        f"{N_JOINS} WHEP joins as fast as the server takes them (8 at a time), "
        "of a stream with one small frame a second. Handshakes: the media "
        "thread alone.", table([median_of(costs)], COST_COLUMNS),
        f"A crowd: {CROWD} joins in {CROWD_S} s while {SEATED} watch, all at "
        f"{BITRATE / 1e6:g} Mbit/s; times from when a join was due.",
        table(rows, CROWD_COLUMNS)])
    args.seconds = seconds
    return 0 if rows else 1
