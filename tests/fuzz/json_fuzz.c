/* Request bodies: any bytes, read as the body of each route. What is read, written and read
 * again is the same. */
#include "fuzz.h"

#include "../../src/api/route.h"

const char fuzz_name[] = "json";

static const char *encode(const bk_shape_t *shape, const void *in, apr_pool_t *p)
{
    bk_buf_t out;

    bk_buf_init(&out, 256, p);
    bk_json_encode(&out, shape, in);
    FUZZ_EXPECT(bk_utf8_valid(out.s, out.len));
    return out.s;
}

static void decode(const bk_shape_t *shape, const uint8_t *data, size_t size, apr_pool_t *p)
{
    void *in, *again;
    bk_err_t *e = bk_json_decode(&in, shape, (const char *)data, size, p);
    const char *text;

    FUZZ_EXPECT(in != NULL);
    if (e) {
        FUZZ_EXPECT(e->code == BK_E_MALFORMED_JSON || e->code == BK_E_VALIDATION_FAILED);
        FUZZ_EXPECT(e->issues && e->issues->nelts > 0);
        return;
    }
    text = encode(shape, in, p);
    FUZZ_EXPECT(!bk_json_decode(&again, shape, text, strlen(text), p));
    FUZZ_EXPECT(strcmp(text, encode(shape, again, p)) == 0);
}

static void query(const bk_shape_t *shape, const char *text, apr_pool_t *p)
{
    void *in;
    bk_err_t *e = bk_query_decode(&in, shape, text, p);

    FUZZ_EXPECT(!e || (e->code == BK_E_VALIDATION_FAILED && e->issues->nelts > 0));
    FUZZ_EXPECT(e || bk_utf8_valid(encode(shape, in, p), 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_pool();
    const char *text = apr_pstrmemdup(p, (const char *)data, size);

    for (size_t i = 0; i < bk_routes_count; i++) {
        if (bk_routes[i].body != &bk_shape_none) {
            decode(bk_routes[i].body, data, size, p);
        }
        query(bk_routes[i].query, text, p);
    }
    bk_json_strings(text, p);
    return 0;
}
