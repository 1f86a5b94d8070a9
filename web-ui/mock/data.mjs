// What the mock server knows: enough of everything that a view can show, hostile names included.

const DAY = 86_400_000;
const MINUTE = 60_000;

/** Names as an attacker, or a careless fleet, would choose them. */
export const HOSTILE = {
  markup: '<img src=x onerror="document.title=`owned`"><script>document.title="owned"</script>',
  bidi: "invoice\u202Egnp.exe \u2066x\u2069 \u0000\u0007end",
  rtl: "\u05de\u05d7\u05e9\u05d1-17 \u0627\u0644\u062c\u0647\u0627\u0632",
  long: `CN-${"a0b1c2d3e4f5".repeat(340)}`,
};

const LABELS = [
  "claim_mismatch",
  "compliance_failed",
  "expired",
  "malformed",
  "not_yet_valid",
  "rate_limited",
  "replay",
  "signature_invalid",
  "success",
  "unknown_version",
  "wrong_audience",
];

const iso = (time) => new Date(time).toISOString().replace(/\.\d{3}Z$/, "Z");
const days = (end, now) => Math.floor((end - now) / DAY);

function anchor(subject, from, end, now) {
  return {
    subject,
    not_before: iso(from),
    not_after: iso(end),
    days_to_expiry: days(end, now),
    expired: end < now,
  };
}

function counters(values) {
  return Object.fromEntries(LABELS.map((label) => [label, values[label] ?? 0]));
}

