/* The HTTP API, without an HTTP server.
 *
 * The host (httpd, or a test) fills a bk_req_t and calls bk_api_serve, which always leaves a
 * complete answer in bk_resp_t: routes, roles, bodies, repeated requests and errors are decided
 * here. One request, one thread, one pool.
 */
#ifndef BOOKING_API_H
#define BOOKING_API_H

#include "booking/domain.h"

typedef enum {
#define BK_GROUP(name, doc) BK_GROUP_##name,
#include "booking/groups.def"
#undef BK_GROUP
    BK_GROUP_COUNT
} bk_group_t;

#define BK_GROUP_ALL ((1u << BK_GROUP_COUNT) - 1)

/* The group called *name*, or -1. */
int bk_group_find(const char *name);
const char *bk_group_name(bk_group_t group);

/* What a location is configured to do; constant while it serves. */
typedef struct {
    unsigned groups; /* bit mask of bk_group_t that are on */
    bool guests;     /* anonymous callers may book */
    bool public_availability;
    size_t body_limit;
    int migration_level;    /* what this code was built for */
} bk_site_t;

typedef struct bk_route_t bk_route_t;

typedef struct bk_req_t {
    const bk_site_t *site;
    const char *method; /* "GET" for HEAD too */
    const char *base;   /* "/api" */
    const char *path;   /* below the base, decoded: "/practitioners/1" */
    const char *query;  /* raw, or NULL */
    /* A request header's value, or NULL. */
    const char *(*header)(void *host, const char *name);
    /* Reads the whole body, at most *limit* bytes: PAYLOAD_TOO_LARGE beyond. */
    bk_err_t *(*body)(const char **data, size_t *len, void *host, size_t limit);
    /* Where links to the API lead: "https://www.clinic.example/api". */
    const char *(*public_base)(void *host);
    void *host;

    bk_ctx_t ctx; /* identity filled in by the host */

    /* Filled by the router. */
    const bk_route_t *route;
    const char *params[4];
    const char *raw_body;
    size_t raw_len;
    const void *in;    /* the body, decoded */
    const void *query_in; /* the query, decoded */
} bk_req_t;

typedef struct {
    int status;
    const char *body; /* NULL: none */
    size_t len;
    apr_table_t *headers;
    bool conditional;     /* ETag in headers; the host answers 304 where it matches */
    const char *route;    /* template, for the access log; NULL when there was none */
    const char *code;     /* error code, for the access log; NULL when fine */
} bk_resp_t;

/* Serves a request; resp is complete after it, and every connection given back. */
void bk_api_serve(bk_resp_t *resp, bk_req_t *req);

/* Fills *resp* with the envelope of an error: the one door for failures, also for those that
 * the host met before or instead of bk_api_serve. */
void bk_api_fail(bk_resp_t *resp, const bk_err_t *e, const char *request_id, apr_pool_t *p);

/* The Allow header of a path, as far as its groups are on; NULL when nothing is there. */
const char *bk_api_allow(const bk_site_t *site, const char *path, apr_pool_t *p);

#endif
