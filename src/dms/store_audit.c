/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/store_audit.h"
#include "dms/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

/* A read that waits to be written. */
struct audit_note {
    struct audit_note *next;
    int64_t time_ms, node;
    char *user, *from, *name, *detail; /* behind the struct */
};

enum { RECENT_COUNT = 64 };

struct store_audit {
    struct audit_head head;
    struct audit_note *notes, **notes_end; /* oldest first */
    size_t note_count;
    size_t written; /* of them, by the open transaction */
    struct {
        uint64_t what;
        int64_t time_ms;
    } recent[RECENT_COUNT]; /* reads that were noted lately, by a hash of what was read */
};

/* The chain */

static void put_u64(uint8_t *to, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(number >> (56 - 8 * i));
}

void audit_hash(const struct audit_entry *entry, const uint8_t before[DIGEST_SIZE],
                uint8_t ret_hash[DIGEST_SIZE])
{
    const char *texts[] = {entry->action, entry->user, entry->from, entry->detail};
    uint8_t numbers[24], sizes[ARRAY_COUNT(texts)][4];
    struct slice parts[3 + 2 * ARRAY_COUNT(texts)] = {slice_of(before, DIGEST_SIZE),
                                                      slice_of(numbers, sizeof numbers)};
    put_u64(numbers, (uint64_t)entry->sequence);
    put_u64(numbers + 8, (uint64_t)entry->time_ms);
    put_u64(numbers + 16, (uint64_t)entry->node);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        size_t size = strlen(texts[i]);
        for (int k = 0; k < 4; k++)
            sizes[i][k] = (uint8_t)(size >> (24 - 8 * k));
        parts[2 + 2 * i] = slice_of(sizes[i], 4);
        parts[3 + 2 * i] = slice_of(texts[i], size);
    }
    parts[ARRAY_COUNT(parts) - 1] = slice_of(entry->mark, DIGEST_SIZE);
    digest_sha256_parts(parts, ARRAY_COUNT(parts), ret_hash);
}

static void mark_make(const struct audit_entry *entry, uint8_t mark[DIGEST_SIZE])
{
    const struct slice parts[] = {slice_of(entry->salt, AUDIT_SALT_SIZE),
                                  slice_of_text(entry->name)};
    digest_sha256_parts(parts, ARRAY_COUNT(parts), mark);
}

bool audit_name_holds(const struct audit_entry *entry)
{
    static const uint8_t gone[AUDIT_SALT_SIZE];
    uint8_t mark[DIGEST_SIZE];
    if (memcmp(entry->salt, gone, sizeof gone) == 0)
        return !*entry->name;
    mark_make(entry, mark);
    return memcmp(mark, entry->mark, sizeof mark) == 0;
}

int audit_forget(struct store *store, int64_t node)
{
    static const uint8_t gone[AUDIT_SALT_SIZE];
    return store_run(store, STMT_AUDIT_FORGET, "ib", node, slice_of(gone, sizeof gone));
}

int audit_open(struct store *store)
{
    store->audit = calloc(1, sizeof *store->audit);
    if (!store->audit)
        return -ENOMEM;
    store->audit->notes_end = &store->audit->notes;
    return audit_reload(store);
}

int audit_reload(struct store *store)
{
    struct audit_head *head = &store->audit->head;
    SCOPED(stmt_donep) sqlite3_stmt *stmt = store_query(store, STMT_AUDIT_HEAD, "");
    int r = stmt ? store_step(store, stmt) : -EIO;
    *head = (struct audit_head){0};
    if (r <= 0)
        return r;
    if (sqlite3_column_bytes(stmt, 1) != DIGEST_SIZE)
        return -EIO;
    head->sequence = sqlite3_column_int64(stmt, 0);
    memcpy(head->hash, sqlite3_column_blob(stmt, 1), DIGEST_SIZE);
    return 0;
}

static void notes_drop(struct store_audit *audit, size_t count)
{
    for (; count > 0; count--) {
        struct audit_note *note = audit->notes;
        audit->notes = note->next;
        audit->note_count--;
        free(note);
    }
    if (!audit->notes)
        audit->notes_end = &audit->notes;
}

void audit_ended(struct store *store, bool committed)
{
    struct store_audit *audit = store->audit;
    if (audit && committed)
        notes_drop(audit, audit->written);
    if (audit)
        audit->written = 0;
}

void audit_close(struct store *store)
{
    if (!store->audit)
        return;
    notes_drop(store->audit, store->audit->note_count);
    free(store->audit);
    store->audit = NULL;
}

