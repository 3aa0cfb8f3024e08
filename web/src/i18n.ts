// SPDX-License-Identifier: Apache-2.0
// Texts in the reader's language, and how it writes numbers, dates and sizes.
import { de } from "./text/de";
import { en } from "./text/en";
import { remembered } from "./state";

export type Language = "en" | "de";
export type TextKey = keyof typeof en;
const texts: Record<Language, Record<TextKey, string>> = { en, de };

export const language = remembered<Language>(
  "language",
  navigator.language.toLowerCase().startsWith("de") ? "de" : "en",
  (v): v is Language => v === "en" || v === "de",
);
const languageApply = () => (document.documentElement.lang = language.get());
language.on(languageApply);
languageApply();

/** The language as it is written where the reader is: dates differ between en-GB and en-US. */
const region = () => navigator.languages.find((one) => one.toLowerCase().startsWith(language.get())) ?? language.get();

/** {name} is replaced by params.name; "one|many" is chosen by params.count. */
export function t(key: TextKey, params: Record<string, string | number> = {}): string {
  let text = texts[language.get()][key];
  if ("count" in params) {
    const [one, many] = text.split("|");
    text = many !== undefined && params.count !== 1 ? many : one;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/** Whether there is a text of this name. */
export function has(key: string): key is TextKey {
  return key in en;
}

export function number(value: number): string {
  return value.toLocaleString(region());
}

export function size(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toLocaleString(region(), { maximumFractionDigits: digits })} ${units[unit]}`;
}

export function dateTime(ms: number): string {
  return new Date(ms).toLocaleString(region(), { dateStyle: "medium", timeStyle: "short" });
}

/** Short for lists: the time today, the day this year, the date before. */
export function dateShort(ms: number): string {
  const then = new Date(ms);
  const now = new Date();
  if (then.toDateString() === now.toDateString())
    return then.toLocaleTimeString(region(), { hour: "2-digit", minute: "2-digit" });
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return then.toLocaleDateString(region(), { day: "numeric", month: "short", year });
}
