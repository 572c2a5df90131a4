import type { Writer } from '../writer/writer.ts';

interface User {
  uid: number;
  gid: number;
}

/**
 * Who a group's containers run as: under an unprivileged host its own user; under root one uid per group from
 * `uidBase` on, so that groups share no per-user quota.
 */
export function createUserOf(deps: {
  writer: Writer;
  uidBase: number;
}): (folder: string) => Promise<{ user: User; owner: User | null }> {
  const own = { uid: process.getuid?.() ?? 1000, gid: process.getgid?.() ?? 1000 };
  const known = new Map<string, Promise<User>>();

  return async (folder) => {
    if (own.uid !== 0) return { user: own, owner: null };
    const user = await (known.get(folder) ?? ask(folder));
    return { user, owner: user };
  };

  function ask(folder: string): Promise<User> {
    const asked = groupUser(folder);
    known.set(folder, asked);
    asked.catch(() => known.delete(folder));
    return asked;
  }

  async function groupUser(folder: string): Promise<User> {
    const id = deps.uidBase + (await deps.writer.run('groupSlot', { folder }));
    return { uid: id, gid: id };
  }
}
