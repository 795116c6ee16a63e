/* Building text, and the few encodings the product speaks.
 *
 * A bk_buf_t is a growing byte string in a pool, always NUL-terminated. One thread at a time.
 */
#ifndef BOOKING_TEXT_H
#define BOOKING_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <apr_pools.h>

typedef struct {
    char *s;
    size_t len, cap;
    apr_pool_t *p;
} bk_buf_t;

/* An empty buffer with room for *cap* bytes. */
void bk_buf_init(bk_buf_t *b, size_t cap, apr_pool_t *p);
void bk_buf_add(bk_buf_t *b, const char *s, size_t len);
void bk_buf_puts(bk_buf_t *b, const char *s);
void bk_buf_putc(bk_buf_t *b, char c);
void bk_buf_int(bk_buf_t *b, apr_int64_t n);

/* Adds a JSON string with its quotes, escaped (RFC 8259 7). *s* is UTF-8. */
void bk_buf_json(bk_buf_t *b, const char *s);

/* Lower-case hex of *len* bytes, into the pool. */
char *bk_hex_encode(const unsigned char *in, size_t len, apr_pool_t *p);

/* Exactly *len* bytes from 2 * *len* hex digits, either case; false otherwise. */
bool bk_hex_decode(const char *s, size_t s_len, unsigned char *out, size_t len);

/* Base64url without padding (RFC 4648 5). Decode: NULL when malformed or not canonical. */
char *bk_b64url_encode(const unsigned char *in, size_t len, apr_pool_t *p);
unsigned char *bk_b64url_decode(const char *s, size_t *len, apr_pool_t *p);

/* Decodes %XX (and "+" where *plus*) in place into the pool. NULL when an escape is broken, the
 * result holds a NUL or other control byte, or is not UTF-8. */
char *bk_url_decode(const char *s, size_t len, bool plus, apr_pool_t *p);

/* Whether *len* bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool bk_utf8_valid(const char *s, size_t len);

/* Number of code points of well-formed UTF-8. */
size_t bk_utf8_length(const char *s);

/* A positive decimal without sign, blanks or leading zero, up to APR_INT64_MAX. */
bool bk_int_parse(const char *s, size_t len, apr_int64_t *out);

/* The number of an id written as "456" or with one of the API's prefixes ("meeting_456",
 * "practitioner_456", "therapist_456", ...); *prefix* is the one allowed, without "_". */
bool bk_id_parse(const char *s, const char *prefix, apr_int64_t *out);

#endif