/** Pseudo-random numbers in 0..1, the same for the same seed. */
function dice(seed) {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function profile(path, now, options = {}) {
  const left = options.left ?? 212;
  const end = now + left * DAY + 6 * 3_600_000;
  const from = end - (options.length ?? 365) * DAY;
  return {
    path_id: path,
    issuer_id: options.issuer ?? "fleet-ca",
    ...(options.elsewhere ? { issuer: options.elsewhere } : {}),
    challenge_password_set: options.challenge ?? true,
    ra_cert_subject: options.ra ?? `scepd RA ${path || "root"}`,
    ra_cert_not_before: iso(from),
    ra_cert_not_after: iso(end),
    ra_cert_days_to_expiry: days(end, now),
    ra_cert_expired: end < now,
    mtls_enabled: options.mtls !== undefined,
    ...(options.mtls ? { mtls_trust_bundle_path: options.mtls } : {}),
    generated_at: iso(now),
    ...(options.intune
      ? {
          intune: {
            trust_anchor_path: `/etc/scepd/${path || "root"}-connector.pem`,
            trust_anchors: options.intune.anchors,
            audience: `https://scep.example.com/scep/${path}`,
            challenge_validity_ns: 3_600_000_000_000,
            clock_skew_tolerance_ns: 60_000_000_000,
            rate_limit_disabled: options.intune.unlimited ?? false,
            replay_cache_size: options.intune.replay ?? 118,
            counters: counters(options.intune.counters ?? {}),
          },
        }
      : {}),
    ...(options.tenants ? { intune_tenants: options.tenants } : {}),
  };
}

function fewProfiles(now) {
  return [
    profile("", now, { left: 341, ra: "scepd RA" }),
    profile("corp", now, {
      left: 212,
      mtls: "/etc/scepd/corp-clients.pem",
      intune: {
        anchors: [
          anchor("Intune Connector SRV-PKI-02", now - 300 * DAY, now + 65.4 * DAY, now),
          anchor("Intune Connector SRV-PKI-01", now - 349 * DAY, now + 16.2 * DAY, now),
        ],
        counters: { success: 18_402, claim_mismatch: 7, expired: 41, rate_limited: 3, replay: 1 },
        replay: 1_284,
      },
    }),
    profile("iot", now, {
      left: 4,
      length: 90,
      ra: "scepd RA iot",
      issuer: "company-ejbca",
      elsewhere: { kind: "ejbca", reached: true, silent_for_seconds: 9, waiting: 0, revokes: true },
    }),
    profile("managed", now, { left: 288, challenge: false, tenants: ["contoso", "fabrikam"] }),
    profile("kiosk", now, {
      left: 23,
      challenge: false,
      intune: {
        anchors: [anchor("Connector KIOSK", now - 10 * DAY, now + 355 * DAY, now)],
        counters: { success: 96, signature_invalid: 2, wrong_audience: 12 },
        unlimited: true,
        replay: 14,
      },
    }),
    profile("lab", now, { left: -3, length: 30, challenge: false, issuer: "lab-ca" }),
    profile("mobile", now, {
      left: 118,
      issuer: "head-office-adcs",
      elsewhere: {
        kind: "adcs",
        reached: true,
        silent_for_seconds: 437,
        waiting: 214,
        trouble: "it cannot be reached: the connection was refused",
        revokes: false,
      },
      intune: {
        anchors: [anchor("Connector MOBILE", now - 360 * DAY, now + 5.1 * DAY, now)],
        counters: { success: 2_310, not_yet_valid: 2, compliance_failed: 19, malformed: 1 },
        replay: 310,
      },
    }),
  ];
}

function manyProfiles(now, count) {
  return Array.from({ length: count }, (_, n) => {
    const roll = dice(n + 1);
    const path = `fleet-${String(n).padStart(4, "0")}`;
    const intune = roll() < 0.5;
    const left = Math.floor(roll() * 400) - 4;
    const mtls = roll() < 0.3 ? { mtls: `/etc/scepd/${path}-clients.pem` } : {};
    const on = {
      anchors: [anchor(`Connector ${n}`, now - 30 * DAY, now + roll() * 400 * DAY, now)],
      counters: {
        success: Math.floor(roll() * 9_000),
        claim_mismatch: Math.floor(roll() * 9),
        expired: Math.floor(roll() * 30),
      },
    };
    return profile(path, now, {
      left,
      issuer: `ca-${n % 7}`,
      ...mtls,
      ...(intune ? { intune: on } : {}),
    });
  });
}

const CASES = [
  [
    "claim_mismatch",
    'device_name: the challenge says another name, the CSR "vpn-admin"; san_dns: the CSR asks for "vpn-admin.example.com".',
  ],
  ["expired", "The challenge ended 41 minutes before it arrived."],
  ["rate_limited", "The device has had 3 certificates in the last 24 hours; the limit is 3."],
  ["wrong_audience", "The challenge is for https://old.example.com/scep/corp."],
  ["signature_invalid", "No trust anchor of this profile verifies the challenge."],
  ["compliance_failed", "The compliance service says: disk encryption is off."],
];

function verdict(id, intune, outcome) {
  if (outcome === "success") return { message: "A certificate was issued." };
  if (outcome === "pending") return { message: "The request waits for approval." };
  if (!intune) return { reason: "wrong_challenge", message: "The challenge password is wrong." };
  const [reason, message] = CASES[id % CASES.length];
  return { reason, message };
}

function event(id, time, { intune, renewal, outcome, profile: path, name }) {
  const device = intune
    ? `${(id * 7919).toString(16).padStart(8, "0")}-${name}`.slice(0, 5_000)
    : undefined;
  const roll = dice(id);
  const digits = Array.from({ length: 40 }, () => Math.floor(roll() * 16).toString(16));
  const serial = `4${digits.slice(1).join("")}`;
  const said = verdict(id, intune, outcome);
  // The challenge vouches for `name`; on a mismatch the device asks for another.
  const asked = said.reason === "claim_mismatch" ? "vpn-admin" : name;
  const dns = `${name.toLowerCase().slice(0, 40)}.example.com`;
  const issued = Math.floor(time / 1000) - (said.reason === "expired" ? 6_060 : 60);
  const challenge = {
    device,
    claim_issuer: "https://connector.example.com",
    claim: {
      iss: "https://connector.example.com",
      sub: device,
      aud: `https://${said.reason === "wrong_audience" ? "old" : "scep"}.example.com/scep/${path}`,
      iat: issued,
      exp: issued + 3600,
      nonce: (id * 104729).toString(16),
      device_name: name,
      san_dns: [dns],
      san_upn: ["a.turing@example.com"],
    },
    csr: {
      device_name: [asked],
      san_dns: [said.reason === "claim_mismatch" ? "vpn-admin.example.com" : dns],
      san_upn: ["A.Turing@example.com"],
    },
  };
  return {
    id,
    timestamp: new Date(time).toISOString(),
    actor: device ?? name.slice(0, 200),
    actor_type: "Device",
    action: `scep_${renewal ? "renewalreq" : "pkcsreq"}${intune ? "_intune" : ""}`,
    resource_type: outcome === "success" ? "certificate" : "scep_profile",
    resource_id: outcome === "success" ? serial : path,
    details: {
      outcome,
      ...said,
      ...(said.reason === "claim_mismatch" ? { mismatch: "device_name,san_dns" } : {}),
      profile: path,
      issuer_id: "fleet-ca",
      ...(outcome === "success" ? { serial } : {}),
      common_name: asked,
      sans: `dns:${dns}`,
      transaction_id: (id * 48271).toString(16).toUpperCase().padStart(16, "0"),
      source_ip: `192.0.2.${(id % 250) + 1}`,
      user_agent: intune
        ? "Mozilla/4.0 (compatible; Win32; NDES client 10.0.22621.1/ni_release)"
        : "scepclient",
      ...(intune ? challenge : {}),
      request_id: `01JD${id.toString(36).toUpperCase().padStart(6, "0")}`,
    },
  };
}

const NAMES = [
  "LAPTOP-0017",
  "LAPTOP-0412",
  "SCANNER-3",
  "kiosk-lobby",
  "iPad-2291",
  "pump-77",
  "DESKTOP-F1L2",
];

function events(now, count, hostile) {
  const found = [];
  for (let n = 0; n < count; n++) {
    const id = count - n;
    const roll = dice(id + 77);
    const intune = roll() < 0.6;
    const outcome = roll() < 0.18 ? "failure" : roll() < 0.05 ? "pending" : "success";
    found.push(
      event(id, now - n * 2.7 * MINUTE - roll() * MINUTE, {
        intune,
        renewal: roll() < 0.35,
        outcome,
        profile: intune ? ["corp", "mobile", "kiosk"][id % 3] : ["iot", "corp", ""][id % 3],
        name: NAMES[id % NAMES.length],
      }),
    );
  }
  if (!hostile) return found;
  const bad = Object.values(HOSTILE).map((name, n) =>
    event(count + 1 + n, now - (4 - n) * 20_000, {
      intune: true,
      renewal: false,
      outcome: n % 2 ? "success" : "failure",
      profile: "corp",
      name,
    }),
  );
  return [...bad.reverse(), ...found];
}

function certificate({ timestamp, details }, now) {
  const issued = Date.parse(timestamp);
  const end = issued + 365 * DAY;
  return {
    issuer_id: details.issuer_id,
    serial: details.serial,
    profile: details.profile,
    common_name: details.common_name,
    sans: details.sans,
    not_before: iso(issued - 5 * MINUTE),
    not_after: iso(end),
    days_to_expiry: days(end, now),
    issued_at: iso(issued),
    status: end < now ? "expired" : "valid",
    transaction_id: details.transaction_id,
    ...(details.device ? { device: details.device } : {}),
  };
}

function request(n, now, common_name, more = {}) {
  return {
    id: `corp.${String(n).repeat(32).slice(0, 32)}`,
    profile: "corp",
    issuer_id: "fleet-ca",
    transaction_id: `8B1F5C0A${n}`,
    subject: `O=Example Corporation, OU=Workstations, CN=${common_name}`,
    common_name,
    public_key: "RSA 3072",
    renewal: false,
    source_ip: "192.0.2.44",
    requested_at: iso(now - n * 47 * MINUTE),
    expires_at: iso(now + 6 * DAY),
    ...more,
  };
}

function requests(now, hostile) {
  const list = [
    request(3, now, "build-agent-44", { sans: "dns:build-agent.example.com, ip:192.0.2.44" }),
    request(2, now, "LAPTOP-0099", {
      device: "3f0c4a7e-laptop-0099",
      public_key: "EC P-256",
      sans: "dns:laptop-0099.example.com",
    }),
    request(1, now, "label-printer-2", { renewal: true }),
  ];
  if (!hostile) return list;
  const { markup, long, bidi } = HOSTILE;
  return [...list, ...[markup, long, bidi].map((name, n) => request(n + 4, now, name))];
}

function challenges(now, hostile) {
  const one = (n, more) => ({
    id: `${n}f3c0a9be2d14c58a1b2c3d4e5f60718`,
    profile: "corp",
    state: "open",
    interface: "jamf",
    created_by: "jamf",
    created_at: iso(now - n * 4 * MINUTE),
    expires_at: iso(now + (15 - n * 4) * MINUTE),
    uses: 1,
    used: 0,
    ...more,
  });
  return [
    one(1, { bound_to: "configuration profile 0A1B2C3D (observed)" }),
    one(2, { state: "used", used: 1, last_used_at: iso(now - 7 * MINUTE) }),
    one(3, {
      interface: "api",
      created_by: hostile ? HOSTILE.markup : "provisioning",
      bound_to: `device ${hostile ? HOSTILE.bidi : "box-4.example.org"}`,
      uses: 3,
      used: 1,
    }),
    one(4, { state: "expired", interface: "ndes", created_by: "workspace-one" }),
    one(5, { state: "withdrawn", interface: "page", created_by: "ops" }),
  ];
}

/** Everything, as of `now`. */
/** Two tenants of one profile: one that is well, one whose secret has ended and whose revocations are held. */
function tenants(now, hostile) {
  const hour = (back, codes) => ({ begins: iso(now - back * 60 * MINUTE), codes });
  const fabrikam =
    "Entra ID gave no token: AADSTS7000222: the client secret has expired; make a new one";
  return [
    {
      id: "contoso",
      tenant: "contoso.onmicrosoft.com",
      client_id: "11111111-2222-3333-4444-555555555555",
      credential: "certificate",
      profiles: ["managed"],
      resting_profiles: [],
      last_success: iso(now - 40_000),
      token_issued: iso(now - 31 * MINUTE),
      token_expires: iso(now + 28 * MINUTE),
      roles: ["scep_challenge_provider"],
      credential_expires: iso(now + 19.5 * DAY),
      credential_days_to_expiry: 19,
      clock_difference: 0,
      notifications_waiting: 2,
      codes: [hour(2, { Success: 1204, ChallengeExpired: 17 }), hour(1, { Success: 988 })],
      revocations: { last_asked: iso(now - 22 * MINUTE), waiting: 0, held: [] },
      sweep: {
        at: iso(now - 100 * MINUTE),
        managed_devices: 4031,
        registered_devices: 4480,
        certificates: 3987,
        gone: 2,
        disabled: 1,
        released: 0,
        on_hold: 3,
      },
    },
    {
      id: "fabrikam",
      tenant: "fabrikam.onmicrosoft.com",
      client_id: "66666666-7777-8888-9999-000000000000",
      credential: "client_secret",
      profiles: ["managed"],
      resting_profiles: ["managed"],
      last_success: iso(now - 5 * 60 * MINUTE),
      trouble: {
        since: iso(now - 5 * 60 * MINUTE),
        message: hostile ? HOSTILE.bidi : fabrikam,
        lasting: true,
      },
      token_issued: iso(now - 6 * 60 * MINUTE),
      credential_expires: iso(now - 5 * 60 * MINUTE),
      credential_days_to_expiry: -1,
      clock_difference: 1,
      notifications_waiting: 0,
      codes: [hour(7, { Success: 311, SubjectAltNameMismatch: 4 })],
      revocations: {
        last_asked: iso(now - 7 * 60 * MINUTE),
        waiting: 214,
        held_since: iso(now - 7 * 60 * MINUTE),
        held: Array.from({ length: 100 }, (_, n) => ({
          serial: (0x4a5b6c00 + n).toString(16),
          common_name: hostile && n === 0 ? HOSTILE.markup : `LAPTOP-${1000 + n}`,
        })),
      },
    },
  ];
}

export function world({ now = Date.now(), profiles = 0, audit = 160, empty, hostile } = {}) {
  if (empty)
    return {
      profiles: [],
      tenants: [],
      events: [],
      certificates: [],
      requests: [],
      challenges: [],
      tokens: [],
    };
  const all = events(now, audit, hostile);
  const certificates = all.filter((e) => e.details.serial).map((e) => certificate(e, now));
  const old = certificates[6];
  Object.assign(old, {
    status: "revoked",
    revoked_at: iso(now - DAY),
    revocation_reason: "key_compromise",
  });
  return {
    profiles: profiles > 0 ? manyProfiles(now, profiles) : fewProfiles(now),
    tenants: tenants(now, hostile),
    events: all,
    certificates,
    requests: requests(now, hostile),
    challenges: challenges(now, hostile),
    tokens: [
      {
        id: "7c1d2e3f",
        name: "ops",
        role: "admin",
        created_at: iso(now - 22 * DAY),
        last_used_at: iso(now - MINUTE),
      },
      {
        id: "9a8b7c6d",
        name: "dashboards",
        role: "viewer",
        created_at: iso(now - 60 * DAY),
        expires_at: iso(now + 305 * DAY),
        last_used_at: iso(now - 2 * MINUTE),
      },
      {
        id: "5e4d3c2b",
        name: "old laptop",
        role: "admin",
        created_at: iso(now - 200 * DAY),
        revoked_at: iso(now - 90 * DAY),
      },
    ],
  };
}
