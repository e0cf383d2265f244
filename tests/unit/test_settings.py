"""Settings are read once, checked, and tell what is wrong without telling the key."""

from dataclasses import FrozenInstanceError

import pytest

from kling_ui.settings import KEY_NAMES, LIVE_BASE_URL, Settings, SettingsError
from kling_ui.startup import prepare_environment

KEY = "sk-0123456789abcdef"


def read(tmp_path, file="", **environ):
    if file:
        (tmp_path / ".env").write_text(file, "utf-8")
    return Settings.read(environ, home=tmp_path)


def test_without_any_setting_the_simulator_is_used_and_data_lie_beside_the_app(tmp_path):
    settings = read(tmp_path)
    assert settings.is_simulated
    assert settings.api_key is None
    assert settings.base_url == LIVE_BASE_URL == "https://api.aimlapi.com"
    assert settings.route == "auto"
    assert settings.data_dir == tmp_path / "data"
    assert settings.database_url is None
    assert settings.poll_seconds is None
    assert settings.simulator_seconds == 8
    assert not settings.keeps_visitors_apart


def test_reading_settings_creates_nothing(tmp_path):
    read(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["AIML_API_KEY", "AIMLAPI_KEY", "AIMLAPI_API_KEY"])
def test_a_key_under_any_of_its_three_names_leads_to_the_live_api(tmp_path, name):
    assert name in KEY_NAMES
    for settings in (read(tmp_path, **{name: KEY}), read(tmp_path, f"{name}={KEY}")):
        assert settings.api_key == KEY
        assert not settings.is_simulated


def test_the_first_of_the_three_names_wins(tmp_path):
    settings = read(tmp_path, AIMLAPI_KEY="second", AIML_API_KEY="first", AIMLAPI_API_KEY="third")
    assert settings.api_key == "first"


def test_the_environment_wins_over_the_file(tmp_path):
    file = "AIML_API_KEY=from-file\nKLING_UI_POLL_SECONDS=3\nAIML_API_ROUTE=universal\n"
    settings = read(tmp_path, file, AIML_API_KEY="from-environment", KLING_UI_POLL_SECONDS="2")
    assert settings.api_key == "from-environment"
    assert settings.poll_seconds == 2
    assert settings.route == "universal"


def test_an_empty_name_in_the_environment_switches_off_what_the_file_says(tmp_path):
    assert read(tmp_path, f"AIML_API_KEY={KEY}", AIML_API_KEY="").is_simulated


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_setting_is_no_setting(tmp_path, blank):
    names = (
        *KEY_NAMES,
        *("AIML_API_BASE_URL", "AIML_API_ROUTE", "SPACE_ID"),
        *("KLING_UI_DATA_DIR", "KLING_UI_DATABASE_URL"),
        *("KLING_UI_POLL_SECONDS", "KLING_UI_SIMULATOR_SECONDS"),
        *("KLING_UI_HOSTS", "KLING_UI_DAY_USD", "KLING_UI_PASSWORD"),
        *("KLING_UI_ALLOW_HTTP", "KLING_UI_SHARE"),
        *("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_ROOT_PATH"),
    )
    assert read(tmp_path, **dict.fromkeys(names, blank)) == read(tmp_path)


def test_blanks_around_a_value_do_not_count(tmp_path):
    settings = read(tmp_path, AIML_API_KEY=f" {KEY}\n", KLING_UI_POLL_SECONDS=" 2.5 ")
    assert settings.api_key == KEY
    assert settings.poll_seconds == 2.5


def test_quotes_comments_and_exports_in_the_file_are_understood(tmp_path):
    file = f"# our key\nexport AIML_API_KEY='{KEY}'\nKLING_UI_POLL_SECONDS=2 # seconds\n"
    settings = read(tmp_path, file)
    assert settings.api_key == KEY
    assert settings.poll_seconds == 2


def test_the_example_file_can_be_copied_as_it_is(tmp_path, request):
    example = request.config.rootpath / ".env.example"
    settings = read(tmp_path, example.read_text("utf-8"))
    assert settings == Settings(data_dir=tmp_path / "data")


