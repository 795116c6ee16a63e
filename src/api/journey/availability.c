/* Free times. Listings are the hot path: they are written by hand, in the shape that the tables
 * below describe. */
#include "../route.h"

#include <apr_strings.h>

#define RANGE_DAYS_MAX 62
#define SEARCH_DEFAULT 50
#define SEARCH_MAX 200
#define SEARCH_DAYS_MAX 1000 /* practitioners times dates on a page: what one answer may cost */

/* --- shapes ---------------------------------------------------------------------------------- */

typedef struct {
    const char *time, *starts_at;
    bk_num_t available, minutes;
} slot_words_t;

typedef struct {
    bk_num_t practitioner_id, date, from, to;
    const char *name, *zone, *next;
    apr_array_header_t *slots, *days, *practitioners;
} listing_words_t;

static const bk_field_t time_slot_fields[] = {
    {.name = "time", .kind = BK_F_STRING, .offset = offsetof(slot_words_t, time),
     .doc = "wall clock of the practitioner, such as \"09:00 AM\""},
    {.name = "available", .kind = BK_F_BOOL, .offset = offsetof(slot_words_t, available)},
    {.name = "startsAt", .kind = BK_F_STRING, .format = "date-time",
     .offset = offsetof(slot_words_t, starts_at)},
    {.name = "durationMinutes", .kind = BK_F_INT, .offset = offsetof(slot_words_t, minutes)},
};
static BK_SHAPE(time_slot, "TimeSlot", slot_words_t);

#define NAMED(member, json, how) \
    {.name = json, .kind = how, .offset = offsetof(listing_words_t, member)}
#define LISTED(member, json, of) \
    {.name = json, .kind = BK_F_LIST, .shape = &bk_shape_##of, \
     .offset = offsetof(listing_words_t, member)}

static const bk_field_t day_fields[] = {
    NAMED(date, "date", BK_F_DATE), LISTED(slots, "timeSlots", time_slot)};
static BK_SHAPE(day, "DayOfSlots", listing_words_t);

static const bk_field_t availability_fields[] = {
    NAMED(practitioner_id, "practitionerId", BK_F_INT),
    {.name = "date", .kind = BK_F_DATE, .offset = offsetof(listing_words_t, date),
     .doc = "with ?date="},
    NAMED(from, "from", BK_F_DATE), NAMED(to, "to", BK_F_DATE),
    NAMED(zone, "timeZone", BK_F_STRING), LISTED(slots, "timeSlots", time_slot),
    {.name = "days", .kind = BK_F_LIST, .shape = &bk_shape_day,
     .offset = offsetof(listing_words_t, days), .doc = "with ?from=&to="}};
BK_SHAPE(availability, "Availability", listing_words_t);

static const bk_field_t found_fields[] = {
    NAMED(practitioner_id, "practitionerId", BK_F_INT),
    NAMED(name, "practitionerName", BK_F_STRING), NAMED(zone, "timeZone", BK_F_STRING),
    LISTED(days, "days", day)};
static BK_SHAPE(found, "PractitionerFreeTimes", listing_words_t);

static const bk_field_t availability_search_fields[] = {
    NAMED(from, "from", BK_F_DATE), NAMED(to, "to", BK_F_DATE),
    LISTED(practitioners, "practitioners", found), NAMED(next, "nextCursor", BK_F_STRING)};
BK_SHAPE(availability_search, "AvailabilitySearch", listing_words_t);

typedef struct {
    bk_num_t date, from, to;
} query_t;

static const bk_field_t availability_query_fields[] = {
    {.name = "date", .kind = BK_F_DATE, .offset = offsetof(query_t, date)},
    {.name = "from", .kind = BK_F_DATE, .offset = offsetof(query_t, from)},
    {.name = "to", .kind = BK_F_DATE, .offset = offsetof(query_t, to),
     .doc = "inclusive, at most 62 dates"},
};
static bk_shape_check_t query_check;
BK_SHAPE_CHECKED(availability_query, "AvailabilityQuery", query_t, query_check);

typedef struct {
    bk_num_t from, to, practitioner_id, limit;
    const char *language, *specialty, *cursor;
} search_t;

static const bk_field_t availability_search_query_fields[] = {
    {.name = "from", .kind = BK_F_DATE, .flags = BK_F_REQUIRED, .offset = offsetof(search_t, from)},
    {.name = "to", .kind = BK_F_DATE, .flags = BK_F_REQUIRED, .offset = offsetof(search_t, to),
     .doc = "inclusive, at most 62 dates"},
    {.name = "practitionerId", .kind = BK_F_ID, .format = "practitioner",
     .offset = offsetof(search_t, practitioner_id)},
    {.name = "language", .kind = BK_F_STRING, .max = 100, .offset = offsetof(search_t, language)},
    {.name = "specialty", .kind = BK_F_STRING, .max = 200,
     .offset = offsetof(search_t, specialty)},
    {.name = "limit", .kind = BK_F_INT, .min = 1, .max = SEARCH_MAX,
     .doc = "practitioners on a page", .offset = offsetof(search_t, limit)},
    {.name = "cursor", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY, .max = 100,
     .offset = offsetof(search_t, cursor)},
};
static bk_shape_check_t search_check;
BK_SHAPE_CHECKED(availability_search_query, "AvailabilitySearchQuery", search_t, search_check);