void audit_head_get(const struct store *store, struct audit_head *ret)
{
    *ret = store->audit->head;
}

static char *text_or_empty(const char *text)
{
    return (char *)(uintptr_t)(text ? text : "");
}

static int entry_add(struct store *store, struct audit_entry *entry)
{
    struct audit_head *head = &store->audit->head;
    entry->sequence = head->sequence + 1;
    if (getrandom(entry->salt, AUDIT_SALT_SIZE, 0) != AUDIT_SALT_SIZE)
        return -EIO;
    mark_make(entry, entry->mark);
    audit_hash(entry, head->hash, entry->hash);
    int r = store_run(store, STMT_AUDIT_ADD, "iississsbbb", entry->sequence, entry->time_ms,
                      entry->action, entry->user, entry->node, entry->from, entry->name,
                      entry->detail, slice_of(entry->hash, DIGEST_SIZE),
                      slice_of(entry->salt, AUDIT_SALT_SIZE), slice_of(entry->mark, DIGEST_SIZE));
    if (r < 0)
        return r;
    head->sequence = entry->sequence;
    memcpy(head->hash, entry->hash, DIGEST_SIZE);
    return 0;
}

int audit_add(struct store *store, const struct actor *actor, const char *action, int64_t node,
              const char *name, const char *detail)
{
    struct audit_entry entry = {
        .time_ms = actor->now_ms,
        .action = text_or_empty(action),
        .user = text_or_empty(actor->user),
        .from = text_or_empty(actor->from),
        .node = node,
        .name = text_or_empty(name),
        .detail = text_or_empty(detail),
    };
    int r = store_step_begin(store);
    return r < 0 ? r : store_step_end(store, entry_add(store, &entry));
}

/* Reads */

static uint64_t mix(uint64_t sum, const char *text)
{
    for (const char *c = text ? text : ""; *c; c++)
        sum = (sum ^ (uint8_t)*c) * 0x100000001b3;
    return (sum ^ 0xff) * 0x100000001b3;
}

/* Whether this was noted a moment ago; notes it as read now otherwise. */
static bool read_lately(struct store_audit *audit, const struct actor *actor, int64_t node,
                        int64_t content, const char *detail)
{
    uint64_t what = mix(mix(mix(0xcbf29ce484222325, actor->user), actor->from), detail);
    what = (what ^ (uint64_t)node) * 0x9e3779b97f4a7c15;
    what = (what ^ (uint64_t)content) * 0x9e3779b97f4a7c15;
    size_t at = (what >> 32) % RECENT_COUNT;
    int64_t since = actor->now_ms - audit->recent[at].time_ms;
    if (audit->recent[at].what == what && since >= 0 && since < AUDIT_READ_PAUSE_MS)
        return true;
    audit->recent[at].what = what;
    audit->recent[at].time_ms = actor->now_ms;
    return false;
}

static char *note_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *start = *at;
    memcpy(start, text, size);
    *at += size;
    return start;
}

static struct audit_note *note_new(const struct actor *actor, int64_t node, const char *name,
                                   const char *detail)
{
    const char *user = text_or_empty(actor->user), *from = text_or_empty(actor->from);
    struct audit_note *note =
        malloc(sizeof *note + strlen(user) + strlen(from) + strlen(name) + strlen(detail) + 4);
    if (!note)
        return NULL;
    char *at = (char *)(note + 1);
    *note = (struct audit_note){.time_ms = actor->now_ms, .node = node};
    note->user = note_text(&at, user);
    note->from = note_text(&at, from);
    note->name = note_text(&at, name);
    note->detail = note_text(&at, detail);
    return note;
}

int audit_read_note(struct store *store, const struct actor *actor, int64_t node, int64_t content,
                    const char *name, const char *detail)
{
    struct store_audit *audit = store->audit;
    if (read_lately(audit, actor, node, content, detail))
        return 0;
    struct audit_note *note = note_new(actor, node, text_or_empty(name), text_or_empty(detail));
    if (!note)
        return audit_add(store, actor, "read", node, name, detail);
    *audit->notes_end = note;
    audit->notes_end = &note->next;
    return ++audit->note_count < AUDIT_NOTES_MAX ? 0 : audit_settle(store);
}

bool audit_has_notes(const struct store *store)
{
    return store->audit->note_count > store->audit->written;
}

