"""Which way a download takes: directly, through a proxy, through a VPN; and what is said where
it fails. Proxies and file hosts are real ones on loopback; nothing is looked up."""

import asyncio
import gzip
import ssl
import zlib
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from kling_ui.client import Client, DownloadError, Network, NotSentError
from kling_ui.client import network as network_module
from kling_ui.client.connection_errors import describe
from kling_ui.client.download import Downloader
from kling_ui.client.network import NetworkSettingError, Proxies, parse_no_proxy
from kling_ui.client.public_transport import CheckedTransport

CERTIFICATES = Path(__file__).parents[1] / "certificates"
KEY = "sk-very-secret-0123456789"
FILM = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 50
CREATED = b'{"id": "t1"}'
TLS_HELLO = b"\x16"
LINK = "https://films.example/v.mp4?signature=abc"


def packed(data):
    """Return gzip data that is the same in every worker of a run."""
    return gzip.compress(data, mtime=0)


def http(body, status=200, **headers):
    fields = {"Content-Length": len(body), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status} X"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Host:
    """A server for every name, over TLS where it has a certificate; keeps what it was sent."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.port = 0

    async def serve(self, reader, writer):
        try:
            head = await reader.read(1)
            if head == TLS_HELLO:
                writer.write(http(b"", 400))
                return
            head += await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            writer.write(self.answer(head) if callable(self.answer) else self.answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hosting(answer=None, certificate="server"):
    host = Host(http(FILM) if answer is None else answer)
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


class Proxy:
    """Makes every tunnel to the one host it knows, or answers with a refusal."""

    def __init__(self, target, refusal):
        self.target = target
        self.refusal = refusal
        self.asked = []
        self.url = ""

    @property
    def lines(self):
        return [head.split(b"\r\n")[0].decode() for head in self.asked]

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head)
            if self.refusal:
                writer.write(self.refusal)
                await writer.drain()
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                back.write(head)
            await asyncio.gather(pump(reader, back), pump(there, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def pump(reader, writer):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxying(target=0, refusal=b""):
    proxy = Proxy(target, refusal)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy


def trusting(name="authority", **found):
    certificates = ssl.create_default_context(cafile=CERTIFICATES / f"{name}.pem")
    return Network(proxies=Proxies.read(found), certificates=certificates)


def client_with(network, base_url="https://api.example", **more):
    return Client(base_url=base_url, api_key=KEY, network=network, **more)


async def downloaded(network, to, link=LINK):
    async with client_with(network) as client:
        return await client.download(link, to, expected_bytes=None)


async def refused(network, to, link=LINK):
    with pytest.raises(DownloadError) as caught:
        await downloaded(network, to, link)
    assert not to.exists()
    assert "signature" not in str(caught.value)
    return caught.value


# --------------------------------------------------------------------------- proxies


async def test_a_paid_film_comes_the_same_way_as_the_posts_answer(tmp_path):
    to = tmp_path / "v"

    def answer(head):
        return http(CREATED, 201) if head.startswith(b"POST") else http(FILM)

    async with (
        hosting(answer) as host,
        proxying(host.port) as proxy,
        client_with(trusting(https=proxy.url)) as client,
    ):
        assert (await client.create({}, request_id="r", route="kling")).task_id == "t1"
        await client.download(LINK, to, expected_bytes=len(FILM))
    assert to.read_bytes() == FILM
    assert proxy.lines == ["CONNECT api.example:443 HTTP/1.1", "CONNECT films.example:443 HTTP/1.1"]
    assert KEY.encode() in host.requests[0]
    assert KEY.encode() not in host.requests[1] + b"".join(proxy.asked)


async def test_a_plain_link_goes_through_the_proxy_for_plain_ones(tmp_path):
    async with hosting(certificate=None) as host, proxying(host.port) as proxy:
        await downloaded(trusting(all=proxy.url), tmp_path / "v", "http://films.example/v.mp4")
    assert proxy.lines == ["GET http://films.example/v.mp4 HTTP/1.1"]
    assert KEY.encode() not in proxy.asked[0]


async def test_a_proxys_own_password_reaches_the_proxy_alone(tmp_path):
    async with hosting() as host, proxying(host.port) as proxy:
        url = proxy.url.replace("//", "//me:open%20sesame@")
        await downloaded(trusting(https=url), tmp_path / "v")
    assert b"proxy-authorization: basic " in proxy.asked[0].lower()
    assert b"authorization" not in host.requests[0].lower()


PRIVATE = [
    *("10.0.0.1", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "169.254.169.254", "198.18.0.7"),
    *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "192.168.0.1.", "0"),
    *("localhost", "router", "nas.local", "git.internal", "a.localhost", "printer.lan"),
    *("fritz.home", "a.home.arpa", "wiki.corp", "LOCALHOST", "x.Internal.", "intranet"),
]


@pytest.mark.parametrize("host", PRIVATE)
async def test_a_proxy_is_asked_for_nothing_that_is_private_by_its_looks(tmp_path, host):
    async with hosting(certificate=None) as films, proxying(films.port) as proxy:
        error = await refused(trusting(all=proxy.url), tmp_path / "v", f"http://{host}/v.mp4")
    assert error.reason == "refused_address"
    assert proxy.asked == []


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost", "nas.local", "198.19.255.1"])
async def test_each_redirect_through_a_proxy_is_looked_at(tmp_path, host):
    answer = http(b"", 302, Location=f"https://{host}/v.mp4")
    async with hosting(answer) as films, proxying(films.port) as proxy:
        error = await refused(trusting(https=proxy.url), tmp_path / "v")
    assert error.reason == "refused_address"
    assert proxy.lines == ["CONNECT films.example:443 HTTP/1.1"]


@pytest.mark.parametrize("link", ["https://8.8.8.8/v", "https://[2001:4860:4860::8888]/v"])
async def test_a_public_address_may_be_asked_for(tmp_path, link):
    async with proxying(refusal=b"HTTP/1.1 503 Busy\r\n\r\n") as proxy:
        assert (await refused(trusting(https=proxy.url), tmp_path / "v", link)).may_retry
    assert proxy.lines[0].startswith("CONNECT ")


async def test_an_api_on_this_machine_is_never_asked_through_a_proxy():
    async with hosting(http(CREATED, 201), certificate=None) as api, proxying() as proxy:
        network = trusting(all=proxy.url)
        async with client_with(network, f"http://127.0.0.1:{api.port}") as client:
            await client.create({}, request_id="r", route="kling")
    assert proxy.asked == []


async def test_the_network_is_read_from_the_environment_where_none_is_given(tmp_path, monkeypatch):
    async with hosting(certificate=None) as host, proxying(host.port) as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with Client(base_url="https://api.example", api_key=KEY) as client:
            await client.download("http://films.example/v", tmp_path / "v", expected_bytes=None)
    assert len(proxy.asked) == 1


BYPASSED = {
    "films.example": True,
    "example": True,
    ".example": True,
    "*.example": True,
    "cdn.films.example": False,
    ".films.example": False,
    "ilms.example": False,
    "FILMS.example": True,
    "films.example:443": True,
    "films.example:8443": False,
    "https://films.example": True,
    " other.example , films.example ": True,
    "other.example films.example": True,
    "other.example;films.example": True,
    "*": True,
    "a,*": True,
    "": False,
    ",": False,
    "fe80::/10": False,
    "[::1]": False,
    "[fe80::]/10": False,
    "10.0.0.0/8": False,
    "[": False,
    "]:": False,
    "://": False,
    ":80": False,
    "\x00": False,
    "10.0.0.0/99": False,
    "films.example:99999999999999999999": False,
    "é.example": False,
}


@pytest.mark.parametrize(("text", "is_bypassed"), BYPASSED.items())
def test_any_no_proxy_list_is_read_and_none_is_an_error(text, is_bypassed):
    url = httpx.URL("https://films.example/v")
    assert any(entry.covers(url) for entry in parse_no_proxy(text)) is is_bypassed


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("fe80::/10", "[fe80::1]"),
        ("[fe80::]/10", "[fe80::1]"),
        ("[::2]", "[::2]"),
        ("[2001:db8::1]:443", "[2001:db8::1]"),
    ],
)
def test_no_proxy_knows_ranges_and_brackets(text, host):
    proxies = Proxies.read({"https": "http://proxy:1", "no": text})
    assert proxies.for_url(httpx.URL(f"https://{host}/")) is None
    assert proxies.for_url(httpx.URL("https://films.example/")) is not None


def test_each_scheme_has_its_proxy_and_all_stands_in():
    proxies = Proxies.read({"https": "http://a:1", "all": "http://b:1"})
    found = [
        proxies.for_url(httpx.URL(f"{scheme}://films.example")) for scheme in ("https", "http")
    ]
    assert [(proxy.setting, proxy.url) for proxy in found] == [
        ("HTTPS_PROXY", "http://a:1"),
        ("ALL_PROXY", "http://b:1"),
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(host):
    assert Proxies.read({"all": "http://a:1"}).for_url(httpx.URL(f"http://{host}/")) is None


UNUSABLE = [
    *("socks4://me:sesame@host:1", "ftp://me:sesame@host", "http://me:sesame@host:port"),
    *("http://", "http://[::1", "://", "me:sesame@host:port", "http://me:sesame@:1"),
]


@pytest.fixture
def environment(monkeypatch):
    """Return a function that sets the network's variables, and none but those."""
    monkeypatch.setattr(httpx, "create_ssl_context", httpx._config.create_ssl_context)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return set_variables


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("url", UNUSABLE)
def test_a_proxy_that_is_none_is_told_by_its_settings_name_alone(environment, name, url):
    environment(**{name: url})
    with pytest.raises(NetworkSettingError, match=f"^{name} is not the address of a proxy") as told:
        Network.from_environment()
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize("url", ["socks5://host:1", "socks5h://host", "socks://host:1"])
def test_socks_works_where_its_package_is_there_and_says_so_where_not(
    environment, monkeypatch, url
):
    environment(ALL_PROXY=url)
    monkeypatch.setattr(network_module, "find_spec", lambda _: None)
    with pytest.raises(NetworkSettingError, match=r"ALL_PROXY names a SOCKS proxy.*socksio"):
        Network.from_environment()
    monkeypatch.setattr(network_module, "find_spec", lambda _: object())
    proxy = Network.from_environment().proxies.for_url(httpx.URL("https://films.example"))
    assert httpx.URL(proxy.checked(ssl.create_default_context()).url).scheme.startswith("socks5")


