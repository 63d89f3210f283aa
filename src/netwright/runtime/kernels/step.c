/* A recorded step: its operations on numbers that stand where they stood, one after the other, without torch between them.

   Each operation is a row of a table: what it does, over which sizes, and where and how far apart the numbers of its
   result (0) and of what it reads (1 to 3) stand. Floats of 32 bits go many at once; other types one by one, as doubles. */

#include "lanes.h"

#include <stdlib.h>
#include <string.h>

#define AXES 6
#define OPERANDS 4
#define MANY 16384 /* values from which threads share the work */
#define PART 2048  /* values of one share */

typedef struct {
    int64_t code, size[AXES], apart[OPERANDS][AXES], type[OPERANDS];
    void *at[OPERANDS + 2];
    double number[4];
} Op;

/* as in `table.py` */
enum { COPY, ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, CLAMP, ADDCMUL, RELU, RELU_BACK, SIGMOID, SIGMOID_BACK, TANH, TANH_BACK,
       SILU, SILU_BACK, GELU, GELU_BACK, EXP, SQRT, RSQRT, RECIPROCAL, ABS, SIGN, SQUARE, SQUARE_BACK, LOG, POWER, EQUAL,
       ABOVE, BELOW, FROM, UP_TO, NOT, IS_NAN, WHERE, SUM, NORM, PRODUCT, PICK, SPREAD, LOG_SOFTMAX, LOG_SOFTMAX_BACK, CHOSEN,
       CHOSEN_BACK, PLACE, RUNNING, ADAM, SGD, DRAW };
enum { FLOAT, DOUBLE, LONG, INT, BYTE };

typedef void (*Sgemm)(const char *, const char *, const int *, const int *, const int *, const float *, const float *, const int *,
                      const float *, const int *, const float *, float *, const int *);
static Sgemm multiply; /* of the library that torch itself calls */

void step_use(void *sgemm) { multiply = (Sgemm)sgemm; }

/* lanes from i on, 0 beyond n where values lie together or apart; one value where they are one */
ALWAYS vec loaded(const float *p, int64_t apart, int64_t i, int64_t n) {
    if (apart == 1) return part_of(p, i, n);
    vec v = {0};
    if (apart == 0) return v + *p;
    for (int64_t j = 0; j < W && i + j < n; j++) v[j] = p[(i + j) * apart];
    return v;
}

ALWAYS void stored(float *p, int64_t apart, int64_t i, int64_t n, vec v) {
    if (apart == 1) put(p, i, n, v);
    else
        for (int64_t j = 0; j < W && i + j < n; j++) p[(i + j) * apart] = v[j];
}

#define NONE ((vec){0})
#define ONES (NONE + 1.0f)

ALWAYS vec halfway(vec a) { return 1.0f / (1.0f + power(-a)); } /* the sigmoid */

/* tanh a, without the loss of places near 0 */
ALWAYS vec curved(vec a) {
    const vec x = pick(a < 0, -a, a), s = x * x, far = 1.0f - 2.0f / (power(x + x) + 1.0f);
    vec p = s * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    const vec out = pick(x < 0.625f, x + x * s * p, far);
    return pick(a < 0, -out, out);
}

