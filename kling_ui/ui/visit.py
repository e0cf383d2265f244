"""Who sent an event of the page: whose generations these are, which page it is."""

import uuid
from dataclasses import dataclass
from typing import Self

import gradio as gr

from kling_ui.ui.identity import address_of, caller_of, owner_of
from kling_ui.ui.media_routes import root_path_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The sender of one event: `owner` None is nobody; `caller` and `address` are for limits.

    `session` is the page. `root_path` is where the browser sees the app, to write addresses with.
    """

    owner: str | None
    session: str
    caller: str
    address: str
    root_path: str

    @classmethod
    def of(cls, request: gr.Request) -> Self:
        """Return the visit that a request belongs to."""
        return cls(
            owner=owner_of(request),
            session=request.session_hash or uuid.uuid4().hex,
            caller=caller_of(request),
            address=address_of(request),
            root_path=root_path_of(request),
        )
