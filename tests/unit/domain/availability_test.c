#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "booking/availability.h"

#define MAX_RULES 12
#define MAX_BUSY 40
#define HORIZON_S (400 * BK_DAY_S)

static apr_pool_t *pool;    /* of the group */
static apr_pool_t *scratch; /* cleared before each test and each round of a random one */

static bk_time_t at(int year, int month, int day, int hour, int minute)
{
    return (bk_time_t)bk_date_make(year, month, day) * BK_DAY_S + hour * 3600 + minute * 60;
}

static int pick(int low, int high)
{
    return low + rand() % (high - low + 1);
}

/* A schedule together with its rows. */
typedef struct {
    bk_schedule_t s;
    bk_rule_t rules[MAX_RULES];
    bk_override_t overrides[MAX_RULES];
} plan_t;

static void plan_init(plan_t *plan, const char *zone)
{
    memset(plan, 0, sizeof(*plan));
    plan->s.zone = bk_zone_find(zone);
    assert_non_null(plan->s.zone);
    plan->s.rules = plan->rules;
    plan->s.overrides = plan->overrides;
    plan->s.horizon_s = HORIZON_S;
}

static void plan_rule(plan_t *plan, int day, int start, int end, int slot_s)
{
    plan->rules[plan->s.n_rules++] = (bk_rule_t){0, day, start, end, slot_s};
}

static void plan_every_day(plan_t *plan, int start, int end, int slot_s)
{
    for (int day = 0; day < 7; day++) {
        plan_rule(plan, day, start, end, slot_s);
    }
}

static void plan_override(plan_t *plan, bk_date_t date, bool closed, int start, int end, int slot_s)
{
    plan->overrides[plan->s.n_overrides++] = (bk_override_t){0, date, closed, start, end, slot_s};
}

static bk_slots_t slots_of(const plan_t *plan, int year, int month, int day)
{
    bk_date_t date = bk_date_make(year, month, day);

    return bk_slots_of_days(&plan->s, date, date, scratch);
}

/* --- known nights -------------------------------------------------------------------- */

static void spring_night(void **state)
{
    plan_t plan;
    bk_slots_t slots;

    (void)state;
    plan_init(&plan, "Europe/Berlin");
    plan_every_day(&plan, 3600, 5 * 3600, 3600);
    slots = slots_of(&plan, 2026, 3, 29);
    assert_int_equal(slots.n, 3);
    assert_int_equal(slots.v[0].tod, 3600);
    assert_int_equal(slots.v[1].tod, 3 * 3600);
    assert_int_equal(slots.v[2].end, at(2026, 3, 29, 3, 0));
}

static void autumn_night(void **state)
{
    plan_t plan;
    bk_slots_t slots;

    (void)state;
    plan_init(&plan, "Europe/Berlin");
    plan_every_day(&plan, 3600, 5 * 3600, 3600);
    slots = slots_of(&plan, 2026, 10, 25);
    assert_int_equal(slots.n, 5);
    for (int i = 0; i < slots.n; i++) {
        assert_int_equal(slots.v[i].relabelled, i == 2);
        assert_int_equal(slots.v[i].offset, i < 2 ? 7200 : 3600);
    }
}

static void skipped_date(void **state)
{
    plan_t plan;
    bk_date_t friday = bk_date_make(2011, 12, 30);

    (void)state;
    plan_init(&plan, "Pacific/Apia");
    plan_rule(&plan, 5, 9 * 3600, 17 * 3600, 3600);
    assert_int_equal(slots_of(&plan, 2011, 12, 30).n, 0);
    assert_int_equal(slots_of(&plan, 2011, 12, 31).n, 0);
    assert_int_equal(slots_of(&plan, 2011, 12, 23).n, 8);
    assert_int_equal(bk_windows_make(&plan.s, friday, friday, scratch).n, 0);
    plan_rule(&plan, 4, 22 * 3600, 2 * 3600, 3600);
    /* The night shift of the 29th goes on behind midnight, which is the 31st. */
    assert_int_equal(slots_of(&plan, 2011, 12, 29).n, 2);
    assert_int_equal(slots_of(&plan, 2011, 12, 31).n, 2);
}