/* one row of floats */
static void floats(const Op *op, int64_t n, char *const *at, const int64_t *by) {
    const float *A = (float *)at[1], *B = (float *)at[2], *C = (float *)at[3];
    float *Y = (float *)at[0];
    const float f = (float)op->number[0], g = (float)op->number[1];
#define MAP(CODE, VALUE)                                                                                                       \
    case CODE:                                                                                                                 \
        for (int64_t i = 0; i < n; i += W) {                                                                                   \
            const vec a = loaded(A, by[1], i, n), b = B ? loaded(B, by[2], i, n) : NONE, c = C ? loaded(C, by[3], i, n) : NONE; \
            (void)b, (void)c;                                                                                                  \
            stored(Y, by[0], i, n, VALUE);                                                                                     \
        }                                                                                                                      \
        break;
    switch (op->code) {
        MAP(COPY, a)
        MAP(ADD, a + f * b)
        MAP(SUB, a - f * b)
        MAP(MUL, a * b)
        MAP(DIV, a / b)
        MAP(MAXIMUM, pick((a > b) | (a != a), a, b))
        MAP(MINIMUM, pick((a < b) | (a != a), a, b))
        MAP(CLAMP, pick(a < f, NONE + f, pick(a > g, NONE + g, a)))
        MAP(ADDCMUL, a + f * b * c)
        MAP(RELU, pick(a < 0, NONE, a))
        MAP(RELU_BACK, pick(b <= f, NONE, a))
        MAP(SIGMOID, halfway(a))
        MAP(SIGMOID_BACK, a * b * (1.0f - b))
        MAP(TANH, curved(a))
        MAP(TANH_BACK, a * (1.0f - b * b))
        MAP(SILU, a * halfway(a))
        MAP(SILU_BACK, a * halfway(b) * (1.0f + b * (1.0f - halfway(b))))
        MAP(GELU, gelu(a))
        MAP(GELU_BACK, a * gelu_slope(b))
        MAP(EXP, pick(a > 88.0f, NONE + INFINITY, power(a)))
        MAP(SQRT, root(a))
        MAP(RSQRT, 1.0f / root(a))
        MAP(RECIPROCAL, 1.0f / a)
        MAP(ABS, pick(a < 0, -a, a))
        MAP(SIGN, pick(a > 0, ONES, pick(a < 0, -ONES, a)))
        MAP(SQUARE, (a - b) * (a - b))
        MAP(SQUARE_BACK, f * a * (b - c))
    }
}

static double read_one(const char *p, int64_t type) {
    switch (type) {
        case FLOAT: return *(const float *)p;
        case DOUBLE: return *(const double *)p;
        case LONG: return (double)*(const int64_t *)p;
        case INT: return *(const int32_t *)p;
        default: return *(const uint8_t *)p;
    }
}

static void write_one(char *p, int64_t type, double value) {
    switch (type) {
        case FLOAT: *(float *)p = (float)value; break;
        case DOUBLE: *(double *)p = value; break;
        case LONG: *(int64_t *)p = (int64_t)value; break;
        case INT: *(int32_t *)p = (int32_t)value; break;
        default: *(uint8_t *)p = value != 0;
    }
}

static const int64_t bytes_of[] = {4, 8, 8, 4, 1};

/* one row of any types */
static void others(const Op *op, int64_t n, char *const *at, const int64_t *by) {
    const double *f = op->number;
    for (int64_t i = 0; i < n; i++) {
        double v[OPERANDS] = {0};
        for (int k = 1; k < OPERANDS; k++)
            if (at[k]) v[k] = read_one(at[k] + i * by[k] * bytes_of[op->type[k]], op->type[k]);
        const double a = v[1], b = v[2], c = v[3];
        double y = a;
        switch (op->code) {
            case ADD: y = a + f[0] * b; break;
            case SUB: y = a - f[0] * b; break;
            case MUL: y = a * b; break;
            case DIV: y = a / b; break;
            case MAXIMUM: y = a > b || a != a ? a : b; break;
            case MINIMUM: y = a < b || a != a ? a : b; break;
            case CLAMP: y = a < f[0] ? f[0] : a > f[1] ? f[1] : a; break;
            case LOG: y = op->type[1] == FLOAT ? logf((float)a) : log(a); break;
            case POWER: y = pow(a, f[0]); break;
            case EQUAL: y = a == b; break;
            case ABOVE: y = a > b; break;
            case BELOW: y = a < b; break;
            case FROM: y = a >= b; break;
            case UP_TO: y = a <= b; break;
            case NOT: y = a == 0; break;
            case IS_NAN: y = a != a; break;
            case WHERE: y = a != 0 ? b : c; break;
        }
        write_one(at[0] + i * by[0] * bytes_of[op->type[0]], op->type[0], y);
    }
}

