"""The event log as a file: one JSON object a line, for people, jq and pandas."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from irqvisor.errors import UsageError
from irqvisor.trace import LOG, Kind

KINDS = {int(kind): kind.name.lower() for kind in Kind}


class LogFile:
    """Where `runner.run` may send a run's records: ``with LogFile(path) as log: run(..., log=log.write)``.

    Attributes:
        records: how many were written.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError("--log", f"{path} cannot be written: {error.strerror}") from None
        self.records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

    def write(self, records: np.ndarray[Any, Any]) -> None:
        """Append records of dtype `trace.LOG`."""
        names = LOG.names or ()
        for values in records[list(names)].tolist():
            record = dict(zip(names, values, strict=True))
            record["kind"] = KINDS.get(record["kind"], record["kind"])
            self._file.write(json.dumps(record) + "\n")
        self.records += len(records)
