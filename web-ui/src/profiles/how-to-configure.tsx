import { Empty } from "../parts/states";

const EXAMPLE = `[[profile]]
path_id = "corp"
issuer_id = "local"
profile_id = "device"
challenge_password_file = "/etc/scepd/corp.challenge"
ra = "auto"`;

export function HowToConfigure() {
  return (
    <Empty title="No SCEP profile is configured">
      <p>
        Devices enroll through a profile. Add one to the configuration file, then reload with{" "}
        <code>systemctl reload scepd</code>. <code>scepd config example</code> prints every setting
        with an explanation.
      </p>
      <pre>
        <code>{EXAMPLE}</code>
      </pre>
    </Empty>
  );
}
