"""The simulated videos show and sound what was handed in: one sees that one's inputs arrived."""

import base64
import io
import json
import math
import socket
import time
import wave
from fractions import Fraction
from itertools import pairwise
from threading import Event

import av
import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw

from kling_ui.catalog import AXES, Inputs
from kling_ui.simulator import Simulator, studio
from kling_ui.simulator.input_reader import InputReader
from kling_ui.simulator.render import render
from kling_ui.simulator.scene import Scene, camera
from kling_ui.simulator.stills import INK, framed, mosaic, soft_mask, without_band

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
        upper = [
            frame.to_ndarray(format="gray")[: frame.height // 2].astype(int)
            for frame in self.frames
        ]
        steps = [np.abs(after - before).mean() for before, after in pairwise(upper)]
        usual = np.median(steps)
        return [(n + 1) / FPS for n, step in enumerate(steps) if step > max(10 * usual, 5)]


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
    video = made(TURBO_IMAGE, prompt="It moves", duration=3, image_url=picture(GREEN, size))
    width, height = video.size
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)
    assert width % 2 == height % 2 == 0
    assert width * height == pytest.approx(320 * 180, rel=0.05)
    assert all(share(upper(frame), GREEN) > 0.95 for frame in (video.first, video.last))


def test_the_start_image_is_whole_at_first_and_then_moves(made):
    video = made(TURBO_IMAGE, prompt="It moves", duration=3, image_url=spotted(BLUE, RED))
    seen, drawn = share(video.first, RED), math.pi * 60**2 / (640 * 360)
    assert seen == pytest.approx(drawn, rel=0.15)
    assert share(video.last, RED) > seen * 1.15


def test_a_photo_taken_with_the_camera_on_its_side_stands_upright(made):
    image = Image.new("RGB", (640, 360), RED)
    image.paste(GREEN, (0, 0, 320, 360))
    exif = image.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, quality=95)
    video = made(
        TURBO_IMAGE, prompt="It moves", duration=3, image_url=uri(file.getvalue(), "image/jpeg")
    )
    assert video.size[0] < video.size[1]
    assert share(part(video.first, 0, 0.1, 0.6, 0.4), GREEN) > 0.9


