import { composeRow } from './compose-rows.ts';
import type { TurnEvents, TurnMessage } from './providers/provider.ts';
import { type StoreFilesDeps, storeFiles } from './store-files.ts';
import type { OutboundWriter } from './write-outbound.ts';

/** A text that grows by the word is one sign of life in this many milliseconds: each is a commit. */
const SIGN_OF_LIFE_MS = 5000;

interface TurnEventsDeps extends StoreFilesDeps {
  writer: OutboundWriter;
  /** What comes after the end of the turn is not written. */
  isOver(): boolean;
}

/** The provider's side of a running turn: signs of life, tools, and what is said before the end. */
export function turnEvents(deps: TurnEventsDeps, messages: readonly TurnMessage[]): TurnEvents {
  let shownAt = performance.now();
  const showLife = (): void => {
    if (deps.isOver() || performance.now() - shownAt < SIGN_OF_LIFE_MS) return;
    shownAt = performance.now();
    deps.writer.showLife();
  };
  return {
    onText: showLife,
    onLife: showLife,
    onTool: (tool) => {
      if (deps.isOver()) return;
      deps.writer.showLife(tool && { name: tool.name, until: Date.now() + tool.quietMs });
    },
    send: async (reply) => {
      const asked = messages.findLast((message) => !message.context);
      for (const row of await storeFiles(deps, [composeRow(reply, asked?.id ?? '')])) {
        if (deps.isOver()) throw new Error('the turn is over');
        deps.writer.send(row);
      }
    },
  };
}
