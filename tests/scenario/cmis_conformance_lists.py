#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists by CMIS 1.1's rules (2.2.1.1, 2.2.1.2), the same over each binding: pages of children,
checked-out documents, relationships, queries, types and changes have what was asked for and say what
is left; orderBy orders; trees and versions are whole: cmis_conformance_lists.py COFFER_DMS"""
import sys

import cmis_bindings as cb
import tap
from cmis_judge import ALL
from cmis_three import ROOT, main, new_property, new_type, over, refused

COUNT = 7
# maxItems, skipCount; None: not said
PAGES = ((None, None), (COUNT, 0), (3, None), (3, 0), (3, 3), (3, 6), (1, COUNT - 1), (COUNT, 1),
         (1000, 0), (100000, 5), (2, COUNT), (2, 100000), (0, 0))


def pages_of(page, wanted, what):
    """A list of COUNT ids, asked for page by page."""
    tap.equal(len(wanted), COUNT)
    for most, skip in PAGES:
        found, more, total = page(most=most, skip=skip)
        first = skip or 0
        last = COUNT if most is None else min(first + most, COUNT)
        tap.equal([o.id for o in found], wanted[first:last], f"{what}, {most} from {skip}")
        tap.equal(bool(more), first < COUNT and last < COUNT, f"{what}, {most} from {skip}: more")
        tap.equal(total, COUNT, f"{what}, {most} from {skip}: numItems")
    seen, skip, more = [], 0, True
    while more:
        found, more, _ = page(most=2, skip=skip)
        seen += [o.id for o in found]
        skip += len(found)
    tap.equal(seen, wanted, f"{what}: nothing twice, nothing left out")
    for wrong in ({"most": -1}, {"skip": -1}, {"most": "some"}, {"skip": "1.5"}):
        refused("invalidArgument", page, **{"most": None, "skip": None, **wrong})


@over()
def children_come_in_pages(g):
    numbers = [g.document(name=f"doc{n}") for n in range(COUNT - 2)]
    numbers += [g.make("folder"), g.make("item", kind="Item")]
    g.document(folder=numbers[-2]) # is no child
    pages_of(lambda **page: g.client.children(g.folder, **page), numbers, "children")
    pages_of(lambda **page: g.client.children(g.folder, order="cmis:name DESC", **page),
             numbers[::-1], "children the other way")


@over()
def a_query_comes_in_pages(g):
    numbers = [g.document(name=f"doc{n}") for n in range(COUNT)]
    statement = f"SELECT * FROM cmis:document WHERE IN_FOLDER('{g.folder}') ORDER BY cmis:name"
    pages_of(lambda **page: g.client.query(statement, **page), numbers, "query")
    second = g.client.check_in(g.client.check_out(numbers[0]), "true")
    third = g.client.check_in(g.client.check_out(second), "true")
    every = g.client.query(statement + ", cmis:versionLabel", all_versions="true", most=4, skip=1)
    tap.equal([o.id for o in every[0]], [second, third, *numbers[1:3]], "of every version")
    tap.equal((bool(every[1]), every[2]), (True, COUNT + 2))


@over()
def checked_out_documents_come_in_pages(g):
    numbers = [g.client.check_out(g.document(name=f"doc{n}")) for n in range(COUNT)]
    inner = g.make("inner")
    elsewhere = g.client.check_out(g.document(folder=inner))

    def page(**asked):
        return g.client.checked_out_page(g.folder, **asked)
    pages_of(lambda **asked: page(order="cmis:name", **asked), numbers, "checked out")
    pages_of(lambda **asked: page(order="cmis:name DESC", **asked), numbers[::-1], "downwards")
    every = [o.id for o in g.client.checked_out_page(most=1000)[0]]
    tap.equal(sorted({*numbers, elsewhere} - set(every)), [], "without a folder those of all")
    tap.equal(len(every), len(set(every)))
    for number in (*numbers, elsewhere):
        g.client.cancel(number)
    found, more, total = page()
    tap.equal((found, bool(more), total), ([], False, 0))


@over()
def relationships_come_in_pages(g):
    kind = "cl:" + g.fresh("relation")
    new_type(g.client, kind, "cmis:relationship")
    one, other = g.document(), g.document()

    def relate(source, target, number="cmis:relationship"):
        return g.client.create("Relationship", cb.named(
            number, g.fresh("r"), ("Id", "cmis:sourceId", [source]), ("Id", "cmis:targetId", [target])))
    numbers = [relate(one, other) for _ in range(COUNT - 1)] + [relate(one, other, kind)]
    back = relate(other, one)
    pages_of(lambda **page: g.client.relationships_page(one, "source", **page), numbers, "source")
    pages_of(lambda **page: g.client.relationships_page(other, "target", **page), numbers, "target")
    both = g.client.relationships_page(one, "either", most=3, skip=6)
    tap.equal((sorted(o.id for o in both[0]), bool(both[1]), both[2]),
              (sorted([numbers[-1], back]), False, COUNT + 1))
    tap.equal([o.id for o in g.client.relationships_page(one, "source", kind)[0]], numbers[-1:])
    for number in (*numbers, back):
        g.client.delete(number)
    g.client.delete_type(kind)


@over()
def types_come_in_pages(g):
    above = "cl:" + g.fresh("above")
    new_type(g.client, above)
    names = [f"{above}:{n}" for n in range(COUNT)]
    for name in names:
        new_type(g.client, name, above, base="cmis:document")

    def page(**asked):
        found, more, total = g.client.type_children(above, **asked)
        return [Named(t["id"] if isinstance(t, dict) else t.id) for t in found], more, total
    pages_of(page, names, "types")
    for name in (*names, above):
        g.client.delete_type(name)


class Named:
    def __init__(self, number):
        self.id = number


@over()
def lists_are_ordered_as_asked(g):
    """By each orderable property of the base type, both ways, and by several."""
    words = ["delta", "Alpha", "charlie", "Bravo"]
    numbers = {word: g.document(b"x" * (n % 2 + 1), name=word, more=[
        ("String", "cmis:description", ["same" if n < 3 else "other"])])
        for n, word in enumerate(words)}
    made = {number: g.client.get(number) for number in numbers.values()}

    def order(by):
        listed = [o.id for o in g.client.children(g.folder, order=by)[0]]
        asked = [r.id for r in g.client.query(
            f"SELECT * FROM cmis:document WHERE IN_FOLDER('{g.folder}') ORDER BY {by}")[0]]
        tap.equal(asked, listed, f"a query and children by {by}")
        return listed
    by_name = sorted(words, key=str.lower)
    tap.equal(order("cmis:name"), [numbers[w] for w in by_name])
    tap.equal(order("cmis:name ASC"), [numbers[w] for w in by_name])
    tap.equal(order("cmis:name DESC"), [numbers[w] for w in by_name[::-1]])
    tap.equal(order("cmis:description, cmis:name DESC"),
              [numbers[w] for w in ("Bravo", "delta", "charlie", "Alpha")])
    tap.equal(order("cmis:contentStreamLength DESC,cmis:name"),
              [numbers[w] for w in ("Alpha", "Bravo", "charlie", "delta")])
    rules = g.client.type("cmis:document")
    rules = rules["propertyDefinitions"] if isinstance(rules, dict) else {
        name: {"orderable": cb.text(item, "cmis:orderable") == "true",
               "propertyType": cb.text(item, "cmis:propertyType")}
        for name, item in rules.properties.items()}
    for name, rule in rules.items():
        if not rule["orderable"]:
            refused("invalidArgument", g.client.children, g.folder, order=name)
            refused("invalidArgument", g.client.query,
                    f"SELECT * FROM cmis:document ORDER BY {name}")
            continue
        for way in ("ASC", "DESC"):
            values = [made[number].properties[name] for number in order(f"{name} {way}, cmis:name")]
            numeric = rule["propertyType"] in ("integer", "decimal")
            keys = [(float(v[0]) if numeric else v[0].lower()) if v else None for v in values]
            known = [key for key in keys if key is not None]
            tap.equal(known, sorted(known, reverse=way == "DESC"), f"by {name} {way}")
    for wrong in ("cmis:name,", "cmis:name sideways", "no:such", "cmis:name DESC ASC", ",", "*"):
        refused("invalidArgument", g.client.children, g.folder, order=wrong)


@over()
def own_properties_order_lists(g):
    number = "cl:" + g.fresh("own")
    kinds = {"integer": ["10", "9", "-1"], "decimal": ["10.5", "9.5", "-1.5"],
             "datetime": ["2024-02-29T12:00:00.000Z", "1999-12-31T23:59:59.000Z",
                          "1960-01-01T00:00:00.000Z"], "string": ["b", "a", "A"],
             "boolean": ["true", "false", "false"]}
    named = {"integer": "Integer", "decimal": "Decimal", "datetime": "DateTime",
             "string": "String", "boolean": "Boolean"}
    new_type(g.client, number, properties=[new_property(f"{number}:{kind}", kind)
                                           for kind in kinds])
    made = [g.document(type=number, name=f"n{at}", more=[
        (named[kind], f"{number}:{kind}", [values[at]]) for kind, values in kinds.items()])
        for at in range(3)]
    without = g.document(type=number, name="n9")
    for kind in kinds:
        for way in ("ASC", "DESC"):
            by = f"{number}:{kind} {way}, cmis:name"
            found = [o.id for o in g.client.children(g.folder, order=by)[0]]
            tap.equal(found, [r.id for r in g.client.query(
                f"SELECT cmis:objectId FROM {number} WHERE IN_FOLDER('{g.folder}') ORDER BY {by}")[0]],
                      f"children and query by {by}")
            known = [made.index(f) for f in found if f != without]
            if kind in ("integer", "decimal", "datetime"):
                tap.equal(known, [2, 1, 0] if way == "ASC" else [0, 1, 2], by)
            elif kind == "string":
                tap.equal(known, [1, 2, 0] if way == "ASC" else [0, 1, 2], by)
            else:
                tap.equal(known, [1, 2, 0] if way == "ASC" else [0, 1, 2], by)
            tap.true(found.index(without) in (0, 3), "what is not set comes first or last")
    g.client.delete_tree(g.folder)
    g.client.delete_type(number)


@over("atom")
def feeds_link_their_pages(g):
    numbers = [g.document(name=f"doc{n}") for n in range(COUNT)]
    statement = f"SELECT * FROM cmis:document WHERE IN_FOLDER('{g.folder}') ORDER BY cmis:name"
    places = {"children": g.client.with_parameters(
        g.client.follow(g.folder, "down", cb.FEED), maxItems=3, orderBy="cmis:name", filter="*"),
              "query": g.client.fill("query", q=statement, maxItems=3, skipCount=0,
                                     searchAllVersions="false")}
    for what, place in places.items():
        pages, links, at = [], {}, place
        while at:
            entries, links, total = g.client.feed(at)
            pages.append(([e.object.id for e in entries], links))
            tap.equal(total, COUNT, what)
            at = links.get("next")
        tap.equal([ids for ids, _ in pages], [numbers[:3], numbers[3:6], numbers[6:]], what)
        tap.true("previous" not in pages[0][1], "nothing is before the first page")
        for at, (_, links) in enumerate(pages):
            if "previous" in links:
                tap.equal([e.object.id for e in g.client.feed(links["previous"])[0]],
                          pages[at - 1][0], "previous")
                tap.equal([e.object.id for e in g.client.feed(links["first"])[0]], pages[0][0])
            if "last" in links:
                tap.equal([e.object.id for e in g.client.feed(links["last"])[0]], pages[-1][0])
        tap.true("previous" in pages[1][1] and "last" in pages[0][1], "there are such links")


@over()
def trees_are_whole_and_as_deep_as_asked(g):
    wide = [g.make(f"f{n}") for n in range(3)]
    deep = g.make("deep", wide[1])
    documents = {g.document(folder=folder, name=f"d{n}"): folder
                 for n, folder in enumerate((g.folder, *wide, deep))}
    item = g.make("item", deep, "Item")

    def flat(nodes):
        return [(node.object.id, node.object.segment) for node in nodes] + \
            [pair for node in nodes for pair in flat(node.children)]
    every = {*wide, deep, item, *documents}
    for depth, wanted in ((1, {*wide, list(documents)[0]}), (2, {*wide, deep, *list(documents)[:4]}),
                          (3, every), (100, every), (-1, every)):
        found = flat(g.client.descendants(g.folder, depth))
        tap.equal(sorted(number for number, _ in found), sorted(wanted), f"depth {depth}")
        for number, segment in found:
            tap.equal(g.client.get(number).name, segment)
    for depth, wanted in ((1, set(wide)), (2, {*wide, deep}), (-1, {*wide, deep})):
        tap.equal({number for number, _ in flat(g.client.descendants(g.folder, depth, True))},
                  wanted, f"folders, depth {depth}")
    tap.equal(g.client.descendants(deep, 1, True), [])


@over()
def versions_are_listed_newest_first(g):
    first = g.document(state="minor")
    numbers = [first]
    for n in range(COUNT - 1):
        numbers.append(g.client.check_in(g.client.check_out(numbers[-1]),
                                         "true" if n % 3 == 0 else "false", comment=f"c{n}"))
    listed = g.client.versions(first)
    tap.equal([v.id for v in listed], numbers[::-1])
    tap.equal([v["cmis:versionLabel"] for v in listed],
              ["2.2", "2.1", "2.0", "1.2", "1.1", "1.0", "0.1"])
    pwc = g.client.check_out(numbers[-1])
    for number in (pwc, first, numbers[-1], listed[0]["cmis:versionSeriesId"]):
        tap.equal([v.id for v in g.client.versions(number)], [pwc, *numbers[::-1]])
    g.client.cancel(pwc)


@over()
def changes_come_in_pages(g):
    start = g.system.client("browser").info()["latestChangeLogToken"] # Atom's client keeps its own
    numbers = [g.document() for _ in range(COUNT)]
    for most in (2, 3, COUNT, 100):
        seen, token, more, pages = [], start, True, 0
        while more: # a page begins with the event that its token names
            page, more, following = g.client.changes(token, most=most)
            tap.true(len(page) <= most, "no more than asked for")
            tap.equal(bool(more), len(seen) + len(page) - (pages > 0) < COUNT + 1,
                      f"{most}: whether there are more")
            seen += [o.id for o in page][pages > 0:]
            token, pages = following, pages + 1
        tap.equal(seen[1:], numbers, f"{most} at a time")
    tap.true(not g.client.changes(start, most=COUNT + 1)[1], "exactly all")
    tap.equal(g.client.get(ROOT, **ALL).id, ROOT)


@over()
def what_may_not_be_read_is_in_no_list(g):
    ada, _ = g.system.user(g.binding)
    number, folder = g.document(b"seldom"), g.make("hidden")
    inside, out = g.document(folder=folder), g.client.check_out(g.document(folder=folder))
    relation = g.client.create("Relationship", cb.named(
        "cmis:relationship", "r", ("Id", "cmis:sourceId", [number]), ("Id", "cmis:targetId", [inside])))
    policy = g.client.create("Policy", cb.named("cmis:policy", g.fresh("policy"),
                                                ("String", "cmis:policyText", ["be kind"])))
    g.client.apply_policy(policy, number)

    def seen(client):
        one = client.get(number, **ALL)
        return ([o.id for o in client.relationships(number)], [o.id for o in one.relationships],
                [o.id for o in client.policies(number)], one.policies,
                folder in [o.id for o in client.children(g.folder)[0]],
                inside in [n.object.id for f in client.descendants(g.folder) for n in f.children],
                [r.id for r in client.query(
                    f"SELECT * FROM cmis:document WHERE cmis:objectId = '{inside}'")[0]],
                client.query(f"SELECT * FROM cmis:document WHERE IN_TREE('{g.folder}')")[2])
    every = ([relation], [relation], [policy], [policy], True, True, [inside], 3)
    tap.equal((seen(ada), seen(g.client)), (every, every))
    tap.equal([o.id for o in ada.relationships(inside, "target")], [relation])
    for hidden in (relation, policy, folder):
        g.system.client("browser").apply_acl(hidden, remove={("anyone", "cmis:all")})
        refused("objectNotFound", ada.get, hidden)
    tap.equal(seen(ada), ([], [], [], [], False, False, [], 1))
    tap.equal(seen(g.client), every, "an administrator sees all")
    g.client.remove_policy(policy, number)
    g.client.cancel(out)
    for gone in (policy, relation):
        g.client.delete(gone)
    g.client.delete_tree(g.folder)


if __name__ == "__main__":
    main(sys.argv[1])
