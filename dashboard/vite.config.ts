import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { themeStyles } from './src/theme/plugin.ts';

// While the page is worked on, the Data API is that of a running `creel up`: CREEL_URL is its address.
const stack = process.env.CREEL_URL ?? 'http://127.0.0.1:54321';

// The same strictness as where the page is served: what it would break is seen while it is worked on.
const POLICY = readFileSync(new URL('policy.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .join('; ');

const proxy = Object.fromEntries(
  ['/rest', '/auth', '/functions', '/realtime'].map((path) => [path, { target: stack, ws: true }]),
);

export default defineConfig({
  plugins: [react(), themeStyles()],
  resolve: {
    alias: {
      '@supabase/storage-js': fileURLToPath(new URL('./src/supabase/no-storage.ts', import.meta.url)),
    },
  },
  build: { target: 'es2023', manifest: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy },
  preview: { proxy, headers: { 'Content-Security-Policy': POLICY } },
});
