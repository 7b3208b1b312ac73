"""The photos of the story, in a folder: drawn faces, which the tiny models understand."""

from pathlib import Path

from convoy.testing.pictures import encode, group, plain, portrait

ADA, GRACE, STRANGER = 1, 4, 7
CROWD, FIRST_OF_CROWD = 46, 100


def write_album(folder: Path) -> Path:
    """Write the photos; gives the folder."""
    photos = {
        "ada1": portrait(ADA, noise=1),
        "ada2": portrait(ADA, noise=2),
        "ada3": portrait(ADA, shade=0.9, noise=3),
        "grace1": portrait(GRACE, noise=1),
        "grace2": portrait(GRACE, noise=2),
        "grace3": portrait(GRACE, shade=0.9, noise=3),
        "stranger": portrait(STRANGER),
        "group": group([ADA, GRACE, STRANGER], shade=0.95),
        "two": group([ADA, GRACE]),
        "blank": plain(),
    }
    photos |= {f"crowd{i:02d}": portrait(FIRST_OF_CROWD + i) for i in range(CROWD)}
    for name, picture in photos.items():
        (folder / f"{name}.png").write_bytes(encode(picture))
    (folder / "text.png").write_bytes(b"this is no picture")
    return folder
