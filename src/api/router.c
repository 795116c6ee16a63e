/* From a request to its handler and back: route, role, media types, body, repeated requests. */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

/* --- finding the route -------------------------------------------------------------------- */

/* Whether *path* fits *template*; values of {parameters} go to *params*. */
static bool template_match(const char *template, const char *path, const char **params,
                           apr_pool_t *p)
{
    int n = 0;

    while (*template && *path) {
        if (*template == '{') {
            size_t len = strcspn(path, "/");
            if (len == 0) {
                return false;
            }
            params[n++] = apr_pstrmemdup(p, path, len);
            path += len;
            template += strcspn(template, "}") + 1;
        }
        else if (*template++ != *path++) {
            return false;
        }
    }
    return *template == '\0' && (*path == '\0' || (path[0] == '/' && path[1] == '\0'));
}

static bool group_on(const bk_site_t *site, const bk_route_t *route)
{
    return site->groups & (1u << route->group);
}

static const char *allow_add(const char *allow, const char *method, apr_pool_t *p)
{
    return allow ? apr_pstrcat(p, allow, ", ", method, NULL) : method;
}

const char *bk_api_allow(const bk_site_t *site, const char *path, apr_pool_t *p)
{
    const char *params[4], *allow = NULL;

    for (size_t i = 0; i < bk_routes_count; i++) {
        const bk_route_t *route = &bk_routes[i];
        if (group_on(site, route) && template_match(route->template, path, params, p)) {
            allow = allow_add(allow, route->method, p);
            if (strcmp(route->method, "GET") == 0) {
                allow = allow_add(allow, "HEAD", p);
            }
        }
    }
    return allow ? allow_add(allow, "OPTIONS", p) : NULL;
}

static bk_err_t *route_find(bk_req_t *req)
{
    apr_pool_t *p = req->ctx.p;
    const char *allow;
    bk_err_t *e;

    for (size_t i = 0; i < bk_routes_count; i++) {
        const bk_route_t *route = &bk_routes[i];
        if (strcmp(route->method, req->method) == 0 && group_on(req->site, route) &&
            template_match(route->template, req->path, req->params, p)) {
            req->route = route;
            return NULL;
        }
    }
    allow = bk_api_allow(req->site, req->path, p);
    e = bk_err_make(allow ? BK_E_METHOD_NOT_ALLOWED : BK_E_NOT_FOUND, p, NULL);
    e->allow = allow;
    return e;
}

/* --- roles -------------------------------------------------------------------------------- */

static bk_err_t *role_check(bk_req_t *req)
{
    bk_ctx_t *ctx = &req->ctx;
    bk_grant_t grant;

    /* Only a route that tells signed-in roles apart needs the look-up behind an unnamed role. */
    if (ctx->user_id && !ctx->role_known &&
        req->route->grants[BK_ROLE_CLIENT] != req->route->grants[BK_ROLE_THERAPIST]) {
        BK_TRY(bk_identity_settle(ctx));
    }
    grant = req->route->grants[ctx->role];
    if (grant == BK_GRANT_NONE || (grant == BK_GRANT_GUEST && !req->site->guests) ||
        (grant == BK_GRANT_PUBLIC && !req->site->public_availability)) {
        return bk_err_make(ctx->user_id ? BK_E_FORBIDDEN : BK_E_UNAUTHENTICATED, ctx->p, NULL);
    }
    return NULL;
}

/* --- media types -------------------------------------------------------------------------- */

/* One media range of an Accept header: how exactly it names application/json (0 not at all, 1 by
 * the wildcard, 2 by its type, 3 itself), and whether its q refuses it. */
static int range_read(char *range, bool *refused)
{
    char *state, *type = apr_strtok(range, ";", &state), *param;

    *refused = false;
    if (!type) {
        return 0;
    }
    apr_collapse_spaces(type, type);
    while ((param = apr_strtok(NULL, ";", &state)) != NULL) {
        apr_collapse_spaces(param, param);
        if (strncasecmp(param, "q=", 2) == 0) {
            *refused = strtod(param + 2, NULL) <= 0;
        }
    }
    return strcmp(type, "*/*") == 0 ? 1 : strcasecmp(type, "application/*") == 0 ? 2
         : strcasecmp(type, "application/json") == 0 ? 3 : 0;
}

