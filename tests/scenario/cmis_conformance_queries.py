#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CMIS SQL by CMIS 1.1's rules (2.1.14), the same over each binding: every value of an object of every
base type finds it, comparisons of each kind of property, joins, full text, aliases, places:
cmis_conformance_queries.py COFFER_DMS"""
import datetime
import sys

import cmis_bindings as cb
import cmis_judge
import tap
from cmis_three import ROOT, main, new_property, new_type, over, refused, same

DAY = "2024-02-29T12:00:00.000Z"


def quoted(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def literal(kind, value):
    """A value as CMIS SQL writes it."""
    if kind == "datetime":
        return f"TIMESTAMP '{value}'"
    if kind in ("integer", "decimal"):
        return value
    return value.upper() if kind == "boolean" else quoted(value)


def ids(g, statement, **page):
    rows, _, _ = g.client.query(statement, **page)
    return [row.cells["cmis:objectId"][0][0] for row in rows]


def typed(g, number):
    return cmis_judge.definition(g.client.type(number))["properties"]


# What an object has


def conditions(name, rule, values):
    """Conditions that hold for an object with these values, and some that do not."""
    kind = rule["propertyType"]
    said = [literal(kind, value) for value in values]
    other = {"datetime": "TIMESTAMP '1970-01-01T00:00:00.000Z'", "integer": "-987654321",
             "decimal": "-987654321.5"}.get(kind, "'no such value'")
    if not values:
        yield f"{name} IS NULL", True
        yield f"{name} IS NOT NULL", False
        return
    yield f"{name} IS NOT NULL", True
    yield f"{name} IS NULL", False
    if rule["cardinality"] == "multi":
        for one in said:
            yield f"{one} = ANY {name}", True
            yield f"ANY {name} IN ({one})", True
        yield f"NOT ({said[0]} = ANY {name})", False
        if kind != "boolean":
            yield f"ANY {name} IN ({', '.join([other, *said])})", True
            yield f"{other} = ANY {name}", False
            yield f"ANY {name} NOT IN ({other})", True
        if kind in ("string", "id", "uri", "html"):
            yield f"ANY {name} LIKE {quoted(values[0][:2] + '%')}", True
        return
    yield f"{name} = {said[0]}", True
    yield f"{name} <> {said[0]}", False
    yield f"NOT {name} = {said[0]}", False
    if kind == "boolean":
        yield f"{name} = {'FALSE' if said[0] == 'TRUE' else 'TRUE'}", False
        return
    yield f"{name} IN ({other}, {said[0]})", True
    yield f"{name} IN ({other})", False
    yield f"{name} NOT IN ({other})", True
    yield f"{name} NOT IN ({said[0]}, {other})", False
    yield f"{name} = {other}", False
    if kind in ("integer", "decimal", "datetime"):
        yield f"{name} >= {said[0]} AND {name} <= {said[0]}", True
        yield f"{name} > {said[0]} OR {name} < {said[0]}", False
        yield f"{name} > {other}", True
    else:
        escaped = values[0].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        escaped = escaped.replace("'", "\\'")
        yield f"{name} LIKE '{escaped}'", True
        if values[0][-1] not in "%_\\'":
            yield f"{name} LIKE '%{values[0][-1]}'", True
        yield f"{name} NOT LIKE 'no such%'", True
        yield f"{name} LIKE '{escaped}_'", False


def every_kind(number):
    kinds = ("string", "id", "integer", "decimal", "boolean", "datetime", "html", "uri")
    return [new_property(f"{number}:{kind}{s}", kind, cardinality="multi" if s else "single",
                         orderable=not s) for kind in kinds for s in ("", "s")]


def every_value(number):
    values = {"String": ["it's 50% of a_b\\c"], "Id": ["an-id"], "Integer": ["-42"],
              "Decimal": ["1.5"], "Boolean": ["true"], "DateTime": [DAY], "Html": ["<b>x</b>"],
              "Uri": ["http://a/?b&c"]}
    more = {"String": "b", "Id": "c", "Integer": "7", "Decimal": "-2.25", "Boolean": "false",
            "DateTime": "1999-12-31T23:59:59.999Z", "Html": "<i/>", "Uri": "urn:x"}
    return [(kind, f"{number}:{kind.lower()}{s}", value + [more[kind]] * bool(s))
            for kind, value in values.items() for s in ("", "s")]


@over()
def every_value_finds_its_object(g):
    """For each base type an object with values of each kind; each value it shows is asked for."""
    client, made = g.client, {}
    numbers = {base: "cq:" + g.fresh(base.partition(":")[2]) for base in cmis_judge.BASES[:5]}
    for base, number in numbers.items():
        new_type(client, number, base, every_kind(number))

    def make(kind, folder, *more):
        number = numbers["cmis:" + kind.lower()]
        return client.create(kind, cb.named(number, g.fresh(kind) + "_100%'s", *every_value(number),
                                            ("String", "cmis:description", ["words"]), *more),
                             folder, (b"hello", "text/plain", "name.txt")
                             if kind == "Document" else None)
    for kind in ("Document", "Folder", "Item"):
        made[kind] = make(kind, g.folder)
    made["Policy"] = make("Policy", None, ("String", "cmis:policyText", ["be kind"]))
    made["Relationship"] = make("Relationship", None, ("Id", "cmis:sourceId", [made["Document"]]),
                                ("Id", "cmis:targetId", [made["Item"]]))
    for kind, number in made.items():
        rules = typed(g, numbers["cmis:" + kind.lower()])
        shown = client.get(number)
        table = numbers["cmis:" + kind.lower()]
        asked = 0
        for name, rule in rules.items():
            if rule["queryable"]:
                for condition, holds in conditions(name, rule, shown.properties[name]):
                    found = ids(g, f"SELECT cmis:objectId FROM {table} WHERE {condition}")
                    tap.equal(found, [number] * holds, f"{kind}: {condition}")
                    asked += 1
        tap.true(asked > 100, f"{asked} conditions")
        base = "cmis:" + kind.lower()
        tap.equal(ids(g, f"SELECT * FROM {base} WHERE cmis:objectTypeId = '{table}'"), [number],
                  "its base type finds it, too")
        row = client.query(f"SELECT * FROM {table}")[0][0]
        same({n: c[0] for n, c in row.cells.items()}, dict(shown.properties), f"the row of {kind}")
        order = ", ".join(name for name, rule in rules.items() if rule["orderable"])
        names = [name.strip() for name in order.split(",")]
        for at in range(0, len(names), 8):
            tap.equal(ids(g, f"SELECT cmis:objectId FROM {table} ORDER BY " +
                          " DESC, ".join(names[at:at + 8])), [number], "ordered by all of it")
    for kind in ("Relationship", "Policy"):
        client.delete(made[kind])
    client.delete_tree(g.folder)
    for number in numbers.values():
        client.delete_type(number)


# Kinds of comparisons


@over()
def dates_compare_as_moments(g):
    number = "cq:" + g.fresh("dated")
    new_type(g.client, number, properties=[new_property(f"{number}:t", "datetime"),
                                           new_property(f"{number}:ts", "datetime",
                                                        cardinality="multi", orderable=False)])
    moments = ["1899-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", DAY, "2024-02-29T12:00:00.001Z",
               "9999-12-31T23:59:59.999Z"]
    made = [g.document(type=number, name=f"{n}", more=[
        ("DateTime", f"{number}:t", [moment]), ("DateTime", f"{number}:ts", [moment, moments[0]])])
        for n, moment in enumerate(moments)]

    def found(condition):
        return [made.index(i) for i in ids(
            g, f"SELECT cmis:objectId FROM {number} WHERE {condition} ORDER BY {number}:t")]
    for at, moment in enumerate(moments):
        for way, wanted in (("=", [at]), ("<", range(at)), ("<=", range(at + 1)),
                            (">", range(at + 1, 5)), (">=", range(at, 5)),
                            ("<>", [n for n in range(5) if n != at])):
            tap.equal(found(f"{number}:t {way} TIMESTAMP '{moment}'"), list(wanted), f"{way} {moment}")
    same_moment = ["2024-02-29T13:00:00.000+01:00", "2024-02-29T12:00:00Z", "2024-02-29T06:30:00-05:30"]
    for other in same_moment:
        tap.equal(found(f"{number}:t = TIMESTAMP '{other}'"), [2], other)
    tap.equal(found(f"{number}:t IN (TIMESTAMP '{moments[4]}', TIMESTAMP '{same_moment[0]}')"), [2, 4])
    tap.equal(found(f"TIMESTAMP '{moments[3]}' = ANY {number}:ts"), [3])
    tap.equal(found(f"ANY {number}:ts IN (TIMESTAMP '{moments[0]}')"), [0, 1, 2, 3, 4])
    tap.equal(found(f"timestamp '{DAY}' = ANY {number}:ts"), [2], "words in either case")
    tap.equal(found(f"{number}:t > TIMESTAMP '{moments[0]}' AND NOT {number}:t >= "
                    f"TIMESTAMP '{DAY}'"), [1])
    for wrong in ("'2024-02-29T12:00:00.000Z'", "TIMESTAMP '2024-02-30T12:00:00.000Z'",
                  "TIMESTAMP '2024-02'", "TIMESTAMP ''", "TIMESTAMP 5", "5", "TRUE"):
        refused("invalidArgument", g.client.query,
                f"SELECT * FROM {number} WHERE {number}:t = {wrong}")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y")
    tap.equal(len(found(f"cmis:creationDate > TIMESTAMP '{int(now) - 1}-01-01T00:00:00.000Z'")), 5)
    g.client.delete_tree(g.folder)
    g.client.delete_type(number)


@over()
def values_of_another_kind_are_refused(g):
    number = "cq:" + g.fresh("kinds")
    kinds = {"string": "'x'", "id": "'x'", "uri": "'x'", "html": "'x'", "integer": "5",
             "decimal": "5.5", "boolean": "TRUE", "datetime": f"TIMESTAMP '{DAY}'"}
    new_type(g.client, number, properties=every_kind(number) + [
        new_property(f"{number}:hidden", "string", queryable=False, orderable=False)])
    literals = {"text": "'x'", "number": "5", "truth": "TRUE", "moment": f"TIMESTAMP '{DAY}'"}
    fits = {"integer": "number", "decimal": "number", "boolean": "truth", "datetime": "moment"}
    wrong = []
    for kind, fitting in kinds.items():
        name = f"{number}:{kind}"
        for other, value in literals.items():
            if other != fits.get(kind, "text"):
                wrong += [f"{name} = {value}", f"{name} IN ({fitting}, {value})",
                          f"{value} = ANY {name}s"]
        wrong += [f"{name}s = {fitting}", f"{name}s IN ({fitting})", f"{fitting} = ANY {name}",
                  f"ANY {name} IN ({fitting})", f"{fitting} = {name}", f"{name} = ANY {name}s"]
        if kind in fits:
            wrong.append(f"{name} LIKE 'x'")
    wrong += [f"{number}:boolean < TRUE", f"{number}:hidden = 'x'", f"{number}:hidden IS NULL",
              f"{number}:string LIKE 5", f"{number}:string = \"x\"", f"{number}:string == 'x'",
              f"{number}:integer = 1e999", f"{number}:integer = 9999999999999999999",
              "SCORE() > 0.5", "cmis:path = '/'", "cmis:changeToken = '1'"]
    for condition in wrong:
        refused("invalidArgument", g.client.query, f"SELECT * FROM {number} WHERE {condition}")
    for order in (f"{number}:strings", f"{number}:hidden", "cmis:path"):
        refused("invalidArgument", g.client.query, f"SELECT * FROM {number} ORDER BY {order}")
    g.client.delete_type(number)


# Joins


@over()
def secondary_types_join_as_tables(g):
    one, two = ("cq:" + g.fresh("sec") for _ in "12")
    for number in (one, two):
        new_type(g.client, number, "cmis:secondary", [
            new_property(f"{number}:v", "string"),
            new_property(f"{number}:m", "string", cardinality="multi", orderable=False)])
    both = [(one, "a"), (two, "b")]
    made = []
    for at, kinds in enumerate(([], both[:1], both[1:], both)):
        made.append(g.document(name=f"d{at}", more=[
            ("Id", "cmis:secondaryObjectTypeIds", [number for number, _ in kinds]),
            *(("String", f"{number}:v", [f"{value}{at}"]) for number, value in kinds),
            *(("String", f"{number}:m", [value, "all"]) for number, value in kinds)]))
    here = f"IN_FOLDER(d, '{g.folder}')"

    def rows(columns, joins, where=here, order="d.cmis:name"):
        found = g.client.query(f"SELECT {columns} FROM cmis:document AS d {joins} WHERE {where} "
                               f"ORDER BY {order}")[0]
        return [[(cell[0] or [None])[0] for cell in row.cells.values()] for row in found]
    inner = f"JOIN {one} AS s ON d.cmis:objectId = s.cmis:objectId"
    second = f"JOIN {two} AS t ON d.cmis:objectId = t.cmis:objectId"
    tap.equal(rows(f"d.cmis:name, s.{one}:v", inner), [["d1", "a1"], ["d3", "a3"]])
    tap.equal(rows(f"d.cmis:name, s.{one}:v", "INNER " + inner), [["d1", "a1"], ["d3", "a3"]])
    tap.equal(rows(f"d.cmis:name, s.{one}:v, t.{two}:v", f"{inner} {second}"), [["d3", "a3", "b3"]])
    tap.equal(rows(f"d.cmis:name, s.{one}:v, t.{two}:v", f"LEFT {inner} LEFT OUTER {second}"),
              [["d0", None, None], ["d1", "a1", None], ["d2", None, "b2"], ["d3", "a3", "b3"]])
    tap.equal(rows("d.cmis:name", f"LEFT {inner}", f"{here} AND s.{one}:v IS NULL"), [["d0"], ["d2"]])
    tap.equal(rows("d.cmis:name", f"LEFT {inner}", f"{here} AND s.{one}:v = 'a3'"), [["d3"]])
    tap.equal(rows("d.cmis:name", inner, f"{here} AND 'a' = ANY s.{one}:m"), [["d1"], ["d3"]])
    tap.equal(rows("d.cmis:name", inner, here, f"s.{one}:v DESC"), [["d3"], ["d1"]])
    tap.equal(ids(g, f"SELECT cmis:objectId FROM {one} WHERE {one}:v = 'a1'"), [made[1]],
              "a secondary type alone")
    for wrong in (f"JOIN {one} s ON d.cmis:name = s.no:such", f"JOIN {one} d ON d.cmis:objectId = "
                  "d.cmis:objectId", f"JOIN {one} s", f"JOIN {one} s ON d.cmis:objectId",
                  f"JOIN {one} s ON d.cmis:objectId > s.cmis:objectId", f"RIGHT {inner}",
                  f"JOIN {one} s ON x.cmis:objectId = s.cmis:objectId",
                  f"JOIN {one} s ON d.cmis:objectId = s.{one}:m"):
        refused("invalidArgument", g.client.query, f"SELECT d.cmis:name FROM cmis:document d {wrong}")
    g.client.delete_tree(g.folder)
    for number in (one, two):
        g.client.delete_type(number)


@over()
def relationships_join_what_they_relate(g):
    source, target = g.document(name="source"), g.make("item", kind="Item")
    relation = g.client.create("Relationship", cb.named(
        "cmis:relationship", g.fresh("r"), ("Id", "cmis:sourceId", [source]),
        ("Id", "cmis:targetId", [target])))
    rows = g.client.query(
        "SELECT d.cmis:name AS source, r.cmis:objectId AS relation, i.cmis:name AS target FROM "
        "cmis:document d JOIN cmis:relationship r ON d.cmis:objectId = r.cmis:sourceId JOIN cmis:item "
        f"i ON r.cmis:targetId = i.cmis:objectId WHERE IN_FOLDER(d, '{g.folder}')")[0]
    tap.equal([{name: cell[0] for name, cell in row.cells.items()} for row in rows],
              [{"source": ["source"], "relation": [relation], "target": ["item"]}])
    g.client.delete(relation)


# Full text


@over()
def full_text_is_scored(g):
    texts = {"one": b"pelican and albatross", "two": b"pelican pelican pelican", "three": b"gannet"}
    made = {name: g.document(text, name=f"{name}.txt") for name, text in texts.items()}
    here = f"IN_FOLDER('{g.folder}')"

    def found(text, order="rank DESC"):
        rows = g.client.query(f"SELECT cmis:objectId, SCORE() AS rank FROM cmis:document WHERE {here} "
                              f"AND CONTAINS('{text}') ORDER BY {order}")[0]
        scores = [float(row.cells["rank"][0][0]) for row in rows]
        tap.true(all(0 <= score <= 1 for score in scores), f"{scores}")
        tap.equal(scores, sorted(scores, reverse="DESC" in order), "in the order of their scores")
        return [name for row in rows for name, number in made.items()
                if number == row.cells["cmis:objectId"][0][0]]
    tap.equal(found("pelican"), ["two", "one"])
    tap.equal(found("pelican", "rank"), ["one", "two"])
    tap.equal(found("pelican", "SCORE() DESC"), ["two", "one"])
    tap.equal(found("pelican albatross"), ["one"])
    tap.equal(sorted(found("albatross OR gannet")), ["one", "three"])
    tap.equal(found("pelican -albatross"), ["two"])
    tap.equal(found("\\'and albatross\\'"), ["one"])
    tap.equal(found('"pelican and"'), ["one"])
    tap.equal(found("nothinglikeit"), [])
    aliased = g.client.query(f"SELECT d.cmis:objectId FROM cmis:document d WHERE CONTAINS(d, 'gannet') "
                             f"AND IN_FOLDER(d, '{g.folder}')")[0]
    tap.equal([row.cells["d.cmis:objectId"][0] for row in aliased], [[made["three"]]])
    negated = ids(g, f"SELECT cmis:objectId FROM cmis:document WHERE {here} AND NOT "
                     "CONTAINS('pelican')")
    tap.equal(negated, [made["three"]])
    for wrong in ("SELECT SCORE() FROM cmis:document", "SELECT * FROM cmis:document WHERE CONTAINS('')",
                  "SELECT * FROM cmis:document ORDER BY SCORE()", "SELECT SCORE(1) FROM cmis:document "
                  "WHERE CONTAINS('x')", "SELECT * FROM cmis:document WHERE CONTAINS(x, 'y')",
                  "SELECT * FROM cmis:document WHERE CONTAINS(y)"):
        refused("invalidArgument", g.client.query, wrong)


# Places and names


@over()
def places_are_asked_for(g):
    inner = g.make("inner")
    a, b = g.document(name="a"), g.document(name="b", folder=inner)
    g.client.add_to_folder(a, inner)
    item = g.make("item", inner, "Item")
    for table, where, wanted in (
            ("cmis:document", f"IN_FOLDER('{g.folder}')", [a]),
            ("cmis:document", f"IN_FOLDER('{inner}')", [a, b]),
            ("cmis:document", f"IN_TREE('{g.folder}')", [a, b]),
            ("cmis:document", f"IN_TREE('{inner}') AND NOT IN_FOLDER('{g.folder}')", [b]),
            ("cmis:folder", f"IN_FOLDER('{g.folder}')", [inner]),
            ("cmis:folder", f"IN_TREE('{g.folder}')", [inner]),
            ("cmis:folder", f"cmis:parentId = '{g.folder}'", [inner]),
            ("cmis:item", f"IN_TREE('{g.folder}')", [item]),
            ("cmis:document", f"IN_FOLDER('{inner}') OR IN_FOLDER('{g.folder}')", [a, b])):
        tap.equal(ids(g, f"SELECT cmis:objectId FROM {table} WHERE {where} ORDER BY cmis:name"), wanted,
                  f"{table} {where}")
    tap.true(g.folder in ids(g, f"SELECT cmis:objectId FROM cmis:folder WHERE IN_FOLDER('{ROOT}')",
                             most=1000), "in the root")
    for wrong in (f"IN_FOLDER('{a}')", "IN_FOLDER('987654321')", "IN_TREE('x')", "IN_FOLDER(5)",
                  f"IN_FOLDER(x, '{inner}')", "IN_FOLDER()", f"IN_FOLDER('{inner}', 'x')"):
        refused("invalidArgument", g.client.query, f"SELECT * FROM cmis:document WHERE {wrong}")


@over()
def words_and_names_are_in_either_case(g):
    number = g.document(name="case")
    for statement in (
            f"select cmis:objectId from cmis:document where cmis:objectId = '{number}'",
            f"SeLeCt CMIS:OBJECTID FrOm CMIS:DOCUMENT wHeRe CMIS:OBJECTID = '{number}'",
            f"SELECT\tcmis:objectId\nFROM cmis:document\r\nWHERE(cmis:objectId='{number}')",
            f"SELECT cmis:objectId FROM cmis:document x WHERE X.cmis:objectId IN('{number}','y')"):
        rows = g.client.query(statement)[0]
        tap.equal([cell[0] for row in rows for cell in row.cells.values()], [[number]], statement)
    by_alias = g.client.query("SELECT cmis:name AS title, cmis:objectId i FROM cmis:document WHERE "
                              f"cmis:objectId = '{number}' ORDER BY title DESC, i")[0]
    tap.equal({n: c[0] for n, c in by_alias[0].cells.items()}, {"title": ["case"], "i": [number]})
    tap.equal({n: c[2]["propertyDefinitionId"] for n, c in by_alias[0].cells.items()},
              {"title": "cmis:name", "i": "cmis:objectId"})
    for wrong in ("SELECT cmis:name AS FROM cmis:document", "SELECT cmis:name AS x y FROM cmis:document",
                  "SELECT x.cmis:name FROM cmis:document y", "SELECT cmis:document.cmis:name FROM "
                  "cmis:document d", "SELECT cmis:name x FROM cmis:document WHERE x = 'y'",
                  "SELECT DISTINCT cmis:name FROM cmis:document"):
        refused("invalidArgument", g.client.query, wrong)


if __name__ == "__main__":
    main(sys.argv[1])
