#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CMIS 1.1 over the Browser binding: access, queries, the log of changes, the binding's manners and a
client of another's making: cmis_discovery.py COFFER_DMS"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import cmis_client
import cmis_system
import dms_server
import tap
from cmis_system import DOCUMENT, FOLDER, new_property, new_type, refused

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""


# Access


@tap.test
def access_lists_are_inherited_and_kept(system):
    cmis, place = system.cmis, system.place()
    ada = system.user("ada")
    key = cmis.document(place, "doc")["cmis:objectId"]
    acl = cmis.get("acl", key)
    tap.equal((acl["isExact"], len(acl["aces"])), (True, 1))
    tap.equal((acl["aces"][0]["permissions"], acl["aces"][0]["isDirect"]), (["cmis:all"], False))
    tap.equal(ada.properties(key)["cmis:name"], "doc")

    def change(target, add=(), remove=(), **params):
        fields = []
        for kind, entries in (("add", add), ("remove", remove)):
            for n, (principal, permission) in enumerate(entries):
                fields += [(f"{kind}ACEPrincipal[{n}]", principal),
                           (f"{kind}ACEPermission[{n}][0]", permission)]
        return cmis.act("applyACL", target, fields=fields, **params)
    after = change(key, add=[("ada", "cmis:read"), ("cmis:user", "cmis:read")])
    direct = {a["principal"]["principalId"]: a["permissions"] for a in after["aces"]
              if a["isDirect"]}
    tap.equal(direct, {"ada": ["cmis:read"], "admin": ["cmis:read"]})
    change(place, remove=[("anyone", "cmis:all")])  # no longer inherited from the root
    tap.equal(ada.properties(key)["cmis:name"], "doc")
    refused("permissionDenied", ada.act, "update", key, {"cmis:name": "x"})
    refused("permissionDenied", ada.act, "delete", key)
    refused("permissionDenied", ada.act, "setContent", key, content=(b"", "text/plain", "x"))
    refused("objectNotFound", ada.properties, place)
    actions = ada.get("allowableActions", key)
    tap.true(actions["canGetProperties"] and not actions["canUpdateProperties"] and
             not actions["canApplyACL"], "actions")
    other = cmis.document(place, "hidden")["cmis:objectId"]
    refused("objectNotFound", ada.properties, other)
    tap.equal(system.server.ask(f"/api/documents/{other.split(';')[0]}",
                                auth=f"ada:{dms_server.PASSWORD}").status, 404)
    tap.equal(system.server.ask(f"/api/documents/{key.split(';')[0]}", "-X", "DELETE",
                                auth=f"ada:{dms_server.PASSWORD}").status, 403)
    change(place, add=[("ada", "cmis:read")])
    tap.equal([c["cmis:name"] for c in ada.children(place)], ["doc", "hidden"])
    refused("permissionDenied", ada.document, place, "new")
    change(other, remove=[("ada", "cmis:read")])
    tap.equal([c["cmis:name"] for c in ada.children(place)], ["doc"])
    tap.equal(ada.get("children", place)["numItems"], 1)
    tap.equal(len(ada.query(f"SELECT cmis:name FROM cmis:document WHERE IN_FOLDER('{place}')")), 1)
    change(place, add=[("ada", "cmis:write")])
    ada.document(place, "new")
    refused("permissionDenied", ada.act, "applyACL", place)
    refused("constraint", change, key, add=[("ada", "no:permission")])
    refused("invalidArgument", change, key, add=[("nobody-knows", "cmis:read")])
    refused("permissionDenied", new_type, ada, "ada:type")
    change(place, add=[("anyone", "cmis:all")])


@tap.test
def working_copies_are_private(system):
    cmis, place = system.cmis, system.place()
    ada, bob = system.user("ada"), system.user("bob")
    key = cmis.document(place, "doc")["cmis:objectId"]
    pwc = ada.act("checkOut", key)["succinctProperties"]["cmis:objectId"]
    refused("objectNotFound", bob.properties, pwc)
    tap.equal(len(bob.get("versions", key)), 1)
    tap.equal(len(ada.get("versions", key)), 2)
    tap.equal(bob.get("checkedout")["objects"], [])
    refused("versioning", bob.act, "checkOut", key)
    rest = system.server.put("x", b"")  # any write at all still works
    tap.equal(rest.status, 201)
    held = system.server.ask(f"/api/documents/{key.split(';')[0]}/content", "-X", "PUT",
                             "--data-binary", "x")
    tap.equal((held.status, held.json["type"]), (409, "urn:coffer:problem:checked-out"))
    ada.act("cancelCheckOut", pwc)


