"""How a scene is put together: which films fill which boxes, and the words over them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image

from kling_ui.simulator.boxes import Box, corner, insets, mosaic, whole
from kling_ui.simulator.brush import Brushed, Frozen, without
from kling_ui.simulator.films import Cuts, Dissolve, Film, Glow, Still
from kling_ui.simulator.lettering import (
    LARGE,
    MODEST,
    Layout,
    Lettering,
    lettering,
    put_frame,
    put_tag,
    tag_height,
)
from kling_ui.simulator.light import Light, palette
from kling_ui.simulator.overlay import Bar, Overlay
from kling_ui.simulator.planes import Planes, cropped
from kling_ui.simulator.reels import Clip, Grade, Reel
from kling_ui.simulator.scene import FRAMES_PER_SECOND, Footage, Scene, Shot
from kling_ui.simulator.views import (
    Path,
    View,
    approach,
    arrival,
    beat,
    between,
    camera,
    framing,
    still,
)

_FIELD_LONG_SIDE = 208
_DRAFT_FIELD_LONG_SIDE = 64
_ORBS, _MORE_ORBS = 7, 14
"""More where the camera moves: they show it."""
_FAST = 2
"""How fine a picture is sampled that moves fast, or turns, which costs more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A film in its box; an inset has a frame around it and its tag below."""

    box: Box
    film: Film
    tag: str = ""
    is_inset: bool = False


class Stage:
    """Paints the frames of a scene in their order."""

    def __init__(self, scene: Scene) -> None:
        self._layout = Layout(*scene.size)
        self._seconds = scene.seconds
        self._shots = scene.shots or (Shot(text=scene.text, start=0.0),)
        words = [_words(scene, self._layout, shot) for shot in self._shots]
        self._panels = _panels(scene, self._layout, words)
        self._overlays = [Overlay(self._over(letters)) for letters in words]
        self._bar = Bar(self._layout, palette(scene.text)[-1])

    def paint(self, planes: Planes, seconds: float) -> None:
        """Paint everything as it is at `seconds`."""
        if len(self._panels) > 1:
            for plane, dark in zip(planes, (18, 128, 128), strict=True):
                plane[...] = dark
        for panel in self._panels:
            panel.film.paint(cropped(planes, *panel.box.corner_and_size), seconds)
        current = max(n for n, shot in enumerate(self._shots) if shot.start <= seconds or n == 0)
        self._overlays[current].put_on(planes)
        self._bar.put_on(planes, (seconds + 1 / FRAMES_PER_SECOND) / self._seconds)

    def _over(self, words: Lettering) -> Image.Image:
        """Lay frames and tags over the words' dark ground."""
        picture = words.picture.copy()
        for panel in self._panels:
            if panel.is_inset:
                put_frame(picture, self._layout, panel.box.edges)
            if panel.tag:
                self._tag(picture, panel)
        return picture

    def _tag(self, picture: Image.Image, panel: Panel) -> None:
        """Put a tag where it is in nobody's way: low in an inset, else in the upper left."""
        pad = round(8 * self._layout.unit)
        left, top, _, bottom = panel.box.edges
        place = (
            left + pad,
            bottom - pad - tag_height(self._layout) if panel.is_inset else top + pad,
        )
        put_tag(picture, self._layout, panel.tag, place)


def _words(scene: Scene, layout: Layout, shot: Shot) -> Lettering:
    given = scene.given
    red, green, blue = (round(float(part) * 255) for part in palette(shot.text)[-1])
    is_on_light = not (given.start or given.pictures or given.elements or given.footage)
    title = scene.title
    if len(scene.shots) > 1:
        title = f"{title} · shot {scene.shots.index(shot) + 1} of {len(scene.shots)}"
    return lettering(
        layout,
        text=shot.text,
        title=title,
        accent=(red, green, blue),
        sizes=LARGE if is_on_light or given.is_effect else MODEST,
        is_on_picture=not is_on_light,
    )


