/* /appointments and /users/{userId}/appointments: booking, moving, cancelling, listing. */
#include "../route.h"

#include <string.h>

#include <apr_strings.h>

#define PAGE_DEFAULT 50
#define PAGE_MAX 200

/* --- shapes ----------------------------------------------------------------------------------- */

static const char *const platforms[] = {"zoom", "google-meet", "teams", NULL};
static const char *const statuses[] = {"held",      "scheduled", "confirmed", "completed",
                                       "cancelled", "no_show",   "expired",   NULL};

typedef struct {
    const char *platform, *host_email;
} video_t;

static const bk_field_t video_fields[] = {
    {.name = "platform", .kind = BK_F_ENUM, .flags = BK_F_REQUIRED, .choices = platforms,
     .offset = offsetof(video_t, platform)},
    {.name = "hostEmail", .kind = BK_F_EMAIL, .offset = offsetof(video_t, host_email),
     .doc = "not used: the host is the practitioner"},
};
static BK_SHAPE(video, "VideoMeetingConfig", video_t);

typedef struct {
    bk_num_t practitioner_id, date, time, starts_at;
    const char *user_id, *practitioner_name, *session_type, *email, *name, *notes;
    const video_t *video;
} create_t;

static const bk_field_t appointment_create_fields[] = {
    {.name = "userId", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .max = 255,
     .offset = offsetof(create_t, user_id), .doc = "the caller, for clients; absent for guests"},
    {.name = "practitionerId", .kind = BK_F_ID, .flags = BK_F_REQUIRED, .format = "practitioner",
     .offset = offsetof(create_t, practitioner_id)},
    {.name = "practitionerName", .kind = BK_F_STRING, .max = 200,
     .offset = offsetof(create_t, practitioner_name), .doc = "not used"},
    {.name = "date", .kind = BK_F_DATE, .offset = offsetof(create_t, date)},
    {.name = "time", .kind = BK_F_TIME, .offset = offsetof(create_t, time),
     .doc = "wall clock of the practitioner"},
    {.name = "startsAt", .kind = BK_F_INSTANT, .offset = offsetof(create_t, starts_at),
     .doc = "instead of date and time"},
    {.name = "sessionType", .kind = BK_F_STRING, .max = 100,
     .offset = offsetof(create_t, session_type)},
    {.name = "userEmail", .kind = BK_F_EMAIL, .offset = offsetof(create_t, email)},
    {.name = "userName", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .max = 200,
     .offset = offsetof(create_t, name)},
    {.name = "notes", .kind = BK_F_STRING, .flags = BK_F_MULTILINE, .max = 4000,
     .offset = offsetof(create_t, notes)},
    {.name = "videoMeetingConfig", .kind = BK_F_OBJECT, .shape = &bk_shape_video,
     .offset = offsetof(create_t, video)},
};
static bk_shape_check_t create_check;
BK_SHAPE_CHECKED(appointment_create, "AppointmentCreate", create_t, create_check);

typedef struct {
    const char *platform, *url, *id, *password, *status;
} meeting_t;

static const bk_field_t meeting_fields[] = {
    {.name = "platform", .kind = BK_F_STRING, .offset = offsetof(meeting_t, platform)},
    {.name = "meetingUrl", .kind = BK_F_STRING, .offset = offsetof(meeting_t, url),
     .doc = "empty until the meeting is ready"},
    {.name = "meetingId", .kind = BK_F_STRING, .offset = offsetof(meeting_t, id)},
    {.name = "meetingPassword", .kind = BK_F_STRING, .offset = offsetof(meeting_t, password)},
    {.name = "status", .kind = BK_F_STRING, .offset = offsetof(meeting_t, status),
     .doc = "none, pending, ready, failed or deleted"},
};
static BK_SHAPE(meeting, "MeetingDetails", meeting_t);

/* One visit in any answer: what is not set in it is left out or null, as the shape says. */
typedef struct {
    bk_num_t success, id, practitioner_id, date, time, minutes, revision, created_at, updated_at,
        late;
    const char *booking_id, *practitioner_name, *user_id, *user_name, *user_email, *session_type,
        *status, *starts_at, *ends_at, *zone, *notes, *message, *manage_token, *manage_url;
    const meeting_t *meeting;
} visit_t;

