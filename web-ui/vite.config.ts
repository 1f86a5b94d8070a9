import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The page stands at /scep and /scep/intune; its files stand apart, where no SCEP profile can be.
export default defineConfig({
  base: "/scep-ui/",
  plugins: [react()],
  build: {
    // The Content-Security-Policy allows no data: URL for scripts, styles or fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: {
    // `npm run dev` against a running server: its certificate is its own.
    proxy: { "/api": { target: "https://127.0.0.1:8443", secure: false } },
  },
  test: {
    environment: "jsdom",
    setupFiles: ["test/setup.ts"],
    include: ["test/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    testTimeout: 30_000,
  },
});
