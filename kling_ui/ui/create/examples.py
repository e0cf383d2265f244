"""Examples that fill in everything, media included: one press to fill, a second to generate.

The files are drawn by tools/make_examples.py and licensed as the project is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from kling_ui.catalog import MODELS, Task
from kling_ui.ui.uploads import as_uploads

FOLDER = Path(__file__).parents[1] / "assets" / "examples"
EXAMPLES_PATH = "/media/example"
"""Where `media_routes` serves the cards' pictures, from the app's root."""

_TEXT = "klingai/video-v3-standard-text-to-video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A filled form: its chip's words, the model, the values, and files by parameter.

    `card` is what kind of thing it shows on the empty stage, "" if it is not shown there, and
    `picture` the file that stands for it.
    """

    key: str
    model: str
    values: Mapping[str, Any]
    files: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    is_fault: bool = False
    card: str = ""
    picture: str = ""

    @property
    def task(self) -> Task:
        """The task it belongs to."""
        return MODELS[self.model].task


def _fault(word: str, prompt: str) -> Example:
    return Example(key=word, model=_TEXT, values={"prompt": f"{prompt} {word}"}, is_fault=True)


EXAMPLES = (
    Example(
        key="Raccoon",
        model=_TEXT,
        values={"prompt": "A cheerful white raccoon running through a sequoia forest, golden hour"},
        card="Words",
        picture="card-text.jpg",
    ),
    Example(
        key="Rainy kitchen",
        model="klingai/video-v3-pro-text-to-video",
        values={
            "prompt": "Slow dolly over a kitchen table: steam rises from a cup, rain outside",
            "generate_audio": False,
        },
    ),
    Example(
        key="Three shots",
        model="klingai/video-v3-standard-turbo-text-to-video",
        values={
            "multi_prompt": [
                {"prompt": "A lighthouse at dusk, waves below", "duration": 3},
                {"prompt": "Inside, a keeper lights the lamp", "duration": 3},
                {"prompt": "The beam sweeps over the dark sea", "duration": 4},
            ]
        },
        card="Storyboard",
        picture="card-storyboard.jpg",
    ),
    Example(
        key="Paper boat",
        model="klingai/video-v3-standard-image-to-video",
        values={"prompt": "The boat drifts off slowly, ripples on the water, the camera rises"},
        files={"image_url": "lake-dawn.jpg"},
        card="One picture",
        picture="card-image.jpg",
    ),
    Example(
        key="Dawn to night",
        model="klingai/video-v3-pro-image-to-video",
        values={"prompt": "Time-lapse: the day passes over the lake", "generate_audio": False},
        files={"image_url": "lake-dawn.jpg", "tail_image_url": "lake-night.jpg"},
    ),
    Example(
        key="Camera move",
        model="kling-video/v1.6/pro/image-to-video",
        values={
            "prompt": "A calm lake at night",
            "camera_control": {"type": "simple", "config": {"zoom": -4}},
        },
        files={"image_url": "lake-night.jpg"},
    ),
    Example(
        key="A cat",
        model="kling-video/v1.6/standard/multi-image-to-video",
        values={"prompt": "The cat strolls through the rain under the umbrella"},
        files={"image_list": ("cat.jpg", "umbrella.jpg")},
        card="Several pictures",
        picture="card-images.jpg",
    ),
    Example(
        key="A hug",
        model="klingai/kling-video-v1.6-standard-effects",
        values={"effect_scene": "hug"},
        files={"image_url": ("portrait-ada.jpg", "portrait-ben.jpg")},
        card="Effect for two",
        picture="card-effect.jpg",
    ),
    Example(
        key="Cat chef",
        model="klingai/kling-video-v1.6-standard-effects",
        values={"effect_scene": "pet_chef"},
        files={"image_url": "cat.jpg"},
    ),
    Example(
        key="A walk by the lake",
        model="klingai/video-o1-reference-to-video",
        values={"prompt": "The person of @Image1 walks along the lake of @Image2 at dawn"},
        files={"image_list": ("portrait-ada.jpg", "lake-dawn.jpg")},
    ),
    Example(
        key="Make it winter",
        model="klingai/video-o1-video-to-video-edit",
        values={"prompt": "Make it winter in @Video1: snow on the mountains, ice on the lake"},
        files={"video_url": "boat.mp4"},
    ),
    Example(
        key="Ada moves",
        model="klingai/video-v3-motion-control",
        values={},
        files={"image_url": "portrait-ada.jpg", "video_url": "boat.mp4"},
    ),
    Example(
        key="Ada sings",
        model="klingai/avatar-standard",
        values={},
        files={"image_url": "portrait-ada.jpg", "audio_url": "voice.mp3"},
        card="Talking portrait",
        picture="card-avatar.jpg",
    ),
    _fault("[slow]", "A snail crosses the road"),
    _fault("[fail]", "Something that Kling can't make"),
    _fault("[refuse]", "Something that is refused"),
)


def chips_html(task: Task, *, is_simulated: bool) -> str:
    """Return a task's examples as chips; the simulator's faults are offered by it alone."""
    shown = [each for each in EXAMPLES if each.task is task and (is_simulated or not each.is_fault)]
    chips = "".join(
        f'<button type="button" data-example="{escape(each.key, quote=True)}">'
        f"{escape(each.key)}</button>"
        for each in shown
    )
    return f'<div class="k-examples" role="group" aria-label="Examples">{chips}</div>'


def cards_html() -> str:
    """Return a card for each kind of thing, for the empty stage: one press fills the form."""
    cards = "".join(
        f'<button type="button" data-start="{escape(each.key, quote=True)}">'
        f'<img data-src="{EXAMPLES_PATH}/{each.picture}" data-rooted alt="" width="480" '
        'height="270">'
        f"<b>{escape(each.card)}</b><small>{escape(each.key)}</small></button>"
        for each in EXAMPLES
        if each.card
    )
    return f'<div class="k-cards" role="group" aria-label="Start from an example">{cards}</div>'


def values_of(example: Example) -> dict[str, Any]:
    """Return an example's values, its files as Paths among Gradio's uploads."""
    files = {
        name: [FOLDER / each for each in names] if isinstance(names, tuple) else FOLDER / names
        for name, names in example.files.items()
    }
    return dict(as_uploads({**example.values, **files}))
