/* /practitioners: who can be visited. */
#include "../route.h"

#include <apr_strings.h>

#define PAGE_DEFAULT 50
#define PAGE_MAX 200

static const char *const platforms[] = {"zoom", "google-meet", "teams", NULL};

#define TEXT(member, json, most)                                              \
    {.name = json, .kind = BK_F_STRING, .max = most,                          \
     .offset = offsetof(bk_practitioner_t, member)}
#define LONG_TEXT(member, json)                                               \
    {.name = json, .kind = BK_F_STRING, .flags = BK_F_MULTILINE, .max = 8000, \
     .offset = offsetof(bk_practitioner_t, member)}
#define LIST(member, json)                                                    \
    {.name = json, .kind = BK_F_STRINGS, .max = 50, .offset = offsetof(bk_practitioner_t, member)}
#define NUMBER(member, json, low, high)                                       \
    {.name = json, .kind = BK_F_INT, .min = low, .max = high,                 \
     .offset = offsetof(bk_practitioner_t, member)}

/* Members a booking page shows and the practice edits. */
#define COMMON                                                                \
    TEXT(specialty, "specialty", 200), NUMBER(price, "price", 0, 100000000),  \
    TEXT(image_url, "imageUrl", 2000), TEXT(badge, "badge", 100),             \
    TEXT(education, "education", 500), TEXT(degree, "degree", 200),           \
    TEXT(location_type, "locationType", 50), LIST(conditions, "conditions"),  \
    LONG_TEXT(bio, "bio"), NUMBER(years_experience, "yearsExperience", 0, 100), \
    LONG_TEXT(approach, "approach"), LIST(languages, "languages"),            \
    LIST(certifications, "certifications"), TEXT(availability, "availability", 200), \
    LIST(insurance, "insuranceAccepted"), LIST(formats, "sessionFormat"),     \
    {.name = "preferredVideoPlatform", .kind = BK_F_ENUM, .choices = platforms, \
     .offset = offsetof(bk_practitioner_t, video_platform)},                  \
    {.name = "timeZone", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .max = 64, \
     .doc = "IANA name", .offset = offsetof(bk_practitioner_t, time_zone)},   \
    NUMBER(buffer_before, "bufferBeforeMinutes", 0, 720),                     \
    NUMBER(buffer_after, "bufferAfterMinutes", 0, 720),                       \
    NUMBER(min_notice, "minNoticeMinutes", 0, 527040),                        \
    NUMBER(horizon_days, "horizonDays", 1, 3660),                             \
    NUMBER(cancel_notice, "cancelNoticeHours", 0, 8784),                      \
    {.name = "active", .kind = BK_F_BOOL, .offset = offsetof(bk_practitioner_t, active)}

/* Only the practice and admins see these. */
#define PRIVATE(omit)                                                         \
    {.name = "email", .kind = BK_F_EMAIL, .flags = omit,                      \
     .offset = offsetof(bk_practitioner_t, email)},                           \
    {.name = "userId", .kind = BK_F_STRING, .flags = omit | BK_F_NONEMPTY, .max = 255, \
     .doc = "subject of the practitioner's sign-in", .offset = offsetof(bk_practitioner_t, user_id)}

static const bk_field_t practitioner_fields[] = {
    {.name = "id", .kind = BK_F_INT, .offset = offsetof(bk_practitioner_t, id)},
    TEXT(name, "name", 200),
    {.name = "reviews", .kind = BK_F_INT, .offset = offsetof(bk_practitioner_t, reviews)},
    {.name = "rating", .kind = BK_F_NUMBER, .offset = offsetof(bk_practitioner_t, rating)},
    COMMON,
    PRIVATE(BK_F_OMIT),
};
BK_SHAPE(practitioner, "Practitioner", bk_practitioner_t);

static const bk_field_t practitioner_create_fields[] = {
    {.name = "name", .kind = BK_F_STRING, .flags = BK_F_REQUIRED, .min = 1, .max = 200,
     .offset = offsetof(bk_practitioner_t, name)},
    COMMON,
    PRIVATE(0),
};
BK_SHAPE(practitioner_create, "PractitionerCreate", bk_practitioner_t);

static const bk_field_t practitioner_update_fields[] = {
    {.name = "name", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .min = 1, .max = 200,
     .offset = offsetof(bk_practitioner_t, name)},
    COMMON,
    PRIVATE(0),
};
BK_SHAPE(practitioner_update, "PractitionerUpdate", bk_practitioner_t);

typedef struct {
    bk_num_t success;
    const bk_practitioner_t *practitioner;
} saved_t;

static const bk_field_t practitioner_saved_fields[] = {
    {.name = "success", .kind = BK_F_BOOL, .offset = offsetof(saved_t, success)},
    {.name = "practitioner", .kind = BK_F_OBJECT, .shape = &bk_shape_practitioner,
     .offset = offsetof(saved_t, practitioner)},
};
BK_SHAPE(practitioner_saved, "PractitionerSaved", saved_t);

typedef struct {
    bk_num_t limit, include_inactive;
    const char *cursor, *language, *specialty;
} query_t;

static const bk_field_t practitioner_query_fields[] = {
    {.name = "limit", .kind = BK_F_INT, .min = 1, .max = PAGE_MAX,
     .offset = offsetof(query_t, limit)},
    {.name = "cursor", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .max = 100,
     .doc = "nextCursor of the answer before", .offset = offsetof(query_t, cursor)},
    {.name = "language", .kind = BK_F_STRING, .max = 100, .offset = offsetof(query_t, language)},
    {.name = "specialty", .kind = BK_F_STRING, .max = 200, .offset = offsetof(query_t, specialty)},
    {.name = "includeInactive", .kind = BK_F_BOOL, .doc = "for admins",
     .offset = offsetof(query_t, include_inactive)},
};
BK_SHAPE(practitioner_query, "PractitionerQuery", query_t);

