/* From opening hours to slots.
 *
 * The hours of one date are its unit: their grid is laid out on its own, whatever dates are
 * asked for, and slots are then picked by the local date they start on. */

#include "booking/availability.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DAYS_MAX 400
#define SLOTS_AT_FIRST 64

/* One opening hour of one date, resolved to instants. */
typedef struct {
    int slot_s;
    bk_span_t span;
} hour_t;

typedef struct {
    hour_t *v;
    int n;
} hours_t;

/* A list of slots while it grows. */
typedef struct {
    bk_slots_t slots;
    int room;
    bool sorted;
    const bk_zone_t *zone;
    bk_date_t from, to; /* local dates wanted */
    apr_pool_t *p;
} builder_t;

/* --- the hours of one date ----------------------------------------------------------- */

static int overrides_lower_bound(const bk_schedule_t *s, bk_date_t date)
{
    int low = 0, high = s->n_overrides;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (s->overrides[middle].date < date) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

/* Pacific/Apia had no 30 December 2011: the clock went from the 29th to the 31st. */
static bool date_exists(const bk_zone_t *zone, bk_date_t date)
{
    bk_local_kind_t first, last;

    bk_zone_from_local(zone, date, 0, &first);
    bk_zone_from_local(zone, date, BK_DAY_S - 1, &last);
    return first != BK_LOCAL_GAP || last != BK_LOCAL_GAP;
}

/* Adds one opening hour. Nothing comes of one that the clock skipped entirely, or that would
 * end before it starts because only its start was moved out of a gap. */
static void hour_add(hours_t *hours, const bk_zone_t *zone, bk_date_t date, int start, int end,
                     int slot_s)
{
    bk_local_kind_t kind;
    bk_span_t span;

    if (slot_s <= 0) {
        return;
    }
    span.start = bk_zone_from_local(zone, date, start, &kind);
    if (kind == BK_LOCAL_GAP && !date_exists(zone, date)) {
        return;
    }
    span.end = bk_zone_from_local(zone, date + (end <= start), end, NULL);
    if (span.start < span.end) {
        hours->v[hours->n++] = (hour_t){slot_s, span};
    }
}

/* The hours that start on *date*, unsorted. hours->v has room for all rows of the schedule. */
static void hours_of_date(const bk_schedule_t *s, bk_date_t date, hours_t *hours)
{
    int first = overrides_lower_bound(s, date);
    int weekday = bk_date_weekday(date);

    hours->n = 0;
    if (first < s->n_overrides && s->overrides[first].date == date) {
        for (int i = first; i < s->n_overrides && s->overrides[i].date == date; i++) {
            const bk_override_t *o = &s->overrides[i];

            if (!o->closed) {
                hour_add(hours, s->zone, date, o->start, o->end, o->slot_s);
            }
        }
        return;
    }
    for (int i = 0; i < s->n_rules; i++) {
        const bk_rule_t *rule = &s->rules[i];

        if (rule->day_of_week == weekday) {
            hour_add(hours, s->zone, date, rule->start, rule->end, rule->slot_s);
        }
    }
}

/* The most rows one date can have between *from* and *to*. */
static int hours_room(const bk_schedule_t *s, bk_date_t from, bk_date_t to)
{
    int overrides = overrides_lower_bound(s, to + 1) - overrides_lower_bound(s, from);

    return (s->n_rules > overrides ? s->n_rules : overrides) + 1;
}

static bk_date_t limit_to(bk_date_t from, bk_date_t to)
{
    return to - from >= DAYS_MAX ? from + DAYS_MAX - 1 : to;
}

static bool dates_valid(bk_date_t from, bk_date_t to)
{
    return from <= to && from >= BK_DATE_MIN && to <= BK_DATE_MAX;
}

/* --- windows ------------------------------------------------------------------------- */

/* Makes room for one more by doubling. */
static bk_span_t *span_push(bk_spans_t *spans, int *room, apr_pool_t *p)
{
    if (spans->n == *room) {
        bk_span_t *old = spans->v;

        *room = *room ? *room * 2 : 16;
        spans->v = apr_palloc(p, sizeof(*spans->v) * (size_t)*room);
        if (spans->n) {
            memcpy(spans->v, old, sizeof(*old) * (size_t)spans->n);
        }
    }
    return &spans->v[spans->n++];
}

bk_spans_t bk_windows_make(const bk_schedule_t *s, bk_date_t from, bk_date_t to, apr_pool_t *p)
{
    bk_spans_t all = {NULL, 0};
    hours_t hours = {NULL, 0};
    int room = 0;

    if (!dates_valid(from, to)) {
        return all;
    }
    to = limit_to(from, to);
    hours.v = apr_palloc(p, sizeof(*hours.v) * (size_t)hours_room(s, from, to));
    for (bk_date_t date = from; date <= to; date++) {
        hours_of_date(s, date, &hours);
        for (int i = 0; i < hours.n; i++) {
            *span_push(&all, &room, p) = hours.v[i].span;
        }
    }
    return bk_spans_merge(all.v, all.n, p);
}

/* --- growing a list of slots --------------------------------------------------------- */

static bk_slot_t *slot_push(builder_t *b)
{
    bk_slots_t *slots = &b->slots;

    if (slots->n == b->room) {
        bk_slot_t *old = slots->v;

        b->room = b->room ? b->room * 2 : SLOTS_AT_FIRST;
        slots->v = apr_palloc(b->p, sizeof(*slots->v) * (size_t)b->room);
        if (slots->n) {
            memcpy(slots->v, old, sizeof(*old) * (size_t)slots->n);
        }
    }
    return &slots->v[slots->n++];
}

static void slot_add(builder_t *b, bk_time_t start, bk_time_t end)
{
    bk_slot_t slot = {.start = start, .end = end, .available = true};

    if (b->zone) {
        slot.offset = bk_zone_to_local(b->zone, start, &slot.date, &slot.tod);
        if (slot.date < b->from || slot.date > b->to) {
            return;
        }
    }
    b->sorted = b->sorted && (b->slots.n == 0 || b->slots.v[b->slots.n - 1].start < start);
    *slot_push(b) = slot;
}

/* The slots of one window whose starts lie in *wanted*. */
static void window_cut(builder_t *b, bk_span_t window, int length, int step, bk_span_t wanted)
{
    bk_time_t start = window.start;

    if (start < wanted.start) {
        start += (wanted.start - start + step - 1) / step * step;
    }
    for (; start + length <= window.end && start < wanted.end; start += step) {
        slot_add(b, start, start + length);
    }
}

static int slot_compare(const void *a, const void *b)
{
    const bk_slot_t *x = a, *y = b;

    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

/* Each start once; of two lengths the shorter, which sorts first. */
static void slots_dedupe(bk_slots_t *slots)
{
    int kept = 0;

    qsort(slots->v, (size_t)slots->n, sizeof(*slots->v), slot_compare);
    for (int i = 0; i < slots->n; i++) {
        if (kept == 0 || slots->v[kept - 1].start != slots->v[i].start) {
            slots->v[kept++] = slots->v[i];
        }
    }
    slots->n = kept;
}

static int slots_lower_bound(bk_slots_t slots, bk_time_t start)
{
    int low = 0, high = slots.n;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (slots.v[middle].start < start) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

/* Whether the label of slot *i* was there *ahead* seconds before, when the offset was that
 * much larger. */
static bool label_repeats(bk_slots_t slots, int i, int ahead)
{
    const bk_slot_t *slot = &slots.v[i];
    int j = slots_lower_bound(slots, slot->start - ahead);

    return j < i && slots.v[j].date == slot->date && slots.v[j].tod == slot->tod;
}

/* Labels repeat only behind a drop of the offset, and for no longer than it dropped by. */
static void slots_relabel(bk_slots_t slots)
{
    int ahead = 0;
    bk_time_t until = 0;

    for (int i = 1; i < slots.n; i++) {
        int drop = slots.v[i - 1].offset - slots.v[i].offset;

        if (drop > 0) {
            ahead = drop;
            until = slots.v[i].start + drop;
        }
        if (ahead && slots.v[i].start < until) {
            slots.v[i].relabelled = label_repeats(slots, i, ahead);
        }
    }
}

static bk_slots_t builder_finish(builder_t *b)
{
    if (!b->sorted) {
        slots_dedupe(&b->slots);
    }
    if (b->zone) {
        slots_relabel(b->slots);
    }
    return b->slots;
}

/* --- slots --------------------------------------------------------------------------- */

bk_slots_t bk_slots_make(bk_spans_t windows, int length, int step, bk_time_t not_before,
                         const bk_zone_t *zone, apr_pool_t *p)
{
    builder_t b = {.sorted = true, .zone = zone, .from = INT_MIN, .to = INT_MAX, .p = p};
    bk_span_t wanted = {not_before, APR_INT64_MAX};
    bk_spans_t merged;

    if (length <= 0 || step <= 0) {
        return b.slots;
    }
    merged = bk_spans_merge(windows.v, windows.n, p);
    for (int i = 0; i < merged.n; i++) {
        if (merged.v[i].end > not_before) {
            window_cut(&b, merged.v[i], length, step, wanted);
        }
    }
    return builder_finish(&b);
}

static int hour_compare(const void *a, const void *b)
{
    const hour_t *x = a, *y = b;

    if (x->slot_s != y->slot_s) {
        return x->slot_s < y->slot_s ? -1 : 1;
    }
    return (x->span.start > y->span.start) - (x->span.start < y->span.start);
}

/* Lays the grids of one date's hours, one for each slot length. */
static void hours_cut(builder_t *b, hours_t *hours, bk_span_t wanted)
{
    if (hours->n > 1) {
        qsort(hours->v, (size_t)hours->n, sizeof(*hours->v), hour_compare);
    }
    for (int i = 0; i < hours->n;) {
        int slot_s = hours->v[i].slot_s;
        bk_span_t window = hours->v[i].span;

        for (i++;
             i < hours->n && hours->v[i].slot_s == slot_s && hours->v[i].span.start <= window.end;
             i++) {
            if (hours->v[i].span.end > window.end) {
                window.end = hours->v[i].span.end;
            }
        }
        if (window.start < wanted.end && window.end > wanted.start) {
            window_cut(b, window, slot_s, slot_s, wanted);
        }
    }
}

/* The instants whose local date may be one of from..to. Exact where both midnights exist
 * once; a day or two wider otherwise, as slot_add() looks at the local date anyway. */
static bk_span_t dates_span(const bk_zone_t *zone, bk_date_t from, bk_date_t to)
{
    bk_local_kind_t first, last;
    bk_span_t span;

    span.start = bk_zone_from_local(zone, from, 0, &first);
    span.end = bk_zone_from_local(zone, to, BK_DAY_S, &last);
    if (first != BK_LOCAL_UNIQUE) {
        span.start -= BK_DAY_S;
    }
    if (last != BK_LOCAL_UNIQUE) {
        span.end += 2 * BK_DAY_S;
    }
    return span;
}

/* Hours of other dates can reach into from..to: overnight ones of the day before; of two days
 * before, when their end fell on a skipped date; of the day after, when the clock goes back
 * over midnight (St. John's did so at 00:01 until 2011). */
bk_slots_t bk_slots_of_days(const bk_schedule_t *s, bk_date_t from, bk_date_t to, apr_pool_t *p)
{
    builder_t b = {.sorted = true, .zone = s->zone, .from = from, .p = p};
    hours_t hours = {NULL, 0};
    bk_span_t wanted;

    if (!dates_valid(from, to)) {
        return b.slots;
    }
    b.to = limit_to(from, to);
    wanted = dates_span(s->zone, from, b.to);
    hours.v = apr_palloc(p, sizeof(*hours.v) * (size_t)hours_room(s, from - 2, b.to + 1));
    for (bk_date_t date = from - 2; date <= b.to + 1; date++) {
        hours_of_date(s, date, &hours);
        hours_cut(&b, &hours, wanted);
    }
    return builder_finish(&b);
}

/* --- which of them are free ---------------------------------------------------------- */

/* The busy list while slots are walked through in the order of their starts. */
typedef struct {
    const bk_busy_t *v;
    int n;
    int before, after;     /* the visit's own buffers */
    int reach;             /* the longest time kept free ahead of any of the list */
    int next;              /* those before it start before the slot does */
    bk_time_t taken_until; /* the latest end of those, with what is kept free behind it */
} sweep_t;

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

static sweep_t sweep_start(const bk_schedule_t *s, const bk_busy_t *busy, int n)
{
    sweep_t sweep = {.v = busy,
                     .n = n,
                     .before = s->buffer_before,
                     .after = s->buffer_after,
                     .reach = s->buffer_after,
                     .taken_until = APR_INT64_MIN};

    for (int i = 0; i < n; i++) {
        sweep.reach = max_int(sweep.reach, busy[i].before);
    }
    return sweep;
}

/* Whether the slot conflicts, as bk_busy_conflict() would say. What started before the slot
 * is remembered by its latest end alone, so that long or many visits are looked at once. */
static bool sweep_conflict(sweep_t *sweep, bk_span_t slot)
{
    for (; sweep->next < sweep->n && sweep->v[sweep->next].start <= slot.start; sweep->next++) {
        const bk_busy_t *busy = &sweep->v[sweep->next];
        bk_time_t until = busy->end + max_int(busy->after, sweep->before);

        if (busy->start < busy->end && until > sweep->taken_until) {
            sweep->taken_until = until;
        }
    }
    if (slot.start < sweep->taken_until) {
        return true;
    }
    for (int i = sweep->next; i < sweep->n && sweep->v[i].start < slot.end + sweep->reach; i++) {
        if (bk_busy_conflict(slot, sweep->before, sweep->after, &sweep->v[i], 1)) {
            return true;
        }
    }
    return false;
}

void bk_slots_mark(bk_slots_t slots, const bk_schedule_t *s, const bk_busy_t *busy, int n_busy,
                   bk_time_t now)
{
    sweep_t sweep = sweep_start(s, busy, n_busy);
    bk_time_t first = now + s->notice_s, last = now + s->horizon_s;

    for (int i = 0; i < slots.n; i++) {
        bk_slot_t *slot = &slots.v[i];

        slot->available = slot->start >= first && slot->start <= last
                          && !sweep_conflict(&sweep, (bk_span_t){slot->start, slot->end});
    }
}

/* --- one start ----------------------------------------------------------------------- */

static bool slot_at(const bk_schedule_t *s, bk_time_t start, bk_slot_t *slot, apr_pool_t *p)
{
    bk_slots_t slots;
    bk_date_t date;
    int i;

    bk_zone_to_local(s->zone, start, &date, NULL);
    slots = bk_slots_of_days(s, date, date, p);
    i = slots_lower_bound(slots, start);
    if (i == slots.n || slots.v[i].start != start) {
        return false;
    }
    *slot = slots.v[i];
    return true;
}

bk_verdict_t bk_slot_find(const bk_schedule_t *s, bk_time_t start, bk_time_t now, bk_slot_t *slot,
                          apr_pool_t *p)
{
    bk_slot_t found;
    bool listed = slot_at(s, start, &found, p);
    bk_verdict_t verdict = start < now                  ? BK_TIME_PAST
                           : start < now + s->notice_s  ? BK_TIME_NOTICE
                           : start > now + s->horizon_s ? BK_TIME_HORIZON
                           : !listed                    ? BK_TIME_CLOSED
                                                        : BK_TIME_FREE;

    if (slot && listed) {
        found.available = verdict == BK_TIME_FREE;
        *slot = found;
    }
    return verdict;
}

bk_time_t bk_slot_resolve(const bk_schedule_t *s, bk_date_t date, int tod, bk_local_kind_t *kind,
                          apr_pool_t *p)
{
    bk_time_t plain = bk_zone_from_local(s->zone, date, tod, kind);
    bk_slots_t slots = bk_slots_of_days(s, date, date, p);

    for (int i = 0; i < slots.n; i++) {
        if (slots.v[i].date == date && slots.v[i].tod == tod) {
            return slots.v[i].start;
        }
    }
    return plain;
}

bool bk_is_late_cancel(bk_time_t now, bk_time_t start, int notice_hours)
{
    return notice_hours > 0 && now < start && start - now < (bk_time_t)notice_hours * 3600;
}
