"""An upgrade one replica after another: the recorded version and this one run beside each other on one Redis, each with
the other's face service. What one writes, the other reads and changes. Where the two differ, docs/upgrade.md tells it:
the test names its heading.

`make slow` runs it; it needs a clone that goes back to the recorded commit.
"""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from convoy.v1 import recognition_pb2 as r
from convoy.v1 import recognition_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from tests.compatibility import store
from tests.compatibility.conversations.pictures import people, person
from tests.compatibility.fixture import COMMIT, V0_1_0, recognition_settings, vision_settings
from tests.compatibility.processes import serving
from tests.compatibility.tree import Tree, has_commit, unpack

pytestmark = pytest.mark.redis
IN_2100 = Timestamp(seconds=4_102_444_800)
NAMES = (f"team-{number}" for number in itertools.count())


class Side(NamedTuple):
    """One version at work. recognition: its stub; address: where it is; tree: for its command line."""

    recognition: Any
    address: str
    tree: Tree

    def run(self, *words: str, address: str = "") -> str:
        """What `convoy WORDS` of this version prints, against this version's service or the one at an address."""
        environment = self.tree.environment({"CONVOY_RECOGNITION_ADDRESS": address or self.address})
        command = self.tree.convoy(*words)
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def old_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    if not has_commit(root, COMMIT):
        pytest.exit(f"this clone lacks commit {COMMIT[:7]}, the version to compare with: git fetch --unshallow", 1)
    tree = unpack(root, COMMIT, tmp_path_factory.mktemp("old"))
    if unmet := tree.unmet_requirements():
        pytest.exit(f"commit {COMMIT[:7]} does not run here: {'; '.join(unmet)}", 1)
    return tree


@pytest.fixture(scope="module", params=["plain", "sealed"])
def sides(
    request: pytest.FixtureRequest, root: Path, old_tree: Tree, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Side]]:
    """Both versions. Each starts with its own faces; recognition asks those of the other."""
    key = V0_1_0 / "template.key" if request.param == "sealed" else None
    trees = {"old": old_tree, "new": Tree(root)}
    logs = {name: tmp_path_factory.mktemp(name) for name in trees}
    faces = {"faces": vision_settings(V0_1_0 / "models")["faces"]}
    with ExitStack() as stack:
        redis_url = stack.enter_context(store.running()).url
        own = {name: stack.enter_context(serving(trees[name], logs[name], faces)) for name in trees}
        found: dict[str, Side] = {}
        for name, other in (("old", "new"), ("new", "old")):
            settings = {"recognition": recognition_settings(own[other]["faces"], redis_url, key)}
            address = stack.enter_context(serving(trees[name], logs[name], settings))["recognition"]
            channel = stack.enter_context(grpc.insecure_channel(address))
            found[name] = Side(recognition_pb2_grpc.RecognitionServiceStub(channel), address, trees[name])
        yield found


@pytest.fixture(params=[("old", "new"), ("new", "old")], ids=["old-writes", "new-writes"])
def pair(request: pytest.FixtureRequest, sides: dict[str, Side]) -> Sequence[Side]:
    """The one that writes and the one that reads."""
    return [sides[name] for name in request.param]


@pytest.fixture
def team(pair: Sequence[Side]) -> str:
    """A gallery that the writer made."""
    name = next(NAMES)
    policy = r.GalleryPolicy(quality_floor=0.1, ambiguity_margin=0.02, max_people=40)
    pair[0].recognition.CreateGallery(r.CreateGalleryRequest(gallery=name, description="a team", policy=policy))
    return name


def register(side: Side, team: str, person_id: str, *photos: Any, **facts: Any) -> r.RegisterResponse:
    request = r.RegisterRequest(gallery=team, person_id=person_id, photos=photos, **facts)
    return side.recognition.Register(request)


def identify(side: Side, team: str, image: Any, version: int) -> list[tuple[int, list[str], float]]:
    """For each face the decision, who it is, and the threshold, from this version of the gallery on."""
    request = r.IdentifyRequest(gallery=team, image=image, min_version=version, exact=True)
    faces = side.recognition.Identify(request).faces
    return [(one.decision, [match.person_id for match in one.matches], one.match_threshold) for one in faces]


