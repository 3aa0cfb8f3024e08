#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CMIS 1.1 over the Browser binding, group by group: types, objects, navigation, versions, and what
ties objects together: cmis_browser.py COFFER_DMS"""
import json
import sys
import urllib.parse

import cmis_client
import cmis_system
import dms_server
import tap
from cmis_system import BASES, DOCUMENT, FOLDER, TYPES, new_property, new_type, refused

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""


# Repository


@tap.test
def the_repository_says_what_it_is_and_can(system):
    info = system.info
    tap.equal(info["cmisVersionSupported"], "1.1")
    tap.equal(info["repositoryId"], "coffer")
    for name in ("repositoryName", "vendorName", "productName", "productVersion", "rootFolderId",
                 "latestChangeLogToken", "principalIdAnyone", "principalIdAnonymous"):
        tap.true(info[name], name)
    tap.true(info["rootFolderUrl"].startswith(system.server.url), "an absolute address")
    tap.true(info["repositoryUrl"].startswith(system.server.url), "an absolute address")
    capabilities = info["capabilities"]
    tap.equal(capabilities["capabilityACL"], "manage")
    tap.equal(sorted(capabilities["capabilityCreatablePropertyTypes"]["canCreate"]), sorted(TYPES))
    keys = {entry["key"] for entry in info["aclCapabilities"]["permissionMapping"]}
    tap.true("canGetDescendents.Folder" in keys and len(keys) > 30, "the standard's keys")
    again = system.cmis.get("repositoryInfo")["coffer"]
    tap.equal(again["rootFolderUrl"], info["rootFolderUrl"])
    refused("objectNotFound", lambda: system.cmis.checked(
        system.cmis.raw("GET", "/cmis/browser/other?cmisselector=repositoryInfo")))


@tap.test
def base_types_have_all_their_properties(system):
    cmis = system.cmis
    types = cmis.get("typeChildren")
    tap.equal(sorted(t["id"] for t in types["types"]), BASES)
    tap.equal((types["numItems"], types["hasMoreItems"]), (6, False))
    tap.true("propertyDefinitions" not in types["types"][0], "not asked for")
    page = cmis.get("typeChildren", maxItems=2, skipCount=1, includePropertyDefinitions="true")
    tap.equal((len(page["types"]), page["hasMoreItems"], page["numItems"]), (2, True, 6))
    for base in BASES:
        definition = cmis.get("typeDefinition", typeId=base)
        for name in ("localName", "localNamespace", "displayName", "queryName", "description"):
            tap.true(definition[name], f"{name} of {base}")
        tap.true("parentId" not in definition, "a base type")
        for prop in definition["propertyDefinitions"].values():
            for name in ("localName", "displayName", "queryName", "description", "propertyType",
                         "cardinality", "updatability"):
                tap.true(prop[name], f"{name} of {prop['id']}")
            for name in ("inherited", "required", "queryable", "orderable"):
                tap.true(isinstance(prop[name], bool), f"{name} of {prop['id']}")
    properties = cmis.get("typeDefinition", typeId=DOCUMENT)["propertyDefinitions"]
    tap.equal(len(properties), 26)
    tap.equal((properties["cmis:name"]["required"], properties["cmis:name"]["updatability"]),
              (True, "readwrite"))
    tap.equal(properties["cmis:objectTypeId"]["updatability"], "oncreate")
    refused("objectNotFound", cmis.get, "typeDefinition", typeId="no:type")
    refused("invalidArgument", cmis.get, "typeDescendants", typeId=DOCUMENT, depth=0)
    tap.equal(len(cmis.get("typeDescendants")), 6)


@tap.test
def types_are_made_changed_and_deleted(system):
    cmis = system.cmis
    properties = []
    for kind in TYPES:
        properties.append(new_property(f"t:{kind}", kind))
        properties.append(new_property(f"t:{kind}s", kind, cardinality="multi", orderable=False))
    made = new_type(cmis, "t:all", properties=properties)
    own = [p for p in made["propertyDefinitions"].values() if not p["inherited"]]
    tap.equal([p["id"] for p in own], [p["id"] for p in properties])
    tap.equal(cmis.get("typeDefinition", typeId="t:all"), made)
    tap.equal(made["parentId"], DOCUMENT)
    sub = new_type(cmis, "t:sub", parent="t:all", base=DOCUMENT,
                   properties=[new_property("t:own", "string", required=True)])
    tap.true(sub["propertyDefinitions"]["t:string"]["inherited"], "inherited")
    refused("constraint", new_type, cmis, "t:all")
    refused("invalidArgument", new_type, cmis, "t:orphan", parent="no:type")
    refused("invalidArgument", new_type, cmis, "t:bad name")
    refused("constraint", new_type, cmis, "t:clash", properties=[
        new_property("cmis:name", "string")])
    tree = cmis.get("typeDescendants", typeId=DOCUMENT, depth=-1)
    tap.equal((tree[0]["type"]["id"], tree[0]["children"][0]["type"]["id"]), ("t:all", "t:sub"))
    tap.true("children" not in cmis.get("typeDescendants", typeId=DOCUMENT, depth=1)[0], "depth")
    refused("constraint", cmis.act, "deleteType", typeId="t:all")  # it has a subtype
    refused("constraint", cmis.act, "deleteType", typeId=DOCUMENT)
    place = system.place()
    values = {**{f"t:{k}": v for k, v in TYPES.items()},
              **{f"t:{k}s": [v, v] for k, v in TYPES.items()}}
    document = cmis.document(place, "all.txt", type_id="t:all", properties=values)
    for name, value in values.items():
        tap.equal(document[name], value, name)
    whole = cmis_client.Cmis(system.server.url, system.server.auth, succinct=False)
    full = whole.get("object", document["cmis:objectId"])["properties"]
    for kind in TYPES:
        tap.equal((full[f"t:{kind}"]["type"], full[f"t:{kind}"]["cardinality"]), (kind, "single"))
        tap.equal(full[f"t:{kind}s"]["cardinality"], "multi")
    refused("constraint", cmis.act, "deleteType", typeId="t:all")  # there is a document, too
    changed = dict(made, displayName="another name")
    changed["propertyDefinitions"] = dict(made["propertyDefinitions"])
    changed["propertyDefinitions"]["t:new"] = new_property("t:new", "string")
    updated = cmis.act("updateType", type=json.dumps(changed))
    tap.equal(updated["displayName"], made["displayName"], "only properties change")
    tap.true("t:new" in updated["propertyDefinitions"], "a new property")
    changed["propertyDefinitions"]["t:new2"] = new_property("t:new2", "string", required=True)
    refused("constraint", cmis.act, "updateType", type=json.dumps(changed))
    tap.true("t:new" in cmis.get("typeDefinition", typeId="t:sub")["propertyDefinitions"],
             "a subtype inherits what is new")
    refused("constraint", cmis.document, place, "sub.txt", type_id="t:sub")
    cmis.document(place, "sub.txt", type_id="t:sub", properties={"t:own": "x"})
    cmis.act("deleteTree", place)
    cmis.act("deleteType", typeId="t:sub")
    cmis.act("deleteType", typeId="t:all")
    refused("objectNotFound", cmis.get, "typeDefinition", typeId="t:all")


@tap.test
def choices_limits_and_defaults_are_kept(system):
    cmis, place = system.cmis, system.place()
    new_type(cmis, "c:type", properties=[
        new_property("c:color", "string", choice=[
            {"displayName": "warm", "value": [], "choice": [
                {"displayName": "Red", "value": ["red"]}]},
            {"displayName": "Blue", "value": ["blue"]}], openChoice=False),
        new_property("c:count", "integer", minValue=1, maxValue=10, defaultValue=[3]),
        new_property("c:short", "string", maxLength=4),
        new_property("c:once", "string", updatability="oncreate"),
        new_property("c:out", "string", updatability="whencheckedout"),
        new_property("c:ro", "string", updatability="readonly"),
        new_property("c:tags", "string", cardinality="multi", orderable=False,
                     defaultValue=["a", "b"])])
    definition = cmis.get("typeDefinition", typeId="c:type")["propertyDefinitions"]
    tap.equal(definition["c:color"]["choice"][0]["choice"][0]["value"], ["red"])
    tap.equal((definition["c:count"]["minValue"], definition["c:count"]["maxValue"]), (1, 10))
    made = cmis.document(place, "d", type_id="c:type", properties={"c:color": "red"})
    tap.equal((made["c:count"], made["c:tags"], made["c:color"]), (3, ["a", "b"], "red"))
    key = made["cmis:objectId"]
    for name, value in {"c:color": "green", "c:count": 11, "c:short": "12345",
                        "c:once": "x", "c:out": "x", "c:ro": "x"}.items():
        refused("constraint", cmis.act, "update", key, {name: value})
    refused("invalidArgument", cmis.act, "update", key, {"c:count": "many"})
    refused("constraint", cmis.act, "update", key, {"no:property": "x"})
    refused("constraint", cmis.act, "update", key, {"c:short": ["a", "b"]})
    cmis.document(place, "e", type_id="c:type", properties={"c:once": "x", "c:short": "äöüß"})
    pwc = cmis.act("checkOut", key)["succinctProperties"]["cmis:objectId"]
    tap.equal(cmis.act("update", pwc, {"c:out": "now"})["succinctProperties"]["c:out"], "now")
    cmis.act("cancelCheckOut", pwc)
    tap.equal(cmis.act("update", key, {"c:tags": None})["succinctProperties"]["c:tags"], None)


# Objects


@tap.test
def documents_are_made_read_and_deleted(system):
    cmis, place = system.cmis, system.place()
    for size in (0, 1, 1000, 32768, 32769, 300000):
        data = dms_server.noise(size)
        made = cmis.document(place, f"{size}.bin", data, media="application/x-test")
        key = made["cmis:objectId"]
        tap.equal((made["cmis:contentStreamLength"], made["cmis:contentStreamMimeType"],
                   made["cmis:contentStreamFileName"]),
                  (size, "application/x-test", f"{size}.bin"))
        content = cmis.content(key)
        tap.true(content.body == data, f"{size} bytes come back")
        tap.true("attachment" in content.headers["content-disposition"], "not shown inline")
        tap.equal(cmis.properties(key), made)
    tap.equal((made["cmis:name"], made["cmis:createdBy"], made["cmis:lastModifiedBy"]),
              ("300000.bin", "admin", "admin"))
    tap.true(made["cmis:creationDate"] <= made["cmis:lastModificationDate"], "dates")
    bare = cmis.document(place, "bare", None)
    for name in ("Length", "MimeType", "FileName", "Id"):
        tap.equal(bare[f"cmis:contentStream{name}"], None)
    refused("constraint", cmis.content, bare["cmis:objectId"])
    cmis.act("delete", key)
    refused("objectNotFound", cmis.properties, key)
    refused("objectNotFound", cmis.content, key)
    refused("objectNotFound", cmis.act, "delete", key)


@tap.test
def creation_refuses_what_cannot_be(system):
    cmis, place = system.cmis, system.place()
    cmis.document(place, "there")
    refused("nameConstraintViolation", cmis.document, place, "there")
    refused("nameConstraintViolation", cmis.folder, place, "there")
    refused("nameConstraintViolation", cmis.document, place, "a/b")
    refused("constraint", cmis.document, place, "")
    refused("invalidArgument", cmis.document, place, "x", type_id="no:type")
    refused("constraint", cmis.document, place, "x", type_id=FOLDER)
    refused("invalidArgument", cmis.act, "createDocument", place, {"cmis:name": "x"})
    refused("constraint", cmis.act, "createDocument", place, {"cmis:objectTypeId": DOCUMENT})
    refused("objectNotFound", cmis.document, "4711", "x")
    refused("constraint", cmis.document, place, "x",
            properties={"cmis:createdBy": "somebody"})
    document = cmis.document(place, "file")["cmis:objectId"]
    refused("invalidArgument", cmis.folder, document, "below a document")
    refused("invalidArgument", cmis.act, "noSuchAction", place)
    refused("invalidArgument", cmis.act, "createFolder")
    refused("constraint", cmis.document, place, "v", versioningState="none")


@tap.test
def names_in_every_script_are_kept(system):
    cmis, place = system.cmis, system.place()
    names = ["Grüße", "世界.txt", "a b  c", " leading", "trailing ", "semi;colon", "per%cent",
             "pl+us", "quo'te", 'dou"ble', "amp&ersand", "<angle>", "#hash", "que?ry", "back\\slash",
             "\U0001f600", "e\u0301", "\u00e9", "x" * 255]
    for name in names:
        made = cmis.document(place, name, b"x")
        tap.equal(made["cmis:name"], name)
        path = cmis.properties(place)["cmis:path"] + "/" + name
        tap.equal(cmis.by_path(path)["succinctProperties"]["cmis:objectId"],
                  made["cmis:objectId"], name)
    tap.equal(sorted(child["cmis:name"] for child in cmis.children(place)), sorted(names))
    refused("nameConstraintViolation", cmis.document, place, "y" * 256)
    refused("nameConstraintViolation", cmis.document, place, "line\nbreak", None)


@tap.test
def objects_are_found_by_path(system):
    cmis = system.cmis
    place = system.place()
    path = cmis.properties(place)["cmis:path"]
    inner = cmis.folder(place, "inner")
    tap.equal(inner["cmis:path"], path + "/inner")
    document = cmis.document(inner["cmis:objectId"], "doc")
    found = cmis.by_path(path + "/inner/doc")["succinctProperties"]
    tap.equal(found["cmis:objectId"], document["cmis:objectId"])
    tap.equal(cmis.ask("/root" + path + "/inner/doc").body, b"content")  # no selector: content
    tap.true("objects" in cmis.ask("/root" + path).json, "no selector: children")
    refused("objectNotFound", cmis.by_path, path + "/inner/other")
    refused("objectNotFound", cmis.by_path, path + "/inner/doc/below")
    root = cmis.by_path("/")["succinctProperties"]
    tap.equal((root["cmis:objectId"], root["cmis:path"], root["cmis:parentId"]),
              (system.root, "/", None))
    tap.true(root["cmis:name"], "the root has a name")
    made = cmis.act("createFolder", properties={"cmis:objectTypeId": FOLDER, "cmis:name": "by"},
                    place="/root" + urllib.parse.quote(path))
    tap.equal(made["succinctProperties"]["cmis:path"], path + "/by")


@tap.test
def properties_change_with_tokens(system):
    cmis, place = system.cmis, system.place()
    document = cmis.document(place, "first")
    key, token = document["cmis:objectId"], document["cmis:changeToken"]
    changed = cmis.act("update", key, {"cmis:name": "second", "cmis:description": "words"},
                       changeToken=token)["succinctProperties"]
    tap.equal((changed["cmis:name"], changed["cmis:description"]), ("second", "words"))
    tap.true(changed["cmis:changeToken"] != token, "another token")
    refused("updateConflict", cmis.act, "update", key, {"cmis:name": "third"}, changeToken=token)
    refused("updateConflict", cmis.act, "setContent", key, content=(b"x", "text/plain", "x"),
            changeToken=token)
    refused("updateConflict", cmis.act, "deleteContent", key, changeToken=token)
    cmis.document(place, "taken")
    refused("nameConstraintViolation", cmis.act, "update", key, {"cmis:name": "taken"})
    tap.equal(cmis.properties(key)["cmis:name"], "second")
    tap.equal(cmis.act("update", key, {"cmis:description": None})["succinctProperties"]
              ["cmis:description"], None)
    folder = cmis.folder(place, "folder")
    renamed = cmis.act("update", folder["cmis:objectId"], {"cmis:name": "renamed"})
    tap.true(renamed["succinctProperties"]["cmis:path"].endswith("/renamed"), "path follows")
    refused("constraint", cmis.act, "update", system.root, {"cmis:name": "other"})


@tap.test
def filters_and_include_flags(system):
    cmis, place = system.cmis, system.place()
    key = cmis.document(place, "doc")["cmis:objectId"]
    tap.equal(sorted(cmis.properties(key, filter="cmis:name,cmis:objectId")),
              ["cmis:name", "cmis:objectId"])
    tap.equal(len(cmis.properties(key, filter="*")), 26)
    refused("filterNotValid", cmis.properties, key, filter="cmis:name,,(x)")
    plain = cmis.get("object", key)
    tap.equal(sorted(plain), ["succinctProperties"])
    full = cmis.get("object", key, includeAllowableActions="true", includeACL="true",
                    includePolicyIds="true", includeRelationships="both", renditionFilter="*")
    tap.equal(full["policyIds"], {"ids": []})
    tap.equal(full["allowableActions"], cmis.get("allowableActions", key))
    tap.equal(full["acl"]["aces"][0]["principal"]["principalId"], "anyone")
    tap.equal(full["exactACL"], True)
    tap.equal(cmis.get("properties", key)["cmis:name"], "doc")
    refused("invalidArgument", cmis.get, "object", key, includeACL="perhaps")
    refused("invalidArgument", cmis.get, "object", key, includeRelationships="some")
    long_form = cmis_client.Cmis(system.server.url, system.server.auth, succinct=False)
    name = long_form.get("object", key)["properties"]["cmis:name"]
    tap.equal(name, {"id": "cmis:name", "localName": "cmis:name", "displayName": "Name",
                     "queryName": "cmis:name", "type": "string", "cardinality": "single",
                     "value": "doc"})
    dated = cmis.properties(key, dateTimeFormat="extended")["cmis:creationDate"]
    tap.true(dated.endswith("Z") and dated[10] == "T", dated)


@tap.test
def contents_are_set_appended_ranged_and_deleted(system):
    cmis, place = system.cmis, system.place()
    key = cmis.document(place, "doc", b"0123456789")["cmis:objectId"]
    part = cmis.content(key, {"Range": "bytes=2-5"})
    tap.equal((part.status, part.body), (206, b"2345"))
    tap.equal(cmis.content(key, {"Range": "bytes=7-"}).body, b"789")
    tap.equal(cmis.raw("GET", f"/cmis/browser/coffer/root?objectId={urllib.parse.quote(key)}&"
                       "cmisselector=content", headers={"Range": "bytes=99-"}).status, 416)
    refused("contentAlreadyExists", cmis.act, "setContent", key,
            content=(b"x", "text/plain", "x"), overwriteFlag="false")
    after = cmis.act("setContent", key, content=(b"new", "text/html", "new.html"))
    after = after["succinctProperties"]
    tap.equal((after["cmis:contentStreamLength"], after["cmis:contentStreamMimeType"],
               after["cmis:contentStreamFileName"]), (3, "text/html", "new.html"))
    tap.equal(cmis.content(key).body, b"new")
    for n in range(3):
        cmis.act("appendContent", key, content=(b"-%d" % n, "text/plain", "x"),
                 isLastChunk=n == 2)
    tap.equal(cmis.content(key).body, b"new-0-1-2")
    big = dms_server.noise(200_000)
    cmis.act("appendContent", key, content=(big, "text/plain", "x"))
    tap.true(cmis.content(key).body == b"new-0-1-2" + big, "large chunks")
    cmis.act("appendContent", key, content=(big, "text/plain", "x"))
    tap.true(cmis.content(key).body == b"new-0-1-2" + big + big, "large on large")
    before = cmis.content(key).headers["etag"]
    copy = cmis.act("createDocumentFromSource", place, {"cmis:name": "copy"}, sourceId=key)
    cmis.act("appendContent", key, content=(b"more", "text/plain", "x"))  # shared: copied
    cmis.act("appendContent", key, content=(b"!", "text/plain", "x"))     # its own: in place
    tap.true(cmis.content(key).body == b"new-0-1-2" + big + big + b"more!", "both ways")
    tap.true(cmis.content(key).headers["etag"] != before, "another tag")
    tap.true(cmis.content(copy["succinctProperties"]["cmis:objectId"]).body ==
             b"new-0-1-2" + big + big, "the copy is as it was")
    gone = cmis.act("deleteContent", key)["succinctProperties"]
    tap.equal(gone["cmis:contentStreamLength"], None)
    refused("constraint", cmis.content, key)
    cmis.act("appendContent", key, content=(b"again", "text/plain", "again.txt"))
    tap.equal(cmis.content(key).body, b"again")
    cmis.act("setContent", key, content=(b"", "text/plain", "x"))
    tap.equal(cmis.content(key).body, b"")
    refused("invalidArgument", cmis.act, "setContent", key)
    refused("invalidArgument", cmis.act, "setContent", place, content=(b"", "text/plain", "x"))
    attached = cmis.content(key, download="attachment")
    tap.true(attached.headers["content-disposition"].startswith("attachment"), "download")
    etag = attached.headers["etag"]
    tap.equal(cmis.raw("GET", f"/cmis/browser/coffer/root?objectId={urllib.parse.quote(key)}&"
                       "cmisselector=content", headers={"If-None-Match": etag}).status, 304)


@tap.test
def types_say_whether_there_is_content(system):
    cmis, place = system.cmis, system.place()
    new_type(cmis, "s:none", contentStreamAllowed="notallowed", versionable=False)
    new_type(cmis, "s:must", contentStreamAllowed="required", versionable=False)
    refused("streamNotSupported", cmis.document, place, "a", type_id="s:none")
    refused("constraint", cmis.document, place, "b", None, type_id="s:must")
    bare = cmis.document(place, "a", None, type_id="s:none")
    refused("streamNotSupported", cmis.act, "setContent", bare["cmis:objectId"],
            content=(b"x", "text/plain", "x"))
    must = cmis.document(place, "b", type_id="s:must")["cmis:objectId"]
    refused("constraint", cmis.act, "deleteContent", must)
    refused("constraint", cmis.document, place, "c", type_id="s:must", versioningState="major")
    refused("constraint", cmis.act, "checkOut", must)
    actions = cmis.get("allowableActions", must)
    tap.true(not actions["canCheckOut"] and not actions["canDeleteContentStream"], "actions")
    tap.true(not cmis.get("allowableActions", bare["cmis:objectId"])["canSetContentStream"],
             "no content for this type")


@tap.test
def copies_and_moves(system):
    cmis, place = system.cmis, system.place()
    one = cmis.folder(place, "one")["cmis:objectId"]
    two = cmis.folder(place, "two")["cmis:objectId"]
    document = cmis.document(one, "doc", b"bytes",
                             properties={"cmis:description": "about"})["cmis:objectId"]
    copy = cmis.act("createDocumentFromSource", two, {"cmis:name": "copy"}, sourceId=document)
    copy = copy["succinctProperties"]
    tap.equal((copy["cmis:name"], copy["cmis:description"]), ("copy", "about"))
    tap.equal(cmis.content(copy["cmis:objectId"]).body, b"bytes")
    cmis.act("setContent", copy["cmis:objectId"], content=(b"other", "text/plain", "x"))
    tap.equal(cmis.content(document).body, b"bytes")
    refused("invalidArgument", cmis.act, "move", document, sourceFolderId=two, targetFolderId=one)
    cmis.act("move", document, sourceFolderId=one, targetFolderId=two)
    tap.equal(cmis.children(one), [])
    tap.equal(len(cmis.children(two)), 2)
    refused("constraint", cmis.act, "move", place, sourceFolderId=system.root, targetFolderId=two)
    cmis.document(one, "doc")
    refused("nameConstraintViolation", cmis.act, "move", document, sourceFolderId=two,
            targetFolderId=one)
    moved = cmis.act("move", two, sourceFolderId=place, targetFolderId=one)["succinctProperties"]
    tap.true(moved["cmis:path"].endswith("/one/two"), "path")


@tap.test
def bulk_updates_leave_out_what_fails(system):
    cmis, place = system.cmis, system.place()
    keys = [cmis.document(place, f"d{n}")["cmis:objectId"] for n in range(3)]
    tokens = [cmis.properties(key)["cmis:changeToken"] for key in keys]
    cmis.act("update", keys[1], {"cmis:description": "moves on"})
    fields = [(f"objectId[{n}]", key) for n, key in enumerate([*keys, "4711"])]
    fields += [(f"changeToken[{n}]", token) for n, token in enumerate(tokens)]
    done = cmis.act("bulkUpdate", properties={"cmis:description": "bulk"}, fields=fields)
    tap.equal([entry["id"] for entry in done], [keys[0], keys[2]])
    tap.equal([cmis.properties(key)["cmis:description"] for key in keys],
              ["bulk", "moves on", "bulk"])
    refused("invalidArgument", cmis.act, "bulkUpdate", properties={"cmis:description": "x"})


# Navigation


@tap.test
def children_are_paged_and_ordered(system):
    cmis, place = system.cmis, system.place()
    names = [f"{letter}{n}" for n in range(6) for letter in "bA"]
    for name in names:
        cmis.document(place, name, name.encode() * len(name))
    in_order = sorted(names, key=str.lower)
    tap.equal([c["cmis:name"] for c in cmis.children(place)], in_order)
    first = cmis.get("children", place, maxItems=5)
    tap.equal((len(first["objects"]), first["hasMoreItems"], first["numItems"]), (5, True, 12))
    rest = cmis.get("children", place, maxItems=100, skipCount=5, includePathSegment="true")
    tap.equal((len(rest["objects"]), rest["hasMoreItems"], rest["numItems"]), (7, False, 12))
    tap.equal(rest["objects"][0]["pathSegment"],
              rest["objects"][0]["object"]["succinctProperties"]["cmis:name"])
    tap.equal(cmis.get("children", place, maxItems=0)["objects"], [])
    tap.equal(cmis.get("children", place, skipCount=99)["numItems"], 12)
    down = [c["cmis:name"] for c in cmis.children(place, orderBy="cmis:name DESC")]
    tap.equal(down, in_order[::-1])
    by_date = [c["cmis:name"] for c in cmis.children(place, orderBy="cmis:creationDate ASC, "
                                                     "cmis:name DESC")]
    tap.equal(len(by_date), 12)
    refused("invalidArgument", cmis.children, place, orderBy="no:property")
    refused("invalidArgument", cmis.children, place, orderBy="cmis:name SIDEWAYS")
    refused("invalidArgument", cmis.children, place, maxItems=-1)
    refused("invalidArgument", cmis.children, place, skipCount="x")
    document = cmis.children(place)[0]["cmis:objectId"]
    refused("invalidArgument", cmis.children, document)
    refused("objectNotFound", cmis.children, "4711")


@tap.test
def trees_have_depth(system):
    cmis, place = system.cmis, system.place()
    a = cmis.folder(place, "a")["cmis:objectId"]
    b = cmis.folder(a, "b")["cmis:objectId"]
    cmis.document(b, "deep")
    cmis.document(place, "high")

    def names(tree):
        return [(node["object"]["object"]["succinctProperties"]["cmis:name"],
                 names(node.get("children", []))) for node in tree]
    whole = [("a", [("b", [("deep", [])])]), ("high", [])]
    tap.equal(names(cmis.get("descendants", place)), whole)
    tap.equal(names(cmis.get("descendants", place, depth=-1)), whole)
    tap.equal(names(cmis.get("descendants", place, depth=2)), [("a", [("b", [])]), ("high", [])])
    tap.equal(names(cmis.get("folderTree", place)), [("a", [("b", [])])])
    tap.equal(names(cmis.get("folderTree", place, depth=1)), [("a", [])])
    for selector in ("descendants", "folderTree"):
        refused("invalidArgument", cmis.get, selector, place, depth=0)
        refused("invalidArgument", cmis.get, selector, place, depth=-2)
    parents = cmis.get("parents", b, includeRelativePathSegment="true")
    tap.equal([(p["object"]["succinctProperties"]["cmis:objectId"], p["relativePathSegment"])
               for p in parents], [(a, "b")])
    tap.equal(cmis.get("parent", b)["succinctProperties"]["cmis:objectId"], a)
    refused("invalidArgument", cmis.get, "parent", system.root)
    tap.equal(cmis.get("parents", system.root), [])


@tap.test
def deep_trees_can_be_shown(system):
    cmis = system.cmis
    at = place = system.place()
    for n in range(60):
        at = cmis.folder(at, f"{n}")["cmis:objectId"]
    tree, depth = cmis.get("descendants", place), 0
    while tree:
        tree, depth = tree[0].get("children"), depth + 1
    tap.equal(depth, 60)


@tap.test
def deleting_trees(system):
    cmis, place = system.cmis, system.place()
    a = cmis.folder(place, "a")["cmis:objectId"]
    document = cmis.document(a, "doc")["cmis:objectId"]
    refused("constraint", cmis.act, "delete", place)  # not empty
    refused("constraint", cmis.act, "delete", system.root)
    refused("constraint", cmis.act, "deleteTree", system.root)
    tap.equal(cmis.act("deleteTree", place), {"ids": []})
    for key in (place, a, document):
        refused("objectNotFound", cmis.properties, key)
    place = system.place()
    a = cmis.folder(place, "a")["cmis:objectId"]
    document = cmis.document(a, "kept")["cmis:objectId"]
    tap.equal(cmis.act("deleteTree", place, unfileObjects="unfile"), {"ids": []})
    refused("objectNotFound", cmis.properties, a)
    tap.equal(cmis.get("parents", document), [])
    place, other = system.place(), system.place()
    both = cmis.document(place, "both")["cmis:objectId"]
    single = cmis.document(place, "single")["cmis:objectId"]
    cmis.act("addObjectToFolder", both, folderId=other)
    cmis.act("deleteTree", place, unfileObjects="deletesinglefiled")
    refused("objectNotFound", cmis.properties, single)
    tap.equal([c["cmis:objectId"] for c in cmis.children(other)], [both])
    tap.equal(len(cmis.get("parents", both)), 1)


# Versions


@tap.test
def versions_are_checked_out_and_in(system):
    cmis, place = system.cmis, system.place()
    first = cmis.document(place, "doc", b"one")
    key = first["cmis:objectId"]
    tap.equal((first["cmis:versionLabel"], first["cmis:isLatestMajorVersion"]), ("1.0", True))
    pwc = cmis.act("checkOut", key)["succinctProperties"]
    tap.equal((pwc["cmis:isPrivateWorkingCopy"], pwc["cmis:isLatestVersion"],
               pwc["cmis:isVersionSeriesCheckedOut"], pwc["cmis:versionSeriesCheckedOutBy"],
               pwc["cmis:versionSeriesCheckedOutId"], pwc["cmis:versionSeriesId"]),
              (True, False, True, "admin", pwc["cmis:objectId"], first["cmis:versionSeriesId"]))
    tap.equal(cmis.content(pwc["cmis:objectId"]).body, b"one")
    refused("versioning", cmis.act, "checkOut", key)
    refused("versioning", cmis.act, "update", key, {"cmis:name": "x"})
    refused("versioning", cmis.act, "checkIn", key)
    refused("versioning", cmis.act, "cancelCheckOut", key)
    actions = cmis.get("allowableActions", pwc["cmis:objectId"])
    tap.true(actions["canCheckIn"] and actions["canCancelCheckOut"] and
             not actions["canCheckOut"], "actions of a working copy")
    actions = cmis.get("allowableActions", key)
    tap.true(not actions["canCheckIn"] and not actions["canCheckOut"] and
             not actions["canUpdateProperties"], "actions of the version checked out")
    out = cmis.get("checkedout", folderId=place)
    tap.equal([o["succinctProperties"]["cmis:objectId"] for o in out["objects"]],
              [pwc["cmis:objectId"]])
    tap.equal(len(cmis.get("checkedout", place)["objects"]), 1)
    tap.equal([c["cmis:objectId"] for c in cmis.children(place)], [key])
    cmis.act("cancelCheckOut", pwc["cmis:objectId"])
    refused("objectNotFound", cmis.properties, pwc["cmis:objectId"])
    tap.equal(cmis.properties(key)["cmis:isVersionSeriesCheckedOut"], False)
    pwc = cmis.act("checkOut", key)["succinctProperties"]["cmis:objectId"]
    cmis.act("setContent", pwc, content=(b"working", "text/plain", "w"))
    tap.equal(cmis.content(key).body, b"one")
    minor = cmis.act("checkIn", pwc, {"cmis:name": "renamed"}, (b"two", "text/plain", "two.txt"),
                     major="false", checkinComment="a comment")["succinctProperties"]
    tap.equal((minor["cmis:versionLabel"], minor["cmis:isMajorVersion"],
               minor["cmis:checkinComment"], minor["cmis:name"], minor["cmis:isLatestVersion"]),
              ("1.1", False, "a comment", "renamed", True))
    pwc = cmis.act("checkOut", minor["cmis:objectId"])["succinctProperties"]["cmis:objectId"]
    major = cmis.act("checkIn", pwc)["succinctProperties"]
    tap.equal((major["cmis:versionLabel"], major["cmis:isLatestMajorVersion"]), ("2.0", True))
    versions = [v["succinctProperties"] for v in cmis.get("versions", key)]
    tap.equal([v["cmis:versionLabel"] for v in versions], ["2.0", "1.1", "1.0"])
    tap.equal([v["cmis:isLatestVersion"] for v in versions], [True, False, False])
    tap.equal([v["cmis:name"] for v in versions], ["renamed", "renamed", "doc"])
    dates = [v["cmis:creationDate"] for v in versions]
    tap.equal(dates, sorted(set(dates), reverse=True))
    tap.equal([cmis.content(v["cmis:objectId"]).body for v in versions], [b"two", b"two", b"one"])
    tap.equal(cmis.properties(key, returnVersion="latest")["cmis:versionLabel"], "2.0")
    tap.equal(cmis.properties(key, returnVersion="latestmajor")["cmis:versionLabel"], "2.0")
    refused("versioning", cmis.act, "update", key, {"cmis:name": "old"})
    refused("versioning", cmis.act, "checkOut", key)
    tap.equal([c["cmis:versionLabel"] for c in cmis.children(place)], ["2.0"])
    # The REST interface sees the same document.
    rest = system.server.ask(f"/api/documents/{first['cmis:versionSeriesId']}").json
    tap.equal((rest["name"], rest["size"]), ("renamed", 3))


@tap.test
def versions_are_deleted_one_by_one_or_all(system):
    cmis, place = system.cmis, system.place()
    keys = [cmis.document(place, "doc", b"0")["cmis:objectId"]]
    for n in (1, 2):
        pwc = cmis.act("checkOut", keys[-1])["succinctProperties"]["cmis:objectId"]
        keys.append(cmis.act("checkIn", pwc, None, (b"%d" % n, "text/plain", "x"))
                    ["succinctProperties"]["cmis:objectId"])
    cmis.act("delete", keys[1], allVersions="false")
    refused("objectNotFound", cmis.properties, keys[1])
    tap.equal(len(cmis.get("versions", keys[0])), 2)
    cmis.act("delete", keys[2], allVersions="false")
    latest = cmis.properties(keys[0])
    tap.equal((latest["cmis:isLatestVersion"], latest["cmis:isLatestMajorVersion"]), (True, True))
    tap.equal([c["cmis:objectId"] for c in cmis.children(place)], [keys[0]])
    pwc = cmis.act("checkOut", keys[0])["succinctProperties"]["cmis:objectId"]
    again = cmis.act("checkIn", pwc)["succinctProperties"]
    tap.true(again["cmis:objectId"] not in keys, "ids are not used again")
    cmis.act("delete", keys[0], allVersions="false")
    cmis.act("delete", again["cmis:objectId"], allVersions="false")  # the last one
    refused("objectNotFound", cmis.properties, again["cmis:objectId"])
    refused("objectNotFound", cmis.properties, keys[0].split(";")[0])
    keys = [cmis.document(place, "doc", b"0")["cmis:objectId"]]
    pwc = cmis.act("checkOut", keys[0])["succinctProperties"]["cmis:objectId"]
    again = cmis.act("checkIn", pwc)["succinctProperties"]
    cmis.act("delete", keys[0])
    refused("objectNotFound", cmis.properties, again["cmis:objectId"])
    tap.equal(cmis.children(place), [])


@tap.test
def documents_begin_in_any_state(system):
    cmis, place = system.cmis, system.place()
    major = cmis.document(place, "major", versioningState="major")
    minor = cmis.document(place, "minor", versioningState="minor")
    tap.equal((major["cmis:isMajorVersion"], major["cmis:versionLabel"]), (True, "1.0"))
    tap.equal((minor["cmis:isMajorVersion"], minor["cmis:versionLabel"]), (False, "0.1"))
    refused("objectNotFound", cmis.properties, minor["cmis:objectId"],
            returnVersion="latestmajor")
    out = cmis.document(place, "out", versioningState="checkedout")
    tap.equal((out["cmis:isPrivateWorkingCopy"], out["cmis:isVersionSeriesCheckedOut"],
               out["cmis:isLatestMajorVersion"]), (True, True, False))
    done = cmis.act("checkIn", out["cmis:objectId"], major="true")["succinctProperties"]
    tap.equal((done["cmis:versionLabel"], done["cmis:isPrivateWorkingCopy"]), ("1.0", False))
    out = cmis.document(place, "never", versioningState="checkedout")
    cmis.act("cancelCheckOut", out["cmis:objectId"])
    refused("objectNotFound", cmis.properties, out["cmis:objectId"])
    tap.equal(sorted(c["cmis:name"] for c in cmis.children(place)), ["major", "minor", "out"])


# Secondary types, items, relationships, policies, filing


@tap.test
def secondary_types_come_and_go(system):
    cmis, place = system.cmis, system.place()
    new_type(cmis, "x:tagged", parent="cmis:secondary", properties=[
        new_property("x:tag", "string"), new_property("x:weight", "integer", defaultValue=[7])])
    new_type(cmis, "x:other", parent="cmis:secondary", properties=[new_property("x:o", "string")])
    made = cmis.document(place, "doc", properties={
        "cmis:secondaryObjectTypeIds": ["x:tagged"], "x:tag": "blue"})
    key = made["cmis:objectId"]
    tap.equal((made["x:tag"], made["x:weight"]), ("blue", 7))
    refused("constraint", cmis.act, "update", key, {"x:o": "no"})
    both = cmis.act("update", key, {"cmis:secondaryObjectTypeIds": ["x:tagged", "x:other"],
                                    "x:o": "yes"})["succinctProperties"]
    tap.equal((both["x:o"], both["x:tag"]), ("yes", "blue"))
    less = cmis.act("update", key, {"cmis:secondaryObjectTypeIds": ["x:other"]})
    tap.true("x:tag" not in less["succinctProperties"], "gone with its type")
    back = cmis.act("update", key, {"cmis:secondaryObjectTypeIds": ["x:tagged"]})
    tap.equal(back["succinctProperties"]["x:tag"], None)
    refused("constraint", cmis.act, "update", key,
            {"cmis:secondaryObjectTypeIds": ["no:type"]})
    refused("constraint", cmis.act, "update", key, {"cmis:secondaryObjectTypeIds": [DOCUMENT]})
    refused("constraint", cmis.document, place, "s", type_id="x:tagged")
    refused("constraint", cmis.act, "deleteType", typeId="x:tagged")
    fields = [("objectId[0]", key), ("addSecondaryTypeId[0]", "x:other"),
              ("removeSecondaryTypeId[0]", "x:tagged")]
    cmis.act("bulkUpdate", fields=fields)
    tap.equal(cmis.properties(key)["cmis:secondaryObjectTypeIds"], ["x:other"])
    cmis.act("update", key, {"x:o": "travels"})
    copy = cmis.act("createDocumentFromSource", place, {"cmis:name": "copy"}, sourceId=key)
    tap.equal(copy["succinctProperties"]["x:o"], "travels")
    cmis.act("deleteType", typeId="x:tagged")


@tap.test
def items_relationships_and_policies(system):
    cmis, place = system.cmis, system.place()
    item = cmis.act("createItem", place, {"cmis:objectTypeId": "cmis:item",
                                          "cmis:name": "item"})["succinctProperties"]
    tap.equal(item["cmis:baseTypeId"], "cmis:item")
    tap.equal([c["cmis:name"] for c in cmis.children(place)], ["item"])
    one, two = (cmis.document(place, n)["cmis:objectId"] for n in ("one", "two"))
    related = cmis.act("createRelationship", properties={
        "cmis:objectTypeId": "cmis:relationship", "cmis:name": "r", "cmis:sourceId": one,
        "cmis:targetId": two})["succinctProperties"]
    tap.equal((related["cmis:sourceId"], related["cmis:targetId"]), (one, two))

    def relationships(key, **params):
        return [o["succinctProperties"]["cmis:objectId"]
                for o in cmis.get("relationships", key, **params)["objects"]]
    key = related["cmis:objectId"]
    tap.equal(relationships(one), [key])
    tap.equal(relationships(two), [])
    tap.equal(relationships(two, relationshipDirection="either"), [key])
    tap.equal(relationships(one, relationshipDirection="target"), [])
    shown = cmis.get("object", one, includeRelationships="source")["relationships"]
    tap.equal(shown[0]["succinctProperties"]["cmis:objectId"], key)
    refused("invalidArgument", cmis.act, "createRelationship", properties={
        "cmis:objectTypeId": "cmis:relationship", "cmis:name": "r", "cmis:sourceId": one,
        "cmis:targetId": "4711"})
    refused("constraint", cmis.act, "createRelationship", properties={
        "cmis:objectTypeId": "cmis:relationship", "cmis:name": "r", "cmis:sourceId": one})
    new_type(cmis, "r:folders", parent="cmis:relationship", allowedSourceTypes=[FOLDER],
             allowedTargetTypes=[])
    refused("constraint", cmis.act, "createRelationship", properties={
        "cmis:objectTypeId": "r:folders", "cmis:name": "r", "cmis:sourceId": one,
        "cmis:targetId": two})
    refused("constraint", cmis.get, "parents", key)
    cmis.act("delete", two)
    tap.equal(relationships(one), [])
    policy = cmis.act("createPolicy", properties={
        "cmis:objectTypeId": "cmis:policy", "cmis:name": "p",
        "cmis:policyText": "keep"})["succinctProperties"]["cmis:objectId"]
    refused("constraint", cmis.act, "createPolicy",
            properties={"cmis:objectTypeId": "cmis:policy", "cmis:name": "p"})
    cmis.act("applyPolicy", one, policyId=policy)
    tap.equal([p["succinctProperties"]["cmis:objectId"] for p in cmis.get("policies", one)],
              [policy])
    tap.equal(cmis.get("object", one, includePolicyIds="true")["policyIds"], {"ids": [policy]})
    cmis.act("removePolicy", one, policyId=policy)
    refused("invalidArgument", cmis.act, "removePolicy", one, policyId=policy)
    tap.equal(cmis.get("policies", one), [])
    refused("invalidArgument", cmis.act, "applyPolicy", one, policyId=one)
    cmis.act("delete", policy)
    cmis.act("delete", item["cmis:objectId"])
    tap.equal([c["cmis:name"] for c in cmis.children(place)], ["one"])


@tap.test
def objects_are_filed_in_several_folders_or_none(system):
    cmis, place, other = system.cmis, system.place(), system.place()
    key = cmis.document(place, "doc")["cmis:objectId"]
    cmis.act("addObjectToFolder", key, folderId=other)
    tap.equal([c["cmis:objectId"] for c in cmis.children(other)], [key])
    tap.equal(len(cmis.get("parents", key)), 2)
    path = cmis.properties(other)["cmis:path"]
    tap.equal(cmis.by_path(path + "/doc")["succinctProperties"]["cmis:objectId"], key)
    refused("nameConstraintViolation", cmis.document, other, "doc")
    third = system.place()
    cmis.document(third, "doc")
    refused("nameConstraintViolation", cmis.act, "addObjectToFolder", key, folderId=third)
    cmis.act("removeObjectFromFolder", key, folderId=place)
    tap.equal(cmis.children(place), [])
    refused("invalidArgument", cmis.act, "removeObjectFromFolder", key, folderId=place)
    cmis.act("removeObjectFromFolder", key)
    tap.equal(cmis.get("parents", key), [])
    tap.equal(cmis.properties(key)["cmis:name"], "doc")
    cmis.act("addObjectToFolder", key, folderId=place)
    tap.equal([c["cmis:objectId"] for c in cmis.children(place)], [key])
    unfiled = cmis.document(None, "unfiled")
    tap.equal(cmis.get("parents", unfiled["cmis:objectId"]), [])
    cmis.document(None, "unfiled")  # names need not differ
    refused("constraint", cmis.act, "addObjectToFolder", other, folderId=place)


if __name__ == "__main__":
    tap.main(lambda: cmis_system.system(PROGRAM))
