"""Every model keeps the provider's contract: what it takes arrives unchanged, all else stays here.

The cases are made from the parameters in the catalog; what the provider's pages say of limits
and of values together is written down here a second time, apart from the catalog's rules.
"""

import asyncio
import base64
import json
import math
import random
import wave
from collections.abc import Iterator
from functools import cache, singledispatch
from io import BytesIO
from itertools import combinations, product

import av
import pytest
from harness import TOO_LONG_SECONDS, QuickRuntime, every, service_at, submit
from PIL import Image

from kling_ui.catalog import (
    AXES,
    CAMERA_PRESETS,
    MODELS,
    Choice,
    Elements,
    Flag,
    InvalidValuesError,
    Media,
    Number,
    Param,
    Pictures,
    Storyboard,
    Task,
    Text,
)
from kling_ui.catalog.camera_params import Camera, CameraMove
from kling_ui.catalog.params import MotionBrush, PictureOrPair
from kling_ui.ledger import Ledger
from kling_ui.service import Status
from kling_ui.simulator import Simulator
from kling_ui.simulator.studio import Studio

KLING_ROUTE = "/v2/generate/video/kling/generation"
UNIVERSAL_ROUTE = "/v2/video/generations"

ONE_OF_FRAMES = (("tail_image_url",), ("static_mask", "dynamic_masks"), ("camera_control",))
ONE_OF_WORDS = (("prompt",), ("multi_prompt",))
"""Groups of parameters of which a request may hold one, where a model has several."""

PAIR_SCENES = ("hug", "kiss", "heart_gesture", "fight")
MEGABYTE = 10**6
MOST_MEGABYTES = {"image": 10, "audio": 5, "video": 20}
PROMPT = "Ein Boot aus Papier 🦝,\n\t„leise“  "
LINKS = {kind: f"https://example.com/boat?as={kind}" for kind in MOST_MEGABYTES}


# -- what comes in: real files, made once


def uri(media_type, data):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


@cache
def picture_file(width=300, height=300, format_name="PNG"):
    """Return a picture that is noisy enough not to be kept whole in the ledger."""
    image = Image.new("RGB", (width, height), "teal")
    image.paste(Image.frombytes("RGB", (100, 40), random.Random(5).randbytes(12_000)))
    stream = BytesIO()
    image.save(stream, format_name)
    return stream.getvalue()


@cache
def sound_file():
    stream = BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(4000))
    return stream.getvalue()


@cache
def video_file():
    stream = BytesIO()
    with av.open(stream, "w", format="mp4") as output:
        pictures = output.add_stream("libx264", rate=12)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        frame = av.VideoFrame(96, 64, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for _ in range(6):
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode())
    return stream.getvalue()


@cache
def film(seconds):
    """Return a video as a data URI: one picture a second, the last one as long as the others."""
    stream = BytesIO()
    with av.open(stream, "w", format="mp4") as output:
        pictures = output.add_stream("mpeg4", rate=1)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        for _ in range(seconds):
            output.mux(pictures.encode(av.VideoFrame(96, 64, "yuv420p")))
        output.mux(pictures.encode())
    return uri("video/mp4", stream.getvalue())


FILES = {
    "image": ("image/png", picture_file),
    "audio": ("audio/wav", sound_file),
    "video": ("video/mp4", video_file),
}


@cache
def data(kind, count=0):
    """Return a data URI, its file filled up to `count` bytes, which every format bears."""
    media_type, make = FILES[kind]
    return uri(media_type, make().ljust(count, b"\0"))


@cache
def picture(width=300, height=300, format_name="PNG", media_type=None):
    file = picture_file(width, height, format_name)
    return uri(media_type or f"image/{format_name.lower()}", file)


def linked(value):
    """Return `value` with addresses for its data URIs, which need no looking into."""
    if isinstance(value, list):
        return [linked(item) for item in value]
    if isinstance(value, dict):
        return {name: linked(part) for name, part in value.items()}
    links = {data(kind): link for kind, link in LINKS.items()}
    return links.get(value, value)


# -- what each kind of parameter takes: the plainest value first, the fullest last


@singledispatch
def right(param: Param) -> Iterator[object]:
    raise NotImplementedError(param)


@right.register
def _(param: Text):
    yield PROMPT
    yield "🦝" * param.max_length


@right.register
def _(param: Choice):
    yield from param.choices


@right.register
def _(param: Number):
    yield from (param.minimum, 0.25, param.maximum)


