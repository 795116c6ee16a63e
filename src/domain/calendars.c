/* The process's cache of calendars.
 *
 * A calendar is what a practitioner's hours were as of a schedule_version; the database counts
 * that version up with each change (a trigger, so whoever made it). The cache never decides
 * alone: each use compares the version with the database's in the statement that reads the busy
 * times or books, and asks again when it differs. So it needs no invalidation and is exact.
 */
#include "booking/domain.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#define CACHE_MAX 4096

typedef struct {
    const bk_db_source_t *source; /* clinics in one process have their own databases */
    apr_int64_t practitioner_id;
} cache_key_t;

/* A cached calendar in a pool of its own, which goes with the last reference. */
typedef struct {
    cache_key_t key;
    bk_calendar_t calendar;
    apr_pool_t *pool;
    int references; /* guarded by cache.lock; the cache itself holds one */
} entry_t;

static struct {
    apr_thread_mutex_t *lock;
    apr_hash_t *entries;
    apr_pool_t *pool;
} cache;

static void unreference(entry_t *e)
{
    if (--e->references == 0) {
        apr_pool_destroy(e->pool);
    }
}

static apr_status_t entry_release(void *entry)
{
    if (!cache.lock) {
        return APR_SUCCESS; /* the process is on its way out, and the cache went first */
    }
    apr_thread_mutex_lock(cache.lock);
    unreference(entry);
    apr_thread_mutex_unlock(cache.lock);
    return APR_SUCCESS;
}

/* The key lies in the entry: it must leave the table before the entry can go. */
static void cache_drop(entry_t *e)
{
    apr_hash_set(cache.entries, &e->key, sizeof(e->key), NULL);
    unreference(e);
}

static void cache_clear(void)
{
    for (apr_hash_index_t *i = apr_hash_first(NULL, cache.entries); i; i = apr_hash_next(i)) {
        cache_drop(apr_hash_this_val(i));
    }
}

static apr_status_t cache_cleanup(void *unused)
{
    (void)unused;
    cache_clear();
    memset(&cache, 0, sizeof(cache));
    return APR_SUCCESS;
}

apr_status_t bk_calendars_init(apr_pool_t *p)
{
    apr_status_t rv = apr_thread_mutex_create(&cache.lock, APR_THREAD_MUTEX_DEFAULT, p);

    cache.entries = apr_hash_make(p);
    cache.pool = p;
    apr_pool_cleanup_register(p, NULL, cache_cleanup, apr_pool_cleanup_null);
    return rv;
}

/* A reference for the lifetime of *p*. Called with the lock held. */
static const bk_calendar_t *reference(entry_t *e, apr_pool_t *p)
{
    e->references++;
    apr_pool_cleanup_register(p, e, entry_release, apr_pool_cleanup_null);
    return &e->calendar;
}

static const bk_calendar_t *cache_find(bk_ctx_t *ctx, apr_int64_t practitioner_id)
{
    cache_key_t key = {ctx->source, practitioner_id};
    const bk_calendar_t *found = NULL;
    entry_t *e;

    apr_thread_mutex_lock(cache.lock);
    e = apr_hash_get(cache.entries, &key, sizeof(key));
    if (e) {
        found = reference(e, ctx->p);
    }
    apr_thread_mutex_unlock(cache.lock);
    return found;
}

static entry_t *entry_make(const bk_ctx_t *ctx, const bk_calendar_t *from)
{
    apr_pool_t *pool;
    entry_t *e;
    bk_schedule_t *s;

    /* A root pool: entries come and go from any thread. */
    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        abort();
    }
    apr_pool_tag(pool, "bk_calendar");
    e = apr_pcalloc(pool, sizeof(*e));
    e->pool = pool;
    e->key = (cache_key_t){ctx->source, from->practitioner_id};
    e->calendar = *from;
    e->references = 1;
    s = &e->calendar.schedule;
    e->calendar.name = apr_pstrdup(pool, from->name);
    s->rules = apr_pmemdup(pool, s->rules, (apr_size_t)s->n_rules * sizeof(bk_rule_t));
    s->overrides = apr_pmemdup(pool, s->overrides,
                               (apr_size_t)s->n_overrides * sizeof(bk_override_t));
    return e;
}

static const bk_calendar_t *cache_put(bk_ctx_t *ctx, const bk_calendar_t *calendar)
{
    entry_t *e = entry_make(ctx, calendar), *old;
    const bk_calendar_t *kept;

    apr_thread_mutex_lock(cache.lock);
    if (apr_hash_count(cache.entries) >= CACHE_MAX) {
        cache_clear();
    }
    old = apr_hash_get(cache.entries, &e->key, sizeof(e->key));
    kept = reference(e, ctx->p);
    if (old && old->calendar.version > e->calendar.version) {
        unreference(e); /* somebody else has read a later one */
    }
    else {
        if (old) {
            cache_drop(old);
        }
        apr_hash_set(cache.entries, &e->key, sizeof(e->key), e);
    }
    apr_thread_mutex_unlock(cache.lock);
    return kept;
}

bk_err_t *bk_calendar_get(const bk_calendar_t **out, bk_ctx_t *ctx, apr_int64_t practitioner_id,
                          const bk_calendar_t *stale)
{
    const bk_calendar_t *found = cache_find(ctx, practitioner_id);
    apr_array_header_t *loaded;
    bk_db_t *db;

    /* Inactive as of an old version may be active today. */
    if (!found || !found->active || (stale && found->version <= stale->version)) {
        BK_TRY(bk_ctx_db(&db, ctx));
        BK_TRY(bk_store_calendars_load(&loaded, db, &practitioner_id, 1, ctx->p));
        if (loaded->nelts == 0) {
            return bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
        }
        found = cache_put(ctx, APR_ARRAY_IDX(loaded, 0, bk_calendar_t *));
    }
    if (!found->active) {
        return bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
    }
    *out = found;
    return NULL;
}

static const bk_calendar_t *among(const apr_array_header_t *loaded, apr_int64_t id)
{
    for (int i = 0; i < loaded->nelts; i++) {
        const bk_calendar_t *c = APR_ARRAY_IDX(loaded, i, bk_calendar_t *);
        if (c->practitioner_id == id) {
            return c;
        }
    }
    return NULL;
}

bk_err_t *bk_calendars_at(const bk_calendar_t **out, bk_ctx_t *ctx, const bk_busy_list_t *lists,
                          int n)
{
    apr_int64_t *missing = apr_palloc(ctx->p, (apr_size_t)(n ? n : 1) * sizeof(*missing));
    apr_array_header_t *loaded;
    bk_db_t *db;
    int n_missing = 0;

    for (int i = 0; i < n; i++) {
        out[i] = cache_find(ctx, lists[i].practitioner_id);
        if (!out[i] || out[i]->version != lists[i].version) {
            missing[n_missing++] = lists[i].practitioner_id;
            out[i] = NULL;
        }
    }
    if (n_missing == 0) {
        return NULL;
    }
    BK_TRY(bk_ctx_db(&db, ctx));
    BK_TRY(bk_store_calendars_load(&loaded, db, missing, n_missing, ctx->p));
    for (int i = 0; i < n; i++) {
        const bk_calendar_t *c = out[i] ? NULL : among(loaded, lists[i].practitioner_id);
        if (c) {
            out[i] = cache_put(ctx, c);
        }
    }
    return NULL;
}
