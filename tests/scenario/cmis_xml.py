# SPDX-License-Identifier: Apache-2.0
"""CMIS 1.1 over AtomPub and over Web Services, group by group as the specification's conformance
suites go: cmis_xml.py COFFER_DMS

Each group runs over each binding; what a binding says is compared with what REST says."""
import contextlib
import sys
import tempfile
import urllib.parse

import cmis_bindings as cb
import dms_server
import tap

ROOT = "1"


class System:
    """A server, the directory where bodies are kept, and a client of each binding."""

    def __init__(self, server, keep):
        self.server, self.keep, self.clients, self.serial = server, keep, {}, 0

    def logs(self):
        return self.server.logs() if hasattr(self.server, "logs") else ""

    def client(self, name):
        if name not in self.clients:
            url, auth, ca = self.server.url, self.server.auth, self.server.ca
            if name.startswith("soap"):
                client = cb.Soap(url, auth, self.keep, ca)
                client.token = name == "soap token inline"
                client.mtom = not client.token
            else:
                client = cb.Atom(url, auth, self.keep, ca, "/cmis/" + name)
            self.clients[name] = client
        return self.clients[name]

    def fresh(self, what="f"):
        self.serial += 1
        return f"{what}{self.serial}"


class Group:
    """What a test works with: a client and a folder of its own."""

    def __init__(self, system, client):
        self.system, self.client = system, client
        self.name = system.fresh("group")
        self.folder = client.create("Folder", cb.named("cmis:folder", self.name), ROOT)

    def fresh(self, what="doc"):
        return self.system.fresh(what)

    def document(self, content=b"hello", folder=None, state=None, kind="text/plain", **named):
        name = named.get("name", self.fresh("doc") + ".txt")
        return self.client.create("Document", cb.named(named.get("type", "cmis:document"), name,
                                                       *named.get("more", ())),
                                  folder or self.folder,
                                  None if content is None else (content, kind, name), state)

    def rest(self, path):
        answer = self.system.server.ask("/api/files/" + urllib.parse.quote(path))
        return answer.body


def refused(exception, call, /, *arguments, **named):
    """The operation must fail with this exception."""
    names = exception if isinstance(exception, tuple) else (exception,)
    try:
        got = call(*arguments, **named)
    except cb.CmisError as error:
        if error.name not in names:
            raise AssertionError(f"{error} instead of {names}") from error
        return
    raise AssertionError(f"no {names} but {got!r}")


# Groups


def repository_info(g):
    info = g.client.info()
    tap.equal(g.client.repositories(), ["coffer"])
    tap.equal(cb.text(info, "cmis:repositoryId"), "coffer")
    tap.equal(cb.text(info, "cmis:rootFolderId"), ROOT)
    version = "1.0" if g.client.name.startswith("atom10") else "1.1"
    tap.equal(cb.text(info, "cmis:cmisVersionSupported"), version)
    for name in ("repositoryName", "vendorName", "productName", "productVersion"):
        tap.true(cb.text(info, "cmis:" + name), name)
    capabilities = cb.find(info, "cmis:capabilities")
    tap.true(cb.text(capabilities, "cmis:capabilityACL") in ("none", "discover", "manage"), "ACL")
    created = cb.find(capabilities, "cmis:capabilityCreatablePropertyTypes")
    tap.equal(created is None, version == "1.0", "whether new types are spoken of in 1.0")
    refused("objectNotFound", lambda: g.client.call("getRepositoryInfo", "", repository="other")) \
        if g.client.name == "soap" else None


def base_types(g):
    bases = ["cmis:document", "cmis:folder", "cmis:relationship", "cmis:policy", "cmis:item",
             "cmis:secondary"]
    if g.client.name == "atom10":
        bases = bases[:4]
    found, more, _ = g.client.type_children()
    tap.equal(sorted(t.id for t in found), sorted(bases))
    tap.true(not more and not any(t.properties for t in found), "definitions are not asked for")
    with_ = g.client.type_children(properties="true")[0]
    tap.true(all("cmis:name" in t.properties for t in with_ if t.id != "cmis:secondary"),
             "definitions")
    for number in bases:
        kind = g.client.type(number)
        tap.equal((kind.id, kind.values["baseId"]), (number, number))
        tap.true("parentId" not in kind.values, "a base type has no parent")
        tap.true(kind.kind.startswith("cmis:cmisType"), kind.kind)
    document = g.client.type("cmis:document")
    tap.equal(cb.text(document.properties["cmis:name"], "cmis:required"), "true")
    tap.true(document.values["contentStreamAllowed"] in ("allowed", "required"), "contents")
    refused("objectNotFound", g.client.type, "no:such-type")
    if g.client.name != "atom10":
        page, more, total = g.client.type_children(most=2)
        tap.equal((len(page), more, total), (2, True, 6))
        page, more, _ = g.client.type_children(most=2, skip=4)
        tap.equal((len(page), more), (2, False))
    tree = g.client.type_descendants(depth=-1)
    tap.equal(sorted(n.object.id for n in tree), sorted(bases))
    g.client.type_descendants("cmis:document", depth=-1)


