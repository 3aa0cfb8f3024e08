# SPDX-License-Identifier: Apache-2.0
"""The Browser binding with the methods and values that cmis_bindings.py has for the XML bindings, so
that one test runs over all three."""
import datetime
import json
import re
import urllib.parse

import cmis_bindings as cb
import cmis_client

KINDS = {"string": "String", "id": "Id", "integer": "Integer", "decimal": "Decimal",
         "boolean": "Boolean", "datetime": "DateTime", "html": "Html", "uri": "Uri"}


def written(value, kind=None):
    """A JSON value as the XML bindings write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if kind == "datetime":
        moment = datetime.datetime.fromtimestamp(value // 1000, datetime.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value % 1000:03}Z"
    return str(value)


def values_of(value, kind=None):
    if value is None:
        return []
    return [written(one, kind) for one in (value if isinstance(value, list) else [value])]


class Object(cb.Object):
    """An object as JSON shows it."""

    def __init__(self, item):
        # pylint: disable=super-init-not-called
        self.item, self.properties, self.kinds, self.attributes = item, {}, {}, {}
        self.cells = {}
        for name, one in item.get("properties", {}).items():
            kind = one["type"]
            self.properties[name] = values_of(one["value"], kind)
            self.kinds[name] = KINDS[kind]
            self.attributes[name] = {"propertyDefinitionId": one["id"], **{
                key: one[key] for key in ("localName", "displayName", "queryName") if key in one}}
            self.cells[one.get("queryName")] = (self.properties[name], self.kinds[name],
                                                self.attributes[name])
        self.actions = item.get("allowableActions")
        self.acl = acl_of(item["acl"]) if "acl" in item else None
        self.exact = item.get("exactACL")
        self.relationships = [Object(one) for one in item.get("relationships", [])]
        self.renditions = item.get("renditions", [])
        self.policies = item.get("policyIds", {}).get("ids", [])
        self.change = item.get("changeEventInfo", {}).get("changeType")
        self.segment = None


def acl_of(acl):
    return {(ace["principal"]["principalId"], permission, ace["isDirect"])
            for ace in acl["aces"] for permission in ace["permissions"]}


class Browser(cb.Binding):
    name = "browser"

    def where(self, place=""):
        return "/cmis/browser/coffer" + place

    def answer(self, answer):
        if answer.status >= 400:
            said = json.loads(answer.body)
            raise cb.CmisError(said.get("exception"), said.get("message"), answer.status)
        return answer

    def ask(self, selector, number=None, **parameters):
        query = {key: str(value) for key, value in parameters.items() if value is not None}
        query["cmisselector"] = selector
        if number is not None:
            query["objectId"] = number
        return self.answer(self.send("GET", self.where("" if number is None else "/root") + "?" +
                                     urllib.parse.urlencode(query)))

    def read(self, selector, number=None, **parameters):
        return json.loads(self.ask(selector, number, **parameters).body)

    def act(self, action, number=None, properties=(), content=None, fields=(), place=None,
            **parameters):
        form = [("cmisaction", action)]
        for at, (_, name, values) in enumerate(properties):
            form.append((f"propertyId[{at}]", name))
            if len(values) == 1 and name != "cmis:secondaryObjectTypeIds":
                form.append((f"propertyValue[{at}]", values[0]))
            else:
                form += [(f"propertyValue[{at}][{n}]", value) for n, value in enumerate(values)]
        form += list(fields)
        form += [(key, str(value)) for key, value in parameters.items() if value is not None]
        if number is not None:
            form.append(("objectId", number))
        if place is None:
            place = "" if number is None else "/root"
        if content is None:
            body, kind = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        else:
            body, kind = cmis_client.multipart(form, content)
        answer = self.answer(self.send("POST", self.where(place), body, kind))
        return json.loads(answer.body) if answer.body else None

    def info(self):
        return self.read("repositoryInfo")["coffer"]

    def repositories(self):
        return list(json.loads(self.answer(self.send("GET", "/cmis/browser")).body))

    def type(self, number):
        return self.read("typeDefinition", typeId=number)

    def type_children(self, number=None, properties=None, most=None, skip=None):
        page = self.read("typeChildren", typeId=number, includePropertyDefinitions=properties,
                         maxItems=most, skipCount=skip)
        return page["types"], page["hasMoreItems"], page["numItems"]

    def type_descendants(self, number=None, depth=None, properties=None):
        def walk(item):
            return cb.Node(item["type"], [walk(child) for child in item.get("children", [])])
        return [walk(item) for item in self.read("typeDescendants", typeId=number, depth=depth,
                                                 includePropertyDefinitions=properties)]

    def make_type(self, definition):
        return self.act("createType", type=json.dumps(definition))

    def change_type(self, definition):
        return self.act("updateType", type=json.dumps(definition))

    def delete_type(self, number):
        self.act("deleteType", typeId=number)

    @staticmethod
    def aces(add, remove=()):
        fields = []
        for which, aces in (("add", add), ("remove", remove)):
            for at, (who, what) in enumerate(aces):
                fields += [(f"{which}ACEPrincipal[{at}]", who),
                           (f"{which}ACEPermission[{at}][0]", what)]
        return fields

    def create(self, kind, properties, folder=None, content=None, state=None, add=()):
        made = self.act("create" + kind, folder, properties, content, self.aces(add),
                        versioningState=state)
        return Object(made).id

    def get(self, number, **flags):
        return Object(self.read("object", number, **flags))

    def by_path(self, path, **flags):
        query = urllib.parse.urlencode({"cmisselector": "object", **flags})
        return Object(json.loads(self.answer(self.send(
            "GET", self.where("/root") + urllib.parse.quote(path) + "?" + query)).body))

    @staticmethod
    def listed(page):
        found = []
        for item in page.get("objects", page.get("results")):
            found.append(Object(item.get("object", item)))
            found[-1].segment = item.get("pathSegment")
        return found, page["hasMoreItems"], page.get("numItems")

    def children(self, folder, most=None, skip=None, order=None, **flags):
        return self.listed(self.read("children", folder, maxItems=most, skipCount=skip,
                                     orderBy=order, **flags))

    def walk(self, item):
        found = Object(item["object"]["object"])
        found.segment = item["object"].get("pathSegment")
        return cb.Node(found, [self.walk(child) for child in item.get("children", [])])

    def descendants(self, folder, depth=-1, folders=False, **flags):
        return [self.walk(item) for item in self.read(
            "folderTree" if folders else "descendants", folder, depth=depth,
            includePathSegment="true", **flags)]

    def parents(self, number, **flags):
        found = []
        for item in self.read("parents", number, **{"includeRelativePathSegment": "true", **flags}):
            found.append(Object(item["object"]))
            found[-1].segment = item.get("relativePathSegment")
        return found

    def folder_parent(self, folder):
        return Object(self.read("parent", folder))

    def checked_out_page(self, folder=None, most=None, skip=None, order=None):
        return self.listed(self.read("checkedout", folder, maxItems=most, skipCount=skip,
                                     orderBy=order))

    def checked_out(self, folder=None):
        return self.checked_out_page(folder)[0]

    def update(self, number, properties, token=None):
        return Object(self.act("update", number, properties, changeToken=token)).id

    def bulk(self, numbers, properties, add=()):
        fields = [(f"objectId[{at}]", number) for at, number in enumerate(numbers)]
        fields += [(f"addSecondaryTypeId[{at}]", name) for at, name in enumerate(add)]
        return [one.get("newId") or one["id"] for one in self.act("bulkUpdate", None, properties,
                                                                  fields=fields)]

    def content(self, number, stream=None, offset=None, length=None):
        answer = self.ask("content", number, streamId=stream, offset=offset, length=length)
        name = re.search(r"filename\*=UTF-8''(.*)$", answer.getheader("Content-Disposition"))
        return answer.body, answer.getheader("Content-Type"), urllib.parse.unquote(name.group(1))

    def set_content(self, number, content, overwrite=None, token=None):
        return Object(self.act("setContent", number, content=content, overwriteFlag=overwrite,
                               changeToken=token)).id

    def append(self, number, content, last):
        return Object(self.act("appendContent", number, content=content, isLastChunk=last)).id

    def delete_content(self, number):
        self.act("deleteContent", number)

    def move(self, number, source, target):
        return Object(self.act("move", number, sourceFolderId=source, targetFolderId=target)).id

    def delete(self, number, all_versions=None):
        self.act("delete", number, allVersions=all_versions)

    def delete_tree(self, folder, **flags):
        return self.act("deleteTree", folder, **{"allVersions": "true", "unfileObjects": "delete",
                                                 "continueOnFailure": "true", **flags})["ids"]

    def check_out(self, number):
        return Object(self.act("checkOut", number)).id

    def cancel(self, number):
        self.act("cancelCheckOut", number)

    def check_in(self, number, major, properties=(), content=None, comment=None):
        return Object(self.act("checkIn", number, properties, content, major=major,
                               checkinComment=comment)).id

    def versions(self, number, **flags):
        return [Object(one) for one in self.read("versions", number, **flags)]

    def latest(self, number, major, **flags):
        return Object(self.read("object", number, returnVersion="latestmajor" if major == "true"
                                else "latest", **flags))

    def query(self, statement, most=None, skip=None, all_versions=None):
        return self.listed(self.read("query", q=statement, maxItems=most, skipCount=skip,
                                     searchAllVersions=all_versions))

    def changes(self, token=None, most=None):
        page = self.read("contentChanges", changeLogToken=token, maxItems=most)
        return self.listed(page)[:2] + (page["changeLogToken"],)

    def allowable_actions(self, number):
        return self.read("allowableActions", number)

    def acl(self, number):
        return acl_of(self.read("acl", number, onlyBasicPermissions="false"))

    def apply_acl(self, number, add=(), remove=()):
        return acl_of(self.act("applyACL", number, fields=self.aces(add, remove)))

    def relationships_page(self, number, direction=None, kind=None, most=None, skip=None):
        return self.listed(self.read("relationships", number, includeSubRelationshipTypes="true",
                                     relationshipDirection=direction, typeId=kind, maxItems=most,
                                     skipCount=skip))

    def relationships(self, number, direction=None):
        return self.relationships_page(number, direction)[0]

    def apply_policy(self, policy, number):
        self.act("applyPolicy", number, policyId=policy)

    def remove_policy(self, policy, number):
        self.act("removePolicy", number, policyId=policy)

    def policies(self, number):
        return [Object(one) for one in self.read("policies", number)]

    def copy(self, source, properties, folder):
        return Object(self.act("createDocumentFromSource", folder, properties,
                               sourceId=source)).id

    def properties(self, number, filter_=None):
        return Object({"properties": self.read("properties", number, filter=filter_)})

    def renditions(self, number, filter_="*"):
        return [{key: str(value) for key, value in one.items()}
                for one in self.read("renditions", number, renditionFilter=filter_)]

    def add_to_folder(self, number, folder):
        self.act("addObjectToFolder", number, folderId=folder, allVersions="true")

    def remove_from_folder(self, number, folder):
        self.act("removeObjectFromFolder", number, folderId=folder)
