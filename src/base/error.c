#include "booking/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

static const struct {
    const char *name;
    int status;
    bk_log_level_t level;
    const char *message;
} errors[] = {
#define BK_ERROR(name, status, level, message) {#name, status, BK_LOG_##level, message},
#include "booking/errors.def"
#undef BK_ERROR
};

static bk_log_fn *log_writer;

bk_err_t *bk_err_make(bk_code_t code, apr_pool_t *p, const char *detail, ...)
{
    bk_err_t *e = apr_pcalloc(p, sizeof(*e));

    e->code = code;
    if (detail) {
        va_list ap;
        va_start(ap, detail);
        e->detail = apr_pvsprintf(p, detail, ap);
        va_end(ap);
    }
    return e;
}

bk_err_t *bk_err_public(bk_code_t code, const char *message, apr_pool_t *p)
{
    bk_err_t *e = bk_err_make(code, p, NULL);

    e->message = message;
    return e;
}

static void issue_push(bk_err_t *e, apr_pool_t *p, const char *field, const char *issue)
{
    bk_field_issue_t *it;

    if (!e->issues) {
        e->issues = apr_array_make(p, 4, sizeof(bk_field_issue_t));
    }
    it = apr_array_push(e->issues);
    it->field = field;
    it->issue = issue;
}

bk_err_t *bk_err_field(bk_code_t code, const char *field, const char *issue, apr_pool_t *p)
{
    bk_err_t *e = bk_err_make(code, p, NULL);

    issue_push(e, p, field, issue);
    return e;
}

bk_err_t *bk_err_add(bk_err_t *err, apr_pool_t *p, const char *field, const char *issue, ...)
{
    va_list ap;

    if (!err) {
        err = bk_err_make(BK_E_VALIDATION_FAILED, p, NULL);
    }
    va_start(ap, issue);
    issue_push(err, p, field, apr_pvsprintf(p, issue, ap));
    va_end(ap);
    return err;
}

bool bk_err_mentions(const bk_err_t *err, const char *field)
{
    for (int i = 0; err && err->issues && i < err->issues->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(err->issues, i, bk_field_issue_t).field, field) == 0) {
            return true;
        }
    }
    return false;
}

bk_err_t *bk_err_add_once(bk_err_t *err, apr_pool_t *p, const char *field, const char *issue)
{
    return bk_err_mentions(err, field) ? err : bk_err_add(err, p, field, "%s", issue);
}

int bk_err_status(bk_code_t code)
{
    return errors[code].status;
}

const char *bk_err_name(bk_code_t code)
{
    return errors[code].name;
}

bk_log_level_t bk_err_level(bk_code_t code)
{
    return errors[code].level;
}

const char *bk_err_message(const bk_err_t *e)
{
    return e->message ? e->message : errors[e->code].message;
}

bk_code_t bk_err_from_status(int status)
{
    static const struct {
        int status;
        bk_code_t code;
    } by_status[] = {
        {400, BK_E_BAD_REQUEST},       {401, BK_E_UNAUTHENTICATED},
        {403, BK_E_FORBIDDEN},         {404, BK_E_NOT_FOUND},
        {405, BK_E_METHOD_NOT_ALLOWED}, {406, BK_E_NOT_ACCEPTABLE},
        {408, BK_E_REQUEST_TIMEOUT},   {412, BK_E_PRECONDITION_FAILED},
        {413, BK_E_PAYLOAD_TOO_LARGE}, {414, BK_E_URI_TOO_LONG},
        {415, BK_E_UNSUPPORTED_MEDIA_TYPE}, {429, BK_E_RATE_LIMITED},
        {502, BK_E_UNAVAILABLE},       {503, BK_E_UNAVAILABLE},
        {504, BK_E_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++) {
        if (by_status[i].status == status) {
            return by_status[i].code;
        }
    }
    return status >= 500 ? BK_E_INTERNAL : BK_E_BAD_REQUEST;
}

void bk_log_use(bk_log_fn *fn)
{
    log_writer = fn;
}

void bk_log(bk_log_level_t level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (log_writer) {
        log_writer(level, line);
    }
    else {
        fprintf(stderr, "%s\n", line);
    }
}
