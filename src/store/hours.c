/* Weekly hours and date overrides. */
#include "booking/store.h"

#include <apr_strings.h>

#define HOURS_COLUMNS                                                                  \
    " id, practitioner_id, day_of_week, start_time, end_time, slot_duration_minutes,"  \
    " is_available, notes"
enum { H_ID, H_PRACTITIONER, H_DAY, H_START, H_END, H_SLOT, H_AVAILABLE, H_NOTES };

#define OVERRIDE_COLUMNS                                                               \
    " id, practitioner_id, date, closed, start_time, end_time, slot_duration_minutes, note"
enum { O_ID, O_PRACTITIONER, O_DATE, O_CLOSED, O_START, O_END, O_SLOT, O_NOTE };

static const bk_stmt_t hours_list = {
    "hours_list",
    "SELECT" HOURS_COLUMNS " FROM practitioner_schedules WHERE practitioner_id = $1"
    " ORDER BY day_of_week, start_time, id"};

static const bk_stmt_t hours_insert = {
    "hours_insert",
    "INSERT INTO practitioner_schedules (practitioner_id, day_of_week, start_time, end_time,"
    "       slot_duration_minutes, is_available, notes) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " RETURNING id"};

static const bk_stmt_t hours_replace = {
    "hours_replace",
    "UPDATE practitioner_schedules SET day_of_week = $2, start_time = $3, end_time = $4,"
    "       slot_duration_minutes = $5, is_available = $6, notes = $7"
    " WHERE practitioner_id = $1 AND id = $8 RETURNING id"};

static const bk_stmt_t hours_delete = {
    "hours_delete",
    "DELETE FROM practitioner_schedules WHERE practitioner_id = $1 AND id = $2 RETURNING id"};

static const bk_stmt_t overrides_list = {
    "overrides_list",
    "SELECT" OVERRIDE_COLUMNS " FROM practitioner_date_overrides"
    " WHERE practitioner_id = $1 AND date BETWEEN $2 AND $3 ORDER BY date, start_time, id"};

static const bk_stmt_t override_insert = {
    "override_insert",
    "INSERT INTO practitioner_date_overrides (practitioner_id, date, closed, start_time,"
    "       end_time, slot_duration_minutes, note) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " RETURNING id"};

static const bk_stmt_t override_replace = {
    "override_replace",
    "UPDATE practitioner_date_overrides SET date = $2, closed = $3, start_time = $4,"
    "       end_time = $5, slot_duration_minutes = $6, note = $7"
    " WHERE practitioner_id = $1 AND id = $8 RETURNING id"};

static const bk_stmt_t override_delete = {
    "override_delete",
    "DELETE FROM practitioner_date_overrides WHERE practitioner_id = $1 AND id = $2"
    " RETURNING id"};

bk_err_t *bk_store_hours_list(apr_array_header_t **out, bk_db_t *db, apr_int64_t practitioner_id,
                              apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, practitioner_id);
    BK_TRY(bk_db_run(&rows, db, &hours_list, &a, p));
    *out = apr_array_make(p, bk_rows_count(rows), sizeof(bk_hours_t *));
    for (int r = 0; r < bk_rows_count(rows); r++) {
        bk_hours_t *h = apr_palloc(p, sizeof(*h));
        *h = (bk_hours_t){
            .id = BK_NUM(bk_cell_int(rows, r, H_ID)),
            .practitioner_id = BK_NUM(bk_cell_int(rows, r, H_PRACTITIONER)),
            .day_of_week = BK_NUM(bk_cell_int(rows, r, H_DAY)),
            .start = BK_NUM(bk_cell_tod(rows, r, H_START)),
            .end = BK_NUM(bk_cell_tod(rows, r, H_END)),
            .slot_minutes = BK_NUM(bk_cell_int(rows, r, H_SLOT)),
            .is_available = BK_NUM(bk_cell_bool(rows, r, H_AVAILABLE)),
            .notes = bk_cell_text(rows, r, H_NOTES)};
        APR_ARRAY_PUSH(*out, bk_hours_t *) = h;
    }
    return NULL;
}

static bk_err_t *save(apr_int64_t *id, bk_db_t *db, bk_num_t existing, const bk_stmt_t *insert,
                      const bk_stmt_t *replace, bk_args_t *a, apr_pool_t *p)
{
    bk_rows_t *rows;

    if (existing.set) {
        bk_arg_int(a, existing.v);
    }
    BK_TRY(bk_db_run(&rows, db, existing.set ? replace : insert, a, p));
    *id = bk_rows_count(rows) ? bk_cell_int(rows, 0, 0) : 0;
    return NULL;
}

static bk_err_t *drop(bool *found, bk_db_t *db, const bk_stmt_t *stmt,
                      apr_int64_t practitioner_id, apr_int64_t id, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, practitioner_id);
    bk_arg_int(&a, id);
    BK_TRY(bk_db_run(&rows, db, stmt, &a, p));
    *found = bk_rows_count(rows) == 1;
    return NULL;
}

