/* Arguments and cells in PostgreSQL's binary wire formats. */
#include "db_values.h"

#include <stdlib.h>
#include <string.h>

#define PG_EPOCH_S 946684800 /* 2000-01-01T00:00:00Z */
#define PG_EPOCH_DAY 10957

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_INT8_ARRAY = 1016,
    OID_DATE = 1082,
    OID_TIME = 1083,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950
};

struct bk_rows_t {
    PGresult *res;
};

/* --- arguments ------------------------------------------------------------------------ */

static void arg_put(bk_args_t *a, unsigned type, const char *value, int length)
{
    if (a->n == BK_ARGS_MAX) {
        abort(); /* a statement with more arguments than any has: a mistake in this program */
    }
    a->types[a->n] = type;
    a->values[a->n] = value;
    a->lengths[a->n] = length;
    a->n++;
}

static void arg_binary(bk_args_t *a, unsigned type, apr_int64_t v, int bytes)
{
    char *out = a->binary[a->n];

    for (int i = bytes - 1; i >= 0; i--) {
        out[i] = (char)(v & 255);
        v >>= 8;
    }
    arg_put(a, type, out, bytes);
}

void bk_arg_int(bk_args_t *a, apr_int64_t v)
{
    arg_binary(a, OID_INT8, v, 8);
}

void bk_arg_int4(bk_args_t *a, int v)
{
    arg_binary(a, OID_INT4, v, 4);
}

void bk_arg_bool(bk_args_t *a, bool v)
{
    arg_binary(a, OID_BOOL, v, 1);
}

void bk_arg_text(bk_args_t *a, const char *s)
{
    arg_put(a, OID_TEXT, s, s ? (int)strlen(s) : 0);
}

void bk_arg_bytes(bk_args_t *a, bk_bytes_t bytes)
{
    arg_put(a, OID_BYTEA, (const char *)bytes.data, (int)bytes.len);
}

void bk_arg_uuid(bk_args_t *a, const unsigned char uuid[16])
{
    arg_put(a, OID_UUID, (const char *)uuid, 16);
}

void bk_arg_time(bk_args_t *a, bk_time_t t)
{
    arg_binary(a, OID_TIMESTAMPTZ, (t - PG_EPOCH_S) * 1000000, 8);
}

void bk_arg_date(bk_args_t *a, bk_date_t d)
{
    arg_binary(a, OID_DATE, d - PG_EPOCH_DAY, 4);
}

void bk_arg_tod(bk_args_t *a, int seconds)
{
    arg_binary(a, OID_TIME, (apr_int64_t)seconds * 1000000, 8);
}

void bk_arg_null_int(bk_args_t *a)
{
    arg_put(a, OID_INT8, NULL, 0);
}

void bk_arg_null_int4(bk_args_t *a)
{
    arg_put(a, OID_INT4, NULL, 0);
}

void bk_arg_null_bool(bk_args_t *a)
{
    arg_put(a, OID_BOOL, NULL, 0);
}

void bk_arg_null_time(bk_args_t *a)
{
    arg_put(a, OID_TIMESTAMPTZ, NULL, 0);
}

void bk_arg_null_date(bk_args_t *a)
{
    arg_put(a, OID_DATE, NULL, 0);
}

void bk_arg_null_tod(bk_args_t *a)
{
    arg_put(a, OID_TIME, NULL, 0);
}

static char *put_be32(char *out, apr_uint32_t v)
{
    for (int i = 3; i >= 0; i--) {
        out[i] = (char)(v & 255);
        v >>= 8;
    }
    return out + 4;
}

void bk_arg_ints(bk_args_t *a, const apr_int64_t *v, int n, apr_pool_t *scratch)
{
    /* The wire form of a one-dimensional array: dimensions, null flag, type, length, lower bound,
     * then each element with its length. */
    char *bytes = apr_palloc(scratch, 20 + (apr_size_t)n * 12), *out = bytes;

    out = put_be32(out, n ? 1 : 0);
    out = put_be32(out, 0);
    out = put_be32(out, OID_INT8);
    if (n) {
        out = put_be32(out, (apr_uint32_t)n);
        out = put_be32(out, 1);
    }
    for (int i = 0; i < n; i++) {
        out = put_be32(out, 8);
        out = put_be32(out, (apr_uint32_t)((apr_uint64_t)v[i] >> 32));
        out = put_be32(out, (apr_uint32_t)v[i]);
    }
    arg_put(a, OID_INT8_ARRAY, bytes, (int)(out - bytes));
}

/* --- cells ---------------------------------------------------------------------------- */

bk_rows_t *bk_rows_wrap(PGresult *res, apr_pool_t *p)
{
    bk_rows_t *rows = apr_palloc(p, sizeof(*rows));

    rows->res = res;
    return rows;
}

int bk_rows_count(const bk_rows_t *rows)
{
    return PQntuples(rows->res);
}

bool bk_cell_null(const bk_rows_t *rows, int row, int col)
{
    return PQgetisnull(rows->res, row, col);
}

apr_int64_t bk_cell_int(const bk_rows_t *rows, int row, int col)
{
    const unsigned char *at = (const unsigned char *)PQgetvalue(rows->res, row, col);
    int n = PQgetlength(rows->res, row, col);
    apr_int64_t v = n && (at[0] & 0x80) ? -1 : 0;

    for (int i = 0; i < n; i++) {
        v = (apr_int64_t)((apr_uint64_t)v << 8 | at[i]);
    }
    return v;
}

bool bk_cell_bool(const bk_rows_t *rows, int row, int col)
{
    return bk_cell_int(rows, row, col) != 0;
}

const char *bk_cell_text(const bk_rows_t *rows, int row, int col)
{
    return bk_cell_null(rows, row, col) ? NULL : PQgetvalue(rows->res, row, col);
}

bk_bytes_t bk_cell_bytes(const bk_rows_t *rows, int row, int col)
{
    if (bk_cell_null(rows, row, col)) {
        return (bk_bytes_t){NULL, 0};
    }
    return (bk_bytes_t){(const unsigned char *)PQgetvalue(rows->res, row, col),
                        (size_t)PQgetlength(rows->res, row, col)};
}

/* Microseconds to seconds, downwards also before the epoch. */
static apr_int64_t whole_seconds(apr_int64_t us)
{
    return us / 1000000 - (us % 1000000 < 0);
}

bk_time_t bk_cell_time(const bk_rows_t *rows, int row, int col)
{
    return bk_cell_null(rows, row, col)
               ? 0 : whole_seconds(bk_cell_int(rows, row, col)) + PG_EPOCH_S;
}

bk_date_t bk_cell_date(const bk_rows_t *rows, int row, int col)
{
    return bk_cell_null(rows, row, col)
               ? 0 : (bk_date_t)(bk_cell_int(rows, row, col) + PG_EPOCH_DAY);
}

int bk_cell_tod(const bk_rows_t *rows, int row, int col)
{
    return (int)whole_seconds(bk_cell_int(rows, row, col));
}
