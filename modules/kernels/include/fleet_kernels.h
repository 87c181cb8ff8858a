/* The kernels that a compiled model calls; docs/spec/numbers.md says what each computes.
 *
 * One calling convention:  fleet_<operator>_<type>(params, inputs…, constants…, output[, scratch])
 *   - params is a struct of int32 and float only, so that a Wasm module can hand the same struct to a host kernel;
 *   - activations are NHWC, dense, batch first; tensors of other rank are flat arrays;
 *   - no kernel allocates, recurses, or keeps state; constants are only read;
 *   - scratch is 16-aligned; FLEET_<OPERATOR>_SCRATCH(…) next to the kernel is its size in bytes, a constant expression.
 *     A kernel without that macro has no scratch argument. Where it is 0, scratch may be NULL;
 *   - each comment gives the legal range of every parameter. A kernel does not check them: the compiler guarantees them.
 *     For every kernel: a tensor has 1 … 2^31 − 1 bytes, zero points are within −128 … 127, −128 <= out_min <= out_max <= 127.
 *   - "in place" tells whether the output may be the very buffer of an input; any other overlap is illegal.
 */
#ifndef FLEET_KERNELS_H
#define FLEET_KERNELS_H

#include "fleet/activation.h"
#include "fleet/convolution.h"
#include "fleet/elementwise.h"
#include "fleet/matmul.h"
#include "fleet/movement.h"
#include "fleet/pooling.h"
#include "fleet/quantization.h"
#include "fleet/softmax.h"

#endif