@right.register
def _(param: Flag):
    yield from (True, False)


@right.register
def _(param: Media):
    yield from (data(param.media), LINKS[param.media], data(param.media))


@right.register
def _(param: Pictures):
    yield [data("image")] * param.minimum
    yield [LINKS["image"], *[data("image")] * (param.maximum - 1)]


@right.register
def _(param: PictureOrPair):
    yield from (data("image"), LINKS["image"], [data("image")], [LINKS["image"], data("image")])


@right.register
def _(param: Camera):
    yield from ({"type": kind} for kind in CAMERA_PRESETS)
    for axis, far in product(AXES, (-10, 10, 0.5)):
        yield {"type": "simple", "config": {axis: far}}
    yield {"type": "simple", "config": {**dict.fromkeys(AXES, 0), "zoom": -4}}


@right.register
def _(param: CameraMove):
    for axis, far in product(AXES, (-10, 0, 10)):
        yield {"movement_type": axis, "movement_value": far}


def with_links(item, *, count):
    """Return a list of `count`: the item, and its like with links, which take no time."""
    return [item, *[linked(item)] * (count - 1)]


def points(count):
    return [{"x": 3 * number, "y": 300 - number} for number in range(count)]


def mask(**parts):
    return {"mask": data("image"), "trajectories": points(2), **parts}


@right.register
def _(param: MotionBrush):
    yield [mask()]
    yield with_links(mask(trajectories=points(77)), count=6)


def element(**parts):
    picture_ = data("image")
    return {"reference_image_urls": [picture_], "frontal_image_url": picture_, **parts}


@right.register
def _(param: Elements):
    four = [data("image")] * 4
    yield [element()]
    if not param.takes_video:
        yield with_links(element(reference_image_urls=four), count=4)
        return
    yield [{"reference_image_urls": four}]
    only = element(reference_image_urls=four, video_url=data("video"))
    yield [only, *with_links(element(reference_image_urls=four), count=3)]


@right.register
def _(param: Storyboard):
    def shot(prompt, **parts):
        return {"prompt": prompt, **parts} if param.is_timed else prompt

    yield [shot(PROMPT)]
    if param.is_timed:
        yield [shot(PROMPT, duration=seconds) for seconds in (1, 5, 15)]
    yield [shot("x" * param.max_length), *[shot(PROMPT)] * (param.maximum - 1)]


# -- what each kind refuses, each with what is wrong with it

OF_ANY_KIND = {
    "a number": 7.25,
    "a boolean": True,
    "text": "sideways",
    "a list": [7],
    "an object": {"a": 1},
}


def of_other_kinds(*own):
    return {what: value for what, value in OF_ANY_KIND.items() if what not in own}


@singledispatch
def wrong(param: Param) -> dict[str, object]:
    raise NotImplementedError(param)


@wrong.register
def _(param: Text):
    return {
        **of_other_kinds("text"),
        "too long": "x" * (param.max_length + 1),
        "NUL": "a\0b",
        "half an emoji": "\ud83e",
    }


@wrong.register
def _(param: Choice):
    first, last = min(param.choices), max(param.choices)
    if param.is_whole_number:
        between = {"too few": first - 1, "too many": last + 1, "none of it": first + 0.5}
        return {**of_other_kinds(), **between, "as text": str(first), "not a number": math.nan}
    return {**of_other_kinds(), "shouted": f"{first}X".upper(), "with a space": f"{first} "}


@wrong.register
def _(param: Number):
    return {
        **of_other_kinds(),
        "too small": param.minimum - 0.01,
        "too large": param.maximum + 0.01,
        "as text": str(param.minimum),
        "not a number": math.nan,
        "endless": math.inf,
    }


@wrong.register
def _(param: Flag):
    return {**of_other_kinds("a boolean"), "zero": 0, "one": 1, "as text": "true"}


@cache
def wrong_media(kind, most_bytes):
    others = [other for other in LINKS if other != kind]
    return {
        **of_other_kinds(),
        **{f"said to be {other}": data(other) for other in others},
        **{f"in truth {other}": uri(FILES[kind][0], FILES[other][1]()) for other in others},
        "too heavy": data(kind, most_bytes + 1),
        "cut off": data(kind)[:-5],
        "half a file": uri(FILES[kind][0], FILES[kind][1]()[:40]),
        "no file": uri(FILES[kind][0], b""),
        "a path": "/tmp/boat.png",
        "another scheme": "ftp://example.com/boat.png",
        "at home": "http://127.0.0.1/boat.png",
        "with a password": "https://me:secret@example.com/boat.png",
        **(wrong_pictures() if kind == "image" else {}),
    }


