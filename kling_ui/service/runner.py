"""One generation from whatever state its row is in to its end; each step is committed first.

A row that may have been sent is never sent again.
"""

from kling_ui.client import TaskState
from kling_ui.ledger import Status
from kling_ui.service import messages
from kling_ui.service.context import RunContext
from kling_ui.service.finder import Finder
from kling_ui.service.poller import Poller
from kling_ui.service.runs import Run
from kling_ui.service.saver import Saver
from kling_ui.service.sender import Sender


class GenerationRunner:
    """Hands a generation from step to step; nothing in it is known only to this process."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._sender = Sender(context)
        self._finder = Finder(context)
        self._poller = Poller(context, self._finder)
        self._saver = Saver(context)

    async def run(self, run: Run) -> None:
        """Take one generation from the state of its row to its end. Running again is harmless.

        A row still `submitting` may have been accepted: it is searched for, never sent again.
        """
        generation = await self._context.patiently(self._context.ledger.get, run.id)
        if generation is None:
            return
        run.publish(generation)
        is_new = generation.status is Status.WAITING
        if generation.status is Status.SUBMITTING:
            lost = messages.perhaps_sent("The app was ended while the request was being sent.")
            generation = await self._context.commit(run, status=Status.UNKNOWN, error=lost)
        if generation.status is Status.WAITING:
            generation = await self._sender.send(run)
        if generation.status is Status.UNKNOWN:
            generation = await self._finder.search(run)
        state: TaskState | None = None
        if generation.status in {Status.QUEUED, Status.GENERATING}:
            state = await self._poller.poll(run, at_once=not is_new)
        if run.snapshot.status is Status.SAVING:
            await self._saver.save(run, state)
