"""RTAS, the Run-Time Abstraction Services of PAPR: tokens, statuses, and the argument block (LoPAPR, RTAS).

Tokens are a platform's own and told by the device tree; these are QEMU's.
"""

DISPLAY_CHARACTER = 0x2000
GET_TIME_OF_DAY = 0x2001
SET_TIME_OF_DAY = 0x2002
POWER_OFF = 0x2003
SYSTEM_REBOOT = 0x2004
QUERY_CPU_STOPPED_STATE = 0x2005
START_CPU = 0x2006
STOP_SELF = 0x2007
SET_XIVE = 0x200A
GET_XIVE = 0x200B
INT_OFF = 0x200C
INT_ON = 0x200D
CHECK_EXCEPTION = 0x200E
EVENT_SCAN = 0x200F
NVRAM_FETCH = 0x2012
NVRAM_STORE = 0x2013

TOKENS = {
    "display-character": DISPLAY_CHARACTER,
    "get-time-of-day": GET_TIME_OF_DAY,
    "set-time-of-day": SET_TIME_OF_DAY,
    "power-off": POWER_OFF,
    "system-reboot": SYSTEM_REBOOT,
    "query-cpu-stopped-state": QUERY_CPU_STOPPED_STATE,
    "start-cpu": START_CPU,
    "stop-self": STOP_SELF,
    "ibm,set-xive": SET_XIVE,
    "ibm,get-xive": GET_XIVE,
    "ibm,int-off": INT_OFF,
    "ibm,int-on": INT_ON,
    "check-exception": CHECK_EXCEPTION,
    "event-scan": EVENT_SCAN,
    "nvram-fetch": NVRAM_FETCH,
    "nvram-store": NVRAM_STORE,
}
"""Properties of /rtas."""

SUCCESS = 0
HARDWARE_ERROR = -1
PARAMETER_ERROR = -3
NO_ERRORS_FOUND = 1  # check-exception, event-scan
CPU_STOPPED = 0
CPU_RUNNING = 2

CELL = 4  # bytes; big-endian whatever the guest is
FIRST_AT = 12  # behind the token and the numbers of arguments and returns
TIME_CELLS = 8  # what get-time-of-day returns: status, six numbers of the date, nanoseconds
MOST = 16  # arguments and returns of one call

ENTRY = (0x7C641B78, 0x3C600000, 0x6063F000, 0x44000022, 0x4E800020)
"""Code at linux,rtas-entry: mr r4,r3; r3 = H_RTAS; sc 1; blr."""
