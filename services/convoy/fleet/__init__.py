"""All of Convoy on one machine: the five services and Redis as child processes, on loopback alone."""

from convoy.fleet.fleet import Fleet, default_ports, free_ports

__all__ = ["Fleet", "default_ports", "free_ports"]
