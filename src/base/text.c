#include "booking/text.h"

#include <string.h>

#include <apr_strings.h>

void bk_buf_init(bk_buf_t *b, size_t cap, apr_pool_t *p)
{
    b->p = p;
    b->cap = cap ? cap : 1;
    b->len = 0;
    b->s = apr_palloc(p, b->cap);
    b->s[0] = '\0';
}

static void buf_reserve(bk_buf_t *b, size_t more)
{
    char *grown;

    if (b->len + more + 1 <= b->cap) {
        return;
    }
    while (b->cap < b->len + more + 1) {
        b->cap *= 2;
    }
    grown = apr_palloc(b->p, b->cap);
    memcpy(grown, b->s, b->len + 1);
    b->s = grown;
}

void bk_buf_add(bk_buf_t *b, const char *s, size_t len)
{
    buf_reserve(b, len);
    memcpy(b->s + b->len, s, len);
    b->len += len;
    b->s[b->len] = '\0';
}

void bk_buf_puts(bk_buf_t *b, const char *s)
{
    bk_buf_add(b, s, strlen(s));
}

void bk_buf_putc(bk_buf_t *b, char c)
{
    bk_buf_add(b, &c, 1);
}

void bk_buf_int(bk_buf_t *b, apr_int64_t n)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    apr_uint64_t u = n < 0 ? -(apr_uint64_t)n : (apr_uint64_t)n;

    do {
        *--at = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (n < 0) {
        *--at = '-';
    }
    bk_buf_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

static void json_escape(bk_buf_t *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[] = "btn\0fr"; /* 0x08 .. 0x0d; 0x0b has no short form */
    char out[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    if (c == '"' || c == '\\') {
        out[1] = (char)c;
        bk_buf_add(b, out, 2);
    }
    else if (c >= 0x08 && c <= 0x0d && names[c - 0x08]) {
        out[1] = names[c - 0x08];
        bk_buf_add(b, out, 2);
    }
    else {
        bk_buf_add(b, out, 6);
    }
}

void bk_buf_json(bk_buf_t *b, const char *s)
{
    const char *run = s;

    bk_buf_putc(b, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
            bk_buf_add(b, run, (size_t)(s - run));
            json_escape(b, c);
            run = s + 1;
        }
    }
    bk_buf_add(b, run, (size_t)(s - run));
    bk_buf_putc(b, '"');
}

char *bk_hex_encode(const unsigned char *in, size_t len, apr_pool_t *p)
{
    static const char hex[] = "0123456789abcdef";
    char *out = apr_palloc(p, len * 2 + 1);

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = hex[in[i] >> 4];
        out[2 * i + 1] = hex[in[i] & 15];
    }
    out[len * 2] = '\0';
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool bk_hex_decode(const char *s, size_t s_len, unsigned char *out, size_t len)
{
    if (s_len != len * 2) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int hi = hex_value(s[2 * i]), lo = hex_value(s[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return false;
        }
        out[i] = (unsigned char)(hi << 4 | lo);
    }
    return true;
}

static const char b64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *bk_b64url_encode(const unsigned char *in, size_t len, apr_pool_t *p)
{
    char *out = apr_palloc(p, len * 4 / 3 + 4), *o = out;
    unsigned acc = 0;
    int bits = 0;

    for (size_t i = 0; i < len; i++) {
        acc = acc << 8 | in[i];
        for (bits += 8; bits >= 6; bits -= 6) {
            *o++ = b64url[acc >> (bits - 6) & 63];
        }
    }
    if (bits) {
        *o++ = b64url[acc << (6 - bits) & 63];
    }
    *o = '\0';
    return out;
}

unsigned char *bk_b64url_decode(const char *s, size_t *len, apr_pool_t *p)
{
    size_t n = strlen(s);
    unsigned char *out = apr_palloc(p, n * 3 / 4 + 1), *o = out;
    unsigned acc = 0;
    int bits = 0;

    for (size_t i = 0; i < n; i++) {
        const char *at = strchr(b64url, s[i]);
        if (!at) {
            return NULL;
        }
        acc = acc << 6 | (unsigned)(at - b64url);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *o++ = (unsigned char)(acc >> bits & 255);
        }
    }
    /* Left-over bits must be zero, or two texts would mean the same bytes. */
    if (bits >= 6 || (acc & ((1u << bits) - 1))) {
        return NULL;
    }
    *len = (size_t)(o - out);
    return out;
}

char *bk_url_decode(const char *s, size_t len, bool plus, apr_pool_t *p)
{
    char *out = apr_palloc(p, len + 1), *o = out;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '%') {
            if (i + 2 >= len || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0) {
                return NULL;
            }
            c = (unsigned char)(hex_value(s[i + 1]) << 4 | hex_value(s[i + 2]));
            i += 2;
        }
        else if (c == '+' && plus) {
            c = ' ';
        }
        if (c < 0x20 || c == 0x7f) {
            return NULL;
        }
        *o++ = (char)c;
    }
    *o = '\0';
    return bk_utf8_valid(out, (size_t)(o - out)) ? out : NULL;
}

/* Length of the sequence that starts at s, 0 when it is not well-formed. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3
             : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0; /* overlong, surrogate, beyond U+10FFFF */
    }
    return n;
}

bool bk_utf8_valid(const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_sequence((const unsigned char *)s + i, len - i);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

size_t bk_utf8_length(const char *s)
{
    size_t n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

bool bk_int_parse(const char *s, size_t len, apr_int64_t *out)
{
    apr_uint64_t n = 0;

    if (len == 0 || len > 19 || (s[0] == '0' && len > 1)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        n = n * 10 + (apr_uint64_t)(s[i] - '0');
    }
    if (n > APR_INT64_MAX) {
        return false;
    }
    *out = (apr_int64_t)n;
    return true;
}

bool bk_id_parse(const char *s, const char *prefix, apr_int64_t *out)
{
    size_t n = prefix ? strlen(prefix) : 0;

    if (n && strncmp(s, prefix, n) == 0 && s[n] == '_') {
        s += n + 1;
    }
    return bk_int_parse(s, strlen(s), out) && *out > 0;
}
