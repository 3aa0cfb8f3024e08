/* SPDX-License-Identifier: Apache-2.0 */
/* Published evidence of real machines: tables with one row per check, beside the tree or where
 * COFFER_ATTESTATION_VECTORS says. Not part of the tree. */
#ifndef COFFER_TESTS_ATTEST_VECTORS_H
#define COFFER_TESTS_ATTEST_VECTORS_H

#include "base/buf.h"
#include "tap.h"

#include <limits.h>
#include <unistd.h>

#define VECTOR_COLUMNS_MAX 32

static const char *vectors_folder(void)
{
    const char *given = getenv("COFFER_ATTESTATION_VECTORS");
    return given ? given : VECTORS_FOLDER;
}

static bool vectors_present(const char *table)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", vectors_folder(), table);
    if (access(path, R_OK) == 0)
        return true;
    printf("# skipped: no vectors in %s\n", vectors_folder());
    return false;
}

/* A whole file below the folder; the test program ends if it cannot be read. */
static struct slice vector_file(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", vectors_folder(), name);
    FILE *file = fopen(path, "rb");
    REQUIRE(file && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    REQUIRE(size >= 0 && size < 16 << 20);
    rewind(file);
    char *bytes = malloc((size_t)size + 1);
    REQUIRE(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    bytes[size] = 0;
    fclose(file);
    return slice_of(bytes, (size_t)size);
}

struct vector_row {
    const char *names[VECTOR_COLUMNS_MAX], *values[VECTOR_COLUMNS_MAX];
    int count;
};

static inline const char *vector_value(const struct vector_row *row, const char *name)
{
    for (int i = 0; i < row->count; i++)
        if (strcmp(row->names[i], name) == 0)
            return row->values[i];
    printf("# no column %s\n", name);
    REQUIRE(false);
    return "";
}

static int tsv_split(char *line, const char *cells[VECTOR_COLUMNS_MAX])
{
    int count = 0;
    while (line) {
        REQUIRE(count < VECTOR_COLUMNS_MAX);
        char *next = strchr(line, '\t');
        if (next)
            *next++ = 0;
        cells[count++] = line;
        line = next;
    }
    return count;
}

/* Calls fn for every row; how many there were. */
static inline int vectors_each(const char *table, void (*fn)(const struct vector_row *row))
{
    char *text = (char *)vector_file(table).bytes, *save = NULL;
    struct vector_row row = {0};
    int rows = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (row.count == 0) {
            row.count = tsv_split(line, row.names);
            continue;
        }
        REQUIRE(tsv_split(line, row.values) <= row.count);
        fn(&row);
        rows++;
    }
    free(text);
    return rows;
}

#endif
