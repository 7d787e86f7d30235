# SPDX-License-Identifier: Apache-2.0
"""What a joiner gets: the picture from the GOP's start, sound from now."""
import pytest

VIDEO_HZ, AUDIO_HZ = 90000, 48000
GOP_S = 8


@pytest.mark.parametrize("n_viewers", [1, 2])
def test_audio_starts_at_the_live_edge(world, node, n_viewers):
    """On the stream's own worker and on another one (two viewers are spread
    over both): a player keeps audio from before its time as delay."""
    world.obs(node, gop_s=GOP_S)
    first = world.viewers(node)
    first.wait_video(250, 30)  # some seconds of the GOP are there to be sent
    joiners = world.viewers(node, count=n_viewers)
    joiners.wait_video(100)
    for viewer in joiners.finish()["viewers"]:
        video, audio = viewer["video"], viewer["audio"]
        video_s = ((video["last_ts"] - video["first_ts"]) % 2**32) / VIDEO_HZ
        audio_s = ((audio["last_ts"] - audio["first_ts"]) % 2**32) / AUDIO_HZ
        assert video["is_first_key"], viewer
        assert video_s - audio_s > 2, (video_s, audio_s)
