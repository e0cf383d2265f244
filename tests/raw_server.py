"""A server of raw bytes on loopback, for answers that the simulator does not give."""

import asyncio
import json
from contextlib import asynccontextmanager

HANG = b"hang"


def answer(status=200, body=b"", **headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("content_type", "application/json")
    headers.setdefault("content_length", str(len(body)))
    lines = [f"HTTP/1.1 {status} X", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode() + body


class RawServer:
    """Answers each connection with the next bytes (the last ones again), then hangs up."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.requests = []
        self.port = 0
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def reply_to(self, _request):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def serve(self, reader, writer):
        try:
            self.requests.append(await read_request(reader))
            self.arrived.set()
            reply = self.reply_to(self.requests[-1])
            if reply is HANG:
                await self.released.wait()
            else:
                writer.write(reply)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


@asynccontextmanager
async def serving(*answers):
    async with served(RawServer(answers)) as raw:
        yield raw


@asynccontextmanager
async def served(raw):
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    async with server:
        yield raw
        raw.released.set()
