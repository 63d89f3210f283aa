/* AdamW in one pass over memory. Each returns 0. */

#include "lanes.h"

#define MANY 16384  /* values from which threads share the work */
#define CHUNK 16384 /* weights that a thread takes at once */

typedef struct {
    float factor, fall, size, new1, beta2, new2, unbias, epsilon;
} rule; /* what gradients and weights are multiplied by; a step's size; 1 - beta1, beta2, 1 - beta2; 1 / sqrt(1 - beta2^t) */

/* p = fall p - size m / (sqrt(v) unbias + e), after m and v took in the gradient, which is 0 where there is none */
ALWAYS void adam(float *p, const float *g, float *m, float *v, int64_t from, int64_t end, const rule *r) {
    for (int64_t i = from; i < end; i += W) {
        const vec t = g ? part_of(g, i, end) * r->factor : (vec){0}, old = part_of(m, i, end);
        const vec mean = old + (t - old) * r->new1, square = part_of(v, i, end) * r->beta2 + t * t * r->new2;
        put(m, i, end, mean);
        put(v, i, end, square);
        put(p, i, end, part_of(p, i, end) * r->fall - r->size * mean / (root(square) * r->unbias + r->epsilon));
    }
}

int EXPORT(adam)(float *p, const float *g, float *m, float *v, const rule *r, int64_t n, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (n > MANY)
    for (int64_t from = 0; from < n; from += CHUNK) {
        AS_CALLER;
        adam(p, g, m, v, from, from + CHUNK < n ? from + CHUNK : n, r);
    }
    return 0;
}

/* of a table (V, D): g (n, D) are the gradients of rows, where (V,) says which, -1 for none; rows that never had one have nothing
   to go on with and only fall */
int EXPORT(adam_rows)(float *p, const float *g, float *m, float *v, const int32_t *where, uint8_t *moves, const rule *r, int64_t V,
                   int64_t D, int64_t threads) {
    CALLER;
#pragma omp parallel for schedule(dynamic, 256) num_threads((int)threads) if (V * D > MANY)
    for (int64_t row = 0; row < V; row++) {
        AS_CALLER;
        float *own = p + row * D;
        if (where[row] >= 0) moves[row] = 1;
        if (moves[row]) adam(own, where[row] < 0 ? NULL : g + where[row] * D, m + row * D, v + row * D, 0, D, r);
        else if (r->fall != 1)
            for (int64_t i = 0; i < D; i += W) put(own, i, D, part_of(own, i, D) * r->fall);
    }
    return 0;
}
