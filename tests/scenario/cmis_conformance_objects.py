#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What CMIS 1.1's operations on objects do and refuse, the same over each binding: contents, change
tokens, copies, moves, trees, filing, bulk updates, access lists, relationships, policies; whether
allowable actions tell the truth; each operation's exceptions: cmis_conformance_objects.py COFFER_DMS"""
import sys

import cmis_bindings as cb
import cmis_judge
import tap
from cmis_judge import ALL
from cmis_three import main, over, refused

NOWHERE = "987654321"


def text(name, *values):
    return ("String", name, list(values))


# Contents


@over()
def ranges_of_a_content(g):
    data = b"0123456789012345678901234567890"
    number = g.document(data)
    for offset, length, wanted in ((3, None, data[3:]), (None, 12, data[:12]), (5, 17, data[5:22]),
                                   (9, 123, data[9:]), (0, 31, data), (30, 1, data[30:]),
                                   (0, None, data)):
        tap.equal(g.client.content(number, offset=offset, length=length)[0], wanted,
                  f"{offset} {length}")
    if g.binding == "atom":
        source = g.client.entry_of(number).link("enclosure")
        part = g.client.ask("GET", g.client.with_parameters(source, offset=5, length=17))
        tap.equal((part.body, part.getheader("Content-Range")), (data[5:22], "bytes 5-21/31"))
    for offset, length in ((-1, None), (0, -1), (32, None)):
        if g.binding != "atom":
            refused("invalidArgument", g.client.content, number, offset=offset, length=length)


@over()
def a_content_is_set_appended_and_deleted(g):
    faults = cmis_judge.Faults(g.client)
    number = g.document(b"one")
    faults.judge_object(g.client.get(number, **ALL))
    error = refused("contentAlreadyExists", g.client.set_content, number,
                    (b"no", "text/plain", "n"), overwrite="false")
    tap.equal(error.status in (409, 500), True, "status")
    number = g.client.set_content(number, (b"two", "text/html", "two.html"), overwrite="true")
    tap.equal(g.client.content(number), (b"two", "text/html", "two.html"))
    number = g.client.set_content(number, (b"three", "text/plain", "three.txt"))
    tap.equal(g.client.content(number)[0], b"three", "overwriteFlag is true unless said")
    number = g.client.append(number, (b" and", "text/plain", "x"), "false")
    number = g.client.append(number, (b" four", "text/plain", "x"), "true")
    tap.equal(g.client.content(number), (b"three and four", "text/plain", "three.txt"))
    faults.judge_object(g.client.get(number, **ALL))
    g.client.delete_content(number)
    number = g.client.latest(number, "false").id
    bare = g.client.get(number, **ALL)
    faults.judge_object(bare)
    for part in ("Length", "MimeType", "FileName", "Id"):
        tap.equal(bare.properties["cmis:contentStream" + part], [], part)
    number = g.client.append(number, (b"first", "text/plain", "first.txt"), "true")
    tap.equal(g.client.content(number), (b"first", "text/plain", "first.txt"))
    faults.judge()


@over()
def change_tokens_are_checked(g):
    number = g.document()
    token = g.client.get(number)["cmis:changeToken"]
    number = g.client.update(number, [text("cmis:name", g.fresh("second"))], token)
    refused("updateConflict", g.client.update, number, [text("cmis:name", "third")], token)
    refused("updateConflict", g.client.set_content, number, (b"x", "text/plain", "x"), "true",
            token)
    token = g.client.get(number)["cmis:changeToken"]
    number = g.client.set_content(number, (b"x", "text/plain", "x"), "true", token)
    refused("updateConflict", g.client.set_content, number, (b"y", "text/plain", "y"), "true",
            token)
    after = g.client.get(number)
    tap.true(after["cmis:changeToken"] != token, "setting a content changes the token")
    g.client.set_content(number, (b"z", "text/plain", "z"))
    tap.equal(g.client.content(number)[0], b"z", "no token: no check")


# Places


