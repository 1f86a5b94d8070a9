// A real scepd on free ports with data of its own, and devices that enroll at it.
// SCEPD names the program; without it the newest of target/release and target/debug is taken.

import { execFile, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Profiles beside those of the quickstart. */
const MORE = `
# For devices that someone looks at first.
[[profile]]
path_id = "workshop"
issuer_id = "local"
profile_id = "device"
challenge_password_file = "challenge-iot"
ra = "auto"
approval = true

[profile.limits]
per_source_per_minute = 0
`;

function program() {
  if (process.env.SCEPD) return process.env.SCEPD;
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const built = ["release", "debug"].map((kind) => join(target, kind, "scepd")).filter(existsSync);
  built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (!built[0]) throw new Error("no scepd found: build it, or name it in SCEPD");
  return built[0];
}

/** Starts `scepd quickstart` and waits until it serves. */
async function serve(scepd, directory) {
  const description = join(directory, "quickstart.json");
  await rm(description, { force: true });
  const child = spawn(
    scepd,
    ["quickstart", "--dir", directory, "--https-port", "0", "--http-port", "0"],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve, reject) => {
    const hear = (chunk) => {
      said += chunk;
      if (/^ready: /m.test(said)) resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    ended.then(() => reject(new Error(`scepd ended:\n${said}`)));
  });
  const described = JSON.parse(await readFile(description, "utf8"));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  return { described, stop };
}

/**
 * A server with the profiles corp (Intune), iot and workshop (approval), and those of `config`, lines
 * of scepd.toml whose files `prepare` makes in the server's directory. `place` is that directory,
 * which must not be there yet; without it a new one is made.
 */
export async function startServer({ config = "", prepare, place } = {}) {
  const scepd = program();
  const directory = place ?? (await mkdtemp(join(tmpdir(), "scepd-e2e-")));
  // The first start makes everything; the second has the profiles that are added in between.
  await (await serve(scepd, directory)).stop();
  await prepare?.(directory, (...args) => run(scepd, args));
  await appendFile(join(directory, "scepd.toml"), MORE + config);
  const { described, stop } = await serve(scepd, directory);
  const url = described.https_url;
  const challenge = (await readFile(join(directory, "challenge-iot"), "utf8")).trim();
  let devices = 0;

  const server = {
    url,
    directory,
    described,
    /** Signs in to the page and API. */
    token: (await readFile(described.admin_token_file, "utf8")).trim(),
    /** The file of the trust anchors of corp. */
    anchors: described.connector_cert,

    /** Runs a command of the program; a failure is its exit code and what it said. */
    async scepd(...args) {
      try {
        const { stdout } = await run(scepd, args, { maxBuffer: 1 << 24 });
        return { code: 0, stdout };
      } catch (error) {
        return { code: error.code, stdout: error.stdout, stderr: error.stderr };
      }
    },

    /** Enrolls a device; a refusal is no error. */
    async enroll(profile, subject, { san, secret = challenge, out } = {}) {
      const place = out ?? join(directory, "devices", String(devices++));
      const result = await server.scepd(
        "enroll",
        "--url",
        `${url}/scep/${profile}`,
        "--challenge",
        secret,
        "--subject",
        subject,
        ...(san ? ["--san", san] : []),
        "--key-type",
        "rsa2048",
        "--ca-file",
        described.ca_cert,
        "--out",
        place,
      );
      return { ...result, place };
    },

    /** An Intune challenge of the throwaway connector. */
    async mint(name, { key = described.connector_key, san = "", audience } = {}) {
      const { code, stdout, stderr } = await server.scepd(
        "intune-challenge",
        "--key",
        key,
        "--aud",
        audience ?? described.audience,
        "--device-name",
        name,
        "--sub",
        `dev-${name}`,
        ...(san ? ["--san", san] : []),
      );
      if (code !== 0) throw new Error(stderr);
      return stdout.trim();
    },

    /** Enrolls with an Intune challenge for the same names, or for others when `claimed` is given. */
    async enrollIntune(name, options = {}) {
      const { san = `dns:${name.toLowerCase()}.example.com`, claimed = san, ...more } = options;
      const secret = await server.mint(name, { san: claimed, ...more });
      return server.enroll(options.profile ?? "corp", `CN=${name}`, { san, secret });
    },

    /** Asks the admin API as an admin. */
    async api(path) {
      const { stdout } = await run("curl", [
        "--silent",
        "--cacert",
        described.ca_cert,
        "--header",
        `Authorization: Bearer ${server.token}`,
        `${url}${path}`,
      ]);
      return JSON.parse(stdout);
    },

    async write(name, content) {
      await writeFile(name, content);
    },

    async stop() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  return server;
}
