"""The sentences with which several decoders refuse a picture."""

from convoy.core.errors import InvalidArgument

_CUT = ("truncated", "premature", "end of file", "incomplete", "eof", "unexpected end")


def cut_short() -> InvalidArgument:
    """The refusal of a file whose picture is not whole."""
    return InvalidArgument("TRUNCATED_IMAGE", "the file ends before the picture is complete")


def broken(error: Exception) -> InvalidArgument:
    """What a decoder raised, as a refusal: TRUNCATED_IMAGE if the file ends too early, else NOT_AN_IMAGE."""
    text = str(error) or type(error).__name__
    if any(word in text.lower() for word in _CUT):
        return cut_short()
    return InvalidArgument("NOT_AN_IMAGE", f"the picture is damaged: {text}")
