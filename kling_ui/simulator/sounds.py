"""What is heard: sounds that were given, and soft chords where the model makes its own."""

import random
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from kling_ui.simulator.reels import BROKEN, BrokenInputError, opened

RATE = 48_000
LONGEST_SECONDS = 60.0
Sound = npt.NDArray[np.float32]
"""Two rows of samples from -1 to 1, left and right, at 48 kHz."""

_CHORDS = (
    (130.81, 196.00, 246.94, 293.66, 329.63),
    (110.00, 164.81, 196.00, 246.94, 261.63),
    (146.83, 220.00, 261.63, 329.63, 349.23),
    (87.31, 174.61, 220.00, 261.63, 329.63),
)
_FADE_SECONDS = 0.25
_SHORTEST_SECONDS = 0.5


def sound_in(file: Path, *, longest: float = LONGEST_SECONDS) -> Sound | None:
    """Return the sound of a media file, or None where it has none; raise BrokenInputError."""
    parts: list[Sound] = []
    try:
        with opened(file) as container:
            if not container.streams.audio:
                return None
            resampler = AudioResampler(format="fltp", layout="stereo", rate=RATE)
            # What comes before the damage is heard.
            with suppress(av.FFmpegError):
                for frame in container.decode(audio=0):
                    parts += _samples(resampler.resample(frame))
                    if (frame.time or 0) > longest:
                        break
                parts += _samples(resampler.resample(None))
    except BROKEN as exc:
        raise BrokenInputError("the sound can't be decoded") from exc
    if not parts:
        raise BrokenInputError("the sound can't be decoded")
    return np.concatenate(parts, axis=1)[:, : round(longest * RATE)]


def _samples(frames: list[AudioFrame]) -> list[Sound]:
    return [frame.to_ndarray().astype(np.float32, copy=False) for frame in frames]


def length_of(sound: Sound | None) -> float:
    """Return its length in seconds, a moment at least."""
    if sound is None:
        raise BrokenInputError("there is no sound in it")
    return max(_SHORTEST_SECONDS, float(sound.shape[1] / RATE))


def fitted(sound: Sound, seconds: float) -> Sound:
    """Return `sound` cut or filled with silence to `seconds`, fading where it is cut."""
    count = round(seconds * RATE)
    kept = np.zeros((2, count), dtype=np.float32)
    end = min(count, sound.shape[1])
    kept[:, :end] = sound[:, :end]
    if sound.shape[1] > count:
        fade = min(count, round(_FADE_SECONDS * RATE))
        kept[:, count - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return kept


def loudness(sound: Sound, rate: float) -> npt.NDArray[np.float32]:
    """Return how loud it is, 0 to 1, `rate` times a second, smoothed like a needle."""
    width = round(RATE / rate)
    count = max(1, sound.shape[1] // width)
    mono = sound[:, : count * width].mean(axis=0)
    mono = np.pad(mono, (0, count * width - mono.size))
    levels = np.sqrt((mono.reshape(count, width) ** 2).mean(axis=1))
    levels /= max(float(levels.max()), 1e-4)
    needle, shown = 0.0, []
    for level in levels:
        needle = max(float(level) * 0.75 + needle * 0.25, needle * 0.86)
        shown.append(needle)
    return np.array(shown, dtype=np.float32)


def chord(take: str, seconds: float) -> Sound:
    """Return soft chords that change slowly; `take` chooses with which they begin."""
    chance = random.Random(take)  # noqa: S311  no secret
    count = round(seconds * RATE)
    times = np.arange(count, dtype=np.float32) / np.float32(RATE)
    sound = np.zeros((2, count), dtype=np.float32)
    first, every = chance.randrange(len(_CHORDS)), 4.0
    for number in range(int(seconds // every) + 1):
        begin = max(0, round((number * every - 0.8) * RATE))
        end = min(count, round(((number + 1) * every + 0.8) * RATE))
        swell = _swell(times[begin:end], number * every, every)
        for pitch in _CHORDS[(first + number) % len(_CHORDS)]:
            tone = _tone(times[begin:end], pitch, chance.uniform(0, 6)) * swell
            pan = chance.uniform(0.25, 0.75)
            sound[0, begin:end] += tone * np.float32(1 - pan)
            sound[1, begin:end] += tone * np.float32(pan)
    edge = np.minimum(times, np.float32(max(seconds, 1e-3)) - times) / np.float32(0.5)
    sound *= np.clip(edge, 0, 1) * np.float32(0.11)
    return sound


def _swell(times: Sound, begin: float, every: float) -> Sound:
    """Come and go within 0.8 s of the chord's edges."""
    rise = np.clip((times - begin + 0.8) / 1.6, 0, 1) if begin else np.ones_like(times)
    fall = np.clip((begin + every + 0.8 - times) / 1.6, 0, 1)
    share = rise * fall
    swell: Sound = (share * share * (3 - 2 * share)).astype(np.float32)
    return swell


def _tone(times: Sound, pitch: float, phase: float) -> Sound:
    """One soft voice: a sine, its faint octave, and a slow tremble."""
    angle = np.float32(2 * np.pi * pitch) * times
    tone = np.sin(angle) + np.float32(0.22) * np.sin(2 * angle + np.float32(phase))
    tone *= 1 + np.float32(0.25) * np.sin(np.float32(2.1) * times + np.float32(phase))
    trembling: Sound = tone.astype(np.float32)
    return trembling
