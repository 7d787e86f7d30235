# SPDX-License-Identifier: Apache-2.0
"""One measurement: a server, a source, a load; what the server used."""
import json
import os
import subprocess
import time


def cpu_s(pid):
    """CPU seconds (user and system) of all threads, by the scheduler."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat",
                      encoding="ascii") as file:
                total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total / 1e9


def status(pid):
    values = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            key, _, value = line.partition(":")
            values[key] = value.split()[0] if value.split() else ""
    return {"rss_kb": int(values["VmRSS"]), "threads": int(values["Threads"]),
            "fds": len(os.listdir(f"/proc/{pid}/fd"))}


def stop(process):
    if process.poll() is None:
        process.terminate()
        process.wait(10)


def read_event(load, name):
    line = load.stdout.readline()
    event = json.loads(line) if line.strip() else {"event": "nothing"}
    if event["event"] != name:
        raise RuntimeError(f"the load said {event}, not {name}")
    return event


def run(server, tools, viewers, bitrate, gro=False, seconds=8, settle=3,
        cores="", streams=1, sample=8, fps=30, join_rate=0):
    """Returns a dict: the load's counts, and the server's costs in the same
    window. @tools: folder of bench-load and bench-source"""
    prefix = ["taskset", "-c", cores] if cores else []
    source = subprocess.Popen(
        prefix + [f"{tools}/bench-source", "--video",
                  f"127.0.0.1:{server.video}", "--audio",
                  f"127.0.0.1:{server.audio}", "--bitrate", str(bitrate),
                  "--fps", str(fps), "--streams", str(streams),
                  "--stride", "8"],
        stdout=subprocess.DEVNULL)
    load = None
    try:
        time.sleep(2.5)  # a group of pictures: streams are live, warm
        before = status(server.pid)
        load = subprocess.Popen(
            prefix + [f"{tools}/bench-load", *server.load_args(),
                      "--viewers", str(viewers), "--seconds", str(seconds),
                      "--settle", str(settle), "--sample", str(sample),
                      "--streams", str(streams),
                      "--join-rate", str(join_rate)]
            + (["--gro"] if gro else []),
            stdout=subprocess.PIPE, text=True)
        ready = read_event(load, "ready")
        read_event(load, "start")
        used = cpu_s(server.pid)
        during = status(server.pid)
        result = read_event(load, "stop")
        used = cpu_s(server.pid) - used
        after = status(server.pid)
    finally:
        stop(source)
        if load:
            stop(load)
    packets = max(1, result["packets"])
    result.update(
        server=server.name, gro=gro, bitrate=bitrate, asked=viewers,
        seated_ready=ready["seated"], cpu_us=used * 1e6 / packets,
        cpu_share=used / result["seconds"], streams=streams,
        rss_kb=after["rss_kb"], threads=during["threads"], fds=during["fds"],
        kb_viewer=(after["rss_kb"] - before["rss_kb"]) / max(1, viewers))
    return result
