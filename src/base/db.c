#include "booking/db.h"

#include "db_values.h"

#include <stdlib.h>
#include <string.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <libpq-events.h>
#include <libpq-fe.h>

#define PREPARED_MAX 96
#define STATEMENT_NAME 64
#define TRIES 3

/* What we know of one connection; libpq keeps it and tells us when it is reset. */
typedef struct {
    struct {
        const bk_stmt_t *stmt;
        char name[STATEMENT_NAME];
    } prepared[PREPARED_MAX];
    int n;
} conn_state_t;

struct bk_db_t {
    const bk_db_source_t *source;
    PGconn *conn;
    conn_state_t *state;
    void *token;
    apr_pool_t *p;
    bool open, in_transaction;
};

/* --- connections ---------------------------------------------------------------------- */

/* libpq tells of resets, after which the server has forgotten our statements. */
static int conn_event(PGEventId id, void *info, void *unused)
{
    (void)unused;
    if (id == PGEVT_CONNRESET) {
        conn_state_t *state = PQinstanceData(((PGEventConnReset *)info)->conn, conn_event);
        if (state) {
            state->n = 0;
        }
    }
    else if (id == PGEVT_CONNDESTROY) {
        free(PQinstanceData(((PGEventConnDestroy *)info)->conn, conn_event));
    }
    return 1;
}

static void quiet(void *unused, const char *message)
{
    (void)unused;
    (void)message;
}

static conn_state_t *conn_state(PGconn *conn)
{
    conn_state_t *state = PQinstanceData(conn, conn_event);

    if (!state && PQregisterEventProc(conn, conn_event, "mod_booking", NULL)) {
        state = calloc(1, sizeof(*state));
        if (state) {
            PQsetInstanceData(conn, conn_event, state);
            PQsetNoticeProcessor(conn, quiet, NULL); /* notices would go to stderr */
        }
    }
    return state;
}

static bk_err_t *away(apr_pool_t *p, const char *what)
{
    bk_err_t *e = bk_err_make(BK_E_UNAVAILABLE, p, "database: %s", what);

    e->retry_after = 1;
    return e;
}

static apr_status_t db_cleanup(void *db)
{
    bk_db_close(db);
    return APR_SUCCESS;
}

/* Whether the server hung up while nobody looked. A polite one says so first: what it said is
 * read and digested, and only the next look finds the end. Costs two recv() that would block. */
static bool broken(PGconn *conn)
{
    if (PQstatus(conn) != CONNECTION_OK || !PQconsumeInput(conn)) {
        return true;
    }
    PQisBusy(conn);
    return !PQconsumeInput(conn) || PQstatus(conn) != CONNECTION_OK;
}

/* Left by somebody who shares the pool, or by us in the middle of something. */
static void settle(PGconn *conn)
{
    PGresult *res;

    while ((res = PQgetResult(conn)) != NULL) {
        PQclear(res);
    }
    if (PQtransactionStatus(conn) != PQTRANS_IDLE) {
        PQclear(PQexec(conn, "ROLLBACK"));
    }
}

bk_err_t *bk_db_open(bk_db_t **out, const bk_db_source_t *source, apr_pool_t *p)
{
    bk_db_t *db = apr_pcalloc(p, sizeof(*db));

    db->source = source;
    db->p = p;
    BK_TRY(source->lease(source->source, &db->conn, &db->token, p));
    db->open = true;
    apr_pool_cleanup_register(p, db, db_cleanup, apr_pool_cleanup_null);
    if (broken(db->conn)) {
        PQreset(db->conn);
    }
    if (PQstatus(db->conn) != CONNECTION_OK || !(db->state = conn_state(db->conn))) {
        bk_db_close(db);
        return away(p, "no connection");
    }
    if (PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
        settle(db->conn);
    }
    *out = db;
    return NULL;
}

void bk_db_close(bk_db_t *db)
{
    if (!db->open) {
        return;
    }
    db->open = false;
    if (PQstatus(db->conn) == CONNECTION_OK && PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
        settle(db->conn);
    }
    db->source->release(db->source->source, db->token);
    apr_pool_cleanup_kill(db->p, db, db_cleanup);
}

/* --- errors --------------------------------------------------------------------------- */

bool bk_err_is(const bk_err_t *e, const char *sqlstate)
{
    return e && e->sqlstate && strcmp(e->sqlstate, sqlstate) == 0;
}

/* The server is going, coming, full, not the primary any more, or untied a knot by dropping us: all
 * pass by themselves. */
static bool passes(const char *state)
{
    static const char *const passing[] = {"57P01", "57P02", "57P03", "57014", "55P03", "25006",
                                          "53300", "53400", "40P01", "40001", NULL};

    for (const char *const *s = passing; *s; s++) {
        if (strcmp(state, *s) == 0) {
            return true;
        }
    }
    return strncmp(state, "08", 2) == 0;
}

