#include "../unit.h"

#include "../host.h"

#define DAY 86400

static const unsigned char uid[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255};

static bk_ctx_t ctx_of(const bk_keyring_t *keys)
{
    return (bk_ctx_t){.p = pool, .keys = keys, .now = HOST_NOW, .manage_ttl_s = 30 * DAY};
}

static bool good(const bk_ctx_t *ctx, const char *token)
{
    unsigned char found[16] = {0};
    bool ok = bk_manage_check(ctx, token, found);

    if (ok) {
        assert_memory_equal(found, uid, sizeof(uid));
    }
    return ok;
}

static void round_trip(void **state)
{
    bk_ctx_t ctx = ctx_of(host_keys("k1", HOST_KEY, pool));
    const char *token = bk_manage_token(&ctx, uid, HOST_NOW + DAY);

    (void)state;
    assert_memory_equal(token, "mt_", 3);
    assert_int_equal(strlen(token), 3 + (16 + 8 + 32) / 3 * 4 + 3);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_"), strlen(token));
    assert_true(good(&ctx, token));
    assert_string_equal(token, bk_manage_token(&ctx, uid, HOST_NOW + DAY));
}

/* Good up to the last second, whatever the configuration says by then. */
static void expiry(void **state)
{
    bk_ctx_t ctx = ctx_of(host_keys("k1", HOST_KEY, pool));
    const char *token = bk_manage_token(&ctx, uid, HOST_NOW);

    (void)state;
    ctx.manage_ttl_s = 0;
    ctx.now = HOST_NOW + 30 * DAY;
    assert_true(good(&ctx, token));
    ctx.now++;
    assert_false(good(&ctx, token));
    token = bk_manage_token(&ctx, uid, HOST_NOW);
    ctx.now = HOST_NOW;
    assert_true(good(&ctx, token));
    ctx.now = HOST_NOW + 1;
    assert_false(good(&ctx, token));
}

static void tampered(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bk_ctx_t ctx = ctx_of(host_keys("k1", HOST_KEY, pool));
    char *token = apr_pstrdup(pool, bk_manage_token(&ctx, uid, HOST_NOW + DAY));

    (void)state;
    for (size_t i = 0; token[i]; i++) {
        char was = token[i];
        for (const char *d = digits; *d; d++) {
            token[i] = *d;
            assert_int_equal(good(&ctx, token), *d == was);
        }
        token[i] = was;
    }
}

static void other_spellings(void **state)
{
    bk_ctx_t ctx = ctx_of(host_keys("k1", HOST_KEY, pool));
    const char *token = bk_manage_token(&ctx, uid, HOST_NOW + DAY);
    const char *bad[] = {"", "mt_", "mt", token + 3, apr_pstrcat(pool, token, "=", NULL),
                         apr_pstrcat(pool, token, "A", NULL), apr_pstrcat(pool, token, " ", NULL),
                         apr_pstrcat(pool, " ", token, NULL),
                         apr_pstrcat(pool, "MT_", token + 3, NULL),
                         apr_pstrcat(pool, "mt_mt_", token + 3, NULL),
                         apr_pstrmemdup(pool, token, strlen(token) - 1)};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(good(&ctx, bad[i]));
    }
    /* Something of any length is turned down before it costs anything. */
    assert_false(good(&ctx, memset(apr_pcalloc(pool, 100001), 'm', 100000)));
}

static void other_keys(void **state)
{
    bk_keyring_t *rotated = host_keys("k2", HOST_OTHER_KEY, pool);
    bk_ctx_t ctx = ctx_of(host_keys("k1", HOST_KEY, pool));
    bk_ctx_t other = ctx_of(host_keys("k1", HOST_OTHER_KEY, pool));
    const char *token = bk_manage_token(&ctx, uid, HOST_NOW + DAY);

    (void)state;
    assert_false(good(&other, token));
    setenv("BOOKING_TEST_KEY", HOST_KEY, 1);
    assert_null(bk_keyring_add(rotated, "k1", "env:BOOKING_TEST_KEY", pool));
    other.keys = rotated;
    assert_true(good(&other, token));
    assert_string_not_equal(bk_manage_token(&other, uid, HOST_NOW + DAY), token);
}

/* What is signed for another purpose is no manage token. */
static void other_purpose(void **state)
{
    bk_ctx_t ctx = ctx_of(host_keys("k1", HOST_KEY, pool));
    unsigned char bytes[16 + 8 + BK_MAC_LEN] = {0};
    char *token;

    (void)state;
    memset(bytes + 18, 0x7f, 6);
    bk_sign(bytes + 24, ctx.keys, "lookup email", bytes, 24);
    token = bk_b64url_encode(bytes, sizeof(bytes), pool);
    assert_false(good(&ctx, apr_pstrcat(pool, "mt_", token, NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(round_trip),      UNIT(expiry),     UNIT(tampered),
        UNIT(other_spellings), UNIT(other_keys), UNIT(other_purpose),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