@tap.test
def what_must_be_kept_is_kept(system):
    cmis, place = system.cmis, system.place()
    first = cmis.document(place, "kept", dms_server.noise(50_000))["cmis:objectId"]
    pwc = cmis.act("checkOut", first)["succinctProperties"]["cmis:objectId"]
    key = cmis.act("checkIn", pwc)["succinctProperties"]["cmis:objectId"]
    cmis.act("setContent", key, content=(dms_server.noise(50_000, 2), "text/plain", "own"))
    node = key.split(";")[0]
    kept = system.server.ask(f"/api/documents/{node}/retention", "-X", "PUT", "-d",
                             json.dumps({"until_ms": 4102444800000}))
    tap.equal(kept.status, 200, f"{kept}")
    more = (b"more", "text/plain", "x")
    refused("constraint", cmis.act, "appendContent", key, content=more)
    refused("constraint", cmis.act, "setContent", key, content=more)
    refused("constraint", cmis.act, "deleteContent", key)
    refused("constraint", cmis.act, "delete", key)
    refused("constraint", cmis.act, "delete", first, allVersions="false")
    tap.equal(cmis.act("deleteTree", place)["ids"], [key, place])
    tap.true(cmis.content(key).body == dms_server.noise(50_000, 2), "untouched")
    pwc = cmis.act("checkOut", key)["succinctProperties"]["cmis:objectId"]
    cmis.act("appendContent", pwc, content=more)  # a new version may be made
    cmis.act("checkIn", pwc)
    tap.true(cmis.content(key).body == dms_server.noise(50_000, 2), "the old version stays")


# Discovery


@tap.test
def queries_find_by_property(system):
    cmis, place = system.cmis, system.place()
    new_type(cmis, "q:doc", properties=[
        new_property("q:n", "integer"), new_property("q:d", "decimal"),
        new_property("q:b", "boolean"), new_property("q:t", "datetime"),
        new_property("q:m", "string", cardinality="multi", orderable=False)])
    for n in range(5):
        cmis.document(place, f"doc_{n}%", type_id="q:doc", properties={
            "q:n": n, "q:d": n / 2, "q:b": n % 2 == 0, "q:t": 1700000000000 + n * 86400000,
            "q:m": [f"m{n}", "all"]})
    cmis.folder(place, "it's")

    def names(where, what="q:doc", **params):
        return [row["cmis:name"] for row in
                cmis.query(f"SELECT cmis:name FROM {what} WHERE {where} ORDER BY cmis:name",
                           **params)]
    every = [f"doc_{n}%" for n in range(5)]
    tap.equal(names(f"IN_FOLDER('{place}')"), every)
    tap.equal(names("q:n = 3"), every[3:4])
    tap.equal(names("q:n <> 3"), every[:3] + every[4:])
    tap.equal(names("q:n >= 1 AND q:n < 3"), every[1:3])
    tap.equal(names("q:n = 0 OR (q:n = 4 AND NOT q:d = 0)"), [every[0], every[4]])
    tap.equal(names("q:d > 1.2"), every[3:])
    tap.equal(names("q:b = TRUE"), every[::2])
    tap.equal(names("q:t > TIMESTAMP '2023-11-16T22:13:20.000Z'"), every[3:])
    tap.equal(names("q:n IN (1, 2, 77)"), every[1:3])
    tap.equal(names("q:n NOT IN (1, 2)"), [every[0], *every[3:]])
    tap.equal(names("'m2' = ANY q:m"), every[2:3])
    tap.equal(names("ANY q:m IN ('m1', 'm4')"), [every[1], every[4]])
    tap.equal(names("'all' = ANY q:m"), every)
    tap.equal(names("q:n IS NULL"), [])
    tap.equal(names("q:m IS NOT NULL"), every)
    tap.equal(names("cmis:name LIKE 'doc\\_%\\%'"), every)
    tap.equal(names("cmis:name LIKE 'doc_1%'"), every[1:2])
    tap.equal(names("cmis:name NOT LIKE '%3%'"), every[:3] + every[4:])
    tap.equal(names("cmis:name = 'it\\'s'", FOLDER), ["it's"])
    tap.equal(names("cmis:name = 'it''s'", FOLDER), ["it's"])
    tap.equal(names(f"IN_TREE('{system.root}') AND q:n = 1"), every[1:2])
    tap.equal(len(names("cmis:objectTypeId = 'q:doc'", DOCUMENT)), 5)
    one = cmis.query("SELECT * FROM q:doc WHERE q:n = 1")[0]
    tap.equal((one["q:m"], one["cmis:baseTypeId"]), (["m1", "all"], DOCUMENT))
    tap.equal(cmis.query(f"SELECT cmis:name FROM q:doc WHERE cmis:objectId = "
                         f"'{one['cmis:objectId']}'"), [{"cmis:name": every[1]}])
    rows = cmis.query("SELECT q:n AS number, d.cmis:name FROM q:doc d WHERE d.q:n > 2 "
                      "ORDER BY number DESC")
    tap.equal(rows, [{"number": 4, "d.cmis:name": every[4]},
                     {"number": 3, "d.cmis:name": every[3]}])
    page = cmis.get("query", q="SELECT cmis:name FROM q:doc ORDER BY q:n", maxItems=2, skipCount=1)
    tap.equal((len(page["results"]), page["hasMoreItems"], page["numItems"]), (2, True, 5))
    posted = cmis.act("query", statement="SELECT * FROM q:doc", maxItems=1)
    tap.equal((len(posted["results"]), posted["numItems"]), (1, 5))
    acted = cmis.get("query", q="SELECT * FROM q:doc", includeAllowableActions="true")
    tap.true(acted["results"][0]["allowableActions"]["canGetProperties"], "actions")
    for kind in ("cmis:folder", "cmis:document", "cmis:item", "cmis:relationship", "cmis:policy"):
        cmis.query(f"SELECT * FROM {kind}")


