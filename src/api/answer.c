/* Answers: the envelope of errors, bodies made from shapes, tags, cursors. */
#include "route.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

static const bk_field_t done_fields[] = {
    {.name = "success", .kind = BK_F_BOOL, .offset = offsetof(bk_done_t, success)},
    {.name = "message", .kind = BK_F_STRING, .flags = BK_F_OMIT,
     .offset = offsetof(bk_done_t, message)},
};
BK_SHAPE(done, "Done", bk_done_t);

static const bk_field_t none_fields[] = {{.name = ""}};
const bk_shape_t bk_shape_none = {"None", 1, none_fields, 0, NULL};

static const bk_field_t error_detail_fields[] = {
    {.name = "field", .kind = BK_F_STRING, .offset = offsetof(bk_field_issue_t, field),
     .doc = "dotted path of the field"},
    {.name = "issue", .kind = BK_F_STRING, .offset = offsetof(bk_field_issue_t, issue)},
};
static BK_SHAPE(error_detail, "ErrorDetail", bk_field_issue_t);

typedef struct {
    bk_num_t success, status;
    const char *error, *message, *code, *request_id;
    apr_array_header_t *details;
} envelope_t;

static const char *const error_codes[] = {
#define BK_ERROR(name, status, level, message) #name,
#include "booking/errors.def"
#undef BK_ERROR
    NULL};

static const bk_field_t error_fields[] = {
    {.name = "success", .kind = BK_F_BOOL, .offset = offsetof(envelope_t, success)},
    {.name = "error", .kind = BK_F_STRING, .offset = offsetof(envelope_t, error)},
    {.name = "message", .kind = BK_F_STRING, .offset = offsetof(envelope_t, message)},
    {.name = "code", .kind = BK_F_ENUM, .choices = error_codes,
     .offset = offsetof(envelope_t, code)},
    {.name = "statusCode", .kind = BK_F_INT, .offset = offsetof(envelope_t, status)},
    {.name = "requestId", .kind = BK_F_STRING, .offset = offsetof(envelope_t, request_id)},
    {.name = "details", .kind = BK_F_LIST, .flags = BK_F_OMIT, .shape = &bk_shape_error_detail,
     .offset = offsetof(envelope_t, details)},
};
BK_SHAPE(error, "Error", envelope_t);

static void body_set(bk_resp_t *resp, const bk_buf_t *body)
{
    resp->body = body->s;
    resp->len = body->len;
}

void bk_api_fail(bk_resp_t *resp, const bk_err_t *e, const char *request_id, apr_pool_t *p)
{
    const char *message = bk_err_message(e);
    int status = e->status ? e->status : bk_err_status(e->code);
    envelope_t envelope = {BK_NUM(false), BK_NUM(status), message, message,
                           bk_err_name(e->code), request_id ? request_id : "-", NULL};
    bk_buf_t out;

    if (e->issues) {
        envelope.details = apr_array_make(p, e->issues->nelts, sizeof(void *));
        for (int i = 0; i < e->issues->nelts; i++) {
            APR_ARRAY_PUSH(envelope.details, const bk_field_issue_t *) =
                &APR_ARRAY_IDX(e->issues, i, bk_field_issue_t);
        }
    }
    bk_buf_init(&out, 384, p);
    bk_json_encode(&out, &bk_shape_error, &envelope);
    body_set(resp, &out);
    resp->status = status;
    resp->code = bk_err_name(e->code);
    resp->conditional = false;
    if (!resp->headers) {
        resp->headers = apr_table_make(p, 4);
    }
    apr_table_clear(resp->headers);
    apr_table_setn(resp->headers, "Cache-Control", "no-store");
    if (e->allow) {
        apr_table_setn(resp->headers, "Allow", e->allow);
    }
    if (e->retry_after || resp->status == 503 || resp->status == 429) {
        apr_table_setn(resp->headers, "Retry-After",
                       apr_itoa(p, e->retry_after ? e->retry_after : 1));
    }
}

