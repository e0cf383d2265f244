"""A table of hostile answers and media: none breaks the app, costs twice or is shown raw."""

import asyncio
import io
import json
import logging
import zipfile
from html.parser import HTMLParser

import av
import pytest
from harness import (
    MODEL,
    PROMPT,
    Mistakes,
    assert_a_video_is_there,
    assert_no_half_files,
    assert_nothing_is_left_running,
    assert_paid_once,
    at_rest,
    made,
    posts,
    statuses,
    submit,
    until,
)
from PIL import Image

from kling_ui.ledger import SIMULATOR, Generation, GenerationError
from kling_ui.service import Status
from kling_ui.simulator import Fault
from kling_ui.ui.history import tiles
from kling_ui.ui.result import panel, screen, strip

DEEP = 100_000
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)>"


def answer(**values):
    return json.dumps(values).encode()


def finished(url, **more):
    return answer(id="x", status="completed", video={"url": url, **more})


NONSENSE = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"id":' * DEEP + b"1" + b"}" * DEEP,
    "deep and cut": b'{"error":[' * DEEP,
    "a number of a million digits": b'{"id":' + b"9" * 1_000_000 + b"}",
    "a number beyond all": b'{"id": 1e999999}',
    "no number at all": b'{"id": NaN, "status": Infinity}',
    "NUL bytes": b"\x00" * 4096,
    "an id with a NUL": answer(id="a\x00b"),
    "an id of two lines": answer(id="a\r\nX-Evil: 1"),
    "an id that is a question": answer(id={"$ne": None}),
    "an id that is true": answer(id=True),
    "an id without an end": answer(id="x" * 100_000),
    "half an emoji": b'{"id": "\\ud83d"}',
    "UTF-16": json.dumps({"message": "wide"}).encode("utf-16"),
    "Latin-1": '{"message": "trop tôt, réessayez"}'.encode("latin-1"),
    "a mark of order": b"\xef\xbb\xbf" + answer(message="marked"),
    "bytes of no encoding": bytes(range(128, 256)) * 40,
    "more than can be meant": b'{"message": "' + b"x" * 20_000_000 + b'"}',
    "a hundred thousand keys": json.dumps({f"k{i}": i for i in range(100_000)}).encode(),
    "markup as JSON": answer(message=EVIL, detail=[EVIL], name=EVIL),
    "a page": b"<!doctype html><html><body>" + EVIL.encode() + b"</body></html>",
    "a list": b"[]",
    "a word": b'"completed"',
    "nothing": b"",
}
"""Answers that name no task and are no evidence of anything, at whatever question."""

STRANGE_STATES = {
    "a path for an address": finished("../../../../etc/passwd"),
    "a file for an address": finished("file:///etc/passwd"),
    "a script for an address": finished("javascript:alert(1)"),
    "data for an address": finished("data:video/mp4;base64,AAAA"),
    "no host": finished("http:///video.mp4"),
    "an address of megabytes": finished("https://example.com/" + "a" * 3_000_000),
    "an object for an address": answer(id="x", status="completed", video={"url": {"href": 1}}),
    "videos of videos": answer(id="x", status="completed", videos=[[[{"url": None}]]]),
    "a number for a word": answer(id="x", status=5),
    "a word of markup": answer(id="x", status=EVIL),
    "a word without an end": answer(id="x", status="running " * 100_000),
    "absurd costs": b'{"id":"x","status":"queued","meta":{"usage":{"credits_used":1e400,'
    b'"usd_spent":-5}}}',
    "costs of the wrong kind": answer(id="x", status="queued", meta={"usage": [EVIL]}),
    "an error that is none": answer(id="x", status="generating", error={"name": None}),
}
"""States without an end, or without a video to fetch: it ends well when the provider is itself."""

ERRORS = {
    "markup": EVIL,
    "a very long text": "no " * 500_000,
    "NULs and lines": "no\x00\r\n\x1b[31m way",
    "right to left": "\u202egnp.exe",
    "deep": json.loads("[" * 500 + "1" + "]" * 500),
    "many": {"detail": [{"loc": ["body", EVIL], "msg": EVIL} for _ in range(10_000)]},
    "a huge code": {"code": 10**4000, "message": "no"},
    "a field with a path": {"detail": [{"loc": ["body", "../../x"], "msg": "no"}]},
}
"""Errors of a task, in every hostile form."""

ADDRESSES = [
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/x.mp4",
    "http://[::ffff:10.0.0.1]/x.mp4",
    "http://0x7f.1.example.invalid/x.mp4",
    "http://user:secret@192.168.0.1/x.mp4",
    "https://nothing.invalid/x.mp4",
    "http://127.0.0.1:1/x.mp4",
]


@pytest.fixture(autouse=True)
def _no_exception_leaves_the_service():
    mistakes = Mistakes()
    logging.getLogger("kling_ui").addHandler(mistakes)
    yield
    logging.getLogger("kling_ui").removeHandler(mistakes)
    assert mistakes.found == []


