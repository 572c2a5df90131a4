import type { ErrorCode } from '../errors.ts';
import type { CommandName } from './commands.ts';

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
  /** Somebody in the container has held a lock on this session's `inbound.db` for seconds. */
  | { kind: 'stuck'; session: string; reason: string }
  | { kind: 'closed' };
