// The admin API over made-up data.

const stamp = (time = Date.now()) => new Date(time).toISOString();

function reply(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(body));
}

function refuse(response, status, error) {
  reply(response, status, { error, request_id: "01JD7Z1Q" });
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : {};
}

function sessionReply({ user, admin, csrf }) {
  return {
    user,
    admin,
    actor_type: "APIKey",
    csrf_token: csrf,
    expires_at: stamp(Date.now() + 12 * 3_600_000),
  };
}

/** Answers a request under /api/v1. */
export async function answer(state, request, url, response) {
  const path = url.pathname.replace("/api/v1", "");
  const { method } = request;
  const cookie = /mock_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
  const session = state.sessions.get(cookie);

  if (path === "/session" && method === "POST") {
    const { token } = await bodyOf(request);
    if (token !== "admin" && token !== "viewer") {
      return refuse(response, 401, "This token is not known.");
    }
    const admin = token === "admin";
    const id = Math.random().toString(36).slice(2);
    const made = { user: admin ? "ops" : "dashboards", admin, csrf: `csrf-${id}` };
    state.sessions.set(id, made);
    response.setHeader("Set-Cookie", `mock_session=${id}; HttpOnly; SameSite=Strict; Path=/`);
    return reply(response, 200, sessionReply(made));
  }
  if (!session) return refuse(response, 401, "This needs a token.");
  if (method !== "GET" && request.headers["x-csrf-token"] !== session.csrf) {
    return refuse(response, 403, "The CSRF token is missing or wrong.");
  }
  if (path === "/auth/check") {
    const { user, admin } = session;
    return reply(response, 200, { status: "authenticated", user, admin, actor_type: "APIKey" });
  }
  if (path === "/session" && method === "GET") return reply(response, 200, sessionReply(session));
  if (path === "/session") {
    state.sessions.delete(cookie);
    return response.writeHead(204).end();
  }
  if (!session.admin) return refuse(response, 403, "This needs the admin role.");
  if (state.failing) return refuse(response, 500, "The store does not answer.");
  for (const [verb, pattern, handler] of ROUTES) {
    const found = verb === method && pattern.exec(path);
    if (!found) continue;
    const result = await handler(state, {
      query: url.searchParams,
      parts: found.slice(1).map(decodeURIComponent),
      body: method === "POST" ? await bodyOf(request) : {},
    });
    if (result.error) return refuse(response, result.status, result.error);
    return reply(response, verb === "POST" && path === "/admin/tokens" ? 201 : 200, result);
  }
  return refuse(response, 404, "There is no such path.");
}

const ROUTES = [
  ["GET", /^\/about$/, about],
  ["GET", /^\/admin\/scep\/profiles$/, ({ profiles }) => envelope(profiles)],
  ["GET", /^\/admin\/scep\/intune\/stats$/, ({ profiles }) => envelope(profiles.map(row))],
  [
    "GET",
    /^\/admin\/intune\/tenants$/,
    ({ tenants }) => ({ data: tenants, generated_at: stamp() }),
  ],
  ["POST", /^\/admin\/intune\/tenants\/([^/]+)\/revocations\/(release|refuse)$/, decideHeld],
  ["POST", /^\/admin\/scep\/intune\/reload-trust$/, reload],
  ["POST", /^\/admin\/scep\/checks$/, checks],
  ["GET", /^\/admin\/scep\/requests$/, requests],
  ["POST", /^\/admin\/scep\/requests\/([^/]+)\/(approve|deny)$/, decide],
  ["GET", /^\/audit$/, audit],
  ["GET", /^\/admin\/certificates$/, certificates],
  ["GET", /^\/admin\/certificates\/([^/]+)\/([^/]+)$/, certificate],
  ["POST", /^\/admin\/certificates\/([^/]+)\/([^/]+)\/revoke$/, revoke],
  ["POST", /^\/admin\/certificates\/([^/]+)\/([^/]+)\/release$/, release],
  ["POST", /^\/admin\/certificates\/bulk$/, bulk],
  ["GET", /^\/admin\/timeline$/, timeline],
  ["GET", /^\/challenges$/, challenges],
  ["POST", /^\/challenges$/, makeChallenge],
  ["DELETE", /^\/challenges\/(\w+)$/, withdrawChallenge],
  ["GET", /^\/admin\/tokens$/, ({ tokens }) => ({ tokens })],
  ["POST", /^\/admin\/tokens$/, makeToken],
  ["DELETE", /^\/admin\/tokens\/(\w+)$/, revokeToken],
];

function challenges({ challenges }, { query }) {
  const [profile, wanted] = [query.get("profile"), query.get("state")];
  const shown = challenges.filter(
    (one) => (profile ?? one.profile) === one.profile && (wanted ?? one.state) === one.state,
  );
  const of = (path) => challenges.filter((one) => one.profile === path);
  const paths = [...new Set(challenges.map((one) => one.profile))];
  const profiles = paths
    .filter((path) => (profile ?? path) === path)
    .map((path) => ({
      profile: path,
      open: of(path).filter((one) => one.state === "open").length,
      max_open: 10_000,
      made: of(path).length + 4700,
      used: 4655,
      expired: 41,
      withdrawn: 2,
      refused: 3,
    }));
  return { challenges: shown, profiles };
}

