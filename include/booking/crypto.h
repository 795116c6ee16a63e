/* Keys, sealing and signing. OpenSSL is named in crypto.c alone.
 *
 * A keyring holds the site's keys; the first one seals, all of them open. From each key two
 * others are derived (HKDF-SHA256, RFC 5869), so that sealing and signing never share one. A
 * keyring is built once and read-only after; all functions may be called from any thread.
 */
#ifndef BOOKING_CRYPTO_H
#define BOOKING_CRYPTO_H

#include "booking/error.h"

#define BK_KEY_LEN 32
#define BK_MAC_LEN 32

typedef struct bk_keyring_t bk_keyring_t;

/* An empty keyring, wiped when *p* goes. */
bk_keyring_t *bk_keyring_make(apr_pool_t *p);

/* Adds a key. *id*: 1 to 32 of [A-Za-z0-9._-], unique. *source*: "file:/path", "env:NAME" or
 * "exec:/command args" (no shell), giving 32 bytes as 64 hex digits or base64. Returns NULL or
 * what is wrong, a sentence for the administrator that never holds the key. */
const char *bk_keyring_add(bk_keyring_t *ring, const char *id, const char *source, apr_pool_t *p);

int bk_keyring_count(const bk_keyring_t *ring);

typedef struct {
    const unsigned char *data; /* NULL: SQL NULL */
    size_t len;
} bk_bytes_t;

/* Seals text with AES-256-GCM (NIST SP 800-38D): version, key id, random 96-bit nonce,
 * ciphertext, tag. *context* names the row and column and must be given again to open. NULL text
 * gives NULL bytes. */
bk_err_t *bk_seal(bk_bytes_t *out, const bk_keyring_t *ring, const char *context,
                  const char *text, apr_pool_t *p);

/* Opens what bk_seal made; NULL bytes give NULL text. INTERNAL when the key is not in the ring or
 * the bytes were changed. */
bk_err_t *bk_open(const char **text, const bk_keyring_t *ring, const char *context,
                  bk_bytes_t sealed, apr_pool_t *p);

/* HMAC-SHA256 (RFC 2104) under the current key, separated by *purpose*. */
void bk_sign(unsigned char mac[BK_MAC_LEN], const bk_keyring_t *ring, const char *purpose,
             const void *data, size_t len);

/* Whether *mac* is what bk_sign gives under any key of the ring; constant time in the bytes. */
bool bk_verify(const unsigned char mac[BK_MAC_LEN], const bk_keyring_t *ring, const char *purpose,
               const void *data, size_t len);

/* Keyed hash for look-ups, 64 hex digits; of an e-mail address in lower case. */
const char *bk_lookup_hash(const bk_keyring_t *ring, const char *email, apr_pool_t *p);

void bk_sha256(unsigned char out[32], const void *data, size_t len);

/* Cryptographically random bytes; aborts the process when the system has none. */
void bk_random(void *out, size_t len);

#endif
