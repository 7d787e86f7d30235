# SPDX-License-Identifier: Apache-2.0
"""Elementary streams for the peers, made once per build directory.

A file is "MTES", a four-letter codec, the duration of one access unit in
microseconds (u32), the number of units (u32); then per unit its length (u32),
flags (u32, 1 = keyframe) and bytes. All little-endian. Video loops cleanly: it
begins with a keyframe and has a whole number of GOPs.

Every picture carries its own number, so that a viewer's page can tell which
frame it sees and whether the picture is intact: two rows of 16 squares at the
top left, the number and its complement.
"""
import os
import struct
import subprocess
import sys

FPS = 30
WIDTH, HEIGHT = 640, 360

ENCODERS = {
    "H264": ("x264enc speed-preset=ultrafast tune=zerolatency bframes=0 "
             "key-int-max={gop} bitrate={kbps} threads=2 "
             "option-string=scenecut=0:open-gop=0 ! "
             "video/x-h264,profile={profile} ! h264parse config-interval=-1 ! "
             "video/x-h264,stream-format=byte-stream,alignment=au"),
    "H265": ("x265enc speed-preset=ultrafast tune=zerolatency bitrate={kbps} "
             "key-int-max={gop} option-string=scenecut=0:open-gop=0:bframes=0"
             ":repeat-headers=1:min-keyint={gop} ! "
             "h265parse config-interval=-1 ! "
             "video/x-h265,stream-format=byte-stream,alignment=au"),
    "AV1": ("av1enc cpu-used=8 usage-profile=realtime lag-in-frames=0 "
            "keyframe-max-dist={gop} target-bitrate={kbps} end-usage=vbr "
            "threads=2 ! av1parse ! "
            "video/x-av1,stream-format=obu-stream,alignment=tu"),
    "VP8": ("vp8enc deadline=1 cpu-used=8 lag-in-frames=0 keyframe-max-dist="
            "{gop} target-bitrate={kbps}000 ! video/x-vp8"),
}


def square_px(width):
    """Side of one square of the number; 32 of them fit into any width."""
    return width // 40


def number_rows(number, width):
    """The two rows of squares as lines of luma."""
    side = square_px(width)
    for bits in (number & 0xFFFF, ~number & 0xFFFF):
        yield b"".join(bytes([235 if bits >> (15 - i) & 1 else 16]) * side
                       for i in range(16))


def _pictures(n_frames, width, height, first):
    """I420: a slope that moves, a block that moves against it, the number."""
    slope = bytes(20 + i // 2 % 200 for i in range(400))
    slope = slope * ((width + height) // 400 + 2)
    chroma = bytes([128]) * (width * height // 2)
    side = square_px(width)
    for n in range(n_frames):
        left = n * 7 % (width - 60)
        rows = list(number_rows(first + n, width))
        luma = []
        for y in range(height):
            at = (3 * n + y // 2) % 400
            row = slope[at:at + width]
            if y < 2 * side:
                row = rows[y // side] + row[16 * side:]
            elif height // 2 <= y < height // 2 + 60:
                row = row[:left] + bytes([60 + n % 120]) * 60 + \
                    row[left + 60:]
            luma.append(row)
        yield b"".join(luma) + chroma


def _pull_all(pipeline, sink, path, codec, unit_us, skip_delta_first=False):
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
    units = []
    while True:
        sample = sink.emit("pull-sample")
        if sample is None:
            break
        buffer = sample.get_buffer()
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        units.append((1 if key else 0,
                      buffer.extract_dup(0, buffer.get_size())))
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is not None or not units:
        raise RuntimeError(f"encoding {codec} failed: "
                           f"{message and message.parse_error()}")
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as out:
        out.write(struct.pack("<4s4sII", b"MTES", codec.encode().ljust(4),
                              unit_us, len(units)))
        for flags, data in units:
            out.write(struct.pack("<II", len(data), flags) + data)
    os.rename(temporary, path)


def encode_video(path, codec, n_frames, gop, fps, width, height, kbps, first,
                 profile):
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
    Gst.init(None)
    encoder = ENCODERS[codec].format(gop=gop, kbps=kbps, profile=profile)
    pipeline = Gst.parse_launch(
        "appsrc name=src block=true max-bytes=4000000 format=time caps=video/"
        f"x-raw,format=I420,width={width},height={height},framerate={fps}/1 ! "
        f"{encoder} ! appsink name=sink sync=false")
    source, sink = (pipeline.get_by_name(n) for n in ("src", "sink"))
    import threading

    def feed():
        pictures = _pictures(n_frames, width, height, first)
        for n, data in enumerate(pictures):
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = n * Gst.SECOND // fps
            buffer.duration = Gst.SECOND // fps
            source.emit("push-buffer", buffer)
        source.emit("end-of-stream")

    pipeline.set_state(Gst.State.PLAYING)
    thread = threading.Thread(target=feed)
    thread.start()
    _pull_all(pipeline, sink, path, codec, 1000000 // fps)
    thread.join()


def encode_audio(path, n_frames):
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f"audiotestsrc num-buffers={n_frames} samplesperbuffer=960 freq=440 ! "
        "audio/x-raw,rate=48000,channels=2 ! opusenc frame-size=20 "
        "bitrate=64000 ! appsink name=sink sync=false")
    pipeline.set_state(Gst.State.PLAYING)
    _pull_all(pipeline, pipeline.get_by_name("sink"), path, "OPUS", 20000)


def video(cache, codec="H264", gop_s=2, loop_s=8, fps=FPS, width=WIDTH,
          height=HEIGHT, kbps=800, first=0, profile="constrained-baseline"):
    """Path of the stream, encoded on first use (in a process of its own).
    @first: the first picture's number, to tell streams from each other."""
    loop_s = max(gop_s, loop_s // gop_s * gop_s)
    name = (f"{codec}-{width}x{height}-{fps}-gop{gop_s}-{loop_s}s-{kbps}"
            f"{f'-from{first}' if first else ''}-{profile}.es")
    return _made(cache, name, "video", codec, loop_s * fps, gop_s * fps, fps,
                 width, height, kbps, first, profile)


def audio(cache, loop_s=8):
    return _made(cache, f"opus-{loop_s}s.es", "audio", loop_s * 50)


def _made(cache, name, *arguments):
    path = os.path.join(cache, name)
    if not os.path.exists(path):
        os.makedirs(cache, exist_ok=True)
        subprocess.run([sys.executable, __file__, path,
                        *map(str, arguments)], check=True, timeout=120)
    return path


def _main(path, kind, *rest):
    if kind == "audio":
        encode_audio(path, int(rest[0]))
        return
    codec, *numbers, profile = rest
    encode_video(path, codec, *map(int, numbers), profile)


if __name__ == "__main__":
    _main(*sys.argv[1:])
