/* Appointments: booking, finding, cancelling, moving. */
#include "booking/store.h"
#include "statements.h"

#include <string.h>

#include <apr_strings.h>

#define BLOCKING "('held', 'scheduled', 'confirmed')"
/* Doing something twice under one key is doing it once. */
#define OUTBOX_KEY(uid, operation, revision) \
    "'mb-' || replace(" uid "::text, '-', '') || '-" operation "-' || " revision

/* One round trip decides the race: the constraints let one of two overlapping visits in, and the
 * loser gets no row. Everything that follows from the visit is written with it. */
const bk_stmt_t bk_stmt_book = {
    "book",
    "WITH pr AS MATERIALIZED ("
    "    SELECT id, name, schedule_version, active,"
    "           buffer_before_minutes * interval '1 minute' AS before,"
    "           buffer_after_minutes * interval '1 minute' AS after"
    "      FROM practitioners WHERE id = $1),"
    " known AS MATERIALIZED ("
    "    SELECT id FROM people WHERE user_id = $3"
    "    UNION ALL"
    "    SELECT id FROM people WHERE $3 IS NULL AND user_id IS NULL AND email_hash = $4),"
    " fresh AS ("
    "    INSERT INTO people (user_id, email_hash)"
    "    SELECT $3, $4 FROM pr"
    "     WHERE pr.active AND pr.schedule_version = $2 AND NOT EXISTS (SELECT FROM known)"
    "    ON CONFLICT DO NOTHING RETURNING id),"
    " client AS MATERIALIZED (SELECT id FROM known UNION ALL SELECT id FROM fresh),"
    " visit AS ("
    "    INSERT INTO appointments (uid, user_id, client_id, practitioner_id, practitioner_name,"
    "           date, time, starts_at, ends_at, blocked_from, blocked_until, session_type, status,"
    "           dialect, client_name_sealed, client_email_sealed, notes_sealed)"
    "    SELECT $5, $3, client.id, pr.id, pr.name, $8, $9, $6, $7, $6 - pr.before, $7 + pr.after,"
    "           $10, $11, $12, $13, $14, $15"
    "      FROM pr, client WHERE pr.active AND pr.schedule_version = $2"
    "    ON CONFLICT DO NOTHING RETURNING id),"
    " meeting AS ("
    "    INSERT INTO appointment_meetings (appointment_id, platform)"
    "    SELECT id, $16 FROM visit WHERE $16 IS NOT NULL),"
    " effects AS ("
    "    INSERT INTO outbox (kind, appointment_id, key, payload)"
    "    SELECT 'event', id, " OUTBOX_KEY("$5", "booked", "0") ","
    "           '{\"type\": \"AppointmentBooked\", \"revision\": 0}'::jsonb FROM visit"
    "    UNION ALL"
    "    SELECT 'meeting', id, " OUTBOX_KEY("$5", "meeting-create-' || $16 || '", "0") ","
    "           jsonb_build_object('operation', 'create', 'platform', $16, 'revision', 0)"
    "      FROM visit WHERE $16 IS NOT NULL),"
    " audit AS ("
    "    INSERT INTO audit_log (actor, actor_role, action, appointment_id, practitioner_id,"
    "           request_id, changes)"
    "    SELECT $17, $18, 'appointment.book', id, $1, $19,"
    "           jsonb_build_object('startsAt', $6, 'status', $11) FROM visit)"
    " SELECT CASE WHEN pr.active THEN pr.schedule_version ELSE 0 END,"
    "        (SELECT id FROM client), (SELECT id FROM visit) FROM pr"};

static const bk_stmt_t holds_expire = {
    "holds_expire",
    "WITH gone AS ("
    "    UPDATE appointments SET status = 'expired', hold_expires_at = NULL"
    "     WHERE status = 'held' AND hold_expires_at <= $5"
    "       AND starts_at > $3 - interval '36 hours' AND starts_at < $4 + interval '36 hours'"
    "       AND (practitioner_id = $1 OR client_id = $2) RETURNING id, practitioner_id),"
    " audit AS ("
    "    INSERT INTO audit_log (actor_role, action, appointment_id, practitioner_id)"
    "    SELECT 'system', 'appointment.expire', id, practitioner_id FROM gone)"
    " SELECT count(*) FROM gone"};

