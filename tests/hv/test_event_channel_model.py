"""Random histories of two or three domains: the code that guests use against a model in plain Python, step by step."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from irqvisor.hv.state import Release
from irqvisor.lab.conformance import steps
from irqvisor.lab.conformance.rig import Rig
from irqvisor.lab.conformance.vectors import runs
from irqvisor.tables import Table
from models.event_channels import Port, Refused, Xen

BASE = {"max_port": 1023, "hardware": False, "nr_pirqs": 16, "pirqs_permitted": [4, 5], "pirqs_mapped": [4, 5]}
DOMAINS = [
    {"id": 0, "vcpus": 2, "privileged": True, **BASE},
    {"id": 1, "vcpus": 3, "privileged": False, **BASE},
    {"id": 9, "vcpus": 1, "privileged": False, **BASE, "max_port": 6},
]
RELEASES = {"2008": Release.XEN_2008, "modern": Release.MODERN}

doms = st.sampled_from([0, 1, 9])
named = st.sampled_from([0, 1, 9, 0x7FF0, 0x7FF0, 5])
ports = st.sampled_from([*range(8), *range(1, 8), 63, 64, 127, 128, 4095, 4096, 0xFFFFFFFF])
vcpus = st.sampled_from([0, 0, 1, 2, 3])


class Histories(RuleBasedStateMachine):
    """A history: what a rule does is done to both, and both must answer alike."""

    release = "modern"

    @initialize()
    def begin(self):
        self.rig = Rig(DOMAINS, RELEASES[self.release])
        for domain in DOMAINS:
            self.rig.domain(domain["id"]).valid = {"2008": 128, "modern": 64}[self.release]
        self.model = Xen(self.release, DOMAINS)

    def both(self, kind, op, dom, caller, modelled, /, **args):
        """Do a step to the machine and to the model; compare what they return and whom they notify."""
        step = {"kind": kind, "op": op, "dom": dom, "vcpu": caller, "args": args}
        self.model.told = []
        try:
            out = modelled()
            wanted = {"rc": 0} if kind == "hypercall" else {}
            if out:
                wanted["out"] = out
        except Refused as refused:
            wanted = {"rc": f"-{refused}"}
        if self.model.told:
            wanted["notify"] = self.model.told
        assert steps.perform(self.rig, step) == wanted, step

    def call(self, op, dom, /, **args):
        """A hypercall by the first vCPU of a domain that is awake; none if all sleep."""
        caller = self.awake(dom)
        if caller is not None:
            self.both("hypercall", op, dom, caller, lambda: getattr(self.model, op)(dom, **args), **args)

    def awake(self, dom):
        return next((v for v, w in enumerate(self.model.domains[dom].vcpus) if not w.sleeps), None)

    @rule(dom=doms, of=named, remote=named)
    def alloc_unbound(self, dom, of, remote):
        self.call("alloc_unbound", dom, dom=of, remote_dom=remote)

    @rule(dom=doms, remote=named, port=ports)
    def bind_interdomain(self, dom, remote, port):
        self.call("bind_interdomain", dom, remote_dom=remote, remote_port=port)

    @rule(dom=doms, peer=doms)
    def connect(self, dom, peer):
        """A channel between two domains, so that there is something to send on."""
        before = set(self.model.domains[peer].ports)
        self.call("alloc_unbound", peer, dom=0x7FF0, remote_dom=dom)
        fresh = set(self.model.domains[peer].ports) - before
        if fresh:
            self.call("bind_interdomain", dom, remote_dom=peer, remote_port=fresh.pop())

    @rule(dom=doms, virq=st.integers(0, 25), vcpu=vcpus)
    def bind_virq(self, dom, virq, vcpu):
        self.call("bind_virq", dom, virq=virq, vcpu=vcpu)

    @rule(dom=doms, pirq=st.sampled_from([3, 4, 5, 15, 16]))
    def bind_pirq(self, dom, pirq):
        self.call("bind_pirq", dom, pirq=pirq, flags=0)

    @rule(dom=doms, vcpu=vcpus)
    def bind_ipi(self, dom, vcpu):
        self.call("bind_ipi", dom, vcpu=vcpu)

    @rule(dom=doms, port=ports, vcpu=vcpus)
    def bind_vcpu(self, dom, port, vcpu):
        self.call("bind_vcpu", dom, port=port, vcpu=vcpu)

    @rule(dom=doms, port=ports)
    def close(self, dom, port):
        self.call("close", dom, port=port)

    @rule(dom=doms, port=ports)
    def send(self, dom, port):
        self.call("send", dom, port=port)

    @rule(dom=doms, port=ports)
    def unmask(self, dom, port):
        self.call("unmask", dom, port=port)

    @rule(dom=doms, of=named, port=ports)
    def status(self, dom, of, port):
        self.call("status", dom, dom=of, port=port)

    @rule(dom=doms, of=named)
    def reset(self, dom, of):
        self.call("reset", dom, dom=of)

    @rule(dom=doms, virq=st.sampled_from([0, 1, 2, 7, 13]), vcpu=vcpus)
    def raise_virq(self, dom, virq, vcpu):
        d = self.model.domains[dom]
        if vcpu < len(d.vcpus):
            port = self.model.virq_port(d, virq, vcpu)
            one = virq in (0, 1, 7) or (virq == 13 and self.release == "modern")
            op = "vcpu_virq" if one else "domain_virq"
            self.both("hv", op, dom, vcpu, lambda: self.model.raise_port(d, port) if port else None, virq=virq)

    @rule(dom=doms, vcpu=vcpus, remote=named)
    def attach(self, dom, vcpu, remote):
        d = self.model.domains[dom]
        if vcpu >= len(d.vcpus):
            return

        step = {"kind": "hv", "op": "xen_alloc", "dom": dom, "vcpu": vcpu, "args": {"remote_dom": remote}}
        try:
            number = self.model.free(d)
            d.ports[number] = Port("unbound", vcpu, dom=remote, xen=True)
            wanted = {"rc": 0, "out": {"port": number}}
        except Refused as refused:
            wanted = {"rc": f"-{refused}"}
        assert steps.perform(self.rig, step) == wanted

    @rule(dom=doms, vcpu=vcpus)
    def block(self, dom, vcpu):
        if self.may_run(dom, vcpu):
            self.both("hypercall", "sched_block", dom, vcpu, lambda: self.model.sched_block(dom, vcpu))

    @rule(dom=doms, vcpu=vcpus, listed=st.lists(ports, max_size=3))
    def poll(self, dom, vcpu, listed):
        if self.may_run(dom, vcpu):
            modelled = lambda: self.model.sched_poll(dom, vcpu, listed)  # noqa: E731
            self.both("hypercall", "sched_poll", dom, vcpu, modelled, ports=listed, timeout=0)

    def may_run(self, dom, vcpu):
        d = self.model.domains[dom]
        return vcpu < len(d.vcpus) and not d.vcpus[vcpu].sleeps

    @rule(dom=doms, port=st.integers(1, 130), what=st.sampled_from(["mask", "clear_mask", "clear_pending"]))
    def guest_bit(self, dom, port, what):
        d = self.model.domains[dom]
        act = {"mask": d.masked.add, "clear_mask": d.masked.discard, "clear_pending": d.pending.discard}[what]
        self.both("guest", what, dom, 0, lambda: act(port), port=port)

    @rule(dom=doms, vcpu=vcpus)
    def take(self, dom, vcpu):
        """As a handler does: the upcall, then the selector."""
        d = self.model.domains[dom]
        if vcpu < len(d.vcpus):
            w = d.vcpus[vcpu]
            self.both("guest", "set_upcall_pending", dom, vcpu, lambda: setattr(w, "upcall", 0), value=0)
            taken, w.selector = sorted(w.selector), set()
            self.both("guest", "take_sel", dom, vcpu, lambda: {"sel": runs(taken)})

    @rule(dom=doms, vcpu=vcpus, value=st.sampled_from([0, 1, 0xFF]))
    def guest_mask_byte(self, dom, vcpu, value):
        d = self.model.domains[dom]
        if vcpu < len(d.vcpus):
            w = d.vcpus[vcpu]
            self.both("guest", "set_upcall_mask", dom, vcpu, lambda: setattr(w, "mask", value), value=value)

    @invariant()
    def states_are_equal(self):
        for dom in self.model.domains:
            wanted = self.model.state(dom)
            wanted["pending"], wanted["masked"] = runs(wanted["pending"]), runs(wanted["masked"])
            for w in wanted["vcpus"]:
                w["sel"] = runs(w["sel"])
            assert steps.state(self.rig, dom) == wanted

    @invariant()
    def who_is_asleep_has_no_upcall_that_it_lets_in(self):
        """I4 of the reference."""
        for w in self.rig.machine.views[Table.VCPU]:
            if w.blocked and not w.polling:
                assert not self.rig.machine.ram[int(w.info)] or self.rig.machine.ram[int(w.info) + 1]


@pytest.mark.parametrize("release", RELEASES)
def test_random_histories_are_as_the_model_says(release):
    chosen = type("Chosen", (Histories,), {"release": release})
    run_state_machine_as_test(chosen, settings=settings(max_examples=12, stateful_step_count=40))


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("release", RELEASES)
def test_long_random_histories_are_as_the_model_says(release):
    chosen = type("Chosen", (Histories,), {"release": release})
    run_state_machine_as_test(chosen, settings=settings(max_examples=30, stateful_step_count=80))