@over()
def a_copy_is_a_document_of_its_own(g):
    one_, two = g.make("one"), g.make("two")
    number = g.document(b"copy test", folder=one_, more=[text("cmis:description", "about")])
    # An Atom entry has a title, which would be the copy's name.
    type_ = [text("cmis:name", g.client.get(number).name)] if g.binding == "atom" else []
    copy = g.client.copy(number, type_, two)
    a, b = g.client.get(number, **ALL), g.client.get(copy, **ALL)
    faults = cmis_judge.Faults(g.client)
    faults.judge_object(b)
    faults.judge()
    for name in ("cmis:name", "cmis:description", "cmis:contentStreamLength",
                 "cmis:contentStreamMimeType", "cmis:contentStreamFileName"):
        tap.equal(b.properties[name], a.properties[name], name)
    tap.equal(g.client.content(copy), g.client.content(number))
    tap.equal((len(g.client.children(one_)[0]), len(g.client.children(two)[0])), (1, 1))
    refused("objectNotFound", g.client.copy, NOWHERE, type_, two)
    refused("nameConstraintViolation", g.client.copy, number, type_, two)


@over()
def objects_move_from_folder_to_folder(g):
    one_, two = g.make("one"), g.make("two")
    number, inner = g.document(folder=one_), g.make("inner", one_)
    deep = g.document(folder=inner)
    for item in (number, inner):
        moved = g.client.move(item, one_, two)
        tap.equal([p.id for p in g.client.parents(moved)], [two])
    tap.equal(g.client.children(one_)[0], [])
    tap.equal(g.client.get(inner)["cmis:path"], f"/{g.name}/two/inner")
    tap.equal(g.client.get(inner)["cmis:parentId"], two)
    tap.equal(g.client.by_path(f"/{g.name}/two/inner/{g.client.get(deep).name}").id, deep)
    refused("invalidArgument", g.client.move, number, one_, two)  # it is not in one_
    refused("objectNotFound", g.client.move, number, two, NOWHERE)
    refused(("constraint", "invalidArgument"), g.client.move, two, g.folder, inner)
    taken = g.document(folder=one_, name=g.client.get(number).name)
    refused("nameConstraintViolation", g.client.move, number, two, one_)
    tap.equal([p.id for p in g.client.parents(taken)], [one_])


@over()
def trees_are_deleted_or_unfiled(g):
    whole, deep = g.make("whole"), None
    for n in range(3):
        deep = g.make(f"f{n}", deep or whole)
        for m in range(3):
            g.document(folder=deep, name=f"d{m}")
    refused("constraint", g.client.delete, whole)
    tap.equal(g.client.delete_tree(whole), [])
    for number in (whole, deep):
        refused("objectNotFound", g.client.get, number)
    refused("objectNotFound", g.client.delete_tree, whole)
    document = g.document()
    refused("invalidArgument", g.client.delete_tree, document) if g.binding != "atom" else None


def keep(g, number):
    """From now on the document must be kept."""
    done = g.system.server.ask(f"/api/documents/{number.split(';')[0]}/retention", "-X", "PUT", "-d",
                               '{"until_ms": 4000000000000}')
    tap.equal(done.status, 200, repr(done))


@over()
def what_stays_of_a_tree_is_named(g):
    whole = g.make("whole")
    inner, other = g.make("inner", whole), g.make("other", whole)
    gone, stays = g.document(folder=whole), g.document(folder=inner)
    below = g.document(folder=other)
    keep(g, stays)
    refused("constraint", g.client.delete, stays)
    if g.binding == "atom": # which does not say what
        tap.equal(refused("runtime", g.client.delete_tree, whole).status, 500)
    else:
        tap.equal(sorted(g.client.delete_tree(whole)), sorted([stays, inner, whole]))
    for number in (stays, inner, whole):
        g.client.get(number)
    for number in (gone, below, other):
        refused("objectNotFound", g.client.get, number)


@over("browser", "soap")
def deleting_a_tree_stops_at_the_first_that_stays(g):
    whole = g.make("whole")
    stays, after = g.document(folder=whole, name="a"), g.document(folder=whole, name="b")
    keep(g, stays)
    failed = g.client.delete_tree(whole, continueOnFailure="false")
    tap.equal(sorted(failed), sorted([stays, whole]))
    for number in (whole, stays, after):
        g.client.get(number)


