"""Which route answers a path: one without parameters by its name, the others by Starlette's search."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send


class Paths(Router):
    """A router of several hundred routes. A path without parameters goes before patterns that it would match too."""

    def __init__(self, routes: Sequence[BaseRoute], default: ASGIApp | None = None) -> None:
        super().__init__(routes, redirect_slashes=False, default=default)
        self._by_name: dict[tuple[str, str], Route] = {}
        for route in routes:
            if isinstance(route, Route) and not route.param_convertors:
                for verb in route.methods or ():
                    self._by_name.setdefault((verb, route.path), route)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the route of this name, without trying the patterns of all others."""
        route = self._by_name.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await super().app(scope, receive, send)
            return
        scope.update({"router": self, "route": route, "endpoint": route.endpoint, "path_params": {}})
        await route.app(scope, receive, send)
