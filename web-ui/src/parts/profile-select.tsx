import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import { profilesQuery } from "../api/queries";
import { profileName } from "../model/text";
import { profileOf, withFilter } from "../model/url";
import { Select } from "./fields";

const ALL = "all";

/** For how long a list of profiles is good enough to choose from, in milliseconds. */
const FRESH = 300_000;

/**
 * Chooses the profile in the URL. `paths` are those to choose from where the view knows them; else
 * all are asked for ahead. The options, perhaps a thousand, are drawn when they are wanted.
 */
export function ProfileSelect({ paths }: { paths?: readonly string[] }) {
  const [params, setParams] = useSearchParams();
  const chosen = profileOf(params);
  const [wanted, setWanted] = useState(false);
  const profiles = useQuery({
    ...profilesQuery,
    refetchInterval: false,
    refetchOnWindowFocus: false,
    staleTime: FRESH,
    enabled: paths === undefined,
  });
  const options = useMemo(() => {
    const known = paths ?? profiles.data?.profiles.map((profile) => profile.path_id) ?? [];
    const shown = wanted ? [...known] : [];
    if (chosen !== undefined && !shown.includes(chosen)) shown.push(chosen);
    return [
      { value: ALL, name: "All profiles" },
      ...shown.map((path) => ({ value: `=${path}`, name: profileName(path) })),
    ];
  }, [wanted, profiles.data, paths, chosen]);
  return (
    <Select
      label="Profile"
      value={chosen === undefined ? ALL : `=${chosen}`}
      options={options}
      onWant={() => setWanted(true)}
      onChange={(value) =>
        setParams(withFilter(params, "profile", value === ALL ? undefined : value.slice(1)))
      }
    />
  );
}
