/* Request bodies, bounded. */
#include "glue.h"

#include <apr_strings.h>

APLOG_USE_MODULE(booking);

static bk_err_t *too_large(request_rec *r)
{
    return bk_err_make(BK_E_PAYLOAD_TOO_LARGE, r->pool, NULL);
}

/* Adds what a brigade holds; EOS in *last. */
static apr_status_t take(bk_buf_t *body, size_t limit, bool *last, apr_bucket_brigade *bb)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            *last = true;
            return APR_SUCCESS;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            continue;
        }
        rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (len > limit - body->len) {
            return APR_ENOSPC;
        }
        bk_buf_add(body, data, len);
    }
    return APR_SUCCESS;
}

/* What a failed read means. A filter that has answered by itself must be left alone. */
static bk_err_t *read_failed(apr_status_t rv, request_rec *r)
{
    int status = ap_map_http_request_error(rv, HTTP_BAD_REQUEST);

    if (status < 0) {
        bk_request_of(r)->status = status;
        status = HTTP_BAD_REQUEST;
    }
    return bk_err_make(bk_err_from_status(status), r->pool, NULL);
}

bk_err_t *bk_body_read(const char **data, size_t *len, void *request, size_t limit)
{
    request_rec *r = request;
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    bool last = false;
    bk_buf_t body;

    /* A length that is too large is refused before a byte of it is read. */
    if (length && apr_atoi64(length) > (apr_int64_t)limit) {
        return too_large(r);
    }
    bk_buf_init(&body, 1024, r->pool);
    while (!last) {
        apr_status_t rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ,
                                         HUGE_STRING_LEN);
        if (rv == APR_SUCCESS) {
            rv = take(&body, limit, &last, bb);
            if (APR_STATUS_IS_ENOSPC(rv)) {
                return too_large(r);
            }
        }
        apr_brigade_cleanup(bb);
        if (rv != APR_SUCCESS) {
            return read_failed(rv, r);
        }
    }
    *data = body.s;
    *len = body.len;
    return NULL;
}
