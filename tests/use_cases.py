"""The use cases of recognition on a store in memory, with a face service that finds what the test says."""

from dataclasses import dataclass, field

from convoy.core.settings import Settings
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.pictures import Picture
from convoy.recognition.domain.registrations import Registered, Registering
from convoy.recognition.domain.templates import Plain
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Committed
from convoy.recognition.use_cases.creation import Creation
from convoy.recognition.use_cases.finding import Finding
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.identification import Identification
from convoy.recognition.use_cases.merging import Merging
from convoy.recognition.use_cases.people import People
from convoy.recognition.use_cases.registration import Registration
from convoy.recognition.use_cases.transfer import Transfer
from convoy.testing.memory_store import MemoryStore

from tests.fake_face_source import FakeFaceSource


@dataclass
class UseCases:
    """All use cases of one process. `remembered`: what was written to be answered again."""

    store: MemoryStore
    faces: FakeFaceSource
    settings: Settings = field(default_factory=Settings)
    remembered: list[Registered] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.followers = Followers(self.store, lambda gallery: Plain(), threads=1)
        self.people = People(self.followers)
        growth = Growth(self.settings)
        self.galleries = Galleries(self.store, self.followers, self.faces, MasterKeys([]), growth)
        self.registration = Registration(self.followers, self.people, self.faces, self.settings, growth, self._remember)
        self.finding = Finding(self.followers)
        self.creation = Creation(self.followers, self.people)
        self.merging = Merging(self.followers, self.people)
        self.transfer = Transfer(self.followers, self.people, self.galleries)
        self.identification = Identification(self.followers, self.faces, self.settings, growth)

    def _remember(self, answer: Registered) -> bytes:
        self.remembered.append(answer)
        return f"answer {len(self.remembered)}".encode()

    async def register(self, person_id: str, *photos: bytes, **more: object) -> Registered:
        """Register with photos of these names; the answer is not a remembered one."""
        answer = await self.registration.register(asking(person_id, *photos, **more))
        assert not isinstance(answer, Committed)
        return answer


def asking(person_id: str, *photos: bytes, **more: object) -> Registering:
    """A registration of somebody in the gallery staff."""
    pictures = tuple(Picture(encoded=photo) for photo in photos)
    return Registering("staff", person_id, pictures, **more)  # type: ignore[arg-type]
