/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/openapi.h"

#include "base/macros.h"

#include <stdbool.h>
#include <string.h>

/* Members: "name:type" separated by spaces; a '?' behind the type: may be left out. Types: s text, i
 * number, b yes or no, o object, a list. */
static const struct {
    const char *path, *who, *summary, *in, *out;
} rows[] = {
    {"/v1/info", "anybody", "What this key broker is, and how new its state", "",
     "ca:s domain:s pin:s audit_key:s locked:b state:o"},
    {"/v1/unlock", "confirmer", "Confirms the state after a start", "head:o? accept:s?", "state:o"},
    {"/v1/tenant/add", "operator", "Reserves a name for an owner's key",
     "tenant:s owner_certificate:s? owner:s?", ""},
    {"/v1/tenant/list", "operator", "Who owns which name", "", "tenants:a"},
    {"/v1/policy/put", "who may update or create", "Puts a policy",
     "tenant:s policy:s yaml:s signature:s replaces:s? approvals:a? totp:o?", "hash:s"},
    {"/v1/policy/get", "who may read", "The text of a policy",
     "tenant:s policy:s approvals:a? totp:o?", "yaml:s hash:s revoked:b"},
    {"/v1/policy/check", "anybody", "Can this text be accepted?", "yaml:s", ""},
    {"/v1/policy/revoke", "who may update", "Takes a policy back and fences its processes",
     "tenant:s policy:s approvals:a? totp:o?", ""},
    {"/v1/totp/enroll", "owner", "The secret of a one-time code, once", "tenant:s policy:s totp:s",
     "uri:s"},
    {"/v1/secret/reveal", "owner", "The value of a secret that may be shown, once",
     "tenant:s policy:s secret:s", "value:s? base64:s?"},
    {"/v1/secret/give", "owner", "A value for a secret, or a new one",
     "tenant:s policy:s secret:s base64:s?", ""},
    {"/v1/audit", "operator", "Entries of the audit log, at most 1,000", "after:i", "entries:a"},
    {"/v1/backup", "operator", "A part of a backup", "offset:i", "total:i base64:s"},
    {"/v1/shares", "operator", "The root key, split among its holders", "holders:a", "shares:a"},
    {"/v1/provision", "attested runtime", "Everything a runtime needs",
     "tenant:s policy:s service:s? csr:s? open:b? renew:b?",
     "argv:a env:a cwd:s volumes:a files:a net:a secret_files:a explain:b tls:o program:s"},
    {"/v1/result", "attested runtime", "What was found, signed for other relying parties (EAR)",
     "tenant:s policy:s service:s? nonce:s?", "ear:s"},
    {"/v1/volume/open", "a key that has attested", "The next epoch of a volume", "id:s opening:s",
     "epoch:i sequence:i tag:s term_ms:i"},
    {"/v1/volume/report", "a key that has attested", "A new head of a volume",
     "id:s epoch:i sequence:i tag:s opening:s?", ""},
    {"/v1/volume/close", "a key that has attested", "The last head of a volume",
     "id:s epoch:i sequence:i tag:s opening:s?", ""},
    {"/v1/volume/erase/key", "who has the volume open", "An erase key; the next one is made",
     "id:s epoch:i number:i", "key:s"},
    {"/v1/volume/erase/drop", "who has the volume open", "Destroys older erase keys",
     "id:s epoch:i before:i", ""},
    {"/v1/volume/order", "owner", "What is to be done to a volume at its next opening",
     "tenant:s policy:s volume:s rekey:b? rewrite:b? erase:a?", "order:i"},
    {"/v1/volume/recovery", "owner, with whom `update` wants",
     "What opens a volume without a key broker, sealed to the owner's key",
     "tenant:s policy:s volume:s certificate:s approvals:a? totp:o?", "sealed:s"},
    {"/v1/volume/ordered", "owner", "What has been ordered for a volume and waits to be done",
     "tenant:s policy:s volume:s", "erase_keys:a order:i? rekey:b? rewrite:b? erase:a?"},
    {"/v1/volume/done", "who has the volume open", "An order has been carried out",
     "id:s epoch:i order:i", ""},
};

int openapi_has(const char *path)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (strcmp(rows[i].path, path) == 0)
            return 1;
    return 0;
}

static const char *type_name(char letter)
{
    return letter == 'i'   ? "integer"
           : letter == 'b' ? "boolean"
           : letter == 'o' ? "object"
           : letter == 'a' ? "array"
                           : "string";
}

static json_t *schema(const char *members)
{
    json_t *properties = json_object(), *required = json_array();
    while (*members) {
        size_t len = strcspn(members, " "), name = strcspn(members, ":");
        char key[64] = "";
        if (name < len && name < sizeof key)
            memcpy(key, members, name);
        json_object_set_new(properties, key,
                            json_pack("{s:s}", "type", type_name(members[name + 1])));
        if (members[len - 1] != '?')
            json_array_append_new(required, json_string(key));
        members += len + (members[len] == ' ');
    }
    json_t *out = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    if (json_array_size(required) > 0)
        json_object_set(out, "required", required);
    json_decref(required);
    return out;
}

static json_t *json_of(json_t *inner)
{
    return json_pack("{s:{s:o}}", "application/json", "schema", inner);
}

static json_t *operation(size_t i)
{
    json_t *post = json_pack("{s:s, s:s, s:{s:{s:s, s:o}, s:{s:s, s:o}}}", "summary",
                             rows[i].summary, "description", rows[i].who, "responses", "200",
                             "description", "done", "content", json_of(schema(rows[i].out)),
                             "default", "description", "refused: see docs/refusals.md", "content",
                             json_of(json_pack("{s:s}", "$ref", "#/components/schemas/Refusal")));
    if (rows[i].in[0])
        json_object_set_new(
            post, "requestBody",
            json_pack("{s:b, s:o}", "required", true, "content", json_of(schema(rows[i].in))));
    return json_pack("{s:o}", "post", post);
}

json_t *openapi_document(void)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        json_object_set_new(paths, rows[i].path, operation(i));
    return json_pack(
        "{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:{s:o}}}", "openapi", "3.1.0", "info", "title",
        "Coffer key broker", "version", "1", "description",
        "HTTPS over TLS 1.3; the server's certificate carries evidence (RA-TLS), and so does a "
        "runtime's. Owners, operators and confirmers are known by the key of their client "
        "certificate.",
        "paths", paths, "components", "schemas", "Refusal",
        schema("code:s message:s remedy:s clause:s? line:i? seen:s? expected:s? detail:s? "
               "retry_after_ms:i?"));
}
