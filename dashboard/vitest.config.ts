import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { themeStyles } from './src/theme/plugin.ts';

export default defineConfig({
  plugins: [react(), themeStyles()],
  test: {
    environment: 'jsdom',
    setupFiles: ['./src/test-setup.ts'],
    css: false,
    restoreMocks: true,
    // What fails fails at once; a busy machine is no failure.
    testTimeout: 60_000,
    // Starting a worker and a browser for each file takes longer than all tests together.
    pool: 'threads',
    maxWorkers: 1,
    isolate: false,
  },
});
