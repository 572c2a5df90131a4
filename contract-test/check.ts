import type { SessionRoom } from './session-room.ts';

/** One rule of `docs/contract.md` that a runner is held against. */
export interface Check {
  /** Section and rule, such as `turn/one-transaction`: stable, because people name it in `--only`. */
  readonly name: string;
  /** What is expected of the runner, in one sentence. */
  readonly rule: string;
  /** True: it takes a message on which the runner works for a while (`--slow`). */
  readonly needsSlow?: boolean;
  /** @throws Broken when the runner breaks the rule. */
  run(room: SessionRoom): Promise<void>;
}
