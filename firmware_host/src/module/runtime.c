#include "module/runtime.h"

#include <string.h>

#include "fleet_abi.h"
#include "module/imports.h"
#include "module/pool.h"
#include "wasm_export.h"

#define ERROR_TEXT 96
#define MAX_LEB 5

bool fleet_runtime_start(void *pool, uint32_t size, struct fleet_fault *fault)
{
    RuntimeInitArgs arguments;
    memset(&arguments, 0, sizeof arguments);
    fleet_pool_start(pool, size);
    arguments.mem_alloc_type = Alloc_With_Allocator;
    arguments.mem_alloc_option.allocator.malloc_func = (void *)(uintptr_t)fleet_pool_take;
    arguments.mem_alloc_option.allocator.realloc_func = (void *)(uintptr_t)fleet_pool_resize;
    arguments.mem_alloc_option.allocator.free_func = (void *)(uintptr_t)fleet_pool_give;
    if (!wasm_runtime_full_init(&arguments)) {
        return fleet_fail(fault, "memory", "the runtime does not start in %u bytes", (unsigned)size);
    }
    return fleet_imports_register(fault);
}

static bool read_u32(struct fleet_bytes file, uint32_t *at, uint32_t *value)
{
    *value = 0;
    for (uint32_t i = 0; i < MAX_LEB && *at < file.size; ++i) {
        const uint8_t byte = file.data[(*at)++];
        *value |= (uint32_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* The list that WAMR loads from: every section but the custom ones. WAMR asks for a pointer to what it only reads. */
static bool list_sections(struct fleet_bytes file, wasm_section_t *list, struct fleet_bytes *weights)
{
    static const char name[] = "fleet.weights";
    uint32_t at = 8, count = 0;
    while (at < file.size) {
        const uint8_t kind = file.data[at++];
        uint32_t size;
        if (!read_u32(file, &at, &size) || !fleet_within(at, size, file.size)) {
            return false;
        }
        if (kind != 0) {
            if (count == FLEET_MODULE_SECTIONS) {
                return false;
            }
            list[count] = (wasm_section_t){NULL, kind, (uint8_t *)(uintptr_t)(file.data + at), size};
            if (count > 0) {
                list[count - 1].next = &list[count];
            }
            ++count;
        } else if (size > sizeof name && file.data[at] == sizeof name - 1 &&
                   memcmp(file.data + at + 1, name, sizeof name - 1) == 0) {
            const uint32_t start = (at + (uint32_t)sizeof name + 15) / 16 * 16;
            if (start <= at + size) {
                *weights = fleet_bytes(file.data + start, at + size - start);
            }
        }
        at += size;
    }
    return count > 0;
}

static bool find_exports(struct fleet_module *module)
{
    const wasm_module_inst_t instance = module->wamr_instance;
    module->abi.input = wasm_runtime_lookup_function(instance, "input");
    module->abi.output = wasm_runtime_lookup_function(instance, "output");
    module->abi.run = wasm_runtime_lookup_function(instance, "run");
    module->abi.run_layer = wasm_runtime_lookup_function(instance, "run_layer");
    module->abi.reset = wasm_runtime_lookup_function(instance, "reset");
    wasm_global_inst_t layer;
    if (!wasm_runtime_get_export_global_inst(instance, "fleet_layer", &layer)) {
        return false;
    }
    module->layer = layer.global_data;
    const wasm_memory_inst_t memory = wasm_runtime_get_default_memory(instance);
    if (memory == NULL) {
        return false;
    }
    module->memory = wasm_memory_get_base_address(memory);
    module->memory_size = (uint32_t)(wasm_memory_get_cur_page_count(memory) * wasm_memory_get_bytes_per_page(memory));
    return module->abi.input != NULL && module->abi.output != NULL && module->abi.run != NULL && module->abi.run_layer != NULL;
}

bool fleet_module_load(struct fleet_module *module, struct fleet_bytes file, uint32_t stack, uint32_t fuel,
                       struct fleet_fault *fault)
{
    char error[ERROR_TEXT] = "";
    wasm_section_t list[FLEET_MODULE_SECTIONS];
    memset(module, 0, sizeof *module);
    module->fuel = fuel;
    if ((uintptr_t)file.data % 16 != 0 || !list_sections(file, list, &module->weights)) {
        return fleet_fail(fault, "module", "the file has no sections, or lies at an odd place");
    }
    module->wamr_module = wasm_runtime_load_from_sections(list, false, error, sizeof error);
    if (module->wamr_module == NULL) {
        return fleet_fail(fault, "module", "%s", error);
    }
    module->wamr_instance = wasm_runtime_instantiate(module->wamr_module, stack, 0, error, sizeof error);
    if (module->wamr_instance == NULL) {
        fleet_module_unload(module);
        return fleet_fail(fault, "memory", "%s", error);
    }
    wasm_runtime_set_custom_data(module->wamr_instance, module);
    module->wamr_env = wasm_runtime_create_exec_env(module->wamr_instance, stack);
    if (module->wamr_env == NULL) {
        fleet_module_unload(module);
        return fleet_fail(fault, "memory", "no room for a stack of %u bytes", (unsigned)stack);
    }
    if (!find_exports(module)) {
        fleet_module_unload(module);
        return fleet_fail(fault, "module", "an export is missing");
    }
    return true;
}

void fleet_module_unload(struct fleet_module *module)
{
    if (module->wamr_env != NULL) {
        wasm_runtime_destroy_exec_env(module->wamr_env);
    }
    if (module->wamr_instance != NULL) {
        wasm_runtime_deinstantiate(module->wamr_instance);
    }
    if (module->wamr_module != NULL) {
        wasm_runtime_unload(module->wamr_module);
    }
    memset(module, 0, sizeof *module);
}

static const char *reason(const char *exception)
{
    static const char prefix[] = "Exception: ";
    return strncmp(exception, prefix, sizeof prefix - 1) == 0 ? exception + sizeof prefix - 1 : exception;
}

/* Calls a function of the module; `numbers` holds its argument and takes its result. */
static bool call(struct fleet_module *module, void *function, uint32_t count, uint32_t *numbers, struct fleet_fault *fault)
{
    wasm_runtime_set_instruction_count_limit(module->wamr_env, (int)module->fuel);
    if (wasm_runtime_call_wasm(module->wamr_env, function, count, numbers)) {
        return true;
    }
    const char *exception = wasm_runtime_get_exception(module->wamr_instance);
    const int32_t layer = *module->layer;
    const char *why = exception != NULL ? reason(exception) : "the runtime gave up";
    const bool late = exception != NULL && strstr(exception, "instruction limit") != NULL;
    (void)fleet_fail(fault, late ? "deadline" : "trap", "%s", why);
    if (fault != NULL && layer >= 0) {
        fault->layer = (uint32_t)layer;
    }
    wasm_runtime_clear_exception(module->wamr_instance);
    return false;
}

static uint8_t *place(struct fleet_module *module, void *function, uint32_t index, uint32_t size, struct fleet_fault *fault)
{
    uint32_t numbers[2] = {index, 0};
    if (!call(module, function, 1, numbers, fault)) {
        return NULL;
    }
    if (!fleet_within(numbers[0], size, module->memory_size)) {
        (void)fleet_fail(fault, "module", "tensor %u lies outside the module's memory", (unsigned)index);
        return NULL;
    }
    return module->memory + numbers[0];
}

uint8_t *fleet_module_input(struct fleet_module *module, uint32_t index, uint32_t size, struct fleet_fault *fault)
{
    return place(module, module->abi.input, index, size, fault);
}

const uint8_t *fleet_module_output(struct fleet_module *module, uint32_t index, uint32_t size, struct fleet_fault *fault)
{
    return place(module, module->abi.output, index, size, fault);
}

static bool finish(uint32_t status, struct fleet_fault *fault)
{
    return status == FLEET_RUN_OK || fleet_fail(fault, "nonfinite", "an output is not a number");
}

bool fleet_module_run(struct fleet_module *module, struct fleet_fault *fault)
{
    uint32_t numbers[2] = {0, 0};
    return call(module, module->abi.run, 0, numbers, fault) && finish(numbers[0], fault);
}

bool fleet_module_run_layer(struct fleet_module *module, uint32_t layer, struct fleet_fault *fault)
{
    uint32_t numbers[2] = {layer, 0};
    return call(module, module->abi.run_layer, 1, numbers, fault) && finish(numbers[0], fault);
}

bool fleet_module_reset(struct fleet_module *module, struct fleet_fault *fault)
{
    uint32_t numbers[2] = {0, 0};
    return module->abi.reset == NULL || call(module, module->abi.reset, 0, numbers, fault);
}
