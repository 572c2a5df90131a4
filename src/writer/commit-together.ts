import type Database from 'better-sqlite3';
import { asBerthError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { type CommandName, prepareCommands } from './commands.ts';
import type { Mailboxes } from './mailboxes.ts';
import type { Reply, Request } from './protocol.ts';

/** Runs requests in one transaction of `host.db`, each in a savepoint of its own, and gives a reply to each. */
export type CommitTogether = (batch: Request[]) => Reply[];

/** Once it has committed, the mailboxes hold what is to be written to inbound files. */
export function createCommit(db: Database.Database, mailboxes: Mailboxes): CommitTogether {
  const commands = prepareCommands(db, mailboxes) as unknown as Record<
    CommandName,
    (args: unknown) => unknown
  >;
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const savepoint = db.prepare('SAVEPOINT request');
  const release = db.prepare('RELEASE request');
  const rollbackTo = db.prepare('ROLLBACK TO request');

  return (batch) => {
    try {
      begin.run();
      const replies = batch.map(runOne);
      if (failpoint) for (const { command } of batch) failpoint(`before commit ${command}`);
      commit.run();
      if (failpoint) for (const { command } of batch) failpoint(`after commit ${command}`);
      const unopened = mailboxes.keep();
      return unopened.size === 0
        ? replies
        : replies.map((reply, index) => withFileError(batch[index], reply, unopened));
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK');
      mailboxes.drop();
      const { code, message } = asBerthError(error, 'E_LEDGER');
      return batch.map(({ id }) => ({ kind: 'error', id, code, message }));
    }
  };

  function runOne(request: Request): Reply {
    savepoint.run();
    const before = mailboxes.count();
    try {
      const result = commands[request.command](request.args);
      release.run();
      return { kind: 'result', id: request.id, result };
    } catch (error) {
      // A failed statement may have ended the whole transaction (a full disk does): then the batch fails together.
      if (!db.inTransaction) throw error;
      rollbackTo.run();
      release.run();
      mailboxes.drop(before);
      const { code, message } = asBerthError(error, 'E_LEDGER');
      return { kind: 'error', id: request.id, code, message };
    }
  }
}

/** A wake or an adoption whose `inbound.db` cannot be opened is an error, although what it did to the ledger holds. */
function withFileError(request: Request | undefined, reply: Reply, unopened: Map<string, unknown>): Reply {
  if (request?.command !== 'beginWake' && request?.command !== 'attach') return reply;
  const error = unopened.get((request.args as { session: string }).session);
  if (error === undefined) return reply;
  const { code, message } = asBerthError(error, 'E_WAKE');
  return { kind: 'error', id: request.id, code, message: `inbound.db cannot be opened: ${message}` };
}
