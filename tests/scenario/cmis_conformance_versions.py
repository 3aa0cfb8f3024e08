#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Versions, queries and changes by CMIS 1.1's rules, the same over each binding:
cmis_conformance_versions.py COFFER_DMS"""
import sys

import cmis_bindings as cb
import cmis_judge
import tap
from cmis_judge import ALL, one
from cmis_three import ROOT, main, new_property, new_type, over, refused, same


def judged(g, *numbers):
    faults = cmis_judge.Faults(g.client)
    for number in numbers:
        faults.judge_object(g.client.get(number, **ALL))
        if faults.type(g.client.get(number)["cmis:objectTypeId"])["versionable"]:
            faults.judge_versions(number)
    faults.judge()


def checked_in(g, number, content=None, major="true", **more):
    return g.client.check_in(g.client.check_out(number), major,
                             content=content and (content, "text/plain", "v.txt"), **more)


# Versions


@over()
def checking_out_cancelling_and_checking_in(g):
    number = g.document(b"versioning")
    pwc = g.client.check_out(number)
    judged(g, number, pwc)
    copy = g.client.get(pwc, **ALL)
    for name in ("isPrivateWorkingCopy", "isVersionSeriesCheckedOut"):
        tap.equal(copy["cmis:" + name], "true", name)
    for item in (copy, g.client.get(number)):
        tap.equal((item["cmis:versionSeriesCheckedOutId"], item["cmis:versionSeriesCheckedOutBy"]),
                  (pwc, "admin"))
    tap.equal([v.id for v in g.client.versions(pwc)], [pwc, number])
    refused("versioning", g.client.check_out, number)
    refused(("versioning", "constraint"), g.client.check_out, pwc)
    g.client.cancel(pwc)
    judged(g, number)
    refused("objectNotFound", g.client.get, pwc)
    tap.equal(g.client.get(number)["cmis:isVersionSeriesCheckedOut"], "false")
    pwc = g.client.check_out(number)
    new = g.client.check_in(pwc, "true", comment="Test Version 2")
    judged(g, new, number)
    tap.equal(g.client.get(new)["cmis:checkinComment"], "Test Version 2")
    tap.equal([v.id for v in g.client.versions(new)], [new, number])
    refused("versioning", g.client.check_in, new, "true") if g.binding != "atom" else None
    refused("versioning", g.client.cancel, new) if g.binding != "atom" else None
    tap.equal([o.id for o in g.client.children(g.folder)[0]], [new])


@over()
def versions_are_deleted_one_after_another(g):
    numbers = [g.document(b"v1")]
    for n in range(2, 5):
        numbers.append(checked_in(g, numbers[-1], b"v%d" % n))
        tap.equal([v.id for v in g.client.versions(numbers[0])], numbers[::-1])
        judged(g, numbers[-1])
    while numbers:
        last = numbers.pop()
        tap.true(g.client.get(last, **ALL).actions["canDeleteObject"], "it may be deleted")
        g.client.delete(last, all_versions="false")
        refused("objectNotFound", g.client.get, last)
        if numbers:
            tap.equal([v.id for v in g.client.versions(numbers[0])], numbers[::-1])
            tap.equal(g.client.latest(numbers[0], "false").id, numbers[-1])
            judged(g, numbers[-1])
    tap.equal(g.client.children(g.folder)[0], [])


@over()
def documents_begin_in_each_state(g):
    for state, label, major in (("major", "1.0", True), ("minor", "0.1", False),
                                (None, "1.0", True)):
        number = g.document(state=state)
        found = g.client.get(number)
        tap.equal((found["cmis:versionLabel"], one(found, "cmis:isMajorVersion")), (label, major))
        judged(g, number)
    number = g.document(state="checkedout")
    judged(g, number)
    tap.equal(g.client.get(number)["cmis:versionSeriesCheckedOutId"], number)
    tap.true(number in [o.id for o in g.client.checked_out(g.folder)], "it is listed")
    tap.true(number in [o.id for o in g.client.checked_out()], "and in the repository's list")
    g.client.cancel(number)
    refused("objectNotFound", g.client.get, number)
    number = g.document(state="checkedout")
    after = g.client.check_in(number, "true")
    judged(g, after)
    refused(("constraint", "invalidArgument"), g.document, state="none")
    plain = "cv:" + g.fresh("plain")
    new_type(g.client, plain, versionable=False)
    for state in ("major", "minor", "checkedout"):
        refused(("constraint", "invalidArgument"), g.document, state=state, type=plain)
    number = g.document(state="none", type=plain)
    judged(g, number)
    refused("constraint", g.client.check_out, number)
    g.client.delete(number)
    g.client.delete_type(plain)


@over()
def what_is_checked_out_is_listed(g):
    numbers = [g.client.check_out(g.document(name=f"{name}.txt")) for name in "cab"]
    listed = g.client.checked_out(g.folder)
    tap.equal(sorted(o.id for o in listed), sorted(numbers))
    judged(g, *numbers)
    for number in numbers:
        g.client.cancel(number)
    tap.equal(g.client.checked_out(g.folder), [])


@over()
def a_working_copy_takes_changes_and_the_document_does_not(g):
    number = g.document(b"old")
    pwc = g.client.check_out(number)
    refused("versioning", g.client.update, number, [("String", "cmis:description", ["x"])])
    refused("versioning", g.client.set_content, number, (b"x", "text/plain", "x"))
    g.client.update(pwc, [("String", "cmis:description", ["in work"])])
    g.client.set_content(pwc, (b"new", "text/plain", "new.txt"))
    tap.equal((g.client.content(number)[0], g.client.content(pwc)[0]), (b"old", b"new"))
    judged(g, pwc)
    new = g.client.check_in(pwc, "false", [("String", "cmis:name", [g.fresh("named")])])
    found = g.client.get(new)
    tap.equal((found["cmis:description"], found["cmis:versionLabel"]), ("in work", "1.1"))
    tap.equal(g.client.content(new)[0], b"new")
    tap.equal(g.client.latest(new, "true").id, number)
    judged(g, new)
    refused("versioning", g.client.update, number, [("String", "cmis:description", ["x"])])


# Queries


@over()
def a_row_has_every_queryable_property(g):
    number = g.document()
    kind = cmis_judge.definition(g.client.type("cmis:document"))
    rows, _, total = g.client.query(f"SELECT * FROM cmis:document WHERE cmis:objectId = '{number}'")
    tap.equal((len(rows), total), (1, 1))
    tap.equal(sorted(rows[0].properties),
              sorted(name for name, rule in kind["properties"].items()
                     if rule["queryable"] or name in rows[0].properties))
    full = g.client.get(number)
    for name, values in rows[0].properties.items():
        tap.equal(values, full.properties[name], name)
    rows, _, _ = g.client.query("SELECT cmis:path, cmis:name FROM cmis:folder WHERE "
                                f"cmis:objectId = '{g.folder}'")
    tap.equal(rows[0].properties["cmis:name"], [g.name])
    judged(g, number)


@over()
def queries_for_the_root_and_for_an_object(g):
    rows, _, _ = g.client.query(f"SELECT * FROM cmis:folder WHERE cmis:objectId = '{ROOT}'")
    tap.equal([(r.id, r["cmis:path"] if "cmis:path" in r.properties else "/") for r in rows],
              [(ROOT, "/")])
    number = g.document(name=g.fresh("find-me") + ".txt")
    name = g.client.get(number).name
    for where in (f"cmis:name = '{name}'", f"cmis:name LIKE '{name[:6]}%' AND cmis:name = '{name}'",
                  f"cmis:objectId = '{number}'", f"cmis:name IN ('{name}', 'other')",
                  f"NOT (cmis:name <> '{name}')", f"IN_FOLDER('{g.folder}')",
                  f"IN_TREE('{g.folder}')", f"cmis:name = '{name}' AND cmis:createdBy = 'admin' AND "
                  "cmis:contentStreamLength > 0 AND cmis:creationDate > "
                  "TIMESTAMP '2001-01-01T00:00:00.000Z' AND cmis:isLatestVersion = TRUE AND "
                  "cmis:checkinComment IS NULL"):
        rows, _, _ = g.client.query(f"SELECT cmis:objectId FROM cmis:document WHERE {where}")
        tap.equal([r.id for r in rows], [number], where)


@over()
def invalid_queries_are_refused(g):
    for statement in ("", "SELECT", "SELECT *", "THIS_IS_NOT_A_SELECT", "SELECT FROM cmis:document",
                      "SELECT ,cmis:name FROM cmis:document", "SELECT * FROM",
                      "SELECT * FROM no:such_type", "SELECT no:such FROM cmis:document",
                      "SELECT * FROM cmis:document WHERE", "SELECT * FROM cmis:document WHERE cmis:name",
                      "SELECT * FROM cmis:document WHERE cmis:name = ", "DELETE FROM cmis:document",
                      "SELECT * FROM cmis:document WHERE cmis:name = 5",
                      "SELECT * FROM cmis:document WHERE no:such = 'x'",
                      "SELECT * FROM cmis:document ORDER BY no:such",
                      "SELECT * FROM cmis:document WHERE cmis:name = 'x",
                      "SELECT * FROM cmis:document; SELECT * FROM cmis:folder",
                      "SELECT * FROM cmis:document WHERE (cmis:name = 'x'",
                      "SELECT * FROM cmis:document WHERE cmis:creationDate > 'yesterday'",
                      "SELECT * FROM cmis:document WHERE cmis:creationDate > TIMESTAMP 'x'"):
        error = refused("invalidArgument", g.client.query, statement)
        tap.equal(error.status, 500 if g.binding == "soap" else 400, statement)


@over()
def columns_have_one_name_each(g):
    for columns in ("cmis:name, cmis:name", "cmis:name, CMIS:NAME", "*, cmis:name", "*, *",
                    "cmis:name, cmis:objectId AS cmis:name", "cmis:name AS a, cmis:objectId AS A",
                    "SCORE(), SCORE()", "SCORE(), cmis:name AS SEARCH_SCORE", "d.*, d.cmis:name",
                    "* AS everything", "d.* everything"):
        refused("invalidArgument", g.client.query,
                f"SELECT {columns} FROM cmis:document d WHERE CONTAINS('x')")
    number = g.document(b"albatross")
    rows, _, _ = g.client.query(
        "SELECT cmis:name, d.cmis:name, cmis:name AS again, cmis:objectId n, SCORE() AS rank FROM "
        f"cmis:document d WHERE IN_FOLDER('{g.folder}') AND CONTAINS('albatross') ORDER BY again")
    name = g.client.get(number).name
    rank = rows[0].cells.pop("rank")
    tap.equal({title: values for title, (values, _, _) in rows[0].cells.items()},
              {"cmis:name": [name], "d.cmis:name": [name], "again": [name], "n": [number]})
    tap.equal((rank[1], 0 <= float(rank[0][0]) <= 1), ("Decimal", True))


@over()
def rows_are_the_same_over_every_binding(g):
    second = "cv:" + g.fresh("second")
    new_type(g.client, second, "cmis:secondary", [
        new_property(f"{second}:n", "integer"),
        new_property(f"{second}:m", "datetime", cardinality="multi", orderable=False)])
    g.document(b"pelican", more=[("Id", "cmis:secondaryObjectTypeIds", [second]),
                                 ("Integer", f"{second}:n", ["7"]),
                                 ("DateTime", f"{second}:m", ["2024-02-29T12:00:00.000Z"] * 2)])
    plain = g.document(b"pelican pelican")
    g.make("item", kind="Item")
    join = (f"FROM cmis:document d LEFT JOIN {second} s ON d.cmis:objectId = s.cmis:objectId "
            f"WHERE IN_FOLDER(d, '{g.folder}')")
    for statement in (f"SELECT * FROM cmis:document WHERE IN_FOLDER('{g.folder}') ORDER BY cmis:name",
                      f"SELECT * FROM cmis:item WHERE IN_FOLDER('{g.folder}')",
                      f"SELECT * FROM cmis:folder WHERE cmis:objectId = '{g.folder}'",
                      f"SELECT * {join} ORDER BY d.cmis:name",
                      f"SELECT d.cmis:name AS title, s.{second}:m, SCORE() {join} AND "
                      "CONTAINS(d, 'pelican') ORDER BY title"):
        mine, more, total = g.client.query(statement)
        tap.true(mine and all(row.cells for row in mine), statement)
        for other in g.others():
            rows, others_more, others_total = other.query(statement)
            tap.equal((len(rows), bool(others_more), others_total), (len(mine), bool(more), total))
            for at, row in enumerate(mine):
                same({n: list(c) for n, c in rows[at].cells.items()},
                     {n: list(c) for n, c in row.cells.items()}, f"{other.name}: {statement}")
    empty = g.client.query(f"SELECT s.{second}:n, s.{second}:m, d.cmis:objectId AS id {join} AND "
                           f"d.cmis:objectId = '{plain}'")[0]
    tap.equal([(n, c[0]) for n, c in empty[0].cells.items()],
              [(f"s.{second}:n", []), (f"s.{second}:m", []), ("id", [plain])])
    g.client.delete_tree(g.folder)
    g.client.delete_type(second)


@over()
def like_and_order_by(g):
    for name in ("alpha", "Beta", "gamma", "a_b", "a%b", "o'clock", "back\\slash"):
        g.document(name=name)

    def names(where="cmis:name IS NOT NULL", order="cmis:name"):
        return [r.name for r in g.client.query(
            f"SELECT cmis:name, cmis:objectId FROM cmis:document WHERE IN_FOLDER('{g.folder}') AND "
            f"({where}) ORDER BY {order}")[0]]
    tap.equal(names("cmis:name LIKE 'a%'"), ["a%b", "a_b", "alpha"])
    tap.equal(names("cmis:name LIKE 'a\\_b'"), ["a_b"])
    tap.equal(names("cmis:name LIKE 'a\\%b'"), ["a%b"])
    tap.equal(names("cmis:name LIKE 'a_b'"), ["a%b", "a_b"])
    tap.equal(names("cmis:name NOT LIKE '%a%'"), ["o'clock"])
    tap.equal(names("cmis:name = 'o\\'clock'"), ["o'clock"])
    tap.equal(names("cmis:name = 'o''clock'"), ["o'clock"])
    tap.equal(names("cmis:name = 'back\\\\slash'"), ["back\\slash"])
    tap.equal(names(order="cmis:name DESC"), names()[::-1])
    tap.equal(names(order="cmis:creationDate DESC, cmis:name")[0], "back\\slash")


@over()
def folders_and_trees_in_queries(g):
    a, b = g.make("a"), g.make("b")
    deep = g.make("deep", a)
    one_, two, three = (g.document(folder=f) for f in (a, deep, b))

    def found(where):
        return sorted(r.id for r in g.client.query(
            f"SELECT cmis:objectId FROM cmis:document WHERE {where}")[0])
    tap.equal(found(f"IN_FOLDER('{a}')"), [one_])
    tap.equal(found(f"IN_TREE('{a}')"), sorted([one_, two]))
    tap.equal(found(f"IN_TREE('{g.folder}')"), sorted([one_, two, three]))
    tap.equal(found(f"IN_TREE('{g.folder}') AND NOT IN_TREE('{a}')"), [three])
    tap.equal(found(f"IN_FOLDER('{g.folder}')"), [])
    for call in ("IN_FOLDER", "IN_TREE"):
        tap.equal(found(f"{call}('987654321')") if g.binding == "none" else [], [])


@over()
def secondary_types_join(g):
    second = "cv:" + g.fresh("second")
    new_type(g.client, second, "cmis:secondary", [new_property(f"{second}:n", "integer")])
    with_ = g.document(more=[("Id", "cmis:secondaryObjectTypeIds", [second]),
                             ("Integer", f"{second}:n", ["7"])])
    without = g.document()
    statement = (f"SELECT d.cmis:objectId, s.{second}:n FROM cmis:document d {{}} JOIN {second} s ON "
                 f"d.cmis:objectId = s.cmis:objectId WHERE IN_FOLDER(d, '{g.folder}')")
    rows = g.client.query(statement.format(""))[0]
    tap.equal([list(r.properties.values()) for r in rows], [[[with_], ["7"]]])
    rows = g.client.query(statement.format("LEFT OUTER"))[0]
    tap.equal(sorted(list(r.properties.values())[0][0] for r in rows), sorted([with_, without]))
    tap.equal({a["queryName"] for r in rows for a in r.attributes.values()},
              {"d.cmis:objectId", f"s.{second}:n"})
    tap.true(with_ in g.client.query(
        f"SELECT cmis:objectId FROM cmis:document WHERE '{second}' = ANY "
        "cmis:secondaryObjectTypeIds")[0][0].id, "ANY")
    for number in (with_, without):
        g.client.delete(number)
    g.client.delete_type(second)


# Changes


@over()
def changes_are_told_in_order(g):
    info = g.client.info()
    start = info["latestChangeLogToken"] if isinstance(info, dict) else \
        cb.text(info, "cmis:latestChangeLogToken")
    number = g.document()
    g.client.update(number, [("String", "cmis:description", ["x"])])
    g.client.apply_acl(number, add={("anyone", "cmis:read")})

    def told():
        seen, token, more = [], start, True
        while more: # a page begins with the event that its token names
            page, more, token = g.client.changes(token, most=3)
            seen += [(o.id, o.change) for o in page][len(seen) > 0:]
        return [what for item, what in seen if item.split(";")[0] == number.split(";")[0]]
    tap.equal(told(), ["created", "updated", "security"])
    g.client.delete(number)
    tap.equal(told(), ["deleted"], "nothing but that of what is gone")
    refused("invalidArgument", g.client.changes, "no-token")


if __name__ == "__main__":
    main(sys.argv[1])
