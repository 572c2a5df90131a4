import { join } from 'node:path';

/** A word of a command, with `/group/…` where the group's folder really is, which is elsewhere without a container. */
export function inGroup(word: string, groupDir: string): string {
  return word === '/group' || word.startsWith('/group/') ? join(groupDir, word.slice('/group'.length)) : word;
}
