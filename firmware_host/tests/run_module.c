/* Runs a module on an input, both from the port's argument:
 *
 *   sizes of module, input and output, 32 bits each; four bytes of zeros; the module; at the next multiple of 16 the input
 *
 * and prints a line for each figure. */
#include <string.h>

#include "base/format.h"
#include "base/port.h"
#include "module/pool.h"
#include "module/runtime.h"

#define POOL (192 * 1024)
#define STACK 512
#define FUEL 10000000
#define HEAD 16

static _Alignas(16) uint8_t pool[POOL];

static void say(const char *format, ...)
{
    char line[FLEET_FAULT_TEXT + 32];
    va_list values;
    va_start(values, format);
    const size_t size = fleet_format_list(line, sizeof line, format, values);
    va_end(values);
    fleet_port_write(line, size);
}

static int failed(const struct fleet_fault *fault)
{
    say("fault %s layer %u: %s\n", fault->code, (unsigned)fault->layer, fault->text);
    return 1;
}

static uint32_t number(struct fleet_bytes argument, uint32_t at)
{
    uint32_t value;
    memcpy(&value, argument.data + 4 * at, sizeof value);
    return value;
}

/* Gives the input and runs once; the ticks of it. */
static bool run(struct fleet_module *module, struct fleet_bytes input, uint64_t *ticks, struct fleet_fault *fault)
{
    uint8_t *x = fleet_module_input(module, 0, (uint32_t)input.size, fault);
    if (x == NULL) {
        return false;
    }
    memcpy(x, input.data, input.size);
    const uint64_t began = fleet_port_ticks();
    const bool good = fleet_module_run(module, fault);
    *ticks = fleet_port_ticks() - began;
    return good;
}

int main(void)
{
    const struct fleet_bytes argument = fleet_port_argument();
    if (argument.size < HEAD) {
        say("there is no argument\n");
        return 2;
    }
    const uint32_t size = number(argument, 0), output = number(argument, 2);
    const struct fleet_bytes file = fleet_bytes(argument.data + HEAD, size);
    const struct fleet_bytes input = fleet_bytes(file.data + (size + 15) / 16 * 16, number(argument, 1));
    struct fleet_module module;
    struct fleet_fault fault;
    uint64_t first, ticks;
    /* The first run may find code and tables cold. */
    if (!fleet_runtime_start(pool, sizeof pool, &fault) || !fleet_module_load(&module, file, STACK, FUEL, &fault) ||
        !run(&module, input, &first, &fault) || !fleet_module_reset(&module, &fault) || !run(&module, input, &ticks, &fault)) {
        return failed(&fault);
    }
    const uint32_t most = fleet_pool_most();
    const uint8_t *y = fleet_module_output(&module, 0, output, &fault);
    if (y == NULL) {
        return failed(&fault);
    }
    say("ticks %u\npool %u\nmemory %u\noutput ", (unsigned)ticks, (unsigned)most, (unsigned)module.memory_size);
    for (uint32_t i = 0; i < output; ++i) {
        say("%02x", (unsigned)y[i]);
    }
    say("\n");
    for (uint32_t layer = 0; fleet_module_run_layer(&module, layer, &fault); ++layer) {
        const uint64_t began = fleet_port_ticks();
        (void)fleet_module_run_layer(&module, layer, &fault);
        say("layer %u %u\n", (unsigned)layer, (unsigned)(fleet_port_ticks() - began));
    }
    fleet_module_unload(&module);
    /* What was freed is there again: the same module, as often as one likes, in the same pool. */
    for (int i = 0; i < 20; ++i) {
        if (!fleet_module_load(&module, file, STACK, FUEL, &fault)) {
            return failed(&fault);
        }
        fleet_module_unload(&module);
    }
    say("again %u\nleft %u\n", (unsigned)fleet_pool_most(), (unsigned)fleet_pool_used());
    return 0;
}
