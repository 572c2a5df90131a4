import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BerthError } from '../errors.ts';

const projectDir = fileURLToPath(new URL('../../', import.meta.url));

/** What the runner loads only when its agent speaks MCP: a module of its own, `tools.mjs` beside the runner. */
export const toolServer = 'agent-runner/src/tools/tool-server.ts';

/** A module of CommonJS does not know its own address. */
const OWN_ADDRESS = 'ownAddress';
const banner = `"use strict"; const ${OWN_ADDRESS} = require('node:url').pathToFileURL(__filename).href;`;

/**
 * A program for the containers as one file, but for what better-sqlite3 has compiled: what starts there should read one
 * file. As CommonJS, which Node begins sooner, and which loads what it imports only once that is wanted
 * (`docs/decisions/quick-start.md`). The same sources give the same bytes.
 * @throws E_IMAGE_BUILD naming the place that does not compile.
 */
export async function bundleRunner(entry = 'agent-runner/src/main.ts'): Promise<Buffer> {
  // Loaded only here: a host that never builds an image need not have it in memory.
  const { build, formatMessages } = await import('esbuild');
  const asProgram = {
    format: 'cjs',
    define: { 'import.meta.url': OWN_ADDRESS },
    banner: { js: banner },
  } as const;
  try {
    const { outputFiles } = await build({
      absWorkingDir: projectDir,
      entryPoints: [entry],
      bundle: true,
      write: false,
      ...(entry === toolServer ? { format: 'esm' } : asProgram),
      platform: 'node',
      target: 'node24',
      plugins: [besideIt(toolServer, './tools.mjs'), withoutValidator, addonBeside],
      legalComments: 'none',
      logLevel: 'silent',
    });
    return Buffer.from(outputFiles[0]?.contents ?? []);
  } catch (error) {
    const { errors } = error as Partial<import('esbuild').BuildFailure>;
    if (!errors) throw new BerthError('E_IMAGE_BUILD', `bundling ${entry} failed: ${String(error)}`, error);
    const lines = await formatMessages(errors, { kind: 'error' });
    throw new BerthError('E_IMAGE_BUILD', `bundling ${entry} failed:\n${lines.join('\n').trim()}`, error);
  }
}

/** The validator of MCP's SDK takes a third of what loading its server takes, and `tool-server.ts` gives one of its own. */
const withoutValidator: import('esbuild').Plugin = {
  name: 'without-validator',
  setup(build) {
    const filter = /\/validation\/ajv-provider\.js$/;
    build.onResolve({ filter }, ({ path }) => ({ path, namespace: 'left-out' }));
    build.onLoad({ filter, namespace: 'left-out' }, () => ({
      contents: 'export class AjvJsonSchemaValidator {}',
    }));
  },
};

/** better-sqlite3 looks for its addon from where its own file lies, and here that is another one. */
const addonBeside: import('esbuild').Plugin = {
  name: 'addon-beside',
  setup: (build) =>
    build.onLoad({ filter: /\/better-sqlite3\/lib\/binding\.js$/ }, async ({ path }) => {
      const there = `new URL('../node_modules/better-sqlite3/lib', ${OWN_ADDRESS})`;
      const dirname = `const __dirname = require('node:url').fileURLToPath(${there});`;
      return { contents: `${dirname}\n${await readFile(path, 'utf8')}`, loader: 'js' };
    }),
};

/** Leaves a source outside where it is imported by another: it is a module of its own. */
function besideIt(source: string, path: string): import('esbuild').Plugin {
  const file = basename(source);
  return {
    name: 'beside-it',
    setup: (build) =>
      build.onResolve({ filter: /^\.\// }, ({ kind, path: imported }) =>
        kind === 'dynamic-import' && basename(imported) === file ? { path, external: true } : undefined,
      ),
  };
}
