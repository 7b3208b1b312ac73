"""Finds hosts that begin calls and reset them at once (CVE-2023-44487), hangs up on them, and keeps them out a while.

gRPC keeps 1,000 calls that no handler has begun and cancels further ones, whoever made them, so that such a host
starves all others.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import structlog

from convoy.core.security.rates import host_of
from convoy.core.serving import closed_hosts
from convoy.core.serving.call_counts import ServerGone, Streams
from convoy.core.telemetry import RESET_FLOODS

log = structlog.get_logger()
LOOK_S = 0.25
SHUT_OUT_S = 60.0
MOST_FAILED, MOST_OF_ALL = 0.75, 0.25
"""The share of a host's streams that may fail; of all that fail, the share of one host: others fail beside a flood."""
STRIKES = 3
"""Looks in a row that must find a host so: whose deadlines pass while the service stands still is found so once."""
_COST_S = 1e-4
_FEW = 20
# Health probes of the container, and a proxy on this machine, come from here.
_NEVER_SHUT_OUT = {"ipv4:127.0.0.1", "ipv6:::1"}


class Counts(Protocol):
    """What gRPC counts."""

    def begun(self) -> int:
        """Count the calls that clients have begun."""

    def streams(self) -> dict[str, Streams]:
        """Count the streams of each connection that is open, by gRPC's name of its peer."""


class Gate(Protocol):
    """Keeps hosts out."""

    def hang_up(self, peers: Collection[str]) -> None:
        """End these connections."""

    def close_to(self, hosts: Iterable[str]) -> None:
        """Let these hosts make no connection, and others again."""


class PortGate:
    """The gate of the port on which a server listens."""

    def __init__(self, port: int) -> None:
        self._port = port

    def hang_up(self, peers: Collection[str]) -> None:
        """End these connections."""
        closed_hosts.hang_up(peers)

    def close_to(self, hosts: Iterable[str]) -> None:
        """Let these hosts make no connection, and others again."""
        try:
            closed_hosts.close_to(self._port, hosts)
        except OSError as error:
            log.warning("this system does not let the service keep hosts out", problem=str(error))


class ResetFloods:
    """Watches one server, in a thread of its own: in a flood the event loop comes to nothing for a second at a time.

    most_per_s: streams of one host that may fail in a second; handled: how many calls have reached a handler so far.
    """

    def __init__(
        self,
        counts: Counts,
        gate: Gate,
        most_per_s: float,
        handled: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._gate = gate
        self._most_per_s = most_per_s
        self._handled = handled
        self._clock = clock
        self._before = counts.begun(), handled()
        self._streams: tuple[float, dict[str, Streams]] | None = None
        self._strikes: Counter[str] = Counter()
        self._shut_out: dict[str, float] = {}
        self._over = threading.Event()

    def start(self) -> None:
        """Look four times a second, until `stop`."""
        threading.Thread(target=self._run, name="reset-floods", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _run(self) -> None:
        pause_s = LOOK_S
        while not self._over.wait(pause_s):
            try:
                self.look()
            except ServerGone:
                return
            connections = len(self._streams[1]) if self._streams else 0
            # It may take a fifth of the time.
            pause_s = max(LOOK_S, 4 * _COST_S * connections)

    def look(self) -> None:
        """Compare with the last look, and act."""
        now, (begun, handled) = self._clock(), self._before
        self._before = self._counts.begun(), self._handled()
        begun, handled = self._before[0] - begun, self._before[1] - handled
        self._let_in_again(now)
        # Of ordinary calls nearly all reach a handler. Only if most do not is it worth to look at each connection.
        if begun < _FEW or begun < 2 * handled:
            self._streams, self._strikes = None, Counter()
            return
        streams = self._counts.streams()
        last, self._streams = self._streams, (now, streams)
        if last is not None:
            self._judge(last[1], streams, now, now - last[0])

    def _judge(self, before: dict[str, Streams], streams: dict[str, Streams], now: float, passed_s: float) -> None:
        by_host: defaultdict[str, Streams] = defaultdict(Streams)
        resetting: dict[str, set[str]] = defaultdict(set)
        for peer, count in streams.items():
            since = count - before.get(peer, Streams())
            host = host_of(peer)
            by_host[host] += since
            if since.failed > MOST_FAILED * since.begun:
                resetting[host].add(peer)
        least = max(self._most_per_s * passed_s, MOST_OF_ALL * sum(since.failed for since in by_host.values()))
        found = [host for host, one in by_host.items() if one.failed >= max(least, MOST_FAILED * one.begun)]
        self._strikes = Counter({host: self._strikes[host] + 1 for host in found})
        for host in found:
            if self._strikes[host] >= STRIKES:
                self._shut(host, now)
                # Others behind the same address keep their connections.
                self._gate.hang_up(resetting[host])

    def _shut(self, host: str, now: float) -> None:
        RESET_FLOODS.inc()
        if host in _NEVER_SHUT_OUT or len(self._shut_out) >= closed_hosts.MOST_CLOSED:
            return
        if host not in self._shut_out:
            log.warning("a host that resets its calls in a flood is kept out", host=host, seconds=SHUT_OUT_S)
        self._shut_out[host] = now + SHUT_OUT_S
        self._gate.close_to(self._shut_out)

    def _let_in_again(self, now: float) -> None:
        if over := [host for host, until in self._shut_out.items() if until <= now]:
            for host in over:
                del self._shut_out[host]
            self._gate.close_to(self._shut_out)
