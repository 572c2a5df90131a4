import { checkAcceptedOrder, checkAnswers, checkDoubles, checkOrder } from './answers.ts';
import { checkContainers, checkLeftovers } from './containers.ts';
import type { Evidence, Violation } from './evidence.ts';
import { checkHost } from './host-ends.ts';
import { checkWaits } from './waits.ts';

/*
 * What a run has to keep. Nothing under check/ imports anything of the host: it judges by the history that was recorded outside
 * it, and by the files that it left.
 */
export const CHECKS: Record<string, (evidence: Evidence) => Violation[]> = {
  'every accepted message has a reply or a told failure': checkAnswers,
  'no two replies under one key': checkDoubles,
  'replies in order within a session': checkOrder,
  'messages accepted in order': checkAcceptedOrder,
  'never two containers of a session alive': checkContainers,
  'no container or row left behind': checkLeftovers,
  'nobody waited more than 10 s for a final failure': checkWaits,
  'the host ended only when it had to, and kept the rules of the platform': checkHost,
};
