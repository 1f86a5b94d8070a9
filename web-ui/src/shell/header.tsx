import { useState } from "react";
import { Link } from "react-router";
import type { AuthCheck } from "../api/types";
import { Select } from "../parts/fields";
import { Untrusted } from "../parts/untrusted";
import { roleWords } from "../session/role";
import { SignOut } from "../session/sign-out";
import { chooseTheme, storedTheme, type Theme } from "./theme";

const NAMES: readonly { value: Theme; name: string }[] = [
  { value: "system", name: "System theme" },
  { value: "light", name: "Light" },
  { value: "dark", name: "Dark" },
];

export function Header({ user }: { user: AuthCheck | null }) {
  const [theme, setTheme] = useState(storedTheme);
  return (
    <header className="top">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <div className="top-inner">
        <span className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <path d="M7 9h18M7 15.5h10M7 22h6" />
            <circle cx="22.5" cy="20.5" r="4.5" />
          </svg>
          scepd
        </span>
        <nav aria-label="Main">
          <Link to="/scep" aria-current="page">
            SCEP Admin
          </Link>
        </nav>
        <div className="top-end">
          <span className="theme">
            <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
              <circle cx="8" cy="8" r="6" />
              <path d="M8 2a6 6 0 0 1 0 12Z" />
            </svg>
            <Select
              label="Theme"
              value={theme}
              options={NAMES}
              onChange={(chosen) => {
                setTheme(chosen);
                chooseTheme(chosen);
              }}
            />
          </span>
          {user && (
            <>
              <span className="user" title={roleWords(user)}>
                <Untrusted text={user.user} />
              </span>
              <SignOut />
            </>
          )}
        </div>
      </div>
    </header>
  );
}
