/* Attention of short texts, forward and backward: all of a head's scores stand in the cache at once, and nothing is laid
   out anew in memory. Each returns 0, or 1 where memory lacks.

   B rows, H heads of queries, K of keys, N queries and P keys of d values each. */

#include "lanes.h"

#include <stdlib.h>
#include <string.h>

/* where values (B, heads, places, d) stand and how far apart; of a mask, bytes (B, heads, N, P) */
typedef struct {
    void *at;
    int64_t b, h, t;
} Laid;

#define ROWS 4
#define SOME 32

/* y (rows, columns) = f a b, or y + f a b: a's rows lie `ar` apart and its columns `ac`; b's columns lie together */
ALWAYS void some_rows(const int rows, float *y, int64_t yr, const float *a, int64_t ar, int64_t ac, const float *b, int64_t br,
                      int64_t columns, int64_t depth, float f, int add) {
    for (int64_t c = 0; c < columns; c += 2 * W) {
        vec left[ROWS] = {{0}}, right[ROWS] = {{0}};
        const int whole = c + 2 * W <= columns;
        for (int64_t k = 0; k < depth; k++) {
            const float *line = b + k * br;
            const vec one = part_of(line, c, whole ? INT64_MAX : columns);
            const vec two = part_of(line, c + W, whole ? INT64_MAX : columns);
            for (int r = 0; r < rows; r++) {
                const float x = a[r * ar + k * ac];
                left[r] = fused(splat(x), one, left[r]);
                right[r] = fused(splat(x), two, right[r]);
            }
        }
        for (int r = 0; r < rows; r++) {
            float *line = y + r * yr;
            put(line, c, columns, f * left[r] + (add ? part_of(line, c, columns) : (vec){0}));
            put(line, c + W, columns, f * right[r] + (add ? part_of(line, c + W, columns) : (vec){0}));
        }
    }
}

static void product(float *y, int64_t yr, const float *a, int64_t ar, int64_t ac, const float *b, int64_t br, int64_t rows,
                    int64_t columns, int64_t depth, float f, int add) {
    int64_t r = 0;
    for (; r + ROWS <= rows; r += ROWS) some_rows(ROWS, y + r * yr, yr, a + r * ar, ar, ac, b, br, columns, depth, f, add);
    for (; r < rows; r++) some_rows(1, y + r * yr, yr, a + r * ar, ar, ac, b, br, columns, depth, f, add);
}

/* x (d, P) = the rows of a head, each a column */
static void columns_of(float *x, const float *rows, int64_t apart, int64_t P, int64_t d) {
    for (int64_t p = 0; p < P; p += 4)
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = p; j < p + 4 && j < P; j++) x[i * P + j] = rows[j * apart + i];
}

ALWAYS float largest(vec v) {
#if W == 16
    return _mm512_reduce_max_ps((__m512)v);
#else
    float most = v[0];
    for (int j = 1; j < W; j++) most = v[j] > most ? v[j] : most;
    return most;
#endif
}

/* the shares e^s / sum e^s of scores s (P,), 0 where the mask is or behind `last`; where all are, all are 0 */
ALWAYS void shares(float *s, const uint8_t *mask, int64_t P, int64_t last) {
    vec most = (vec){0} - INFINITY, sums = {0};
    if (mask) {
        int64_t i = 0;
        LANES(last) AT(s) = pick(__builtin_convertvector(*(const bytes *)(mask + i), whole) != 0, OF(s), (vec){0} - INFINITY);
        REST(last) s[i] = mask[i] ? s[i] : -INFINITY;
    }
    for (int64_t i = 0; i < last; i += W) {
        const vec v = within(part_of(s, i, last), last - i, -INFINITY);
        most = pick(v > most, v, most);
    }
    for (int64_t j = last; j < P; j++) s[j] = 0;
    const float found = largest(most), top = found == -INFINITY ? 0 : found; /* no key is seen */
    for (int64_t i = 0; i < last; i += W) {
        const vec e = within(power(part_of(s, i, last) - top), last - i, 0);
        put(s, i, last, e);
        sums += e;
    }
    const float all = sum(sums), scale = all > 0 || all != all ? 1 / all : 0;
    for (int64_t i = 0; i < last; i += W) put(s, i, last, part_of(s, i, last) * scale);
}

