"""What recognition's own user of Redis may do: the commands that it sends, on its own keys, and nothing else.

python -m convoy.recognition.store.permissions [--user NAME] [--redis 7.0]    # the rule, for redis.conf or ACL SETUSER
"""

import argparse

USER = "recognition"
KEYS, CHANNELS = "convoy:*", "convoy:*"
_READING = (
    "exists", "get", "hget", "hgetall", "hlen", "hmget", "hscan", "xrange", "xread", "xrevrange", "zrange", "zscore",
)  # fmt: skip
_WRITING = ("del", "expire", "hdel", "hset", "set", "unlink", "xadd", "xtrim", "zadd", "zrem")
# Replicas of 0.1.0 may work beside this version, or after a step back.
_OF_0_1_0 = ("hincrby",)
_SCRIPTS = ("eval", "evalsha")
_HINTS = ("publish", "subscribe", "unsubscribe")
# `wait` is for CONVOY_REDIS_WAIT_REPLICAS; by `command`, `cluster` and `asking` a client finds the nodes of a cluster.
_CONNECTION = ("ping", "select", "wait", "asking", "command", "cluster|slots")
SINCE: dict[tuple[int, int], tuple[str, ...]] = {
    (6, 0): (*_READING, *_WRITING, *_OF_0_1_0, *_SCRIPTS, *_HINTS, *_CONNECTION),
    (7, 2): ("waitaof",),
    (8, 0): ("vadd", "vcard", "vrem", "vsetattr", "vsim", "memory|usage"),
}
"""The commands by the version of Redis that knows them: Redis refuses a rule with a command that it does not know.

Vector sets and the size of them are of Redis 8. Valkey has none of them, whatever its version: take the rule of 7.2.
"""


def commands(version: tuple[int, int]) -> list[str]:
    """All that recognition sends to a Redis of that version."""
    return sorted(name for since, names in SINCE.items() if since <= version for name in names)


def rule(version: tuple[int, int]) -> str:
    """The rule without a password."""
    allowed = " ".join(f"+{name}" for name in commands(version))
    return f"resetkeys ~{KEYS} resetchannels &{CHANNELS} -@all {allowed}"


def main() -> None:
    """Print the rule."""
    parser = argparse.ArgumentParser(prog="python -m convoy.recognition.store.permissions", description=__doc__)
    parser.add_argument("--user", default=USER)
    parser.add_argument("--redis", default="8.0", help="the version of Redis, by default 8.0")
    chosen = parser.parse_args()
    major, minor, *_ = map(int, f"{chosen.redis}.0".split("."))
    print(f"user {chosen.user} on >PASSWORD {rule((major, minor))}")


if __name__ == "__main__":
    main()
