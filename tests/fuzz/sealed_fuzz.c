/* Sealed columns: bytes of any making open to nothing, and any text opens to itself. */
#include "fuzz.h"

#include "../unit/host.h"

const char fuzz_name[] = "sealed";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bk_keyring_t *keys;
    apr_pool_t *p = fuzz_pool();
    const char *text = apr_pstrmemdup(p, (const char *)data, size), *back = NULL;
    bk_bytes_t sealed;

    if (!keys) {
        keys = host_keys("k1", HOST_KEY, fuzz_process());
    }
    if (bk_open(&back, keys, "another row", (bk_bytes_t){data, size}, p)) {
        FUZZ_EXPECT(back == NULL);
    }
    FUZZ_EXPECT(!bk_seal(&sealed, keys, "c", text, p));
    FUZZ_EXPECT(!bk_open(&back, keys, "c", sealed, p) && strcmp(back, text) == 0);
    return 0;
}
