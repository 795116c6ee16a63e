/* Runs a file of slot cases through the engine: tests/slot_cases FILE.json
 *
 * The file is {"note": ..., "cases": [{"kind", "id", "input", "expected"}, ...]}. Each kind is a
 * row of the table at the end: a function that answers what the engine makes of an input. The
 * answer and what was expected are compared as JSON. Instants are RFC 3339, times of day
 * "HH:MM", lengths minutes.
 *
 * Exit: 0 all as expected, 1 a mismatch or an unknown kind, 2 the file cannot be read. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <jansson.h>

#include "booking/availability.h"

#define FOREVER_S 2000000000 /* a horizon nobody reaches */

/* A case while it is run. *problem* is set when its input makes no sense. */
typedef struct {
    const char *kind;
    json_t *in;
    json_t *expected;
    const char *problem;
    apr_pool_t *p;
} case_t;

/* Returns a new reference. */
typedef json_t *(*case_run_t)(case_t *c);

/* --- reading inputs ------------------------------------------------------------------ */

static const char *text_of(case_t *c, const json_t *value)
{
    if (!json_is_string(value)) {
        c->problem = "a string is missing";
        return "";
    }
    return json_string_value(value);
}

static bk_time_t instant_of(case_t *c, const json_t *value)
{
    const char *s = text_of(c, value);
    bk_time_t t = 0;

    if (!bk_instant_parse(s, strlen(s), &t)) {
        c->problem = apr_pstrcat(c->p, "not an instant: ", s, NULL);
    }
    return t;
}

static bk_date_t date_of(case_t *c, const char *s)
{
    bk_date_t date = 0;

    if (!bk_date_parse(s, strlen(s), &date)) {
        c->problem = apr_pstrcat(c->p, "not a date: ", s, NULL);
    }
    return date;
}

static int tod_of(case_t *c, const json_t *value)
{
    const char *s = text_of(c, value);
    int tod = 0;

    if (!bk_tod_parse(s, strlen(s), true, &tod)) {
        c->problem = apr_pstrcat(c->p, "not a time of day: ", s, NULL);
    }
    return tod;
}

/* A number of minutes as seconds, *fallback* where the member is missing. */
static int seconds_of(case_t *c, const char *name, int fallback)
{
    const json_t *value = json_object_get(c->in, name);

    return json_is_integer(value) ? (int)json_integer_value(value) * 60 : fallback;
}

static const bk_zone_t *zone_of(case_t *c)
{
    const char *name = text_of(c, json_object_get(c->in, "tz"));
    const bk_zone_t *zone = bk_zone_find(name);

    if (!zone) {
        c->problem = apr_pstrcat(c->p, "no such zone: ", name, NULL);
        zone = bk_zone_find("UTC");
    }
    return zone;
}

static bk_span_t span_of(case_t *c, const json_t *pair)
{
    return (bk_span_t){instant_of(c, json_array_get(pair, 0)),
                       instant_of(c, json_array_get(pair, 1))};
}

static bk_spans_t spans_of(case_t *c, json_t *list)
{
    bk_spans_t spans = {apr_pcalloc(c->p, sizeof(bk_span_t) * (json_array_size(list) + 1)), 0};
    size_t i;
    json_t *pair;

    json_array_foreach(list, i, pair)
    {
        spans.v[spans.n++] = span_of(c, pair);
    }
    return spans;
}

/* Pairs, or [start, end, minutes before, minutes after]; pairs get the buffers given. */
static bk_busy_t *busy_of(case_t *c, json_t *list, int before, int after, int *n)
{
    bk_busy_t *busy = apr_pcalloc(c->p, sizeof(*busy) * (json_array_size(list) + 1));
    size_t i;
    json_t *row;

    json_array_foreach(list, i, row)
    {
        bk_span_t span = span_of(c, row);

        busy[i] = (bk_busy_t){span.start, span.end, before, after};
        if (json_array_size(row) == 4) {
            busy[i].before = (int)json_integer_value(json_array_get(row, 2)) * 60;
            busy[i].after = (int)json_integer_value(json_array_get(row, 3)) * 60;
        }
    }
    *n = (int)json_array_size(list);
    return busy;
}

