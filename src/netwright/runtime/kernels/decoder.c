/* Few rows through linear maps, and through all layers of a decoder: the time is that of reading the weights once.

   B rows, D width, h heads, k heads of keys, d values of a head, F hidden values, P remembered elements; a map has O
   outputs and I inputs, its weights (O, I) as floats, or as bytes with a bfloat16 scale for each output. Every sum is taken
   in one order, whatever the number of rows and of threads: a row's answer does not depend on the others. */

#include "lanes.h"

#include <stdlib.h>
#include <string.h>

#define ALONE 262144 /* weights of a map up to which one thread takes it */
#define AHEAD 8192 /* bytes that weights are asked for ahead of their use: measured (docs/dev/log.md) */

typedef struct {
    const void *weight;    /* (O, I) */
    const uint16_t *scale; /* (O,) where the weights are bytes, else NULL */
    const float *bias;     /* (O,) or NULL */
    int64_t O, I;
} map;

typedef struct {
    map qkv, merge, gate_up, down;
    const float *attention_norm, *dense_norm, *query_norm, *key_norm; /* the last two may be NULL */
    float *keys, *values;                                             /* (B, k, room, d) */
} layer;

typedef struct {
    int64_t B, D, heads, key_heads, d, F, depth, past, room, threads, turns; /* turns: 1, or B where places differ */
    float epsilon;
} sizes;

ALWAYS vec wide(const int8_t *q) {
#if W == 16
    return (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)q)));
#elif W == 8
    return (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)q)));
#else
    return __builtin_convertvector(__builtin_convertvector(*(const bytes *)q, whole), vec);
#endif
}

ALWAYS float half(uint16_t bits) {
    union { uint32_t whole; float value; } u = {(uint32_t)bits << 16};
    return u.value;
}

/* W weights from place i of a row, 0 behind its I */
ALWAYS vec weights(const char *row, int64_t i, int64_t I, int small) {
    if (!small) return part_of((const float *)row, i, I);
    const int8_t *q = (const int8_t *)row + i;
    if (i + W <= I) return wide(q);
    int8_t rest[W] = {0};
    for (int64_t j = 0; i + j < I; j++) rest[j] = q[j];
    return wide(rest);
}

/* R outputs from `o` for B rows: y (B, gap) */
ALWAYS void tile(const map *m, const float *x, float *y, int64_t gap, int64_t o, int R, int B, int small) {
    const int64_t I = m->I, size = small ? 1 : 4;
    const char *w = (const char *)m->weight + o * I * size;
    vec sums[16] = {0};
    int64_t i = 0;
    LANES(I)
        for (int r = 0; r < R; r++) {
            __builtin_prefetch(w + (r * I + i) * size + AHEAD);
            const vec a = small ? wide((const int8_t *)w + r * I + i) : (vec)*(const loose *)((const float *)w + r * I + i);
            for (int b = 0; b < B; b++) sums[r * B + b] = fused(a, *(const loose *)(x + b * I + i), sums[r * B + b]);
        }
    if (i < I)
        for (int r = 0; r < R; r++) {
            const vec a = weights(w + r * I * size, i, I, small);
            for (int b = 0; b < B; b++) sums[r * B + b] = fused(a, part_of(x + b * I, i, I), sums[r * B + b]);
        }
    for (int r = 0; r < R; r++) {
        const float scale = small ? half(m->scale[o + r]) : 1, bias = m->bias ? m->bias[o + r] : 0;
        for (int b = 0; b < B; b++) y[b * gap + o + r] = sum(sums[r * B + b]) * scale + bias;
    }
}

#define TILES(R, B)                                                                     \
    do {                                                                                \
        int64_t o = first;                                                              \
        for (; o + R <= last; o += R) {                                                 \
            if (m->scale) tile(m, x + b * m->I, y + b * gap, gap, o, R, B, 1);          \
            else tile(m, x + b * m->I, y + b * gap, gap, o, R, B, 0);                   \
        }                                                                               \
        for (; o < last; o++) {                                                         \
            if (m->scale) tile(m, x + b * m->I, y + b * gap, gap, o, 1, B, 1);          \
            else tile(m, x + b * m->I, y + b * gap, gap, o, 1, B, 0);                   \
        }                                                                               \
        b += B;                                                                         \
    } while (0)

/* outputs from `from` to `to` of a map: x (B, I) -> y (B, gap); of many rows some outputs at a time, whose weights stay near */
static void product(const map *m, const float *x, float *y, int64_t gap, int64_t B, int64_t from, int64_t to) {
    for (int64_t first = from, last; first < to; first = last) {
        last = B == 1 || first + 8 > to ? to : first + 8;
        for (int64_t b = 0; b < B;) {
            if (B - b >= 8) TILES(2, 8);
            else if (B - b >= 4) TILES(4, 4);
            else if (B - b >= 2) TILES(4, 2);
            else TILES(8, 1);
        }
    }
}

static int64_t part(int64_t O, int64_t number, int64_t of) { /* in eights */
    int64_t place = (O + 7) / 8 * number / of * 8;
    return place < O ? place : O;
}

/* a head's values, normed where its layer norms them and turned by their place */
static void turned(const float *x, const float *weight, const float *cosine, const float *sine, float *y, int64_t d, float epsilon) {
    if (weight) {
        norm(x, weight, y, d, epsilon);
        x = y;
    }
    turn(x, cosine, sine, 1, y, d / 2);
}

