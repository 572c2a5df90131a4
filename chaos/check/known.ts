import { all, type Evidence, type LedgerEvent } from './evidence.ts';

/** What can be known of an event of the ledger by what was recorded outside of the host. */
export interface Known {
  /** When it could be read first; `undefined`: never. */
  shownAt(event: LedgerEvent): number | undefined;
  /** It could be read, or nobody can know: on a platform that takes no key, where the ledger calls it `uncertain`. */
  isKnown(event: LedgerEvent): boolean;
}

export function knownOf({ history }: Evidence): Known {
  const shown = new Map<string, number>();
  for (const { channel, chat, event, at } of all(history, 'shown')) {
    const key = keyOf(channel, chat, channel === 'http' ? event.event : event.key);
    if (!shown.has(key)) shown.set(key, at);
  }
  const shownAt = ({ channel, chat, event, n }: LedgerEvent) =>
    shown.get(keyOf(channel, chat, channel === 'http' ? event : n));
  return { shownAt, isKnown: (event) => shownAt(event) !== undefined || isUnknowable(event) };
}

/** Readers over HTTP know an event by its number in the chat, platforms by its key. */
function keyOf(channel: string, chat: string, number: number): string {
  return `${channel === 'http' ? chat : channel} ${number}`;
}

export function isUnknowable({ channel, status }: LedgerEvent): boolean {
  return channel === 'keyless' && status === 'uncertain';
}

/** The events about each message, by its id. */
export function eventsAbout({ outbox }: Evidence): (id: string) => LedgerEvent[] {
  const found = new Map<string, LedgerEvent[]>();
  for (const event of outbox)
    for (const id of event.answers) found.set(id, [...(found.get(id) ?? []), event]);
  return (id) => found.get(id) ?? [];
}

/**
 * The failure that was made in the very transaction that wrote that time into the message's row. An earlier or a later word
 * about the message is another one.
 */
export function failureMadeAt(about: LedgerEvent[], at: number | null): LedgerEvent | undefined {
  return about.find(({ type, createdAt }) => type === 'failure' && createdAt === at);
}