bk_err_t *bk_store_hours_save(apr_int64_t *id, bk_db_t *db, const bk_hours_t *row, apr_pool_t *p)
{
    bk_args_t a = {0};

    bk_arg_int(&a, row->practitioner_id.v);
    bk_arg_int4(&a, (int)row->day_of_week.v);
    bk_arg_tod(&a, (int)row->start.v);
    bk_arg_tod(&a, (int)row->end.v);
    bk_arg_int4(&a, (int)row->slot_minutes.v);
    bk_arg_bool(&a, row->is_available.v != 0);
    bk_arg_text(&a, row->notes);
    return save(id, db, row->id, &hours_insert, &hours_replace, &a, p);
}

bk_err_t *bk_store_hours_delete(bool *found, bk_db_t *db, apr_int64_t practitioner_id,
                                apr_int64_t id, apr_pool_t *p)
{
    return drop(found, db, &hours_delete, practitioner_id, id, p);
}

static bk_num_t cell_tod(const bk_rows_t *rows, int r, int col)
{
    return bk_cell_null(rows, r, col) ? (bk_num_t){0, false} : BK_NUM(bk_cell_tod(rows, r, col));
}

bk_err_t *bk_store_overrides_list(apr_array_header_t **out, bk_db_t *db,
                                  apr_int64_t practitioner_id, bk_date_t from, bk_date_t to,
                                  apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, practitioner_id);
    bk_arg_date(&a, from);
    bk_arg_date(&a, to);
    BK_TRY(bk_db_run(&rows, db, &overrides_list, &a, p));
    *out = apr_array_make(p, bk_rows_count(rows), sizeof(bk_date_override_t *));
    for (int r = 0; r < bk_rows_count(rows); r++) {
        bk_date_override_t *o = apr_palloc(p, sizeof(*o));
        *o = (bk_date_override_t){
            .id = BK_NUM(bk_cell_int(rows, r, O_ID)),
            .practitioner_id = BK_NUM(bk_cell_int(rows, r, O_PRACTITIONER)),
            .date = BK_NUM(bk_cell_date(rows, r, O_DATE)),
            .closed = BK_NUM(bk_cell_bool(rows, r, O_CLOSED)),
            .start = cell_tod(rows, r, O_START),
            .end = cell_tod(rows, r, O_END),
            .slot_minutes = BK_NUM(bk_cell_int(rows, r, O_SLOT)),
            .note = bk_cell_text(rows, r, O_NOTE)};
        APR_ARRAY_PUSH(*out, bk_date_override_t *) = o;
    }
    return NULL;
}

bk_err_t *bk_store_override_save(apr_int64_t *id, bk_db_t *db, const bk_date_override_t *row,
                                 apr_pool_t *p)
{
    bk_args_t a = {0};

    bk_arg_int(&a, row->practitioner_id.v);
    bk_arg_date(&a, (bk_date_t)row->date.v);
    bk_arg_bool(&a, row->closed.v != 0);
    row->start.set ? bk_arg_tod(&a, (int)row->start.v) : bk_arg_null_tod(&a);
    row->end.set ? bk_arg_tod(&a, (int)row->end.v) : bk_arg_null_tod(&a);
    bk_arg_int4(&a, (int)row->slot_minutes.v);
    bk_arg_text(&a, row->note);
    return save(id, db, row->id, &override_insert, &override_replace, &a, p);
}

bk_err_t *bk_store_override_delete(bool *found, bk_db_t *db, apr_int64_t practitioner_id,
                                   apr_int64_t id, apr_pool_t *p)
{
    return drop(found, db, &override_delete, practitioner_id, id, p);
}
