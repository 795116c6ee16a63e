/* What a handler needs to know: its row in routes.def, and the helpers handlers share. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "booking/api.h"

/* What a role may do with a route. */
typedef enum {
    BK_GRANT_NONE,
    BK_GRANT_ANY,
    BK_GRANT_OWN,      /* own visits: the handler checks */
    BK_GRANT_PRACTICE, /* own practice: the handler checks */
    BK_GRANT_TOKEN,    /* with the visit's manage token: the handler checks */
    BK_GRANT_GUEST,    /* where guests may book */
    BK_GRANT_PUBLIC    /* where availability is public */
} bk_grant_t;

enum {
    BK_ROUTE_WRITE = 1,  /* changes something: Idempotency-Key is honoured */
    BK_ROUTE_ETAG = 2,   /* the answer carries an ETag of its bytes */
    BK_ROUTE_SHARED = 4  /* the same for everybody: caches may keep it, asking each time */
};

typedef bk_err_t *bk_handler_t(bk_resp_t *resp, bk_req_t *req);

struct bk_route_t {
    const char *method, *template;
    bk_group_t group;
    bk_grant_t grants[BK_ROLE_ADMIN + 1]; /* by bk_role_t */
    unsigned flags;
    const bk_shape_t *query, *body, *answer; /* &bk_shape_none: none */
    int status;
    bk_handler_t *handler;
    const char *name; /* the handler's: the operation's id in the description */
    const char *summary;
};

extern const bk_route_t bk_routes[];
extern const size_t bk_routes_count;

/* Writes *out* by the route's answer shape, with the route's status. */
void bk_answer(bk_resp_t *resp, bk_req_t *req, const void *out);

/* Sets a body written by hand. */
void bk_answer_raw(bk_resp_t *resp, bk_req_t *req, const bk_buf_t *body);

/* A strong ETag of some bytes. */
const char *bk_etag_make(const char *body, size_t len, apr_pool_t *p);

/* Whether an If-Match or If-None-Match list holds *etag* (or "*"). */
bool bk_etag_listed(const char *list, const char *etag);

/* The id in path parameter *i*, written with or without *prefix*; NOT_FOUND when it is none. */
bk_err_t *bk_param_id(apr_int64_t *id, const bk_req_t *req, int i, const char *prefix);

/* Whether the role's grant for this route is *grant*. */
bool bk_granted(const bk_req_t *req, bk_grant_t grant);

/* Cursors of paginated lists: opaque to clients, two numbers to us. */
const char *bk_cursor_make(apr_int64_t a, apr_int64_t b, apr_pool_t *p);
bk_err_t *bk_cursor_parse(bk_num_t *a, bk_num_t *b, const char *cursor, apr_pool_t *p);

/* {"success": true, "message": ...} */
typedef struct {
    bk_num_t success;
    const char *message;
} bk_done_t;
extern const bk_shape_t bk_shape_done;
extern const bk_shape_t bk_shape_none; /* no fields */
extern const bk_shape_t bk_shape_error;

/* The OpenAPI description of what a site has switched on. */
const char *bk_openapi_text(const bk_site_t *site, const char *base, apr_pool_t *p);

#endif