#define V(member, json, how) {.name = json, .kind = how, .offset = offsetof(visit_t, member)}
#define V_INSTANT(member, json) \
    {.name = json, .kind = BK_F_STRING, .format = "date-time", .offset = offsetof(visit_t, member)}
#define V_MEETING \
    {.name = "meetingDetails", .kind = BK_F_OBJECT, .shape = &bk_shape_meeting, \
     .offset = offsetof(visit_t, meeting)}

static const bk_field_t appointment_created_fields[] = {
    V(success, "success", BK_F_BOOL),
    V(id, "appointmentId", BK_F_INT),
    V(booking_id, "bookingId", BK_F_STRING),
    V(status, "status", BK_F_STRING),
    V(practitioner_id, "practitionerId", BK_F_INT),
    V(date, "date", BK_F_DATE),
    V(time, "time", BK_F_TIME),
    V(minutes, "durationMinutes", BK_F_INT),
    V_INSTANT(starts_at, "startsAt"),
    V_INSTANT(ends_at, "endsAt"),
    V(zone, "timeZone", BK_F_STRING),
    V(manage_token, "manageToken", BK_F_STRING),
    V(manage_url, "manageUrl", BK_F_STRING),
    V_MEETING,
};
BK_SHAPE(appointment_created, "AppointmentCreated", visit_t);

static const bk_field_t appointment_fields[] = {
    V(id, "id", BK_F_INT),
    V(booking_id, "bookingId", BK_F_STRING),
    V(practitioner_id, "practitionerId", BK_F_INT),
    V(practitioner_name, "practitionerName", BK_F_STRING),
    V(user_id, "userId", BK_F_STRING),
    V(user_name, "userName", BK_F_STRING),
    V(user_email, "userEmail", BK_F_STRING),
    V(date, "date", BK_F_DATE),
    V(time, "time", BK_F_TIME),
    V(minutes, "durationMinutes", BK_F_INT),
    V_INSTANT(starts_at, "startsAt"),
    V_INSTANT(ends_at, "endsAt"),
    V(zone, "timeZone", BK_F_STRING),
    V(session_type, "sessionType", BK_F_STRING),
    V(status, "status", BK_F_STRING),
    V(notes, "notes", BK_F_STRING),
    V(revision, "revision", BK_F_INT),
    V(created_at, "createdAt", BK_F_INSTANT),
    V(updated_at, "updatedAt", BK_F_INSTANT),
    V_MEETING,
};
BK_SHAPE(appointment, "Appointment", visit_t);

static const bk_field_t appointment_cancelled_fields[] = {
    V(success, "success", BK_F_BOOL),
    V(message, "message", BK_F_STRING),
    V(id, "appointmentId", BK_F_INT),
    V(status, "status", BK_F_STRING),
    V(late, "lateCancellation", BK_F_BOOL),
};
BK_SHAPE(appointment_cancelled, "AppointmentCancelled", visit_t);

static const bk_field_t appointment_moved_fields[] = {
    V(success, "success", BK_F_BOOL),
    V(message, "message", BK_F_STRING),
    V(id, "appointmentId", BK_F_INT),
    V(date, "date", BK_F_DATE),
    V(time, "time", BK_F_TIME),
    V_INSTANT(starts_at, "startsAt"),
    V_INSTANT(ends_at, "endsAt"),
    V(zone, "timeZone", BK_F_STRING),
    V(status, "status", BK_F_STRING),
    V(revision, "revision", BK_F_INT),
    V(manage_token, "manageToken", BK_F_STRING),
};
BK_SHAPE(appointment_moved, "AppointmentMoved", visit_t);

typedef struct {
    const char *reason;
} cancel_t;

static const bk_field_t appointment_cancel_fields[] = {
    {.name = "reason", .kind = BK_F_STRING, .flags = BK_F_MULTILINE, .max = 1000,
     .offset = offsetof(cancel_t, reason)},
};
BK_SHAPE(appointment_cancel, "AppointmentCancel", cancel_t);

typedef struct {
    bk_num_t date, time, starts_at;
} move_t;

static const bk_field_t appointment_move_fields[] = {
    {.name = "newDate", .kind = BK_F_DATE, .offset = offsetof(move_t, date)},
    {.name = "newTime", .kind = BK_F_TIME, .offset = offsetof(move_t, time),
     .doc = "wall clock of the practitioner"},
    {.name = "startsAt", .kind = BK_F_INSTANT, .offset = offsetof(move_t, starts_at),
     .doc = "instead of newDate and newTime"},
};
static bk_shape_check_t move_check;
BK_SHAPE_CHECKED(appointment_move, "AppointmentMove", move_t, move_check);