@pytest.mark.parametrize(
    ("model", "name", "more"),
    [
        (TAIL, "tail_image_url", {}),
        (O1, "last_image_url", {"prompt": "It turns"}),
        (
            V3_IMAGE,
            "tail_image_url",
            {"prompt": "On", "generate_audio": False, "duration": 3},
        ),
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
    orange, brown = (235, 130, 20), (120, 90, 20)
    element = {
        "frontal_image_url": picture(orange),
        "reference_image_urls": [picture(brown)],
    }
    video = made(
        REFERENCE,
        prompt="All",
        image_list=[picture(color) for color in COLORS],
        elements=[element],
    )
    assert all(
        share(frame, color) > 0.015
        for frame in (video.first, video.last)
        for color in (*COLORS, orange, brown)
    )


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
    corners = [part(video.at(seconds), 0.9, 0.05, 0.97, 0.12) for seconds in (0.5, 1.5)]
    assert share(corners[0], BLUE) > 0.8 < share(corners[1], RED)


def test_the_shape_of_an_edited_video_is_its_own(made):
    video = made(EDIT, prompt="Snow", video_url=clip(size=(180, 320), seconds=1))
    assert video.size[0] / video.size[1] == pytest.approx(9 / 16, rel=0.02)


def encoded(codec, pixels, sizes, rate=12):
    """Return a Matroska whose frames change their size within one stream."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = sizes[0]
        stream.pix_fmt = pixels
        for part_number, size in enumerate(sizes):
            coder = av.CodecContext.create(codec, "w")
            coder.width, coder.height, coder.pix_fmt = *size, pixels
            coder.time_base, coder.framerate = Fraction(1, rate), Fraction(rate)
            frame = av.VideoFrame.from_image(Image.new("RGB", size, BLUE)).reformat(format=pixels)
            packets = []
            for number in range(rate):
                frame.pts = part_number * rate + number
                packets += coder.encode(frame)
            for packet in packets + coder.encode():
                packet.stream, packet.time_base = stream, coder.time_base
                container.mux(packet)
    return uri(file.getvalue(), "video/x-matroska")


@pytest.mark.parametrize(
    ("codec", "pixels", "sizes"),
    [
        ("libvpx", "yuv420p", [(320, 180), (160, 90), (640, 360)]),
        ("libvpx", "yuv420p", [(640, 360), (64, 36)]),
        ("libvpx-vp9", "yuv444p", [(321, 181)]),
    ],
)
def test_a_video_of_any_pixels_whose_size_changes_is_shown(tmp_path, codec, pixels, sizes):
    content = base64.b64decode(encoded(codec, pixels, sizes).partition(",")[2])
    reader = InputReader(Inputs(tmp_path / "inputs"))
    handed_in = reader.clip(reader.inputs.keep(content, "video/webm"))
    scene = Scene(text="", title="", seconds=3, take="", is_draft=True, clip=handed_in)
    assert render(scene, tmp_path / "video.mp4", is_given_up=Event())
    shown = frames_of(tmp_path / "video.mp4")
    assert len(shown) == 72
    assert share(upper(np.asarray(shown[6]).astype(int)), BLUE) > 0.9


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
    corner = part(video.first, 0.02, 0.03, 0.36, 0.24)
    assert share(corner, RED) > 0.15 < share(corner, GREEN)
    assert share(video.first, BLUE) > 0.5


def test_motion_control_moves_the_character_and_shows_the_driving_video(made):
    video = made(MOTION, image_url=spotted(GREEN, RED, radius=90), video_url=clip())
    assert share(part(video.first, 0.9, 0.05, 0.97, 0.12), BLUE) > 0.8
    assert share(part(video.first, 0.45, 0.4, 0.55, 0.5), RED) > 0.8
    places = [middle_of(video.at(seconds), RED)[0] for seconds in (0, 0.5, 1.4)]
    assert max(places) - min(places) > 0.02


def test_a_portrait_is_seen_whole_where_its_shape_is_another(made):
    """Cut to a wide frame, nothing but eyes and a nose would be left of it."""
    image = Image.new("RGB", (300, 600), GREEN)
    image.paste(RED, (0, 30, 300, 60))
    image.paste(BLUE, (0, 540, 300, 570))
    video = made(MOTION, image_url=png(image), video_url=clip(seconds=1))
    middle = part(video.first, 0.45, 0, 0.55, 0.85)
    assert share(middle, RED) > 0.02 < share(middle, BLUE)


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
    video = made(V3_IMAGE, prompt="All", image_url=picture(BLUE), duration=3, elements=elements)
    for frame in (video.first, video.last):
        corner = part(frame, 0.02, 0.03, 0.46, 0.42)
        assert all(share(corner, color) > 0.05 for color in (RED, YELLOW, GREEN, PINK, CYAN))


def test_shots_without_seconds_share_the_video_evenly(made):
    shots = ["A storm over the sea", "A boat fights the waves", "Calm morning"]
    assert made(V3_TEXT, multi_prompt=shots, duration=3).cuts() == [1, 2]


def test_timed_shots_last_as_long_as_they_say(made):
    shots = [
        {"prompt": "It wakes", "duration": 2},
        {"prompt": "It listens", "duration": 1},
        {"prompt": "It roars", "duration": 3},
    ]
    blocks = np.random.default_rng(1).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((640, 360), Image.Resampling.NEAREST)
    video = made(TURBO_IMAGE, image_url=png(image), multi_prompt=shots)
    assert (video.seconds, video.cuts()) == (6, [2, 3])


def test_the_last_shot_of_a_storyboard_ends_with_the_picture_given_for_the_end(made):
    video = made(
        V3_IMAGE,
        multi_prompt=["It sets off", "It arrives"],
        image_url=picture(RED),
        tail_image_url=picture(GREEN),
        duration=3,
    )
    assert share(upper(video.at(1.4)), RED) > 0.95
    assert share(upper(video.last), GREEN) > 0.95


def test_each_shot_has_its_own_words(made):
    same = [{"prompt": "One", "duration": 1}, {"prompt": "One", "duration": 1}]
    other = [same[0], {"prompt": "Something else altogether", "duration": 1}]
    image = picture(GREEN)
    lower = [
        part(made(TURBO_IMAGE, image_url=image, multi_prompt=shots).last, 0.02, 0.88, 0.9, 1)
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


@pytest.mark.parametrize("axis", AXES)
def test_each_axis_moves_the_camera_its_way_and_farther_with_more(axis):
    place = {"horizontal": 0, "pan": 0, "vertical": 1, "tilt": 1, "zoom": 2, "roll": 3}[axis]
    direction = -1 if axis in {"vertical", "tilt"} else 1
    gone = []
    for amount in (-10, -3, 3, 10):
        moves = {"movement_type": axis, "movement_value": amount}
        assert camera(moves) == camera(simple(axis, amount))
        move, words = camera(moves)
        gone.append((move.end[place] - move.start[place]) * direction)
        assert words == f"camera {axis} {amount:+}"
    assert gone == sorted(gone)
    assert gone[1] < 0 < gone[2]


@pytest.mark.parametrize(
    ("preset", "place", "grows", "size_grows"),
    [
        ("down_back", 1, True, True),
        ("forward_up", 1, False, False),
        ("right_turn_forward", 0, True, False),
        ("left_turn_forward", 0, False, False),
    ],
)
def test_a_preset_moves_the_camera_as_it_is_called(preset, place, grows, size_grows):
    for control in (preset, {"type": preset}):
        move, _ = camera(control)
        assert (move.end[place] > move.start[place]) is grows
        assert (move.end.size > move.start.size) is size_grows


@pytest.mark.parametrize("amount", [-10, 10])
def test_a_picture_that_turns_fills_the_frame(made, amount):
    image = picture(GREEN, (640, 360))
    video = made(V1, image_url=image, camera_control=simple("roll", amount))
    assert share(part(video.last, 0, 0, 1, 0.86), GREEN) > 0.99


def test_text_models_take_a_camera(made):
    control = {"movement_type": "pan", "movement_value": 3}
    model = "kling-video/v1/pro/text-to-video"
    video = made(model, prompt="Clouds", advanced_camera_control=control)
    assert np.abs(video.first - video.last).mean() > 3


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
    # An eighth of the height goes to the caption, most of it below.
    cut = 0.3 / 8
    assert middle_of(video.first, RED) == pytest.approx((160 / 640, 200 / 360 - cut), abs=0.02)
    assert middle_of(video.last, RED) == pytest.approx((440 / 640, 100 / 360 - cut), abs=0.03)
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


# Captions


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


@pytest.mark.parametrize("aspect", [16 / 9, 9 / 16, 1])
def test_the_caption_is_a_slim_band_below_the_picture(tmp_path, aspect):
    scene = Scene(
        text="word " * 200,
        title="T",
        seconds=0.05,
        aspect=aspect,
        take="t",
        is_draft=True,
        pictures=(Image.new("RGB", (900, 500) if aspect > 1 else (900, 900), GREEN),),
    )
    assert render(scene, tmp_path / "video.mp4", is_given_up=Event())
    frame = np.asarray(frames_of(tmp_path / "video.mp4")[0]).astype(int)
    assert share(part(frame, 0, 0, 1, 0.87), GREEN) > 0.99
    assert share(part(frame, 0, 0.88, 1, 1), GREEN) < 0.01


@pytest.mark.parametrize("quality", [95, 60])
def test_a_picture_from_the_simulator_loses_its_caption_and_only_that(tmp_path, quality):
    scene = Scene(text="Rain", title="T", seconds=0.1, take="t")
    assert render(scene, tmp_path / "video.mp4", is_given_up=Event())
    frame = frames_of(tmp_path / "video.mp4")[-1]
    file = io.BytesIO()
    frame.resize((960, 540)).save(file, "JPEG", quality=quality)
    assert without_band(Image.open(file).convert("RGB")).height == 540 - 540 // 8
    for other in (Image.new("RGB", (960, 540)), Image.new("RGB", (960, 540), (30, 30, 30))):
        assert without_band(other).height in {540, 540 - 540 // 8}
    photo = Image.effect_mandelbrot((960, 540), (-3, -2.5, 2, 2.5), 50).convert("RGB")
    assert without_band(photo) is photo


def test_a_simulated_clip_is_edited_and_continued_without_its_old_caption(made):
    words = {"prompt": "WWWWWWWW " * 12}
    first = made(TURBO_IMAGE, image_url=picture(GREEN), duration=3, **words)
    content = httpx.get(first.answer["video"]["url"]).content
    again = made(EDIT, prompt="Now", video_url=uri(content, "video/mp4"))
    picture_area = part(again.first, 0, 0, 1, 0.86)
    assert share(picture_area, GREEN) > 0.99
    last = Image.fromarray(first.last.astype(np.uint8))
    continued = made(TURBO_IMAGE, image_url=png(last.resize((1280, 720))), duration=3, prompt="On")
    for frame in (continued.first, continued.last):
        assert share(part(frame, 0, 0, 1, 0.86), GREEN) > 0.99


# How pictures are laid out


@pytest.mark.parametrize("size", [(1280, 630), (720, 1120), (864, 756), (320, 158), (900, 315)])
@pytest.mark.parametrize("count", range(1, 13))
def test_a_mosaic_shows_each_picture_and_fills_its_frame(size, count):
    colors = [(20 * number, 255 - 20 * number, 128) for number in range(count)]
    shown = np.asarray(mosaic([Image.new("RGB", (300, 300), color) for color in colors], size))
    shares = [(shown == np.array(color)).all(axis=2).mean() for color in colors]
    assert min(shares) > 0.25 / count
    assert (shown == np.array(INK)).all(axis=2).mean() < 0.1


@pytest.mark.parametrize("shape", [(50, 2000), (2000, 50), (400, 300), (3, 3)])
def test_a_picture_of_any_shape_can_be_framed(shape):
    assert framed(Image.new("RGB", shape, RED), (320, 158)).size == (320, 158)


# What is heard


def test_an_avatar_speaks_as_long_as_its_voice(made):
    video = made(AVATAR, image_url=picture(GREEN), audio_url=tone(1.5))
    assert video.seconds == video.answer["video"]["duration"] == 1.5
    assert video.sound_codec == "aac"
    assert video.sound_seconds == pytest.approx(1.5, abs=0.05)
    crossings = np.diff(np.sign(video.sound[4800:67_200])) != 0
    assert crossings.sum() / 2 / (62_400 / 48_000) == pytest.approx(440, rel=0.03)
    assert share(upper(video.first), GREEN) > 0.9


def test_one_sees_the_voice(made):
    image = picture(GREEN)
    rate = 16_000
    file = io.BytesIO()
    quiet, loud = np.zeros(rate, "<i2"), np.tile(np.array([9000, -9000], "<i2"), rate // 2)
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(np.concatenate([quiet, loud]).tobytes())
    video = made(AVATAR, image_url=image, audio_url=uri(file.getvalue(), "audio/wav"))
    low = [part(video.at(seconds), 0.3, 0.7, 0.7, 0.86) for seconds in (0.8, 1.8)]
    quiet, loud = (share(each, WHITE) for each in low)
    assert quiet < 0.05
    assert loud > 0.1


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
        assert answer["error"]["name"] == "internal_error"
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


@pytest.mark.parametrize("read", ["clip", "sound"])
@pytest.mark.parametrize(
    "content",
    [
        "",
        "junk" * 100,
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {file}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    ],
    ids=["empty", "junk", "hls-address", "hls-file", "concat", "sdp"],
)
def test_media_that_only_points_elsewhere_is_broken(tmp_path, content, read):
    """The file pointed at is a good one, that a playlist would play."""
    reader = InputReader(Inputs(tmp_path / "inputs"))
    video = base64.b64decode(clip(has_sound=True).partition(",")[2])
    good = reader.inputs.keep(video, "video/mp4")
    assert getattr(reader, read)(good) is not None
    pointing = content.format(file=reader.inputs.path(good)).encode()
    handed_in = reader.inputs.keep(pointing, "video/mp4")
    with pytest.raises((av.FFmpegError, OSError)):
        getattr(reader, read)(handed_in)


@pytest.mark.parametrize("name", ["video_url", "audio_url"])
def test_a_playlist_in_a_request_fails_the_task(tmp_path, name):
    good = tmp_path / "good.mp4"
    good.write_bytes(base64.b64decode(clip(has_sound=True).partition(",")[2]))
    with Simulator(folder=tmp_path / "provider", seconds=0.05) as sim, client(sim) as api:
        values = {"video_url": clip(has_sound=True), "audio_url": tone()}
        model = EDIT if name == "video_url" else AVATAR
        words = {"prompt": "It leaks"} if model == EDIT else {"image_url": picture(GREEN)}
        task_id = start(api, model, **words, **{name: values[name]})
        ended(api, task_id)
        for file in (tmp_path / "provider" / "inputs").iterdir():
            if file.read_bytes()[:4] != b"\x89PNG":
                file.write_text(f"ffconcat version 1.0\nfile {good}\n")
        for file in (tmp_path / "provider" / "videos").iterdir():
            file.unlink()
        answer = ended(api, task_id)
    assert answer["status"] == "error"


def test_inputs_survive_a_restart_and_rows_stay_small(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        ids = [
            start(api, IMAGE, prompt="Keep", image_url=image)
            for image in (png(Image.fromarray(noise)), picture(GREEN), picture(GREEN))
        ]
    assert len(list((tmp_path / "inputs").iterdir())) == 2
    rows = (tmp_path / "requests.jsonl").read_text("utf-8").splitlines()
    assert max(map(len, rows)) < 1500
    with Simulator(folder=tmp_path, seconds=0.05) as sim, client(sim) as api:
        answer = ended(api, ids[1])
        video = Video(httpx.get(answer["video"]["url"]).content, answer)
    assert share(upper(video.first), GREEN) > 0.95


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
    assert answer.json()["message"].startswith("image_url: ")
    assert len(answer.content) < 2000
    assert max(waits) < 1


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


SMALL = "data:image/png;base64,iVBORw0KGgo="
