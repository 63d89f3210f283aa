/* Norms, SwiGLU, GELU, rotary turning and the loss of tokens, forward and backward, each in one pass: what they cost is memory's
   time. Each returns 0, or 1 where memory lacks.

   N rows, D width, B rows of T elements, h heads, k heads of keys, d values of a head, F hidden values, V tokens. Rows are
   summed in blocks of a fixed size, so that a sum does not depend on the number of threads. */

#include "lanes.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 64
#define MANY 16384 /* values from which threads share the work */

/* sum = x + more (where there is more), y = w sum / sqrt(mean sum^2 + e); scale (N,) is 1 / that root */
int EXPORT(norm)(const float *x, const float *more, const float *w, float *sums, float *y, float *scale, int64_t N, int64_t D,
               float epsilon, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * D > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        const float *a = x + n * D;
        if (more) {
            float *s = sums + n * D;
            const float *b = more + n * D;
            int64_t i = 0;
            LANES(D) AT(s) = OF(a) + OF(b);
            REST(D) s[i] = a[i] + b[i];
            a = s;
        }
        scale[n] = norm(a, w, y + n * D, D, epsilon);
    }
    return 0;
}

/* within a team of threads: the blocks' sums (each `apart` values behind the last) added up, D of them */
ALWAYS void summed(const float *part, int64_t blocks, int64_t apart, float *out, int64_t D) {
#pragma omp for
    for (int64_t at = 0; at < D; at += W) {
        vec s = {0};
        for (int64_t block = 0; block < blocks; block++) s += part_of(part + block * apart, at, D);
        put(out, at, D, s);
    }
}

/* dx = w g r - x r^3 mean(w g x) + more (where there is more), dw = sum of g x r. */
int EXPORT(norm_back)(const float *g, const float *more, const float *x, const float *w, const float *scale, float *dx, float *dw,
                   int64_t N, int64_t D, int64_t threads) {
    const int64_t blocks = (N + BLOCK - 1) / BLOCK;
    float *part = calloc((size_t)(blocks * D + 1), sizeof(float));
    if (!part) return 1;
    CALLER;
#pragma omp parallel num_threads((int)threads) if (N * D > MANY)
    {
        AS_CALLER;
#pragma omp for
        for (int64_t block = 0; block < blocks; block++) {
            float *own = part + block * D;
            for (int64_t n = block * BLOCK; n < N && n < (block + 1) * BLOCK; n++) {
                const float *a = x + n * D, *b = g + n * D, r = scale[n];
                vec sums = {0};
                float along = 0;
                int64_t i = 0;
                LANES(D) {
                    const vec t = OF(a) * OF(b) * r;
                    AT(own) += t;
                    sums = fused(t, OF(w), sums);
                }
                REST(D) {
                    const float t = a[i] * b[i] * r;
                    own[i] += t;
                    along += t * w[i];
                }
                const float mean = (sum(sums) + along) * r * r / D, *c = more ? more + n * D : NULL;
                float *out = dx + n * D;
                i = 0;
                LANES(D) {
                    vec t = OF(b) * OF(w) * r - OF(a) * mean;
                    if (c) t += OF(c);
                    AT(out) = t;
                }
                REST(D) out[i] = b[i] * w[i] * r - a[i] * mean + (c ? c[i] : 0);
            }
        }
        summed(part, blocks, D, dw, D);
    }
    free(part);
    return 0;
}

/* a map's answers x (N, D) without its bias, and what they are added to: y = w h + beta, where h (kept where there is room for it)
   is x + bias + more with a mean of 0 and a variance of 1; scale (N,) is 1 / the deviation */
int EXPORT(layer)(const float *x, const float *bias, const float *more, const float *w, const float *beta, float *kept, float *y,
               float *scale, int64_t N, int64_t D, float epsilon, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * D > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        const float *a = x + n * D, *b = more + n * D;
        float *out = y + n * D, *h = kept ? kept + n * D : out;
        vec sums = {0}, squares = {0};
        for (int64_t i = 0; i < D; i += W) {
            const vec t = part_of(a, i, D) + part_of(bias, i, D) + part_of(b, i, D);
            sums += t;
            put(h, i, D, t);
        }
        const float mean = sum(sums) / D;
        for (int64_t i = 0; i < D; i += W) {
            const vec t = within(part_of(h, i, D) - mean, D - i, 0);
            squares = fused(t, t, squares);
        }
        const float r = scale[n] = 1 / sqrtf(sum(squares) / D + epsilon);
        for (int64_t i = 0; i < D; i += W) {
            const vec t = (part_of(h, i, D) - mean) * r;
            if (kept) put(h, i, D, t);
            put(out, i, D, t * part_of(w, i, D) + part_of(beta, i, D));
        }
    }
    return 0;
}

