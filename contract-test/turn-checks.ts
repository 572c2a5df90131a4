import { demand } from './broken.ts';
import type { Check } from './check.ts';

/** "What a runner does", 3 to 7. */
export const turnChecks: Check[] = [
  {
    name: 'turn/answers',
    rule: 'a message gets one reply that lists it, names it in `in_reply_to`, bears the epoch, and its claim is `done`',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' });
      const look = await room.finished('m1');
      const [reply, ...others] = room.repliesTo(look, 'm1');
      demand(reply !== undefined, 'the claim is finished, and no reply lists the message');
      demand(others.length === 0, `${others.length + 1} replies list the message`);
      demand(reply.inReplyTo === 'm1', `in_reply_to is ${reply.inReplyTo}`);
      demand(reply.epoch === room.epoch, `the reply bears epoch ${reply.epoch}, this is ${room.epoch}`);
      demand(reply.kind === 'chat', `the kind of the reply is "${reply.kind}"`);
      demand(reply.destination === null, 'the reply has a destination, and nobody asked for one');
      const [claim] = look.claims;
      demand(claim?.status === 'done', `the claim is ${claim?.status}: ${claim?.error}`);
    },
  },
  {
    name: 'turn/one-transaction',
    rule: 'the reply and its claims’ `done` become visible together: never one without the other',
    async run(room) {
      await room.start();
      const ids = Array.from({ length: 30 }, (_, index) => `m${index}`);
      for (const id of ids) {
        room.put({ id });
        await room.until(`a finished claim of ${id}`, () => {
          const look = room.look();
          if (!look) return false;
          const isDone = look.claims.some(({ message, status }) => message === id && status === 'done');
          const isAnswered = room.repliesTo(look, id).length > 0;
          demand(isAnswered || !isDone, `the claim of ${id} was done, and there was no reply yet`);
          demand(isDone || !isAnswered, `the reply to ${id} was there, and its claim was not yet done`);
          return isDone;
        });
      }
    },
  },
  {
    name: 'turn/order',
    rule: 'messages of a chat and thread are answered in the order of their seq',
    async run(room) {
      await room.start();
      const ids = ['a', 'b', 'c', 'd', 'e'];
      room.put(...ids.map((id) => ({ id })));
      const look = await room.finished(...ids);
      const order = look.messages.flatMap(({ answers }) => answers).join(' ');
      demand(order === ids.join(' '), `they were answered in the order ${order}`);
    },
  },
  {
    name: 'turn/one-chat',
    rule: 'a turn takes messages of one chat and one thread',
    async run(room) {
      await room.start();
      room.put(
        { id: 'a1', chat: 'a' },
        { id: 'b1', chat: 'b' },
        { id: 'a2', chat: 'a' },
        { id: 'a3', chat: 'a', thread: 't' },
      );
      const look = await room.finished('a1', 'b1', 'a2', 'a3');
      for (const { id, answers } of look.messages) {
        const places = new Set(answers.map((one) => (one === 'a2' ? 'a1' : one)));
        demand(places.size <= 1, `the reply ${id} answers ${answers.join(' and ')} together`);
      }
    },
  },
  {
    name: 'turn/context',
    rule: 'a message with `wake` 0 starts no turn; the next turn of its chat takes it along and lists it',
    async run(room) {
      await room.start();
      room.put({ id: 'context', wake: 0 });
      await room.holdsFor(700, 'a message with wake 0 was taken up by itself', () =>
        isUntouched(room, 'context'),
      );
      room.put({ id: 'asked' });
      const look = await room.finished('context', 'asked');
      demand(room.repliesTo(look, 'context').length === 1, 'the reply does not list the message with wake 0');
      demand(
        room.repliesTo(look, 'asked')[0]?.inReplyTo === 'asked',
        'in_reply_to is not the message that asked',
      );
    },
  },
  {
    name: 'turn/attempt',
    rule: 'a message whose attempt was raised is free again and gets another turn',
    async run(room) {
      await room.start();
      room.put({ id: 'm1' });
      await room.finished('m1');
      room.raiseAttempt('m1');
      const look = await room.finished('m1');
      demand(room.repliesTo(look, 'm1').length === 2, 'the second attempt got no reply of its own');
    },
  },
  {
    name: 'turn/system',
    rule: 'a row of kind `system` is claimed `done` at once, without a turn, and no reply lists it',
    async run(room) {
      await room.start();
      room.put({ id: 'sys', kind: 'system', wake: 0, answers: 'out_unknown' });
      const look = await room.finished('sys');
      demand(look.claims[0]?.status === 'done', `its claim is ${look.claims[0]?.status}`);
      room.put({ id: 'm1' });
      const after = await room.finished('m1');
      demand(room.repliesTo(after, 'sys').length === 0, 'a reply lists the row of kind system');
    },
  },
  {
    name: 'turn/task',
    rule: 'a row of kind `task` starts a turn like a message of a person',
    async run(room) {
      await room.start();
      room.put({ id: 'task', kind: 'task' });
      const look = await room.finished('task');
      demand(room.repliesTo(look, 'task').length === 1, 'it got no reply');
    },
  },
  {
    name: 'turn/added-columns',
    rule: 'columns and tables that a later host adds do no harm: readers name their columns',
    async run(room) {
      room.inbound.exec(`ALTER TABLE messages ADD COLUMN later TEXT; ALTER TABLE session ADD COLUMN later TEXT;
        ALTER TABLE controls ADD COLUMN later TEXT; CREATE TABLE later (a)`);
      await room.start();
      room.put({ id: 'm1' });
      const look = await room.finished('m1');
      demand(room.repliesTo(look, 'm1').length === 1, 'it got no reply');
    },
  },
  {
    name: 'turn/claims-first',
    rule: 'a message is claimed `processing`, durably, before the work on it begins',
    needsSlow: true,
    async run(room) {
      await room.start();
      room.put({ id: 'slow', text: room.options.slow ?? '' });
      await room.until('a claim that is `processing`', () => statusOf(room, 'slow') === 'processing', 1_500);
    },
  },
];

export function statusOf(room: Parameters<Check['run']>[0], id: string): string | undefined {
  return room.look()?.claims.findLast(({ message }) => message === id)?.status;
}

function isUntouched(room: Parameters<Check['run']>[0], id: string): boolean {
  const look = room.look();
  return !look?.claims.some(({ message }) => message === id);
}