static bk_err_t *failure(bk_db_t *db, const PGresult *res, const char *name, apr_pool_t *p)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *constraint = res ? PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME) : NULL;
    bk_err_t *e;

    if (!state || PQstatus(db->conn) != CONNECTION_OK) {
        e = away(p, apr_psprintf(p, "connection lost in %s", name));
    }
    else if (strcmp(state, "42P01") == 0) {
        e = away(p, apr_psprintf(p, "%s in %s: is the schema there, and up to date "
                                 "(bookingctl migrate)?", state, name));
    }
    else if (passes(state)) {
        e = away(p, apr_psprintf(p, "%s in %s", state, name));
    }
    else {
        /* Neither message nor detail: they quote values. */
        e = bk_err_make(BK_E_INTERNAL, p, "SQLSTATE %s in %s%s%s", state, name,
                        constraint ? ", constraint " : "", constraint ? constraint : "");
    }
    e->sqlstate = state ? apr_pstrdup(p, state) : NULL;
    e->constraint = constraint ? apr_pstrdup(p, constraint) : NULL;
    /* A server that has become a standby stays connected: look for the primary next time. */
    if (bk_err_is(e, "25006")) {
        PQreset(db->conn);
    }
    return e;
}

/* --- running -------------------------------------------------------------------------- */

static const int binary_formats[BK_ARGS_MAX] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
};

/* The name under which this connection knows the statement, or NULL. */
static const char *prepared_name(const conn_state_t *state, const bk_stmt_t *stmt)
{
    for (int i = 0; i < state->n; i++) {
        if (state->prepared[i].stmt == stmt) {
            return state->prepared[i].name;
        }
    }
    return NULL;
}

static void statement_name(char name[STATEMENT_NAME], const bk_stmt_t *stmt)
{
    /* Of its text too: behind a pooler another version of us may have used the same name. */
    unsigned hash = 5381;

    for (const char *c = stmt->sql; *c; c++) {
        hash = hash * 33 + (unsigned char)*c;
    }
    apr_snprintf(name, STATEMENT_NAME, "bk_%s_%08x", stmt->name, hash);
}

static PGresult *execute_unnamed(bk_db_t *db, const bk_stmt_t *stmt, const bk_args_t *a)
{
    return PQexecParams(db->conn, stmt->sql, a->n, a->types, a->values, a->lengths,
                        binary_formats, 1);
}

/* Prepares on this connection; NULL, or the result of the failure. */
static PGresult *prepare(bk_db_t *db, const bk_stmt_t *stmt, const bk_args_t *a)
{
    conn_state_t *state = db->state;
    char *name = state->prepared[state->n].name;
    PGresult *res;

    statement_name(name, stmt);
    res = PQprepare(db->conn, name, stmt->sql, a->n, a->types);
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        return res;
    }
    PQclear(res);
    state->prepared[state->n++].stmt = stmt;
    return NULL;
}

static PGresult *execute(bk_db_t *db, const bk_stmt_t *stmt, const bk_args_t *a)
{
    const char *name = prepared_name(db->state, stmt);

    if (!db->source->prepare || apr_atomic_read32(db->source->pooled) ||
        (!name && db->state->n == PREPARED_MAX)) {
        return execute_unnamed(db, stmt, a);
    }
    if (!name) {
        PGresult *failed = prepare(db, stmt, a);
        if (failed) {
            return failed;
        }
        name = prepared_name(db->state, stmt);
    }
    return PQexecPrepared(db->conn, name, a->n, a->values, a->lengths, binary_formats, 1);
}

/* A prepared statement that is gone, or there before we made it, on a connection that was
 * never reset: a pooler stands between. */
static bool pooled(const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    return state && (strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0);
}

static apr_status_t rows_cleanup(void *res)
{
    PQclear(res);
    return APR_SUCCESS;
}

