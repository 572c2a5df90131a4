import type { ErrorKind } from './error-kind.ts';

/** The errors about where containers get access from, which `errors.ts` lists among all others. */
export const credentialErrors = {
  E_CREDENTIALS_MISSING: {
    status: 409,
    cause:
      'A group is to be handed a key, or to use the OneCLI gateway, and the host has no such key or no address of a gateway.',
    remedy:
      "Set the variable that the message names in the host's environment or in `.env`, or take it out of `credentials` in the `group.yaml`.",
  },
  E_CREDENTIALS_REFUSED: {
    status: 409,
    cause: 'The OneCLI gateway refused to give a group its configuration.',
    remedy: 'Read its status in the message: 401 and 403 mean a wrong `ONECLI_API_KEY`.',
  },
  E_CREDENTIALS_UNAVAILABLE: {
    status: 503,
    cause:
      'The OneCLI gateway does not answer, or its answer cannot be used. A group with `credentials: onecli` works without credentials meanwhile; one with `onecli: required` does not start.',
    remedy: 'Start the gateway, or correct `ONECLI_URL`; the next wake asks again.',
  },
  E_CREDENTIALS_FOLDER: {
    status: 500,
    cause: 'The folder in memory, from which containers read what they are handed, belongs to another user.',
    remedy: 'Remove the folder that the message names, or have its owner do so.',
  },
  E_APPROVAL_UNKNOWN: {
    status: 404,
    cause: 'There is no request with that id that waits, or ever waited, for an approval.',
    remedy: '`berth approvals` lists what waits.',
  },
  E_APPROVAL_OVER: {
    status: 409,
    cause: 'The request was approved, denied or expired before.',
    remedy: 'The agent has to ask again; `berth approvals --all` shows what became of it.',
  },
} as const satisfies Record<string, ErrorKind>;
