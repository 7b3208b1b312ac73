"""Tools for your own tests: a whole fleet in your process, tiny models, and pictures that these understand.

fleet.py          `fleet()`: all six services in this process, in memory, on free ports
memory_store.py   a store of galleries in the memory of this process
tiny_models.py    six tiny graphs whose answers you can work out by hand
pictures.py       draws pictures for the tiny models: people, objects, plain ones
films.py          films whose truth is known, and an imperfect detector of what moves in them
bad_pictures.py   small files that would cost a careless service much time or memory
redis_servers.py  real Redis servers that a test may kill: one, a cluster, a Redis 8

Nothing that serves imports this package.
"""

from convoy.testing.fleet import RunningFleet, fleet

__all__ = ["RunningFleet", "fleet"]
