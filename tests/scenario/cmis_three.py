# SPDX-License-Identifier: Apache-2.0
"""What the conformance scenarios share: a server, a client of each binding with the same methods,
types made through any of them, and tests registered once for each binding."""
import contextlib
from xml.sax.saxutils import escape, quoteattr

import cmis_bindings as cb
import cmis_bindings_json as cj
import dms_server
import tap
from cmis_system import new_property  # pylint: disable=unused-import

ROOT = "1"
CLIENTS = {"browser": cj.Browser, "atom": cb.Atom, "soap": cb.Soap}
ORDER = ["id", "localName", "localNamespace", "displayName", "queryName", "description", "baseId",
         "parentId", "propertyType", "cardinality", "updatability", "creatable", "fileable",
         "queryable", "fulltextIndexed", "includedInSupertypeQuery", "controllablePolicy",
         "controllableACL", "inherited", "required", "orderable", "openChoice", "versionable",
         "contentStreamAllowed"]


def scalar_xml(name, value):
    value = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    return f"<cmis:{name}>{escape(str(value))}</cmis:{name}>"


def choice_xml(choice):
    held = choice.get("value", [])
    return (f"<cmis:choice displayName={quoteattr(choice['displayName'])}>" +
            "".join(scalar_xml("value", v) for v in (held if isinstance(held, list) else [held])) +
            "".join(choice_xml(c) for c in choice.get("choice", [])) + "</cmis:choice>")


def property_xml(item):
    kind = cj.KINDS[item["propertyType"]]
    order = [name for name in ORDER if name not in ("queryable", "orderable", "openChoice")]
    inner = "".join(scalar_xml(name, item[name])
                    for name in [*order, "queryable", "orderable", "openChoice"] if name in item)
    if "defaultValue" in item:
        inner += "<cmis:defaultValue>" + "".join(
            scalar_xml("value", v) for v in item["defaultValue"]) + "</cmis:defaultValue>"
    inner += "".join(scalar_xml(name, item[name])
                     for name in ("maxLength", "maxValue", "minValue") if name in item)
    inner += "".join(choice_xml(c) for c in item.get("choice", []))
    return f"<cmis:property{kind}Definition>{inner}</cmis:property{kind}Definition>"


def type_xml(item):
    """The inside of a type's element, and its xsi:type."""
    base = item["baseId"].partition(":")[2].capitalize()
    early = [name for name in ORDER if name not in ("versionable", "contentStreamAllowed")]
    early = [name for name in early if name != "queryName"]
    early.insert(4, "queryName")
    inner = "".join(scalar_xml(name, item[name]) for name in early if name in item)
    inner += "".join(property_xml(p) for p in item["propertyDefinitions"].values())
    inner += "".join(scalar_xml(name, item[name])
                     for name in ("versionable", "contentStreamAllowed") if name in item)
    inner += "".join(scalar_xml(name, value) for name in ("allowedSourceTypes",
                                                          "allowedTargetTypes")
                     for value in item.get(name, []))
    return inner, f"cmis:cmisType{base}DefinitionType"


def type_item(number, parent="cmis:document", properties=(), **more):
    """A type's definition with everything that a client says."""
    item = {"id": number, "localName": number + "-l", "localNamespace": "urn:test",
            "displayName": "The " + number, "queryName": number, "description": "of " + number,
            "baseId": more.pop("base", parent), "parentId": parent, "creatable": True,
            "fileable": True, "queryable": True, "fulltextIndexed": False,
            "includedInSupertypeQuery": True, "controllablePolicy": True, "controllableACL": True,
            "propertyDefinitions": {p["id"]: p for p in properties}}
    base = item["baseId"]
    if base == "cmis:document":
        item.update(versionable=True, contentStreamAllowed="allowed")
    if base in ("cmis:secondary", "cmis:relationship", "cmis:policy"):
        item.update(fileable=False)
    if base == "cmis:secondary":
        item.update(creatable=False, controllablePolicy=False, controllableACL=False)
    item.update(more)
    return item


