/* A host for the API without a server: a request with its headers and body in memory, keys
 * that are always the same, and a database that is never there.
 *
 * Used by the unit tests of src/api and by the fuzz targets. One thread.
 */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include <stdlib.h>
#include <strings.h>

#include "booking/api.h"

#define HOST_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HOST_OTHER_KEY "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define HOST_NOW 1781942400 /* 2026-06-20T08:00:00Z */
#define HOST_HEADERS 8

typedef struct {
    apr_pool_t *p; /* filled in by host_request */
    const char *names[HOST_HEADERS], *values[HOST_HEADERS];
    int n;
    const char *body;
    size_t len;
    int bodies_read;
    bool untyped; /* sends a body without saying what it is */
} host_t;

static int host_leases; /* how often somebody asked for a connection */

static inline void host_set(host_t *h, const char *name, const char *value)
{
    h->names[h->n] = name;
    h->values[h->n++] = value;
}

static inline const char *host_header(void *host, const char *name)
{
    const host_t *h = host;

    for (int i = 0; i < h->n; i++) {
        if (strcasecmp(h->names[i], name) == 0) {
            return h->values[i];
        }
    }
    if (h->len && !h->untyped && strcasecmp(name, "Content-Type") == 0) {
        return "application/json";
    }
    return NULL;
}

/* As httpd's reader does: nothing beyond the limit is handed on. */
static inline bk_err_t *host_body(const char **data, size_t *len, void *host, size_t limit)
{
    host_t *h = host;

    h->bodies_read++;
    if (h->len > limit) {
        return bk_err_make(BK_E_PAYLOAD_TOO_LARGE, h->p, NULL);
    }
    *data = h->body;
    *len = h->len;
    return NULL;
}

static inline bk_err_t *host_lease(void *source, bk_conn_t **conn, void **token, apr_pool_t *p)
{
    (void)source;
    (void)conn;
    (void)token;
    host_leases++;
    return bk_err_make(BK_E_UNAVAILABLE, p, "database: no connection");
}

static inline void host_release(void *source, void *token)
{
    (void)source;
    (void)token;
}

static apr_uint32_t host_pooled;
static const bk_db_source_t host_source = {host_lease, host_release, NULL, true, &host_pooled};

/* A ring with one key, or NULL when that is refused. */
static inline bk_keyring_t *host_keys(const char *id, const char *hex, apr_pool_t *p)
{
    bk_keyring_t *ring = bk_keyring_make(p);

    setenv("BOOKING_TEST_KEY", hex, 1);
    return bk_keyring_add(ring, id, "env:BOOKING_TEST_KEY", p) ? NULL : ring;
}

static inline const char *host_public_base(void *host)
{
    (void)host;
    return "https://www.clinic.example/api";
}

static inline bk_site_t host_site(void)
{
    return (bk_site_t){.groups = BK_GROUP_ALL, .public_availability = true, .body_limit = 65536,
                       .migration_level = 1};
}

/* A request of nobody in particular; *keys* and *p* outlive it. */
static inline bk_req_t host_request(const bk_site_t *site, host_t *h, const char *method,
                                    const char *path, const bk_keyring_t *keys, apr_pool_t *p)
{
    h->p = p;
    return (bk_req_t){.site = site, .method = method, .base = "/api", .path = path,
                      .header = host_header, .body = host_body, .host = h,
                      .public_base = host_public_base,
                      .ctx = {.p = p, .keys = keys, .source = &host_source, .now = HOST_NOW,
                              .request_id = "r1", .manage_ttl_s = 30 * BK_DAY_S}};
}

#endif
