/* Elementary functions in binary64, as docs/spec/numbers.md writes them: no libm, no fused operations, every bit the same
 * everywhere. float32 functions are these, rounded once. */
#ifndef FLEET_GENERAL_FUNCTIONS_H
#define FLEET_GENERAL_FUNCTIONS_H

#include <stdint.h>

#define FLEET_LN2_HIGH 0x1.62e42fee00000p-1
#define FLEET_LN2_LOW 0x1.a39ef35793c76p-33
#define FLEET_LOG2E 0x1.71547652b82fep+0
#define FLEET_HALF_PI 0x1.921fb54442d18p+0
#define FLEET_HALF_PI_LOW 0x1.1a62633145c07p-54
#define FLEET_PIO2_A 0x1.921fb54400000p+0
#define FLEET_PIO2_B 0x1.0b4611a600000p-34
#define FLEET_PIO2_C 0x1.3198a2e037073p-69
#define FLEET_TWO_OVER_PI 0x1.45f306dc9c883p-1
#define FLEET_TWO_OVER_SQRT_PI 0x1.20dd750429b6dp+0
#define FLEET_SQRT_PI 0x1.c5bf891b4ef6bp+0
#define FLEET_SQRT2 0x1.6a09e667f3bcdp+0
#define FLEET_TAN_PI_8 0x1.a827999fcef32p-2
#define FLEET_QUARTER_PI 0x1.921fb54442d18p-1

static const double fleet_inverse_factorials[] = {
    0x1.0000000000000p+0, 0x1.0000000000000p+0, 0x1.0000000000000p-1, 0x1.5555555555555p-3,
    0x1.5555555555555p-5, 0x1.1111111111111p-7, 0x1.6c16c16c16c17p-10, 0x1.a01a01a01a01ap-13,
    0x1.a01a01a01a01ap-16, 0x1.71de3a556c734p-19, 0x1.27e4fb7789f5cp-22, 0x1.ae64567f544e4p-26,
    0x1.1eed8eff8d898p-29, 0x1.6124613a86d09p-33, 0x1.93974a8c07c9dp-37, 0x1.ae7f3e733b81fp-41,
    0x1.ae7f3e733b81fp-45, 0x1.952c77030ad4ap-49,
};

static const double fleet_sin_series[] = {
    0x1.0000000000000p+0, -0x1.5555555555555p-3, 0x1.1111111111111p-7, -0x1.a01a01a01a01ap-13,
    0x1.71de3a556c734p-19, -0x1.ae64567f544e4p-26, 0x1.6124613a86d09p-33, -0x1.ae7f3e733b81fp-41,
    0x1.952c77030ad4ap-49,
};

static const double fleet_cos_series[] = {
    0x1.0000000000000p+0, -0x1.0000000000000p-1, 0x1.5555555555555p-5, -0x1.6c16c16c16c17p-10,
    0x1.a01a01a01a01ap-16, -0x1.27e4fb7789f5cp-22, 0x1.1eed8eff8d898p-29, -0x1.93974a8c07c9dp-37,
    0x1.ae7f3e733b81fp-45, -0x1.6827863b97d97p-53,
};

static const double fleet_sinh_series[] = {
    0x1.0000000000000p+0, 0x1.5555555555555p-3, 0x1.1111111111111p-7, 0x1.a01a01a01a01ap-13,
    0x1.71de3a556c734p-19, 0x1.ae64567f544e4p-26, 0x1.6124613a86d09p-33, 0x1.ae7f3e733b81fp-41,
    0x1.952c77030ad4ap-49, 0x1.2f49b46814157p-57, 0x1.71b8ef6dcf572p-66,
};

static const double fleet_log_series[] = {
    0x1.5555555555555p-1, 0x1.999999999999ap-2, 0x1.2492492492492p-2, 0x1.c71c71c71c71cp-3,
    0x1.745d1745d1746p-3, 0x1.3b13b13b13b14p-3, 0x1.1111111111111p-3, 0x1.e1e1e1e1e1e1ep-4,
    0x1.af286bca1af28p-4, 0x1.8618618618618p-4, 0x1.642c8590b2164p-4,
};

