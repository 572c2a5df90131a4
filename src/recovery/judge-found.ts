import { CONTRACT_VERSION } from '../../contract/version.ts';
import type { FoundContainer } from '../engines/engine.ts';
import type { SessionRow } from '../ledger/ledger-reads.ts';

/** What a container of the session would be started with now. */
export interface Wanted {
  /** Hash of the spec. */
  spec: string;
  /** The engine's id of its image; `undefined`: it has none, or no images at all. */
  imageId: string | undefined;
}

/**
 * What becomes of a container that an earlier host left:
 * `adopt` goes on undisturbed; `retire` goes on with its turn and is stopped then, because it is not what would be started
 * now; `stop` was being stopped; `stray` is nobody's.
 */
export type Fate = 'adopt' | 'retire' | 'stop' | 'stray';

/**
 * Judges a container by its labels and the session's row. One that has ended is adopted like one that runs: its end is told
 * by the engine soon, and treated like any other. Pure.
 *
 * @param row the session that its label names, if there is one.
 * @param wanted `undefined`: nothing can be started for that session now (its group is gone or broken).
 */
export function judgeFound(
  found: FoundContainer,
  row: Pick<SessionRow, 'state' | 'epoch' | 'group'> | undefined,
  wanted: Wanted | undefined,
): Fate {
  const { labels, imageId, contract } = found;
  if (!row || labels.group !== row.group || labels.epoch !== row.epoch) return 'stray';
  if (row.state === 'asleep' || row.state === 'failed') return 'stray';
  if (row.state === 'stopping') return 'stop';
  if (!wanted || labels.spec !== wanted.spec) return 'retire';
  if (contract !== undefined && contract !== String(CONTRACT_VERSION)) return 'retire';
  return sameImage(imageId, wanted.imageId) ? 'adopt' : 'retire';
}

/** An image that is gone cannot be started from, and is no reason to end what runs from it. */
function sameImage(found: string | undefined, wanted: string | undefined): boolean {
  if (found === undefined || wanted === undefined) return true;
  const bare = (id: string) => id.replace(/^sha256:/, '');
  return bare(found) === bare(wanted);
}
