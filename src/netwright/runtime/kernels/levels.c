/* Which of the compiled levels of instructions this processor has. */

/* the name of the highest level that was compiled and that the processor and the system have */
const char *kernels_level(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
#ifdef HAS_avx512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx512";
#endif
#ifdef HAS_avx2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
#endif
#endif
    return "base";
}
