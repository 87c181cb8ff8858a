#include "module/imports.h"

#include "fleet_host.h"
#include "module/runtime.h"
#include "wasm_export.h"

/* Raw natives get their arguments as 64-bit cells. */
static void call_kernel(wasm_exec_env_t env, uint64_t *cells)
{
    const enum fleet_host_kernel kernel = (enum fleet_host_kernel)(uintptr_t)wasm_runtime_get_function_attachment(env);
    const wasm_module_inst_t instance = wasm_runtime_get_module_inst(env);
    const struct fleet_module *module = wasm_runtime_get_custom_data(instance);
    uint32_t arguments[FLEET_HOST_MOST_ARGUMENTS];
    for (uint32_t i = 0; i < fleet_host_arguments(kernel); ++i) {
        arguments[i] = (uint32_t)cells[i];
    }
    const struct fleet_host_module host = {module->memory, module->weights.data, module->memory_size,
                                           (uint32_t)module->weights.size};
    switch (fleet_host_call(&host, kernel, arguments)) {
    case FLEET_HOST_OK:
        break;
    case FLEET_HOST_PARAMETERS:
        wasm_runtime_set_exception(instance, "a kernel was given parameters that it does not take");
        break;
    case FLEET_HOST_RANGE:
    default:
        wasm_runtime_set_exception(instance, "a kernel was given an address outside the module");
        break;
    }
}

_Bool fleet_imports_register(struct fleet_fault *fault)
{
    /* WAMR keeps the list, and sorts it. */
    static NativeSymbol symbols[FLEET_HOST_COUNT];
    static const char *const signatures[] = {[3] = "(iii)", [4] = "(iiii)", [5] = "(iiiii)", [7] = "(iiiiiii)"};
    for (uint32_t i = 0; i < FLEET_HOST_COUNT; ++i) {
        symbols[i].symbol = fleet_host_name((enum fleet_host_kernel)i);
        symbols[i].func_ptr = (void *)(uintptr_t)call_kernel;
        symbols[i].signature = signatures[fleet_host_arguments((enum fleet_host_kernel)i)];
        symbols[i].attachment = (void *)(uintptr_t)i;
    }
    if (!wasm_runtime_register_natives_raw("fleet", symbols, FLEET_HOST_COUNT)) {
        return fleet_fail(fault, "memory", "no room for the list of kernels");
    }
    return 1;
}