/* St. John's went back at 00:01, so that hours of one date show times of the date before. */
static void back_over_midnight(void **state)
{
    plan_t plan;
    bk_slots_t slots;

    (void)state;
    plan_init(&plan, "America/St_Johns");
    plan_rule(&plan, 0, 0, 2 * 3600, 1800);
    slots = slots_of(&plan, 2010, 11, 7);
    assert_int_equal(slots.v[0].tod, 0);
    assert_int_equal(slots.v[0].start, at(2010, 11, 7, 2, 30));
    slots = slots_of(&plan, 2010, 11, 6);
    assert_int_equal(slots.n, 1);
    assert_int_equal(slots.v[0].start, at(2010, 11, 7, 3, 0));
    assert_int_equal(slots.v[0].tod, 23 * 3600 + 1800);
}

/* Ends of an hour that lie in the gap, and an hour that lies in it as a whole. */
static void hours_in_the_gap(void **state)
{
    plan_t plan;
    bk_slots_t slots;

    (void)state;
    plan_init(&plan, "Europe/Berlin");
    plan_rule(&plan, 0, 2 * 3600, 3 * 3600, 1800);
    assert_int_equal(slots_of(&plan, 2026, 3, 29).n, 0);
    assert_int_equal(slots_of(&plan, 2026, 4, 5).n, 2);
    plan_rule(&plan, 0, 2 * 3600, 4 * 3600, 3600);
    slots = slots_of(&plan, 2026, 3, 29);
    assert_int_equal(slots.n, 1);
    assert_int_equal(slots.v[0].tod, 3 * 3600);
}

/* --- overrides and lengths ----------------------------------------------------------- */

static void overrides_replace(void **state)
{
    plan_t plan;
    bk_date_t monday = bk_date_make(2026, 1, 5);

    (void)state;
    plan_init(&plan, "Asia/Kolkata");
    plan_rule(&plan, 0, 22 * 3600, 6 * 3600, 3600);
    plan_rule(&plan, 1, 9 * 3600, 17 * 3600, 3600);
    assert_int_equal(slots_of(&plan, 2026, 1, 5).n, 14);
    plan_override(&plan, monday, true, 0, 0, 0);
    /* Sunday's night hours stay: they start on Sunday. */
    assert_int_equal(slots_of(&plan, 2026, 1, 5).n, 6);
    plan_override(&plan, monday, false, 10 * 3600, 12 * 3600, 1800);
    assert_int_equal(slots_of(&plan, 2026, 1, 5).n, 10);
    assert_int_equal(slots_of(&plan, 2026, 1, 12).n, 14);
}

static void shorter_length_stays(void **state)
{
    plan_t plan;
    bk_slots_t slots;

    (void)state;
    plan_init(&plan, "UTC");
    plan_rule(&plan, 1, 9 * 3600, 11 * 3600, 3600);
    plan_rule(&plan, 1, 10 * 3600, 12 * 3600, 1800);
    slots = slots_of(&plan, 2026, 1, 5);
    assert_int_equal(slots.n, 5);
    assert_int_equal(slots.v[0].end - slots.v[0].start, 3600);
    for (int i = 1; i < slots.n; i++) {
        assert_int_equal(slots.v[i].end - slots.v[i].start, 1800);
        assert_true(slots.v[i].start > slots.v[i - 1].start);
    }
}

static void touching_hours_join(void **state)
{
    plan_t plan;

    (void)state;
    plan_init(&plan, "UTC");
    plan_rule(&plan, 1, 10 * 3600 + 1800, 12 * 3600, 3600);
    plan_rule(&plan, 1, 9 * 3600, 10 * 3600 + 1800, 3600);
    assert_int_equal(slots_of(&plan, 2026, 1, 5).n, 3);
}

