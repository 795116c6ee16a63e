/* Connections from mod_dbd's pool, in short scopes. */
#include "glue.h"

#include <apr_atomic.h>
#include <apr_dbd.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <mod_dbd.h>

APLOG_USE_MODULE(booking);

#define DB_MAX 10 /* mod_dbd's own default of DBDMax */
#define DB_WAIT_MS 2000

/* mod_dbd waits without end when its pool is empty; so nobody gets to it who would have to.
 * Passing costs one atomic step each way; the lock is for those who wait. */
struct bk_gate_t {
    volatile apr_uint32_t used, waiting;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *freed;
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

static bool gate_try(bk_gate_t *gate, apr_uint32_t max)
{
    apr_uint32_t used = apr_atomic_read32(&gate->used);

    while (used < max) {
        apr_uint32_t seen = apr_atomic_cas32(&gate->used, used + 1, used);
        if (seen == used) {
            return true;
        }
        used = seen;
    }
    return false;
}

static bool gate_enter(bk_server_t *c)
{
    apr_uint32_t max = c->db_max == BK_UNSET ? DB_MAX : (apr_uint32_t)c->db_max;
    int wait_ms = c->db_wait_ms == BK_UNSET ? DB_WAIT_MS : c->db_wait_ms;
    apr_time_t until, now;
    bool in = gate_try(c->gate, max);

    if (in) {
        return true;
    }
    until = apr_time_now() + apr_time_from_msec(wait_ms);
    apr_thread_mutex_lock(c->gate->lock);
    apr_atomic_inc32(&c->gate->waiting);
    /* Whoever leaves after this sees somebody waiting; whoever left before left room. */
    while (!(in = gate_try(c->gate, max)) && (now = apr_time_now()) < until) {
        apr_thread_cond_timedwait(c->gate->freed, c->gate->lock, until - now);
    }
    apr_atomic_dec32(&c->gate->waiting);
    apr_thread_mutex_unlock(c->gate->lock);
    return in;
}

static void gate_leave(bk_gate_t *gate)
{
    apr_atomic_dec32(&gate->used);
    if (apr_atomic_read32(&gate->waiting)) {
        apr_thread_mutex_lock(gate->lock);
        apr_thread_cond_signal(gate->freed);
        apr_thread_mutex_unlock(gate->lock);
    }
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
        gate_leave(c->gate);
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
    gate_leave(l->server->gate);
}

void bk_dbd_source(bk_server_t *c)
{
    c->source = (bk_db_source_t){lease, release, c, c->db_prepare != 0, &c->db_pooled};
}

apr_status_t bk_dbd_child_init(bk_server_t *c, const server_rec *all, apr_pool_t *pchild)
{
    bk_gate_t *gate = apr_pcalloc(pchild, sizeof(*gate));
    apr_status_t rv;

    for (; all; all = all->next) {
        const bk_server_t *other = bk_server_of(all);
        if (other->gate && strcmp(other->pool_name, c->pool_name) == 0) {
            c->gate = other->gate; /* one pool, one gate */
            return APR_SUCCESS;
        }
    }
    rv = apr_thread_mutex_create(&gate->lock, APR_THREAD_MUTEX_DEFAULT, pchild);

    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&gate->freed, pchild);
    }
    if (rv == APR_SUCCESS) {
        c->gate = gate;
    }
    return rv;
}
