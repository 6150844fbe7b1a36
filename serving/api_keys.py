"""Who may ask what: with API keys set, whoever has one; with none, everybody, nearly everything.

A client sends its key in the header `X-API-Key`, or as `Authorization: Bearer <key>`. `OPEN_PATHS`
and the page's files need none. With no key set, `/load_model` answers this computer only, and only
if

| what           | is                             | because otherwise it may be                  |
|----------------|--------------------------------|----------------------------------------------|
| peer's address | loopback                       | another computer                             |
| Host           | loopback or `localhost`        | a web page whose name was made to point here |
| proxy headers  | absent, whatever they may say  | anybody, passed on by a proxy that runs here |

`flask.g.client` is the key's name, or else the peer's address; the log and the rate limit use it.
"""

from __future__ import annotations

import functools
import ipaddress
import urllib.parse

import flask

from serving import errors, key_files
from serving.key_files import load_keys
from serving.settings import ServerSettings

__all__ = ["KEY_HEADER", "install", "install_names", "install_rules", "load_keys"]

KEY_HEADER = "X-API-Key"
OPEN_PATHS = frozenset({"/", "/health", "/ready", "/openapi.json", "/docs"})
OPEN_PREFIX = "/static/"
LOCAL_PATHS = frozenset({"/load_model"})
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Both halves in a row, where nothing has to stand between them."""
    install_names(app, settings)
    install_rules(app, settings)


def install_names(app: flask.Flask, settings: ServerSettings) -> None:
    """Sets `flask.g.client` and `flask.g.has_key`, before anything is refused."""
    app.before_request(functools.partial(_name_client, key_files.KeyRing(settings.api_keys)))


def install_rules(app: flask.Flask, settings: ServerSettings) -> None:
    """Refuses who has no key (401), or is elsewhere (403); `install_names` must come before."""
    app.before_request(_require_key if settings.api_keys else _require_local)


def _name_client(ring: key_files.KeyRing) -> None:
    name = ring.name_of(_sent_key(flask.request)) if ring else None
    flask.g.has_key = name is not None
    flask.g.client = name or flask.request.remote_addr or "unknown"


def _require_key() -> None:
    path = flask.request.path
    if flask.g.has_key or path in OPEN_PATHS or path.startswith(OPEN_PREFIX):
        return
    got = "one that it does not know" if _sent_key(flask.request) else "none"
    raise errors.RequestError(
        401,
        f"Expected an API key of this server, got {got}. Send it in the header {KEY_HEADER}, or as "
        "'Authorization: Bearer <key>'.",
    )


def _require_local() -> None:
    if flask.request.path in LOCAL_PATHS and not _is_local(flask.request):
        raise errors.RequestError(
            403,
            f"{flask.request.path} expects an API key or a request from the server's own computer "
            "to http://127.0.0.1 or http://localhost, without a proxy; got neither. Start the "
            "server with API keys to call it from elsewhere.",
        )


def _sent_key(request: flask.Request) -> str:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = token if scheme.lower() == "bearer" else ""
    return key.strip()


def _is_local(request: flask.Request) -> bool:
    if any(header in request.headers for header in _PROXY_HEADERS):
        return False
    try:
        host = urllib.parse.urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # Brackets that enclose no address.
        return False
    return _is_loopback(request.remote_addr or "") and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both families gives 127.0.0.1 as ::ffff:127.0.0.1.
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
