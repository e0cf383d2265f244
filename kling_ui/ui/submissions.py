"""What each page is sending, and which generation its next event is to follow.

Not in a `gr.State`: an event gets its states when it begins, and a click on *Hide* between a
submission and the event that follows it must be able to take the generation away.
"""

from collections.abc import Iterator
from contextlib import contextmanager

MOST_SUBMITTED = 10_000
"""How many may wait for their page's next event; a page that is closed in between sends none."""


class Submissions:
    """One submission a page at a time; pages are told apart by Gradio's session hash."""

    def __init__(self) -> None:
        self._sending: set[str] = set()
        self._submitted: dict[str, str] = {}

    @contextmanager
    def turn(self, session: str) -> Iterator[bool]:
        """Tell whether this page may send: not while another click of it is on its way."""
        if session in self._sending:
            yield False
            return
        self._sending.add(session)
        try:
            yield True
        finally:
            self._sending.discard(session)

    def put(self, session: str, generation_id: str) -> None:
        """Have the page's next event follow this generation."""
        self._submitted[session] = generation_id
        if len(self._submitted) > MOST_SUBMITTED:
            del self._submitted[next(iter(self._submitted))]

    def take(self, session: str) -> str | None:
        """Return what the page is to follow, once; None where a click has taken it away."""
        return self._submitted.pop(session, None)
