/* Scratch arithmetic: constant expressions, so that a compiler can assert what it planned. */
#ifndef FLEET_SCRATCH_H
#define FLEET_SCRATCH_H

/* The largest patch of widened activations a fast kernel makes when it has the choice: half of a common L1 cache. */
#define FLEET_PATCH_BYTES 16384

#define FLEET_MIN(a, b) ((a) < (b) ? (a) : (b))
#define FLEET_MAX(a, b) ((a) > (b) ? (a) : (b))
#define FLEET_ROUND_UP(n, multiple) (((n) + (multiple)-1) / (multiple) * (multiple))

#endif