@pytest.mark.parametrize(
    "variables",
    [
        {"ALL_PROXY": "socks5://h:1", "HTTPS_PROXY": "http://h:1"},
        {"ALL_PROXY": "socks4://h:1", "NO_PROXY": "*"},
        {"HTTPS_PROXY": "", "NO_PROXY": "fe80::/10,[::1]"},
        {"HTTPS_PROXY": "host:8080"},
        {"HTTPS_PROXY": "HTTP://host"},
    ],
)
def test_what_is_not_used_is_no_reason_not_to_start(environment, variables):
    environment(**variables)
    assert Network.from_environment()


async def test_a_proxy_that_only_plain_links_would_need_is_told_by_the_download(tmp_path):
    network = trusting(https="http://127.0.0.1:1", http="socks4://me:sesame@host:1")
    error = await refused(network, tmp_path / "v", "http://films.example/v")
    assert "HTTP_PROXY is not the address" in str(error)
    assert "sesame" not in str(error)


# --------------------------------------------------------------------------- certificates


async def test_an_own_authority_in_ssl_cert_file_counts_for_api_and_download(tmp_path, environment):
    def answer(head):
        return http(CREATED, 201) if head.startswith(b"POST") else http(FILM)

    async with hosting(answer) as host, proxying(host.port) as proxy:
        environment(HTTPS_PROXY=proxy.url, SSL_CERT_FILE=CERTIFICATES / "authority.pem")
        async with Client(base_url="https://api.example", api_key=KEY) as client:
            await client.create({}, request_id="r", route="kling")
            await client.download(LINK, tmp_path / "v", expected_bytes=None)
    assert len(host.requests) == 2


