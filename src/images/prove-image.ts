import { z } from 'zod';
import type { ContainerSpec, Engine } from '../engines/engine.ts';
import { BerthError } from '../errors.ts';
import type { PackageVersions } from '../ledger/builds.ts';
import { UIDS } from './agent-accounts.ts';
import { readAptItem } from './apt-item.ts';
import { PROGRAMS_DIR } from './dockerfile.ts';
import type { ImageSpec } from './image-spec.ts';
import { readNpmItem } from './npm-item.ts';

const LIMIT_MS = 60_000;
/** More than any proof prints. */
const MOST_LINES = 5_000;

/** What a package in the image calls itself is nobody's word but its own: bounded, and text. */
const versions = z.record(z.string().max(256), z.string().max(512));
const reportLine = z.union([
  z.strictObject({ apt: versions }),
  z.strictObject({ npm: versions }),
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ problem: z.string() }),
]);

export interface ProofDependencies {
  engine: Engine;
  install: string;
  uidBase: number;
}

/**
 * Starts an image once, as a session's container would be started, and has it show that the runner works in it, that
 * every declared package is there and every command of an npm package is on the PATH.
 * @returns what is inside.
 * @throws E_IMAGE_PROOF with the reason; E_ENGINE_…
 */
export async function proveImage(
  { engine, install, uidBase }: ProofDependencies,
  { image, hash, spec, signal }: { image: string; hash: string; spec: ImageSpec; signal: AbortSignal },
): Promise<PackageVersions> {
  const container = proofSpec({ image, hash, install, uidBase, spec });
  const ended = Promise.withResolvers<void>();
  const stop = () => ended.reject(signal.reason);
  signal.throwIfAborted();
  signal.addEventListener('abort', stop, { once: true });
  const tooLong = new BerthError(
    'E_IMAGE_PROOF',
    `the image gave no sign that it works in ${LIMIT_MS / 1000} s`,
  );
  const timer = setTimeout(() => ended.reject(tooLong), LIMIT_MS);
  const lines: string[] = [];
  try {
    await engine.start(container);
    const release = await engine.follow(
      container.name,
      MOST_LINES,
      (line) => void (lines.length < MOST_LINES && lines.push(line)),
      ended.resolve,
    );
    await ended.promise.finally(release);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    await engine.remove(container.name).catch(() => undefined); // the next proof, or the next start, removes it
  }
  const report = readReport(lines);
  if (report) return report;
  // Its words also end when the engine goes away, and then the image is not to blame.
  await engine.check();
  const last = lines.slice(-3).join(' / ').slice(0, 500);
  throw new BerthError('E_IMAGE_PROOF', `the image ended without a sign that it works${last && `: ${last}`}`);
}

/** The install of proofs: what a host that died left behind bears it, and no session's container does. */
export function proofInstall(install: string): string {
  return `${install}-proof`;
}

function proofSpec(proof: {
  image: string;
  hash: string;
  install: string;
  uidBase: number;
  spec: ImageSpec;
}): ContainerSpec {
  const { image, hash, install, uidBase, spec } = proof;
  const own = { uid: process.getuid?.() ?? 1000, gid: process.getgid?.() ?? 1000 };
  // The last of the groups' users: the one that no group is likely to have.
  const last = uidBase + UIDS - 1;
  return {
    name: `berth-${install.slice(0, 8)}-proof-${hash}`,
    image,
    command: [
      'node',
      `${PROGRAMS_DIR}/prove.mts`,
      ...spec.apt.flatMap((item) => ['--apt', nameOf(readAptItem(item))]),
      ...spec.npm.flatMap((item) => ['--npm', nameOf(readNpmItem(item))]),
    ],
    // Later proofs take the place of earlier ones.
    labels: { install: proofInstall(install), group: '', session: '', epoch: Date.now(), spec: hash },
    environment: { HOME: '/home/agent' },
    user: own.uid === 0 ? { uid: last, gid: last } : own,
    mounts: [],
    limits: { memoryBytes: 512 * 1024 ** 2, cpus: 1, pids: 256, openFiles: 4096 },
    network: 'none',
    tmpfs: ['/tmp', '/run'],
  };
}

function nameOf(item: { name: string } | { problem: string }): string {
  return 'name' in item ? item.name : '';
}

/** @returns `undefined` when the last word is missing. */
function readReport(lines: string[]): PackageVersions | undefined {
  const found: PackageVersions = { apt: {}, npm: {} };
  for (const line of lines) {
    const report = parseLine(line);
    if (!report) continue;
    if ('apt' in report) Object.assign(found.apt, report.apt);
    else if ('npm' in report) Object.assign(found.npm, report.npm);
    else if ('problem' in report) throw new BerthError('E_IMAGE_PROOF', report.problem.slice(0, 500));
    else return found;
  }
  return undefined;
}

function parseLine(line: string): z.output<typeof reportLine> | undefined {
  try {
    return reportLine.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
