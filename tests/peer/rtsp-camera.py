#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An RTSP camera by GStreamer's RTSP server, until stdin ends:
/both (H264, Opus), /tcp (the same, no UDP), /vp8, /bare (H264 whose parameter
sets are in the SDP only), /pcma (H264, PCMA)."""
import argparse
import json
import sys

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = ("videotestsrc is-live=true ! "
           "video/x-raw,width=320,height=240,framerate=25/1 ! ")
H264 = PICTURE + ("x264enc tune=zerolatency speed-preset=ultrafast "
                  "key-int-max=25 ! h264parse ! ")
SOUND = " audiotestsrc is-live=true ! "
BOTH = (H264 + "rtph264pay name=pay0 pt=96 config-interval=-1 " + SOUND
        + "opusenc ! rtpopuspay name=pay1 pt=97")
TRACKS = {
    "/both": BOTH,
    "/tcp": BOTH,
    "/vp8": PICTURE + ("vp8enc deadline=1 keyframe-max-dist=25 ! "
                       "rtpvp8pay name=pay0 pt=100"),
    "/bare": H264 + "rtph264pay name=pay0 pt=96 config-interval=0",
    "/pcma": (H264 + "rtph264pay name=pay0 pt=96 config-interval=-1 " + SOUND
              + "alawenc ! rtppcmapay name=pay1 pt=8"),
}


def protect(server, factories, user, password):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "owner")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    for factory in factories:
        may = GstRtspServer.RTSPPermissions()
        for what in ("access", "construct"):
            may.add_permission_for_role("owner", "media.factory." + what, True)
        factory.set_permissions(may)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--user")
    parser.add_argument("--password")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factories = []
    for path, tracks in TRACKS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {tracks} )")
        factory.set_shared(True)
        if path == "/tcp":
            factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        server.get_mount_points().add_factory(path, factory)
        factories.append(factory)
    if options.user:
        protect(server, factories, options.user, options.password)
    if server.attach(None) == 0:
        sys.exit("the port is taken")
    print(json.dumps({"event": "ready", "port": server.get_bound_port()}),
          flush=True)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP,
                      lambda *_: loop.quit())
    loop.run()
    print(json.dumps({"event": "end"}), flush=True)


main()
