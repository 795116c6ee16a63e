/* Time zones: a reader of TZif files (RFC 8536) and the registry of what has been read.
 *
 * Only UTC offsets are kept: abbreviations and the daylight flag decide nothing here. A zone
 * is two arrays, the instants at which its offset changes and the offsets between them, plus
 * the footer's rule for what lies beyond. */

#include "booking/zone.h"

#include "posix_tz.h"

#include <stdatomic.h>
#include <string.h>

#include <apr_allocator.h>
#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#define ZONE_DIR "/usr/share/zoneinfo"
#define NAME_MAX_LEN 64
#define FILE_MAX_LEN (256 * 1024) /* the largest in the database has under 4 KB */
#define BUCKETS 256

#define TZIF_HEADER 44
#define TZIF_TYPE 6
#define TZIF_TIME_BOUND ((bk_time_t)1 << 60) /* zic's "since ever" is -2^59 */

/* How far a footer's rule is written out as plain transitions when a zone is loaded: slim
 * files end in the past, and every booking is made within this time. */
#define FOOTER_TABLE_YEAR 2100

struct bk_zone_t {
    const char *name;
    bk_zone_t *next; /* in its bucket */
    int n;
    const bk_time_t *at;       /* n instants of change, ascending */
    const apr_int32_t *offset; /* n + 1: before the first, then from each on */
    bk_time_t footer_from;     /* APR_INT64_MAX when there is no footer */
    bk_posix_tz_t footer;
};

/* A TZif file whose structure was found sound; points into its bytes. */
typedef struct {
    const unsigned char *times, *indexes, *types;
    apr_uint32_t n_times, n_types, n_chars;
    const char *footer;
    size_t footer_len;
} tzif_t;

typedef struct {
    apr_uint32_t n_isut, n_isstd, n_leaps, n_times, n_types, n_chars;
} tzif_header_t;

typedef struct {
    apr_pool_t *pool; /* guarded by lock once threads run */
    apr_thread_mutex_t *lock;
    const char *dir;
    const char *version;
    _Atomic(bk_zone_t *) bucket[BUCKETS]; /* readers take no lock; zones are never removed */
} registry_t;

static registry_t *registry;

/* --- TZif ---------------------------------------------------------------------------- */

static apr_uint32_t be32(const unsigned char *b)
{
    return (apr_uint32_t)b[0] << 24 | (apr_uint32_t)b[1] << 16 | (apr_uint32_t)b[2] << 8 | b[3];
}

static bk_time_t tzif_time(const tzif_t *f, apr_uint32_t i)
{
    const unsigned char *b = f->times + (size_t)i * 8;

    return (bk_time_t)((apr_uint64_t)be32(b) << 32 | be32(b + 4));
}

static apr_int32_t tzif_offset(const tzif_t *f, unsigned type)
{
    return (apr_int32_t)be32(f->types + (size_t)type * TZIF_TYPE);
}

static bool tzif_header_read(const unsigned char *b, size_t len, tzif_header_t *h)
{
    /* Version 1 has 32-bit times and no footer: no compiler of this century writes it alone. */
    if (len < TZIF_HEADER || memcmp(b, "TZif", 4) != 0 || b[4] < '2') {
        return false;
    }
    h->n_isut = be32(b + 20);
    h->n_isstd = be32(b + 24);
    h->n_leaps = be32(b + 28);
    h->n_times = be32(b + 32);
    h->n_types = be32(b + 36);
    h->n_chars = be32(b + 40);
    return true;
}

/* The length of the block behind a header, whose times have *width* bytes. At most 2^32 * 30. */
static apr_uint64_t tzif_block_len(const tzif_header_t *h, unsigned width)
{
    return (apr_uint64_t)h->n_times * (width + 1) + (apr_uint64_t)h->n_types * TZIF_TYPE
           + h->n_chars + (apr_uint64_t)h->n_leaps * (width + 4) + h->n_isstd + h->n_isut;
}

static bool tzif_footer_find(const unsigned char *b, size_t len, tzif_t *f)
{
    const unsigned char *end;

    if (len < 2 || b[0] != '\n') {
        return false;
    }
    end = memchr(b + 1, '\n', len - 1);
    if (!end) {
        return false;
    }
    f->footer = (const char *)b + 1;
    f->footer_len = (size_t)(end - b) - 1;
    return true;
}

/* Steps over the 32-bit block and finds the parts of the 64-bit one. Leap seconds ("right/")
 * are refused: bk_time_t has none. */
