/* What a module of target `mcu` imports from its host, under the module name "fleet".
 *
 * Kernels are those of fleet_kernels.h under their own names: the layers of the graph are Wasm, the loops are the host's. An
 * import takes 32-bit numbers in the order of the kernel's arguments and gives nothing:
 *
 *   params         offset of the kernel's struct in the section `fleet.weights`, a multiple of 4
 *   an input       an address in linear memory or, with FLEET_HOST_CONSTANT set, an offset in `fleet.weights`
 *   an output      an address in linear memory
 *   scratch        an address in linear memory; 0 where the kernel needs none
 *
 * `fleet.weights` holds structs, biases, multipliers, tables and weights. It begins at the first offset in the file, from the
 * contents of the custom section on, that is a multiple of 16, and a host reads it where the file lies. Structs are those of
 * the headers, members of four bytes, little-endian.
 *
 *   weights_read   (offset, address, length): copies from `fleet.weights` into linear memory, for an operator that the module
 *                  carries as Wasm
 *
 * A host checks each number before it uses it, and traps where one is not as the kernel's header asks. */
#ifndef FLEET_HOST_H
#define FLEET_HOST_H

#include <stdint.h>

#define FLEET_HOST_CONSTANT 0x80000000u
#define FLEET_HOST_MOST_ARGUMENTS 7

/* Name and number of arguments. A host of ABI 1.n has at least the kernels of 1.m, m <= n; new ones come last. */
#define FLEET_HOST_KERNELS(X)        \
    X(weights_read, 3)               \
    X(fleet_add_f32, 4)              \
    X(fleet_add_s8, 4)               \
    X(fleet_average_pool_f32, 3)     \
    X(fleet_average_pool_s8, 3)      \
    X(fleet_clip_f32, 3)             \
    X(fleet_conv_f32, 5)             \
    X(fleet_conv_s8, 7)              \
    X(fleet_copy, 3)                 \
    X(fleet_depthwise_conv_f32, 5)   \
    X(fleet_depthwise_conv_s8, 7)    \
    X(fleet_dequantize_s8_f32, 3)    \
    X(fleet_div_f32, 4)              \
    X(fleet_hard_sigmoid_f32, 3)     \
    X(fleet_hard_swish_f32, 3)       \
    X(fleet_matmul_f32, 5)           \
    X(fleet_matmul_s8, 7)            \
    X(fleet_max_pool_f32, 3)         \
    X(fleet_max_pool_s8, 3)          \
    X(fleet_mul_f32, 4)              \
    X(fleet_mul_s8, 4)               \
    X(fleet_quantize_f32_s8, 3)      \
    X(fleet_sigmoid_f32, 3)          \
    X(fleet_softmax_f32, 3)          \
    X(fleet_softmax_s8, 4)           \
    X(fleet_strided_copy, 3)         \
    X(fleet_sub_f32, 4)              \
    X(fleet_table_s8, 4)

enum fleet_host_kernel {
#define FLEET_HOST_ENUMERATE(name, arguments) FLEET_HOST_##name,
    FLEET_HOST_KERNELS(FLEET_HOST_ENUMERATE)
#undef FLEET_HOST_ENUMERATE
    FLEET_HOST_COUNT
};

/* A module's memory as its host sees it. */
struct fleet_host_module {
    uint8_t *memory; /* 16-aligned */
    const uint8_t *weights; /* 16-aligned */
    uint32_t memory_size, weights_size; /* below 2^31 */
};

enum fleet_host_status {
    FLEET_HOST_OK,
    FLEET_HOST_PARAMETERS, /* the struct is outside `fleet.weights`, or a member is not as the header asks */
    FLEET_HOST_RANGE,      /* an argument is not aligned, or what it points to is not all inside */
};

/* Checks all arguments and runs a kernel.
 *
 *   kernel      below FLEET_HOST_COUNT
 *   arguments   as many as the kernel has */
enum fleet_host_status fleet_host_call(const struct fleet_host_module *module, enum fleet_host_kernel kernel,
                                       const uint32_t *arguments);

/* Of a kernel below FLEET_HOST_COUNT: its name as modules import it, and the number of its arguments. */
const char *fleet_host_name(enum fleet_host_kernel kernel);
uint32_t fleet_host_arguments(enum fleet_host_kernel kernel);

#endif
