import { FAILPOINTS } from './failpoints.ts';
import { FAULT_KINDS, type FaultKind } from './fault-kinds.ts';
import { PLACES } from './places.ts';
import { seeded, shuffled } from './random.ts';

export interface PlannedMessage {
  step: 'message';
  message: string;
  order: number;
  place: number;
  text: string;
  /** Milliseconds until the next step. */
  pauseMs: number;
}

export interface PlannedFault {
  step: 'fault';
  number: number;
  kind: FaultKind;
  /** The session it is aimed at; where that has no container, the next one that has. */
  place: number;
  /** Of a kill of the host: where, and at how many-th pass. */
  failpoint: string | null;
  pass: number;
  /** Between 0 and 1, for what else there is to choose. */
  chance: number;
  pauseMs: number;
}

export type Step = PlannedMessage | PlannedFault;

export interface Wanted {
  messages: number;
  faults: number;
  seed: number;
}

/** What happens in a run, in order. The same wish gives the same schedule. Pure. */
export function planRun({ messages, faults, seed }: Wanted): Step[] {
  const random = seeded(seed);
  const upTo = (most: number) => Math.floor(random() * most);
  const kinds = shuffled(kindsOf(faults), random);
  const failpoints = endless([...FAILPOINTS.keys()], random);
  const planned = kinds.map(
    (kind, number): PlannedFault => ({
      step: 'fault',
      number,
      kind,
      place: upTo(PLACES.length),
      failpoint: kind === 'host killed at a failpoint' ? failpoints() : null,
      pass: 1 + upTo(3),
      chance: random(),
      pauseMs: 100 + upTo(400),
    }),
  );
  const every = messages / Math.max(faults, 1);
  const steps: Step[] = [];
  for (let order = 0; order < messages; order++) {
    while (planned[0] && planned[0].number * every <= order) steps.push(planned.shift() as PlannedFault);
    const message = `m${order}`;
    const text = `${message} w${upTo(4) === 0 ? 100 + upTo(500) : 0}`;
    steps.push({ step: 'message', message, order, place: upTo(PLACES.length), text, pauseMs: upTo(60) });
  }
  return [...steps, ...planned];
}

/** So many kinds, each by its share and at least once. */
function kindsOf(count: number): FaultKind[] {
  const kinds = Object.keys(FAULT_KINDS) as FaultKind[];
  const found: FaultKind[] = [];
  for (let place = 0; found.length < count; place++) {
    const least = kinds[place];
    if (least) found.push(least);
    else found.push(byShare((place * 37) % 100, kinds));
  }
  return found;
}

/** Of a hundred places each kind has its share; steps of 37 pass through all of them. */
function byShare(place: number, kinds: FaultKind[]): FaultKind {
  const row = kinds.flatMap((kind) => Array<FaultKind>(FAULT_KINDS[kind]).fill(kind));
  return row[place] ?? 'container killed';
}

/** All of them in some order, again and again, so that each comes as often as any other. */
function endless<T>(things: readonly T[], random: () => number): () => T {
  let left: T[] = [];
  return () => {
    if (left.length === 0) left = shuffled(things, random);
    return left.pop() as T;
  };
}
