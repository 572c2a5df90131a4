// provide-npm.mts
// Brings npm into an image whose base has Node alone (one made from Debian's packages): from the npm registry, one
// version, checked by its hash. An image that has npm keeps its own.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fail, run } from './run.mts';

const VERSION = '11.19.1';
const SHA512 = 'ztsxKxt/kkIaAs+2i0GU6I+DRmUdrNasxTZKJe9TCdSjKxlhah/4r/hl5ygMD6XAg1qZ9c2TNomR4qgOydp10g==';
const TARGET = '/usr/local/lib/node_modules/npm';
const PACKED = '/tmp/npm.tgz';

// Node's fetch heeds a proxy only when it is told so at its start.
const { HTTPS_PROXY, https_proxy: lower, NODE_USE_ENV_PROXY } = process.env;
if ((HTTPS_PROXY ?? lower) && !NODE_USE_ENV_PROXY) {
  run(process.execPath, [import.meta.filename], { env: { NODE_USE_ENV_PROXY: '1' } });
} else if (spawnSync('npm', ['--version'], { stdio: 'ignore' }).status !== 0) {
  console.log(`fetching npm ${VERSION}`);
  writeFileSync(PACKED, await fetchPacked());
  mkdirSync(TARGET, { recursive: true });
  run('tar', ['-xzf', PACKED, '-C', TARGET, '--strip-components=1', '--no-same-owner']);
  rmSync(PACKED);
  for (const name of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, `/usr/local/bin/${name}`);
}

async function fetchPacked(): Promise<Buffer> {
  const registry = (process.env.npm_config_registry ?? 'https://registry.npmjs.org').replace(/\/+$/, '');
  const url = `${registry}/npm/-/npm-${VERSION}.tgz`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(120_000) });
    if (!response.ok) fail(`the npm registry cannot be reached: ${url} answers ${response.status}`);
    const packed = Buffer.from(await response.arrayBuffer());
    if (createHash('sha512').update(packed).digest('base64') !== SHA512)
      fail(`the npm registry gave something else than npm ${VERSION}: its hash is another`);
    return packed;
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
    fail(`the npm registry cannot be reached: ${url}: ${cause?.code ?? cause?.message ?? message}`);
  }
}
