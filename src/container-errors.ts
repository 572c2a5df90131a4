import type { ErrorKind } from './error-kind.ts';

/** The errors about what a container may see and use, which `errors.ts` lists among all others. */
export const containerErrors = {
  E_RUNTIME_UNKNOWN: {
    status: 503,
    cause: 'The engine does not have the OCI runtime that containers are to be run by.',
    remedy:
      'Install the runtime and name it to the engine, or correct `BERTH_RUNTIME` or `runtime` in the `group.yaml`.',
  },
  E_MOUNTS_CONFIG: {
    status: 409,
    cause: 'The list of folders that may be mounted, `~/.config/berth/mounts.yaml`, cannot be used.',
    remedy: 'Correct the file at the line that the message names; it is read at each wake.',
  },
  E_MOUNT_REFUSED: {
    status: 409,
    cause:
      'A folder under `mounts` in a `group.yaml` may not be mounted, or was changed while the container started.',
    remedy:
      '`berth mounts check <group>` says why; allow the folder in `~/.config/berth/mounts.yaml`, or take it out of the `group.yaml`.',
  },
  E_DISK_LIMIT: {
    status: 507,
    cause:
      "A session's folders `home` and `out`, or its group's workspace, hold more than `limits.disk` allows; its container was ended, and none is started.",
    remedy:
      'Remove files from the folder that the message names, raise `limits.disk` in the `group.yaml`, or delete the chat.',
  },
} as const satisfies Record<string, ErrorKind>;
