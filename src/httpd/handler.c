/* Claiming requests and serving them. */
#include "glue.h"

#include <apr_strings.h>

APLOG_USE_MODULE(booking);

#define BODY_LIMIT 65536
#define DIRECTORY_BASE "api"

/* A site's ErrorDocument would answer our callers with its page: on our URLs the envelope does. */
static void shield_errors(request_rec *r)
{
    static const int statuses[] = {400, 401, 402, 403, 404, 405, 406, 408, 409, 411, 412, 413,
                                   410, 414, 415, 416, 417, 421, 422, 423, 424, 426, 428, 429,
                                   431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510,
                                   511};
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    if (!core->response_code_exprs) {
        return;
    }
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        ap_custom_response(r, statuses[i], "\"-"); /* text, which the error filter replaces */
    }
}

static void claim_as(request_rec *r, const char *base, const char *path)
{
    bk_request_t *req = apr_pcalloc(r->pool, sizeof(*req));

    req->base = base;
    req->path = *path ? path : "/";
    ap_set_module_config(r->request_config, &booking_module, req);
    shield_errors(r);
}

/* In a <Location>: known before any directory is looked at, from translate_name on (in
 * map_to_storage httpd has put the sections' configuration away for a moment). */
static int claim_url(request_rec *r)
{
    const bk_dir_t *d = bk_dir_of(r);
    size_t n;

    if (d->engine != 1 || !d->base || r->main || bk_request_of(r)) {
        return DECLINED;
    }
    n = strlen(d->base);
    if (strncmp(r->uri, d->base, n) != 0 || (r->uri[n] && r->uri[n] != '/')) {
        return DECLINED;
    }
    claim_as(r, d->base, r->uri + n);
    return DECLINED;
}

/* Answering OK keeps the directory walk, and with it every .htaccess (a front controller's
 * rewriting), away from our URLs. It also saves a third of the server's work. */
static int skip_walk(request_rec *r)
{
    return bk_request_of(r) ? OK : DECLINED;
}

/* In a directory or its .htaccess: known after the walk, and before mod_rewrite's per-directory
 * rules (fixups), which would hand our URLs to the front controller. */
static int claim_directory(request_rec *r)
{
    const bk_dir_t *d = bk_dir_of(r);
    const char *rest, *path;
    size_t n, base;

    if (d->engine != 1 || d->base || !d->directory || r->main || !r->filename ||
        bk_request_of(r)) {
        return DECLINED;
    }
    rest = apr_pstrcat(r->pool, r->filename, r->path_info, NULL);
    n = strlen(d->directory);
    base = sizeof(DIRECTORY_BASE) - 1;
    if (strncmp(rest, d->directory, n) != 0 || strncmp(rest + n, DIRECTORY_BASE, base) != 0 ||
        (rest[n + base] && rest[n + base] != '/')) {
        return DECLINED;
    }
    path = rest + n + base;
    if (strlen(path) > strlen(r->uri)) {
        return DECLINED;
    }
    claim_as(r, apr_pstrmemdup(r->pool, r->uri, strlen(r->uri) - strlen(path)), path);
    return DECLINED;
}

static const char *header_get(void *request, const char *name)
{
    return apr_table_get(((request_rec *)request)->headers_in, name);
}

/* As the caller reached us, by the rules of UseCanonicalName: good for an answer to this very
 * caller, and for nobody else. */
static const char *own_url(request_rec *r)
{
    const char *url = ap_construct_url(r->pool, "/", r);

    return apr_pstrmemdup(r->pool, url, strlen(url) - 1);
}

/* Where links to the API lead. */
static const char *public_base(void *request)
{
    request_rec *r = request;
    const bk_server_t *c = bk_server_of(r->server);

    return c->public_url_is_base
               ? c->public_url
               : apr_pstrcat(r->pool, c->public_url ? c->public_url : own_url(r),
                             bk_request_of(r)->base, NULL);
}

static bk_site_t *site_make(request_rec *r)
{
    const bk_dir_t *d = bk_dir_of(r);
    bk_site_t *site = apr_palloc(r->pool, sizeof(*site));

    *site = (bk_site_t){
        .groups = bk_dir_groups(d),
        .guests = d->guests == 1,
        .public_availability = d->public_availability != 0,
        .body_limit = d->body_limit == BK_UNSET ? BODY_LIMIT : (size_t)d->body_limit,
        .migration_level = BK_MIGRATION_LEVEL};
    return site;
}

static int fail(request_rec *r, bk_err_t *e)
{
    bk_resp_t resp = {0};

    bk_api_fail(&resp, e, bk_request_id(r), r->pool);
    return bk_respond(r, &resp);
}

/* A site's ErrorDocument for what Apache refused before the request could be claimed (a header it
 * would not read): the redirect to that page is answered here. */
static int error_page(request_rec *r)
{
    bk_err_t *e;

    if (!r->prev || r->main || r->prev->status < 400 || !bk_url_is_ours(r->prev)) {
        return DECLINED;
    }
    e = bk_err_make(bk_err_from_status(r->prev->status), r->pool, NULL);
    e->status = r->prev->status;
    return fail(r, e);
}

static int handler(request_rec *r)
{
    bk_request_t *req = bk_request_of(r);
    bk_req_t api = {0};
    bk_resp_t resp;

    if (!req) {
        return DECLINED;
    }
    if (!bk_server_of(r->server)->keys) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "BookingEngine is On here, but the server has "
                      "no BookingKey");
        return fail(r, bk_err_make(BK_E_INTERNAL, r->pool, NULL));
    }
    if (req->refused) {
        return fail(r, bk_err_make(BK_E_UNAUTHENTICATED, r->pool, NULL));
    }
    api.site = site_make(r);
    api.method = r->header_only ? "GET" : r->method;
    api.base = req->base;
    api.path = req->path;
    api.query = r->args;
    api.header = header_get;
    api.body = bk_body_read;
    api.public_base = public_base;
    api.host = r;
    bk_context_make(&api.ctx, r);
    bk_identity_fill(&api.ctx, req);
    bk_api_serve(&resp, &api);
    return req->status ? req->status : bk_respond(r, &resp);
}

void bk_handler_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_translate_name(claim_url, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(skip_walk, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_access_checker(claim_directory, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_type_checker(claim_url, NULL, NULL, APR_HOOK_REALLY_FIRST); /* rewritten to us */
    ap_hook_type_checker(claim_directory, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(error_page, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