def wrong_pictures():
    return {
        "too narrow": picture(299, 300),
        "too low": picture(300, 299),
        "too wide": picture(751, 300),
        "too high": picture(300, 751),
        "WebP": picture(format_name="WEBP"),
        "GIF": picture(format_name="GIF"),
        "WebP called PNG": picture(format_name="WEBP", media_type="image/png"),
        "PNG called JPEG": picture(media_type="image/jpeg"),
    }


WRONG_PICTURES = ("too narrow", "WebP", "too heavy", "said to be audio", "a number")


def wrong_inside(place):
    """Return some wrong pictures, each put in its place by `place`."""
    every = wrong_media("image", 10 * MEGABYTE)
    return {f"{what} in it": place(every[what]) for what in WRONG_PICTURES}


@wrong.register
def _(param: Media):
    is_picture = param.media == "image"
    most = param.limits.max_bytes if is_picture else MOST_MEGABYTES[param.media] * MEGABYTE
    return wrong_media(param.media, most)


@wrong.register
def _(param: Pictures):
    good = LINKS["image"]
    return {
        **of_other_kinds(),
        **({"too few": [good] * (param.minimum - 1)} if param.minimum > 1 else {}),
        "too many": [good] * (param.maximum + 1),
        "not a list": good,
        **wrong_inside(lambda bad: [*[good] * (param.maximum - 1), bad]),
    }


@wrong.register
def _(param: PictureOrPair):
    good = LINKS["image"]
    return {
        **wrong_media("image", 10 * MEGABYTE),
        "three": [good] * 3,
        "a list of lists": [[good]],
        **wrong_inside(lambda bad: [good, bad]),
    }


@wrong.register
def _(param: Camera):
    def simple(**config):
        return {"type": "simple", "config": config}

    presets = {f"{kind} by numbers": {**simple(pan=1), "type": kind} for kind in CAMERA_PRESETS}
    return {
        **of_other_kinds(),
        **presets,
        "no type": {"config": {"pan": 1}},
        "unknown type": {"type": "somersault"},
        "unknown part": {"type": "down_back", "speed": 3},
        "a preset with nothing": {"type": "down_back", "config": None},
        "simple alone": {"type": "simple"},
        "simple with text": {"type": "simple", "config": "pan"},
        "no axis": simple(),
        "unmoved": simple(pan=0, zoom=0.0),
        "two axes": simple(pan=1, zoom=-1),
        "six axes": simple(**dict.fromkeys(AXES, 1)),
        "unknown axis": simple(spin=1),
        **{f"{axis} too far": simple(**{axis: 10.01}) for axis in AXES},
        **{f"{axis} too far back": simple(**{axis: -10.01}) for axis in AXES},
        "as text": simple(pan="1"),
        "as a boolean": simple(pan=True),
        "not a number": simple(pan=math.nan),
    }


@wrong.register
def _(param: CameraMove):
    def move(kind="pan", value=3, **more):
        return {"movement_type": kind, "movement_value": value, **more}

    return {
        **of_other_kinds(),
        "no type": {"movement_value": 3},
        "no value": {"movement_type": "pan"},
        "unknown type": move("simple"),
        "type of no kind": move(["pan"]),
        "too far": move(value=11),
        "too far back": move(value=-11),
        "not whole": move(value=1.5),
        "as text": move(value="3"),
        "as a boolean": move(value=True),
        "unknown part": move(speed=1),
    }


@wrong.register
def _(param: MotionBrush):
    good = linked(mask())
    x_y = good["trajectories"]
    paths = {
        "no path": [],
        "one point": points(1),
        "78 points": points(78),
        "a point without x": [*x_y, {"y": 1}],
        "a point without y": [*x_y, {"x": 1}],
        "a point in space": [*x_y, {"x": 1, "y": 1, "z": 1}],
        "half a pixel": [*x_y, {"x": 1.5, "y": 1}],
        "a pixel as text": [*x_y, {"x": 1, "y": "1"}],
        "a pixel as a boolean": [*x_y, {"x": True, "y": 1}],
        "a path of pairs": [[1, 1], [2, 2]],
    }
    return {
        **of_other_kinds(),
        "seven masks": [good] * 7,
        "not a list": good,
        "no mask": [{"trajectories": points(2)}],
        "a mask alone": [{"mask": LINKS["image"]}],
        "unknown part": [{**good, "speed": 1}],
        **{what: [good, {**good, "trajectories": path}] for what, path in paths.items()},
        **wrong_inside(lambda bad: [good, {**good, "mask": bad}]),
    }


