"""Simulated videos: a real H.264 MP4, beautiful enough to be shown, with AAC where it sounds."""

import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame

from kling_ui.simulator.planes import planes_of
from kling_ui.simulator.scene import FRAMES_PER_SECOND, Scene
from kling_ui.simulator.sounds import RATE, Sound, fitted
from kling_ui.simulator.stage import Stage

__all__ = ["Scene", "render"]

_ENCODER = {
    "preset": "ultrafast",
    "crf": "22",
    "x264-params": "threads=1:aq-mode=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}
_AUDIO_BITS = 128_000


def render(scene: Scene, path: Path, *, is_given_up: threading.Event) -> bool:
    """Write the video of `scene` to `path`; False where it was given up half-way."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=_ENCODER)
        stream.width, stream.height = scene.size
        stream.pix_fmt = "yuv420p"
        track = _Track(container, scene) if scene.sound is not None else None
        for frame in _pictures(scene):
            if is_given_up.is_set():
                return False
            container.mux(stream.encode(frame))
            if track:
                track.go_on()
        container.mux(stream.encode())
        if track:
            track.end()
    return True


def _pictures(scene: Scene) -> Iterator[VideoFrame]:
    stage = Stage(scene)
    for number in range(scene.frames):
        frame = VideoFrame(*scene.size, "yuv420p")
        stage.paint(planes_of(frame), number / FRAMES_PER_SECOND)
        frame.pts = number
        yield frame


class _Track:
    """The sound of a scene, written in step with its pictures."""

    def __init__(self, container: OutputContainer, scene: Scene) -> None:
        self._container = container
        self._stream: AudioStream = container.add_stream("aac", rate=RATE, layout="stereo")
        self._stream.bit_rate = _AUDIO_BITS
        self._left: Sound = fitted(_sound(scene), scene.frames / FRAMES_PER_SECOND)
        self._at = 0

    def go_on(self) -> None:
        """Write what is heard with one more picture."""
        end = self._at + RATE // FRAMES_PER_SECOND
        part = np.ascontiguousarray(self._left[:, self._at : end])
        if part.shape[1]:
            frame = AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, self._at
            self._container.mux(self._stream.encode(frame))
        self._at = end

    def end(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode(None))


def _sound(scene: Scene) -> Sound:
    if scene.sound is None:
        raise ValueError("The scene is silent.")
    return scene.sound
