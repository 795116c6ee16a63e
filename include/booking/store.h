/* What is kept in PostgreSQL: one file per aggregate in src/store, each statement beside the code
 * that decodes its rows.
 *
 * Functions run on the connection given, inside its transaction if it has one. Results live in
 * the pool *p*. Errors are those of bk_db_run; an absent row is not an error (NULL or 0 in the
 * out-parameter). SQL's now() stamps rows only; what "now" is for a rule is always an argument.
 */
#ifndef BOOKING_STORE_H
#define BOOKING_STORE_H

#include "booking/availability.h"
#include "booking/db.h"
#include "booking/json.h"

/* --- practitioners -------------------------------------------------------------------- */

typedef struct {
    bk_num_t id;
    const char *user_id, *name, *specialty, *rating, *image_url, *badge, *education, *degree,
        *location_type, *bio, *approach, *availability, *email, *video_platform, *time_zone;
    bk_num_t reviews, price, years_experience, active, buffer_before, buffer_after, min_notice,
        horizon_days, cancel_notice; /* minutes, days, hours, as the columns */
    apr_array_header_t *conditions, *languages, *certifications, *insurance, *formats;
} bk_practitioner_t;

/* What a list is narrowed by; NULL and 0 mean no limit. */
typedef struct {
    const char *language, *specialty;
    bool include_inactive;
    apr_int64_t after_id; /* only ids beyond */
    int limit;
} bk_practitioner_filter_t;

bk_err_t *bk_store_practitioner_find(bk_practitioner_t **out, bk_db_t *db, apr_int64_t id,
                                     apr_pool_t *p);
/* By id; *out* is an array of bk_practitioner_t *. */
bk_err_t *bk_store_practitioner_list(apr_array_header_t **out, bk_db_t *db,
                                     const bk_practitioner_filter_t *filter, apr_pool_t *p);
/* The id of the active practitioner with that identity, 0 when there is none: who no longer
 * practises reads nothing. */
bk_err_t *bk_store_practitioner_by_user(apr_int64_t *id, bk_db_t *db, const char *user_id,
                                        apr_pool_t *p);
/* Members that are not set take the column's default. */
bk_err_t *bk_store_practitioner_insert(apr_int64_t *id, bk_db_t *db, const bk_practitioner_t *in,
                                       apr_pool_t *p);
/* Members that are not set stay as they are. *found is false when there is no such row. */
bk_err_t *bk_store_practitioner_update(bool *found, bk_db_t *db, const bk_practitioner_t *in,
                                       apr_pool_t *p);

/* --- hours ---------------------------------------------------------------------------- */

typedef struct {
    bk_num_t id, practitioner_id, day_of_week, start, end, slot_minutes, is_available;
    const char *notes;
} bk_hours_t;

typedef struct {
    bk_num_t id, practitioner_id, date, closed, start, end, slot_minutes;
    const char *note;
} bk_date_override_t;

/* Arrays of pointers. Dates are inclusive. */
bk_err_t *bk_store_hours_list(apr_array_header_t **out, bk_db_t *db, apr_int64_t practitioner_id,
                              apr_pool_t *p);
bk_err_t *bk_store_overrides_list(apr_array_header_t **out, bk_db_t *db,
                                  apr_int64_t practitioner_id, bk_date_t from, bk_date_t to,
                                  apr_pool_t *p);
/* row->id not set: inserts; set: replaces the row of that practitioner. *id is the row's, 0 when
 * there was none to replace. */
bk_err_t *bk_store_hours_save(apr_int64_t *id, bk_db_t *db, const bk_hours_t *row, apr_pool_t *p);
bk_err_t *bk_store_override_save(apr_int64_t *id, bk_db_t *db, const bk_date_override_t *row,
                                 apr_pool_t *p);
bk_err_t *bk_store_hours_delete(bool *found, bk_db_t *db, apr_int64_t practitioner_id,
                                apr_int64_t id, apr_pool_t *p);
