#include "booking/crypto.h"

#include <stdlib.h>
#include <string.h>

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

#include "booking/text.h"

#define MAX_KEYS 16
#define ID_MAX 32
#define NONCE_LEN 12
#define TAG_LEN 16
#define SEAL_VERSION 1

typedef struct {
    char id[ID_MAX + 1];
    unsigned char seal[BK_KEY_LEN], sign[BK_KEY_LEN];
} bk_ring_key_t;

struct bk_keyring_t {
    bk_ring_key_t keys[MAX_KEYS];
    int n;
};

static apr_status_t keyring_wipe(void *ring)
{
    OPENSSL_cleanse(ring, sizeof(bk_keyring_t));
    return APR_SUCCESS;
}

bk_keyring_t *bk_keyring_make(apr_pool_t *p)
{
    bk_keyring_t *ring = apr_pcalloc(p, sizeof(*ring));

    apr_pool_cleanup_register(p, ring, keyring_wipe, apr_pool_cleanup_null);
    return ring;
}

int bk_keyring_count(const bk_keyring_t *ring)
{
    return ring->n;
}

/* --- where a key comes from ---------------------------------------------------------- */

/* What a file or pipe holds, without white space around it. */
static char *text_read(apr_file_t *f, apr_pool_t *p)
{
    char buf[512];
    apr_size_t len = sizeof(buf) - 1;
    char *text, *end;

    if (apr_file_read_full(f, buf, sizeof(buf) - 1, &len) != APR_SUCCESS && len == 0) {
        return NULL;
    }
    text = apr_pstrmemdup(p, buf, len);
    OPENSSL_cleanse(buf, sizeof(buf));
    end = text + strlen(text);
    while (end > text && apr_isspace(end[-1])) {
        *--end = '\0';
    }
    return text + strspn(text, " \t\r\n");
}

static const char *from_file(char **text, const char *path, apr_pool_t *p)
{
    apr_file_t *f;
    char why[120];
    apr_status_t rv = apr_file_open(&f, path, APR_READ, APR_OS_DEFAULT, p);

    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "the key file %s cannot be read: %s", path,
                            apr_strerror(rv, why, sizeof(why)));
    }
    *text = text_read(f, p);
    apr_file_close(f);
    return *text ? NULL : apr_psprintf(p, "the key file %s is empty", path);
}

static const char *from_command(char **text, const char *command, apr_pool_t *p)
{
    char **argv;
    apr_procattr_t *attr;
    apr_proc_t proc;
    apr_exit_why_e why;
    int code = 0;

    apr_tokenize_to_argv(command, &argv, p);
    if (!argv[0] || apr_procattr_create(&attr, p) != APR_SUCCESS ||
        apr_procattr_io_set(attr, APR_NO_PIPE, APR_FULL_BLOCK, APR_NO_PIPE) != APR_SUCCESS ||
        apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV) != APR_SUCCESS ||
        apr_proc_create(&proc, argv[0], (const char *const *)argv, NULL, attr, p) !=
            APR_SUCCESS) {
        return apr_psprintf(p, "the key command %s cannot be started", command);
    }
    *text = text_read(proc.out, p);
    apr_file_close(proc.out);
    apr_proc_wait(&proc, &code, &why, APR_WAIT);
    if (!*text || code != 0) {
        return apr_psprintf(p, "the key command %s failed or printed nothing", command);
    }
    return NULL;
}

static const char *source_text(char **text, const char *source, apr_pool_t *p)
{
    if (strncmp(source, "file:", 5) == 0) {
        return from_file(text, source + 5, p);
    }
    if (strncmp(source, "exec:", 5) == 0) {
        return from_command(text, source + 5, p);
    }
    if (strncmp(source, "env:", 4) == 0) {
        const char *value = getenv(source + 4);
        if (!value || !*value) {
            return apr_psprintf(p, "the environment variable %s is not set", source + 4);
        }
        *text = apr_pstrdup(p, value);
        return NULL;
    }
    return "the source must be file:/path, env:NAME or exec:/command";
}

