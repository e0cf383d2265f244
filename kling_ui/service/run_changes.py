"""Watches several generations at once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

from kling_ui.ledger import Generation

Follow = Callable[[str], AsyncIterator[Generation]]


async def changes(follow: Follow, generation_ids: Iterable[str]) -> AsyncGenerator[Generation]:
    """Yield each state of these generations, whichever changes, until all of them rest.

    `follow` is the service's own way to watch one.
    """
    queue: asyncio.Queue[Generation | None] = asyncio.Queue()

    async def pass_on(generation_id: str) -> None:
        try:
            async for snapshot in follow(generation_id):
                queue.put_nowait(snapshot)
        finally:
            queue.put_nowait(None)

    tasks = [asyncio.create_task(pass_on(each)) for each in generation_ids]
    open_count = len(tasks)
    try:
        while open_count:
            snapshot = await queue.get()
            if snapshot is None:
                open_count -= 1
            else:
                yield snapshot
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
