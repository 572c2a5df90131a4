import type { AwakeSessions } from './awake/awake-session.ts';
import type { Channel } from './channels/channel.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { createChatFeed } from './delivery/chat-feed.ts';
import { type CollectDependencies, createCollect } from './delivery/collect-outbound.ts';
import { createDrafts } from './delivery/follow-drafts.ts';
import { createSender } from './delivery/send-events.ts';
import { createSendNotice } from './delivery/send-notice.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { Logger } from './log.ts';
import { createSlowLooks } from './mailbox/slow-looks.ts';
import type { ReleaseStack } from './release-stack.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies
  extends Omit<CollectDependencies, 'slowLooks' | 'marks' | 'maxFileBytes' | 'turnRetries'> {
  writer: Writer;
  awake: AwakeSessions;
  reads: LedgerReads;
  clock: Clock;
  log: Logger;
  config: Readonly<Config>;
  channels: Channel[];
  releases: ReleaseStack;
}

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
  const collect = createCollect({ ...deps, maxFileBytes, turnRetries, slowLooks, marks: sender.marks });
  const drafts = createDrafts(deps);
  releases.add('drafts', drafts.close);
  return { drafts, feed, sender, sendNotice, collect, slowLooks };
}
