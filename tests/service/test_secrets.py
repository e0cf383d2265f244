"""The key is nowhere but in the header of the provider's own calls."""

import dataclasses
import json
import logging

import pytest
from harness import KEY as OTHER_KEY
from harness import MODEL, at_rest, made, service_at, watched

from kling_ui.client import Client, ClientError
from kling_ui.client.api_response import ApiResponse
from kling_ui.client.responses import LogEntry, TaskState
from kling_ui.ledger import Ledger
from kling_ui.service import Status
from kling_ui.settings import Settings
from kling_ui.simulator import Fault, Simulator

KEY = "sk-DISTINCTIVE-5f2c9a71"
ECHO = f"Invalid API key {KEY} (Authorization: Bearer {KEY})"


def is_in(text):
    """Tell whether the key stands in a text, even if somebody has changed its case."""
    return KEY.casefold() in text.casefold()


@pytest.fixture
def strict(tmp_path, films):
    """A provider that takes this key alone, and says it aloud wherever it complains."""
    with Simulator(folder=tmp_path / "provider", seconds=0.03, key=KEY) as simulator:
        yield simulator


@pytest.fixture
def logged(caplog):
    """Every log record: DEBUG of ours, INFO of everybody else's."""
    caplog.set_level(logging.INFO)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("kling_ui"):
            caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.DEBUG, "kling_ui")
    return caplog


@pytest.fixture
async def service(tmp_path, strict, runtime):
    data = tmp_path / "data"
    data.mkdir()
    ledger = Ledger(f"sqlite:///{data}/kling-ui.db", now=runtime.now)
    ledger.open()
    made, client = service_at(strict.base_url, ledger=ledger, folder=data, runtime=runtime, key=KEY)
    yield made
    await made.close()
    await client.aclose()
    ledger.close()


ADVENTURES = {
    "a good life": [],
    "the POST refused": [Fault(on="create", kind="status", status=401, message=ECHO)],
    "the POST invalid": [Fault(on="create", kind="status", status=400, message=ECHO)],
    "an answer that echoes": [Fault(on="create", kind="garbage", body=ECHO.encode())],
    "a state refused": [Fault(on="get", kind="status", status=401, message=ECHO)],
    "a state unread": [Fault(on="get", kind="status", status=500, message=ECHO)],
    "a failure": [Fault(on="get", kind="error", error={"name": KEY, "message": ECHO})],
    "a failure in detail": [
        Fault(on="get", kind="error", error={"detail": [{"loc": [KEY], "msg": ECHO}]})
    ],
    "a failure as text": [Fault(on="get", kind="error", error=ECHO)],
    "a word that echoes": [Fault(on="get", kind="word", word=f"waiting {KEY}")],
    "the log refused": [
        Fault(on="create", kind="reset_after"),
        Fault(on="logs", kind="status", status=403, message=ECHO),
    ],
    "a download refused": [Fault(on="download", kind="status", status=403, message=ECHO, times=9)],
    "a link gone": [Fault(on="download", kind="expired")],
    "a link elsewhere": [Fault(on="download", kind="redirect")],
}


@pytest.mark.parametrize("faults", ADVENTURES.values(), ids=list(ADVENTURES))
async def test_the_key_stays_where_it_belongs(service, strict, logged, tmp_path, faults):
    strict.plan(*faults)
    snapshots = await made(service)
    snapshots.append(await at_rest(service, snapshots[-1].id))
    await service.resume_one(snapshots[-1].id)
    snapshots += await watched(service, snapshots[-1].id)
    assert not is_in(repr([dataclasses.asdict(snapshot) for snapshot in snapshots]))
    assert logged.records
    assert not [each for each in logged.records if is_in(f"{each.getMessage()} {each.exc_text}")]
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert tmp_path / "data" / "kling-ui.db" in files
    assert [path for path in files if is_in(path.read_bytes().decode("latin-1"))] == []


