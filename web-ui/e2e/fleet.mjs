// A day in the life of a fleet, quickly: profiles of several kinds, devices that enroll, renew,
// are refused and wait. For screenshots of the real thing.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** More profiles, as lines of scepd.toml. */
export const PROFILES = `
[[profile]]
path_id = "kiosk"
issuer_id = "local"
profile_id = "device"
ra = "auto"

[profile.limits]
per_source_per_minute = 0
bad_challenges_per_source_per_minute = 0

[profile.intune]
enabled = true
connector_cert_path = "kiosk/connector-cert.pem"
audience = "https://scep.example.com/scep/kiosk"

[[profile]]
path_id = "scanners"
issuer_id = "local"
profile_id = "device"
challenge_password_file = "challenge-iot"
ra_cert_path = "scanners-ra.pem"
ra_key_path = "scanners-ra.key"

[profile.limits]
per_source_per_minute = 0
`;

/** The files that these profiles name: certificates that end soon. */
export async function prepare(directory, scepd) {
  const connector = join(directory, "kiosk");
  await scepd("intune-challenge", "--new-connector", connector, "--connector-days", "6");
  const openssl = (...args) => run("openssl", args, { cwd: directory });
  await writeFile(
    join(directory, "ra.ext"),
    "keyUsage=critical,digitalSignature,keyEncipherment\nbasicConstraints=CA:FALSE\n",
  );
  const request = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=SCEP RA scanners"];
  await openssl(...request, "-keyout", "scanners-ra.key", "-out", "ra.csr");
  const sign = ["x509", "-req", "-in", "ra.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
  await openssl(...sign, "-days", "20", "-extfile", "ra.ext", "-out", "scanners-ra.pem");
  await run("chmod", ["600", join(directory, "scanners-ra.key")]);
}

const LAPTOPS = ["0017", "0231", "0412", "0099", "0350", "0388"].map((n) => `LAPTOP-${n}`);

/** Devices that come and go; waits until each has its answer. */
export async function live(server) {
  for (const name of LAPTOPS) await server.enrollIntune(name);
  for (const name of ["pump-77", "valve-3", "meter-1204"]) {
    await server.enroll("iot", `O=Example, CN=${name}`, { san: `dns:${name}.plant.example.com` });
  }
  await server.enroll("iot", "O=Example, CN=pump-78", { secret: "mistyped" });

  await server.enrollIntune("LAPTOP-0207", {
    san: "dns:vpn-admin.example.com",
    claimed: "dns:laptop-0207.example.com",
  });
  await server.enrollIntune("LAPTOP-0150", { audience: "https://old.example.com/scep" });
  const used = await server.mint("LAPTOP-0301");
  await server.enroll("corp", "CN=LAPTOP-0301", { secret: used });
  await server.enroll("corp", "CN=LAPTOP-0301", { secret: used });
  const stranger = join(server.directory, "stranger");
  await server.scepd("intune-challenge", "--new-connector", stranger);
  await server.enrollIntune("LAPTOP-0666", { key: join(stranger, "connector-key.pem") });
  for (let time = 0; time < 4; time++) await server.enrollIntune("LAPTOP-0412");

  const kiosk = {
    profile: "kiosk",
    key: join(server.directory, "kiosk", "connector-key.pem"),
    audience: "https://scep.example.com/scep/kiosk",
  };
  for (const name of ["KIOSK-LOBBY", "KIOSK-GATE-2", "KIOSK-CANTEEN"]) {
    await server.enrollIntune(name, kiosk);
  }
  await server.enrollIntune("KIOSK-ROOF", { ...kiosk, audience: "https://old.example.com/scep" });

  for (const [name, san] of [
    ["drill-44", "dns:drill-44.workshop.example.com"],
    ["saw-2", "dns:saw-2.workshop.example.com,ip:192.0.2.44"],
  ]) {
    await server.enroll("workshop", `O=Example, OU=Workshop, CN=${name}`, { san });
  }
}