static const double fleet_atan_series[] = {
    0x1.0000000000000p+0, -0x1.5555555555555p-2, 0x1.999999999999ap-3, -0x1.2492492492492p-3,
    0x1.c71c71c71c71cp-4, -0x1.745d1745d1746p-4, 0x1.3b13b13b13b14p-4, -0x1.1111111111111p-4,
    0x1.e1e1e1e1e1e1ep-5, -0x1.af286bca1af28p-5, 0x1.8618618618618p-5, -0x1.642c8590b2164p-5,
    0x1.47ae147ae147bp-5,
};

static const double fleet_erf_coefficients[] = {
    0x1.6a040781a7b95p-2, -0x1.69a0ccd72c81cp-3, 0x1.0dabaf0033610p-3, -0x1.b92e978104aeep-4,
    0x1.717efe4bd8491p-4, -0x1.3215b3396b636p-4, 0x1.ea97b8b080dc0p-5, -0x1.76eb44e57404cp-5,
    0x1.0ed6ed1529e3ap-5, -0x1.701600d170db6p-6, 0x1.d614c3d912f35p-7, -0x1.1aca00be97fb7p-7,
    0x1.3ecee749904f2p-8, -0x1.4ba8ae25833b9p-9, 0x1.4d883ff2cc5fap-10, -0x1.60e42271c575ap-11,
    0x1.39b6b92fb1130p-12, -0x1.2f51a92b2b3c3p-14, 0x1.04abfaa551ef4p-15, -0x1.33faeb0659603p-15,
    0x1.bcc7e26df7451p-17,
};

#define FLEET_HORNER(table, x) fleet_horner(table, (int32_t)(sizeof(table) / sizeof(table[0])), x)

static inline double fleet_horner(const double *c, int32_t count, double x)
{
    double p = c[count - 1];
    for (int32_t i = count - 2; i >= 0; --i) {
        p = p * x + c[i];
    }
    return p;
}

static inline uint64_t fleet_bits_of_f64(double value)
{
    union {
        double value;
        uint64_t bits;
    } u = {value};
    return u.bits;
}

static inline double fleet_f64_of(uint64_t bits)
{
    union {
        uint64_t bits;
        double value;
    } u = {bits};
    return u.value;
}

static inline double fleet_abs_f64(double x)
{
    return fleet_f64_of(fleet_bits_of_f64(x) & 0x7FFFFFFFFFFFFFFFu);
}

static inline double fleet_copysign_f64(double magnitude, double sign)
{
    return fleet_f64_of((fleet_bits_of_f64(magnitude) & 0x7FFFFFFFFFFFFFFFu) |
                        (fleet_bits_of_f64(sign) & 0x8000000000000000u));
}

