#include "booking/domain.h"

#include <string.h>

#include <apr_strings.h>

#define TRIES 5
#define UID_LEN 16

/* --- names and words ---------------------------------------------------------------------- */

const char *bk_visit_public_id(const unsigned char uid[16], apr_pool_t *p)
{
    return apr_pstrcat(p, "booking_", bk_hex_encode(uid, UID_LEN, p), NULL);
}

/* What a sealed column is bound to: moved to another row or column it does not open. */
static const char *seal_context(const char *column, const unsigned char uid[16], apr_pool_t *p)
{
    return apr_pstrcat(p, "appointments.", column, ":", bk_hex_encode(uid, UID_LEN, p), NULL);
}

bk_err_t *bk_visit_words(bk_client_words_t *out, bk_ctx_t *ctx, const bk_appointment_t *a)
{
    BK_TRY(bk_open(&out->name, ctx->keys, seal_context("client_name", a->uid, ctx->p),
                   a->name_sealed, ctx->p));
    BK_TRY(bk_open(&out->email, ctx->keys, seal_context("client_email", a->uid, ctx->p),
                   a->email_sealed, ctx->p));
    BK_TRY(bk_open(&out->notes, ctx->keys, seal_context("notes", a->uid, ctx->p),
                   a->notes_sealed, ctx->p));
    if (!out->notes) {
        out->notes = a->notes;
    }
    return NULL;
}

/* --- deciding on a start -------------------------------------------------------------------- */

static const char *start_field(const bk_start_t *start)
{
    return start->instant.set ? start->instant_field : start->tod_field;
}

static bk_err_t *verdict_error(bk_verdict_t verdict, const bk_start_t *start, bk_ctx_t *ctx)
{
    static const struct {
        bk_code_t code;
        const char *issue;
    } answers[] = {
        [BK_TIME_PAST] = {BK_E_PAST_TIME, "lies in the past"},
        [BK_TIME_NOTICE] = {BK_E_SLOT_UNAVAILABLE, "is sooner than the notice asked for"},
        [BK_TIME_HORIZON] = {BK_E_SLOT_UNAVAILABLE, "is further ahead than can be booked"},
        [BK_TIME_CLOSED] = {BK_E_SLOT_UNAVAILABLE, "is not one of the practitioner's times"},
        [BK_TIME_TAKEN] = {BK_E_SLOT_TAKEN, "overlaps another visit"},
    };

    return bk_err_field(answers[verdict].code, start_field(start), answers[verdict].issue,
                        ctx->p);
}

static bk_err_t *client_busy(const bk_start_t *start, bk_ctx_t *ctx)
{
    return bk_err_field(BK_E_CLIENT_BUSY, start_field(start),
                        "overlaps another visit of the client", ctx->p);
}

/* The instant a caller means. */
static bk_err_t *start_resolve(bk_time_t *at, const bk_start_t *start, const bk_schedule_t *s,
                               bk_ctx_t *ctx)
{
    bk_local_kind_t kind = BK_LOCAL_UNIQUE;

    if (start->instant.set) {
        *at = start->instant.v;
        return NULL;
    }
    *at = bk_slot_resolve(s, (bk_date_t)start->date.v, (int)start->tod.v, &kind, ctx->p);
    if (kind == BK_LOCAL_GAP) {
        return bk_err_field(BK_E_VALIDATION_FAILED, start->tod_field,
                            apr_psprintf(ctx->p, "does not exist on that date in %s: the clock "
                                         "goes forward over it", bk_zone_name(s->zone)), ctx->p);
    }
    return NULL;
}

/* The slot a visit would take; *length* 0: the slot's own. */
static bk_err_t *start_decide(bk_slot_t *slot, const bk_start_t *start, int length,
                              const bk_schedule_t *s, bk_ctx_t *ctx)
{
    bk_verdict_t verdict;
    bk_time_t at;

    BK_TRY(start_resolve(&at, start, s, ctx));
    verdict = bk_slot_find(s, at, ctx->now, slot, ctx->p);
    if (verdict == BK_TIME_FREE && length > slot->end - slot->start) {
        /* Longer than the slot it starts on: it must still end inside opening hours. */
        bk_spans_t open = bk_windows_make(s, slot->date - 2, slot->date + 2, ctx->p);
        verdict = BK_TIME_CLOSED;
        for (int i = 0; i < open.n; i++) {
            if (open.v[i].start <= at && at + length <= open.v[i].end) {
                verdict = BK_TIME_FREE;
            }
        }
    }
    if (verdict != BK_TIME_FREE) {
        return verdict_error(verdict, start, ctx);
    }
    if (length) {
        slot->end = slot->start + length;
    }
    return NULL;
}

/* --- for whom -------------------------------------------------------------------------------- */

