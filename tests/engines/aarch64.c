/* aarch64 JOBS ANSWERS: runs the jobs of jobs.py in wasmtime, through its C API. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmtime_api.h"

enum { MAX_TENSORS = 4096 };

typedef struct {
    wasmtime_context_t *context;
    wasmtime_instance_t instance;
    wasmtime_memory_t memory;
} module_t;

static unsigned job;

static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "job %u: ", job);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static void check(wasmtime_error_t *error, wasm_trap_t *trap)
{
    wasm_byte_vec_t message;
    if (!error && !trap) return;
    if (error) wasmtime_error_message(error, &message);
    else wasm_trap_message(trap, &message);
    fail("%.*s", (int)message.size, message.data);
}

static void take(FILE *jobs, void *data, size_t size)
{
    if (fread(data, 1, size, jobs) != size) fail("the file of jobs is too short");
}

static uint32_t number(FILE *jobs)
{
    uint32_t value;
    take(jobs, &value, sizeof value);
    return value;
}

static uint32_t count_of(FILE *jobs)
{
    const uint32_t value = number(jobs);
    if (value > MAX_TENSORS) fail("%u tensors or steps", value);
    return value;
}

static void give(FILE *answers, const void *data, size_t size)
{
    if (fwrite(data, 1, size, answers) != size) fail("the answers cannot be written");
}

static wasmtime_extern_t find(const module_t *module, const char *name, uint8_t kind)
{
    wasmtime_extern_t found;
    if (!wasmtime_instance_export_get(module->context, &module->instance, name, strlen(name), &found) ||
        found.kind != kind)
        fail("the export %s is missing", name);
    return found;
}

/* Exports take one i32 or nothing, and return one or nothing: one value has room for either. */
static int32_t call(const module_t *module, const char *name, int32_t argument)
{
    const wasmtime_extern_t function = find(module, name, WASMTIME_EXTERN_FUNC);
    wasmtime_val_raw_t value = {.i32 = argument};
    wasm_trap_t *trap = NULL;
    check(wasmtime_func_call_unchecked(module->context, &function.of.func, &value, 1, &trap), trap);
    return value.i32;
}

/* Bytes of the module's memory, where an export says that they are. */
static uint8_t *place(const module_t *module, const char *name, int32_t index, size_t size)
{
    const uint32_t at = (uint32_t)call(module, name, index);
    const size_t end = wasmtime_memory_data_size(module->context, &module->memory);
    if (at > end || size > end - at) fail("%s %d lies outside the memory", name, index);
    return wasmtime_memory_data(module->context, &module->memory) + at;
}

static void run_steps(const module_t *module, FILE *jobs, FILE *answers)
{
    static uint32_t given[MAX_TENSORS], sizes[MAX_TENSORS], ranks[MAX_TENSORS];
    const uint32_t inputs = count_of(jobs);
    for (uint32_t i = 0; i < inputs; ++i) given[i] = number(jobs);
    const uint32_t outputs = count_of(jobs);
    for (uint32_t i = 0; i < outputs; ++i) {
        sizes[i] = number(jobs);
        ranks[i] = number(jobs);
    }
    for (uint32_t steps = count_of(jobs); steps > 0; --steps) {
        if (number(jobs)) call(module, "reset", 0);
        for (uint32_t i = 0; i < inputs; ++i) take(jobs, place(module, "input", (int32_t)i, given[i]), given[i]);
        const int32_t status = call(module, "run", 0);
        give(answers, &status, sizeof status);
        for (uint32_t i = 0; i < outputs; ++i) {
            const size_t dims = sizeof(int32_t) * ranks[i];
            if (dims) give(answers, place(module, "output_dims", (int32_t)i, dims), dims);
            give(answers, place(module, "output", (int32_t)i, sizes[i]), sizes[i]);
        }
    }
}

static void run_job(wasm_engine_t *engine, uint32_t size, FILE *jobs, FILE *answers)
{
    uint8_t *wasm = malloc(size);
    if (!wasm) fail("no memory for a module of %u bytes", size);
    take(jobs, wasm, size);

    wasmtime_store_t *store = wasmtime_store_new(engine, NULL, NULL);
    wasmtime_module_t *compiled;
    wasm_trap_t *trap = NULL;
    module_t module = {.context = wasmtime_store_context(store)};
    check(wasmtime_module_new(engine, wasm, size, &compiled), NULL);
    check(wasmtime_instance_new(module.context, compiled, NULL, 0, &module.instance, &trap), trap);
    module.memory = find(&module, "memory", WASMTIME_EXTERN_MEMORY).of.memory;
    run_steps(&module, jobs, answers);

    wasmtime_module_delete(compiled);
    wasmtime_store_delete(store);
    free(wasm);
}

int main(int count, char **arguments)
{
    if (count != 3) fail("usage: aarch64 JOBS ANSWERS");
    FILE *jobs = fopen(arguments[1], "rb"), *answers = fopen(arguments[2], "wb");
    if (!jobs || !answers) fail("a file cannot be opened");
    wasm_engine_t *engine = wasm_engine_new();
    for (uint32_t size; fread(&size, 1, sizeof size, jobs) == sizeof size; ++job) run_job(engine, size, jobs, answers);
    if (ferror(jobs) || fclose(answers)) fail("a file cannot be read or written");
    return 0;
}