async def test_the_host_of_the_files_never_sees_the_key(service, strict):
    strict.plan(
        Fault(on="download", kind="expired"),
        Fault(on="download", kind="redirect"),
        Fault(on="download", kind="cut"),
    )
    assert (await made(service))[-1].status is Status.COMPLETED
    fetches = [seen for seen in strict.seen if seen.path.startswith("/files/")]
    assert len(fetches) >= 4
    for seen in fetches:
        assert "authorization" not in seen.headers
        assert "cookie" not in seen.headers
        assert KEY not in repr(seen)
    asked = [seen for seen in strict.seen if seen.server == "api"]
    assert {seen.headers["authorization"] for seen in asked} == {f"Bearer {KEY}"}
    # Not in an address either, where every server on the way would log it.
    assert not any(KEY in f"{seen.path} {seen.query} {seen.body}" for seen in asked)


async def test_a_wrong_key_is_in_no_message(service, strict, tmp_path, runtime, ledger):
    other, client = service_at(
        strict.base_url, ledger=ledger, folder=tmp_path / "other", runtime=runtime, key=OTHER_KEY
    )
    strict.plan(Fault(on="create", kind="status", status=401, message=f"Bad key {OTHER_KEY}"))
    [only] = await made(other)
    assert (only.status, only.error.kind) == (Status.REJECTED, "unauthorized")
    assert OTHER_KEY not in repr(only)
    await other.close()
    await client.aclose()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="create", kind="status", status=401, message=ECHO),
        Fault(on="create", kind="status", status=429, message=ECHO),
        Fault(on="create", kind="garbage", body=ECHO.encode()),
        Fault(on="create", kind="reset_before"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status or ''}",
)
async def test_no_exception_carries_the_key(strict, fault):
    strict.plan(fault)
    async with Client(base_url=strict.base_url, api_key=KEY) as client:
        with pytest.raises(ClientError) as caught:
            await client.create({"model": MODEL, "prompt": "Rain"}, request_id="r1", route="kling")
    links, exc = [], caught.value
    while exc is not None and exc not in links:
        links.append(exc)
        exc = exc.__cause__ or exc.__context__
    assert KEY not in " ".join(f"{exc!r} {exc} {vars(exc)}" for exc in links)


URL_KEY, HEX_KEY = "sk-Ab/9+z=0123", "a0f1c2d3e4f5a6b7c8d9"
FORMS = {
    "as it is": (URL_KEY, URL_KEY),
    "in another case": (URL_KEY, URL_KEY.upper()),
    "as a URL writes it": (URL_KEY, "sk-Ab%2F9%2Bz%3D0123"),
    "as a URL's path writes it": (URL_KEY, "sk-Ab/9%2Bz%3D0123"),
    "as JSON may write it": (URL_KEY, r"sk-Ab\/9+z=0123"),
    "as the name of a parameter": (HEX_KEY, HEX_KEY),
}


@pytest.mark.parametrize(("key", "form"), FORMS.values(), ids=list(FORMS))
def test_no_text_from_outside_keeps_the_key_in_any_form(key, form):
    said = f"told {form} twice: {form}"
    headers = {"x-request-id": form, "x-inference-id": f"task:{form}"}
    bodies = [
        {"id": f"task:{form}", "status": form, "requestId": form},
        {"status": "failed", "error": {"name": form, "message": said, "requestId": form}},
        {"message": said, "statusCode": 400, "requestId": form, "meta": {"code": form}},
        {"detail": [{"loc": ["body", form], "msg": said, "type": form}]},
        {"errors": {form: [said]}},
        {"id": "ours", "video": {"url": "https://a.example/v.mp4"}, "error": said},
    ]
    for body in bodies:
        answer = ApiResponse.from_http(400, headers, json.dumps(body).encode(), secret=key)
        state = TaskState.from_json(body, headers, secret=key)
        row = {"inference_id": form, "request_id": form, "status": form}
        texts = [
            answer.error_body,
            answer.said,
            answer.request_id,
            answer.inference_id,
            answer.error_body.everything,
            state,
            LogEntry.from_json(row, secret=key),
        ]
        assert form.casefold() not in " ".join(map(str, texts)).casefold(), body


def test_the_key_is_in_no_repr_of_the_parts(tmp_path):
    settings = Settings.read({"AIML_API_KEY": KEY}, home=tmp_path)
    client = Client(base_url=settings.base_url, api_key=KEY)
    assert KEY not in f"{settings!r} {client!r} {vars(client)!r}"
