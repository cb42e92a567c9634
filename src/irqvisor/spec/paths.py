"""How long the hypervisor's own work is, in instructions. Charged by `hv/accounting.py::path`, a length times the
profile's ``hv_cycles_per_instruction``; which step takes which is in docs/reference/charges.md.

What another charge covers is in no length: the way in and out, finding the call, the controller's registers, a world
switch, a wake-up, and one marking and delivering (`hv/inject.py::inject`).
"""

# Counted in Xen/PPC: exceptions.S as assembled, deliver_ee as compiled for the 970 (gcc -O2).
HDEC = 177 - 116  # what its way through the hypervisor has beyond that of an external interrupt
SOFTIRQ = 25  # one iteration of the loop before a resume
DELIVER_EE_OFF = 12  # deliver_ee: the guest has EE=0
DELIVER_NOTHING = 16  # deliver_ee: EE=1, no upcall pending
DELIVER = 35  # deliver_ee when it delivers: in `inject`, never charged by itself

# The parts of marking, as the profiles estimate it for `inject`: a lock taken and released 15, an atomic bit operation
# 10, a function body 15. A marking that ends early is not in any delivery's `inject`.
PENDING = 15 + 2 * 10 + 3 * 15  # lock, pirq_mask, PENDING; do_IRQ, send_guest_pirq, evtchn_set_pending
SELECTOR = 10
UPCALL = 10 + 15  # vcpu_mark_events_pending
KICK = 10 + 2 * 15  # BLOCKED; vcpu_kick, vcpu_unblock

# By the same parts, beyond what a profile's `inject` has
LINK = 2 * 10 + 2 * 15  # FIFO: LINKED, the tail's LINK; evtchn_fifo_set_link, try_set_link

# Counted in guests/bench/paths.c, one function each, by tests/spec/test_paths.py. Estimates: a real hypervisor's
# functions check more, and lock what this machine has no second user of.
CHOOSE = 45
TIMERS = 11
EXPIRE = 20
EXTERNAL = 19
EVENT_CHECK = 15
SEND = 42
UNMASK = 49
PHYSDEV = 22
END_PIRQ = 15
YIELD = 7
BLOCK = 21
BLOCK_NOT = 19
POLL = 42
POLL_PORT = 14
SET_TIMER = 22
XIRR = 31
SEARCH = 93
TAKE = 15
MASK_LEVEL = 11
SERVE = 22
UNQUEUE = 12
QUEUE = 26
EOI = 49
UNMASK_LEVEL = 10
CPPR = 10
SERVER = 8
CEDE = 43
CEDE_NOT = 20
LOOK = 23
TEST_EVENTS = 6
FRAME = 53
IRET = 35
ENROLL = 3
CHECK = 60
PEND = 15
GET_IVR = 60
GET_TPR = 3
SET_TPR = 42
SAPIC_EOI = 92
RFI = 34
POLL_CONTROLLER = 8
PUSH = 5
DISARM = 4
PULL = 7
ARM = 8
ESCALATION = 13
NOTIFY = 16
POST = 25

# What always goes together
RESCHEDULE = SOFTIRQ + CHOOSE  # unless it is a wake-up's, which has them in host_wakeup
RUN_TIMERS = SOFTIRQ + TIMERS
CALLBACK = FRAME - DELIVER  # an upcall's frame, on top of `inject`, which has deliver_ee's part