static const bk_stmt_t client_busy = {
    "client_busy",
    "SELECT EXISTS (SELECT FROM appointments"
    "  WHERE client_id = $1 AND tstzrange(starts_at, ends_at) && tstzrange($2, $3) AND id <> $5"
    "    AND status IN " BLOCKING " AND (hold_expires_at IS NULL OR hold_expires_at > $4))"};

static const bk_stmt_t client_known = {
    "client_known",
    "SELECT EXISTS (SELECT FROM appointments WHERE user_id = $1 AND practitioner_id = $2)"};

#define COLUMNS                                                                                  \
    "SELECT a.id, a.uid, a.user_id, a.client_id, a.practitioner_id, a.practitioner_name,"        \
    "       p.time_zone, a.session_type,"                                                        \
    "       a.status, a.notes, a.date, a.time, a.starts_at, a.ends_at, a.created_at,"            \
    "       a.updated_at, a.revision, p.cancel_notice_hours, a.late_cancel,"                     \
    "       a.client_name_sealed, a.client_email_sealed, a.notes_sealed,"                        \
    "       m.platform, m.status, m.meeting_url, m.meeting_id, m.password"                       \
    "  FROM appointments a"                                                                      \
    "  JOIN practitioners p ON p.id = a.practitioner_id"                                         \
    "  LEFT JOIN LATERAL (SELECT * FROM appointment_meetings WHERE appointment_id = a.id"        \
    "                      ORDER BY id DESC LIMIT 1) m ON true"
enum { A_ID, A_UID, A_USER, A_CLIENT, A_PRACTITIONER, A_PRACTITIONER_NAME, A_ZONE, A_TYPE,
       A_STATUS, A_NOTES, A_DATE, A_TIME, A_START, A_END, A_CREATED, A_UPDATED, A_REVISION,
       A_CANCEL_NOTICE, A_LATE, A_NAME_SEALED, A_EMAIL_SEALED, A_NOTES_SEALED, A_PLATFORM,
       A_MEETING_STATUS, A_MEETING_URL, A_MEETING_ID, A_MEETING_PASSWORD };

static const bk_stmt_t appointment_by_id = {"appointment_by_id", COLUMNS " WHERE a.id = $1"};
static const bk_stmt_t appointment_by_uid = {"appointment_by_uid", COLUMNS " WHERE a.uid = $1"};

const bk_stmt_t bk_stmt_user_list = {
    "user_list",
    COLUMNS
    " WHERE a.user_id = $1"
    "   AND ($2 = 0 OR a.practitioner_id = $2)"
    "   AND ($3::text IS NULL OR a.status = $3)"
    "   AND ($4::date IS NULL OR a.date >= $4) AND ($5::date IS NULL OR a.date <= $5)"
    "   AND (a.starts_at, a.id) > (coalesce($6, '-infinity'::timestamptz), $7)"
    " ORDER BY a.starts_at, a.id LIMIT $8"};

/* Only if it is still as it was seen: the revision rises with every move and end. */
static const bk_stmt_t cancel_stmt = {
    "cancel",
    "WITH gone AS ("
    "    UPDATE appointments SET status = 'cancelled', hold_expires_at = NULL, cancelled_at = $3,"
    "           cancelled_by = $6, cancel_reason_sealed = $4, late_cancel = $5,"
    "           revision = revision + 1"
    "     WHERE id = $1 AND revision = $2 AND status IN " BLOCKING
    "    RETURNING id, uid, practitioner_id, revision),"
    " meeting AS ("
    "    SELECT platform FROM appointment_meetings"
    "     WHERE appointment_id = $1 AND status <> 'deleted'),"
    " effects AS ("
    "    INSERT INTO outbox (kind, appointment_id, key, payload)"
    "    SELECT 'event', id, " OUTBOX_KEY("uid", "cancelled", "revision") ","
    "           jsonb_build_object('type', 'AppointmentCancelled', 'revision', revision)"
    "      FROM gone"
    "    UNION ALL"
    "    SELECT 'meeting', id, " OUTBOX_KEY("uid", "meeting-delete-' || platform || '", "revision")
    ","
    "           jsonb_build_object('operation', 'delete', 'platform', platform,"
    "                              'revision', revision) FROM gone, meeting),"
    " audit AS ("
    "    INSERT INTO audit_log (actor, actor_role, action, appointment_id, practitioner_id,"
    "           request_id, changes)"
    "    SELECT $6, $7, 'appointment.cancel', id, practitioner_id, $8,"
    "           jsonb_build_object('late', $5) FROM gone)"
    " SELECT count(*) FROM gone"};

