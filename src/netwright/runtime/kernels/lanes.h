/* As many floats at once as an instruction of this level takes.

   Each file is compiled once for each level of instructions; LEVEL is the level's name, which ends the names of what it exports.
   A sum's order follows from sizes alone, never from addresses: products are fused with sums only where `fused` says so, and
   values are read wherever they stand. */

#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#define omp_get_num_threads() 1
#endif
#if defined(__AVX512F__)
#define W 16
#elif defined(__AVX2__)
#define W 8
#else
#define W 4
#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define TINY 0x8040u /* of the control register: numbers too small for a float are 0, when read and when written */
/* what the calling thread does with such numbers, and to do the same in another thread: else a number would depend on threads */
#define CALLER const unsigned caller = _mm_getcsr() & TINY
#define AS_CALLER                                                    \
    do {                                                             \
        const unsigned own = _mm_getcsr();                           \
        if ((own & TINY) != caller) _mm_setcsr((own & ~TINY) | caller); \
    } while (0)
#else
#define CALLER
#define AS_CALLER
#endif
#define JOINED(name, level) name##_##level
#define NAMED(name, level) JOINED(name, level)
#define EXPORT(name) NAMED(name, LEVEL)
#define ALWAYS static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * W)));
typedef vec loose __attribute__((aligned(4), may_alias)); /* as it stands in memory */
typedef int8_t bytes __attribute__((vector_size(W), aligned(1), may_alias));
typedef int32_t whole __attribute__((vector_size(4 * W)));

/* a row of n values: whole lanes first, then what is left */
#define LANES(n) for (; i + W <= (n); i += W)
#define REST(n) for (; i < (n); i++)
#define AT(p) (*(loose *)((p) + i))
#define OF(p) (*(const loose *)((p) + i))

/* the same value in each lane */
ALWAYS vec splat(float x) {
#if W == 16
    return (vec)_mm512_set1_ps(x);
#elif W == 8
    return (vec)_mm256_set1_ps(x);
#else
    return (vec){x, x, x, x};
#endif
}

/* a b + c, rounded once where the processor can */
ALWAYS vec fused(vec a, vec b, vec c) {
#if W == 16
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif W == 8
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON)
    return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

ALWAYS float sum(vec v) {
#if W == 16
    return _mm512_reduce_add_ps((__m512)v);
#elif W == 8
    __m128 s = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
#else
    float s = 0;
    for (int i = 0; i < W; i++) s += v[i];
    return s;
#endif
}

ALWAYS float dot(const float *a, const float *b, int64_t n) {
    vec s = {0};
    int64_t i = 0;
    LANES(n) s = fused(OF(a), OF(b), s);
    float out = sum(s);
    REST(n) out += a[i] * b[i];
    return out;
}

/* y = w x / sqrt(mean x^2 + e); returns what x is multiplied by before w */
ALWAYS float norm(const float *x, const float *w, float *y, int64_t n, float epsilon) {
    const float scale = 1 / sqrtf(dot(x, x, n) / n + epsilon);
    int64_t i = 0;
    LANES(n) AT(y) = OF(x) * scale * OF(w);
    REST(n) y[i] = x[i] * scale * w[i];
    return scale;
}

/* each pair (i, i + half) turned by its angle, or back where sign is -1; y may be x */
ALWAYS void turn(const float *x, const float *cosine, const float *sine, float sign, float *y, int64_t half) {
    int64_t i = 0;
    LANES(half) {
        const vec a = OF(x), b = OF(x + half), c = OF(cosine), s = OF(sine) * sign;
        AT(y) = a * c - b * s;
        AT(y + half) = b * c + a * s;
    }
    REST(half) {
        const float a = x[i], b = x[half + i], c = cosine[i], s = sine[i] * sign;
        y[i] = a * c - b * s;
        y[half + i] = b * c + a * s;
    }
}

/* of each lane one or the other */
ALWAYS vec pick(whole which, vec a, vec b) { return (vec)((which & (whole)a) | (~which & (whole)b)); }

