import { useMutation } from "@tanstack/react-query";
import { answer, api } from "../api/client";
import type { CheckFinding, ChecksReply } from "../api/types";
import { Badge } from "../parts/badge";
import { ProfileName } from "../parts/links";
import { Refusal } from "../parts/states";
import { Ago } from "../parts/when";

/** The start-up checks, run on request. */
export function Checks() {
  const run = useMutation({
    mutationFn: () => answer(api.POST("/api/v1/admin/scep/checks", { body: {} })),
  });
  return (
    <section className="section" aria-labelledby="checks">
      <div className="toolbar">
        <h2 id="checks">Start-up checks</h2>
        <button
          type="button"
          className="button small"
          aria-disabled={run.isPending}
          onClick={() => !run.isPending && run.mutate()}
        >
          {run.isPending ? "Checking" : "Run now"}
        </button>
      </div>
      {run.isError && <Refusal error={run.error} />}
      {/* The result holds a time that changes; what is said aloud does not. */}
      <p className="visually-hidden" role="status">
        {run.data && said(run.data)}
      </p>
      {run.data ? (
        <Result reply={run.data} />
      ) : (
        !run.isError && (
          <p className="hint">
            Looks at the configuration and every file it names, as the server does when it starts.
            Changes nothing. Run it before a restart.
          </p>
        )
      )}
    </section>
  );
}

function verdict({ ok, findings }: ChecksReply): string {
  if (!ok) return "Would not start";
  return findings.length > 0 ? "Would start, with warnings" : "All well";
}

function said(reply: ChecksReply): string {
  const count = reply.findings.length;
  return `${verdict(reply)}: ${count} ${count === 1 ? "finding" : "findings"}.`;
}

function Result({ reply }: { reply: ChecksReply }) {
  const { ok, findings, profiles_checked: checked, generated_at } = reply;
  return (
    <>
      <p className="summary">
        <Badge tone={ok ? (findings.length > 0 ? "warn" : "good") : "bad"}>{verdict(reply)}</Badge>{" "}
        {checked} {checked === 1 ? "profile" : "profiles"} checked <Ago time={generated_at} />.
      </p>
      {findings.length > 0 && (
        <ul className="findings">
          {findings.map((finding) => (
            <li key={`${finding.profile} ${finding.setting} ${finding.message}`}>
              <Finding finding={finding} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Finding({ finding }: { finding: CheckFinding }) {
  return (
    <>
      <p className="finding-head">
        <Badge tone={finding.level === "error" ? "bad" : "warn"}>
          {finding.level === "error" ? "Error" : "Warning"}
        </Badge>
        {finding.profile !== undefined && <ProfileName pathId={finding.profile} />}
        {finding.setting && <code>{finding.setting}</code>}
        {finding.file && <code className="path">{finding.file}</code>}
      </p>
      <p>{finding.message}</p>
      <p className="hint">{finding.action}</p>
    </>
  );
}