@wrong.register
def _(param: Elements):
    good = linked(element())
    frontal, reference = good["frontal_image_url"], good["reference_image_urls"][0]
    cases = {
        **of_other_kinds(),
        "five elements": [good] * 5,
        "not a list": good,
        "no references": [{"frontal_image_url": frontal}],
        "empty references": [{**good, "reference_image_urls": []}],
        "five references": [{**good, "reference_image_urls": [reference] * 5}],
        "references not in a list": [{**good, "reference_image_urls": reference}],
        "an empty front": [{**good, "frontal_image_url": None}],
        "unknown part": [{**good, "name": "Ada"}],
        "a picture as video": [{**good, "video_url": data("image")}],
        **wrong_inside(lambda bad: [good, {**good, "frontal_image_url": bad}]),
    }
    deep = wrong_inside(lambda bad: [{**good, "reference_image_urls": [reference, bad]}])
    cases |= {f"{what} (reference)": value for what, value in deep.items()}
    if not param.takes_video:
        cases["no front"] = [{"reference_image_urls": [reference]}]
        cases["a video"] = [{**good, "video_url": LINKS["video"]}]
    return cases


@wrong.register
def _(param: Storyboard):
    def shot(prompt, **parts):
        return {"prompt": prompt, **parts} if param.is_timed else prompt

    good = shot(PROMPT)
    cases = {
        **of_other_kinds(),
        "too many shots": [good] * (param.maximum + 1),
        "not a list": good,
        "a blank shot": [good, shot(" \n")],
        "too long a shot": [good, shot("x" * (param.max_length + 1))],
        "NUL": [shot("a\0b")],
        "a shot of the other sort": [PROMPT if param.is_timed else {"prompt": PROMPT}],
    }
    if not param.is_timed:
        return cases
    seconds = {"no time": 0, "16 s": 16, "half a second": 1.5, "as text": "5", "a boolean": True}
    return {
        **cases,
        **{f"{what} in it": [good, shot(PROMPT, duration=s)] for what, s in seconds.items()},
        "no prompt": [{"duration": 5}],
        "unknown part": [shot(PROMPT, camera="pan")],
    }


# -- whole requests


def plainest(param):
    return next(right(param))


def fullest(param):
    return list(right(param))[-1]


def plain_links(param):
    """Return the plainest value, its media as links: these need no looking into."""
    return linked(plainest(param))


def groups_of(model, groups):
    """Return those of `groups` that the model has, each without what it does not have."""
    had = [tuple(name for name in group if model.param(name)) for group in groups]
    return [group for group in had if group]


def has_to_say_something(model):
    """Tell whether a request has to hold words, in either of two ways."""
    return model.param("multi_prompt") is not None


def is_omni(model):
    return model.version == "3 Omni"


def around(model, given=None, *, fill=plain_links):
    """Return `given` and the least that has to be there besides."""
    values = {param.name: fill(param) for param in model.params if param.required} | (given or {})
    if has_to_say_something(model) and "multi_prompt" not in values:
        values.setdefault("prompt", PROMPT)
    if "tail_image_url" in values and is_omni(model):
        values["generate_audio"] = False
    if model.param("effect_scene") and "image_url" not in (given or {}):
        one = fill(Media(name="", label=""))
        values["image_url"] = [one, one] if values["effect_scene"] in PAIR_SCENES else one
    elif model.param("effect_scene") and "effect_scene" not in given:
        is_pair = isinstance(given["image_url"], list) and len(given["image_url"]) == 2
        values["effect_scene"] = "hug" if is_pair else "squish"
    return values


def least(model):
    """Return the names of what may be left out least: one set for each way to say it."""
    ways = [("prompt",), ("multi_prompt",)] if has_to_say_something(model) else [()]
    return [*ways, *([("effect_scene",)] if model.param("effect_scene") else [])]


def fullest_sets(model):
    """Return the names of what may be sent together: one set for each choice between groups."""
    frames, texts = groups_of(model, ONE_OF_FRAMES), groups_of(model, ONE_OF_WORDS)
    names = [param.name for param in model.params]
    either = {name for group in (*frames, *texts) for name in group}
    always = [name for name in names if name not in either]
    return [(*frame, *text, *always) for frame in frames or [()] for text in texts or [()]]


