# SPDX-License-Identifier: Apache-2.0
"""GStreamer's webrtcbin as a WHIP publisher: another WebRTC stack (libnice,
full ICE, its own DTLS and SRTP). Prints "answered STATUS" and "connected";
ends with a DELETE when stdin is closed.
  gst-publish.py URL H264|H265"""
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

VIDEO = {
    "H264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 "
            "bitrate=600 ! video/x-h264,profile=constrained-baseline ! "
            "rtph264pay config-interval=-1 aggregate-mode=zero-latency ! "
            "application/x-rtp,media=video,encoding-name=H264,payload=96",
    "H265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=60 "
            "bitrate=600 ! rtph265pay config-interval=-1 ! "
            "application/x-rtp,media=video,encoding-name=H265,payload=96",
}


def say(*words):
    print(*words, flush=True)


class Publisher:
    def __init__(self, url, codec):
        self.url = url
        self.session = None
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(
            "webrtcbin name=w bundle-policy=max-bundle "
            "videotestsrc is-live=true ! "
            "video/x-raw,width=320,height=180,framerate=15/1 ! "
            f"{VIDEO[codec]} ! w. "
            "audiotestsrc is-live=true ! audioconvert ! audioresample ! "
            "opusenc ! rtpopuspay ! application/x-rtp,media=audio,"
            "encoding-name=OPUS,payload=111 ! w.")
        self.webrtc = self.pipeline.get_by_name("w")
        self.webrtc.connect("on-negotiation-needed", self.negotiate)
        self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        self.webrtc.connect("notify::connection-state", self.on_state)
        self.is_posted = False
        for i in range(2):
            transceiver = self.webrtc.emit("get-transceiver", i)
            transceiver.props.direction = \
                GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
        channel = GLib.IOChannel.unix_new(0)
        GLib.io_add_watch(channel, GLib.PRIORITY_DEFAULT,
                          GLib.IOCondition.IN | GLib.IOCondition.HUP,
                          lambda *_: self.loop.quit())

    def negotiate(self, _):
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(
            self.on_offer))

    def on_offer(self, promise):
        # the description lives in the reply: keep that
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, None)

    def on_gathering(self, *_):
        if self.webrtc.props.ice_gathering_state == \
                GstWebRTC.WebRTCICEGatheringState.COMPLETE \
                and not self.is_posted:
            self.is_posted = True
            GLib.idle_add(self.post)

    def post(self):
        sdp = self.webrtc.props.local_description.sdp.as_text()
        request = urllib.request.Request(
            self.url, sdp.encode(), {"Content-Type": "application/sdp"})
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                self.session = urllib.parse.urljoin(self.url,
                                                    reply.headers["Location"])
                text = reply.read().decode()
                say("answered", reply.status)
        except urllib.error.HTTPError as error:
            say("answered", error.code, error.read().decode())
            self.loop.quit()
            return
        _, message = GstSdp.SDPMessage.new_from_text(text)
        answer = GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.webrtc.emit("set-remote-description", answer, None)

    def on_state(self, *_):
        if self.webrtc.props.connection_state == \
                GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            say("connected")

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.session:
            request = urllib.request.Request(self.session, method="DELETE")
            with urllib.request.urlopen(request, timeout=10) as reply:
                say("deleted", reply.status)
        self.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    Gst.init(None)
    Publisher(*sys.argv[1:3]).run()
