"""What differs between generations, as values; nothing here is markup.

Pure functions from generations to rows: settings, prompt, inputs, price, time taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from kling_ui.service import Generation, Status
from kling_ui.ui import formatting
from kling_ui.ui.result import panel, recipe

PROMPT = "Prompt"
_MOST_WORDS = 1200
"""Beyond that a comparison word by word takes long and shows little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one generation has of a fact: words, media, or (both empty) nothing of it."""

    text: str = ""
    inputs: tuple[recipe.InputShown, ...] = ()

    @property
    def compared(self) -> tuple[str, ...]:
        """Return what equal cells have in common; media are named by their content."""
        return (self.text, *((each.address or "").rsplit("/", 1)[-1] for each in self.inputs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fact that differs, and a cell for each generation, empty for one that is missing."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The facts that differ, and the names of those that are the same for all."""

    rows: tuple[Row, ...] = ()
    same: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """A stretch of a text; `is_common`: the text it is compared with has it too."""

    text: str
    is_common: bool


def compare(generations: Sequence[Generation | None]) -> Comparison:
    """Return what differs between those that are there; nothing where there are less than two."""
    facts = [dict(_facts(each)) if each else None for each in generations]
    found = [each for each in facts if each is not None]
    if len(found) < 2:  # noqa: PLR2004
        return Comparison()
    labels = {key: label for each in found for key, (label, _) in each.items()}
    rows, same = [], []
    for key in sorted(labels, key=_order):
        cells = tuple((each or {}).get(key, _NOTHING)[1] for each in facts)
        kinds = {each.get(key, _NOTHING)[1].compared for each in found}
        if len(kinds) > 1:
            rows.append(Row(name=labels[key], cells=cells))
        elif key != "state":
            same.append(labels[key])
    return Comparison(rows=tuple(rows), same=tuple(same))


def marked(text: str, other: str) -> list[Words]:
    """Split a text into what `other` has too and what it has not, by words."""
    words, others = (re.findall(r"\s*\S+", each) for each in (text, other))
    if not others or max(len(words), len(others)) > _MOST_WORDS:
        return [Words(text, is_common=True)]
    plain, plain_others = ([word.strip() for word in each] for each in (words, others))
    matcher = SequenceMatcher(a=plain_others, b=plain, autojunk=False)
    return [
        Words("".join(words[start:end]), is_common=kind == "equal")
        for kind, _, _, start, end in matcher.get_opcodes()
        if end > start
    ]


_Fact = tuple[str, Cell]
_NOTHING: _Fact = ("", Cell())
_FIRST = ("state", "model", "prompt", "storyboard", "duration", "aspect_ratio", "generate_audio")
_LAST = ("size", "price", "took")


def _order(key: str) -> int:
    """Return the place of a fact: what decides most first, figures last, settings between."""
    if key in _FIRST:
        return _FIRST.index(key) - len(_FIRST)
    return 1 + _LAST.index(key) if key in _LAST else 0


def _facts(generation: Generation) -> Iterator[tuple[str, _Fact]]:
    """Yield what is known of a generation: a key, its name, its cell; without what is empty."""
    is_done = generation.status is Status.COMPLETED
    texts = {
        "state": ("State", "Ready" if is_done else formatting.TITLES[generation.status]),
        "model": ("Model", formatting.model_title(generation.model)),
        "prompt": (PROMPT, generation.prompt),
        "storyboard": ("Storyboard", _storyboard(generation)),
        **{each.name: (each.label, _value(each)) for each in recipe.settings(generation)},
        "size": ("Size", _size(generation)),
        "price": ("Price", _price(generation)),
        "took": ("Took", _took(generation)),
    }
    if "duration" not in texts and generation.seconds:
        texts["duration"] = ("Length", f"{generation.seconds:.1f} s")
    for key, (label, text) in texts.items():
        if text:
            yield key, (label, Cell(text=text))
    for label, shown in _inputs(generation).items():
        yield f"input {label}", (label, Cell(inputs=tuple(shown)))


def _inputs(generation: Generation) -> dict[str, list[recipe.InputShown]]:
    """Return what was sent by its label; several of one kind stand together."""
    found: dict[str, list[recipe.InputShown]] = {}
    for shown in recipe.inputs(generation):
        found.setdefault(re.sub(r" \d+$", "", shown.label), []).append(shown)
    return found


def _value(setting: recipe.Setting) -> str:
    """Say a setting beside its name."""
    value = setting.value
    if isinstance(value, bool):
        return "on" if value else "off"
    if setting.name in _SAID_IN_WORDS or isinstance(value, Mapping):
        return recipe.words(setting).removeprefix("camera ")
    return str(value).strip()


_SAID_IN_WORDS = {"duration", "effect_scene", "mode", "camera_control", "shot_type"}


def _storyboard(generation: Generation) -> str:
    shots = enumerate(recipe.shots(generation), start=1)
    return "\n".join(
        f"{number}. {shot.prompt}{f' ({shot.seconds} s)' if shot.seconds else ''}"
        for number, shot in shots
    )


def _size(generation: Generation) -> str:
    if not (generation.width and generation.height):
        return ""
    return f"{generation.width} × {generation.height}"


def _price(generation: Generation) -> str:
    if generation.status is Status.FAILED:
        return "not charged"
    return formatting.money(generation)


def _took(generation: Generation) -> str:
    if generation.status is not Status.COMPLETED:
        return ""
    return formatting.clock(panel.elapsed(generation))
