/* First answers, kept under an Idempotency-Key. */
#include "booking/store.h"

#include <string.h>

/* Old keys go with each new one, a few at a time, so that no job is needed to keep the table
 * small. */
static const bk_stmt_t keys_purge = {
    "keys_purge",
    "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY("
    "    SELECT ctid FROM idempotency_keys WHERE created_at < $1 - interval '24 hours'"
    "     ORDER BY created_at LIMIT 8 FOR UPDATE SKIP LOCKED))"};

static const bk_stmt_t key_forget = {
    "key_forget",
    "DELETE FROM idempotency_keys"
    " WHERE scope = $1 AND key = $2 AND created_at < $3 - interval '24 hours'"};

static const bk_stmt_t key_claim = {
    "key_claim",
    "INSERT INTO idempotency_keys (scope, key, request_hash, created_at) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT DO NOTHING RETURNING 1"};

static const bk_stmt_t key_find = {
    "key_find",
    "SELECT request_hash, status, location, response_sealed FROM idempotency_keys"
    " WHERE scope = $1 AND key = $2"};

static const bk_stmt_t key_answer = {
    "key_answer",
    "UPDATE idempotency_keys SET status = $3, location = $4, response_sealed = $5"
    " WHERE scope = $1 AND key = $2"};

static bk_err_t *key_load(bool *found, bk_first_answer_t *first, bk_db_t *db, const char *scope,
                          const char *key, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;
    bk_bytes_t hash;

    bk_arg_text(&a, scope);
    bk_arg_text(&a, key);
    BK_TRY(bk_db_run(&rows, db, &key_find, &a, p));
    *found = bk_rows_count(rows) == 1;
    if (*found) {
        hash = bk_cell_bytes(rows, 0, 0);
        memset(first, 0, sizeof(*first));
        if (hash.len == sizeof(first->request_hash)) {
            memcpy(first->request_hash, hash.data, hash.len);
        }
        first->status = (int)bk_cell_int(rows, 0, 1);
        first->location = bk_cell_text(rows, 0, 2);
        first->response_sealed = bk_cell_bytes(rows, 0, 3);
    }
    return NULL;
}

bk_err_t *bk_store_key_claim(bool *claimed, bk_first_answer_t *first, bk_db_t *db,
                             const char *scope, const char *key,
                             const unsigned char request_hash[32], bk_time_t now, apr_pool_t *p)
{
    bk_args_t purge = {0}, forget = {0}, claim = {0};
    bk_rows_t *rows;
    bool found = false;

    bk_arg_time(&purge, now);
    bk_arg_text(&forget, scope);
    bk_arg_text(&forget, key);
    bk_arg_time(&forget, now);
    bk_arg_text(&claim, scope);
    bk_arg_text(&claim, key);
    bk_arg_bytes(&claim, (bk_bytes_t){request_hash, 32});
    bk_arg_time(&claim, now);
    BK_TRY(bk_db_run(NULL, db, &keys_purge, &purge, p));
    BK_TRY(bk_db_run(NULL, db, &key_forget, &forget, p));
    /* Whoever held the key may have rolled back or been purged between the two statements. */
    for (int try = 0; try < 3 && !found; try++) {
        BK_TRY(bk_db_run(&rows, db, &key_claim, &claim, p));
        *claimed = bk_rows_count(rows) == 1;
        if (*claimed) {
            return NULL;
        }
        BK_TRY(key_load(&found, first, db, scope, key, p));
    }
    return found ? NULL : bk_err_make(BK_E_UNAVAILABLE, p, "an idempotency key keeps changing");
}

bk_err_t *bk_store_key_answer(bk_db_t *db, const char *scope, const char *key, int status,
                              const char *location, bk_bytes_t response_sealed, apr_pool_t *p)
{
    bk_args_t a = {0};

    bk_arg_text(&a, scope);
    bk_arg_text(&a, key);
    bk_arg_int4(&a, status);
    bk_arg_text(&a, location);
    bk_arg_bytes(&a, response_sealed);
    return bk_db_run(NULL, db, &key_answer, &a, p);
}
