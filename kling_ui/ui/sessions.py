"""What Gradio keeps of each visit, without the copy of the whole page that only deep links need.

Every call of the API counts as a visit: with the copy it costs about 30 ms and a third of a
megabyte that is never given back.
"""

from dataclasses import dataclass, field
from typing import Any

from gradio.state_holder import SessionState, StateHolder

MOST_VISITS = 2000
"""How many visits are remembered; beyond that one is forgotten, calls of the API first."""


@dataclass(frozen=True, slots=True)
class _Bare:
    """As much of a Blocks as a visit needs when it is made: nothing to copy."""

    default_config: Any
    blocks: dict[int, Any] = field(default_factory=dict)


class Sessions(StateHolder):  # type: ignore[misc]  # Gradio leaves it untyped
    """The visits of a page; put in the place of Gradio's own before the first request."""

    def __getitem__(self, session_id: str) -> SessionState:
        """Return a visit's state; a new visit begins with an empty one."""
        if session_id not in self.session_data:
            self.session_data[session_id] = SessionState(_Bare(self.blocks.default_config))
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        """Note that a visit is not quiet, and forget another one where there are too many."""
        with self.lock:
            visits = self.session_data
            if session_id in visits:
                visits.move_to_end(session_id)
            if len(visits) <= self.capacity:
                return
            # A call of the API leaves nothing behind; a page that is only quiet does.
            others = (name for name in visits if name != session_id)
            empty = (name for name in others if not visits[name].state_data)
            forgotten = next(empty, next(iter(visits)))
            del visits[forgotten]
            self.time_last_used.pop(forgotten, None)

    def set_blocks(self, blocks: Any) -> None:
        """Serve `blocks`, with a limit of our own."""
        super().set_blocks(blocks)
        self.capacity = MOST_VISITS
