import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followChat } from '../fixtures/event-lines.ts';
import { type Arena, type Attack, folderOf, openArena } from './arena.ts';

const SECRET = 'the draft of a good session';
type Followed = Awaited<ReturnType<typeof followChat>> & { since: number };
const followed = new Map<string, Followed[]>();

/** Somebody listens to the hostile chat and to the good one, all the while. */
function listened(name: string, isShown: boolean): Attack {
  return {
    name,
    answered: true,
    async before({ host }) {
      const chats = [await followChat(host, folderOf(name), 'chat'), await followChat(host, 'good', 'chat')];
      followed.set(
        name,
        chats.map((one) => ({ ...one, since: performance.now() })),
      );
    },
    async after() {
      const [hostile, good] = followed.get(name) ?? [];
      const drafts = (one: Followed | undefined) => one?.heard.filter(({ event }) => event === 'draft') ?? [];
      hostile?.close();
      good?.close();
      expect(drafts(good)).toEqual([]);
      if (!isShown) expect(drafts(hostile)).toEqual([]);
      const seconds = (performance.now() - (hostile?.since ?? 0)) / 1000;
      expect(drafts(hostile).length).toBeLessThanOrEqual(10 * seconds + 2);
      expect(JSON.stringify(hostile?.heard)).not.toContain(SECRET);
    },
  };
}

const attacks: Attack[] = [
  listened('draftLink', false),
  listened('draftLinkToCanary', false),
  listened('draftSecondName', false),
  listened('draftFifo', false),
  listened('draftSparse', false),
  listened('draftGarbage', false),
  listened('draftForeign', false),
  listened('draftFlood', true),
];

let arena: Arena;
beforeAll(async () => {
  arena = await openArena(attacks);
  const draft = { message_id: 'm', text: SECRET, tool: null };
  writeFileSync(join(dirname(arena.goodOutbound), 'draft.json'), JSON.stringify(draft));
});
afterAll(() => arena.close());

test.each(attacks)('$name', (attack) => arena.fight(attack));
