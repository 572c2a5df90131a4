import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerSpec } from '../engines/engine.ts';
import { hideSecrets } from '../secrets.ts';
import type { Death } from './classify-death.ts';

/** What is kept of a container that died or could not be started: `<data>/crashes/<session>/<time>.json`. */
export interface CrashReport extends Death {
  /** ISO 8601. */
  at: string;
  session: string;
  group: string;
  epoch: number | null;
  container: string;
  /** How long it had lived, in milliseconds; `null`: it did not. */
  livedMs: number | null;
  /** What it was working on. */
  claims: { message: string; attempt: number }[];
  /** How many messages still wait for an answer; one that has just been tried for the last time does not. */
  waiting: number;
  howOften: { times: string[]; withinMs: number; restartsAllowed: number };
  /** What the host does now, in words. */
  next: string;
  /** What it printed last, at most 200 lines. */
  lines: string[];
  /** What it was started with; `null`: it did not come so far. Values that may be secret are left out. */
  spec: ContainerSpec | null;
}

/** How many lines of a container's output a report takes. */
export const REPORT_LINES = 200;
const KEPT_REPORTS = 20;
const REPORT = /^\d{4}-.*\.json$/;

/** Where the reports of a session lie. */
export function crashFolder(dataDir: string, session: string): string {
  return join(dataDir, 'crashes', session);
}

/** Keeps a report, for the operator's eyes only, and the newest 20 of its session with it. @returns its path. */
export async function writeCrashReport(dataDir: string, report: CrashReport): Promise<string> {
  const folder = crashFolder(dataDir, report.session);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Two in one millisecond would be one; colons are no characters for a file's name everywhere.
  const name = `${report.at.replaceAll(':', '-')}-${randomBytes(2).toString('hex')}.json`;
  const text = `${JSON.stringify({ ...report, spec: report.spec && withoutSecrets(report.spec) }, null, 2)}\n`;
  await writeFile(join(folder, `.${name}`), hideSecrets(text), { mode: 0o600 });
  await rename(join(folder, `.${name}`), join(folder, name));
  for (const old of (await reportNames(folder)).slice(0, -KEPT_REPORTS)) await rm(join(folder, old));
  return join(folder, name);
}

/** The newest report of a session with its path; `undefined` when there is none that can be read. */
export async function newestCrashReport(
  dataDir: string,
  session: string,
): Promise<{ path: string; report: CrashReport } | undefined> {
  const folder = crashFolder(dataDir, session);
  const name = (await reportNames(folder)).at(-1);
  if (!name) return undefined;
  const path = join(folder, name);
  try {
    return { path, report: JSON.parse(await readFile(path, 'utf8')) as CrashReport };
  } catch {
    return undefined; // pruned in this moment, or damaged by somebody
  }
}

/** Oldest first: the names begin with the time. */
async function reportNames(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => REPORT.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Names whose values the host itself sets, and none of them is a secret. */
const OUR_OWN = /^(BERTH_(?!.*(TOKEN|KEY|SECRET))[A-Z_]*|HOME|TZ)$/;

function withoutSecrets({ handed: _, ...spec }: ContainerSpec): ContainerSpec {
  const environment = Object.fromEntries(
    Object.entries(spec.environment).map(([name, value]) => [
      name,
      OUR_OWN.test(name) ? value : '[left out]',
    ]),
  );
  return { ...spec, environment };
}
