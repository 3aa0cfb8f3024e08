/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/openapi.h: the API as an OpenAPI document, made from one table. docs/kbs-api.md is for people. */
#ifndef COFFER_KBS_OPENAPI_H
#define COFFER_KBS_OPENAPI_H

#include <jansson.h>

/* The caller releases it; NULL without memory. */
json_t *openapi_document(void);

/* Is there a row for that path? For the test that every call has one. */
int openapi_has(const char *path);

#endif