static bool tzif_open(const unsigned char *b, size_t len, tzif_t *f)
{
    tzif_header_t h;
    apr_uint64_t size;

    if (!tzif_header_read(b, len, &h)) {
        return false;
    }
    size = TZIF_HEADER + tzif_block_len(&h, 4);
    if (size > len) {
        return false;
    }
    b += size;
    len -= size;
    if (!tzif_header_read(b, len, &h) || h.n_leaps != 0 || h.n_types == 0 || h.n_types > 256
        || h.n_chars == 0 || (h.n_isut != 0 && h.n_isut != h.n_types)
        || (h.n_isstd != 0 && h.n_isstd != h.n_types)) {
        return false;
    }
    size = TZIF_HEADER + tzif_block_len(&h, 8);
    if (size > len) {
        return false;
    }
    f->n_times = h.n_times;
    f->n_types = h.n_types;
    f->n_chars = h.n_chars;
    f->times = b + TZIF_HEADER;
    f->indexes = f->times + (size_t)h.n_times * 8;
    f->types = f->indexes + h.n_times;
    return tzif_footer_find(b + size, len - size, f);
}

static bool tzif_types_valid(const tzif_t *f)
{
    for (apr_uint32_t i = 0; i < f->n_types; i++) {
        const unsigned char *type = f->types + (size_t)i * TZIF_TYPE;
        apr_int32_t offset = tzif_offset(f, i);

        if (offset >= BK_DAY_S || offset <= -BK_DAY_S || type[4] > 1 || type[5] >= f->n_chars) {
            return false;
        }
    }
    return true;
}

static bool tzif_times_valid(const tzif_t *f)
{
    for (apr_uint32_t i = 0; i < f->n_times; i++) {
        bk_time_t t = tzif_time(f, i);

        if (t < -TZIF_TIME_BOUND || t > TZIF_TIME_BOUND || f->indexes[i] >= f->n_types
            || (i > 0 && t <= tzif_time(f, i - 1))) {
            return false;
        }
    }
    return true;
}

/* --- loading ------------------------------------------------------------------------- */

/* The zone's two arrays while they are filled. */
typedef struct {
    bk_time_t *at;
    apr_int32_t *offset;
    int n;
} table_t;

/* A change of name or daylight flag alone leaves the offset, and is no transition here. */
static void table_add(table_t *table, bk_time_t at, apr_int32_t offset)
{
    if (offset != table->offset[table->n]) {
        table->at[table->n++] = at;
        table->offset[table->n] = offset;
    }
}

/* How many transitions the footer adds up to FOOTER_TABLE_YEAR, at most. */
static int footer_table_size(bk_time_t from)
{
    bk_time_t end = (bk_time_t)bk_date_make(FOOTER_TABLE_YEAR, 1, 1) * BK_DAY_S;
    bk_time_t oldest = (bk_time_t)bk_date_make(1900, 1, 1) * BK_DAY_S;

    return from < oldest || from >= end ? 0 : (int)((end - from) / (365 * BK_DAY_S) + 2) * 2;
}

/* Writes out the footer from zone->footer_from on, *room* periods far. */
static void footer_tabulate(bk_zone_t *zone, table_t *table, int room)
{
    bk_time_t t = zone->footer_from, until;

    while (room-- > 0 && t != APR_INT64_MAX) {
        table_add(table, t, bk_posix_tz_period(&zone->footer, t, &until));
        zone->footer_from = t = until;
    }
    if (t == APR_INT64_MAX) {
        zone->footer_from = t; /* a fixed offset: the table says all there is */
    }
}

static bk_zone_t *zone_make(const char *name, const tzif_t *f, const bk_posix_tz_t *footer,
                            apr_pool_t *p)
{
    bk_zone_t *zone = apr_pcalloc(p, sizeof(*zone));
    table_t table = {0};
    int room = 0;

    zone->name = apr_pstrdup(p, name);
    zone->footer_from = APR_INT64_MAX;
    if (footer) {
        zone->footer = *footer;
        zone->footer_from = f->n_times ? tzif_time(f, f->n_times - 1) : -TZIF_TIME_BOUND;
        room = footer_table_size(zone->footer_from);
    }
    table.at = apr_palloc(p, sizeof(*table.at) * (f->n_times + (size_t)room + 1));
    table.offset = apr_palloc(p, sizeof(*table.offset) * (f->n_times + (size_t)room + 1));
    table.offset[0] = tzif_offset(f, 0);
    for (apr_uint32_t i = 0; i < f->n_times; i++) {
        table_add(&table, tzif_time(f, i), tzif_offset(f, f->indexes[i]));
    }
    footer_tabulate(zone, &table, room);
    zone->n = table.n;
    zone->at = table.at;
    zone->offset = table.offset;
    return zone;
}

/* NULL when the bytes are no sound TZif file. Nothing is taken from *p* then: whoever asks
 * for a damaged zone again and again must not make the process grow. */
