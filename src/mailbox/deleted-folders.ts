import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const SESSION = /^s_[0-9a-f]{20}$/;
const ASIDE = /^(s_[0-9a-f]{20})\.of-chat-(\d+)$/;

/**
 * Takes a session's folder out of the way of a session that begins anew under the same id: at one stroke, however much is in it.
 * @param chat the number of the session's chat, which no other chat is ever given; by it the folder is told from later ones.
 * @returns where it is now, to be removed; nothing: it is gone already, or there was none.
 */
export async function setAside(root: string, chat: number): Promise<string[]> {
  const aside = `${root}.of-chat-${chat}`;
  try {
    await rename(root, aside);
    return [aside];
  } catch {
    // There is none; or a full disk has no room for another name.
    await rm(root, { recursive: true, force: true });
    return [];
  }
}

/** The session stays after all. @returns false: something has been made in the folder's place meanwhile. */
export async function putBack(aside: string): Promise<boolean> {
  return rename(aside, aside.slice(0, aside.lastIndexOf('.of-chat-'))).then(
    () => true,
    () => false,
  );
}

/**
 * Sets aside what lies there of sessions that are none, and nothing else that lies there. What was set aside for a deletion that was not
 * carried out is put back.
 * @param folder one of folders that are called by their session's id.
 * @param chats the number of the chat of each session that there is.
 * @returns the paths that are to be removed.
 */
export async function setStraysAside(
  folder: string,
  chats: ReadonlyMap<string, number | null>,
): Promise<string[]> {
  const left: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const [, session = '', chat] = ASIDE.exec(name) ?? [];
    if (session !== '') {
      if (chats.get(session) !== Number(chat) || !(await putBack(path))) left.push(path);
    } else if (SESSION.test(name) && !chats.has(name)) {
      left.push(...(await setAside(path, 0)));
    }
  }
  return left;
}
