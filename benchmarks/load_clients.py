"""Threads that ask a server the same question again and again, each over one connection.

They keep their own use of the processor low, since they share the machine with the server: the body
is made once, `http.client` sends it as it is, and of the answer only the times are read.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Mapping

NO_ANSWER = 0
# Who is refused waits so long, or a full queue would be kept busy with refusing.
_PAUSE_S = 0.05


@dataclasses.dataclass(frozen=True)
class Sample:
    """One request.

    Attributes:
        status: of HTTP; `NO_ANSWER` if the connection failed.
        latency_ms: from the first byte sent to the last one received.
        timing_ms: the server's own times, of an answer with status 200; else {}.
    """

    status: int
    latency_ms: float
    timing_ms: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Target:
    """What is asked.

    Attributes:
        url: of the server, "http://host:port".
        route: such as "/predict".
        body: JSON.
        headers: of every request.
        timeout_s: longest wait for an answer.
    """

    url: str
    route: str
    body: bytes
    headers: Mapping[str, str]
    timeout_s: float = 60.0


class Connection:
    """A kept-alive connection; for one thread."""

    def __init__(self, target: Target) -> None:
        """Connects when something is asked."""
        self._target = target
        address = urllib.parse.urlsplit(target.url)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(address.hostname, address.port, timeout=target.timeout_s)
        self._route = address.path.rstrip("/") + target.route

    def ask(self) -> Sample:
        """Sends the request once and waits for the answer."""
        started = time.perf_counter()
        try:
            self._connection.request("POST", self._route, self._target.body, self._target.headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Sample(NO_ANSWER, 1000 * (time.perf_counter() - started), {})
        latency_ms = 1000 * (time.perf_counter() - started)
        timing = json.loads(content).get("timing_ms", {}) if response.status == 200 else {}
        return Sample(response.status, latency_ms, timing)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def run_clients(target: Target, clients: int, seconds: float) -> tuple[list[Sample], float]:
    """Asks from several threads at a time.

    Args:
        target: what is asked.
        clients: threads, each with a connection.
        seconds: after which no request is begun; those on their way are waited for.

    Returns:
        Every request of every client, and the seconds from the start to the last answer.
    """
    gathered: list[list[Sample]] = [[] for _ in range(clients)]
    begin = threading.Barrier(clients + 1)

    def work(samples: list[Sample]) -> None:
        connection = Connection(target)
        begin.wait()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            samples.append(connection.ask())
            if samples[-1].status != 200:
                time.sleep(_PAUSE_S)
        connection.close()

    threads = [threading.Thread(target=work, args=(samples,)) for samples in gathered]
    for thread in threads:
        thread.start()
    begin.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return [one for samples in gathered for one in samples], time.perf_counter() - started
