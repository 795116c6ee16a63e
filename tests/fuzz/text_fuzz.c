/* The encodings: URLs, base64url, hex, numbers, ids, cursors, tags, e-mail addresses. */
#include "fuzz.h"

#include "../../src/api/route.h"

const char fuzz_name[] = "text";

static void url(const char *s, size_t len, apr_pool_t *p)
{
    for (int plus = 0; plus < 2; plus++) {
        const char *out = bk_url_decode(s, len, plus, p);
        FUZZ_EXPECT(!out || (strlen(out) <= len && bk_utf8_valid(out, strlen(out))));
        FUZZ_EXPECT(!out || bk_utf8_length(out) <= strlen(out));
    }
}

static void base64url(const char *text, const uint8_t *data, size_t size, apr_pool_t *p)
{
    size_t len = 0;
    unsigned char *out = bk_b64url_decode(text, &len, p);
    const char *coded = bk_b64url_encode(data, size, p);

    FUZZ_EXPECT(!out || strcmp(bk_b64url_encode(out, len, p), text) == 0);
    out = bk_b64url_decode(coded, &len, p);
    FUZZ_EXPECT(out && len == size && memcmp(out, data, size) == 0);
}

static void hex(const char *s, size_t size, apr_pool_t *p)
{
    unsigned char *out = apr_palloc(p, size + 1);
    size_t len = size / 2;

    if (bk_hex_decode(s, size, out, len)) {
        FUZZ_EXPECT(strncasecmp(bk_hex_encode(out, len, p), s, size) == 0);
    }
}

static void numbers(const char *text, apr_pool_t *p)
{
    apr_int64_t n;
    bk_num_t a, b;

    if (bk_int_parse(text, strlen(text), &n)) {
        FUZZ_EXPECT(n >= 0 && strcmp(apr_psprintf(p, "%" APR_INT64_T_FMT, n), text) == 0);
    }
    if (bk_id_parse(text, "meeting", &n)) {
        FUZZ_EXPECT(n > 0);
    }
    if (!bk_cursor_parse(&a, &b, text, p)) {
        FUZZ_EXPECT(a.set && b.set && !bk_cursor_parse(&a, &b, bk_cursor_make(a.v, b.v, p), p));
    }
}

static void json(const char *text, apr_pool_t *p)
{
    apr_array_header_t *one = apr_array_make(p, 1, sizeof(const char *)), *back;

    APR_ARRAY_PUSH(one, const char *) = text;
    back = bk_json_strings(bk_json_from_strings(one, p), p);
    FUZZ_EXPECT(back->nelts == bk_utf8_valid(text, strlen(text)));
    FUZZ_EXPECT(!back->nelts || strcmp(APR_ARRAY_IDX(back, 0, const char *), text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_pool();
    const char *text = apr_pstrmemdup(p, (const char *)data, size);

    url((const char *)data, size, p);
    base64url(text, data, size, p);
    hex((const char *)data, size, p);
    numbers(text, p);
    json(text, p);
    bk_etag_listed(text, "\"0123456789abcdef\"");
    bk_email_valid(text);
    return 0;
}
