/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/browser.h: what the files of the Browser binding (CMIS 1.1, 5) share. */
#ifndef COFFER_DMS_CMIS_BROWSER_H
#define COFFER_DMS_CMIS_BROWSER_H

#include "dms/cmis/cmis.h"
#include "dms/dms.h"

#define BROWSER_URL "/cmis/browser"
#define BROWSER_FIELDS_MAX 8000
#define BROWSER_FIELDS_SIZE_MAX ((size_t)2 << 20)
#define BROWSER_INDEX_MAX 1000 /* of name[n] */

struct browser_field {
    const char *name, *value;
    size_t order; /* as it came; the first of a name counts */
};

/* A request of the Browser binding; lives in the call's model arena. */
struct browser {
    struct call *call;
    struct cmis_call cmis;
    size_t count, capacity, size;
    struct browser_field *fields; /* of query and form, sorted by name once all are there */
    bool has_content;
    bool succinct, simple_dates, quiet; /* quiet: suppressResponseCodes */
    const char *token;
    int status;
    const char *object_id; /* what a change was about, for `token` */
};

/* browser_form.c: parameters */
must_check int browser_new(struct call *call, struct browser **ret); /* with the query's */
must_check int browser_field_add(struct browser *browser, const char *name, const char *value);
/* From application/x-www-form-urlencoded text. */
must_check int browser_fields_parse(struct browser *browser, struct slice text);
void browser_fields_settle(struct browser *browser);
/* NULL if it is not there. */
const char *browser_param(const struct browser *browser, const char *name);
/* name[n] and name[n][m]. */
const char *browser_param_at(const struct browser *browser, const char *name, size_t n);
const char *browser_param_at2(const struct browser *browser, const char *name, size_t n, size_t m);
/* Fills the arguments of an operation from the parameters. 0, or -1 with cmis.error. */
must_check int browser_args(struct browser *browser, const struct cmis_operation *operation);
/* Receives a POST's body, then runs `then`. */
void browser_body(struct browser *browser, call_fn *then);

/* browser_json.c: answers */
void browser_write(struct browser *browser, struct json *json,
                   const struct cmis_operation *operation);
void browser_object_write(struct browser *browser, struct json *json, const char *key,
                          const struct cmis_object *object);
void browser_repositories_write(struct browser *browser, struct json *json);

#endif