/* where row `row` of the outer axes begins, for each operand */
static void begin(const Op *op, int64_t row, char **at) {
    for (int k = 0; k < OPERANDS; k++) at[k] = op->at[k];
    for (int axis = AXES - 2; axis >= 0 && row; axis--) {
        if (op->size[axis] == 1) continue;
        const int64_t place = row % op->size[axis];
        row /= op->size[axis];
        for (int k = 0; k < OPERANDS; k++)
            if (at[k]) at[k] += place * op->apart[k][axis] * bytes_of[op->type[k]];
    }
}

static int64_t outer(const Op *op) {
    int64_t rows = 1;
    for (int axis = 0; axis < AXES - 1; axis++) rows *= op->size[axis];
    return rows;
}

static void map(const Op *op, int64_t threads) {
    const int64_t n = op->size[AXES - 1], rows = outer(op), parts = rows > 1 ? 1 : (n + PART - 1) / PART;
    int64_t by[OPERANDS];
    int only = op->code < LOG;
    for (int k = 0; k < OPERANDS; k++) by[k] = op->apart[k][AXES - 1], only &= !op->at[k] || op->type[k] == FLOAT;
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && rows * n > MANY)
    for (int64_t row = 0; row < rows * parts; row++) {
        char *at[OPERANDS];
        begin(op, row / parts, at);
        const int64_t first = row % parts * PART, count = parts == 1 ? n : n - first < PART ? n - first : PART;
        for (int k = 0; k < OPERANDS; k++)
            if (at[k]) at[k] += first * by[k] * bytes_of[op->type[k]];
        (only ? floats : others)(op, count, at, by);
    }
}

/* y = f[0] sum of x over the axes along which y stands still; NORM: the root of the sum of squares */
static void add_up(const Op *op, int64_t threads) {
    const int64_t n = op->size[AXES - 1], by = op->apart[1][AXES - 1], to = op->apart[0][AXES - 1];
    const int squares = op->code == NORM, high = to && !op->apart[0][AXES - 2]; /* columns of a matrix: each is summed at once */
    const int64_t deep = high ? op->size[AXES - 2] : 1, rows = outer(op), down = op->apart[1][AXES - 2];
    int64_t held = 1; /* numbers of y, which lie together */
    for (int axis = 0; axis < AXES; axis++) held *= op->apart[0][axis] ? op->size[axis] : 1;
    float *Y = op->at[0];
    double whole = 0;
    memset(Y, 0, held * 4);
    for (int64_t row = 0; row < rows; row += deep) {
        char *at[OPERANDS];
        begin(op, row, at);
        const float *x = (float *)at[1];
        float *y = (float *)at[0];
        if (to) {
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && deep * n > MANY)
            for (int64_t i = 0; i < n; i += W) {
                vec sums = loaded(y, to, i, n);
                for (int64_t r = 0; r < deep; r++) sums += loaded(x + r * down, by, i, n);
                stored(y, to, i, n, sums);
            }
            continue;
        }
        vec sums = NONE;
        for (int64_t i = 0; i < n; i += W) {
            const vec v = within(loaded(x, by, i, n), n - i, 0);
            sums += squares ? v * v : v;
        }
        if (held == 1) whole += sum(sums);
        else *y += sum(sums);
    }
    if (held == 1 && !to) Y[0] = (float)(squares ? sqrt(whole) : whole * op->number[0]);
    else if (op->number[0] != 1)
        for (int64_t i = 0; i < held; i++) Y[i] *= (float)op->number[0];
}

