# SPDX-License-Identifier: Apache-2.0
"""What CMIS 1.1 demands of whatever a repository shows, whichever binding shows it: type definitions,
objects with their properties and allowable actions, version series, folders and their pages.

Each judge_...() collects every fault it finds; Faults.judge() fails with all of them at once."""
import datetime

import cmis_bindings as cb
import cmis_bindings_json as cj

BASES = ["cmis:document", "cmis:folder", "cmis:relationship", "cmis:policy", "cmis:item",
         "cmis:secondary"]
# id: (type, cardinality, updatability or None, required or None); 2.1.4 to 2.1.9
EVERY = {
    "cmis:name": ("string", "single", None, None),
    "cmis:description": ("string", "single", None, False),
    "cmis:objectId": ("id", "single", "readonly", False),
    "cmis:baseTypeId": ("id", "single", "readonly", False),
    "cmis:objectTypeId": ("id", "single", "oncreate", True),
    "cmis:secondaryObjectTypeIds": ("id", "multi", "readwrite", False),
    "cmis:createdBy": ("string", "single", "readonly", False),
    "cmis:creationDate": ("datetime", "single", "readonly", False),
    "cmis:lastModifiedBy": ("string", "single", "readonly", False),
    "cmis:lastModificationDate": ("datetime", "single", "readonly", False),
    "cmis:changeToken": ("string", "single", "readonly", False),
}
OF = {
    "cmis:document": {
        "cmis:isImmutable": ("boolean", "single", "readonly", False),
        "cmis:isLatestVersion": ("boolean", "single", "readonly", False),
        "cmis:isMajorVersion": ("boolean", "single", "readonly", False),
        "cmis:isLatestMajorVersion": ("boolean", "single", "readonly", False),
        "cmis:isPrivateWorkingCopy": ("boolean", "single", "readonly", False),
        "cmis:versionLabel": ("string", "single", "readonly", False),
        "cmis:versionSeriesId": ("id", "single", "readonly", False),
        "cmis:isVersionSeriesCheckedOut": ("boolean", "single", "readonly", False),
        "cmis:versionSeriesCheckedOutBy": ("string", "single", "readonly", False),
        "cmis:versionSeriesCheckedOutId": ("id", "single", "readonly", False),
        "cmis:checkinComment": ("string", "single", "readonly", False),
        "cmis:contentStreamLength": ("integer", "single", "readonly", False),
        "cmis:contentStreamMimeType": ("string", "single", "readonly", False),
        "cmis:contentStreamFileName": ("string", "single", "readonly", False),
        "cmis:contentStreamId": ("id", "single", "readonly", False),
    },
    "cmis:folder": {
        "cmis:parentId": ("id", "single", "readonly", False),
        "cmis:path": ("string", "single", "readonly", False),
        "cmis:allowedChildObjectTypeIds": ("id", "multi", "readonly", False),
    },
    "cmis:relationship": {
        "cmis:sourceId": ("id", "single", "oncreate", True),
        "cmis:targetId": ("id", "single", "oncreate", True),
    },
    "cmis:policy": {"cmis:policyText": ("string", "single", None, None)},
    "cmis:item": {},
}
ACTIONS = """canDeleteObject canUpdateProperties canGetFolderTree canGetProperties
canGetObjectRelationships canGetObjectParents canGetFolderParent canGetDescendants canMoveObject
canDeleteContentStream canCheckOut canCancelCheckOut canCheckIn canSetContentStream
canGetAllVersions canAddObjectToFolder canRemoveObjectFromFolder canGetContentStream
canApplyPolicy canGetAppliedPolicies canRemovePolicy canGetChildren canCreateDocument
canCreateFolder canCreateRelationship canCreateItem canDeleteTree canGetRenditions canGetACL
canApplyACL""".split()
ONLY_DOCUMENTS = """canCheckOut canCancelCheckOut canCheckIn canSetContentStream
canDeleteContentStream canGetContentStream canGetAllVersions""".split()
ONLY_FOLDERS = """canGetFolderTree canGetDescendants canGetChildren canGetFolderParent
canCreateDocument canCreateFolder canCreateItem canDeleteTree""".split()
NOT_EMPTY = ["cmis:objectId", "cmis:baseTypeId", "cmis:objectTypeId", "cmis:createdBy",
             "cmis:lastModifiedBy", "cmis:name", "cmis:creationDate", "cmis:lastModificationDate",
             "cmis:changeToken", "cmis:isImmutable", "cmis:isLatestVersion",
             "cmis:isMajorVersion", "cmis:isLatestMajorVersion", "cmis:isPrivateWorkingCopy",
             "cmis:versionSeriesId", "cmis:isVersionSeriesCheckedOut", "cmis:versionLabel",
             "cmis:path", "cmis:sourceId", "cmis:targetId", "cmis:policyText"]
