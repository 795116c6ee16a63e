/* IANA time zones, read from the host's compiled database (RFC 8536 TZif files).
 *
 * The host's tzdata package is the single authority; it is the one PostgreSQL uses on Debian.
 * A loaded zone is immutable and lives as long as the process; zones may be looked up and
 * used from any thread once bk_zone_init() has returned.
 */
#ifndef BOOKING_ZONE_H
#define BOOKING_ZONE_H

#include "booking/time.h"

typedef struct bk_zone_t bk_zone_t;

/* What a local time is on the clock of a zone. */
typedef enum {
    BK_LOCAL_UNIQUE, /* exactly one instant */
    BK_LOCAL_GAP,    /* skipped: the clock went forward over it */
    BK_LOCAL_TWICE   /* shown twice: the clock went back over it */
} bk_local_kind_t;

/* Prepares the registry of zones in *p* (process lifetime; cleaned up with it). *dir* is the
 * folder of TZif files, NULL for /usr/share/zoneinfo. May be called again after *p* is gone. */
apr_status_t bk_zone_init(const char *dir, apr_pool_t *p);

/* The zone of that IANA name, loaded at its first use; NULL when there is none, or the file
 * is damaged, older than TZif version 2 or made with leap seconds. A name begins with a capital
 * (so "localtime", "posix/..." and "right/..." are none), has at most 64 characters of
 * [A-Za-z0-9_+/-], and no empty part between slashes. Failures are not remembered. */
const bk_zone_t *bk_zone_find(const char *name);

/* The name it was found under. */
const char *bk_zone_name(const bk_zone_t *zone);

/* Seconds east of UTC at an instant, always less than a day either way. Beyond the last
 * transition the file's POSIX TZ footer (RFC 8536 3.3) is used. */
int bk_zone_offset(const bk_zone_t *zone, bk_time_t t);

/* Local date and time of day at an instant; out-pointers may be NULL. Returns the offset. */
int bk_zone_to_local(const bk_zone_t *zone, bk_time_t t, bk_date_t *date, int *tod);

/* The instant of a local date and time of day (0..86400, 86400 being the next midnight).
 * RFC 5545 3.3.5: a time shown twice is its first occurrence; a skipped one is read with the
 * offset in force before the gap. *kind (may be NULL) says which it was. */
bk_time_t bk_zone_from_local(const bk_zone_t *zone, bk_date_t date, int tod, bk_local_kind_t *kind);

/* The release of the database, such as "2026a", from the folder's tzdata.zi (or +VERSION), or
 * "unknown". Never NULL. */
const char *bk_zone_version(void);

#endif
