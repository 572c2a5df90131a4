import { containerErrors } from './container-errors.ts';
import { credentialErrors } from './credential-errors.ts';
import type { ErrorKind } from './error-kind.ts';
import { imageErrors } from './image-errors.ts';
import { networkErrors } from './network-errors.ts';
import { recordErrors } from './record-errors.ts';
import { requestErrors } from './request-errors.ts';
import { hideSecrets } from './secrets.ts';
import { sendErrors } from './send-errors.ts';

/**
 * Every error that Berth tells anybody about. The code is stable: programs may rely on it. `docs/errors.md`
 * lists the same codes, and a test fails when the two disagree.
 */
const kinds = {
  E_CONFIG: {
    status: 500,
    cause: 'A setting in the environment or in `.env` has a value that is not allowed.',
    remedy: 'Correct the variable that the message names; `docs/configuration.md` lists all of them.',
  },
  E_DATA_DIR: {
    status: 500,
    cause: 'The data folder cannot be made or written.',
    remedy: 'Give the folder to the user that runs Berth, or point `BERTH_DATA_DIR` elsewhere.',
  },
  E_DATA_LOCKED: {
    status: 500,
    cause: 'Another Berth holds the data folder.',
    remedy: 'Stop the process that the message names, or use another `BERTH_DATA_DIR`.',
  },
  ...recordErrors,
  E_DISK_FULL: {
    status: 507,
    cause: 'The disk that holds the data folder is full, so that nothing can be accepted.',
    remedy: 'Make room; what was accepted is kept and work goes on by itself.',
  },
  E_PORT_IN_USE: {
    status: 500,
    cause: 'The HTTP channel cannot listen on its address.',
    remedy: 'Stop the program that listens there, or set `BERTH_HTTP_PORT` (0 turns the channel off).',
  },
  E_ENGINE_UNREACHABLE: {
    status: 503,
    cause: 'No container engine answers.',
    remedy:
      'Start Docker or podman, check `DOCKER_HOST`, or choose `BERTH_ENGINE=process` where no container is needed.',
  },
  E_ENGINE_REFUSED: {
    status: 503,
    cause: 'The container engine refused to make or start the container.',
    remedy: "Read the engine's words in the message: most often a limit or a mount that it does not take.",
  },
  ...imageErrors,
  ...containerErrors,
  E_CONTAINER_EXITED: {
    status: 503,
    cause: 'The container ended before its runner had its first look.',
    remedy: 'Read its last lines in the message, or `berth logs <session>`.',
  },
  E_WAKE_TIMEOUT: {
    status: 503,
    cause: 'The container started, but its runner did not say so in time.',
    remedy: 'See `berth logs <session>`; a machine that is much too busy shows this as well.',
  },
  E_RESTARTS: {
    status: 503,
    cause:
      'The container of a session died or hung too often in a short time, and the session is left alone for a while.',
    remedy:
      'See `berth why <session>` and the crash reports that it names; it is tried again by itself, and at once by `berth retry <session>`.',
  },
  E_WAKE: {
    status: 503,
    cause: 'The container of a session could not be prepared or started.',
    remedy: 'Read the reason in the message and in the log.',
  },
  E_GROUP_UNKNOWN: {
    status: 404,
    cause: 'There is no group of that name.',
    remedy: 'Use the name of a folder in the groups folder that holds a `group.yaml`.',
  },
  E_GROUP_CONFIG: {
    status: 409,
    cause: 'The `group.yaml` of the group is not valid, and no earlier valid version is known.',
    remedy: 'Correct the file at the line that the message names; it is read again by itself.',
  },
  E_SESSION_UNKNOWN: {
    status: 404,
    cause: 'There is no session with that id.',
    remedy: '`berth status` lists the sessions.',
  },
  E_BAD_REQUEST: {
    status: 400,
    cause: 'The request is not of the documented form.',
    remedy: 'Correct the field that the message names.',
  },
  E_BAD_NAME: {
    status: 400,
    cause:
      'A name or id is empty, too long, or has characters that are not allowed (slashes, control characters, `..`).',
    remedy: 'Use at most 200 characters, none of them a slash or a control character.',
  },
  E_UNAUTHORIZED: {
    status: 401,
    cause: 'The request bears no token, or a wrong one.',
    remedy:
      'Send `Authorization: Bearer <token>`; the token is `BERTH_HTTP_TOKEN` or the file `http-token` in the data folder.',
  },
  E_NOT_FOUND: {
    status: 404,
    cause: 'There is nothing at that address.',
    remedy: 'Check the path of the request.',
  },
  E_TOO_LARGE: {
    status: 413,
    cause: 'The message or the file is larger than is allowed.',
    remedy: 'Send less, or raise `BERTH_MAX_FILE` for files.',
  },
  E_DUPLICATE_ID: {
    status: 409,
    cause: 'A message with that id, but other content, was accepted in that chat before.',
    remedy: 'Give each new message an id of its own.',
  },
  E_UPLOAD_UNKNOWN: {
    status: 400,
    cause:
      'The message names an upload that does not exist in that chat, was used before, or is older than an hour.',
    remedy: 'Upload the file again and use the new id.',
  },
  E_QUEUE_FULL: {
    status: 429,
    cause: 'Too many messages wait in that session.',
    remedy: 'Wait until some are answered, or raise `BERTH_MAX_QUEUE`.',
  },
  E_STOPPING: {
    status: 503,
    cause: 'The host is shutting down and takes nothing new.',
    remedy: 'Send the message again once the host is back.',
  },
  E_OUTBOUND_INVALID: {
    status: 500,
    cause: 'What the container wrote under `out/` breaks the session contract.',
    remedy:
      'See the message for the rule; the session goes on once its file is in order (a new container makes a new one).',
  },
  E_FILE_REFUSED: {
    status: 500,
    cause:
      'A file that the agent wanted to send is missing, too large, or not a regular file of its own folder; or the session has sent as much as it may.',
    remedy:
      'The agent has to put a regular file within `BERTH_MAX_FILE` under its `out/files` folder. Where the reason says that `limits.disk` is reached, raise it, or wait until older files are pruned.',
  },
  E_TURN_FAILED: {
    status: 500,
    cause: 'The agent could not answer, and trying again would not help.',
    remedy: 'Read the reason; `berth logs <session>` has the rest.',
  },
  E_TURN_ABORTED: {
    status: 500,
    cause:
      'The turn was stopped: by a person, because it took longer than `limits.turn`, or because the agent showed no sign of life.',
    remedy: 'Ask for less at once, or raise `limits.turn`.',
  },
  E_TURN_RETRIES: {
    status: 500,
    cause: 'The turn failed three times for a reason that might have passed.',
    remedy: 'Read the last reason and send the message again later.',
  },
  E_TURN_CRASHED: {
    status: 500,
    cause: 'The container died or hung during this turn each time that it was tried.',
    remedy: 'See `berth logs <session>`; out of memory is the usual reason (`limits.memory`).',
  },
  E_TURN_NO_REPLY: {
    status: 500,
    cause: 'The runner called the message done without a reply.',
    remedy:
      "Correct the group's own runner: a `done` claim needs a reply whose `answers` lists the message, or `silent`.",
  },
  ...sendErrors,
  ...requestErrors,
  ...networkErrors,
  ...credentialErrors,
  E_NO_HOST: {
    status: 503,
    cause: 'No host runs on that data folder, and the command needs one.',
    remedy: 'Start it with `npm start`.',
  },
  E_NO_CONTAINER: {
    status: 409,
    cause: 'The session has no container now, so that there is nothing to read from it.',
    remedy: 'Send it a message, or read the reason of its last failure in `berth status --json`.',
  },
  E_DOCTOR: {
    status: 500,
    cause: '`berth doctor` has found what keeps a host or a group from working.',
    remedy: 'Do what its table says about each check that failed.',
  },
  E_INTERNAL: {
    status: 500,
    cause: 'Something that should not happen: a defect of Berth.',
    remedy: 'Report it with the log line that bears this code.',
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof kinds;

/** All codes with status, cause and remedy, for the documents and their test. */
export const errorKinds: Readonly<Record<ErrorCode, ErrorKind>> = kinds;

/** An error with a stable code; `message` says what happened, in words for the one who meets it. */
export class BerthError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(hideSecrets(message), cause === undefined ? undefined : { cause });
    this.name = 'BerthError';
    this.code = code;
  }

  get status(): number {
    return errorKinds[this.code].status;
  }

  get remedy(): string {
    return errorKinds[this.code].remedy;
  }
}

/** The error as a {@link BerthError}: itself, a full disk recognised, or the given code with the original as cause. */
export function asBerthError(error: unknown, code: ErrorCode = 'E_INTERNAL'): BerthError {
  if (error instanceof BerthError) return error;
  const { code: systemCode, message } = (error ?? {}) as { code?: string; message?: string };
  if (systemCode === 'ENOSPC' || systemCode === 'EDQUOT' || systemCode?.startsWith('SQLITE_FULL')) {
    return new BerthError('E_DISK_FULL', `the disk is full: ${message ?? systemCode}`, error);
  }
  return new BerthError(code, message ?? String(error), error);
}

/** One line for a person: what happened, what to do, the code. */
export function describeError(error: unknown): string {
  const known = asBerthError(error);
  return `${known.message}. ${known.remedy} [${known.code}]`;
}
