"""What kinds of parameters there are, and when a value of each may be sent.

A parameter checks one value by itself; what several mean together stands in `rules`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Any, ClassVar

from kling_ui.catalog.media_input.kinds import Kind, PictureLimits
from kling_ui.catalog.media_input.values import check_media
from kling_ui.catalog.value_checks import (
    checked_list,
    checked_number,
    checked_object,
    checked_text,
    either,
    is_blank,
    said,
)

MAX_PROMPT = 2500
"""Characters a prompt may have where a model's page names no limit of its own."""

Take = Callable[[object, Kind, PictureLimits | None], str]
"""Returns a media value as it may be sent, or raises UnusableMediaError; see `check_media`."""


_PICTURE = {"type": "string", "format": "uri", "media": "image"}
"""A picture as the listing describes it."""


class Section(IntEnum):
    """Which part of a form a parameter stands in, in the order of the parts."""

    MEDIA = 0
    CONTROL = 1
    WORDS = 2
    SETTINGS = 3
    ADVANCED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of a model, under the provider's own name.

    `default` is what the provider documents it uses when nothing is sent; `assumed` the same
    where only Kling's own documentation says so. `start` is what the form begins with where
    there is neither. The form leaves out what equals `default` or `assumed`. `section` and
    `order`, smaller first, are its place in a form.
    """

    type: ClassVar[str]

    name: str
    label: str
    help: str = ""
    required: bool = False
    default: Any = None
    assumed: Any = None
    start: Any = None
    section: Section = Section.SETTINGS
    order: int = 50

    @property
    def initial(self) -> Any:
        """What the form shows first: the default, what is assumed, or where to start."""
        for value in (self.default, self.assumed):
            if value is not None:
                return value
        return self.start

    def is_empty(self, value: Any) -> bool:
        """Tell whether `value` means "not set"."""
        return value is None or (isinstance(value, str | list | dict) and not value)

    def check(self, value: Any) -> Any:
        """Return `value` as it may be sent, or raise ValueError with what to do instead."""
        raise NotImplementedError

    def bounds(self) -> dict[str, Any]:
        """Return what the API listing adds for this kind: limits, choices, parts."""
        return {}

    def listing(self) -> dict[str, Any]:
        """Describe the parameter as the API lists it."""
        return {
            "name": self.name,
            "type": self.type,
            "label": self.label,
            "help": self.help,
            "required": self.required,
            "default": self.default,
            **self.bounds(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Param):
    """Free text of up to `max_length` characters (Unicode code points)."""

    type = "string"

    section: Section = Section.WORDS
    max_length: int = MAX_PROMPT
    placeholder: str = ""

    def is_empty(self, value: Any) -> bool:
        """Tell whether `value` means "not set": blank text does."""
        return value is None or is_blank(value)

    def check(self, value: Any) -> str:
        """Return the text unchanged, or raise ValueError."""
        return checked_text(value, self.max_length)

    def bounds(self) -> dict[str, Any]:
        """Return the longest text allowed."""
        return {"max_length": self.max_length}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Param):
    """One of a few documented values, all text or all whole numbers.

    `names` are people's words for some; choices of one name mean the same.
    """

    type = "string"

    choices: tuple[str | int, ...]
    unit: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole_number(self) -> bool:
        """Tell whether the choices are numbers."""
        return isinstance(self.choices[0], int)

    def check(self, value: Any) -> str | int:
        """Return the documented value that `value` equals, or raise ValueError."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        for choice in self.choices:
            if type(choice) is type(value) and choice == value:
                return choice
        allowed = either([str(choice) for choice in self.choices])
        as_number = " as a number" if self.is_whole_number else ""
        raise ValueError(f"must be {allowed}{as_number}, not {said(value)}.")

    def listing(self) -> dict[str, Any]:
        """Describe the parameter as the API lists it."""
        listed = Param.listing(self)
        return {**listed, "type": "integer"} if self.is_whole_number else listed

    def bounds(self) -> dict[str, Any]:
        """Return the choices."""
        return {"enum": list(self.choices)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Param):
    """A number from `minimum` to `maximum`, both allowed."""

    type = "number"

    minimum: float
    maximum: float
    step: float = 0.05

    def check(self, value: Any) -> float:
        """Return the number, or raise ValueError."""
        return checked_number(value, self.minimum, self.maximum)

    def bounds(self) -> dict[str, Any]:
        """Return the smallest and the largest number allowed."""
        return {"minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Param):
    """Yes or no."""

    type = "boolean"

    def check(self, value: Any) -> bool:
        """Return the boolean, or raise ValueError."""
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {said(value)}.")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaParam(Param):
    """A parameter that holds pictures, sounds or videos, somewhere in its value."""

    section: Section = Section.MEDIA

    def check(self, value: Any, take: Take = check_media) -> Any:
        """Return `value` with each of its media as `take` returns it, or raise ValueError."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(MediaParam):
    """One picture, sound or video, as a public URL or a data URI."""

    type = "string"

    media: Kind = "image"
    limits: PictureLimits = PictureLimits()

    def check(self, value: Any, take: Take = check_media) -> str:
        """Return the URL or data URI unchanged, or raise ValueError."""
        return take(value, self.media, self.limits if self.media == "image" else None)

    def bounds(self) -> dict[str, Any]:
        """Return what kind of media it is, and how it travels."""
        return {"format": "uri", "media": self.media}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask(Media):
    """A picture of the areas that must not move, white on black."""

    section: Section = Section.CONTROL


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures(MediaParam):
    """A list of `minimum` to `maximum` pictures, each a public URL or a data URI."""

    type = "array"

    minimum: int
    maximum: int
    limits: PictureLimits = PictureLimits()

    def check(self, value: Any, take: Take = check_media) -> list[str]:
        """Return the list unchanged, or raise ValueError naming the item."""
        check = partial(_picture, self.limits, take)
        return checked_list(value, self.minimum, self.maximum, "picture", check)

    def bounds(self) -> dict[str, Any]:
        """Return how many pictures there may be."""
        return {"min_items": self.minimum, "max_items": self.maximum, "items": _PICTURE}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOrPair(MediaParam):
    """One picture, or a list of them where the effect shows two people, the left one first."""

    type = "string or array"

    limits: PictureLimits = PictureLimits()

    def check(self, value: Any, take: Take = check_media) -> str | list[str]:
        """Return the picture or the list unchanged, or raise ValueError."""
        if isinstance(value, list):
            return checked_list(value, 1, 2, "picture", partial(_picture, self.limits, take))
        return take(value, "image", self.limits)

    def bounds(self) -> dict[str, Any]:
        """Return what kind of media it is, and how many."""
        return {"format": "uri", "media": "image", "max_items": 2}


MAX_MASKS = 6
MIN_POINTS, MAX_POINTS = 2, 77


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionBrush(MediaParam):
    """Areas of the start image that move along paths: up to six masks, each with its path.

    Shape: `[{"mask": URI, "trajectories": [{"x": 0, "y": 0}, …]}, …]`; points are pixels of the
    start image, the origin at its bottom left, 2 to 77 of them in order.
    """

    type = "array"

    section: Section = Section.CONTROL

    def check(self, value: Any, take: Take = check_media) -> list[Any]:
        """Return the list unchanged, or raise ValueError naming the mask."""
        return checked_list(value, 1, MAX_MASKS, "mask", partial(self._mask, take=take))

    def _mask(self, value: Any, take: Take) -> dict[str, Any]:
        parts = checked_object(value, required=("mask", "trajectories"))
        mask = take(parts["mask"], "image", PictureLimits())
        checked_list(parts["trajectories"], MIN_POINTS, MAX_POINTS, "point", self._point)
        return {**parts, "mask": mask}

    def _point(self, value: Any) -> dict[str, Any]:
        parts = checked_object(value, required=("x", "y"))
        for axis in ("x", "y"):
            if isinstance(parts[axis], bool) or not isinstance(parts[axis], int):
                raise ValueError(f"needs whole numbers for x and y, not {said(parts[axis])}.")
        return parts

    def bounds(self) -> dict[str, Any]:
        """Return the parts of an item."""
        whole = {"type": "integer", "required": True}
        point = {"type": "object", "properties": {"x": whole, "y": whole}}
        count = {"min_items": MIN_POINTS, "max_items": MAX_POINTS}
        path = {"type": "array", **count, "items": point, "required": True}
        mask = {"type": "string", "media": "image", "required": True}
        item = {"type": "object", "properties": {"mask": mask, "trajectories": path}}
        return {"max_items": MAX_MASKS, "items": item}


MAX_ELEMENTS = 4
MAX_REFERENCES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements(MediaParam):
    """People or things to keep recognizable: up to four, each shown by pictures.

    Shape: `[{"frontal_image_url": URI, "reference_image_urls": [URI, …]}, …]`, 1 to 4
    references each; where `takes_video`, also `video_url`, and the frontal picture is optional.
    """

    type = "array"

    section: Section = Section.ADVANCED
    takes_video: bool = False

    def check(self, value: Any, take: Take = check_media) -> list[Any]:
        """Return the list unchanged, or raise ValueError naming the element."""
        return checked_list(value, 1, MAX_ELEMENTS, "element", partial(self._element, take=take))

    def _element(self, value: Any, take: Take) -> dict[str, Any]:
        always, sometimes = ("reference_image_urls",), ("frontal_image_url",)
        if self.takes_video:
            parts = checked_object(value, required=always, optional=(*sometimes, "video_url"))
        else:
            parts = checked_object(value, required=(*always, *sometimes))
        check = partial(_picture, PictureLimits(), take)
        parts["reference_image_urls"] = checked_list(
            parts["reference_image_urls"], 1, MAX_REFERENCES, "reference picture", check
        )
        if "frontal_image_url" in parts:
            parts["frontal_image_url"] = check(parts["frontal_image_url"])
        if "video_url" in parts:
            parts["video_url"] = take(parts["video_url"], "video", None)
        return parts

    def bounds(self) -> dict[str, Any]:
        """Return the parts of an item."""
        references = {"type": "array", "min_items": 1, "max_items": MAX_REFERENCES}
        properties: dict[str, Any] = {
            "reference_image_urls": {**references, "items": _PICTURE, "required": True},
            "frontal_image_url": {**_PICTURE, "required": not self.takes_video},
        }
        if self.takes_video:
            properties["video_url"] = {**_PICTURE, "media": "video"}
        return {"max_items": MAX_ELEMENTS, "items": {"type": "object", "properties": properties}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Storyboard(Param):
    """Several shots, each with its own prompt and, where `is_timed`, its own seconds.

    Shape: `["…", …]`, or `[{"prompt": "…", "duration": 5}, …]` where timed.
    """

    type = "array"

    section: Section = Section.WORDS
    is_timed: bool
    maximum: int
    max_length: int = MAX_PROMPT

    LONGEST_SECONDS: ClassVar[int] = 15

    def check(self, value: Any) -> list[Any]:
        """Return the list unchanged, or raise ValueError naming the shot."""
        return checked_list(value, 1, self.maximum, "shot", self._shot)

    def _shot(self, value: Any) -> Any:
        if not self.is_timed:
            return self._prompt(value)
        parts = checked_object(value, required=("prompt",), optional=("duration",))
        self._prompt(parts["prompt"])
        if "duration" in parts:
            seconds = parts["duration"]
            checked_number(seconds, 1, self.LONGEST_SECONDS, "duration")
            if not float(seconds).is_integer():
                raise ValueError(f"needs a duration in whole seconds, not {said(seconds)}.")
            parts["duration"] = int(seconds)
        return parts

    def _prompt(self, value: Any) -> str:
        if is_blank(value):
            raise ValueError("needs a prompt: say what happens in it, or leave the shot out.")
        return checked_text(value, self.max_length)

    def bounds(self) -> dict[str, Any]:
        """Return the parts of an item."""
        prompt = {"type": "string", "max_length": self.max_length}
        if not self.is_timed:
            return {"min_items": 1, "max_items": self.maximum, "items": prompt}
        bounds = {"minimum": 1, "maximum": self.LONGEST_SECONDS, "default": 5}
        seconds = {"type": "integer", **bounds}
        shot = {"prompt": {**prompt, "required": True}, "duration": seconds}
        items = {"type": "object", "properties": shot}
        return {"min_items": 1, "max_items": self.maximum, "items": items}


def _picture(limits: PictureLimits, take: Take, value: Any) -> str:
    return take(value, "image", limits)
