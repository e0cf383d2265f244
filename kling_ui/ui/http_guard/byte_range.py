"""What of a Range header is handed on: one plain range, for Gradio answers 500 to others."""

import re

_PLAIN = re.compile(r"bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")


def one_range(value: str) -> str | None:
    """Return the first range of a Range header, None where it is malformed or empty.

    An answer may hold fewer ranges than were asked for.
    """
    first = value.partition(",")[0].replace(" ", "").lower()
    if not _PLAIN.fullmatch(first):
        return None
    start, _, end = first.removeprefix("bytes=").partition("-")
    return None if start and end and int(start) > int(end) else first
