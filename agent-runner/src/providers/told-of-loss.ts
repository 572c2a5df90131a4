import type { TurnResult } from './provider.ts';

const AFRESH =
  'I could not take up our earlier conversation again, and begin a new one: what was said before is not known to me.';

/** Of all that a turn answers, the first bears the word. */
export function toldOfLossOnce(): (part: TurnResult) => TurnResult {
  let told = false;
  return (part) => {
    if (told) return part;
    told = true;
    return toldOfLoss(part);
  };
}

/** The turn's first reply begins with the word that the conversation could not be taken up again. */
export function toldOfLoss(result: TurnResult): TurnResult {
  const [first, ...others] = result.replies;
  if (!first) return result;
  const text = first.silent ? AFRESH : `${AFRESH}\n\n${first.text}`;
  return { ...result, replies: [{ ...first, text, silent: false }, ...others] };
}
