#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "booking/time.h"

/* A copy without a terminator and of exactly *len* bytes, so that the address sanitizer sees
 * a parser that reads on. */
static char *exact_copy(const char *s, size_t len)
{
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, s, len);
    return copy;
}

static bool parse_date(const char *s, bk_date_t *out)
{
    char *copy = exact_copy(s, strlen(s));
    bool ok = bk_date_parse(copy, strlen(s), out);

    free(copy);
    return ok;
}

static int parse_tod(const char *s, bool allow_24)
{
    char *copy = exact_copy(s, strlen(s));
    int tod = -1;

    if (!bk_tod_parse(copy, strlen(s), allow_24, &tod)) {
        tod = -1;
    }
    free(copy);
    return tod;
}

static bool parse_instant(const char *s, bk_time_t *out)
{
    char *copy = exact_copy(s, strlen(s));
    bool ok = bk_instant_parse(copy, strlen(s), out);

    free(copy);
    return ok;
}

/* --- dates --------------------------------------------------------------------------- */

static void dates_known(void **state)
{
    (void)state;
    assert_int_equal(bk_date_make(1970, 1, 1), 0);
    assert_int_equal(bk_date_make(2000, 3, 1), 11017);
    assert_int_equal(bk_date_make(1, 1, 1), BK_DATE_MIN);
    assert_int_equal(bk_date_make(9999, 12, 31), BK_DATE_MAX);
    assert_int_equal(bk_date_weekday(0), 4);
    assert_int_equal(bk_date_weekday(-1), 3);
    assert_int_equal(bk_date_weekday(bk_date_make(2026, 10, 25)), 0);
    assert_int_equal(bk_date_weekday(BK_DATE_MIN), 1);
}

/* Every day of the range: a calendar counted up by hand is the oracle. */
static void dates_all(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 1, month = 1, day = 1, weekday = 1;

    (void)state;
    for (bk_date_t date = BK_DATE_MIN; date <= BK_DATE_MAX; date++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        int y, m, d;

        bk_date_split(date, &y, &m, &d);
        if (y != year || m != month || d != day || bk_date_weekday(date) != weekday
            || bk_date_make(year, month, day) != date) {
            fail_msg("day %d: %d-%d-%d", (int)date, y, m, d);
        }
        weekday = (weekday + 1) % 7;
        if (++day > lengths[month - 1] + (month == 2 && leap)) {
            day = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    assert_int_equal(year, 10000);
}

static void date_split_optional(void **state)
{
    int month;

    (void)state;
    bk_date_split(59, NULL, &month, NULL);
    assert_int_equal(month, 3);
    bk_date_split(INT32_MAX, NULL, NULL, NULL);
    bk_date_split(INT32_MIN, NULL, NULL, NULL);
}

static void date_parse_strict(void **state)
{
    static const char *const bad[] = {
        "",           "2026-02-29",  "2100-02-29",  "2026-13-01",  "2026-00-10",
        "2026-01-00", "2026-04-31",  "0000-01-01",  "2026-1-01",   "2026/01/01",
        "20260101",   "2026-01-01 ", " 2026-01-01", "2026-01-01T", "+026-01-01",
        "2026-01--1", "2026-0a-01",  "٢٠٢٦-٠١-٠١",  "2026-01-1",   "12026-01-01",
        "2026-01-32", "-2026-01-01",
    };
    bk_date_t date = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_date(bad[i], &date)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(date, 7);
    assert_true(parse_date("2024-02-29", &date));
    assert_int_equal(date, bk_date_make(2024, 2, 29));
    assert_true(parse_date("2000-02-29", &date));
    assert_true(parse_date("0001-01-01", &date));
    assert_int_equal(date, BK_DATE_MIN);
    assert_true(parse_date("9999-12-31", &date));
    assert_int_equal(date, BK_DATE_MAX);
    assert_false(bk_date_parse("2024-02-29", 9, &date));
}

/* --- times of day -------------------------------------------------------------------- */

static void tod_parse_strict(void **state)
{
    static const char *const bad[] = {"",       "9:00",     "09:0",     "09:60",     "24:01",
                                      "25:00",  "09:00:60", "09:00:",   "09:00:00Z", "09-00",
                                      "09:00 ", "-9:00",    "24:00:01", "09:00-00",  "0900"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_tod(bad[i], true) != -1) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(parse_tod("00:00", false), 0);
    assert_int_equal(parse_tod("09:30", false), 34200);
    assert_int_equal(parse_tod("23:59:59", false), 86399);
    assert_int_equal(parse_tod("24:00", false), -1);
    assert_int_equal(parse_tod("24:00", true), 86400);
    assert_int_equal(parse_tod("24:00:00", true), 86400);
}

/* --- instants ------------------------------------------------------------------------ */

static void instant_known(void **state)
{
    static const struct {
        const char *s;
        bk_time_t t;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1969-12-31T23:59:59Z", -1},
        {"2026-10-25T09:00:00+01:00", 1792915200},
        {"2026-10-25T09:00:00.5+01:00", 1792915200},
        {"2026-10-25T08:00:00.999999999999Z", 1792915200},
        {"2026-10-25T13:45:00+05:45", 1792915200},
        {"2026-10-24T22:00:00-10:00", 1792915200},
        {"2026-10-25T08:00:00-00:00", 1792915200},
        {"9999-12-31T23:59:59Z", (bk_time_t)BK_DATE_MAX * BK_DAY_S + 86399},
    };
    bk_time_t t;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!parse_instant(good[i].s, &t) || t != good[i].t) {
            fail_msg("%s", good[i].s);
        }
    }
}

