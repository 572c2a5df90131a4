import { expect, test } from 'vitest';
import { AwakeSessions, awakeSession } from '../src/awake/awake-session.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { createReap } from '../src/recovery/reap-container.ts';

/** A session whose container's end is heard while it wakes. @param looked its first look is in its file by then. */
async function reapWaking(looked: boolean) {
  const folders = sessionFolders('/data', 'echo', 's_1');
  const cursor = { file: null, seq: 0, usage: 0, epoch: 0 };
  const rest = { epoch: 1, container: 'c_1', spec: undefined, cursor, startedAt: 0, activeAt: 0 };
  const session = awakeSession(
    { id: 's_1', group: { folder: 'echo' } as never, folders, state: 'waking', ...rest },
    [],
  );
  const awake = new AwakeSessions();
  awake.add(session);
  const buried: string[] = [];
  let failure: string | undefined;
  const woken = session.started.promise.then(
    () => {
      session.state = 'awake';
    },
    (error: { code: string }) => {
      failure = error.code;
      awake.remove(session);
    },
  );
  const reap = createReap({
    awake,
    settled: () => woken,
    collect: async () => void (looked && session.started.resolve()),
    bury: async (_session, death) => void buried.push(death.class),
  });
  await reap({ name: 'c_1', epoch: 1, exitCode: 1, oomKilled: false } as never);
  return { buried, failure };
}

test('a container that had looked and died before anybody saw it is buried like any that works', async () => {
  expect(await reapWaking(true)).toEqual({ buried: ['crash'], failure: undefined });
});

test('one that died before its first look is a wake that failed', async () => {
  expect(await reapWaking(false)).toEqual({ buried: [], failure: 'E_CONTAINER_EXITED' });
});