void bk_answer_raw(bk_resp_t *resp, bk_req_t *req, const bk_buf_t *body)
{
    resp->status = req->route->status;
    body_set(resp, body);
}

void bk_answer(bk_resp_t *resp, bk_req_t *req, const void *out)
{
    bk_buf_t body;

    bk_buf_init(&body, 512, req->ctx.p);
    bk_json_encode(&body, req->route->answer, out);
    bk_answer_raw(resp, req, &body);
}

const char *bk_etag_make(const char *body, size_t len, apr_pool_t *p)
{
    /* FNV-1a by words of eight bytes, folded: a tag tells one state of a resource from the next,
     * it does not prove anything. */
    apr_uint64_t hash = 14695981039346656037ULL ^ len, word;

    for (size_t i = 0; i < len; i += sizeof(word)) {
        word = 0;
        memcpy(&word, body + i, len - i < sizeof(word) ? len - i : sizeof(word));
        hash = (hash ^ word) * 1099511628211ULL;
        hash ^= hash >> 29;
    }
    return apr_psprintf(p, "\"%016" APR_UINT64_T_HEX_FMT "\"", hash);
}

/* The closing quote; mod_deflate and mod_brotli put their name in front of it. */
static bool tag_ends(const char *s)
{
    static const char *const ends[] = {"\"", "-gzip\"", "-br\""};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t n = strlen(ends[i]);
        if (strncmp(s, ends[i], n) == 0 && strchr(" \t,", s[n])) {
            return true;
        }
    }
    return false;
}

bool bk_etag_listed(const char *list, const char *etag)
{
    size_t n = strlen(etag);

    while (*list) {
        list += strspn(list, " \t,");
        if (*list == '*') {
            return true;
        }
        if (strncmp(list, etag, n - 1) == 0 && tag_ends(list + n - 1)) {
            return true;
        }
        /* A comma inside a tag parts nothing. */
        list += strcspn(list, ",\"");
        if (*list == '"') {
            list++;
            list += strcspn(list, "\"");
            list += strcspn(list, ",");
        }
    }
    return false;
}

bk_err_t *bk_param_id(apr_int64_t *id, const bk_req_t *req, int i, const char *prefix)
{
    return bk_id_parse(req->params[i], prefix, id) ? NULL
                                                   : bk_err_make(BK_E_NOT_FOUND, req->ctx.p, NULL);
}

bool bk_granted(const bk_req_t *req, bk_grant_t grant)
{
    return req->route->grants[req->ctx.role] == grant;
}

const char *bk_cursor_make(apr_int64_t a, apr_int64_t b, apr_pool_t *p)
{
    const char *text = apr_psprintf(p, "%" APR_INT64_T_FMT ".%" APR_INT64_T_FMT, a, b);

    return bk_b64url_encode((const unsigned char *)text, strlen(text), p);
}

bk_err_t *bk_cursor_parse(bk_num_t *a, bk_num_t *b, const char *cursor, apr_pool_t *p)
{
    size_t len = 0;
    unsigned char *bytes = bk_b64url_decode(cursor, &len, p);
    const char *text = bytes ? apr_pstrmemdup(p, (const char *)bytes, len) : "";
    bool negative = text[0] == '-';
    const char *dot = strchr(text, '.');

    text += negative;
    if (!dot || !bk_int_parse(text, (size_t)(dot - text), &a->v) || a->v > APR_INT64_C(1) << 40 ||
        !bk_int_parse(dot + 1, strlen(dot + 1), &b->v)) {
        return bk_err_add(NULL, p, "cursor", "must be a nextCursor of an earlier answer");
    }
    a->v = negative ? -a->v : a->v;
    /* Whoever makes up a cursor must not get beyond what the database can hold. */
    if (a->v < (bk_time_t)BK_DATE_MIN * BK_DAY_S || a->v > (bk_time_t)BK_DATE_MAX * BK_DAY_S) {
        return bk_err_add(NULL, p, "cursor", "must be a nextCursor of an earlier answer");
    }
    a->set = b->set = true;
    return NULL;
}
