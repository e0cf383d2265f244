"""The entry point: settings → simulator? → client → ledger → service → page → launch."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kling_ui import startup
from kling_ui.client import Client, Network
from kling_ui.ledger import LIVE, SIMULATOR, Ledger, LedgerError
from kling_ui.service import Connector, PollSettings, Service
from kling_ui.service.folders import make_private_folder, purge_uploads
from kling_ui.service.storage import DataPlace, lifetime_of
from kling_ui.settings import (
    DEFAULT_FOLDER,
    SPACE_DAY_USD,
    Settings,
    SettingsError,
    check_encrypted,
)

HOME = Path(__file__).resolve().parent
LONGEST_RESUME_SECONDS = 2.0
"""Gradio gives a server 5 s to start, then starts another one beside it."""
SHUTDOWN_GRACE_SECONDS = 0.5
PURGE_EVERY_SECONDS = 3600.0

_log = logging.getLogger("kling_ui")


def main() -> None:
    """Serve the app until it is interrupted; exit with a plain sentence if it can't start."""
    os.umask(0o077)  # what it writes, prompts and films and all, is for this user only
    startup.open_missing_streams()
    startup.raise_open_files()
    startup.return_freed_memory()
    set_logging_up()
    try:
        settings = Settings.read(os.environ, home=HOME)
        os.environ.update(settings.for_libraries)
        connect = live_clients(settings)
        client = None if settings.api_key is None else first_client(connect, settings.api_key)
        startup.make_data_folder(settings.data_dir)
        ledger = Ledger(settings.database_url or settings.data_dir / startup.LEDGER)
        startup.warn_of_buckets(ledger.path)
        locks = hold_all(settings, ledger)
        ledger.open()
        port = startup.free_port(settings.server_name, settings.server_port)
        startup.prepare_environment(os.environ, settings)
        enter_uploads_folder(settings)
        serve(replace(settings, server_port=port), ledger, client, connect)
    except (SettingsError, LedgerError, startup.StartError) as exc:
        sys.exit(f"Kling UI can't start: {exc}")
    except OSError as exc:
        # Once the page is served nothing is left here that could fail.
        sys.exit(f"Kling UI can't start: {startup.StartError.of_system(exc)}")
    del locks  # held until here, and released by the system when the process dies


def live_clients(settings: Settings) -> Callable[[str], Client]:
    """Return what makes a client of the API from a key, and raises ValueError in words.

    The way out is read now: what Gradio must not see is soon taken out of the environment.
    """
    try:
        network = Network.from_environment(certificate_folders=os.environ.get("SSL_CERT_DIR"))
    except ValueError as exc:
        trouble = exc  # of no interest to those who stay with the simulator

        def refuse(_key: str) -> Client:
            raise ValueError(str(trouble))

        return refuse

    def connect(key: str) -> Client:
        if not settings.allow_http:
            check_encrypted(settings.base_url)
        if not key:
            raise ValueError("Enter a key.")
        return Client(base_url=settings.base_url, api_key=key, network=network)

    return connect


def first_client(connect: Callable[[str], Client], key: str) -> Client:
    """Return the client of the key that was set; raise StartError where none can be made."""
    try:
        return connect(key)
    except ValueError as exc:
        raise startup.StartError(str(exc)) from exc


def hold_all(settings: Settings, ledger: Ledger) -> list[Any]:
    """Lock the data folder, and the ledger wherever it lies; one on a server is not locked.

    The locks hold for as long as the list lives. Raises StartError.
    """
    folder = settings.data_dir
    if ledger.is_in_memory:
        raise startup.StartError(
            "KLING_UI_DATABASE_URL names a database in memory, which would forget what was paid "
            "for. Name a file or a server."
        )
    locks = [startup.hold(folder / startup.LOCK, what=str(folder), setting="KLING_UI_DATA_DIR")]
    if ledger.path:
        beside = ledger.path.with_name(f"{ledger.path.name}.lock")
        setting = "KLING_UI_DATABASE_URL"
        locks.append(startup.hold(beside, what=str(ledger.path), setting=setting))
    return locks


def enter_uploads_folder(settings: Settings) -> None:
    """Make the folder of Gradio's files the working one: Gradio gives out what lies below it."""
    folder = settings.data_dir / "gradio"
    make_private_folder(folder / startup.UPLOADS)
    os.chdir(folder)
    purge_uploads(folder / startup.UPLOADS, now=time.time())


