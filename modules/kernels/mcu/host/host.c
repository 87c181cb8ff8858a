/* Kernels for modules that import them. */
#include "mcu/host/extents.h"

typedef void run_kernel(const void *params, void *const *at);

/* Every import's own C type, so that no kernel is called through another. */
#define RUN_3(name, type, in, out)                                                  \
    static void run_##name(const void *params, void *const *at)                     \
    {                                                                               \
        name((const struct type *)params, (const in *)at[0], (out *)at[1]);         \
    }
#define RUN_4(name, type, a, b, out)                                                \
    static void run_##name(const void *params, void *const *at)                     \
    {                                                                               \
        name((const struct type *)params, (const a *)at[0], (const b *)at[1], (out *)at[2]); \
    }
#define RUN_5(name, type)                                                           \
    static void run_##name(const void *params, void *const *at)                     \
    {                                                                               \
        name((const struct type *)params, (const float *)at[0], (const float *)at[1], (const float *)at[2], (float *)at[3]); \
    }
#define RUN_7(name, type)                                                           \
    static void run_##name(const void *params, void *const *at)                     \
    {                                                                               \
        name((const struct type *)params, (const int8_t *)at[0], (const int8_t *)at[1], (const int32_t *)at[2], \
             (const float *)at[3], (int8_t *)at[4], at[5]);                         \
    }

RUN_4(fleet_add_f32, fleet_binary_f32_params, float, float, float)
RUN_4(fleet_add_s8, fleet_add_s8_params, int8_t, int8_t, int8_t)
RUN_3(fleet_average_pool_f32, fleet_average_pool_f32_params, float, float)
RUN_3(fleet_average_pool_s8, fleet_average_pool_s8_params, int8_t, int8_t)
RUN_3(fleet_clip_f32, fleet_clip_f32_params, float, float)
RUN_5(fleet_conv_f32, fleet_conv_f32_params)
RUN_7(fleet_conv_s8, fleet_conv_s8_params)
RUN_3(fleet_copy, fleet_copy_params, void, void)
RUN_5(fleet_depthwise_conv_f32, fleet_conv_f32_params)
RUN_7(fleet_depthwise_conv_s8, fleet_conv_s8_params)
RUN_3(fleet_dequantize_s8_f32, fleet_quantize_params, int8_t, float)
RUN_4(fleet_div_f32, fleet_binary_f32_params, float, float, float)
RUN_3(fleet_hard_sigmoid_f32, fleet_hard_sigmoid_f32_params, float, float)
RUN_3(fleet_hard_swish_f32, fleet_unary_f32_params, float, float)
RUN_5(fleet_matmul_f32, fleet_matmul_f32_params)
RUN_7(fleet_matmul_s8, fleet_matmul_s8_params)
RUN_3(fleet_max_pool_f32, fleet_max_pool_f32_params, float, float)
RUN_3(fleet_max_pool_s8, fleet_max_pool_s8_params, int8_t, int8_t)
RUN_4(fleet_mul_f32, fleet_binary_f32_params, float, float, float)
RUN_4(fleet_mul_s8, fleet_mul_s8_params, int8_t, int8_t, int8_t)
RUN_3(fleet_quantize_f32_s8, fleet_quantize_params, float, int8_t)
RUN_3(fleet_sigmoid_f32, fleet_unary_f32_params, float, float)
RUN_3(fleet_softmax_f32, fleet_softmax_f32_params, float, float)
RUN_4(fleet_softmax_s8, fleet_softmax_s8_params, int8_t, uint32_t, int8_t)
RUN_3(fleet_strided_copy, fleet_strided_copy_params, void, void)
RUN_4(fleet_sub_f32, fleet_binary_f32_params, float, float, float)
RUN_4(fleet_table_s8, fleet_table_s8_params, int8_t, int8_t, int8_t)

