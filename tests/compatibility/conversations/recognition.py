"""Everything that recognition can be asked, from an empty store on."""

from convoy.v1 import faces_pb2
from convoy.v1 import recognition_pb2 as r
from google.protobuf.timestamp_pb2 import Timestamp

from tests.compatibility.conversations.pictures import JUNK, NOBODY, people, person
from tests.compatibility.conversations.recorder import Recorder

RECOGNITION = "/convoy.v1.RecognitionService/"
IN_2100 = Timestamp(seconds=4_102_444_800)


class Talk:
    """One conversation with one recognition service."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def ask(self, method: str, *requests, **facts):
        """A call by the method's name alone."""
        return self._recorder.ask("recognition", RECOGNITION + method, *requests, **facts)

    def register(self, gallery: str, person_id: str, *photos, code: str = "OK", aside: tuple[str, ...] = (), **facts):
        """A person with photos."""
        request = r.RegisterRequest(gallery=gallery, person_id=person_id, photos=photos, **facts)
        return self.ask("Register", request, code=code, aside=aside)

    def identify(self, gallery: str, image, code: str = "OK", aside: tuple[str, ...] = (), **facts):
        """Who is it?"""
        request = r.IdentifyRequest(gallery=gallery, image=image, **facts)
        return self.ask("Identify", request, code=code, aside=aside)


def talk(recorder: Recorder) -> None:
    """Ask it all."""
    one = Talk(recorder)
    _galleries(one)
    version = _registration(one)
    _identification(one, version)
    _people(one)
    _aliases(one)
    _transfer(one)
    _ends(one)


def _galleries(one: Talk) -> None:
    policy = r.GalleryPolicy(quality_floor=0.1, false_positive_identification_rate=0.02, ambiguity_margin=0.05)
    staff = r.CreateGalleryRequest(gallery="staff", description="who works here", policy=policy, request_id="made once")
    one.ask("CreateGallery", staff)
    one.ask("CreateGallery", staff)
    again = r.CreateGalleryRequest(gallery="staff", request_id="made twice")
    one.ask("CreateGallery", again, code="ALREADY_EXISTS")
    one.ask("CreateGallery", r.CreateGalleryRequest(gallery="No Name"), code="INVALID_ARGUMENT")
    one.ask("GetGallery", r.GetGalleryRequest(gallery="staff"))
    one.ask("GetGallery", r.GetGalleryRequest(gallery="nobody"), code="NOT_FOUND")
    one.ask("ListGalleries", r.ListGalleriesRequest(page_size=1))


def _registration(one: Talk) -> int:
    photos = [person(1), person(1, noise=7)]
    facts = {"display_name": "Ada", "metadata": {"desk": "4"}, "tags": ["night", "day"], "expire_time": IN_2100}
    for _ in range(2):
        one.register("staff", "ada", *photos, request_id="ada once", **facts)
    one.register("staff", "bob", person(2), NOBODY, people(3, 4), JUNK, display_name="Bob", tags=["day"])
    one.register("staff", "ada", person(1, noise=8), code="ALREADY_EXISTS")
    one.register("staff", "ada", person(1, noise=8), person(1), add_faces=True)
    one.register("staff", "eve", NOBODY, code="FAILED_PRECONDITION")
    one.register("staff", "eve", people(3, 4), code="FAILED_PRECONDITION")
    one.register("staff", "eve", people(5, 4), use_largest_face=True)
    one.register("staff", "ada-2", person(1, noise=9), code="FAILED_PRECONDITION")
    one.register("staff", "ada-2", person(1, noise=9), allow_identity_conflict=True, metadata={"seen": "twice"})
    one.register("staff", "two words", person(6), code="INVALID_ARGUMENT")
    one.register("nobody", "ada", person(1), code="NOT_FOUND")
    _register_many(one, fay=person(6), gus=NOBODY)
    return _register_many(one, hal=person(7))