def set_logging_up() -> None:
    """Log what helps; httpx would log full addresses, which are signed."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(startup.AcceptFilter())


def serve(
    settings: Settings, ledger: Ledger, live: Client | None, connect: Callable[[str], Client]
) -> None:
    """Compose the parts and serve the page until interrupted; without `live` all is simulated."""
    with ExitStack() as running:
        # SQLite then takes its log into the file: a copy of that alone is a whole backup.
        running.callback(ledger.close)

        def simulate() -> Client:
            # Only now: with a key nothing of it is needed, and it takes long to import.
            from kling_ui.simulator import Simulator  # noqa: PLC0415

            folder = settings.data_dir / "simulator"
            simulator = Simulator(folder=folder, seconds=settings.simulator_seconds)
            running.enter_context(simulator)
            _log.info("The simulator answers at %s", simulator.base_url)
            network = Network.loopback_only()  # whatever the environment says
            return Client(base_url=simulator.base_url, api_key=SIMULATOR, network=network)

        if live is None:
            _log.info("No API key is set, so requests go to the simulator")
        elif settings.keeps_visitors_apart and not settings.password:
            warn_of_visitors(settings)
        connector = Connector(
            live=connect, simulator=simulate, simulator_seconds=settings.simulator_seconds
        )
        # Where others come too, nobody but the owner decides whose money is spent.
        is_own_host = not (settings.keeps_visitors_apart or settings.share)
        client = live or simulate()
        launch(service_of(settings, ledger, client, connector if is_own_host else None), settings)


def warn_of_visitors(settings: Settings) -> None:
    """Say in the log what whoever opens a Space with a key can spend, where no one chose that."""
    if settings.day_usd == SPACE_DAY_USD:
        _log.warning(
            "Whoever can open this Space spends from your balance, up to $%.2f a day: set "
            "KLING_UI_PASSWORD to ask for a password, or KLING_UI_DAY_USD to change the sum",
            settings.day_usd,
        )


def service_of(
    settings: Settings, ledger: Ledger, client: Client, connector: Connector | None
) -> Service:
    """Return the service that asks the provider, or its simulator, through `client` at first."""
    return Service(
        client=client,
        ledger=ledger,
        folder=settings.data_dir,
        origin=SIMULATOR if settings.is_simulated else LIVE,
        route=None if settings.route == "auto" else settings.route,
        day_usd=settings.day_usd,
        poll_settings=PollSettings(
            poll_seconds=settings.poll_seconds,
            simulator_seconds=settings.simulator_seconds if settings.is_simulated else None,
        ),
        connector=connector,
        data_place=DataPlace(
            lifetime=lifetime_of(
                settings.data_dir,
                mount=startup.mount_of(settings.data_dir),
                is_space=settings.keeps_visitors_apart,
            ),
            is_default=settings.data_dir == (HOME / DEFAULT_FOLDER).resolve(),
        ),
    )


def launch(service: Service, settings: Settings) -> None:
    """Serve the page; what is unfinished is picked up on the loop that serves it."""
    # Only now: Gradio reads its settings from the environment while it is imported.
    with startup.without_interface_files():
        from kling_ui import ui  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        ui.harden(app, page)
        purging = asyncio.create_task(purge_hourly(Path(startup.UPLOADS)))
        resuming = asyncio.create_task(resume(service))
        informing = asyncio.create_task(service.keep_informed())
        # Only a ledger in trouble takes longer; the page is there to say so.
        await asyncio.wait({resuming}, timeout=LONGEST_RESUME_SECONDS)
        yield
        resuming.cancel()
        informing.cancel()
        purging.cancel()
        await service.close()

    service.files.prepare()
    page = ui.build(service)
    look = ui.theme()
    version = ui.page_version(page, look)
    name = settings.server_name
    page.queue(default_concurrency_limit=None).launch(
        server_name=f"[{name}]" if ":" in name else name,
        server_port=settings.server_port,
        share=settings.share,
        max_threads=ui.MAX_THREADS,
        max_file_size="50mb",
        show_error=False,
        enable_monitoring=False,
        run_history=False,
        ssr_mode=False,
        footer_links=["api"],
        auth=ui.password_check(settings.password) if settings.password else None,
        auth_message="Any name, and the password of this app.",
        app_kwargs={
            "lifespan": lifespan,
            "middleware": guards_of(page, version, settings, os.environ),
            "routes": ui.media_routes(service),
        },
        prevent_thread_lock=True,
        **ui.with_version(look, version),
    )
    print(f"Kling UI is at {page.share_url or page.local_url}", flush=True)  # noqa: T201  the log may be elsewhere
    wait_for_the_end()
    # Open pages keep their connections for good: they are cut, and that is no error.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    page.server.config.timeout_graceful_shutdown = SHUTDOWN_GRACE_SECONDS
    page.server.close()
    # Python would look through all that Gradio has built for what to free, for seconds.
    gc.freeze()


async def purge_hourly(uploads: Path) -> None:
    """Remove uploads that nobody has used for a day, for as long as the app runs."""
    while True:
        await asyncio.sleep(PURGE_EVERY_SECONDS)
        await asyncio.to_thread(purge_uploads, uploads, now=time.time())


def guards_of(page: Any, version: str, settings: Settings, environ: Mapping[str, str]) -> list[Any]:
    """Return the middlewares that every request passes, outermost first.

    On a Space, where nobody can try the health check from elsewhere, and behind a tunnel the
    host is not looked at: rebinding reaches neither.
    """
    from starlette.middleware import Middleware  # noqa: PLC0415

    from kling_ui import ui  # noqa: PLC0415

    is_space = environ.get("SPACE_ID", "").strip() != ""
    has_login = settings.password is not None
    identity = {"is_shared_host": settings.keeps_visitors_apart, "is_space": is_space}
    hosts = ui.host_policy(
        configured=[*settings.hosts, environ.get("SPACE_HOST", "")],
        machine=[*ui.machine_names(socket.gethostname()), environ.get("GRADIO_SERVER_NAME", "")],
        answers_any=is_space or settings.share,
    )
    return [
        Middleware(ui.IdentityMiddleware, **identity),
        Middleware(
            ui.HttpGuard,
            routes=ui.allowed_routes(ui.public_api_names(page), has_login=has_login),
            hosts=hosts,
            is_space=is_space,
            page_version=version,
            may_see_media=ui.is_logged_in if has_login else None,
        ),
    ]


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