def new_type(client, number, parent="cmis:document", properties=(), **more):
    """Makes a type; what the binding answers."""
    return send_type(client, type_item(number, parent, properties, **more))


def send_type(client, item, change=False):
    if isinstance(client, cj.Browser):
        return (client.change_type if change else client.make_type)(item)
    return (client.update_type if change else client.create_type)(*type_xml(item))


class System:
    """A server and its clients."""

    def __init__(self, server):
        self.server, self.clients, self.serial = server, {}, 0

    def logs(self):
        return self.server.logs() if hasattr(self.server, "logs") else ""

    def client(self, name, auth=None):
        key = (name, auth)
        if key not in self.clients:
            make = CLIENTS.get(name, cb.Atom)
            more = {"service": "/cmis/" + name} if make is cb.Atom else {}
            self.clients[key] = make(self.server.url, auth or self.server.auth, ca=self.server.ca,
                                     **more)
        return self.clients[key]

    def fresh(self, what="f"):
        self.serial += 1
        return f"{what}{self.serial}"

    def user(self, binding):
        """A client for a user of its own, and the user's name."""
        name = self.fresh("user")
        made = self.server.post("/api/users", {"name": name, "password": "one-time-word-1"})
        tap.equal(made.status, 201, f"{made}")
        self.server.ask("/api/me/password", "-X", "PUT", "-H", "Content-Type: application/json", "-d",
                        '{"old":"one-time-word-1","new":"another-password"}',
                        auth=f"{name}:one-time-word-1")
        return self.client(binding, f"{name}:another-password"), name


class Group:
    """What a test works with: a client and a folder of its own."""

    def __init__(self, system, name):
        self.system, self.client, self.binding = system, system.client(name), name
        self.name = system.fresh("group")
        self.folder = self.client.create("Folder", cb.named("cmis:folder", self.name), ROOT)

    def fresh(self, what="x"):
        return self.system.fresh(what)

    def document(self, content=b"hello", folder=None, state=None, kind="text/plain", more=(),
                 **named):
        name = named.get("name", self.fresh("doc") + ".txt")
        return self.client.create("Document", cb.named(named.get("type", "cmis:document"), name,
                                                       *more), folder or self.folder,
                                  None if content is None else (content, kind, name), state)

    def make(self, name, folder=None, kind="Folder", more=()):
        return self.client.create(kind, cb.named("cmis:" + kind.lower(), name, *more),
                                  folder or self.folder)

    def others(self):
        return [self.system.client(name) for name in CLIENTS if name != self.binding]


def refused(exception, call, /, *arguments, **named):
    """The operation must fail with this exception."""
    names = exception if isinstance(exception, tuple) else (exception,)
    try:
        got = call(*arguments, **named)
    except cb.CmisError as error:
        if error.name not in names:
            raise AssertionError(f"{error} instead of {names}") from error
        return error
    raise AssertionError(f"no {names} but {got!r}")


def same(got, wanted, what, path=""):
    """tap.equal() for deep values: says where they differ."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        tap.equal(sorted(got), sorted(wanted), f"{what}: names at {path or 'the top'}")
        for name, value in wanted.items():
            same(got[name], value, what, f"{path}/{name}")
    elif isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        for at, value in enumerate(wanted):
            same(got[at], value, what, f"{path}/{at}")
    else:
        tap.equal(got, wanted, f"{what}: {path}")


def register(group, names):
    def one(name):
        def run(system):
            group(Group(system, name))
        run.__name__ = f"{name}: {group.__name__}"
        tap.test(run)
    for name in names:
        one(name)


def over(*names):
    """@over("browser", "soap") makes a test of each binding named; @over() of all three."""
    def decorate(group):
        register(group, names or CLIENTS)
        return group
    return decorate


def main(program):
    @contextlib.contextmanager
    def fixture():
        with dms_server.server(program) as server:
            yield System(server)
    tap.main(fixture)
