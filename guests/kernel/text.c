/* The few string functions that a kernel without a library needs. */
#include "kernel.h"

int equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

u64 length_of(const char *text)
{
    u64 length = 0;
    while (text[length])
        length++;
    return length;
}
