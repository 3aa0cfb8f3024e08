// SPDX-License-Identifier: Apache-2.0
// The fewest lines to drop and add that turn one text into another (Myers, "An O(ND) Difference
// Algorithm and Its Variations", 1986). Above a number of differences the middle counts as replaced.
export interface Line {
  kind: "same" | "add" | "drop";
  text: string;
  a?: number;
  b?: number;
}

const DIFFERENCES_MAX = 2000;

function trace(a: string[], b: string[]): Map<number, number>[] | null {
  const steps: Map<number, number>[] = [];
  const ends = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, DIFFERENCES_MAX); d++) {
    steps.push(new Map(ends));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (ends.get(k - 1) ?? -1) < (ends.get(k + 1) ?? -1));
      let x = down ? (ends.get(k + 1) ?? 0) : (ends.get(k - 1) ?? 0) + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      ends.set(k, x);
      if (x >= a.length && y >= b.length) return steps;
    }
  }
  return null;
}

function middle(a: string[], b: string[]): Line[] {
  const steps = trace(a, b);
  if (!steps)
    return [
      ...a.map((text): Line => ({ kind: "drop", text })),
      ...b.map((text): Line => ({ kind: "add", text })),
    ];
  const lines: Line[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = steps.length - 1; d >= 0; d--) {
    const ends = steps[d];
    const k = x - y;
    const down = k === -d || (k !== d && (ends.get(k - 1) ?? -1) < (ends.get(k + 1) ?? -1));
    const fromK = down ? k + 1 : k - 1;
    const fromX = ends.get(fromK) ?? 0;
    const fromY = fromX - fromK;
    while (x > fromX && y > fromY && x > 0 && y > 0) lines.push({ kind: "same", text: a[--x] }), y--;
    if (d === 0) break;
    if (down) lines.push({ kind: "add", text: b[--y] });
    else lines.push({ kind: "drop", text: a[--x] });
  }
  return lines.reverse();
}

export function diff(before: string, after: string): Line[] {
  const a = before.split(/\r?\n/);
  const b = after.split(/\r?\n/);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const lines: Line[] = [
    ...a.slice(0, start).map((text): Line => ({ kind: "same", text })),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map((text): Line => ({ kind: "same", text })),
  ];
  let na = 0;
  let nb = 0;
  for (const line of lines) {
    if (line.kind !== "add") line.a = ++na;
    if (line.kind !== "drop") line.b = ++nb;
  }
  return lines;
}
