"""All of Convoy on one machine: Redis and the five services as child processes, on loopback alone.

fleet.py           `Fleet`: starts everything, waits until it is healthy, stops it in order
ports.py           which ports the services listen on
process.py         one child process with its log file
restarter.py       restarts a process that ended by itself
orphan_guard.py    stops a child process when its parent was killed
embedded_redis.py  the Redis that comes along
external_redis.py  waits for a Redis that somebody else runs
health_check.py    the health check of containers
"""

from convoy.fleet.fleet import Fleet
from convoy.fleet.ports import default_ports, free_ports

__all__ = ["Fleet", "default_ports", "free_ports"]
