// SPDX-License-Identifier: Apache-2.0
// Who may read and change a folder or document: its own list, and what folders above give.
import { useEffect, useState } from "preact/hooks";
import { all, get, send, type Node, type User } from "../api";
import { t, type TextKey } from "../i18n";
import { session } from "../state";
import { Failed, FormError, Icon, Loading, useLoaded } from "./basic";
import type { Group } from "./groups";
import { Dialog, show } from "./overlay";

interface Entry {
  principal: string;
  permission: string;
}
interface Acl {
  inherits: boolean;
  entries: Entry[];
  inherited: Entry[];
}
const RIGHTS = ["read", "write", "all"];
const GROUP = "group:";
const rightText = (right: string) => (RIGHTS.includes(right) ? t(`right.${right}` as TextKey) : right);
const nameOf = (who: string) =>
  who === "anyone" ? t("access.anyone") : who.startsWith(GROUP) ? who.slice(GROUP.length) : who;

export function accessAsk(node: Node) {
  show((close) => (
    <Dialog title={t("access.title", { name: node.name })} onClose={close}>
      <Access id={node.id} />
    </Dialog>
  ));
}

export function Access({ id }: { id: string }) {
  const path = `/api/nodes/${id}/acl`;
  const list = useLoaded((signal) => get<Acl>(path, signal), [id]);
  const [now, setNow] = useState<Acl | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => setNow(list.value ?? null), [list.value]);
  const set = async (inherits: boolean, entries: Entry[]): Promise<boolean> => {
    try {
      setNow(await (await send("PUT", path, { body: { inherits, entries } })).json());
      setError(null);
      return true;
    } catch (problem) {
      setError(problem);
      return false;
    }
  };
  if (!now) return list.error ? <Failed error={list.error} again={list.again} /> : <Loading />;
  const same = (a: Entry, b: Entry) => a.principal === b.principal && a.permission === b.permission;
  const both = [...now.entries, ...now.inherited.filter((one) => !now.entries.some((own) => same(own, one)))];
  return (
    <>
      <p class="muted">{t("access.help")}</p>
      <label class="check">
        <input type="checkbox" checked={now.inherits}
          onChange={(event) => void set(event.currentTarget.checked, event.currentTarget.checked ? now.entries : both)} />
        <span>{t("access.inherit")}</span>
      </label>
      <ul class="access" aria-label={t("access")}>
        {now.entries.map((entry) => (
          <Line key={`${entry.principal} ${entry.permission}`} entry={entry}
            change={(permission) => void set(now.inherits, now.entries.map((one) => (one === entry ? { ...entry, permission } : one)))}
            remove={() => void set(now.inherits, now.entries.filter((one) => one !== entry))} />
        ))}
        {now.inherits && now.inherited.map((entry) => (
          <Line key={`- ${entry.principal} ${entry.permission}`} entry={entry}
            remove={() => void set(false, both.filter((one) => !same(one, entry)))} />
        ))}
      </ul>
      <Adder add={(entry) => set(now.inherits, [...now.entries.filter((one) => one.principal !== entry.principal), entry])} />
      <FormError error={error} />
    </>
  );
}

function Line(p: { entry: Entry; change?: (permission: string) => void; remove: () => void }) {
  const { principal, permission } = p.entry;
  const name = nameOf(principal);
  return (
    <li class="row">
      <Icon name={principal === "anyone" || principal.startsWith(GROUP) ? "users" : "user"} />
      <span class="grow">
        <strong>{name}</strong>{" "}
        {principal.startsWith(GROUP) && <span class="badge">{t("group")}</span>}{" "}
        {!p.change && <><span class="muted">{rightText(permission)}</span> <span class="badge">{t("access.inherited")}</span></>}
      </span>
      {p.change && (
        <select class="input fit" aria-label={t("access.right.of", { name })} value={permission}
          onChange={(event) => p.change?.(event.currentTarget.value)}>
          {RIGHTS.map((one) => <option key={one} value={one}>{rightText(one)}</option>)}
        </select>
      )}
      <button type="button" class="button link" aria-label={t("access.remove", { name: principal === "anyone" ? principal : name })}
        onClick={p.remove}>{t("remove")}</button>
    </li>
  );
}

/** Who there is: administrators are helped to find a name, others have to know it. */
function Adder({ add }: { add: (entry: Entry) => Promise<boolean> }) {
  const who = session.use();
  const admin = who.state === "in" && who.admin;
  const [principal, setPrincipal] = useState("");
  const [permission, setPermission] = useState("read");
  const known = useLoaded(async () => {
    if (!admin) return [];
    const [users, groups] = await Promise.all([all<User>("/api/users"), all<Group>("/api/groups")]);
    return ["anyone", ...groups.map((group) => GROUP + group.name), ...users.map((user) => user.name)];
  }, [admin]);
  return (
    <form class="row wrap access-add" onSubmit={(event) => {
      event.preventDefault();
      void add({ principal: principal.trim(), permission }).then((done) => done && setPrincipal(""));
    }}>
      <input class="input grow" required aria-label={t("access.who")} placeholder={t("access.who")} value={principal} list="principals"
        autocapitalize="none" autocomplete="off" onInput={(event) => setPrincipal(event.currentTarget.value)} />
      <datalist id="principals">
        {known.value?.map((name) => <option key={name} value={name} />)}
      </datalist>
      <select class="input fit" aria-label={t("access.right")} value={permission} onChange={(event) => setPermission(event.currentTarget.value)}>
        {RIGHTS.map((one) => <option key={one} value={one}>{rightText(one)}</option>)}
      </select>
      <button class="button">{t("add")}</button>
    </form>
  );
}
