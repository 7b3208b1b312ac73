"""What the story is to say, for each client. None: the client has no such call."""

from tests.foreign.album import CROWD

_ALL: dict[str, object] = {
    "enrolled": ["", "", "", ""],
    "names": ["Ada", "Grace"],
    "ada3": ["Ada"],
    "grace3": ["Grace"],
    "stranger": ["unknown"],
    "group": ["Ada", "Grace", "unknown"],
    "no face to find": [],
    "no face to enrol": True,
    "two faces to enrol": True,
    "no picture to enrol": True,
    "no picture to find": True,
    "wrong key": True,
    "objects": True,
    "renamed": None,
    "found under the new name": None,
    "merged": None,
    "found as the other": None,
    "deleted": None,
    "crowd": [],
    "crowd is found": True,
    "pages": None,
}
_COMPREFACE = _ALL | {
    "no face to find": ["unknown"],
    "renamed": ["Grace", "Lovelace"],
    "found under the new name": ["Countess"],
    "merged": ["Grace"],
    "found as the other": ["Grace"],
    "deleted": [],
    "pages": [20, 20, CROWD - 40],
}
_REKOGNITION = _ALL | {
    # It searches the largest face alone, indexes the largest of two, and knows no person whom one could rename.
    "group": ["Ada"],
    "no face to find": ["unknown"],
    "two faces to enrol": False,
    "deleted": ["Ada", "Nobody"],
    "pages": [20, 20, CROWD + 3 - 40],
}
EXPECTED: dict[str, dict[str, object]] = {
    "deepstack-python": _ALL,
    "codeproject-ai-api": _ALL | {"wrong key": False},  # it sends no key
    "deepstack-sdk": _ALL | {"deleted": ["Ada"]},
    "compreface-sdk-python": _COMPREFACE,
    "compreface-sdk": _COMPREFACE | {"pages": [20]},  # it asks for the first page alone
    "compreface-js-sdk": _COMPREFACE | {"pages": [20]},
    "boto3": _REKOGNITION,
    "aws-sdk-js": _REKOGNITION,
}
