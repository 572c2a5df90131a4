import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config.ts';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { createDockerImages } from '../src/engines/docker-images.ts';
import { buildBase, ensureBase } from '../src/images/build-base.ts';
import { packContext } from '../src/images/pack-context.ts';

const {
  dockerHost,
  baseImage: image,
  baseFrom: from,
  caBundle,
  uidBase,
} = loadConfig(process.env, process.cwd());
const connection = connectDocker(dockerHost);
const images = createDockerImages(connection);
const options = { image, from, caBundle, uidBase };

afterAll(async () => {
  await images.remove('berth-test-broken:1');
  connection.close();
});

describe('the base image', () => {
  test('says its contract, and is not built again while nothing has changed', async () => {
    const told: string[] = [];
    const base = await buildBase(options, { images, onProgress: ({ text }) => told.push(text) });
    expect(base.built).toBe(false);
    expect(told).toEqual([]);
    expect((await images.inspect(image))?.labels['berth.contract']).toBe('1');
    expect(await ensureBase(options, { images, onProgress: () => undefined })).toMatchObject({
      imageId: base.imageId,
      built: false,
    });
  });

  test('two builds at once are one', async () => {
    const deps = { images, onProgress: () => undefined };
    const [first, second] = await Promise.all([buildBase(options, deps), buildBase(options, deps)]);
    expect(second).toBe(first);
  });
});

describe('a program behind the one way out', () => {
  /** What a program of Node is told, started as a group's own runner is. */
  async function told(environment: string[]): Promise<string> {
    const script = 'process.stdout.write(String(process.env.NODE_USE_ENV_PROXY))';
    const output = new PassThrough();
    const [{ StatusCode: status }, container] = await connection.docker.run(
      image,
      ['node', '-e', script],
      output,
      { Tty: true, Env: ['BERTH_PROXY_SOCKET=/run/nowhere.sock', ...environment] },
    );
    await container.remove();
    expect(status).toBe(0);
    return await text(output.end());
  }

  test('is told to use it, and a group that wants that otherwise is heeded', async () => {
    expect(await told(['NODE_USE_ENV_PROXY=1'])).toBe('1');
    expect(await told(['NODE_USE_ENV_PROXY=0'])).toBe('0');
  });
});

describe('building', () => {
  const build = (dockerfile: string, lines: string[] = []) =>
    images.build({
      tag: 'berth-test-broken:1',
      context: packContext([{ path: 'Dockerfile', content: Buffer.from(dockerfile) }]),
      args: {},
      labels: {},
      noCache: true,
      onLine: (line) => lines.push(line),
    });

  test('that fails has the last words of the builder', async () => {
    await expect(build(`FROM ${image}\nRUN echo about to fail; exit 3\n`)).rejects.toMatchObject({
      code: 'E_IMAGE_BUILD',
      message: expect.stringMatching(/non-zero code: 3[\s\S]*about to fail/),
    });
    expect(await images.inspect('berth-test-broken:1')).toBeUndefined();
  });

  test('from an image that cannot be had says which', async () => {
    await expect(build('FROM berth.invalid/nothing:1\n')).rejects.toMatchObject({
      code: 'E_IMAGE_BUILD',
      message: expect.stringContaining('berth.invalid'),
    });
  });

  test('pulling what no registry has is a refusal within its limit', async () => {
    await expect(images.pull('berth.invalid/nothing:1', 20_000, () => undefined)).rejects.toMatchObject({
      message: expect.stringContaining('pulling berth.invalid/nothing:1'),
    });
  });
});