static bool succeeded(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

static PGresult *execute_again(bk_db_t *db, const bk_stmt_t *stmt, const bk_args_t *args,
                               PGresult *res)
{
    bool read = strncmp(stmt->sql, "SELECT", 6) == 0;

    if (pooled(res) && !apr_atomic_xchg32(db->source->pooled, 1)) {
        bk_log(BK_LOG_INFO, "prepared statements do not last on this connection (a pooler in "
                            "transaction mode?): sending them unnamed from now on");
    }
    if (db->in_transaction) {
        return res; /* bk_db_transact starts over */
    }
    if (pooled(res)) {
        PQclear(res);
        return execute_unnamed(db, stmt, args);
    }
    if (read && PQstatus(db->conn) != CONNECTION_OK) {
        PQreset(db->conn);
        if (PQstatus(db->conn) == CONNECTION_OK) {
            PQclear(res);
            return execute(db, stmt, args);
        }
    }
    return res;
}

bk_err_t *bk_db_run(bk_rows_t **rows, bk_db_t *db, const bk_stmt_t *stmt, const bk_args_t *args,
                    apr_pool_t *p)
{
    static const bk_args_t none = {.n = 0};
    const bk_args_t *a = args ? args : &none;
    PGresult *res = execute(db, stmt, a);

    if (!succeeded(res)) {
        res = execute_again(db, stmt, a, res);
    }
    if (!succeeded(res)) {
        bk_err_t *e = failure(db, res, stmt->name, p);
        PQclear(res);
        return e;
    }
    if (rows) {
        *rows = bk_rows_wrap(res, p);
        apr_pool_cleanup_register(p, res, rows_cleanup, apr_pool_cleanup_null);
    }
    else {
        PQclear(res);
    }
    return NULL;
}

static bk_err_t *command(bk_db_t *db, const char *sql, apr_pool_t *p)
{
    PGresult *res = PQexec(db->conn, sql);
    bk_err_t *e = succeeded(res) ? NULL : failure(db, res, sql, p);

    PQclear(res);
    return e;
}

/* A connection lost in BEGIN has done nothing yet: another may be tried. */
static bk_err_t *begin(bk_db_t *db, apr_pool_t *p)
{
    bk_err_t *e = command(db, "BEGIN", p);

    if (e && PQstatus(db->conn) != CONNECTION_OK) {
        PQreset(db->conn);
        e = command(db, "BEGIN", p);
    }
    return e;
}

/* COMMIT of a transaction that failed inside succeeds, as ROLLBACK. */
static bk_err_t *commit(bk_db_t *db, apr_pool_t *p)
{
    PGresult *res = PQexec(db->conn, "COMMIT");
    bk_err_t *e = NULL;

    if (!succeeded(res)) {
        e = failure(db, res, "COMMIT", p);
    }
    else if (strcmp(PQcmdStatus(res), "COMMIT") != 0) {
        e = bk_err_make(BK_E_INTERNAL, p, "COMMIT of a failed transaction");
    }
    PQclear(res);
    return e;
}

static bk_err_t *transact_once(bk_db_t *db, bk_db_work_t *work, void *ctx, apr_pool_t *p)
{
    bk_err_t *e;

    BK_TRY(begin(db, p));
    db->in_transaction = true;
    e = work(db, ctx, p);
    if (!e) {
        e = commit(db, p);
    }
    else if (PQstatus(db->conn) == CONNECTION_OK) {
        PQclear(PQexec(db->conn, "ROLLBACK"));
    }
    db->in_transaction = false;
    return e;
}

bk_err_t *bk_db_transact(bk_db_t *db, bk_db_work_t *work, void *ctx, apr_pool_t *p)
{
    bk_err_t *e = NULL;

    if (db->in_transaction) {
        return work(db, ctx, p);
    }
    for (int try = 0; try < TRIES; try++) {
        e = transact_once(db, work, ctx, p);
        if (!bk_err_is(e, "40P01") && !bk_err_is(e, "40001") && !bk_err_is(e, "26000") &&
            !bk_err_is(e, "42P05")) {
            return e;
        }
    }
    return away(p, apr_psprintf(p, "still %s after %d tries", e->sqlstate, TRIES));
}

bool bk_db_deadlocked(const bk_db_t *db, const bk_err_t *e)
{
    return !db->in_transaction && (bk_err_is(e, "40P01") || bk_err_is(e, "40001"));
}

/* --- commands ------------------------------------------------------------------------- */

static bk_err_t *single_lease(void *source, bk_conn_t **conn, void **token, apr_pool_t *p)
{
    (void)p;
    *conn = source;
    *token = NULL;
    return NULL;
}

static void single_release(void *source, void *token)
{
    (void)source;
    (void)token;
}

static apr_status_t conn_finish(void *conn)
{
    PQfinish(conn);
    return APR_SUCCESS;
}

bk_err_t *bk_db_connect(bk_db_source_t **source, const char *dsn, const char **why, apr_pool_t *p)
{
    PGconn *conn = PQconnectdb(dsn);

    apr_pool_cleanup_register(p, conn, conn_finish, apr_pool_cleanup_null);
    if (PQstatus(conn) != CONNECTION_OK) {
        *why = apr_pstrdup(p, PQerrorMessage(conn));
        return away(p, "cannot connect");
    }
    *source = apr_palloc(p, sizeof(**source));
    **source = (bk_db_source_t){single_lease, single_release, conn, true,
                                apr_pcalloc(p, sizeof(apr_uint32_t))};
    return NULL;
}

bk_err_t *bk_db_script(bk_db_t *db, const char *sql, const char **why, apr_pool_t *p)
{
    PGresult *res = PQexec(db->conn, sql);
    bk_err_t *e = NULL;

    if (!succeeded(res)) {
        *why = apr_pstrdup(p, PQresultErrorMessage(res));
        e = failure(db, res, "script", p);
    }
    PQclear(res);
    return e;
}