/* --- writing ---------------------------------------------------------------------------------- */

static void put_slot(bk_buf_t *b, const bk_slot_t *slot)
{
    char text[BK_INSTANT_BUF];

    bk_buf_puts(b, "{\"time\": \"");
    bk_buf_add(b, text, bk_tod_label(slot->tod, text));
    bk_buf_puts(b, slot->available ? "\", \"available\": true, \"startsAt\": \""
                                   : "\", \"available\": false, \"startsAt\": \"");
    bk_buf_add(b, text, bk_instant_format(slot->start, slot->offset, text));
    bk_buf_puts(b, "\", \"durationMinutes\": ");
    bk_buf_int(b, (slot->end - slot->start) / 60);
    bk_buf_putc(b, '}');
}

/* The slots of one date, from slot *i* on; returns the first slot after them. A label that stands
 * twice, on the night the clock goes back, is listed once. */
static int put_slots(bk_buf_t *b, const bk_slots_t *slots, int i, bk_date_t date, bool free_only)
{
    bool first = true;

    bk_buf_putc(b, '[');
    for (; i < slots->n && slots->v[i].date <= date; i++) {
        const bk_slot_t *slot = &slots->v[i];
        if (slot->date == date && !slot->relabelled && (slot->available || !free_only)) {
            if (!first) {
                bk_buf_add(b, ", ", 2);
            }
            first = false;
            put_slot(b, slot);
        }
    }
    bk_buf_putc(b, ']');
    return i;
}

static void put_date(bk_buf_t *b, const char *name, bk_date_t date)
{
    char text[BK_DATE_BUF];

    bk_buf_putc(b, '"');
    bk_buf_puts(b, name);
    bk_buf_puts(b, "\": \"");
    bk_buf_add(b, text, bk_date_format(date, text));
    bk_buf_putc(b, '"');
}

static void put_zone(bk_buf_t *b, const bk_calendar_t *c)
{
    bk_buf_puts(b, "\"timeZone\": \"");
    bk_buf_puts(b, bk_zone_name(c->schedule.zone));
    bk_buf_putc(b, '"');
}

static int put_day(bk_buf_t *b, const bk_slots_t *slots, int i, bk_date_t date, bool free_only)
{
    bk_buf_putc(b, '{');
    put_date(b, "date", date);
    bk_buf_puts(b, ", \"timeSlots\": ");
    i = put_slots(b, slots, i, date, free_only);
    bk_buf_putc(b, '}');
    return i;
}

static void put_all_days(bk_buf_t *b, const bk_slots_t *slots, bk_date_t from, bk_date_t to)
{
    int i = 0;

    bk_buf_puts(b, "\"days\": [");
    for (bk_date_t date = from; date <= to; date++) {
        bk_buf_puts(b, date == from ? "" : ", ");
        i = put_day(b, slots, i, date, false);
    }
    bk_buf_putc(b, ']');
}

/* Only dates that have a free slot. */
static void put_free_days(bk_buf_t *b, const bk_slots_t *slots)
{
    const char *separator = "";

    bk_buf_puts(b, "\"days\": [");
    for (int i = 0; i < slots->n;) {
        if (!slots->v[i].available || slots->v[i].relabelled) {
            i++;
            continue;
        }
        bk_buf_puts(b, separator);
        separator = ", ";
        i = put_day(b, slots, i, slots->v[i].date, true);
    }
    bk_buf_putc(b, ']');
}

/* --- handlers --------------------------------------------------------------------------------- */

bk_handler_t bk_handle_availability_get, bk_handle_availability_search;

static bk_err_t *range_check(bk_err_t *e, bk_num_t from, bk_num_t to, apr_pool_t *p)
{
    if (!from.set || !to.set) {
        return e;
    }
    if (to.v < from.v) {
        e = bk_err_add_once(e, p, "to", "must not be before from");
    }
    if (to.v - from.v >= RANGE_DAYS_MAX) {
        e = bk_err_add(e, p, "to", "must be less than %d days after from", RANGE_DAYS_MAX);
    }
    return e;
}