def folders_and_documents(g):
    content = dms_server.noise(40_000)
    number = g.document(content, kind="application/pdf", name="a & b <ü>.pdf")
    found = g.client.get(number)
    tap.equal(found.name, "a & b <ü>.pdf")
    tap.equal(found["cmis:baseTypeId"], "cmis:document")
    tap.equal(found["cmis:contentStreamLength"], str(len(content)))
    tap.equal(found["cmis:contentStreamMimeType"], "application/pdf")
    tap.equal(found.kinds["cmis:creationDate"], "DateTime")
    tap.equal(found.kinds["cmis:isLatestVersion"], "Boolean")
    tap.equal(found.attributes["cmis:name"]["queryName"], "cmis:name")
    tap.equal(g.client.content(number), (content, "application/pdf", "a & b <ü>.pdf"))
    tap.true(g.rest(f"{g.name}/a & b <ü>.pdf") == content, "what REST says of the content")
    tap.equal(g.client.by_path(f"/{g.name}/a & b <ü>.pdf").id, number)
    inner = g.client.create("Folder", cb.named("cmis:folder", "inner"), g.folder)
    tap.equal(g.client.folder_parent(inner).id, g.folder)
    tap.equal(g.client.get(inner)["cmis:path"], f"/{g.name}/inner")
    tap.equal([(p.id, p.segment) for p in g.client.parents(number)],
              [(g.folder, "a & b <ü>.pdf")])
    refused("invalidArgument", g.client.folder_parent, ROOT)
    refused("objectNotFound", g.client.get, "99999999")
    refused("objectNotFound", g.client.by_path, "/no/such/path")
    refused("nameConstraintViolation", g.document, name="a & b <ü>.pdf")
    refused(("constraint", "invalidArgument"), g.document, name="")
    refused(("constraint", "nameConstraintViolation", "invalidArgument"), g.document, name="a/b")
    refused(("invalidArgument", "constraint", "objectNotFound"), g.document, type="no:such-type")
    refused("objectNotFound", g.document, folder="99999999")


def without_content(g):
    number = g.document(None)
    found = g.client.get(number)
    tap.true(not found.properties["cmis:contentStreamLength"] or
             found["cmis:contentStreamLength"] == "0", "no length")
    refused("constraint", g.client.content, number)


def children_and_paging(g):
    names = [f"c{i:02}" for i in range(23)]
    for name in reversed(names):
        g.document(b"x", name=name)
    found, more, total = g.client.children(g.folder, order="cmis:name ASC")
    tap.equal([o.name for o in found], names)
    tap.equal((more, total), (False, 23))
    seen = []
    for skip in range(0, 30, 5):
        page, more, total = g.client.children(g.folder, most=5, skip=skip, order="cmis:name ASC")
        seen += [o.name for o in page]
        tap.equal((more, total), (skip + 5 < 23, 23), f"page at {skip}")
    tap.equal(seen, names)
    page, more, total = g.client.children(g.folder, most=5, order="cmis:name DESC")
    tap.equal([o.name for o in page], list(reversed(names))[:5])
    page = g.client.children(g.folder, most=3, includePathSegment="true")[0]
    tap.equal([o.segment for o in page], [o.name for o in page])
    page = g.client.children(g.folder, most=0)
    tap.equal((len(page[0]), page[1]), (0, True))
    only = g.client.children(g.folder, most=1, filter="cmis:name,cmis:objectId")[0][0]
    tap.equal(sorted(only.properties), ["cmis:name", "cmis:objectId"])
    refused("filterNotValid", g.client.children, g.folder, filter="cmis:name,,(")
    refused("invalidArgument", g.client.children, g.folder, most=-1)
    refused(("invalidArgument", "objectNotFound", "constraint"), g.client.children,
            g.document(b"x"))


def trees(g):
    a = g.client.create("Folder", cb.named("cmis:folder", "a"), g.folder)
    b = g.client.create("Folder", cb.named("cmis:folder", "b"), a)
    g.document(b"1", folder=b, name="deep.txt")
    g.document(b"1", name="top.txt")

    def shape(nodes):
        return {n.object.name: shape(n.children) for n in nodes}
    tap.equal(shape(g.client.descendants(g.folder)),
              {"a": {"b": {"deep.txt": {}}}, "top.txt": {}})
    tap.equal(shape(g.client.descendants(g.folder, depth=1)), {"a": {}, "top.txt": {}})
    tap.equal(shape(g.client.descendants(g.folder, depth=2)), {"a": {"b": {}}, "top.txt": {}})
    tap.equal(shape(g.client.descendants(g.folder, folders=True)), {"a": {"b": {}}})
    tap.equal(g.client.descendants(g.folder)[0].object.segment is not None, True)
    refused("invalidArgument", g.client.descendants, g.folder, depth=0)


def updates(g):
    number = g.document(name="before.txt")
    token = g.client.get(number)["cmis:changeToken"]
    after = g.client.update(number, [("String", "cmis:name", ["after.txt"]),
                                     ("String", "cmis:description", ["what it is"])], token)
    found = g.client.get(after)
    tap.equal((found.name, found["cmis:description"]), ("after.txt", "what it is"))
    tap.true(g.rest(f"{g.name}/after.txt") == b"hello", "REST knows the new name")
    refused("updateConflict", g.client.update, after,
            [("String", "cmis:name", ["third.txt"])], "an old token")
    tap.equal(g.client.get(after).name, "after.txt")
    g.client.update(after, [("String", "cmis:description", [])])
    tap.equal(g.client.get(after).properties["cmis:description"], [])
    refused("constraint", g.client.update, after, [("String", "cmis:createdBy", ["me"])])
    other = g.document(name="other.txt")
    refused("nameConstraintViolation", g.client.update, other,
            [("String", "cmis:name", ["after.txt"])])