typedef struct {
    const char *status, *cursor;
    bk_num_t from, to, limit;
} query_t;

static const bk_field_t appointment_query_fields[] = {
    {.name = "status", .kind = BK_F_ENUM, .choices = statuses, .offset = offsetof(query_t, status)},
    {.name = "from", .kind = BK_F_DATE, .offset = offsetof(query_t, from)},
    {.name = "to", .kind = BK_F_DATE, .offset = offsetof(query_t, to)},
    {.name = "limit", .kind = BK_F_INT, .min = 1, .max = PAGE_MAX,
     .offset = offsetof(query_t, limit)},
    {.name = "cursor", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .max = 100,
     .doc = "nextCursor of the answer before", .offset = offsetof(query_t, cursor)},
};
BK_SHAPE(appointment_query, "AppointmentQuery", query_t);

typedef struct {
    apr_array_header_t *appointments;
    const char *next;
} list_t;

static const bk_field_t appointment_list_fields[] = {
    {.name = "appointments", .kind = BK_F_LIST, .shape = &bk_shape_appointment,
     .offset = offsetof(list_t, appointments)},
    {.name = "nextCursor", .kind = BK_F_STRING, .doc = "null on the last page",
     .offset = offsetof(list_t, next)},
};
BK_SHAPE(appointment_list, "AppointmentList", list_t);

bk_handler_t bk_handle_appointment_create, bk_handle_appointment_get,
    bk_handle_appointment_cancel, bk_handle_appointment_move, bk_handle_appointment_list;

/* --- words for a visit ------------------------------------------------------------------------ */

static const char *text_or_empty(const char *s)
{
    return s ? s : "";
}

static const meeting_t *meeting_words(const bk_appointment_t *a, apr_pool_t *p)
{
    meeting_t *m = apr_palloc(p, sizeof(*m));

    *m = (meeting_t){a->platform ? a->platform : "none", text_or_empty(a->meeting_url),
                     text_or_empty(a->meeting_id), text_or_empty(a->meeting_password),
                     a->platform ? a->meeting_status : "none"};
    return m;
}

static const char *instant_words(bk_time_t t, const bk_zone_t *zone, apr_pool_t *p)
{
    char text[BK_INSTANT_BUF];

    bk_instant_format(t, zone ? bk_zone_offset(zone, t) : 0, text);
    return apr_pstrdup(p, text);
}

/* All of a visit's times, from its two instants, so that they cannot contradict one another. */
static void times_words(visit_t *v, bk_time_t start, bk_time_t end, const char *zone_name,
                        apr_pool_t *p)
{
    const bk_zone_t *zone = bk_zone_find(zone_name);
    bk_date_t date = (bk_date_t)(start / BK_DAY_S);
    int tod = (int)(start % BK_DAY_S);

    if (zone) {
        bk_zone_to_local(zone, start, &date, &tod);
    }
    else {
        zone_name = "UTC"; /* a zone that this host does not know */
    }
    v->date = BK_NUM(date);
    v->time = BK_NUM(tod);
    v->starts_at = instant_words(start, zone, p);
    v->ends_at = instant_words(end, zone, p);
    v->minutes = BK_NUM((end - start) / 60);
    v->zone = zone_name;
}

/* A visit as the API shows it; the same bytes give the same ETag. */
static bk_err_t *appointment_words(visit_t **out, bk_req_t *req, const bk_appointment_t *a)
{
    apr_pool_t *p = req->ctx.p;
    visit_t *v = apr_pcalloc(p, sizeof(*v));
    bk_client_words_t words;

    BK_TRY(bk_visit_words(&words, &req->ctx, a));
    v->id = BK_NUM(a->id);
    v->booking_id = bk_visit_public_id(a->uid, p);
    v->practitioner_id = BK_NUM(a->practitioner_id);
    v->practitioner_name = a->practitioner_name;
    v->user_id = a->user_id;
    v->user_name = words.name;
    v->user_email = words.email;
    v->notes = words.notes;
    v->session_type = text_or_empty(a->session_type);
    v->status = a->status;
    v->revision = BK_NUM(a->revision);
    v->created_at = BK_NUM(a->created_at);
    v->updated_at = BK_NUM(a->updated_at);
    v->meeting = meeting_words(a, p);
    times_words(v, a->starts_at, a->ends_at, a->time_zone, p);
    *out = v;
    return NULL;
}