def excluding(model):
    """Yield names that exclude each other: each pair, and all of them at once."""
    for groups in (groups_of(model, ONE_OF_FRAMES), groups_of(model, ONE_OF_WORDS)):
        for two in combinations(groups, 2):
            yield from product(*two)
        if len(groups) > 1:
            yield tuple(name for group in groups for name in group)


def broken_rules(model):
    """Return what the provider does not take together, and which names have to be told of it."""
    cases = {}
    for names in excluding(model):
        # The complaint stands where one goes on adding: at all but the first, once a group.
        told = {*names[1:]} - ({"dynamic_masks"} if "static_mask" in names else set())
        values = around(model, {name: plain_links(model.param(name)) for name in names})
        cases[" and ".join(names)] = values, told
    if has_to_say_something(model):
        wordless = around(model)
        del wordless["prompt"]
        cases["no words"] = wordless, {"prompt"}
        cases["only a duration"] = {**wordless, "duration": 5}, {"prompt"}
    if model.version.startswith("3") and model.param("elements"):
        seen = {**linked(element()), "video_url": LINKS["video"]}
        elements = [seen, linked(element()), seen]
        cases["two elements with videos"] = around(model, {"elements": elements}), {"elements"}
    if model.task is Task.MOTION:
        for orientation, seconds in (("image", 11), ("video", 31), (None, 31)):
            asked = {"character_orientation": orientation} if orientation else {}
            values = around(model, {"video_url": film(seconds), **asked})
            cases[f"{seconds} s, as in the {orientation}"] = values, {"video_url"}
    if model.param("tail_image_url") and is_omni(model):
        loud = around(model, {"tail_image_url": LINKS["image"]})
        cases["a last frame and sound"] = {**loud, "generate_audio": True}, {"tail_image_url"}
        del loud["generate_audio"]
        cases["a last frame and sound by default"] = loud, {"tail_image_url"}
    if effects := model.param("effect_scene"):
        link = LINKS["image"]
        for scene in effects.choices:
            wrong_counts = (link, [link]) if scene in PAIR_SCENES else ([link, link],)
            for pictures in wrong_counts:
                values = {"effect_scene": scene, "image_url": pictures}
                cases[f"{scene} with {pictures}"] = values, {"image_url"}
    return cases


EVERY_MODEL = [pytest.param(model, id=model.id) for model in MODELS.values()]


def distinct_parameters():
    """Yield each distinct parameter once, with the first model that has it."""
    known = []
    for model in MODELS.values():
        for param in model.params:
            if param not in known:
                known.append(param)
                yield model, param


EVERY_PARAMETER = [
    pytest.param(model, param, id=f"{model.id}-{param.name}")
    for model, param in distinct_parameters()
]
LEAST = [
    pytest.param(model, names, id=f"{model.id}-{'+'.join(names) or 'required'}")
    for model in MODELS.values()
    for names in least(model)
]
FULLEST = [
    pytest.param(model, names, id=f"{model.id}-{'+'.join(names[:2])}")
    for model in MODELS.values()
    for names in fullest_sets(model)
]
every_model = every(MODELS.values())
with_every_model = pytest.mark.parametrize("model", EVERY_MODEL)
every_parameter = pytest.mark.parametrize(("model", "param"), EVERY_PARAMETER)


# -- the provider, which renders nothing here, and a service that never asks twice


class StillRuntime(QuickRuntime):
    """A runtime in which no time passes, so that whoever waits for a video waits on."""

    async def sleep(self, seconds):
        await asyncio.Event().wait()


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Studio, "_render", lambda *_: None)
        folder = tmp_path_factory.mktemp("provider")
        with Simulator(folder=folder, seconds=3600) as running:
            yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def rows(folder):
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    ledger.open()
    yield ledger
    ledger.close()


@pytest.fixture
async def service(provider, rows, folder):
    running, client = service_at(
        provider.base_url, ledger=rows, folder=folder, runtime=StillRuntime()
    )
    yield running
    await running.close()
    await client.aclose()


async def submitted(service, model, values):
    async with asyncio.timeout(TOO_LONG_SECONDS):
        return await submit(service, model.id, values)


