"""The simulated videos show and sound what was handed in: one sees that one's inputs arrived."""

import base64
import io
import json
import math
import re
import socket
import sqlite3
import time
import wave
from itertools import pairwise

import av
import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw

from kling_ui.catalog import AXES, CAMERA_PRESETS, MODELS
from kling_ui.simulator import Simulator, studio
from kling_ui.simulator.brush import soft_mask
from kling_ui.simulator.light import Light
from kling_ui.simulator.reels import BrokenInputError, clip_of
from kling_ui.simulator.tasks import CREDITS_PER_USD
from kling_ui.simulator.views import View, camera
from kling_ui.simulator.wire import Desk

URL = "/v2/video/generations"
FPS = 24
RED, GREEN, BLUE = (210, 40, 40), (30, 160, 60), (40, 70, 210)
YELLOW, CYAN, PINK, WHITE = (225, 205, 40), (40, 200, 215), (220, 60, 200), (240, 240, 240)
COLORS = (RED, GREEN, BLUE, YELLOW, CYAN, PINK, WHITE)
ADDRESS = "https://pictures.example.com/album/beach.jpg"

TEXT = "kling-video/v1.6/standard/text-to-video"
IMAGE = "kling-video/v1.6/standard/image-to-video"
TAIL = "kling-video/v1.6/pro/image-to-video"
V1 = "kling-video/v1/pro/image-to-video"
MULTI = "kling-video/v1.6/standard/multi-image-to-video"
EFFECTS = "klingai/kling-video-v1.6-standard-effects"
O1 = "klingai/video-o1-image-to-video"
REFERENCE = "klingai/video-o1-reference-to-video"
VIDEO_REFERENCE = "klingai/video-o1-video-to-video-reference"
EDIT = "klingai/video-o1-video-to-video-edit"
MOTION = "klingai/video-v2-6-motion-control"
V3_TEXT, V3_IMAGE = (f"klingai/video-v3-pro-{kind}-to-video" for kind in ("text", "image"))
TURBO_TEXT = "klingai/video-v3-turbo-pro-text-to-video"
TURBO_IMAGE = "klingai/video-v3-turbo-pro-image-to-video"
AVATAR = "klingai/avatar-standard"


# What is handed in


def uri(content, media_type):
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return uri(file.getvalue(), "image/png")


def picture(color, size=(640, 360)):
    return png(Image.new("RGB", size, color))


def spotted(ground, spot, at=(320, 180), radius=60, size=(640, 360)):
    """Draw a disk."""
    image = Image.new("RGB", size, ground)
    ImageDraw.Draw(image).circle(at, radius, fill=spot)
    return png(image)


def tone(seconds=2.0, rate=16_000):
    file = io.BytesIO()
    times = np.arange(round(seconds * rate)) / rate
    samples = (np.sin(times * 2 * math.pi * 440) * 12_000).astype("<i2")
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return uri(file.getvalue(), "audio/wav")


def clip(color=BLUE, seconds=2.0, rate=12, size=(320, 180), *, has_sound=False):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono") if has_sound else None
        frame = av.VideoFrame.from_image(Image.new("RGB", size, color))
        for number in range(round(seconds * rate)):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            times = np.arange(round(seconds * 48_000), dtype=np.float32) / 48_000
            samples = np.sin(times * 2 * math.pi * 330).astype(np.float32)[None] * 0.5
            heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            heard.sample_rate = 48_000
            container.mux(sound.encode(heard))
            container.mux(sound.encode())
    return uri(file.getvalue(), "video/mp4")


# What comes back


