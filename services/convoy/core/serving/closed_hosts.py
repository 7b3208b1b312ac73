"""Hangs up on connections, and keeps hosts from making new ones, on Linux.

gRPC has no way to refuse a host. The kernel does: a filter on the socket that listens (SO_ATTACH_FILTER, which needs no
right) drops what such a host sends to open a connection, so it costs this process nothing. Connections that are open
keep theirs.
"""

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from convoy.core.serving.connections import descriptors, peer_of

MOST_CLOSED = 256
"""Most hosts that a filter names."""
_ATTACH, _DETACH = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER of asm-generic/socket.h
# The instructions of linux/bpf_common.h. Offsets from here on count from the header of the network layer.
_LOAD_BYTE, _LOAD_WORD, _SHIFT_RIGHT, _JUMP_IF_EQUAL, _JUMP, _RETURN = 0x30, 0x20, 0x74, 0x15, 0x05, 0x06
_NETWORK_HEADER = 2**32 - 0x100000
_SOURCE_V4, _SOURCE_V6 = 12, 8
_TAKE, _DROP = 2**32 - 1, 0
_PART = 2**20
Instruction = tuple[int, int, int, int]


def can_close() -> bool:
    """Whether this system can keep hosts out."""
    return sys.platform == "linux"


def hang_up(peers: Collection[str]) -> None:
    """Shut the connections of these peers, by gRPC's names; gRPC then closes them and ends their calls.

    What they have sent is thrown away, and what they send from now on: it would be read first, megabytes of it.
    """
    for number in descriptors():
        if peer_of(number) not in peers:
            continue
        # The number may be another connection's by now, so look again at one that nobody else can close.
        with suppress(OSError), _own(number) as one:
            if peer_of(one.fileno()) in peers:
                _attach(one, [(_RETURN, 0, 0, _DROP)])
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)
                while one.recv(_PART, socket.MSG_DONTWAIT):
                    pass


def close_to(port: int, hosts: Iterable[str]) -> None:
    """Let the sockets that listen on a port drop what these hosts send; those of before are let in again.

    hosts: as rates.host_of gives them. Raises OSError where the system does not allow it.
    """
    program = _program(list(hosts)[:MOST_CLOSED])
    for number in descriptors():
        with suppress(OSError), _own(number) as one:
            if not _listens(one, port):
                continue
            if len(program) > 1:
                _attach(one, program)
            else:
                one.setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def _attach(one: socket.socket, program: list[Instruction]) -> None:
    buffer = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    one.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("@HP", len(program), ctypes.addressof(buffer)))


@contextmanager
def _own(number: int) -> Iterator[socket.socket]:
    """A second name of an open socket. Raises OSError if it is none."""
    copy = os.dup(number)
    try:
        one = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with one:
        yield one


def _listens(one: socket.socket, port: int) -> bool:
    is_listening = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return bool(is_listening) and one.family in (socket.AF_INET, socket.AF_INET6) and one.getsockname()[1] == port


def _program(hosts: list[str]) -> list[Instruction]:
    """The filter as instructions of classic BPF: what they are, where to go on if true and if false, and a number."""
    take: Instruction = (_RETURN, 0, 0, _TAKE)
    if not hosts:
        return [take]
    version_4 = [line for host in hosts if host.startswith("ipv4:") for line in _drop(_words_v4(host), _SOURCE_V4)]
    version_6 = [line for host in hosts if host.startswith("ipv6:") for line in _drop(_words_v6(host), _SOURCE_V6)]
    return [
        (_LOAD_BYTE, 0, 0, _NETWORK_HEADER),
        (_SHIFT_RIGHT, 0, 0, 4),
        (_JUMP_IF_EQUAL, 0, 1, 6),
        (_JUMP, 0, 0, len(version_4) + 1),
        *version_4,
        take,
        *version_6,
        take,
    ]


def _drop(words: list[int], offset: int) -> list[Instruction]:
    """Drop a packet whose address begins with these words of 32 bits."""
    lines: list[Instruction] = []
    for place, word in enumerate(words):
        lines.append((_LOAD_WORD, 0, 0, _NETWORK_HEADER + offset + 4 * place))
        lines.append((_JUMP_IF_EQUAL, 0, 2 * (len(words) - 1 - place) + 1, word))
    return [*lines, (_RETURN, 0, 0, _DROP)]


def _words_v4(host: str) -> list[int]:
    return [int(IPv4Address(host.removeprefix("ipv4:")))]


def _words_v6(host: str) -> list[int]:
    said = host.removeprefix("ipv6:").partition("%")[0]
    if "/" in said:
        return list(struct.unpack("!II", IPv6Network(said).network_address.packed[:8]))
    return list(struct.unpack("!IIII", IPv6Address(said).packed))
