#include "../unit.h"

#include <jansson.h>

#include "../../../src/api/route.h"

/* --- failures ----------------------------------------------------------------------- */

static json_t *answer_of(bk_resp_t *resp, const bk_err_t *e, const char *request_id)
{
    json_error_t at;
    json_t *root;

    memset(resp, 0, sizeof(*resp));
    bk_api_fail(resp, e, request_id, pool);
    assert_int_equal(resp->len, strlen(resp->body));
    root = json_loads(resp->body, 0, &at);
    assert_non_null(root);
    return root;
}

static const char *member(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));

    assert_non_null(s);
    return s;
}

static void envelopes(void **state)
{
    (void)state;
    for (int code = 0; code < BK_E_COUNT; code++) {
        bk_err_t *e = bk_err_make((bk_code_t)code, pool, "private %d", code);
        bk_resp_t resp;
        json_t *root = answer_of(&resp, e, "r1");
        assert_int_equal(resp.status, bk_err_status((bk_code_t)code));
        assert_string_equal(resp.code, bk_err_name((bk_code_t)code));
        assert_true(json_is_false(json_object_get(root, "success")));
        assert_string_equal(member(root, "code"), bk_err_name((bk_code_t)code));
        assert_string_equal(member(root, "error"), bk_err_message(e));
        assert_string_equal(member(root, "message"), bk_err_message(e));
        assert_string_equal(member(root, "requestId"), "r1");
        assert_int_equal(json_integer_value(json_object_get(root, "statusCode")), resp.status);
        assert_null(json_object_get(root, "details"));
        assert_null(strstr(resp.body, "private"));
        assert_string_equal(apr_table_get(resp.headers, "Cache-Control"), "no-store");
        assert_int_equal(apr_table_get(resp.headers, "Retry-After") != NULL,
                         resp.status == 503 || resp.status == 429);
        assert_null(apr_table_get(resp.headers, "Allow"));
        json_decref(root);
    }
}

static void details(void **state)
{
    bk_err_t *e = bk_err_add(NULL, pool, "a.b", "must be \"quoted\"");
    const json_t *issues;
    bk_resp_t resp;
    json_t *root;

    (void)state;
    bk_err_add(e, pool, "c", "is required");
    root = answer_of(&resp, e, NULL);
    issues = json_object_get(root, "details");
    assert_int_equal(json_array_size(issues), 2);
    assert_string_equal(member(json_array_get(issues, 0), "field"), "a.b");
    assert_string_equal(member(json_array_get(issues, 0), "issue"), "must be \"quoted\"");
    assert_string_equal(member(json_array_get(issues, 1), "field"), "c");
    assert_string_equal(member(root, "requestId"), "-");
    json_decref(root);
}

/* Whatever a handler had set for its answer is gone; what the error asks for is there. */
static void headers(void **state)
{
    bk_err_t *e = bk_err_make(BK_E_METHOD_NOT_ALLOWED, pool, NULL);
    bk_resp_t resp = {.headers = apr_table_make(pool, 4), .conditional = true};

    (void)state;
    apr_table_set(resp.headers, "ETag", "\"x\"");
    apr_table_set(resp.headers, "Location", "/api/appointments/1");
    e->allow = "GET, HEAD, OPTIONS";
    e->retry_after = 7;
    bk_api_fail(&resp, e, "r1", pool);
    assert_null(apr_table_get(resp.headers, "ETag"));
    assert_null(apr_table_get(resp.headers, "Location"));
    assert_string_equal(apr_table_get(resp.headers, "Allow"), "GET, HEAD, OPTIONS");
    assert_string_equal(apr_table_get(resp.headers, "Retry-After"), "7");
    assert_false(resp.conditional);
}

/* --- tags --------------------------------------------------------------------------- */