static int weekday_of(case_t *c, const char *name)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

    for (int i = 0; i < 7; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    c->problem = apr_pstrcat(c->p, "not a weekday: ", name, NULL);
    return 0;
}

static int slot_length_of(const json_t *value)
{
    return json_is_integer(value) ? (int)json_integer_value(value) * 60 : 3600;
}

static void weekly_read(case_t *c, bk_schedule_t *s)
{
    json_t *weekly = json_object_get(c->in, "weekly"), *row, *day;
    bk_rule_t *rules;
    size_t i, j, room = 1;

    json_array_foreach(weekly, i, row)
    {
        room += json_array_size(json_object_get(row, "days"));
    }
    rules = apr_pcalloc(c->p, sizeof(*rules) * room);
    json_array_foreach(weekly, i, row)
    {
        json_array_foreach(json_object_get(row, "days"), j, day)
        {
            rules[s->n_rules++] =
                (bk_rule_t){.day_of_week = weekday_of(c, text_of(c, day)),
                            .start = tod_of(c, json_object_get(row, "start")),
                            .end = tod_of(c, json_object_get(row, "end")),
                            .slot_s = slot_length_of(json_object_get(row, "slot_min"))};
        }
    }
    s->rules = rules;
}

static int override_compare(const void *a, const void *b)
{
    const bk_override_t *x = a, *y = b;

    return (x->date > y->date) - (x->date < y->date);
}

/* {"2026-12-24": [["09:00", "12:00", slot minutes?], ...]}; an empty list is a closed date. */
static void overrides_read(case_t *c, bk_schedule_t *s)
{
    json_t *dates = json_object_get(c->in, "overrides"), *rows, *row;
    bk_override_t *v;
    const char *key;
    size_t i, room = 1;

    json_object_foreach(dates, key, rows)
    {
        room += json_array_size(rows) + 1;
    }
    v = apr_pcalloc(c->p, sizeof(*v) * room);
    json_object_foreach(dates, key, rows)
    {
        bk_date_t date = date_of(c, key);

        if (json_array_size(rows) == 0) {
            v[s->n_overrides++] = (bk_override_t){.date = date, .closed = true};
        }
        json_array_foreach(rows, i, row)
        {
            v[s->n_overrides++] = (bk_override_t){.date = date,
                                                  .start = tod_of(c, json_array_get(row, 0)),
                                                  .end = tod_of(c, json_array_get(row, 1)),
                                                  .slot_s = slot_length_of(json_array_get(row, 2))};
        }
    }
    qsort(v, (size_t)s->n_overrides, sizeof(*v), override_compare);
    s->overrides = v;
}

static bk_schedule_t schedule_of(case_t *c)
{
    bk_schedule_t s = {.zone = zone_of(c)};

    weekly_read(c, &s);
    overrides_read(c, &s);
    s.buffer_before = seconds_of(c, "before", 0);
    s.buffer_after = seconds_of(c, "after", 0);
    s.notice_s = seconds_of(c, "notice_min", 0);
    s.horizon_s = seconds_of(c, "horizon_min", FOREVER_S);
    return s;
}

/* --- writing answers ----------------------------------------------------------------- */

static json_t *utc_json(bk_time_t t)
{
    char buf[BK_INSTANT_BUF];

    return json_stringn(buf, bk_utc_format(t, buf));
}

static json_t *local_json(const bk_zone_t *zone, bk_time_t t)
{
    char buf[BK_INSTANT_BUF];

    return json_stringn(buf, bk_instant_format(t, bk_zone_offset(zone, t), buf));
}