# Allowable actions


def allowed(call, /, *arguments, **named):
    """Whether the operation does it, and by which exception it does not."""
    try:
        call(*arguments, **named)
    except cb.CmisError as error:
        tap.true(error.name in ("constraint", "versioning", "permissionDenied", "invalidArgument",
                                "streamNotSupported", "notSupported"), error)
        return False
    return True


def attempts(g, number, item):
    """For each action an attempt that an object allowing it lets pass. Those that end the object
    come last."""
    client, folder = g.client, None
    base = item["cmis:baseTypeId"]
    parents = client.parents(number) if item.actions["canGetObjectParents"] else []
    spare = g.system.client("browser").create("Folder", cb.named("cmis:folder", g.fresh("spare")),
                                              g.system.home)
    name = g.fresh("attempt")
    yield "canGetProperties", lambda: client.properties(number)
    if base != "cmis:relationship": # it has none, and says so
        yield "canGetObjectRelationships", lambda: client.relationships(number)
    yield "canGetACL", lambda: client.acl(number)
    yield "canGetAppliedPolicies", lambda: client.policies(number)
    yield "canUpdateProperties", lambda: client.update(number, [text("cmis:description", name)])
    yield "canApplyACL", lambda: client.apply_acl(number, add={("admin", "cmis:read")})
    if base == "cmis:folder":
        folder = number
        yield "canGetChildren", lambda: client.children(number)
        yield "canGetDescendants", lambda: client.descendants(number)
        yield "canGetFolderTree", lambda: client.descendants(number, folders=True)
        yield "canGetFolderParent", lambda: client.folder_parent(number)
        yield "canCreateDocument", lambda: client.create(
            "Document", cb.named("cmis:document", name), folder, (b"x", "text/plain", "x"))
        yield "canCreateFolder", lambda: client.create(
            "Folder", cb.named("cmis:folder", name + "f"), folder)
        yield "canCreateItem", lambda: client.create("Item", cb.named("cmis:item", name + "i"),
                                                     folder)
    if base == "cmis:document":
        yield "canGetContentStream", lambda: client.content(number)
        yield "canGetAllVersions", lambda: client.versions(number)
        yield "canSetContentStream", lambda: client.set_content(number, (b"new", "text/plain", "n"))
    if base in ("cmis:document", "cmis:item"):
        yield "canAddObjectToFolder", lambda: client.add_to_folder(number, spare)
    if parents and base != "cmis:relationship":
        yield "canMoveObject", lambda: client.move(number, parents[0].id, client.create(
            "Folder", cb.named("cmis:folder", g.fresh("to")), g.system.home))
    if base in ("cmis:document", "cmis:item"):
        yield "canRemoveObjectFromFolder", lambda: client.remove_from_folder(number, parents[0].id)
    if item.properties.get("cmis:contentStreamLength"):
        yield "canDeleteContentStream", lambda: client.delete_content(number)
    if base == "cmis:document":
        yield "canCheckOut", lambda: client.check_out(number)
        yield "canCheckIn", lambda: client.check_in(number, "true")
    if base == "cmis:folder":
        yield "canDeleteTree", lambda: client.delete_tree(number) == [] or int("x")
    else:
        yield "canDeleteObject", lambda: client.delete(number, "false")