static bk_zone_t *zone_parse(const char *name, const unsigned char *bytes, size_t len,
                             apr_pool_t *p)
{
    tzif_t f;
    bk_posix_tz_t footer;

    if (!tzif_open(bytes, len, &f) || !tzif_types_valid(&f) || !tzif_times_valid(&f)) {
        return NULL;
    }
    if (f.footer_len == 0) {
        return zone_make(name, &f, NULL, p);
    }
    return bk_posix_tz_parse(f.footer, f.footer_len, &footer) ? zone_make(name, &f, &footer, p)
                                                              : NULL;
}

/* The bytes of a regular file of at most FILE_MAX_LEN, or of its first *limit* where that is
 * not 0; NULL otherwise. */
static unsigned char *file_read(const char *path, size_t limit, size_t *len, apr_pool_t *p)
{
    apr_file_t *file;
    apr_finfo_t info;
    unsigned char *bytes = NULL;

    /* Looked at before it is opened: opening a FIFO would wait for a writer. */
    if (apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_SIZE, p) != APR_SUCCESS
        || info.filetype != APR_REG || info.size <= 0 || (limit == 0 && info.size > FILE_MAX_LEN)
        || apr_file_open(&file, path, APR_FOPEN_READ, 0, p) != APR_SUCCESS) {
        return NULL;
    }
    *len = limit != 0 && info.size > (apr_off_t)limit ? limit : (size_t)info.size;
    bytes = apr_palloc(p, *len);
    if (apr_file_read_full(file, bytes, *len, NULL) != APR_SUCCESS) {
        bytes = NULL;
    }
    apr_file_close(file);
    return bytes;
}

/* --- the registry -------------------------------------------------------------------- */

static bool name_char_valid(char c)
{
    return apr_isalpha(c) || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '/';
}

/* IANA names begin with a capital; "posix/...", "right/..." and "localtime" are the host's. An
 * empty part is refused because "Europe//Berlin" would be one more name for the same file,
 * and there are endlessly many of those. */
static bool name_valid(const char *name)
{
    size_t len = 0;

    if (!name || name[0] < 'A' || name[0] > 'Z') {
        return false;
    }
    for (; name[len]; len++) {
        if (len == NAME_MAX_LEN || !name_char_valid(name[len])
            || (name[len] == '/' && (name[len + 1] == '/' || name[len + 1] == '\0'))) {
            return false;
        }
    }
    return true;
}

static unsigned name_bucket(const char *name)
{
    unsigned hash = 2166136261u; /* FNV-1a */

    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    }
    return (hash ^ hash >> 16) % BUCKETS;
}

static const bk_zone_t *bucket_find(registry_t *reg, unsigned bucket, const char *name)
{
    const bk_zone_t *zone = atomic_load_explicit(&reg->bucket[bucket], memory_order_acquire);

    while (zone && strcmp(zone->name, name) != 0) {
        zone = zone->next;
    }
    return zone;
}

/* Called with the lock held. */
static const bk_zone_t *zone_load(registry_t *reg, unsigned bucket, const char *name)
{
    apr_pool_t *scratch;
    unsigned char *bytes;
    size_t len;
    bk_zone_t *zone = NULL;

    if (apr_pool_create(&scratch, reg->pool) != APR_SUCCESS) {
        return NULL;
    }
    bytes = file_read(apr_pstrcat(scratch, reg->dir, "/", name, NULL), 0, &len, scratch);
    if (bytes) {
        zone = zone_parse(name, bytes, len, reg->pool);
    }
    apr_pool_destroy(scratch);
    if (zone) {
        zone->next = atomic_load_explicit(&reg->bucket[bucket], memory_order_relaxed);
        atomic_store_explicit(&reg->bucket[bucket], zone, memory_order_release);
    }
    return zone;
}

const bk_zone_t *bk_zone_find(const char *name)
{
    registry_t *reg = registry;
    const bk_zone_t *zone;
    unsigned bucket;

    if (!reg || !name_valid(name)) {
        return NULL;
    }
    bucket = name_bucket(name);
    zone = bucket_find(reg, bucket, name);
    if (!zone && apr_thread_mutex_lock(reg->lock) == APR_SUCCESS) {
        zone = bucket_find(reg, bucket, name); /* another thread may have been faster */
        if (!zone) {
            zone = zone_load(reg, bucket, name);
        }
        apr_thread_mutex_unlock(reg->lock);
    }
    return zone;
}

/* The word behind *prefix* at the start of *path*, or NULL. */
static const char *version_read(const char *path, const char *prefix, apr_pool_t *p)
{
    size_t len, skip = strlen(prefix), n = 0;
    unsigned char *bytes = file_read(path, 64, &len, p);
    const char *word;

    if (!bytes || len < skip || memcmp(bytes, prefix, skip) != 0) {
        return NULL;
    }
    word = (const char *)bytes + skip;
    while (n < len - skip && (apr_isalpha(word[n]) || (word[n] >= '0' && word[n] <= '9'))) {
        n++;
    }
    return n ? apr_pstrmemdup(p, word, n) : NULL;
}

