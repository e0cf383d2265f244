"""Draw the pictures, the clip and the voice of the example cards: `python tools/make_examples.py`.

Everything is made here, so that it is licensed as the project is. Run it after a change; the
files it writes are part of the repository.
"""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

FOLDER = Path(__file__).resolve().parent.parent / "kling_ui/ui/assets/examples"
WIDE = (960, 540)
CARD = (480, 270)
TALL = (640, 800)
RATE = 24000


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    save(lake((255, 186, 120), (92, 124, 158), (255, 244, 214), boat_at=0.42), "lake-dawn.jpg")
    save(lake((24, 28, 62), (70, 74, 120), (244, 240, 220), boat_at=0.6), "lake-night.jpg")
    save(person((244, 204, 176), (72, 46, 34), (64, 120, 140), is_long=True), "portrait-ada.jpg")
    save(person((196, 142, 104), (28, 24, 24), (196, 98, 66), is_long=False), "portrait-ben.jpg")
    save(cat(), "cat.jpg")
    save(umbrella(), "umbrella.jpg")
    clip("boat.mp4")
    voice("voice.mp3")
    for name, picture in cards().items():
        save(picture.resize(CARD, Image.Resampling.LANCZOS), f"card-{name}.jpg")


def save(picture: Image.Image, name: str) -> None:
    """Write a JPEG."""
    picture.convert("RGB").save(FOLDER / name, quality=82, optimize=True, progressive=True)


def gradient(size: tuple[int, int], top: tuple[int, ...], bottom: tuple[int, ...]) -> Image.Image:
    """Return a picture that fades from one color to the other."""
    share = np.linspace(0, 1, size[1])[:, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    pixels = np.repeat(rows[:, None, :], size[0], axis=1)
    return Image.fromarray(pixels.astype(np.uint8))


def lake(
    sky: tuple[int, ...], low: tuple[int, ...], sun: tuple[int, ...], *, boat_at: float
) -> Image.Image:
    """Return a lake between mountains, with a paper boat on it."""
    width, height = WIDE
    picture = gradient(WIDE, low, sky)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((650, 90, 730, 170), fill=sun)
    for depth, (base, swing, dark) in enumerate(((280, 90, 0.72), (320, 60, 0.5))):
        ridge = [
            (
                x,
                base
                - swing * abs(math.sin(x / (150 - 40 * depth) + depth))
                - 14 * math.sin(x / 37),
            )
            for x in range(0, width + 1, 8)
        ]
        draw.polygon([*ridge, (width, 340), (0, 340)], fill=shade(low, dark))
    water = picture.crop((0, 100, width, 340)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = water.resize((width, height - 330)).filter(ImageFilter.GaussianBlur(3))
    picture.paste(Image.blend(water, Image.new("RGB", water.size, shade(low, 0.6)), 0.35), (0, 330))
    boat(ImageDraw.Draw(picture), int(width * boat_at), 430, 1.0)
    return picture


def boat(draw: ImageDraw.ImageDraw, x: int, y: int, scale: float) -> None:
    """Draw a paper boat with its middle at a place."""

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + px * scale, y + py * scale) for px, py in points]

    draw.polygon(at((-90, 0), (-60, 36), (60, 36), (90, 0)), fill=(250, 250, 246))
    draw.polygon(at((-90, 0), (0, 14), (90, 0), (0, -6)), fill=(216, 220, 222))
    draw.polygon(at((-44, 4), (0, -72), (0, 12)), fill=(238, 240, 238))
    draw.polygon(at((44, 4), (0, -72), (0, 12)), fill=(252, 252, 250))


def person(
    skin: tuple[int, ...], hair: tuple[int, ...], shirt: tuple[int, ...], *, is_long: bool
) -> Image.Image:
    """Return a portrait in a few flat shapes."""
    size = (TALL[0] * 2, TALL[1] * 2)
    picture = gradient(size, (236, 228, 216), (206, 196, 184))
    draw = ImageDraw.Draw(picture)
    if is_long:
        draw.rounded_rectangle((330, 330, 950, 1220), 300, fill=hair)
    draw.rounded_rectangle((180, 1130, 1100, 1800), 260, fill=shirt)
    draw.rounded_rectangle((520, 980, 760, 1240), 110, fill=shade(skin, 0.88))
    draw.ellipse((400, 360, 880, 1080), fill=skin)
    draw.pieslice((370, 300, 910, 940), 180, 360, fill=hair)
    draw.ellipse((396, 520, 884, 760), fill=skin)
    for middle in (520, 760):
        draw.ellipse((middle - 42, 640, middle + 42, 700), fill=(252, 252, 250))
        draw.ellipse((middle - 24, 646, middle + 24, 694), fill=shade(hair, 1.2))
        draw.ellipse((middle - 10, 660, middle + 10, 680), fill=(12, 12, 12))
        draw.arc((middle - 64, 580, middle + 64, 680), 200, 340, fill=hair, width=14)
    draw.line([(640, 700), (620, 810), (656, 816)], fill=shade(skin, 0.78), width=10)
    draw.chord((550, 830, 730, 950), 10, 170, fill=(178, 72, 72))
    return picture.resize(TALL, Image.Resampling.LANCZOS)