function makeChallenge(state, { body }) {
  const details = {
    id: Math.random().toString(16).slice(2).padEnd(32, "0"),
    profile: body.profile,
    state: "open",
    interface: "page",
    created_by: "ops",
    created_at: stamp(),
    expires_at: stamp(Date.now() + 3_600_000),
    uses: body.uses ?? 1,
    used: 0,
    ...(body.device ? { bound_to: `device ${body.device}` } : {}),
  };
  state.challenges.unshift(details);
  return { challenge: "8CE317021F690069", details };
}

function withdrawChallenge(state, { parts: [id] }) {
  const found = state.challenges.find((one) => one.id === id);
  if (!found) return { status: 404, error: "there is no such challenge" };
  found.state = "withdrawn";
  return found;
}

function decideHeld(state, { parts: [id] }) {
  const { revocations } = state.tenants.find((one) => one.id === id) ?? {};
  if (!revocations) return { status: 404, error: `there is no tenant "${id}" with revocations` };
  if (!revocations.held_since) {
    return { status: 409, error: "no revocations of this tenant are held" };
  }
  const decided = revocations.waiting;
  Object.assign(revocations, { waiting: 0, held: [], held_since: undefined });
  return { tenant: id, decided };
}

function about() {
  return {
    name: "scepd",
    version: "0.1.0",
    openssl: "OpenSSL 3.6.0",
    started_at: stamp(Date.now() - 90_000_000),
    now: stamp(),
  };
}

function envelope(profiles) {
  return { profiles, profile_count: profiles.length, generated_at: stamp() };
}

function row({ path_id, issuer_id, intune, generated_at }) {
  if (intune) return { path_id, issuer_id, enabled: true, ...intune, generated_at };
  const off = { rate_limit_disabled: false, replay_cache_size: 0, counters: {} };
  return { path_id, issuer_id, enabled: false, ...off, generated_at };
}

function reload(state, { body: { path_id = "" } }) {
  if (state.bad.has(path_id)) {
    const error = `/etc/scepd/${path_id}-connector.pem: certificate 2 ("Intune Connector SRV-PKI-01") expired on 2026-11-20`;
    return { status: 500, error };
  }
  return { reloaded: true, path_id, reloaded_at: stamp() };
}

function checks({ profiles }) {
  const finding = {
    level: "warning",
    profile: "iot",
    setting: "ra_cert_path",
    file: "/etc/scepd/iot-ra.pem",
    message: "The RA certificate expires in 4 days.",
    action: "Issue a new RA certificate, put it in place of the old file and reload.",
  };
  return {
    ok: true,
    findings: [finding],
    profiles_checked: profiles.length,
    generated_at: stamp(),
  };
}

function requests(state, { query }) {
  const profile = query.get("profile");
  const data = state.requests.filter((r) => profile === null || r.profile === profile);
  return { data, total: data.length, page: 1, per_page: 200 };
}

function decide(state, { parts: [id, verdict] }) {
  if (!state.requests.some((r) => r.id === id)) {
    return { status: 404, error: "There is no such request." };
  }
  state.requests = state.requests.filter((r) => r.id !== id);
  const done = verdict === "approve" ? "approved" : "denied";
  return { id, state: done, decided_by: "ops", decided_at: stamp() };
}

function paged(data, query) {
  const page = Number(query.get("page") ?? 1);
  const per_page = Number(query.get("per_page") ?? 50);
  const rows = data.slice((page - 1) * per_page, page * per_page);
  return { data: rows, total: data.length, page, per_page };
}

function audit({ events }, { query }) {
  const fits = (name, value) => query.get(name) === null || query.get(name) === value;
  const data = events.filter(
    ({ action, details }) =>
      fits("action", action) &&
      fits("outcome", details.outcome) &&
      fits("profile", details.profile),
  );
  return paged(data, query);
}

function certificates(state, { query }) {
  const text = (query.get("q") ?? "").toLowerCase();
  const fits = (name, value) => query.get(name) === null || query.get(name) === value;
  const data = state.certificates.filter(
    (c) =>
      fits("status", c.status) &&
      fits("profile", c.profile) &&
      [c.common_name, c.sans, c.serial, c.device, c.transaction_id].some((t) =>
        t?.toLowerCase().includes(text),
      ),
  );
  return paged(data, query);
}

const UNKNOWN = { status: 404, error: "There is no such certificate." };

