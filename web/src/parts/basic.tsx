// SPDX-License-Identifier: Apache-2.0
// Small parts that every view uses.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { OFFLINE, Problem } from "../api";
import { t, type TextKey } from "../i18n";
import type { IconName } from "../icons/names";
import sprite from "../icons/sprite.svg?url";

export function Icon({ name, class: extra = "" }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${extra}`} aria-hidden="true" focusable="false">
      <use href={`${sprite}#${name}`} />
    </svg>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  onClick: (event: MouseEvent) => void;
  pressed?: boolean;
  disabled?: boolean;
  expanded?: boolean;
  popup?: "menu" | "dialog";
  class?: string;
  keys?: string;
}
export function IconButton(p: IconButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${p.class ?? ""}`}
      aria-label={p.label}
      title={p.label}
      aria-pressed={p.pressed}
      aria-expanded={p.expanded}
      aria-haspopup={p.popup}
      aria-keyshortcuts={p.keys}
      disabled={p.disabled}
      onClick={p.onClick}
    >
      <Icon name={p.icon} />
    </button>
  );
}

/** What went wrong, in words that say what to do. */
export function problemText(error: unknown): string {
  if (!(error instanceof Problem)) return t("problem.unknown");
  const known: Record<string, TextKey> = {
    "name-exists": "problem.exists",
    "changed": "problem.changed",
    "bad-name-or-place": "problem.bad-name",
    "admins-only": "problem.admins-only",
    "last-admin": "problem.last-admin",
    "destination": "problem.destination",
    "bad-url": "problem.bad-url",
    "bad-kinds": "problem.bad-kinds",
    "bad-password": "problem.bad-password",
    "bad-user-name": "problem.bad-user-name",
    "storage-full": "problem.no-space",
    "cmis-updateConflict": "problem.changed",
    "cmis-nameConstraintViolation": "problem.exists",
    "cmis-versioning": "problem.checked-out",
    "quota-bytes": "problem.quota",
    "quota-documents": "problem.quota",
    "no-such-principal": "problem.no-principal",
    "no-such-user": "problem.no-principal",
    "kept": "problem.on-hold",
    "checked-out": "problem.checked-out",
    "no-provider": "openid.off",
    "provider-failed": "openid.unreachable",
    "second-factor-wrong": "problem.code",
    "second-factor-required": "problem.code",
  };
  if (error.status === OFFLINE) return t("problem.offline");
  if (error.type === "too-many-failures") return t("problem.too-many", { seconds: error.retryS });
  if (known[error.type]) return t(known[error.type]);
  if (/^cmis-(constraint|invalidArgument)$/.test(error.type) && error.detail) return error.detail;
  if (error.status === 423) return t("problem.checked-out");
  if (error.status === 401) return t("problem.wrong-password");
  if (error.status === 403) return t("problem.forbidden");
  if (error.status === 404 || error.status === 410) return t("problem.gone");
  if (error.status === 409) return t("problem.exists");
  if (error.status === 413) return t("problem.too-large");
  if (error.status === 507) return t("problem.no-space");
  if (error.status >= 500) return t("problem.server");
  return error.detail || t("problem.unknown");
}

export function FormError({ error }: { error: unknown }) {
  return (
    <div role="alert">
      {error != null && (
        <p class="form-error">
          <Icon name="warning" />
          <span>{problemText(error)}</span>
        </p>
      )}
    </div>
  );
}

/** `main`: there is no other heading on the page. */
export function Empty(p: { icon: IconName; title: string; main?: boolean; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={p.icon} />
      {p.main ? <h1>{p.title}</h1> : <h2>{p.title}</h2>}
      {p.children}
    </div>
  );
}

/** Loading is said only if it takes a moment, and then also to screen readers. */
export function Loading() {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 250);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="empty" role="status" aria-busy="true">
      {slow && (
        <>
          <Icon name="refresh" class="spin" />
          <p>{t("loading")}</p>
        </>
      )}
    </div>
  );
}

export function Failed({ error, again, main }: { error: unknown; again: () => void; main?: boolean }) {
  const away = error instanceof Problem && error.status === OFFLINE;
  const gone = error instanceof Problem && error.status === 404;
  const title = t(away ? "failed.offline" : gone ? "failed.gone" : "failed.title");
  return (
    <Empty icon={away ? "offline" : "warning"} title={title} main={main}>
      <p role="alert">{problemText(error)}</p>
      <div class="row">
        <button type="button" class="button primary" onClick={again}>
          {t("again")}
        </button>
        <a class="button" href="/app/files">
          {t("nav.files")}
        </a>
      </div>
    </Empty>
  );
}

export function Field(p: {
  label: string;
  help?: string;
  children: (id: string, described?: string) => ComponentChildren;
}) {
  const id = useRef(`f${Math.random().toString(36).slice(2)}`).current;
  return (
    <div class="field">
      <label for={id}>{p.label}</label>
      {p.children(id, p.help ? `${id}-help` : undefined)}
      {p.help && <small id={`${id}-help`}>{p.help}</small>}
    </div>
  );
}

/** Runs `load` when `keys` change and again when asked; the last call wins. */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, keys: unknown[]) {
  const [result, setResult] = useState<{ value?: T; error?: unknown }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then(
      (value) => !abort.signal.aborted && setResult({ value }),
      (error) => !abort.signal.aborted && setResult((old) => ({ value: old.value, error })),
    );
    return () => abort.abort();
  }, [...keys, turn]);
  return { ...result, again: () => setTurn((n) => n + 1) };
}
