/* The contract between a compiled model and whatever runs it. A module is a core WebAssembly file whose exports are declared
 * here; `simd` and `mvp` modules import nothing. Inputs and outputs are int8 (scale and zero point in the section
 * `fleet.meta`) where the model's are float32 and quantized, and of their ONNX type otherwise. */
#ifndef FLEET_ABI_H
#define FLEET_ABI_H

#include <stdint.h>

/* A host runs a module of the same major version whose minor version is not above its own. */
#define FLEET_ABI_MAJOR 1
#define FLEET_ABI_MINOR 0
#define FLEET_ABI_VERSION (FLEET_ABI_MAJOR << 16 | FLEET_ABI_MINOR)

#define FLEET_RUN_OK 0
#define FLEET_RUN_NONFINITE 1 /* an element of a float32 output or state is NaN or infinite */

#ifdef __wasm__
#define FLEET_EXPORT(name) __attribute__((export_name(name), visibility("default")))
#else
#define FLEET_EXPORT(name)
#endif

/* Also exported: `memory`, the linear memory, which never grows. */

/* FLEET_ABI_VERSION of the compiler that made the module. */
FLEET_EXPORT("fleet_abi") int32_t fleet_abi(void);

/* Address of input / output i: 16-aligned, the same for the life of an instance, sizes in `fleet.meta`. An index out of
 * range traps.
 * run() consumes its inputs: write all of them before every run. An output is valid until the next run. */
FLEET_EXPORT("input") void *fleet_input(int32_t i);
FLEET_EXPORT("output") void *fleet_output(int32_t i);

/* One inference. Returns FLEET_RUN_OK or FLEET_RUN_NONFINITE; with the latter the state stays as it was before. */
FLEET_EXPORT("run") int32_t fleet_run(void);

/* Number of layers, that is of rows in the layer table of `fleet.meta`. */
FLEET_EXPORT("layers") int32_t fleet_layers(void);

/* Runs layer i alone. 0 … layers() − 1 in order equal run(), and the last returns what run() would; any other order is
 * undefined. After it the layer's output may be read at the offset in the layer table. An index out of range traps. */
FLEET_EXPORT("run_layer") int32_t fleet_run_layer(int32_t i);

/* Address of the sizes of output i, int32, as many as it has dimensions, valid as long as the output. Exported only by
 * modules with an output whose size depends on data: its buffer has room for the largest, its elements lie dense. */
FLEET_EXPORT("output_dims") void *fleet_output_dims(int32_t i);

/* Zeroes the state block. Exported by models with state only. */
FLEET_EXPORT("reset") void fleet_reset(void);

/* The layer now running, readable after a trap: a mutable Wasm global (address space 1), exported under its own name by the
 * linker's --export=fleet_layer. 0 before the first run; clang ignores another initial value. */
#ifdef __wasm__
extern __attribute__((address_space(1))) int32_t fleet_layer;
#else
extern int32_t fleet_layer;
#endif

#endif
