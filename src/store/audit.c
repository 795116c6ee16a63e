/* The audit of what is not a visit: visits write theirs in their own statements. */
#include "booking/store.h"

static const bk_stmt_t audit_insert = {
    "audit_insert",
    "INSERT INTO audit_log (actor, actor_role, request_id, action, practitioner_id)"
    " VALUES ($1, $2, $3, $4, $5)"};

bk_err_t *bk_store_audit(bk_db_t *db, const bk_actor_t *actor, const char *action,
                         apr_int64_t practitioner_id, apr_pool_t *p)
{
    bk_args_t a = {0};

    bk_arg_text(&a, actor->user_id);
    bk_arg_text(&a, actor->role);
    bk_arg_text(&a, actor->request_id);
    bk_arg_text(&a, action);
    bk_arg_int(&a, practitioner_id);
    return bk_db_run(NULL, db, &audit_insert, &a, p);
}
