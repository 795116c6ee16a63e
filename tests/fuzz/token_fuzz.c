/* Manage tokens: nothing is good but what was signed, which is the token of the corpus. */
#include "fuzz.h"

#include "../unit/host.h"

const char fuzz_name[] = "token";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char uid[16] = {1, 2, 3};
    static const bk_keyring_t *keys;
    apr_pool_t *p = fuzz_pool();
    const char *token = apr_pstrmemdup(p, (const char *)data, size);
    bk_ctx_t ctx = {.p = p, .now = HOST_NOW, .manage_ttl_s = BK_DAY_S};
    unsigned char found[16];

    if (!keys) {
        keys = host_keys("k1", HOST_KEY, fuzz_process());
    }
    ctx.keys = keys;
    if (bk_manage_check(&ctx, token, found)) {
        FUZZ_EXPECT(memcmp(found, uid, sizeof(uid)) == 0);
        FUZZ_EXPECT(strcmp(token, bk_manage_token(&ctx, uid, HOST_NOW)) == 0);
    }
    return 0;
}