static void etags_made(void **state)
{
    const char *tag = bk_etag_make("{}", 2, pool);

    (void)state;
    assert_int_equal(strlen(tag), 18);
    assert_int_equal(strspn(tag + 1, "0123456789abcdef"), 16);
    assert_true(tag[0] == '"' && tag[17] == '"');
    assert_string_equal(tag, bk_etag_make("{} and more", 2, pool));
    assert_int_equal(strlen(bk_etag_make(NULL, 0, pool)), 18);
}

/* Each byte counts, wherever it stands, and so does the length. */
static void etags_differ(void **state)
{
    char body[41] = {0};

    (void)state;
    for (size_t len = 1; len < sizeof(body); len++) {
        const char *tag = bk_etag_make(body, len, pool);
        assert_string_not_equal(tag, bk_etag_make(body, len - 1, pool));
        for (size_t i = 0; i < len; i++) {
            for (int bit = 0; bit < 8; bit++) {
                body[i] ^= (char)(1 << bit);
                assert_string_not_equal(tag, bk_etag_make(body, len, pool));
                body[i] ^= (char)(1 << bit);
            }
        }
    }
}

static void etags_listed(void **state)
{
    static const char *const with[] = {"\"a\"", "*", " * ", "\"x\", \"a\"", "\"x\",\"a\",\"y\"",
                                       "\t\"a\" ,", ",, \"a\"", "W/\"x\", \"a\"",
                                       "\"x,*\", \"a\"", "\"x,y\",\"a\""};
    static const char *const without[] = {"", " ", ",", "a", "\"b\"", "\"ab\"", "\"a", "a\"",
                                          "\"a\"b", "\"A\"", "\"b\", \"c\"", "\"b\"\"a\"",
                                          "\"b,*\"", "\"b,\"a\"\"", "\"b,"};

    (void)state;
    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
        if (!bk_etag_listed(with[i], "\"a\"")) {
            fail_msg("not found in %s", with[i]);
        }
    }
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        if (bk_etag_listed(without[i], "\"a\"")) {
            fail_msg("found in %s", without[i]);
        }
    }
}

/* --- cursors ------------------------------------------------------------------------ */

static void cursors(void **state)
{
    static const apr_int64_t pairs[][2] = {{0, 0}, {1, 2}, {1781942400, 456},
                                           {-62135596800, APR_INT64_MAX},
                                           {253402214400, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        bk_num_t a = {0, false}, b = {0, false};
        const char *cursor = bk_cursor_make(pairs[i][0], pairs[i][1], pool);
        assert_int_equal(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_"), strlen(cursor));
        assert_null(bk_cursor_parse(&a, &b, cursor, pool));
        assert_true(a.set && b.set);
        assert_int_equal(a.v, pairs[i][0]);
        assert_int_equal(b.v, pairs[i][1]);
    }
}

static const char *coded(const char *text)
{
    return bk_b64url_encode((const unsigned char *)text, strlen(text), pool);
}

static void cursors_wrong(void **state)
{
    const char *bad[] = {"", "!", "A", "1.2", "AA", coded("1"), coded("1."), coded(".1"),
                         coded("1.2.3"), coded("1.-2"), coded("--1.2"), coded("1 .2"),
                         coded("1.2 "), coded("01.2"), coded("1.99999999999999999999"),
                         coded("9223372036854775807.1"), coded("-.1"),
                         coded("-1099511627776.1")};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bk_num_t a = {0, false}, b = {0, false};
        bk_err_t *e = bk_cursor_parse(&a, &b, bad[i], pool);
        if (!e) {
            fail_msg("read as a cursor: %s", bad[i]);
        }
        assert_int_equal(e->code, BK_E_VALIDATION_FAILED);
        assert_true(bk_err_mentions(e, "cursor"));
        assert_false(a.set || b.set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(envelopes),    UNIT(details),      UNIT(headers), UNIT(etags_made),
        UNIT(etags_differ), UNIT(etags_listed), UNIT(cursors), UNIT(cursors_wrong),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
