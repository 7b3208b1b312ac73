"""Finds the processes of a fleet: which process serves what."""

import psutil
from convoy.fleet import Fleet


def processes(fleet: Fleet) -> dict[str, psutil.Process]:
    """Find the process that listens on each service's port."""
    ports = {int(address.rpartition(":")[2]): service for service, address in fleet.addresses.items()}
    listening = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
    return {ports[one.laddr.port]: psutil.Process(one.pid) for one in listening if one.laddr.port in ports}
