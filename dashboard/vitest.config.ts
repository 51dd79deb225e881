import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { themeStyles } from './src/theme/plugin.ts';

export default defineConfig({
  plugins: [react(), themeStyles()],
  test: { environment: 'jsdom', setupFiles: ['./src/test-setup.ts'], css: false, restoreMocks: true },
});