async def assert_arrives_unchanged(service, provider, model, values):
    expected = json.dumps({"model": model.id, **values}, sort_keys=True)
    before = len(provider.seen)
    generation = await submitted(service, model, values)
    assert generation.error is None
    assert generation.status is Status.QUEUED
    assert generation.task_id
    [seen] = provider.seen[before:]
    route = KLING_ROUTE if model.route == "kling" else UNIVERSAL_ROUTE
    assert (seen.server, seen.method, seen.path, seen.query) == ("api", "POST", route, {})
    body = json.loads(seen.body)
    assert body == json.loads(expected)
    # As text too: to Python, 1 is 1.0 and True.
    assert json.dumps(body, sort_keys=True) == expected


async def told(service, model, values):
    """Return the names of the values that are refused; none if the request was sent."""
    try:
        await submitted(service, model, values)
    except InvalidValuesError as exc:
        return {problem.field for problem in exc.problems}
    return set()


async def assert_stay_here(service, provider, model, cases):
    """Assert that of each case its names are told, no others, and that nothing is sent."""
    before = len(provider.seen)
    found = {what: await told(service, model, values) for what, (values, _) in cases.items()}
    assert found == {what: names for what, (_, names) in cases.items()}
    assert provider.seen[before:] == []
    assert service.diagnostics()["runs"] == 0


# -- what a model takes


@pytest.mark.parametrize(("model", "names"), LEAST)
async def test_the_least_that_a_model_needs_is_sent_unchanged(service, provider, model, names):
    given = {name: plainest(model.param(name)) for name in names}
    if "effect_scene" in names:
        given["effect_scene"] = "kiss"
    values = around(model, given, fill=plainest)
    await assert_arrives_unchanged(service, provider, model, values)


@pytest.mark.parametrize(("model", "names"), FULLEST)
async def test_all_that_a_model_takes_together_is_sent_unchanged(service, provider, model, names):
    given = {name: fullest(model.param(name)) for name in names if name != "image_url"}
    if "image_url" in names and not model.param("effect_scene"):
        given["image_url"] = fullest(model.param("image_url"))
    values = around(model, given, fill=plainest)
    assert set(values) == set(names)
    await assert_arrives_unchanged(service, provider, model, values)


@every_model
def test_each_value_that_a_parameter_takes_makes_a_payload_of_just_it(model):
    for param in model.params:
        for value in right(param):
            values = around(model, {param.name: value})
            payload = model.payload(values)
            assert payload == {"model": model.id, **values}
            assert type(payload[param.name]) is type(value)


def test_there_are_44_models_of_which_12_are_documented_on_the_kling_route():
    assert len(MODELS) == 44
    assert sum(model.route == "kling" for model in MODELS.values()) == 12


@every_model
def test_words_numbers_and_files_may_be_as_large_as_the_provider_says(model):
    is_turbo = model.version == "3 Turbo"
    for param in model.params:
        if isinstance(param, Number):
            assert (param.minimum, param.maximum) == (0, 1)
        if isinstance(param, Text):
            assert param.max_length == (3072 if is_turbo else 2500)
        if isinstance(param, Storyboard):
            assert (param.max_length, param.is_timed) == ((2500, False), (3072, True))[is_turbo]
            assert param.maximum == 6
        if isinstance(param, Media) and param.media == "image":
            assert param.limits.max_bytes == (50 if is_turbo else 10) * MEGABYTE
        if isinstance(param, Media | Pictures | PictureOrPair):
            assert (param.limits.min_side, param.limits.max_aspect) == (300, 2.5)


@pytest.mark.parametrize(("kind", "megabytes"), [*MOST_MEGABYTES.items(), ("image", 50)])
def test_a_file_may_be_as_heavy_as_its_limit(kind, megabytes):
    sort = [
        param
        for model in MODELS.values()
        for param in model.params
        if isinstance(param, Media) and param.media == kind
        if kind != "image" or param.limits.max_bytes == megabytes * MEGABYTE
    ]
    value = data(kind, megabytes * MEGABYTE)
    assert sort[0].check(value) is value


@pytest.mark.parametrize("size", [(300, 300), (750, 300), (300, 750)])
@pytest.mark.parametrize("format_name", ["PNG", "JPEG"])
def test_a_picture_may_be_as_small_and_as_slim_as_the_limits(size, format_name):
    param = MODELS["kling-video/v1/pro/image-to-video"].param("image_url")
    value = picture(*size, format_name)
    assert param.check(value) is value


# -- what a model refuses


@every_parameter
async def test_each_wrong_value_is_refused_under_its_name_and_nothing_is_sent(
    service, provider, model, param
):
    cases = {
        what: (around(model, {param.name: value}), {param.name})
        for what, value in wrong(param).items()
    }
    await assert_stay_here(service, provider, model, cases)


