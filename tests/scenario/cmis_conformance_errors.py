#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each operation of CMIS 1.1 with each cause of a refusal, in each binding's own form: the exception's
name, HTTP's status, a message; and the forms of the Browser binding and AtomPub themselves:
cmis_conformance_errors.py COFFER_DMS"""
import json
import sys
import urllib.parse

import cmis_bindings as cb
import tap
from cmis_three import ROOT, main, over, refused, send_type, type_item, type_xml

NOWHERE = "987654321"
# 5.2.9, 3.2.4.1: the statuses of the Browser binding and AtomPub. SOAP always says 500.
STATUS = {"invalidArgument": 400, "filterNotValid": 400, "objectNotFound": 404, "notSupported": 405,
          "permissionDenied": 403, "constraint": 409, "contentAlreadyExists": 409,
          "nameConstraintViolation": 409, "updateConflict": 409, "versioning": 409,
          "streamNotSupported": 403, "runtime": 500, "storage": 500}


def in_form(g, error):
    """A refusal as the binding has it."""
    if error.status: # or the client saw by the links that it cannot be
        tap.equal(error.status, 500 if g.binding == "soap" else STATUS[error.name], error)
    tap.true(error.message, "a message for people")


def not_there(g, call, /, *arguments, **named):
    in_form(g, refused("objectNotFound", call, *arguments, **named))


@over()
def what_is_not_there_is_not_found(g):
    client, number = g.client, g.document()
    name = [("String", "cmis:name", ["x"])]
    content = (b"x", "text/plain", "x")
    for call in (client.get, client.properties, client.allowable_actions, client.content,
                 client.delete, client.check_out, client.cancel, client.versions, client.acl,
                 client.policies, client.relationships, client.parents, client.renditions,
                 client.children, client.descendants, client.delete_tree, client.folder_parent,
                 client.delete_content, client.checked_out):
        not_there(g, call, NOWHERE)
    not_there(g, client.by_path, "/nothing/here")
    not_there(g, client.by_path, f"/{g.name}/nothing")
    not_there(g, client.update, NOWHERE, name)
    not_there(g, client.set_content, NOWHERE, content)
    not_there(g, client.append, NOWHERE, content, "true")
    not_there(g, client.check_in, NOWHERE, "true")
    not_there(g, client.latest, NOWHERE, "false")
    not_there(g, client.move, NOWHERE, g.folder, ROOT)
    not_there(g, client.move, number, g.folder, NOWHERE)
    not_there(g, client.add_to_folder, NOWHERE, g.folder)
    not_there(g, client.add_to_folder, number, NOWHERE)
    not_there(g, client.apply_policy, NOWHERE, number)
    not_there(g, client.copy, NOWHERE, name, g.folder)
    not_there(g, client.type, "no:type")
    not_there(g, client.type_children, "no:type")
    not_there(g, client.type_descendants, "no:type")
    not_there(g, client.delete_type, "no:type")
    for kind in ("Document", "Folder", "Item"):
        not_there(g, client.create, kind, cb.named("cmis:" + kind.lower(), "x"), NOWHERE)


@over()
def arguments_that_make_no_sense_are_refused(g):
    client, number = g.client, g.document()
    wrong = [lambda: client.get(number, includeACL="perhaps"),
             lambda: client.get(number, includeRelationships="some"),
             lambda: client.children(g.folder, most="many"),
             lambda: client.children(g.folder, skip=-1),
             lambda: client.children(g.folder, order="no:property"),
             lambda: client.children(g.folder, order="cmis:name SIDEWAYS"),
             lambda: client.descendants(g.folder, 0), lambda: client.descendants(g.folder, -2),
             lambda: client.descendants(g.folder, 0, True),
             lambda: client.type_descendants("cmis:document", 0),
             lambda: client.type_descendants("cmis:document", -2),
             lambda: client.type_children(most=-1),
             lambda: client.children(number), lambda: client.descendants(number),
             lambda: client.get("not an id"),
             lambda: client.relationships(number, "sideways"),
             lambda: client.create("Document", [("String", "cmis:name", ["x"])], g.folder),
             lambda: client.apply_policy(number, number),
             lambda: client.create("Folder", cb.named("cmis:folder", g.fresh()), number)]
    for at, call in enumerate(wrong):
        error = refused(("invalidArgument", "objectNotFound", "constraint"), call)
        in_form(g, error)
        tap.true(error.name == "invalidArgument" or error.status == 0 or error.name ==
                 "objectNotFound" and "id" in error.message, f"{at}: {error}")


@over()
def types_that_cannot_be_are_refused(g):
    number = "ce:" + g.fresh("wrong")
    for exception, wrong in (
            ("invalidArgument", {"parentId": "no:such"}), ("invalidArgument", {"id": "a b"}),
            ("invalidArgument", {"queryName": "a b"}), ("invalidArgument", {"baseId": "cmis:folder"}),
            ("invalidArgument", {"baseId": "no:base"}), ("constraint", {"id": "cmis:mine"}),
            ("constraint", {"queryName": "cmis:document"}), ("constraint", {"id": "cmis:rm_hold"})):
        in_form(g, refused(exception, send_type, g.client, {**type_item(number), **wrong}))
    send_type(g.client, type_item(number))
    in_form(g, refused("constraint", send_type, g.client, type_item(number)))
    g.client.delete_type(number)
    refused("objectNotFound", g.client.type, number)


@over()
def constraints_are_named(g):
    client = g.client
    name = g.fresh("taken")
    g.document(name=name)
    named = cb.named
    for exception, call in (
            ("nameConstraintViolation", lambda: g.document(name=name)),
            ("nameConstraintViolation", lambda: g.make(name)),
            ("nameConstraintViolation", lambda: g.document(name="a/b")),
            ("nameConstraintViolation", lambda: g.document(name="y" * 256)),
            ("constraint", lambda: client.create("Document", named("cmis:folder", g.fresh()), g.folder)),
            ("constraint", lambda: client.create("Folder", named("cmis:document", g.fresh()), g.folder)),
            ("constraint", lambda: client.create("Item", named("cmis:document", g.fresh()), g.folder)),
            ("constraint", lambda: client.create("Document", named("cmis:secondary", g.fresh()),
                                                 g.folder)),
            ("constraint", lambda: client.update(g.folder, [("String", "cmis:createdBy", ["x"])])),
            ("constraint", lambda: client.update(g.folder, [("String", "no:such", ["x"])])),
            ("constraint", lambda: client.delete(g.folder)),
            ("constraint", lambda: client.delete_type("cmis:document"))):
        try:
            call()
        except cb.CmisError as error:
            tap.equal(error.name, exception, str(error))
            in_form(g, error)
            continue
        if g.binding != "atom" or exception != "constraint": # entries say themselves what they are
            raise AssertionError(f"no {exception}")


@over()
def filters_of_renditions_follow_the_grammar(g):
    number, empty = g.document(b"words"), g.make("empty")
    for good, count in (("*", 1), ("cmis:none", 0), ("text/*", 1), ("text/plain", 1), ("image/*", 0),
                        ("coffer:text", 1), ("cmis:thumbnail, text/plain", 1), ("", 0)):
        tap.equal(len(g.client.get(number, renditionFilter=good).renditions), count, good)
    for wrong in (",", "text/plain,", ",text/plain", "text/plain,,image/*", "foo bar"):
        in_form(g, refused("filterNotValid", g.client.get, number, renditionFilter=wrong))
        in_form(g, refused("filterNotValid", g.client.children, empty, renditionFilter=wrong))
        if g.binding != "atom": # which has no operation for them
            in_form(g, refused("filterNotValid", g.client.renditions, number, wrong))


# The Browser binding's forms


def post(g, fields, place="/root", content=None):
    import cmis_client # pylint: disable=import-outside-toplevel
    if content:
        body, kind = cmis_client.multipart(fields, content)
    else:
        body, kind = urllib.parse.urlencode(fields), "application/x-www-form-urlencoded"
    return g.client.send("POST", g.client.where(place), body, kind)


def new_fields(name, kind="document", **more):
    return [("cmisaction", "create" + kind.capitalize()), ("propertyId[0]", "cmis:objectTypeId"),
            ("propertyValue[0]", "cmis:" + kind), ("propertyId[1]", "cmis:name"),
            ("propertyValue[1]", name), *more.items()]


@over("browser")
def what_is_made_has_an_address(g):
    made = post(g, [*new_fields(g.fresh("made")), ("objectId", g.folder), ("succinct", "true")],
                content=(b"x", "text/plain", "x"))
    tap.equal(made.status, 201)
    tap.true(made.getheader("Content-Type").startswith("application/json"), "JSON")
    number = json.loads(made.body)["succinctProperties"]["cmis:objectId"]
    place = made.getheader("Location")
    tap.true(place and place.startswith("http"), f"an absolute Location: {place}")
    shown = g.client.send("GET", place + ("&" if "?" in place else "?") +
                          "cmisselector=object&succinct=true")
    tap.equal(json.loads(shown.body)["succinctProperties"]["cmis:objectId"], number)
    for action, status, more in (("update", 200, [("propertyId[0]", "cmis:description"),
                                                  ("propertyValue[0]", "x")]),
                                 ("checkOut", 201, []), ):
        done = post(g, [("cmisaction", action), ("objectId", number), *more])
        tap.equal(done.status, status, action)
        if status == 201:
            tap.true(done.getheader("Location"), f"Location of {action}")
            pwc = json.loads(done.body)["properties"]["cmis:objectId"]["value"]
    done = post(g, [("cmisaction", "checkIn"), ("objectId", pwc), ("major", "true")])
    tap.equal((done.status, bool(done.getheader("Location"))), (201, True), "checkIn")
    for action, status in (("cancelCheckOut", 409), ("delete", 200)):
        tap.equal(post(g, [("cmisaction", action), ("objectId", number)]).status, status, action)


@over("browser")
def what_all_requests_may_say(g):
    number = g.document()

    def get(selector="object", **more):
        return g.client.send("GET", g.client.where("/root") + "?" + urllib.parse.urlencode(
            {"objectId": number, "cmisselector": selector, **more}))
    long = json.loads(get().body)
    tap.true("properties" in long and "succinctProperties" not in long, "long unless asked for")
    short = json.loads(get(succinct="true").body)
    tap.true("succinctProperties" in short and "properties" not in short, "succinct")
    tap.equal({name: item["value"] for name, item in long["properties"].items()},
              short["succinctProperties"])
    tap.true(isinstance(short["succinctProperties"]["cmis:creationDate"], int), "milliseconds")
    dated = json.loads(get(succinct="true", dateTimeFormat="extended").body)
    tap.true(dated["succinctProperties"]["cmis:creationDate"].endswith("Z"), "extended")
    plain = json.loads(get(succinct="true", dateTimeFormat="simple").body)
    tap.equal(plain, short, "simple is what is said of nothing")
    quiet = g.client.send("GET", g.client.where("/root") + "?objectId=" + NOWHERE +
                          "&cmisselector=object&suppressResponseCodes=true")
    tap.equal((quiet.status, json.loads(quiet.body)["exception"]), (200, "objectNotFound"))
    loud = g.client.send("GET", g.client.where("/root") + "?objectId=" + NOWHERE +
                         "&cmisselector=object")
    tap.equal((loud.status, json.loads(loud.body)["exception"]), (404, "objectNotFound"))
    for selector, download, wanted in (("content", "attachment", "attachment"),
                                       ("content", "inline", "inline"), ("content", None, "inline")):
        answer = get(selector, **({"download": download} if download else {}))
        tap.true(answer.getheader("Content-Disposition").startswith(wanted), f"{download}")
    wrong = get("nonsense")
    tap.equal((wrong.status, json.loads(wrong.body)["exception"]), (400, "invalidArgument"))
    token = "a-token-1"
    made = post(g, [*new_fields(g.fresh("token")), ("objectId", g.folder), ("token", token)],
                content=(b"x", "text/plain", "x"))
    tap.equal((made.status, made.getheader("Content-Type")), (201, "text/html; charset=utf-8"))
    cookie = made.getheader("Set-Cookie").partition(";")[0]
    told = g.client.send("GET", g.client.where() + "?cmisselector=lastResult&token=" + token,
                         Cookie=cookie)
    said = json.loads(told.body)
    tap.equal((said["code"], bool(said["objectId"])), (201, True))


@over("browser")
def properties_are_taken_in_every_form(g):
    """One value without an index, several with; a property without value is deleted."""
    number = g.document(more=[("String", "cmis:description", ["x"])])
    done = post(g, [("cmisaction", "update"), ("objectId", number), ("succinct", "true"),
                    ("propertyId[0]", "cmis:description")])
    tap.equal(json.loads(done.body)["succinctProperties"]["cmis:description"], None)
    done = post(g, [("cmisaction", "update"), ("objectId", number), ("succinct", "true"),
                    ("propertyId[0]", "cmis:description"), ("propertyValue[0][0]", "one")])
    tap.equal(json.loads(done.body)["succinctProperties"]["cmis:description"], "one")
    for case in ("cmisaction", "CMISACTION"):
        done = post(g, [(case, "delete"), ("objectId", number)])
        tap.equal(done.status, 200 if case.islower() else 400, case)
        number = number if done.status == 400 else g.document()


@over("browser")
def what_is_no_form_is_refused_in_the_bindings_form(g):
    form = "application/x-www-form-urlencoded"
    for method, target, body, kind in (
            ("GET", "?cmisselector=query&q=%ff", None, None), ("GET", "/root?a=%zz", None, None),
            ("POST", "", b"cmisaction=%", form), ("POST", "/root", b"a%00=b", form),
            ("POST", "", b"a=b&" * 9000, form), ("POST", "/root", b"{}", "application/json"),
            ("POST", "?x=%", b"cmisaction=query", form)):
        answer = g.client.send(method, g.client.where(target), body, kind)
        said = json.loads(answer.body)
        tap.equal((answer.status, said["exception"]), (400, "invalidArgument"), target)
        tap.true(said["message"], "a message for people")


# AtomPub's


@over("atom")
def entries_and_feeds_have_what_atom_wants(g):
    document = g.document()
    for number in (document, g.folder):
        entry = g.client.entry_of(number).element
        for name in ("id", "title", "updated", "published"):
            tap.true(cb.text(entry, "atom:" + name), name)
        tap.true(cb.text(entry, "atom:author/atom:name"), "an author")
        tap.true(cb.text(entry, "app:edited"), "app:edited")
        tap.equal(cb.text(entry, "atom:title"), g.client.get(number).name)
    content = cb.find(g.client.entry_of(document).element, "atom:content")
    tap.equal(content.get("type"), "text/plain")
    page = g.client.xml("GET", g.client.follow(g.folder, "down", cb.FEED))
    for name in ("id", "title", "updated"):
        tap.true(cb.text(page, "atom:" + name), f"{name} of a feed")
    tap.true(cb.text(page, "atom:author/atom:name"), "a feed's author")
    tap.equal(cb.text(page, "app:collection/cmisra:collectionType") or "children", "children")
    workspace = g.client.workspace
    tap.true(cb.text(workspace, "atom:title"), "the workspace's title")
    tap.equal(sorted(g.client.collections),
              ["checkedout", "query", "root", "types", "unfiled", "update"])
    tap.equal(sorted(g.client.templates), ["objectbyid", "objectbypath", "query", "typebyid"])
    for name, variables in (
            ("objectbyid", "id filter includeAllowableActions includePolicyIds "
                           "includeRelationships includeACL renditionFilter"),
            ("objectbypath", "path filter includeAllowableActions includePolicyIds "
                             "includeRelationships includeACL renditionFilter"),
            ("typebyid", "id"),
            ("query", "q searchAllVersions includeAllowableActions includeRelationships maxItems "
                      "skipCount renditionFilter")):
        for variable in variables.split():
            tap.true("{" + variable + "}" in g.client.templates[name], f"{variable} in {name}")
    for collection in workspace.findall("app:collection", cb.NS):
        tap.true(cb.text(collection, "atom:title"), "a collection's title")
        tap.true(collection.findall("app:accept", cb.NS), "what a collection accepts")


@over("atom")
def a_content_is_never_dropped_in_silence(g):
    """The type says what an entry is; one with a content is meant to be a document."""
    target = g.client.follow(g.folder, "down", cb.FEED)
    for kind in ("folder", "item"):
        body = g.client.object_xml(cb.named("cmis:" + kind, g.fresh()), (b"x", "text/plain", "x"))
        refused("constraint", g.client.ask, "POST", target, body, cb.ENTRY)
        g.client.ask("POST", target, g.client.object_xml(cb.named("cmis:" + kind, g.fresh())), cb.ENTRY)
    tap.equal(len(g.client.children(g.folder)[0]), 2, "what was refused is not there")


@over("atom")
def types_are_made_below_their_parent(g):
    """Apache's clients post a new type to the feed of its parent's children."""
    number = "ce:" + g.fresh("posted")
    inner, kind = type_xml(type_item(number))
    body = g.client.entry_xml(f'<cmisra:type xsi:type="{kind}">{inner}</cmisra:type>')
    down = g.client.type_entry("cmis:document").link("down", cb.FEED)
    made = g.client.ask("POST", down, body, cb.ENTRY)
    tap.equal((made.status, cb.Entry(cb.tree.fromstring(made.body)).type.id), (201, number))
    tap.equal(g.client.entry("GET", made.getheader("Location")).type.id, number)
    refused("constraint", g.client.ask, "POST", down, body, cb.ENTRY)
    g.client.delete_type(number)
    refused("objectNotFound", g.client.type, number)


@over("atom")
def what_is_made_by_post_has_a_location(g):
    target = g.client.follow(g.folder, "down", cb.FEED)
    made = g.client.ask("POST", target, g.client.object_xml(
        cb.named("cmis:document", g.fresh("made")), (b"x", "text/plain", "x")), cb.ENTRY)
    tap.equal(made.status, 201)
    tap.true(made.getheader("Location").startswith("http"), "Location")
    number = cb.Entry(cb.tree.fromstring(made.body)).object.id
    tap.equal(g.client.entry("GET", made.getheader("Location")).object.id, number)
    out = g.client.ask("POST", g.client.collections["checkedout"],
                       g.client.object_xml([("Id", "cmis:objectId", [number])]), cb.ENTRY)
    tap.equal((out.status, bool(out.getheader("Location"))), (201, True))
    pwc = cb.Entry(cb.tree.fromstring(out.body)).object.id
    tap.equal(g.client.send("DELETE", g.client.follow(pwc, "self")).status, 204)
    tap.equal(g.client.send("DELETE", g.client.follow(number, "edit-media")).status, 204)
    tap.equal(g.client.send("DELETE", g.client.follow(number, "self")).status, 204)
    query = g.client.send("POST", g.client.collections["query"], (
        f'<cmis:query xmlns:cmis="{cb.NS["cmis"]}"><cmis:statement>SELECT * FROM cmis:folder'
        "</cmis:statement></cmis:query>").encode(), "application/cmisquery+xml")
    tap.equal((query.status, bool(query.getheader("Location"))), (201, True))
    again = g.client.xml("GET", query.getheader("Location"))
    tap.true(again.findall("atom:entry", cb.NS), "the query's address gives its rows")


# Web Services'


@over("soap")
def faults_are_typed(g):
    client = g.client
    body = client.envelope("<cmism:getObject><cmism:repositoryId>coffer</cmism:repositoryId>"
                           f"<cmism:objectId>{NOWHERE}</cmism:objectId></cmism:getObject>")
    answer = client.post("ObjectService", body)
    fault = cb.tree.fromstring(answer.body).find("soap:Body/soap:Fault", cb.NS)
    tap.equal(answer.status, 500)
    tap.true(fault.findtext("faultcode").endswith((":Client", ":Server")), "a fault code")
    tap.true(fault.findtext("faultstring"), "a fault string")
    detail = fault.find("detail/cmism:cmisFault", cb.NS)
    tap.equal(cb.text(detail, "cmism:type"), "objectNotFound")
    tap.true(cb.text(detail, "cmism:code").isdigit(), "a code")
    tap.true(cb.text(detail, "cmism:message"), "a message")
    for repository in ("other", ""):
        refused(("objectNotFound", "invalidArgument"), client.call, "getRepositoryInfo", "",
                repository=repository)
    every = {op for ops in cb.Soap.OPERATIONS.values() for op in ops.split()} - {"getRepositories"}
    for operation in sorted(every): # nothing but the repository, and nothing at all
        if operation in ("getTypeChildren", "getTypeDescendants", "getCheckedOutDocs",
                         "getContentChanges", "getRepositoryInfo"):
            continue # the repository is enough
        refused("invalidArgument", client.call, operation, "")
    for operation in sorted(every):
        refused("invalidArgument", client.call, operation, "", repository=None)


if __name__ == "__main__":
    main(sys.argv[1])
