/* Connections from mod_dbd's pool, in short scopes. */
#include "glue.h"

#include <apr_dbd.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <mod_dbd.h>

APLOG_USE_MODULE(booking);

#define DB_MAX 10 /* mod_dbd's own default of DBDMax */
#define DB_WAIT_MS 2000

/* mod_dbd waits without end when its pool is empty; so nobody gets to it who would have to. */
struct bk_gate_t {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *freed;
    int used;
};

typedef struct {
    bk_server_t *server;
    ap_dbd_t *dbd;
} lease_t;

static APR_OPTIONAL_FN_TYPE(ap_dbd_open) *dbd_open;
static APR_OPTIONAL_FN_TYPE(ap_dbd_close) *dbd_close;

bool bk_dbd_available(void)
{
    dbd_open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    dbd_close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    return dbd_open && dbd_close;
}

static bk_err_t *unavailable(const char *why, apr_pool_t *p)
{
    bk_err_t *e = bk_err_make(BK_E_UNAVAILABLE, p, "%s", why);

    e->retry_after = 1;
    return e;
}

static bool gate_enter(bk_server_t *c)
{
    int max = c->db_max == BK_UNSET ? DB_MAX : c->db_max;
    int wait_ms = c->db_wait_ms == BK_UNSET ? DB_WAIT_MS : c->db_wait_ms;
    apr_time_t until = apr_time_now() + apr_time_from_msec(wait_ms);
    bool in;

    apr_thread_mutex_lock(c->gate->lock);
    while (c->gate->used >= max && apr_time_now() < until) {
        apr_thread_cond_timedwait(c->gate->freed, c->gate->lock, until - apr_time_now());
    }
    in = c->gate->used < max;
    c->gate->used += in;
    apr_thread_mutex_unlock(c->gate->lock);
    return in;
}

static void gate_leave(bk_server_t *c)
{
    apr_thread_mutex_lock(c->gate->lock);
    c->gate->used--;
    apr_thread_cond_signal(c->gate->freed);
    apr_thread_mutex_unlock(c->gate->lock);
}

static bk_err_t *lease(void *source, bk_conn_t **conn, void **token, apr_pool_t *p)
{
    bk_server_t *c = source;
    lease_t *l = apr_palloc(p, sizeof(*l));

    if (!dbd_open || !c->gate) {
        return unavailable("the database pool is not ready", p);
    }
    if (!gate_enter(c)) {
        return unavailable("all database connections are in use", p);
    }
    l->server = c;
    l->dbd = dbd_open(p, c->server);
    if (!l->dbd) {
        gate_leave(c);
        return unavailable("no database connection", p);
    }
    *conn = apr_dbd_native_handle(l->dbd->driver, l->dbd->handle);
    *token = l;
    return NULL;
}

static void release(void *source, void *token)
{
    lease_t *l = token;

    dbd_close(((bk_server_t *)source)->server, l->dbd);
    gate_leave(l->server);
}

void bk_dbd_source(bk_server_t *c)
{
    c->source = (bk_db_source_t){lease, release, c, c->db_prepare != 0};
}

apr_status_t bk_dbd_child_init(bk_server_t *c, apr_pool_t *pchild)
{
    bk_gate_t *gate = apr_pcalloc(pchild, sizeof(*gate));
    apr_status_t rv = apr_thread_mutex_create(&gate->lock, APR_THREAD_MUTEX_DEFAULT, pchild);

    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&gate->freed, pchild);
    }
    if (rv == APR_SUCCESS) {
        c->gate = gate;
    }
    return rv;
}