/* RFC 9110 12.5.1: the most exact range decides. */
static bk_err_t *accept_check(bk_req_t *req)
{
    const char *accept = req->header(req->host, "Accept");
    bool refused, taken = false;
    char *state, *range;
    int best = 0;

    if (!accept || !*accept) {
        return NULL;
    }
    for (range = apr_strtok(apr_pstrdup(req->ctx.p, accept), ",", &state); range;
         range = apr_strtok(NULL, ",", &state)) {
        int exactness = range_read(range, &refused);
        if (exactness > best) {
            best = exactness;
            taken = !refused;
        }
    }
    return taken ? NULL : bk_err_make(BK_E_NOT_ACCEPTABLE, req->ctx.p, NULL);
}

static bk_err_t *content_type_check(bk_req_t *req)
{
    const char *type = req->header(req->host, "Content-Type");
    const char *encoding = req->header(req->host, "Content-Encoding");
    static const char json[] = "application/json";
    size_t n = sizeof(json) - 1;

    if (encoding && *encoding && strcasecmp(encoding, "identity") != 0) {
        return bk_err_make(BK_E_UNSUPPORTED_MEDIA_TYPE, req->ctx.p, NULL);
    }
    if (!type || (strncasecmp(type, json, n) == 0 && strchr("; \t", type[n]))) {
        return NULL;
    }
    return bk_err_make(BK_E_UNSUPPORTED_MEDIA_TYPE, req->ctx.p, NULL);
}

/* --- input -------------------------------------------------------------------------------- */

static bk_err_t *params_check(bk_req_t *req)
{
    for (size_t i = 0; i < sizeof(req->params) / sizeof(req->params[0]) && req->params[i]; i++) {
        const char *s = req->params[i];
        for (const char *c = s; *c; c++) {
            if ((unsigned char)*c < 0x20 || *c == 0x7f) {
                return bk_err_make(BK_E_NOT_FOUND, req->ctx.p, NULL);
            }
        }
        if (!bk_utf8_valid(s, strlen(s))) {
            return bk_err_make(BK_E_NOT_FOUND, req->ctx.p, NULL);
        }
    }
    return NULL;
}

static bk_err_t *body_read(bk_req_t *req)
{
    if (strcmp(req->method, "GET") == 0 || strcmp(req->method, "DELETE") == 0) {
        return NULL;
    }
    BK_TRY(content_type_check(req));
    BK_TRY(req->body(&req->raw_body, &req->raw_len, req->host, req->site->body_limit));
    /* A page of another site can send a body without a type, and cookies with it, but not one
     * that says it is JSON. */
    if (req->raw_len && !req->header(req->host, "Content-Type")) {
        return bk_err_make(BK_E_UNSUPPORTED_MEDIA_TYPE, req->ctx.p, NULL);
    }
    return NULL;
}

static bk_err_t *whole_check(bk_err_t *e, const bk_shape_t *shape, const void *in,
                             const bk_req_t *req)
{
    bool readable = !e || (e->code == BK_E_VALIDATION_FAILED && !bk_err_mentions(e, "body"));

    return readable && shape->check ? shape->check(e, in, req, req->ctx.p) : e;
}

/* Body and query, both looked at, so that all mistakes come in one answer. */
static bk_err_t *input_decode(bk_req_t *req)
{
    void *in = NULL, *query = NULL;
    bk_err_t *e = NULL, *e_query = NULL;

    if (req->route->body != &bk_shape_none) {
        e = bk_json_decode(&in, req->route->body, req->raw_body, req->raw_len, req->ctx.p);
        e = whole_check(e, req->route->body, in, req);
    }
    if (req->route->query != &bk_shape_none) {
        e_query = bk_query_decode(&query, req->route->query, req->query, req->ctx.p);
        e_query = whole_check(e_query, req->route->query, query, req);
    }
    req->in = in;
    req->query_in = query;
    if (e && e_query && e->code == BK_E_VALIDATION_FAILED) {
        apr_array_cat(e->issues, e_query->issues);
    }
    return e ? e : e_query;
}

