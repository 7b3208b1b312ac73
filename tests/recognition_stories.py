"""What a test tells a recognition service by the Python client, in a thread of its own."""

import asyncio
from collections.abc import Callable

from convoy.client import Convoy


async def tell(recognition_address: str, story: Callable[[Convoy], None]) -> None:
    """Play a story with a gallery called staff."""

    def run() -> None:
        with Convoy(recognition=recognition_address, timeout_s=30) as convoy:
            convoy.create_gallery("staff")
            story(convoy)

    await asyncio.to_thread(run)