static const struct entry {
    const char *name;
    run_kernel *run;
    fleet_extents *extents;
    uint16_t params;
    uint8_t arguments;
} kernels[FLEET_HOST_COUNT] = {
#define ENTRY(kernel, type, how, count) \
    [FLEET_HOST_fleet_##kernel] = {"fleet_" #kernel, run_fleet_##kernel, fleet_extents_##how, sizeof(struct fleet_##type##_params), count}
    [FLEET_HOST_weights_read] = {"weights_read", 0, 0, 0, 3},
    ENTRY(add_f32, binary_f32, add_f32, 4),
    ENTRY(add_s8, add_s8, add_s8, 4),
    ENTRY(average_pool_f32, average_pool_f32, average_pool_f32, 3),
    ENTRY(average_pool_s8, average_pool_s8, average_pool_s8, 3),
    ENTRY(clip_f32, clip_f32, clip_f32, 3),
    ENTRY(conv_f32, conv_f32, conv_f32, 5),
    ENTRY(conv_s8, conv_s8, conv_s8, 7),
    ENTRY(copy, copy, copy, 3),
    ENTRY(depthwise_conv_f32, conv_f32, depthwise_conv_f32, 5),
    ENTRY(depthwise_conv_s8, conv_s8, depthwise_conv_s8, 7),
    ENTRY(dequantize_s8_f32, quantize, dequantize, 3),
    ENTRY(div_f32, binary_f32, add_f32, 4),
    ENTRY(hard_sigmoid_f32, hard_sigmoid_f32, hard_sigmoid_f32, 3),
    ENTRY(hard_swish_f32, unary_f32, unary_f32, 3),
    ENTRY(matmul_f32, matmul_f32, matmul_f32, 5),
    ENTRY(matmul_s8, matmul_s8, matmul_s8, 7),
    ENTRY(max_pool_f32, max_pool_f32, max_pool_f32, 3),
    ENTRY(max_pool_s8, max_pool_s8, max_pool_s8, 3),
    ENTRY(mul_f32, binary_f32, add_f32, 4),
    ENTRY(mul_s8, mul_s8, mul_s8, 4),
    ENTRY(quantize_f32_s8, quantize, quantize, 3),
    ENTRY(sigmoid_f32, unary_f32, unary_f32, 3),
    ENTRY(softmax_f32, softmax_f32, softmax_f32, 3),
    ENTRY(softmax_s8, softmax_s8, softmax_s8, 4),
    ENTRY(strided_copy, strided_copy, strided_copy, 3),
    ENTRY(sub_f32, binary_f32, add_f32, 4),
    ENTRY(table_s8, table_s8, table_s8, 4),
#undef ENTRY
};

const char *fleet_host_name(enum fleet_host_kernel kernel)
{
    return kernels[kernel].name;
}

uint32_t fleet_host_arguments(enum fleet_host_kernel kernel)
{
    return kernels[kernel].arguments;
}

/* Whether [at − before, at + bytes) lies within a memory of `size` bytes. */
static bool inside(uint32_t at, uint64_t before, uint64_t bytes, uint32_t size)
{
    return bytes < FLEET_TOO_MUCH && before <= at && at <= size && bytes <= size - at;
}

static enum fleet_host_status read_weights(const struct fleet_host_module *module, const uint32_t *arguments)
{
    const uint32_t from = arguments[0], to = arguments[1], length = arguments[2];
    if (!inside(from, 0, length, module->weights_size) || !inside(to, 0, length, module->memory_size)) {
        return FLEET_HOST_RANGE;
    }
    const struct fleet_copy_params p = {(int32_t)length};
    if (length > 0) {
        fleet_copy(&p, module->weights + from, module->memory + to);
    }
    return FLEET_HOST_OK;
}

enum fleet_host_status fleet_host_call(const struct fleet_host_module *module, enum fleet_host_kernel kernel,
                                       const uint32_t *arguments)
{
    if (kernel == FLEET_HOST_weights_read) {
        return read_weights(module, arguments);
    }
    const struct entry *entry = &kernels[kernel];
    if (arguments[0] % 4 != 0 || !inside(arguments[0], 0, entry->params, module->weights_size)) {
        return FLEET_HOST_PARAMETERS;
    }
    const void *params = module->weights + arguments[0];
    struct fleet_extent extents[FLEET_HOST_MOST_ARGUMENTS - 1];
    if (!entry->extents(params, extents)) {
        return FLEET_HOST_PARAMETERS;
    }
    void *at[FLEET_HOST_MOST_ARGUMENTS - 1];
    for (uint32_t i = 0; i + 1 < entry->arguments; ++i) {
        const uint32_t value = arguments[i + 1] & ~FLEET_HOST_CONSTANT;
        const bool constant = value != arguments[i + 1];
        const struct fleet_extent *extent = &extents[i];
        if ((constant && extent->in_memory) || value % extent->alignment != 0 ||
            !inside(value, extent->before, extent->bytes, constant ? module->weights_size : module->memory_size)) {
            return FLEET_HOST_RANGE;
        }
        /* Kernels take the constant ones as pointers to const. */
        at[i] = constant ? (void *)(uintptr_t)(module->weights + value) : module->memory + value;
    }
    entry->run(params, at);
    return FLEET_HOST_OK;
}