/* The manage token stands in the query of a link, or in a header. */
static bk_err_t *manage_token_read(bk_req_t *req)
{
    typedef struct {
        const char *token;
    } token_query_t;
    static const bk_field_t token_fields[] = {
        {.name = "token", .kind = BK_F_STRING, .max = 200,
         .offset = offsetof(token_query_t, token)},
    };
    static const bk_shape_t shape = {"Token", sizeof(token_query_t), token_fields, 1, NULL};
    const char *header = req->header(req->host, "X-Manage-Token");
    void *query = NULL;

    if (!bk_query_decode(&query, &shape, req->query, req->ctx.p)) {
        req->ctx.manage_token = ((token_query_t *)query)->token;
    }
    if (header && *header) {
        req->ctx.manage_token = header;
    }
    return NULL;
}

/* --- repeated requests ---------------------------------------------------------------------- */

typedef struct {
    bk_req_t *req;
    bk_resp_t *resp;
    const char *key, *scope;
    unsigned char hash[32];
} keyed_t;

static const char *key_context(const keyed_t *k)
{
    return apr_pstrcat(k->req->ctx.p, "idempotency_keys:", k->scope, ":", k->key, NULL);
}

static bk_err_t *key_check(const char *key, apr_pool_t *p)
{
    size_t n = strlen(key);

    for (size_t i = 0; i < n; i++) {
        if (key[i] <= 0x20 || key[i] >= 0x7f) {
            n = 0;
        }
    }
    return n >= 1 && n <= 255 ? NULL
                              : bk_err_add(NULL, p, "Idempotency-Key",
                                           "must have 1 to 255 visible ASCII characters");
}

/* Whose key it is. Strangers are told apart by the manage token they hold, if any: an answer is
 * given again only to who could have had it the first time. */
static const char *key_scope(bk_req_t *req)
{
    const char *token = req->ctx.manage_token;
    unsigned char hash[32];

    if (req->ctx.user_id) {
        return apr_pstrcat(req->ctx.p, "user:", req->ctx.user_id, NULL);
    }
    if (!token) {
        return "anonymous";
    }
    bk_sha256(hash, token, strlen(token));
    return apr_pstrcat(req->ctx.p, "token:", bk_hex_encode(hash, sizeof(hash), req->ctx.p), NULL);
}

static void request_hash(keyed_t *k)
{
    bk_req_t *req = k->req;
    bk_buf_t text;

    bk_buf_init(&text, 256 + req->raw_len, req->ctx.p);
    bk_buf_puts(&text, req->method);
    bk_buf_putc(&text, '\n');
    bk_buf_puts(&text, req->path);
    bk_buf_putc(&text, '\n');
    bk_buf_add(&text, req->raw_body ? req->raw_body : "", req->raw_len);
    bk_sha256(k->hash, text.s, text.len);
}

static bk_err_t *replay(keyed_t *k, const bk_first_answer_t *first)
{
    apr_pool_t *p = k->req->ctx.p;
    const char *body;

    if (memcmp(first->request_hash, k->hash, sizeof(k->hash)) != 0) {
        return bk_err_make(BK_E_IDEMPOTENCY_MISMATCH, p, NULL);
    }
    BK_TRY(bk_open(&body, k->req->ctx.keys, key_context(k), first->response_sealed, p));
    k->resp->status = first->status;
    k->resp->body = body;
    k->resp->len = body ? strlen(body) : 0;
    apr_table_setn(k->resp->headers, "Idempotency-Replayed", "true");
    if (first->location) {
        apr_table_set(k->resp->headers, "Location", first->location);
    }
    return NULL;
}

