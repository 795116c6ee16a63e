/* /practitioners/{id}/schedules and /overrides: when a practitioner can be visited. */
#include "../route.h"

#include <apr_strings.h>

#define SLOT_MINUTES 60

#define HOURS(member, json, type, flag)                                          \
    {.name = json, .kind = BK_F_HOUR, .flags = flag, .offset = offsetof(type, member)}
#define SLOT(type)                                                               \
    {.name = "slotDurationMinutes", .kind = BK_F_INT, .min = 5, .max = 1440,     \
     .offset = offsetof(type, slot_minutes), .doc = "length and step of the slots"}

static const bk_field_t schedule_fields[] = {
    {.name = "id", .kind = BK_F_INT, .offset = offsetof(bk_hours_t, id)},
    {.name = "practitionerId", .kind = BK_F_INT, .offset = offsetof(bk_hours_t, practitioner_id)},
    {.name = "dayOfWeek", .kind = BK_F_INT, .offset = offsetof(bk_hours_t, day_of_week),
     .doc = "0 = Sunday"},
    HOURS(start, "startTime", bk_hours_t, 0),
    HOURS(end, "endTime", bk_hours_t, 0),
    SLOT(bk_hours_t),
    {.name = "isAvailable", .kind = BK_F_BOOL, .offset = offsetof(bk_hours_t, is_available)},
    {.name = "notes", .kind = BK_F_STRING, .offset = offsetof(bk_hours_t, notes)},
};
BK_SHAPE(schedule, "Schedule", bk_hours_t);

static const bk_field_t schedule_body_fields[] = {
    {.name = "dayOfWeek", .kind = BK_F_INT, .flags = BK_F_REQUIRED, .min = 0, .max = 6,
     .offset = offsetof(bk_hours_t, day_of_week), .doc = "0 = Sunday"},
    HOURS(start, "startTime", bk_hours_t, BK_F_REQUIRED),
    HOURS(end, "endTime", bk_hours_t, BK_F_REQUIRED),
    SLOT(bk_hours_t),
    {.name = "isAvailable", .kind = BK_F_BOOL, .offset = offsetof(bk_hours_t, is_available)},
    {.name = "notes", .kind = BK_F_STRING, .flags = BK_F_MULTILINE, .max = 1000,
     .offset = offsetof(bk_hours_t, notes)},
};
static bk_shape_check_t schedule_check;
BK_SHAPE_CHECKED(schedule_body, "ScheduleBody", bk_hours_t, schedule_check);

static const bk_field_t override_fields[] = {
    {.name = "id", .kind = BK_F_INT, .offset = offsetof(bk_date_override_t, id)},
    {.name = "practitionerId", .kind = BK_F_INT,
     .offset = offsetof(bk_date_override_t, practitioner_id)},
    {.name = "date", .kind = BK_F_DATE, .offset = offsetof(bk_date_override_t, date)},
    {.name = "closed", .kind = BK_F_BOOL, .offset = offsetof(bk_date_override_t, closed)},
    HOURS(start, "startTime", bk_date_override_t, 0),
    HOURS(end, "endTime", bk_date_override_t, 0),
    SLOT(bk_date_override_t),
    {.name = "note", .kind = BK_F_STRING, .offset = offsetof(bk_date_override_t, note)},
};
BK_SHAPE(override, "Override", bk_date_override_t);

static const bk_field_t override_body_fields[] = {
    {.name = "date", .kind = BK_F_DATE, .flags = BK_F_REQUIRED,
     .offset = offsetof(bk_date_override_t, date)},
    {.name = "closed", .kind = BK_F_BOOL, .offset = offsetof(bk_date_override_t, closed)},
    HOURS(start, "startTime", bk_date_override_t, 0),
    HOURS(end, "endTime", bk_date_override_t, 0),
    SLOT(bk_date_override_t),
    {.name = "note", .kind = BK_F_STRING, .flags = BK_F_MULTILINE, .max = 1000,
     .offset = offsetof(bk_date_override_t, note)},
};
static bk_shape_check_t override_check;
BK_SHAPE_CHECKED(override_body, "OverrideBody", bk_date_override_t, override_check);

typedef struct {
    bk_num_t success;
    const void *row;
} saved_t;

