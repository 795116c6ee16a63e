/* Arguments as PostgreSQL's binary protocol has them, and cells read back; no server. The
 * bytes are those of the types' send functions (int8send, date_send, ...). */
#include "../unit.h"

#include "../../../src/base/db_values.h"

#define EXPECT_ARG(args, i, type, bytes)                           \
    do {                                                           \
        assert_int_equal((args).types[i], type);                   \
        assert_int_equal((args).lengths[i], sizeof(bytes) - 1);    \
        assert_memory_equal((args).values[i], bytes, sizeof(bytes) - 1); \
    } while (0)

static void arguments(void **state)
{
    static const unsigned char uuid[16] = "0123456789abcde";
    bk_args_t a = {.n = 0};

    (void)state;
    bk_arg_int(&a, -2);
    bk_arg_int4(&a, 258);
    bk_arg_bool(&a, true);
    bk_arg_text(&a, "L\xc3\xb6we");
    bk_arg_bytes(&a, (bk_bytes_t){(const unsigned char *)"a\0b", 3});
    bk_arg_uuid(&a, uuid);
    bk_arg_time(&a, 946684801); /* 2000-01-01T00:00:01Z */
    bk_arg_date(&a, bk_date_make(1999, 12, 31));
    bk_arg_tod(&a, 1);
    assert_int_equal(a.n, 9);
    EXPECT_ARG(a, 0, 20, "\xff\xff\xff\xff\xff\xff\xff\xfe");
    EXPECT_ARG(a, 1, 23, "\0\0\x01\x02");
    EXPECT_ARG(a, 2, 16, "\x01");
    EXPECT_ARG(a, 3, 25, "L\xc3\xb6we");
    EXPECT_ARG(a, 4, 17, "a\0b");
    EXPECT_ARG(a, 5, 2950, "0123456789abcde\0");
    EXPECT_ARG(a, 6, 1184, "\0\0\0\0\0\x0f\x42\x40");
    EXPECT_ARG(a, 7, 1082, "\xff\xff\xff\xff");
    EXPECT_ARG(a, 8, 1083, "\0\0\0\0\0\x0f\x42\x40");
}

/* The type of a NULL is that of a value. */
static void nulls(void **state)
{
    static const unsigned types[] = {20, 23, 16, 1184, 1082, 1083, 25, 17};
    bk_args_t a = {.n = 0};

    (void)state;
    bk_arg_null_int(&a);
    bk_arg_null_int4(&a);
    bk_arg_null_bool(&a);
    bk_arg_null_time(&a);
    bk_arg_null_date(&a);
    bk_arg_null_tod(&a);
    bk_arg_text(&a, NULL);
    bk_arg_bytes(&a, (bk_bytes_t){NULL, 0});
    for (int i = 0; i < a.n; i++) {
        assert_null(a.values[i]);
        assert_int_equal(a.types[i], types[i]);
    }
}

static void arrays(void **state)
{
    static const apr_int64_t v[] = {1, -1};
    bk_args_t a = {.n = 0};

    (void)state;
    bk_arg_ints(&a, v, 2, pool);
    bk_arg_ints(&a, v, 0, pool);
    EXPECT_ARG(a, 0, 1016, "\0\0\0\x01" "\0\0\0\0" "\0\0\0\x14" "\0\0\0\x02" "\0\0\0\x01"
                           "\0\0\0\x08" "\0\0\0\0\0\0\0\x01"
                           "\0\0\0\x08" "\xff\xff\xff\xff\xff\xff\xff\xff");
    EXPECT_ARG(a, 1, 1016, "\0\0\0\0" "\0\0\0\0" "\0\0\0\x14");
}

/* --- cells -------------------------------------------------------------------------- */

/* One row of one column; NULL bytes are SQL NULL. */
static bk_rows_t *cell(PGresult **res, const char *bytes, int len)
{
    static char name[] = "c", copy[64];
    PGresAttDesc column = {.name = name, .format = 1};

    *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(*res, 1, &column));
    if (bytes) {
        memcpy(copy, bytes, (size_t)len);
    }
    assert_true(PQsetvalue(*res, 0, 0, bytes ? copy : NULL, bytes ? len : -1));
    return bk_rows_wrap(*res, pool);
}

