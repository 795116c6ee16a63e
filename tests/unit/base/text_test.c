#include "../unit.h"

#include <stdlib.h>

#include "booking/text.h"

/* --- buffers ------------------------------------------------------------------------ */

static const char *json_of(const char *s)
{
    bk_buf_t b;

    bk_buf_init(&b, 0, pool);
    bk_buf_json(&b, s);
    assert_int_equal(b.len, strlen(b.s));
    return b.s;
}

static const char *int_of(apr_int64_t n)
{
    bk_buf_t b;

    bk_buf_init(&b, 1, pool);
    bk_buf_int(&b, n);
    return b.s;
}

static void buffers_grow(void **state)
{
    bk_buf_t b;

    (void)state;
    bk_buf_init(&b, 0, pool);
    assert_string_equal(b.s, "");
    for (int i = 0; i < 1000; i++) {
        bk_buf_puts(&b, "abc");
        bk_buf_putc(&b, 'd');
        bk_buf_add(&b, "efgh", 2);
    }
    assert_int_equal(b.len, 6000);
    assert_int_equal(strlen(b.s), 6000);
    for (int i = 0; i < 6000; i++) {
        assert_int_equal(b.s[i], "abcdef"[i % 6]);
    }
}

static void integers(void **state)
{
    (void)state;
    assert_string_equal(int_of(0), "0");
    assert_string_equal(int_of(-1), "-1");
    assert_string_equal(int_of(1000000), "1000000");
    assert_string_equal(int_of(APR_INT64_MAX), "9223372036854775807");
    assert_string_equal(int_of(APR_INT64_MIN), "-9223372036854775808");
}