def contents(g):
    number = g.document(b"one")
    refused("contentAlreadyExists", g.client.set_content, number, (b"two", "text/plain", "two"),
            overwrite="false")
    after = g.client.set_content(number, (b"two", "text/html", "two.html"), overwrite="true")
    tap.equal(g.client.content(after), (b"two", "text/html", "two.html"))
    after = g.client.append(after, (b" and", "text/html", "x"), "false")
    after = g.client.append(after, (b" three", "text/html", "x"), "true")
    tap.equal(g.client.content(after)[0], b"two and three")
    tap.equal(g.client.content(after, offset=4)[0], b"and three")
    tap.equal(g.client.content(after, offset=4, length=3)[0], b"and")
    g.client.delete_content(after)
    latest = g.client.latest(after, "false").id
    refused("constraint", g.client.content, latest)
    after = g.client.set_content(latest, (b"again", "text/plain", "again"), overwrite="false")
    tap.equal(g.client.content(after)[0], b"again")
    refused("updateConflict", g.client.set_content, after, (b"no", "text/plain", "no"),
            overwrite="true", token="an old token")
    tap.equal(g.client.content(after)[0], b"again")
    refused(("constraint", "streamNotSupported", "invalidArgument", "notSupported"),
            g.client.set_content if g.client.name == "soap" else cannot_set, g.folder,
            (b"x", "text/plain", "x"))


def cannot_set(_number, _content):
    raise cb.CmisError("constraint", "a folder has no edit-media link", 0)


def sizes(g):
    for size in (0, 1, 2, 3, 4, 3071, 3072, 3073, 70_000, 3_000_001):
        content = dms_server.noise(size)
        number = g.document(content, kind="application/octet-stream")
        tap.true(g.client.content(number)[0] == content, f"{size} bytes")
        tap.true(g.rest(f"{g.name}/{g.client.get(number).name}") == content, f"{size} by REST")


def moves_and_deletes(g):
    a = g.client.create("Folder", cb.named("cmis:folder", "a"), g.folder)
    b = g.client.create("Folder", cb.named("cmis:folder", "b"), g.folder)
    number = g.document(folder=a, name="moving.txt")
    g.client.move(number, a, b)
    tap.equal(g.client.by_path(f"/{g.name}/b/moving.txt").id, number)
    refused("objectNotFound", g.client.by_path, f"/{g.name}/a/moving.txt")
    refused(("invalidArgument", "constraint"), g.client.move, number, a, g.folder)
    refused("constraint", g.client.delete, b)
    g.client.delete(number)
    refused("objectNotFound", g.client.get, number)
    g.client.delete(b)
    g.document(folder=a)
    tap.equal(g.client.delete_tree(a), [])
    refused("objectNotFound", g.client.get, a)
    refused(("constraint", "invalidArgument", "permissionDenied", "notSupported"),
            g.client.delete, ROOT)


def versioning(g):
    number = g.document(b"v1", state="major")
    tap.equal(g.client.get(number)["cmis:versionLabel"], "1.0")
    pwc = g.client.check_out(number)
    copy = g.client.get(pwc)
    tap.equal(copy["cmis:isVersionSeriesCheckedOut"], "true")
    tap.equal(copy["cmis:versionSeriesCheckedOutId"], pwc)
    tap.true(pwc in [o.id for o in g.client.checked_out(g.folder)], "it is listed")
    refused("versioning", g.client.check_out, number)
    g.client.cancel(pwc)
    refused("objectNotFound", g.client.get, pwc)
    tap.equal(g.client.get(number)["cmis:isVersionSeriesCheckedOut"], "false")
    pwc = g.client.check_out(number)
    second = g.client.check_in(pwc, "true", [("String", "cmis:description", ["new"])],
                               (b"v2", "text/plain", "v2.txt"), "because")
    found = g.client.get(second)
    tap.equal((found["cmis:isMajorVersion"], found["cmis:checkinComment"], found["cmis:description"]),
              ("true", "because", "new"))
    tap.equal(g.client.content(second)[0], b"v2")
    tap.equal(g.client.content(number)[0], b"v1")
    pwc = g.client.check_out(second)
    third = g.client.check_in(pwc, "false", content=(b"v3", "text/plain", "v3.txt"))
    tap.equal(g.client.get(third)["cmis:isMajorVersion"], "false")
    tap.equal([o.id for o in g.client.versions(third)], [third, second, number])
    tap.equal(g.client.latest(number, "false").id, third)
    tap.equal(g.client.latest(number, "true").id, second)
    g.client.delete(third, all_versions="false")
    tap.equal([o.id for o in g.client.versions(number)], [second, number])
    g.client.delete(number, all_versions="true")
    refused("objectNotFound", g.client.get, second)


def flags(g):
    number = g.document()
    plain = g.client.get(number)
    tap.true(plain.actions is None and plain.acl is None and not plain.relationships, "nothing more")
    full = g.client.get(number, includeAllowableActions="true", includeACL="true",
                        includePolicyIds="true", includeRelationships="both")
    tap.equal(full.actions["canGetProperties"], True)
    tap.equal(full.actions, g.client.allowable_actions(number))
    tap.equal(full.acl, g.client.acl(number))
    folder = g.client.allowable_actions(g.folder)
    tap.equal((folder["canGetChildren"], folder["canCheckOut"]), (True, False))
    only = g.client.get(number, filter="cmis:name")
    tap.true("cmis:name" in only.properties and "cmis:createdBy" not in only.properties, "a filter")
    refused("filterNotValid", g.client.get, number, filter="a,,(b")


def queries(g):
    if cb.text(g.client.info(), "cmis:capabilities/cmis:capabilityQuery") == "none":
        refused("notSupported", g.client.query, "SELECT * FROM cmis:document")
        return
    for name in ("qa.txt", "qb.txt", "qc.txt"):
        g.document(name=name)
    where = f"FROM cmis:document WHERE IN_FOLDER('{g.folder}') ORDER BY cmis:name"
    rows, more, total = g.client.query(f"SELECT * {where}")
    tap.equal([r.name for r in rows], ["qa.txt", "qb.txt", "qc.txt"])
    tap.equal(total, 3)
    rows, more, _ = g.client.query(f"SELECT cmis:name, cmis:objectId {where}", most=2, skip=1)
    tap.equal(([r.name for r in rows], more), (["qb.txt", "qc.txt"], False))
    rows = g.client.query(f"SELECT cmis:name AS n {where}", most=1)[0]
    tap.equal(list(rows[0].attributes.values())[0]["queryName"], "n")
    refused("invalidArgument", g.client.query, "SELECT nonsense FROM")


