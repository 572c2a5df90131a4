import type { ErrorCode } from '../errors.ts';
import type { CommandName } from './commands.ts';
import type { Renewed } from './open-mailbox.ts';

/** From the main thread to the writer's. */
export interface Request {
  id: number;
  command: CommandName;
  args: unknown;
}

/** From the writer's thread to the main one. */
export type Reply =
  | { kind: 'ready' }
  | { kind: 'result'; id: number; result: unknown }
  | { kind: 'error'; id: number; code: ErrorCode; message: string }
  /**
   * This session's `inbound.db` cannot be written: somebody in the container has held a lock on it for seconds, or there is
   * no room for it on its disk.
   */
  | { kind: 'stuck'; session: string; reason: string; noRoom: boolean }
  | Renewed
  | { kind: 'closed' };