@with_every_model
async def test_what_is_required_and_not_there_is_asked_for_and_nothing_is_sent(
    service, provider, model
):
    cases = {}
    for param in model.params:
        if not param.required:
            continue
        values = around(model)
        del values[param.name]
        cases[f"no {param.name}"] = values, {param.name}
        for blank in (None, "", " " if isinstance(param, Text) else []):
            cases[f"{param.name} = {blank!r}"] = {**values, param.name: blank}, {param.name}
    await assert_stay_here(service, provider, model, cases)


@with_every_model
async def test_what_a_model_does_not_know_is_refused_by_name_and_nothing_is_sent(
    service, provider, model
):
    of_others = {
        param.name: plain_links(param)
        for other in MODELS.values()
        for param in other.params
        if model.param(param.name) is None
    }
    unknown = {**of_others, "model": model.id, "seed": 7, "Prompt": PROMPT, "": None}
    cases = {name: ({**around(model), name: value}, {name}) for name, value in unknown.items()}
    await assert_stay_here(service, provider, model, cases)


@with_every_model
async def test_what_the_provider_does_not_take_together_is_refused_and_nothing_is_sent(
    service, provider, model
):
    await assert_stay_here(service, provider, model, broken_rules(model))


@pytest.mark.parametrize("model", [p for p in EVERY_MODEL if p.values[0].task is Task.MOTION])
@pytest.mark.parametrize(("orientation", "seconds"), [("image", 10), ("video", 30), (None, 30)])
def test_a_video_of_movements_may_be_as_long_as_its_limit(model, orientation, seconds):
    asked = {"character_orientation": orientation} if orientation else {}
    values = around(model, {"video_url": film(seconds), **asked})
    assert model.payload(values) == {"model": model.id, **values}


NOTES = [
    ({"tail_image_url": LINKS["image"]}, "tail_image_url"),
    ({"tail_image_url": LINKS["image"], "generate_audio": True}, "tail_image_url"),
    ({"elements": [{**linked(element()), "video_url": LINKS["video"]}]}, "elements"),
]


@pytest.mark.parametrize(("given", "field"), NOTES)
@pytest.mark.parametrize("tier", ["standard", "pro"])
def test_what_the_pages_leave_in_doubt_is_noted_and_sent_as_given(tier, given, field):
    model = MODELS[f"klingai/video-v3-{tier}-image-to-video"]
    values = around(model, given)
    assert [note.field for note in model.warnings(values)] == [field]
    assert model.payload(values) == {"model": model.id, **values}


@pytest.mark.parametrize(
    "given",
    [
        {"tail_image_url": LINKS["image"], "generate_audio": False},
        {"elements": [linked(element())]},
        {"generate_audio": True},
    ],
)
def test_what_the_pages_agree_on_has_no_note(given):
    model = MODELS["klingai/video-v3-pro-image-to-video"]
    assert model.warnings(around(model, given)) == ()


@every_model
def test_the_prompt_says_how_to_point_at_each_input_that_is_counted(model):
    names = {"image_list": "@Image1", "elements": "@Element1"}
    has_video_to_point_at = model.param("video_url") and model.task is not Task.MOTION
    wanted = {word for name, word in names.items() if model.param(name)}
    wanted |= {"@Video1"} if has_video_to_point_at else set()
    if model.task is Task.IMAGES:
        return  # an older model, whose pages know no such words
    told = model.param("prompt").help if model.param("prompt") else ""
    assert {word for word in (*names.values(), "@Video1") if word in told} == wanted


@every_model
def test_a_video_is_asked_for_as_a_link_first(model):
    video = model.param("video_url")
    assert video is None or "A link is safer" in video.help


@every_model
def test_what_excludes_each_other_is_told_with_every_name(model):
    for names in excluding(model):
        values = around(model, {name: plain_links(model.param(name)) for name in names})
        with pytest.raises(InvalidValuesError) as caught:
            model.payload(values)
        assert all(name in str(caught.value) for name in names)


@every_model
def test_each_rule_of_a_model_is_broken_by_one_of_the_cases(model):
    cases = [values for values, _ in broken_rules(model).values()]
    assert [rule for rule in model.rules if not any(any(rule(v)) for v in cases)] == []
    assert bool(cases) == bool(model.rules)


# -- what a listing promises

JSON_TYPES = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
TOP = ()