/* rows of y (batch, m, n) = a (batch, m, k) b (batch, k, n) + bias; sizes batch, m, n, k; apart: batch, row, column */
static void product(const Op *op) {
    const int m = (int)op->size[1], n = (int)op->size[2], k = (int)op->size[3];
    const int64_t *a = op->apart[1], *b = op->apart[2], *c = op->apart[3];
    const int turned_a = a[2] != 1, turned_b = b[2] != 1;
    const int wide_a = (int)(turned_a ? a[2] : a[1]), wide_b = (int)(turned_b ? b[2] : b[1]), wide = (int)op->apart[0][1];
    const float one = 1, rest = op->at[3] ? 1 : 0;
    for (int64_t batch = 0; batch < op->size[0]; batch++) {
        float *Y = (float *)op->at[0] + batch * op->apart[0][0];
        const float *A = (float *)op->at[1] + batch * a[0], *B = (float *)op->at[2] + batch * b[0];
        if (rest)
            for (int64_t i = 0; i < m; i++) {
                const float *from = (float *)op->at[3] + batch * c[0] + i * c[1];
                for (int64_t j = 0; j < n; j += W) stored(Y + i * wide, 1, j, n, loaded(from, c[2], j, n));
            }
        /* columns first, as that library counts: y' = b' a' */
        multiply(turned_b ? "T" : "N", turned_a ? "T" : "N", &n, &m, &k, &one, B, &wide_b, A, &wide_a, &rest, Y, &wide);
    }
}

/* y (outer, rows, inner) = x (outer, any, inner) by the numbers of rows; sizes outer, rows, inner, any, bytes of a value */
static void pick_rows(const Op *op) {
    const int64_t *s = op->size, wide = s[2] * s[4], *ids = op->at[2];
    char *y = op->at[0];
    for (int64_t o = 0; o < s[0]; o++)
        for (int64_t r = 0; r < s[1]; r++, y += wide) {
            const char *x = (char *)op->at[1] + (o * s[3] + ids[r]) * wide;
            if (wide == 4) *(float *)y = *(const float *)x;
            else if (wide == 8) *(int64_t *)y = *(const int64_t *)x;
            else memcpy(y, x, wide);
        }
}

/* y (any, inner) = the sum of the x (rows, inner) of each number; sizes rows, inner, any */
static void spread_rows(const Op *op) {
    const int64_t *ids = op->at[2], n = op->size[1];
    float *Y = op->at[0];
    memset(Y, 0, op->size[2] * n * 4);
    for (int64_t r = 0; r < op->size[0]; r++) {
        const float *x = (float *)op->at[1] + r * n;
        float *y = Y + ids[r] * n;
        for (int64_t i = 0; i < n; i += W) stored(y, 1, i, n, loaded(y, 1, i, n) + loaded(x, 1, i, n));
    }
}

/* sizes rows, classes; a few rows at once, so that two classes fill the lanes too */
#define SOME 1024
static void log_softmax(const Op *op, int64_t threads) {
    const int64_t n = op->size[1], share = n < SOME ? SOME / n : 1, all = op->size[0];
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && all * n > MANY)
    for (int64_t first = 0; first < all; first += share) {
        const int64_t rows = first + share < all ? share : all - first;
        const float *x = (float *)op->at[1] + first * n;
        float *y = (float *)op->at[0] + first * n, part[SOME];
        for (int64_t r = 0; r < rows; r++) {
            float most = x[r * n];
            for (int64_t i = 1; i < n; i++) most = x[r * n + i] > most || x[r * n + i] != x[r * n + i] ? x[r * n + i] : most;
            for (int64_t i = 0; i < n; i++) y[r * n + i] = x[r * n + i] - most;
        }
        if (n < SOME)
            for (int64_t i = 0; i < rows * n; i += W) stored(part, 1, i, rows * n, power(loaded(y, 1, i, rows * n)));
        for (int64_t r = 0; r < rows; r++) {
            float sums = 0;
            if (n < SOME)
                for (int64_t i = 0; i < n; i++) sums += part[r * n + i];
            else
                for (int64_t i = 0; i < n; i += W) sums += sum(within(power(loaded(y, 1, i, n)), n - i, 0));
            sums = logf(sums);
            for (int64_t i = 0; i < n; i++) y[r * n + i] -= sums;
        }
    }
}