static int notes_write(struct store *store)
{
    const struct audit_note *note = store->audit->notes;
    for (size_t i = 0; i < store->audit->note_count; i++, note = note->next) {
        const struct actor actor = {note->user, note->time_ms, note->from};
        if (i < store->audit->written)
            continue;
        int r = audit_add(store, &actor, "read", note->node, note->name, note->detail);
        if (r < 0)
            return r;
    }
    return 0;
}

int audit_settle(struct store *store)
{
    if (!audit_has_notes(store))
        return 0;
    int r = store_step_begin(store);
    if (r == 0)
        r = store_step_end(store, notes_write(store));
    if (r == 0)
        store->audit->written = store->audit->note_count;
    return r;
}

/* Reading it */

static int entry_read(sqlite3_stmt *stmt, struct arena *arena, struct audit_entry *ret)
{
    *ret = (struct audit_entry){
        .sequence = sqlite3_column_int64(stmt, 0),
        .time_ms = sqlite3_column_int64(stmt, 1),
        .action = column_text(stmt, 2, arena),
        .user = column_text(stmt, 3, arena),
        .node = sqlite3_column_int64(stmt, 4),
        .from = column_text(stmt, 5, arena),
        .name = column_text(stmt, 6, arena),
        .detail = column_text(stmt, 7, arena),
    };
    if (sqlite3_column_bytes(stmt, 8) != DIGEST_SIZE ||
        sqlite3_column_bytes(stmt, 9) != AUDIT_SALT_SIZE ||
        sqlite3_column_bytes(stmt, 10) != DIGEST_SIZE)
        return -EBADMSG;
    memcpy(ret->hash, sqlite3_column_blob(stmt, 8), DIGEST_SIZE);
    memcpy(ret->salt, sqlite3_column_blob(stmt, 9), AUDIT_SALT_SIZE);
    memcpy(ret->mark, sqlite3_column_blob(stmt, 10), DIGEST_SIZE);
    return ret->action && ret->user && ret->from && ret->name && ret->detail ? 0 : -ENOMEM;
}

/* Owns `stmt`, which is asked for one row more than `limit`. */
static int entries_each(struct store *store, sqlite3_stmt *stmt, int limit, audit_fn *fn, void *arg,
                        bool *ret_more)
{
    struct arena arena = {0};
    int count = 0, r = stmt ? 0 : -EIO;
    *ret_more = false;
    while (r == 0 && (r = store_step(store, stmt)) == 1) {
        struct audit_entry entry;
        if (count++ == limit) {
            *ret_more = true;
            r = 0;
            break;
        }
        r = entry_read(stmt, &arena, &entry);
        if (r == 0)
            r = fn(arg, &entry);
        arena_reset(&arena);
    }
    stmt_done(stmt);
    arena_done(&arena);
    return r;
}

int audit_list(struct store *store, int64_t node, const char *user, int64_t before, int limit,
               audit_fn *fn, void *arg, bool *ret_more)
{
    sqlite3_stmt *stmt;
    int64_t rows = (int64_t)limit + 1;
    if (node)
        stmt = store_query(store, STMT_AUDIT_OF_NODE, "iii", before, rows, node);
    else if (user)
        stmt = store_query(store, STMT_AUDIT_OF_USER, "iis", before, rows, user);
    else
        stmt = store_query(store, STMT_AUDIT_LIST, "ii", before, rows);
    return entries_each(store, stmt, limit, fn, arg, ret_more);
}

int audit_export(struct store *store, int64_t after, int limit, audit_fn *fn, void *arg,
                 bool *ret_more)
{
    sqlite3_stmt *stmt = store_query(store, STMT_AUDIT_AFTER, "ii", after, (int64_t)limit + 1);
    return entries_each(store, stmt, limit, fn, arg, ret_more);
}

static int check_entry(void *arg, const struct audit_entry *entry)
{
    struct audit_check *check = arg;
    uint8_t hash[DIGEST_SIZE];
    audit_hash(entry, check->at.hash, hash);
    if (entry->sequence != check->at.sequence + 1 || !audit_name_holds(entry) ||
        memcmp(hash, entry->hash, DIGEST_SIZE) != 0) {
        check->bad = check->at.sequence + 1;
        return -EBADMSG;
    }
    check->at.sequence = entry->sequence;
    memcpy(check->at.hash, hash, DIGEST_SIZE);
    return 0;
}

int audit_check(struct store *store, struct audit_check *check, int limit, bool *ret_more)
{
    return audit_export(store, check->at.sequence, limit, check_entry, check, ret_more);
}