def acls(g):
    number = g.document()
    add = {("anyone", "cmis:read")}
    if g.client.name != "atom10":
        after = g.client.apply_acl(number, add=add)
        tap.true(("anyone", "cmis:read", True) in after, f"added: {after}")
        tap.equal(g.client.acl(number), after)
        after = g.client.apply_acl(number, remove=add)
        tap.true(("anyone", "cmis:read", True) not in after, f"removed: {after}")
    refused("objectNotFound", g.client.acl, "99999999")


def filing(g):
    capabilities = cb.find(g.client.info(), "cmis:capabilities")
    if cb.text(capabilities, "cmis:capabilityMultifiling") != "true":
        return
    other = g.client.create("Folder", cb.named("cmis:folder", "other"), g.folder)
    number = g.document(name="filed.txt")
    g.client.add_to_folder(number, other)
    tap.equal(sorted(p.id for p in g.client.parents(number)), sorted([g.folder, other]))
    g.client.remove_from_folder(number, other)
    tap.equal([p.id for p in g.client.parents(number)], [g.folder])


def relationships(g):
    source, target = g.document(), g.document()
    number = g.client.create("Relationship", cb.named(
        "cmis:relationship", "a link", ("Id", "cmis:sourceId", [source]),
        ("Id", "cmis:targetId", [target])))
    found = g.client.get(number)
    tap.equal((found["cmis:sourceId"], found["cmis:targetId"]), (source, target))
    tap.equal([r.id for r in g.client.relationships(source)], [number])
    tap.equal([r.id for r in g.client.relationships(target, "source")], [])
    tap.equal([r.id for r in g.client.relationships(target, "either")], [number])
    tap.equal([r.id for r in g.client.get(source, includeRelationships="source").relationships],
              [number])
    g.client.delete(number)
    tap.equal(g.client.relationships(source), [])


def policies(g):
    if g.client.type("cmis:policy").values["creatable"] != "true":
        return
    policy = g.client.create("Policy", cb.named(
        "cmis:policy", g.fresh("policy"), ("String", "cmis:policyText", ["be kind"])))
    number = g.document()
    g.client.apply_policy(policy, number)
    tap.equal([p.id for p in g.client.policies(number)], [policy])
    tap.equal(g.client.get(number, includePolicyIds="true").policies, [policy])
    g.client.remove_policy(policy, number)
    tap.equal(g.client.policies(number), [])


def items(g):
    if g.client.name == "atom10":
        return
    number = g.client.create("Item", cb.named("cmis:item", g.fresh("item")), g.folder)
    tap.equal(g.client.get(number)["cmis:baseTypeId"], "cmis:item")
    g.client.delete(number)


def changes(g):
    if cb.text(g.client.info(), "cmis:capabilities/cmis:capabilityChanges") == "none":
        refused("notSupported", g.client.changes)
        return
    number = g.document()
    token, seen, more = None, [], True
    while more:
        page, more, token = g.client.changes(token, most=50)
        tap.true(page, "a page with events")
        seen += [(o.id, o.change) for o in page]
        tap.true(token or not more, "a token to go on with")
    tap.true((number, "created") in seen, "the new document")


def bulk_updates(g):
    if g.client.name == "atom10":
        return
    numbers = [g.document() for _ in range(3)]
    after = g.client.bulk(numbers, [("String", "cmis:description", ["of all"])])
    tap.equal(len(after), 3)
    tap.true(all(g.client.get(n)["cmis:description"] == "of all" for n in after), "each has it")


PROPERTY_KINDS = {"string": "String", "id": "Id", "integer": "Integer", "decimal": "Decimal",
                  "boolean": "Boolean", "datetime": "DateTime", "html": "Html", "uri": "Uri"}
SAMPLES = {"string": ["a <b> & c"], "id": ["an-id"], "integer": ["-42"], "decimal": ["1.5"],
           "boolean": ["true"], "datetime": ["2024-02-29T12:00:00.000Z"], "html": ["<p>x</p>"],
           "uri": ["http://a/?b&c"]}


def definition(kind, name, more="", multi=False):
    return (f"<cmis:property{PROPERTY_KINDS[kind]}Definition><cmis:id>{name}</cmis:id>"
            f"<cmis:localName>{name}</cmis:localName><cmis:localNamespace>urn:test"
            f"</cmis:localNamespace><cmis:displayName>The {kind}</cmis:displayName>"
            f"<cmis:queryName>{name}</cmis:queryName><cmis:description>of {kind}"
            f"</cmis:description><cmis:propertyType>{kind}</cmis:propertyType><cmis:cardinality>"
            f"{'multi' if multi else 'single'}</cmis:cardinality><cmis:updatability>readwrite"
            "</cmis:updatability><cmis:inherited>false</cmis:inherited><cmis:required>false"
            "</cmis:required><cmis:queryable>true</cmis:queryable><cmis:orderable>"
            f"{'false' if multi else 'true'}</cmis:orderable>{more}"
            f"</cmis:property{PROPERTY_KINDS[kind]}Definition>")


