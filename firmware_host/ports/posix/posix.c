/* A Linux process as a board. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/port.h"

const uint32_t fleet_port_ticks_per_second = 1000000000;

void fleet_port_write(const char *text, size_t size)
{
    (void)fwrite(text, 1, size, stdout);
}

uint64_t fleet_port_ticks(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The file that FLEET_ARGUMENT names. */
struct fleet_bytes fleet_port_argument(void)
{
    static _Alignas(16) uint8_t content[1 << 22];
    const char *name = getenv("FLEET_ARGUMENT");
    FILE *file = name != NULL ? fopen(name, "rb") : NULL;
    const size_t size = file != NULL ? fread(content, 1, sizeof content, file) : 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return fleet_bytes(content, size);
}

_Noreturn void fleet_port_exit(int status)
{
    exit(status);
}