def test_a_data_folder_is_taken_from_the_apps_folder_unless_it_is_absolute(tmp_path):
    assert read(tmp_path, KLING_UI_DATA_DIR="kept/here").data_dir == tmp_path / "kept" / "here"
    elsewhere = tmp_path / "elsewhere"
    assert read(tmp_path, KLING_UI_DATA_DIR=str(elsewhere)).data_dir == elsewhere


def test_a_data_folder_may_be_named_from_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert read(tmp_path, KLING_UI_DATA_DIR="~/videos").data_dir == tmp_path / "me" / "videos"


def test_visitors_are_kept_apart_on_a_space(tmp_path):
    assert read(tmp_path, SPACE_ID="someone/kling-ui").keeps_visitors_apart


@pytest.mark.parametrize("url", ["https://proxy.example/aiml/", "http://127.0.0.1:8000"])
def test_a_base_address_is_taken_without_its_last_slash(tmp_path, url):
    assert read(tmp_path, AIML_API_BASE_URL=url).base_url == url.rstrip("/")


@pytest.mark.parametrize("route", ["auto", "kling", "universal", "KLING"])
def test_a_route_is_one_of_three_words(tmp_path, route):
    assert read(tmp_path, AIML_API_ROUTE=route).route == route.lower()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "AIML_API_BASE_URL",
            "api.aimlapi.com",
            "AIML_API_BASE_URL must be an http(s) address, not 'api.aimlapi.com'.",
        ),
        (
            "AIML_API_BASE_URL",
            "ftp://host",
            "AIML_API_BASE_URL must be an http(s) address, not 'ftp://host'.",
        ),
        (
            "AIML_API_BASE_URL",
            "http://host:port",
            "AIML_API_BASE_URL must be an http(s) address, not 'http://host:port'.",
        ),
        (
            "AIML_API_BASE_URL",
            "http://[",
            "AIML_API_BASE_URL must be an http(s) address, not 'http://['.",
        ),
        ("AIML_API_ROUTE", "fast", "AIML_API_ROUTE must be auto, kling or universal, not 'fast'."),
        *(
            (name, value, f"{name} must be a number of seconds above 0, not {value!r}.")
            for name in ("KLING_UI_POLL_SECONDS", "KLING_UI_SIMULATOR_SECONDS")
            for value in ("soon", "0", "-1", "nan", "inf", "1,5", "1e999")
        ),
    ],
)
def test_garbage_is_refused_by_name(tmp_path, name, value, message):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, **{name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("bad", [f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}é", f"“{KEY}”"])
def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(tmp_path, bad):
    with pytest.raises(SettingsError, match="The API key holds spaces or characters") as caught:
        read(tmp_path, AIML_API_KEY=bad)
    assert KEY not in str(caught.value)


def test_the_key_and_the_databases_password_are_in_no_repr(tmp_path):
    url = "postgresql://me:opensesame@host/kling"
    settings = read(tmp_path, AIML_API_KEY=KEY, KLING_UI_DATABASE_URL=url)
    assert settings.database_url == url
    assert KEY not in repr(settings)
    assert "opensesame" not in repr(settings)


@pytest.mark.parametrize("name", ["AIML_API_ROUTE", "KLING_UI_POLL_SECONDS", "AIML_API_BASE_URL"])
def test_the_key_is_in_no_other_settings_complaint(tmp_path, name):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, AIML_API_KEY=KEY, **{name: "garbage"})
    assert KEY not in str(caught.value)


def test_settings_cannot_be_changed(tmp_path):
    with pytest.raises(FrozenInstanceError):
        read(tmp_path).api_key = KEY


# --------------------------------------------------------------------------- files


ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16": b"",
    "utf-16-le": b"",
    "utf-16-be": b"",
    "utf-16-le with its mark": b"\xff\xfe",
    "utf-16-be with its mark": b"\xfe\xff",
    "cp1252": b"",
}


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS.items())
def test_a_file_is_read_in_whatever_encoding_it_was_saved(tmp_path, encoding, mark):
    text = f"# für alle\r\nAIML_API_KEY={KEY}\r\nKLING_UI_DATA_DIR=Bücher\r\n"
    (tmp_path / ".env").write_bytes(mark + text.encode(encoding.split()[0]))
    settings = read(tmp_path)
    assert settings.api_key == KEY
    assert settings.data_dir == tmp_path / "Bücher"