def _register_many(one: Talk, **photos) -> int:
    """At most one may succeed: a stream's people are registered side by side, so their versions are not in order."""
    each = [r.RegisterRequest(gallery="staff", person_id=name, photos=[photo]) for name, photo in photos.items()]
    return one.ask("RegisterMany", *(r.RegisterManyRequest(request=request) for request in each)).response.version


def _identification(one: Talk, version: int) -> None:
    one.identify("staff", people(2, 7, 9), min_version=version)
    one.identify("staff", person(1, noise=3), exact=True, top_k=1)
    one.identify("staff", person(1, noise=3), match_threshold=0.999)
    one.identify("staff", person(2, noise=4), false_positive_identification_rate=0.5, tags=["day"])
    one.identify("staff", person(2), tags=["night"])
    one.identify("staff", person(1), filter={"desk": "4"})
    largest = faces_pb2.FaceDetectionOptions(selection=faces_pb2.FACE_SELECTION_LARGEST)
    one.identify("staff", people(5, 6), options=largest)
    one.identify("staff", NOBODY, code="FAILED_PRECONDITION")
    one.identify("staff", person(1), match_threshold=7, code="INVALID_ARGUMENT")
    one.identify("nobody", person(1), code="NOT_FOUND")
    stream = (("a", person(6)), ("b", JUNK), ("c", NOBODY))
    each = [(name, r.IdentifyRequest(gallery="staff", image=image)) for name, image in stream]
    one.ask("IdentifyStream", *(r.IdentifyStreamRequest(id=name, request=request) for name, request in each))
    bob = r.PersonRef(gallery="staff", person_id="bob")
    one.ask("Verify", r.VerifyRequest(probe=person(2, noise=5), person=bob))
    one.ask("Verify", r.VerifyRequest(probe=person(3), person=bob, false_match_rate=1e-5))
    one.ask("Verify", r.VerifyRequest(probe=person(3), photo=people(3, 4), match_threshold=0.7))
    gone = r.PersonRef(gallery="staff", person_id="gone")
    one.ask("Verify", r.VerifyRequest(probe=person(2), person=gone), code="NOT_FOUND")
    one.ask("Verify", r.VerifyRequest(probe=person(2)), code="INVALID_ARGUMENT")


def _people(one: Talk) -> None:
    bob = {"gallery": "staff", "person_id": "bob"}
    one.ask("GetPerson", r.GetPersonRequest(gallery="staff", person_id="ada"))
    one.ask("GetPerson", r.GetPersonRequest(gallery="staff", person_id="gone"), code="NOT_FOUND")
    page = one.ask("ListPeople", r.ListPeopleRequest(gallery="staff", page_size=2))
    one.ask("ListPeople", r.ListPeopleRequest(gallery="staff", page_token=page.next_page_token))
    one.ask("ListPeople", r.ListPeopleRequest(gallery="staff", page_size=2000), code="INVALID_ARGUMENT")
    facts = {"metadata": {"desk": "5", "floor": "2"}, "add_tags": ["late"], "remove_tags": ["day"]}
    one.ask("UpdatePerson", r.UpdatePersonRequest(**bob, display_name="Bob B.", expire_time=IN_2100, **facts))
    one.ask("UpdatePerson", r.UpdatePersonRequest(**bob, metadata={"desk": ""}, expire_time=Timestamp()))
    duplicates = r.FindDuplicatesRequest(gallery="staff", match_threshold=0.6)
    one.ask("FindDuplicates", duplicates)
    one.ask("FindDuplicates", r.FindDuplicatesRequest(gallery="staff"))
    merge = r.MergePeopleRequest(gallery="staff", person_id="ada", merged_person_id="ada-2", request_id="merged once")
    for _ in range(2):
        ada = one.ask("MergePeople", merge).person
    itself = r.MergePeopleRequest(gallery="staff", person_id="ada", merged_person_id="ada")
    one.ask("MergePeople", itself, code="INVALID_ARGUMENT")
    face = r.DeleteFaceRequest(gallery="staff", person_id="ada", face_id=ada.faces[1].face_id)
    one.ask("DeleteFace", face)
    one.ask("DeleteFace", face, code="NOT_FOUND")
    one.ask("DeletePerson", r.DeletePersonRequest(gallery="staff", person_id="hal"))
    version = one.ask("DeletePerson", r.DeletePersonRequest(gallery="staff", person_id="eve")).version
    one.ask("DeletePerson", r.DeletePersonRequest(gallery="staff", person_id="eve"), code="NOT_FOUND")
    one.identify("staff", people(5, 7), min_version=version)