typedef struct {
    apr_array_header_t *rows;
} list_t;

static const bk_field_t schedule_saved_fields[] = {
    {.name = "success", .kind = BK_F_BOOL, .offset = offsetof(saved_t, success)},
    {.name = "schedule", .kind = BK_F_OBJECT, .shape = &bk_shape_schedule,
     .offset = offsetof(saved_t, row)},
};
BK_SHAPE(schedule_saved, "ScheduleSaved", saved_t);

static const bk_field_t schedule_list_fields[] = {
    {.name = "schedules", .kind = BK_F_LIST, .shape = &bk_shape_schedule,
     .offset = offsetof(list_t, rows)},
};
BK_SHAPE(schedule_list, "ScheduleList", list_t);

static const bk_field_t override_saved_fields[] = {
    {.name = "success", .kind = BK_F_BOOL, .offset = offsetof(saved_t, success)},
    {.name = "override", .kind = BK_F_OBJECT, .shape = &bk_shape_override,
     .offset = offsetof(saved_t, row)},
};
BK_SHAPE(override_saved, "OverrideSaved", saved_t);

static const bk_field_t override_list_fields[] = {
    {.name = "overrides", .kind = BK_F_LIST, .shape = &bk_shape_override,
     .offset = offsetof(list_t, rows)},
};
BK_SHAPE(override_list, "OverrideList", list_t);

typedef struct {
    bk_num_t from, to;
} range_t;

static const bk_field_t override_query_fields[] = {
    {.name = "from", .kind = BK_F_DATE, .offset = offsetof(range_t, from)},
    {.name = "to", .kind = BK_F_DATE, .offset = offsetof(range_t, to)},
};
BK_SHAPE(override_query, "OverrideQuery", range_t);

bk_handler_t bk_handle_schedule_list, bk_handle_schedule_create, bk_handle_schedule_replace,
    bk_handle_schedule_delete, bk_handle_override_list, bk_handle_override_create,
    bk_handle_override_replace, bk_handle_override_delete;

/* What both bodies have in common: a stretch of time that is one. */
static bk_err_t *times_check(bk_err_t *e, bk_num_t start, bk_num_t end, apr_pool_t *p)
{
    if (start.set && start.v >= BK_DAY_S) {
        e = bk_err_add_once(e, p, "startTime", "must be before 24:00");
    }
    else if (start.set && end.set && start.v == end.v) {
        e = bk_err_add_once(e, p, "endTime", "must differ from startTime");
    }
    return e;
}

static bk_err_t *schedule_check(bk_err_t *e, const void *in, const void *baton, apr_pool_t *p)
{
    const bk_hours_t *row = in;

    (void)baton;
    return times_check(e, row->start, row->end, p);
}

static bk_err_t *override_check(bk_err_t *e, const void *in, const void *baton, apr_pool_t *p)
{
    const bk_date_override_t *row = in;
    bool closed = row->closed.v;
    const char *issue = closed ? "must be absent when closed is true"
                               : "is required unless closed is true";

    (void)baton;
    if (row->start.set == closed) {
        e = bk_err_add_once(e, p, "startTime", issue);
    }
    if (row->end.set == closed) {
        e = bk_err_add_once(e, p, "endTime", issue);
    }
    return closed ? e : times_check(e, row->start, row->end, p);
}

static void saved_answer(bk_resp_t *resp, bk_req_t *req, const void *row,
                         const char *collection, apr_int64_t practitioner_id, apr_int64_t id)
{
    saved_t out = {BK_NUM(true), row};

    bk_answer(resp, req, &out);
    apr_table_setn(resp->headers, "Location",
                   apr_psprintf(req->ctx.p, "%s/practitioners/%" APR_INT64_T_FMT "/%s/%"
                                APR_INT64_T_FMT, req->base, practitioner_id, collection, id));
}

static void done_answer(bk_resp_t *resp, bk_req_t *req)
{
    bk_done_t out = {BK_NUM(true), NULL};

    bk_answer(resp, req, &out);
}

/* The ids in the path: the practitioner's, and the row's where *row is not NULL. */
static bk_err_t *path_ids(bk_num_t *practitioner, bk_num_t *row, bk_req_t *req)
{
    BK_TRY(bk_param_id(&practitioner->v, req, 0, "practitioner"));
    practitioner->set = true;
    if (row) {
        BK_TRY(bk_param_id(&row->v, req, 1, NULL));
        row->set = true;
    }
    return NULL;
}

