/* Answers marked "Python" were computed with its hmac, hashlib and cryptography modules from the
 * descriptions in crypto.h and in RFC 5869, 2104 and NIST SP 800-38D. */
#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "booking/crypto.h"
#include "booking/text.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define BAD_KEY "the key must be 32 bytes, as 64 hex digits or base64 (bookingctl key new)"

static const char *ring_add(bk_keyring_t *ring, const char *id, const char *text)
{
    setenv("BOOKING_TEST_KEY", text, 1);
    return bk_keyring_add(ring, id, "env:BOOKING_TEST_KEY", pool);
}

static bk_keyring_t *ring_of(const char *id, const char *text)
{
    bk_keyring_t *ring = bk_keyring_make(pool);

    assert_null(ring_add(ring, id, text));
    return ring;
}

static const char *mac_of(const bk_keyring_t *ring, const char *purpose, const char *data)
{
    unsigned char mac[BK_MAC_LEN];

    bk_sign(mac, ring, purpose, data, strlen(data));
    return bk_hex_encode(mac, sizeof(mac), pool);
}

/* --- where keys come from ----------------------------------------------------------- */

static const char *file_with(const char *text)
{
    char path[] = "/tmp/booking-key-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return apr_pstrcat(pool, path, NULL);
}

/* The key from *source* must be KEY, which its signatures tell. */
static void same_key(const char *source)
{
    bk_keyring_t *ring = bk_keyring_make(pool);

    assert_null(bk_keyring_add(ring, "k", source, pool));
    assert_int_equal(bk_keyring_count(ring), 1);
    assert_string_equal(mac_of(ring, "p", "d"), mac_of(ring_of("k", KEY), "p", "d"));
}

static void sources(void **state)
{
    const char *path = file_with("\n  " KEY "  \r\n");

    (void)state;
    same_key(apr_pstrcat(pool, "file:", path, NULL));
    unlink(path);
    same_key("exec:/bin/echo " KEY);
    same_key("exec:/bin/echo \"" KEY "\"");
    setenv("BOOKING_TEST_KEY2", KEY, 1);
    same_key("env:BOOKING_TEST_KEY2");
}

static void spellings(void **state)
{
    static const char *const same[] = {
        "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"};
    const char *ones = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    const char *plain = "//////////////////////////////////////////8=";
    const char *url = "__________________________________________8";

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        setenv("BOOKING_TEST_KEY2", same[i], 1);
        same_key("env:BOOKING_TEST_KEY2");
    }
    assert_string_equal(mac_of(ring_of("k", plain), "p", ""), mac_of(ring_of("k", ones), "p", ""));
    assert_string_equal(mac_of(ring_of("k", url), "p", ""), mac_of(ring_of("k", ones), "p", ""));
}

static void sources_wrong(void **state)
{
    bk_keyring_t *ring = bk_keyring_make(pool);
    const char *empty = file_with(""), *blank = file_with(" \n"), *wrong;

    (void)state;
    wrong = bk_keyring_add(ring, "k", "file:/no/such/key", pool);
    assert_non_null(strstr(wrong, "the key file /no/such/key cannot be read: No such file"));
    wrong = bk_keyring_add(ring, "k", apr_pstrcat(pool, "file:", empty, NULL), pool);
    assert_string_equal(wrong, apr_pstrcat(pool, "the key file ", empty, " is empty", NULL));
    assert_string_equal(bk_keyring_add(ring, "k", apr_pstrcat(pool, "file:", blank, NULL), pool),
                        BAD_KEY);
    assert_string_equal(bk_keyring_add(ring, "k", "env:BOOKING_NO_SUCH", pool),
                        "the environment variable BOOKING_NO_SUCH is not set");
    assert_string_equal(bk_keyring_add(ring, "k", "exec:/bin/false", pool),
                        "the key command /bin/false failed or printed nothing");
    assert_string_equal(bk_keyring_add(ring, "k", "exec:/bin/true", pool),
                        "the key command /bin/true failed or printed nothing");
    assert_non_null(strstr(bk_keyring_add(ring, "k", "exec:/no/such/program", pool),
                           "the key command /no/such/program"));
    assert_non_null(strstr(bk_keyring_add(ring, "k", "exec:", pool), "cannot be started"));
    assert_string_equal(bk_keyring_add(ring, "k", KEY, pool),
                        "the source must be file:/path, env:NAME or exec:/command");
    assert_int_equal(bk_keyring_count(ring), 0);
    unlink(empty);
    unlink(blank);
}

