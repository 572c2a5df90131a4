import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Provocation } from './failpoints.ts';
import { containerKilled, containerPaused, containerStopped } from './faults/containers.ts';
import { sendFails, sendRefused } from './faults/sends.ts';
import { imageRemoved } from './faults/surroundings.ts';
import { freshGroup, PLACES } from './places.ts';
import type { Room } from './room.ts';
import { offer, say, sayToSlow } from './say.ts';
import type { PlannedFault } from './schedule.ts';
import { pause, until } from './until.ts';

/** Has the host do what makes it pass a failpoint that ordinary traffic seldom comes by. */
export async function provoke(provocation: Provocation, room: Room, fault: PlannedFault): Promise<void> {
  await acts[provocation](room, fault);
}

const acts: Record<Provocation, (room: Room, fault: PlannedFault) => Promise<unknown>> = {
  traffic: async () => undefined,
  start: async ({ host }) => host.signal('SIGKILL'),
  // The container goes while no host is there to see it.
  async vanish(room, fault) {
    room.host.signal('SIGKILL');
    await containerKilled(room, fault);
  },
  async retry(room, fault) {
    const session = room.tally.sessionOf(PLACES[fault.place]?.chat ?? '');
    if (session) await room.host.operator('retry', session);
  },
  stop: async ({ host }) => host.signal('SIGTERM'),
  // One that is in the middle of a turn.
  async crash(room, fault) {
    const place = sayToSlow(room, fault, 800);
    await pause(400);
    await containerKilled(room, { ...fault, place });
  },
  async pause(room, fault) {
    say(room, fault, PLACES[fault.place]?.chat ?? '', 'w0');
    await pause(500);
    await containerPaused(room, fault);
  },
  stall: (room, fault) => containerStopped(room, { ...fault, chance: 0 }),
  async image(room, fault) {
    const away = imageRemoved(room, { ...fault, chance: 1 });
    room.writeGroup(`image-${fault.number}`, freshGroup());
    await pause(600);
    offer(
      room,
      fault,
      { channel: 'http', group: `image-${fault.number}`, chat: `image-${fault.number}` },
      'w0',
    );
    await away;
  },
  'send-fails': (room, fault) => sendFails(room, fault),
  async 'fresh-group'(room, fault) {
    await sayInFreshGroup(room, fault);
  },
  async 'delete-chat'(room, fault) {
    const name = await sayInFreshGroup(room, fault);
    await until('its message to be accepted', 20_000, () => room.tally.sessionOf(name));
    void room.http.delete(name, name);
  },
  resend: (room, fault) => order(room, fault, 'resend'),
  drop: (room, fault) => order(room, fault, 'drop'),
};

/** @returns the name of the group and of the chat. */
async function sayInFreshGroup(room: Room, fault: PlannedFault): Promise<string> {
  const name = `fresh-${fault.number}`;
  room.writeGroup(name, freshGroup());
  await pause(600); // until the host has read it
  offer(room, fault, { channel: 'http', group: name, chat: name }, 'w0');
  return name;
}

/** The operator's word on an event that the platform did not want; again, should another fault end the host just then. */
async function order(room: Room, fault: PlannedFault, command: 'resend' | 'drop'): Promise<void> {
  const chat = await sendRefused(room, fault);
  say(room, fault, chat, 'w0');
  await until('a dead event', 20_000, () => deadEvents(room.dataDir).length > 0);
  // Where it could not be given, its failpoint has no hit, and the run says so.
  void giveOrder(room, command).catch(() => undefined);
}

async function giveOrder({ host, history, dataDir }: Room, command: 'resend' | 'drop'): Promise<void> {
  for (let tries = 0; tries < 3; tries++) {
    await host.ready();
    const keys = deadEvents(dataDir);
    if (keys.length === 0) return;
    if (command === 'resend') history.record({ what: 'resent', keys });
    if ((await host.operator('outbox', command, ...keys.map((key) => `r${key}`))) === 0) return;
  }
}

function deadEvents(dataDir: string): number[] {
  const db = new Database(join(dataDir, 'host.db'), { readonly: true });
  try {
    const rows = db.prepare("SELECT n FROM outbox WHERE status = 'dead'").all() as { n: number }[];
    return rows.map(({ n }) => n);
  } finally {
    db.close();
  }
}
