/* The slot engine: which times a practitioner can be visited.
 *
 * One decision serves listing, booking, rescheduling and series. It is pure arithmetic on
 * what the caller hands in: opening hours in a zone, busy spans, buffers, a clock. No SQL, no
 * HTTP, no clock of its own. Safe from any thread; results live in the pool given.
 *
 * A span is half-open: [start, end). Two visits may touch.
 */
#ifndef BOOKING_AVAILABILITY_H
#define BOOKING_AVAILABILITY_H

#include "booking/zone.h"

typedef struct {
    bk_time_t start, end;
} bk_span_t;

/* A list of spans. Functions that return one return it sorted, merged and without empty
 * spans; functions that take one accept any order unless they say otherwise. */
typedef struct {
    bk_span_t *v;
    int n;
} bk_spans_t;

/* One weekly opening hour, wall-clock. end <= start runs past midnight into the next day,
 * but belongs to the day it starts on; end may be 86400 (24:00). */
typedef struct {
    apr_int64_t id;
    int day_of_week; /* 0 = Sunday */
    int start, end;  /* seconds since midnight */
    int slot_s;      /* length and step of its slots, seconds, > 0 */
} bk_rule_t;

/* One row of a date override. Any row of a date replaces all weekly hours that start on that
 * date; a closed row opens nothing. */
typedef struct {
    apr_int64_t id;
    bk_date_t date;
    bool closed;
    int start, end; /* as in bk_rule_t; unused when closed */
    int slot_s;
} bk_override_t;

/* Everything that decides a practitioner's times, except the visits already there. */
typedef struct {
    const bk_zone_t *zone;
    const bk_rule_t *rules; /* any order */
    int n_rules;
    const bk_override_t *overrides; /* sorted by date */
    int n_overrides;
    int buffer_before, buffer_after; /* seconds kept free around a visit */
    int notice_s;                    /* a visit starts at least this long after now */
    int horizon_s;                   /* ... and at most this long after now */
} bk_schedule_t;

/* A time that is taken, with the buffers its visit asks for (0 for external busy time). */
typedef struct {
    bk_time_t start, end;
    int before, after; /* seconds */
} bk_busy_t;

typedef struct {
    bk_time_t start, end;
    bk_date_t date;  /* local date of start */
    int tod;         /* local time of day of start */
    int offset;      /* zone's offset at start, seconds */
    bool relabelled; /* same date and tod as an earlier slot of the list: the clock went back */
    bool available;
} bk_slot_t;

typedef struct {
    bk_slot_t *v;
    int n;
} bk_slots_t;

/* Why a time cannot be had, in the order in which they are looked at. */
typedef enum {
    BK_TIME_FREE,
    BK_TIME_PAST,    /* before now */
    BK_TIME_NOTICE,  /* sooner than the minimum notice */
    BK_TIME_HORIZON, /* beyond the horizon */
    BK_TIME_CLOSED,  /* not a listed start, or outside opening hours */
    BK_TIME_TAKEN    /* a visit, external busy time or a buffer is in the way */
} bk_verdict_t;

/* --- arithmetic of spans ------------------------------------------------------------- */

/* Sorted, overlapping and touching ones joined, empty and inverted ones dropped. */
bk_spans_t bk_spans_merge(const bk_span_t *v, int n, apr_pool_t *p);

/* What is in *a* and not in *b*. */
bk_spans_t bk_spans_subtract(bk_spans_t a, bk_spans_t b, apr_pool_t *p);

/* What is in each of the *n* lists. Touching spans share nothing. n = 0: nothing. */
bk_spans_t bk_spans_intersect(const bk_spans_t *lists, int n, apr_pool_t *p);

/* Whether *span* shares time with any of *busy* (touching does not count; an empty span
 * shares nothing). */
bool bk_spans_conflict(bk_span_t span, bk_spans_t busy);

/* Whether a visit, with its own buffers, is too near to one of *busy*: two neighbours must be
 * apart by the larger of the first's `after` and the second's `before`, not by their sum. */
bool bk_busy_conflict(bk_span_t visit, int before, int after, const bk_busy_t *busy, int n);

/* --- opening hours ------------------------------------------------------------------- */

/* Opening hours that start on the local dates from..to (inclusive), joined across midnight
 * and across days. Boundaries are wall-clock, resolved by the zone (bk_zone_from_local); a date
 * the zone skipped has no hours. At most 400 days. */
bk_spans_t bk_windows_make(const bk_schedule_t *s, bk_date_t from, bk_date_t to, apr_pool_t *p);

/* --- slots --------------------------------------------------------------------------- */

/* Starts at window.start, + step, ... in each of the merged *windows*, as long as a visit of
 * *length* seconds ends inside it and starts at or after *not_before*
 * (APR_INT64_MIN for none). Steps are elapsed time. start and end of each slot are filled,
 * and, where *zone* is given, its local members; available is true. length, step > 0. */
bk_slots_t bk_slots_make(bk_spans_t windows, int length, int step, bk_time_t not_before,
                         const bk_zone_t *zone, apr_pool_t *p);

/* All slots that start on the local dates from..to (inclusive), by start, each start once,
 * all `available`. Steps are counted from where a day's hours begin: the hours that start on
 * one date are merged among themselves for each slot length, so that the grid of a date does
 * not depend on which dates are asked for. A slot does not span the hours of two dates. Where
 * two lengths share a start the shorter stays. from <= to; at most 400 days are answered. */
bk_slots_t bk_slots_of_days(const bk_schedule_t *s, bk_date_t from, bk_date_t to, apr_pool_t *p);

/* Sets `available` of each slot (in the order of their starts): inside notice and horizon as of
 * *now*, both ends included, no conflict with *busy* (sorted by start). Costs O(slots + busy)
 * where visits are shorter than a day. */
void bk_slots_mark(bk_slots_t slots, const bk_schedule_t *s, const bk_busy_t *busy, int n_busy,
                   bk_time_t now);

/* The decision for one start that a caller names, without looking at visits: FREE when
 * bk_slots_of_days would list a slot starting there and notice and horizon allow it. *slot
 * (may be NULL) gets that slot where there is one. Never answers TAKEN. */
bk_verdict_t bk_slot_find(const bk_schedule_t *s, bk_time_t start, bk_time_t now, bk_slot_t *slot,
                          apr_pool_t *p);

/* The instant meant by a wall label: the first slot of that date with that label, or, where no
 * slot has it, bk_zone_from_local. *kind is BK_LOCAL_GAP when the label does not exist. */
bk_time_t bk_slot_resolve(const bk_schedule_t *s, bk_date_t date, int tod, bk_local_kind_t *kind,
                          apr_pool_t *p);

/* Whether cancelling at *now* a visit that starts at *start* is later than the notice asked
 * for: less than notice_hours before, and before the start itself. 0 hours = no rule. */
bool bk_is_late_cancel(bk_time_t now, bk_time_t start, int notice_hours);

#endif
