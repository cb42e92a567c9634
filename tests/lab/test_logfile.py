import json

import numpy as np
import pytest

from irqvisor.errors import UsageError
from irqvisor.lab.logfile import LogFile
from irqvisor.trace import LOG, Kind


def test_a_record_is_a_line_of_json_with_the_kind_by_name(tmp_path):
    records = np.zeros(2, LOG)
    records["kind"] = [Kind.RAISE, Kind.COMPLETE]
    records["cycle"] = [7, 1 << 40]
    path = tmp_path / "log"
    with LogFile(path) as log:
        log.write(records[:1])
        log.write(records[1:])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["raise", "complete"]
    assert [line["cycle"] for line in lines] == [7, 1 << 40]
    assert set(lines[0]) == set(LOG.names)
    assert log.records == 2


def test_a_log_that_cannot_be_written_is_an_error_of_the_user(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        LogFile(tmp_path / "no" / "such" / "folder")