def test_a_file_that_is_no_text_or_can_not_be_read_is_told(tmp_path):
    file = tmp_path / ".env"
    file.write_bytes(b"AIML_API_KEY=x\n\x00\x01\x81")
    with pytest.raises(SettingsError, match=r"is not a text file\. Save it again as UTF-8"):
        read(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(SettingsError, match="can't be read"):
        read(tmp_path)


@pytest.mark.parametrize("quoted", [f'"{KEY}"', f"'{KEY}'", f' "{KEY} " '])
def test_quotes_that_a_container_leaves_around_a_value_do_not_count(tmp_path, quoted):
    assert read(tmp_path, AIML_API_KEY=quoted).api_key == KEY
    assert read(tmp_path, GRADIO_SERVER_PORT='"7861"').server_port == 7861


@pytest.mark.parametrize("bad", [f'"{KEY}', f"{KEY}'", f"\"{KEY}'", f'"{KEY}" # mine'])
def test_a_quote_inside_a_key_is_refused(tmp_path, bad):
    with pytest.raises(SettingsError, match="The API key holds") as caught:
        read(tmp_path, AIML_API_KEY=bad)
    assert KEY not in str(caught.value)


def test_what_the_file_says_to_gradio_and_httpx_is_handed_on_unless_the_environment_says_it(
    tmp_path,
):
    file = (
        "GRADIO_SERVER_PORT=7861\nGRADIO_ROOT_PATH=/kling\nhttps_proxy=http://a\n"
        "SSL_CERT_FILE=/ca.pem\nOTHER=1\nAIML_API_KEY=x\n"
    )
    settings = read(tmp_path, file, GRADIO_ROOT_PATH="/mine", HTTPS_PROXY="http://b")
    assert settings.for_libraries == {"GRADIO_SERVER_PORT": "7861", "SSL_CERT_FILE": "/ca.pem"}
    assert settings.server_port == 7861
    assert read(tmp_path, file, GRADIO_SERVER_PORT="7999").server_port == 7999


@pytest.mark.parametrize(
    ("value", "root_path"),
    [
        ("kling", "/kling"),
        ("/kling/", "/kling"),
        ("/a/b", "/a/b"),
        ("/", ""),
        ("https://a.example/kling/", "https://a.example/kling"),
    ],
)
def test_a_root_path_begins_with_a_slash_and_ends_without(tmp_path, value, root_path):
    assert read(tmp_path, GRADIO_ROOT_PATH=value).root_path == root_path


def test_of_gradios_settings_only_those_the_app_knows_reach_it(tmp_path):
    """Others open folders to everybody, start servers without the guard, or end its import."""
    names = ("ALLOWED_PATHS", "NUM_WORKERS", "DEBUG", "WATCH_DIRS", "DEFAULT_CONCURRENCY_LIMIT")
    environ = {f"GRADIO_{name}": "x" for name in (*names, "HEARTBEAT_INTERVAL", "SERVER_PORT")}
    prepare_environment(environ, read(tmp_path, GRADIO_ROOT_PATH="kling"))
    assert {name: value for name, value in environ.items() if name.startswith("GRADIO_")} == {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_HEARTBEAT_INTERVAL": "x",
        "GRADIO_ROOT_PATH": "/kling",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_TEMP_DIR": "uploads",
    }


# --------------------------------------------------------------------------- visitors


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("", ()),
        ("kling.example.com", ("kling.example.com",)),
        (" A.example ,b.example,,a.EXAMPLE", ("a.example", "b.example")),
        ("*", ("*",)),
    ],
)
def test_hosts_are_names_parted_by_commas(tmp_path, value, hosts):
    assert read(tmp_path, KLING_UI_HOSTS=value).hosts == hosts


