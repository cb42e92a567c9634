"""Xen's public interface as the PowerPC port used it (xen/include/public, 2008): layouts, operations, errors.

Offsets are for a 64-bit big-endian guest. Port p is bit p % 64, counted from the least significant, of the
big-endian doubleword p // 64; the selector covers doublewords the same way.
"""

# shared_info: one 4 KiB page
SHARED_INFO_BYTES = 4096
VCPU_INFO_BYTES = 48
UPCALL_PENDING = 0  # u8 in vcpu_info; any non-zero value means pending
UPCALL_MASK = 1  # u8; not used by Xen/PPC: MSR[EE] is the mask
PENDING_SEL = 8  # u64
EVTCHN_PENDING = 1536  # 64 u64
EVTCHN_MASK = 2048  # 64 u64
BOOT_TIMEBASE = 2576  # u64
PORTS_2L = 4096
UPCALL_PENDING_BIT = 1 << 56  # evtchn_upcall_pending, seen as part of the doubleword at vcpu_info

# Hypercalls: r3 = number | MARK
MARK = -(1 << 16)
HC_STACK_SWITCH = 3  # this and SET_CALLBACKS, IRET: x86's, under the numbers that they have there
HC_SET_CALLBACKS = 4
HC_SET_TIMER_OP = 15
HC_XEN_VERSION = 17
HC_CONSOLE_IO = 18
HC_IRET = 23
HC_VCPU_OP = 24
HC_SCHED_OP = 29
HC_SCHED_OP_OLD = 6  # the same call under its older number
HC_EVENT_CHANNEL_OP = 32
HC_PHYSDEV_OP = 33
XENCOMM_INLINE = -(1 << 63)  # a handle with this bit is a guest real address
XENCOMM_MAGIC = 0x58434F4D  # else it is that of a descriptor: u32 magic, u32 n, then n u64 addresses of pages
XENCOMM_INVALID = (1 << 64) - 1  # an address of a descriptor that stands for no page

# event_channel_op
EVTCHNOP_BIND_INTERDOMAIN = 0
EVTCHNOP_BIND_VIRQ = 1
EVTCHNOP_BIND_PIRQ = 2
EVTCHNOP_CLOSE = 3
EVTCHNOP_SEND = 4
EVTCHNOP_STATUS = 5
EVTCHNOP_ALLOC_UNBOUND = 6
EVTCHNOP_BIND_IPI = 7
EVTCHNOP_BIND_VCPU = 8
EVTCHNOP_UNMASK = 9
EVTCHNOP_RESET = 10
EVTCHNOP_INIT_CONTROL = 11
EVTCHNOP_EXPAND_ARRAY = 12
EVTCHNOP_SET_PRIORITY = 13
BIND_PIRQ_WILL_SHARE = 1
DOMID_SELF = 0x7FF0
NR_VIRQS = 24
VIRQ_TIMER = 0
VIRQ_CONSOLE = 2
VIRQ_DOM_EXC = 3
VCPU_VIRQS_2008 = 1 << 0 | 1 << 1 | 1 << 7  # those each vCPU has for itself: timer, debug, oprofile
VCPU_VIRQS_MODERN = VCPU_VIRQS_2008 | 1 << 13  # and the performance monitor
PORT_BUCKET_2008 = 128  # ports that become valid at a time
PORT_BUCKET_MODERN = 64
NR_PIRQS = 512  # a constant of Xen's build; 256 in that of 2008

# FIFO event channels (public/event_channel.h; Xen 4.4 and later)
PORTS_FIFO = 1 << 17
FIFO_PENDING = 1 << 31  # in an event word, u32
FIFO_MASKED = 1 << 30
FIFO_LINKED = 1 << 29
FIFO_BUSY = 1 << 28
FIFO_LINK = (1 << 17) - 1
FIFO_WORDS_PER_PAGE = 1024
FIFO_PAGES = 128
FIFO_PRIORITIES = 16
FIFO_DEFAULT_PRIORITY = 7
FIFO_LINK_BITS = 17
FIFO_READY = 0  # in a control block: u32, a bit for each queue
FIFO_HEAD = 8  # u32 for each queue
FIFO_CONTROL_BYTES = 72

# sched_op
SCHEDOP_YIELD = 0
SCHEDOP_BLOCK = 1
SCHEDOP_SHUTDOWN = 2
SCHEDOP_POLL = 3
SHUTDOWN_POWEROFF = 0
SHUTDOWN_CRASH = 3
POLL_MAX_PORTS = 128

# physdev_op
PHYSDEVOP_IRQ_STATUS_QUERY = 5
PHYSDEVOP_IRQ_UNMASK_NOTIFY = 4  # legacy, without an argument
PHYSDEVOP_ALLOC_IRQ_VECTOR = 10
PHYSDEVOP_EOI = 12
IRQ_STATUS_NEEDS_EOI = 1
IRQ_STATUS_SHARED = 2

# vcpu_op
VCPUOP_INITIALISE = 0
VCPUOP_UP = 1
VCPUOP_DOWN = 2
VCPUOP_GET_RUNSTATE_INFO = 4
VCPUOP_REGISTER_RUNSTATE_AREA = 5
VCPUOP_REGISTER_VCPU_INFO = 10
VCPUOP_SEND_NMI = 11
VCPU_SSHOTTMR_FUTURE = 1
MAX_VCPUS = 32
SHORTEST_PERIOD_NS = 1_000_000
NANOSECONDS = 1_000_000_000
RUNSTATE_INFO_BYTES = 48
TIMER_FAR_NS = 1 << 50  # further ahead is taken for a mistake ...
TIMER_FAR_EXPIRES_NS = 100_000_000  # ... and expires after this

# vcpu_guest_context of VCPUOP_initialise: cpu_user_regs of 2007 and SDR1 (arch-powerpc.h)
CONTEXT_BYTES = 360
CONTEXT_GPR = 0
CONTEXT_LR = 256
CONTEXT_CTR = 264
CONTEXT_SRR0 = 272
CONTEXT_SRR1 = 280
CONTEXT_PC = 288
CONTEXT_MSR = 296
CONTEXT_XER = 312
CONTEXT_CR = 340  # u32
VCPUOP_SET_PERIODIC_TIMER = 6
VCPUOP_STOP_PERIODIC_TIMER = 7
VCPUOP_SET_SINGLESHOT_TIMER = 8
VCPUOP_STOP_SINGLESHOT_TIMER = 9
VCPUOP_IS_UP = 3

# console_io and xen_version
CONSOLEIO_WRITE = 0
CONSOLEIO_READ = 1
XENVER_VERSION = 0
XEN_VERSION_3_2 = (3 << 16) | 2

# errno, returned negative
EPERM = 1
ENOENT = 2
ESRCH = 3
EAGAIN = 11
ENOMEM = 12
EACCES = 13
EFAULT = 14
EBUSY = 16
EEXIST = 17
EINVAL = 22
ENOSPC = 28
ENOSYS = 38
ETIME = 62
EOPNOTSUPP = 95
