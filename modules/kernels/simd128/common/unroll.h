/* Loops over the vectors of a tile, which must vanish for its sums to stay in registers. */
#ifndef FLEET_SIMD128_UNROLL_H
#define FLEET_SIMD128_UNROLL_H

#define FLEET_UNROLL _Pragma("clang loop unroll(full)")

#endif