@over()
def allowable_actions_tell_the_truth(g):
    """Each action of each object in each state, asked for and then tried, by its maker and by one
    who may only read."""
    g.system.home = g.folder
    reader, name = g.system.user(g.binding)
    admin, soap = g.client, g.system.client("soap")

    def plain(**more):
        return g.document(**more)

    def out():
        number = g.document()
        g.client.check_out(number)
        return number

    def kept():
        number = g.document()
        keep(g, number)
        return number

    def old():
        number = g.document()
        g.client.check_in(g.client.check_out(number), "true")
        return number

    def readable(make):
        def made():
            number = make()
            soap.apply_acl(number, add={(name, "cmis:read"), ("admin", "cmis:all")},
                           remove={("anyone", "cmis:all")})
            return number
        return made
    states = {"a document": plain, "one without content": lambda: plain(content=None),
              "one checked out": out, "a working copy": lambda: g.client.check_out(g.document()),
              "one to be kept": kept, "an old version": old,
              "a working copy of one to be kept": lambda: g.client.check_out(kept()),
              "an item": lambda: g.make(g.fresh("item"), kind="Item"),
              "a folder": lambda: g.make(g.fresh("folder")),
              "a relationship": lambda: g.client.create("Relationship", cb.named(
                  "cmis:relationship", "r", ("Id", "cmis:sourceId", [g.document()]),
                  ("Id", "cmis:targetId", [g.document()]))),
              "a policy": lambda: g.client.create("Policy", cb.named(
                  "cmis:policy", g.fresh("p"), text("cmis:policyText", "be kind")))}
    wrong = []
    for who, client in (("admin", admin), ("reader", reader)):
        for state, make in states.items():
            make = readable(make) if client is reader else make
            if client is reader and "working copy" in state:
                continue # nobody else sees it
            g.client = admin
            number = make()
            g.client = client
            names = [action for action, _ in attempts(g, number, client.get(number, **ALL))]
            for action in names:
                g.client = admin
                number = make() if action.startswith(("canDelete", "canCheck")) else number
                g.client = client
                item = client.get(number, **ALL)
                attempt = dict(attempts(g, number, item))[action]
                said, does = item.actions[action], allowed(attempt)
                if said != does:
                    wrong.append(f"{state}: {who} {action} is {said}, but it {does}")
    g.client = admin
    tap.true(not wrong, "\n".join(["what actions say", *wrong]))


@over()
def objects_are_in_several_folders_or_none(g):
    a, b = g.make("a"), g.make("b")
    number = g.document(folder=a)
    name = g.client.get(number).name
    g.client.add_to_folder(number, b)
    tap.equal(sorted(p.id for p in g.client.parents(number)), sorted([a, b]))
    for folder in "ab":
        tap.equal(g.client.by_path(f"/{g.name}/{folder}/{name}").id, number)
    both = g.client.get(number, **ALL)
    tap.true(both.actions["canRemoveObjectFromFolder"] and both.actions["canAddObjectToFolder"],
             "actions")
    g.client.remove_from_folder(number, a)
    tap.equal([p.id for p in g.client.parents(number)], [b])
    g.client.remove_from_folder(number, b)
    tap.equal(g.client.parents(number), [])
    faults = cmis_judge.Faults(g.client)
    faults.judge_object(g.client.get(number, **ALL))
    faults.judge()
    g.client.add_to_folder(number, a)
    refused("objectNotFound", g.client.add_to_folder, number, NOWHERE)
    refused(("invalidArgument", "constraint"), g.client.add_to_folder, b, a)


@over()
def many_objects_change_at_once(g):
    folders = [g.make(f"f{n}") for n in range(5)]
    numbers = [g.document(folder=folder) for folder in folders]
    done = g.client.bulk(numbers, [text("cmis:name", "renamed.txt")])
    tap.equal(len(done), 5)
    for folder in folders:
        tap.equal([o.name for o in g.client.children(folder)[0]], ["renamed.txt"])
    tap.equal(g.client.bulk([*done[:2], NOWHERE], [text("cmis:description", "x")]), done[:2])


# Access, relationships, policies


@over()
def access_lists_are_read_and_changed(g):
    number = g.document()
    before = g.client.acl(number)
    tap.equal(g.client.get(number, includeACL="true").acl, before)
    tap.true(before and all(what in ("cmis:read", "cmis:write", "cmis:all")
                            for _, what, _ in before), "basic permissions")
    for who in ("anyone", "admin", "cmis:user", "anonymous"):
        real = "admin" if who == "cmis:user" else who
        for what in ("cmis:read", "cmis:write", "cmis:all"):
            after = g.client.apply_acl(number, add={(who, what)})
            tap.true((real, what, True) in after, f"{who} {what}: {after}")
            tap.equal(g.client.acl(number), after)
            after = g.client.apply_acl(number, remove={(real, what)})
            tap.true((real, what, True) not in after, f"{real} {what}: {after}")
    refused("invalidArgument", g.client.apply_acl, number, {("nobody-of-this-name", "cmis:read")})
    refused("constraint", g.client.apply_acl, number, {("anyone", "cmis:juggle")})
    refused("objectNotFound", g.client.acl, NOWHERE)
    made = g.client.create("Document", cb.named("cmis:document", g.fresh("with")), g.folder,
                           (b"x", "text/plain", "x"), add={("anyone", "cmis:read")})
    tap.true(("anyone", "cmis:read", True) in g.client.acl(made), "with entries from the start")


