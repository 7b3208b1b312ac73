"""Rate limits, by a token bucket for each caller."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from urllib.parse import unquote

MOST_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    calls: float
    filled_at: float


class Rates:
    """Lets each caller make `per_s` calls a second, and `burst` calls at once after a rest."""

    def __init__(self, per_s: float, burst: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = float(burst or max(1, math.ceil(2 * per_s)))
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, caller: str) -> float:
        """Count a call. Returns 0 if it may be made, otherwise the seconds to wait."""
        now = self._clock()
        bucket = self._buckets.get(caller) or self._new(caller, now)
        if wait_s := self._fill(bucket, now):
            return wait_s
        bucket.calls -= 1
        return 0.0

    def wait_s(self, caller: str) -> float:
        """The seconds until a call of this caller may be counted, without counting one."""
        bucket = self._buckets.get(caller)
        return 0.0 if bucket is None else self._fill(bucket, self._clock())

    def _fill(self, bucket: _Bucket, now: float) -> float:
        """Add the calls of the time that has passed. Returns the seconds until there is one."""
        bucket.calls = min(self._burst, bucket.calls + (now - bucket.filled_at) * self._per_s)
        bucket.filled_at = now
        return 0.0 if bucket.calls >= 1 else (1 - bucket.calls) / self._per_s

    def _new(self, caller: str, now: float) -> _Bucket:
        if len(self._buckets) >= MOST_BUCKETS:
            self._forget_rested(now)
        bucket = self._buckets[caller] = _Bucket(self._burst, now)
        return bucket

    def _forget_rested(self, now: float) -> None:
        """Drop full buckets, which limit nobody, and then the oldest ones, so that memory stays bounded."""
        rest_s = self._burst / self._per_s
        self._buckets = {who: b for who, b in self._buckets.items() if now - b.filled_at < rest_s}
        for caller in sorted(self._buckets, key=lambda who: self._buckets[who].filled_at)[: -MOST_BUCKETS // 2]:
            del self._buckets[caller]


@lru_cache(MOST_BUCKETS)
def host_of(peer: str) -> str:
    """Cut the port off gRPC's name of a peer: ipv4:10.0.0.1:4711 -> ipv4:10.0.0.1.

    An IPv6 address becomes its network of 64 bits, ipv6:2001:db8:1:2::/64: one customer has all addresses in it. The
    addresses of this machine and of its link stay what they are.
    """
    if peer.startswith("ipv4:"):
        return peer.rpartition(":")[0]
    if not peer.startswith("ipv6:"):
        return peer
    host = unquote(peer).rpartition(":")[0].removeprefix("ipv6:").strip("[]")
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return f"ipv6:{host}"
    if address.ipv4_mapped:
        return f"ipv4:{address.ipv4_mapped}"
    if address.is_loopback or address.is_link_local:
        return f"ipv6:{host}"
    return f"ipv6:{IPv6Network((address, 64), strict=False)}"
