/* The rules: who may see what, which times are free, and how a visit is made, moved and ended.
 *
 * No HTTP and no SQL text here. A bk_ctx_t is one piece of work by one caller (a request or a
 * job): one thread, one pool, at most one database connection, leased when first needed and
 * given back by bk_ctx_release.
 */
#ifndef BOOKING_DOMAIN_H
#define BOOKING_DOMAIN_H

#include "booking/store.h"

typedef enum { BK_ROLE_ANONYMOUS, BK_ROLE_CLIENT, BK_ROLE_THERAPIST, BK_ROLE_ADMIN } bk_role_t;

typedef struct {
    apr_pool_t *p;
    const bk_keyring_t *keys;
    const bk_db_source_t *source;
    bk_db_t *db; /* leased, or NULL */
    bk_time_t now;
    const char *request_id;
    int manage_ttl_s; /* how long after a visit its manage token stays good */

    const char *user_id; /* NULL: nobody signed in */
    bk_role_t role;
    bool role_known;          /* false: to be found out by bk_identity_settle */
    bool practice_known;      /* practice_id was looked up */
    apr_int64_t practice_id;  /* the practitioner this user is; 0: none */
    const char *manage_token; /* as sent, or NULL */
} bk_ctx_t;

/* The context's connection, leased at the first call. */
bk_err_t *bk_ctx_db(bk_db_t **db, bk_ctx_t *ctx);
void bk_ctx_release(bk_ctx_t *ctx);

/* --- identity (identity.c) -------------------------------------------------------------- */

const char *bk_role_name(bk_role_t role);
bool bk_role_parse(const char *name, bk_role_t *out);

/* Settles the role of a user whose token names none: therapist when a practitioner has that
 * user_id, client otherwise. */
bk_err_t *bk_identity_settle(bk_ctx_t *ctx);

/* The practitioner that the user is, 0 for none. */
bk_err_t *bk_identity_practice(apr_int64_t *id, bk_ctx_t *ctx);

/* NULL when the caller may change that practice (an admin, or the practitioner), else NOT_FOUND:
 * what somebody may not see is not there. */
bk_err_t *bk_identity_require_practice(bk_ctx_t *ctx, apr_int64_t practitioner_id);

bk_actor_t bk_ctx_actor(const bk_ctx_t *ctx);

/* --- practices (practice.c) --------------------------------------------------------------- */

/* Changes of a practitioner's record, hours and overrides; each with its audit row in one
 * transaction. Callers other than the practice and admins get NOT_FOUND, as for rows that are
 * not there; a change that contradicts another row is CONFLICT. */
bk_err_t *bk_practitioner_save(bk_practitioner_t **saved, bk_ctx_t *ctx, bk_practitioner_t *row);
bk_err_t *bk_practitioner_deactivate(bk_ctx_t *ctx, apr_int64_t id);
bk_err_t *bk_hours_save(bk_ctx_t *ctx, bk_hours_t *row);
bk_err_t *bk_hours_delete(bk_ctx_t *ctx, apr_int64_t practitioner_id, apr_int64_t id);
bk_err_t *bk_override_save(bk_ctx_t *ctx, bk_date_override_t *row);
bk_err_t *bk_override_delete(bk_ctx_t *ctx, apr_int64_t practitioner_id, apr_int64_t id);

/* NOT_FOUND unless the caller may see the practice and it exists. */
bk_err_t *bk_practice_open(bk_ctx_t *ctx, apr_int64_t practitioner_id);

/* --- manage tokens (manage.c) ------------------------------------------------------------ */

/* A signed token that stands for one visit until *manage_ttl_s* after its end: "mt_..." */
const char *bk_manage_token(const bk_ctx_t *ctx, const unsigned char uid[16], bk_time_t ends_at);

/* Whether *token* is good at ctx->now; *uid* gets its visit. */
bool bk_manage_check(const bk_ctx_t *ctx, const char *token, unsigned char uid[16]);

/* --- calendars (calendars.c) ------------------------------------------------------------- */

/* Prepares the process's cache of calendars in *p*; once per process, before threads. */
apr_status_t bk_calendars_init(apr_pool_t *p);

/* The calendar of an active practitioner: cached, or loaded when there is none or *stale* (may
 * be NULL) is the cached one. It stays valid as long as ctx->p. NOT_FOUND when there is no such
 * practitioner. Whoever decides on it must compare its version with the database's. */
