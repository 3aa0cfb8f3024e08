/* SPDX-License-Identifier: Apache-2.0 */
/* dms/cmis/browser.h: what the files of the Browser binding (CMIS 1.1, 5) share. */
#ifndef COFFER_DMS_CMIS_BROWSER_H
#define COFFER_DMS_CMIS_BROWSER_H

#include "dms/cmis/cmis.h"
#include "dms/cmis/form_fields.h"
#include "dms/dms.h"

#define BROWSER_URL "/cmis/browser"
#define BROWSER_INDEX_MAX 1000 /* of name[n] */

/* A request of the Browser binding; lives in the call's model arena. */
struct browser {
    struct call *call;
    struct cmis_call cmis;
    struct form_fields fields; /* of query and form */
    bool has_content;
    bool succinct, simple_dates, quiet; /* quiet: suppressResponseCodes */
    const char *token;
    int status;
    const char *object_id; /* what a change was about, for `token` */
};

/* browser_form.c: parameters */
/* With the query's. On failure *ret may be there all the same, for browser_refuse(). */
must_check int browser_new(struct call *call, struct browser **ret);
/* NULL if it is not there. */
static inline const char *browser_param(const struct browser *browser, const char *name)
{
    return form_field(&browser->fields, name);
}
/* Fills the arguments of an operation from the parameters. 0, or -1 with cmis.error. */
must_check int browser_args(struct browser *browser, const struct cmis_operation *operation);
/* Receives a POST's body, then runs `then`. */
void browser_body(struct browser *browser, call_fn *then);

/* browser.c: an answer with invalidArgument, in the binding's form. */
void browser_refuse(struct browser *browser, const char *message);

/* browser_json.c: answers */
void browser_write(struct browser *browser, struct json *json,
                   const struct cmis_operation *operation);
void browser_object_write(struct browser *browser, struct json *json, const char *key,
                          const struct cmis_object *object);
void browser_repositories_write(struct browser *browser, struct json *json);

#endif
