// `npm ci` runs this: each module that a process or a thread of the host begins with, as one file with all that it imports
// (docs/decisions/one-file.md). src/one-file.js runs them as long as none of the sources has changed.

import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

const folder = join(resolve(import.meta.dirname, '..'), '/');
const outdir = 'node_modules/.cache/berth-programs';
/** Changes with every package that is installed: those are not looked at one by one. */
const packages = 'node_modules/.package-lock.json';

/** In one file nothing lies where it did: each source is told where it was. */
const knowsItsPlace: Plugin = {
  name: 'knows-its-place',
  setup: (build) =>
    build.onLoad({ filter: /\.(?:[cm]?js|ts)$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      if (!/import\.meta\.url|__dirname|__filename/.test(source)) return undefined;
      const contents = path.includes('/node_modules/')
        ? `const __filename = ${JSON.stringify(path)}, __dirname = ${JSON.stringify(dirname(path))}; ${source}`
        : source.replace(/(?<!['"`])import\.meta\.url/g, JSON.stringify(pathToFileURL(path).href));
      return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' };
    }),
};

/** As src/zod-in-english.js does where there is more than one file. */
const zodInEnglish: Plugin = {
  name: 'zod-in-english',
  setup: (build) =>
    build.onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ resolveDir }) => ({
      path: join(resolveDir, '../locales/en.js'),
    })),
};

await rm(join(folder, outdir), { recursive: true, force: true });
const { outputs } = (
  await build({
    absWorkingDir: folder,
    entryPoints: ['src/main.ts', 'src/**/*-thread.ts', 'src/**/*-child.ts'],
    outbase: 'src',
    outdir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    metafile: true,
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    external: ['esbuild'],
    // Node warns of each `import()` in what it did not load itself.
    supported: { 'dynamic-import': false },
    plugins: [knowsItsPlace, zodInEnglish],
    legalComments: 'none',
    logLevel: 'warning',
  })
).metafile;

for (const [output, { inputs }] of Object.entries(outputs)) {
  const file = join(folder, output);
  const sources = Object.keys(inputs).filter((path) => !path.startsWith('node_modules/'));
  const id = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  writeFileSync(`${file}.json`, JSON.stringify({ folder, id, sources: [...sources, packages].map(stamp) }));
}

function stamp(path: string): [path: string, modified: number, size: number] {
  const { mtimeMs, size } = statSync(join(folder, path));
  return [path, mtimeMs, size];
}
