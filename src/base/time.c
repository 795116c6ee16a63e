/* Civil dates by arithmetic, strict parsers that never look past the length they are given,
 * and the clock. No libc calendar function is used: those read TZ and the locale. */

#include "booking/time.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <apr_time.h>

#define DATE_LEN 10     /* YYYY-MM-DD */
#define DATETIME_LEN 19 /* YYYY-MM-DDTHH:MM:SS */
#define CLOCK_TEXT 64   /* no instant worth reading is longer */

#define INSTANT_MIN ((bk_time_t)BK_DATE_MIN * BK_DAY_S)
#define INSTANT_MAX (((bk_time_t)BK_DATE_MAX + 1) * BK_DAY_S - 1)

typedef enum { CLOCK_SYSTEM, CLOCK_FIXED, CLOCK_FILE } clock_source_t;

/* Written by bk_clock_use() before threads start; only the last reading changes later. */
static clock_source_t clock_source = CLOCK_SYSTEM;
static char clock_path[APR_PATH_MAX];
static _Atomic bk_time_t clock_reading;

/* --- civil dates --------------------------------------------------------------------- */

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static apr_int64_t floor_div(apr_int64_t a, apr_int64_t b)
{
    return a / b - (a % b < 0);
}

/* Years are counted from March, so that the leap day is a year's last; 719468 is the day
 * number of 1970-01-01 counted from 0000-03-01, 146097 the days of 400 years. */
bk_date_t bk_date_make(int year, int month, int day)
{
    apr_int64_t y = (apr_int64_t)year - (month <= 2);
    apr_int64_t era = floor_div(y, 400);
    apr_int64_t year_of_era = y - era * 400;
    apr_int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    apr_int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (bk_date_t)(era * 146097 + day_of_era - 719468);
}

void bk_date_split(bk_date_t date, int *year, int *month, int *day)
{
    apr_int64_t z = (apr_int64_t)date + 719468;
    apr_int64_t era = floor_div(z, 146097);
    int doe = (int)(z - era * 146097);
    int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int mp = (5 * doy + 2) / 153;
    int m = mp < 10 ? mp + 3 : mp - 9;

    if (year) {
        *year = (int)(era * 400) + yoe + (m <= 2);
    }
    if (month) {
        *month = m;
    }
    if (day) {
        *day = doy - (153 * mp + 2) / 5 + 1;
    }
}

int bk_date_weekday(bk_date_t date)
{
    return (date % 7 + 7 + 4) % 7; /* day 0 was a Thursday */
}

/* --- parsers ------------------------------------------------------------------------- */

/* The value of exactly *n* digits, or -1. */
static int digits(const char *s, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return -1;
        }
        value = value * 10 + (s[i] - '0');
    }
    return value;
}

bool bk_date_parse(const char *s, size_t len, bk_date_t *out)
{
    int year, month, day;

    if (len != DATE_LEN || s[4] != '-' || s[7] != '-') {
        return false;
    }
    year = digits(s, 4);
    month = digits(s + 5, 2);
    day = digits(s + 8, 2);
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        return false;
    }
    *out = bk_date_make(year, month, day);
    return true;
}

bool bk_tod_parse(const char *s, size_t len, bool allow_24, int *out)
{
    int hour, minute, second = 0;

    if ((len != 5 && len != 8) || s[2] != ':' || (len == 8 && s[5] != ':')) {
        return false;
    }
    hour = digits(s, 2);
    minute = digits(s + 3, 2);
    if (len == 8) {
        second = digits(s + 6, 2);
    }
    if (hour == 24) {
        if (!allow_24 || minute != 0 || second != 0) {
            return false;
        }
    }
    else if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
        return false;
    }
    *out = hour * 3600 + minute * 60 + second;
    return true;
}

/* Skips ".digits" at *pos*; false when a dot has no digit behind it. */
static bool fraction_skip(const char *s, size_t len, size_t *pos)
{
    size_t i = *pos;

    if (i == len || s[i] != '.') {
        return true;
    }
    for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
    }
    if (i == *pos + 1) {
        return false;
    }
    *pos = i;
    return true;
}

/* "Z" or "+HH:MM", all of it. */
static bool offset_parse(const char *s, size_t len, int *out)
{
    int hours, minutes;

    if (len == 1 && (s[0] == 'Z' || s[0] == 'z')) {
        *out = 0;
        return true;
    }
    if (len != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':') {
        return false;
    }
    hours = digits(s + 1, 2);
    minutes = digits(s + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return false;
    }
    *out = (hours * 3600 + minutes * 60) * (s[0] == '-' ? -1 : 1);
    return true;
}

bool bk_datetime_parse(const char *s, size_t len, bk_time_t *out, bool *has_offset)
{
    bk_date_t date;
    int tod, offset = 0;
    size_t pos = DATETIME_LEN;
    bk_time_t t;

    if (len < DATETIME_LEN || (s[DATE_LEN] != 'T' && s[DATE_LEN] != 't')
        || !bk_date_parse(s, DATE_LEN, &date)
        || !bk_tod_parse(s + DATE_LEN + 1, DATETIME_LEN - DATE_LEN - 1, false, &tod)
        || !fraction_skip(s, len, &pos)
        || (pos < len && !offset_parse(s + pos, len - pos, &offset))) {
        return false;
    }
    t = (bk_time_t)date * BK_DAY_S + tod - offset;
    if (t < INSTANT_MIN || t > INSTANT_MAX) {
        return false; /* could not be written back */
    }
    *has_offset = pos < len;
    *out = t;
    return true;
}