/* A command that prints a key and then fails did not mean it. */
static void command_fails(void **state)
{
    const char *script = file_with("echo " KEY "; exit 3\n");
    bk_keyring_t *ring = bk_keyring_make(pool);

    (void)state;
    assert_non_null(strstr(bk_keyring_add(ring, "k", apr_pstrcat(pool, "exec:/bin/sh ", script,
                                                                 NULL), pool), "failed"));
    unlink(script);
}

static void keys_wrong(void **state)
{
    static const char *const bad[] = {
        "secret", KEY "00", "0001", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ=="};
    bk_keyring_t *ring = bk_keyring_make(pool);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *wrong = ring_add(ring, "k", bad[i]);
        assert_string_equal(wrong, BAD_KEY);
        assert_null(strstr(wrong, bad[i]));
    }
}

static void ids(void **state)
{
    static const char *const bad[] = {"", "a b", "k/1", "k\n", "\xc3\xb6",
                                      "123456789012345678901234567890123"};
    bk_keyring_t *ring = bk_keyring_make(pool);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_string_equal(ring_add(ring, bad[i], KEY), "the key id must be 1 to 32 letters, "
                                                         "digits, '.', '_' or '-'");
    }
    assert_null(ring_add(ring, "12345678901234567890123456789012", KEY));
    assert_null(ring_add(ring, "A.b_c-9", KEY));
    assert_string_equal(ring_add(ring, "A.b_c-9", OTHER), "the key id A.b_c-9 is used twice");
    for (int i = 2; i < 16; i++) {
        assert_null(ring_add(ring, apr_psprintf(pool, "k%d", i), KEY));
    }
    assert_string_equal(ring_add(ring, "k16", KEY), "there can be at most 16 keys");
    assert_int_equal(bk_keyring_count(ring), 16);
}

/* --- sealing ------------------------------------------------------------------------ */

static bk_bytes_t seal(const bk_keyring_t *ring, const char *context, const char *text)
{
    bk_bytes_t out;

    assert_null(bk_seal(&out, ring, context, text, pool));
    return out;
}

static void refused(const bk_keyring_t *ring, const char *context, bk_bytes_t sealed)
{
    const char *text = "untouched";
    bk_err_t *e = bk_open(&text, ring, context, sealed, pool);

    assert_non_null(e);
    assert_int_equal(e->code, BK_E_INTERNAL);
    assert_null(text);
    assert_non_null(strstr(e->detail, context));
}

static void round_trips(void **state)
{
    static const char *const texts[] = {"", "a", "Ada L\xc3\xb6we", "line\nline\ttab",
                                        "0123456789abcdef0123456789abcdef0123456789abcdef"};
    bk_keyring_t *ring = ring_of("k1", KEY);

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bk_bytes_t a = seal(ring, "c", texts[i]), b = seal(ring, "c", texts[i]);
        const char *back;
        assert_null(bk_open(&back, ring, "c", a, pool));
        assert_string_equal(back, texts[i]);
        assert_int_equal(a.len, 2 + 2 + 12 + strlen(texts[i]) + 16);
        /* A nonce of its own each time. */
        assert_memory_not_equal(a.data, b.data, a.len);
    }
}

static void nulls(void **state)
{
    bk_keyring_t *ring = ring_of("k1", KEY);
    const char *back = "untouched";

    (void)state;
    assert_null(seal(ring, "c", NULL).data);
    assert_null(bk_open(&back, ring, "c", (bk_bytes_t){NULL, 0}, pool));
    assert_null(back);
}

/* Sealed by Python: the bytes in the database are a format, not a secret of this code. */
static void open_known(void **state)
{
    static const char hex[] = "01026b316465666768696a6b6c6d6e6fac64d52007db22b2a53ee1a60967883aac"
                              "e70f706940db3a3a";
    unsigned char bytes[(sizeof(hex) - 1) / 2];
    const char *text;

    (void)state;
    assert_true(bk_hex_decode(hex, sizeof(hex) - 1, bytes, sizeof(bytes)));
    assert_null(bk_open(&text, ring_of("k1", KEY), "clients.name:1",
                        (bk_bytes_t){bytes, sizeof(bytes)}, pool));
    assert_string_equal(text, "Ada L\xc3\xb6we");
}

static void tampered(void **state)
{
    bk_keyring_t *ring = ring_of("k1", KEY);
    bk_bytes_t sealed = seal(ring, "c", "a visit");
    unsigned char *copy = apr_pmemdup(pool, sealed.data, sealed.len);

    (void)state;
    for (size_t i = 0; i < sealed.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            copy[i] ^= (unsigned char)(1 << bit);
            refused(ring, "c", (bk_bytes_t){copy, sealed.len});
            copy[i] ^= (unsigned char)(1 << bit);
        }
    }
    refused(ring, "d", sealed);
    refused(ring, "", sealed);
}