def type_xml(number, base, definitions, ending=""):
    return (f"<cmis:id>{number}</cmis:id><cmis:localName>{number}</cmis:localName>"
            f"<cmis:localNamespace>urn:test</cmis:localNamespace><cmis:displayName>A type"
            f"</cmis:displayName><cmis:queryName>{number}</cmis:queryName><cmis:description>of a "
            f"test</cmis:description><cmis:baseId>{base}</cmis:baseId><cmis:parentId>{base}"
            "</cmis:parentId><cmis:creatable>true</cmis:creatable><cmis:fileable>true"
            "</cmis:fileable><cmis:queryable>true</cmis:queryable><cmis:fulltextIndexed>false"
            "</cmis:fulltextIndexed><cmis:includedInSupertypeQuery>true"
            "</cmis:includedInSupertypeQuery><cmis:controllablePolicy>true"
            "</cmis:controllablePolicy><cmis:controllableACL>true</cmis:controllableACL>"
            f"{definitions}{ending}")


DOCUMENT_END = ("<cmis:versionable>true</cmis:versionable><cmis:contentStreamAllowed>allowed"
                "</cmis:contentStreamAllowed>")


def new_types(g):
    if g.client.name == "atom10":
        return
    number = "test:" + g.fresh("type")
    definitions = "".join(definition(kind, f"{number}:{kind}") for kind in PROPERTY_KINDS)
    definitions += definition("string", f"{number}:many", multi=True)
    definitions += definition(
        "string", f"{number}:color", "<cmis:openChoice>false</cmis:openChoice><cmis:defaultValue>"
        "<cmis:value>red</cmis:value></cmis:defaultValue><cmis:maxLength>20</cmis:maxLength>"
        '<cmis:choice displayName="Warm"><cmis:choice displayName="Red"><cmis:value>red'
        '</cmis:value></cmis:choice></cmis:choice><cmis:choice displayName="Blue"><cmis:value>blue'
        "</cmis:value></cmis:choice>")
    definitions += definition("integer", f"{number}:level",
                              "<cmis:maxValue>10</cmis:maxValue><cmis:minValue>1</cmis:minValue>")
    made = g.client.create_type(type_xml(number, "cmis:document", definitions, DOCUMENT_END),
                                "cmis:cmisTypeDocumentDefinitionType")
    tap.equal((made.id, made.values["parentId"]), (number, "cmis:document"))
    kind = g.client.type(number)
    for name in PROPERTY_KINDS:
        tap.equal(cb.text(kind.properties[f"{number}:{name}"], "cmis:propertyType"), name)
    color = kind.properties[f"{number}:color"]
    tap.equal(cb.text(color, "cmis:defaultValue/cmis:value"), "red")
    tap.equal([c.get("displayName") for c in color.findall("cmis:choice", cb.NS)],
              ["Warm", "Blue"])
    tap.equal(cb.text(color, "cmis:choice/cmis:choice/cmis:value"), "red")
    level = kind.properties[f"{number}:level"]
    tap.equal((cb.text(level, "cmis:minValue"), cb.text(level, "cmis:maxValue")), ("1", "10"))
    tap.true(number in [t.id for t in g.client.type_children("cmis:document")[0]], "a child type")
    more = [(PROPERTY_KINDS[name], f"{number}:{name}", value) for name, value in SAMPLES.items()]
    more.append(("String", f"{number}:many", ["one", "two", "three"]))
    document = g.document(type=number, more=more)
    found = g.client.get(document)
    for name, value in SAMPLES.items():
        tap.equal(found.properties[f"{number}:{name}"], value, name)
    tap.equal(found.properties[f"{number}:many"], ["one", "two", "three"])
    tap.equal(found.properties[f"{number}:color"], ["red"], "the default")
    for wrong in (("String", f"{number}:color", ["green"]), ("Integer", f"{number}:level", ["11"]),
                  ("String", f"{number}:string", ["a", "b"])):
        refused(("constraint", "invalidArgument"), g.client.update, document, [wrong])
    refused(("constraint", "invalidArgument"), g.document, type=number,
            more=[("Integer", f"{number}:integer", ["no number"])])
    refused("constraint", g.client.delete_type, number)
    g.client.delete(document)
    g.client.delete_type(number)
    refused("objectNotFound", g.client.type, number)


def secondary_types(g):
    if g.client.name == "atom10":
        return
    number = "test:" + g.fresh("aspect")
    g.client.create_type(type_xml(number, "cmis:secondary", definition("string", f"{number}:s")),
                         "cmis:cmisTypeSecondaryDefinitionType")
    document, other = g.document(), g.document()
    ids = "cmis:secondaryObjectTypeIds"
    document = g.client.update(document, [("Id", ids, [number]),
                                          ("String", f"{number}:s", ["of the aspect"])])
    found = g.client.get(document)
    tap.equal((found.properties[ids], found[f"{number}:s"]), ([number], "of the aspect"))
    tap.equal(g.client.get(g.client.bulk([other], [], add=[number])[0]).properties[ids], [number])
    refused("constraint", g.client.delete_type, number)
    document = g.client.update(document, [("Id", ids, [])])
    found = g.client.get(document)
    tap.true(not found.properties[ids] and f"{number}:s" not in found.properties, "it is gone")
    refused(("constraint", "invalidArgument"), g.client.update, document,
            [("Id", ids, ["no:such-type"])])
    refused(("constraint", "invalidArgument"), g.client.update, document,
            [("Id", ids, ["cmis:document"])])
    g.client.delete(other)
    g.client.delete(document)
    g.client.delete_type(number)


