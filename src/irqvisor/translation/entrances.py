"""Where code of other pages, and the way back from what only the interpreter does, enter a region.

The page itself does not show that: it is noted while machines run. What a region was translated with is kept beside
its host code, so that the next process has both at hand.
"""

import json
from collections import defaultdict

from irqvisor.translation.cache import find, keep
from irqvisor.translation.region import Region

_noted: defaultdict[str, set[int]] = defaultdict(set)
_translated: dict[str, set[int]] = {}
"""Words by the name of the region that a page shows: those seen, and those that it was translated with."""


def note(region: Region, word: int) -> None:
    """A word was entered."""
    _noted[region.name].add(word)


_entered: dict[tuple[str, tuple[int, ...]], Region] = {}
"""What `Region.entered_at` has made: many machines have the same pages."""


def with_noted(region: Region) -> Region:
    """A region with all the entrances that are known by now; they are kept."""
    words = _remembered(region) | _noted[region.name]
    _translated[region.name] = words
    keep(_file(region), json.dumps(sorted(words)).encode())
    return _entered_at(region, words)


def with_remembered(region: Region) -> Region:
    """A region with the entrances that it was translated with last."""
    return _entered_at(region, _remembered(region))


def _entered_at(region: Region, words: set[int]) -> Region:
    key = region.name, tuple(sorted(words))
    if words and key not in _entered:
        _entered[key] = region.entered_at(key[1])
    return _entered.get(key, region)


def _remembered(region: Region) -> set[int]:
    if region.name not in _translated:
        _translated[region.name] = set(json.loads(find(_file(region)) or b"[]"))
    return _translated[region.name]


def _file(region: Region) -> str:
    return f"{region.name}.entrances"