@over()
def relationships_are_seen_from_both_ends(g):
    source, target = g.document(), g.document()
    number = g.client.create("Relationship", cb.named(
        "cmis:relationship", "r", ("Id", "cmis:sourceId", [source]),
        ("Id", "cmis:targetId", [target])))
    faults = cmis_judge.Faults(g.client)
    for item in (number, source, target):
        faults.judge_object(g.client.get(item, **ALL))
    faults.judge()
    for end, direction in ((source, "source"), (target, "target"), (source, "either"),
                           (target, "either")):
        tap.equal([r.id for r in g.client.relationships(end, direction)], [number], direction)
    for end, direction in ((source, "target"), (target, "source")):
        tap.equal(g.client.relationships(end, direction), [])
    for flag, at_source, at_target in (("none", 0, 0), ("source", 1, 0), ("target", 0, 1),
                                       ("both", 1, 1)):
        tap.equal([len(g.client.get(end, includeRelationships=flag).relationships)
                   for end in (source, target)], [at_source, at_target], flag)
    g.client.delete(number)
    refused("objectNotFound", g.client.get, number)
    tap.equal(g.client.relationships(source, "either"), [])


@over()
def policies_are_applied_and_removed(g):
    policy = g.client.create("Policy", cb.named("cmis:policy", g.fresh("policy"),
                                                text("cmis:policyText", "be kind")))
    faults = cmis_judge.Faults(g.client)
    number = g.document()
    for item in (number, g.folder):
        g.client.apply_policy(policy, item)
        tap.equal([p.id for p in g.client.policies(item)], [policy])
        tap.equal(g.client.get(item, includePolicyIds="true").policies, [policy])
        faults.judge_object(g.client.get(item, **ALL))
        refused("constraint", g.client.delete, policy)
        tap.equal(g.client.allowable_actions(policy)["canDeleteObject"], False)
        g.client.remove_policy(policy, item)
        tap.equal(g.client.policies(item), [])
    g.client.apply_policy(policy, number)
    number = g.client.check_in(g.client.check_out(number), "true")
    tap.equal([p.id for p in g.client.policies(number)], [policy], "of the new version, too")
    copy = g.client.copy(number, cb.named("cmis:document", g.fresh("copy")), g.folder)
    tap.equal(g.client.policies(copy), [], "a copy is an object of its own")
    g.client.delete(number) # what is in the trash keeps no policy
    number = copy
    tap.equal(g.client.allowable_actions(policy)["canDeleteObject"], True)
    about = g.client.type("cmis:policy")
    tap.true("enforces nothing" in (about["description"] if isinstance(about, dict) else
                                    about.values["description"]), "it is said what policies do")
    faults.judge_object(g.client.get(policy, **ALL))
    faults.judge()
    refused("invalidArgument", g.client.apply_policy, number, number)
    refused("objectNotFound", g.client.apply_policy, NOWHERE, number)
    g.client.delete(policy)


# Retention and holds


SECONDARY = "cmis:secondaryObjectTypeIds"
RETENTION, HOLD = "cmis:rm_clientMgtRetention", "cmis:rm_hold"
UNTIL, HOLDS = "cmis:rm_expirationDate", "cmis:rm_holdIds"


def timed(when, *more):
    return [("Id", SECONDARY, [RETENTION, *more]), ("DateTime", UNTIL, [when])]