static bk_err_t *require_client_of(bk_ctx_t *ctx, const bk_order_t *order)
{
    apr_int64_t practice;
    bool known = false;
    bk_db_t *db;

    BK_TRY(bk_identity_practice(&practice, ctx));
    if (practice == 0 || practice != order->practitioner_id) {
        return bk_err_field(BK_E_FORBIDDEN, "practitionerId", "must be your own practice", ctx->p);
    }
    BK_TRY(bk_ctx_db(&db, ctx));
    BK_TRY(bk_store_client_known(&known, db, order->user_id, practice, ctx->p));
    return known ? NULL : bk_err_make(BK_E_NOT_YOUR_CLIENT, ctx->p, NULL);
}

/* Whose visit it will be, if the caller may book it. */
static bk_err_t *client_decide(const char **user_id, bk_ctx_t *ctx, const bk_order_t *order)
{
    *user_id = order->user_id;
    switch (ctx->role) {
    case BK_ROLE_ADMIN:
        return NULL;
    case BK_ROLE_THERAPIST:
        return require_client_of(ctx, order);
    case BK_ROLE_CLIENT:
        *user_id = ctx->user_id;
        return order->user_id && strcmp(order->user_id, ctx->user_id) != 0
                   ? bk_err_field(BK_E_FORBIDDEN, "userId", "must be the signed-in user", ctx->p)
                   : NULL;
    default:
        *user_id = NULL;
        return NULL;
    }
}

bk_err_t *bk_visit_list(apr_array_header_t **out, bk_ctx_t *ctx, bk_appointment_filter_t *filter)
{
    bool own = ctx->user_id && strcmp(filter->user_id, ctx->user_id) == 0;
    bk_db_t *db;

    filter->practitioner_id = 0;
    if (!own && ctx->role == BK_ROLE_THERAPIST) {
        BK_TRY(bk_identity_practice(&filter->practitioner_id, ctx));
        if (filter->practitioner_id == 0) {
            filter->practitioner_id = -1; /* a therapist without a practice sees nobody's */
        }
    }
    else if (!own && ctx->role != BK_ROLE_ADMIN) {
        return bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
    }
    BK_TRY(bk_ctx_db(&db, ctx));
    return bk_store_appointment_list(out, db, filter, ctx->p);
}

/* --- booking -------------------------------------------------------------------------------- */

static bk_err_t *booking_fill(bk_booking_t *b, const bk_order_t *order, bk_ctx_t *ctx)
{
    memset(b, 0, sizeof(*b));
    b->practitioner_id = order->practitioner_id;
    b->email_hash = order->email ? bk_lookup_hash(ctx->keys, order->email, ctx->p) : NULL;
    b->session_type = order->session_type;
    b->platform = order->platform;
    b->status = order->status;
    b->dialect = order->dialect;
    bk_random(b->uid, UID_LEN);
    BK_TRY(bk_seal(&b->name_sealed, ctx->keys, seal_context("client_name", b->uid, ctx->p),
                   order->name, ctx->p));
    BK_TRY(bk_seal(&b->email_sealed, ctx->keys, seal_context("client_email", b->uid, ctx->p),
                   order->email, ctx->p));
    return bk_seal(&b->notes_sealed, ctx->keys, seal_context("notes", b->uid, ctx->p),
                   order->notes, ctx->p);
}

static void booking_at(bk_booking_t *b, const bk_calendar_t *calendar, const bk_slot_t *slot)
{
    b->version = calendar->version;
    b->starts_at = slot->start;
    b->ends_at = slot->end;
    b->date = slot->date;
    b->tod = slot->tod;
}

/* Why a booking found no place; NULL when it should be tried again. */
static bk_err_t *booking_refused(const bk_booked_t *booked, const bk_booking_t *b,
                                 const bk_start_t *start, bk_db_t *db, bk_ctx_t *ctx)
{
    int expired = 0;
    bool busy = false;

    if (booked->client_id == 0) {
        return NULL; /* two first visits of one person at once: the other one made the person */
    }
    BK_TRY(bk_store_holds_expire(&expired, db, b->practitioner_id, booked->client_id,
                                 b->starts_at, b->ends_at, ctx->now, ctx->p));
    if (expired) {
        return NULL;
    }
    BK_TRY(bk_store_client_busy(&busy, db, booked->client_id, b->starts_at, b->ends_at, ctx->now,
                                0, ctx->p));
    /* A guest has shown nothing to be the owner of an address: whether that address has a visit
     * is not told. */
    return busy && b->user_id ? client_busy(start, ctx) : verdict_error(BK_TIME_TAKEN, start, ctx);
}