/* UPDATE has no ON CONFLICT: two moves that wait for one another would deadlock. So moves of one
 * practitioner, and of one client, queue here first; practitioner before client, always. It is a
 * statement of its own because a snapshot taken before the lock would be too old. */
static const bk_stmt_t move_lock = {
    "move_lock",
    "SELECT pg_advisory_xact_lock(hashtextextended('booking practitioner ' || $1, 0)),"
    "       pg_advisory_xact_lock(hashtextextended('booking client ' || $2, 0))"};

static const bk_stmt_t move_stmt = {
    "move",
    "WITH moved AS ("
    "    UPDATE appointments a SET starts_at = $3, ends_at = $4, date = $5, time = $6,"
    "           blocked_from = $3 - p.buffer_before_minutes * interval '1 minute',"
    "           blocked_until = $4 + p.buffer_after_minutes * interval '1 minute',"
    "           revision = a.revision + 1"
    "      FROM practitioners p"
    "     WHERE a.id = $1 AND a.revision = $2 AND a.status IN " BLOCKING
    "       AND p.id = a.practitioner_id AND p.active AND p.schedule_version = $7"
    "    RETURNING a.id, a.uid, a.practitioner_id, a.revision),"
    " meeting AS ("
    "    SELECT platform FROM appointment_meetings"
    "     WHERE appointment_id = $1 AND status <> 'deleted'),"
    " effects AS ("
    "    INSERT INTO outbox (kind, appointment_id, key, payload)"
    "    SELECT 'event', id, " OUTBOX_KEY("uid", "rescheduled", "revision") ","
    "           jsonb_build_object('type', 'AppointmentRescheduled', 'revision', revision,"
    "                              'originalStartTime', $8) FROM moved"
    "    UNION ALL"
    "    SELECT 'meeting', id,"
    "           " OUTBOX_KEY("uid", "meeting-move-' || platform || '", "revision") ","
    "           jsonb_build_object('operation', 'move', 'platform', platform,"
    "                              'revision', revision) FROM moved, meeting),"
    " audit AS ("
    "    INSERT INTO audit_log (actor, actor_role, action, appointment_id, practitioner_id,"
    "           request_id, changes)"
    "    SELECT $9, $10, 'appointment.reschedule', id, practitioner_id, $11,"
    "           jsonb_build_object('from', $8, 'to', $3) FROM moved)"
    " SELECT count(*) FROM moved"};

static void arg_actor(bk_args_t *a, const bk_actor_t *actor)
{
    bk_arg_text(a, actor->user_id);
    bk_arg_text(a, actor->role);
    bk_arg_text(a, actor->request_id);
}