def cat() -> Image.Image:
    """Return a sitting cat."""
    picture = gradient((1280, 1280), (198, 216, 208), (150, 178, 170))
    draw = ImageDraw.Draw(picture)
    fur, light = (224, 142, 72), (250, 232, 208)
    draw.ellipse((360, 620, 920, 1300), fill=fur)
    draw.ellipse((500, 760, 780, 1280), fill=light)
    for left in (True, False):
        tip = 400 if left else 880
        inner = (440, 360, 600) if left else (840, 680, 680)
        draw.polygon([(tip, 220), (tip + (20 if left else -20), 520), (inner[2], 400)], fill=fur)
    draw.ellipse((370, 330, 910, 800), fill=fur)
    for middle in (520, 760):
        draw.ellipse((middle - 50, 500, middle + 50, 610), fill=(214, 232, 150))
        draw.ellipse((middle - 14, 506, middle + 14, 604), fill=(16, 16, 16))
    draw.polygon([(610, 640), (670, 640), (640, 676)], fill=(206, 102, 102))
    draw.arc((570, 650, 640, 730), 0, 140, fill=(96, 56, 32), width=8)
    draw.arc((640, 650, 710, 730), 40, 180, fill=(96, 56, 32), width=8)
    return picture.resize((640, 640), Image.Resampling.LANCZOS)


def umbrella() -> Image.Image:
    """Return an open red umbrella."""
    picture = gradient((1280, 1280), (232, 232, 236), (204, 206, 214))
    draw = ImageDraw.Draw(picture)
    draw.line([(640, 560), (640, 1060)], fill=(84, 58, 44), width=22)
    draw.arc((540, 1000, 662, 1120), 0, 180, fill=(84, 58, 44), width=22)
    draw.pieslice((200, 240, 1080, 1000), 180, 360, fill=(200, 44, 52))
    for start in (200, 420, 640, 860):
        draw.ellipse((start, 570, start + 220, 680), fill=(212, 214, 220))
    for x in (420, 640, 860):
        draw.line([(640, 240), (x, 620)], fill=(160, 30, 40), width=6)
    return picture.resize((640, 640), Image.Resampling.LANCZOS)


def cards() -> dict[str, Image.Image]:
    """Return what stands on the empty stage: a picture for each kind of thing."""
    ada, ben = (
        person((244, 204, 176), (72, 46, 34), (64, 120, 140), is_long=True),
        person((196, 142, 104), (28, 24, 24), (196, 98, 66), is_long=False),
    )
    lakes = [
        lake((255, 186, 120), (92, 124, 158), (255, 244, 214), boat_at=0.42),
        lake((24, 28, 62), (70, 74, 120), (244, 240, 220), boat_at=0.6),
    ]
    return {
        "text": forest(),
        "image": lakes[0],
        "storyboard": side_by_side(lighthouse(), *lakes, gap=14),
        "effect": side_by_side(ada, ben),
        "images": side_by_side(cat(), umbrella()),
        "avatar": singing(ada),
    }


def side_by_side(*pictures: Image.Image, gap: int = 0) -> Image.Image:
    """Return pictures in equal columns, each cut to its middle."""
    whole = Image.new("RGB", WIDE, (22, 20, 18))
    width = (WIDE[0] - gap * (len(pictures) - 1)) // len(pictures)
    for number, picture in enumerate(pictures):
        whole.paste(ImageOps.fit(picture, (width, WIDE[1])), (number * (width + gap), 0))
    return whole