static void instant_strict(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-10-25",
        "2026-10-25T09:00:00",
        "2026-10-25T09:00Z",
        "2026-10-25 09:00:00Z",
        "2026-10-25T09:00:00.Z",
        "2026-10-25T09:00:00,5Z",
        "2026-10-25T09:00:00.5",
        "2026-10-25T09:00:60Z",
        "2026-10-25T24:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-10-25T09:00:00+1:00",
        "2026-10-25T09:00:00+0100",
        "2026-10-25T09:00:00+01",
        "2026-10-25T09:00:00+24:00",
        "2026-10-25T09:00:00+01:60",
        "2026-10-25T09:00:00+01:00 ",
        "2026-10-25T09:00:00ZZ",
        "2026-10-25T09:00:00 Z",
        "2026-10-25T09:00:00+01:00:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    bk_time_t t = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_instant(bad[i], &t)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    assert_int_equal(t, 7);
}

static void datetime_offset(void **state)
{
    static const char local[] = "2026-10-25T02:30:00";
    bk_time_t t;
    bool has_offset = true;

    (void)state;
    assert_true(bk_datetime_parse(local, strlen(local), &t, &has_offset));
    assert_false(has_offset);
    assert_int_equal(t, (bk_time_t)bk_date_make(2026, 10, 25) * BK_DAY_S + 9000);
    assert_true(bk_datetime_parse("2026-10-25T02:30:00.25", 22, &t, &has_offset));
    assert_false(has_offset);
    assert_true(bk_datetime_parse("2026-10-25T02:30:00Z", 20, &t, &has_offset));
    assert_true(has_offset);
    /* The offset is beyond the length given. */
    assert_true(bk_datetime_parse("2026-10-25T02:30:00Z", 19, &t, &has_offset));
    assert_false(has_offset);
}

/* Bytes near a valid text: nothing may be read past the end, and what is taken must come back. */
static void instant_fuzz(void **state)
{
    static const char seed[] = "2026-10-25T09:00:00.123+01:00";
    static const char alphabet[] = "0123456789-+:.TZtz \0\377";

    (void)state;
    srand(20261025);
    for (int i = 0; i < 200000; i++) {
        size_t len = (size_t)rand() % sizeof(seed);
        char *copy = exact_copy(seed, len), buf[BK_INSTANT_BUF];
        bk_time_t t, again;
        bool has_offset;
        int tod;
        bk_date_t date;

        for (int k = rand() % 3; k > 0 && len > 0; k--) {
            copy[(size_t)rand() % len] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        }
        if (bk_datetime_parse(copy, len, &t, &has_offset)) {
            assert_true(bk_instant_parse(buf, bk_utc_format(t, buf), &again));
            assert_int_equal(t, again);
        }
        bk_date_parse(copy, len, &date);
        bk_tod_parse(copy, len, true, &tod);
        free(copy);
    }
}

/* --- formatters ---------------------------------------------------------------------- */

static void formats(void **state)
{
    char day[BK_DATE_BUF], t[BK_INSTANT_BUF];

    (void)state;
    assert_int_equal(bk_date_format(bk_date_make(2026, 10, 25), day), 10);
    assert_string_equal(day, "2026-10-25");
    bk_date_format(BK_DATE_MIN, day);
    assert_string_equal(day, "0001-01-01");
    assert_int_equal(bk_tod_format(50400, day), 8);
    assert_string_equal(day, "14:00:00");
    bk_tod_format(BK_DAY_S, day);
    assert_string_equal(day, "24:00:00");
    assert_int_equal(bk_utc_format(1792915200, t), 20);
    assert_string_equal(t, "2026-10-25T08:00:00Z");
    assert_int_equal(bk_utc_format_ms(1792915200, t), 24);
    assert_string_equal(t, "2026-10-25T08:00:00.000Z");
    assert_int_equal(bk_instant_format(1792915200, 3600, t), 25);
    assert_string_equal(t, "2026-10-25T09:00:00+01:00");
    bk_instant_format(1792915200, -12600, t);
    assert_string_equal(t, "2026-10-25T04:30:00-03:30");
    bk_instant_format(-1, 0, t);
    assert_string_equal(t, "1969-12-31T23:59:59+00:00");
}

