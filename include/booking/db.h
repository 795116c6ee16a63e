/* Statements on PostgreSQL. libpq is named in db.c alone.
 *
 * Connections belong to somebody else: httpd's mod_dbd pool, or a command that opened one. A
 * bk_db_t leases one for a short scope and gives it back; nothing slow happens in between. One
 * bk_db_t serves one thread. Results are binary on the wire and typed here.
 *
 * Statements are prepared per connection at first use, and again after the connection was
 * reset; where that cannot work (PgBouncer in transaction mode) they are sent unnamed, which is
 * found out by itself. No statement relies on session state.
 */
#ifndef BOOKING_DB_H
#define BOOKING_DB_H

#include "booking/crypto.h"
#include "booking/error.h"
#include "booking/time.h"

typedef struct pg_conn bk_conn_t; /* libpq's PGconn */
typedef struct bk_db_t bk_db_t;
typedef struct bk_rows_t bk_rows_t;

/* Where connections come from. lease() answers NULL with a connection that may be broken, or
 * UNAVAILABLE when none can be had; release() takes back what lease() put in *token. */
typedef struct {
    bk_err_t *(*lease)(void *source, bk_conn_t **conn, void **token, apr_pool_t *p);
    void (*release)(void *source, void *token);
    void *source;
    bool prepare; /* may use prepared statements */
    /* Zero at first; set when prepared statements turned out not to last here. */
    volatile apr_uint32_t *pooled;
} bk_db_source_t;

/* A statement of the product. Static; *sql* takes $1..$n, whose types follow from the arguments. */
typedef struct {
    const char *name; /* lower case, for logs, prepared names and `bookingctl sql` */
    const char *sql;
} bk_stmt_t;

#define BK_ARGS_MAX 32

/* The arguments of one run, in order. Texts and bytes are not copied: they outlive the run. */
typedef struct {
    int n;
    const char *values[BK_ARGS_MAX];
    int lengths[BK_ARGS_MAX];
    unsigned types[BK_ARGS_MAX];
    char binary[BK_ARGS_MAX][8];
} bk_args_t;

void bk_arg_int(bk_args_t *a, apr_int64_t v);      /* bigint */
void bk_arg_int4(bk_args_t *a, int v);             /* integer */
void bk_arg_bool(bk_args_t *a, bool v);            /* boolean */
void bk_arg_text(bk_args_t *a, const char *s);     /* text; NULL is SQL NULL */
void bk_arg_bytes(bk_args_t *a, bk_bytes_t bytes); /* bytea */
void bk_arg_uuid(bk_args_t *a, const unsigned char uuid[16]);
void bk_arg_time(bk_args_t *a, bk_time_t t); /* timestamptz */
void bk_arg_date(bk_args_t *a, bk_date_t d); /* date */
void bk_arg_tod(bk_args_t *a, int seconds);  /* time */
/* The type of a NULL must be known too. */
void bk_arg_null_int(bk_args_t *a);
void bk_arg_null_int4(bk_args_t *a);
void bk_arg_null_bool(bk_args_t *a);
void bk_arg_null_time(bk_args_t *a);
void bk_arg_null_date(bk_args_t *a);
void bk_arg_null_tod(bk_args_t *a);
/* bigint[]; *scratch* holds the array's text form. */
void bk_arg_ints(bk_args_t *a, const apr_int64_t *v, int n, apr_pool_t *scratch);

/* Leases a connection from *source* until bk_db_close or the end of *p*. A connection that broke
 * while it was idle is noticed and reset first. UNAVAILABLE when the database is away. */
bk_err_t *bk_db_open(bk_db_t **db, const bk_db_source_t *source, apr_pool_t *p);

/* Gives the connection back, rolling back what is open. May be called twice. */
void bk_db_close(bk_db_t *db);

/* Runs a statement. *rows (may be NULL) lives as long as *p*. On failure: UNAVAILABLE (database
 * away, or too slow), else INTERNAL with sqlstate and, where there is one, constraint; never a
 * value of a row. A read (`SELECT`) on a connection that turns out broken is repeated once. */
bk_err_t *bk_db_run(bk_rows_t **rows, bk_db_t *db, const bk_stmt_t *stmt, const bk_args_t *args,
                    apr_pool_t *p);

/* Runs *work* in a transaction: committed when it returns NULL, else rolled back and its error
 * returned. Deadlocks, serialisation failures and lost prepared statements start it over, three
 * times at most, so *work* must be repeatable. Inside another transaction it just joins. */
typedef bk_err_t *bk_db_work_t(bk_db_t *db, void *ctx, apr_pool_t *p);
bk_err_t *bk_db_transact(bk_db_t *db, bk_db_work_t *work, void *ctx, apr_pool_t *p);

/* Whether *e* is a deadlock or serialisation failure of a single statement outside any
 * transaction: nothing was done, and it may be run again. */
bool bk_db_deadlocked(const bk_db_t *db, const bk_err_t *e);

bool bk_err_is(const bk_err_t *e, const char *sqlstate); /* false for NULL */

/* Cells; row and column count from 0. Getters of a NULL give 0, false, NULL. */
int bk_rows_count(const bk_rows_t *rows);
bool bk_cell_null(const bk_rows_t *rows, int row, int col);
apr_int64_t bk_cell_int(const bk_rows_t *rows, int row, int col); /* int2, int4, int8 */
bool bk_cell_bool(const bk_rows_t *rows, int row, int col);
const char *bk_cell_text(const bk_rows_t *rows, int row, int col); /* lives with rows */
bk_bytes_t bk_cell_bytes(const bk_rows_t *rows, int row, int col); /* bytea, uuid; with rows */
bk_time_t bk_cell_time(const bk_rows_t *rows, int row, int col);   /* timestamptz */
bk_date_t bk_cell_date(const bk_rows_t *rows, int row, int col);   /* date */
int bk_cell_tod(const bk_rows_t *rows, int row, int col);          /* time, up to 86400 */

/* For commands: one connection by its connection string, closed with *p*; and a script of several
 * statements, as migrations are. *why gets libpq's message on failure (no row values in it for
 * the connection; for scripts it is meant for the administrator's terminal only). */
bk_err_t *bk_db_connect(bk_db_source_t **source, const char *dsn, const char **why, apr_pool_t *p);
bk_err_t *bk_db_script(bk_db_t *db, const char *sql, const char **why, apr_pool_t *p);

#endif