ALL = {"filter": "*", "includeAllowableActions": "true", "includeRelationships": "both",
       "renditionFilter": "*", "includePolicyIds": "true", "includeACL": "true"}
LISTED = {name: ALL[name] for name in ("filter", "includeAllowableActions", "includeRelationships",
                                       "renditionFilter")}


def typed(kind, text):
    """A value as Python has it; ValueError if it is none of its kind."""
    if kind == "Boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is no boolean")
        return text == "true"
    if kind == "Integer":
        return int(text)
    if kind == "Decimal":
        return float(text)
    if kind == "DateTime":
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} has no time zone")
        return moment
    return text


def values(item):
    return {name: [typed(item.kinds[name], one) for one in all_]
            for name, all_ in item.properties.items()}


def one(item, name):
    kept = values(item).get(name)
    return kept[0] if kept else None


# Type definitions, as one dictionary for all bindings


def scalar(text):
    return {"true": True, "false": False}.get(text, text)


def property_definition(element):
    found = {}
    for part in element:
        name = cb.local(part)
        if name == "defaultValue":
            found[name] = [v.text or "" for v in part.findall("cmis:value", cb.NS)]
        elif name == "choice":
            found.setdefault(name, []).append(choice(part))
        else:
            found[name] = scalar(part.text or "")
    return found


def choice(element):
    return {"displayName": element.get("displayName"),
            "value": [v.text or "" for v in element.findall("cmis:value", cb.NS)],
            "choice": [choice(c) for c in element.findall("cmis:choice", cb.NS)]}


def plain_choice(item):
    held = item.get("value", [])
    return {"displayName": item.get("displayName"),
            "value": cj.values_of(held),
            "choice": [plain_choice(c) for c in item.get("choice", [])]}


def plain_property(item):
    found = {}
    for name, value in item.items():
        if name == "defaultValue":
            found[name] = cj.values_of(value, item["propertyType"])
        elif name == "choice":
            found[name] = [plain_choice(c) for c in value]
        else:
            found[name] = value if isinstance(value, bool) else str(value)
    return found


def definition(kind):
    """A binding's type as a dictionary: scalars, `properties` (in order), `mutability`."""
    if isinstance(kind, dict):
        found = {name: value for name, value in kind.items()
                 if not isinstance(value, (dict, list))}
        found["properties"] = {name: plain_property(item) for name, item in
                               kind.get("propertyDefinitions", {}).items()}
        found["mutability"] = kind.get("typeMutability")
        for name in ("allowedSourceTypes", "allowedTargetTypes"):
            if name in kind:
                found[name] = kind[name]
        return found
    found = {name: scalar(value) for name, value in kind.values.items()
             if name not in ("allowedSourceTypes", "allowedTargetTypes")}
    found["properties"] = {name: property_definition(item)
                           for name, item in kind.properties.items()}
    found["mutability"] = {name: scalar(value) for name, value in kind.mutability.items()}
    for name in ("allowedSourceTypes", "allowedTargetTypes"):
        listed = [item.text for item in kind.element.findall("cmis:" + name, cb.NS)]
        if listed:
            found[name] = listed
    return found