static void visit_words(visit_t *v, bk_req_t *req, const bk_visit_t *visit)
{
    apr_pool_t *p = req->ctx.p;

    memset(v, 0, sizeof(*v));
    v->success = BK_NUM(true);
    v->id = BK_NUM(visit->id);
    v->booking_id = bk_visit_public_id(visit->uid, p);
    v->status = visit->status;
    v->revision = BK_NUM(visit->revision);
    v->manage_token = bk_manage_token(&req->ctx, visit->uid, visit->slot.end);
    times_words(v, visit->slot.start, visit->slot.end, visit->time_zone, p);
}

/* --- booking ---------------------------------------------------------------------------------- */

/* A start is an instant, or a date and a time. */
static bk_err_t *start_check(bk_err_t *e, const bk_start_t *s, apr_pool_t *p)
{
    if (s->instant.set || bk_err_mentions(e, s->instant_field)) {
        bool clear = !bk_err_mentions(e, s->date_field) && !bk_err_mentions(e, s->tod_field);
        return clear && (s->date.set || s->tod.set)
                   ? bk_err_add_once(e, p, s->instant_field,
                                     "cannot be combined with date and time")
                   : e;
    }
    if (!s->date.set) {
        e = bk_err_add_once(e, p, s->date_field, "is required");
    }
    if (!s->tod.set) {
        e = bk_err_add_once(e, p, s->tod_field, "is required");
    }
    return e;
}

static bk_err_t *guest_check(bk_err_t *e, const create_t *in, apr_pool_t *p)
{
    if (in->user_id) {
        e = bk_err_add_once(e, p, "userId", "must be absent for a guest");
    }
    if (!in->email) {
        e = bk_err_add_once(e, p, "userEmail", "is required for a guest");
    }
    if (!in->name) {
        e = bk_err_add_once(e, p, "userName", "is required for a guest");
    }
    return e;
}

static bk_start_t create_start(const create_t *in)
{
    return (bk_start_t){in->starts_at, in->date, in->time, "startsAt", "date", "time"};
}

static bk_err_t *create_check(bk_err_t *e, const void *body, const void *baton, apr_pool_t *p)
{
    const create_t *in = body;
    const bk_req_t *req = baton;
    bk_start_t start = create_start(in);

    e = start_check(e, &start, p);
    if (bk_granted(req, BK_GRANT_GUEST)) {
        e = guest_check(e, in, p);
    }
    else if (!in->user_id && !bk_granted(req, BK_GRANT_OWN)) {
        e = bk_err_add_once(e, p, "userId", "is required");
    }
    return e;
}

static bk_start_t move_start(const move_t *in)
{
    return (bk_start_t){in->starts_at, in->date, in->time, "startsAt", "newDate", "newTime"};
}

static bk_err_t *move_check(bk_err_t *e, const void *body, const void *baton, apr_pool_t *p)
{
    bk_start_t start = move_start(body);

    (void)baton;
    return start_check(e, &start, p);
}

static const char *manage_url(const bk_req_t *req, const visit_t *v)
{
    return apr_pstrcat(req->ctx.p, req->public_base(req->host), "/appointments/", v->booking_id,
                       "?token=", v->manage_token, NULL);
}

bk_err_t *bk_handle_appointment_create(bk_resp_t *resp, bk_req_t *req)
{
    const create_t *in = req->in;
    meeting_t meeting = {"none", "", "", "", "none"};
    bk_order_t order = {
        .practitioner_id = in->practitioner_id.v,
        .start = create_start(in),
        .name = in->name, .email = in->email, .notes = in->notes,
        .session_type = in->session_type, .platform = in->video ? in->video->platform : NULL,
        .status = "confirmed", .dialect = "journey"};
    bk_visit_t visit;
    visit_t out;

    order.user_id = in->user_id;
    BK_TRY(bk_visit_book(&visit, &req->ctx, &order));
    visit_words(&out, req, &visit);
    out.practitioner_id = in->practitioner_id;
    out.manage_url = manage_url(req, &out);
    if (order.platform) {
        meeting.platform = order.platform;
        meeting.status = "pending";
    }
    out.meeting = &meeting;
    bk_answer(resp, req, &out);
    apr_table_setn(resp->headers, "Location",
                   apr_psprintf(req->ctx.p, "%s/appointments/%" APR_INT64_T_FMT, req->base,
                                visit.id));
    return NULL;
}