/* What is sent comes back. */
static void round_trips(void **state)
{
    static const apr_int64_t numbers[] = {0, 1, -1, 1781942400, -62135596800, 253402300799};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        bk_args_t a = {.n = 0};
        PGresult *res;
        bk_arg_int(&a, numbers[i]);
        bk_arg_time(&a, numbers[i]);
        bk_arg_date(&a, (bk_date_t)(numbers[i] / BK_DAY_S));
        bk_arg_int4(&a, (int)(numbers[i] % 1000));
        assert_int_equal(bk_cell_int(cell(&res, a.values[0], 8), 0, 0), numbers[i]);
        PQclear(res);
        assert_int_equal(bk_cell_time(cell(&res, a.values[1], 8), 0, 0), numbers[i]);
        PQclear(res);
        assert_int_equal(bk_cell_date(cell(&res, a.values[2], 4), 0, 0), numbers[i] / BK_DAY_S);
        PQclear(res);
        assert_int_equal(bk_cell_int(cell(&res, a.values[3], 4), 0, 0), (int)(numbers[i] % 1000));
        PQclear(res);
    }
}

/* A fraction of a second is cut off downwards, also before the epoch. */
static void fractions(void **state)
{
    static const struct {
        const char *bytes;
        bk_time_t t;
    } known[] = {{"\0\0\0\0\0\x0f\x42\x3f", 946684800},
                 {"\xff\xff\xff\xff\xff\xff\xff\xff", 946684799},
                 {"\xff\xff\xff\xff\xff\xf0\xbd\xc0", 946684799},
                 {"\xff\xff\xff\xff\xff\xf0\xbd\xbf", 946684798}};

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        PGresult *res;
        assert_int_equal(bk_cell_time(cell(&res, known[i].bytes, 8), 0, 0), known[i].t);
        PQclear(res);
    }
}

/* 'infinity' and '-infinity' are the ends of int64: far away, and no overflow. */
static void infinities(void **state)
{
    PGresult *res;

    (void)state;
    assert_true(bk_cell_time(cell(&res, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8), 0, 0) >
                APR_INT64_C(253402300799));
    PQclear(res);
    assert_true(bk_cell_time(cell(&res, "\x80\0\0\0\0\0\0\0", 8), 0, 0) <
                APR_INT64_C(-62135596800));
    PQclear(res);
    /* Of a date too: whatever the far end is taken for, reading it is defined. */
    bk_cell_date(cell(&res, "\x7f\xff\xff\xff", 4), 0, 0);
    PQclear(res);
}

static void texts(void **state)
{
    bk_bytes_t bytes;
    bk_rows_t *rows;
    PGresult *res;

    (void)state;
    rows = cell(&res, "L\xc3\xb6we", 5);
    assert_int_equal(bk_rows_count(rows), 1);
    assert_string_equal(bk_cell_text(rows, 0, 0), "L\xc3\xb6we");
    PQclear(res);
    bytes = bk_cell_bytes(cell(&res, "a\0b", 3), 0, 0);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "a\0b", 3);
    PQclear(res);
    bytes = bk_cell_bytes(cell(&res, "", 0), 0, 0);
    assert_non_null(bytes.data);
    assert_int_equal(bytes.len, 0);
    PQclear(res);
    assert_true(bk_cell_bool(cell(&res, "\x01", 1), 0, 0));
    PQclear(res);
    assert_int_equal(bk_cell_int(cell(&res, "\xff\xfe", 2), 0, 0), -2);
    PQclear(res);
}

static void null_cells(void **state)
{
    PGresult *res;
    bk_rows_t *rows = cell(&res, NULL, 0);

    (void)state;
    assert_true(bk_cell_null(rows, 0, 0));
    assert_int_equal(bk_cell_int(rows, 0, 0), 0);
    assert_false(bk_cell_bool(rows, 0, 0));
    assert_null(bk_cell_text(rows, 0, 0));
    assert_null(bk_cell_bytes(rows, 0, 0).data);
    assert_int_equal(bk_cell_tod(rows, 0, 0), 0);
    assert_int_equal(bk_cell_date(rows, 0, 0), 0);
    assert_int_equal(bk_cell_time(rows, 0, 0), 0);
    PQclear(res);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(arguments),  UNIT(nulls), UNIT(arrays),     UNIT(round_trips), UNIT(fractions),
        UNIT(infinities), UNIT(texts), UNIT(null_cells),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
