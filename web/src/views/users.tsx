// SPDX-License-Identifier: Apache-2.0
// Administration: who may sign in, and as what.
import { useEffect, useState } from "preact/hooks";
import { all, patch, post, remove, type User } from "../api";
import { dateTime, t } from "../i18n";
import { Empty, Failed, Field, FormError, Icon, IconButton, Loading, useLoaded } from "../parts/basic";
import { Groups } from "../parts/groups";
import { IdentitiesDialog } from "../parts/identities";
import { QuotaDialog, usageText } from "../parts/quota";
import { askSure, Dialog, openMenu, show, toast } from "../parts/overlay";
import { changed, changes, session } from "../state";

/** Sixteen letters and digits without those that are mistaken for each other. */
function passwordMade(): string {
  const letters = "abcdefghijkmnpqrstuvwxyz23456789";
  return [...crypto.getRandomValues(new Uint8Array(16))].map((n) => letters[n % 32]).join("");
}

export function Users() {
  const who = session.use();
  const change = changes.use();
  const list = useLoaded(() => all<User>("/api/users"), [change]);
  useEffect(() => {
    document.title = `${t("nav.users")} · Coffer`;
  }, []);
  if (who.state !== "in" || !who.admin)
    return <Empty main icon="lock" title={t("problem.admins-only")} />;
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  return (
    <div class="view scroll page-view">
      <div class="row">
        <h1 class="grow">{t("nav.users")}</h1>
        <button type="button" class="button primary" onClick={() => show((close) => <UserDialog close={close} />)}>
          <Icon name="plus" />
          {t("users.add")}
        </button>
      </div>
      <section class="card table-scroll">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">{t("user")}</th>
              <th scope="col" class="minor">{t("role")}</th>
              <th scope="col">{t("quota.used")}</th>
              <th scope="col" class="minor">{t("created")}</th>
              <th scope="col"><span class="hidden">{t("actions")}</span></th>
            </tr>
          </thead>
          <tbody>
            {list.value.map((user) => (
              <tr key={user.name}>
                <td>
                  <strong>{user.name}</strong>
                  {user.name === who.name && <> <span class="badge">{t("users.you")}</span></>}
                  {user.password_change_required && <> <span class="badge">{t("users.one-time")}</span></>}
                  <p class="muted small narrow-only"><Role user={user} /></p>
                </td>
                <td class="minor"><Role user={user} /></td>
                <td>{usageText(user.quota)}</td>
                <td class="muted minor">{dateTime(user.created_ms)}</td>
                <td class="actions">
                  <IconButton icon="more" label={t("actions.of", { name: user.name })} popup="menu"
                    onClick={(event) => openMenu(t("actions"), userMenu(user, user.name === who.name), event.currentTarget as Element)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <Groups />
    </div>
  );
}

function Role({ user }: { user: User }) {
  return (
    <>
      {t(user.role === "admin" ? "role.admin" : "role.user")}
      {user.groups.map((group) => <> <span class="badge">{group}</span></>)}
    </>
  );
}

function userMenu(user: User, self: boolean) {
  const role = user.role === "admin" ? "user" : "admin";
  const path = `/api/users/${encodeURIComponent(user.name)}`;
  return [
    { label: t(role === "admin" ? "users.make-admin" : "users.make-user"), icon: "key" as const,
      run: () => askSure({
        title: t("users.role.title", { name: user.name }),
        text: t(role === "admin" ? "users.make-admin.text" : "users.make-user.text"),
        action: t("users.role.change"),
        done: async () => {
          await patch(path, { role });
          changed();
        },
      }) },
    { label: t("quota.edit"), icon: "grid" as const, run: () => show((close) => <QuotaDialog user={user} close={close} />) },
    { label: t("users.reset"), icon: "lock" as const, run: () => show((close) => <UserDialog user={user} close={close} />) },
    { label: t("identity"), icon: "link" as const, run: () => show((close) => <IdentitiesDialog name={user.name} close={close} />) },
    { label: t("users.factor"), icon: "device" as const, run: () => askSure({
      title: t("users.factor.title", { name: user.name }),
      text: t("users.factor.text"),
      action: t("remove"),
      done: async () => {
        await remove(`${path}/second-factor`);
        changed();
        toast(t("factor.ended"));
      },
    }) },
    ...(self ? [] : [{
      label: t("users.remove"), icon: "trash" as const, danger: true,
      run: () => askSure({
        title: t("users.remove.title", { name: user.name }),
        text: t("users.remove.text"),
        action: t("users.remove"),
        done: async () => {
          await remove(path);
          changed();
          toast(t("users.removed", { name: user.name }));
        },
      }),
    }]),
  ];
}

/** A new user, or a new one-time password for one; the password is shown once. */
function UserDialog({ user, close }: { user?: User; close: () => void }) {
  const [error, setError] = useState<unknown>(null);
  const [made, setMade] = useState("");
  const [name, setName] = useState(user?.name ?? "");
  const [role, setRole] = useState("user");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    const password = passwordMade();
    setBusy(true);
    try {
      if (user) await patch(`/api/users/${encodeURIComponent(user.name)}`, { password });
      else await post("/api/users", { name: name.trim(), password, role });
      setMade(password);
      changed();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  if (made)
    return (
      <Dialog title={t("users.made", { name })} onClose={close}>
        <p>{t("users.made.text")}</p>
        <div class="row">
          <code class="secret grow">{made}</code>
          <button type="button" class="button" data-first
            onClick={() => void navigator.clipboard.writeText(made).then(() => toast(t("copied")))}>
            <Icon name="copy" />
            {t("copy.text")}
          </button>
        </div>
        <footer><button type="button" class="button primary" onClick={close}>{t("done")}</button></footer>
      </Dialog>
    );
  return (
    <Dialog title={t(user ? "users.reset" : "users.add")} onClose={close}>
      <form class="form" onSubmit={submit}>
        {user ? <p>{t("users.reset.text", { name: user.name })}</p> : (
          <>
            <Field label={t("user")} help={t("problem.bad-user-name")}>
              {(id, help) => <input id={id} aria-describedby={help} class="input" data-first value={name} required maxLength={64} pattern="[A-Za-z0-9._@+\-]+"
                autocomplete="off" autocapitalize="none" onInput={(event) => setName(event.currentTarget.value)} />}
            </Field>
            <label class="field">
              <span>{t("role")}</span>
              <select class="input" value={role} onChange={(event) => setRole(event.currentTarget.value)}>
                <option value="user">{t("role.user")}</option>
                <option value="admin">{t("role.admin")}</option>
              </select>
            </label>
          </>
        )}
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary" disabled={busy}>{t(user ? "users.reset.do" : "users.add")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