static const char *version_find(const char *dir, apr_pool_t *p)
{
    const char *version = version_read(apr_pstrcat(p, dir, "/tzdata.zi", NULL), "# version ", p);

    if (!version) {
        version = version_read(apr_pstrcat(p, dir, "/+VERSION", NULL), "", p);
    }
    return version ? version : "unknown";
}

static apr_status_t registry_forget(void *data)
{
    if (registry == data) {
        registry = NULL;
    }
    return APR_SUCCESS;
}

/* A pool with an allocator of its own: zones are loaded while other threads use the parent. */
static apr_status_t registry_pool_make(apr_pool_t **pool, apr_pool_t *parent)
{
    apr_allocator_t *allocator;
    apr_status_t rv = apr_allocator_create(&allocator);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_pool_create_ex(pool, parent, NULL, allocator);
    if (rv != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, *pool);
    return APR_SUCCESS;
}

apr_status_t bk_zone_init(const char *dir, apr_pool_t *p)
{
    registry_t *reg;
    apr_finfo_t info;
    apr_pool_t *pool;
    apr_status_t rv = registry_pool_make(&pool, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    reg = apr_pcalloc(pool, sizeof(*reg));
    reg->pool = pool;
    reg->dir = apr_pstrdup(pool, dir ? dir : ZONE_DIR);
    rv = apr_stat(&info, reg->dir, APR_FINFO_TYPE, pool);
    if (rv == APR_SUCCESS && info.filetype != APR_DIR) {
        rv = APR_ENOTDIR;
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&reg->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    }
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return rv;
    }
    reg->version = version_find(reg->dir, pool);
    apr_pool_cleanup_register(pool, reg, registry_forget, apr_pool_cleanup_null);
    registry = reg;
    return APR_SUCCESS;
}

const char *bk_zone_version(void)
{
    return registry ? registry->version : "unknown";
}

/* --- looking up ---------------------------------------------------------------------- */

/* The offset at *t* and, in *until*, an instant up to which it certainly holds. */
static int zone_period(const bk_zone_t *zone, bk_time_t t, bk_time_t *until)
{
    int low = 0, high = zone->n;

    if (t >= zone->footer_from) {
        return bk_posix_tz_period(&zone->footer, t, until);
    }
    while (low < high) {
        int middle = low + (high - low) / 2;

        if (zone->at[middle] <= t) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    *until = low < zone->n ? zone->at[low] : zone->footer_from;
    return zone->offset[low];
}

const char *bk_zone_name(const bk_zone_t *zone)
{
    return zone->name;
}

int bk_zone_offset(const bk_zone_t *zone, bk_time_t t)
{
    bk_time_t until;

    return zone_period(zone, t, &until);
}

int bk_zone_to_local(const bk_zone_t *zone, bk_time_t t, bk_date_t *date, int *tod)
{
    int offset = bk_zone_offset(zone, t);
    bk_time_t local, day;

    local = (t < TIME_FLOOR ? TIME_FLOOR : t > TIME_CEILING ? TIME_CEILING : t) + offset;
    day = bk_floor_day(local);
    if (date) {
        *date = (bk_date_t)day;
    }
    if (tod) {
        *tod = (int)(local - day * BK_DAY_S);
    }
    return offset;
}

/* An offset is less than a day, so the instant lies within a day of the local time read as
 * UTC. Walks the periods that touch those two days (nearly always one) and asks of each
 * whether its clock showed that time; in a gap, the last clock that stopped before it. */
bk_time_t bk_zone_from_local(const bk_zone_t *zone, bk_date_t date, int tod, bk_local_kind_t *kind)
{
    bk_time_t local = (bk_time_t)date * BK_DAY_S + tod;
    bk_time_t begin = local - BK_DAY_S, until;
    bk_time_t shown = 0, skipped = local;
    bool passed = false;
    int times_shown = 0;

    for (;; begin = until) {
        bk_time_t t = local - zone_period(zone, begin, &until);

        if (t < begin) {
            passed = true;
        }
        else if (t >= until) {
            skipped = passed ? skipped : t;
        }
        else if (times_shown++ == 0) {
            shown = t;
        }
        if (until > local + BK_DAY_S) {
            break;
        }
    }
    if (kind) {
        *kind = times_shown == 0   ? BK_LOCAL_GAP
                : times_shown == 1 ? BK_LOCAL_UNIQUE
                                   : BK_LOCAL_TWICE;
    }
    return times_shown ? shown : skipped;
}
