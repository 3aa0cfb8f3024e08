// SPDX-License-Identifier: Apache-2.0
// The npm package cmis brings its own fetch and forms, for a Node.js that had none; it takes the new
// global ones for a browser's and mixes the two.
for (const name of ["Blob", "fetch", "FormData", "Headers", "Request", "Response", "File"])
    delete globalThis[name];