def changed_types(g):
    if g.client.name == "atom10":
        return
    number = "test:" + g.fresh("changing")
    kind = "cmis:cmisTypeFolderDefinitionType"
    g.client.create_type(type_xml(number, "cmis:folder", definition("integer", f"{number}:a")), kind)
    refused(("constraint", "invalidArgument", "nameConstraintViolation"), g.client.create_type,
            type_xml(number, "cmis:folder", ""), kind)
    refused(("constraint", "invalidArgument", "objectNotFound"), g.client.create_type, type_xml(
        number + "x", "cmis:folder", "").replace(">cmis:folder</cmis:parentId>",
                                                 ">no:such</cmis:parentId>"), kind)
    after = g.client.update_type(type_xml(number, "cmis:folder", definition(
        "integer", f"{number}:a") + definition("string", f"{number}:b")), kind)
    tap.true(f"{number}:b" in after.properties, "a property that was added")
    tap.true(f"{number}:b" in g.client.type(number).properties, "it is there")
    folder = g.client.create("Folder", cb.named(number, "typed", ("Integer", f"{number}:a", ["7"])),
                             g.folder)
    tap.equal(g.client.get(folder)[f"{number}:a"], "7")
    g.client.delete(folder)
    g.client.delete_type(number)
    refused(("constraint", "invalidArgument", "permissionDenied", "notSupported"),
            g.client.delete_type, "cmis:document")


def unfiled_objects(g):
    capabilities = cb.find(g.client.info(), "cmis:capabilities")
    if cb.text(capabilities, "cmis:capabilityUnfiling") != "true":
        return
    name = g.fresh("unfiled") + ".txt"
    number = g.client.create("Document", cb.named("cmis:document", name), None,
                             (b"nowhere", "text/plain", name))
    tap.equal(g.client.parents(number), [])
    tap.equal(g.client.content(number)[0], b"nowhere")
    g.client.add_to_folder(number, g.folder)
    tap.equal([p.id for p in g.client.parents(number)], [g.folder])
    g.client.remove_from_folder(number, g.folder)
    tap.equal(g.client.parents(number), [])
    g.client.delete(number)


def copies(g):
    number = g.document(dms_server.noise(50_000))
    copy = g.client.copy(number, cb.named("cmis:document", "a copy")
                         if g.client.name != "soap" else [("String", "cmis:name", ["a copy"])],
                         g.folder)
    tap.true(copy != number and g.client.content(copy)[0] == dms_server.noise(50_000), "a copy")
    tap.equal(g.client.get(copy).name, "a copy")
    refused("objectNotFound", g.client.copy, "99999999", cb.named("cmis:document", "x"), g.folder)


def properties_alone(g):
    number = g.document(b"p", more=[("String", "cmis:description", ["text"])])
    tap.equal(g.client.properties(number)["cmis:description"], "text")
    some = g.client.properties(number, "cmis:name,cmis:description")
    tap.true("cmis:createdBy" not in some.properties, "a filter")
    tap.equal(g.client.latest(number, "false").id, number)
    if isinstance(g.client, cb.Soap):
        answer = g.client.call("getPropertiesOfLatestVersion", g.client.scalars(
            objectId=number, major="false", filter="cmis:name"))
        tap.equal(cb.Object(cb.find(answer, "cmism:properties")).name, g.client.get(number).name)


def renditions(g):
    capabilities = cb.find(g.client.info(), "cmis:capabilities")
    number = g.document(dms_server.png(), kind="image/png", name=g.fresh("r") + ".png")
    if cb.text(capabilities, "cmis:capabilityRenditions") == "none":
        if isinstance(g.client, cb.Soap):
            try:
                tap.equal(g.client.renditions(number), [])
            except cb.CmisError as error:
                tap.equal(error.name, "notSupported")
        return
    found = g.client.renditions(number)
    tap.true(all(r["kind"] and r["streamId"] and r["mimetype"] for r in found), found)
    for rendition in found:
        data, kind, _ = g.client.content(number, stream=rendition["streamId"])
        tap.equal((str(len(data)), kind), (rendition["length"], rendition["mimetype"]))


def what_others_may(g):
    """A user without rights of a folder's own ACL sees and changes nothing in it."""
    if g.client.name == "atom10":
        return
    system, name = g.system, "other" + g.fresh("user")
    made = system.server.post("/api/users", {"name": name, "password": "one-time-secret"})
    tap.equal(made.status, 201)
    changed = system.server.ask("/api/me/password", "-X", "PUT", "-H",
                                "Content-Type: application/json", "-d",
                                '{"old": "one-time-secret", "new": "a-secret-of-ones-own"}',
                                auth=f"{name}:one-time-secret")
    tap.equal(changed.status, 204)
    auth = f"{name}:a-secret-of-ones-own"
    other = (cb.Soap if isinstance(g.client, cb.Soap) else cb.Atom)(system.server.url, auth,
                                                                    ca=system.server.ca)
    number = g.document(b"secret")
    tap.equal(other.content(number)[0], b"secret")
    me, soap = system.server.auth.split(":")[0], system.client("soap")
    everybody = {(who, what) for who, what, _ in g.client.acl(g.folder) if who != me}
    # an ACL document replaces what is the object's own; what is inherited only SOAP can take away
    soap.apply_acl(g.folder, add={(me, "cmis:all"), (name, "cmis:read")}, remove=everybody)
    tap.equal(other.content(number)[0], b"secret")
    refused("permissionDenied", other.update, number, [("String", "cmis:name", ["x"])])
    refused("permissionDenied", other.delete, number)
    refused("permissionDenied", other.create, "Document", cb.named("cmis:document", "x"), g.folder,
            (b"x", "text/plain", "x"))
    refused("permissionDenied", other.apply_acl, number, {(name, "cmis:all")})
    tap.equal(other.allowable_actions(number)["canDeleteObject"], False)
    g.client.apply_acl(g.folder, remove={(name, "cmis:read")})
    refused(("permissionDenied", "objectNotFound"), other.get, number)
    tap.true(number not in [o.id for o in other.query("SELECT * FROM cmis:document")[0]],
             "not in queries either")


