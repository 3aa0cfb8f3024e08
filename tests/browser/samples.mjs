// SPDX-License-Identifier: Apache-2.0
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** A word processor's document that says `text`: a ZIP archive of one stored file. */
export function docx(text) {
  const name = Buffer.from("word/document.xml");
  const body = Buffer.from(`<w:document><w:body><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:body></w:document>`);
  const facts = Buffer.alloc(26); // from "version needed" on, as both headers have it
  facts.writeUInt16LE(20, 0);
  facts.writeUInt32LE(crc32(body), 10);
  facts.writeUInt32LE(body.length, 14);
  facts.writeUInt32LE(body.length, 18);
  facts.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), facts, name, body]);
  const central = Buffer.concat([Buffer.from("PK\x01\x02\x14\0"), facts, Buffer.alloc(14), name]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

/** A PDF of one page that says `text`. */
export function pdf(text) {
  return page(`BT /F1 24 Tf 72 720 Td (${text}) Tj ET`);
}

/** A PDF of one page that draws `content`, with the font /F1. */
export function page(content) {
  const objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources" +
      "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
    `<</Length ${content.length}>>stream\n${content}\nendstream`];
  let out = "%PDF-1.4\n";
  const places = [];
  objects.forEach((body, index) => {
    places.push(out.length);
    out += `${index + 1} 0 obj${body} endobj\n`;
  });
  const start = out.length;
  out += "xref\n0 5\n0000000000 65535 f \n";
  for (const at of places) out += `${String(at).padStart(10, "0")} 00000 n \n`;
  return `${out}trailer<</Size 5/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`;
}
