from convoy.testing.redis_servers import *  # noqa: F403