GROUPS = [secondary_types, changed_types, unfiled_objects, copies, properties_alone, renditions,
          what_others_may, repository_info, base_types, folders_and_documents, without_content,
          children_and_paging, trees, updates, contents, sizes, moves_and_deletes, versioning,
          flags, queries, acls, filing, relationships, policies, items, changes, bulk_updates,
          new_types]
CLIENTS = ["atom", "atom10", "soap", "soap token inline"]


def register(group, name):
    def run(system):
        group(Group(system, system.client(name)))
    run.__name__ = f"{name.replace(' ', '_')}: {group.__name__}"
    tap.test(run)


for client_name in CLIENTS:
    for one in GROUPS:
        register(one, client_name)


# Forms


@tap.test
def the_wsdl_is_whole_and_its_schemas_describe_every_answer(system):
    client = system.client("soap")
    answer = client.send("GET", "/cmis/services/ObjectService?wsdl")
    tap.equal(answer.status, 200)
    page = answer.body.decode()
    for service, operations in cb.Soap.OPERATIONS.items():
        tap.true(f'{system.server.url}/cmis/services/{service}"' in page, service)
        for operation in operations.split():
            tap.equal(page.count(f'<operation name="{operation}"'), 2, operation)
    with tempfile.TemporaryDirectory() as place:
        messaging, _ = cb.schemas(place, answer.body)
        messages = cb.messages_of(system.keep, place)
        tap.true(len(messages) > 100, f"{len(messages)} messages")
        for i in range(0, len(messages), 200):
            tap.equal(cb.lint("--schema", messaging, *messages[i:i + 200]), "")


def links_of(entry):
    return {(rel.removeprefix(cb.REL), kind) for rel, kind, _, _ in entry.links}


@tap.test
def atom_entries_have_every_link_and_each_leads_somewhere(system):
    client = system.client("atom")
    g = Group(system, client)
    number = g.document(b"x", state="major")
    pwc = client.check_out(number)
    every = {("service", "application/atomsvc+xml"), ("self", cb.ENTRY), ("edit", cb.ENTRY),
             ("describedby", cb.ENTRY), ("policies", cb.FEED), ("acl", "application/cmisacl+xml"),
             ("allowableactions", "application/cmisallowableactions+xml"),
             ("relationships", cb.FEED)}
    document = {("edit-media", "text/plain"), ("enclosure", "text/plain"), ("up", cb.FEED),
                ("version-history", cb.FEED), ("current-version", cb.ENTRY)}
    folder = {("up", cb.ENTRY), ("up", cb.FEED), ("down", cb.FEED), ("down", cb.TREE),
              ("foldertree", cb.TREE)}
    tap.equal(links_of(client.entry_of(number)) - {("working-copy", cb.ENTRY)}, every | document)
    tap.true(client.entry_of(number).link("working-copy"), "a working copy")
    tap.true(client.entry_of(pwc).link("via"), "where the working copy comes from")
    tap.equal(links_of(client.entry_of(g.folder)), every | folder)
    tap.equal(links_of(client.entry_of(ROOT)), every | folder - {("up", cb.ENTRY), ("up", cb.FEED)})
    for entry in (client.entry_of(number), client.entry_of(pwc), client.entry_of(g.folder)):
        for rel, kind, href, _ in entry.links:
            tap.true(href.startswith(system.server.url), f"{rel} is absolute: {href}")
            answer = client.send("GET", href)
            tap.equal((rel, kind, answer.status), (rel, kind, 200))
            said = answer.getheader("Content-Type")
            tap.true(kind is None or said == kind, f"{rel} gives {said}, not {kind}")
    for href in [*client.collections.values(), *client.workspace_links.values()]:
        if "/query" not in href and "/update" not in href:
            tap.equal(client.send("GET", href).status, 200, href)
    page, links, total = client.feed(client.with_parameters(
        client.follow(g.folder, "down", cb.FEED), maxItems=1, skipCount=1))
    tap.true({"service", "self", "via", "first", "previous"} <= set(links), links)
    client.cancel(pwc)