static void senseless_input(void **state)
{
    plan_t plan;
    bk_spans_t windows = {&(bk_span_t){0, 7200}, 1};
    bk_date_t date = bk_date_make(2026, 1, 5);

    (void)state;
    plan_init(&plan, "UTC");
    plan_rule(&plan, 1, 9 * 3600, 17 * 3600, 0);
    plan_rule(&plan, 1, 9 * 3600, 17 * 3600, -60);
    assert_int_equal(bk_slots_of_days(&plan.s, date, date, scratch).n, 0);
    plan_rule(&plan, 1, 9 * 3600, 17 * 3600, 3600);
    assert_int_equal(bk_slots_of_days(&plan.s, date, date - 1, scratch).n, 0);
    assert_int_equal(bk_slots_of_days(&plan.s, INT32_MIN, INT32_MAX, scratch).n, 0);
    assert_int_equal(bk_slots_of_days(&plan.s, date, date + 5000, scratch).n, 8 * 58);
    assert_int_equal(bk_slots_make(windows, 0, 60, 0, NULL, scratch).n, 0);
    assert_int_equal(bk_slots_make(windows, 60, 0, 0, NULL, scratch).n, 0);
    assert_int_equal(bk_slots_make(windows, 3600, 3600, APR_INT64_MAX, NULL, scratch).n, 0);
    assert_int_equal(bk_slots_make(windows, 3600, 3600, APR_INT64_MIN, NULL, scratch).n, 2);
    assert_int_equal(bk_spans_intersect(NULL, 0, scratch).n, 0);
    assert_int_equal(bk_spans_merge(NULL, 0, scratch).n, 0);
    assert_int_equal(bk_slot_find(&plan.s, APR_INT64_MAX, 0, NULL, scratch), BK_TIME_HORIZON);
    assert_int_equal(bk_slot_find(&plan.s, APR_INT64_MIN, 0, NULL, scratch), BK_TIME_PAST);
}

/* --- notice, horizon, verdicts ------------------------------------------------------- */

static void boundaries_inclusive(void **state)
{
    plan_t plan;
    bk_slots_t slots;

    (void)state;
    plan_init(&plan, "UTC");
    plan_rule(&plan, 1, 9 * 3600, 17 * 3600, 3600);
    plan.s.notice_s = 3600;
    plan.s.horizon_s = 3 * 3600;
    slots = slots_of(&plan, 2026, 1, 5);
    bk_slots_mark(slots, &plan.s, NULL, 0, at(2026, 1, 5, 9, 0));
    for (int i = 0; i < slots.n; i++) {
        assert_int_equal(slots.v[i].available, i >= 1 && i <= 3);
    }
    bk_slots_mark(slots, &plan.s, NULL, 0, at(2026, 1, 5, 9, 0) + 1);
    for (int i = 0; i < slots.n; i++) {
        assert_int_equal(slots.v[i].available, i >= 2 && i <= 3);
    }
}

static void verdicts(void **state)
{
    plan_t plan;
    bk_slot_t slot = {0};
    bk_time_t now = at(2026, 1, 5, 10, 0);
    static const struct {
        int minutes; /* after now */
        bk_verdict_t verdict;
    } rows[] = {{-60, BK_TIME_PAST},    {-1, BK_TIME_PAST},      {0, BK_TIME_NOTICE},
                {60, BK_TIME_FREE},     {59, BK_TIME_NOTICE},    {61, BK_TIME_CLOSED},
                {90, BK_TIME_CLOSED},   {360, BK_TIME_FREE},     {420, BK_TIME_CLOSED},
                {480, BK_TIME_HORIZON}, {20160, BK_TIME_HORIZON}};

    (void)state;
    plan_init(&plan, "UTC");
    plan_rule(&plan, 1, 9 * 3600, 17 * 3600, 3600);
    plan.s.notice_s = 3600;
    plan.s.horizon_s = 7 * 3600;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bk_time_t start = now + rows[i].minutes * 60;

        assert_int_equal(bk_slot_find(&plan.s, start, now, &slot, scratch), rows[i].verdict);
    }
    assert_int_equal(bk_slot_find(&plan.s, now - 3600, now, &slot, scratch), BK_TIME_PAST);
    assert_int_equal(slot.start, now - 3600); /* listed, if not to be had */
    assert_false(slot.available);
}

