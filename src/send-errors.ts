import type { ErrorKind } from './error-kind.ts';

/** The errors about sending and the outbox, which `errors.ts` lists among all others. */
export const sendErrors = {
  E_SEND_FAILED: {
    status: 502,
    cause: 'An event was not delivered: its platform does not want it, or has not taken it for a day.',
    remedy: 'Read the reason; `berth outbox` lists what was not delivered, sends it again or drops it.',
  },
  E_SEND_UNCERTAIN: {
    status: 502,
    cause:
      'It is not known whether a platform has taken an event, and it takes none twice without doubling it.',
    remedy: 'Look into the chat; where the event is missing, `berth outbox resend` sends it again.',
  },
  E_OUTBOX_UNKNOWN: {
    status: 404,
    cause: 'There is no event with that id.',
    remedy: '`berth outbox --all` lists the events with their ids, such as `r17`.',
  },
  E_OUTBOX_STATE: {
    status: 409,
    cause: 'The event is in a state in which that cannot be done with it.',
    remedy:
      'Look at its state with `berth outbox --all`; name only events of the states that the message lists.',
  },
} as const satisfies Record<string, ErrorKind>;