@tap.test
def queries_join_secondary_types(system):
    cmis, place = system.cmis, system.place()
    new_type(cmis, "j:sec", parent="cmis:secondary", properties=[new_property("j:v", "string")])
    for n in range(3):
        cmis.document(place, f"j{n}", properties={
            "cmis:secondaryObjectTypeIds": ["j:sec"], "j:v": f"v{n}"} if n else None)
    rows = cmis.query("SELECT d.cmis:name, s.j:v FROM cmis:document AS d JOIN j:sec AS s ON "
                      f"d.cmis:objectId = s.cmis:objectId WHERE IN_FOLDER(d, '{place}') "
                      "ORDER BY s.j:v DESC")
    tap.equal(rows, [{"d.cmis:name": "j2", "s.j:v": "v2"}, {"d.cmis:name": "j1", "s.j:v": "v1"}])
    rows = cmis.query("SELECT d.cmis:name AS name, s.j:v AS v FROM cmis:document d LEFT JOIN j:sec s "
                      f"ON d.cmis:objectId = s.cmis:objectId WHERE IN_FOLDER(d, '{place}') "
                      "ORDER BY d.cmis:name")
    tap.equal([(r["name"], r["v"]) for r in rows], [("j0", None), ("j1", "v1"), ("j2", "v2")])
    tap.equal(len(cmis.query("SELECT * FROM j:sec WHERE j:v = 'v1'")), 1)
    tap.equal(len(cmis.query("SELECT * FROM cmis:document WHERE 'j:sec' = ANY "
                             "cmis:secondaryObjectTypeIds")), 2)