@over()
def a_time_to_keep_is_a_secondary_type(g):
    number, faults = g.document(), cmis_judge.Faults(g.client)
    node = number.split(";")[0]
    number = g.client.update(number, timed("2090-01-01T00:00:00.000Z"))
    found = g.client.get(number, **ALL)
    tap.equal((found.properties[SECONDARY], found[UNTIL]), ([RETENTION], "2090-01-01T00:00:00.000Z"))
    faults.judge_object(found)
    tap.equal(g.system.server.ask(f"/api/documents/{node}/retention").json["until_ms"],
              3786912000000, "what REST says")
    tap.true(not found.actions["canDeleteObject"] and not found.actions["canSetContentStream"],
             "actions")
    refused("constraint", g.client.delete, number)
    refused("constraint", g.client.set_content, number, (b"x", "text/plain", "x"))
    refused("constraint", g.client.update, number, [("Id", SECONDARY, [])])
    for when in ("2089-01-01T00:00:00.000Z", "2001-01-01T00:00:00.000Z"):
        refused("constraint", g.client.update, number, [("DateTime", UNTIL, [when])])
    refused("constraint", g.client.update, number, [("DateTime", UNTIL, [])])
    g.client.update(number, [text("cmis:description", "may change")])
    g.client.update(number, [("DateTime", UNTIL, ["2091-01-01T00:00:00.000Z"])])
    tap.equal(g.client.get(number)[UNTIL], "2091-01-01T00:00:00.000Z")
    new = g.client.check_in(g.client.check_out(number), "true", content=(b"n", "text/plain", "n"))
    tap.equal(g.client.get(new)[UNTIL], "2091-01-01T00:00:00.000Z", "it is the document's")
    faults.judge_versions(new)
    copy = g.client.copy(new, [text("cmis:name", g.fresh("copy"))], g.folder)
    tap.equal(g.client.get(copy).properties[SECONDARY], [], "a copy need not be kept")
    g.client.delete(copy)
    born = g.client.create("Document", cb.named("cmis:document", g.fresh("born"), *timed(
        "2090-01-01T00:00:00.000Z")), g.folder, (b"x", "text/plain", "x"))
    refused("constraint", g.client.delete, born)
    by_rest = g.document()
    keep(g, by_rest)
    found = g.client.get(by_rest, **ALL)
    tap.equal((found.properties[SECONDARY], bool(found[UNTIL])), ([RETENTION], True), "set by REST")
    faults.judge_object(found)
    faults.judge()
    refused("constraint", g.client.update, g.folder, timed("2090-01-01T00:00:00.000Z"))
    refused("constraint", g.client.update, g.document(), timed("2001-01-01T00:00:00.000Z"))
    refused("constraint", g.client.delete_type, RETENTION)


@over()
def a_legal_hold_is_a_secondary_type(g):
    number, faults = g.document(), cmis_judge.Faults(g.client)
    a, b = g.fresh("case"), g.fresh("case")
    put = [("Id", SECONDARY, [HOLD]), ("String", HOLDS, [a, b])]
    number = g.client.update(number, put)
    found = g.client.get(number, **ALL)
    tap.equal((found.properties[SECONDARY], sorted(found.properties[HOLDS])), ([HOLD], sorted([a, b])))
    faults.judge_object(found)
    faults.judge()
    server = g.system.server
    said = server.ask(f"/api/documents/{number.split(';')[0]}/retention").json
    tap.equal((sorted(said["holds"]), said["kept"]), (sorted([a, b]), True), "what REST says")
    refused("constraint", g.client.delete, number)
    refused("constraint", g.client.update, number, [("String", HOLDS, [a])])
    refused("constraint", g.client.update, number, [("Id", SECONDARY, [])])
    other = g.document()
    g.client.update(other, [("Id", SECONDARY, [HOLD]), ("String", HOLDS, [a])])
    holds = [hold for hold in server.ask("/api/holds").json["items"] if hold["name"] == a]
    tap.equal([hold["documents"] for hold in holds], [2], "one hold of one name")
    clerk, _ = g.system.user(g.binding)
    refused("permissionDenied", clerk.update, g.document(), put)


if __name__ == "__main__":
    main(sys.argv[1])