def is_readable(text):
    """Tell whether a text is short, printable, and can be written."""
    return len(text) < 1200 and text.isprintable() and bool(text.encode())


def assert_it_can_be_shown(*generations):
    for generation in generations:
        assert generation.error is None or is_readable(generation.error.message), generation
        assert is_readable(generation.task_id or "-")
        assert_no_markup_got_in(generation)


# -- answers


@pytest.mark.parametrize("body", NONSENSE.values(), ids=list(NONSENSE))
async def test_nonsense_instead_of_an_id_is_looked_up_and_never_sent_again(
    service, simulator, body
):
    simulator.plan(Fault(on="create", kind="garbage", body=body))
    snapshots = await made(service)
    assert statuses(snapshots)[0] == "unknown"
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)
    assert_it_can_be_shown(*snapshots)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=list(NONSENSE))
async def test_nonsense_in_the_log_is_no_news(service, simulator, body):
    simulator.plan(
        Fault(on="create", kind="reset_after"), Fault(on="logs", kind="garbage", body=body, times=3)
    )
    snapshots = await made(service)
    assert_a_video_is_there(service, snapshots[-1])
    assert_paid_once(simulator)
    assert_it_can_be_shown(*snapshots)


STATES = {**NONSENSE, **STRANGE_STATES}


@pytest.mark.parametrize("body", STATES.values(), ids=list(STATES))
async def test_nonsense_about_a_task_never_ends_it(service, simulator, body):
    simulator.plan(Fault(on="get", kind="garbage", body=body, times=4))
    snapshots = await made(service)
    snapshots.append(await at_rest(service, snapshots[-1].id))
    assert_a_video_is_there(service, snapshots[-1])
    assert "failed" not in statuses(snapshots)
    assert_paid_once(simulator)
    assert_it_can_be_shown(*snapshots)
    assert snapshots[-1].usd_spent > 0


@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
async def test_a_hostile_error_is_a_failure_in_a_few_words(service, simulator, error):
    simulator.plan(Fault(on="get", kind="error", error=error))
    snapshots = await made(service)
    assert snapshots[-1].status is Status.FAILED
    assert simulator.charges == 0
    assert_it_can_be_shown(*snapshots)


@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
async def test_a_hostile_refusal_is_told_in_a_few_words(service, simulator, error):
    message = error if isinstance(error, str) else json.dumps(error)[:2_000_000]
    simulator.plan(Fault(on="create", kind="status", status=400, message=message))
    snapshots = await made(service)
    assert snapshots[-1].status is Status.REJECTED
    assert "Nothing was spent." in snapshots[-1].error.message
    assert simulator.accepted == 0
    assert_it_can_be_shown(*snapshots)


@pytest.mark.parametrize(
    "task_id",
    [
        "../../../etc/passwd",
        "..\\..\\windows",
        "%2e%2e%2f",
        "C:evil",
        "a?b=c&generation_id=d#e",
        "/etc/passwd",
        ".",
        EVIL,
        "🎬" * 200,
    ],
)
async def test_an_id_is_asked_for_as_it_is_and_never_becomes_a_path(
    service, simulator, tmp_path, task_id
):
    simulator.plan(Fault(on="create", kind="garbage", body=answer(id=task_id, status="queued")))
    generation = await submit(service, MODEL, {"prompt": PROMPT})
    assert (generation.status, generation.task_id) == (Status.QUEUED, task_id)
    asked = await until(lambda: [seen for seen in simulator.seen if seen.method == "GET"])
    assert asked[0].query == {"generation_id": task_id}
    assert asked[0].path == posts(simulator)[0].path
    assert_it_can_be_shown(generation)
    await service.close()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "provider", "ledger.db"} | {
        f"ledger.db-{kind}" for kind in ("shm", "wal")
    }


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_that_is_not_to_be_fetched_keeps_the_video_to_be_had_later(
    service, simulator, address
):
    body = finished(address, file_name="../../x.mp4", file_size=10**30)
    simulator.plan(Fault(on="get", kind="garbage", body=body, times=None))
    resting = (await made(service))[-1]
    assert (resting.status, resting.error.kind) == (Status.SAVING, "not_saved")
    assert "secret" not in resting.error.message
    assert_it_can_be_shown(resting)
    simulator.clear()
    await service.resume_one(resting.id)
    assert_a_video_is_there(service, await at_rest(service, resting.id))
    assert_paid_once(simulator)


# -- media


def film(**changes):
    """Make a small MP4 of one second."""
    file = io.BytesIO()
    with av.open(file, "w", format=changes.get("format", "mp4")) as container:
        if changes.get("has_picture", True):
            stream = container.add_stream(changes.get("codec", "libx264"), rate=12)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(12):
                frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (number * 9, 80, 90)))
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        else:
            sound = container.add_stream("aac", rate=48_000, layout="mono")
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts = 48_000, 0
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return file.getvalue()


def picture(kind):
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, kind)
    return file.getvalue()


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("../../evil.mp4", b"x")
    return file.getvalue()


