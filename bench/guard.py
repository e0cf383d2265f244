"""How long a request spends in the guards: `python bench/guard.py [REQUESTS]`, in microseconds."""

import asyncio
import statistics
import sys
import time

from kling_ui.ui.http_guard.allowed_routes import allowed_routes
from kling_ui.ui.http_guard.middleware import HttpGuard
from kling_ui.ui.http_guard.same_origin import host_policy
from kling_ui.ui.identity import IdentityMiddleware

HEADERS = [
    (b"host", b"127.0.0.1:7860"),
    (b"origin", b"http://127.0.0.1:7860"),
    (b"sec-fetch-site", b"same-origin"),
    (b"cookie", b"kling_ui_visitor=" + b"0f" * 16),
    (b"content-type", b"application/json"),
    (b"content-length", b"2000"),
    (b"user-agent", b"Mozilla/5.0"),
]


async def answer(_scope, receive, send):  # noqa: ANN001, ANN201
    """Read the body and answer, as the routes do, at no cost."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def seconds_each(app, requests):  # noqa: ANN001, ANN201
    """Return how long one request takes."""

    async def receive():  # noqa: ANN202
        return {"type": "http.request", "body": b" " * 2000}

    async def send(_message):  # noqa: ANN001, ANN202
        pass

    began = time.perf_counter()
    for _ in range(requests):
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/gradio_api/queue/join",
            "root_path": "",
            "query_string": b"",
            "client": ("127.0.0.1", 5),
            "headers": HEADERS,
        }
        await app(scope, receive, send)
    return (time.perf_counter() - began) / requests


def main() -> None:
    """Print the median of five rounds, with the guards and without."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    routes = allowed_routes(frozenset({"models", "submit", "status"}), has_login=True)
    hosts = host_policy(configured=["kling.example"], answers_any=False)
    guarded = IdentityMiddleware(
        HttpGuard(answer, routes=routes, hosts=hosts, is_space=False),
        is_shared_host=True,
        is_space=False,
    )
    for name, app in (("without", answer), ("with the guards", guarded)):
        rounds = [asyncio.run(seconds_each(app, requests)) for _ in range(5)]
        print(f"{name}: {statistics.median(rounds) * 1e6:.1f} µs a request")


if __name__ == "__main__":
    main()