static void visit_fill(bk_visit_t *out, apr_int64_t id, const unsigned char uid[16],
                       const bk_calendar_t *calendar, const bk_slot_t *slot, int revision,
                       const char *status, apr_pool_t *p)
{
    out->id = id;
    memcpy(out->uid, uid, UID_LEN);
    out->time_zone = apr_pstrdup(p, bk_zone_name(calendar->schedule.zone));
    out->slot = *slot;
    out->revision = revision;
    out->status = status;
}

bk_err_t *bk_visit_book(bk_visit_t *out, bk_ctx_t *ctx, const bk_order_t *order)
{
    const bk_calendar_t *calendar, *stale = NULL;
    bk_actor_t actor = bk_ctx_actor(ctx);
    bk_booking_t booking;
    bk_db_t *db;

    BK_TRY(booking_fill(&booking, order, ctx));
    BK_TRY(client_decide(&booking.user_id, ctx, order));
    for (int try = 0; try < TRIES; try++) {
        bk_booked_t booked;
        bk_slot_t slot;
        bk_err_t *e;

        BK_TRY(bk_calendar_get(&calendar, ctx, order->practitioner_id, stale));
        e = start_decide(&slot, &order->start, 0, &calendar->schedule, ctx);
        if (e && stale == NULL) {
            /* Refused by what may be an old calendar: look at today's before saying no. */
            stale = calendar;
            continue;
        }
        BK_TRY(e);
        booking_at(&booking, calendar, &slot);
        BK_TRY(bk_ctx_db(&db, ctx));
        e = bk_store_book(&booked, db, &booking, &actor, ctx->p);
        if (bk_db_deadlocked(db, e)) {
            continue;
        }
        BK_TRY(e);
        if (booked.id) {
            visit_fill(out, booked.id, booking.uid, calendar, &slot, 0, order->status, ctx->p);
            return NULL;
        }
        if (booked.version != calendar->version) {
            stale = calendar;
            continue;
        }
        BK_TRY(booking_refused(&booked, &booking, &order->start, db, ctx));
    }
    return bk_err_make(BK_E_UNAVAILABLE, ctx->p, "a booking found no end after %d tries", TRIES);
}

/* --- finding -------------------------------------------------------------------------------- */

static bk_err_t *may_see(bool *yes, bk_ctx_t *ctx, const bk_appointment_t *a,
                         const unsigned char *token_uid)
{
    apr_int64_t practice = 0;

    *yes = ctx->role == BK_ROLE_ADMIN || (token_uid && memcmp(token_uid, a->uid, UID_LEN) == 0) ||
           (ctx->user_id && a->user_id && strcmp(ctx->user_id, a->user_id) == 0);
    if (!*yes && ctx->role == BK_ROLE_THERAPIST) {
        BK_TRY(bk_identity_practice(&practice, ctx));
        *yes = practice && practice == a->practitioner_id;
    }
    return NULL;
}

/* "booking_<32 hex>" to its bytes. */
static bool uid_parse(const char *ref, unsigned char uid[16])
{
    static const char prefix[] = "booking_";

    return strncmp(ref, prefix, sizeof(prefix) - 1) == 0 &&
           bk_hex_decode(ref + sizeof(prefix) - 1, strlen(ref) - (sizeof(prefix) - 1), uid,
                         UID_LEN);
}

bk_err_t *bk_visit_find(bk_appointment_t **out, bk_ctx_t *ctx, const char *ref)
{
    unsigned char uid[UID_LEN], token_uid[UID_LEN];
    bool by_uid = uid_parse(ref, uid);
    bool token = ctx->manage_token && bk_manage_check(ctx, ctx->manage_token, token_uid);
    bool yes = false;
    apr_int64_t id = 0;
    bk_db_t *db;

    if (!ctx->user_id && !token) {
        return bk_err_make(BK_E_UNAUTHENTICATED, ctx->p, NULL);
    }
    if (!by_uid && !bk_id_parse(ref, "meeting", &id)) {
        return bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
    }
    BK_TRY(bk_ctx_db(&db, ctx));
    BK_TRY(bk_store_appointment_find(out, db, id, by_uid ? uid : NULL, ctx->p));
    if (*out) {
        BK_TRY(may_see(&yes, ctx, *out, token ? token_uid : NULL));
    }
    return yes ? NULL : bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
}

/* --- cancelling and moving -------------------------------------------------------------------- */

static bool is_blocking(const char *status)
{
    return strcmp(status, "held") == 0 || strcmp(status, "scheduled") == 0 ||
           strcmp(status, "confirmed") == 0;
}

/* Whether the visit can still be changed by this caller. */
static bk_err_t *require_changeable(bk_ctx_t *ctx, const bk_appointment_t *seen)
{
    bk_err_t *stranger = bk_identity_require_practice(ctx, seen->practitioner_id);

    if (stranger && stranger->code != BK_E_NOT_FOUND) {
        return stranger; /* who it is could not be found out */
    }
    if (!is_blocking(seen->status)) {
        return bk_err_public(BK_E_INVALID_STATE,
                             apr_psprintf(ctx->p, "The visit is already %s.", seen->status),
                             ctx->p);
    }
    if (stranger && seen->starts_at <= ctx->now) {
        return bk_err_public(BK_E_INVALID_STATE, "The visit has already begun.", ctx->p);
    }
    return NULL;
}