@tap.test
def full_text_is_found_and_ranked(system):
    cmis, place = system.cmis, system.place()
    cmis.document(place, "one.txt", b"the walrus and the carpenter")
    cmis.document(place, "two.html", b"<p>walrus &amp; walrus<script>secretword</script></p>",
                  media="text/html")
    cmis.document(place, "three.bin", b"walrus", media="application/octet-stream")

    def names(text):
        return [row["cmis:name"] for row in cmis.query(
            "SELECT cmis:name, SCORE() AS rank FROM cmis:document WHERE "
            f"CONTAINS('{text}') AND IN_FOLDER('{place}') ORDER BY rank DESC")]
    tap.equal(sorted(names("walrus")), ["one.txt", "two.html"])
    tap.equal(names("carpenter"), ["one.txt"])
    tap.equal(names("walrus -carpenter"), ["two.html"])
    tap.equal(sorted(names("carpenter OR walrus")), ["one.txt", "two.html"])
    tap.equal(names("\\'the carpenter\\'"), ["one.txt"])
    tap.equal(names("secretword"), [])
    office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    cmis.document(place, "four.docx", dms_server.docx("a letter about narwhals"), media=office)
    cmis.document(place, "broken.docx", b"PK narwhals", media=office)
    tap.equal(names("narwhals"), ["four.docx"])
    rows = cmis.query("SELECT SCORE() FROM cmis:document WHERE CONTAINS('walrus')")
    tap.true(all(0 <= row["SEARCH_SCORE"] <= 1 for row in rows), f"scores: {rows}")
    key = cmis.by_path(cmis.properties(place)["cmis:path"] + "/one.txt")
    key = key["succinctProperties"]["cmis:objectId"]
    cmis.act("setContent", key, content=(b"oysters", "text/plain", "x"))
    tap.equal(names("carpenter"), [])
    tap.equal(names("oysters"), ["one.txt"])
    pwc = cmis.act("checkOut", key)["succinctProperties"]["cmis:objectId"]
    cmis.act("checkIn", pwc, None, (b"cabbages", "text/plain", "x"))
    tap.equal((names("oysters"), names("cabbages")), ([], ["one.txt"]))
    page = cmis.by_path(cmis.properties(place)["cmis:path"] + "/two.html", renditionFilter="*")
    key = page["succinctProperties"]["cmis:objectId"]
    rendition = page["renditions"][0]
    tap.equal((rendition["kind"], rendition["mimeType"]), ("coffer:text", "text/plain"))
    text = cmis.content(key, streamId=rendition["streamId"]).body
    tap.equal(len(text), rendition["length"])
    tap.equal(text.split(), [b"walrus", b"&", b"walrus"])
    tap.equal(cmis.get("renditions", key), [rendition])
    tap.equal(cmis.get("renditions", key, renditionFilter="image/*"), [])
    refused("filterNotValid", cmis.get, "renditions", key, renditionFilter=",")
    refused("invalidArgument", cmis.content, key, streamId="other")
    binary = cmis.by_path(cmis.properties(place)["cmis:path"] + "/three.bin", renditionFilter="*")
    tap.true("renditions" not in binary, "no words, no rendition")
    versions = cmis.query("SELECT cmis:versionLabel FROM cmis:document WHERE "
                          f"IN_FOLDER('{place}') AND cmis:name = 'one.txt' "
                          "ORDER BY cmis:versionLabel", searchAllVersions="true")
    tap.equal([v["cmis:versionLabel"] for v in versions], ["1.0", "2.0"])


@tap.test
def queries_that_make_no_sense_are_refused(system):
    cmis = system.cmis
    for statement in ("", "SELECT", "SELECT *", "SELECT * FROM", "SELECT * FROM no:type",
                      "SELECT no:property FROM cmis:document",
                      "SELECT * FROM cmis:document WHERE", "SELECT * FROM cmis:document WHERE x",
                      "SELECT * FROM cmis:document WHERE cmis:name = 5",
                      "SELECT * FROM cmis:document WHERE cmis:contentStreamLength = 'x'",
                      "SELECT * FROM cmis:document WHERE cmis:name = 'open",
                      "SELECT * FROM cmis:document WHERE cmis:creationDate > '2020-01-01'",
                      "SELECT * FROM cmis:document WHERE cmis:creationDate > TIMESTAMP 'x'",
                      "SELECT * FROM cmis:document WHERE cmis:path = '/'",
                      "SELECT * FROM cmis:document WHERE cmis:secondaryObjectTypeIds = 'x'",
                      "SELECT * FROM cmis:document WHERE 'x' = ANY cmis:name",
                      "SELECT * FROM cmis:document ORDER BY no:property",
                      "SELECT * FROM cmis:document ORDER BY cmis:secondaryObjectTypeIds",
                      "SELECT * FROM cmis:document WHERE IN_FOLDER('4711')",
                      "SELECT * FROM cmis:document WHERE CONTAINS('a') AND CONTAINS('b')",
                      "SELECT SCORE() FROM cmis:document", "DELETE FROM node",
                      "SELECT * FROM cmis:document; SELECT 1",
                      "SELECT * FROM cmis:document WHERE " + "(" * 100 + "cmis:name = 'x'" +
                      ")" * 100):
        refused("invalidArgument", cmis.act, "query", statement=statement)
    tap.equal(cmis.query("SELECT * FROM cmis:document WHERE cmis:name = 'x'' OR 1=1 --'"), [])