/* Hex, base64 or base64url. What is copied on the way is wiped. */
static bool key_parse(const char *text, unsigned char out[BK_KEY_LEN], apr_pool_t *p)
{
    size_t text_len = strlen(text), len = 0;
    char *url;
    unsigned char *bytes;
    bool ok;

    if (bk_hex_decode(text, text_len, out, BK_KEY_LEN)) {
        return true;
    }
    url = apr_pstrdup(p, text);
    for (char *c = url; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
    }
    bytes = bk_b64url_decode(url, &len, p);
    ok = bytes && len == BK_KEY_LEN;
    if (ok) {
        memcpy(out, bytes, BK_KEY_LEN);
    }
    if (bytes) {
        OPENSSL_cleanse(bytes, len);
    }
    OPENSSL_cleanse(url, text_len);
    return ok;
}

static bool derive(unsigned char out[BK_KEY_LEN], const unsigned char *key, const char *info)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    size_t len = BK_KEY_LEN;
    bool ok = ctx && EVP_PKEY_derive_init(ctx) > 0 &&
              EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) > 0 &&
              EVP_PKEY_CTX_set1_hkdf_key(ctx, key, BK_KEY_LEN) > 0 &&
              EVP_PKEY_CTX_add1_hkdf_info(ctx, (const unsigned char *)info,
                                          (int)strlen(info)) > 0 &&
              EVP_PKEY_derive(ctx, out, &len) > 0;

    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool id_valid(const char *id)
{
    size_t n = strlen(id);

    return n >= 1 && n <= ID_MAX &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

const char *bk_keyring_add(bk_keyring_t *ring, const char *id, const char *source, apr_pool_t *p)
{
    unsigned char key[BK_KEY_LEN];
    bk_ring_key_t *slot = &ring->keys[ring->n];
    char *text = NULL;
    const char *wrong;
    bool ok;

    if (!id_valid(id)) {
        return "the key id must be 1 to 32 letters, digits, '.', '_' or '-'";
    }
    if (ring->n == MAX_KEYS) {
        return apr_psprintf(p, "there can be at most %d keys", MAX_KEYS);
    }
    for (int i = 0; i < ring->n; i++) {
        if (strcmp(ring->keys[i].id, id) == 0) {
            return apr_psprintf(p, "the key id %s is used twice", id);
        }
    }
    wrong = source_text(&text, source, p);
    if (wrong) {
        return wrong;
    }
    ok = key_parse(text, key, p) && derive(slot->seal, key, "mod_booking seal v1") &&
         derive(slot->sign, key, "mod_booking sign v1");
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(text, strlen(text));
    if (!ok) {
        return "the key must be 32 bytes, as 64 hex digits or base64 (bookingctl key new)";
    }
    apr_cpystrn(slot->id, id, sizeof(slot->id));
    ring->n++;
    return NULL;
}

/* --- sealing ------------------------------------------------------------------------- */

/* Layout: version (1), id length (1), id, nonce (12), ciphertext, tag (16). */
bk_err_t *bk_seal(bk_bytes_t *out, const bk_keyring_t *ring, const char *context,
                  const char *text, apr_pool_t *p)
{
    const bk_ring_key_t *key = &ring->keys[0];
    size_t id_len = strlen(key->id), len = text ? strlen(text) : 0, head = 2 + id_len + NONCE_LEN;
    unsigned char *bytes = apr_palloc(p, head + len + TAG_LEN);
    EVP_CIPHER_CTX *ctx;
    int n = 0;
    bool ok;

    *out = (bk_bytes_t){NULL, 0};
    if (!text) {
        return NULL;
    }
    bytes[0] = SEAL_VERSION;
    bytes[1] = (unsigned char)id_len;
    memcpy(bytes + 2, key->id, id_len);
    bk_random(bytes + 2 + id_len, NONCE_LEN);
    ctx = EVP_CIPHER_CTX_new();
    ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->seal, bytes + 2 + id_len) &&
         EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)context, (int)strlen(context)) &&
         EVP_EncryptUpdate(ctx, bytes + head, &n, (const unsigned char *)text, (int)len) &&
         EVP_EncryptFinal_ex(ctx, bytes + head + len, &n) &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, bytes + head + len);
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        return bk_err_make(BK_E_INTERNAL, p, "sealing failed");
    }
    *out = (bk_bytes_t){bytes, head + len + TAG_LEN};
    return NULL;
}

