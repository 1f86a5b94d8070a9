// @vitest-environment node
import { readFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import { describe, expect, it } from "vitest";

describe("the API types", () => {
  it("are those of api/openapi.yaml: run `npm run generate` when this fails", async () => {
    const document = new URL("../../api/openapi.yaml", import.meta.url);
    const generated = astToString(await openapiTS(document));
    const kept = await readFile(new URL("../src/api/schema.ts", import.meta.url), "utf8");
    const body = (text: string) => text.replace(/^\/\*\*[\s\S]*?\*\/\s*/, "").trim();
    expect(body(kept)).toBe(body(generated));
  });
});