static void resolve_labels(void **state)
{
    plan_t plan;
    bk_local_kind_t kind;
    bk_date_t autumn = bk_date_make(2026, 10, 25), spring = bk_date_make(2026, 3, 29);

    (void)state;
    plan_init(&plan, "Europe/Berlin");
    plan_every_day(&plan, 3600, 5 * 3600, 3600);
    assert_int_equal(bk_slot_resolve(&plan.s, autumn, 7200, &kind, scratch),
                     at(2026, 10, 25, 0, 0));
    assert_int_equal(kind, BK_LOCAL_TWICE);
    assert_int_equal(bk_slot_resolve(&plan.s, spring, 7200, &kind, scratch), at(2026, 3, 29, 1, 0));
    assert_int_equal(kind, BK_LOCAL_GAP);
    /* A 90-minute grid shows 02:30 only the second time. */
    plan_init(&plan, "Europe/Berlin");
    plan_rule(&plan, 0, 3600, 5 * 3600, 9000);
    assert_int_equal(bk_slot_resolve(&plan.s, autumn, 9000, &kind, scratch),
                     at(2026, 10, 25, 1, 30));
    assert_int_equal(bk_slot_resolve(&plan.s, autumn, 9900, NULL, scratch),
                     at(2026, 10, 25, 0, 45));
}

static void late_cancel(void **state)
{
    (void)state;
    assert_true(bk_is_late_cancel(0, 86399, 24));
    assert_false(bk_is_late_cancel(0, 86400, 24));
    assert_false(bk_is_late_cancel(0, 1, 0));
    assert_false(bk_is_late_cancel(5, 5, 24));
    assert_false(bk_is_late_cancel(6, 5, 24));
    assert_true(bk_is_late_cancel(0, 86400, INT32_MAX));
}

/* --- buffers ------------------------------------------------------------------------- */

static void buffers_by_maximum(void **state)
{
    bk_span_t visit = {10000, 11000};
    bk_busy_t before = {8000, 9000, 0, 600}, after = {12000, 13000, 600, 0};
    bk_busy_t empty = {10500, 10500, 9999, 9999};

    (void)state;
    assert_false(bk_busy_conflict(visit, 1000, 0, &before, 1));
    assert_true(bk_busy_conflict(visit, 1001, 0, &before, 1));
    before.after = 1001;
    assert_true(bk_busy_conflict(visit, 0, 0, &before, 1));
    assert_false(bk_busy_conflict(visit, 0, 1000, &after, 1));
    assert_true(bk_busy_conflict(visit, 0, 1001, &after, 1));
    assert_false(bk_busy_conflict(visit, 1000, 1000, &empty, 1));
    assert_false(bk_busy_conflict((bk_span_t){10, 10}, 9999, 9999, &after, 1));
    assert_false(bk_busy_conflict(visit, 0, 0, NULL, 0));
}

/* --- spans against a line of marked minutes ------------------------------------------ */

#define LINE 300

static void line_draw(bool line[LINE], bk_spans_t spans, bool value)
{
    for (int i = 0; i < spans.n; i++) {
        for (bk_time_t t = spans.v[i].start; t < spans.v[i].end; t++) {
            line[t] = value;
        }
    }
}

static void line_expect(const bool line[LINE], bk_spans_t spans)
{
    bool drawn[LINE] = {false};

    line_draw(drawn, spans, true);
    assert_memory_equal(line, drawn, LINE);
    for (int i = 0; i < spans.n; i++) {
        assert_true(spans.v[i].start < spans.v[i].end);
        assert_true(i == 0 || spans.v[i - 1].end < spans.v[i].start);
    }
}

/* Some are empty, some inverted. */
static bk_spans_t spans_random(int max)
{
    bk_spans_t spans = {apr_palloc(scratch, sizeof(bk_span_t) * (size_t)(max + 1)), pick(0, max)};

    for (int i = 0; i < spans.n; i++) {
        spans.v[i].start = pick(20, LINE - 40);
        spans.v[i].end = spans.v[i].start + pick(-3, 30);
    }
    return spans;
}

