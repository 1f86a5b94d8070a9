import { useQuery } from "@tanstack/react-query";
import { aboutQuery } from "../api/queries";
import { Fact, Facts } from "../parts/facts";
import { QueryStates } from "../parts/states";
import { Ago, At } from "../parts/when";
import { Checks } from "./checks";
import { Tokens } from "./tokens";

export function ServerTab() {
  const about = useQuery(aboutQuery);
  return (
    <>
      <section className="section" aria-labelledby="about">
        <div className="toolbar">
          <h2 id="about">This server</h2>
        </div>
        <QueryStates query={about} what="The version" rows={1}>
          {(data) => (
            <Facts>
              <Fact name="Version">
                {data.name} {data.version}
              </Fact>
              <Fact name="OpenSSL">{data.openssl}</Fact>
              <Fact name="Started">
                <Ago time={data.started_at} />
              </Fact>
              <Fact name="Server clock">
                <At time={data.now} />
              </Fact>
              <Fact name="API">
                <a className="link" href="/api/v1/openapi.yaml">
                  openapi.yaml
                </a>
              </Fact>
            </Facts>
          )}
        </QueryStates>
      </section>
      <Checks />
      <Tokens />
    </>
  );
}