@pytest.mark.parametrize("content", [None, "", "garbage", "-----BEGIN CERTIFICATE-----\nno\n"])
def test_a_certificate_file_that_is_gone_or_garbage_is_told(tmp_path, environment, content):
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_text(content)
    environment(SSL_CERT_FILE=path)
    with pytest.raises(NetworkSettingError, match=r"^SSL_CERT_FILE names a file that is not there"):
        Network.from_environment()
    assert Network.loopback_only().certificates.cert_store_stats()["x509_ca"]


def test_a_folder_of_certificates_is_told_where_it_holds_none(tmp_path, environment):
    folder = tmp_path / "certificates"
    environment(SSL_CERT_DIR=folder)
    for _ in range(2):
        with pytest.raises(NetworkSettingError, match=r"^SSL_CERT_DIR names no folder"):
            Network.from_environment(certificate_folders=str(folder))
        folder.mkdir(exist_ok=True)
    (folder / "0a1b2c3d.0").write_bytes((CERTIFICATES / "authority.pem").read_bytes())
    assert Network.from_environment(certificate_folders=f"/gone:{folder}")


@pytest.mark.parametrize(
    ("certificate", "trusted", "link", "words"),
    [
        ("server", "expired", LINK, ("certificate of films.example", "SSL_CERT_FILE")),
        ("expired", "authority", LINK, ("not valid at this time", "clock")),
        ("server", "authority", "https://other.example/", ("made for another name",)),
        (None, "authority", LINK, ("films.example", "may not speak https")),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_told(
    tmp_path, certificate, trusted, link, words
):
    async with hosting(certificate=certificate) as host, proxying(host.port) as proxy:
        error = await refused(trusting(trusted, https=proxy.url), tmp_path / "v", link)
    assert error.reason == "network"
    assert all(word in str(error) for word in words), error


# --------------------------------------------------------------------------- causes


def proxied(url):
    return trusting(https=url.replace("//", "//me:sesame@"))


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (b"HTTP/1.1 407 sesame\r\n\r\n", "wants another user name and password (407)"),
        (b"HTTP/1.1 403 sesame\r\n\r\n", "refused the connection (403)"),
    ],
)
async def test_a_proxy_that_refuses_is_named_by_its_setting_and_host(tmp_path, refusal, words):
    async with proxying(refusal=refusal) as proxy:
        network = proxied(proxy.url)
        error = await refused(network, tmp_path / "v")
        async with client_with(network) as client:
            with pytest.raises(NotSentError):
                await client.create({}, request_id="r", route="kling")
    assert words in str(error)
    assert f"HTTPS_PROXY ({proxy.url.removeprefix('http://')})" in str(error)
    assert "sesame" not in str(error)