/* --- weekly hours -------------------------------------------------------------------------- */

bk_err_t *bk_handle_schedule_list(bk_resp_t *resp, bk_req_t *req)
{
    bk_num_t practitioner;
    list_t out;
    bk_db_t *db;

    BK_TRY(path_ids(&practitioner, NULL, req));
    BK_TRY(bk_practice_open(&req->ctx, practitioner.v));
    BK_TRY(bk_ctx_db(&db, &req->ctx));
    BK_TRY(bk_store_hours_list(&out.rows, db, practitioner.v, req->ctx.p));
    bk_answer(resp, req, &out);
    return NULL;
}

static bk_err_t *schedule_save(bk_resp_t *resp, bk_req_t *req, bool existing)
{
    bk_hours_t row = *(const bk_hours_t *)req->in;

    BK_TRY(path_ids(&row.practitioner_id, existing ? &row.id : NULL, req));
    row.slot_minutes = row.slot_minutes.set ? row.slot_minutes : BK_NUM(SLOT_MINUTES);
    row.is_available = row.is_available.set ? row.is_available : BK_NUM(true);
    BK_TRY(bk_hours_save(&req->ctx, &row));
    saved_answer(resp, req, &row, "schedules", row.practitioner_id.v, row.id.v);
    return NULL;
}

bk_err_t *bk_handle_schedule_create(bk_resp_t *resp, bk_req_t *req)
{
    return schedule_save(resp, req, false);
}

bk_err_t *bk_handle_schedule_replace(bk_resp_t *resp, bk_req_t *req)
{
    return schedule_save(resp, req, true);
}

bk_err_t *bk_handle_schedule_delete(bk_resp_t *resp, bk_req_t *req)
{
    bk_num_t practitioner, row;

    BK_TRY(path_ids(&practitioner, &row, req));
    BK_TRY(bk_hours_delete(&req->ctx, practitioner.v, row.v));
    done_answer(resp, req);
    return NULL;
}

/* --- date overrides -------------------------------------------------------------------------- */

bk_err_t *bk_handle_override_list(bk_resp_t *resp, bk_req_t *req)
{
    const range_t *q = req->query_in;
    bk_num_t practitioner;
    list_t out;
    bk_db_t *db;

    BK_TRY(path_ids(&practitioner, NULL, req));
    BK_TRY(bk_practice_open(&req->ctx, practitioner.v));
    BK_TRY(bk_ctx_db(&db, &req->ctx));
    BK_TRY(bk_store_overrides_list(&out.rows, db, practitioner.v,
                                   q->from.set ? (bk_date_t)q->from.v : BK_DATE_MIN,
                                   q->to.set ? (bk_date_t)q->to.v : BK_DATE_MAX, req->ctx.p));
    bk_answer(resp, req, &out);
    return NULL;
}

static bk_err_t *override_save(bk_resp_t *resp, bk_req_t *req, bool existing)
{
    bk_date_override_t row = *(const bk_date_override_t *)req->in;

    BK_TRY(path_ids(&row.practitioner_id, existing ? &row.id : NULL, req));
    row.slot_minutes = row.slot_minutes.set ? row.slot_minutes : BK_NUM(SLOT_MINUTES);
    row.closed.set = true;
    BK_TRY(bk_override_save(&req->ctx, &row));
    saved_answer(resp, req, &row, "overrides", row.practitioner_id.v, row.id.v);
    return NULL;
}

bk_err_t *bk_handle_override_create(bk_resp_t *resp, bk_req_t *req)
{
    return override_save(resp, req, false);
}

bk_err_t *bk_handle_override_replace(bk_resp_t *resp, bk_req_t *req)
{
    return override_save(resp, req, true);
}

bk_err_t *bk_handle_override_delete(bk_resp_t *resp, bk_req_t *req)
{
    bk_num_t practitioner, row;

    BK_TRY(path_ids(&practitioner, &row, req));
    BK_TRY(bk_override_delete(&req->ctx, practitioner.v, row.v));
    done_answer(resp, req);
    return NULL;
}
