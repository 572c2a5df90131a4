import { watch } from 'node:fs';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { type Figure, spread } from './figures.ts';
import { ECHO, warmUp } from './warm.ts';

const STAGES = [
  'accept: message durable in host.db',
  'inbound.db committed',
  'runner notices, claim committed',
  'turn, reply and done committed',
  'host notices, outbox committed, handed to the channel',
] as const;

interface Mark {
  at: number;
  file: string;
}

/** Where the time of a warm round trip goes, seen from outside: by the answer to `accept` and by file events. */
export async function stages({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const host = await openBenchHost({ engine, image, groups: { echo: ECHO } });
  const { event } = await host.say('stages', 'first');
  const folders = sessionFolders(host.dataDir, 'echo', event.session);
  let inEvents: number[] = [];
  let outEvents: Mark[] = [];
  const watchers = [
    watch(folders.in, () => inEvents.push(performance.now())),
    watch(folders.out, (_type, name) => outEvents.push({ at: performance.now(), file: name ?? '' })),
  ];
  try {
    await warmUp(host, 'stages');
    const samples = STAGES.map((): number[] => []);
    const totals: number[] = [];
    for (let i = 0; i < Math.max(50, 500 * scale); i++) {
      [inEvents, outEvents] = [[], []];
      const began = performance.now();
      const { acceptedAt } = await host.say('stages', 'hello');
      const ended = performance.now();
      const [claimed, replied] = commitEnds(outEvents);
      const written = inEvents.findLast((at) => claimed !== undefined && at < claimed);
      if (claimed === undefined || replied === undefined || written === undefined) continue;
      const marks = [began, acceptedAt, written, claimed, replied, ended];
      for (const [index, sample] of samples.entries())
        sample.push((marks[index + 1] ?? 0) - (marks[index] ?? 0));
      totals.push(ended - began);
    }
    return {
      name: 'stages of a warm round trip, p50 in ms',
      against: 'none',
      ...spread(totals),
      targets: [],
      details: Object.fromEntries(STAGES.map((stage, index) => [stage, spread(samples[index] ?? []).p50])),
    };
  } finally {
    for (const watcher of watchers) watcher.close();
    await host.close();
  }
}

/** A commit with a PERSIST journal ends with the journal's header being zeroed, after the database was written. */
function commitEnds(events: Mark[]): (number | undefined)[] {
  const ends: number[] = [];
  let written = false;
  for (const { at, file } of events) {
    if (file === 'outbound.db') written = true;
    else if (written && file === 'outbound.db-journal') {
      ends.push(at);
      written = false;
    }
  }
  return ends;
}