bk_err_t *bk_store_book(bk_booked_t *out, bk_db_t *db, const bk_booking_t *in,
                        const bk_actor_t *actor, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, in->practitioner_id);
    bk_arg_int(&a, in->version);
    bk_arg_text(&a, in->user_id);
    bk_arg_text(&a, in->email_hash);
    bk_arg_uuid(&a, in->uid);
    bk_arg_time(&a, in->starts_at);
    bk_arg_time(&a, in->ends_at);
    bk_arg_date(&a, in->date);
    bk_arg_tod(&a, in->tod);
    bk_arg_text(&a, in->session_type);
    bk_arg_text(&a, in->status);
    bk_arg_text(&a, in->dialect);
    bk_arg_bytes(&a, in->name_sealed);
    bk_arg_bytes(&a, in->email_sealed);
    bk_arg_bytes(&a, in->notes_sealed);
    bk_arg_text(&a, in->platform);
    arg_actor(&a, actor);
    BK_TRY(bk_db_run(&rows, db, &bk_stmt_book, &a, p));
    *out = (bk_booked_t){0, 0, 0};
    if (bk_rows_count(rows)) {
        out->version = bk_cell_int(rows, 0, 0);
        out->client_id = bk_cell_int(rows, 0, 1);
        out->id = bk_cell_int(rows, 0, 2);
    }
    return NULL;
}

bk_err_t *bk_store_holds_expire(int *n, bk_db_t *db, apr_int64_t practitioner_id,
                                apr_int64_t client_id, bk_time_t from, bk_time_t to,
                                bk_time_t now, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, practitioner_id);
    bk_arg_int(&a, client_id);
    bk_arg_time(&a, from);
    bk_arg_time(&a, to);
    bk_arg_time(&a, now);
    BK_TRY(bk_db_run(&rows, db, &holds_expire, &a, p));
    *n = (int)bk_cell_int(rows, 0, 0);
    return NULL;
}

bk_err_t *bk_store_client_busy(bool *busy, bk_db_t *db, apr_int64_t client_id, bk_time_t from,
                               bk_time_t to, bk_time_t now, apr_int64_t except, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, client_id);
    bk_arg_time(&a, from);
    bk_arg_time(&a, to);
    bk_arg_time(&a, now);
    bk_arg_int(&a, except);
    BK_TRY(bk_db_run(&rows, db, &client_busy, &a, p));
    *busy = bk_cell_bool(rows, 0, 0);
    return NULL;
}

bk_err_t *bk_store_client_known(bool *known, bk_db_t *db, const char *user_id,
                                apr_int64_t practitioner_id, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_text(&a, user_id);
    bk_arg_int(&a, practitioner_id);
    BK_TRY(bk_db_run(&rows, db, &client_known, &a, p));
    *known = bk_cell_bool(rows, 0, 0);
    return NULL;
}

static bk_appointment_t *appointment_decode(const bk_rows_t *rows, int r, apr_pool_t *p)
{
    bk_appointment_t *a = apr_pcalloc(p, sizeof(*a));

    a->id = bk_cell_int(rows, r, A_ID);
    memcpy(a->uid, bk_cell_bytes(rows, r, A_UID).data, sizeof(a->uid));
    a->user_id = bk_cell_text(rows, r, A_USER);
    a->client_id = bk_cell_int(rows, r, A_CLIENT);
    a->practitioner_id = bk_cell_int(rows, r, A_PRACTITIONER);
    a->practitioner_name = bk_cell_text(rows, r, A_PRACTITIONER_NAME);
    a->time_zone = bk_cell_text(rows, r, A_ZONE);
    a->session_type = bk_cell_text(rows, r, A_TYPE);
    a->status = bk_cell_text(rows, r, A_STATUS);
    a->notes = bk_cell_text(rows, r, A_NOTES);
    a->date = bk_cell_date(rows, r, A_DATE);
    a->tod = bk_cell_tod(rows, r, A_TIME);
    a->starts_at = bk_cell_time(rows, r, A_START);
    a->ends_at = bk_cell_time(rows, r, A_END);
    a->created_at = bk_cell_time(rows, r, A_CREATED);
    a->updated_at = bk_cell_time(rows, r, A_UPDATED);
    a->revision = (int)bk_cell_int(rows, r, A_REVISION);
    a->cancel_notice_hours = (int)bk_cell_int(rows, r, A_CANCEL_NOTICE);
    a->late_cancel = bk_cell_bool(rows, r, A_LATE);
    a->name_sealed = bk_cell_bytes(rows, r, A_NAME_SEALED);
    a->email_sealed = bk_cell_bytes(rows, r, A_EMAIL_SEALED);
    a->notes_sealed = bk_cell_bytes(rows, r, A_NOTES_SEALED);
    a->platform = bk_cell_text(rows, r, A_PLATFORM);
    a->meeting_status = bk_cell_text(rows, r, A_MEETING_STATUS);
    a->meeting_url = bk_cell_text(rows, r, A_MEETING_URL);
    a->meeting_id = bk_cell_text(rows, r, A_MEETING_ID);
    a->meeting_password = bk_cell_text(rows, r, A_MEETING_PASSWORD);
    return a;
}

