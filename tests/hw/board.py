"""A machine with nothing on it but what a test asks for."""

import numpy as np

import irqvisor.hv.state
import irqvisor.hw.wiring
import irqvisor.trace  # noqa: F401  a buffer has every table
from irqvisor import tables
from irqvisor.hw import openpic
from irqvisor.hw.state import NEVER
from irqvisor.tables import Table


def bare_board(*, inputs=0, pcpus=1, events=0, sources=0, arrivals=0):
    """The arrays of a machine of that size, all zero but for its lengths and a horizon that never comes."""
    state = tables.allocate(
        {
            Table.HEADER: 1,
            Table.PCPU: pcpus,
            Table.PIC: 1,
            Table.PIC_CPU: pcpus,
            Table.PIC_SOURCE: inputs + openpic.INTERNAL_SOURCES,
            Table.EVENT: events,
            Table.SOURCE: sources,
            Table.ARRIVAL: arrivals,
            Table.REQUEST: 1,
        }
    )
    header = tables.view(state, Table.HEADER)[0]
    header.n_pcpu = pcpus
    header.n_pirq = inputs
    header.n_source = sources
    header.event_capacity = events
    header.horizon = NEVER
    return tables.arrays(state, np.zeros(8, np.uint8), np.zeros(1, tables.CODE))