/* --- one visit -------------------------------------------------------------------------------- */

/* The visit in the path, if the caller may see it and, with If-Match, it is as they saw it. */
static bk_err_t *visit_open(bk_appointment_t **out, bk_req_t *req)
{
    const char *match = req->header(req->host, "If-Match");
    visit_t *words;
    bk_buf_t body;

    BK_TRY(bk_visit_find(out, &req->ctx, req->params[0]));
    if (!match) {
        return NULL;
    }
    BK_TRY(appointment_words(&words, req, *out));
    bk_buf_init(&body, 1024, req->ctx.p);
    bk_json_encode(&body, &bk_shape_appointment, words);
    return bk_etag_listed(match, bk_etag_make(body.s, body.len, req->ctx.p))
               ? NULL : bk_err_make(BK_E_PRECONDITION_FAILED, req->ctx.p, NULL);
}

bk_err_t *bk_handle_appointment_get(bk_resp_t *resp, bk_req_t *req)
{
    bk_appointment_t *a;
    visit_t *out;

    BK_TRY(bk_visit_find(&a, &req->ctx, req->params[0]));
    BK_TRY(appointment_words(&out, req, a));
    bk_answer(resp, req, out);
    return NULL;
}

bk_err_t *bk_handle_appointment_cancel(bk_resp_t *resp, bk_req_t *req)
{
    const cancel_t *in = req->in;
    visit_t out = {.success = BK_NUM(true), .status = "cancelled",
                   .message = "Appointment cancelled successfully"};
    bk_appointment_t *a;
    bool late;

    BK_TRY(visit_open(&a, req));
    BK_TRY(bk_visit_cancel(&late, &req->ctx, a, in->reason));
    out.id = BK_NUM(a->id);
    out.late = BK_NUM(late);
    bk_answer(resp, req, &out);
    return NULL;
}

bk_err_t *bk_handle_appointment_move(bk_resp_t *resp, bk_req_t *req)
{
    bk_start_t start = move_start(req->in);
    bk_appointment_t *a;
    bk_visit_t visit;
    visit_t out;

    BK_TRY(visit_open(&a, req));
    BK_TRY(bk_visit_move(&visit, &req->ctx, a, &start));
    visit_words(&out, req, &visit);
    out.message = "Appointment rescheduled successfully";
    bk_answer(resp, req, &out);
    return NULL;
}

/* --- a user's visits -------------------------------------------------------------------------- */

static bk_err_t *filter_make(bk_appointment_filter_t *f, bk_req_t *req, int limit)
{
    const query_t *q = req->query_in;

    *f = (bk_appointment_filter_t){.user_id = req->params[0], .status = q->status,
                                   .from = q->from, .to = q->to, .limit = limit + 1};
    if (q->cursor) {
        BK_TRY(bk_cursor_parse(&f->after_start, &f->after_id, q->cursor, req->ctx.p));
    }
    return NULL;
}

bk_err_t *bk_handle_appointment_list(bk_resp_t *resp, bk_req_t *req)
{
    const query_t *q = req->query_in;
    int limit = q->limit.set ? (int)q->limit.v : PAGE_DEFAULT;
    bk_appointment_filter_t filter;
    apr_array_header_t *found;
    list_t out = {NULL, NULL};

    BK_TRY(filter_make(&filter, req, limit));
    BK_TRY(bk_visit_list(&found, &req->ctx, &filter));
    if (found->nelts > limit) {
        const bk_appointment_t *last = APR_ARRAY_IDX(found, limit - 1, bk_appointment_t *);
        apr_array_pop(found);
        out.next = bk_cursor_make(last->starts_at, last->id, req->ctx.p);
    }
    out.appointments = apr_array_make(req->ctx.p, found->nelts, sizeof(visit_t *));
    for (int i = 0; i < found->nelts; i++) {
        visit_t *v;
        BK_TRY(appointment_words(&v, req, APR_ARRAY_IDX(found, i, bk_appointment_t *)));
        APR_ARRAY_PUSH(out.appointments, visit_t *) = v;
    }
    bk_answer(resp, req, &out);
    return NULL;
}