@tap.test
def what_is_found_is_counted_up_to_a_thousand(system):
    cmis, place = system.cmis, system.place()
    for n in range(32):
        cmis.document(place, f"c{n}", None)
    pairs = (f"SELECT a.cmis:name AS x, b.cmis:name AS y FROM cmis:document a JOIN cmis:document b ON "
             f"a.cmis:createdBy = b.cmis:createdBy WHERE IN_FOLDER(a, '{place}') AND "
             f"IN_FOLDER(b, '{place}')") # 1,024
    page = cmis.act("query", statement=pairs, maxItems=5)
    tap.equal((len(page["results"]), page["hasMoreItems"], page.get("numItems")), (5, True, None))
    page = cmis.act("query", statement=pairs, maxItems=1000, skipCount=20)
    tap.equal((len(page["results"]), page["hasMoreItems"], page.get("numItems")), (1000, True, None))
    page = cmis.act("query", statement=pairs, maxItems=5, skipCount=1020)
    tap.equal((len(page["results"]), page["hasMoreItems"], page["numItems"]), (4, False, 1024))
    page = cmis.act("query", statement=pairs + " AND a.cmis:name <> 'c0'", maxItems=5)
    tap.equal((page["hasMoreItems"], page["numItems"]), (True, 992))


@tap.test
def a_query_that_costs_too_much_is_ended(system):
    cmis, place = system.cmis, system.place()
    for n in range(60):
        cmis.document(place, f"c{n}", None)
    tables = "".join(f" JOIN cmis:document d{n} ON d0.cmis:createdBy = d{n}.cmis:createdBy"
                     for n in range(1, 6))
    endless = f"SELECT d0.cmis:name FROM cmis:document d0{tables}"
    page = cmis.act("query", statement=endless, maxItems=10) # ten are soon there
    tap.equal((len(page["results"]), page["hasMoreItems"], "numItems" in page), (10, True, False))
    refused("constraint", cmis.act, "query", statement=endless + " ORDER BY d1.cmis:name")
    tap.equal(len(cmis.query(f"SELECT cmis:name FROM cmis:document WHERE IN_FOLDER('{place}')")),
              60)
    refused("invalidArgument", cmis.act, "query", statement="SELECT * FROM cmis:document WHERE "
            "cmis:name LIKE '" + "%a" * 1000 + "'")


@tap.test
def changes_are_logged(system):
    cmis, place = system.cmis, system.place()
    token = cmis.get("repositoryInfo")["coffer"]["latestChangeLogToken"]
    document = cmis.document(place, "doc")["cmis:objectId"]
    cmis.act("update", document, {"cmis:description": "x"})
    cmis.act("applyACL", document, fields=[("addACEPrincipal[0]", "admin"),
                                           ("addACEPermission[0][0]", "cmis:read")])

    def events():
        return [(o["succinctProperties"]["cmis:objectId"], o["changeEventInfo"]["changeType"])
                for o in cmis.get("contentChanges", changeLogToken=token)["objects"]][1:]
    tap.equal(events(), [(document, kind) for kind in ("created", "updated", "security")])
    other = cmis.document(place, "other")["cmis:objectId"]
    cmis.act("delete", document)
    tap.equal(events(), [(other, "created"), (document, "deleted")])
    log = cmis.get("contentChanges", changeLogToken=token)
    page = cmis.get("contentChanges", changeLogToken=token, maxItems=2)
    tap.equal((len(page["objects"]), page["hasMoreItems"]), (2, True))
    more = cmis.get("contentChanges", changeLogToken=page["changeLogToken"])
    tap.equal(more["objects"][0], page["objects"][-1])
    tap.equal(more["changeLogToken"], log["changeLogToken"])
    full = cmis.get("contentChanges", includeProperties="true", maxItems=1)
    tap.equal(full["hasMoreItems"], True)
    refused("invalidArgument", cmis.get, "contentChanges", changeLogToken="x")
    refused("constraint", cmis.get, "contentChanges", changeLogToken="99999999")


# The binding itself