def read(side: Side, team: str) -> list[r.Person]:
    """Everybody, as listed."""
    return list(side.recognition.ListPeople(r.ListPeopleRequest(gallery=team)).people)


def await_alias(side: Side, alias: str) -> None:
    for _ in range(200):
        try:
            side.recognition.GetPerson(r.GetPersonRequest(gallery=alias, person_id="ada"))
            return
        except grpc.RpcError:
            time.sleep(0.1)
    raise AssertionError(f"{alias} stands for nothing")


def repeated(first: Any, reader: Side, sides: dict[str, Side]) -> Any:
    """The answer to a request that comes again, to the reader this time. Heading "Request ids and faces of a person":
    what a new one remembers describes nobody, and only a new one adds the person as on record now, and the epoch."""
    answer = type(first)()
    answer.CopyFrom(first)
    if reader is sides["old"]:
        answer.ClearField("person")
        answer.ClearField("epoch")
    return answer


def refusal(call: Any, request: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code()


def test_the_two_are_two_versions(sides: dict[str, Side]) -> None:
    for side in sides.values():
        assert side.tree.package() == side.tree.root / "services" / "convoy"
    assert sides["old"].tree.root != sides["new"].tree.root


def test_who_was_registered_is_found(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    facts = {"display_name": "Ada Ä.", "metadata": {"desk": "4"}, "tags": ["night"], "expire_time": IN_2100}
    ada = register(writer, team, "ada", person(1), person(1, noise=2), **facts)
    version = register(writer, team, "bob", person(2)).version
    assert read(reader, team) == read(writer, team)
    assert read(reader, team)[0] == ada.person
    probe = people(1, 2, 3)
    found = identify(reader, team, probe, version)
    assert [who for _, who, _ in found] == [["ada"], ["bob"], []]
    # "Identify names nobody twice, and a rate is one of pictures": the threshold differs where there are several faces.
    assert [(decision, who) for decision, who, _ in found] == [
        (decision, who) for decision, who, _ in identify(writer, team, probe, version)
    ]
    galleries = [side.recognition.GetGallery(r.GetGalleryRequest(gallery=team)).gallery for side in pair]
    for gallery in galleries:
        gallery.ClearField("epoch")  # "Restoring": 0.1.0 has none.
    assert galleries[0] == galleries[1]


def test_a_picture_of_one_face_is_answered_by_both_alike(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    register(writer, team, "ada", person(1), person(1, noise=2))
    version = register(writer, team, "bob", person(2)).version
    for probe, who in ((person(1, noise=4), ["ada"]), (person(2, shade=0.8), ["bob"]), (person(3), [])):
        found = identify(reader, team, probe, version)
        assert [matched for _, matched, _ in found] == [who]
        assert found == identify(writer, team, probe, version)


def test_by_a_rate_of_faces_both_answer_alike(sides: dict[str, Side]) -> None:
    """Heading "Identify names nobody twice, and a rate is one of pictures": rate_unit brings the old meaning back."""
    new, team, probe = sides["new"].recognition, next(NAMES), people(1, 2, 3)
    faces = r.GalleryPolicy(rate_unit=r.RATE_UNIT_FACE)
    new.CreateGallery(r.CreateGalleryRequest(gallery=team, policy=faces))
    register(sides["old"], team, "ada", person(1))
    version = register(sides["new"], team, "bob", person(2)).version
    by_face = identify(sides["old"], team, probe, version)
    assert identify(sides["new"], team, probe, version) == by_face
    new.UpdateGallery(r.UpdateGalleryRequest(gallery=team, reset_policy_fields=["rate_unit"]))
    version = register(sides["old"], team, "bob", person(2, noise=3), add_faces=True).version
    by_face = identify(sides["old"], team, probe, version)
    by_picture = identify(sides["new"], team, probe, version)
    assert min(threshold for *_, threshold in by_picture) > max(threshold for *_, threshold in by_face)
    new.UpdateGallery(r.UpdateGalleryRequest(gallery=team, policy=faces))
    version = register(sides["old"], team, "bob", person(2, noise=4), add_faces=True).version
    assert identify(sides["new"], team, probe, version) == identify(sides["old"], team, probe, version)


def test_0_1_0_carries_a_policy_along_that_it_does_not_know(sides: dict[str, Side]) -> None:
    """Heading "Identify names nobody twice, and a rate is one of pictures", last point."""
    old, new = sides["old"].recognition, sides["new"].recognition
    team = next(NAMES)
    policy = r.GalleryPolicy(rate_unit=r.RATE_UNIT_PICTURE, same_occasion=True, average_faces=True)
    new.CreateGallery(r.CreateGalleryRequest(gallery=team))
    register(sides["old"], team, "ada", person(1))
    new.UpdateGallery(r.UpdateGalleryRequest(gallery=team, policy=policy))
    assert team in [one.name for one in old.ListGalleries(r.ListGalleriesRequest()).galleries]
    register(sides["old"], team, "bob", person(2))
    changed = r.GalleryPolicy(max_people=9, max_faces=7, ambiguity_margin=0.01)
    old.UpdateGallery(r.UpdateGalleryRequest(gallery=team, description="changed", policy=changed))
    gallery = new.GetGallery(r.GetGalleryRequest(gallery=team)).gallery
    policy.MergeFrom(changed)
    assert (gallery.description, gallery.people_count, gallery.policy) == ("changed", 2, policy)
    new.UpdateGallery(r.UpdateGalleryRequest(gallery=team, description="by both"))
    assert old.GetGallery(r.GetGalleryRequest(gallery=team)).gallery.description == "by both"
    old.DeleteGallery(r.DeleteGalleryRequest(gallery=team))
    old.CreateGallery(r.CreateGalleryRequest(gallery=team))
    assert not new.GetGallery(r.GetGalleryRequest(gallery=team)).gallery.policy.HasField("rate_unit")


def test_a_person_is_changed_in_turn(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    register(writer, team, "ada", person(1), tags=["night"])
    one = {"gallery": team, "person_id": "ada"}
    reader.recognition.UpdatePerson(r.UpdatePersonRequest(**one, metadata={"desk": "4"}, expire_time=IN_2100))
    writer.recognition.UpdatePerson(r.UpdatePersonRequest(**one, display_name="Ada", remove_tags=["night"]))
    added = register(reader, team, "ada", person(1, noise=3), add_faces=True)
    [ada] = read(writer, team)
    assert (ada.display_name, dict(ada.metadata), list(ada.tags), len(ada.faces)) == ("Ada", {"desk": "4"}, [], 2)
    assert ada.expire_time == IN_2100 and ada == added.person
    first = r.DeleteFaceRequest(**one, face_id=ada.faces[0].face_id)
    writer.recognition.DeleteFace(first)
    assert refusal(reader.recognition.DeleteFace, first) == grpc.StatusCode.NOT_FOUND
    version = reader.recognition.DeletePerson(r.DeletePersonRequest(**one)).version
    for side in pair:
        assert read(side, team) == []
        assert [who for _, who, _ in identify(side, team, person(1), version)] == [[]]


def test_who_was_merged_is_one(sides: dict[str, Side], pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    register(writer, team, "ada", person(1), metadata={"desk": "4"})
    register(reader, team, "ada-2", person(1, noise=3), allow_identity_conflict=True, metadata={"floor": "1"})
    merge = r.MergePeopleRequest(gallery=team, person_id="ada", merged_person_id="ada-2", request_id="once")
    merged = writer.recognition.MergePeople(merge)
    assert reader.recognition.MergePeople(merge) == repeated(merged, reader, sides)
    assert writer.recognition.MergePeople(merge) == merged
    [ada] = read(reader, team)
    assert ada == merged.person and len(ada.faces) == 2 and dict(ada.metadata) == {"desk": "4", "floor": "1"}
    assert [who for _, who, _ in identify(reader, team, person(1, noise=5), merged.version)] == [["ada"]]


def test_a_request_that_is_sent_again_to_the_other_changes_nothing(
    sides: dict[str, Side], pair: Sequence[Side], team: str
) -> None:
    writer, reader = pair
    first = register(writer, team, "ada", person(1), request_id="once")
    assert register(reader, team, "ada", person(1), request_id="once") == repeated(first, reader, sides)
    assert register(writer, team, "ada", person(1), request_id="once") == first
    assert read(reader, team) == [first.person] and len(first.person.faces) == 1


def test_an_alias_and_a_policy_hold_for_both(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    alias = f"{team}-alias"
    version = register(writer, team, "ada", person(1)).version
    writer.recognition.SetGalleryAlias(r.SetGalleryAliasRequest(alias=alias, gallery=team))
    listed = reader.recognition.ListGalleryAliases(r.ListGalleryAliasesRequest())
    assert r.GalleryAlias(alias=alias, gallery=team) in listed.aliases
    # A replica looks for aliases once a second.
    await_alias(reader, alias)
    assert [who for _, who, _ in identify(reader, alias, person(1), version)] == [["ada"]]
    policy = r.GalleryPolicy(max_people=1)
    writer.recognition.UpdateGallery(r.UpdateGalleryRequest(gallery=team, policy=policy))
    bob = r.RegisterRequest(gallery=team, person_id="bob", photos=[person(2)])
    assert refusal(reader.recognition.Register, bob) == grpc.StatusCode.RESOURCE_EXHAUSTED
    reader.recognition.UpdateGallery(r.UpdateGalleryRequest(gallery=team, reset_policy_fields=["max_people"]))
    writer.recognition.Register(bob)
    reader.recognition.SetGalleryAlias(r.SetGalleryAliasRequest(alias=alias))


def test_the_audit_is_one(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    register(writer, team, "ada", person(1))
    register(reader, team, "bob", person(2))
    reader.recognition.DeletePerson(r.DeletePersonRequest(gallery=team, person_id="ada"))
    audits = [side.recognition.ListAuditEvents(r.ListAuditEventsRequest(gallery=team)) for side in pair]
    assert audits[0] == audits[1]
    assert [event.action for event in audits[0].events] == ["DeletePerson", "Register", "Register", "CreateGallery"]


def test_an_export_is_taken_in_by_the_other(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    register(writer, team, "ada", person(1), person(1, noise=2), tags=["night"])
    register(reader, team, "bob", person(2), expire_time=IN_2100)
    copy = f"{team}-copy"
    sha256 = reader.recognition.CreateGallery(r.CreateGalleryRequest(gallery=copy)).gallery.model_sha256
    parts = list(writer.recognition.ExportGallery(r.ExportGalleryRequest(gallery=team)))
    sent = (r.ImportGalleryRequest(gallery=copy, model_sha256=sha256, people=part.people) for part in parts)
    taken = list(reader.recognition.ImportGallery(sent))
    assert sum(one.people_imported for one in taken) == 2 and sum(one.faces_imported for one in taken) == 3
    assert read(writer, copy) == read(reader, team)
    assert identify(writer, copy, people(1, 2), taken[-1].version)[0][1] == ["ada"]
    status = r.GetGalleryStatusRequest(gallery=copy, verify=True)
    identify(reader, copy, person(1), taken[-1].version)
    checksums = [side.recognition.GetGalleryStatus(status) for side in pair]
    assert len({sum_ for one in checksums for sum_ in (one.index_checksum, one.store_checksum)}) == 1


def test_a_person_without_faces_and_a_renamed_one_are_people_for_both(sides: dict[str, Side]) -> None:
    old, new, team = sides["old"], sides["new"], "made-and-renamed"
    new.recognition.CreateGallery(r.CreateGalleryRequest(gallery=team))
    new.recognition.CreatePerson(r.CreatePersonRequest(gallery=team, person_id="ada", display_name="Ada"))
    assert read(old, team) == read(new, team)
    # 0.1.0 takes a record without faces for one that is registered.
    register(old, team, "ada", person(1), person(1, noise=2), add_faces=True)
    moved = new.recognition.RenamePerson(r.RenamePersonRequest(gallery=team, person_id="ada", new_person_id="ada.l"))
    assert read(old, team) == read(new, team)
    for side in (old, new):
        assert identify(side, team, person(1), moved.version)[0][1] == ["ada.l"]
        assert refusal(side.recognition.GetPerson, r.GetPersonRequest(gallery=team, person_id="ada"))
    # A face that the old replica took in, and one that it deleted, are known by their ids.
    first, second = moved.person.faces
    assert new.recognition.GetFace(r.GetFaceRequest(gallery=team, face_id=first.face_id)).person.person_id == "ada.l"
    old.recognition.DeleteFace(r.DeleteFaceRequest(gallery=team, person_id="ada.l", face_id=second.face_id))
    lost = r.GetFaceRequest(gallery=team, face_id=second.face_id)
    assert refusal(new.recognition.GetFace, lost) == grpc.StatusCode.NOT_FOUND
    status = r.GetGalleryStatusRequest(gallery=team, verify=True)
    checksums = [side.recognition.GetGalleryStatus(status) for side in (old, new)]
    assert len({sum_ for one in checksums for sum_ in (one.index_checksum, one.store_checksum)}) == 1


def test_a_gallery_file_is_taken_in_by_the_other(pair: Sequence[Side], team: str, tmp_path: Path) -> None:
    writer, reader = pair
    register(writer, team, "ada", person(1), person(1, noise=2), tags=["night"])
    words = (str(tmp_path / "team.gallery"), "--key-file", str(V0_1_0 / "template.key"))
    writer.run("gallery", "export", team, *words)
    reader.run("gallery", "import", words[0], f"{team}-file", *words[1:])
    assert read(writer, f"{team}-file") == read(reader, team)


def test_the_old_command_reads_the_new_service_as_its_own(sides: dict[str, Side]) -> None:
    old, new = sides["old"], sides["new"]
    team = "read-by-command"
    new.recognition.CreateGallery(r.CreateGalleryRequest(gallery=team))
    register(new, team, "ada", person(1), tags=["night"], metadata={"desk": "4"}, expire_time=IN_2100)
    for words in (("person", "show", "ada", "--gallery", team), ("gallery", "list"), ("gallery", "audit", team)):
        printed = old.run(*words, "--json", address=new.address)
        assert json.loads(printed) == json.loads(old.run(*words, "--json")) != []


def test_a_gallery_that_was_deleted_is_gone_for_both(pair: Sequence[Side], team: str) -> None:
    writer, reader = pair
    version = register(writer, team, "ada", person(1)).version
    identify(reader, team, person(1), version)
    reader.recognition.DeleteGallery(r.DeleteGalleryRequest(gallery=team))
    for side in pair:
        assert refusal(side.recognition.GetGallery, r.GetGalleryRequest(gallery=team)) == grpc.StatusCode.NOT_FOUND
    writer.recognition.CreateGallery(r.CreateGalleryRequest(gallery=team))
    version = register(writer, team, "bob", person(2)).version
    assert [who for _, who, _ in identify(reader, team, people(1, 2), version)] == [[], ["bob"]]


def test_labels_of_photos_hinder_no_earlier_version(sides: dict[str, Side]) -> None:
    old, new = sides["old"].recognition, sides["new"].recognition
    team, one = "labelled", {"gallery": "labelled", "person_id": "ada"}
    new.CreateGallery(r.CreateGalleryRequest(gallery=team))
    photos = [person(1), person(1, noise=2)]
    new.Register(r.RegisterRequest(**one, photos=photos, photo_labels=["IMG_1.jpg", "IMG_2.jpg"]))

    def labels() -> list[str]:
        return [face.label for face in new.GetPerson(r.GetPersonRequest(**one)).person.faces]

    assert labels() == ["IMG_1.jpg", "IMG_2.jpg"]
    old.UpdatePerson(r.UpdatePersonRequest(**one, metadata={"desk": "4"}))
    old.Register(r.RegisterRequest(**one, photos=[person(1, noise=4)], add_faces=True))
    assert labels() == ["IMG_1.jpg", "IMG_2.jpg", ""]
    first = new.GetPerson(r.GetPersonRequest(**one)).person.faces[0]
    old.DeleteFace(r.DeleteFaceRequest(**one, face_id=first.face_id))
    assert labels() == ["IMG_2.jpg", ""]
    old.DeleteGallery(r.DeleteGalleryRequest(gallery=team))
    assert refusal(new.GetPerson, r.GetPersonRequest(**one)) == grpc.StatusCode.NOT_FOUND