static json_t *spans_json(bk_spans_t spans)
{
    json_t *list = json_array();

    for (int i = 0; i < spans.n; i++) {
        json_t *pair = json_array();

        json_array_append_new(pair, utc_json(spans.v[i].start));
        json_array_append_new(pair, utc_json(spans.v[i].end));
        json_array_append_new(list, pair);
    }
    return list;
}

static const char *kind_name(bk_local_kind_t kind)
{
    static const char *const names[] = {"unique", "gap", "twice"};

    return names[kind];
}

/* --- the kinds ----------------------------------------------------------------------- */

/* The dates need not be consecutive; those that are join across midnight. */
static json_t *run_windows(case_t *c)
{
    bk_schedule_t s = schedule_of(c);
    json_t *dates = json_object_get(c->in, "dates"), *value;
    bk_spans_t all = {NULL, 0};
    size_t i;

    json_array_foreach(dates, i, value)
    {
        bk_date_t date = date_of(c, text_of(c, value));
        bk_spans_t day = bk_windows_make(&s, date, date, c->p);
        bk_span_t *joined = apr_palloc(c->p, sizeof(*joined) * (size_t)(all.n + day.n + 1));

        for (int j = 0; j < all.n; j++) {
            joined[j] = all.v[j];
        }
        for (int j = 0; j < day.n; j++) {
            joined[all.n + j] = day.v[j];
        }
        all = bk_spans_merge(joined, all.n + day.n, c->p);
    }
    return spans_json(all);
}

/* {from, to}: one call for a range of dates. */
static json_t *run_window_range(case_t *c)
{
    bk_schedule_t s = schedule_of(c);

    return spans_json(bk_windows_make(&s, date_of(c, text_of(c, json_object_get(c->in, "from"))),
                                      date_of(c, text_of(c, json_object_get(c->in, "to"))), c->p));
}

static bk_slots_t slots_of(case_t *c, bk_time_t not_before, const bk_zone_t *zone)
{
    int length = seconds_of(c, "length_min", 0);

    return bk_slots_make(spans_of(c, json_object_get(c->in, "windows")), length,
                         seconds_of(c, "step_min", length), not_before, zone, c->p);
}

/* Answers with the members that were asked for: "count", "starts". */
static json_t *run_slots(case_t *c)
{
    json_t *now = json_object_get(c->in, "now"), *out = json_object(), *starts;
    bk_time_t not_before = APR_INT64_MIN;
    const char *anchor = text_of(c, json_object_get(c->in, "anchor"));
    bk_slots_t slots;

    if (strcmp(anchor, "window") != 0) {
        c->problem = "unknown anchor";
    }
    if (now && !json_is_null(now)) {
        not_before = instant_of(c, now) + seconds_of(c, "min_notice_min", 0);
    }
    slots = slots_of(c, not_before, zone_of(c));
    if (json_object_get(c->expected, "count")) {
        json_object_set_new(out, "count", json_integer(slots.n));
    }
    if (json_object_get(c->expected, "starts")) {
        starts = json_array();
        for (int i = 0; i < slots.n; i++) {
            json_array_append_new(starts, utc_json(slots.v[i].start));
        }
        json_object_set_new(out, "starts", starts);
    }
    return out;
}

static json_t *run_conflict(case_t *c)
{
    bk_time_t start = instant_of(c, json_object_get(c->in, "start"));
    bk_span_t span = {start, start + seconds_of(c, "length_min", 0)};

    return json_boolean(bk_spans_conflict(span, spans_of(c, json_object_get(c->in, "busy"))));
}

static json_t *run_intersect(case_t *c)
{
    json_t *lists = json_object_get(c->in, "lists"), *list;
    bk_spans_t *v = apr_pcalloc(c->p, sizeof(*v) * (json_array_size(lists) + 1));
    size_t i;

    json_array_foreach(lists, i, list)
    {
        v[i] = spans_of(c, list);
    }
    return spans_json(bk_spans_intersect(v, (int)json_array_size(lists), c->p));
}