@tap.test
def http_says_what_atompub_wants(system):
    client = system.client("atom")
    g = Group(system, client)
    target = client.follow(g.folder, "down", cb.FEED)
    body = client.object_xml(cb.named("cmis:document", "status.txt"), (b"x", "text/plain", "s"))
    answer = client.ask("POST", target, body, cb.ENTRY)
    tap.equal(answer.status, 201)
    tap.equal(answer.getheader("Location"), answer.getheader("Content-Location"))
    tap.equal(answer.getheader("Content-Type"), cb.ENTRY)
    tap.true(cb.Entry(cb.tree.fromstring(answer.body)).object.acl is not None,
             "the ACL, which clients that set one need")
    number = client.by_path(f"/{g.name}/status.txt").id
    tap.equal(cb.Entry(client.xml("GET", answer.getheader("Location"))).object.id, number)
    # what an entry alone says: its title names it, its atom:content is the content
    titled = (f'<entry xmlns="{cb.NS["atom"]}" xmlns:cmisra="{cb.NS["cmisra"]}" xmlns:cmis="'
              f'{cb.NS["cmis"]}"><title>titled.txt</title><content type="text/plain">from atom &amp;'
              ' more</content><cmisra:object><cmis:properties><cmis:propertyId '
              'propertyDefinitionId="cmis:objectTypeId"><cmis:value>cmis:document</cmis:value>'
              "</cmis:propertyId></cmis:properties></cmisra:object></entry>").encode()
    entry = client.entry("POST", target, titled, 201)
    tap.equal(entry.object.name, "titled.txt")
    tap.equal(client.content(entry.object.id)[0], b"from atom & more")
    again = client.xml("PUT", client.follow(number, "self"), client.object_xml(
        client.get(number) and [("String", "cmis:description", ["by PUT"])]), cb.ENTRY)
    tap.equal(cb.Entry(again).object["cmis:description"], "by PUT")
    answer = client.ask("PATCH", client.follow(number, "self"), client.object_xml(
        [("String", "cmis:description", ["by PATCH"])]), cb.ENTRY)
    tap.equal((answer.status, client.get(number)["cmis:description"]), (200, "by PATCH"))
    head = client.send("HEAD", client.entry_of(number).link("enclosure"))
    tap.equal((head.status, head.getheader("Content-Length"), head.body), (200, "1", b""))
    for method, path, status in (("POST", "/cmis/atom/coffer/entry?id=1", 405),
                                 ("GET", "/cmis/atom/other/entry?id=1", 404),
                                 ("GET", "/cmis/atom/coffer/nowhere", 404),
                                 ("GET", "/cmis/atom?repositoryId=other", 404),
                                 ("GET", "/cmis/atom/coffer/entry", 400),
                                 ("GET", "/cmis/atom/coffer/children?id=1&maxItems=many", 400),
                                 ("GET", "/cmis/atom/coffer/children?id=%ff", 400),
                                 ("DELETE", "/cmis/atom/coffer/types", 405)):
        tap.equal((method, path, client.send(method, path).status), (method, path, status))
    answer = client.send("GET", "/cmis/atom/coffer/children?id=1&includeAllowableActions=TRUE"
                                "&maxItems=&filter=")
    tap.equal(answer.status, 200, "blank and upper-case parameters")


@tap.test
def both_bindings_say_the_same(system):
    atom, soap = system.client("atom"), system.client("soap")
    g = Group(system, atom)
    number = g.document(dms_server.noise(1000))
    flags_ = {"includeAllowableActions": "true", "includeACL": "true"}
    for item in (number, g.folder, ROOT):
        a, s = atom.get(item, **flags_), soap.get(item, **flags_)
        tap.equal((a.properties, a.kinds, a.attributes, a.actions, a.acl),
                  (s.properties, s.kinds, s.attributes, s.actions, s.acl), item)
    for name in ("cmis:document", "cmis:folder", "cmis:relationship", "cmis:item"):
        a, s = atom.type(name), soap.type(name)
        tap.equal((a.values, a.mutability, sorted(a.properties)),
                  (s.values, s.mutability, sorted(s.properties)), name)
    tap.equal([o.properties for o in atom.children(g.folder)[0]],
              [o.properties for o in soap.children(g.folder)[0]])


def by_token(system, scopes):
    made = system.server.post("/api/tokens", {"name": "-".join(scopes), "scopes": scopes})
    tap.equal(made.status, 201)
    return cb.Soap(system.server.url, "Bearer " + made.json["token"], ca=system.server.ca)


@tap.test
def an_api_token_does_what_its_scopes_allow_whatever_the_method(system):
    g = Group(system, system.client("soap"))
    number = g.document(b"secret")
    writer, both = by_token(system, ["write"]), by_token(system, ["read", "write"])
    refused("permissionDenied", writer.content, number)
    refused("permissionDenied", writer.query, "SELECT * FROM cmis:document")
    made = writer.create("Document", cb.named("cmis:document", "by a writer"), g.folder,
                         (b"x", "text/plain", "x"))
    tap.equal(both.content(made)[0], b"x")
    statement = b"SELECT * FROM cmis:document"
    query = b"<cmis:query xmlns:cmis='" + cb.NS["cmis"].encode() + b"'><cmis:statement>" + \
        statement + b"</cmis:statement></cmis:query>"
    answer = writer.send("POST", "/cmis/atom/coffer/query", query, "application/cmisquery+xml")
    tap.equal(answer.status, 403, "AtomPub's query by POST")
    form = b"cmisaction=query&statement=" + statement.replace(b" ", b"+")
    answer = writer.send("POST", "/cmis/browser/coffer", form, "application/x-www-form-urlencoded")
    tap.equal(answer.status, 403, "Browser's query by POST")
    number = "test:" + system.fresh("bytoken")
    inner = type_xml(number, "cmis:document", "", DOCUMENT_END)
    kind = "cmis:cmisTypeDocumentDefinitionType"
    refused("permissionDenied", both.create_type, inner, kind)
    admin = by_token(system, ["read", "write", "admin"])
    tap.equal(admin.create_type(inner, kind).id, number)
    admin.delete_type(number)


@tap.test
def every_operation_of_every_service_was_called(system):
    every = {operation for all_ in cb.Soap.OPERATIONS.values() for operation in all_.split()}
    tap.equal(every - system.client("soap").called, set())
    tap.equal(len(every), 50)
    for service in cb.Soap.OPERATIONS: # and none at another service's address
        wrong = "getACL" if service != "ACLService" else "query"
        body = system.client("soap").envelope(f"<cmism:{wrong}><cmism:repositoryId>coffer"
                                              f"</cmism:repositoryId></cmism:{wrong}>")
        refused("notSupported", system.client("soap").read,
                system.client("soap").post(service, body), wrong)


@tap.test
def every_body_is_well_formed(system):
    count, said = cb.check_bodies(system.keep)
    tap.equal(said, "")
    tap.true(count > 200, f"{count} bodies")


@contextlib.contextmanager
def fixture():
    with dms_server.server(sys.argv[1]) as server, tempfile.TemporaryDirectory() as keep:
        yield System(server, keep)


if __name__ == "__main__":
    tap.main(fixture)
