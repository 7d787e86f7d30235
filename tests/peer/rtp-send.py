#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An encoder's RTP: GStreamer sends the suite's elementary streams
(tests/e2e/lib/media.py) to UDP ports of 127.0.0.1, in a loop until stdin is
closed, and says so in lines of JSON.

    rtp-send.py --video FILE PORT PT --audio FILE PORT PT
"""
import argparse
import json
import struct
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

PAYLOADERS = {
    "H264": ("video/x-h264,stream-format=byte-stream,alignment=au",
             "h264parse ! rtph264pay config-interval=-1"),
    "VP8": ("video/x-vp8", "rtpvp8pay"),
    "OPUS": ("audio/x-opus,channel-mapping-family=0,channels=2,rate=48000",
             "rtpopuspay"),
}
MTU_BYTES = 1200


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def read_units(path):
    """(codec, microseconds a unit, the units)"""
    with open(path, "rb") as file:
        magic, codec, unit_us, count = struct.unpack("<4s4sII", file.read(16))
        if magic != b"MTES":
            raise SystemExit(f"{path} is no elementary stream")
        units = []
        for _ in range(count):
            length, _flags = struct.unpack("<II", file.read(8))
            units.append(file.read(length))
    return codec.decode().strip(), unit_us, units


class Sender:
    def __init__(self, path, port, pt):
        codec, self.unit_us, self.units = read_units(path)
        caps, payloader = PAYLOADERS[codec]
        self.pipeline = Gst.parse_launch(
            f"appsrc name=src format=time block=true max-bytes=200000 "
            f"caps={caps} ! {payloader} pt={pt} mtu={MTU_BYTES} ! "
            f"udpsink host=127.0.0.1 port={port} sync=true")
        self.source = self.pipeline.get_by_name("src")
        self.is_ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self, clock, base_time):
        """All senders keep one time, as an encoder does."""
        self.pipeline.use_clock(clock)
        self.pipeline.set_start_time(Gst.CLOCK_TIME_NONE)
        self.pipeline.set_base_time(base_time)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.thread.start()

    def run(self):
        unit_ns, n = self.unit_us * 1000, 0
        while not self.is_ended:
            buffer = Gst.Buffer.new_wrapped(self.units[n % len(self.units)])
            buffer.pts = buffer.dts = n * unit_ns
            buffer.duration = unit_ns
            if self.source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                break
            n += 1

    def stop(self):
        self.is_ended = True
        self.pipeline.set_state(Gst.State.NULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for kind in ("video", "audio"):
        parser.add_argument(f"--{kind}", nargs=3, action="append", default=[],
                            metavar=("FILE", "PORT", "PT"))
    options = parser.parse_args()
    Gst.init(None)
    senders = [Sender(path, int(port), int(pt))
               for path, port, pt in options.video + options.audio]
    clock = Gst.SystemClock.obtain()
    now = clock.get_time()
    for sender in senders:
        sender.start(clock, now)
    say("sending", n=len(senders))
    sys.stdin.read()
    for sender in senders:
        sender.stop()
    say("end")


main()
