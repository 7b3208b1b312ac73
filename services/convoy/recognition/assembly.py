"""The use cases of one process, put together: which of them share followers, rules and a journal."""

import asyncio

from convoy.core.settings import Settings
from convoy.recognition import messages
from convoy.recognition.domain.face_source import FaceSource
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.tasks import all_ended, end
from convoy.recognition.domain.templates import codec_of
from convoy.recognition.policy_tries import PolicyTries
from convoy.recognition.search.followers import Followers
from convoy.recognition.store.base import Store
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.store.vector_sets import VectorSetStore
from convoy.recognition.use_cases.aliases import Aliases
from convoy.recognition.use_cases.creation import Creation
from convoy.recognition.use_cases.dear_calls import DearCalls
from convoy.recognition.use_cases.disagreements import Disagreements
from convoy.recognition.use_cases.duplicates import Duplicates
from convoy.recognition.use_cases.expiry import Sweep
from convoy.recognition.use_cases.finding import Finding
from convoy.recognition.use_cases.galleries import Galleries
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.identification import Identification
from convoy.recognition.use_cases.journal import Journal
from convoy.recognition.use_cases.merging import Merging
from convoy.recognition.use_cases.people import People
from convoy.recognition.use_cases.registration import Registration
from convoy.recognition.use_cases.transfer import Transfer


class Assembly:
    """All use cases on one store, with one face service."""

    def __init__(self, store: Store, faces: FaceSource, settings: Settings) -> None:
        self.store = store
        keys = MasterKeys.load(settings.template_key_file)
        sets = VectorSetStore(store) if isinstance(store, RedisStore) else None
        self.followers = Followers(store, lambda gallery: codec_of(gallery, keys), sets, settings.threads)
        growth, journal = Growth(settings), Journal(settings.erasure_journal)
        self.galleries = Galleries(store, self.followers, faces, keys, growth, journal)
        self.people = People(self.followers, journal)
        self.registration = Registration(
            self.followers,
            self.people,
            faces,
            settings,
            growth,
            lambda first: messages.remembered(first).SerializeToString(),
        )
        self.identification = Identification(self.followers, faces, settings, growth)
        self.finding = Finding(self.followers)
        self.creation = Creation(self.followers, self.people)
        self.merging = Merging(self.followers, self.people)
        self.duplicates = Duplicates(self.followers, faces, self.identification)
        self.disagreements = Disagreements(self.followers, faces)
        self.transfer = Transfer(self.followers, self.people, self.galleries)
        self.aliases = Aliases(store, self.galleries)
        self.dear_calls = DearCalls()
        self.policy_tries = PolicyTries()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to load galleries; the store may be away."""
        await self.followers.start()
        sweep = Sweep(self.store, self.galleries, self.people)
        self._sweeper = asyncio.create_task(sweep.on(self.followers.was_loaded), name="sweep")

    async def stop(self) -> None:
        """Let go of everything."""
        await end(self._sweeper)
        await self.followers.close()
        await all_ended()
        await self.store.close()
