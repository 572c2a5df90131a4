import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder by which failpoints of the host are armed; see `src/failpoint.ts`. */
export interface FailpointFolder {
  readonly path: string;
  arm(failpoint: string, pass: number): void;
  armed(): string[];
  /** The failpoint that has killed the host since the last question; `null`: none. */
  hit(): string | null;
  clear(): void;
}

export function openFailpointFolder(path: string): FailpointFolder {
  mkdirSync(path, { recursive: true });
  return {
    path,
    arm: (failpoint, pass) => writeFileSync(join(path, failpoint), String(pass)),
    armed: () => readdirSync(path).filter((name) => !name.endsWith('.hit')),
    hit() {
      const found = readdirSync(path).find((name) => name.endsWith('.hit'));
      if (found === undefined) return null;
      rmSync(join(path, found));
      return found.slice(0, -'.hit'.length);
    },
    clear() {
      for (const name of readdirSync(path)) rmSync(join(path, name), { force: true });
    },
  };
}
