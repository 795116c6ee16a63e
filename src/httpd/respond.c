/* The one door out: our answers, and our words for Apache's own errors. */
#include "glue.h"

#include <apr_strings.h>

APLOG_USE_MODULE(booking);

#define ERROR_FILTER "BOOKING_ERROR"

const char *bk_request_id(request_rec *r)
{
    const char *id = apr_table_get(r->notes, "booking-request-id");

    for (request_rec *from = r; !id && from; from = from->prev) {
        id = apr_table_get(from->subprocess_env, "UNIQUE_ID");
    }
    if (!id) {
        unsigned char random[12];
        bk_random(random, sizeof(random));
        id = bk_b64url_encode(random, sizeof(random), r->pool);
    }
    apr_table_setn(r->notes, "booking-request-id", id);
    return id;
}

static int copy_header(void *to, const char *name, const char *value)
{
    apr_table_setn(to, name, value);
    return 1;
}

/* RFC 6750 3 */
static const char *challenge(request_rec *r)
{
    const char *sent = apr_table_get(r->headers_in, "Authorization");
    const char *name = ap_auth_name(r), *type = ap_auth_type(r);

    if (type && strcasecmp(type, "Basic") == 0) {
        return apr_psprintf(r->pool, "Basic realm=\"%s\"", name ? name : "booking");
    }
    return apr_psprintf(r->pool, "Bearer realm=\"%s\"%s", name ? name : "booking",
                        sent ? ", error=\"invalid_token\"" : "");
}

static void headers_set(request_rec *r, const bk_resp_t *resp)
{
    /* Errors keep theirs even where Apache drops the ordinary ones. */
    apr_table_t *to = resp->status >= 400 ? r->err_headers_out : r->headers_out;

    if (resp->headers) {
        apr_table_do(copy_header, to, resp->headers, NULL);
    }
    if (resp->status == HTTP_UNAUTHORIZED) {
        apr_table_setn(r->err_headers_out, "WWW-Authenticate", challenge(r));
    }
    apr_table_setn(r->err_headers_out, "X-Request-Id", bk_request_id(r));
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_mergen(r->headers_out, "Vary", "Authorization");
}

int bk_respond(request_rec *r, const bk_resp_t *resp)
{
    apr_bucket_brigade *bb;

    if (resp->route) {
        apr_table_setn(r->notes, "booking-route", resp->route);
    }
    if (resp->code) {
        apr_table_setn(r->notes, "booking-code", resp->code);
    }
    headers_set(r, resp);
    r->status = resp->status;
    if (resp->conditional && resp->status == HTTP_OK) {
        int rc = ap_meets_conditions(r);
        if (rc != OK) {
            return rc;
        }
    }
    if (!resp->body) {
        return OK;
    }
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)resp->len);
    bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(resp->body, resp->len, r->pool,
                                                       bb->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    ap_pass_brigade(r->output_filters, bb);
    return OK; /* a client that has gone is not an error of ours */
}

/* --- Apache's own errors ---------------------------------------------------------------------- */

static bool under(const char *uri, const char *base)
{
    size_t n = strlen(base);

    return strncmp(uri, base, n) == 0 && (uri[n] == '\0' || uri[n] == '/');
}

/* The path asked for; of a request line that Apache would not read, what stands in it. */
static const char *asked_for(request_rec *r)
{
    const char *line = r->the_request ? r->the_request : "";

    if (r->uri && r->uri[0] == '/') {
        return r->uri;
    }
    line += strcspn(line, " ");
    line += strspn(line, " ");
    return apr_pstrmemdup(r->pool, line, strcspn(line, " ?"));
}

bool bk_url_is_ours(request_rec *r)
{
    const bk_server_t *c = bk_server_of(r->server);
    const char *uri = asked_for(r);

    if (r->main) {
        return false;
    }
    if (bk_request_of(r)) {
        return true;
    }
    /* Refused before the location was looked up, or by it. */
    for (int i = 0; i < c->bases->nelts; i++) {
        if (under(uri, APR_ARRAY_IDX(c->bases, i, const char *))) {
            return r->per_dir_config == r->server->lookup_defaults || bk_dir_of(r)->engine == 1;
        }
    }
    return false;
}

/* Replaces Apache's HTML by the envelope: the first brigade becomes ours, the rest goes. */
static apr_status_t error_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    bk_resp_t resp = {0};
    bk_err_t *e;

    if (f->ctx) {
        apr_brigade_cleanup(bb);
        return APR_SUCCESS;
    }
    f->ctx = r;
    if (apr_table_get(r->notes, BK_NOTE_AWAY)) {
        r->status = HTTP_SERVICE_UNAVAILABLE;
        r->status_line = NULL;
    }
    e = bk_err_make(bk_err_from_status(r->status), r->pool, NULL);
    e->status = r->status;
    bk_api_fail(&resp, e, bk_request_id(r), r->pool);
    ap_set_content_type(r, "application/json");
    apr_table_unset(r->headers_out, "Content-Length");
    apr_table_unset(r->headers_out, "Content-Encoding");
    /* Among the headers that a site's own "Header always set" replaces. */
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "X-Request-Id", bk_request_id(r));
    apr_table_setn(r->notes, "booking-code", resp.code);
    if (r->status == HTTP_UNAUTHORIZED && !apr_table_get(r->headers_out, "WWW-Authenticate") &&
        !apr_table_get(r->err_headers_out, "WWW-Authenticate")) {
        apr_table_setn(r->err_headers_out, "WWW-Authenticate", challenge(r));
    }
    if ((r->status == 429 || r->status == 503) && !apr_table_get(r->headers_out, "Retry-After")) {
        apr_table_setn(r->err_headers_out, "Retry-After", r->status == 429 ? "60" : "1");
    }
    apr_brigade_cleanup(bb);
    if (!r->header_only) {
        ap_set_content_length(r, (apr_off_t)resp.len);
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(resp.body, resp.len, r->pool,
                                                           bb->bucket_alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(bb->bucket_alloc));
    return ap_pass_brigade(f->next, bb);
}

static void insert_error_filter(request_rec *r)
{
    if (r->status >= 400 && bk_url_is_ours(r)) {
        ap_add_output_filter(ERROR_FILTER, NULL, r, r->connection);
    }
}

void bk_respond_hooks(apr_pool_t *p)
{
    (void)p;
    ap_register_output_filter(ERROR_FILTER, error_filter, NULL, AP_FTYPE_RESOURCE);
    ap_hook_insert_error_filter(insert_error_filter, NULL, NULL, APR_HOOK_FIRST);
}
