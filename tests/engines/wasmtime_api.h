/* What aarch64.c uses of wasmtime's C API; the wheel has the library without its headers.
 *
 * Sizes are those that wasmtime's Python package states: aarch64.py defines them from its bindings. */
#ifndef WASMTIME_API_H
#define WASMTIME_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wasm_engine wasm_engine_t;
typedef struct wasm_trap wasm_trap_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_store wasmtime_store_t;

typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { uint64_t store; void *index; } wasmtime_func_t;
typedef struct { uint64_t store; size_t index; } wasmtime_instance_t;
typedef struct { struct { uint64_t store; uint32_t index; } instance; uint32_t index; } wasmtime_memory_t;

enum { WASMTIME_EXTERN_FUNC = 0, WASMTIME_EXTERN_MEMORY = 3 };

typedef struct {
    uint8_t kind;
    union { wasmtime_func_t func; wasmtime_memory_t memory; } of;
} wasmtime_extern_t;

typedef union { int32_t i32; int64_t i64; uint8_t v128[16]; } wasmtime_val_raw_t;

_Static_assert(sizeof(wasmtime_func_t) == SIZE_OF_FUNC, "wasmtime_func");
_Static_assert(sizeof(wasmtime_instance_t) == SIZE_OF_INSTANCE, "wasmtime_instance");
_Static_assert(sizeof(wasmtime_memory_t) == SIZE_OF_MEMORY, "wasmtime_memory");
_Static_assert(sizeof(wasmtime_extern_t) == SIZE_OF_EXTERN, "wasmtime_extern");
_Static_assert(sizeof(wasmtime_val_raw_t) == SIZE_OF_VAL_RAW, "wasmtime_val_raw");

wasm_engine_t *wasm_engine_new(void);
void wasm_trap_message(const wasm_trap_t *, wasm_byte_vec_t *);
void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);

wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *data, void (*finalizer)(void *));
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
void wasmtime_store_delete(wasmtime_store_t *);

wasmtime_error_t *wasmtime_module_new(wasm_engine_t *, const uint8_t *wasm, size_t size, wasmtime_module_t **);
void wasmtime_module_delete(wasmtime_module_t *);
wasmtime_error_t *wasmtime_instance_new(wasmtime_context_t *, const wasmtime_module_t *,
                                        const wasmtime_extern_t *imports, size_t count, wasmtime_instance_t *,
                                        wasm_trap_t **);
bool wasmtime_instance_export_get(wasmtime_context_t *, const wasmtime_instance_t *, const char *name, size_t length,
                                  wasmtime_extern_t *);

uint8_t *wasmtime_memory_data(const wasmtime_context_t *, const wasmtime_memory_t *);
size_t wasmtime_memory_data_size(const wasmtime_context_t *, const wasmtime_memory_t *);
wasmtime_error_t *wasmtime_func_call_unchecked(wasmtime_context_t *, const wasmtime_func_t *, wasmtime_val_raw_t *,
                                               size_t count, wasm_trap_t **);

#endif