static bk_err_t *changed_meanwhile(bk_ctx_t *ctx)
{
    return bk_err_public(BK_E_CONFLICT, "The visit was changed by somebody else just now.",
                         ctx->p);
}

bk_err_t *bk_visit_cancel(bool *late, bk_ctx_t *ctx, const bk_appointment_t *seen,
                          const char *reason)
{
    bk_actor_t actor = bk_ctx_actor(ctx);
    bk_bytes_t sealed;
    bool done = false;
    bk_db_t *db;

    BK_TRY(require_changeable(ctx, seen));
    BK_TRY(bk_seal(&sealed, ctx->keys, seal_context("cancel_reason", seen->uid, ctx->p), reason,
                   ctx->p));
    *late = bk_is_late_cancel(ctx->now, seen->starts_at, seen->cancel_notice_hours);
    BK_TRY(bk_ctx_db(&db, ctx));
    BK_TRY(bk_store_cancel(&done, db, seen, sealed, *late, ctx->now, &actor, ctx->p));
    return done ? NULL : changed_meanwhile(ctx);
}

/* One try to move, in a transaction. */
typedef struct {
    bk_ctx_t *ctx;
    const bk_appointment_t *seen;
    const bk_calendar_t *calendar;
    const bk_slot_t *slot;
    bool done;
} move_t;

static bk_err_t *move_work(bk_db_t *db, void *baton, apr_pool_t *p)
{
    move_t *m = baton;
    bk_actor_t actor = bk_ctx_actor(m->ctx);
    int expired;

    BK_TRY(bk_store_move_lock(db, m->seen, p));
    BK_TRY(bk_store_holds_expire(&expired, db, m->seen->practitioner_id, m->seen->client_id,
                                 m->slot->start, m->slot->end, m->ctx->now, p));
    return bk_store_move(&m->done, db, m->seen, m->calendar, m->slot->start, m->slot->end,
                         m->slot->date, m->slot->tod, &actor, p);
}

static bk_err_t *move_refused(bk_err_t *e, const bk_start_t *start, bk_ctx_t *ctx)
{
    if (!bk_err_is(e, "23P01")) {
        return e;
    }
    if (e->constraint && strcmp(e->constraint, "appointments_client") == 0) {
        return client_busy(start, ctx);
    }
    return verdict_error(BK_TIME_TAKEN, start, ctx);
}

/* Whether the visit is no longer as it was seen (else it was the hours that changed). */
static bk_err_t *move_stale(bk_db_t *db, const bk_appointment_t *seen, bk_ctx_t *ctx)
{
    bk_appointment_t *today;

    BK_TRY(bk_store_appointment_find(&today, db, seen->id, NULL, ctx->p));
    return today && today->revision == seen->revision && is_blocking(today->status)
               ? NULL : changed_meanwhile(ctx);
}

bk_err_t *bk_visit_move(bk_visit_t *out, bk_ctx_t *ctx, const bk_appointment_t *seen,
                        const bk_start_t *start)
{
    int length = (int)(seen->ends_at - seen->starts_at);
    const bk_calendar_t *calendar, *stale = NULL;
    bk_db_t *db;

    BK_TRY(require_changeable(ctx, seen));
    for (int try = 0; try < TRIES; try++) {
        bk_slot_t slot;
        move_t m = {ctx, seen, NULL, &slot, false};
        bk_err_t *e;

        e = bk_calendar_get(&calendar, ctx, seen->practitioner_id, stale);
        if (e && e->code == BK_E_NOT_FOUND) {
            /* The visit is there, but its practitioner takes no more visits. */
            return verdict_error(BK_TIME_CLOSED, start, ctx);
        }
        BK_TRY(e);
        e = start_decide(&slot, start, length, &calendar->schedule, ctx);
        if (e && stale == NULL) {
            stale = calendar;
            continue;
        }
        BK_TRY(e);
        m.calendar = calendar;
        BK_TRY(bk_ctx_db(&db, ctx));
        e = bk_db_transact(db, move_work, &m, ctx->p);
        BK_TRY(move_refused(e, start, ctx));
        if (m.done) {
            visit_fill(out, seen->id, seen->uid, calendar, &slot, seen->revision + 1,
                       seen->status, ctx->p);
            return NULL;
        }
        BK_TRY(move_stale(db, seen, ctx));
        stale = calendar;
    }
    return bk_err_make(BK_E_UNAVAILABLE, ctx->p, "a move found no end after %d tries", TRIES);
}