async def test_a_plain_links_proxy_that_wants_a_password_is_no_answer_of_the_host(tmp_path):
    async with proxying(refusal=http(b"", 407)) as proxy:
        error = await refused(trusting(http=proxy.url), tmp_path / "v", "http://films.example/v")
    assert error.reason == "network"
    assert "HTTP_PROXY" in str(error)


async def test_a_proxy_that_is_not_there_is_named(tmp_path):
    async with proxying() as proxy:
        pass
    error = await refused(proxied(proxy.url), tmp_path / "v")
    assert f"({proxy.url.removeprefix('http://')}) could not be reached" in str(error)


async def test_a_proxy_that_speaks_no_tls_though_its_address_says_so_is_told(tmp_path):
    async with proxying(refusal=http(b"", 400)) as proxy:
        error = await refused(proxied(proxy.url.replace("http:", "https:")), tmp_path / "v")
    assert "begin its address with http://" in str(error)


async def test_a_host_that_does_not_listen_is_told():
    async with hosting() as host:
        port = host.port
    with pytest.raises(httpx.ConnectError) as caught:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{port}/")
    assert describe(caught.value).startswith("Nobody listens at 127.0.0.1")


@pytest.mark.parametrize("exc", [httpx.ReadTimeout("x"), httpx.ReadError("x"), ValueError("x")])
def test_where_the_type_says_all_there_is_no_sentence(exc):
    assert describe(exc) is None


# --------------------------------------------------------------------------- fake addresses


FAKED = [
    (["198.18.0.7"], ["198.18.0.3"], True),
    (["198.19.255.254", "fc00::7"], ["198.18.0.3"], True),
    (["198.18.0.7"], ["93.184.216.34"], False),
    (["198.18.0.7"], [], False),
    (["198.18.0.7", "10.0.0.1"], ["198.18.0.3"], False),
    (["fc00::7"], ["198.18.0.3"], False),
    (["10.0.0.1"], ["198.18.0.3"], False),
    (["198.20.0.1"], ["198.18.0.3"], True),  # public
]