@tap.test
def the_binding_has_its_own_manners(system):
    cmis, place = system.cmis, system.place()
    quiet = cmis.raw("GET", "/cmis/browser/coffer/root?objectId=4711&cmisselector=object&"
                     "suppressResponseCodes=true")
    tap.equal((quiet.status, quiet.json["exception"]), (200, "objectNotFound"))
    tap.equal(cmis.raw("GET", "/cmis/browser/coffer/root?objectId=4711").status, 404)
    refused("invalidArgument", cmis.get, "object", place, callback="run")
    refused("invalidArgument", cmis.get, "noSuchSelector", place)
    answer = cmis.ask("/root", "object", objectId=place)
    tap.true(answer.headers["content-type"].startswith("application/json"), "JSON")
    tap.equal(answer.headers["x-content-type-options"], "nosniff")
    tap.true("no-cache" in answer.headers["cache-control"], "not from a cache")
    form = urllib.parse.urlencode([
        ("cmisaction", "createFolder"), ("propertyId[0]", "cmis:name"),
        ("propertyValue[0]", "by token"), ("propertyId[1]", "cmis:objectTypeId"),
        ("propertyValue[1]", FOLDER), ("token", "tok-1"), ("objectId", place)])
    made = cmis.raw("POST", "/cmis/browser/coffer/root", form,
                    {"Content-Type": "application/x-www-form-urlencoded"})
    tap.equal(made.status, 201)
    cookie = made.headers["set-cookie"].split(";")[0]
    last = cmis.raw("GET", "/cmis/browser/coffer?cmisselector=lastResult&token=tok-1",
                    headers={"Cookie": cookie}).json
    tap.equal((last["code"], last["exception"]), (201, ""))
    tap.equal(cmis.properties(last["objectId"])["cmis:name"], "by token")
    location = cmis.raw("POST", "/cmis/browser/coffer/root", urllib.parse.urlencode([
        ("cmisaction", "createFolder"), ("propertyId[0]", "cmis:name"),
        ("propertyValue[0]", "located"), ("propertyId[1]", "cmis:objectTypeId"),
        ("propertyValue[1]", FOLDER), ("objectId", place)]),
        {"Content-Type": "application/x-www-form-urlencoded"}).headers["location"]
    tap.true(location.startswith(system.server.url), "an absolute address")
    foreign = cmis.raw("POST", "/cmis/browser/coffer", "cmisaction=query&statement=x", {
        "Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example"})
    tap.equal(foreign.status, 403)
    tap.equal(system.server.ask("/cmis/browser", auth="").status, 401)


@tap.test
def a_form_with_many_parts_is_taken(system):
    cmis, place = system.cmis, system.place()
    new_type(cmis, "m:many", properties=[new_property("m:all", "string", cardinality="multi",
                                                      orderable=False)])
    values = [f"value {n}" for n in range(900)]
    made = cmis.document(place, "many", type_id="m:many", properties={"m:all": values})
    tap.equal(made["m:all"], values)


@tap.test
def everything_is_there_after_a_crash(system):
    if not isinstance(system.server, dms_server.Server):
        raise tap.Skip("needs a server of its own")
    cmis, place = system.cmis, system.place()
    key = cmis.document(place, "doc", b"bytes", properties={"cmis:description": "d"})
    pwc = cmis.act("checkOut", key["cmis:objectId"])["succinctProperties"]["cmis:objectId"]
    system.server.kill()
    system.server.start()
    cmis = system.cmis = cmis_client.Cmis(system.server.url, system.server.auth)
    tap.equal(cmis.properties(pwc)["cmis:description"], "d")
    tap.equal(cmis.content(pwc).body, b"bytes")
    cmis.act("checkIn", pwc)
    tap.equal(len(cmis.get("versions", key["cmis:objectId"])), 2)


@tap.test
def the_npm_client_passes_its_own_tests(system):
    tools = os.path.join(os.path.dirname(__file__), "../clients")
    if not shutil.which("npm"):
        raise tap.Skip("npm is not there")
    with tempfile.TemporaryDirectory(prefix="coffer-npm-") as place:
        for name in os.listdir(tools):
            shutil.copy(os.path.join(tools, name), place)
        got = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts",
                              "--prefer-offline"], cwd=place, capture_output=True, text=True,
                             check=False, timeout=300)
        if got.returncode != 0:
            raise tap.Skip("npm ci failed: " + got.stderr[-300:])
        for n in range(3):
            system.server.put(f"npm/{n}.txt", b"x")
        user, password = system.server.auth.split(":", 1)
        done = subprocess.run(
            ["node_modules/.bin/mocha", "--exit", "--require", "./hide_modern_globals.js",
             "node_modules/cmis/dist/cmis.spec.js"], cwd=place, capture_output=True, text=True,
            check=False, timeout=120,
            env={**os.environ, "CMIS_URL": system.server.url + "/cmis/browser",
                 "CMIS_USERNAME": user, "CMIS_PASSWORD": password})
        tap.equal(done.returncode, 0, done.stdout[-2000:] + done.stderr[-1000:])
        tap.true("45 passing" in done.stdout, done.stdout[-300:])


if __name__ == "__main__":
    tap.main(lambda: cmis_system.system(PROGRAM))