class Faults:
    def __init__(self, client):
        self.client, self.list, self.types = client, [], {}
        self.version = "1.0" if client.name.startswith("atom10") else "1.1"

    def add(self, condition, what):
        if not condition:
            self.list.append(what)

    def judge(self):
        if self.list:
            raise AssertionError(f"{len(self.list)} faults:\n" + "\n".join(self.list[:60]))

    def type(self, number):
        if number not in self.types:
            self.types[number] = definition(self.client.type(number))
        return self.types[number]

    # Types

    def judge_type(self, kind):
        name = kind.get("id")
        for key in ("id", "localName", "queryName", "displayName", "description", "baseId",
                    "localNamespace"):
            self.add(isinstance(kind.get(key), str) and kind[key], f"{name}: no {key}")
        for key in ("creatable", "fileable", "queryable", "fulltextIndexed",
                    "includedInSupertypeQuery", "controllablePolicy", "controllableACL"):
            self.add(isinstance(kind.get(key), bool), f"{name}: {key} is {kind.get(key)!r}")
        base = kind.get("baseId")
        self.add(base in BASES, f"{name}: base type {base}")
        self.add(("parentId" not in kind) == (name == base), f"{name}: parentId")
        if self.version == "1.1":
            self.add(set(kind["mutability"] or ()) == {"create", "update", "delete"},
                     f"{name}: mutability {kind['mutability']}")
        else:
            self.add(not kind["mutability"], f"{name}: mutability in 1.0")
        if base == "cmis:document":
            self.add(isinstance(kind.get("versionable"), bool), f"{name}: versionable")
            self.add(kind.get("contentStreamAllowed") in ("allowed", "notallowed", "required"),
                     f"{name}: contentStreamAllowed")
        if base == "cmis:folder":
            self.add(kind["fileable"] is True, f"{name}: folders are fileable")
        if base in ("cmis:relationship", "cmis:secondary"):
            self.add(kind["fileable"] is False, f"{name}: fileable")
        if base == "cmis:secondary":
            for key in ("creatable", "controllablePolicy", "controllableACL"):
                self.add(kind[key] is False, f"{name}: {key}")
        wanted = {} if base == "cmis:secondary" else {**EVERY, **OF.get(base, {})}
        if self.version == "1.0":
            wanted = {key: value for key, value in wanted.items()
                      if key not in ("cmis:description", "cmis:secondaryObjectTypeIds",
                                     "cmis:isPrivateWorkingCopy")}
        for key, (type_, many, how, required) in wanted.items():
            self.add(key in kind["properties"], f"{name}: no property {key}")
            found = kind["properties"].get(key, {})
            self.add((found.get("propertyType"), found.get("cardinality")) == (type_, many),
                     f"{name}: {key} is {found.get('propertyType')} {found.get('cardinality')}")
            self.add(how in (None, found.get("updatability")),
                     f"{name}: {key} is {found.get('updatability')}")
            self.add(required in (None, found.get("required")), f"{name}: {key} required")
        for key, found in kind["properties"].items():
            self.judge_property(f"{name} {key}", key, found, name == base)

    def judge_property(self, where, key, found, is_base):
        self.add(found.get("id") == key, f"{where}: id {found.get('id')}")
        for part in ("localName", "queryName", "displayName", "description", "localNamespace"):
            self.add(found.get(part), f"{where}: no {part}")
        for part in ("inherited", "required", "queryable", "orderable"):
            self.add(isinstance(found.get(part), bool), f"{where}: {part} {found.get(part)!r}")
        self.add(not (found.get("orderable") and found.get("cardinality") == "multi"),
                 f"{where}: of many values and orderable")
        self.add(found.get("updatability") in ("readonly", "readwrite", "whencheckedout",
                                               "oncreate"), f"{where}: updatability")
        self.add(found.get("cardinality") in ("single", "multi"), f"{where}: cardinality")
        if key.startswith("cmis:") and not key.startswith("cmis:rm_"):
            self.add(found.get("inherited") is not is_base, f"{where}: inherited")
            self.add(found.get("queryName") == key, f"{where}: query name")

    # Objects

    def judge_object(self, item, again=True):
        where = f"{item.properties.get('cmis:objectTypeId')} {item.properties.get('cmis:name')}"
        try:
            kept = values(item)
        except ValueError as error:
            self.add(False, f"{where}: {error}")
            return
        kind = self.type(item["cmis:objectTypeId"])
        base = item["cmis:baseTypeId"]
        self.add(base == kind["baseId"], f"{where}: base type {base}")
        wanted = dict(kind["properties"])
        for second in kept.get("cmis:secondaryObjectTypeIds", []):
            wanted.update(self.type(second)["properties"])
        self.add(set(wanted) == set(kept),
                 f"{where}: properties are not the type's: {set(wanted) ^ set(kept)}")
        for key, rule in wanted.items():
            held = kept.get(key, [])
            said = item.attributes.get(key, {})
            self.add(item.kinds.get(key, "").lower() == rule["propertyType"],
                     f"{where}: {key} is {item.kinds.get(key)}")
            for part in ("localName", "displayName", "queryName"):
                self.add(said.get(part) == rule[part], f"{where}: {key} has {part} {said}")
            self.add(rule["cardinality"] == "multi" or len(held) <= 1, f"{where}: {key} is many")
            self.add(not rule["required"] or held, f"{where}: {key} is required")
            self.add(key not in NOT_EMPTY or (held and held[0] != ""), f"{where}: {key} is empty")
        created, changed = one(item, "cmis:creationDate"), one(item, "cmis:lastModificationDate")
        self.add(created and changed and created <= changed, f"{where}: dates")
        self.judge_actions(where, item, base, kind)
        if base == "cmis:document":
            self.judge_document(where, item, kind)
        if base == "cmis:folder":
            root = one(item, "cmis:path") == "/"
            self.add(bool(kept["cmis:parentId"]) is not root, f"{where}: parentId")
        for who, what, direct in item.acl or ():
            self.add(who and what and isinstance(direct, bool), f"{where}: an entry of the ACL")
        for rendition in item.renditions:
            self.judge_rendition(where, item, rendition)
        self.add(item.change is None, f"{where}: a change event")
        if base == "cmis:relationship":
            self.add(not item.relationships, f"{where}: a relationship's relationships")
        for related in item.relationships:
            self.judge_object(self.client.get(related.id, **ALL), False)
        if again:
            self.judge_again(where, item)

    def judge_again(self, where, item):
        """Other operations say the same of it."""
        self.add(self.client.allowable_actions(item.id) == item.actions,
                 f"{where}: getAllowableActions differs")
        alone = self.client.get(item.id, **ALL)
        self.add((alone.properties, alone.actions) == (item.properties, item.actions),
                 f"{where}: getObject differs")
        if alone.acl is not None:
            self.add(self.client.acl(item.id) == alone.acl, f"{where}: getACL differs")
        if item.actions.get("canGetAppliedPolicies"):
            self.add({p.id for p in self.client.policies(item.id)} == set(alone.policies),
                     f"{where}: getAppliedPolicies differs")
        bare = self.client.get(item.id, filter="cmis:objectId")
        self.add(list(bare.properties) == ["cmis:objectId"], f"{where}: a filter gives "
                 f"{list(bare.properties)}")
        self.add(bare.actions is None and not bare.relationships and not bare.policies and
                 not bare.renditions, f"{where}: more than was asked for")

    def judge_actions(self, where, item, base, kind):
        actions = item.actions
        if actions is None:
            self.add(False, f"{where}: no allowable actions")
            return
        known = set(ACTIONS) - ({"canCreateItem"} if self.version == "1.0" else set())
        self.add(set(actions) <= known, f"{where}: actions {set(actions) - known}")
        may = {name for name, value in actions.items() if value}
        self.add("canGetProperties" in may, f"{where}: cannot get properties")
        if base != "cmis:document":
            self.add(not may & set(ONLY_DOCUMENTS), f"{where}: {may & set(ONLY_DOCUMENTS)}")
        if base != "cmis:folder":
            self.add(not may & set(ONLY_FOLDERS), f"{where}: {may & set(ONLY_FOLDERS)}")
        if not kind["fileable"] or base == "cmis:folder":
            self.add(not may & {"canAddObjectToFolder", "canRemoveObjectFromFolder"},
                     f"{where}: filing")
        if not kind["fileable"]:
            self.add(not may & {"canMoveObject", "canGetObjectParents"}, f"{where}: not fileable")
        if not kind["controllableACL"]:
            self.add(not may & {"canApplyACL"}, f"{where}: ACL")
        if not kind["controllablePolicy"]:
            self.add(not may & {"canApplyPolicy", "canRemovePolicy"}, f"{where}: policies")
        if base == "cmis:folder" and one(item, "cmis:path") == "/":
            self.add(not may & {"canDeleteObject", "canDeleteTree", "canMoveObject",
                                "canGetFolderParent"}, f"{where}: the root")

    def judge_document(self, where, item, kind):
        may = {name for name, value in (item.actions or {}).items() if value}
        out, mine = one(item, "cmis:isVersionSeriesCheckedOut"), \
            one(item, "cmis:isPrivateWorkingCopy")
        copy = one(item, "cmis:versionSeriesCheckedOutId")
        self.add(not (may >= {"canCheckOut", "canCheckIn"}), f"{where}: check-out and check-in")
        self.add(("canCheckIn" in may) == ("canCancelCheckOut" in may), f"{where}: cancelling")
        if out:
            self.add("canCheckOut" not in may, f"{where}: can be checked out again")
            self.add(copy is None or (copy == item.id) == bool(mine),
                     f"{where}: the working copy's id")
            self.add(one(item, "cmis:versionSeriesCheckedOutBy"), f"{where}: by whom")
        else:
            self.add(copy is None and one(item, "cmis:versionSeriesCheckedOutBy") is None,
                     f"{where}: checked out by somebody")
            self.add("canCheckIn" not in may, f"{where}: can be checked in")
            self.add(not one(item, "cmis:isLatestVersion") or
                     ("canCheckOut" in may) == kind["versionable"], f"{where}: checking out")
        if mine:
            self.add(may >= {"canCheckIn"}, f"{where}: a working copy cannot be checked in")
            for key in ("cmis:isLatestVersion", "cmis:isMajorVersion", "cmis:isLatestMajorVersion"):
                self.add(one(item, key) is False, f"{where}: {key} of a working copy")
        self.add(not one(item, "cmis:isLatestMajorVersion") or one(item, "cmis:isMajorVersion"),
                 f"{where}: the latest major version is minor")
        length = one(item, "cmis:contentStreamLength")
        held = [one(item, "cmis:contentStream" + part) for part in ("MimeType", "FileName", "Id")]
        self.add(all(v is None for v in held) if length is None else all(held),
                 f"{where}: some properties of a content")
        self.add(length is None or kind["contentStreamAllowed"] != "notallowed",
                 f"{where}: a content that is not allowed")
        self.add(length is not None or kind["contentStreamAllowed"] != "required",
                 f"{where}: no content")
        self.add(("canGetContentStream" in may) == (length is not None), f"{where}: content action")
        if length is None:
            try:
                self.client.content(item.id)
                self.add(False, f"{where}: a content that is not there")
            except cb.CmisError as error:
                self.add(error.name == "constraint", f"{where}: no content gives {error}")
            return
        data, media, name = self.client.content(item.id)
        self.add(len(data) == length, f"{where}: {len(data)} bytes, not {length}")
        self.add((media, name) == (held[0], held[1]), f"{where}: content is {media} {name}")

    def judge_rendition(self, where, item, rendition):
        if not isinstance(rendition, dict):
            rendition = {cb.local(part): part.text for part in rendition}
        for key in ("streamId", "kind", "mimeType" if "mimeType" in rendition else "mimetype"):
            self.add(rendition.get(key), f"{where}: rendition without {key}")
        if rendition.get("kind") == "cmis:thumbnail":
            for key in ("height", "width"):
                self.add(int(rendition.get(key) or 0) > 0, f"{where}: {key} of a thumbnail")
        data, _, _ = self.client.content(item.id, stream=rendition["streamId"])
        self.add("length" not in rendition or len(data) == int(rendition["length"]),
                 f"{where}: length of a rendition")

    # Version series

    def judge_versions(self, number):
        listed = self.client.versions(number)
        full = [self.client.get(item.id, **ALL) for item in listed]
        where = f"versions of {number}"
        for item in full:
            self.judge_object(item)
        self.add(number in [item.id for item in full], f"{where}: it is not among them")
        self.add(len({one(item, "cmis:versionSeriesId") for item in full}) == 1,
                 f"{where}: series")
        real = [item for item in full if not one(item, "cmis:isPrivateWorkingCopy")]
        self.add(sum(bool(one(item, "cmis:isLatestVersion")) for item in full) == bool(real),
                 f"{where}: latest versions")
        labels = [one(item, "cmis:versionLabel") for item in full]
        self.add(len(set(labels)) == len(labels), f"{where}: labels {labels}")
        dates = [one(item, "cmis:creationDate") for item in full]
        self.add(dates == sorted(set(dates), reverse=True), f"{where}: order by creation")
        if real:
            latest = self.client.latest(number, "false")
            self.add(latest.id == real[0].id and one(latest, "cmis:isLatestVersion"),
                     f"{where}: the latest is {latest.id}")
        majors = [item.id for item in full if one(item, "cmis:isLatestMajorVersion")]
        try:
            self.add([self.client.latest(number, "true").id] == majors, f"{where}: latest major")
        except cb.CmisError as error:
            self.add(error.name == "objectNotFound" and not majors, f"{where}: {error}")
        return full

    # Folders

    def judge_children(self, folder):
        found, more, total = self.client.children(folder, order="cmis:name", **LISTED)
        names = [item.name for item in found]
        self.add((more, total) == (False, len(found)), f"children of {folder}: {more} {total}")
        self.add(names == sorted(names, key=str.lower), f"children of {folder}: order {names}")
        for item in found:
            self.judge_object(item)
            if item["cmis:baseTypeId"] == "cmis:document":
                self.judge_versions(item.id)
            parents = self.client.parents(item.id)
            self.add(folder in [parent.id for parent in parents], f"{item.name}: its parent")
            for parent in parents:
                path = parent["cmis:path"].rstrip("/") + "/" + parent.segment
                self.add(self.client.by_path(path).id == item.id, f"{item.name}: path {path}")
            self.add(item.actions["canGetObjectParents"], f"{item.name}: canGetObjectParents")
        for folders in (False, True):
            below = self.client.descendants(folder, 1, folders)
            wanted = [item.id for item in found
                      if not folders or item["cmis:baseTypeId"] == "cmis:folder"]
            self.add(sorted(node.object.id for node in below) == sorted(wanted),
                     f"descendants of {folder}")
            self.add(all(not node.children for node in below), "a tree of depth 1")
        return found