static void spans_as_drawn(void **state)
{
    (void)state;
    for (int round = 0; round < 4000; round++) {
        bk_spans_t lists[3] = {spans_random(12), spans_random(12), spans_random(12)};
        bk_span_t probe = {pick(20, LINE - 40), 0};
        bool a[LINE] = {false}, both[LINE], conflict = false;

        line_draw(a, lists[0], true);
        line_expect(a, bk_spans_merge(lists[0].v, lists[0].n, scratch));
        memcpy(both, a, sizeof(a));
        line_draw(both, lists[1], false);
        line_expect(both, bk_spans_subtract(lists[0], lists[1], scratch));
        memcpy(both, a, sizeof(a));
        for (int i = 1; i < 3; i++) {
            bool other[LINE] = {false};

            line_draw(other, lists[i], true);
            for (int k = 0; k < LINE; k++) {
                both[k] = both[k] && other[k];
            }
        }
        line_expect(both, bk_spans_intersect(lists, 3, scratch));
        probe.end = probe.start + pick(0, 20);
        for (bk_time_t t = probe.start; t < probe.end; t++) {
            conflict = conflict || a[t];
        }
        assert_int_equal(bk_spans_conflict(probe, lists[0]), conflict);
        apr_pool_clear(scratch);
    }
}

/* --- whole schedules against an oracle of minutes ------------------------------------ */

/* Minutes from `base` on; every date in play lies well inside. */
#define ORACLE_DAYS 20
#define ORACLE_MINUTES (ORACLE_DAYS * 1440)

typedef struct {
    bk_time_t base;
    bool open[ORACLE_MINUTES];
} oracle_t;

/* A minute before the transition has a local label; walking minutes finds the first instant
 * that shows one, or, in a gap, the label is counted on from the last minute before it. */
static bk_time_t slow_instant(const bk_zone_t *zone, bk_time_t local)
{
    bk_time_t last_before = 0;

    for (bk_time_t t = local - BK_DAY_S; t <= local + BK_DAY_S; t += 60) {
        bk_time_t shown = t + bk_zone_offset(zone, t);

        if (shown == local) {
            return t;
        }
        if (shown < local) {
            last_before = t;
        }
        else {
            return last_before + (local - (last_before + bk_zone_offset(zone, last_before)));
        }
    }
    return last_before;
}

static bool slow_exists(const bk_zone_t *zone, bk_date_t date)
{
    bk_time_t local = (bk_time_t)date * BK_DAY_S;

    for (bk_time_t t = local - 2 * BK_DAY_S; t <= local + 2 * BK_DAY_S; t += 900) {
        bk_date_t shown;

        bk_zone_to_local(zone, t, &shown, NULL);
        if (shown == date) {
            return true;
        }
    }
    return false;
}

static void oracle_hour(oracle_t *o, const bk_zone_t *zone, bk_date_t date, int start, int end)
{
    bk_time_t local = (bk_time_t)date * BK_DAY_S;
    bk_time_t from, to;

    if (!slow_exists(zone, date)) {
        return;
    }
    from = slow_instant(zone, local + start);
    to = slow_instant(zone, local + end + (end <= start ? BK_DAY_S : 0));
    for (bk_time_t t = from; t < to; t += 60) {
        o->open[(t - o->base) / 60] = true;
    }
}

/* Marks the hours that start on *date* and have slots of *slot_s* (0: of any length). */
static void oracle_date(oracle_t *o, const bk_schedule_t *s, bk_date_t date, int slot_s)
{
    bool overridden = false;

    for (int i = 0; i < s->n_overrides; i++) {
        const bk_override_t *row = &s->overrides[i];

        if (row->date == date) {
            overridden = true;
            if (!row->closed && (slot_s == 0 || row->slot_s == slot_s)) {
                oracle_hour(o, s->zone, date, row->start, row->end);
            }
        }
    }
    for (int i = 0; i < s->n_rules && !overridden; i++) {
        const bk_rule_t *rule = &s->rules[i];

        if (rule->day_of_week == bk_date_weekday(date) && (slot_s == 0 || rule->slot_s == slot_s)) {
            oracle_hour(o, s->zone, date, rule->start, rule->end);
        }
    }
}

static const int lengths[] = {900, 1800, 2700, 3600, 5400};
#define N_LENGTHS 5

