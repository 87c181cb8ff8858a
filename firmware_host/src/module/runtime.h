/* A module in WAMR's interpreter, run where its file lies.
 *
 * The file is one that was verified, and that module/precheck.h has found sound; it stays where it is, unchanged, for as long as
 * the module is loaded. WAMR takes all memory from one pool. */
#ifndef FLEET_MODULE_RUNTIME_H
#define FLEET_MODULE_RUNTIME_H

#include "base/bytes.h"
#include "base/fault.h"

#define FLEET_MODULE_SECTIONS 16

/* One module at a time. Zeroed before the first use. */
struct fleet_module {
    void *wamr_module, *wamr_instance, *wamr_env;
    struct fleet_module_abi {
        void *input, *output, *run, *run_layer, *reset;
    } abi;
    const int32_t *layer; /* the global `fleet_layer` */
    uint8_t *memory;
    uint32_t memory_size;
    struct fleet_bytes weights; /* contents of `fleet.weights`, in the file */
    uint32_t fuel;              /* instructions of Wasm that a call may take; kernels of the host are not counted */
};

/* Starts WAMR on a pool (module/pool.h) and gives it the host's kernels. Once. */
bool fleet_runtime_start(void *pool, uint32_t size, struct fleet_fault *fault);

/* Loads a file whose first byte is 16-aligned.
 *
 *   stack   bytes of WAMR's stack of operands
 *   fuel    see above */
bool fleet_module_load(struct fleet_module *module, struct fleet_bytes file, uint32_t stack, uint32_t fuel,
                       struct fleet_fault *fault);

/* Frees what it took; nothing if nothing is loaded. */
void fleet_module_unload(struct fleet_module *module);

/* Where an input or an output lies, with so many bytes behind it; null and a fault if there is no such one. */
uint8_t *fleet_module_input(struct fleet_module *module, uint32_t index, uint32_t size, struct fleet_fault *fault);
const uint8_t *fleet_module_output(struct fleet_module *module, uint32_t index, uint32_t size, struct fleet_fault *fault);

/* One inference, one layer, and the first run anew. A fault names the layer; with `nonfinite` the module's state is as before. */
bool fleet_module_run(struct fleet_module *module, struct fleet_fault *fault);
bool fleet_module_run_layer(struct fleet_module *module, uint32_t layer, struct fleet_fault *fault);
bool fleet_module_reset(struct fleet_module *module, struct fleet_fault *fault);

#endif
