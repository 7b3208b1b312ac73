"""All of Convoy on one machine: Redis, the services and the web door as child processes, on loopback alone.

fleet.py           `Fleet`: starts everything, waits until it is healthy, stops it in order
ports.py           which ports the services listen on
named.py           fleets by name: where each runs
process.py         one child process with its log file
restarter.py       restarts a process that ended by itself
orphan_guard.py    stops a child process when its parent was killed
embedded_redis.py  the Redis that comes along
external_redis.py  waits for a Redis that somebody else runs
web.py             the web door's process
health_check.py    the health check of containers
"""

from convoy.fleet.fleet import Fleet
from convoy.fleet.ports import default_ports, default_web_port, free_ports

__all__ = ["Fleet", "default_ports", "default_web_port", "free_ports"]
