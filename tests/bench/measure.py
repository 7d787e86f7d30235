# SPDX-License-Identifier: Apache-2.0
"""One measurement: a server, a source, a load; what the server used."""
import contextlib
import json
import os
import subprocess
import time


def threads(pid):
    """(CPU seconds, user and system; times it was given a core) by thread
    name, by the scheduler."""
    used = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        path = f"/proc/{pid}/task/{task}/"
        try:
            with open(path + "comm", encoding="utf-8") as file:
                name = file.read().strip()
            with open(path + "schedstat", encoding="ascii") as file:
                spent, _, runs = (int(word) for word in file.read().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
        before = used.get(name, (0, 0))
        used[name] = (before[0] + spent / 1e9, before[1] + runs)
    return used


def spent(pid):
    """(CPU seconds, runs) of the whole process"""
    return [sum(column) for column in zip(*threads(pid).values())]


def status(pid):
    values = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            key, _, value = line.partition(":")
            values[key] = value.split()[0] if value.split() else ""
    return {"rss_kb": int(values["VmRSS"]), "threads": int(values["Threads"]),
            "fds": len(os.listdir(f"/proc/{pid}/fd"))}


@contextlib.contextmanager
def running(command, cores, **kwargs):
    """A process on @cores (taskset's list; empty: any), ended at the end."""
    prefix = ["taskset", "-c", cores] if cores else []
    process = subprocess.Popen(prefix + command, text=True, **kwargs)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


def run_source(server, tools, bitrate, cores, streams=1, fps=30, audio=True):
    return running(
        [f"{tools}/bench-source", "--video", f"127.0.0.1:{server.video}",
         "--bitrate", str(bitrate), "--fps", str(fps),
         "--streams", str(streams), "--stride", "8"]
        + (["--audio", f"127.0.0.1:{server.audio}"] if audio else []),
        cores, stdout=subprocess.DEVNULL)


def run_load(server, tools, viewers, cores, **options):
    """@options: of bench-load; True: a flag, None or False: not given"""
    words = []
    for key, value in options.items():
        if value is not None and value is not False:
            words.append("--" + key.replace("_", "-"))
            if value is not True:
                words.append(str(value))
    return running([f"{tools}/bench-load", *server.load_args(),
                    "--viewers", str(viewers), *words], cores,
                   stdout=subprocess.PIPE)


def read_event(load, name):
    line = load.stdout.readline()
    event = json.loads(line) if line.strip() else {"event": "nothing"}
    if event["event"] != name:
        raise RuntimeError(f"the load said {event}, not {name}")
    return event


def run(server, tools, viewers, bitrate, gro=False, seconds=8, settle=3,
        cores="", streams=1, sample=8, fps=30, **options):
    """@options: more of bench-load's. Returns a dict: the load's counts, and
    the server's costs in the same window. @tools: folder of bench-load"""
    with run_source(server, tools, bitrate, cores, streams, fps):
        time.sleep(2.5)  # a group of pictures: streams are live, warm
        before = status(server.pid)
        with run_load(server, tools, viewers, cores, seconds=seconds,
                      settle=settle, sample=sample, streams=streams, gro=gro,
                      **options) as load:
            ready = read_event(load, "ready")
            read_event(load, "start")
            used, runs = spent(server.pid)
            during = status(server.pid)
            result = read_event(load, "stop")
            used, runs = (end - begin for end, begin in zip(
                spent(server.pid), (used, runs)))
            after = status(server.pid)
            dropped = server.count_dropped()
    packets = max(1, result["packets"] + result["crowd_packets"])
    n_viewers = max(1, result["viewers"])
    result.update(
        server=server.name, gro=gro, bitrate=bitrate, asked=viewers,
        seated_ready=ready["seated"], cpu_us=used * 1e6 / packets,
        cpu_share=used / result["seconds"], streams=streams,
        runs=runs / result["seconds"],
        load_share=result["load_cpu_s"] / result["seconds"], dropped=dropped,
        rss_kb=after["rss_kb"], threads=during["threads"], fds=during["fds"],
        kb_viewer=(after["rss_kb"] - before["rss_kb"]) / n_viewers)
    return result


def run_joins(server, tools, viewers, cores, signers=8):
    """As many joins as the server takes, of a stream that costs nothing (a
    small frame a second): what a join costs, by thread."""
    with run_source(server, tools, 20000, cores, fps=1, audio=False):
        time.sleep(2.5)
        before = threads(server.pid)
        with run_load(server, tools, viewers, cores, seconds=0.1, settle=0,
                      sample=0, signers=signers) as load:
            result = read_event(load, "ready")
            after = threads(server.pid)
            read_event(load, "start")
            result.update(read_event(load, "stop"))
    used = {name: after[name][0] - before.get(name, (0, 0))[0]
            for name in after}
    media = sum(s for name, s in used.items() if name.startswith("media-")
                and name[6:].isdigit())
    n = max(1, result["connected"])
    result.update(join_us=sum(used.values()) * 1e6 / n,
                  media_us=media * 1e6 / n, wall_rate=n / result["join_s"])
    return result