/* Nearest integer, ties to even, for |x| < 2^51. */
static inline double fleet_rne_f64(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

static inline double fleet_scale_f64(double x, int32_t exponent)
{
    const int32_t half = exponent >> 1;
    x = x * fleet_f64_of((uint64_t)(half + 1023) << 52);
    return x * fleet_f64_of((uint64_t)(exponent - half + 1023) << 52);
}

static inline double fleet_exp_f64(double x)
{
    if (x != x) {
        return x;
    }
    x = x < -746.0 ? -746.0 : x > 710.0 ? 710.0 : x;
    const double n = fleet_rne_f64(x * FLEET_LOG2E);
    double r = x - n * FLEET_LN2_HIGH;
    r = r - n * FLEET_LN2_LOW;
    return fleet_scale_f64(fleet_horner(fleet_inverse_factorials, 14, r), (int32_t)n);
}

/* exp(x) - 1 */
static inline double fleet_expm1_f64(double x)
{
    if (fleet_abs_f64(x) < 0.5) {
        return x * fleet_horner(fleet_inverse_factorials + 1, 16, x);
    }
    return fleet_exp_f64(x) - 1.0;
}

static inline double fleet_log_f64(double x)
{
    if (!(x > 0.0)) {
        return x == 0.0 ? -__builtin_inf() : __builtin_nan("");
    }
    if (x > 0x1.fffffffffffffp1023) {
        return x;
    }
    int32_t e = 0;
    if (x < 0x1p-1022) {
        x = x * 0x1p54;
        e = -54;
    }
    const uint64_t bits = fleet_bits_of_f64(x);
    e += (int32_t)(bits >> 52) - 1023;
    double m = fleet_f64_of((bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u);
    if (m > FLEET_SQRT2) {
        m = m * 0.5;
        e += 1;
    }
    const double n = (double)e;
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double t = z * FLEET_HORNER(fleet_log_series, z);
    const double h = 0.5 * f * f;
    return n * FLEET_LN2_HIGH - ((h - (s * (h + t) + n * FLEET_LN2_LOW)) - f);
}

/* log(1 + x) */
static inline double fleet_log1p_f64(double x)
{
    const double u = 1.0 + x;
    if (u == 1.0) {
        return x;
    }
    if (!(u <= 0x1.fffffffffffffp1023)) {
        return u;
    }
    return fleet_log_f64(u) + (x - (u - 1.0)) / u;
}

/* To [-pi/4, pi/4]; *quadrant counts the quarters, modulo 4. Exact to the last places for |x| < 2^20; far beyond, the
 * error grows as the spacing of the numbers does. */
static inline double fleet_reduce_f64(double x, int32_t *quadrant)
{
    if (!(fleet_abs_f64(x) < 0x1p50)) {
        *quadrant = 0;
        return x - x;
    }
    const double n = fleet_rne_f64(x * FLEET_TWO_OVER_PI);
    *quadrant = (int32_t)((int64_t)n & 3);
    double r = x - n * FLEET_PIO2_A;
    r = r - n * FLEET_PIO2_B;
    return r - n * FLEET_PIO2_C;
}

static inline double fleet_sin_part_f64(double r, int32_t quadrant)
{
    const double z = r * r;
    const double v = quadrant & 1 ? FLEET_HORNER(fleet_cos_series, z) : r * FLEET_HORNER(fleet_sin_series, z);
    return quadrant & 2 ? -v : v;
}

static inline double fleet_sin_f64(double x)
{
    int32_t quadrant;
    const double r = fleet_reduce_f64(x, &quadrant);
    return fleet_sin_part_f64(r, quadrant);
}

static inline double fleet_cos_f64(double x)
{
    int32_t quadrant;
    const double r = fleet_reduce_f64(x, &quadrant);
    return fleet_sin_part_f64(r, quadrant + 1);
}

static inline double fleet_tan_f64(double x)
{
    int32_t quadrant;
    const double r = fleet_reduce_f64(x, &quadrant);
    return fleet_sin_part_f64(r, quadrant) / fleet_sin_part_f64(r, quadrant + 1);
}

/* Halves the angle once more, so that the series is short. */
static inline double fleet_atan_f64(double x)
{
    const double a = fleet_abs_f64(x);
    double y = a > 1.0 ? 1.0 / a : a;
    const double shift = y > FLEET_TAN_PI_8 ? FLEET_QUARTER_PI : 0.0;
    y = y > FLEET_TAN_PI_8 ? (y - 1.0) / (y + 1.0) : y;
    y = y / (1.0 + __builtin_sqrt(1.0 + y * y));
    double v = 2.0 * (y * FLEET_HORNER(fleet_atan_series, y * y)) + shift;
    v = a > 1.0 ? (FLEET_HALF_PI - v) + FLEET_HALF_PI_LOW : v;
    return fleet_copysign_f64(v, x);
}

static inline double fleet_asin_f64(double x)
{
    return fleet_atan_f64(x / __builtin_sqrt((1.0 - x) * (1.0 + x)));
}

static inline double fleet_acos_f64(double x)
{
    return 2.0 * fleet_atan_f64(__builtin_sqrt((1.0 - x) / (1.0 + x)));
}

static inline double fleet_sinh_f64(double x)
{
    const double a = fleet_abs_f64(x);
    if (a < 1.0) {
        return x * FLEET_HORNER(fleet_sinh_series, x * x);
    }
    const double half = fleet_exp_f64(0.5 * a);
    const double v = (0.5 * half) * half - 0.5 / half / half;
    return fleet_copysign_f64(v, x);
}

static inline double fleet_cosh_f64(double x)
{
    const double half = fleet_exp_f64(0.5 * fleet_abs_f64(x));
    return (0.5 * half) * half + 0.5 / half / half;
}

static inline double fleet_tanh_f64(double x)
{
    const double a = fleet_abs_f64(x);
    if (a < 1.0) {
        return fleet_sinh_f64(x) / fleet_cosh_f64(x);
    }
    return fleet_copysign_f64(1.0 - 2.0 / (fleet_exp_f64(2.0 * a) + 1.0), x);
}

static inline double fleet_asinh_f64(double x)
{
    const double a = fleet_abs_f64(x);
    if (a > 0x1p500) {
        return x != x ? x : fleet_copysign_f64(fleet_log_f64(a) + fleet_log_f64(2.0), x);
    }
    return fleet_copysign_f64(fleet_log1p_f64(a + a * a / (1.0 + __builtin_sqrt(a * a + 1.0))), x);
}

static inline double fleet_acosh_f64(double x)
{
    if (!(x >= 1.0)) {
        return __builtin_nan("");
    }
    if (x > 0x1p500) {
        return fleet_log_f64(x) + fleet_log_f64(2.0);
    }
    return fleet_log1p_f64((x - 1.0) + __builtin_sqrt((x - 1.0) * (x + 1.0)));
}

static inline double fleet_atanh_f64(double x)
{
    return fleet_copysign_f64(0.5 * fleet_log1p_f64(2.0 * fleet_abs_f64(x) / (1.0 - fleet_abs_f64(x))), x);
}

/* The series of all positive terms below 3, a continued fraction of the complement above. */
static inline double fleet_erf_f64(double x)
{
    const double a = fleet_abs_f64(x);
    const double z = a * a;
    if (a < 3.0) {
        double sum = 1.0;
        for (int32_t n = 50; n > 0; --n) {
            sum = 1.0 + 2.0 * z / (2.0 * (double)n + 1.0) * sum;
        }
        return x * (FLEET_TWO_OVER_SQRT_PI * fleet_exp_f64(-z) * sum);
    }
    if (!(a < 6.0)) {
        return x != x ? x : fleet_copysign_f64(1.0, x);
    }
    double k = a;
    for (int32_t n = 60; n > 0; --n) {
        k = a + 0.5 * (double)n / k;
    }
    return fleet_copysign_f64(1.0 - fleet_exp_f64(-z) / (FLEET_SQRT_PI * k), x);
}

/* An integer power by repeated squaring, any other as exp(y · log x). */
static inline double fleet_pow_f64(double x, double y)
{
    if (y == 0.0 || x == 1.0) {
        return 1.0;
    }
    const double a = fleet_abs_f64(y);
    if (a <= 0x1p31 && (double)(int64_t)a == a) {
        double result = 1.0;
        double square = x;
        for (int64_t n = (int64_t)a; n > 0; n >>= 1) {
            result = n & 1 ? result * square : result;
            square = square * square;
        }
        return y < 0.0 ? 1.0 / result : result;
    }
    if (x < 0.0 && x >= -0x1.fffffffffffffp1023 && a < 0x1p52) {
        return __builtin_nan("");
    }
    return fleet_exp_f64(y * fleet_log_f64(fleet_abs_f64(x)));
}

/* float32: the above, rounded once. */
#define FLEET_ROUNDED(name) \
    static inline float fleet_##name##_f32(float x) \
    { \
        return (float)fleet_##name##_f64((double)x); \
    }

FLEET_ROUNDED(log)
FLEET_ROUNDED(expm1)
FLEET_ROUNDED(log1p)
FLEET_ROUNDED(sin)
FLEET_ROUNDED(cos)
FLEET_ROUNDED(tan)
FLEET_ROUNDED(asin)
FLEET_ROUNDED(acos)
FLEET_ROUNDED(atan)
FLEET_ROUNDED(sinh)
FLEET_ROUNDED(cosh)
FLEET_ROUNDED(tanh)
FLEET_ROUNDED(asinh)
FLEET_ROUNDED(acosh)
FLEET_ROUNDED(atanh)

static inline float fleet_pow_f32(float x, float y)
{
    return (float)fleet_pow_f64((double)x, (double)y);
}

/* erf of a float32: one polynomial in (x² - 8) / 8, then ±1. */
static inline float fleet_erf_f32(float x)
{
    const double v = (double)x;
    if (!(fleet_abs_f64(v) < 4.0)) {
        return x != x ? x : (float)fleet_copysign_f64(1.0, v);
    }
    return (float)(v * FLEET_HORNER(fleet_erf_coefficients, (v * v - 8.0) * 0.125));
}

#endif
