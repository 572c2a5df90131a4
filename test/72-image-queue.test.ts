import { describe, expect, test } from 'vitest';
import { BuildQueue, cancelled } from '../src/images/build-queue.ts';

interface Step {
  started: Promise<void>;
  finish(result: string): void;
  fail(error: Error): void;
  signal: AbortSignal;
  emit(event: string): void;
  runs: number;
}

/** Work that goes on until it is told, or its signal ends it. */
function openWork(): Step & { work: Parameters<BuildQueue<string, string>['run']>[2] } {
  const begun = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  const step = {
    started: begun.promise,
    finish: end.resolve,
    fail: end.reject,
    signal: AbortSignal.abort() as AbortSignal,
    emit: (_: string): void => undefined,
    runs: 0,
    work: (signal: AbortSignal, emit: (event: string) => void) => {
      step.runs += 1;
      step.signal = signal;
      step.emit = emit;
      signal.addEventListener('abort', () => end.reject(signal.reason));
      begun.resolve();
      return end.promise;
    },
  };
  return step;
}

describe('one build per key', () => {
  test('however many ask: all get its result and its events from then on', async () => {
    const queue = new BuildQueue<string, string>(2);
    const [build, events] = [openWork(), { first: [] as string[], second: [] as string[] }];
    const first = queue.run('a', { onEvent: (event) => void events.first.push(event) }, build.work);
    await build.started;
    build.emit('one');
    const second = queue.run('a', { onEvent: (event) => void events.second.push(event) }, build.work);
    await Promise.resolve();
    build.emit('two');
    build.finish('image');
    expect(await Promise.all([first, second])).toEqual(['image', 'image']);
    expect(events).toEqual({ first: ['one', 'two'], second: ['two'] });
    expect(build.runs).toBe(1);
  });

  test('a failure reaches all, and the next who asks begins anew', async () => {
    const queue = new BuildQueue<string, string>(2);
    const build = openWork();
    const both = [queue.run('a', {}, build.work), queue.run('a', {}, build.work)];
    await build.started;
    build.fail(new Error('no such package'));
    for (const each of await Promise.allSettled(both)) expect(each).toMatchObject({ status: 'rejected' });
    const again = openWork();
    again.finish('image');
    expect(await queue.run('a', {}, again.work)).toBe('image');
  });
});

describe('who leaves', () => {
  test('alone ends the build; the next who asks waits until it is gone', async () => {
    const queue = new BuildQueue<string, string>(2);
    const [build, leave] = [openWork(), new AbortController()];
    const asked = queue.run('a', { signal: leave.signal }, build.work);
    await build.started;
    leave.abort(cancelled('the operator has left'));
    await expect(asked).rejects.toMatchObject({
      code: 'E_IMAGE_CANCELLED',
      message: expect.stringContaining('left'),
    });
    expect(build.signal.reason).toMatchObject({ code: 'E_IMAGE_CANCELLED' });
    const again = openWork();
    again.finish('image');
    expect(await queue.run('a', {}, again.work)).toBe('image');
  });

  test('while others wait leaves them the build', async () => {
    const queue = new BuildQueue<string, string>(2);
    const [build, leave] = [openWork(), new AbortController()];
    const asked = queue.run('a', { signal: leave.signal }, build.work);
    const other = queue.run('a', {}, build.work);
    await build.started;
    leave.abort(cancelled('the operator has left'));
    await expect(asked).rejects.toMatchObject({ code: 'E_IMAGE_CANCELLED' });
    expect(build.signal.aborted).toBe(false);
    build.finish('image');
    expect(await other).toBe('image');
  });

  test('before it begins is not begun for', async () => {
    const queue = new BuildQueue<string, string>(1);
    const build = openWork();
    const gone = AbortSignal.abort(cancelled('too late'));
    await expect(queue.run('a', { signal: gone }, build.work)).rejects.toMatchObject({
      code: 'E_IMAGE_CANCELLED',
    });
    expect(build.runs).toBe(0);
  });
});

test('no more than so many run at once, the others in the order in which they were asked for', async () => {
  const queue = new BuildQueue<string, string>(2);
  const builds = [openWork(), openWork(), openWork(), openWork()];
  const asked = builds.map(({ work }, index) => queue.run(String(index), {}, work));
  await Promise.all([builds[0]?.started, builds[1]?.started]);
  expect(builds.map(({ runs }) => runs)).toEqual([1, 1, 0, 0]);
  builds[1]?.finish('1');
  await builds[2]?.started;
  expect(builds.map(({ runs }) => runs)).toEqual([1, 1, 1, 0]);
  for (const [index, build] of builds.entries()) build.finish(String(index));
  expect(await Promise.all(asked)).toEqual(['0', '1', '2', '3']);
});

test('closing ends all and waits for them', async () => {
  const queue = new BuildQueue<string, string>(1);
  const [running, waiting] = [openWork(), openWork()];
  const asked = [queue.run('a', {}, running.work), queue.run('b', {}, waiting.work)];
  await running.started;
  await queue.close();
  for (const each of await Promise.allSettled(asked))
    expect(each).toMatchObject({ status: 'rejected', reason: { code: 'E_IMAGE_CANCELLED' } });
  expect(waiting.runs).toBe(0);
});