/* date alone, or from and to. */
static bk_err_t *query_check(bk_err_t *e, const void *in, const void *baton, apr_pool_t *p)
{
    const query_t *q = in;
    bool ranged = q->from.set || q->to.set || bk_err_mentions(e, "from") ||
                  bk_err_mentions(e, "to");

    (void)baton;
    if (q->date.set && ranged) {
        return bk_err_add_once(e, p, "date", "cannot be combined with from and to");
    }
    if (!q->date.set && !ranged) {
        return bk_err_add_once(e, p, "date", "is required (or from and to)");
    }
    if (ranged && !q->from.set) {
        e = bk_err_add_once(e, p, "from", "is required with to");
    }
    if (ranged && !q->to.set) {
        e = bk_err_add_once(e, p, "to", "is required with from");
    }
    return range_check(e, q->from, q->to, p);
}

static bk_err_t *search_check(bk_err_t *e, const void *in, const void *baton, apr_pool_t *p)
{
    const search_t *q = in;

    (void)baton;
    return range_check(e, q->from, q->to, p);
}

bk_err_t *bk_handle_availability_get(bk_resp_t *resp, bk_req_t *req)
{
    const query_t *q = req->query_in;
    bk_date_t from = (bk_date_t)(q->date.set ? q->date.v : q->from.v);
    bk_date_t to = (bk_date_t)(q->date.set ? q->date.v : q->to.v);
    bk_free_times_t times;
    apr_int64_t id;
    bk_buf_t b;

    BK_TRY(bk_param_id(&id, req, 0, "practitioner"));
    BK_TRY(bk_free_times(&times, &req->ctx, id, from, to));
    bk_buf_init(&b, 192 + (size_t)times.slots.n * 112 + (size_t)(to - from) * 48, req->ctx.p);
    bk_buf_puts(&b, "{\"practitionerId\": ");
    bk_buf_int(&b, id);
    bk_buf_puts(&b, ", ");
    put_date(&b, q->date.set ? "date" : "from", from);
    bk_buf_puts(&b, ", ");
    if (!q->date.set) {
        put_date(&b, "to", to);
        bk_buf_puts(&b, ", ");
    }
    put_zone(&b, times.calendar);
    if (q->date.set) {
        bk_buf_puts(&b, ", \"timeSlots\": ");
        put_slots(&b, &times.slots, 0, from, false);
    }
    else {
        bk_buf_puts(&b, ", ");
        put_all_days(&b, &times.slots, from, to);
    }
    bk_buf_putc(&b, '}');
    bk_answer_raw(resp, req, &b);
    return NULL;
}

static void put_found(bk_buf_t *b, const bk_free_times_t *times)
{
    bk_buf_puts(b, "{\"practitionerId\": ");
    bk_buf_int(b, times->calendar->practitioner_id);
    bk_buf_puts(b, ", \"practitionerName\": ");
    bk_buf_json(b, times->calendar->name);
    bk_buf_puts(b, ", ");
    put_zone(b, times->calendar);
    bk_buf_puts(b, ", ");
    put_free_days(b, &times->slots);
    bk_buf_putc(b, '}');
}

bk_err_t *bk_handle_availability_search(bk_resp_t *resp, bk_req_t *req)
{
    const search_t *q = req->query_in;
    int limit = q->limit.set ? (int)q->limit.v : SEARCH_DEFAULT;
    int most = SEARCH_DAYS_MAX / (int)(q->to.v - q->from.v + 1);
    bk_practitioner_filter_t filter = {.language = q->language, .specialty = q->specialty,
                                       .limit = limit < most ? limit : most};
    apr_array_header_t *found;
    apr_int64_t next;
    bk_num_t after, unused;
    bk_buf_t b;

    if (q->cursor) {
        BK_TRY(bk_cursor_parse(&after, &unused, q->cursor, req->ctx.p));
        filter.after_id = after.v;
    }
    BK_TRY(bk_free_times_search(&found, &next, &req->ctx, &filter, q->practitioner_id.v,
                                (bk_date_t)q->from.v, (bk_date_t)q->to.v));
    bk_buf_init(&b, 8192, req->ctx.p);
    bk_buf_putc(&b, '{');
    put_date(&b, "from", (bk_date_t)q->from.v);
    bk_buf_puts(&b, ", ");
    put_date(&b, "to", (bk_date_t)q->to.v);
    bk_buf_puts(&b, ", \"practitioners\": [");
    for (int i = 0; i < found->nelts; i++) {
        bk_buf_puts(&b, i ? ", " : "");
        put_found(&b, &APR_ARRAY_IDX(found, i, bk_free_times_t));
    }
    bk_buf_puts(&b, "], \"nextCursor\": ");
    next ? bk_buf_json(&b, bk_cursor_make(next, 0, req->ctx.p)) : bk_buf_puts(&b, "null");
    bk_buf_putc(&b, '}');
    bk_answer_raw(resp, req, &b);
    return NULL;
}
