import { composeRow } from './compose-rows.ts';
import type { DraftFile } from './draft-file.ts';
import type { Reply, TurnEvents, TurnMessage } from './providers/provider.ts';
import { type StoreFilesDeps, storeFiles } from './store-files.ts';
import type { OutboundWriter } from './write-outbound.ts';

/** A text that grows by the word is one sign of life in this many milliseconds: each is a commit. */
const SIGN_OF_LIFE_MS = 5000;
/** Somebody who waits longer than this for something outside is told why. */
const LONG_WAIT_MS = 15_000;
/** What is waited for comes a little later than it was said. */
const WAIT_SLACK_MS = 30_000;

interface TurnEventsDeps extends StoreFilesDeps {
  writer: OutboundWriter;
  draft: Pick<DraftFile, 'show'>;
  /** What comes after the end of the turn is not written. */
  isOver(): boolean;
  /** The message that drafts, and what is said before the end, belong to. */
  lastAsked(): TurnMessage;
  /** The provider shows the first sign of life. */
  onBegun(): void;
  answer: TurnEvents['answer'];
}

/** The provider's side of a running turn: signs of life, tools, and what is said before the end. */
export function turnEvents(deps: TurnEventsDeps): TurnEvents {
  let shownAt = performance.now();
  /** Since when the provider waits for something outside, in Unix milliseconds. */
  let waitsSince: number | undefined;
  let told = false;
  let begun = false;
  let text = '';
  let tool: string | null = null;

  /** False once the turn is over. */
  const isHeard = (): boolean => {
    if (deps.isOver()) return false;
    if (!begun) deps.onBegun();
    begun = true;
    return true;
  };
  const showLife = (): void => {
    if (!isHeard()) return;
    if (waitsSince === undefined && performance.now() - shownAt < SIGN_OF_LIFE_MS) return;
    shownAt = performance.now();
    deps.writer.showLife(waitsSince === undefined ? undefined : null);
    waitsSince = undefined;
  };
  const send = async (reply: Reply): Promise<void> => {
    for (const row of await storeFiles(deps, [composeRow(reply, deps.lastAsked().id)])) {
      if (deps.isOver()) throw new Error('the turn is over');
      deps.writer.send(row);
    }
  };
  const showDraft = (): void => {
    if (!deps.isOver()) deps.draft.show({ message_id: deps.lastAsked().id, text, tool });
  };
  return {
    onText: (soFar) => {
      showLife();
      text = soFar;
      showDraft();
    },
    onLife: showLife,
    onTool: (inFlight) => {
      if (!isHeard()) return;
      waitsSince = undefined;
      deps.writer.showLife(inFlight && { name: inFlight.name, until: Date.now() + inFlight.quietMs });
      tool = inFlight?.name ?? null;
      showDraft();
    },
    onWait: ({ why, until }) => {
      if (!isHeard()) return;
      waitsSince ??= Date.now();
      deps.writer.showLife({ name: 'waiting', until: until + WAIT_SLACK_MS });
      if (told || until - waitsSince < LONG_WAIT_MS) return;
      told = true;
      send({ text: `${why}. I go on by myself at ${timeOfDay(until)}.` }).catch((error: Error) =>
        deps.log(`the person was not told of the wait: ${error.message}`),
      );
    },
    send,
    answer: async (part) => {
      await deps.answer(part);
      if (text === '') return;
      // It stands in the chat now: what comes next is about what is still open.
      text = '';
      showDraft();
    },
  };
}

function timeOfDay(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}