/* dx = r (w g - mean(w g) - h mean(w g h)), which is that of what was added, too; sums (3, D): of g h, g and dx */
int EXPORT(layer_back)(const float *g, const float *kept, const float *w, const float *scale, float *dx, float *sums, int64_t N,
                    int64_t D, int64_t threads) {
    const int64_t blocks = (N + BLOCK - 1) / BLOCK;
    float *part = calloc((size_t)(blocks * 3 * D + 1), sizeof(float));
    if (!part) return 1;
    CALLER;
#pragma omp parallel num_threads((int)threads) if (N * D > MANY)
    {
        AS_CALLER;
#pragma omp for
        for (int64_t block = 0; block < blocks; block++) {
            float *dw = part + block * 3 * D, *db = dw + D, *ds = db + D;
            for (int64_t n = block * BLOCK; n < N && n < (block + 1) * BLOCK; n++) {
                const float *a = kept + n * D, *b = g + n * D, r = scale[n];
                float *out = dx + n * D;
                vec all = {0}, along = {0};
                for (int64_t i = 0; i < D; i += W) {
                    const vec given = part_of(b, i, D), h = part_of(a, i, D), t = given * part_of(w, i, D);
                    all += t;
                    along = fused(t, h, along);
                    put(dw, i, D, part_of(dw, i, D) + given * h);
                    put(db, i, D, part_of(db, i, D) + given);
                }
                const float mean = sum(all) / D, tilt = sum(along) / D;
                for (int64_t i = 0; i < D; i += W) {
                    const vec t = (part_of(b, i, D) * part_of(w, i, D) - mean - part_of(a, i, D) * tilt) * r;
                    put(out, i, D, t);
                    put(ds, i, D, part_of(ds, i, D) + t);
                }
            }
        }
        summed(part, blocks, 3 * D, sums, 3 * D);
    }
    free(part);
    return 0;
}

#define HALVES(p, n) const float *gate = (p) + (n) * 2 * F, *up = gate + F

/* (N, 2F) gates and others -> y (N, F) = silu(gate) up */
int EXPORT(swiglu)(const float *x, float *y, int64_t N, int64_t F, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * F > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        HALVES(x, n);
        float *out = y + n * F;
        int64_t i = 0;
        LANES(F) AT(out) = OF(gate) * logistic(OF(gate)) * OF(up);
        REST(F) out[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
    }
    return 0;
}

/* g (N, F) -> dx (N, 2F); with s = logistic(gate): g up s (1 + gate (1 - s)), g gate s */
int EXPORT(swiglu_back)(const float *g, const float *x, float *dx, int64_t N, int64_t F, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * F > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        HALVES(x, n);
        const float *b = g + n * F;
        float *first = dx + n * 2 * F, *second = first + F;
        int64_t i = 0;
        LANES(F) {
            const vec a = OF(gate), s = logistic(a), t = OF(b);
            AT(first) = t * OF(up) * s * (1.0f + a * (1.0f - s));
            AT(second) = t * a * s;
        }
        REST(F) {
            const float a = gate[i], s = 1 / (1 + expf(-a)), t = b[i];
            first[i] = t * up[i] * s * (1 + a * (1 - s));
            second[i] = t * a * s;
        }
    }
    return 0;
}

/* x (B, T, h + 2k, d) -> queries (B, h, T, d), keys and values (B, k, T, d), all but the values turned by their places;
   cosine and sine (turns, T, d/2), turns 1 or B */
int EXPORT(turn)(const float *x, const float *cosine, const float *sine, float *q, float *k, float *v, int64_t B, int64_t T,
               int64_t heads, int64_t keys, int64_t d, int64_t turns, int64_t threads) {
    const int64_t all = heads + 2 * keys;
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (B * T * all * d > MANY)
    for (int64_t place = 0; place < B * T; place++) {
        AS_CALLER;
        const int64_t b = place / T, t = place % T, angle = ((turns > 1 ? b : 0) * T + t) * (d / 2);
        for (int64_t head = 0; head < all; head++) {
            const float *from = x + (place * all + head) * d;
            if (head < heads) turn(from, cosine + angle, sine + angle, 1, q + ((b * heads + head) * T + t) * d, d / 2);
            else if (head < heads + keys) turn(from, cosine + angle, sine + angle, 1, k + ((b * keys + head - heads) * T + t) * d, d / 2);
            else memcpy(v + ((b * keys + head - heads - keys) * T + t) * d, from, d * sizeof(float));
        }
    }
    return 0;
}