/* a thread's own memory for some values; where there is none, that is noted */
static float *room(int64_t values, int *lacking) {
    float *found = malloc((size_t)values * sizeof(float));
    if (!found) {
#pragma omp atomic write
        *lacking = 1;
    }
    return found;
}

#define HEAD(x, heads, head) ((float *)(x)->at + b * (x)->b + (head) * (x)->h)

/* y = softmax(scale q k' where the mask is 1, and no later key) v; p (B, H, N, P): the shares, where they are asked for */
int EXPORT(attend)(const Laid *q, const Laid *k, const Laid *v, const Laid *mask, const Laid *y, float *p, int64_t B, int64_t H, int64_t K,
           int64_t N, int64_t P, int64_t d, int64_t causal, float scale, int64_t threads) {
    int lacking = 0;
    CALLER;
#pragma omp parallel num_threads((int)threads) if (B * H * N * P * d > 65536)
    {
        AS_CALLER;
        float *turned = room(d * P + N * P, &lacking), *own = turned + d * P;
#pragma omp for
        for (int64_t one = 0; one < B * K; one++) {
            if (!turned) continue;
            const int64_t b = one / K, key = one % K;
            columns_of(turned, HEAD(k, K, key), k->t, P, d);
            for (int64_t h = key * (H / K); h < (key + 1) * (H / K); h++) {
                float *s = p ? p + (b * H + h) * N * P : own;
                for (int64_t n = 0; n < N; n += causal ? SOME : N) { /* of some queries at once, no later key */
                    const int64_t rows = causal && n + SOME < N ? SOME : N - n, keys = causal ? n + rows + P - N : P;
                    product(s + n * P, P, HEAD(q, H, h) + n * q->t, q->t, 1, turned, P, rows, keys, d, scale, 0);
                }
                for (int64_t n = 0; n < N; n++)
                    shares(s + n * P, mask ? (uint8_t *)mask->at + b * mask->b + h * mask->h + n * mask->t : NULL, P,
                           causal ? n + 1 + P - N : P);
                product(HEAD(y, H, h), y->t, s, P, 1, HEAD(v, K, key), v->t, N, d, P, 1, 0);
            }
        }
        free(turned);
    }
    return lacking;
}

/* with ds = p (g v' - sum p g v') scale: dq = ds k, dk = ds' q, dv = p' g */
int EXPORT(attend_back)(const Laid *g, const Laid *q, const Laid *k, const Laid *v, const float *p, const Laid *dq, const Laid *dk,
                const Laid *dv, int64_t B, int64_t H, int64_t K, int64_t N, int64_t P, int64_t d, float scale, int64_t threads) {
    int lacking = 0;
    CALLER;
#pragma omp parallel num_threads((int)threads) if (B * H * N * P * d > 65536)
    {
        AS_CALLER;
        float *turned = room(d * P + N * P, &lacking), *ds = turned + d * P;
#pragma omp for
        for (int64_t one = 0; one < B * K; one++) {
            if (!turned) continue;
            const int64_t b = one / K, key = one % K, begin = key * (H / K);
            columns_of(turned, HEAD(v, K, key), v->t, P, d);
            for (int64_t h = begin; h < begin + H / K; h++) {
                const float *s = p + (b * H + h) * N * P, *up = HEAD(g, H, h);
                product(ds, P, up, g->t, 1, turned, P, N, P, d, 1, 0);
                for (int64_t n = 0; n < N; n++) {
                    float *x = ds + n * P;
                    const float *share = s + n * P, along = dot(x, share, P);
                    int64_t i = 0;
                    LANES(P) AT(x) = OF(share) * (OF(x) - along) * scale;
                    REST(P) x[i] = share[i] * (x[i] - along) * scale;
                }
                product(HEAD(dq, H, h), dq->t, ds, P, 1, HEAD(k, K, key), k->t, N, d, P, 1, 0);
                product(HEAD(dk, K, key), dk->t, ds, 1, P, HEAD(q, H, h), q->t, P, d, N, 1, h > begin);
                product(HEAD(dv, K, key), dv->t, s, 1, P, up, g->t, P, d, N, 1, h > begin);
            }
        }
        free(turned);
    }
    return lacking;
}
