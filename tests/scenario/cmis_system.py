# SPDX-License-Identifier: Apache-2.0
"""What scenarios of CMIS share: a server with its repository, types made quickly, refusals."""
import contextlib
import json

import cmis_client
import dms_server
import tap

DOCUMENT, FOLDER = "cmis:document", "cmis:folder"
BASES = ["cmis:document", "cmis:folder", "cmis:item", "cmis:policy", "cmis:relationship",
         "cmis:secondary"]
TYPES = {"string": "text", "id": "an-id", "integer": 42, "decimal": 1.5, "boolean": True,
         "datetime": 1700000000123, "html": "<b>x</b>", "uri": "https://example.org/x"}


class System:
    """The server, its repository for the administrator, and a folder for each test."""

    def __init__(self, server):
        self.server = server
        self.cmis = cmis_client.Cmis(server.url, server.auth)
        self.info = self.cmis.raw("GET", "/cmis/browser").json["coffer"]
        self.root = self.info["rootFolderId"]
        self.count = 0

    def place(self):
        self.count += 1
        return self.cmis.folder(self.root, f"test-{self.count}")["cmis:objectId"]

    def user(self, name):
        made = self.server.post("/api/users", {"name": name, "password": "first-password"})
        tap.true(made.status in (201, 409), f"a user: {made}")
        self.server.ask("/api/me/password", "-X", "PUT", "-H", "Content-Type: application/json",
                        "-d", json.dumps({"old": "first-password",
                                          "new": dms_server.PASSWORD}),
                        auth=f"{name}:first-password")
        return cmis_client.Cmis(self.server.url, f"{name}:{dms_server.PASSWORD}")


def refused(exception, call, *args, **named):
    try:
        got = call(*args, **named)
    except cmis_client.CmisError as error:
        tap.equal(error.exception, exception, f"exception ({error})")
        tap.true(error.message, "a message")
        return error
    raise AssertionError(f"was not refused with {exception}, but gave {got!r}")


def new_type(cmis, type_id, parent=DOCUMENT, properties=(), **more):
    definition = {"id": type_id, "parentId": parent, "baseId": more.pop("base", parent),
                  "localName": type_id, "localNamespace": "urn:test", "displayName": type_id,
                  "description": "a type for tests", "queryName": type_id, "creatable": True,
                  "fileable": True, "queryable": True, "fulltextIndexed": False,
                  "includedInSupertypeQuery": True, "controllablePolicy": True,
                  "controllableACL": True,
                  "propertyDefinitions": {p["id"]: p for p in properties}, **more}
    return cmis.act("createType", type=json.dumps(definition))


def new_property(property_id, kind, **more):
    return {"id": property_id, "localName": property_id, "localNamespace": "urn:test",
            "displayName": property_id, "queryName": property_id, "description": property_id,
            "propertyType": kind, "cardinality": "single", "updatability": "readwrite",
            "inherited": False, "required": False, "queryable": True, "orderable": True, **more}


@contextlib.contextmanager
def system(program):
    with dms_server.server(program) as server:
        yield System(server)
