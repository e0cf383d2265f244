"""Why downloads fail: each reason with its usual words, and whether another try makes sense."""

from typing import NamedTuple

from kling_ui.client.errors import DownloadError, DownloadReason


class _Kind(NamedTuple):
    """What a reason means; see DownloadError for the two answers."""

    words: str
    may_retry: bool = False
    needs_fresh_url: bool = False


_KINDS: dict[DownloadReason, _Kind] = {
    "expired": _Kind("The video's link is no longer valid ({code}).", needs_fresh_url=True),
    "not_found": _Kind(
        "The video was not found at its link ({code}).", may_retry=True, needs_fresh_url=True
    ),
    "status": _Kind("The video's host answered with {code} instead of the video."),
    "refused_address": _Kind("The video's link is not an http or https address."),
    "too_many_redirects": _Kind(
        "The video's link redirects more than {most} times.", needs_fresh_url=True
    ),
    "not_video": _Kind(
        "The video's link leads to something that is not a video.",
        may_retry=True,
        needs_fresh_url=True,
    ),
    "too_large": _Kind("The video is larger than the {most} this app accepts."),
    "wrong_size": _Kind(
        "The video has {size:,} bytes where {expected:,} were announced.", may_retry=True
    ),
    "truncated": _Kind("The connection broke after {size:,} bytes of the video.", may_retry=True),
    "empty": _Kind("The video's file is empty.", may_retry=True),
    "network": _Kind("The video's host {host} could not be reached.", may_retry=True),
    "no_space": _Kind("The video could not be written: the disk is full."),
    "disk": _Kind("The video could not be written: {why}."),
}


def failure(
    reason: DownloadReason,
    words: str | None = None,
    *,
    may_retry: bool | None = None,
    status_code: int | None = None,
    retry_after_seconds: float | None = None,
    **details: object,
) -> DownloadError:
    """Return the error for `reason`, in its usual words filled with `details`, or in `words`."""
    kind = _KINDS[reason]
    return DownloadError(
        kind.words.format(code=status_code, **details) if words is None else words,
        reason=reason,
        may_retry=kind.may_retry if may_retry is None else may_retry,
        needs_fresh_url=kind.needs_fresh_url,
        status_code=status_code,
        retry_after_seconds=retry_after_seconds,
    )
