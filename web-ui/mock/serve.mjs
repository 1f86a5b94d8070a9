// `npm run preview`: the built page over made-up data. Sign in with the token "admin" or "viewer".
// Options: --port N, --profiles N, --hostile, --empty, --live (counters keep growing).

import { parseArgs } from "node:util";
import { start } from "./server.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "4173" },
    profiles: { type: "string", default: "0" },
    hostile: { type: "boolean", default: false },
    empty: { type: "boolean", default: false },
    live: { type: "boolean", default: false },
  },
});

const { port, profiles, ...rest } = values;
const mock = await start({ ...rest, port: Number(port), profiles: Number(profiles) });
if (values.live) {
  setInterval(() => {
    for (const { intune } of mock.state.profiles) {
      if (!intune) continue;
      intune.counters.success += Math.floor(Math.random() * 6);
      if (Math.random() < 0.3) intune.counters.claim_mismatch += 1;
    }
  }, 5_000);
}
console.log(`${mock.url}/scep (token: admin or viewer)`);
