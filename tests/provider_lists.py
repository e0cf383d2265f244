"""A stand-in for the provider's public lists and its balance: real HTTP on loopback.

The shapes are those of the provider's pages of 2026: list items with `id`, `aliases`, `type`,
`info` and `pricing`, a weak ETag over the whole answer, a 304 without a body.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VIDEO_TYPE = "internal/video-generations/submit"
KEY = "sk-pricing-0123456789"


def item(name, pricing=None, *, aliases=(), kind=VIDEO_TYPE):
    info = {"name": name, "developer": "Kling AI", "description": "…", "docsJson": {}}
    return {"id": name, "aliases": list(aliases), "type": kind, "info": info, "pricing": pricing}


def fixed(price, measure="second", per=1, **more):
    unit = {"name": "video", "measure": measure, "price": price, "per": per, **more}
    return {"kind": "fixed", "units": [unit]}


def variants(*rows, unit="second", per=1):
    names = sorted({name for when, _ in rows for name in when})
    rows = [{"when": when, "price": price, "unit": unit, "per": per} for when, price in rows]
    return {"kind": "variants", "dimensions": names, "variants": rows}


class ProviderLists:
    """Answers the list calls and notes each request as (path, query, headers)."""

    def __init__(self):
        self.models = {"object": "list", "data": []}
        self.deprecations = {"object": "list", "data": []}
        self.billing = {"current_balance": 10.07, "currency": "USD"}
        self.requests = []
        self.status = 200
        self._server = None

    def __enter__(self):
        lists = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                lists.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def headers_of(self, path):
        return [headers for asked, _, headers in self.requests if asked == path]

    def answer(self, request):
        path, _, query = request.path.partition("?")
        heads = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((path, query, heads))
        body = {
            "/v1/models": self.models,
            "/v1/models/deprecations": self.deprecations,
            "/v2/billing": self.billing,
        }[path]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        etag = f'W/"{hashlib.sha256(content).hexdigest()[:16]}"' if path == "/v1/models" else None
        is_unchanged = etag is not None and heads.get("if-none-match") == etag
        request.send_response(304 if is_unchanged else self.status)
        if etag:
            request.send_header("ETag", etag)
            request.send_header("Cache-Control", "max-age=60")
        if not is_unchanged:
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if not is_unchanged:
            request.wfile.write(content)