class Video:
    """A decoded video: RGB frames at chosen seconds, and its sound."""

    def __init__(self, content, answer):
        self.answer = answer
        with av.open(io.BytesIO(content)) as container:
            self.frames = list(container.decode(video=0))
        with av.open(io.BytesIO(content)) as container:
            self.sound_codec, self.sound = None, np.zeros(0)
            if container.streams.audio:
                self.sound_codec = container.streams.audio[0].codec_context.name
                heard = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
                self.sound = np.concatenate(heard)

    @property
    def seconds(self):
        return len(self.frames) / FPS

    @property
    def sound_seconds(self):
        return len(self.sound) / 48_000

    @property
    def size(self):
        return self.frames[0].width, self.frames[0].height

    @property
    def first(self):
        return self.at(0)

    @property
    def last(self):
        return self.at(self.seconds)

    def at(self, seconds):
        return (
            self.frames[min(round(seconds * FPS), len(self.frames) - 1)]
            .to_ndarray(format="rgb24")
            .astype(int)
        )

    def cuts(self):
        """Return the seconds at which the whole picture changes at once."""
        upper = [frame.to_ndarray()[: frame.height // 2].astype(int) for frame in self.frames]
        steps = [np.abs(after - before).mean() for before, after in pairwise(upper)]
        usual = np.median(steps)
        return [(n + 1) / FPS for n, step in enumerate(steps) if step > max(10 * usual, 8)]


def is_color(frame, color):
    """Tell for each pixel whether it looks like `color`."""
    return np.abs(frame - np.array(color)).max(axis=2) < 45


def share(frame, color):
    return is_color(frame, color).mean()


def middle_of(frame, color):
    """Return where in the frame `color` is: shares of its width and height."""
    rows, columns = np.nonzero(is_color(frame, color))
    return columns.mean() / frame.shape[1], rows.mean() / frame.shape[0]


def part(frame, left, top, right, bottom):
    """Return a part of the frame by shares of its width and height."""
    height, width, _ = frame.shape
    return frame[round(top * height) : round(bottom * height)][
        :, round(left * width) : round(right * width)
    ]


def upper(frame):
    """Return what neither words nor label cover."""
    return part(frame, 0.05, 0.14, 0.95, 0.5)


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    with Simulator(folder=tmp_path_factory.mktemp("provider"), seconds=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def api(sim):
    with client(sim) as opened:
        yield opened


def client(sim):
    headers = {"Authorization": "Bearer any"}
    return httpx.Client(base_url=sim.base_url, headers=headers, timeout=20)


def start(api, model, **values):
    answer = api.post(URL, json={"model": model, **values})
    assert answer.status_code == 201, answer.text[:500]
    return answer.json()["id"]


def ended(api, task_id):
    for _ in range(1000):
        answer = api.get(URL, params={"generation_id": task_id}).json()
        if answer["status"] not in {"queued", "generating"}:
            return answer
        time.sleep(0.01)
    raise AssertionError(f"still {answer}")


@pytest.fixture(scope="module")
def made(api):
    def make(model, **values):
        answer = ended(api, start(api, model, **values))
        assert answer["status"] == "completed", answer
        return Video(httpx.get(answer["video"]["url"]).content, answer)

    return make


# The start image, the end image


@pytest.mark.parametrize("size", [(640, 360), (500, 500), (451, 617)])
def test_the_start_image_fills_the_frame_and_decides_its_shape(made, size):
    video = made(TURBO_IMAGE, duration=3, image_url=picture(GREEN, size))
    width, height = video.size
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
    assert width % 2 == height % 2 == 0
    assert width * height == pytest.approx(320 * 180, rel=0.05)
    assert all(share(upper(frame), GREEN) > 0.95 for frame in (video.first, video.last))


def test_the_start_image_is_whole_at_first_and_then_moves(made):
    video = made(TURBO_IMAGE, duration=3, image_url=spotted(BLUE, RED))
    seen, drawn = share(video.first, RED), math.pi * 60**2 / (640 * 360)
    assert seen == pytest.approx(drawn, rel=0.15)
    assert share(video.last, RED) > seen * 1.15


def test_what_is_clear_in_a_picture_is_dark_in_the_video(made):
    image = Image.new("RGBA", (640, 360), (255, 255, 255, 0))
    video = made(TURBO_IMAGE, duration=3, image_url=png(image))
    assert upper(video.first).mean() < 60


def test_a_photo_taken_with_the_camera_on_its_side_stands_upright(made):
    image = Image.new("RGB", (640, 360), RED)
    image.paste(GREEN, (0, 0, 320, 360))
    exif = image.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, quality=95)
    video = made(TURBO_IMAGE, duration=3, image_url=uri(file.getvalue(), "image/jpeg"))
    assert video.size[0] < video.size[1]
    assert share(part(video.first, 0, 0.1, 0.6, 0.4), GREEN) > 0.9


@pytest.mark.parametrize(
    ("model", "name", "more"),
    [
        (TAIL, "tail_image_url", {}),
        (O1, "last_image_url", {"prompt": "It turns"}),
        (V3_IMAGE, "tail_image_url", {"generate_audio": False, "duration": 3}),
    ],
)
def test_a_video_ends_with_the_picture_given_for_its_end(made, model, name, more):
    video = made(model, image_url=picture(RED), **{name: picture(GREEN)}, **more)
    assert share(upper(video.first), RED) > 0.95
    assert share(upper(video.last), GREEN) > 0.95
    between = upper(video.at(video.seconds * 0.6))
    assert share(between, RED) < 0.1 > share(between, GREEN)


# Several pictures


@pytest.mark.parametrize(("count", "ratio"), [(3, "16:9"), (4, "1:1"), (2, "9:16")])
def test_each_of_several_pictures_is_seen_all_the_time(made, count, ratio):
    pictures = [picture(color) for color in COLORS[:count]]
    video = made(MULTI, image_list=pictures, aspect_ratio=ratio)
    wanted = {"16:9": 16 / 9, "9:16": 9 / 16, "1:1": 1}[ratio]
    assert video.size[0] / video.size[1] == pytest.approx(wanted, rel=0.01)
    for frame in (video.first, video.at(2.5), video.last):
        assert all(share(frame, color) > 0.4 / count for color in COLORS[:count])


def test_seven_references_and_an_element_are_seen(made):
    orange = (235, 130, 20)
    element = {
        "frontal_image_url": picture(orange),
        "reference_image_urls": [picture((120, 90, 20))],
    }
    video = made(
        REFERENCE,
        prompt="All",
        image_list=[picture(color) for color in COLORS],
        elements=[element],
    )
    assert all(share(video.first, color) > 0.03 for color in (*COLORS, orange))
    assert share(video.last, orange) < 0.03 < share(video.last, (120, 90, 20))


def test_references_may_be_missing(made):
    assert made(REFERENCE, prompt="Only words").seconds == 5


# Effects


def test_an_effect_shows_its_picture_in_motion(made):
    video = made(EFFECTS, effect_scene="let's_ride", image_url=spotted(GREEN, RED))
    sizes = [share(video.at(seconds), RED) for seconds in (0, 0.45, 0.9, 1.35)]
    assert share(upper(video.first), GREEN) > 0.5
    assert max(sizes) > 1.08 * min(sizes)


def test_an_effect_of_two_shows_the_first_picture_on_the_left(made):
    video = made(EFFECTS, effect_scene="hug", image_url=[picture(RED), picture(GREEN)])
    for frame in (video.first, video.last):
        assert share(part(frame, 0.02, 0.14, 0.48, 0.5), RED) > 0.95
        assert share(part(frame, 0.52, 0.14, 0.98, 0.5), GREEN) > 0.95


# Videos


def test_a_given_video_is_seen_and_then_restyled_and_lasts_as_long(made):
    video = made(EDIT, prompt="As a woodcut", video_url=clip(seconds=3))
    assert video.seconds == video.answer["video"]["duration"] == 3
    assert share(upper(video.first), BLUE) > 0.95
    restyled = upper(video.last).mean(axis=(0, 1))
    assert np.abs(restyled - np.array(BLUE)).max() > 12


def test_a_given_video_goes_on_while_it_is_shown(made):
    frames = [Image.new("RGB", (320, 180), color) for color in (BLUE, RED)]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = 320, 180
        for number in range(20):
            frame = av.VideoFrame.from_image(frames[number // 10])
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = made(MOTION, image_url=picture(GREEN), video_url=uri(file.getvalue(), "video/mp4"))
    corners = [part(video.at(seconds), 0.06, 0.08, 0.2, 0.2) for seconds in (0.5, 1.5)]
    assert share(corners[0], BLUE) > 0.8 < share(corners[1], RED)


def test_the_shape_of_an_edited_video_is_its_own(made):
    video = made(EDIT, prompt="Snow", video_url=clip(size=(180, 320), seconds=1))
    assert video.size[0] / video.size[1] == pytest.approx(9 / 16, rel=0.02)


def test_only_fifteen_seconds_of_a_long_video_are_shown(made):
    video = made(EDIT, prompt="Long", video_url=clip(seconds=17, rate=2))
    assert video.seconds == 15


def test_a_video_reference_lasts_as_asked_and_shows_the_video_again(made):
    video = made(VIDEO_REFERENCE, prompt="Again", video_url=clip(seconds=2, rate=6), duration=5)
    assert video.seconds == 5
    assert upper(video.last).mean() > 30


def test_pictures_given_with_a_video_are_insets(made):
    element = {"frontal_image_url": picture(GREEN), "reference_image_urls": [picture(GREEN)]}
    video = made(
        EDIT, prompt="Add them", video_url=clip(), image_list=[picture(RED)], elements=[element]
    )
    corner = part(video.first, 0.03, 0.05, 0.3, 0.32)
    assert share(corner, RED) > 0.15 < share(corner, GREEN)
    assert share(video.first, BLUE) > 0.5


def test_motion_control_moves_the_character_and_shows_the_driving_video(made):
    video = made(MOTION, image_url=spotted(GREEN, RED, radius=90), video_url=clip())
    assert share(part(video.first, 0.06, 0.08, 0.2, 0.2), BLUE) > 0.8
    assert share(part(video.first, 0.45, 0.4, 0.55, 0.5), RED) > 0.8
    places = [middle_of(video.at(seconds), RED)[0] for seconds in (0, 0.5, 1.4)]
    assert max(places) - min(places) > 0.02


@pytest.mark.parametrize(("orientation", "aspect"), [("image", 1), ("video", 16 / 9)])
def test_the_character_faces_as_in_and_is_shaped_as(made, orientation, aspect):
    video = made(
        MOTION,
        image_url=picture(GREEN, (400, 400)),
        video_url=clip(seconds=1),
        character_orientation=orientation,
    )
    assert video.size[0] / video.size[1] == pytest.approx(aspect, rel=0.02)


# Elements, storyboards


def test_elements_are_shown_beside_the_start_image(made):
    elements = [
        {"frontal_image_url": picture(RED), "reference_image_urls": [picture(YELLOW)]},
        {"reference_image_urls": [picture(GREEN)]},
        {"reference_image_urls": [picture(PINK)], "video_url": clip(CYAN)},
    ]
    video = made(V3_IMAGE, image_url=picture(BLUE), duration=3, elements=elements)
    first, last = (part(frame, 0.03, 0.05, 0.5, 0.32) for frame in (video.first, video.last))
    assert all(share(first, color) > 0.05 for color in (RED, GREEN, PINK))
    assert all(share(last, color) > 0.05 for color in (YELLOW, GREEN, CYAN))


def test_shots_without_seconds_share_the_video_evenly(made):
    shots = ["A storm over the sea", "A boat fights the waves", "Calm morning"]
    assert made(V3_TEXT, multi_prompt=shots, duration=3).cuts() == [1, 2]


@pytest.mark.parametrize(
    ("duration", "seconds", "cuts"), [({}, 6, [2, 3]), ({"duration": 3}, 3, [1, 1.5])]
)
def test_timed_shots_last_as_long_as_they_say(made, duration, seconds, cuts):
    shots = [
        {"prompt": "It wakes", "duration": 2},
        {"prompt": "It listens", "duration": 1},
        {"prompt": "It roars", "duration": 3},
    ]
    video = made(
        TURBO_IMAGE, image_url=spotted(GREEN, RED, radius=140), multi_prompt=shots, **duration
    )
    assert (video.seconds, video.cuts()) == (seconds, cuts)


def test_each_shot_has_its_own_words(made):
    same = [{"prompt": "One", "duration": 1}, {"prompt": "One", "duration": 1}]
    other = [same[0], {"prompt": "Something else altogether", "duration": 1}]
    image = picture(GREEN)
    lower = [
        part(made(TURBO_IMAGE, image_url=image, multi_prompt=shots).last, 0.05, 0.75, 0.9, 0.9)
        for shots in (same, other)
    ]
    assert np.abs(lower[1] - lower[0]).mean() > 3


# The camera


def simple(axis, amount):
    return {"type": "simple", "config": {axis: amount}}


def moved(made, control):
    """Return how a disk right of the middle moves and grows under a camera control."""
    image = spotted(GREEN, RED, at=(400, 180), radius=50)
    video = made(V1, image_url=image, camera_control=control)
    (x, y), (to_x, to_y) = (middle_of(frame, RED) for frame in (video.first, video.last))
    return to_x - x, to_y - y, share(video.last, RED) / share(video.first, RED)


def test_a_camera_that_goes_right_lets_things_go_left(made):
    right, down, _ = moved(made, simple("horizontal", 8))
    assert right < -0.1
    assert down == pytest.approx(0, abs=0.02)


def test_a_camera_that_goes_up_lets_things_go_down(made):
    right, down, _ = moved(made, simple("tilt", 8))
    assert down > 0.1
    assert right == pytest.approx(0, abs=0.02)


def test_a_camera_that_turns_clockwise_lets_things_turn_the_other_way(made):
    _, down, _ = moved(made, simple("roll", 8))
    assert down < -0.1


def test_zoom_below_zero_comes_closer(made):
    assert moved(made, simple("zoom", -5))[2] > 1.5


@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize(
    ("axis", "name", "direction"),
    [
        ("horizontal", "x", 1),
        ("pan", "x", 1),
        ("vertical", "y", -1),
        ("tilt", "y", -1),
        ("roll", "turn", 1),
        ("zoom", "size", 1),
    ],
)
def test_each_axis_moves_the_camera_its_way_and_farther_with_more(axis, name, direction, as_object):
    def gone(amount):
        moves = {"movement_type": axis, "movement_value": amount}
        path = camera(simple(axis, amount) if as_object else moves, 5)
        return (getattr(path(5), name) - getattr(path(0), name)) * direction

    ways = [gone(amount) for amount in (-10, -3, 3, 10)]
    assert ways == sorted(ways)
    assert ways[1] < 0 < ways[2]


@pytest.mark.parametrize(
    ("preset", "name", "grows", "size_grows"),
    [
        ("down_back", "y", True, True),
        ("forward_up", "y", False, False),
        ("right_turn_forward", "x", True, False),
        ("left_turn_forward", "x", False, False),
    ],
)
def test_a_preset_moves_the_camera_as_it_is_called(preset, name, grows, size_grows):
    for control in (preset, {"type": preset}):
        path = camera(control, 5)
        assert (getattr(path(5), name) > getattr(path(0), name)) is grows
        assert (path(5).size > path(0).size) is size_grows


@pytest.mark.parametrize(
    "control",
    [*CAMERA_PRESETS, *({"movement_type": axis, "movement_value": -7} for axis in AXES)],
    ids=str,
)
def test_the_camera_moves_through_light_as_well(control):
    light = Light(words="w", take="t", width=64, height=36)
    path = camera(control, 5, reach=2.6)
    seen, unmoved = (light.at(5, view).astype(int)[0] for view in (path(5), path(0)))
    assert np.abs(seen - unmoved).mean() > 500


def test_text_models_take_a_camera(made):
    control = {"movement_type": "pan", "movement_value": 3}
    model = "kling-video/v1/pro/text-to-video"
    video = made(model, prompt="Clouds", advanced_camera_control=control)
    assert np.abs(video.first - video.last).mean() > 3


@pytest.mark.parametrize("aspect", [0.4, 1, 2.5])
@pytest.mark.parametrize("turn", [0, 0.3, math.pi / 2, -2.8])
def test_no_view_shows_what_lies_beyond_the_picture(aspect, turn):
    view = View(x=0.99, y=-3, size=1.4, turn=turn).kept_inside(aspect)
    for across in (-0.5, 0.5):
        for down in (-0.5, 0.5):
            x = aspect * across * math.cos(turn) - down * math.sin(turn)
            y = aspect * across * math.sin(turn) + down * math.cos(turn)
            assert -1e-9 <= view.x + view.size * x / aspect <= 1 + 1e-9
            assert -1e-9 <= view.y + view.size * y <= 1 + 1e-9


# The motion brush


def mask(at, radius, size=(640, 360)):
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).circle(at, radius, fill=255)
    return png(image)


def test_a_painted_area_moves_along_its_path_with_the_origin_at_the_bottom_left(made):
    path = [{"x": 160, "y": 160}, {"x": 300, "y": 160}, {"x": 440, "y": 260}]
    video = made(
        V1,
        image_url=spotted(GREEN, RED, at=(160, 200), radius=50),
        dynamic_masks=[{"mask": mask((160, 200), 60), "trajectories": path}],
    )
    assert middle_of(video.first, RED) == pytest.approx((160 / 640, 200 / 360), abs=0.02)
    assert middle_of(video.last, RED) == pytest.approx((440 / 640, 100 / 360), abs=0.03)
    assert share(part(video.last, 0.2, 0.45, 0.3, 0.6), GREEN) > 0.9


@pytest.mark.parametrize(
    ("mode", "clear", "painted"),
    [("L", 0, 255), ("RGB", (0, 0, 0), (255, 255, 255)), ("RGBA", (0, 0, 0, 0), (0, 0, 0, 255))],
)
def test_a_mask_is_what_is_bright_or_else_what_is_opaque(mode, clear, painted):
    image = Image.new(mode, (64, 36), clear)
    image.paste(painted, (32, 0, 64, 36))
    flat = np.asarray(soft_mask(image, (128, 72)))
    assert flat[:, :60].max() == 0
    assert flat[:, 68:].min() == 255


def test_what_is_masked_as_still_stays_and_hides_what_passes(made):
    path = [{"x": 100, "y": 200}, {"x": 500, "y": 200}]
    video = made(
        V1,
        image_url=spotted(GREEN, RED, at=(100, 160), radius=40),
        dynamic_masks=[{"mask": mask((100, 160), 50), "trajectories": path}],
        static_mask=mask((500, 160), 70),
    )
    assert share(video.at(2), RED) > 0.01
    assert share(upper(video.last), RED) < 0.01


def test_around_a_still_area_the_rest_moves(made):
    image = Image.new("RGB", (640, 360), GREEN)
    draw = ImageDraw.Draw(image)
    draw.circle((320, 180), 40, fill=RED)
    # The camera's move is drawn by lot, and leaves one corner or another nearly where it was.
    corners = {BLUE: (100, 80), YELLOW: (540, 80), PINK: (100, 190), CYAN: (540, 190)}
    for color, place in corners.items():
        draw.circle(place, 30, fill=color)
    video = made(V1, image_url=png(image), static_mask=mask((320, 180), 60))
    first, last = video.first, video.last
    assert middle_of(last, RED) == pytest.approx(middle_of(first, RED), abs=0.01)
    moves = [math.dist(middle_of(last, color), middle_of(first, color)) for color in corners]
    assert max(moves) > 0.02


# What is heard


def test_an_avatar_speaks_as_long_as_its_voice(made):
    video = made(AVATAR, image_url=picture(GREEN), audio_url=tone(1.5))
    assert video.seconds == video.answer["video"]["duration"] == 1.5
    assert video.sound_codec == "aac"
    assert video.sound_seconds == pytest.approx(1.5, abs=0.05)
    crossings = np.diff(np.sign(video.sound[4800:67_200])) != 0
    assert crossings.sum() / 2 / (62_400 / 48_000) == pytest.approx(440, rel=0.03)
    assert share(upper(video.first), GREEN) > 0.9


def test_a_portrait_pulses_with_the_voice(made):
    image = spotted(GREEN, RED)
    rate = 16_000
    file = io.BytesIO()
    quiet, loud = np.zeros(rate, "<i2"), np.tile(np.array([9000, -9000], "<i2"), rate // 2)
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(np.concatenate([quiet, loud]).tobytes())
    video = made(AVATAR, image_url=image, audio_url=uri(file.getvalue(), "audio/wav"))
    assert share(video.at(1.8), RED) > 1.06 * share(video.at(0.8), RED)


@pytest.mark.parametrize(
    ("model", "values", "is_heard"),
    [
        (V3_TEXT, {"duration": 3}, True),
        (V3_TEXT, {"duration": 3, "generate_audio": True}, True),
        (V3_TEXT, {"duration": 3, "generate_audio": False}, False),
        ("klingai/video-v2-6-pro-text-to-video", {}, True),
        (TURBO_TEXT, {"duration": 3}, False),
    ],
)
def test_a_model_makes_sound_unless_told_not_to(made, model, values, is_heard):
    video = made(model, prompt="Rain on a roof", **values)
    assert video.sound_codec == ("aac" if is_heard else None)
    if is_heard:
        assert video.sound_seconds == pytest.approx(video.seconds, abs=0.05)
        assert 0.01 < np.abs(video.sound).max() < 1


@pytest.mark.parametrize(
    ("model", "values", "has_sound", "is_heard"),
    [
        (EDIT, {}, True, False),
        (EDIT, {"keep_audio": True}, True, True),
        (EDIT, {"keep_audio": True}, False, False),
        (MOTION, {}, True, True),
        (MOTION, {"keep_audio": False}, True, False),
    ],
)
def test_the_sound_of_a_given_video_is_kept_where_asked(made, model, values, has_sound, is_heard):
    words = {"prompt": "It rings"} if model == EDIT else {"image_url": picture(GREEN)}
    video = made(model, video_url=clip(seconds=1, has_sound=has_sound), **words, **values)
    assert (video.sound_codec is not None) is is_heard
    assert video.sound_seconds == pytest.approx(1 if is_heard else 0, abs=0.05)


# Addresses


def test_what_lies_at_an_address_is_never_fetched_but_a_card_says_so(made, monkeypatch):
    asked = []
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **k: asked.append(host) or real(host, *more, **k)
    )
    card = {
        "image": made(IMAGE, prompt="Waves", image_url=ADDRESS),
        "list": made(MULTI, image_list=[ADDRESS, picture(RED)]),
        "motion": made(
            MOTION, image_url=picture(RED), video_url="https://videos.example.com/a.mp4"
        ),
        "voice": made(AVATAR, image_url=picture(RED), audio_url="https://sounds.example.com/a.mp3"),
        "brush": made(
            V1,
            image_url=ADDRESS,
            dynamic_masks=[{"mask": ADDRESS, "trajectories": [{"x": 1, "y": 1}, {"x": 9, "y": 9}]}],
        ),
    }
    assert not [host for host in asked if "example.com" in str(host)]
    assert all(video.seconds == 5 for video in card.values())
    assert card["image"].size == card["motion"].size == (320, 180)
    assert upper(card["image"].first).max() > 200
    assert share(card["list"].first, RED) > 0.2
    assert card["voice"].sound_codec == "aac"


# What is broken, what is big, what stays


def test_an_input_that_can_not_be_used_fails_the_task_which_is_not_charged(tmp_path):
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        task_id = start(api, IMAGE, prompt="Gone", image_url=picture(RED))
        assert ended(api, task_id)["status"] == "completed"
        for file in [*(tmp_path / "videos").iterdir(), *(tmp_path / "inputs").iterdir()]:
            file.write_bytes(b"broken") if file.parent.name == "inputs" else file.unlink()
        answer = ended(api, task_id)
        assert answer["status"] == "error"
        assert answer["error"] == {
            "name": "invalid_input",
            "message": "The input can't be used: image_url: the picture can't be decoded.",
        }
        assert answer["meta"]["usage"]["credits_used"] == 0
        assert (sim.accepted, sim.charges) == (1, 0)
        assert ended(api, start(api, TEXT, prompt="The studio goes on"))["status"] == "completed"


def test_a_failure_is_known_before_anyone_asks(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(studio, "render", broken)
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        task_id = start(api, TEXT, prompt="Rain")
        for _ in range(200):
            if sim.charges == 0:
                break
            time.sleep(0.01)
        assert sim.charges == 0
        assert ended(api, task_id)["error"]["name"] == "internal_error"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk" * 100,
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
    ],
    ids=["empty", "junk", "playlist", "concat"],
)
def test_a_video_that_is_none_or_only_points_elsewhere_is_broken(tmp_path, content):
    file = tmp_path / "video"
    file.write_bytes(content)
    with pytest.raises(BrokenInputError):
        clip_of(file)


def test_inputs_survive_a_restart_and_rows_stay_small(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        ids = [
            start(api, IMAGE, prompt="Keep", image_url=image)
            for image in (png(Image.fromarray(noise)), picture(GREEN), picture(GREEN))
        ]
    assert len(list((tmp_path / "inputs").iterdir())) == 2
    with sqlite3.connect(tmp_path / "simulator.sqlite3") as database:
        ((longest,),) = database.execute("SELECT max(length(payload)) FROM tasks").fetchall()
    database.close()
    assert longest < 500
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        answer = ended(api, ids[1])
        video = Video(httpx.get(answer["video"]["url"]).content, answer)
    assert share(upper(video.first), GREEN) > 0.95


def test_a_folder_from_before_videos_had_lengths_still_opens(tmp_path):
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        task_id = start(api, TEXT, prompt="Old")
        ended(api, task_id)
    with sqlite3.connect(tmp_path / "simulator.sqlite3") as database:
        database.execute("ALTER TABLE tasks DROP COLUMN video_seconds")
    database.close()
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        assert ended(api, task_id)["video"]["duration"] == 5


def test_a_huge_body_does_not_hold_up_the_others(sim, api):
    huge = json.dumps(
        {"model": TURBO_IMAGE, "image_url": "data:image/png;base64," + "A" * 30_000_000}
    )
    headers = {"Content-Type": "application/json"}
    waits = []

    def sent():
        for at in range(0, len(huge), 10_000_000):
            yield huge[at : at + 10_000_000].encode()
            begun = time.perf_counter()
            other.get("/v2/billing")
            waits.append(time.perf_counter() - begun)

    with client(sim) as other:
        answer = api.post(URL, content=sent(), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("image_url: Expected url of an image, received")
    assert len(answer.content) < 2000
    assert max(waits) < 1


def test_what_was_seen_keeps_within_its_bound_whatever_comes():
    class Request:
        method, query_params, headers = "POST", {}, {}
        url = httpx.URL("http://host/path")

    seen = []
    desk = Desk(server="api", plan=None, seen=seen)
    for size in (*[10] * 50, 90_000_000, 80_000_000, 10):
        desk._note(Request, bytes(size))
    assert sum(len(each.body) for each in seen) <= 2**27
    assert [len(each.body) for each in seen[-2:]] == [80_000_000, 10]


# Every model


@pytest.fixture(scope="module")
def least():
    """Return a value for each parameter that some model needs."""
    return {
        "prompt": "A quiet street",
        "image_url": picture(GREEN),
        "image_list": [picture(RED), picture(GREEN)],
        "effect_scene": "squish",
        "video_url": clip(seconds=2),
        "audio_url": tone(2),
    }


def body_for(model, values):
    """Return the least that a model takes."""
    needed = [param.name for param in model.params if param.required]
    if "prompt" not in needed and model.param("multi_prompt"):
        needed.append("prompt")
    return {name: values[name] for name in needed}


def priced(api, model):
    (item,) = api.get("/v1/models", params={"include": "pricing", "id": model.id}).json()["data"]
    return item["pricing"]


def usd_per_second(pricing, model, body):
    if pricing["kind"] == "fixed":
        return pricing["units"][0]["price"]
    chosen = {name: body.get(name, model.param(name).default) for name in pricing["dimensions"]}
    (price,) = (each["price"] for each in pricing["variants"] if each["when"] == chosen)
    return price


def test_every_model_takes_its_least_and_costs_what_the_catalogue_says(
    tmp_path, monkeypatch, least
):
    monkeypatch.setattr(studio, "render", lambda _, path, **__: path.write_bytes(b"") or True)
    with Simulator(folder=tmp_path, seconds=0.01) as sim, client(sim) as api:
        for model in MODELS.values():
            body = body_for(model, least)
            answer = api.post(URL, json={"model": model.id, **body})
            assert answer.status_code == 201, (model.id, answer.text[:300])
            has_own_length = {"audio_url", "video_url"} & set(body) and not model.param("duration")
            usd = usd_per_second(priced(api, model), model, body) * (2 if has_own_length else 5)
            used = answer.json()["meta"]["usage"]["credits_used"]
            assert used == pytest.approx(usd * CREDITS_PER_USD, abs=1), model.id
            assert ended(api, answer.json()["id"])["status"] == "completed"
        metrics = api.get("/models/metrics", params={"aliases": list(MODELS)}).json()["data"]
    assert {row["model"] for row in metrics} == set(MODELS)


def test_sound_and_a_better_mode_cost_more(api):
    def prices(model, name):
        pricing = priced(api, MODELS[model])
        return {each["when"][name]: each["price"] for each in pricing["variants"]}

    assert prices(V3_TEXT, "generate_audio")[True] > prices(V3_TEXT, "generate_audio")[False]
    assert prices(MOTION, "mode")["pro"] > prices(MOTION, "mode")["std"]


SMALL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (IMAGE, {"prompt": "x"}, "image_url: Expected url of an image, received undefined"),
        (
            IMAGE,
            {"prompt": "x", "image_url": ""},
            'image_url: Expected url of an image, received ""',
        ),
        (
            IMAGE,
            {"prompt": "x", "image_url": 5},
            "image_url: Expected url of an image, received 5",
        ),
        (
            TAIL,
            {"image_url": ADDRESS, "tail_image_url": ""},
            'tail_image_url: Expected url of an image, received ""',
        ),
        (
            MULTI,
            {"image_list": [ADDRESS]},
            "image_list: Expected array of 2 to 4 items, received array of 1",
        ),
        (
            MULTI,
            {"image_list": ADDRESS},
            f'image_list: Expected array of 2 to 4 items, received "{ADDRESS}"',
        ),
        (
            V3_TEXT,
            {"prompt": "x", "generate_audio": "yes"},
            'generate_audio: Expected boolean, received "yes"',
        ),
        (
            V3_TEXT,
            {"prompt": "x", "duration": 16},
            "duration: Expected " + " | ".join(map(str, range(3, 16))) + ", received 16",
        ),
        (
            TURBO_TEXT,
            {"multi_prompt": []},
            "multi_prompt: Expected array of 1 to 6 items, received array of 0",
        ),
        (
            "kling-video/v1/pro/text-to-video",
            {"prompt": "x", "advanced_camera_control": "zoom"},
            'advanced_camera_control: Expected object, received "zoom"',
        ),
    ],
)
def test_a_wrong_value_is_refused_in_the_providers_words(api, model, values, message):
    answer = api.post(URL, json={"model": model, **values})
    assert (answer.status_code, answer.json()["message"]) == (400, message)


@pytest.mark.parametrize(
    ("model", "values", "field"),
    [
        (IMAGE, {"prompt": "x", "image_url": "ftp://host/a.png"}, "image_url"),
        (IMAGE, {"prompt": "x", "image_url": SMALL}, "image_url"),
        (MULTI, {"image_list": [ADDRESS, "nothing"]}, "image_list"),
        (EFFECTS, {"effect_scene": "hug", "image_url": ADDRESS}, "image_url"),
        (EFFECTS, {"effect_scene": "squish", "image_url": [ADDRESS, ADDRESS]}, "image_url"),
        (V1, {"image_url": ADDRESS, "camera_control": {"type": "simple"}}, "camera_control"),
        (V1, {"image_url": ADDRESS, "dynamic_masks": [{"mask": ADDRESS}]}, "dynamic_masks"),
        (V3_IMAGE, {"image_url": ADDRESS, "tail_image_url": ADDRESS}, "tail_image_url"),
        (TURBO_TEXT, {"multi_prompt": [{"prompt": "x", "duration": "5"}]}, "multi_prompt"),
        (
            V1,
            {"image_url": ADDRESS, "tail_image_url": ADDRESS, "static_mask": ADDRESS},
            "static_mask",
        ),
    ],
)
def test_what_is_wrong_inside_or_together_is_refused_with_the_reason(api, model, values, field):
    answer = api.post(URL, json={"model": model, **values})
    message = answer.json()["message"]
    assert answer.status_code == 400
    assert message.startswith(f"{field}: Expected ")
    assert re.search(r", received .* \(.+\)", message)
