#include "posix_tz.h"

#include <string.h>

#include <apr_lib.h>

/* --- the footer: evaluation ---------------------------------------------------------- */

bk_time_t bk_floor_day(bk_time_t t)
{
    return t / BK_DAY_S - (t % BK_DAY_S < 0);
}

static bk_date_t weekday_of_month(const bk_posix_tz_rule_t *rule, int year)
{
    bk_date_t first = bk_date_make(year, rule->month, 1);
    bk_date_t next =
        rule->month == 12 ? bk_date_make(year + 1, 1, 1) : bk_date_make(year, rule->month + 1, 1);
    bk_date_t day = first + (rule->day - bk_date_weekday(first) + 7) % 7 + 7 * (rule->week - 1);

    return day < next ? day : day - 7;
}

/* The instant of *rule* in *year*, on a clock *offset* seconds east of UTC. */
static bk_time_t rule_instant(const bk_posix_tz_rule_t *rule, int year, int offset)
{
    bk_date_t day;

    if (rule->kind == BK_POSIX_TZ_WEEKDAY) {
        day = weekday_of_month(rule, year);
    }
    else if (rule->kind == BK_POSIX_TZ_DAY) {
        day = bk_date_make(year, 1, 1) + rule->day;
    }
    else { /* February 29 is never counted: day 60 is March 1 in every year */
        day = rule->day < 60 ? bk_date_make(year, 1, 1) + rule->day - 1
                             : bk_date_make(year, 3, 1) + rule->day - 60;
    }
    return (bk_time_t)day * BK_DAY_S + rule->time - offset;
}

/* Keeps in *until* the earliest of the instants offered that lie after *t*. */
static void offer_until(bk_time_t t, bk_time_t instant, bk_time_t *until)
{
    if (instant > t && instant < *until) {
        *until = instant;
    }
}

/* The offset at *t* and, in *until*, an instant up to which it certainly holds.
 *
 * Rule times of up to a week either way move a transition into a neighbouring year, and
 * daylight time all year is written as an end that is the next start (RFC 8536 3.3.1). So
 * whole spells of daylight time are looked at, from two years before on, not single changes. */
int bk_posix_tz_period(const bk_posix_tz_t *f, bk_time_t t, bk_time_t *until)
{
    bool in_dst = false;
    int year;

    *until = APR_INT64_MAX;
    if (!f->has_dst || t >= TIME_CEILING) {
        return f->std;
    }
    bk_date_split((bk_date_t)bk_floor_day((t < TIME_FLOOR ? TIME_FLOOR : t) + f->std), &year, NULL,
                  NULL);
    for (int y = year - 2; y <= year + 1; y++) {
        bk_time_t start = rule_instant(&f->start, y, f->std);
        bk_time_t end = rule_instant(&f->end, y, f->dst);

        if (end <= start) { /* the southern half: daylight time spans the new year */
            end = rule_instant(&f->end, y + 1, f->dst);
        }
        in_dst = in_dst || (start <= t && t < end);
        offer_until(t, start, until);
        offer_until(t, end, until);
    }
    return in_dst ? f->dst : f->std;
}

/* --- the footer: parser -------------------------------------------------------------- */

typedef struct {
    const char *s, *end;
} text_t;

static bool take(text_t *in, char c)
{
    if (in->s == in->end || *in->s != c) {
        return false;
    }
    in->s++;
    return true;
}

static bool at_digit(const text_t *in)
{
    return in->s < in->end && *in->s >= '0' && *in->s <= '9';
}

static bool number_parse(text_t *in, int low, int high, int *out)
{
    int value = 0;

    if (!at_digit(in)) {
        return false;
    }
    while (at_digit(in)) {
        value = value * 10 + (*in->s++ - '0');
        if (value > high) {
            return false;
        }
    }
    *out = value;
    return value >= low;
}

/* [+-]h[:m[:s]], in seconds. */
static bool hms_parse(text_t *in, int max_hours, int *out)
{
    int hours, minutes = 0, seconds = 0;
    bool negative = take(in, '-');

    if (!negative) {
        take(in, '+');
    }
    if (!number_parse(in, 0, max_hours, &hours)
        || (take(in, ':')
            && (!number_parse(in, 0, 59, &minutes)
                || (take(in, ':') && !number_parse(in, 0, 59, &seconds))))) {
        return false;
    }
    *out = (hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

/* An abbreviation, of letters or <quoted>: checked and dropped. */
static bool name_skip(text_t *in)
{
    bool quoted = take(in, '<');
    const char *start = in->s;

    while (in->s < in->end
           && (apr_isalpha(*in->s)
               || (quoted && (at_digit(in) || *in->s == '+' || *in->s == '-')))) {
        in->s++;
    }
    return in->s - start >= 3 && (!quoted || take(in, '>'));
}

/* POSIX counts west of Greenwich. An offset of a day and more could not be written in RFC 3339. */
static bool footer_offset_parse(text_t *in, int *out)
{
    int west;

    if (!hms_parse(in, 24, &west) || west >= BK_DAY_S || west <= -BK_DAY_S) {
        return false;
    }
    *out = -west;
    return true;
}

/* ",Jn", ",n" or ",Mm.w.d", each with an optional "/time". */
static bool rule_parse(text_t *in, bk_posix_tz_rule_t *rule)
{
    bool ok;

    if (!take(in, ',')) {
        return false;
    }
    if (take(in, 'M')) {
        rule->kind = BK_POSIX_TZ_WEEKDAY;
        ok = number_parse(in, 1, 12, &rule->month) && take(in, '.')
             && number_parse(in, 1, 5, &rule->week) && take(in, '.')
             && number_parse(in, 0, 6, &rule->day);
    }
    else if (take(in, 'J')) {
        rule->kind = BK_POSIX_TZ_JULIAN;
        ok = number_parse(in, 1, 365, &rule->day);
    }
    else {
        rule->kind = BK_POSIX_TZ_DAY;
        ok = number_parse(in, 0, 365, &rule->day);
    }
    rule->time = 2 * 3600;
    return ok && (!take(in, '/') || hms_parse(in, 167, &rule->time));
}

/* A daylight name without rules is refused: POSIX leaves its dates to the implementation. */
bool bk_posix_tz_parse(const char *s, size_t len, bk_posix_tz_t *f)
{
    text_t in = {s, s + len};

    memset(f, 0, sizeof(*f));
    if (!name_skip(&in) || !footer_offset_parse(&in, &f->std)) {
        return false;
    }
    if (in.s == in.end) {
        return true;
    }
    f->has_dst = true;
    f->dst = f->std + 3600;
    if (!name_skip(&in)) {
        return false;
    }
    if (in.s < in.end && *in.s != ',' && !footer_offset_parse(&in, &f->dst)) {
        return false;
    }
    return f->dst < BK_DAY_S && rule_parse(&in, &f->start) && rule_parse(&in, &f->end)
           && in.s == in.end;
}
