from convoy.testing.pictures import *  # noqa: F403
