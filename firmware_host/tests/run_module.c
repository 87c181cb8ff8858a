/* Runs a module that is part of the image, on inputs that are, too; one line for each figure. */
#include <string.h>

#include "base/format.h"
#include "base/port.h"
#include "module/runtime.h"

#define POOL (192 * 1024)
#define STACK 512
#define FUEL 10000000

extern const uint8_t fleet_embedded_module[], fleet_embedded_module_end[], fleet_embedded_input[], fleet_embedded_input_end[];

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

int main(void)
{
    const size_t input = (size_t)(fleet_embedded_input_end - fleet_embedded_input);
    const struct fleet_bytes file =
        fleet_bytes(fleet_embedded_module, (size_t)(fleet_embedded_module_end - fleet_embedded_module));
    struct fleet_module module;
    struct fleet_fault fault;
    if (!fleet_runtime_start(pool, sizeof pool, &fault) || !fleet_module_load(&module, file, STACK, FUEL, &fault)) {
        return failed(&fault);
    }
    uint64_t least = UINT64_MAX;
    for (int round = 0; round < 2; ++round) {
        uint8_t *x = fleet_module_input(&module, 0, (uint32_t)input, &fault);
        if (x == NULL) {
            return failed(&fault);
        }
        memcpy(x, fleet_embedded_input, input);
        const uint64_t began = fleet_port_ticks();
        if (!fleet_module_run(&module, &fault)) {
            return failed(&fault);
        }
        const uint64_t took = fleet_port_ticks() - began;
        least = took < least ? took : least;
    }
    uint32_t used, most;
    fleet_runtime_usage(&used, &most);
    say("ticks %u\npool %u\nmemory %u\noutput ", (unsigned)least, (unsigned)most, (unsigned)module.memory_size);
    const uint8_t *y = fleet_module_output(&module, 0, 1, &fault);
    for (uint32_t i = 0; y != NULL && i < module.memory_size - (uint32_t)(y - module.memory) && i < 2048; ++i) {
        say("%02x", (unsigned)y[i]);
    }
    say("\n");
    memcpy(fleet_module_input(&module, 0, (uint32_t)input, &fault), fleet_embedded_input, input);
    for (uint32_t layer = 0;; ++layer) {
        const uint64_t began = fleet_port_ticks();
        if (!fleet_module_run_layer(&module, layer, &fault)) {
            break;
        }
        say("layer %u ticks %u\n", (unsigned)layer, (unsigned)(fleet_port_ticks() - began));
    }
    fleet_module_unload(&module);
    return 0;
}
