"""Design number to functions: the only file that names the modules of all designs (numbers: spec/designs.py)."""

from irqvisor._jit import hot, jit
from irqvisor.hv import channel, hcall, partition
from irqvisor.hv.designs import direct, hybrid, native, rhype, xen_ia64, xen_ppc, xen_x86
from irqvisor.hv.state import Where
from irqvisor.hw.state import NOBODY, Arrival, header, source
from irqvisor.spec.designs import Design


@jit
def setup(m):
    design = header(m).design
    if design == Design.NATIVE:
        native.setup(m)
    elif design == Design.RHYPE:
        rhype.setup(m)
    elif design == Design.XEN_PPC:
        xen_ppc.setup(m)
    elif design == Design.XEN_X86:
        xen_x86.setup(m)
    elif design == Design.XEN_IA64:
        xen_ia64.setup(m)
    elif design == Design.HYBRID:
        hybrid.setup(m)
    elif design == Design.DIRECT:
        direct.setup(m)


@hot
def on_external(m, p):
    design = header(m).design
    if design == Design.NATIVE:
        native.on_external(m, p)
    elif design == Design.RHYPE:
        rhype.on_external(m, p)
    elif design == Design.XEN_PPC:
        xen_ppc.on_external(m, p)
    elif design == Design.XEN_X86:
        xen_x86.on_external(m, p)
    elif design == Design.XEN_IA64:
        xen_ia64.on_external(m, p)
    elif design == Design.HYBRID:
        hybrid.on_external(m, p)
    elif design == Design.DIRECT:
        direct.on_external(m, p)


@hot
def on_hcall(m, p, v, cpu):
    design = header(m).design
    if design == Design.NATIVE:
        return native.on_hcall(m, p, v, cpu)
    if design == Design.RHYPE:
        return rhype.on_hcall(m, p, v, cpu)
    if design == Design.XEN_PPC:
        return xen_ppc.on_hcall(m, p, v, cpu)
    if design == Design.XEN_X86:
        return xen_x86.on_hcall(m, p, v, cpu)
    if design == Design.XEN_IA64:
        return xen_ia64.on_hcall(m, p, v, cpu)
    if design == Design.HYBRID:
        return hybrid.on_hcall(m, p, v, cpu)
    if design == Design.DIRECT:
        return direct.on_hcall(m, p, v, cpu)
    if design == Design.PARTITION:
        return partition.on_hcall(m, p, v, cpu)
    return hcall.Answer.NOT_MINE


@jit
def on_hdec(m, p):
    design = header(m).design
    if design == Design.NATIVE:
        native.on_hdec(m, p)
    elif design == Design.RHYPE:
        rhype.on_hdec(m, p)
    elif design == Design.XEN_PPC:
        xen_ppc.on_hdec(m, p)
    elif design == Design.XEN_X86:
        xen_x86.on_hdec(m, p)
    elif design == Design.XEN_IA64:
        xen_ia64.on_hdec(m, p)
    elif design == Design.HYBRID:
        hybrid.on_hdec(m, p)
    elif design == Design.DIRECT:
        direct.on_hdec(m, p)


@hot
def on_access(m, p, what):
    design = header(m).design
    if design == Design.NATIVE:
        native.on_access(m, p, what)
    elif design == Design.RHYPE:
        rhype.on_access(m, p, what)
    elif design == Design.XEN_PPC:
        xen_ppc.on_access(m, p, what)
    elif design == Design.XEN_X86:
        xen_x86.on_access(m, p, what)
    elif design == Design.XEN_IA64:
        xen_ia64.on_access(m, p, what)
    elif design == Design.HYBRID:
        hybrid.on_access(m, p, what)
    elif design == Design.DIRECT:
        direct.on_access(m, p, what)


@jit
def on_switch(m, p):
    design = header(m).design
    if design == Design.NATIVE:
        native.on_switch(m, p)
    elif design == Design.RHYPE:
        rhype.on_switch(m, p)
    elif design == Design.XEN_PPC:
        xen_ppc.on_switch(m, p)
    elif design == Design.XEN_X86:
        xen_x86.on_switch(m, p)
    elif design == Design.XEN_IA64:
        xen_ia64.on_switch(m, p)
    elif design == Design.HYBRID:
        hybrid.on_switch(m, p)
    elif design == Design.DIRECT:
        direct.on_switch(m, p)


@hot
def before_entry(m, p):
    design = header(m).design
    if design == Design.NATIVE:
        native.before_entry(m, p)
    elif design == Design.RHYPE:
        rhype.before_entry(m, p)
    elif design == Design.XEN_PPC:
        xen_ppc.before_entry(m, p)
    elif design == Design.XEN_X86:
        xen_x86.before_entry(m, p)
    elif design == Design.XEN_IA64:
        xen_ia64.before_entry(m, p)
    elif design == Design.HYBRID:
        hybrid.before_entry(m, p)
    elif design == Design.DIRECT:
        direct.before_entry(m, p)


@jit
def whereabouts(m, s):
    if source(m, s).kind == Arrival.CHANNEL:
        if source(m, s).announced < source(m, s).head:
            return Where.UNDER_WAY  # its producer has not notified yet
        if source(m, s).irq == NOBODY:
            return channel.whereabouts(m, s)
    design = header(m).design
    if design == Design.NATIVE:
        return native.whereabouts(m, s)
    if design == Design.RHYPE:
        return rhype.whereabouts(m, s)
    if design == Design.XEN_PPC:
        return xen_ppc.whereabouts(m, s)
    if design == Design.XEN_X86:
        return xen_x86.whereabouts(m, s)
    if design == Design.XEN_IA64:
        return xen_ia64.whereabouts(m, s)
    if design == Design.HYBRID:
        return hybrid.whereabouts(m, s)
    if design == Design.DIRECT:
        return direct.whereabouts(m, s)
    return Where.NOWHERE
