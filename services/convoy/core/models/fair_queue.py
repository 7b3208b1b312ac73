"""A queue in which callers take turns: a thousand inputs of one wait behind one another, and nobody behind them."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from convoy.core.turns import Turn

Item = TypeVar("Item")


def _any(_: object) -> bool:
    return True


class _Lane(Generic[Item]):
    """What one caller has waiting, by connection."""

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.left_in_turn = weight
        self.size = 0
        self._connections: OrderedDict[str, deque[Item]] = OrderedDict()

    def __iter__(self) -> Iterator[deque[Item]]:
        return iter(self._connections.values())

    def push(self, connection: str, item: Item) -> None:
        self._connections.setdefault(connection, deque()).append(item)
        self.size += 1

    def pop(self, accept: Callable[[Item], bool]) -> Item | None:
        for connection, items in self._connections.items():
            place = next((place for place, item in enumerate(items) if accept(item)), None)
            if place is not None:
                item = items[place]
                del items[place]
                self._shrink(connection)
                return item
        return None

    def drop_newest(self) -> Item:
        connection = max(self._connections, key=lambda name: len(self._connections[name]))
        item = self._connections[connection].pop()
        self._shrink(connection)
        return item

    def _shrink(self, connection: str) -> None:
        self.size -= 1
        self._connections.move_to_end(connection)
        if not self._connections[connection]:
            del self._connections[connection]


class FairQueue(Generic[Item]):
    """Gives items in turns: first between callers, by their weights, then between a caller's connections.

    The items of one connection keep their order.
    """

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, _Lane[Item]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def heads(self) -> Iterator[Item]:
        """The first item of each connection."""
        return (items[0] for lane in self._lanes.values() for items in lane)

    @property
    def callers(self) -> set[str]:
        """Who has something waiting."""
        return set(self._lanes)

    def size_of(self, who: str) -> int:
        """How many items of a caller wait."""
        lane = self._lanes.get(who)
        return 0 if lane is None else lane.size

    def push(self, turn: Turn, item: Item) -> None:
        """Put an item behind the others of its connection."""
        lane = self._lanes.get(turn.who)
        if lane is None:
            lane = self._lanes[turn.who] = _Lane(turn.weight)
        lane.push(turn.connection, item)
        self._size += 1

    def pop(self, accept: Callable[[Item], bool] = _any, whose: Callable[[str], bool] = _any) -> Item | None:
        """Take the next item that is accepted, of a caller who is, or None. The others keep their places."""
        for who, lane in list(self._lanes.items()):
            if not whose(who) or (item := lane.pop(accept)) is None:
                continue
            self._size -= 1
            lane.left_in_turn -= 1
            if not lane.size:
                del self._lanes[who]
            elif lane.left_in_turn <= 0:
                lane.left_in_turn = lane.weight
                self._lanes.move_to_end(who)
            return item
        return None

    def drop_newest_of_largest(self) -> Item:
        """Take away the newest item of the caller who has most, by weight."""
        who, lane = max(self._lanes.items(), key=lambda pair: pair[1].size / pair[1].weight)
        item = lane.drop_newest()
        self._size -= 1
        if not lane.size:
            del self._lanes[who]
        return item