bk_err_t *bk_store_appointment_find(bk_appointment_t **out, bk_db_t *db, apr_int64_t id,
                                    const unsigned char *uid, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    if (uid) {
        bk_arg_uuid(&a, uid);
    }
    else {
        bk_arg_int(&a, id);
    }
    BK_TRY(bk_db_run(&rows, db, uid ? &appointment_by_uid : &appointment_by_id, &a, p));
    *out = bk_rows_count(rows) ? appointment_decode(rows, 0, p) : NULL;
    return NULL;
}

bk_err_t *bk_store_appointment_list(apr_array_header_t **out, bk_db_t *db,
                                    const bk_appointment_filter_t *f, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_text(&a, f->user_id);
    bk_arg_int(&a, f->practitioner_id);
    bk_arg_text(&a, f->status);
    f->from.set ? bk_arg_date(&a, (bk_date_t)f->from.v) : bk_arg_null_date(&a);
    f->to.set ? bk_arg_date(&a, (bk_date_t)f->to.v) : bk_arg_null_date(&a);
    f->after_start.set ? bk_arg_time(&a, f->after_start.v) : bk_arg_null_time(&a);
    bk_arg_int(&a, f->after_id.v);
    bk_arg_int(&a, f->limit);
    BK_TRY(bk_db_run(&rows, db, &bk_stmt_user_list, &a, p));
    *out = apr_array_make(p, bk_rows_count(rows), sizeof(bk_appointment_t *));
    for (int r = 0; r < bk_rows_count(rows); r++) {
        APR_ARRAY_PUSH(*out, bk_appointment_t *) = appointment_decode(rows, r, p);
    }
    return NULL;
}

bk_err_t *bk_store_cancel(bool *done, bk_db_t *db, const bk_appointment_t *seen,
                          bk_bytes_t reason_sealed, bool late, bk_time_t now,
                          const bk_actor_t *actor, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, seen->id);
    bk_arg_int4(&a, seen->revision);
    bk_arg_time(&a, now);
    bk_arg_bytes(&a, reason_sealed);
    bk_arg_bool(&a, late);
    arg_actor(&a, actor);
    BK_TRY(bk_db_run(&rows, db, &cancel_stmt, &a, p));
    *done = bk_cell_int(rows, 0, 0) == 1;
    return NULL;
}

bk_err_t *bk_store_move_lock(bk_db_t *db, const bk_appointment_t *seen, apr_pool_t *p)
{
    bk_args_t a = {0};

    bk_arg_int(&a, seen->practitioner_id);
    bk_arg_int(&a, seen->client_id);
    return bk_db_run(NULL, db, &move_lock, &a, p);
}

bk_err_t *bk_store_move(bool *done, bk_db_t *db, const bk_appointment_t *seen,
                        const bk_calendar_t *calendar, bk_time_t starts_at, bk_time_t ends_at,
                        bk_date_t date, int tod, const bk_actor_t *actor, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, seen->id);
    bk_arg_int4(&a, seen->revision);
    bk_arg_time(&a, starts_at);
    bk_arg_time(&a, ends_at);
    bk_arg_date(&a, date);
    bk_arg_tod(&a, tod);
    bk_arg_int(&a, calendar->version);
    bk_arg_time(&a, seen->starts_at);
    arg_actor(&a, actor);
    BK_TRY(bk_db_run(&rows, db, &move_stmt, &a, p));
    *done = bk_cell_int(rows, 0, 0) == 1;
    return NULL;
}