/* The shortest slot that starts at each minute, 0 where none does. */
static void oracle_slots(int starts[ORACLE_MINUTES], bk_time_t base, const bk_schedule_t *s,
                         bk_date_t from, bk_date_t to)
{
    memset(starts, 0, sizeof(int) * ORACLE_MINUTES);
    for (bk_date_t date = from - 3; date <= to + 3; date++) {
        for (int k = N_LENGTHS - 1; k >= 0; k--) {
            oracle_t o = {.base = base};
            int minutes = lengths[k] / 60, run = 0;

            oracle_date(&o, s, date, lengths[k]);
            for (int m = 0; m < ORACLE_MINUTES; m++) {
                run = o.open[m] ? run + 1 : 0;
                if (run > 0 && run % minutes == 0) {
                    int *start = &starts[m + 1 - minutes];

                    *start = *start == 0 || *start > lengths[k] ? lengths[k] : *start;
                }
            }
        }
    }
}

static void plan_random(plan_t *plan, const char *zone, bk_date_t date)
{
    int n = pick(0, 10);

    plan_init(plan, zone);
    for (int i = 0; i < n; i++) {
        plan_rule(plan, pick(0, 6), pick(0, 95) * 900, pick(0, 96) * 900,
                  lengths[pick(0, N_LENGTHS - 1)]);
    }
    for (bk_date_t d = date - 2; d <= date + 3; d++) {
        for (int k = pick(-6, 2); k > 0; k--) {
            plan_override(plan, d, pick(0, 3) == 0, pick(0, 95) * 900, pick(0, 96) * 900,
                          lengths[pick(0, N_LENGTHS - 1)]);
        }
    }
    plan->s.buffer_before = pick(0, 3) * 300;
    plan->s.buffer_after = pick(0, 3) * 600;
    plan->s.notice_s = pick(0, 5) * 3600;
    plan->s.horizon_s = pick(1, 4) * BK_DAY_S;
}