@pytest.mark.parametrize("value", ["https://a.example", "a.example:8480", "a b", "me@a.example"])
def test_a_host_with_more_than_a_name_is_refused(tmp_path, value):
    with pytest.raises(SettingsError, match="KLING_UI_HOSTS must be names"):
        read(tmp_path, KLING_UI_HOSTS=value)


@pytest.mark.parametrize(
    ("environ", "usd"),
    [
        ({}, None),
        ({"AIML_API_KEY": KEY}, None),
        ({"SPACE_ID": "me/kling"}, None),
        ({"SPACE_ID": "me/kling", "AIML_API_KEY": KEY}, 5.0),
        ({"SPACE_ID": "me/kling", "AIML_API_KEY": KEY, "KLING_UI_DAY_USD": "12.5"}, 12.5),
        ({"KLING_UI_DAY_USD": "0"}, 0.0),
        ({"KLING_UI_DAY_USD": "$3"}, 3.0),
    ],
)
def test_a_days_spending_is_bounded_on_a_space_with_a_key_or_where_it_is_set(
    tmp_path, environ, usd
):
    assert read(tmp_path, **environ).day_usd == usd


@pytest.mark.parametrize("name", ["KLING_UI_ALLOW_HTTP", "KLING_UI_SHARE"])
def test_switches_are_off_unless_they_are_on(tmp_path, name):
    attribute = name.removeprefix("KLING_UI_").lower()
    for value, is_on in {"1": True, "true": True, "ON": True, "0": False, "No": False}.items():
        assert getattr(read(tmp_path, **{name: value}), attribute) is is_on
    assert getattr(read(tmp_path), attribute) is False


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            ("GRADIO_SERVER_PORT", value, "must be a port from 1 to 65535, not")
            for value in ("x", "0", "65536", "-1", "7860.5", "9" * 5000)
        ),
        *(
            ("KLING_UI_DAY_USD", value, "must be a number of US dollars, 0 or more, not")
            for value in ("five", "-1", "nan", "inf", "1,5")
        ),
        ("KLING_UI_SHARE", "perhaps", "must be 1 or 0, not"),
        ("KLING_UI_ALLOW_HTTP", "2", "must be 1 or 0, not"),
        *(
            ("GRADIO_ROOT_PATH", value, "must be a path such as /kling, or a whole address, not")
            for value in ("ftp://a/b", "/a?b", "a#b", "/a b", "a//b", "https://", "//[/a", "a\\b")
        ),
    ],
)
def test_other_garbage_is_refused_by_name_too(tmp_path, name, value, message):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, **{name: value})
    assert str(caught.value).startswith(f"{name} {message}")


@pytest.mark.parametrize("host", ["api.example", "10.0.0.1", "localhost.example", "127.evil.io"])
def test_a_key_is_not_sent_unencrypted_unless_that_is_meant(tmp_path, host):
    base = {"AIML_API_BASE_URL": f"http://{host}:8000"}
    with pytest.raises(SettingsError, match=r"unencrypted.*KLING_UI_ALLOW_HTTP=1"):
        read(tmp_path, AIML_API_KEY=KEY, **base)
    assert read(tmp_path, **base).is_simulated
    meant = read(tmp_path, AIML_API_KEY=KEY, KLING_UI_ALLOW_HTTP="1", **base)
    assert meant.base_url == base["AIML_API_BASE_URL"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.10", "LOCALHOST"])
def test_on_this_machine_a_key_may_go_unencrypted(tmp_path, host):
    assert read(tmp_path, AIML_API_KEY=KEY, AIML_API_BASE_URL=f"http://{host}:8000").api_key == KEY


def test_the_password_is_in_no_repr(tmp_path):
    settings = read(tmp_path, KLING_UI_PASSWORD="opensesame")
    assert settings.password == "opensesame"
    assert "opensesame" not in repr(settings)
