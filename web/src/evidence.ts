// SPDX-License-Identifier: Apache-2.0
// Reads and checks the evidence of the simulated device (docs/evidence-format.md). What is not
// exactly so is refused. Other kinds are only named.
export interface Evidence {
  kind: "sim" | "unknown";
  fresh: boolean;
  signed: boolean;
  debug: boolean;
  svn: number;
  runtime: string;
  program: string;
  config: string;
  key: string;
}

const SIZE = 404;
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
export const hexText = hex;

export async function judge(bytes: Uint8Array, nonce: Uint8Array): Promise<Evidence> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const part = (at: number, size: number) => bytes.slice(at, at + size);
  const known =
    bytes.length === SIZE && hex(part(0, 4)) === "43464556" && view.getUint16(4, true) === 1 &&
    view.getUint16(6, true) === 1 && view.getUint32(8, true) === SIZE && view.getUint32(16, true) < 2 &&
    view.getUint32(20, true) === 0 && part(232, 43).every((b) => b === 0);
  if (!known)
    return { kind: "unknown", fresh: false, signed: false, debug: false, svn: 0, runtime: "", program: "", config: "", key: "" };
  const point = part(275, 65);
  return {
    kind: "sim",
    fresh: hex(part(168, 64)) === hex(nonce),
    signed: await signatureHolds(bytes, point),
    debug: (view.getUint32(16, true) & 1) === 1,
    svn: view.getUint32(12, true),
    runtime: hex(part(24, 32)),
    program: hex(part(56, 32)),
    config: hex(part(120, 32)),
    key: hex(new Uint8Array(await crypto.subtle.digest("SHA-256", point))),
  };
}

async function signatureHolds(bytes: Uint8Array, point: Uint8Array): Promise<boolean> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  try {
    const key = await crypto.subtle.importKey("raw", point as BufferSource, algorithm, false, ["verify"]);
    const context = new TextEncoder().encode("coffer sim evidence 1");
    const message = new Uint8Array(context.length + 340);
    message.set(context);
    message.set(bytes.subarray(0, 340), context.length);
    return await crypto.subtle.verify(algorithm, key, bytes.slice(340), message);
  } catch {
    return false;
  }
}
