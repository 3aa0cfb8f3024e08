// SPDX-License-Identifier: Apache-2.0
// The frame around every view, and which view an address means.
import type { ComponentChildren } from "preact";
import { lazy } from "./lazy";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { language, t, type TextKey } from "./i18n";
import type { IconName } from "./icons/names";
import logo from "./icons/coffer.svg?url";
import { Empty, Icon, IconButton, Loading } from "./parts/basic";
import { Dialogs, Menus, openMenu, show, Toasts } from "./parts/overlay";
import { Shortcuts } from "./parts/shortcuts";
import { UploadPanel } from "./parts/uploadpanel";
import { go, onLink, place } from "./router";
import { offline, session } from "./state";
import { folderAsk } from "./actions";
import { pickFiles } from "./uploads";
import { Browse } from "./views/browse";
import { MustChange, sessionLoad, SignIn, signOut } from "./views/signin";

const Document = lazy(() => import("./views/document").then((m) => m.Document));
const Search = lazy(() => import("./views/search").then((m) => m.Search));
const Trash = lazy(() => import("./views/trash").then((m) => m.Trash));
const Marked = lazy(() => import("./views/marked").then((m) => m.Marked));
const TagList = lazy(() => import("./views/marked").then((m) => m.TagList));
const Shared = lazy(() => import("./views/shared").then((m) => m.Shared));
const Audit = lazy(() => import("./views/audit").then((m) => m.Audit));
const Holds = lazy(() => import("./views/holds").then((m) => m.Holds));
const Hooks = lazy(() => import("./views/hooks").then((m) => m.Hooks));
const Profile = lazy(() => import("./views/profile").then((m) => m.Profile));
const Users = lazy(() => import("./views/users").then((m) => m.Users));
const Types = lazy(() => import("./views/types").then((m) => m.Types));
const Protection = lazy(() => import("./views/protection").then((m) => m.Protection));

interface Entry {
  view: string;
  icon: IconName;
  text: TextKey;
  admin?: boolean;
}
const entries: Entry[] = [
  { view: "files", icon: "folder", text: "nav.files" },
  { view: "recent", icon: "clock", text: "nav.recent" },
  { view: "favourites", icon: "star", text: "nav.favourites" },
  { view: "tags", icon: "tag", text: "tags" },
  { view: "shared", icon: "link", text: "nav.shared" },
  { view: "trash", icon: "trash", text: "nav.trash" },
  { view: "users", icon: "users", text: "nav.users", admin: true },
  { view: "types", icon: "list", text: "nav.types", admin: true },
  { view: "audit", icon: "audit", text: "nav.audit", admin: true },
  { view: "holds", icon: "lock", text: "nav.holds", admin: true },
  { view: "hooks", icon: "globe", text: "nav.hooks", admin: true },
  { view: "protection", icon: "shield", text: "nav.protection" },
];

function Forward({ to }: { to: string }) {
  useEffect(() => go(to, true), [to]);
  return <Loading />;
}

function View(): ComponentChildren {
  const now = place.use();
  switch (now.view) {
    case "files":
      return <Browse id={now.id || "root"} />;
    case "document":
      return <Document key={now.id} id={now.id} />;
    case "search":
      return <Search query={now.query} />;
    case "recent":
    case "favourites":
      return <Marked key={now.view} which={now.view} />;
    case "tag":
      return <Marked key={now.id} which="tag" tag={now.id} />;
    case "tags":
      return <TagList />;
    case "trash":
      return <Trash />;
    case "sign-in": // who comes back from a provider after all
      return <Forward to="/app/files" />;
    case "profile":
      return <Profile />;
    case "users":
      return <Users />;
    case "types":
      return <Types />;
    case "shared":
      return <Shared />;
    case "audit":
      return <Audit query={now.query} />;
    case "holds":
      return <Holds />;
    case "hooks":
      return <Hooks />;
    case "protection":
      return <Protection />;
    default:
      return (
        <Empty main icon="warning" title={t("failed.gone")}>
          <a class="button" href="/app/files">{t("nav.files")}</a>
        </Empty>
      );
  }
}

