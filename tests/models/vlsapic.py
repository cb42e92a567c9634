"""A plain model of a virtual local SAPIC: sets of vectors, the rules one after the other."""

SPURIOUS = 15


class Sapic:
    """Vectors pending and in service, and a task priority."""

    def __init__(self):
        self.pending = set()
        self.in_service = []
        self.tpr = 0

    def pend(self, vector):
        self.pending.add(vector)

    def deliverable(self):
        """The vector that would be accepted."""
        candidates = [
            vector
            for vector in self.pending
            if all(vector > served for served in self.in_service)
            and not self.tpr & 0x10000
            and vector // 16 > self.tpr // 16 % 16
        ]
        return max(candidates, default=SPURIOUS)

    def accept(self):
        vector = self.deliverable()
        if vector != SPURIOUS:
            self.pending.remove(vector)
            self.in_service.append(vector)
        return vector

    def end(self):
        if self.in_service:
            self.in_service.remove(max(self.in_service))
