"""The app one would write first: a sync generator that sleeps between polls, default queue.

It is here to be measured beside Kling UI, and does nothing about failures.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx

URL = os.environ["AIML_API_BASE_URL"] + "/v2/generate/video/kling/generation"
HEADERS = {"Authorization": f"Bearer {os.environ['AIML_API_KEY']}"}
MODEL = "kling-video/v1.6/standard/text-to-video"
POLL_SECONDS = 1.0
FOLDER = Path(os.environ["KLING_UI_DATA_DIR"])


def generate(prompt: str) -> Iterator[str]:
    """Create a task, poll it, fetch the file; yield the status words."""
    body = {"model": MODEL, "prompt": prompt}
    task = httpx.post(URL, json=body, headers=HEADERS, timeout=60).json()["id"]
    while True:
        state: dict[str, Any] = httpx.get(
            URL, params={"generation_id": task}, headers=HEADERS, timeout=60
        ).json()
        if state["status"] == "completed":
            name = task.replace("/", "_").replace(":", "_")
            (FOLDER / f"{name}.mp4").write_bytes(httpx.get(state["video"]["url"]).content)
        yield state["status"]
        if state["status"] not in {"queued", "generating"}:
            return
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    gr.Interface(generate, "text", "text", api_name="generate").launch()
