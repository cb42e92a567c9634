"""Why the inner loops of exploration come back to Python."""

from enum import IntEnum


class Reason(IntEnum):
    """Why `examine` came back."""

    DONE = 0  # all instants that were asked for
    END = 1  # the base is quiet: that instant was the last
    CHILD = 2  # the child needs Python
    BASE = 3  # the base needs Python
    JUDGE = 4  # the child is at rest, for judges of the user's
    # Of turns
    STEP = 5  # nothing to come back for: the next step
    INSTANT = 6  # others may go first
    WAITS = 7  # the pCPU waits; another one goes on
    JUDGED = 8  # the run has ended
    SEEN = 9  # the run shares the outcome of another one
