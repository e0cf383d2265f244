"""The page served in this process, and a browser's raw requests to its events.

Who sends a request stands in its header `x-visitor`: how a host tells its visitors apart is
tested elsewhere.
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from harness import QuickRuntime, service_at

from kling_ui.ledger import Ledger
from kling_ui.service import Service
from kling_ui.simulator import Simulator
from kling_ui.ui import MAX_THREADS, build, media_routes

# Gradio's statistics use what pandas 3 deprecates.
QUIETLY = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio.queueing")
VISITOR = "x-visitor"
OWNER_OF = (
    "kling_ui.ui.visit.owner_of",
    "kling_ui.ui.public_api.owner_of",
)


def visitor_of(request):
    return request.request.headers.get(VISITOR)


@dataclass(frozen=True)
class Answer:
    """What an event ended with: its last values, or why it was refused; and all it sent."""

    values: Any
    error: Any
    text: str


@dataclass(frozen=True)
class ServedPage:
    """A page being served below `path`, and the parts behind it."""

    page: gr.Blocks
    service: Service
    ledger: Ledger
    simulator: Simulator
    folder: Path
    http: TestClient
    path: str

    def events(self, name):
        """Return the numbers of the events that a handler of this name answers."""
        found = [i for i, fn in self.page.fns.items() if getattr(fn.fn, "__name__", "") == name]
        assert found, name
        return found

    def fire(self, event, data, *, visitor=None, session="s" * 12, event_data=None, query=""):
        """Send one event as Gradio's page does, and read its stream to the end."""
        headers = {VISITOR: visitor} if visitor else {}
        body = {
            "fn_index": event,
            "data": data,
            "session_hash": session,
            "event_data": event_data,
        }
        api = f"{self.path}/gradio_api"
        if not self.page.fns[event].queue:
            answer = self.http.post(
                f"{self.path}/gradio_api/run/predict", json=body, headers=headers
            )
            said = answer.json()
            return Answer(said.get("data"), said.get("error"), answer.text)
        joined = self.http.post(
            f"{self.path}/gradio_api/queue/join?{query}", json=body, headers=headers
        )
        if joined.status_code != 200:
            return Answer(None, joined.json().get("detail"), joined.text)
        values, text = None, ""
        stream = f"{api}/queue/data?session_hash={session}"
        with self.http.stream("GET", stream, headers=headers) as lines:
            for line in lines.iter_lines():
                text += line
                message = json.loads(line[6:]) if line.startswith("data: ") else {}
                if message.get("msg") not in {"process_generating", "process_completed"}:
                    continue
                output = message["output"]
                if not message["success"]:
                    return Answer(None, output.get("error"), text)
                values = output.get("data") or values
                if message["msg"] == "process_completed":
                    return Answer(values, None, text)
        raise AssertionError(text)

    def call(self, name, *arguments, visitor=None):
        """Call the API; return its last value, or the refusal as a string."""
        headers = {VISITOR: visitor} if visitor else {}
        path = f"{self.path}/gradio_api/call/{name}"
        asked = self.http.post(path, json={"data": list(arguments)}, headers=headers)
        lines = self.http.get(f"{path}/{asked.json()['event_id']}", headers=headers).text
        datas = [line[6:] for line in lines.splitlines() if line.startswith("data: ")]
        last = json.loads(datas[-1])
        return last[0] if isinstance(last, list) else last["error"]


def mounted(service, *, path, auth):
    page = build(service)
    page.max_threads = MAX_THREADS
    page.queue(default_concurrency_limit=None)
    app = gr.mount_gradio_app(
        FastAPI(),
        page,
        path=path,
        auth=auth,
        show_error=False,
        ssr_mode=False,
        app_kwargs={"routes": media_routes(service)},
    )
    # Some of what Gradio checks it checks only in an app that `launch` serves.
    page.has_launched = True
    return page, app


@contextmanager
def serving(folder, *, path="", auth=None, seconds=0.05, **more):
    """Serve a page over its own simulator, ledger and data folder, below `path`."""
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    ledger.open()
    with Simulator(folder=folder / "provider", seconds=seconds) as simulator:
        service, client = service_at(
            more.pop("base_url", simulator.base_url),
            ledger=ledger,
            folder=folder / "data",
            runtime=QuickRuntime(),
            **more,
        )
        page, app = mounted(service, path=path, auth=auth)
        with TestClient(app, raise_server_exceptions=False) as http:
            # Nobody asks for prices here: no event is to wait for them.
            http.portal.call(service.live._has_asked.set)
            try:
                yield ServedPage(
                    page=page,
                    service=service,
                    ledger=ledger,
                    simulator=simulator,
                    folder=folder,
                    http=http,
                    path=path,
                )
            finally:
                # On the loop that they ran on, while it still runs.
                http.portal.call(service.close)
                http.portal.call(client.aclose)
    ledger.close()
