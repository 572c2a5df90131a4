import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/clock.ts';
import type { Engine } from '../src/engines/engine.ts';
import type { ImageBuilder, ImageShelf } from '../src/engines/image-builder.ts';
import { BerthError } from '../src/errors.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { DEFAULT_LIMIT_MS, DEFAULT_LIMITS } from '../src/images/build-image.ts';
import { createGroupImages } from '../src/images/group-images.ts';
import type { BuildReads } from '../src/ledger/build-reads.ts';
import { silent } from './fixtures/engine-room.ts';

const BASE = 'berth-base:none';
const echoOf = (rest: string) =>
  parseGroup(`name: Echo\n${rest}`, { folder: 'echo', file: 'echo/group.yaml' });
const echo = echoOf('');
const withPackages = echoOf('image: {npm: [is-odd]}\n');

/** The images of groups on an engine that has none, and whose word about itself is the test's to give. */
function withoutBase(group = echo) {
  const asked = Promise.withResolvers<void>();
  const word = Promise.withResolvers<string>();
  const refuse = () => Promise.reject(new Error('not asked for'));
  const engine: ImageBuilder = {
    inspect: () => Promise.resolve(undefined),
    architecture() {
      asked.resolve();
      return word.promise;
    },
    pull: refuse,
    importRootfs: refuse,
    build: refuse,
    remove: () => Promise.resolve(),
  };
  const images = createGroupImages({
    ...{ images: engine, shelf: {} as ImageShelf, engine: {} as Engine, clock: systemClock, log: silent },
    ...{ reads: { groupImages: () => [] } as unknown as BuildReads, writer: { run: refuse } },
    ...{ install: 'i', dataDir: '/nowhere', uidBase: 100_000, sideBySide: 1 },
    ...{ base: { image: BASE, from: 'node:none', uidBase: 100_000 } },
    ...{ limits: DEFAULT_LIMITS, limitMs: DEFAULT_LIMIT_MS },
    ...{ group: () => group, folders: () => ['echo'], onSwitched: () => undefined },
  });
  onTestFinished(() => images.close());
  return { images, asked: asked.promise, fail: word.reject };
}

test('a group without packages waits for the base image and says so; why there is none ends the wait', async () => {
  const { images, asked, fail } = withoutBase();
  expect(images.awaited(echo)).toBeNull();
  const wait = images.provide(echo, new AbortController().signal);
  await Promise.race([asked, wait]);
  expect(images.awaited(echo)).toEqual({ base: BASE });

  fail(new BerthError('E_BASE_SOURCE', 'nothing to build from'));
  await expect(wait).rejects.toMatchObject({ code: 'E_BASE_SOURCE', message: 'nothing to build from' });
  expect(images.awaited(echo)).toBeNull();
});

test('who gives the wait up, or stops the host, waits no longer; the build is not ended by the first', async () => {
  const { images, asked, fail } = withoutBase();
  const controller = new AbortController();
  const [mine, other] = [controller.signal, new AbortController().signal].map((signal) =>
    images.provide(echo, signal),
  );
  await asked;
  controller.abort(new BerthError('E_STOPPING', 'the wake was given up'));
  await expect(mine).rejects.toMatchObject({ code: 'E_STOPPING' });
  expect(images.awaited(echo)).toEqual({ base: BASE });
  images.giveUp();
  await expect(other).rejects.toMatchObject({ code: 'E_STOPPING' });
  fail(new Error('over'));
});

test('to go back where there is nothing before is refused, and what is being built goes on', async () => {
  const { images, asked, fail } = withoutBase(withPackages);
  images.start();
  await asked;
  await expect(images.rollback('echo')).rejects.toMatchObject({ code: 'E_IMAGE_PREVIOUS' });
  expect(images.pending()).toEqual(['echo']);
  // It is the build's own end that is told.
  fail(new BerthError('E_BASE_SOURCE', 'nothing to build from'));
  await expect.poll(() => images.standing('echo').problem).toMatchObject({ code: 'E_BASE_SOURCE' });
  expect(images.pending()).toEqual([]);
});
