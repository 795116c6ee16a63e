/* What the rooms of src/httpd show each other: configuration, the request's state, and each
 * file's hooks. Only this folder and mod_booking.c know httpd.
 *
 * Configuration is built in pconf and read-only after post_config. A bk_request_t lives in its
 * request's pool and belongs to the thread that serves it.
 */
#ifndef HTTPD_GLUE_H
#define HTTPD_GLUE_H

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "booking/api.h"

extern module AP_MODULE_DECLARE_DATA booking_module;

/* The schema level this code needs: the number of the last file in sql/. */
#define BK_MIGRATION_LEVEL 1

#define BK_UNSET (-1)

/* Connections of one server's pool that this child may use at once. */
typedef struct bk_gate_t bk_gate_t;

typedef struct {
    server_rec *server;
    bk_keyring_t *keys;
    const char *public_url;
    bool public_url_is_base;    /* it has a path: the API's base as the outside sees it */
    int db_max, db_wait_ms, db_prepare, test_clock; /* BK_UNSET: not given */
    bk_db_source_t source;
    volatile apr_uint32_t db_pooled; /* of this child */
    const char *pool_name;      /* servers with equal ones share a pool of mod_dbd's */
    bk_gate_t *gate;            /* made in each child */
    apr_array_header_t *bases;  /* of const char *: URL bases, for errors met before any walk */
    const char *engine_at;      /* "file:line" of the first BookingEngine On */
} bk_server_t;

typedef struct {
    int engine;
    const char *base;       /* URL path ("/api"), or NULL: relative to directory */
    const char *directory;  /* file system path with trailing slash, where base is NULL */
    unsigned routes_keep, routes_add; /* on = (inherited & keep) | add */
    int guests, public_availability, manage_ttl_days;
    apr_int64_t body_limit;
    const char *identity_prefix, *role_env, *issuer, *audience;
} bk_dir_t;

/* A request that is ours. */
typedef struct {
    const char *base, *path; /* path begins with "/" */
    bool captured;
    const char *user, *role;
    bool refused;            /* identity contradicts the configuration: 401 */
    int status;              /* set when a filter has answered already */
} bk_request_t;

#define bk_server_of(s) ((bk_server_t *)ap_get_module_config((s)->module_config, &booking_module))
#define bk_dir_of(r) ((bk_dir_t *)ap_get_module_config((r)->per_dir_config, &booking_module))
#define bk_request_of(r) \
    ((bk_request_t *)ap_get_module_config((r)->request_config, &booking_module))

/* directives.c */
extern const command_rec bk_directives[];
void *bk_dir_create(apr_pool_t *p, char *path);
void *bk_dir_merge(apr_pool_t *p, void *base, void *add);
void *bk_server_create(apr_pool_t *p, server_rec *s);
void *bk_server_merge(apr_pool_t *p, void *base, void *add);
unsigned bk_dir_groups(const bk_dir_t *dir);

/* Each file's hooks. */
void bk_startup_hooks(apr_pool_t *p);  /* startup.c: post_config, child_init */
void bk_identity_hooks(apr_pool_t *p); /* identity.c: scrub, capture, Require booking-role */
void bk_handler_hooks(apr_pool_t *p);  /* handler.c: claim and serve */
void bk_respond_hooks(apr_pool_t *p);  /* respond.c: bodies of Apache's own errors */

/* dbd.c */
bool bk_dbd_available(void);
void bk_dbd_source(bk_server_t *server);
apr_status_t bk_dbd_child_init(bk_server_t *server, const server_rec *all, apr_pool_t *pchild);

/* identity.c */
void bk_identity_fill(bk_ctx_t *ctx, const bk_request_t *req);
/* The domain's context of a request, without its identity. */
void bk_context_make(bk_ctx_t *ctx, request_rec *r);

/* respond.c */
/* A note on a request that Apache fails with 500 because our database is away. */
#define BK_NOTE_AWAY "booking-away"
const char *bk_request_id(request_rec *r);
int bk_respond(request_rec *r, const bk_resp_t *resp);
/* Whether Apache's own errors at this request's URL are ours to word. */
bool bk_url_is_ours(request_rec *r);

/* body.c */
bk_err_t *bk_body_read(const char **data, size_t *len, void *request, size_t limit);

#endif
