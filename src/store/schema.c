/* What the schema is, and the statements whose speed is measured. */
#include "booking/store.h"
#include "statements.h"

#include <string.h>

static const bk_stmt_t migration_level = {
    "migration_level", "SELECT coalesce(max(version), 0) FROM booking_migrations"};

bk_err_t *bk_store_migration_level(int *level, bk_db_t *db, apr_pool_t *p)
{
    bk_rows_t *rows;

    BK_TRY(bk_db_run(&rows, db, &migration_level, NULL, p));
    *level = (int)bk_cell_int(rows, 0, 0);
    return NULL;
}

const bk_stmt_t *bk_store_statement(const char *name)
{
    static const bk_stmt_t *const measured[] = {&bk_stmt_busy, &bk_stmt_book, &bk_stmt_user_list};

    for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++) {
        if (strcmp(measured[i]->name, name) == 0) {
            return measured[i];
        }
    }
    return NULL;
}