static void json_strings(void **state)
{
    (void)state;
    assert_string_equal(json_of(""), "\"\"");
    assert_string_equal(json_of("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    assert_string_equal(json_of("\b\t\n\v\f\r"), "\"\\b\\t\\n\\u000b\\f\\r\"");
    assert_string_equal(json_of("\x01\x1f\x7f"), "\"\\u0001\\u001f\\u007f\"");
    assert_string_equal(json_of("L\xc3\xb6we \xf0\x9f\xa6\x81"),
                        "\"L\xc3\xb6we \xf0\x9f\xa6\x81\"");
}

/* --- hex and base64url -------------------------------------------------------------- */

static void hex(void **state)
{
    const unsigned char bytes[] = {0, 0x1f, 0xa0, 0xff};
    unsigned char out[4];

    (void)state;
    assert_string_equal(bk_hex_encode(bytes, 4, pool), "001fa0ff");
    assert_string_equal(bk_hex_encode(bytes, 0, pool), "");
    assert_true(bk_hex_decode("001fA0fF", 8, out, 4));
    assert_memory_equal(out, bytes, 4);
    assert_true(bk_hex_decode("", 0, out, 0));
    assert_false(bk_hex_decode("001fa0f", 7, out, 4));
    assert_false(bk_hex_decode("001fa0ff0", 9, out, 4));
    assert_false(bk_hex_decode("001fa0fg", 8, out, 4));
    assert_false(bk_hex_decode("/01fa0ff", 8, out, 4));
    assert_false(bk_hex_decode("00:1fa0f", 8, out, 4));
}

/* RFC 4648 10, without the padding; and the two characters that make it base64url. */
static void base64url_known(void **state)
{
    static const char *const vectors[][2] = {{"", ""},         {"f", "Zg"},
                                             {"fo", "Zm8"},    {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"},
                                             {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const char *plain = vectors[i][0], *coded = vectors[i][1];
        size_t len = 99;
        unsigned char *back = bk_b64url_decode(coded, &len, pool);
        assert_string_equal(bk_b64url_encode((const unsigned char *)plain, strlen(plain), pool),
                            coded);
        assert_non_null(back);
        assert_int_equal(len, strlen(plain));
        assert_memory_equal(back, plain, len);
    }
}

static void base64url_refused(void **state)
{
    static const char *const bad[] = {"A",    "AAAAA", "Zg==", "Zh",   "Zm9", "Zm8=", "+/8",
                                      "Z g",  "Zg\n",  "Zm9v\xc3", "Zm9vY"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t len;
        assert_null(bk_b64url_decode(bad[i], &len, pool));
    }
}

/* Whatever decodes is what encoding its bytes gives: no two texts mean the same. */
static void base64url_canonical(void **state)
{
    unsigned char bytes[70];

    (void)state;
    srand(7);
    for (size_t n = 0; n < sizeof(bytes); n++) {
        size_t len;
        const char *coded;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (unsigned char)rand();
        }
        coded = bk_b64url_encode(bytes, n, pool);
        assert_memory_equal(bk_b64url_decode(coded, &len, pool), bytes, n);
        assert_int_equal(len, n);
    }
}

/* --- URLs and UTF-8 ----------------------------------------------------------------- */

static const char *url(const char *s, bool plus)
{
    return bk_url_decode(s, strlen(s), plus, pool);
}

static void urls(void **state)
{
    static const char *const bad[] = {"%", "%4", "a%zz", "%0", "%00", "%1f", "%7F", "a\tb",
                                      "%ff", "%c3", "%c3%28", "%ed%a0%80", "\xff"};

    (void)state;
    assert_string_equal(url("", false), "");
    assert_string_equal(url("a+b%20c%2Bd", true), "a b c+d");
    assert_string_equal(url("a+b", false), "a+b");
    assert_string_equal(url("L%C3%b6we", false), "L\xc3\xb6we");
    assert_string_equal(url("%2525", false), "%25");
    assert_string_equal(bk_url_decode("ab%41cd", 5, false, pool), "abA");
    /* An escape that the length cuts off is broken even where the bytes go on. */
    assert_null(bk_url_decode("ab%41", 4, false, pool));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(url(bad[i], true));
    }
}

static void utf8(void **state)
{
    static const char *const good[] = {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
                                       "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x7f",
                                      "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80", "\xff", "a\xfe"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(bk_utf8_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(bk_utf8_valid(bad[i], strlen(bad[i])));
    }
    assert_true(bk_utf8_valid("a\0b", 3));
    assert_false(bk_utf8_valid("\xc3\xb6", 1));
    assert_int_equal(bk_utf8_length(""), 0);
    assert_int_equal(bk_utf8_length("L\xc3\xb6we \xf0\x9f\xa6\x81"), 6);
}

/* --- numbers and ids ---------------------------------------------------------------- */

static void numbers(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "00", "01", "1.0", "1e3", "0x1",
                                      "9223372036854775808", "9999999999999999999",
                                      "10000000000000000000", "\xd9\xa1"};
    apr_int64_t n = 0;

    (void)state;
    assert_true(bk_int_parse("0", 1, &n));
    assert_int_equal(n, 0);
    assert_true(bk_int_parse("9223372036854775807", 19, &n));
    assert_int_equal(n, APR_INT64_MAX);
    assert_true(bk_int_parse("123456", 3, &n));
    assert_int_equal(n, 123);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        n = -5;
        assert_false(bk_int_parse(bad[i], strlen(bad[i]), &n));
        assert_int_equal(n, -5);
    }
}

static void ids(void **state)
{
    static const char *const bad[] = {"", "0", "meeting_", "meeting_0", "meeting_01", "meeting456",
                                      "booking_456", "Meeting_456", "meeting_meeting_456", "_456"};
    apr_int64_t id;

    (void)state;
    assert_true(bk_id_parse("456", "meeting", &id));
    assert_int_equal(id, 456);
    assert_true(bk_id_parse("meeting_7", "meeting", &id));
    assert_int_equal(id, 7);
    assert_true(bk_id_parse("8", NULL, &id));
    assert_int_equal(id, 8);
    assert_false(bk_id_parse("meeting_8", NULL, &id));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(bk_id_parse(bad[i], "meeting", &id));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(buffers_grow),      UNIT(integers),            UNIT(json_strings),
        UNIT(hex),               UNIT(base64url_known),     UNIT(base64url_refused),
        UNIT(base64url_canonical), UNIT(urls),              UNIT(utf8),
        UNIT(numbers),           UNIT(ids),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
