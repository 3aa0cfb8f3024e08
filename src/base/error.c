/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    va_list args;
    va_start(args, format);
    e->code = code;
    (void)vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    return code;
}

int error_prefix(struct error *e, int code, const char *format, ...)
{
    if (!e)
        return code;
    char where[ERROR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(where, sizeof where, format, args);
    va_end(args);
    if (len < 0)
        return code;
    char whole[2 * ERROR_TEXT_SIZE + 4];
    (void)snprintf(whole, sizeof whole, "%s: %s", where, error_text(e, code));
    memcpy(e->text, whole, sizeof e->text);
    e->text[sizeof e->text - 1] = '\0';
    e->code = code;
    return code;
}

const char *error_text(const struct error *e, int code)
{
    if (e && e->text[0] != '\0')
        return e->text;
    const char *name = strerrordesc_np(code < 0 ? -code : code);
    return name ? name : "unknown error";
}