static void labels(void **state)
{
    static const struct {
        int tod;
        const char *label;
    } rows[] = {{0, "12:00 AM"},     {59, "12:00 AM"},    {32400, "09:00 AM"}, {43199, "11:59 AM"},
                {43200, "12:00 PM"}, {50400, "02:00 PM"}, {86399, "11:59 PM"}, {86400, "12:00 AM"}};
    char buf[BK_DATE_BUF];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(bk_tod_label(rows[i].tod, buf), 8);
        assert_string_equal(buf, rows[i].label);
    }
}

/* Berlin's local mean time was 53:28 ahead: the minute is rounded, the instant is not. */
static void format_odd_offsets(void **state)
{
    char buf[BK_INSTANT_BUF];
    bk_time_t t;

    (void)state;
    for (int offset = -86399; offset <= 86399; offset += 7) {
        size_t len = bk_instant_format(-2840140808, offset, buf);

        assert_true(bk_instant_parse(buf, len, &t));
        assert_int_equal(t, -2840140808);
    }
    bk_instant_format(0, 3208, buf);
    assert_string_equal(buf, "1970-01-01T00:53:00+00:53");
}

static void format_extremes(void **state)
{
    static const bk_time_t times[] = {APR_INT64_MIN, -62135596801, 253402300800, APR_INT64_MAX};
    char buf[BK_INSTANT_BUF], day[BK_DATE_BUF];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(bk_utc_format(times[i], buf), 20);
        assert_int_equal(bk_instant_format(times[i], i % 2 ? INT32_MAX - 60 : -50400, buf), 25);
    }
    assert_int_equal(bk_date_format(INT32_MAX, day), 10);
    assert_string_equal(day, "9999-12-31");
    assert_int_equal(bk_tod_format(-5, day), 8);
    assert_int_equal(bk_tod_label(INT32_MAX, day), 8);
}

/* --- the clock ----------------------------------------------------------------------- */

static void file_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void clock_system(void **state)
{
    time_t before = time(NULL);

    (void)state;
    assert_true(bk_clock_use(NULL));
    assert_in_range(bk_clock_now(), (uintmax_t)before - 1, (uintmax_t)before + 5);
}

static void clock_fixed(void **state)
{
    char spec[] = "2026-10-25T09:00:00+01:00";

    (void)state;
    assert_true(bk_clock_use(spec));
    memset(spec, 'x', sizeof(spec) - 1); /* the string was copied */
    assert_int_equal(bk_clock_now(), 1792915200);
    assert_false(bk_clock_use("soon"));
    assert_false(bk_clock_use(""));
    assert_false(bk_clock_use("/nonexistent/clock"));
    assert_int_equal(bk_clock_now(), 1792915200);
    assert_true(bk_clock_use(NULL));
}

static void clock_from_file(void **state)
{
    char path[] = "/tmp/bk_clock_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_false(bk_clock_use(path));
    file_write(path, "2026-10-25T08:00:00Z\n");
    assert_true(bk_clock_use(path));
    assert_int_equal(bk_clock_now(), 1792915200);
    file_write(path, "2026-10-25T08:00:01Z");
    assert_int_equal(bk_clock_now(), 1792915201);
    file_write(path, "");
    assert_int_equal(bk_clock_now(), 1792915201);
    unlink(path);
    assert_int_equal(bk_clock_now(), 1792915201);
    assert_true(bk_clock_use(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_known),
        cmocka_unit_test(dates_all),
        cmocka_unit_test(date_split_optional),
        cmocka_unit_test(date_parse_strict),
        cmocka_unit_test(tod_parse_strict),
        cmocka_unit_test(instant_known),
        cmocka_unit_test(instant_strict),
        cmocka_unit_test(datetime_offset),
        cmocka_unit_test(instant_fuzz),
        cmocka_unit_test(formats),
        cmocka_unit_test(labels),
        cmocka_unit_test(format_odd_offsets),
        cmocka_unit_test(format_extremes),
        cmocka_unit_test(clock_system),
        cmocka_unit_test(clock_fixed),
        cmocka_unit_test(clock_from_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
