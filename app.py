"""The entry point: settings → simulator? → client → ledger → service → page → launch."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kling_ui.client import Client
from kling_ui.ledger import LIVE, SIMULATOR, Ledger, LedgerError
from kling_ui.service import PollSettings, Service
from kling_ui.settings import Settings, SettingsError
from kling_ui.simulator import Simulator

HOME = Path(__file__).resolve().parent
MAX_THREADS = 600
"""Gradio counts every running event, async ones too, against its thread limit."""

LONGEST_RESUME_SECONDS = 2.0
"""Gradio gives a server 5 s to start, then starts another one beside it."""
SHUTDOWN_GRACE_SECONDS = 0.5

_log = logging.getLogger("kling_ui")


def main() -> None:
    """Serve the app until it is interrupted; exit with a plain sentence if it can't start."""
    prepare(os.environ)
    set_logging_up()
    try:
        settings = Settings.read(os.environ, home=HOME)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        # Held for as long as the process lives, and released by the system when it dies.
        lock = FileLock(settings.data_dir / "in-use.lock", timeout=0)
        lock.acquire()
        ledger = Ledger(settings.database_url or f"sqlite:///{settings.data_dir}/kling-ui.db")
        ledger.open()
    except Timeout:
        sys.exit(
            f"Kling UI can't start: another one is using {settings.data_dir}. Stop that one "
            "first, or set KLING_UI_DATA_DIR to another folder."
        )
    except (SettingsError, LedgerError) as exc:
        sys.exit(f"Kling UI can't start: {exc}")
    except OSError as exc:
        sys.exit(f"Kling UI can't start: the data folder can't be used ({exc}).")
    serve(settings, ledger)


def prepare(environ: MutableMapping[str, str]) -> None:
    """Set what Gradio reads at its import: no calls home, no proxy for this very machine."""
    environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    local = [environ.get("NO_PROXY") or environ.get("no_proxy"), "127.0.0.1", "localhost"]
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(name for name in local if name)


def set_logging_up() -> None:
    """Log what helps; httpx would log full addresses, which are signed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def serve(settings: Settings, ledger: Ledger) -> None:
    """Compose the parts and serve the page until interrupted."""
    if not settings.is_simulated:
        launch(service_of(settings, ledger, base_url=settings.base_url), settings)
        return
    folder = settings.data_dir / "simulator"
    with Simulator(folder=folder, seconds=settings.simulator_seconds) as simulator:
        _log.info("No API key is set: the simulator answers at %s", simulator.base_url)
        launch(service_of(settings, ledger, base_url=simulator.base_url), settings)


def service_of(settings: Settings, ledger: Ledger, *, base_url: str) -> Service:
    """Return the service that asks the provider, or its simulator, at `base_url`."""
    return Service(
        client=Client(base_url=base_url, api_key=settings.api_key or SIMULATOR),
        ledger=ledger,
        folder=settings.data_dir,
        origin=SIMULATOR if settings.is_simulated else LIVE,
        route=None if settings.route == "auto" else settings.route,
        poll_settings=PollSettings(
            poll_seconds=settings.poll_seconds,
            typical_seconds=settings.simulator_seconds if settings.is_simulated else None,
        ),
    )


def launch(service: Service, settings: Settings) -> None:
    """Serve the page; what is unfinished is picked up on the loop that serves it."""
    # Only now: Gradio reads its settings from the environment while it is imported.
    import gradio as gr  # noqa: PLC0415
    from starlette.middleware import Middleware  # noqa: PLC0415

    from kling_ui.ui import Guard, Sessions, build, look  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.state_holder = Sessions()
        app.state_holder.set_blocks(page)
        resuming = asyncio.create_task(resume(service))
        # Only a ledger in trouble takes longer; the page is there to say so.
        await asyncio.wait({resuming}, timeout=LONGEST_RESUME_SECONDS)
        yield
        resuming.cancel()
        await service.close()

    service.files.prepare()
    gr.set_static_paths([service.files.videos])
    page = build(service, keeps_visitors_apart=settings.keeps_visitors_apart)
    page.queue(default_concurrency_limit=None).launch(
        max_threads=MAX_THREADS,
        max_file_size="50mb",
        show_error=False,
        enable_monitoring=False,
        run_history=False,
        ssr_mode=False,
        footer_links=["api"],
        app_kwargs={"lifespan": lifespan, "middleware": [Middleware(Guard)]},
        prevent_thread_lock=True,
        **look(),
    )
    wait_for_the_end()
    # Open pages keep their connections for good: they are cut, and that is no error.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    page.server.config.timeout_graceful_shutdown = SHUTDOWN_GRACE_SECONDS
    page.server.close()
    # Python would look through all that Gradio has built for what to free, for seconds.
    gc.freeze()


async def resume(service: Service) -> None:
    """Pick up what is unfinished, and say so; the page is served whatever comes of it."""
    try:
        resumed = await service.resume()
    except Exception:  # noqa: BLE001  logged, and whoever comes can still see what is there
        _log.exception("What is unfinished could not be picked up: restart the app to try again")
        return
    if resumed:
        _log.info("%d unfinished generations go on", resumed)


def wait_for_the_end() -> None:
    """Return when the process is interrupted (Ctrl+C) or asked to end (SIGTERM)."""
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    with suppress(KeyboardInterrupt):
        # Windows hears Ctrl+C only between two waits.
        while not end.wait(1.0):
            pass


if __name__ == "__main__":
    main()