def forest() -> Image.Image:
    """Return tall trunks against a low sun."""
    picture = gradient(WIDE, (255, 214, 140), (214, 120, 62))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((560, 120, 720, 280), fill=(255, 244, 206))
    picture = picture.filter(ImageFilter.GaussianBlur(14))
    draw = ImageDraw.Draw(picture)
    for depth, color in enumerate(((190, 104, 58), (130, 68, 44), (62, 34, 28))):
        width, step = 22 + 26 * depth, 118 + 96 * depth
        for x in range(-30 + 41 * depth, WIDE[0], step):
            draw.polygon([(x, -5), (x + width, -5), (x + width + 9, 545), (x - 9, 545)], fill=color)
    draw.rectangle((0, 470, *WIDE), fill=(52, 30, 26))
    return picture


def lighthouse() -> Image.Image:
    """Return a lighthouse at dusk with its beam."""
    picture = gradient(WIDE, (58, 62, 112), (232, 138, 104))
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.polygon([(480, 130), (960, 20), (960, 230)], fill=(255, 240, 190, 120))
    draw.polygon([(440, 150), (520, 150), (548, 470), (412, 470)], fill=(244, 240, 232))
    for top in (220, 340):
        draw.rectangle((428, top, 532, top + 52), fill=(196, 58, 52))
    draw.rectangle((446, 106, 514, 150), fill=(255, 236, 170))
    draw.polygon([(438, 106), (522, 106), (480, 66)], fill=(120, 34, 36))
    draw.rectangle((0, 462, *WIDE), fill=(36, 44, 78))
    return picture


def singing(portrait: Image.Image) -> Image.Image:
    """Return a portrait with the bars of a voice beside it."""
    picture = ImageOps.fit(portrait, (420, WIDE[1]), centering=(0.5, 0.35))
    whole = gradient(WIDE, (236, 228, 216), (206, 196, 184))
    whole.paste(picture, (60, 0))
    draw = ImageDraw.Draw(whole)
    for number in range(12):
        height = int(30 + 110 * abs(math.sin(number * 0.9)) * abs(math.cos(number * 0.31)))
        x = 540 + number * 32
        draw.rounded_rectangle((x, 270 - height, x + 14, 270 + height), 7, fill=(234, 88, 12))
    return whole


def clip(name: str) -> None:
    """Write three seconds of the boat drifting by."""
    still = lake((255, 186, 120), (92, 124, 158), (255, 244, 214), boat_at=3.0)
    with av.open(FOLDER / name, "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"crf": "30", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = 854, 480, "yuv420p"
        for number in range(72):
            picture = still.copy()
            sway = int(5 * math.sin(number / 9))
            boat(ImageDraw.Draw(picture), 160 + number * 9, 430 + sway, 1.0)
            frame = av.VideoFrame.from_image(picture.resize((854, 480)))
            frame.pts, frame.time_base = number, Fraction(1, 24)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def voice(name: str) -> None:
    """Write four seconds of a hummed melody, vowels by their formants."""
    vowels = ((730, 1090), (570, 840), (300, 870), (270, 2290))
    notes = ((196, 0), (220, 1), (247, 2), (220, 3), (196, 1), (165, 0), (196, 2), (196, 0))
    sung = np.concatenate([note(pitch, vowels[vowel]) for pitch, vowel in notes])
    samples = (sung / np.abs(sung).max() * 0.7 * 32767).astype(np.int16)
    with av.open(FOLDER / name, "w") as file:
        stream = file.add_stream("mp3", rate=RATE)
        stream.bit_rate = 48000
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format="s16p", layout="mono", rate=RATE)
        for part in resampler.resample(frame):
            file.mux(stream.encode(part))
        file.mux(stream.encode())


def note(pitch: float, formants: tuple[float, float], seconds: float = 0.5) -> np.ndarray:
    """Return a sung vowel: the harmonics that are near its formants, swelling and fading."""
    time = np.arange(int(RATE * seconds)) / RATE
    wave = np.zeros_like(time)
    for harmonic in range(1, 24):
        frequency = pitch * harmonic
        loudness = sum(math.exp(-(((frequency - each) / 160) ** 2)) for each in formants)
        wave += (loudness + 0.02) / harmonic**0.5 * np.sin(2 * np.pi * frequency * time)
    return wave * np.minimum(np.minimum(time / 0.06, (seconds - time) / 0.09), 1)


def shade(color: tuple[int, ...], share: float) -> tuple[int, ...]:
    """Return a color made darker (share < 1) or lighter."""
    return tuple(min(int(part * share), 255) for part in color)


if __name__ == "__main__":
    main()
