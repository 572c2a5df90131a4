import { join } from 'node:path';
import { BerthError } from '../errors.ts';

/** What every system takes as the address of a socket, in bytes. */
const LONGEST_SOCKET_PATH = 103;

/**
 * The operator's door: `<data>/berth.sock`, open to the user that runs the host and to nobody else.
 * @throws E_DATA_DIR when that path is too long for a socket.
 */
export function socketPath(dataDir: string): string {
  const path = join(dataDir, 'berth.sock');
  const bytes = Buffer.byteLength(path);
  if (bytes <= LONGEST_SOCKET_PATH) return path;
  throw new BerthError(
    'E_DATA_DIR',
    `the data folder ${dataDir} has too long a path: the operator's socket in it would have ${bytes} bytes, ${LONGEST_SOCKET_PATH} are allowed`,
  );
}
