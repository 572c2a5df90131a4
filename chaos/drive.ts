import { FAULTS } from './faults/table.ts';
import { PLACES } from './places.ts';
import type { Room } from './room.ts';
import type { PlannedFault, PlannedMessage, Step } from './schedule.ts';
import { pause, until } from './until.ts';

/** While a host or an engine is on its way up again people say less, so that there is something to say when it is there. */
const SLOWER = 8;
/** So many messages wait at most: people who get no answers stop asking. */
const MOST_UNANSWERED = 150;
const MOST_WAITING_FAULTS = 3;
/** For how long people wait before they say more; after that the run goes on, and the checks find what is missing. */
const PATIENCE_MS = 120_000;

/** Has everything happen that is planned, faults beside the messages, and returns when all faults are over. */
export async function drive(
  room: Room,
  steps: readonly Step[],
  onStep: (done: number) => void,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let turn = Promise.resolve();
  let inTurn = 0;
  for (const [index, step] of steps.entries()) {
    if (step.step === 'message') {
      await patiently(() => room.tally.unanswered() < MOST_UNANSWERED);
      say(room, step);
    } else if (FAULTS[step.kind].inTurn) {
      inTurn += 1;
      turn = turn.then(() => inject(room, step)).finally(() => (inTurn -= 1));
      await patiently(() => inTurn <= MOST_WAITING_FAULTS);
    } else {
      const injected = inject(room, step).finally(() => underWay.delete(injected));
      underWay.add(injected);
    }
    await pause(inTurn > 0 && step.step === 'message' ? step.pauseMs * SLOWER : step.pauseMs);
    onStep(index + 1);
  }
  await turn;
  await Promise.all(underWay);
}

async function patiently(holds: () => boolean): Promise<void> {
  await until('room for more', PATIENCE_MS, holds).catch(() => undefined);
}

function say(room: Room, { message, order, place, text }: PlannedMessage): void {
  const where = PLACES[place];
  if (where) room.offer({ ...where, message, order, text });
}

async function inject(room: Room, fault: PlannedFault): Promise<void> {
  const { number, kind } = fault;
  let target: string | undefined;
  try {
    target = await FAULTS[kind].inject(room, fault);
  } catch (error) {
    room.history.record({ what: 'note', words: `${kind}: ${(error as Error).message}` });
  }
  const done = target !== undefined;
  room.history.record({ what: 'fault', number, kind, target: target ?? fault.failpoint ?? '', done });
}
