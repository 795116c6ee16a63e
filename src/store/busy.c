/* Calendars and busy times: what the slot engine is fed with. */
#include "booking/store.h"
#include "statements.h"

#include <apr_strings.h>

/* One row per rule and override, one empty one for a practitioner who has none. */
static const bk_stmt_t calendars_load = {
    "calendars_load",
    "SELECT p.id, p.schedule_version, p.name, p.active, p.time_zone,"
    "       p.buffer_before_minutes, p.buffer_after_minutes, p.min_notice_minutes, p.horizon_days,"
    "       h.kind, h.id, h.day_of_week, h.date, h.closed, h.start_time, h.end_time, h.slot"
    "  FROM practitioners p"
    "  LEFT JOIN LATERAL ("
    "       SELECT 1 AS kind, id, day_of_week, NULL::date AS date, false AS closed,"
    "              start_time, end_time, slot_duration_minutes AS slot"
    "         FROM practitioner_schedules WHERE practitioner_id = p.id AND is_available"
    "        UNION ALL"
    "       SELECT 2, id, NULL, date, closed, start_time, end_time, slot_duration_minutes"
    "         FROM practitioner_date_overrides WHERE practitioner_id = p.id) h ON true"
    " WHERE p.id = ANY($1)"
    " ORDER BY p.id, h.kind, h.date, h.start_time, h.id"};

enum { CAL_ID, CAL_VERSION, CAL_NAME, CAL_ACTIVE, CAL_ZONE, CAL_BEFORE, CAL_AFTER, CAL_NOTICE,
       CAL_HORIZON, CAL_KIND, CAL_ROW_ID, CAL_DAY, CAL_DATE, CAL_CLOSED, CAL_START, CAL_END,
       CAL_SLOT };
enum { KIND_RULE = 1, KIND_OVERRIDE = 2 };

/* The index appointments_busy answers the inner part alone. A visit lasts a day at most and a
 * buffer half a day, which bounds the scan; the blocked range then decides. */
#define BUSY_WHERE                                                        \
    " a.status IN ('held', 'scheduled', 'confirmed')"                     \
    " AND a.starts_at > $2 - interval '36 hours'"                         \
    " AND a.starts_at < $3 + interval '12 hours'"                         \
    " AND a.blocked_until > $2 AND a.blocked_from < $3"                   \
    " AND (a.hold_expires_at IS NULL OR a.hold_expires_at > $4)"

const bk_stmt_t bk_stmt_busy = {
    "busy",
    "SELECT p.id, p.schedule_version, a.starts_at, a.ends_at, a.blocked_from, a.blocked_until"
    "  FROM practitioners p"
    "  LEFT JOIN appointments a ON a.practitioner_id = p.id AND" BUSY_WHERE
    " WHERE p.id = $1 AND p.active"
    " ORDER BY a.starts_at"};

/* The same without one visit, for moving it. */
static const bk_stmt_t busy_except = {
    "busy_except",
    "SELECT p.id, p.schedule_version, a.starts_at, a.ends_at, a.blocked_from, a.blocked_until"
    "  FROM practitioners p"
    "  LEFT JOIN appointments a ON a.practitioner_id = p.id AND a.id <> $5 AND" BUSY_WHERE
    " WHERE p.id = $1 AND p.active"
    " ORDER BY a.starts_at"};

static const bk_stmt_t busy_search = {
    "busy_search",
    "SELECT p.id, p.schedule_version, a.starts_at, a.ends_at, a.blocked_from, a.blocked_until"
    "  FROM (SELECT id, schedule_version FROM practitioners"
    "         WHERE active AND id > $5 AND ($1 = 0 OR id = $1)"
    "           AND ($6::text IS NULL OR $6 = ANY(languages))"
    "           AND ($7::text IS NULL OR specialty = $7)"
    "         ORDER BY id LIMIT $8) p"
    "  LEFT JOIN LATERAL ("
    "       SELECT * FROM appointments a WHERE a.practitioner_id = p.id AND" BUSY_WHERE
    "        ORDER BY a.starts_at) a ON true"
    " ORDER BY p.id, a.starts_at"};

enum { BUSY_ID, BUSY_VERSION, BUSY_START, BUSY_END, BUSY_FROM, BUSY_UNTIL };

/* A calendar being read, row by row. */
typedef struct {
    bk_calendar_t *calendar;
    bk_rule_t *rules;
    bk_override_t *overrides;
} calendar_reader_t;

static bk_err_t *calendar_head(calendar_reader_t *in, const bk_rows_t *rows, int r, int n_rows,
                               apr_pool_t *p)
{
    bk_calendar_t *c = apr_pcalloc(p, sizeof(*c));
    bk_schedule_t *s = &c->schedule;

    in->calendar = c;
    c->practitioner_id = bk_cell_int(rows, r, CAL_ID);
    c->version = bk_cell_int(rows, r, CAL_VERSION);
    c->name = apr_pstrdup(p, bk_cell_text(rows, r, CAL_NAME));
    c->active = bk_cell_bool(rows, r, CAL_ACTIVE);
    s->zone = bk_zone_find(bk_cell_text(rows, r, CAL_ZONE));
    s->buffer_before = (int)bk_cell_int(rows, r, CAL_BEFORE) * 60;
    s->buffer_after = (int)bk_cell_int(rows, r, CAL_AFTER) * 60;
    s->notice_s = (int)bk_cell_int(rows, r, CAL_NOTICE) * 60;
    s->horizon_s = (int)bk_cell_int(rows, r, CAL_HORIZON) * BK_DAY_S;
    s->rules = in->rules = apr_palloc(p, (apr_size_t)n_rows * sizeof(bk_rule_t));
    s->overrides = in->overrides = apr_palloc(p, (apr_size_t)n_rows * sizeof(bk_override_t));
    if (!s->zone) {
        return bk_err_make(BK_E_INTERNAL, p, "practitioner %" APR_INT64_T_FMT
                           " has a time zone that this host's tzdata does not know",
                           c->practitioner_id);
    }
    return NULL;
}