def places(schema, path=TOP):
    """Yield each place in a listed parameter: the way to it, and what is said of it."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from places(part, (*path, name))
    if "items" in schema:
        yield from places(schema["items"], (*path, "*"))


def found_at(path, value):
    """Return everything that stands in `value` at a place."""
    if not path:
        return [value]
    step, *rest = path
    if step == "*":
        return [each for item in value for each in found_at(rest, item)] if is_list(value) else []
    return found_at(rest, value[step]) if isinstance(value, dict) and step in value else []


def is_list(value):
    return isinstance(value, list)


def in_all(path, values):
    return [each for value in values for each in found_at(path, value)]


def is_told(schema, value):
    """Tell whether `value` is what a listing says: type, choices and bounds."""
    types = [each for word in schema["type"].split(" or ") for each in JSON_TYPES[word]]
    if type(value) not in types or value not in schema.get("enum", [value]):
        return False
    if is_list(value):
        return schema.get("min_items", 0) <= len(value) <= schema.get("max_items", math.inf)
    if isinstance(value, str):
        return len(value) <= schema.get("max_length", math.inf)
    if isinstance(value, dict):
        return set(value) <= set(schema["properties"])
    return schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)


def edges(schema):
    """Yield the edges that a listing tells, each as a test of one value, inside and beyond."""
    for choice in schema.get("enum", [True, False] if schema["type"] == "boolean" else []):
        yield f"{choice}", lambda value, c=choice: type(value) is type(c) and value == c, None
    for word, name, size in (
        ("minimum", "at least", number_of),
        ("maximum", "at most", number_of),
        ("min_items", "at least", items_of),
        ("max_items", "at most", items_of),
        ("max_length", "at most", length_of),
    ):
        if word in schema:
            sign = 1 if name == "at most" else -1
            edge = schema[word]
            yield (
                f"{name} {edge} ({word})",
                lambda value, e=edge, s=size: s(value) == e,
                lambda value, e=edge, s=size, d=sign: d * (s(value) - e) > 0,
            )


def number_of(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else math.nan


def items_of(value):
    return len(value) if is_list(value) else math.nan


def length_of(value):
    return len(value) if isinstance(value, str) else math.nan


def each_place(model):
    """Yield each place in a model's listing: its parameter, the way to it, what is said of it."""
    for listed in model.listing()["parameters"]:
        for path, schema in places(listed):
            yield model.param(listed["name"]), path, schema


@every_model
def test_a_listing_is_json_and_stays_the_same_as_json(model):
    listing = model.listing()
    assert json.loads(json.dumps(listing, allow_nan=False)) == listing


@every_model
def test_what_a_listing_promises_is_taken_up_to_its_edges(model):
    for param, path, schema in each_place(model):
        here = in_all(path, right(param))
        assert here, f"nothing is sent at {param.name} {path}"
        assert [value for value in here if not is_told(schema, value)] == []
        unmet = [what for what, is_met, _ in edges(schema) if not any(map(is_met, here))]
        assert unmet == [], (param.name, *path)
        default = schema.get("default")
        assert default is None or default in here


@every_model
def test_what_lies_beyond_the_edges_of_a_listing_is_among_what_is_refused(model):
    for param, path, schema in each_place(model):
        here = in_all(path, wrong(param).values())
        for what, _, is_beyond in edges(schema):
            # At the top an empty list is no list: it is left out, so one item can't be missing.
            if is_beyond and not (path == TOP and what == "at least 1 (min_items)"):
                assert any(map(is_beyond, here)), f"nothing beyond {what}: {param.name} {path}"
        if "enum" in schema:
            assert any(not is_told(schema, value) for value in here)


@every_model
def test_a_listing_says_which_parts_have_to_be_there(model):
    for param, path, schema in each_place(model):
        here = in_all(path, right(param))
        for name, part in schema.get("properties", {}).items():
            is_always_there = all(name in value for value in here)
            assert part.get("required", False) == is_always_there, (param.name, *path, name)


@every_model
def test_an_empty_value_is_taken_for_none_wherever_it_is_not_required(model):
    for param in model.params:
        values = around(model)
        values.pop(param.name, None)
        if has_to_say_something(model) and param.name == "prompt":
            values["multi_prompt"] = plainest(model.param("multi_prompt"))
        for empty in (None, "", [], {}):
            if param.is_empty(empty) and not param.required:
                payload = model.payload({**values, param.name: empty})
                assert payload == {"model": model.id, **values}
