"""One generation from whatever state its row is in to its end; each step is committed first.

A row that may have been sent is never sent again; nothing here is known only to this process.
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


async def run_to_its_end(run: Run, context: RunContext) -> None:
    """Take one generation from the state of its row to its end. Running again is harmless.

    A row still `submitting` may have been accepted: it is searched for, never sent again.
    """
    generation = await context.patiently(context.ledger.get, run.id)
    if generation is None:
        return
    run.publish(generation)
    finder = Finder(context)
    is_new = generation.status is Status.WAITING
    if generation.status is Status.SUBMITTING:
        lost = messages.perhaps_sent("The app was ended while the request was being sent.")
        generation = await context.commit(run, status=Status.UNKNOWN, error=lost)
    if generation.status is Status.WAITING:
        generation = await Sender(context).send(run)
    if generation.status is Status.UNKNOWN:
        generation = await finder.search(run)
    state: TaskState | None = None
    if generation.status in {Status.QUEUED, Status.GENERATING}:
        state = await Poller(context, finder).poll(run, at_once=not is_new)
    if run.snapshot.status is Status.SAVING:
        await Saver(context).save(run, state)