/* In one transaction: the key, the effect, the answer. */
static bk_err_t *keyed_work(bk_db_t *db, void *baton, apr_pool_t *p)
{
    keyed_t *k = baton;
    bk_first_answer_t first = {.status = 0};
    bk_bytes_t sealed;
    bool claimed;

    BK_TRY(bk_store_key_claim(&claimed, &first, db, k->scope, k->key, k->hash, k->req->ctx.now,
                              p));
    if (!claimed) {
        return replay(k, &first);
    }
    BK_TRY(k->req->route->handler(k->resp, k->req));
    BK_TRY(bk_seal(&sealed, k->req->ctx.keys, key_context(k), k->resp->body, p));
    return bk_store_key_answer(db, k->scope, k->key, k->resp->status,
                               apr_table_get(k->resp->headers, "Location"), sealed, p);
}

static bk_err_t *handle(bk_resp_t *resp, bk_req_t *req)
{
    const char *key = req->header(req->host, "Idempotency-Key");
    keyed_t k = {req, resp, key, NULL, {0}};
    bk_db_t *db;

    if (!key || !(req->route->flags & BK_ROUTE_WRITE)) {
        return req->route->handler(resp, req);
    }
    BK_TRY(key_check(key, req->ctx.p));
    k.scope = key_scope(req);
    request_hash(&k);
    BK_TRY(bk_ctx_db(&db, &req->ctx));
    return bk_db_transact(db, keyed_work, &k, req->ctx.p);
}

/* --- the whole way -------------------------------------------------------------------------- */

static bk_err_t *serve(bk_resp_t *resp, bk_req_t *req)
{
    BK_TRY(route_find(req));
    resp->route = req->route->template;
    BK_TRY(params_check(req));
    BK_TRY(accept_check(req));
    BK_TRY(role_check(req));
    /* The body comes as slowly as the client likes: no connection waits for it. */
    bk_ctx_release(&req->ctx);
    BK_TRY(body_read(req));
    BK_TRY(input_decode(req));
    BK_TRY(manage_token_read(req));
    return handle(resp, req);
}

static void finish(bk_resp_t *resp, bk_req_t *req)
{
    unsigned flags = req->route->flags;
    apr_pool_t *p = req->ctx.p;

    if (flags & BK_ROUTE_ETAG) {
        apr_table_setn(resp->headers, "ETag", bk_etag_make(resp->body, resp->len, p));
        resp->conditional = true;
    }
    apr_table_setn(resp->headers, "Cache-Control",
                   !(flags & BK_ROUTE_ETAG) ? "no-store"
                   : flags & BK_ROUTE_SHARED ? "no-cache" : "private, no-cache");
}

static void log_failure(const bk_req_t *req, const bk_err_t *e)
{
    bk_log(bk_err_level(e->code), "%s %s: %s%s%s (request %s)", req->method,
           req->route ? req->route->template : "(no route)", bk_err_name(e->code),
           e->detail ? ": " : "", e->detail ? e->detail : "",
           req->ctx.request_id ? req->ctx.request_id : "-");
}

void bk_api_serve(bk_resp_t *resp, bk_req_t *req)
{
    bk_err_t *e;

    memset(resp, 0, sizeof(*resp));
    resp->headers = apr_table_make(req->ctx.p, 8);
    if (strcmp(req->method, "OPTIONS") == 0) {
        const char *allow = bk_api_allow(req->site, req->path, req->ctx.p);
        if (allow) {
            resp->status = 204;
            apr_table_setn(resp->headers, "Allow", allow);
            return;
        }
    }
    e = serve(resp, req);
    bk_ctx_release(&req->ctx);
    if (e) {
        const char *route = resp->route;
        log_failure(req, e);
        bk_api_fail(resp, e, req->ctx.request_id, req->ctx.p);
        resp->route = route;
    }
    else {
        finish(resp, req);
    }
}
