#include "booking/domain.h"

#include <string.h>

#include <apr_strings.h>

#define PREFIX "mt_"
#define PURPOSE "manage token v1"

/* uid, end of validity (seconds, big endian), MAC of both. */
enum { UID_LEN = 16, SIGNED_LEN = UID_LEN + 8, TOKEN_LEN = SIGNED_LEN + BK_MAC_LEN };

const char *bk_manage_token(const bk_ctx_t *ctx, const unsigned char uid[16], bk_time_t ends_at)
{
    unsigned char bytes[TOKEN_LEN];
    bk_time_t until = ends_at + ctx->manage_ttl_s;

    memcpy(bytes, uid, UID_LEN);
    for (int i = 0; i < 8; i++) {
        bytes[UID_LEN + i] = (unsigned char)((apr_uint64_t)until >> (56 - 8 * i) & 255);
    }
    bk_sign(bytes + SIGNED_LEN, ctx->keys, PURPOSE, bytes, SIGNED_LEN);
    return apr_pstrcat(ctx->p, PREFIX, bk_b64url_encode(bytes, TOKEN_LEN, ctx->p), NULL);
}

bool bk_manage_check(const bk_ctx_t *ctx, const char *token, unsigned char uid[16])
{
    size_t len = 0;
    unsigned char *bytes;
    apr_uint64_t until = 0;

    if (strncmp(token, PREFIX, sizeof(PREFIX) - 1) != 0 || strlen(token) > 2 * TOKEN_LEN) {
        return false;
    }
    bytes = bk_b64url_decode(token + sizeof(PREFIX) - 1, &len, ctx->p);
    if (!bytes || len != TOKEN_LEN ||
        !bk_verify(bytes + SIGNED_LEN, ctx->keys, PURPOSE, bytes, SIGNED_LEN)) {
        return false;
    }
    for (int i = 0; i < 8; i++) {
        until = until << 8 | bytes[UID_LEN + i];
    }
    memcpy(uid, bytes, UID_LEN);
    return ctx->now <= (bk_time_t)until;
}
