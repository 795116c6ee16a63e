/* What the fuzz targets share. A target is one file with one function, which takes any bytes
 * and must neither crash nor break a promise (FUZZ_EXPECT).
 *
 * With clang's -fsanitize=fuzzer the function is driven by libFuzzer (tests/fuzz/run); in
 * `make check` replay.c drives it with the files of tests/fuzz/corpus/<name>. One thread.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>

/* The target's name: that of its corpus. */
extern const char fuzz_name[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_EXPECT(condition)                                                      \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Makes *pool* where it is not made yet. What APR maps is not looked through for pointers by the
 * leak checker, so all of it is given back before that looks. */
static inline apr_pool_t *fuzz_pool_make(apr_pool_t **pool)
{
    static int started;

    if (!started) {
        started = 1;
        apr_initialize();
        atexit(apr_terminate);
    }
    if (!*pool) {
        apr_pool_create(pool, NULL);
    }
    return *pool;
}

/* A pool for one input, empty. */
static inline apr_pool_t *fuzz_pool(void)
{
    static apr_pool_t *pool;

    apr_pool_clear(fuzz_pool_make(&pool));
    return pool;
}

/* A pool that stays. */
static inline apr_pool_t *fuzz_process(void)
{
    static apr_pool_t *pool;

    return fuzz_pool_make(&pool);
}

#endif
