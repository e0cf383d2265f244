"""The parts that tests are made of: the real simulator, a real ledger, a service in a hurry."""

import asyncio
import os
import shutil
import tempfile

# Before anything imports Gradio, which reads these while it is imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="kling-ui-tests-")

from kling_ui.startup import without_interface_files

with without_interface_files():
    import gradio.data_classes
    import gradio.queueing
    import gradio.utils
import httpx
import hypothesis
import pytest

pytest.register_assert_rewrite("harness", "raw_server")

from harness import QuickRuntime, service_at

from kling_ui.ledger import Ledger
from kling_ui.simulator import Simulator, studio

# Where no loop runs, Gradio makes one for each lock and closes none of them: the garbage
# collector would complain about them in whatever test it runs. Since Python 3.10 none is needed.
gradio.queueing.safe_get_lock = gradio.utils.safe_get_lock = asyncio.Lock
gradio.utils.safe_get_stop_event = asyncio.Event

EXAMPLES = os.environ.get("KLING_UI_EXAMPLES", "")
"""How many examples Hypothesis tries of each property; more than by default, and other ones."""

hypothesis.settings.register_profile(
    "tests",
    max_examples=int(EXAMPLES or 50),
    derandomize=not EXAMPLES,
    # The first example may be slow on a busy machine, and say nothing by that.
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
)
hypothesis.settings.load_profile("tests")

FIRST = ("browser", "soak")
"""Folders whose files keep a worker busy for long: none of them may begin last."""
LONGEST_FIRST = ("test_forms", "test_browser", "test_machine", "test_sending", "test_start")


def pytest_collection_modifyitems(items):
    folders = {name: rank for rank, name in enumerate(FIRST)}
    files = {name: rank for rank, name in enumerate(LONGEST_FIRST)}

    def rank(item):
        folder = folders.get(item.path.parent.name, len(FIRST))
        return folder, files.get(item.path.stem, len(LONGEST_FIRST))

    items.sort(key=rank)


def pytest_unconfigure():
    shutil.rmtree(os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _certificates_are_read_once():
    """Reading them anew for each client would take longer than many a test."""
    certificates = httpx.create_ssl_context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", lambda *_, **__: certificates)
        yield


@pytest.fixture(autouse=True, scope="module")
def _no_static_paths_are_left_to_the_next_module():
    yield
    gradio.data_classes._StaticFiles.clear()


@pytest.fixture(scope="session")
def film_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def films(film_folder):
    """Render one real video of each shape, length and kind of sound, and copy it from then on."""
    render = studio.render

    def copied(scene, path, *, is_given_up):
        width, height = scene.size
        sound = "silent" if scene.sound is None else "sound"
        film = film_folder / f"{width}x{height} {scene.frames} {sound}.mp4"
        if film.exists():
            shutil.copyfile(film, path)
            return True
        is_whole = render(scene, path, is_given_up=is_given_up)
        if is_whole:
            shutil.copyfile(path, film)
        return is_whole

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio, "render", copied)
        yield


@pytest.fixture
def simulator(tmp_path, films):
    with Simulator(folder=tmp_path / "provider", seconds=0.03) as running:
        yield running


@pytest.fixture
def runtime():
    return QuickRuntime()


@pytest.fixture
def ledger_url(tmp_path):
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def ledger(ledger_url, runtime):
    opened = Ledger(ledger_url, now=runtime.now)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
async def make_service(tmp_path, simulator, ledger, runtime):
    """Return a function that makes services over the same data folder; all are closed after."""
    running = []

    def make(**more):
        arguments = {"ledger": ledger, "folder": tmp_path / "data", "runtime": runtime, **more}
        service, client = service_at(arguments.pop("base_url", simulator.base_url), **arguments)
        running.append((service, client))
        return service

    yield make
    for service, client in running:
        await service.close()
        await client.aclose()


@pytest.fixture
def service(make_service):
    return make_service()