static void calendar_row(calendar_reader_t *in, const bk_rows_t *rows, int r)
{
    bk_schedule_t *s = &in->calendar->schedule;
    int kind = bk_cell_null(rows, r, CAL_KIND) ? 0 : (int)bk_cell_int(rows, r, CAL_KIND);

    if (kind == KIND_RULE) {
        in->rules[s->n_rules++] = (bk_rule_t){
            bk_cell_int(rows, r, CAL_ROW_ID), (int)bk_cell_int(rows, r, CAL_DAY),
            bk_cell_tod(rows, r, CAL_START), bk_cell_tod(rows, r, CAL_END),
            (int)bk_cell_int(rows, r, CAL_SLOT) * 60};
    }
    else if (kind == KIND_OVERRIDE) {
        in->overrides[s->n_overrides++] = (bk_override_t){
            bk_cell_int(rows, r, CAL_ROW_ID), bk_cell_date(rows, r, CAL_DATE),
            bk_cell_bool(rows, r, CAL_CLOSED), bk_cell_tod(rows, r, CAL_START),
            bk_cell_tod(rows, r, CAL_END), (int)bk_cell_int(rows, r, CAL_SLOT) * 60};
    }
}

bk_err_t *bk_store_calendars_load(apr_array_header_t **out, bk_db_t *db, const apr_int64_t *ids,
                                  int n, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;
    calendar_reader_t in = {NULL, NULL, NULL};
    bk_err_t *e;

    bk_arg_ints(&a, ids, n, p);
    BK_TRY(bk_db_run(&rows, db, &calendars_load, &a, p));
    *out = apr_array_make(p, n, sizeof(bk_calendar_t *));
    for (int r = 0; r < bk_rows_count(rows); r++) {
        apr_int64_t id = bk_cell_int(rows, r, CAL_ID);
        if (!in.calendar || in.calendar->practitioner_id != id) {
            int end = r + 1;
            while (end < bk_rows_count(rows) && bk_cell_int(rows, end, CAL_ID) == id) {
                end++;
            }
            e = calendar_head(&in, rows, r, end - r, p);
            if (e && n == 1) {
                return e;
            }
            if (e) {
                /* One broken record must not hide everybody else. */
                bk_log(BK_LOG_ERROR, "%s", e->detail);
                r = end - 1;
                in.calendar = NULL;
                continue;
            }
            APR_ARRAY_PUSH(*out, bk_calendar_t *) = in.calendar;
        }
        calendar_row(&in, rows, r);
    }
    return NULL;
}

/* Rows from r on that belong to the same practitioner; returns the row after them. */
static int busy_decode(bk_busy_list_t *out, const bk_rows_t *rows, int r, apr_pool_t *p)
{
    int end = r;

    out->practitioner_id = bk_cell_int(rows, r, BUSY_ID);
    out->version = bk_cell_int(rows, r, BUSY_VERSION);
    while (end < bk_rows_count(rows) &&
           bk_cell_int(rows, end, BUSY_ID) == out->practitioner_id) {
        end++;
    }
    out->n = bk_cell_null(rows, r, BUSY_START) ? 0 : end - r;
    out->busy = apr_palloc(p, (apr_size_t)(out->n ? out->n : 1) * sizeof(bk_busy_t));
    for (int i = 0; i < out->n; i++) {
        bk_busy_t *b = &out->busy[i];
        b->start = bk_cell_time(rows, r + i, BUSY_START);
        b->end = bk_cell_time(rows, r + i, BUSY_END);
        b->before = (int)(b->start - bk_cell_time(rows, r + i, BUSY_FROM));
        b->after = (int)(bk_cell_time(rows, r + i, BUSY_UNTIL) - b->end);
    }
    return end;
}

bk_err_t *bk_store_busy(bk_busy_list_t *out, bk_db_t *db, apr_int64_t practitioner_id,
                        bk_time_t from, bk_time_t to, bk_time_t now, apr_int64_t except,
                        apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    *out = (bk_busy_list_t){practitioner_id, 0, NULL, 0};
    bk_arg_int(&a, practitioner_id);
    bk_arg_time(&a, from);
    bk_arg_time(&a, to);
    bk_arg_time(&a, now);
    if (except) {
        bk_arg_int(&a, except);
    }
    BK_TRY(bk_db_run(&rows, db, except ? &busy_except : &bk_stmt_busy, &a, p));
    if (bk_rows_count(rows)) {
        busy_decode(out, rows, 0, p);
    }
    return NULL;
}

bk_err_t *bk_store_busy_search(apr_array_header_t **out, bk_db_t *db,
                               const bk_practitioner_filter_t *filter, apr_int64_t only_id,
                               bk_time_t from, bk_time_t to, bk_time_t now, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, only_id);
    bk_arg_time(&a, from);
    bk_arg_time(&a, to);
    bk_arg_time(&a, now);
    bk_arg_int(&a, filter->after_id);
    bk_arg_text(&a, filter->language);
    bk_arg_text(&a, filter->specialty);
    bk_arg_int(&a, filter->limit);
    BK_TRY(bk_db_run(&rows, db, &busy_search, &a, p));
    *out = apr_array_make(p, 16, sizeof(bk_busy_list_t));
    for (int r = 0; r < bk_rows_count(rows);) {
        r = busy_decode(apr_array_push(*out), rows, r, p);
    }
    return NULL;
}
