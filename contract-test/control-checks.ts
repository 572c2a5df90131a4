import { demand } from './broken.ts';
import type { Check } from './check.ts';
import { statusOf } from './turn-checks.ts';

const QUIET_MS = 1_500;

/** "What a runner does", 8 and 9, and the end of a container. */
export const controlChecks: Check[] = [
  {
    name: 'control/park',
    rule: 'a park that is obeyed sets `parked` and its `control_seq`, and no database is touched until in/ changes',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' });
      await room.finished('m1');
      const seq = room.control('park');
      const obeys = await obeyed(room, seq);
      if (!obeys) {
        demand(
          room.look()?.controlSeq !== seq,
          'control_seq says that the park was obeyed, parked says that it was not',
        );
        room.note = 'park is ignored: its containers are never frozen, only stopped';
        return;
      }
      const last = room.touchedAt(room.outboundPath);
      await room.holdsFor(QUIET_MS, 'outbound.db was written to while parked', () => {
        return room.touchedAt(room.outboundPath) === last;
      });
      room.put({ id: 'm2' });
      const look = await room.finished('m2');
      demand(!look.parked, 'runner.parked is still 1 after a turn');
    },
  },
  {
    name: 'control/park-when-due',
    rule: 'a park is ignored while something is due: the message is answered',
    async run(room) {
      await room.start();
      let seq = 0;
      room.inbound.transaction(() => {
        room.put({ id: 'm1' });
        seq = room.control('park');
      })();
      await room.finished('m1');
      const { controlSeq, parked } = await room.seen();
      demand(controlSeq !== seq || parked, 'control_seq says that it parked while a message was due');
    },
  },
  {
    name: 'control/unpark',
    rule: '`unpark` ends a park: parked becomes 0 and its control_seq is noted',
    async run(room) {
      await room.start();
      await obeyed(room, room.control('park'));
      const seq = room.control('unpark');
      await room.until(`control_seq ${seq} and parked 0`, () => {
        const look = room.look();
        return look?.controlSeq === seq && !look.parked;
      });
    },
  },
  {
    name: 'control/other-epoch',
    rule: 'controls of another epoch are not obeyed',
    async run(room) {
      await room.start();
      room.control('stop', {}, room.epoch + 1);
      room.put({ id: 'm1' });
      await room.finished('m1');
      await room.holdsFor(500, 'it obeyed a `stop` of another epoch', () => !room.runner.hasEnded);
    },
  },
  {
    name: 'control/unknown',
    rule: 'a verb that it does not know does no harm',
    async run(room) {
      await room.start();
      room.control('verb-of-a-later-version', { a: 1 });
      room.put({ id: 'm1' });
      const look = await room.finished('m1');
      demand(room.repliesTo(look, 'm1').length === 1, 'the message after it got no reply');
    },
  },
  {
    name: 'control/abort-of-nothing',
    rule: '`abort` and `nudge` mean nothing once the turn of their message is over',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' });
      await room.finished('m1');
      room.control('abort', { message_id: 'm1' });
      room.control('nudge', { message_id: 'm1', text: 'go on' });
      room.put({ id: 'm2' });
      const look = await room.finished('m2');
      demand(look.messages.length === 2, `there are ${look.messages.length} replies to two messages`);
      demand(
        look.claims.every(({ status }) => status === 'done'),
        'a turn failed',
      );
    },
  },
  {
    name: 'control/abort',
    rule: '`abort` ends the running turn: its claims become `failed` with the class `aborted`',
    needsSlow: true,
    async run(room) {
      await room.start();
      room.put({ id: 'slow', text: room.options.slow ?? '' });
      await room.until('the turn to begin', () => statusOf(room, 'slow') === 'processing');
      room.control('abort', { message_id: 'slow' });
      const look = await room.finished('slow');
      const [claim] = look.claims;
      demand(claim?.status === 'failed', `the claim is ${claim?.status}: the turn went on to its end`);
      demand(claim.errorClass === 'aborted', `the class of the failure is ${claim.errorClass}`);
    },
  },
  {
    name: 'control/stop',
    rule: '`stop` ends the process with exit code 0',
    async run(room) {
      await room.start();
      room.control('stop');
      await endsWell(room);
    },
  },
  {
    name: 'control/sigterm',
    rule: 'SIGTERM ends the process with exit code 0, within the grace',
    async run(room) {
      await room.start();
      void room.runner.end('SIGTERM');
      await endsWell(room);
    },
  },
];

/** Whether a park was obeyed; a runner need not. */
async function obeyed(room: Parameters<Check['run']>[0], seq: number): Promise<boolean> {
  const end = performance.now() + QUIET_MS;
  while (performance.now() < end) {
    const look = room.look();
    if (look?.parked && look.controlSeq === seq) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
}

async function endsWell(room: Parameters<Check['run']>[0]): Promise<void> {
  const end = performance.now() + 6_000;
  while (!room.runner.hasEnded && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 5));
  demand(room.runner.hasEnded, 'it still runs after the grace of 5 s');
  demand(room.runner.exitCode === 0, `it ended ${room.runner.ending()}`);
}