typedef struct {
    const float *at;
    int64_t b, h, t; /* how far rows, heads and places lie apart */
} laid;

/* the gradients of the three, however they are laid -> dx (B, T, h + 2k, d) */
int EXPORT(turn_back)(const laid *dq, const laid *dk, const laid *dv, const float *cosine, const float *sine, float *dx, int64_t B,
                    int64_t T, int64_t heads, int64_t keys, int64_t d, int64_t turns, int64_t threads) {
    const int64_t all = heads + 2 * keys;
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (B * T * all * d > MANY)
    for (int64_t place = 0; place < B * T; place++) {
        AS_CALLER;
        const int64_t b = place / T, t = place % T, angle = ((turns > 1 ? b : 0) * T + t) * (d / 2);
        for (int64_t head = 0; head < all; head++) {
            float *to = dx + (place * all + head) * d;
            const laid *l = head < heads ? dq : head < heads + keys ? dk : dv;
            const int64_t own = head < heads ? head : (head - heads) % keys;
            const float *from = l->at + b * l->b + own * l->h + t * l->t;
            if (l == dv) memcpy(to, from, d * sizeof(float));
            else turn(from, cosine + angle, sine + angle, -1, to, d / 2);
        }
    }
    return 0;
}

/* losses (N,) = log sum e^x - x[token], and that logarithm (N,) */
int EXPORT(entropy)(const float *x, const int64_t *tokens, float *losses, float *logs, int64_t N, int64_t V, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * V > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        const float *a = x + n * V;
        vec highest = (vec){0} - INFINITY;
        float most = -INFINITY, all = 0;
        int64_t i = 0;
        LANES(V) highest = pick(OF(a) > highest, OF(a), highest);
        REST(V) most = a[i] > most ? a[i] : most;
        for (int j = 0; j < W; j++) most = highest[j] > most ? highest[j] : most;
        vec sums = {0};
        i = 0;
        LANES(V) sums += power(OF(a) - most);
        REST(V) all += expf(a[i] - most);
        logs[n] = most + logf(sum(sums) + all);
        losses[n] = logs[n] - a[tokens[n]];
    }
    return 0;
}

/* x (N, V) becomes its gradient: g (e^(x - log) - 1 at the token) */
int EXPORT(entropy_back)(const float *g, const int64_t *tokens, const float *logs, float *x, int64_t N, int64_t V, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * V > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        float *a = x + n * V;
        const float log = logs[n], t = g[n];
        int64_t i = 0;
        LANES(V) AT(a) = power(OF(a) - log) * t;
        REST(V) a[i] = expf(a[i] - log) * t;
        a[tokens[n]] -= t;
    }
    return 0;
}

/* y = t times the share of a normal distribution below t, where t = x + bias (where there is one); slope (where there is room
   for it): that share + t times the density there */
int EXPORT(gelu)(const float *x, const float *bias, float *slope, float *y, int64_t N, int64_t D, int64_t threads) {
    CALLER;
#pragma omp parallel for num_threads((int)threads) if (N * D > MANY)
    for (int64_t n = 0; n < N; n++) {
        AS_CALLER;
        for (int64_t i = 0; i < D; i += W) {
            vec t = part_of(x + n * D, i, D), density;
            if (bias) t += part_of(bias, i, D);
            const vec share = below(t, &density);
            if (slope) put(slope + n * D, i, D, share + t * density);
            put(y + n * D, i, D, t * share);
        }
    }
    return 0;
}

/* dx = g slope; db (where it is asked for) its sum */
int EXPORT(gelu_back)(const float *g, const float *slope, float *dx, float *db, int64_t N, int64_t D, int64_t threads) {
    const int64_t blocks = (N + BLOCK - 1) / BLOCK;
    float *part = calloc((size_t)(db ? blocks * D : 1), sizeof(float));
    if (!part) return 1;
    CALLER;
#pragma omp parallel num_threads((int)threads) if (N * D > MANY)
    {
        AS_CALLER;
#pragma omp for
        for (int64_t block = 0; block < blocks; block++) {
            float *own = part + block * D;
            for (int64_t n = block * BLOCK; n < N && n < (block + 1) * BLOCK; n++)
                for (int64_t i = 0; i < D; i += W) {
                    const vec t = part_of(g + n * D, i, D) * part_of(slope + n * D, i, D);
                    put(dx + n * D, i, D, t);
                    if (db) put(own, i, D, part_of(own, i, D) + t);
                }
        }
        if (db) summed(part, blocks, D, db, D);
    }
    free(part);
    return 0;
}
