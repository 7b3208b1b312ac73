"""Galleries to be kept in the dump, and what is asked of them afterwards: first reading, then changing."""

from convoy.v1 import recognition_pb2 as r

from tests.compatibility.conversations.pictures import people, person
from tests.compatibility.conversations.recognition import IN_2100, Talk
from tests.compatibility.conversations.recorder import Recorder

GALLERIES = ("crew", "guests", "sealed")


def make_plain(recorder: Recorder) -> None:
    """crew: with all that a person can have, a merged one, a policy and an alias. guests: bare."""
    one = Talk(recorder)
    policy = r.GalleryPolicy(quality_floor=0.2, false_positive_identification_rate=0.01, max_faces=20, max_people=9)
    crew = r.CreateGalleryRequest(gallery="crew", description="on board", policy=policy, request_id="crew")
    one.ask("CreateGallery", crew)
    facts = {"display_name": "Ada Ä.", "metadata": {"cabin": "12", "berth": "low"}, "tags": ["bridge", "night"]}
    one.register("crew", "ada", person(1), person(1, noise=7), request_id="ada", expire_time=IN_2100, **facts)
    one.register("crew", "bob", person(2), person(2, noise=3), display_name="Bob", tags=["deck"])
    one.register("crew", "bob-again", person(2, noise=4), allow_identity_conflict=True, metadata={"seen": "aft"})
    one.register("crew", "cyd", person(3), person(3, noise=5), person(3, noise=6))
    one.register("crew", "dee", person(4))
    one.register("crew", "cyd-twin", person(3, noise=8), allow_identity_conflict=True)
    one.ask("MergePeople", r.MergePeopleRequest(gallery="crew", person_id="bob", merged_person_id="bob-again"))
    cyd = one.ask("GetPerson", r.GetPersonRequest(gallery="crew", person_id="cyd")).person
    one.ask("DeleteFace", r.DeleteFaceRequest(gallery="crew", person_id="cyd", face_id=cyd.faces[1].face_id))
    one.ask("DeletePerson", r.DeletePersonRequest(gallery="crew", person_id="dee"))
    one.ask(
        "UpdatePerson", r.UpdatePersonRequest(gallery="crew", person_id="cyd", display_name="Cyd", add_tags=["deck"])
    )
    one.ask("CreateGallery", r.CreateGalleryRequest(gallery="guests"))
    one.register("guests", "gus", person(6))
    one.ask("SetGalleryAlias", r.SetGalleryAliasRequest(alias="door", gallery="crew"))


def make_sealed(recorder: Recorder) -> None:
    """sealed: its templates are encrypted, and it once had a namesake that was deleted."""
    one = Talk(recorder)
    one.ask("CreateGallery", r.CreateGalleryRequest(gallery="sealed"))
    one.register("sealed", "nobody", person(9))
    one.ask("DeleteGallery", r.DeleteGalleryRequest(gallery="sealed"))
    one.ask("CreateGallery", r.CreateGalleryRequest(gallery="sealed", description="under a key"))
    one.register("sealed", "ida", person(11), person(11, noise=2), display_name="Ida")
    one.register("sealed", "jon", person(12), tags=["day"])


def talk(recorder: Recorder) -> None:
    """Read everything, then change it."""
    one = Talk(recorder)
    _read(one)
    _search(one)
    _change(one)
    for gallery in GALLERIES:
        one.ask("ListPeople", r.ListPeopleRequest(gallery=gallery))
        one.ask("ListAuditEvents", r.ListAuditEventsRequest(gallery=gallery))
    one.ask("DeleteGallery", r.DeleteGalleryRequest(gallery="crew"))
    one.ask("ListGalleries", r.ListGalleriesRequest())


def _read(one: Talk) -> None:
    one.ask("ListGalleries", r.ListGalleriesRequest())
    one.ask("ListGalleryAliases", r.ListGalleryAliasesRequest())
    for gallery in GALLERIES:
        one.ask("GetGallery", r.GetGalleryRequest(gallery=gallery))
        one.ask("ListPeople", r.ListPeopleRequest(gallery=gallery))
        one.ask("ExportGallery", r.ExportGalleryRequest(gallery=gallery))
        one.ask("ListAuditEvents", r.ListAuditEventsRequest(gallery=gallery))
        one.ask("FindDuplicates", r.FindDuplicatesRequest(gallery=gallery, match_threshold=0.6))
        status = r.GetGalleryStatusRequest(gallery=gallery, verify=True)
        one.ask("GetGalleryStatus", status, aside=("index_bytes",))


def _search(one: Talk) -> None:
    one.identify("crew", people(1, 2, 3), exact=True)
    one.identify("door", person(1, noise=9), tags=["night"], filter={"cabin": "12"})
    one.identify("crew", person(4))
    one.identify("guests", person(6, noise=2))
    one.identify("sealed", people(11, 12, 9), exact=True)
    ida = r.PersonRef(gallery="sealed", person_id="ida")
    one.ask("Verify", r.VerifyRequest(probe=person(11, noise=5), person=ida))
    bob = r.PersonRef(gallery="door", person_id="bob")
    one.ask("Verify", r.VerifyRequest(probe=person(2, noise=5), person=bob))


def _change(one: Talk) -> None:
    one.ask("CreateGallery", r.CreateGalleryRequest(gallery="crew", request_id="crew"))
    one.register("crew", "ada", person(1), person(1, noise=7), request_id="ada")
    one.register("crew", "ada", person(1, noise=11), add_faces=True, metadata={"berth": "high"})
    one.register("crew", "kim", person(1, noise=12), code="FAILED_PRECONDITION")
    one.register("sealed", "ida", person(11, noise=7), add_faces=True)
    one.register("sealed", "kim", person(13))
    update = r.UpdatePersonRequest(gallery="crew", person_id="bob", metadata={"seen": ""}, remove_tags=["deck"])
    one.ask("UpdatePerson", update)
    cyd = one.ask("GetPerson", r.GetPersonRequest(gallery="crew", person_id="cyd")).person
    one.ask("DeleteFace", r.DeleteFaceRequest(gallery="crew", person_id="cyd", face_id=cyd.faces[0].face_id))
    one.ask("MergePeople", r.MergePeopleRequest(gallery="crew", person_id="cyd", merged_person_id="cyd-twin"))
    one.ask("DeletePerson", r.DeletePersonRequest(gallery="sealed", person_id="jon"))
    deleted = one.ask("DeletePerson", r.DeletePersonRequest(gallery="guests", person_id="gus"))
    policy = r.GalleryPolicy(max_people=4)
    one.ask("UpdateGallery", r.UpdateGalleryRequest(gallery="crew", policy=policy, reset_policy_fields=["max_faces"]))
    one.register("crew", "kim", person(13), person(13, noise=1))
    one.register("crew", "lou", person(14), code="RESOURCE_EXHAUSTED")
    one.ask("SetGalleryAlias", r.SetGalleryAliasRequest(alias="door", gallery="sealed"))
    one.identify("door", people(11, 12, 13))
    one.identify("crew", people(1, 3, 13))
    one.identify("guests", person(6), min_version=deleted.version)