bk_err_t *bk_calendar_get(const bk_calendar_t **out, bk_ctx_t *ctx, apr_int64_t practitioner_id,
                          const bk_calendar_t *stale);

/* The calendars of these lists: cached ones of the same version, the others loaded, in one
 * statement for all. NULL in *out* where the practitioner has gone meanwhile. */
bk_err_t *bk_calendars_at(const bk_calendar_t **out, bk_ctx_t *ctx, const bk_busy_list_t *lists,
                          int n);

/* --- availability (free_times.c) --------------------------------------------------------- */

typedef struct {
    const bk_calendar_t *calendar;
    bk_slots_t slots; /* of the dates asked for, marked */
} bk_free_times_t;

/* All slots of the local dates from..to. NOT_FOUND when the practitioner is not there. */
bk_err_t *bk_free_times(bk_free_times_t *out, bk_ctx_t *ctx, apr_int64_t practitioner_id,
                        bk_date_t from, bk_date_t to);

/* The same for all practitioners of a filter, in at most two statements, after which the
 * connection is given back: an array of bk_free_times_t, by practitioner. only_id 0: all. *next
 * is the id to go on after when there are more than filter->limit, else 0. */
bk_err_t *bk_free_times_search(apr_array_header_t **out, apr_int64_t *next, bk_ctx_t *ctx,
                               const bk_practitioner_filter_t *filter, apr_int64_t only_id,
                               bk_date_t from, bk_date_t to);

/* --- visits (visits.c) -------------------------------------------------------------------- */

/* A start as callers name it: an instant, or a date and wall time of the practitioner's zone.
 * The field names are the dialect's, for error details. */
typedef struct {
    bk_num_t instant, date, tod;
    const char *instant_field, *date_field, *tod_field;
} bk_start_t;

typedef struct {
    apr_int64_t practitioner_id;
    bk_start_t start;
    const char *user_id; /* NULL: a guest */
    const char *name, *email, *notes, *session_type, *platform;
    const char *status, *dialect;
} bk_order_t;

/* What came of booking or moving. */
typedef struct {
    apr_int64_t id;
    unsigned char uid[16];
    const char *time_zone;
    bk_slot_t slot; /* its end is the visit's */
    int revision;
    const char *status;
} bk_visit_t;

/* Books, for whom the caller may: a client for nobody but themselves (the order's user may be left
 * out), a therapist into their own practice for clients of theirs, an admin for anybody, a
 * guest without a user. FORBIDDEN, NOT_YOUR_CLIENT; NOT_FOUND (practitioner), PAST_TIME,
 * SLOT_UNAVAILABLE, SLOT_TAKEN, CLIENT_BUSY, or VALIDATION_FAILED when the wall time does not
 * exist. */
bk_err_t *bk_visit_book(bk_visit_t *out, bk_ctx_t *ctx, const bk_order_t *order);

/* Visits of filter->user_id that the caller may see: all of one's own, for therapists those of
 * their practice, for admins all; an array of bk_appointment_t *. NOT_FOUND for a client who
 * asks for somebody else's. filter->practitioner_id is overwritten. */
bk_err_t *bk_visit_list(apr_array_header_t **out, bk_ctx_t *ctx,
                        bk_appointment_filter_t *filter);

/* The visit called *ref* ("456", "meeting_456", "booking_<32 hex>") if the caller may see it.
 * UNAUTHENTICATED for nobody without a good manage token, else NOT_FOUND. */
bk_err_t *bk_visit_find(bk_appointment_t **out, bk_ctx_t *ctx, const char *ref);

/* Cancels what bk_visit_find gave; *late: less notice than the practitioner asks for. */
bk_err_t *bk_visit_cancel(bool *late, bk_ctx_t *ctx, const bk_appointment_t *seen,
                          const char *reason);

/* Moves it; its length stays. Errors as of bk_visit_book, and INVALID_STATE, CONFLICT. */
bk_err_t *bk_visit_move(bk_visit_t *out, bk_ctx_t *ctx, const bk_appointment_t *seen,
                        const bk_start_t *start);

/* The personal columns of a visit, opened. */
typedef struct {
    const char *name, *email, *notes;
} bk_client_words_t;
bk_err_t *bk_visit_words(bk_client_words_t *out, bk_ctx_t *ctx, const bk_appointment_t *a);

/* "booking_<32 hex>" */
const char *bk_visit_public_id(const unsigned char uid[16], apr_pool_t *p);

#endif