bool bk_instant_parse(const char *s, size_t len, bk_time_t *out)
{
    bk_time_t t;
    bool has_offset;

    if (!bk_datetime_parse(s, len, &t, &has_offset) || !has_offset) {
        return false;
    }
    *out = t;
    return true;
}

/* --- formatters ---------------------------------------------------------------------- */

static apr_int64_t clamp(apr_int64_t value, apr_int64_t low, apr_int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static char *put2(char *s, int value)
{
    s[0] = (char)('0' + value / 10);
    s[1] = (char)('0' + value % 10);
    return s + 2;
}

static char *put_date(char *s, bk_date_t date)
{
    int year, month, day;

    bk_date_split((bk_date_t)clamp(date, BK_DATE_MIN, BK_DATE_MAX), &year, &month, &day);
    s = put2(put2(s, year / 100), year % 100);
    *s++ = '-';
    s = put2(s, month);
    *s++ = '-';
    return put2(s, day);
}

static char *put_tod(char *s, int tod)
{
    s = put2(s, tod / 3600);
    *s++ = ':';
    s = put2(s, tod / 60 % 60);
    *s++ = ':';
    return put2(s, tod % 60);
}

/* The local time as it is; the caller adds the zone. */
static char *put_datetime(char *s, bk_time_t local)
{
    bk_time_t t = clamp(local, INSTANT_MIN, INSTANT_MAX);
    bk_time_t date = floor_div(t, BK_DAY_S);

    s = put_date(s, (bk_date_t)date);
    *s++ = 'T';
    return put_tod(s, (int)(t - date * BK_DAY_S));
}

static size_t finish(char *buf, char *end)
{
    *end = '\0';
    return (size_t)(end - buf);
}

size_t bk_date_format(bk_date_t date, char buf[BK_DATE_BUF])
{
    return finish(buf, put_date(buf, date));
}

size_t bk_tod_format(int tod, char buf[BK_DATE_BUF])
{
    return finish(buf, put_tod(buf, (int)clamp(tod, 0, BK_DAY_S)));
}

size_t bk_tod_label(int tod, char buf[BK_DATE_BUF])
{
    int hour = (int)clamp(tod, 0, BK_DAY_S) / 3600 % 24;
    char *s = put2(buf, hour % 12 ? hour % 12 : 12);

    *s++ = ':';
    s = put2(s, (int)clamp(tod, 0, BK_DAY_S) / 60 % 60);
    memcpy(s, hour < 12 ? " AM" : " PM", 3);
    return finish(buf, s + 3);
}

size_t bk_utc_format(bk_time_t t, char buf[BK_INSTANT_BUF])
{
    char *s = put_datetime(buf, t);

    *s++ = 'Z';
    return finish(buf, s);
}

size_t bk_utc_format_ms(bk_time_t t, char buf[BK_INSTANT_BUF])
{
    char *s = put_datetime(buf, t);

    memcpy(s, ".000Z", 5);
    return finish(buf, s + 5);
}

size_t bk_instant_format(bk_time_t t, int offset, char buf[BK_INSTANT_BUF])
{
    /* The rounded offset also moves the local time shown, so that the text still names *t*. */
    int minutes = (offset + (offset < 0 ? -30 : 30)) / 60;
    char *s;

    minutes = (int)clamp(minutes, -(BK_DAY_S / 60 - 1), BK_DAY_S / 60 - 1);
    s = put_datetime(buf, clamp(t, INSTANT_MIN, INSTANT_MAX) + minutes * 60);
    *s++ = minutes < 0 ? '-' : '+';
    minutes = minutes < 0 ? -minutes : minutes;
    s = put2(s, minutes / 60);
    *s++ = ':';
    return finish(buf, put2(s, minutes % 60));
}

/* --- the clock ----------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool clock_file_read(const char *path, bk_time_t *out)
{
    char text[CLOCK_TEXT];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len;

    if (fd < 0) {
        return false;
    }
    len = read(fd, text, sizeof(text));
    close(fd);
    while (len > 0 && is_blank(text[len - 1])) {
        len--;
    }
    return len > 0 && bk_instant_parse(text, (size_t)len, out);
}

bk_time_t bk_clock_now(void)
{
    bk_time_t t;

    if (clock_source == CLOCK_SYSTEM) {
        return apr_time_sec(apr_time_now());
    }
    /* A file caught empty while a test rewrites it must not make time jump: the last
     * good reading stands until there is a new one. */
    if (clock_source == CLOCK_FILE && clock_file_read(clock_path, &t)) {
        atomic_store_explicit(&clock_reading, t, memory_order_relaxed);
        return t;
    }
    return atomic_load_explicit(&clock_reading, memory_order_relaxed);
}

bool bk_clock_use(const char *spec)
{
    bk_time_t t;
    size_t len;

    if (!spec) {
        clock_source = CLOCK_SYSTEM;
        return true;
    }
    len = strlen(spec);
    if (spec[0] == '/') {
        if (len >= sizeof(clock_path) || !clock_file_read(spec, &t)) {
            return false;
        }
        memcpy(clock_path, spec, len + 1);
        clock_source = CLOCK_FILE;
    }
    else if (bk_instant_parse(spec, len, &t)) {
        clock_source = CLOCK_FIXED;
    }
    else {
        return false;
    }
    atomic_store(&clock_reading, t);
    return true;
}