static const bk_ring_key_t *key_of(const bk_keyring_t *ring, bk_bytes_t sealed, size_t *head)
{
    size_t id_len = sealed.len > 2 ? sealed.data[1] : 0;

    *head = 2 + id_len + NONCE_LEN;
    if (sealed.len < *head + TAG_LEN || sealed.data[0] != SEAL_VERSION) {
        return NULL;
    }
    for (int i = 0; i < ring->n; i++) {
        if (strlen(ring->keys[i].id) == id_len &&
            memcmp(ring->keys[i].id, sealed.data + 2, id_len) == 0) {
            return &ring->keys[i];
        }
    }
    return NULL;
}

bk_err_t *bk_open(const char **text, const bk_keyring_t *ring, const char *context,
                  bk_bytes_t sealed, apr_pool_t *p)
{
    size_t head = 0, len;
    const bk_ring_key_t *key;
    unsigned char *plain, tag[TAG_LEN];
    EVP_CIPHER_CTX *ctx;
    int n = 0;
    bool ok;

    *text = NULL;
    if (!sealed.data) {
        return NULL;
    }
    key = key_of(ring, sealed, &head);
    if (!key) {
        return bk_err_make(BK_E_INTERNAL, p, "%.*s is sealed with a key that is not configured",
                           (int)strcspn(context, ":"), context);
    }
    len = sealed.len - head - TAG_LEN;
    plain = apr_palloc(p, len + 1);
    memcpy(tag, sealed.data + head + len, TAG_LEN);
    ctx = EVP_CIPHER_CTX_new();
    ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->seal,
                                   sealed.data + head - NONCE_LEN) &&
         EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)context, (int)strlen(context)) &&
         EVP_DecryptUpdate(ctx, plain, &n, sealed.data + head, (int)len) &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) &&
         EVP_DecryptFinal_ex(ctx, plain + len, &n) > 0;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        return bk_err_make(BK_E_INTERNAL, p, "%.*s was changed after it was sealed",
                           (int)strcspn(context, ":"), context);
    }
    plain[len] = '\0';
    *text = (const char *)plain;
    return NULL;
}

/* --- signing ------------------------------------------------------------------------- */

static void mac_make(unsigned char mac[BK_MAC_LEN], const bk_ring_key_t *key, const char *purpose,
                     const void *data, size_t len)
{
    unsigned char sub[BK_MAC_LEN];
    unsigned n = BK_MAC_LEN;

    /* A key per purpose, so that no two purposes can be mistaken for one another. */
    HMAC(EVP_sha256(), key->sign, BK_KEY_LEN, (const unsigned char *)purpose, strlen(purpose),
         sub, &n);
    HMAC(EVP_sha256(), sub, BK_MAC_LEN, data, len, mac, &n);
    OPENSSL_cleanse(sub, sizeof(sub));
}

void bk_sign(unsigned char mac[BK_MAC_LEN], const bk_keyring_t *ring, const char *purpose,
             const void *data, size_t len)
{
    mac_make(mac, &ring->keys[0], purpose, data, len);
}

bool bk_verify(const unsigned char mac[BK_MAC_LEN], const bk_keyring_t *ring, const char *purpose,
               const void *data, size_t len)
{
    unsigned char ours[BK_MAC_LEN];
    bool good = false;

    for (int i = 0; i < ring->n; i++) {
        mac_make(ours, &ring->keys[i], purpose, data, len);
        good |= CRYPTO_memcmp(ours, mac, BK_MAC_LEN) == 0;
    }
    return good;
}

const char *bk_lookup_hash(const bk_keyring_t *ring, const char *email, apr_pool_t *p)
{
    unsigned char mac[BK_MAC_LEN];
    char *lower = apr_pstrdup(p, email);

    for (char *c = lower; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    bk_sign(mac, ring, "lookup email", lower, strlen(lower));
    return bk_hex_encode(mac, BK_MAC_LEN, p);
}

void bk_sha256(unsigned char out[32], const void *data, size_t len)
{
    EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL);
}

void bk_random(void *out, size_t len)
{
    if (RAND_bytes(out, (int)len) != 1) {
        abort();
    }
}
