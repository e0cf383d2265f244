"""The app behind the real nginx, as Gradio's guide sets it up and in other ways; and its login."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import gradio_client
import httpx
import pytest
from app_process import free_port
from test_public_api import Served, running

from kling_ui import ui
from kling_ui.simulator import Simulator

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NAME = "kling.example"
PASSWORD = "open sesame"

CONFIG = """
pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_http_version 1.1; proxy_buffering off;
  server {{ listen 127.0.0.1:{guide}; location /kling/ {{
    proxy_pass http://127.0.0.1:{app}/; proxy_redirect off; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Proto $scheme; }} }}
  server {{ listen 127.0.0.1:{outer}; location /kling/ {{
    proxy_pass http://127.0.0.1:{inner}/kling/; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port 443; }} }}
  server {{ listen 127.0.0.1:{inner}; location /kling/ {{
    proxy_pass http://127.0.0.1:{app}/; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Host "$http_x_forwarded_host, $host"; }} }}
}}
"""


class Proxied(Served):
    """The app with a login, below a path, known by a name."""

    def environ(self):
        return {
            **super().environ(),
            "KLING_UI_HOSTS": NAME,
            "KLING_UI_PASSWORD": PASSWORD,
            "GRADIO_ROOT_PATH": "/kling",
        }


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxied")
    with Simulator(folder=folder / "provider", seconds=0.03) as simulator:
        served = Proxied(simulator, folder)
        with running(served):
            yield served


@pytest.fixture(scope="module")
def ports(served, tmp_path_factory):
    if NGINX is None:
        if os.environ.get("CI"):
            pytest.fail("nginx is missing: CI must install it")
        pytest.skip("NGINX IS MISSING: nothing was tried behind a proxy")
    folder = tmp_path_factory.mktemp("nginx")
    ports = {name: free_port() for name in ("guide", "outer", "inner")}
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, app=served.port, **ports))
    process = subprocess.Popen([NGINX, "-c", str(config), "-e", str(folder / "error.log")])
    for port in ports.values():
        for _ in range(200):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
                break
            except httpx.TransportError:
                time.sleep(0.05)
    yield ports
    process.terminate()
    process.wait(timeout=20)


@pytest.mark.parametrize("name", ["guide", "outer"])
def test_the_page_of_a_proxy_may_call_and_files_have_its_address(served, ports, name):
    port = ports[name]
    host = f"{NAME}:{port}"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/kling", timeout=20) as http:
        http.headers.update({"Host": host, "Origin": f"http://{host}"})
        assert http.get("/").status_code == 200
        form = {"username": "anybody", "password": PASSWORD}
        login = http.post("/login", data=form)
        assert login.status_code == 200, login.text
        cookies = "; ".join(f"{c.name}={c.value}" for c in http.cookies.jar)
        answer = http.post(
            "/gradio_api/call/models", json={"data": []}, headers={"Cookie": cookies}
        )
        assert answer.status_code == 200, answer.text
        foreign = {"Origin": "http://evil.example", "Cookie": cookies}
        answer = http.post("/gradio_api/call/models", json={"data": []}, headers=foreign)
        assert answer.status_code == 403


def test_before_the_name_is_set_the_page_says_what_to_set(served, ports):
    asked = {"Host": f"other.example:{ports['guide']}", "Accept": "text/html"}
    answer = httpx.get(f"http://127.0.0.1:{ports['guide']}/kling/", headers=asked)
    assert answer.status_code == 421
    assert "KLING_UI_HOSTS=other.example" in answer.text


@pytest.mark.parametrize("prefix", ["", "/kling"])
@pytest.mark.parametrize("path", ["/gradio_api/runs", "/gradio_api/deep_link", "/openapi.json"])
def test_below_a_root_path_the_same_routes_are_closed(served, prefix, path):
    assert served.http.get(prefix + path).status_code == 404
    assert served.http.get(f"{prefix}/gradio_api/app_id").status_code == 200


def test_without_the_password_nothing_is_called_listed_or_seen(served):
    assert served.http.post("/gradio_api/call/models", json={"data": []}).status_code == 401
    assert served.http.get("/media/abc/video.mp4").status_code == 401
    assert served.http.get("/gradio_api/info").status_code == 401


def test_a_program_logs_in_with_any_name(served):
    client = gradio_client.Client(served.url, auth=("anybody", PASSWORD), verbose=False)
    assert client.predict(api_name="/models")


def test_a_wrong_password_is_refused(served):
    form = {"username": "anybody", "password": "guess"}
    assert served.http.post("/login", data=form).status_code == 400


def test_only_one_place_reads_gradios_root():
    """Behind a proxy that drops the port or the scheme, addresses made of it lead elsewhere."""
    assets = Path(str(ui.__file__)).parent / "assets"
    readers = {
        each.name for each in assets.glob("*.js") if "_config?.root" in each.read_text("utf-8")
    }
    assert readers == {"page.js"}
