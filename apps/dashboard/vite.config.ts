import { defineConfig } from 'vite';

/** Relative addresses, because the api may be below a path prefix that is known only when it starts. */
export default defineConfig({
  base: './',
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
});
