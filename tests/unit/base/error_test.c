#include "../unit.h"

#include <ctype.h>

#include "booking/error.h"

/* The rows, told again by the file itself: what is compared is what the functions make of it. */
static const struct {
    bk_code_t code;
    const char *name;
    int status;
    bk_log_level_t level;
    const char *message;
} rows[] = {
#define BK_ERROR(name, status, level, message) \
    {BK_E_##name, #name, status, BK_LOG_##level, message},
#include "booking/errors.def"
#undef BK_ERROR
};

static void each_row(void **state)
{
    (void)state;
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), BK_E_COUNT);
    for (int i = 0; i < BK_E_COUNT; i++) {
        bk_err_t *e = bk_err_make(rows[i].code, pool, NULL);
        size_t len = strlen(rows[i].message);
        assert_int_equal(rows[i].code, i);
        assert_string_equal(bk_err_name(e->code), rows[i].name);
        assert_int_equal(bk_err_status(e->code), rows[i].status);
        assert_int_equal(bk_err_level(e->code), rows[i].level);
        assert_string_equal(bk_err_message(e), rows[i].message);
        assert_in_range(rows[i].status, 400, 599);
        assert_true(isupper((unsigned char)rows[i].message[0]));
        assert_int_equal(rows[i].message[len - 1], '.');
    }
}

/* What a client did wrong is no news to an administrator; what we did wrong is. */
static void levels(void **state)
{
    (void)state;
    for (int i = 0; i < BK_E_COUNT; i++) {
        if (rows[i].status < 500) {
            assert_int_equal(rows[i].level, BK_LOG_DEBUG);
        }
        else {
            assert_true(rows[i].level <= BK_LOG_WARNING);
        }
    }
}

static void names_differ(void **state)
{
    (void)state;
    for (int i = 0; i < BK_E_COUNT; i++) {
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(rows[i].name, rows[k].name);
        }
    }
}

static void from_status(void **state)
{
    static const struct {
        int status;
        bk_code_t code;
    } known[] = {{401, BK_E_UNAUTHENTICATED}, {403, BK_E_FORBIDDEN},
                 {404, BK_E_NOT_FOUND},       {405, BK_E_METHOD_NOT_ALLOWED},
                 {413, BK_E_PAYLOAD_TOO_LARGE}, {414, BK_E_URI_TOO_LONG},
                 {429, BK_E_RATE_LIMITED},    {400, BK_E_BAD_REQUEST},
                 {417, BK_E_BAD_REQUEST},     {422, BK_E_BAD_REQUEST},
                 {500, BK_E_INTERNAL},        {501, BK_E_INTERNAL},
                 {502, BK_E_UNAVAILABLE},     {503, BK_E_UNAVAILABLE},
                 {504, BK_E_UNAVAILABLE},     {599, BK_E_INTERNAL}};

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_int_equal(bk_err_from_status(known[i].status), known[i].code);
    }
    /* An answer of Apache's own keeps its class. */
    for (int status = 400; status < 600; status++) {
        assert_int_equal(bk_err_status(bk_err_from_status(status)) / 100, status / 100);
    }
}

static void made(void **state)
{
    bk_err_t *e = bk_err_make(BK_E_INTERNAL, pool, "row %d of %s", 3, "visits");

    (void)state;
    assert_string_equal(e->detail, "row 3 of visits");
    assert_null(e->issues);
    assert_null(e->sqlstate);
    assert_int_equal(e->retry_after, 0);
    e = bk_err_public(BK_E_CONFLICT, "Said otherwise.", pool);
    assert_string_equal(bk_err_message(e), "Said otherwise.");
    assert_null(e->detail);
}

static void issues_gather(void **state)
{
    bk_err_t *e = bk_err_add(NULL, pool, "date", "must be %s", "a date"), *same;
    const bk_field_issue_t *issue;

    (void)state;
    assert_int_equal(e->code, BK_E_VALIDATION_FAILED);
    same = bk_err_add(e, pool, "time", "100%% of it");
    assert_ptr_equal(same, e);
    assert_ptr_equal(bk_err_add_once(e, pool, "date", "is required"), e);
    assert_int_equal(e->issues->nelts, 2);
    issue = &APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t);
    assert_string_equal(issue->field, "date");
    assert_string_equal(issue->issue, "must be a date");
    assert_string_equal(APR_ARRAY_IDX(e->issues, 1, bk_field_issue_t).issue, "100% of it");
    bk_err_add_once(e, pool, "name", "a %s that is no format");
    assert_string_equal(APR_ARRAY_IDX(e->issues, 2, bk_field_issue_t).issue,
                        "a %s that is no format");
}

static void mentions(void **state)
{
    bk_err_t *e = bk_err_field(BK_E_SLOT_TAKEN, "time", "overlaps", pool);

    (void)state;
    assert_int_equal(e->code, BK_E_SLOT_TAKEN);
    assert_true(bk_err_mentions(e, "time"));
    assert_false(bk_err_mentions(e, "tim"));
    assert_false(bk_err_mentions(NULL, "time"));
    assert_false(bk_err_mentions(bk_err_make(BK_E_INTERNAL, pool, NULL), "time"));
}

/* --- the log ------------------------------------------------------------------------ */

static bk_log_level_t logged_level;
static char logged[2048];

static void log_keep(bk_log_level_t level, const char *line)
{
    logged_level = level;
    apr_cpystrn(logged, line, sizeof(logged));
}

static void log_lines(void **state)
{
    char *much = apr_pcalloc(pool, 3000);

    (void)state;
    memset(much, 'x', 2999);
    bk_log_use(log_keep);
    bk_log(BK_LOG_WARNING, "%s is %d", "this", 1);
    assert_int_equal(logged_level, BK_LOG_WARNING);
    assert_string_equal(logged, "this is 1");
    bk_log(BK_LOG_ERROR, "%s", much);
    assert_int_equal(strlen(logged), 1023);
    bk_log_use(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(each_row), UNIT(levels),        UNIT(names_differ), UNIT(from_status),
        UNIT(made),     UNIT(issues_gather), UNIT(mentions),     UNIT(log_lines),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