/* one head of one row over the remembered elements and its own */
static void attend(const layer *l, const sizes *s, const float *mixed, const float *cosine, const float *sine, const uint8_t *mask,
                   float *scores, float *own, float *out, int64_t b, int64_t head) {
    const int64_t d = s->d, P = s->past, k = head / (s->heads / s->key_heads);
    const int64_t row = (s->heads + 2 * s->key_heads) * d, place = b * (s->turns > 1) * (d / 2);
    const float *value = mixed + b * row + (s->heads + s->key_heads + k) * d;
    float *query = own, *key = own + d;
    turned(mixed + b * row + head * d, l->query_norm, cosine + place, sine + place, query, d, s->epsilon);
    turned(mixed + b * row + (s->heads + k) * d, l->key_norm, cosine + place, sine + place, key, d, s->epsilon);
    float *keys = l->keys + (b * s->key_heads + k) * s->room * d, *values = l->values + (b * s->key_heads + k) * s->room * d;
    if (head % (s->heads / s->key_heads) == 0) { /* no other head reads this place: each has made its own copy */
        memcpy(keys + P * d, key, d * sizeof(float));
        memcpy(values + P * d, value, d * sizeof(float));
    }
    const float scale = 1 / sqrtf((float)d);
    float most = -INFINITY, all = 0;
    for (int64_t p = 0; p <= P; p++) {
        const int seen = !mask || mask[b * (P + 1) + p];
        scores[p] = seen ? scale * dot(query, p < P ? keys + p * d : key, d) : -INFINITY;
        if (scores[p] > most) most = scores[p];
    }
    memset(out, 0, d * sizeof(float));
    for (int64_t p = 0; p <= P; p++) {
        const float weight = expf(scores[p] - most), *at = p < P ? values + p * d : value;
        all += weight;
        int64_t i = 0;
        LANES(d) AT(out) = fused(splat(weight), OF(at), OF(out));
        REST(d) out[i] += weight * at[i];
    }
    for (int64_t i = 0; i < d; i++) out[i] /= all;
}

static void add(const float *y, float *x, const sizes *s, int64_t from, int64_t to) {
    for (int64_t b = 0; b < s->B; b++)
        for (int64_t i = from; i < to; i++) x[b * s->D + i] += y[b * s->D + i];
}

static void norms(const float *x, const float *weight, float *y, const sizes *s) {
    for (int64_t b = 0; b < s->B; b++) norm(x + b * s->D, weight, y + b * s->D, s->D, s->epsilon);
}

/* One element after its past through all layers. x (B, D) is changed; out (B, D) is normed; cosine and sine (turns, d/2);
   mask (B, P + 1) or NULL. The keys and values of the element are written at place P. 0, or 1 where memory lacks. */
int EXPORT(decoder)(const layer *layers, const sizes *s, float *x, const float *cosine, const float *sine, const uint8_t *mask,
             const float *last_norm, float *out) {
    const int64_t B = s->B, D = s->D, F = s->F, d = s->d, heads = s->heads, wide = (heads + 2 * s->key_heads) * d;
    const int64_t each = B * D + s->past + 1 + 2 * d + 16, hidden = 2 * F > D ? 2 * F : D;
    float *room = malloc((size_t)(B * (wide + heads * d + hidden + F) + s->threads * each) * sizeof(float));
    if (!room) return 1;
    float *mixed = room, *seen = mixed + B * wide, *y = seen + B * heads * d, *dense = y + B * hidden, *own = dense + B * F;
    CALLER;
#pragma omp parallel num_threads((int)s->threads)
    {
        AS_CALLER;
        const int64_t me = omp_get_thread_num(), all = omp_get_num_threads();
        float *normed = own + me * each, *scores = normed + B * D, *ends = scores + s->past + 1;
        for (const layer *l = layers; l < layers + s->depth; l++) {
            norms(x, l->attention_norm, normed, s);
            product(&l->qkv, normed, mixed, wide, B, part(wide, me, all), part(wide, me + 1, all));
#pragma omp barrier
            for (int64_t task = B * heads * me / all; task < B * heads * (me + 1) / all; task++)
                attend(l, s, mixed, cosine, sine, mask, scores, ends, seen + task * d, task / heads, task % heads);
#pragma omp barrier
            int64_t from = part(D, me, all), to = part(D, me + 1, all);
            product(&l->merge, seen, y, D, B, from, to);
            add(y, x, s, from, to);
#pragma omp barrier
            norms(x, l->dense_norm, normed, s);
            int64_t low = part(F, me, all), high = part(F, me + 1, all);
            product(&l->gate_up, normed, y, 2 * F, B, low, high);
            product(&l->gate_up, normed, y, 2 * F, B, F + low, F + high);
            for (int64_t b = 0; b < B; b++)
                for (int64_t i = low; i < high; i += W) {
                    const vec gate = part_of(y + b * 2 * F, i, high);
                    put(dense + b * F, i, high, gate * logistic(gate) * part_of(y + b * 2 * F + F, i, high));
                }
#pragma omp barrier
            product(&l->down, dense, y, D, B, from, to);
            add(y, x, s, from, to);
#pragma omp barrier
        }
        for (int64_t b = B * me / all; b < B * (me + 1) / all; b++) norm(x + b * D, last_norm, out + b * D, D, s->epsilon);
    }
    free(room);
    return 0;
}

/* x (B, I) -> y (B, O) */
int EXPORT(linear)(const map *m, const float *x, float *y, int64_t B, int64_t threads) {
    CALLER;
#pragma omp parallel num_threads((int)threads) if (m->O * m->I > ALONE)
    {
        AS_CALLER;
        const int64_t me = omp_get_thread_num(), all = omp_get_num_threads();
        product(m, x, y, m->O, B, part(m->O, me, all), part(m->O, me + 1, all));
    }
    return 0;
}
