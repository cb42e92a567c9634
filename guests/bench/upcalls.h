/* The second file of paths.elf. */
#ifndef UPCALLS_H
#define UPCALLS_H

/* Call each function of upcalls.c once. */
void count_upcalls(void);

#endif