function certificate(state, { parts: [, serial] }) {
  const found = state.certificates.find((c) => c.serial === serial);
  if (!found) return UNKNOWN;
  const line = "MIIDazCCAlOgAwIBAgIUQ2x1Y2sgY2x1Y2sgY2x1Y2sgY2x1Y2swDQYJKoZI\n";
  return {
    certificate: found,
    subject: `C=DE, O=Example Corporation, CN=${found.common_name}`,
    issuer: "O=Example Corporation, CN=Example Device CA 2",
    public_key: "RSA 2048",
    key_usage: ["digitalSignature", "keyEncipherment"],
    ext_key_usage: ["clientAuth"],
    extensions: [
      { oid: "2.5.29.15", name: "keyUsage", critical: true },
      { oid: "2.5.29.37", name: "extKeyUsage", critical: false },
      { oid: "2.5.29.17", name: "subjectAltName", critical: false },
      { oid: "2.5.29.14", name: "subjectKeyIdentifier", critical: false },
      { oid: "1.3.6.1.4.1.99999.7", critical: false },
    ],
    sha256_fingerprint: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    pem: `-----BEGIN CERTIFICATE-----\n${line.repeat(9)}-----END CERTIFICATE-----\n`,
  };
}

function revoke(state, { parts: [issuer_id, serial], body: { reason = "unspecified" } }) {
  const found = state.certificates.find((c) => c.serial === serial);
  if (!found) return UNKNOWN;
  if (found.status === "revoked") {
    return { status: 409, error: "The certificate is already revoked." };
  }
  const revoked_at = stamp();
  Object.assign(found, { status: "revoked", revoked_at, revocation_reason: reason });
  return { revoked: true, issuer_id, serial, reason, revoked_at };
}

function release(state, { parts: [issuer_id, serial] }) {
  const found = state.certificates.find((c) => c.serial === serial);
  if (!found) return UNKNOWN;
  if (found.revocation_reason !== "certificate_hold") {
    return { status: 409, error: "The certificate is not on hold." };
  }
  letGo(found);
  return { released: true, issuer_id, serial, released_at: stamp() };
}

function letGo(certificate) {
  delete certificate.revoked_at;
  delete certificate.revocation_reason;
  certificate.status = "valid";
}

function bulk(state, { body: { action, selection, reason = "unspecified", expected } }) {
  if (Object.keys(selection).length === 0) {
    return { status: 400, error: "say which certificates: a profile, a time or serial numbers" };
  }
  const held = (c) => c.revocation_reason === "certificate_hold";
  const found = state.certificates.filter(
    (c) =>
      (action === "release" ? held(c) : c.status === "valid") &&
      (selection.profile === undefined || c.profile === selection.profile) &&
      (selection.revoked_at === undefined || c.revoked_at === selection.revoked_at) &&
      (!selection.serials || selection.serials.includes(c.serial)) &&
      (!selection.q || JSON.stringify(c).includes(selection.q)),
  );
  const count = found.length;
  if (expected === undefined) {
    const profiles = new Map();
    for (const { profile } of found) profiles.set(profile, (profiles.get(profile) ?? 0) + 1);
    return {
      done: false,
      count,
      profiles: [...profiles].map(([profile, count]) => ({ profile, count })),
      newest: found.slice(0, 10),
    };
  }
  const at = stamp();
  for (const one of found) {
    if (action === "release") letGo(one);
    else Object.assign(one, { status: "revoked", revoked_at: at, revocation_reason: reason });
  }
  return { done: true, count, profiles: [], newest: [], at };
}

function stageOf({ action, details }) {
  if (details.outcome === "failure") return "refused";
  if (details.outcome === "pending") return "pending";
  return action.includes("renewal") ? "renewed" : "issued";
}

function timeline({ events, certificates: all }, { query }) {
  const keys = ["device", "transaction_id", "serial", "common_name"];
  const fits = (o) => keys.every((key) => query.get(key) === null || o[key] === query.get(key));
  const certificates = all.filter(fits).slice(0, 20);
  const entries = events
    .filter((event) => fits(event.details))
    .slice(0, 40)
    .reverse()
    .map((event) => ({
      timestamp: event.timestamp,
      stage: stageOf(event),
      outcome: event.details.outcome,
      message: event.details.message,
      profile: event.details.profile,
      ...(event.details.serial ? { serial: event.details.serial } : {}),
      transaction_id: event.details.transaction_id,
      event,
    }));
  const [newest] = certificates;
  if (newest) {
    entries.push({
      timestamp: newest.not_after,
      stage: "expires",
      message: "The newest certificate expires.",
      profile: newest.profile,
      serial: newest.serial,
    });
  }
  return { entries, certificates, truncated: false, generated_at: stamp() };
}

function makeToken(state, { body: { name, role } }) {
  const token = { id: Math.random().toString(16).slice(2, 10), name, role, created_at: stamp() };
  state.tokens.unshift(token);
  return { secret: "scepd_7Qm2T0uYpXh4sJw9LrB6vN1c", token };
}

function revokeToken(state, { parts: [id] }) {
  const found = state.tokens.find((t) => t.id === id);
  if (!found) return { status: 404, error: "There is no such token." };
  return Object.assign(found, { revoked_at: stamp() });
}