def with_empty_pictures():
    whole = film()
    at = whole.index(b"mdat") + 4
    return whole[:at] + bytes(len(whole) - at)


def with_a_box_beyond_the_end():
    whole = film()
    at = whole.index(b"mdat") - 4
    return whole[:at] + (2**31 - 1).to_bytes(4, "big") + whole[at + 4 :]


MEDIA = {
    "a page": b"<!doctype html><html>" + EVIL.encode(),
    "JSON": b'{"message": "AccessDenied"}',
    "text": b"Link expired",
    "one byte": b"\x00",
    "noise": bytes(range(256)) * 400,
    "a picture": picture("JPEG"),
    "moving pictures": picture("GIF"),
    "an archive": archive(),
    "a playlist": b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "a list to join": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a box and no more": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    "a box of all the bytes there are": b"\x00\x00\x00\x01ftyp" + b"\xff" * 8,
    "sound alone": film(has_picture=False),
    "WebM": film(format="webm", codec="libvpx"),
    "half a film": film()[: len(film()) // 2],
    "a film without its last byte": film()[:-1],
    "a film of empty pictures": with_empty_pictures(),
    "a film that claims to go on": with_a_box_beyond_the_end(),
}
"""Files that come under the name of the finished video."""


@pytest.mark.parametrize("body", MEDIA.values(), ids=list(MEDIA))
async def test_what_is_no_whole_film_is_never_called_completed(service, simulator, body):
    # Without its announced size: the file itself must give it away.
    simulator.plan(Fault(on="download", kind="garbage", body=body, times=None))
    resting = (await made(service))[-1]
    assert (resting.status, resting.error.kind) == (Status.SAVING, "not_saved")
    assert "paid for" in resting.error.message
    assert list(service.files.videos.rglob("*.mp4")) == []
    assert_it_can_be_shown(resting)
    simulator.clear()
    await service.resume_one(resting.id)
    last = await at_rest(service, resting.id)
    assert_a_video_is_there(service, last)
    assert_no_half_files(service)
    assert_paid_once(simulator)
    assert_nothing_is_left_running(service)


# -- what is shown

KNOWN_TAGS = {
    *(
        "a",
        "article",
        "b",
        "br",
        "button",
        "code",
        "details",
        "div",
        "header",
        "i",
        "img",
        "li",
        "ol",
        "p",
    ),
    *("path", "svg"),
    *("q", "section", "small", "span", "strong", "summary", "time", "ul"),
    *("audio", "video"),
}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags_of(text):
    parser = Tags()
    parser.feed(text)
    return parser.found


def assert_no_markup_got_in(generation):
    view = panel.View(
        typical_seconds=60,
        again_usd=0.7,
        is_watched=True,
        is_elsewhere=False,
        is_mine=True,
        is_simulated=False,
    )
    strips = strip.strip([generation], total=1, typical_seconds=lambda _: 60)
    shown = panel.panel(generation, view) + screen.screen(generation)
    shown += tiles.tile(generation) + strips
    for tag, attributes in tags_of(shown):
        assert tag in KNOWN_TAGS, shown
        assert not any(name.startswith("on") for name in attributes), shown
        assert "alert" not in str(attributes.get("href", "")) + str(attributes.get("src", "")), tag
    pictures = [attributes for tag, attributes in tags_of(shown) if tag == "img"]
    assert len(pictures) == 2 * (generation.video is not None)


@pytest.mark.parametrize("status", list(Status))
def test_markup_in_any_text_of_a_generation_stays_text(status):
    generation = Generation(
        id="a" * 32,
        task_id=EVIL,
        model=EVIL,
        payload={"prompt": EVIL, "effect_scene": EVIL, "aspect_ratio": EVIL, EVIL: EVIL},
        owner=EVIL,
        origin=SIMULATOR,
        status=status,
        created_at="2026-01-01T00:00:00+00:00",
        updated_at="2026-01-01T00:00:00+00:00",
        error=GenerationError(EVIL, EVIL, EVIL),
    )
    assert_no_markup_got_in(generation)


def test_markup_in_the_name_of_a_file_stays_text():
    generation = Generation(
        id="a" * 32,
        model=MODEL,
        payload={},
        owner="local",
        origin=SIMULATOR,
        status=Status.COMPLETED,
        created_at="2026-01-01T00:00:00+00:00",
        updated_at="2026-01-01T00:00:00+00:00",
        video='videos/a/x" onerror="f()\'><svg onload=f()>.mp4',
    )
    assert_no_markup_got_in(generation)


async def test_generations_side_by_side_all_survive_hostile_answers(service, simulator):
    simulator.plan(
        *(
            Fault(on="get", kind="garbage", body=body)
            for body in (NONSENSE["deep lists"], NONSENSE["more than can be meant"])
            for _ in range(5)
        )
    )
    every = await asyncio.gather(*(made(service) for _ in range(10)))
    assert all(snapshots[-1].status is Status.COMPLETED for snapshots in every)
    assert simulator.charges == 10
