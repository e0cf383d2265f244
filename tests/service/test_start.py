"""The start of the real app: what stands in its way is told in one sentence, and no more is."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from app_process import HOME, START_SECONDS

KEY = "sk-0123456789abcdef"


class Started:
    """A copy of app.py in a folder of its own, so that a `.env` can lie beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.log = folder / "app.log"
        self.process = None
        folder.mkdir()
        shutil.copy(HOME / "app.py", folder)
        (folder / "kling_ui").symlink_to(HOME / "kling_ui")

    def start(self, *, cwd=None, **environ):
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, self.folder / "app.py"],
                cwd=cwd or self.folder,
                env={**clean, **environ},
                stdout=log,
                stderr=log,
            )
        return self

    @property
    def lines(self):
        return self.log.read_text("utf-8").splitlines()

    def wait_for_address(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.lines and (found := re.search(r"Kling UI is at (\S+)", self.lines[-1])):
                return found[1]
            time.sleep(0.1)
        raise AssertionError(self.log.read_text("utf-8"))

    def sentence(self):
        """Return what the app ends with; it must be all that it says."""
        assert self.process.wait(START_SECONDS) == 1, self.lines
        (line,) = self.lines
        return line.removeprefix("Kling UI can't start: ")


@pytest.fixture
def app(tmp_path):
    started = Started(tmp_path / "app")
    yield started
    if started.process and started.process.poll() is None:
        started.process.send_signal(signal.SIGKILL)
        started.process.wait()


def opened(url, **more):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return direct.open(urllib.request.Request(url, **more), timeout=START_SECONDS)


REFUSED = [
    ({"AIML_API_KEY": KEY, "ALL_PROXY": "socks4://me:sesame@127.0.0.1:1"}, "ALL_PROXY is not"),
    ({"AIML_API_KEY": KEY, "https_proxy": "http://me:sesame@host:port"}, "HTTPS_PROXY is not"),
    ({"AIML_API_KEY": KEY, "SSL_CERT_FILE": "/gone.pem"}, "SSL_CERT_FILE names a file"),
    ({"AIML_API_KEY": KEY, "SSL_CERT_DIR": "/gone"}, "SSL_CERT_DIR names no folder"),
    ({"AIML_API_KEY": KEY, "AIML_API_BASE_URL": "http://a.example"}, "AIML_API_BASE_URL begins"),
    (
        {
            "AIML_API_KEY": KEY,
            "AIML_API_BASE_URL": "http://a.example",
            "KLING_UI_ALLOW_HTTP": "1",
            "HTTP_PROXY": "ftp://me:sesame@host",
        },
        "HTTP_PROXY is not",
    ),
    ({"AIML_API_KEY": KEY, "AIML_API_BASE_URL": "https://a.example?x=1"}, "AIML_API_BASE_URL"),
    ({"AIML_API_KEY": f"{KEY} {KEY}"}, "The API key holds spaces"),
    ({"GRADIO_SERVER_NAME": "203.0.113.7"}, "GRADIO_SERVER_NAME is '203.0.113.7'"),
    ({"GRADIO_SERVER_PORT": "x"}, "GRADIO_SERVER_PORT must be a port"),
    ({"KLING_UI_DATABASE_URL": "no://me:sesame@database"}, "KLING_UI_DATABASE_URL is not"),
    ({"KLING_UI_DATABASE_URL": "sqlite://"}, "KLING_UI_DATABASE_URL names a database in memory"),
    ({"KLING_UI_DATA_DIR": "app.py/data"}, "the data folder"),
]


@pytest.mark.parametrize(("environ", "words"), REFUSED)
def test_what_stands_in_the_way_is_told_in_one_sentence(app, environ, words):
    said = app.start(**environ).sentence()
    assert said.startswith(words)
    assert KEY not in said
    assert "sesame" not in said


def test_a_wanted_port_that_is_taken_ends_the_app(app):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (app.folder / ".env").write_text(f"GRADIO_SERVER_PORT={port}\n")
        assert app.start().sentence().startswith(f"port {port} (GRADIO_SERVER_PORT) is taken")


def test_what_is_taken_only_where_gradio_looks_is_told_in_words_too(app):
    """It looks for a free port at 127.0.0.1 whatever the name."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        app.start(GRADIO_SERVER_NAME="::1", GRADIO_SERVER_PORT=str(port)).process.wait(
            START_SECONDS
        )
    assert app.lines[-1].startswith("Kling UI can't start: Cannot find empty port")
    assert "Traceback" not in app.log.read_text("utf-8")


def test_two_apps_on_one_ledger_are_one_too_many(app, tmp_path):
    second = Started(tmp_path / "second")
    ledger = tmp_path / "app" / "data" / "kling-ui.db"
    app.start().wait_for_address()
    said = second.start(KLING_UI_DATABASE_URL=f"sqlite:///{ledger}").sentence()
    assert said.startswith(f"another one is using {ledger}.")
    assert f"{ledger}.lock" in said


def test_the_simulator_is_served_whatever_the_network_is_set_to(app, tmp_path):
    """And Gradio's settings in a `.env` from PowerShell work, from any working folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (app.folder / ".env").write_bytes(f"GRADIO_SERVER_PORT={port}\r\n".encode("utf-16"))
    old = app.folder / "data" / "gradio" / "uploads" / "hash" / "picture.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"picture")
    os.utime(old, (1, 1))
    url = app.start(
        cwd=tmp_path,
        ALL_PROXY="socks5://127.0.0.1:1",
        HTTP_PROXY="http://127.0.0.1:1",
        NO_PROXY="fe80::/10,[::1]",
        SSL_CERT_FILE="/gone.pem",
        GRADIO_SHARE="True",
        GRADIO_TEMP_DIR="/proc/nobody",
    ).wait_for_address()
    assert url == f"http://127.0.0.1:{port}/"
    assert opened(url).status == 200
    assert "Traceback" not in app.log.read_text("utf-8")
    assert not old.exists()
    part = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nhi\r\n--x--'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Sec-Fetch-Site": "same-origin"}
    answer = opened(f"{url}gradio_api/upload", data=part, headers=headers).read().decode()
    assert answer.startswith('["uploads/')
    (uploaded,) = (app.folder / "data" / "gradio").glob("uploads/*/a.png")
    assert uploaded.read_bytes() == b"hi"
    name = uploaded.relative_to(app.folder / "data" / "gradio").as_posix()
    assert opened(f"{url}gradio_api/file={name}").read() == b"hi"


def test_without_a_place_for_words_the_page_is_served_all_the_same(app):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    silent = f'exec "{sys.executable}" "{app.folder / "app.py"}" >&- 2>&-'
    environ = {"PATH": os.environ["PATH"], "GRADIO_SERVER_PORT": str(port)}
    app.process = subprocess.Popen(["/bin/sh", "-c", silent], env=environ)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and app.process.poll() is None:
        try:
            assert opened(f"http://127.0.0.1:{port}/").status == 200
            break
        except OSError:
            time.sleep(0.1)
    assert app.process.poll() is None


def test_without_a_wanted_port_the_last_line_says_where_the_page_is(app):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 7860))
            other.listen()
        except OSError:
            pass  # taken by somebody else, which serves as well
        url = app.start(AIML_API_KEY=f'"{KEY}"').wait_for_address()
    assert url.startswith("http://127.0.0.1:78")
    assert url != "http://127.0.0.1:7860/"
    assert opened(url).status == 200
