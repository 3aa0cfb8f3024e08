/* SPDX-License-Identifier: Apache-2.0 */
/* dms/web_static.h: the files of the web interface, which the build puts into the program's
 * read-only pages, compressed (web/build.py makes the table). */
#ifndef COFFER_DMS_WEB_STATIC_H
#define COFFER_DMS_WEB_STATIC_H

#include <stddef.h>
#include <stdint.h>

struct web_file {
    const char *name; /* "index.html", "assets/..." */
    const char *type;
    const char *etag;
    const uint8_t *data; /* gzip */
    size_t size, size_plain;
};
extern const struct web_file web_files[];
extern const size_t web_file_count;

#endif