bk_err_t *bk_store_override_delete(bool *found, bk_db_t *db, apr_int64_t practitioner_id,
                                   apr_int64_t id, apr_pool_t *p);

/* --- calendars: what the slot engine is fed with --------------------------------------- */

/* One practitioner's hours as of a schedule_version. */
typedef struct {
    apr_int64_t practitioner_id, version;
    const char *name;
    bool active;
    bk_schedule_t schedule;
} bk_calendar_t;

/* Calendars of the practitioners given, in one statement: an array of bk_calendar_t *, by id.
 * A row that names a time zone this host does not know is INTERNAL when it was the only one asked
 * for, else it is logged and left out. */
bk_err_t *bk_store_calendars_load(apr_array_header_t **out, bk_db_t *db, const apr_int64_t *ids,
                                  int n, apr_pool_t *p);

/* The busy times of one practitioner between two instants. */
typedef struct {
    apr_int64_t practitioner_id, version; /* version 0: no such practitioner, or inactive */
    bk_busy_t *busy;                      /* by start */
    int n;
} bk_busy_list_t;

/* Blocking visits whose buffered time touches [from, to), without the visit *except* (0: none).
 * Holds that ended before *now* do not block. */
bk_err_t *bk_store_busy(bk_busy_list_t *out, bk_db_t *db, apr_int64_t practitioner_id,
                        bk_time_t from, bk_time_t to, bk_time_t now, apr_int64_t except,
                        apr_pool_t *p);

/* The same for all active practitioners of a filter (limit and after_id apply): an array of
 * bk_busy_list_t, by id. */
bk_err_t *bk_store_busy_search(apr_array_header_t **out, bk_db_t *db,
                               const bk_practitioner_filter_t *filter, apr_int64_t only_id,
                               bk_time_t from, bk_time_t to, bk_time_t now, apr_pool_t *p);

/* --- appointments --------------------------------------------------------------------- */

/* Who does something, for the audit. */
typedef struct {
    const char *user_id, *role, *request_id;
} bk_actor_t;

typedef struct {
    apr_int64_t id, practitioner_id, client_id;
    unsigned char uid[16];
    const char *user_id, *practitioner_name, *time_zone, *session_type, *status, *notes;
    bk_date_t date;
    int tod;
    bk_time_t starts_at, ends_at, created_at, updated_at;
    int revision, cancel_notice_hours;
    bool late_cancel;
    bk_bytes_t name_sealed, email_sealed, notes_sealed;
    /* The meeting; platform is NULL when there is none. */
    const char *platform, *meeting_status, *meeting_url, *meeting_id, *meeting_password;
} bk_appointment_t;

/* A visit to be made. *version* is the schedule_version the decision was taken on. */
typedef struct {
    apr_int64_t practitioner_id, version;
    unsigned char uid[16];
    const char *user_id;    /* NULL: a guest, known by email_hash */
    const char *email_hash; /* may be NULL for a user */
    bk_time_t starts_at, ends_at;
    bk_date_t date;
    int tod;
    const char *session_type, *platform /* NULL: no meeting */, *status, *dialect;
    bk_bytes_t name_sealed, email_sealed, notes_sealed;
} bk_booking_t;

typedef struct {
    apr_int64_t id;        /* 0: not booked, because ... */
    apr_int64_t version;   /* ... this is not the version given (0: no such practitioner), */
    apr_int64_t client_id; /* or somebody else was first (0: the client is being made) */
} bk_booked_t;

/* Books in one statement: visit, person, meeting, outbox, audit, or nothing of it. */
bk_err_t *bk_store_book(bk_booked_t *out, bk_db_t *db, const bk_booking_t *in,
                        const bk_actor_t *actor, apr_pool_t *p);

/* Ends the holds that ran out before *now* and stand in the way of [from, to) for the practitioner
 * or the client; *n is how many. */
