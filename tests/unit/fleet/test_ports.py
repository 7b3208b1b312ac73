"""Free ports: neighbours that nobody listens on, and that no connection of somebody else can take meanwhile."""

import socket

from convoy.core.api import METRICS_PORT_OFFSET, SERVICES
from convoy.fleet.ports import FREE_PORTS, free_ports, free_range

LINUX_LENDS_FROM = 32_768
"""Where net.ipv4.ip_local_port_range begins unless somebody has changed it."""


def test_free_ports_are_neighbours_with_free_metrics_ports() -> None:
    ports = list(free_ports().values())
    assert ports == list(range(ports[0], ports[0] + len(SERVICES)))
    for port in [*ports, *(port + METRICS_PORT_OFFSET for port in ports)]:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_in_use_is_passed_over() -> None:
    first = free_range(1)
    with socket.create_server(("127.0.0.1", first + 1)):
        again = free_range(3)
    assert first + 1 not in range(again, again + 3)


def test_no_port_is_handed_out_twice() -> None:
    ports = [free_range(1) for _ in range(50)]
    assert len(set(ports)) == 50


def test_linux_lends_none_of_them_to_a_connection() -> None:
    assert FREE_PORTS.stop + METRICS_PORT_OFFSET < LINUX_LENDS_FROM