/* dx = g - e^y sum g */
static void log_softmax_back(const Op *op, int64_t threads) {
    const int64_t n = op->size[1], all = op->size[0];
    const float *G = op->at[1], *Y = op->at[2];
    float *X = op->at[0];
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && all * n > MANY)
    for (int64_t i = 0; i < all * n; i += W) stored(X, 1, i, all * n, power(loaded(Y, 1, i, all * n)));
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && all * n > MANY)
    for (int64_t r = 0; r < all; r++) {
        float sums = 0;
        for (int64_t i = 0; i < n; i++) sums += G[r * n + i];
        for (int64_t i = 0; i < n; i++) X[r * n + i] = G[r * n + i] - X[r * n + i] * sums;
    }
}

/* loss = -x of the class; its gradient is -g there. Sizes rows, classes; number 0: the class that does not count */
static void chosen(const Op *op) {
    const int64_t *ids = op->at[2], n = op->size[1];
    for (int64_t r = 0; r < op->size[0]; r++)
        ((float *)op->at[0])[r] = ids[r] == (int64_t)op->number[0] ? 0 : -((float *)op->at[1])[r * n + ids[r]];
}

static void chosen_back(const Op *op) {
    const int64_t *ids = op->at[2], n = op->size[1], by = op->apart[1][0];
    float *y = op->at[0];
    memset(y, 0, op->size[0] * n * 4);
    for (int64_t r = 0; r < op->size[0]; r++)
        if (ids[r] != (int64_t)op->number[0]) y[r * n + ids[r]] = -((float *)op->at[1])[r * by];
}

/* the first edge above each value, or at it (number 0 is 0); sizes rows, values, edges */
static void place(const Op *op) {
    const int64_t *s = op->size;
    for (int64_t r = 0; r < s[0]; r++)
        for (int64_t i = 0; i < s[1]; i++) {
            const float *edges = (float *)op->at[1] + r * s[2], x = ((float *)op->at[2])[r * s[1] + i];
            int64_t low = 0, high = s[2];
            while (low < high) {
                const int64_t middle = (low + high) / 2;
                const int over = op->number[0] ? !(edges[middle] <= x) && x == x : !(edges[middle] < x) && x == x;
                if (over) high = middle;
                else low = middle + 1;
            }
            ((int64_t *)op->at[0])[r * s[1] + i] = low;
        }
}

/* sums up to each place of the middle axis; sizes outer, places, inner */
static void running(const Op *op) {
    const int64_t *s = op->size;
    for (int64_t o = 0; o < s[0]; o++)
        for (int64_t t = 0; t < s[1]; t++) {
            const float *x = (float *)op->at[1] + (o * s[1] + t) * s[2];
            float *y = (float *)op->at[0] + (o * s[1] + t) * s[2];
            if (t) for (int64_t i = 0; i < s[2]; i += W) stored(y, 1, i, s[2], loaded(y - s[2], 1, i, s[2]) + loaded(x, 1, i, s[2]));
            else memcpy(y, x, s[2] * 4);
        }
}

/* Adam's change (`optimizers`); at: weights, gradients, means, squares, steps, rate; numbers: betas, decay, epsilon;
   sizes: values, whether the decay is the weights' own (AdamW) */
static void adam(const Op *op, int64_t threads) {
    const int64_t n = op->size[0];
    const double b1 = op->number[0], b2 = op->number[1], steps = *(float *)op->at[4], rate = *(double *)op->at[5];
    const float keep = op->size[1] ? (float)(1 - rate * op->number[2]) : 1, decay = op->size[1] ? 0 : (float)op->number[2];
    const float size = (float)(rate / (1 - pow(b1, steps))), under = (float)sqrt(1 - pow(b2, steps)), epsilon = (float)op->number[3];
    const float one = (float)(1 - b1), two = (float)(1 - b2), b = (float)b2;
    float *w = op->at[0], *g = op->at[1], *m = op->at[2], *v = op->at[3];
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && n > MANY)
    for (int64_t i = 0; i < n; i += W) {
        vec x = loaded(w, 1, i, n) * keep;
        const vec d = loaded(g, 1, i, n) + decay * x;
        const vec mean = loaded(m, 1, i, n), first = mean + one * (d - mean), second = b * loaded(v, 1, i, n) + two * d * d;
        stored(m, 1, i, n, first);
        stored(v, 1, i, n, second);
        stored(w, 1, i, n, x - size * first / (root(second) / under + epsilon));
    }
}

