"""First chapter: a person is unknown, is registered, and is then named; a stranger stays unknown."""

from convoy.client.answers.galleries import GalleryPolicy
from convoy.client.answers.recognition import Decision, Identification, Registration
from convoy.demo.photos import Cast, Photo, Somebody
from convoy.demo.stage import Heard, Stage
from convoy.drawing.drawing import draw_faces, draw_identification, name_of

GALLERY = "demo"


def tell_recognition(stage: Stage, cast: Cast, fpir: float | None) -> None:
    """Tell the chapter. fpir: highest chance that a search names a stranger; None for the service's own."""
    first = len(stage.answers)
    policy = GalleryPolicy(false_positive_identification_rate=fpir)
    stage.convoy.create_gallery(GALLERY, description="people of the demo", policy=policy)
    for person in cast.known:
        _must_be_unknown(stage, person, person.probes[0], "before registration")
        _register(stage, person)
        for probe in person.probes:
            _must_be_named(stage, person, probe)
    for stranger in cast.strangers:
        for probe in stranger.probes:
            _must_be_unknown(stage, stranger, probe, "never registered")
    _verify(stage, cast, fpir)
    stage.end(first)


def _must_be_unknown(stage: Stage, person: Somebody, probe: Photo, why: str) -> None:
    heard = stage.ask(
        f"who is this? ({person.name}, {why})",
        probe.name,
        lambda: stage.convoy.identify(GALLERY, probe.data, largest=True),
        lambda answer: (_tell(answer), answer.faces[0].decision is Decision.NO_MATCH),
    )
    _show(stage, probe, heard, f"{person.name}, {why}")


def _must_be_named(stage: Stage, person: Somebody, probe: Photo) -> None:
    heard = stage.ask(
        f"who is this? ({person.name}, registered)",
        probe.name,
        lambda: stage.convoy.identify(GALLERY, probe.data, largest=True),
        lambda answer: (_tell(answer), _is_named(answer, person)),
    )
    _show(stage, probe, heard, f"{person.name}, registered")


def _register(stage: Stage, person: Somebody) -> None:
    """Register a person. A refused photo is no mistake as long as another one is good enough."""
    heard = stage.ask(
        f"register {person.name}",
        ", ".join(photo.name for photo in person.photos),
        lambda: stage.convoy.register(
            GALLERY,
            person.person_id,
            [photo.data for photo in person.photos],
            display_name=person.name,
            use_largest_face=True,
            # The folders, or this demo, have said already who is who.
            allow_identity_conflict=True,
        ),
        lambda answer: (_tell_registration(answer), answer.person is not None),
    )
    for photo, result in zip(person.photos, heard.result.results if heard.result else (), strict=False):
        if result.accepted:
            stage.show(draw_faces(photo.image_rgb, result.faces[:1]), f"{person.name}, at registration", heard.is_right)


def _verify(stage: Stage, cast: Cast, fpir: float | None) -> None:
    """Compare a probe of each person with that person, and the first stranger with the first person."""
    for person in cast.known:
        _compare(stage, person, person, fpir, True)
    _compare(stage, cast.known[0], cast.strangers[0], fpir, False)


def _compare(stage: Stage, person: Somebody, shown: Somebody, fpir: float | None, expected: bool) -> None:
    probe = shown.probes[-1]
    stage.ask(
        f"is this {person.name}? ({shown.name})",
        probe.name,
        lambda: stage.convoy.verify(probe.data, gallery=GALLERY, person_id=person.person_id, false_match_rate=fpir),
        lambda answer: (
            f"{'yes' if answer.is_match else 'no'} "
            f"(similarity {answer.similarity:.2f}, threshold {answer.match_threshold:.2f})",
            answer.is_match is expected,
        ),
    )


def _show(stage: Stage, probe: Photo, heard: Heard[Identification], caption: str) -> None:
    picture = draw_identification(probe.image_rgb, heard.result) if heard.result else probe.image_rgb
    stage.show(picture, caption, heard.is_right)


def _is_named(answer: Identification, person: Somebody) -> bool:
    match = answer.faces[0].person
    return match is not None and match.person_id == person.person_id


def _tell(answer: Identification) -> str:
    found = answer.faces[0]
    return f"{found.decision.value}: {name_of(found)} (threshold {found.match_threshold:.2f})"


def _tell_registration(answer: Registration) -> str:
    return ", ".join("accepted" if result.accepted else result.refusal for result in answer.results)
