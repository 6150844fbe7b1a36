"""How many requests one client may make: a bucket of tokens for each, 429 when it is empty.

With 60 requests a minute a bucket holds 60 tokens and gets one back each second. A client that was
quiet may so send 60 at once, and one a second after that.

Written here rather than taken from flask-limiter: one process serves, so nothing needs a store that
several share, and what is left of the task is one dictionary.
"""

from __future__ import annotations

import collections
import functools
import ipaddress
import math
import threading
import time
from collections.abc import Callable

import flask

from serving import errors
from serving.settings import ServerSettings

# Asked every few seconds by whoever watches over the server.
FREE_PATHS = frozenset({"/health", "/ready", "/metrics"})


class TokenBuckets:
    """One bucket for each client, shared by the server's threads."""

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        max_clients: int = 10_000,
    ) -> None:
        """Args:
            per_minute: tokens that a bucket holds, and gets back in a minute.
            clock: seconds, never going back.
            max_clients: buckets that are kept; the one unused for longest makes room, so that
                requests from ever new addresses cannot fill the memory.

        Raises:
            ValueError: if `per_minute` is less than one.
        """
        if per_minute < 1:
            raise ValueError(
                f"requests_per_minute: expected 1 or more, or None for no limit; got {per_minute}."
            )
        self._capacity = per_minute
        self._clock = clock
        self._max_clients = max_clients
        # Client -> (tokens, when they were counted); the one used last is at the end.
        self._buckets: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def take(self, client: str) -> float:
        """Takes a token if there is one.

        Returns:
            0.0 if the client may go on, else the seconds until it will have a token.
        """
        refill_per_s = self._capacity / 60
        with self._lock:
            now = self._clock()
            tokens, counted = self._buckets.pop(client, (float(self._capacity), now))
            tokens = min(self._capacity, tokens + (now - counted) * refill_per_s)
            # Sixty times a sixtieth is a little less than one.
            is_granted = tokens > 1 - 1e-9
            self._buckets[client] = (max(0.0, tokens - is_granted), now)
            if len(self._buckets) > self._max_clients:
                self._buckets.popitem(last=False)
        return 0.0 if is_granted else (1 - tokens) / refill_per_s

    def __len__(self) -> int:
        return len(self._buckets)


def install(
    app: flask.Flask, settings: ServerSettings, clock: Callable[[], float] = time.monotonic
) -> None:
    """Limits each key or address; without `settings.requests_per_minute`, nothing is limited."""
    if settings.requests_per_minute is not None:
        buckets = TokenBuckets(settings.requests_per_minute, clock)
        app.before_request(functools.partial(_take, buckets, settings.requests_per_minute))


def _take(buckets: TokenBuckets, per_minute: int) -> None:
    path = flask.request.path
    # The page is some twenty files, none of which asks the model.
    if path in FREE_PATHS or path == "/" or path.startswith("/static/"):
        return
    wait_s = math.ceil(buckets.take(_network_of(flask.g.client)))
    if wait_s:
        raise errors.RequestError(
            429,
            f"Expected at most {per_minute} requests a minute, got more from {flask.g.client}. "
            f"Ask again in {wait_s} s.",
            retry_after_s=wait_s,
        )


def _network_of(client: str) -> str:
    """An IPv6 address gives its /64, all of which one computer may use; anything else stays."""
    try:
        address = ipaddress.IPv6Address(client)
    except ValueError:
        return client
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