/* plain descent, with momentum where there is a second buffer; at: weights, gradients, momenta, rate;
   numbers: decay, momentum, dampening; sizes: values, whether it is Nesterov's */
static void sgd(const Op *op) {
    const int64_t n = op->size[0];
    const float rate = (float)*(double *)op->at[5], decay = (float)op->number[0], keep = (float)op->number[1], add = (float)(1 - op->number[2]);
    float *w = op->at[0], *g = op->at[1], *m = op->at[2];
    for (int64_t i = 0; i < n; i += W) {
        const vec x = loaded(w, 1, i, n);
        vec d = loaded(g, 1, i, n) + decay * x;
        if (m) {
            const vec v = keep * loaded(m, 1, i, n) + add * d;
            stored(m, 1, i, n, v);
            d = op->size[1] ? d + keep * v : v;
        }
        stored(w, 1, i, n, x - rate * d);
    }
}

/* 1 with probability number 0, else 0: a mixed-up count (Wellons' triple32, nullprogram.com/blog/2018/07/31), so that it is
   told by the step's seed, the operation and the place alone; sizes: values, the operation's number */
static void draw(const Op *op, int64_t threads) {
    typedef uint32_t words __attribute__((vector_size(4 * W)));
    const int64_t n = op->size[0];
    const uint64_t seed = *(uint64_t *)op->at[5] + (uint64_t)op->size[1] * 0x9E3779B97F4A7C15u;
    const uint32_t low = (uint32_t)seed, high = (uint32_t)(seed >> 32);
    const float p = (float)op->number[0];
    float *y = op->at[0];
    words lane;
    for (int j = 0; j < W; j++) lane[j] = (uint32_t)j;
#pragma omp parallel for num_threads((int)threads) if (threads > 1 && n > MANY)
    for (int64_t i = 0; i < n; i += W) {
        words x = (lane + (uint32_t)i) ^ low;
        x = (x ^ (x >> 17)) * 0xed5ad4bbu + high;
        x = (x ^ (x >> 11)) * 0xac4c1b51u;
        x = (x ^ (x >> 15)) * 0x31848babu;
        x ^= x >> 14;
        const vec u = __builtin_convertvector((whole)(x >> 8), vec) * 0x1p-24f; /* of [0, 1) */
        stored(y, 1, i, n, pick(u < p, ONES, NONE));
    }
}

static void play(const Op *op, int64_t threads) {
    switch (op->code) {
        case SUM: case NORM: add_up(op, threads); break;
        case PRODUCT: product(op); break;
        case PICK: pick_rows(op); break;
        case SPREAD: spread_rows(op); break;
        case LOG_SOFTMAX: log_softmax(op, threads); break;
        case LOG_SOFTMAX_BACK: log_softmax_back(op, threads); break;
        case CHOSEN: chosen(op); break;
        case CHOSEN_BACK: chosen_back(op); break;
        case PLACE: place(op); break;
        case RUNNING: running(op); break;
        case ADAM: adam(op, threads); break;
        case SGD: sgd(op); break;
        case DRAW: draw(op, threads); break;
        default: map(op, threads);
    }
}

void step_play(const Op *ops, int64_t count, int64_t threads) {
    for (int64_t i = 0; i < count; i++) play(ops + i, threads);
}

/* whole steps: the numbers of their rows (steps, B), rates and seeds are put where the operations read them, losses (steps,) kept */
void step_steps(const Op *ops, int64_t count, int64_t threads, int64_t steps, const int64_t *rows, int64_t *own, int64_t B,
                const double *rates, double *rate, const int64_t *seeds, int64_t *seed, const float *loss, float *losses) {
    for (int64_t step = 0; step < steps; step++) {
        memcpy(own, rows + step * B, B * 8);
        *rate = rates[step];
        *seed = seeds[step];
        step_play(ops, count, threads);
        losses[step] = *loss;
    }
}
