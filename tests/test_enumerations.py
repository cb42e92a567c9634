"""Numbers that compiled code tells apart must differ; a merge of two changes can give both the same one."""

import enum
import importlib
import pkgutil

import pytest

from irqvisor import hv, hw, spec

PACKAGES = (spec, hw, hv)


def modules():
    yield "irqvisor.tables"
    yield "irqvisor.trace"
    for package in PACKAGES:
        yield from (found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."))


def enumerations():
    for name in modules():
        module = importlib.import_module(name)
        yield from (
            kind
            for kind in vars(module).values()
            if isinstance(kind, enum.EnumMeta) and kind.__module__ == name and issubclass(kind, enum.IntEnum)
        )


@pytest.mark.parametrize("kind", list(enumerations()), ids=lambda kind: kind.__name__)
def test_no_two_members_of_an_enumeration_have_one_number(kind):
    assert list(kind.__members__) == [member.name for member in kind]


def test_every_package_of_the_machine_is_looked_at():
    assert {kind.__name__ for kind in enumerations()} >= {"Stop", "EventKind", "Table", "Design", "PortState"}
