"""Runs waitress so that SIGTERM loses no request: what was accepted is answered, then it ends.

Waitress itself, told to stop, cancels the requests that have no thread yet and drops answers that
are not sent yet. Here the loop goes on without the listening socket until every connection is
either idle or has sent its answer.
"""

from __future__ import annotations

import signal
import threading
import time
import types

from absl import logging
from waitress import channel, server, wasyncore

_LOOP_S = 0.5
# One pass of the loop while it drains; idle connections are looked for after each.
_DRAIN_LOOP_S = 0.05
# Passes in which connections that the kernel has already made are still taken over.
_LAST_ACCEPTS = 3


class DrainingServer:
    """A waitress server that ends well."""

    def __init__(self, waitress_server: server.BaseWSGIServer, drain_s: float = 30.0) -> None:
        """Args:
        waitress_server: from `waitress.create_server` with one socket.
        drain_s: longest time to finish accepted requests after the end was asked for.
        """
        self._server = waitress_server
        self._drain_s = drain_s
        self._stopping = threading.Event()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT ask for the end; a second one ends the process as usual."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def stop(self) -> None:
        """Asks for the end, from any thread."""
        if self._stopping.is_set():
            return
        # The loop sleeps until something can be read. Set first, it might close the trigger before
        # it is pulled.
        self._server.trigger.pull_trigger()
        self._stopping.set()

    def run(self) -> int:
        """Serves until the end is asked for, finishes what was accepted.

        Returns:
            The connections whose requests could not be finished in time.
        """
        while not self._stopping.is_set():
            self._loop(_LOOP_S)
        for _ in range(_LAST_ACCEPTS):
            self._loop(_DRAIN_LOOP_S)
        # Only the listening socket closes: from here on clients are refused and may go elsewhere.
        self._server.accepting = False
        self._server.del_channel()
        self._server.socket.close()
        unfinished = self._drain()
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._server._map, ignore_all=True)
        return unfinished

    def _drain(self) -> int:
        give_up = time.monotonic() + self._drain_s
        while True:
            busy = [one for one in self._channels() if _is_busy(one)]
            if not busy:
                return 0
            if time.monotonic() > give_up:
                logging.error("%d connections were not finished in %s s", len(busy), self._drain_s)
                return len(busy)
            self._loop(_DRAIN_LOOP_S)

    def _channels(self) -> list[channel.HTTPChannel]:
        return list(self._server.active_channels.values())

    def _loop(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._server._map, count=1)

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        del frame
        logging.info("got %s, stopping", signal.Signals(number).name)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        self.stop()


def _is_busy(one: channel.HTTPChannel) -> bool:
    """Whether a request is being received, waits, is worked on, or its answer is not sent yet."""
    return bool(one.requests or one.request is not None or one.total_outbufs_len)
