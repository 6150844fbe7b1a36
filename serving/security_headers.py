"""Headers that tell a browser to be careful with every answer.

The page at `/` may load scripts, styles and pictures of this server, show pictures that the user
chose (`blob:`, `data:`), ask this server, and use the camera; nothing else, and nobody may put it
into a frame. A route that needs another policy, as /docs for its one style, sets the header itself.
"""

from __future__ import annotations

import flask

from serving.settings import ServerSettings

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Pages of other origins may only read answers that CORS gives them.
    "Cross-Origin-Resource-Policy": "same-origin",
    # Answers about somebody's kitchen do not belong in a shared cache.
    "Cache-Control": "no-store",
}


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Adds `HEADERS` to every answer, errors included, unless its route has set them."""
    del settings  # Nothing about it can be chosen; all guards are installed alike.
    app.after_request(_add)


def _add(response: flask.Response) -> flask.Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
