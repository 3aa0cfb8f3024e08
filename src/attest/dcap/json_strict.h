/* SPDX-License-Identifier: Apache-2.0 */
/* attest/dcap/json_strict.h: members of signed JSON that must be there, of their type and in their
 * range. The first failure is kept with its name; later reads then yield zeros. */
#ifndef COFFER_ATTEST_DCAP_JSON_STRICT_H
#define COFFER_ATTEST_DCAP_JSON_STRICT_H

#include "attest/dcap/tcb.h"
#include "base/hex.h"

#include <jansson.h>

struct strict {
    const char *failed; /* name of the member; NULL while all is well */
};

uint32_t strict_uint(struct strict *st, const json_t *object, const char *name, uint32_t most);
void strict_hex(struct strict *st, const json_t *object, const char *name, void *to, size_t size);
int64_t strict_time(struct strict *st, const json_t *object, const char *name);
const char *strict_text(struct strict *st, const json_t *object, const char *name);
const json_t *strict_object(struct strict *st, const json_t *object, const char *name);
/* At least one member. */
const json_t *strict_array(struct strict *st, const json_t *object, const char *name);

/* Status, date and advisories of a level. `component`: of a module or an enclave, whose statuses are
 * UpToDate, OutOfDate and Revoked only. */
struct tcb_level strict_level(struct strict *st, const json_t *object, bool component);

/* The levels of a module or enclave: the first whose isvsvn is not above `svn`, when all have been
 * checked. False: none. */
bool strict_svn_level(struct strict *st, const json_t *levels, uint32_t svn,
                      struct tcb_level *ret_level);

/* JSON without duplicate members, of bounded depth; NULL if it is none. The caller releases it. */
json_t *strict_load(struct slice text);

#endif