static json_t *run_subtract(case_t *c)
{
    return spans_json(bk_spans_subtract(spans_of(c, json_object_get(c->in, "source")),
                                        spans_of(c, json_object_get(c->in, "minus")), c->p));
}

static json_t *run_merge(case_t *c)
{
    bk_spans_t spans = spans_of(c, json_object_get(c->in, "spans"));

    return spans_json(bk_spans_merge(spans.v, spans.n, c->p));
}

/* With "new": whether it fits. With "windows": the starts that fit. */
static json_t *run_buffer(case_t *c)
{
    int before = seconds_of(c, "before", 0), after = seconds_of(c, "after", 0), n;
    json_t *visit = json_object_get(c->in, "new"), *starts;
    bk_busy_t *busy = busy_of(c, json_object_get(c->in, "existing"), before, after, &n);
    bk_slots_t slots;

    if (strcmp(text_of(c, json_object_get(c->in, "combine")), "max") != 0) {
        c->problem = "unknown way to combine buffers";
    }
    if (visit) {
        return json_boolean(!bk_busy_conflict(span_of(c, visit), before, after, busy, n));
    }
    slots = slots_of(c, APR_INT64_MIN, NULL);
    starts = json_array();
    for (int i = 0; i < slots.n; i++) {
        bk_span_t span = {slots.v[i].start, slots.v[i].end};

        if (!bk_busy_conflict(span, before, after, busy, n)) {
            json_array_append_new(starts, utc_json(span.start));
        }
    }
    return starts;
}

static json_t *run_late_cancel(case_t *c)
{
    json_t *hours = json_object_get(c->in, "notice_hours");

    return json_boolean(bk_is_late_cancel(instant_of(c, json_object_get(c->in, "now")),
                                          instant_of(c, json_object_get(c->in, "start")),
                                          (int)json_integer_value(hours)));
}

/* A whole schedule, "busy", "now", "from", "to" -> [[startsAt, available, relabelled?], ...] */
static json_t *run_day_slots(case_t *c)
{
    bk_schedule_t s = schedule_of(c);
    int n_busy;
    bk_busy_t *busy = busy_of(c, json_object_get(c->in, "busy"), 0, 0, &n_busy);
    bk_slots_t slots;
    json_t *list = json_array();

    slots = bk_slots_of_days(&s, date_of(c, text_of(c, json_object_get(c->in, "from"))),
                             date_of(c, text_of(c, json_object_get(c->in, "to"))), c->p);
    bk_slots_mark(slots, &s, busy, n_busy, instant_of(c, json_object_get(c->in, "now")));
    for (int i = 0; i < slots.n; i++) {
        json_t *row = json_array();

        json_array_append_new(row, local_json(s.zone, slots.v[i].start));
        json_array_append_new(row, json_boolean(slots.v[i].available));
        if (slots.v[i].relabelled) {
            json_array_append_new(row, json_true());
        }
        json_array_append_new(list, row);
    }
    return list;
}

/* A whole schedule, "start", "now" -> the verdict. */
static json_t *run_find(case_t *c)
{
    static const char *const names[] = {"free", "past", "notice", "horizon", "closed", "taken"};
    bk_schedule_t s = schedule_of(c);

    return json_string(
        names[bk_slot_find(&s, instant_of(c, json_object_get(c->in, "start")),
                           instant_of(c, json_object_get(c->in, "now")), NULL, c->p)]);
}

/* A whole schedule, "date", "time" -> [startsAt, "unique"|"gap"|"twice"] */
static json_t *run_resolve(case_t *c)
{
    bk_schedule_t s = schedule_of(c);
    bk_local_kind_t kind;
    bk_time_t t = bk_slot_resolve(&s, date_of(c, text_of(c, json_object_get(c->in, "date"))),
                                  tod_of(c, json_object_get(c->in, "time")), &kind, c->p);
    json_t *out = json_array();

    json_array_append_new(out, local_json(s.zone, t));
    json_array_append_new(out, json_string(kind_name(kind)));
    return out;
}

