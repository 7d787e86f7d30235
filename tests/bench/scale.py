# SPDX-License-Identifier: Apache-2.0
"""media-tree alone: what a packet costs over viewers and streams, and how many
viewers fill a core."""
from report import COLUMNS, median_of, report, table

LOW = 600_000
VIEWERS = (10, 100, 1000, 2000)
STREAMS = (1, 10, 100)
VIEWERS_A_STREAM = 10
AIM = 0.90  # of the server's core
FULL_COLUMNS = [c for c in COLUMNS if c[0] not in ("streams", "threads", "fds")]
FULL_COLUMNS[7:7] = [
    ("dropped by the server", lambda r: f"{r['dropped']:.0f}"),
    ("load's CPU %", lambda r: f"{r['load_share'] * 100:.0f}")]


def fit(rows):
    """CPU a second = fixed + packets a second * marginal, by least squares of
    the relative errors. Returns: (fixed us a second, marginal us a packet)"""
    points = [(r["packets"] / r["seconds"], r["cpu_share"] * 1e6)
              for r in rows]
    w = [1 / y ** 2 for _, y in points]
    sw = sum(w)
    mx = sum(k * x for k, (x, _) in zip(w, points)) / sw
    my = sum(k * y for k, (_, y) in zip(w, points)) / sw
    marginal = (sum(k * (x - mx) * (y - my) for k, (x, y) in zip(w, points))
                / sum(k * (x - mx) ** 2 for k, (x, _) in zip(w, points)))
    return my - marginal * mx, marginal


def explain(rows):
    """What a wake-up costs beside its packets"""
    fixed, marginal = fit([r for r in rows if r["streams"] == 1])
    columns = [c for c in COLUMNS if c[0] in (
        "streams", "viewers", "CPU µs/packet")]
    columns += [
        ("fixed + marginal", lambda r: "{:.2f}".format(
            marginal + fixed * r["seconds"] / r["packets"])
            if r["streams"] == 1 else ""),
        ("wake-ups/s", lambda r: f"{r['runs']:.0f}"),
        ("µs a wake-up beside its packets", lambda r: "{:.0f}".format(
            max(0, r["cpu_share"] * 1e6 - marginal * r["packets"]
                / r["seconds"]) / r["runs"]))]
    return [f"Least squares over the rows of one stream: fixed "
            f"{fixed / 1000:.2f} ms of CPU a second, marginal {marginal:.2f} "
            "µs a packet. What is fixed are wake-ups, of which a stream with "
            "sound makes 80 a second (30 frames, 50 packets of sound), shared "
            "by its viewers; one that finds the core asleep costs most.",
            table(rows, columns)]


def run_scale(args, measure_one):
    settings = [(n, 1) for n in VIEWERS] + [
        (n * VIEWERS_A_STREAM, n) for n in STREAMS if n > 1]
    results = {}
    for _ in range(args.rounds):
        for viewers, streams in settings:
            result = measure_one("media-tree", viewers, LOW, streams=streams)
            if result:
                results.setdefault((viewers, streams), []).append(result)
    rows = [median_of(results[s]) for s in settings if s in results]
    if not rows:
        return 1
    report("Scale", "scale", args, [
        f"Over streams the viewers of each are held at {VIEWERS_A_STREAM}; the "
        "first row is also the one of a single stream.", table(rows),
        *explain(rows)])
    return 0


def fill_core(args, measure_one, bitrate, gro):
    """The measurement whose server used AIM of its core, or nearly; one whose
    viewers did not all get in says only that they were too many."""
    viewers, best = 400, None
    for _ in range(6):
        result = measure_one("media-tree", viewers, bitrate, gro=gro,
                             signers=4)
        if not result:
            break
        if result["seated"] < viewers:
            viewers = round(viewers * 0.95 / 10) * 10
            continue
        share = result["cpu_share"]
        if not best or abs(share - AIM) < abs(best["cpu_share"] - AIM):
            best = result
        if abs(share - AIM) <= 0.02:
            break
        viewers = max(10, round(viewers * AIM / share / 10) * 10)
    return best


def run_full(args, measure_one):
    rows = [fill_core(args, measure_one, bitrate, gro)
            for bitrate in (2_500_000, LOW) for gro in (False, True)]
    rows = [row for row in rows if row]
    if not rows:
        return 1
    args.rounds = 1
    report("A full core", "full", args, [
        f"As many viewers as take {AIM * 100:.0f} % of the server's core. The "
        "kernel's work for the receivers' sockets is done in the server's send "
        "call and counted as the server's.", table(rows, FULL_COLUMNS)])
    return 0
