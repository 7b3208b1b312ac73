"""The sentences with which several decoders refuse a picture."""

from convoy.core.errors import InvalidArgument

_CUT = ("truncated", "premature", "end of file", "incomplete", "eof", "unexpected end", "file size too small")


def cut_short() -> InvalidArgument:
    """The refusal of a file whose picture is not whole."""
    return InvalidArgument("TRUNCATED_IMAGE", "the file ends before the picture is complete")


def unsupported(what: str, instead: str = "JPEG or PNG") -> InvalidArgument:
    """The refusal of a picture that Convoy does not read, by name."""
    return InvalidArgument("UNSUPPORTED_FORMAT", f"this is {what}; send {instead}", {"format": what})


def broken(error: Exception, part: str = "picture") -> InvalidArgument:
    """What a decoder raised, as a refusal: TRUNCATED_IMAGE if the file ends too early, else NOT_AN_IMAGE.

    The decoder's own words are no sentence for people; they stand among the facts.
    """
    text = str(error) or type(error).__name__
    if any(word in text.lower() for word in _CUT):
        return cut_short()
    return InvalidArgument("NOT_AN_IMAGE", f"the {part} is damaged", {"decoder": text[:200]})