/* "date", "time" -> [instant, "unique"|"gap"|"twice"] */
static json_t *run_zone(case_t *c)
{
    bk_local_kind_t kind;
    bk_time_t t =
        bk_zone_from_local(zone_of(c), date_of(c, text_of(c, json_object_get(c->in, "date"))),
                           tod_of(c, json_object_get(c->in, "time")), &kind);
    json_t *out = json_array();

    json_array_append_new(out, utc_json(t));
    json_array_append_new(out, json_string(kind_name(kind)));
    return out;
}

/* "at" -> the same instant on the zone's clock. */
static json_t *run_local(case_t *c)
{
    return local_json(zone_of(c), instant_of(c, json_object_get(c->in, "at")));
}

/* --- running ------------------------------------------------------------------------- */

static const struct {
    const char *kind;
    case_run_t run;
} kinds[] = {
    {"windows", run_windows},
    {"window_range", run_window_range},
    {"slots", run_slots},
    {"conflict", run_conflict},
    {"intersect", run_intersect},
    {"subtract", run_subtract},
    {"merge", run_merge},
    {"buffer", run_buffer},
    {"late_cancel", run_late_cancel},
    {"day_slots", run_day_slots},
    {"find", run_find},
    {"resolve", run_resolve},
    {"zone", run_zone},
    {"local", run_local},
};

static case_run_t kind_find(const char *kind)
{
    for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            return kinds[i].run;
        }
    }
    return NULL;
}

static bool case_report(const case_t *c, const char *id, json_t *got)
{
    char *expected_text, *got_text;

    if (got && !c->problem && json_equal(got, c->expected)) {
        printf("ok %s\n", id);
        return true;
    }
    expected_text = json_dumps(c->expected, JSON_ENCODE_ANY | JSON_COMPACT);
    got_text = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    printf("FAIL %s: expected %s got %s%s%s\n", id, expected_text ? expected_text : "nothing",
           got_text ? got_text : "nothing", c->problem ? ": " : "", c->problem ? c->problem : "");
    free(expected_text);
    free(got_text);
    return false;
}

static bool case_check(json_t *value, apr_pool_t *p)
{
    case_t c = {.kind = json_string_value(json_object_get(value, "kind")),
                .in = json_object_get(value, "input"),
                .expected = json_object_get(value, "expected"),
                .p = p};
    const char *id = json_string_value(json_object_get(value, "id"));
    case_run_t run = kind_find(c.kind);
    json_t *got = NULL;
    bool ok;

    if (run) {
        got = run(&c);
    }
    else {
        c.problem = "unknown kind";
    }
    ok = case_report(&c, id ? id : "(no id)", got);
    json_decref(got);
    return ok;
}

static int cases_check(json_t *cases, apr_pool_t *p)
{
    int passed = 0, failed = 0;
    apr_pool_t *scratch;
    json_t *value;
    size_t i;

    apr_pool_create(&scratch, p);
    json_array_foreach(cases, i, value)
    {
        if (case_check(value, scratch)) {
            passed++;
        }
        else {
            failed++;
        }
        apr_pool_clear(scratch);
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *file, *cases;
    apr_pool_t *p;
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE.json\n", argv[0]);
        return 2;
    }
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);
    if (bk_zone_init(NULL, p) != APR_SUCCESS) {
        fprintf(stderr, "no time zones\n");
        return 2;
    }
    file = json_load_file(argv[1], 0, &error);
    cases = json_object_get(file, "cases");
    if (!json_is_array(cases)) {
        fprintf(stderr, "%s:%d: %s\n", argv[1], file ? 0 : error.line,
                file ? "no cases" : error.text);
        json_decref(file);
        return 2;
    }
    status = cases_check(cases, p);
    json_decref(file);
    return status;
}
