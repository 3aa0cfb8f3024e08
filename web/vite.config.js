// SPDX-License-Identifier: Apache-2.0
// Nothing inline (the server's policy forbids it), names made from contents, no source maps.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2020",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
    cssCodeSplit: false,
  },
  server: {
    proxy: { "/api": process.env.COFFER_DMS_URL ?? "http://127.0.0.1:8080" },
  },
});
