/* Instants, civil dates and times of day, and the clock.
 *
 * An instant is whole seconds since 1970-01-01T00:00:00Z. A date is days since
 * 1970-01-01 in the proleptic Gregorian calendar; a time of day is seconds since
 * local midnight. None of them knows a zone: see zone.h.
 *
 * Everything here is pure and safe from any thread, except that
 * bk_clock_use() is called once, before threads start.
 */
#ifndef BOOKING_TIME_H
#define BOOKING_TIME_H

#include <stdbool.h>
#include <stddef.h>

#include <apr_general.h>
#include <apr_pools.h>

typedef apr_int64_t bk_time_t; /* seconds since the epoch, UTC */
typedef apr_int32_t bk_date_t; /* days since 1970-01-01 */

#define BK_DAY_S 86400

/* The dates the whole product accepts: 0001-01-01 up to 9999-12-31. */
#define BK_DATE_MIN (-719162)
#define BK_DATE_MAX 2932896

/* Days since 1970-01-01 of a civil date. The date must exist. */
bk_date_t bk_date_make(int year, int month, int day);

/* The civil date of *date*; each out-pointer may be NULL. month 1-12, day 1-31. */
void bk_date_split(bk_date_t date, int *year, int *month, int *day);

/* 0 = Sunday ... 6 = Saturday, as in practitioner_schedules.day_of_week. */
int bk_date_weekday(bk_date_t date);

/* Parses "YYYY-MM-DD" (RFC 3339 full-date), *len* bytes, nothing before or after.
 * false when malformed or when the calendar has no such day. */
bool bk_date_parse(const char *s, size_t len, bk_date_t *out);

/* Parses "HH:MM" or "HH:MM:SS", 24-hour, 00:00 up to 23:59:59, and "24:00[:00]" where
 * *allow_24* (the end of an opening hour). Seconds since midnight in *out*. */
bool bk_tod_parse(const char *s, size_t len, bool allow_24, int *out);

/* Parses an RFC 3339 date-time with mandatory offset or "Z"; a fraction of a second is
 * read and cut off. A leap second (":60"), offsets beyond +-23:59 and instants whose UTC date
 * is outside BK_DATE_MIN..BK_DATE_MAX are refused. Seconds are mandatory. */
bool bk_instant_parse(const char *s, size_t len, bk_time_t *out);

/* As bk_instant_parse, but the offset may be missing: then *has_offset is false and *out is
 * the local time read as if it were UTC, for bk_zone_from_local() to resolve. */
bool bk_datetime_parse(const char *s, size_t len, bk_time_t *out, bool *has_offset);

/* Formatters write a NUL-terminated string to a caller's buffer and return its length. What
 * lies outside the range of its kind is written as the nearest end of that range. */
#define BK_DATE_BUF 16
#define BK_INSTANT_BUF 40
size_t bk_date_format(bk_date_t date, char buf[BK_DATE_BUF]);   /* 2026-10-25 */
size_t bk_tod_format(int tod, char buf[BK_DATE_BUF]);           /* 14:00:00 */
size_t bk_tod_label(int tod, char buf[BK_DATE_BUF]);            /* 09:00 AM */
size_t bk_utc_format(bk_time_t t, char buf[BK_INSTANT_BUF]);    /* ...T09:00:00Z */
size_t bk_utc_format_ms(bk_time_t t, char buf[BK_INSTANT_BUF]); /* ...T09:00:00.000Z */
/* With offset: 2026-10-25T09:00:00+01:00. An offset with seconds (before 1972) is rounded
 * to the minute, as RFC 3339 has no more. */
size_t bk_instant_format(bk_time_t t, int offset, char buf[BK_INSTANT_BUF]);

/* "Now" for every rule of the product. The system's clock unless bk_clock_use() named another. */
bk_time_t bk_clock_now(void);

/* Makes bk_clock_now() answer *spec*: an RFC 3339 instant (the clock stands still), or the
 * absolute path of a file holding one, read at each call, so that a test can move time; while
 * the file cannot be read, the last reading stands. NULL returns to the system's clock. The
 * string is copied. false, and nothing changed, when *spec* is neither. */
bool bk_clock_use(const char *spec);

#endif
