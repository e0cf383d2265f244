"""Cards that stand for what lies at a public address: the simulator never fetches anything."""

from typing import Literal
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageDraw

from kling_ui.simulator.lettering import Font, scalable_font

Kind = Literal["image", "video", "audio"]
_SIDE = 1000
_ROOM = 430
"""What fits into the middle of a square is seen in every shape that is cut from it."""
_TOP, _BOTTOM = (58, 64, 88), (30, 33, 48)
_LIGHT, _PALE = (238, 240, 248), (168, 175, 200)
_WORDS = {"image": "Picture at", "video": "Video at", "audio": "Sound at"}


def card(address: str, kind: Kind) -> Image.Image:
    """Draw a square card with the host and the file name of `address`; what matters is central."""
    picture = Image.linear_gradient("L").resize((_SIDE, _SIDE))
    drawn = Image.composite(
        Image.new("RGB", picture.size, _BOTTOM), Image.new("RGB", picture.size, _TOP), picture
    )
    drawn.paste(_LIGHT, mask=_icon(kind))
    draw = ImageDraw.Draw(drawn)
    host, name = _parts(address)
    for text, top, size, color in (
        (_WORDS[kind], 404, 26, _PALE),
        (host, 440, 38, _LIGHT),
        (name, 492, 28, _PALE),
    ):
        font = scalable_font(size)
        shown = _shortened(text, font)
        draw.text((_SIDE / 2, top), shown, font=font, fill=color, anchor="ma")
    return drawn


def _parts(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return address, ""
    return host, unquote(parts.path).rstrip("/").rpartition("/")[2]


def _shortened(text: str, font: Font) -> str:
    if font.getlength(text) <= _ROOM:
        return text
    kept = text
    while kept and font.getlength(f"{kept}…") > _ROOM:
        kept = kept[:-1]
    return f"{kept}…"


def _icon(kind: Kind) -> Image.Image:
    """Draw the mask of an icon twice as large, so that its edges become smooth."""
    mask = Image.new("L", (2 * _SIDE, 2 * _SIDE))
    draw = ImageDraw.Draw(mask)
    draw.rounded_rectangle((870, 540, 1130, 752), radius=32, outline=255, width=12)
    match kind:
        case "image":
            draw.ellipse((916, 584, 964, 632), fill=255)
            hills = [(900, 724), (992, 624), (1048, 680), (1076, 656), (1104, 724)]
            draw.polygon(hills, fill=255)
        case "video":
            draw.polygon([(964, 592), (964, 700), (1056, 646)], fill=255)
        case "audio":
            for number, half in enumerate((24, 56, 76, 40, 64, 28)):
                x = 910 + number * 36
                draw.line((x, 646 - half, x, 646 + half), fill=255, width=14)
    return mask.resize((_SIDE, _SIDE), Image.Resampling.BOX)