def _aliases(one: Talk) -> None:
    one.ask("SetGalleryAlias", r.SetGalleryAliasRequest(alias="door", gallery="staff"))
    one.ask("SetGalleryAlias", r.SetGalleryAliasRequest(alias="gate", gallery="nobody"), code="NOT_FOUND")
    one.ask("ListGalleryAliases", r.ListGalleryAliasesRequest())
    one.identify("door", person(2))
    one.ask("GetPerson", r.GetPersonRequest(gallery="door", person_id="ada"))
    one.ask("SetGalleryAlias", r.SetGalleryAliasRequest(alias="door"))
    one.identify("door", person(2), code="NOT_FOUND")


def _transfer(one: Talk) -> None:
    exported = one.ask("ExportGallery", r.ExportGalleryRequest(gallery="staff"))
    sha256 = one.ask("CreateGallery", r.CreateGalleryRequest(gallery="copy")).gallery.model_sha256
    part = r.ImportGalleryRequest(gallery="copy", model_sha256=sha256, people=exported.people)
    one.ask("ImportGallery", part, part)
    foreign = r.ImportGalleryRequest(gallery="copy", model_sha256="00" * 32, people=exported.people)
    one.ask("ImportGallery", foreign, code="FAILED_PRECONDITION")
    broken = r.ImportGalleryRequest(gallery="copy", model_sha256=sha256, people=exported.people)
    broken.people[0].embeddings[0] = b"short"
    one.ask("ImportGallery", broken, code="INVALID_ARGUMENT")
    one.ask("ExportGallery", r.ExportGalleryRequest(gallery="copy"))
    one.ask("ExportGallery", r.ExportGalleryRequest(gallery="copy", page_token="ada"))
    gallery = one.ask("GetGallery", r.GetGalleryRequest(gallery="copy")).gallery
    one.identify("copy", person(1, noise=2), min_version=gallery.version)


def _ends(one: Talk) -> None:
    status = r.GetGalleryStatusRequest(gallery="copy", verify=True)
    one.ask("GetGalleryStatus", status, aside=("index_bytes", "index_checksum", "store_checksum"))
    few = r.UpdateGalleryRequest(
        gallery="copy", description="a copy", policy=r.GalleryPolicy(max_people=3, max_faces=9)
    )
    one.ask("UpdateGallery", few)
    one.register("copy", "one-too-many", person(8), code="RESOURCE_EXHAUSTED")
    one.ask("UpdateGallery", r.UpdateGalleryRequest(gallery="staff", reset_policy_fields=["quality_floor"]))
    reset = r.UpdateGalleryRequest(gallery="staff", reset_policy_fields=["no_such_field"])
    one.ask("UpdateGallery", reset, code="INVALID_ARGUMENT")
    page = one.ask("ListAuditEvents", r.ListAuditEventsRequest(gallery="staff", page_size=5))
    one.ask("ListAuditEvents", r.ListAuditEventsRequest(gallery="staff", page_token=page.next_page_token))
    one.ask("DeleteGallery", r.DeleteGalleryRequest(gallery="staff"))
    one.ask("DeleteGallery", r.DeleteGalleryRequest(gallery="staff"), code="NOT_FOUND")
    one.ask("ListGalleries", r.ListGalleriesRequest())
