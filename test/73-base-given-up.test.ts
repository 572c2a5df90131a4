import { expect, test, vi } from 'vitest';
import type { FoundImage, ImageBuilder } from '../src/engines/image-builder.ts';
import { buildBase } from '../src/images/build-base.ts';
import { cancelled } from '../src/images/build-queue.ts';
import { imageSpec } from '../src/images/image-spec.ts';
import { createImageSource, type ObtainDependencies } from '../src/images/obtain-image.ts';

const UNTIL = { timeout: 15_000, interval: 10 };
const spec = imageSpec({ apt: [], npm: ['is-odd'], scripts: [] });

/** An engine without a base image, whose builds go on until they are ended. */
function openEngine() {
  const builds: AbortSignal[] = [];
  const source: FoundImage = { id: 'sha256:node', size: 1, labels: {} };
  const images = {
    architecture: async () => 'x64',
    inspect: async (image: string) => (image === 'node:24' ? source : undefined),
    async build({ signal }: { signal: AbortSignal }) {
      builds.push(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  } as unknown as ImageBuilder;
  return { images, builds, begun: (count: number) => vi.waitUntil(() => builds.length === count, UNTIL) };
}

test('who gives up waits for no base image: it is built for as long as somebody waits for it', async () => {
  const { images, builds, begun } = openEngine();
  const base = { image: 'berth-test:none', from: 'node:24', uidBase: 100_000 };
  const source = createImageSource({ images, base, sideBySide: 2 } as unknown as ObtainDependencies);
  const [first, second] = [new AbortController(), new AbortController()];
  const asked = [first, second].map(({ signal }) => source.obtain({ spec, signal }));
  await begun(1);
  first.abort(cancelled('it was interrupted'));
  await expect(asked[0]).rejects.toMatchObject({ code: 'E_IMAGE_CANCELLED' });
  expect(builds[0]?.aborted).toBe(false);
  second.abort(cancelled('it was interrupted'));
  await expect(asked[1]).rejects.toMatchObject({ code: 'E_IMAGE_CANCELLED' });
  await source.close();
  expect(builds.map(({ aborted }) => aborted)).toEqual([true]);
});

test('who has joined the build of somebody who gives up has it built all the same', async () => {
  const { images, builds, begun } = openEngine();
  const options = { image: 'berth-test:joined', from: 'node:24', uidBase: 100_000 };
  const [first, second] = [new AbortController(), new AbortController()];
  const build = ({ signal }: AbortController) =>
    buildBase(options, { images, onProgress: () => undefined, signal });
  const [one, other] = [build(first), build(second)];
  await begun(1);
  first.abort(cancelled('it was interrupted'));
  await expect(one).rejects.toMatchObject({ code: 'E_IMAGE_CANCELLED' });
  await begun(2);
  expect(builds[1]?.aborted).toBe(false);
  second.abort(cancelled('it was interrupted'));
  await expect(other).rejects.toMatchObject({ code: 'E_IMAGE_CANCELLED' });
});