@pytest.mark.parametrize(("addresses", "api_addresses", "is_fetched"), FAKED)
async def test_made_up_addresses_are_taken_where_the_api_has_one_too(
    tmp_path, addresses, api_addresses, is_fetched
):
    hosts, downloader = faked({"films.example": addresses, "api.example": api_addresses})
    if is_fetched:
        await downloader.fetch(LINK, tmp_path / "v", expected_bytes=None)
        assert hosts == addresses[:1]
        return
    with pytest.raises(DownloadError) as caught:
        await downloader.fetch(LINK, tmp_path / "v", expected_bytes=None)
    assert caught.value.reason == "refused_address"
    assert hosts == []


@pytest.mark.parametrize("host", ["198.18.0.7", "198.18.7", "3323068423", "0xc6120007"])
async def test_a_made_up_address_is_never_taken_from_a_link(tmp_path, host):
    hosts, downloader = faked({host: ["198.18.0.7"], "api.example": ["198.18.0.3"]})
    with pytest.raises(DownloadError) as caught:
        await downloader.fetch(f"https://{host}/v", tmp_path / "v", expected_bytes=None)
    assert caught.value.reason == "refused_address"
    assert hosts == []


def faked(addresses):
    """Return a downloader where names have these addresses, and the hosts it connects to."""
    hosts = []

    def connect(request):
        hosts.append(request.url.host)
        return httpx.Response(200, stream=httpx.ByteStream(FILM))

    async def look_up(host, port):
        return addresses[host]

    transport = CheckedTransport(
        httpx.MockTransport(connect),
        loopback_allowed=False,
        resolve_seconds=1.0,
        api_host="api.example",
        resolve=look_up,
    )
    limits = {"timeout": httpx.Timeout(1.0), "whole_seconds": 5.0, "max_bytes": 10**6}
    return hosts, Downloader(transport, **limits)


# --------------------------------------------------------------------------- bytes and headers


TAKEN = [
    *(({"Content_Encoding": word}, FILM) for word in (
        "aws-chunked", "identity", "utf-8", "binary", "none", "", "aws-chunked,", "UTF-8, 8bit",
        "gzip", "br", "zstd", "gzip, br",
    )),
    ({"Content_Type": "text/html"}, FILM),
    ({"Content_Type": "application/json; charset=utf-8"}, FILM),
    ({"Content_Type": "text/plain"}, FILM),
    ({"Content_Encoding": "gzip"}, packed(FILM)),
    ({"Content_Encoding": "aws-chunked, gzip"}, packed(FILM)),
    ({"Content_Encoding": "X-GZIP"}, packed(FILM)),
    ({"Content_Encoding": "deflate"}, zlib.compress(FILM)),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body"), TAKEN)
async def test_the_bytes_decide_whether_it_is_a_film(tmp_path, headers, body):
    to = tmp_path / "v"
    async with hosting(http(body, **headers), certificate=None) as host:
        url = f"http://127.0.0.1:{host.port}"
        async with client_with(trusting(), url) as client:
            size = await client.download(f"{url}/v", to, expected_bytes=len(FILM))
    assert size == len(FILM)
    assert to.read_bytes() == FILM


BOMB = packed(FILM + bytes(3 * 1024**2))


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"Content_Encoding": "br"}, b"packed by brotli", "not_video"),
        ({"Content_Encoding": "zstd"}, b"\x28\xb5\x2f\xfd packed", "not_video"),
        ({"Content_Encoding": "gzip, gzip"}, packed(packed(FILM)), "not_video"),
        ({"Content_Encoding": "gzip"}, b"not packed at all", "not_video"),
        ({"Content_Encoding": "gzip"}, packed(FILM)[:-20], "not_video"),
        ({"Content_Encoding": "gzip"}, BOMB, "too_large"),
        ({"Content_Type": "text/html"}, b"<!doctype html><p>Blocked", "not_video"),
        ({"Content_Type": "text/html", "Content_Encoding": "gzip"}, packed(b"<p>" * 9),
         "not_video"),
    ],
)  # fmt: skip
async def test_what_cannot_be_unpacked_to_a_film_is_refused(tmp_path, headers, body, reason):
    to = tmp_path / "v"
    async with hosting(http(body, **headers), certificate=None) as host:
        url = f"http://127.0.0.1:{host.port}"
        async with client_with(trusting(), url, max_video_bytes=1024**2) as client:
            with pytest.raises(DownloadError) as caught:
                await client.download(f"{url}/v", to, expected_bytes=None)
    assert caught.value.reason == reason
    assert not to.exists()
