/* Last words. */
#include "front.h"
#include "kernel.h"

void print(const char *text)
{
    front_console(text, length_of(text));
}

void print_hex(u64 value)
{
    char text[18] = "0x";
    u64 length = 2;
    int shift = 60;

    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        text[length++] = "0123456789abcdef"[value >> shift & 15];
    front_console(text, length);
}

NOINLINE void complain(const char *what, u64 value)
{
    print("kernel: ");
    print(what);
    print(" ");
    print_hex(value);
    print("\n");
}

/* End this guest. */
NORETURN void leave(u64 status)
{
    for (;;)
        board()->exit = status;
}

NOINLINE NORETURN void give_up(u64 status, const char *what, u64 value)
{
    complain(what, value);
    leave(status);
}