static void truncated(void **state)
{
    bk_keyring_t *ring = ring_of("k1", KEY);
    bk_bytes_t sealed = seal(ring, "c", "a visit");

    (void)state;
    for (size_t n = 0; n < sealed.len; n++) {
        /* A copy of exactly that length, so that the sanitizer sees a read beyond it. */
        unsigned char *cut = malloc(n + 1);
        memcpy(cut, sealed.data, n);
        refused(ring, "c", (bk_bytes_t){cut, n});
        free(cut);
    }
}

static void rotation(void **state)
{
    bk_keyring_t *old = ring_of("k1", KEY), *both = ring_of("k2", OTHER);
    bk_keyring_t *new = ring_of("k2", OTHER);
    bk_bytes_t before = seal(old, "c", "before"), after;
    const char *text;

    (void)state;
    assert_null(ring_add(both, "k1", KEY));
    after = seal(both, "c", "after");
    assert_memory_equal(after.data + 2, "k2", 2);
    assert_null(bk_open(&text, both, "c", before, pool));
    assert_string_equal(text, "before");
    assert_null(bk_open(&text, new, "c", after, pool));
    assert_string_equal(text, "after");
    refused(new, "c", before);
    refused(old, "c", after);
    /* The same id for another key: found, and of no use. */
    refused(ring_of("k1", OTHER), "c", before);
}

/* --- signing ------------------------------------------------------------------------ */

static void sign_known(void **state)
{
    bk_keyring_t *ring = ring_of("k1", KEY);

    (void)state;
    /* Python */
    assert_string_equal(mac_of(ring, "manage token v1", "abc"),
                        "04a1318af427a2624f7eb9c02faa6d5ced0e627fbc6b4102b99d1831e5aa1a50");
    assert_string_equal(bk_lookup_hash(ring, "ada@example.org", pool),
                        "dd5c81b833f5ff53e7147f15942dd9fbed15542ac80daa6dd29a0886368337c5");
}

static void verify(void **state)
{
    bk_keyring_t *old = ring_of("k1", KEY), *both = ring_of("k2", OTHER);
    unsigned char mac[BK_MAC_LEN];

    (void)state;
    assert_null(ring_add(both, "k1", KEY));
    bk_sign(mac, old, "p", "data", 4);
    assert_true(bk_verify(mac, old, "p", "data", 4));
    assert_true(bk_verify(mac, both, "p", "data", 4));
    assert_false(bk_verify(mac, ring_of("k1", OTHER), "p", "data", 4));
    assert_false(bk_verify(mac, bk_keyring_make(pool), "p", "data", 4));
    assert_false(bk_verify(mac, old, "q", "data", 4));
    assert_false(bk_verify(mac, old, "p", "data", 3));
    for (int i = 0; i < BK_MAC_LEN; i++) {
        mac[i] ^= 1;
        assert_false(bk_verify(mac, old, "p", "data", 4));
        mac[i] ^= 1;
    }
}

static void lookup(void **state)
{
    bk_keyring_t *ring = ring_of("k1", KEY);
    const char *hash = bk_lookup_hash(ring, "Ada@Example.ORG", pool);

    (void)state;
    assert_string_equal(hash, bk_lookup_hash(ring, "ada@example.org", pool));
    assert_string_not_equal(hash, bk_lookup_hash(ring, "ada@example.com", pool));
    assert_string_not_equal(hash, bk_lookup_hash(ring_of("k1", OTHER), "ada@example.org", pool));
    /* Letters beyond ASCII are left alone, whatever the locale. */
    assert_string_not_equal(bk_lookup_hash(ring, "\xc3\x96@x.org", pool),
                            bk_lookup_hash(ring, "\xc3\xb6@x.org", pool));
}

static void digest_and_random(void **state)
{
    unsigned char out[32], again[32];

    (void)state;
    bk_sha256(out, "abc", 3); /* FIPS 180-4 */
    assert_string_equal(bk_hex_encode(out, 32, pool),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bk_random(out, sizeof(out));
    bk_random(again, sizeof(again));
    assert_memory_not_equal(out, again, sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(sources),    UNIT(spellings), UNIT(sources_wrong), UNIT(command_fails),
        UNIT(keys_wrong), UNIT(ids),       UNIT(round_trips),   UNIT(nulls),
        UNIT(open_known), UNIT(tampered),  UNIT(truncated),     UNIT(rotation),
        UNIT(sign_known), UNIT(verify),    UNIT(lookup),        UNIT(digest_and_random),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
