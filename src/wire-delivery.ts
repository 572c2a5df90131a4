import type { AwakeSessions, CollectableSession } from './awake/awake-session.ts';
import type { Channel } from './channels/channel.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { createChatFeed } from './delivery/chat-feed.ts';
import { type CollectDependencies, createCollect } from './delivery/collect-outbound.ts';
import { createDrafts } from './delivery/follow-drafts.ts';
import { createSender } from './delivery/send-events.ts';
import { createSendNotice } from './delivery/send-notice.ts';
import type { Group } from './groups/group.ts';
import { USUAL_DISK } from './groups/group-shape.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { Logger } from './log.ts';
import { createSlowLooks } from './mailbox/slow-looks.ts';
import type { ReleaseStack } from './release-stack.ts';
import { parseSize } from './size.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies
  extends Omit<CollectDependencies, 'slowLooks' | 'marks' | 'maxFileBytes' | 'turnRetries' | 'diskLimitOf'> {
  writer: Writer;
  awake: AwakeSessions;
  reads: LedgerReads;
  clock: Clock;
  log: Logger;
  config: Readonly<Config>;
  channels: Channel[];
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  group(folder: string): Group;
  releases: ReleaseStack;
}

/** In bytes; of a session whose group is gone or broken and has no container: as where its `group.yaml` says nothing. */
const USUAL_DISK_LIMIT = parseSize(USUAL_DISK) ?? 0;

/** What a container wrote goes into the ledger, and from there to the chat it came from. */
export function wireDelivery(deps: Dependencies) {
  const { config, channels, reads, releases } = deps;
  const feed = createChatFeed();
  const sender = createSender({
    ...deps,
    stopGraceMs: config.stopGraceMs,
    timeoutMs: config.sendTimeoutMs,
    retryMs: config.sendRetryMs,
    giveUpMs: config.sendGiveUpMs,
    onEvent: feed.publish,
  });
  const sendNotice = createSendNotice({
    channels: new Map(channels.map((channel) => [channel.name, channel])),
    reads,
  });
  const slowLooks = createSlowLooks();
  releases.add('slow looks', slowLooks.close);
  const { maxFileBytes, turnRetries } = config;
  const { marks } = sender;
  const collect = createCollect({ ...deps, maxFileBytes, turnRetries, slowLooks, marks, diskLimitOf });
  const drafts = createDrafts(deps);
  releases.add('drafts', drafts.close);
  return { drafts, feed, sender, sendNotice, collect, slowLooks };

  function diskLimitOf({ id }: CollectableSession): number {
    try {
      const group = deps.awake.get(id)?.group ?? deps.group(reads.session(id)?.group ?? '');
      return group.limits.diskBytes;
    } catch {
      return USUAL_DISK_LIMIT;
    }
  }
}
