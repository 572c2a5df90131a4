import type { ErrorKind } from './error-kind.ts';

/** The errors about what agents ask of the host and of people, which `errors.ts` lists among all others. */
export const requestErrors = {
  E_REQUEST: {
    status: 400,
    cause: 'What an agent asked of the host is unknown, not of the documented form, or not allowed.',
    remedy: 'Correct the argument that the message names; `docs/contract.md` lists the requests.',
  },
  E_REQUEST_LIMIT: {
    status: 429,
    cause: 'A session has as many schedules, or requests without an answer taken, as it may have.',
    remedy: 'Cancel schedules that are not needed any more (`berth schedules cancel`).',
  },
  E_QUESTION_UNKNOWN: {
    status: 400,
    cause:
      'The message names a question that the agent has not asked in that chat, or one that is no longer kept.',
    remedy: 'Use the `question.id` of an event of that chat, or send the message without `answers`.',
  },
  E_SCHEDULE_UNKNOWN: {
    status: 404,
    cause: 'There is no schedule with that id; one that ran for the last time is gone.',
    remedy: '`berth schedules` lists the schedules with their ids.',
  },
} as const satisfies Record<string, ErrorKind>;
