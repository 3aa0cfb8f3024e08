// SPDX-License-Identifier: Apache-2.0
// What the whole page knows: who is signed in, whether the server is reached, how it should look.
import { useEffect, useState } from "preact/hooks";

export interface State<T> {
  get(): T;
  set(value: T): void;
  use(): T;
  on(listener: () => void): () => void;
}

export function state<T>(initial: T): State<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  const self: State<T> = {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    use() {
      const [, draw] = useState(0);
      const seen = value;
      useEffect(() => {
        const listener = () => draw((n) => n + 1);
        if (!Object.is(seen, value)) listener();
        return self.on(listener);
      }, []);
      return value;
    },
  };
  return self;
}

/** A state that the browser remembers. What was stored is only taken if `check` says so. */
export function remembered<T>(name: string, initial: T, check: (value: unknown) => value is T) {
  let start = initial;
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(`coffer.${name}`) ?? "null");
    if (check(stored)) start = stored;
  } catch {
    /* no storage, or not ours */
  }
  const own = state(start);
  own.on(() => {
    try {
      localStorage.setItem(`coffer.${name}`, JSON.stringify(own.get()));
    } catch {
      /* no storage: it lasts as long as the page */
    }
  });
  return own;
}

export type Session =
  | { state: "unknown" }
  | { state: "out"; ended?: boolean; elsewhere?: string }
  | { state: "must-change"; name?: string }
  | { state: "in"; name: string; admin: boolean };

export const session = state<Session>({ state: "unknown" });
export const offline = state(false);

export type Theme = "system" | "light" | "dark";
export const theme = remembered<Theme>("theme", "system", (v): v is Theme =>
  v === "system" || v === "light" || v === "dark",
);

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
function themeApply() {
  const dark = theme.get() === "dark" || (theme.get() === "system" && prefersDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
theme.on(themeApply);
prefersDark.addEventListener("change", themeApply);
themeApply();

export type Layout = "list" | "grid";
export const layout = remembered<Layout>("layout", "list", (v): v is Layout =>
  v === "list" || v === "grid",
);

/** Something changed on the server that open lists should show. */
export const changes = state(0);
export function changed() {
  changes.set(changes.get() + 1);
}
