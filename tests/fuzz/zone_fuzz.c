/* Time zones: any bytes as a TZif file, and as the rule in its footer. Whatever is taken for a
 * zone answers every instant, and local times lead back to where they came from. */
#include "fuzz.h"

#include <unistd.h>

#include <apr_file_io.h>

#include "booking/zone.h"
#include "../../src/base/posix_tz.h"

const char fuzz_name[] = "zone";

static char folder[64];

static void folder_remove(void)
{
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    unlink(apr_pstrcat(p, folder, "/Fuzz", NULL));
    rmdir(folder);
    apr_pool_destroy(p);
}

/* In memory where there is such a place: this is written thousands of times a second. */
static void folder_make(void)
{
    if (!folder[0]) {
        strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/booking-fuzz-XXXXXX"
                                                     : "/tmp/booking-fuzz-XXXXXX");
        FUZZ_EXPECT(mkdtemp(folder) != NULL);
        atexit(folder_remove);
    }
}

static void file_write(const uint8_t *data, size_t size, apr_pool_t *p)
{
    apr_file_t *f;

    FUZZ_EXPECT(apr_file_open(&f, apr_pstrcat(p, folder, "/Fuzz", NULL),
                              APR_WRITE | APR_CREATE | APR_TRUNCATE, APR_OS_DEFAULT, p) ==
                APR_SUCCESS);
    FUZZ_EXPECT(apr_file_write_full(f, data, size, NULL) == APR_SUCCESS);
    apr_file_close(f);
}

static const bk_time_t instants[] = {
    APR_INT64_MIN, -62135596800, -2208988800, -1, 0, 946684800, 1774746000, 1774749600,
    1793062800, 1793066400, 4102444800, 253402300799, APR_INT64_MAX};

#define INSTANTS (sizeof(instants) / sizeof(instants[0]))

static void instant_try(const bk_zone_t *zone, bk_time_t t)
{
    int offset = bk_zone_offset(zone, t), tod = -1;
    bool usual = t >= instants[1] + BK_DAY_S && t <= instants[INSTANTS - 2] - BK_DAY_S;
    bk_local_kind_t kind;
    bk_date_t date = 0;
    bk_time_t back;

    FUZZ_EXPECT(offset > -BK_DAY_S && offset < BK_DAY_S);
    bk_zone_to_local(zone, t, &date, &tod);
    FUZZ_EXPECT(tod >= 0 && tod < BK_DAY_S);
    back = bk_zone_from_local(zone, date, tod, &kind);
    /* A local time that is there once names one instant; shown twice, the first. */
    FUZZ_EXPECT(!usual || kind != BK_LOCAL_UNIQUE || back == t);
    FUZZ_EXPECT(!usual || kind != BK_LOCAL_TWICE || back <= t);
    FUZZ_EXPECT(!usual || kind != BK_LOCAL_GAP);
}

static void footer(const uint8_t *data, size_t size)
{
    bk_posix_tz_t rule;

    if (!bk_posix_tz_parse((const char *)data, size, &rule)) {
        return;
    }
    for (size_t i = 0; i < INSTANTS; i++) {
        bk_time_t t = instants[i] < TIME_FLOOR ? TIME_FLOOR
                    : instants[i] > TIME_CEILING ? TIME_CEILING : instants[i];
        bk_time_t until = t;
        int offset = bk_posix_tz_period(&rule, t, &until);
        FUZZ_EXPECT(offset == rule.std || (rule.has_dst && offset == rule.dst));
        FUZZ_EXPECT(until > t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_pool();
    const bk_zone_t *zone;

    footer(data, size);
    if (size < 44 || memcmp(data, "TZif", 4) != 0) {
        return 0;
    }
    folder_make();
    file_write(data, size, p);
    FUZZ_EXPECT(bk_zone_init(folder, p) == APR_SUCCESS);
    zone = bk_zone_find("Fuzz");
    for (size_t i = 0; zone && i < INSTANTS; i++) {
        instant_try(zone, instants[i]);
    }
    return 0;
}
