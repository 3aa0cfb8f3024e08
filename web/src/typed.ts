// SPDX-License-Identifier: Apache-2.0
// Types of documents and their properties, as CMIS has them (CMIS 1.1, 2.1.2 and 2.1.3).
import { act } from "./cmis";
import { send } from "./api";
import { dateTime, number, t, type TextKey } from "./i18n";

export const KINDS = ["string", "integer", "decimal", "boolean", "datetime", "uri", "html", "id"] as const;
export type Kind = (typeof KINDS)[number];
export type Value = string | number | boolean;

export interface Choice {
  displayName: string;
  value?: Value[];
  choice?: Choice[];
}
export interface PropertyDefinition {
  id: string;
  displayName: string;
  description?: string;
  propertyType: Kind;
  cardinality: "single" | "multi";
  updatability: string;
  required: boolean;
  inherited?: boolean;
  openChoice?: boolean;
  choice?: Choice[];
  minValue?: number;
  maxValue?: number;
  maxLength?: number;
}
export interface TypeDefinition {
  id: string;
  displayName: string;
  description?: string;
  baseId: string;
  parentId: string;
  creatable: boolean;
  typeMutability?: { update: boolean; delete: boolean };
  propertyDefinitions: Record<string, PropertyDefinition>;
}
interface Tree {
  type: TypeDefinition;
  children?: Tree[];
}

const REPOSITORY = "/cmis/browser/coffer";
const own = (id: string) => !id.startsWith("cmis:");
export const kindName = (kind: Kind) => t(`property.${kind}` as TextKey);

async function ask<T>(selector: string, more: Record<string, string>, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams({ cmisselector: selector, ...more });
  return (await send("GET", `${REPOSITORY}?${query}`, { signal })).json();
}

/** Types of one's own below a base type, parents before children. */
export async function typesBelow(base: string, signal?: AbortSignal): Promise<TypeDefinition[]> {
  const flat = (trees: Tree[]): TypeDefinition[] => trees.flatMap((tree) => [tree.type, ...flat(tree.children ?? [])]);
  const trees = await ask<Tree[]>("typeDescendants", { typeId: base, depth: "-1", includePropertyDefinitions: "true" }, signal);
  return flat(trees).filter((type) => own(type.id));
}
export function typeOf(id: string, signal?: AbortSignal): Promise<TypeDefinition> {
  return ask("typeDefinition", { typeId: id }, signal);
}
export const typeCreate = (type: object) => act("createType", { type: JSON.stringify(type) }, undefined, REPOSITORY);
export const typeChange = (type: object) => act("updateType", { type: JSON.stringify(type) }, undefined, REPOSITORY);
export const typeDelete = (id: string) => act("deleteType", { typeId: id }, undefined, REPOSITORY);

/** What people see and set: not what the system keeps. */
export function propertiesOf(types: TypeDefinition[]): PropertyDefinition[] {
  const all = new Map(types.flatMap((type) => Object.values(type.propertyDefinitions ?? {})).map((one) => [one.id, one]));
  return [...all.values()].filter((one) => own(one.id));
}

export const choicesOf = (all: Choice[] = []): { name: string; value: string }[] =>
  all.flatMap((one) => [
    ...(one.value ?? []).map((value) => ({ name: one.displayName, value: String(value) })),
    ...choicesOf(one.choice),
  ]);

export function valueText(definition: PropertyDefinition, value: Value): string {
  const named = choicesOf(definition.choice).find((one) => one.value === String(value));
  if (named) return named.name;
  if (definition.propertyType === "datetime") return dateTime(Number(value));
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  return typeof value === "number" ? number(value) : value;
}

/** Between the server's values and what stands in an input. */
export function inputOf(definition: PropertyDefinition, value: Value): string {
  if (definition.propertyType !== "datetime") return String(value);
  const local = new Date(Number(value) - new Date(Number(value)).getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 19);
}
export function outputOf(definition: PropertyDefinition, text: string): string {
  return definition.propertyType === "datetime" ? String(new Date(text).getTime()) : text;
}