bk_err_t *bk_store_holds_expire(int *n, bk_db_t *db, apr_int64_t practitioner_id,
                                apr_int64_t client_id, bk_time_t from, bk_time_t to,
                                bk_time_t now, apr_pool_t *p);

/* Whether the client has a blocking visit in [from, to), other than *except*. */
bk_err_t *bk_store_client_busy(bool *busy, bk_db_t *db, apr_int64_t client_id, bk_time_t from,
                               bk_time_t to, bk_time_t now, apr_int64_t except, apr_pool_t *p);

/* By id, or by uid when *uid* is not NULL. NULL in *out when there is none. */
bk_err_t *bk_store_appointment_find(bk_appointment_t **out, bk_db_t *db, apr_int64_t id,
                                    const unsigned char *uid, apr_pool_t *p);

typedef struct {
    const char *user_id;
    apr_int64_t practitioner_id; /* 0: any */
    const char *status;          /* NULL: any */
    bk_num_t from, to;           /* local dates, inclusive */
    bk_num_t after_start, after_id; /* cursor: beyond this visit */
    int limit;
} bk_appointment_filter_t;

/* By start, then id; an array of bk_appointment_t *. */
bk_err_t *bk_store_appointment_list(apr_array_header_t **out, bk_db_t *db,
                                    const bk_appointment_filter_t *filter, apr_pool_t *p);

/* Whether that user ever had a visit with the practitioner. */
bk_err_t *bk_store_client_known(bool *known, bk_db_t *db, const char *user_id,
                                apr_int64_t practitioner_id, apr_pool_t *p);

/* Cancels a visit that is still as the caller saw it; *done is false when it is not. */
bk_err_t *bk_store_cancel(bool *done, bk_db_t *db, const bk_appointment_t *seen,
                          bk_bytes_t reason_sealed, bool late, bk_time_t now,
                          const bk_actor_t *actor, apr_pool_t *p);

/* Moves a visit that is still as the caller saw it. Call inside a transaction, after
 * bk_store_move_lock. An overlap is an error with SQLSTATE 23P01 and the constraint's name. */
bk_err_t *bk_store_move_lock(bk_db_t *db, const bk_appointment_t *seen, apr_pool_t *p);
bk_err_t *bk_store_move(bool *done, bk_db_t *db, const bk_appointment_t *seen,
                        const bk_calendar_t *calendar, bk_time_t starts_at, bk_time_t ends_at,
                        bk_date_t date, int tod, const bk_actor_t *actor, apr_pool_t *p);

/* --- changes of hours and practitioners, for the audit ---------------------------------- */

bk_err_t *bk_store_audit(bk_db_t *db, const bk_actor_t *actor, const char *action,
                         apr_int64_t practitioner_id, apr_pool_t *p);

/* --- repeated requests ------------------------------------------------------------------ */

typedef struct {
    unsigned char request_hash[32];
    int status; /* 0: no answer kept yet */
    const char *location;
    bk_bytes_t response_sealed;
} bk_first_answer_t;

/* Claims a key inside a transaction. *claimed: ours to answer. Else *first is what is kept under
 * it; a claim waits for a transaction that holds the same key. Keys older than a day are new. */
bk_err_t *bk_store_key_claim(bool *claimed, bk_first_answer_t *first, bk_db_t *db,
                             const char *scope, const char *key,
                             const unsigned char request_hash[32], bk_time_t now, apr_pool_t *p);
bk_err_t *bk_store_key_answer(bk_db_t *db, const char *scope, const char *key, int status,
                              const char *location, bk_bytes_t response_sealed, apr_pool_t *p);

/* --- the schema ------------------------------------------------------------------------- */

/* The highest migration applied, 0 when there is none. */
bk_err_t *bk_store_migration_level(int *level, bk_db_t *db, apr_pool_t *p);

/* The statement with that name among those whose speed is measured; NULL when there is none. */
const bk_stmt_t *bk_store_statement(const char *name);

#endif