def _panels(scene: Scene, layout: Layout, words: list[Lettering]) -> list[Panel]:
    """Choose the composition by what was handed in."""
    given = scene.given
    full = whole(layout)
    if given.footage and given.start:
        return _puppet(scene, layout, given.start, given.footage)
    if given.footage:
        main = Panel(box=full, film=_restyled(scene, given.footage, full))
        return [main, *_insets(scene, layout)]
    if given.start and given.pair:
        return _couple(scene, layout, given.start, given.pair)
    if given.start:
        return [Panel(box=full, film=_animated(scene, given.start, full)), *_insets(scene, layout)]
    if given.pictures or given.elements:
        return _mosaic(scene, layout)
    return [Panel(box=full, film=_light(scene, layout, words))]


def _light(scene: Scene, layout: Layout, words: list[Lettering]) -> Film:
    control = scene.given.camera
    path = camera(control, scene.seconds, reach=2.6) if control else None
    shots = scene.shots or (Shot(text=scene.text, start=0.0),)
    long_side = _DRAFT_FIELD_LONG_SIDE if scene.is_draft else _FIELD_LONG_SIDE
    share = long_side / max(layout.width, layout.height)
    films = []
    for number, (shot, letters) in enumerate(zip(shots, words, strict=True)):
        light = Light(
            words=shot.text,
            take=f"{scene.take} {number}" if number else scene.take,
            width=round(layout.width * share),
            height=round(layout.height * share),
            dark_from=letters.dark_from,
            dark_at=letters.dark_at,
            orbs=1 if scene.is_draft else _MORE_ORBS if control else _ORBS,
        )
        films.append(Glow(light, path))
    return Cuts(films, [shot.start for shot in shots])


def _animated(scene: Scene, picture: Image.Image, box: Box) -> Film:
    """Return the start image in motion, and what it turns into."""
    still_mask = scene.given.still_mask
    if still_mask is None:
        film = _moving(scene, picture, box)
    else:
        # What stays is not to be seen a second time where it would have moved to.
        ground = picture if scene.given.strokes else without(picture, still_mask)
        film = Frozen(_moving(scene, ground, box), picture, box.size, still_mask)
    if scene.given.tail is None:
        return film
    last_cut = scene.shots[-1].start if scene.shots else 0.0
    begins = last_cut + (scene.seconds - last_cut) * 0.4
    ends = last_cut + (scene.seconds - last_cut) * 0.8
    tail = Still(scene.given.tail, box.size, arrival(scene.take, scene.seconds))
    return Dissolve(film, tail, begins=begins, ends=ends)


def _moving(scene: Scene, picture: Image.Image, box: Box) -> Film:
    given = scene.given
    if given.strokes:
        return Brushed(picture, box.size, given.strokes, scene.seconds)
    if len(scene.shots) > 1:
        return _cut_up(scene, picture, box)
    if given.loudness is not None:
        levels = given.loudness
        return Still(picture, box.size, partial(_pulse, levels.tolist()))
    if given.camera:
        return Still(picture, box.size, camera(given.camera, scene.seconds), fine=_FAST)
    path: Path = approach(scene.take, scene.seconds)
    return Still(picture, box.size, beat(scene.seconds) if given.is_effect else path)


