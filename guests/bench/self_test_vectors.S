/* The kernel's vectors for machines that begin at 0x100, as QEMU's pseries does with a firmware of its own. */
#define BEGIN_AT_RESET
#include "../kernel/vectors.S"