static int busy_compare(const void *a, const void *b)
{
    const bk_busy_t *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

static int busy_random(bk_busy_t busy[MAX_BUSY], bk_time_t around)
{
    int n = pick(0, MAX_BUSY);

    for (int i = 0; i < n; i++) {
        busy[i].start = around + pick(-300, 600) * 300;
        busy[i].end = busy[i].start + (pick(0, 15) ? pick(0, 20) * 300 : pick(0, 1000) * 300);
        busy[i].before = pick(0, 4) ? 0 : pick(0, 30) * 300;
        busy[i].after = pick(0, 4) ? 0 : pick(0, 30) * 300;
    }
    qsort(busy, (size_t)n, sizeof(*busy), busy_compare);
    return n;
}

static void check_windows(const bk_schedule_t *s, bk_time_t base, bk_date_t from, bk_date_t to)
{
    bk_spans_t windows = bk_windows_make(s, from, to, scratch);
    oracle_t o = {.base = base}, got = {.base = base};

    for (bk_date_t date = from; date <= to; date++) {
        oracle_date(&o, s, date, 0);
    }
    for (int i = 0; i < windows.n; i++) {
        assert_true(i == 0 || windows.v[i - 1].end < windows.v[i].start);
        for (bk_time_t t = windows.v[i].start; t < windows.v[i].end; t += 60) {
            got.open[(t - base) / 60] = true;
        }
    }
    assert_memory_equal(o.open, got.open, sizeof(o.open));
}

static void check_slots(const bk_schedule_t *s, bk_slots_t slots, bk_time_t base, bk_date_t from,
                        bk_date_t to)
{
    static int starts[ORACLE_MINUTES];
    int listed = 0;

    oracle_slots(starts, base, s, from, to);
    for (int m = 0; m < ORACLE_MINUTES; m++) {
        bk_time_t t = base + m * 60;
        bool relabelled = false;
        bk_date_t date;
        int tod;

        bk_zone_to_local(s->zone, t, &date, &tod);
        if (starts[m] == 0 || date < from || date > to) {
            continue;
        }
        if (listed == slots.n || slots.v[listed].start != t
            || slots.v[listed].end != t + starts[m]) {
            fail_msg("%s: slot %d of %d should start at %ld for %d s", bk_zone_name(s->zone),
                     listed, slots.n, (long)t, starts[m]);
        }
        for (int i = 0; i < listed; i++) {
            relabelled = relabelled || (slots.v[i].date == date && slots.v[i].tod == tod);
        }
        assert_int_equal(slots.v[listed].relabelled, relabelled);
        assert_int_equal(slots.v[listed].date, date);
        assert_int_equal(slots.v[listed].tod, tod);
        listed++;
    }
    assert_int_equal(listed, slots.n);
}

/* Minute by minute: each of the visit's minutes, widened by what either side asks for. */
static bool slow_conflict(const bk_slot_t *slot, const bk_schedule_t *s, const bk_busy_t *busy,
                          int n)
{
    for (int i = 0; i < n; i++) {
        bk_time_t apart;

        if (busy[i].start >= busy[i].end) {
            continue;
        }
        if (busy[i].end <= slot->start) {
            apart = slot->start - busy[i].end;
            if (apart < s->buffer_before || apart < busy[i].after) {
                return true;
            }
        }
        else if (busy[i].start >= slot->end) {
            apart = busy[i].start - slot->end;
            if (apart < s->buffer_after || apart < busy[i].before) {
                return true;
            }
        }
        else {
            return true;
        }
    }
    return false;
}

static void check_marks(const bk_schedule_t *s, bk_slots_t slots, bk_time_t around)
{
    bk_busy_t busy[MAX_BUSY];
    int n = busy_random(busy, around);
    bk_time_t now = around + pick(-200, 100) * 900;

    bk_slots_mark(slots, s, busy, n, now);
    for (int i = 0; i < slots.n; i++) {
        const bk_slot_t *slot = &slots.v[i];
        bool expected = slot->start - now >= s->notice_s && slot->start - now <= s->horizon_s
                        && !slow_conflict(slot, s, busy, n);

        assert_int_equal(slot->available, expected);
        assert_int_equal(bk_busy_conflict((bk_span_t){slot->start, slot->end}, s->buffer_before,
                                          s->buffer_after, busy, n),
                         slow_conflict(slot, s, busy, n));
    }
}

/* Listed is bookable, and what is not listed is not. */
static void check_find(const bk_schedule_t *s, bk_slots_t slots, bk_date_t date)
{
    bk_time_t now = slots.n ? slots.v[0].start - s->notice_s : 0;
    bk_slot_t slot;

    for (int i = 0; i < slots.n && i < 8; i++) {
        bk_verdict_t verdict = bk_slot_find(s, slots.v[i].start, now, &slot, scratch);
        bool near = slots.v[i].start <= now + s->horizon_s;

        assert_int_equal(verdict, near ? BK_TIME_FREE : BK_TIME_HORIZON);
        assert_int_equal(slot.end, slots.v[i].end);
        assert_int_equal(bk_slot_find(s, slots.v[i].start + 60, now - 3600, NULL, scratch)
                             == BK_TIME_FREE,
                         false);
        if (slots.v[i].date == date && !slots.v[i].relabelled) {
            assert_int_equal(bk_slot_resolve(s, date, slots.v[i].tod, NULL, scratch),
                             slots.v[i].start);
        }
    }
}

static void schedules_as_oracle(void **state)
{
    static const struct {
        const char *zone;
        int year, month, day;
    } nights[] = {
        {"Europe/Berlin", 2026, 3, 29},
        {"Europe/Berlin", 2026, 10, 25},
        {"America/New_York", 2026, 3, 8},
        {"America/New_York", 2026, 11, 1},
        {"Asia/Kolkata", 2026, 5, 5},
        {"Asia/Kathmandu", 1986, 1, 1},
        {"Australia/Lord_Howe", 2026, 4, 5},
        {"Australia/Lord_Howe", 2026, 10, 4},
        {"Pacific/Chatham", 2026, 4, 5},
        {"Pacific/Chatham", 2026, 9, 27},
        {"Pacific/Apia", 2011, 12, 30},
        {"Pacific/Apia", 2011, 12, 31},
        {"Pacific/Kiritimati", 1994, 12, 31},
        {"Pacific/Kwajalein", 1993, 8, 21},
        {"Europe/Dublin", 2026, 10, 25},
        {"Africa/Casablanca", 2026, 2, 15},
        {"Africa/Casablanca", 2026, 3, 22},
        {"America/Sao_Paulo", 2018, 11, 4},
        {"America/Sao_Paulo", 2018, 2, 18},
        {"Asia/Tehran", 2022, 3, 22},
        {"Asia/Tehran", 2021, 9, 22},
        {"America/St_Johns", 2010, 11, 7},
        {"America/St_Johns", 2011, 3, 13},
        {"Antarctica/Troll", 2026, 3, 29},
        {"Antarctica/Troll", 2026, 10, 25},
        {"Africa/Cairo", 2026, 4, 24},
        {"Africa/Cairo", 2026, 10, 30},
        {"America/Nuuk", 2026, 3, 28},
        {"Asia/Pyongyang", 2015, 8, 15},
        {"America/Caracas", 2016, 5, 1},
        {"UTC", 2026, 1, 1},
        {"Europe/Berlin", 2199, 3, 31},
    };

    (void)state;
    for (int round = 0; round < 960; round++) {
        size_t i = (size_t)round % (sizeof(nights) / sizeof(nights[0]));
        bk_date_t night = bk_date_make(nights[i].year, nights[i].month, nights[i].day);
        bk_date_t from = night + pick(-1, 1), to = from + pick(0, 2);
        bk_time_t base = ((bk_time_t)night - ORACLE_DAYS / 2) * BK_DAY_S;
        plan_t plan;
        bk_slots_t slots;

        plan_random(&plan, nights[i].zone, night);
        check_windows(&plan.s, base, from, to);
        slots = bk_slots_of_days(&plan.s, from, to, scratch);
        check_slots(&plan.s, slots, base, from, to);
        check_find(&plan.s, slots, from);
        check_marks(&plan.s, slots, (bk_time_t)from * BK_DAY_S);
        apr_pool_clear(scratch);
    }
}

/* A range lists exactly what its dates list one by one. */
static void ranges_as_single_dates(void **state)
{
    plan_t plan;

    (void)state;
    for (int round = 0; round < 300; round++) {
        bk_date_t from = bk_date_make(2026, pick(1, 12), pick(1, 28)), to = from + pick(0, 40);
        bk_slots_t all;
        int n = 0;

        plan_random(&plan, round % 2 ? "Europe/Berlin" : "Pacific/Chatham", from);
        all = bk_slots_of_days(&plan.s, from, to, scratch);
        for (bk_date_t date = from; date <= to; date++) {
            bk_slots_t day = bk_slots_of_days(&plan.s, date, date, scratch);

            for (int i = 0; i < day.n; i++) {
                assert_true(n < all.n);
                assert_int_equal(all.v[n].start, day.v[i].start);
                assert_int_equal(all.v[n++].end, day.v[i].end);
            }
        }
        assert_int_equal(n, all.n);
        apr_pool_clear(scratch);
    }
}

/* --- */

static int group_setup(void **state)
{
    (void)state;
    srand(7);
    apr_pool_create(&pool, NULL);
    apr_pool_create(&scratch, pool);
    return bk_zone_init(NULL, pool) != APR_SUCCESS;
}

static int group_teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spring_night),
        cmocka_unit_test(autumn_night),
        cmocka_unit_test(skipped_date),
        cmocka_unit_test(back_over_midnight),
        cmocka_unit_test(hours_in_the_gap),
        cmocka_unit_test(overrides_replace),
        cmocka_unit_test(shorter_length_stays),
        cmocka_unit_test(touching_hours_join),
        cmocka_unit_test(senseless_input),
        cmocka_unit_test(boundaries_inclusive),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(resolve_labels),
        cmocka_unit_test(late_cancel),
        cmocka_unit_test(buffers_by_maximum),
        cmocka_unit_test(spans_as_drawn),
        cmocka_unit_test(schedules_as_oracle),
        cmocka_unit_test(ranges_as_single_dates),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, group_setup, group_teardown);
    apr_terminate();
    return failed;
}
