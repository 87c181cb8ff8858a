/* What every port has: a console, a clock that only grows, an end. */
#ifndef FLEET_PORT_H
#define FLEET_PORT_H

#include "base/bytes.h"

void fleet_port_write(const char *text, size_t size);

/* Ticks of a free-running clock, and how many make a second. */
uint64_t fleet_port_ticks(void);
extern const uint32_t fleet_port_ticks_per_second;

/* What a test gave the program to read, 16-aligned; nothing outside tests. */
struct fleet_bytes fleet_port_argument(void);

/* Ends the program, or resets the board. */
_Noreturn void fleet_port_exit(int status);

#endif
