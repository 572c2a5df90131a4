import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mount } from './engine.ts';
import { canReach, canReadItself } from './reach.ts';

const projectDir = fileURLToPath(new URL('../../', import.meta.url));
const sources = ['agent-runner', 'contract', 'migrations', 'node_modules', 'package.json'];
const entry = 'agent-runner/src/main.ts';
/** Opens the way out for a group's own runner and then runs it. */
const forwarder = 'agent-runner/src/forward-and-run.ts';
/** What the runner loads only when its agent speaks MCP. */
const toolServer = 'agent-runner/src/tools/tool-server.ts';

/** Where the runner lies within bubblewrap, as in the image. */
const SANDBOX_HOME = '/opt/berth';
export const SANDBOX_BIN = `${SANDBOX_HOME}/bin`;

interface User {
  uid: number;
  gid: number;
}

/**
 * Where child processes find the runner and Node: in this checkout. Where the user that they run as cannot read it (a
 * checkout under `/root`, say), in a copy among the temporary files: the runner bundled, its library, Node itself.
 */
export class RunnerHome {
  #bundleRunner: (entry?: string) => Promise<Buffer>;
  #copy: Promise<string> | undefined;

  constructor(bundleRunner: (entry?: string) => Promise<Buffer>) {
    this.#bundleRunner = bundleRunner;
  }

  /** The command that runs the runner as that user, by paths of the host. */
  async onHost(user: User): Promise<string[]> {
    if (await this.#isReadable(user, canReach)) return [process.execPath, join(projectDir, entry)];
    const copy = await this.#makeCopy();
    return [join(copy, 'bin/node'), join(copy, 'runner/main.cjs')];
  }

  /** The command within bubblewrap, and what has to be mounted for it. */
  async inSandbox(user: User): Promise<{ mounts: Mount[]; command: string[]; forwarder: string[] }> {
    if (!(await this.#isReadable(user, canReadItself))) {
      const mounts = [{ source: await this.#makeCopy(), target: SANDBOX_HOME, readonly: true }];
      return { mounts, ...inSandbox('runner/main.cjs', 'runner/forward.cjs') };
    }
    const mounts = sources.map((name) => ({
      source: join(projectDir, name),
      target: `${SANDBOX_HOME}/${name}`,
      readonly: true,
    }));
    mounts.push({ source: process.execPath, target: `${SANDBOX_BIN}/node`, readonly: true });
    return { mounts, ...inSandbox(entry, forwarder) };
  }

  async close(): Promise<void> {
    const copy = await this.#copy?.catch(() => undefined);
    if (copy) await rm(copy, { recursive: true, force: true });
  }

  /** An unprivileged host runs its runners as itself: what it could start from, they can. */
  async #isReadable(user: User, check: typeof canReach): Promise<boolean> {
    if (process.getuid?.() !== 0) return true;
    // Files written with one umask stand for their neighbours.
    const samples = [
      process.execPath,
      ...['package.json', entry, 'contract/version.ts', 'node_modules/better-sqlite3/package.json'].map(
        (name) => join(projectDir, name),
      ),
    ];
    return (await Promise.all(samples.map((path) => check(path, user)))).every(Boolean);
  }

  #makeCopy(): Promise<string> {
    this.#copy ??= copyRunner(this.#bundleRunner);
    return this.#copy;
  }
}

function inSandbox(runner: string, forward: string): { command: string[]; forwarder: string[] } {
  const node = `${SANDBOX_BIN}/node`;
  return { command: [node, `${SANDBOX_HOME}/${runner}`], forwarder: [node, `${SANDBOX_HOME}/${forward}`] };
}

async function copyRunner(bundleRunner: (entry?: string) => Promise<Buffer>): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'berth-runner-'));
  const library = 'node_modules/better-sqlite3';
  const prebuilds = `${library}/prebuilds`;
  await mkdir(join(copy, 'bin'));
  await mkdir(join(copy, 'runner'));
  await writeFile(join(copy, 'runner/main.cjs'), await bundleRunner());
  await writeFile(join(copy, 'runner/forward.cjs'), await bundleRunner(forwarder));
  await writeFile(join(copy, 'runner/tools.mjs'), await bundleRunner(toolServer));
  await copyFile(process.execPath, join(copy, 'bin/node'));
  for (const path of ['migrations', `${library}/lib`, `${library}/package.json`, prebuilds]) {
    await cp(join(projectDir, path), join(copy, path), { recursive: true });
  }
  await makeReadable(copy);
  return copy;
}

/** Whatever umask the host has: the copy is for another user. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const found of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, found.name);
    if (found.isDirectory()) await makeReadable(path);
    else await chmod(path, found.name === 'node' ? 0o755 : 0o644);
  }
}
