/* Scratch arithmetic: constant expressions, so that a compiler can assert what it planned. */
#ifndef FLEET_SCRATCH_H
#define FLEET_SCRATCH_H

/* A patch no larger than this lies on the stack, and the kernel is called with scratch NULL: a stack of twice the size is there
 * anyway, and small models are often all about their arena. */
#define FLEET_STACK_PATCH 8192

/* Scratch of a kernel whose patch has so many bytes. */
#ifdef __wasm_simd128__
#define FLEET_PATCH_SCRATCH(bytes) ((bytes) <= FLEET_STACK_PATCH ? 0 : (bytes))
#else
#define FLEET_PATCH_SCRATCH(bytes) 0
#endif

#define FLEET_MIN(a, b) ((a) < (b) ? (a) : (b))
#define FLEET_MAX(a, b) ((a) > (b) ? (a) : (b))
#define FLEET_ROUND_UP(n, multiple) (((n) + (multiple)-1) / (multiple) * (multiple))

#endif
