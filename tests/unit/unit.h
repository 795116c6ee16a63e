/* What every unit test needs: cmocka with the headers it wants first, and a pool per test.
 *
 * One thread. `pool` is made for the group and cleared after each test.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>

static apr_pool_t *pool;

static int pool_clear(void **state)
{
    (void)state;
    apr_pool_clear(pool);
    return 0;
}

/* A test whose allocations are gone afterwards. */
#define UNIT(function) cmocka_unit_test_teardown(function, pool_clear)

static inline void unit_start(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
}

static inline int unit_end(int failed)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}

#endif
