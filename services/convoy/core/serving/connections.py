"""How many bytes each connection of this process has received, as the kernel counts them, and what of it is a message.

gRPC does not tell how much of a message has arrived. On Linux the kernel does, for each socket (TCP_INFO, Linux 4.1).
"""

import os
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

_DESCRIPTORS = Path("/proc/self/fd")
# struct tcp_info of linux/tcp.h: tcpi_bytes_received is the 64-bit number at byte 128.
_BYTES_RECEIVED = 128
_INFO_BYTES = 136
# Most bytes that a connection receives beside messages: headers of a call, frames and TLS records of a message, pings.
# The kernel counts these too, so without this a stream would seem to hold megabytes after a day.
_BESIDE_A_CALL = 2048
_BESIDE_A_MESSAGE = 256
_BYTES_BESIDE_ONE = 32
_BESIDE_PER_S = 32


class Connections:
    """The sockets of this process by gRPC's names of their peers, such as ipv4:10.0.0.1:4711."""

    def __init__(self) -> None:
        self._sockets: dict[str, int] = {}
        # By descriptor: which file it is (device, inode), and the peer. To ask for a peer takes 30 microseconds.
        self._known: dict[int, tuple[tuple[int, int], str]] = {}

    def received(self, peers: Iterable[str], may_search: bool = True) -> dict[str, int]:
        """Return the bytes received from each peer so far, without peers that are gone or are no TCP sockets.

        may_search: look through all that is open for those that are not known yet.
        """
        wanted = [peer for peer in peers if peer.startswith(("ipv4:", "ipv6:"))]
        unknown = {peer for peer in wanted if peer_of(self._sockets.get(peer, -1)) != peer}
        if unknown and may_search:
            self._look()
            unknown = set()
        wanted = [peer for peer in wanted if peer not in unknown]
        counted = {peer: _bytes_received(self._sockets[peer]) for peer in wanted if peer in self._sockets}
        return {peer: count for peer, count in counted.items() if count is not None}

    def _look(self) -> None:
        known, self._known = self._known, {}
        for number in descriptors():
            if (file := _file_of(number)) is not None:
                before = known.get(number)
                self._known[number] = before if before and before[0] == file else (file, peer_of(number))
        self._sockets = {peer: number for number, (_, peer) in self._known.items() if peer}


@dataclass(slots=True)
class Arrived:
    """What a connection has received: before its present messages, now, and when it last received anything.

    looked_at: when that was; who, counted: the caller in whose name so many of these bytes are counted in the room;
    beside: bytes that may have come beside the messages that arrived since.
    """

    before: int
    now: int
    progress_at: float
    looked_at: float
    who: str
    counted: int = 0
    beside: int = 0

    @property
    def size(self) -> int:
        """Bytes of messages that are not here yet."""
        return max(0, self.now - self.before)

    def look(self, count: int, now: float) -> None:
        """Take what the kernel counts, and leave out what came beside messages."""
        if count != self.now:
            self.now, self.progress_at = count, now
        # Of a message that has arrived meanwhile, a part may have come before the first look.
        self.before = min(self.before, count)
        beside = self.beside + round(_BESIDE_PER_S * (now - self.looked_at))
        self.before += min(beside, self.size)
        self.looked_at, self.beside = now, 0

    def take_away(self, size: int, is_unary: bool) -> None:
        """A message of so many bytes is here: they are no longer those of the connection's next one."""
        self.before += size
        self.beside += (_BESIDE_A_CALL if is_unary else _BESIDE_A_MESSAGE) + size // _BYTES_BESIDE_ONE


def can_count() -> bool:
    """Whether this system tells how much has arrived."""
    return sys.platform == "linux"


def descriptors() -> list[int]:
    """The numbers of all that this process has open; none where the system does not tell."""
    try:
        return [int(entry) for entry in os.listdir(_DESCRIPTORS)]
    except OSError:
        return []


def _file_of(number: int) -> tuple[int, int] | None:
    try:
        stat = os.fstat(number)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def peer_of(number: int) -> str:
    """Return gRPC's name of the other end; empty if the descriptor is no TCP connection."""
    if number < 0:
        return ""
    one = None
    try:
        one = socket.socket(fileno=number)
        if one.family not in (socket.AF_INET, socket.AF_INET6):
            return ""
        return peer_name(one.getpeername())
    except OSError:
        return ""
    finally:
        if one is not None:
            one.detach()  # the descriptor is gRPC's, which closes it


def peer_name(address: tuple[object, ...]) -> str:
    """Write a socket's address as gRPC does. An IPv4 address inside IPv6 becomes IPv4 again."""
    host, port = str(address[0]), address[1]
    if host.startswith("::ffff:") and "." in host:
        host = host.removeprefix("::ffff:")
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def plain_peer(peer: str) -> str:
    """Return gRPC's name of a peer without the percent signs that it writes around IPv6 addresses."""
    return unquote(peer)


def _bytes_received(number: int) -> int | None:
    one = None
    try:
        one = socket.socket(fileno=number)
        info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        received: int = struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0]
        return received
    except (OSError, struct.error):
        return None
    finally:
        if one is not None:
            one.detach()