/* lanes from i on, 0 behind the n values, and putting them back */
ALWAYS vec part_of(const float *p, int64_t i, int64_t n) {
    if (i + W <= n) return *(const loose *)(p + i);
    vec v = {0};
#if W == 16
    if (i < n) v = (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << (n - i)) - 1), p + i);
#else
    for (int64_t j = 0; i + j < n; j++) v[j] = p[i + j];
#endif
    return v;
}

ALWAYS void put(float *p, int64_t i, int64_t n, vec v) {
    if (i + W <= n) *(loose *)(p + i) = v;
#if W == 16
    else if (i < n) _mm512_mask_storeu_ps(p + i, (__mmask16)((1u << (n - i)) - 1), (__m512)v);
#else
    else for (int64_t j = 0; i + j < n; j++) p[i + j] = v[j];
#endif
}

/* the first n lanes, and something else in the others */
ALWAYS vec within(vec v, int64_t n, float rest) {
#if W == 16
    return pick((whole){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} < (int32_t)n, v, (vec){0} + rest);
#else
    for (int64_t j = n; j < W; j++) v[j] = rest;
    return v;
#endif
}

/* of each lane the lower (y where x is no number); 1 / x of a finite x within 2 units of the last place */
#if W == 16
ALWAYS vec lower(vec x, vec y) { return (vec)_mm512_min_ps((__m512)x, (__m512)y); }
ALWAYS vec inverse(vec x) {
    const vec r = (vec)_mm512_rcp14_ps((__m512)x);
    return r * (2.0f - x * r);
}
ALWAYS vec root(vec x) { return (vec)_mm512_sqrt_ps((__m512)x); }
#else
ALWAYS vec lower(vec x, vec y) { return pick(x < y, x, y); }
ALWAYS vec inverse(vec x) { return 1.0f / x; }
ALWAYS vec root(vec x) {
    for (int i = 0; i < W; i++) x[i] = sqrtf(x[i]);
    return x;
}
#endif
ALWAYS vec size(vec x) { return (vec)((whole)x & 0x7fffffff); } /* without its sign */

/* e^x of x from -87 to 88 within 2 units of the last place; after Cephes' polynomial */
ALWAYS vec bounded(vec x) {
    const vec shifted = fused(x, splat(1.44269504f), splat(12582912.0f)), n = shifted - 12582912.0f; /* whole numbers of twos */
    const vec r = fused(n, splat(2.12194440e-4f), fused(n, splat(-0.693359375f), x));
    vec p = fused(r, splat(1.9875691500e-4f), splat(1.3981999507e-3f));
    p = fused(p, r, splat(8.3334519073e-3f));
    p = fused(p, r, splat(4.1665795894e-2f));
    p = fused(p, r, splat(1.6666665459e-1f));
    p = fused(p, r, splat(5.0000001201e-1f));
    p = fused(p, r * r, r) + 1.0f;
    const whole twos = ((whole)shifted + 127) << 23;
    return p * (vec)twos;
}

/* e^x of any x: 0 below -87 */
ALWAYS vec power(vec x) {
    const vec low = pick(x < -87.0f, (vec){0} - 87.0f, x), held = pick(low > 88.0f, (vec){0} + 88.0f, low);
    return pick(x < -87.0f, (vec){0}, bounded(held));
}

/* the share of a normal distribution below x, and its density there; after Abramowitz and Stegun 7.1.26, within 1.5e-7 */
ALWAYS vec below(vec x, vec *density) {
    const vec z = lower(size(x) * 0.70710678f, (vec){0} + 9.3f); /* e^-86 from there on */
    const vec t = inverse(1.0f + 0.3275911f * z), e = bounded(-z * z);
    vec p = fused(t, splat(1.061405429f), splat(-1.453152027f));
    p = fused(p, t, splat(1.421413741f));
    p = fused(p, t, splat(-0.284496736f));
    p = fused(p, t, splat(0.254829592f));
    const vec beyond = 0.5f * p * t * e;
    *density = 0.39894228f * e;
    return pick(x < 0, beyond, 1.0f - beyond);
}

ALWAYS vec logistic(vec x) { return inverse(1.0f + power((vec){0} - x)); }
