"""Why the indexer stops or starts a step again."""

from strongroom.chain.errors import NodeUnavailable
from strongroom.kit.errors import Conflict, Unavailable


class CursorMoved(Conflict):
    """Somebody else moved the cursor or leads now: this step is thrown away."""

    code = "indexer.cursor_moved"
    retryable = True


class WatchedChanged(Unavailable):
    """An address was registered since this block was matched: it is matched again."""

    code = "indexer.watched_changed"


class ForkChanged(Unavailable):
    """The blocks read are not those that stand here: they are read again."""

    code = "indexer.fork_changed"


class NotIndexed(Conflict):
    """This chain has no cursor yet: its indexer never started."""

    code = "indexer.not_indexed"


class FinalityWentBack(NodeUnavailable):
    """A node calls a lower block final than was final before. Nothing of it is believed."""

    code = "indexer.finality_went_back"