function SearchBox() {
  const now = place.use();
  const text = now.view === "search" ? (now.query.get("q") ?? "") : "";
  return (
    <form class="search" role="search" onSubmit={(event) => {
      event.preventDefault();
      const q = new FormData(event.currentTarget).get("q")?.toString().trim();
      if (q) go(`/app/search?q=${encodeURIComponent(q)}`);
    }}>
      <Icon name="search" />
      <input key={text} id="search" name="q" type="search" defaultValue={text} placeholder={t("search.place")}
        aria-label={t("search")} aria-keyshortcuts="/" autocomplete="off" enterkeyhint="search" />
    </form>
  );
}

function accountMenu(name: string, at: Element) {
  openMenu(name, [
    { label: t("nav.profile"), icon: "user", run: () => go("/app/profile") },
    { label: t("shortcuts"), icon: "keyboard", keys: "?", run: () => show((close) => <Shortcuts close={close} />) },
    "line",
    { label: t("sign.out"), icon: "logout", run: () => void signOut() },
  ], at);
}

function Shell({ name, admin }: { name: string; admin: boolean }) {
  const now = place.use();
  const away = offline.use();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const [nav, setNav] = useState(false);
  const folder = now.view === "files" ? now.id || "root" : "root";
  /* A new view is announced by moving the focus to it: at once, for later it would take the focus from
   * what the reader has gone to by then. */
  useLayoutEffect(() => {
    setNav(false);
    if (!first.current) main.current?.focus();
    first.current = false;
  }, [now.view, now.id]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (target.closest("input, textarea, select, dialog, [contenteditable]")) return;
      if (event.key === "/") document.getElementById("search")?.focus();
      else if (event.key === "?") show((close) => <Shortcuts close={close} />);
      else if (event.key === "n" && now.view === "files") folderAsk(folder);
      else if (event.key === "u" && now.view === "files") pickFiles(folder);
      else if (event.key === "g") go("/app/files");
      else if (event.key === "t") go("/app/trash");
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [now.view, folder]);
  const links = entries.filter((entry) => admin || !entry.admin);
  return (
    <div class={`shell ${nav ? "nav-open" : ""}`} onClick={onLink}>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        main.current?.focus();
      }}>{t("skip")}</a>
      <header class="top">
        <IconButton icon="menu" class="nav-button" label={t("nav")} expanded={nav} onClick={() => setNav(!nav)} />
        <a class="brand" href="/app/files" aria-label={t("nav.home")}>
          <img src={logo} alt="" width={28} height={28} />
          <span>Coffer</span>
        </a>
        <SearchBox />
        <button type="button" class="account" aria-haspopup="menu" aria-label={t("account", { name })}
          onClick={(event) => accountMenu(name, event.currentTarget)}>
          <span aria-hidden="true">{[...name][0]?.toUpperCase()}</span>
        </button>
      </header>
      <nav class="side" aria-label={t("nav")}>
        <ul>
          {links.map((entry) => (
            <li key={entry.view}>
              <a href={`/app/${entry.view}`}
                aria-current={now.view === entry.view || (entry.view === "files" && now.view === "document") || (entry.view === "tags" && now.view === "tag") ? "page" : undefined}>
                <Icon name={entry.icon} />
                {t(entry.text)}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" ref={main} tabIndex={-1}>
        {away && (
          <div class="note warn offline" role="status">
            <Icon name="offline" />
            <span class="grow">{t("offline")}</span>
            <button type="button" class="button link" onClick={() => void sessionLoad()}>{t("again")}</button>
          </div>
        )}
        <View />
        <Menus />
      </main>
      {nav && <div class="scrim" onClick={() => setNav(false)} />}
      <UploadPanel />
    </div>
  );
}

export function App() {
  const who = session.use();
  language.use();
  useEffect(() => {
    void sessionLoad();
    const online = () => void sessionLoad();
    addEventListener("online", online);
    return () => removeEventListener("online", online);
  }, []);
  return (
    <>
      {who.state === "unknown" && <Loading />}
      {who.state === "out" && <SignIn ended={who.ended} elsewhere={who.elsewhere} />}
      {who.state === "must-change" && <MustChange name={who.name ?? ""} />}
      {who.state === "in" && <Shell name={who.name} admin={who.admin} />}
      <Dialogs />
      <Toasts />
    </>
  );
}
