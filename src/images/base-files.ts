import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { agentAccounts } from './agent-accounts.ts';
import { bundleRunner, toolServer } from './bundle-runner.ts';
import { readExtraCertificates } from './ca-certificates.ts';

const projectDir = fileURLToPath(new URL('../../', import.meta.url));

/** A file of the build context. */
export interface ContextFile {
  path: string;
  content: Buffer;
}

export interface BaseIngredients {
  /** The engine's CPU in Node's words. */
  architecture: string;
  uidBase: number;
  caBundle?: string | undefined;
}

/**
 * What goes into the base image from whatever source: Dockerfile, runner, its library and tables, the programs that make
 * groups' images, certificates, accounts.
 */
export async function gatherBaseFiles(
  ingredients: BaseIngredients,
): Promise<{ files: ContextFile[]; hasExtraCa: boolean }> {
  const [
    dockerfile,
    entrypoint,
    runner,
    forwarder,
    toolServing,
    library,
    migrations,
    programs,
    certificates,
  ] = await Promise.all([
    readFile(join(projectDir, 'container/Dockerfile')),
    readFile(join(projectDir, 'container/entrypoint.sh')),
    bundleRunner(),
    bundleRunner('agent-runner/src/forward-and-run.ts'),
    bundleRunner(toolServer),
    sqliteFiles(ingredients.architecture),
    migrationFiles(),
    folderFiles(join(projectDir, 'container/image'), 'berth/image', '.mts'),
    readExtraCertificates(ingredients.caBundle),
  ]);
  const own = { uid: process.getuid?.() ?? 1000, gid: process.getgid?.() ?? 1000 };
  const { passwd, group } = agentAccounts(ingredients.uidBase, own);
  const files: ContextFile[] = [
    text('Dockerfile', dockerfile),
    text('berth/entrypoint.sh', entrypoint),
    text('berth/runner/main.cjs', runner),
    text('berth/runner/forward.cjs', forwarder),
    text('berth/runner/tools.mjs', toolServing),
    ...library,
    ...migrations,
    ...programs,
    ...certificates.map((pem, index) => text(`ca-certificates/berth-${index + 1}.crt`, pem)),
    text('accounts/passwd', passwd),
    text('accounts/group', group),
  ];
  if (certificates.length > 0) files.push(text('berth/extra-ca.pem', certificates.join('')));
  return { files, hasExtraCa: certificates.length > 0 };
}

/** One hash over everything that decides what the image will be. */
export function recipeOf(files: ContextFile[], from: string): string {
  const hash = createHash('sha256').update(`${from}\n`);
  for (const file of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${file.path} ${createHash('sha256').update(file.content).digest('hex')}
`);
  }
  return hash.digest('hex').slice(0, 32);
}

/** Those of a session's two files: a new table of the host's own makes no new image. */
async function migrationFiles(): Promise<ContextFile[]> {
  const kinds = ['inbound', 'outbound'].map((kind) =>
    folderFiles(join(projectDir, 'migrations', kind), `berth/migrations/${kind}`, '.sql'),
  );
  return (await Promise.all(kinds)).flat();
}

/** better-sqlite3 needs no more at run time than its JavaScript and the addon for the image's CPU. */
async function sqliteFiles(architecture: string): Promise<ContextFile[]> {
  const home = dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'));
  const target = 'berth/node_modules/better-sqlite3';
  const addon = `prebuilds/linux-${architecture}.node`;
  return [
    text(`${target}/package.json`, await readFile(join(home, 'package.json'))),
    text(`${target}/${addon}`, await readFile(join(home, addon))),
    ...(await folderFiles(join(home, 'lib'), `${target}/lib`, '.js')),
  ];
}

async function folderFiles(folder: string, target: string, suffix: string): Promise<ContextFile[]> {
  const entries = await readdir(folder, { recursive: true });
  const names = entries.filter((name) => name.endsWith(suffix)).sort();
  return await Promise.all(
    names.map(async (name) => text(`${target}/${name}`, await readFile(join(folder, name)))),
  );
}

function text(path: string, content: string | Buffer): ContextFile {
  return { path, content: Buffer.from(content) };
}
