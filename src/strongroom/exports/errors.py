"""What exports refuse."""

from strongroom.kit.errors import Conflict, NotFound, StrongroomError, Unavailable


class ExportUnknown(NotFound):
    """No such export in this organisation."""

    code = "exports.unknown"


class ExportNotReady(Conflict):
    """The bundle is not written yet, or could not be."""

    code = "exports.not_ready"


class ExportImpossible(StrongroomError):
    """What the bundle must hold is not there; asking again would not help."""

    code = "exports.impossible"


class NoCheckpoint(Unavailable):
    """The log has no signed head yet."""

    code = "exports.no_checkpoint"
