// SPDX-License-Identifier: Apache-2.0
// Administration: groups of users, which access lists may name.
import { useState } from "preact/hooks";
import { all, patch, post, Problem, put, remove, type User } from "../api";
import { t } from "../i18n";
import { changed, changes } from "../state";
import { Failed, Field, FormError, Icon, IconButton, Loading, useLoaded } from "./basic";
import { askSure, Dialog, openMenu, show, toast } from "./overlay";

export interface Group {
  name: string;
  role: "admin" | "user";
  members: number;
}
const pathOf = (group: Group) => `/api/groups/${encodeURIComponent(group.name)}`;

export function Groups() {
  const change = changes.use();
  const list = useLoaded(() => all<Group>("/api/groups"), [change]);
  return (
    <>
      <div class="row">
        <h2 class="grow">{t("groups")}</h2>
        <button type="button" class="button" onClick={() => show((close) => <GroupDialog close={close} />)}>
          <Icon name="plus" />
          {t("groups.add")}
        </button>
      </div>
      {!list.value ? (list.error ? <Failed error={list.error} again={list.again} /> : <Loading />) : (
        <section class="card table-scroll">
          {list.value.length === 0 ? <p class="muted">{t("groups.none")}</p> : (
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">{t("group")}</th>
                  <th scope="col">{t("role")}</th>
                  <th scope="col">{t("groups.members")}</th>
                  <th scope="col"><span class="hidden">{t("actions")}</span></th>
                </tr>
              </thead>
              <tbody>
                {list.value.map((group) => (
                  <tr key={group.name}>
                    <td><strong>{group.name}</strong></td>
                    <td>{t(group.role === "admin" ? "role.admin" : "role.user")}</td>
                    <td>
                      <button type="button" class="button link"
                        onClick={() => show((close) => <Members group={group} close={close} />)}>
                        {t("groups.count", { count: group.members })}
                        <span class="hidden"> {group.name}</span>
                      </button>
                    </td>
                    <td class="actions">
                      <IconButton icon="more" label={t("actions.of", { name: group.name })} popup="menu"
                        onClick={(event) => openMenu(t("actions"), groupMenu(group), event.currentTarget as Element)} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      )}
    </>
  );
}

function groupMenu(group: Group) {
  const role = group.role === "admin" ? "user" : "admin";
  return [
    { label: t("groups.members"), icon: "users" as const, run: () => show((close) => <Members group={group} close={close} />) },
    { label: t(role === "admin" ? "users.make-admin" : "users.make-user"), icon: "key" as const, run: () => askSure({
      title: t("users.role.title", { name: group.name }),
      text: t(role === "admin" ? "groups.make-admin.text" : "groups.make-user.text"),
      action: t("users.role.change"),
      done: async () => {
        await patch(pathOf(group), { role });
        changed();
      },
    }) },
    { label: t("groups.remove"), icon: "trash" as const, danger: true, run: () => askSure({
      title: t("users.remove.title", { name: group.name }),
      text: t("groups.remove.text"),
      action: t("groups.remove"),
      done: async () => {
        await remove(pathOf(group));
        changed();
        toast(t("users.removed", { name: group.name }));
      },
    }) },
  ];
}

function GroupDialog({ close }: { close: () => void }) {
  const [error, setError] = useState<unknown>(null);
  const [name, setName] = useState("");
  const [role, setRole] = useState("user");
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await post("/api/groups", { name: name.trim(), role });
      changed();
      close();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("groups.add")} onClose={close}>
      <form class="form" onSubmit={submit}>
        <Field label={t("name")} help={t("problem.bad-user-name")}>
          {(id, help) => <input id={id} aria-describedby={help} class="input" data-first value={name} required maxLength={64} pattern="[A-Za-z0-9._@+\-]+"
            autocomplete="off" autocapitalize="none" onInput={(event) => setName(event.currentTarget.value)} />}
        </Field>
        <label class="field">
          <span>{t("groups.role")}</span>
          <select class="input" value={role} onChange={(event) => setRole(event.currentTarget.value)}>
            <option value="user">{t("role.user")}</option>
            <option value="admin">{t("role.admin")}</option>
          </select>
        </label>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("groups.add")}</button>
        </footer>
      </form>
    </Dialog>
  );
}

function Members({ group, close }: { group: Group; close: () => void }) {
  const members = useLoaded(() => all<string>(`${pathOf(group)}/members`), [group.name]);
  const users = useLoaded(() => all<User>("/api/users"), []);
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>(null);
  const set = async (user: string, member: boolean) => {
    const path = `${pathOf(group)}/members/${encodeURIComponent(user)}`;
    try {
      await (member ? put(path, {}) : remove(path));
      setError(null);
      setName("");
      members.again();
      changed();
    } catch (problem) {
      const unknown = problem instanceof Problem && problem.status === 404;
      setError(unknown ? new Problem(404, "no-such-principal", "", 0) : problem);
    }
  };
  return (
    <Dialog title={t("groups.members.of", { name: group.name })} onClose={close}>
      {!members.value ? (members.error ? <Failed error={members.error} again={members.again} /> : <Loading />) : (
        <ul class="access" aria-label={t("groups.members")}>
          {members.value.map((user) => (
            <li key={user} class="row">
              <Icon name="user" />
              <strong class="grow">{user}</strong>
              <button type="button" class="button link" aria-label={t("access.remove", { name: user })}
                onClick={() => void set(user, false)}>{t("remove")}</button>
            </li>
          ))}
          {members.value.length === 0 && <li class="muted">{t("groups.empty")}</li>}
        </ul>
      )}
      <form class="row wrap access-add" onSubmit={(event) => {
        event.preventDefault();
        void set(name.trim(), true);
      }}>
        <input class="input grow" data-first required aria-label={t("user")} placeholder={t("user")} value={name} list="users"
          autocapitalize="none" autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
        <datalist id="users">
          {users.value?.filter((user) => !members.value?.includes(user.name)).map((user) => <option key={user.name} value={user.name} />)}
        </datalist>
        <button class="button">{t("add")}</button>
      </form>
      <FormError error={error} />
    </Dialog>
  );
}
