#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What CMIS 1.1 allows and what it refuses, as tables of one operation each with its exception, the
same over each binding: places and names, contents by type, definitions of types and properties,
values of properties, secondary types, relationships, versions, policies, change tokens, words of
queries: cmis_conformance_rules.py COFFER_DMS"""
import sys

import cmis_bindings as cb
import tap
from cmis_three import ROOT, main, new_property, new_type, over, refused, send_type, type_item

NOWHERE = "987654321"
SECONDARY = "cmis:secondaryObjectTypeIds"
INVALID, CONSTRAINT, NAME = "invalidArgument", "constraint", "nameConstraintViolation"
VERSIONING, STREAM = "versioning", "streamNotSupported"


def text(name, *values):
    return ("String", name, list(values))


def content(words=b"x"):
    return (words, "text/plain", "x.txt")


def judge(g, *rules):
    """Each (exception or None, what, call); all that differ at once. AtomPub's client sees by a
    link that is not there that an operation cannot be (status 0), whatever the exception."""
    wrong = []
    for exception, what, call in rules:
        try:
            call()
            got = None
        except cb.CmisError as error:
            got = exception if error.status == 0 else error.name
            if not error.message:
                wrong.append(f"{what}: no words for people")
        if got != exception:
            wrong.append(f"{what}: {got} instead of {exception}")
    tap.true(not wrong, "\n".join([g.binding, *wrong]))


@over()
def places_and_names(g):
    c = g.client
    a = g.make("a")
    b = g.make("b", a)
    inside, beside = g.document(folder=a, name="d"), g.document(name="d")
    judge(g,
          (CONSTRAINT, "the root goes", lambda: c.delete(ROOT)),
          (CONSTRAINT, "the root's tree goes", lambda: c.delete_tree(ROOT)),
          (CONSTRAINT, "the root gets a name", lambda: c.update(ROOT, [text("cmis:name", "x")])),
          (INVALID, "the root moves", lambda: c.move(ROOT, a, b)),
          (INVALID, "the root's parent", lambda: c.folder_parent(ROOT)),
          (CONSTRAINT, "a folder into itself", lambda: c.move(a, g.folder, a)),
          (CONSTRAINT, "a folder into what is in it", lambda: c.move(a, g.folder, b)),
          (INVALID, "moved from where it is not", lambda: c.move(inside, b, g.folder)),
          (INVALID, "moved into a document", lambda: c.move(b, a, beside)),
          (NAME, "moved to a taken name", lambda: c.move(inside, a, g.folder)),
          (NAME, "a name that is taken", lambda: c.update(beside, [text("cmis:name", "a")])),
          (NAME, "a name with a slash", lambda: c.update(beside, [text("cmis:name", "a/b")])),
          (NAME, "a name of a dot", lambda: c.update(beside, [text("cmis:name", ".")])),
          (CONSTRAINT, "no name", lambda: c.update(beside, [text("cmis:name")])),
          (CONSTRAINT, "an empty name", lambda: c.update(beside, [text("cmis:name", "")])),
          (None, "its own name", lambda: c.update(beside, [text("cmis:name", "d")])),
          (None, "its own id", lambda: c.update(beside, [("Id", "cmis:objectId", [beside])])),
          (None, "nothing changed", lambda: c.update(beside, [])),
          (CONSTRAINT, "another parent", lambda: c.update(b, [("Id", "cmis:parentId", [ROOT])])),
          (CONSTRAINT, "a folder filed twice", lambda: c.add_to_folder(b, g.folder)),
          (CONSTRAINT, "a folder unfiled", lambda: c.remove_from_folder(b, a)),
          (None, "filed where it is", lambda: c.add_to_folder(inside, a)),
          (NAME, "filed under a taken name", lambda: c.add_to_folder(inside, g.folder)),
          (INVALID, "taken out of where it is not", lambda: c.remove_from_folder(inside, b)),
          (CONSTRAINT, "two names", lambda: c.create("Document", [
              ("Id", "cmis:objectTypeId", ["cmis:document"]), text("cmis:name", "x", "y")], g.folder)),
          (INVALID, "a type that is not", lambda: c.create("Folder", cb.named("no:such", "x"),
                                                          g.folder)),
          (INVALID, "an unfiled folder", lambda: c.create("Folder", cb.named("cmis:folder", "x"))),
          (CONSTRAINT, "a filed policy", lambda: g.make("p", kind="Policy", more=[
              text("cmis:policyText", "be kind")])),
          (CONSTRAINT, "a policy without words", lambda: c.create(
              "Policy", cb.named("cmis:policy", g.fresh("p")))))
    tap.equal([o.id for o in c.children(a)[0]], [b, inside], "nothing moved")


@over()
def contents_are_as_the_type_says(g):
    c = g.client
    filled, bare = g.document(b"one"), g.document(None)
    judge(g,
          (CONSTRAINT, "no content read", lambda: c.content(bare)),
          (CONSTRAINT, "a folder's content", lambda: c.content(g.folder)),
          (INVALID, "a stream that is not", lambda: c.content(filled, "nosuch")),
          (INVALID, "a folder's content set", lambda: c.set_content(g.folder, content())),
          (INVALID, "a flag that is none", lambda: c.set_content(filled, content(), "maybe")),
          (INVALID, "a chunk that may be last", lambda: c.append(filled, content(), "maybe")),
          (None, "no content deleted", lambda: c.delete_content(bare)),
          (None, "nothing overwritten", lambda: c.set_content(bare, content(), "false")))
    tap.equal(c.content(filled)[0], b"one")
    kinds = {allowed: "cr:" + g.fresh(allowed) for allowed in ("required", "notallowed")}
    for allowed, kind in kinds.items():
        new_type(c, kind, contentStreamAllowed=allowed)
    needs, none = kinds["required"], kinds["notallowed"]
    with_, without = g.document(b"x", type=needs), g.document(None, type=none)
    judge(g,
          (CONSTRAINT, "needed and not there", lambda: g.document(None, type=needs)),
          (CONSTRAINT, "needed and deleted", lambda: c.delete_content(with_)),
          (None, "needed and set", lambda: c.set_content(with_, content(b"y"))),
          (None, "needed and appended", lambda: c.append(with_, content(b"z"), "true")),
          (STREAM, "not allowed and there", lambda: g.document(b"x", type=none)),
          (STREAM, "not allowed and set", lambda: c.set_content(without, content())),
          (STREAM, "not allowed and appended", lambda: c.append(without, content(), "true")),
          (STREAM, "not allowed, checked in", lambda: c.check_in(c.check_out(without), "true",
                                                               content=content())))
    tap.equal(c.content(with_)[0], b"yz")


@over()
def definitions_that_contradict_themselves(g):
    c = g.client

    def made(kind, **more):
        number = "cr:" + g.fresh("wrong")
        return lambda: new_type(c, number, properties=[new_property(f"{number}:p", kind, **more)])
    red = [{"displayName": "Red", "value": ["red"]}]
    parent = "cr:" + g.fresh("parent")
    below = "cr:" + g.fresh("below")
    new_type(c, parent, properties=[new_property(f"{parent}:p", "string")])
    new_type(c, below, parent, base="cmis:document")
    g.document(type=below)
    judge(g,
          (CONSTRAINT, "a default that is no choice", made("string", openChoice=False, choice=red,
                                                          defaultValue=["blue"])),
          (CONSTRAINT, "a default out of range", made("integer", maxValue=3, defaultValue=[5])),
          (CONSTRAINT, "a default too long", made("string", maxLength=3, defaultValue=["long"])),
          (CONSTRAINT, "no value between", made("integer", minValue=5, maxValue=3)),
          (INVALID, "two defaults of one", made("string", defaultValue=["a", "b"])),
          (INVALID, "a default of another kind", made("integer", defaultValue=["abc"])),
          (INVALID, "a cardinality that is none", made("string", cardinality="some")),
          (INVALID, "an updatability that is none", made("string", updatability="never")),
          (CONSTRAINT, "a property of the standard's", lambda: new_type(
              c, "cr:" + g.fresh("w"), properties=[new_property("cmis:mine", "string")])),
          (CONSTRAINT, "a property that is inherited", lambda: new_type(
              c, "cr:" + g.fresh("w"), parent, [new_property(f"{parent}:p", "integer")],
              base="cmis:document")),
          (CONSTRAINT, "a type with types below it", lambda: c.delete_type(parent)),
          (CONSTRAINT, "a type with objects", lambda: c.delete_type(below)),
          (CONSTRAINT, "a base type changed", lambda: send_type(
              c, type_item("cmis:document"), change=True)),
          ("objectNotFound", "nothing changed", lambda: send_type(
              c, type_item("cr:nosuch"), change=True)))
    closed = "cr:" + g.fresh("closed")
    new_type(c, closed, creatable=False)
    refused(CONSTRAINT, g.document, type=closed)


@over()
def values_are_as_the_property_says(g):
    c, number = g.client, "cr:" + g.fresh("rules")

    def named(name):
        return f"{number}:{name}"
    new_type(c, number, properties=[
        new_property(named("needed"), "string", required=True),
        new_property(named("short"), "string", maxLength=3),
        new_property(named("few"), "integer", minValue=1, maxValue=5),
        new_property(named("red"), "string", openChoice=False,
                     choice=[{"displayName": "Red", "value": ["red"]}]),
        new_property(named("colours"), "string", cardinality="multi", orderable=False,
                     openChoice=False, choice=[{"displayName": "Red", "value": ["red"]},
                                               {"displayName": "Blue", "value": ["blue"]}]),
        new_property(named("when"), "datetime"), new_property(named("whether"), "boolean"),
        new_property(named("much"), "decimal"),
        new_property(named("early"), "string", updatability="oncreate"),
        new_property(named("fixed"), "string", updatability="readonly"),
        new_property(named("working"), "string", updatability="whencheckedout")])
    needed = text(named("needed"), "is there")

    def made(kind, name, *values, state=None):
        return lambda: g.document(type=number, more=[needed, (kind, named(name), list(values))],
                                  state=state)
    other = g.document(type=number, more=[needed, text(named("early"), "x")])
    out = c.check_out(g.document(type=number, more=[needed]))
    judge(g,
          (CONSTRAINT, "needed and not there", lambda: g.document(type=number)),
          (CONSTRAINT, "needed and taken away", lambda: c.update(other, [text(named("needed"))])),
          (INVALID, "twice", lambda: g.document(type=number, more=[needed, needed])),
          (CONSTRAINT, "of no type", lambda: g.document(type=number, more=[needed, text("no:p", "x")])),
          (CONSTRAINT, "two for one", made("String", "short", "a", "b")),
          (CONSTRAINT, "too long", made("String", "short", "four")),
          (None, "characters, not bytes", made("String", "short", "äöü")),
          (CONSTRAINT, "too many", made("Integer", "few", "6")),
          (CONSTRAINT, "too few", made("Integer", "few", "0")),
          (None, "just enough", made("Integer", "few", "5")),
          (INVALID, "no number", made("Integer", "few", "five")),
          (INVALID, "no whole number", made("Integer", "few", "1.0")),
          (INVALID, "nothing as number", made("Integer", "few", "")),
          (CONSTRAINT, "no choice", made("String", "red", "blue")),
          (None, "a choice", made("String", "red", "red")),
          (CONSTRAINT, "one no choice", made("String", "colours", "red", "green")),
          (None, "each a choice", made("String", "colours", "red", "blue")),
          (INVALID, "no moment", made("DateTime", "when", "yesterday")),
          (INVALID, "no truth", made("Boolean", "whether", "maybe")),
          (INVALID, "a comma", made("Decimal", "much", "1,5")),
          (INVALID, "endless", made("Decimal", "much", "INF")),
          (None, "an exponent", made("Decimal", "much", "1.5e3")),
          (CONSTRAINT, "the server's", made("String", "fixed", "x")),
          (CONSTRAINT, "the server's later", lambda: c.update(other, [text(named("fixed"), "x")])),
          (CONSTRAINT, "too late", lambda: c.update(other, [text(named("early"), "y")])),
          (CONSTRAINT, "not checked out", lambda: c.update(other, [text(named("working"), "x")])),
          (CONSTRAINT, "too late in the copy", lambda: c.update(out, [text(named("early"), "y")])),
          (None, "checked out", lambda: c.update(out, [text(named("working"), "x")])),
          (None, "at check-in", lambda: c.check_in(out, "true", [text(named("working"), "y")])))


@over()
def secondary_types_come_with_their_values(g):
    c, number = g.client, "cr:" + g.fresh("second")
    new_type(c, number, "cmis:secondary", [
        new_property(f"{number}:p", "string"),
        new_property(f"{number}:d", "string", defaultValue=["as said"])])
    value = text(f"{number}:p", "x")
    item = g.document()

    def typed(*types):
        return ("Id", SECONDARY, list(types))
    judge(g, (CONSTRAINT, "a value before its type", lambda: c.update(item, [value])),
          (CONSTRAINT, "a type that is not", lambda: c.update(item, [typed("no:such")])),
          (CONSTRAINT, "a primary type", lambda: c.update(item, [typed("cmis:document")])),
          (None, "both", lambda: c.update(item, [typed(number), value])))
    found = c.get(item).properties
    tap.equal((found[SECONDARY], found[f"{number}:p"], found[f"{number}:d"]),
              ([number], ["x"], ["as said"]))
    c.update(item, [typed(number, number)])
    tap.equal(c.get(item).properties[SECONDARY], [number], "once")
    judge(g, (CONSTRAINT, "a type in use", lambda: c.delete_type(number)),
          (CONSTRAINT, "a value without its type", lambda: c.update(item, [typed(), value])),
          (None, "none", lambda: c.update(item, [typed()])))
    tap.true(f"{number}:p" not in c.get(item).properties, "its values go with it")
    c.update(item, [typed(number)])
    tap.equal(c.get(item).properties[f"{number}:p"], [], "and do not come back")
    made = g.document(more=[typed(number), value])
    for asked, wanted in ((f"{number}:p", f"{number}:p"), ("no:such,cmis:name", "cmis:name")):
        names = set(c.get(made, filter=asked).properties) - {"cmis:objectId"} # Atom's links need it
        tap.equal(names, {wanted}, asked)
    refused("filterNotValid", c.get, made, filter="cmis:name,,x")


@over()
def relationships_and_policies_have_their_ends(g):
    c, a, b, folder = g.client, g.document(), g.document(), g.make("f")
    kind = "cr:" + g.fresh("related")
    new_type(c, kind, "cmis:relationship", allowedSourceTypes=["cmis:folder"],
             allowedTargetTypes=["cmis:document"])

    def relate(source, target, number="cmis:relationship"):
        return c.create("Relationship", cb.named(number, g.fresh("r"), ("Id", "cmis:sourceId", [
            source]), ("Id", "cmis:targetId", [target])))
    relation = relate(a, b)
    policy = c.create("Policy", cb.named("cmis:policy", g.fresh("p"), text("cmis:policyText", "x")))
    missing = "objectNotFound" if g.binding == "atom" else INVALID # it asks the source for its links
    judge(g,
          (missing, "from nothing", lambda: relate(NOWHERE, a)),
          (INVALID, "to nothing", lambda: relate(a, NOWHERE)),
          (CONSTRAINT, "no target", lambda: c.create("Relationship", cb.named(
              "cmis:relationship", "r", ("Id", "cmis:sourceId", [a])))),
          (None, "to itself", lambda: relate(b, b)),
          (CONSTRAINT, "from what the type does not allow", lambda: relate(a, b, kind)),
          (CONSTRAINT, "to what the type does not allow", lambda: relate(folder, folder, kind)),
          (None, "from and to what it allows", lambda: relate(folder, b, kind)),
          (CONSTRAINT, "another source", lambda: c.update(relation, [("Id", "cmis:sourceId", [b])])),
          (None, "another name", lambda: c.update(relation, [text("cmis:name", g.fresh("r"))])),
          (CONSTRAINT, "in a folder", lambda: c.add_to_folder(relation, folder)),
          (CONSTRAINT, "moved", lambda: c.move(relation, g.folder, folder)),
          (INVALID, "checked out", lambda: c.check_out(relation)),
          (INVALID, "of no type", lambda: c.relationships_page(a, "source", "no:such")),
          (INVALID, "of another base type", lambda: c.relationships_page(a, "source",
                                                                        "cmis:document")),
          (None, "applied", lambda: c.apply_policy(policy, a)),
          (None, "applied again", lambda: c.apply_policy(policy, a)),
          (None, "removed", lambda: c.remove_policy(policy, a)),
          (INVALID, "removed again", lambda: c.remove_policy(policy, a)),
          (INVALID, "no policy", lambda: c.apply_policy(a, a)),
          ("objectNotFound", "to nothing", lambda: c.apply_policy(policy, NOWHERE)))


@over()
def versions_keep_their_order(g):
    c = g.client
    minor = g.document(state="minor")
    old = g.document()
    new = c.check_in(c.check_out(old), "false")
    out = c.check_out(g.document(name="out"))
    item = c.get(out)["cmis:versionSeriesId"]
    item = [v.id for v in c.versions(item)][-1]
    plain = "cr:" + g.fresh("plain")
    new_type(c, plain, versionable=False)
    single = g.document(type=plain)
    judge(g,
          ("objectNotFound", "no major version", lambda: c.latest(minor, "true")),
          (VERSIONING, "in what is not out", lambda: c.check_in(minor, "true")),
          (INVALID, "a folder out", lambda: c.check_out(g.folder)),
          (INVALID, "a folder's versions", lambda: c.versions(g.folder)),
          (INVALID, "a folder's latest", lambda: c.latest(g.folder, "false")),
          (VERSIONING, "moved while out", lambda: c.move(item, g.folder, g.make(g.fresh("m")))),
          (VERSIONING, "renamed while out", lambda: c.update(item, [text("cmis:name", "zz")])),
          (VERSIONING, "an old one changed", lambda: c.update(old, [text("cmis:description", "x")])),
          (VERSIONING, "an old one's content", lambda: c.set_content(old, content())),
          (VERSIONING, "an old one out", lambda: c.check_out(old)),
          (INVALID, "a state that is none", lambda: g.document(state="sideways")),
          (CONSTRAINT, "what has no versions", lambda: c.check_out(single)),
          (None, "its latest", lambda: c.latest(single, "true")),
          (None, "deleting is cancelling", lambda: c.delete(out)))
    begun = g.document(b"heron", state="checkedout")

    def found(condition):
        return [row.properties["cmis:objectId"] for row in c.query(
            f"SELECT cmis:objectId FROM cmis:document WHERE {condition}")[0]]
    here = f"IN_FOLDER('{g.folder}') AND cmis:name = '{c.get(begun).name}'"
    tap.equal((found(here), found("CONTAINS('heron')")), ([], []), "nothing was checked in yet")
    done = c.check_in(begun, "true")
    out = c.check_out(done)
    tap.equal((found(here), found("CONTAINS('heron')")), ([[done]], [[done]]), "the latest version")
    c.cancel(out)
    c.delete(done)
    tap.equal(c.get(item)["cmis:isVersionSeriesCheckedOut"], "false")
    tap.equal([c.latest(number, "false").id for number in (old, new, item)], [new, new, item])


@over()
def queries_have_words_in_order(g):
    c = g.client
    g.document(b"walrus words", name="walrus.txt")
    table = "SELECT * FROM cmis:document"
    wrong = ["SELECT", "SELECT * FROM no:such", "SELECT no:such FROM cmis:document", f"{table} WHERE",
             "DELETE FROM cmis:document", f"{table};", "SELECT COUNT(*) FROM cmis:document",
             f"{table} WHERE ANY {SECONDARY} IN ()", f"{table} WHERE UPPER(cmis:name) = 'X'",
             f"{table} WHERE CONTAINS('walrus') OR CONTAINS('words')",
             "SELECT cmis:name, cmis:name FROM cmis:document",
             "SELECT cmis:objectId FROM cmis:folder WHERE cmis:path = '/'"]
    good = [f"{table} WHERE cmis:name = 'it''s'", f"{table} WHERE cmis:name = 'it\\'s'",
            f"{table} WHERE cmis:name LIKE '100\\%'", f"{table} WHERE cmis:name NOT LIKE '%'",
            f"{table} WHERE cmis:name NOT IN ('a')", f"{table} WHERE cmis:description IS NOT NULL",
            f"{table} WHERE ANY {SECONDARY} NOT IN ('x')", f"{table} WHERE 'x' = ANY {SECONDARY}",
            f"{table} WHERE NOT (cmis:name = 'a' OR NOT cmis:name = 'b')",
            f"{table} WHERE (((cmis:name = 'a'))) AND cmis:isMajorVersion <> false",
            "SELECT *, SCORE() FROM cmis:document WHERE CONTAINS('walrus')",
            "SELECT cmis:name AS n FROM cmis:document ORDER BY n DESC, cmis:creationDate",
            "SELECT d.* FROM cmis:document d", f"{table} WHERE CONTAINS('walrus') ORDER BY cmis:name",
            "SELECT SCORE() s FROM cmis:document WHERE NOT CONTAINS('walrus') ORDER BY s", f"{table} WHERE CONTAINS('wal*')",
            f"{table} WHERE cmis:contentStreamLength >= 0 AND cmis:contentStreamLength < 1e3"]
    good += [f"SELECT * FROM cmis:{base}" for base in ("policy", "relationship", "item", "secondary")]
    judge(g, *((INVALID, statement, lambda s=statement: c.query(s)) for statement in wrong),
          *((None, statement, lambda s=statement: c.query(s, most=2)) for statement in good),
          (CONSTRAINT, "a token of tomorrow", lambda: c.changes("99999999")),
          (INVALID, "a token that is none", lambda: c.changes("nonsense")))


if __name__ == "__main__":
    main(sys.argv[1])