typedef struct {
    apr_array_header_t *practitioners;
    const char *next;
} list_t;

static const bk_field_t practitioner_list_fields[] = {
    {.name = "practitioners", .kind = BK_F_LIST, .shape = &bk_shape_practitioner,
     .offset = offsetof(list_t, practitioners)},
    {.name = "nextCursor", .kind = BK_F_STRING, .doc = "null on the last page",
     .offset = offsetof(list_t, next)},
};
BK_SHAPE(practitioner_list, "PractitionerList", list_t);

bk_handler_t bk_handle_practitioner_list, bk_handle_practitioner_get,
    bk_handle_practitioner_create, bk_handle_practitioner_update,
    bk_handle_practitioner_deactivate;

/* Takes out what the caller may not see. */
static bk_err_t *veil(bk_practitioner_t *row, bk_req_t *req)
{
    apr_int64_t practice = 0;

    BK_TRY(bk_identity_settle(&req->ctx));
    if (req->ctx.role == BK_ROLE_ADMIN) {
        return NULL;
    }
    if (req->ctx.role == BK_ROLE_THERAPIST) {
        BK_TRY(bk_identity_practice(&practice, &req->ctx));
    }
    if (practice != row->id.v) {
        row->email = row->user_id = NULL;
    }
    return NULL;
}

bk_err_t *bk_handle_practitioner_list(bk_resp_t *resp, bk_req_t *req)
{
    const query_t *q = req->query_in;
    int limit = q->limit.set ? (int)q->limit.v : PAGE_DEFAULT;
    bk_practitioner_filter_t filter = {
        .language = q->language, .specialty = q->specialty, .limit = limit + 1,
        .include_inactive = q->include_inactive.v && req->ctx.role == BK_ROLE_ADMIN};
    bk_num_t after = {0, false}, unused;
    list_t out = {NULL, NULL};
    bk_db_t *db;

    if (q->cursor) {
        BK_TRY(bk_cursor_parse(&after, &unused, q->cursor, req->ctx.p));
        filter.after_id = after.v;
    }
    BK_TRY(bk_ctx_db(&db, &req->ctx));
    BK_TRY(bk_store_practitioner_list(&out.practitioners, db, &filter, req->ctx.p));
    if (out.practitioners->nelts > limit) {
        apr_array_pop(out.practitioners);
        out.next = bk_cursor_make(
            APR_ARRAY_IDX(out.practitioners, limit - 1, bk_practitioner_t *)->id.v, 0,
            req->ctx.p);
    }
    for (int i = 0; i < out.practitioners->nelts; i++) {
        BK_TRY(veil(APR_ARRAY_IDX(out.practitioners, i, bk_practitioner_t *), req));
    }
    bk_answer(resp, req, &out);
    return NULL;
}

bk_err_t *bk_handle_practitioner_get(bk_resp_t *resp, bk_req_t *req)
{
    bk_practitioner_t *row;
    apr_int64_t id;
    bk_db_t *db;

    BK_TRY(bk_param_id(&id, req, 0, "practitioner"));
    BK_TRY(bk_ctx_db(&db, &req->ctx));
    BK_TRY(bk_store_practitioner_find(&row, db, id, req->ctx.p));
    if (!row) {
        return bk_err_make(BK_E_NOT_FOUND, req->ctx.p, NULL);
    }
    if (!row->active.v) {
        BK_TRY(bk_identity_require_practice(&req->ctx, id));
    }
    BK_TRY(veil(row, req));
    bk_answer(resp, req, row);
    return NULL;
}

static bk_err_t *save(bk_resp_t *resp, bk_req_t *req, bk_practitioner_t *row)
{
    saved_t out = {BK_NUM(true), NULL};
    bk_practitioner_t *saved;

    BK_TRY(bk_practitioner_save(&saved, &req->ctx, row));
    out.practitioner = saved;
    bk_answer(resp, req, &out);
    apr_table_setn(resp->headers, "Location",
                   apr_psprintf(req->ctx.p, "%s/practitioners/%" APR_INT64_T_FMT, req->base,
                                saved->id.v));
    return NULL;
}

bk_err_t *bk_handle_practitioner_create(bk_resp_t *resp, bk_req_t *req)
{
    bk_practitioner_t row = *(const bk_practitioner_t *)req->in;

    return save(resp, req, &row);
}

bk_err_t *bk_handle_practitioner_update(bk_resp_t *resp, bk_req_t *req)
{
    bk_practitioner_t row = *(const bk_practitioner_t *)req->in;
    apr_int64_t id;

    BK_TRY(bk_param_id(&id, req, 0, "practitioner"));
    row.id = BK_NUM(id);
    return save(resp, req, &row);
}

bk_err_t *bk_handle_practitioner_deactivate(bk_resp_t *resp, bk_req_t *req)
{
    bk_done_t out = {BK_NUM(true), "Practitioner deactivated successfully"};
    apr_int64_t id;

    BK_TRY(bk_param_id(&id, req, 0, "practitioner"));
    BK_TRY(bk_practitioner_deactivate(&req->ctx, id));
    bk_answer(resp, req, &out);
    return NULL;
}