def _cut_up(scene: Scene, picture: Image.Image, box: Box) -> Film:
    """Frame the picture anew for each shot; it is prepared but once."""
    starts = [shot.start for shot in scene.shots]
    ends = [*starts[1:], scene.seconds]
    paths = [
        _later(framing(scene.take, number, end - start), start)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    turns = list(zip(starts, paths, strict=True))

    def at(now: float) -> View:
        return [path for start, path in turns if start <= now or start == 0][-1](now)

    return Still(picture, box.size, at)


def _later(path: Path, start: float) -> Path:
    return lambda now: path(now - start)


def _pulse(levels: list[float], now: float) -> View:
    """Come a little closer as the voice gets louder."""
    number = min(int(now * FRAMES_PER_SECOND), len(levels) - 1)
    return View(size=0.97 - 0.045 * levels[number], y=0.48)


def _restyled(scene: Scene, footage: Footage, box: Box) -> Film:
    if not isinstance(footage, Clip):
        return Still(footage, box.size, approach(scene.take, scene.seconds))
    grade = Grade(words=scene.text, begins=scene.seconds * 0.2, ends=scene.seconds * 0.5)
    return Reel(footage, box.size, grade)


def _puppet(scene: Scene, layout: Layout, character: Image.Image, footage: Footage) -> list[Panel]:
    """Let the character go where the driving video moves; the video is shown beside it."""
    full = whole(layout)
    aspect = footage.width / footage.height if isinstance(footage, Clip) else 16 / 9
    box = corner(layout, aspect)
    if not isinstance(footage, Clip):
        drive: Film = Still(footage, box.size, still)
        figure = Still(character, full.size, beat(scene.seconds))
    else:
        reel = drive = Reel(footage, box.size)
        sway = beat(scene.seconds, sway=0.06)

        def led(now: float) -> View:
            view = sway(now)
            x, y = reel.lean
            return replace(view, size=view.size * 0.84, x=view.x - 0.3 * x, y=view.y - 0.2 * y)

        figure = Still(character, full.size, led)
    inset = Panel(box=box, film=drive, tag="Movements", is_inset=True)
    return [Panel(box=full, film=figure), inset]


def _couple(scene: Scene, layout: Layout, left: Image.Image, right: Image.Image) -> list[Panel]:
    """Show two people side by side who come closer to each other."""
    paths = (
        between(View(x=0.58, size=0.84), View(x=0.43, size=0.8), scene.seconds),
        between(View(x=0.42, size=0.84), View(x=0.57, size=0.8), scene.seconds),
    )
    return [
        Panel(box=box, film=Still(picture, box.size, path))
        for box, picture, path in zip(mosaic(layout, 2), (left, right), paths, strict=False)
    ]


def _mosaic(scene: Scene, layout: Layout) -> list[Panel]:
    given = scene.given
    tagged = _tagged(scene)
    films: list[Callable[[tuple[int, int]], Film]] = [
        partial(_slides, scene, pictures, number) for number, (_, pictures) in enumerate(tagged)
    ]
    boxes = mosaic(layout, len(tagged))
    is_mixed = bool(given.elements)
    return [
        Panel(box=box, film=film(box.size), tag=tag if is_mixed else "")
        for box, film, (tag, _) in zip(boxes, films, tagged, strict=True)
    ]


def _insets(scene: Scene, layout: Layout) -> list[Panel]:
    tagged = _tagged(scene)
    return [
        Panel(box=box, film=_slides(scene, pictures, number, box.size), tag=tag, is_inset=True)
        for number, (box, (tag, pictures)) in enumerate(
            zip(insets(layout, len(tagged)), tagged, strict=True)
        )
    ]


def _tagged(scene: Scene) -> list[tuple[str, tuple[Image.Image, ...]]]:
    """Name what is shown beside or without a start image: elements, then pictures."""
    given = scene.given
    elements = [(f"Element {n}", pictures) for n, pictures in enumerate(given.elements, start=1)]
    pictures = [(f"Image {n}", (picture,)) for n, picture in enumerate(given.pictures, start=1)]
    return [*elements, *pictures]


def _slides(
    scene: Scene, pictures: tuple[Image.Image, ...], number: int, size: tuple[int, int]
) -> Film:
    """Show the pictures of one box one after the other."""
    every = scene.seconds / len(pictures)
    path = approach(f"{scene.take} {number}", scene.seconds, nearest=0.82)
    films = [Still(picture, size, path) for picture in pictures]
    return Cuts(films, [n * every for n in range(len(films))])
