from convoy.testing.tiny_models import *  # noqa: F403
