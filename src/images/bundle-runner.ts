import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BerthError } from '../errors.ts';

const projectDir = fileURLToPath(new URL('../../', import.meta.url));

/** What the runner loads only when its agent speaks MCP: a module of its own, `tools.mjs` beside the runner. */
export const toolServer = 'agent-runner/src/tools/tool-server.ts';

/**
 * The agent runner as one module, better-sqlite3 left outside: what starts in a container should read one file. The same
 * sources give the same bytes.
 * @throws E_IMAGE_BUILD naming the place that does not compile.
 */
export async function bundleRunner(entry = 'agent-runner/src/main.ts'): Promise<Buffer> {
  // Loaded only here: a host that never builds an image need not have it in memory.
  const { build, formatMessages } = await import('esbuild');
  try {
    const { outputFiles } = await build({
      absWorkingDir: projectDir,
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      external: ['better-sqlite3'],
      plugins: [besideIt(toolServer, './tools.mjs'), withoutValidator],
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
