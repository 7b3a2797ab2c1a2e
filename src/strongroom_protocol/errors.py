"""The one family in which every refusal of this package leaves."""


class ProtocolError(ValueError):
    """Something that was handed in is not what the protocol allows; the message says what and why.

    `code` is stable and may be shown to clients and matched by programs.
    """

    code = "protocol.invalid"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        """`code` narrows the class's own code for one case."""
        super().__init__(message)
        if code is not None:
            self.code = code


class FieldInvalid(ProtocolError):
    """A field of a document has the wrong form; the message begins with the field's path."""

    code = "protocol.field_invalid"


class RangeExceeded(ProtocolError):
    """A number does not fit the width that the standard gives it."""

    code = "protocol.range_exceeded"
